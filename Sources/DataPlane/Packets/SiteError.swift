// ICMP errors about packets of the site that are not carried (RFC 792, RFC 1812 section 4.3, RFC 4443). Off the hot path, but a
// flood of packets leads here, so nothing allocates, locks or throws.
//
//    IPv4 (20) or IPv6 (40) header | type (1) | code (1) | checksum (2) | unused or MTU (4) | the packet, as far as it fits

import LISPWire
import PacketView

/// What a sender is told.
enum SiteError {
    /// There is no way to the destination.
    case unreachable
    /// The mapping system forbids it.
    case prohibited
    /// So many octets would fit.
    case packetTooBig(mtu: Int)

    /// The largest error, as a packet: RFC 1812 section 4.3.2.3, RFC 4443 section 2.4 (c).
    static let maximumLength = 1_280
    private static let maximumLengthIPv4 = 576
    private static let icmpHeaderLength = 8
    /// Internetwork control (RFC 1812 section 4.3.2.5).
    private static let tos: UInt8 = 0xc0
    private static let timeToLive: UInt8 = 64

    // MARK: Rules

    /// Whether an error may be sent about a packet at all: not about another error, nor about a fragment other than the first, nor
    /// to or about an address of more than one host (RFC 1812 section 4.3.2.7, RFC 4443 section 2.4 (e)). What cannot be told
    /// for certain counts as an error.
    static func isAllowed(about packet: UnsafeRawBufferPointer, _ inner: InnerPacket) -> Bool {
        guard inner.sourceKind == .unicast, inner.destinationKind == .unicast else { return false }
        if inner.family.isIPv4 {
            guard let view = IPv4View(packet), view.fragmentOffset == 0 else { return false }
            return view.protocol != IPProtocol.icmp || !isICMPError(view.payload)
        }
        guard let view = IPv6View(packet) else { return false }
        let upper = view.upperLayer
        guard !upper.isLaterFragment, upper.protocol != IPProtocol.noNextHeader else { return false }
        guard upper.protocol == IPProtocol.icmpv6 else { return true }
        return !isICMPv6Error(UnsafeRawBufferPointer(rebasing: packet[upper.offset..<view.totalLength]))
    }

    /// Destination Unreachable, Source Quench, Redirect, Time Exceeded, Parameter Problem.
    private static func isICMPError(_ message: UnsafeRawBufferPointer) -> Bool {
        switch message.first {
        case nil, 3, 4, 5, 11, 12: true
        default: false
        }
    }

    /// The first half of the types; and Redirect, which is as bad.
    private static func isICMPv6Error(_ message: UnsafeRawBufferPointer) -> Bool {
        guard let type = message.first else { return true }
        return type < 128 || type == 137
    }

    // MARK: Writing

    /// Writes the error about `packet` as a whole IP packet to `room`, which has `maximumLength` octets.
    ///
    /// - Parameters:
    ///   - source: of the packet's family.
    ///   - identification: of the IPv4 header.
    /// - Returns: its length.
    func write(
        about packet: UnsafeRawBufferPointer,
        _ inner: InnerPacket,
        from source: TrieKey,
        identification: UInt16,
        to room: UnsafeMutableRawPointer
    ) -> Int {
        let isIPv4 = inner.family.isIPv4
        let headerLength = isIPv4 ? IPv4View.minimumHeaderLength : IPv6View.headerLength
        let largest = isIPv4 ? Self.maximumLengthIPv4 : Self.maximumLength
        // Safe: headers and quote together are at most `largest` octets, which `room` has.
        let quoted = min(inner.length, largest &- headerLength &- Self.icmpHeaderLength)
        let message = UnsafeMutableRawBufferPointer(start: room + headerLength, count: Self.icmpHeaderLength &+ quoted)
        message.storeBytes(of: 0, as: UInt64.self)
        let (type, code) = isIPv4 ? typeAndCode : typeAndCodeIPv6
        message[0] = type
        message[1] = code
        if case .packetTooBig(let mtu) = self {
            message.storeBytes(of: UInt32(truncatingIfNeeded: mtu).bigEndian, toByteOffset: 4, as: UInt32.self)
        }
        let quote = UnsafeRawBufferPointer(rebasing: packet.prefix(quoted))
        UnsafeMutableRawBufferPointer(rebasing: message.dropFirst(Self.icmpHeaderLength)).copyMemory(from: quote)
        if isIPv4 {
            Self.writeIPv4(room, message, source: source, destination: inner.source, identification)
        } else {
            Self.writeIPv6(room, message, source: source, destination: inner.source)
        }
        return headerLength &+ message.count
    }

    private var typeAndCode: (UInt8, UInt8) {
        switch self {
        case .unreachable: (3, 1)
        case .prohibited: (3, 13)
        case .packetTooBig: (3, 4)
        }
    }

    private var typeAndCodeIPv6: (UInt8, UInt8) {
        switch self {
        case .unreachable: (1, 3)
        case .prohibited: (1, 1)
        case .packetTooBig: (2, 0)
        }
    }

    private static func writeIPv4(
        _ header: UnsafeMutableRawPointer,
        _ message: UnsafeMutableRawBufferPointer,
        source: TrieKey,
        destination: TrieKey,
        _ identification: UInt16
    ) {
        func store(_ value: some FixedWidthInteger & BitwiseCopyable, _ offset: Int) {
            header.storeBytes(of: value.bigEndian, toByteOffset: offset, as: type(of: value))
        }
        store(UInt8(0x45), 0)
        store(tos, 1)
        store(UInt16(truncatingIfNeeded: IPv4View.minimumHeaderLength &+ message.count), 2)
        store(identification, 4)
        store(UInt16(0), 6)
        store(timeToLive, 8)
        store(IPProtocol.icmp, 9)
        store(UInt16(0), 10)
        store(UInt32(truncatingIfNeeded: source.high >> 32), 12)
        store(UInt32(truncatingIfNeeded: destination.high >> 32), 16)
        let bytes = UnsafeRawBufferPointer(start: header, count: IPv4View.minimumHeaderLength)
        store(InternetChecksum.checksum(bytes), 10)
        let checksum = InternetChecksum.checksum(UnsafeRawBufferPointer(message))
        message.storeBytes(of: checksum.bigEndian, toByteOffset: 2, as: UInt16.self)
    }

    private static func writeIPv6(
        _ header: UnsafeMutableRawPointer,
        _ message: UnsafeMutableRawBufferPointer,
        source: TrieKey,
        destination: TrieKey
    ) {
        func store(_ value: some FixedWidthInteger & BitwiseCopyable, _ offset: Int) {
            header.storeBytes(of: value.bigEndian, toByteOffset: offset, as: type(of: value))
        }
        store(UInt32(6) << 28 | UInt32(tos) << 20, 0)
        store(UInt16(truncatingIfNeeded: message.count), 4)
        store(IPProtocol.icmpv6, 6)
        store(timeToLive, 7)
        store(source.high, 8)
        store(source.low, 16)
        store(destination.high, 24)
        store(destination.low, 32)
        let sum = InternetChecksum.pseudoHeaderSum(
            UnsafeRawBufferPointer(start: header + 8, count: 32),
            protocol: IPProtocol.icmpv6,
            length: UInt32(truncatingIfNeeded: message.count)
        )
        let checksum = InternetChecksum.checksum(UnsafeRawBufferPointer(message), initial: sum)
        message.storeBytes(of: checksum.bigEndian, toByteOffset: 2, as: UInt16.self)
    }
}

/// Lets so many pass a second, and a few more at once after a while of less.
struct TokenBucket {
    /// Nanoseconds.
    private let interval: UInt64
    private let slack: UInt64
    /// When the next would be due if they came evenly.
    private var due: UInt64 = 0

    /// - Parameters:
    ///   - rate: a second, 1 to 1,000,000.
    ///   - burst: at least 1.
    init(rate: UInt64, burst: UInt64) {
        interval = 1_000_000_000 / rate
        slack = interval * (burst - 1)
    }

    /// - Parameter now: nanoseconds of a monotonic clock.
    mutating func take(_ now: UInt64) -> Bool {
        let next = max(due, now)
        // Safe: `next` is not less than `now`, and nanoseconds since the start of the machine are far from the end of 64 bits.
        guard next &- now <= slack else { return false }
        due = next &+ interval
        return true
    }
}
