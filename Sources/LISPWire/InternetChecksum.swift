// The checksum of IPv4 headers and UDP, RFC 1071.

/// Sums 16-bit words in ones' complement.
struct InternetChecksum {
    private var sum: UInt64 = 0

    /// Adds octets from an even offset; an odd last one is padded with zero.
    mutating func add(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { add($0) }
    }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        var index = 0
        while index + 4 <= bytes.count {
            add(UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt32.self)))
            index += 4
        }
        while index < bytes.count {
            sum += index & 1 == 0 ? UInt64(bytes[index]) << 8 : UInt64(bytes[index])
            index += 1
        }
    }

    mutating func add(_ number: UInt32) {
        sum += UInt64(number)
    }

    mutating func add(_ address: IPAddress) {
        switch address {
        case .v4(let address):
            add(address.rawValue)
        case .v6(let address):
            let bits = address.rawValue
            for half in [UInt64(truncatingIfNeeded: bits >> 64), UInt64(truncatingIfNeeded: bits)] {
                add(UInt32(truncatingIfNeeded: half >> 32))
                add(UInt32(truncatingIfNeeded: half))
            }
        }
    }

    /// What the checksum field must hold, if that field was added as zero; 0 if everything was added and is right.
    var value: UInt16 {
        var folded = sum
        while folded > 0xffff {
            folded = (folded >> 16) + (folded & 0xffff)
        }
        return ~UInt16(folded)
    }
}

extension InternetChecksum {
    /// The checksum of a UDP segment: 0 if the segment holds a right one, else what goes into its zero field.
    static func udp(_ segment: [UInt8], from source: IPAddress, to destination: IPAddress) -> UInt16 {
        segment.withUnsafeBytes { udp($0, from: source, to: destination) }
    }

    static func udp(
        _ segment: UnsafeRawBufferPointer,
        from source: IPAddress,
        to destination: IPAddress
    ) -> UInt16 {
        var checksum = InternetChecksum()
        checksum.add(source)
        checksum.add(destination)
        checksum.add(UInt32(segment.count))
        checksum.add(UInt32(InternetProtocol.udp))
        checksum.add(segment)
        return checksum.value
    }
}

/// https://www.iana.org/assignments/protocol-numbers
enum InternetProtocol {
    static let udp: UInt8 = 17
}
