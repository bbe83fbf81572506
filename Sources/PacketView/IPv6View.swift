// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-------+---------------+---------------------------------------+
//    |Version| Traffic Class |              Flow Label               |
//    +-------+---------------+-------+---------------+---------------+
//    |         Payload Length        |  Next Header  |   Hop Limit   |
//    +-------------------------------+---------------+---------------+
//    |                 Source Address (16 octets)                    |
//    |               Destination Address (16 octets)                 |

/// An IPv6 packet in a buffer, looked at in place (RFC 8200). The lengths were checked by `init`. Writing to version or
/// payload length voids that. Jumbograms (RFC 2675) count as packets without payload.
package struct IPv6View {
    // Safe: `init` saw `totalLength` octets from here on.
    private let base: UnsafeRawPointer
    /// Octets of the packet, header included; the buffer may hold more.
    package let totalLength: Int

    package static let headerLength = 40
    /// As many extension headers as are walked; a packet with more has no known upper layer.
    package static let maximumExtensionHeaders = 8

    /// `nil` unless `bytes` begins with a whole IPv6 packet.
    @inline(__always)
    package init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= Self.headerLength, let base = bytes.baseAddress else { return nil }
        let payloadLength = Int(UInt16(bigEndian: base.loadUnaligned(fromByteOffset: 4, as: UInt16.self)))
        guard base.load(as: UInt8.self) >> 4 == 6, payloadLength &+ Self.headerLength <= bytes.count else { return nil }
        self.base = base
        self.totalLength = payloadLength &+ Self.headerLength
    }

    /// DSCP and ECN.
    package var trafficClass: UInt8 {
        UInt8(truncatingIfNeeded: UInt16(bigEndian: base.loadUnaligned(as: UInt16.self)) >> 4)
    }
    package var flowLabel: UInt32 { UInt32(bigEndian: base.loadUnaligned(as: UInt32.self)) & 0xf_ffff }
    package var nextHeader: UInt8 { base.load(fromByteOffset: 6, as: UInt8.self) }
    package var hopLimit: UInt8 { base.load(fromByteOffset: 7, as: UInt8.self) }
    /// The upper and lower half of the addresses, as numbers.
    package var sourceHigh: UInt64 { UInt64(bigEndian: base.loadUnaligned(fromByteOffset: 8, as: UInt64.self)) }
    package var sourceLow: UInt64 { UInt64(bigEndian: base.loadUnaligned(fromByteOffset: 16, as: UInt64.self)) }
    package var destinationHigh: UInt64 { UInt64(bigEndian: base.loadUnaligned(fromByteOffset: 24, as: UInt64.self)) }
    package var destinationLow: UInt64 { UInt64(bigEndian: base.loadUnaligned(fromByteOffset: 32, as: UInt64.self)) }

    /// What follows the fixed header.
    package var payload: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Self.headerLength, count: totalLength &- Self.headerLength)
    }

    /// What the extension headers lead to.
    package struct UpperLayer {
        /// The protocol number; 59 (no next header) also when the chain is broken or too long.
        package var `protocol`: UInt8
        /// Octets from the start of the packet to its header; `totalLength` when there is none.
        package var offset: Int
        /// A fragment header was met (an atomic fragment, offset 0 and no more, counts as whole).
        package var isFragment: Bool
        /// Not the first fragment: at `offset` there is the middle of something.
        package var isLaterFragment: Bool
    }

    /// Walks hop-by-hop, routing, fragment, destination, authentication and mobility headers, a bounded number of them.
    @inline(__always)
    package var upperLayer: UpperLayer {
        let first = nextHeader
        // The common case in a few instructions.
        if first == IPProtocol.tcp || first == IPProtocol.udp || first == IPProtocol.icmpv6 {
            return UpperLayer(protocol: first, offset: Self.headerLength, isFragment: false, isLaterFragment: false)
        }
        return walk(from: first)
    }

    private func walk(from first: UInt8) -> UpperLayer {
        var upper = UpperLayer(protocol: first, offset: Self.headerLength, isFragment: false, isLaterFragment: false)
        let none = UpperLayer(
            protocol: IPProtocol.noNextHeader,
            offset: totalLength,
            isFragment: false,
            isLaterFragment: false
        )
        for _ in 0..<Self.maximumExtensionHeaders {
            var length = 8
            switch upper.protocol {
            case IPProtocol.hopByHop, IPProtocol.routing, IPProtocol.destinationOptions, IPProtocol.mobility:
                // Safe: two octets are there, and at most 2048 are added to an offset below 65,576.
                guard upper.offset &+ 8 <= totalLength else { return none }
                length = (Int(base.load(fromByteOffset: upper.offset &+ 1, as: UInt8.self)) &+ 1) &* 8
            case IPProtocol.authentication:
                guard upper.offset &+ 8 <= totalLength else { return none }
                length = (Int(base.load(fromByteOffset: upper.offset &+ 1, as: UInt8.self)) &+ 2) &* 4
            case IPProtocol.fragment:
                guard upper.offset &+ 8 <= totalLength else { return none }
                let word = UInt16(bigEndian: base.loadUnaligned(fromByteOffset: upper.offset &+ 2, as: UInt16.self))
                if word & 0xfff9 != 0 { upper.isFragment = true }
                if word & 0xfff8 != 0 {
                    upper.isLaterFragment = true
                    upper.protocol = base.load(fromByteOffset: upper.offset, as: UInt8.self)
                    upper.offset = upper.offset &+ 8
                    return upper
                }
            default:
                return upper
            }
            guard upper.offset &+ length <= totalLength else { return none }
            upper.protocol = base.load(fromByteOffset: upper.offset, as: UInt8.self)
            upper.offset = upper.offset &+ length
        }
        return none
    }
}

/// Protocol numbers that are looked at (https://www.iana.org/assignments/protocol-numbers).
package enum IPProtocol {
    package static let hopByHop: UInt8 = 0
    package static let icmp: UInt8 = 1
    package static let tcp: UInt8 = 6
    package static let udp: UInt8 = 17
    package static let routing: UInt8 = 43
    package static let fragment: UInt8 = 44
    package static let esp: UInt8 = 50
    package static let authentication: UInt8 = 51
    package static let icmpv6: UInt8 = 58
    package static let noNextHeader: UInt8 = 59
    package static let destinationOptions: UInt8 = 60
    package static let sctp: UInt8 = 132
    package static let mobility: UInt8 = 135
}
