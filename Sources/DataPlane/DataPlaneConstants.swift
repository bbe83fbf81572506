// Numbers of the standards and our own, apart.

/// Values that the standards fix, and those that we chose.
enum DataPlaneConstants {
    // RFC 9300.
    /// The UDP port that encapsulated packets are sent to.
    static let dataPort: UInt16 = 4341
    static let lispHeaderSize = 8
    /// Octets around an inner packet: IP, UDP and LISP headers.
    static let overheadIPv4 = 36
    static let overheadIPv6 = 56

    // Ours.
    /// Packets that are handled together.
    static let batchSize = 64
    /// Segments that leave in one system call.
    static let segmentsAtOnce = 256
    /// Octets of inner headers that a train of segments may have, extension headers included.
    static let largestHeaders = 192
    /// Octets that are read from a TUN in one turn while packets come as trains.
    static let tunnelOctetsPerTurn = 256 << 10
    /// Messages that are received together while they are trains of up to 64 datagrams, so that a turn stays short.
    static let trainsPerTurn = 8
    /// Reports of a source port that are read in one turn.
    static let errorsPerTurn = 16
    /// What is read of the packet that such a report quotes: the LISP header and the largest inner header that is looked at.
    static let quoteSize = 128
    /// The source port, beside those that flows are spread over, whose datagrams may be fragmented on their way.
    static let fragmentingPort = 64
    /// ICMP errors that a worker sends to hosts: a second, and at once.
    static let siteErrorRate: UInt64 = 1_000
    static let siteErrorBurst: UInt64 = 100
    /// As many locators as a record can carry.
    static let maximumLocators = 255
    /// With more entries, a batch of packets is looked up together.
    static let largeTable = 4_096
    /// Instances that one daemon serves.
    static let maximumInstances = 1_024
    /// Where source ports are chosen from (RFC 6335: the dynamic ones).
    static let sourcePorts: ClosedRange<UInt16> = 49_152...65_535
}
