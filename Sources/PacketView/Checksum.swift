// The Internet checksum (RFC 1071) and its incremental update (RFC 1624).

/// One's complement sums over 16-bit words.
package enum InternetChecksum {
    /// The sum of `bytes` as big-endian words, folded to 16 bits, an odd last octet padded with zero. Not complemented.
    ///
    /// - Parameter initial: a sum to go on from, such as that of a pseudo header.
    package static func sum(_ bytes: UnsafeRawBufferPointer, initial: UInt16 = 0) -> UInt16 {
        // The sum does not depend on byte order (RFC 1071, 2 B), so it is taken in the machine's and swapped at the end.
        var total = UInt64(initial.bigEndian)
        var offset = 0
        // Safe: each load stays below `bytes.count`; 2^32 words of 32 bits fit the 64-bit sum.
        while offset &+ 4 <= bytes.count {
            total &+= UInt64(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            offset &+= 4
        }
        if offset &+ 2 <= bytes.count {
            total &+= UInt64(bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
            offset &+= 2
        }
        if offset < bytes.count {
            total &+= UInt64((UInt16(bytes[offset]) << 8).bigEndian)
        }
        return UInt16(bigEndian: fold(total))
    }

    /// The checksum field for `bytes`, in which the field itself is zero.
    package static func checksum(_ bytes: UnsafeRawBufferPointer, initial: UInt16 = 0) -> UInt16 {
        ~sum(bytes, initial: initial)
    }

    /// The sum of the pseudo header of UDP, TCP and ICMPv6: two addresses, the length and the protocol.
    ///
    /// - Parameter addresses: source and destination as they stand in the header, 8 or 32 octets.
    package static func pseudoHeaderSum(_ addresses: UnsafeRawBufferPointer, protocol: UInt8, length: UInt32) -> UInt16
    {
        let words = UInt64(`protocol`) + UInt64(length >> 16) + UInt64(length & 0xffff)
        return sum(addresses, initial: fold(words))
    }

    /// The checksum after one 16-bit word under it changed (RFC 1624, equation 3).
    package static func updated(_ checksum: UInt16, from old: UInt16, to new: UInt16) -> UInt16 {
        // Safe: three 16-bit values cannot overflow 64 bits.
        ~fold(UInt64(~checksum) &+ UInt64(~old) &+ UInt64(new))
    }

    /// Adds the carries back in until 16 bits are left.
    static func fold(_ sum: UInt64) -> UInt16 {
        var sum = (sum & 0xffff_ffff) &+ sum >> 32
        sum = (sum & 0xffff) &+ sum >> 16
        sum = (sum & 0xffff) &+ sum >> 16
        sum = (sum & 0xffff) &+ sum >> 16
        return UInt16(truncatingIfNeeded: sum)
    }
}
