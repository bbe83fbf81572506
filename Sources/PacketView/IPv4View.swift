// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-------+-------+---------------+-------------------------------+
//    |Version|  IHL  |Type of Service|          Total Length         |
//    +-------+-------+---------------+-----+-------------------------+
//    |         Identification        |Flags|      Fragment Offset    |
//    +---------------+---------------+-----+-------------------------+
//    |  Time to Live |    Protocol   |         Header Checksum       |
//    +---------------+---------------+-------------------------------+
//    |                       Source Address                          |
//    |                    Destination Address                        |

/// An IPv4 packet in a buffer, looked at in place (RFC 791). The lengths were checked by `init`: header and total length
/// lie within the buffer. Writing to version, IHL or total length voids that.
package struct IPv4View {
    // Safe: `init` saw `totalLength` octets from here on.
    private let base: UnsafeRawPointer
    /// Octets of header, options included: 20 to 60.
    package let headerLength: Int
    /// Octets of the packet, header included; the buffer may hold more.
    package let totalLength: Int

    package static let minimumHeaderLength = 20

    /// `nil` unless `bytes` begins with a whole IPv4 packet.
    @inline(__always)
    package init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= Self.minimumHeaderLength, let base = bytes.baseAddress else { return nil }
        let first = base.load(as: UInt8.self)
        let headerLength = Int(first & 15) &* 4
        let totalLength = Int(UInt16(bigEndian: base.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
        guard first >> 4 == 4, headerLength >= Self.minimumHeaderLength, totalLength >= headerLength,
            totalLength <= bytes.count
        else { return nil }
        self.base = base
        self.headerLength = headerLength
        self.totalLength = totalLength
    }

    @inline(__always)
    private func half(_ offset: Int) -> UInt16 {
        UInt16(bigEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }

    /// DSCP and ECN.
    package var tos: UInt8 { base.load(fromByteOffset: 1, as: UInt8.self) }
    package var identification: UInt16 { half(4) }
    package var dontFragment: Bool { half(6) & 0x4000 != 0 }
    package var moreFragments: Bool { half(6) & 0x2000 != 0 }
    /// In octets.
    package var fragmentOffset: Int { Int(half(6) & 0x1fff) &* 8 }
    /// A first, middle or last fragment.
    package var isFragment: Bool { half(6) & 0x3fff != 0 }
    package var ttl: UInt8 { base.load(fromByteOffset: 8, as: UInt8.self) }
    package var `protocol`: UInt8 { base.load(fromByteOffset: 9, as: UInt8.self) }
    package var headerChecksum: UInt16 { half(10) }
    /// As numbers, first octet most significant.
    package var source: UInt32 { UInt32(bigEndian: base.loadUnaligned(fromByteOffset: 12, as: UInt32.self)) }
    package var destination: UInt32 { UInt32(bigEndian: base.loadUnaligned(fromByteOffset: 16, as: UInt32.self)) }

    /// Whether the header's checksum is right.
    package var hasValidChecksum: Bool {
        InternetChecksum.sum(UnsafeRawBufferPointer(start: base, count: headerLength)) == 0xffff
    }

    /// What follows the header. Of a fragment other than the first it begins in the middle of something.
    package var payload: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + headerLength, count: totalLength &- headerLength)
    }
}
