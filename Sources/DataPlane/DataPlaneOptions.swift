// What the operator, or a test, may choose about the data plane.

import LISPWire

package struct DataPlaneOptions: Sendable {
    package enum UDPChecksum: Sendable {
        /// A real checksum, which devices compute where they can.
        case compute
        /// None (RFC 9300 section 5.3, RFC 6935).
        case zero
    }

    /// Threads that carry packets; `nil`: as many as there are in `processors`, or else one fewer than the machine has, at least
    /// one.
    package var workers: Int?
    /// The processors that they run on, in turn; empty: wherever the kernel likes.
    package var processors: [Int] = []
    /// Source ports for each worker and family, 1 to 64.
    package var sourcePorts = 16
    package var udpChecksum = UDPChecksum.compute
    /// What is not to be used though the kernel has it. With `udpChecksum` zero trains are not sent, either: the kernel refuses them.
    package var switchedOff: Set<OffloadState.Kind> = []
    /// Families to send and receive encapsulated packets over; `nil`: those that the host has.
    package var families: Set<AddressFamily>?
    /// Packets without a mapping that may wait for the control loop, for each worker.
    package var missQueuePackets = 1_024
    package var missQueueBytes = 1 << 20
    /// Released packets that may wait for a worker.
    package var heldQueuePackets = 4_096
    package var heldQueueBytes = 4 << 20
    /// Octets of replaced table memory that may wait for workers; beyond it, changes wait instead.
    package var retiredLimit = 32 << 20
    /// Seeds the flow hash; `nil`: random. Fixed in tests.
    package var hashSeed: UInt64?
    /// Octets asked for as socket buffers of port 4341 and of source ports.
    package var socketBuffer: Int32 = 7 << 20

    package init() {}
}
