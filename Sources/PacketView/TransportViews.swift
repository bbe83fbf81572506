// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
// UDP, TCP and ICMP headers looked at in place. Each `init` checks the lengths once.

/// A UDP datagram (RFC 768).
package struct UDPView {
    // Safe: `init` saw `length` octets from here on.
    private let base: UnsafeRawPointer
    /// Octets, header included; the buffer may hold more.
    package let length: Int

    package static let headerLength = 8

    /// `nil` unless `bytes` begins with a whole datagram.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= Self.headerLength, let base = bytes.baseAddress else { return nil }
        let length = Int(UInt16(bigEndian: base.loadUnaligned(fromByteOffset: 4, as: UInt16.self)))
        guard length >= Self.headerLength, length <= bytes.count else { return nil }
        self.base = base
        self.length = length
    }

    package var sourcePort: UInt16 { UInt16(bigEndian: base.loadUnaligned(as: UInt16.self)) }
    package var destinationPort: UInt16 { UInt16(bigEndian: base.loadUnaligned(fromByteOffset: 2, as: UInt16.self)) }
    /// 0: none was computed.
    package var checksum: UInt16 { UInt16(bigEndian: base.loadUnaligned(fromByteOffset: 6, as: UInt16.self)) }
    package var payload: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Self.headerLength, count: length &- Self.headerLength)
    }
}

/// A TCP segment (RFC 9293).
package struct TCPView {
    // Safe: `init` saw `headerLength` octets from here on.
    private let base: UnsafeRawPointer
    /// Octets of header, options included: 20 to 60.
    package let headerLength: Int
    private let count: Int

    package static let minimumHeaderLength = 20

    /// The low six flag bits and the two of RFC 3168.
    package struct Flags: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        package static let fin = Flags(rawValue: 1)
        package static let syn = Flags(rawValue: 2)
        package static let rst = Flags(rawValue: 4)
        package static let psh = Flags(rawValue: 8)
        package static let ack = Flags(rawValue: 16)
        package static let urg = Flags(rawValue: 32)
        package static let ece = Flags(rawValue: 64)
        package static let cwr = Flags(rawValue: 128)
    }

    /// `nil` unless `bytes` begins with a whole header.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= Self.minimumHeaderLength, let base = bytes.baseAddress else { return nil }
        let headerLength = Int(base.load(fromByteOffset: 12, as: UInt8.self) >> 4) &* 4
        guard headerLength >= Self.minimumHeaderLength, headerLength <= bytes.count else { return nil }
        self.base = base
        self.headerLength = headerLength
        self.count = bytes.count
    }

    package var sourcePort: UInt16 { UInt16(bigEndian: base.loadUnaligned(as: UInt16.self)) }
    package var destinationPort: UInt16 { UInt16(bigEndian: base.loadUnaligned(fromByteOffset: 2, as: UInt16.self)) }
    package var sequenceNumber: UInt32 { UInt32(bigEndian: base.loadUnaligned(fromByteOffset: 4, as: UInt32.self)) }
    package var acknowledgment: UInt32 { UInt32(bigEndian: base.loadUnaligned(fromByteOffset: 8, as: UInt32.self)) }
    package var flags: Flags { Flags(rawValue: base.load(fromByteOffset: 13, as: UInt8.self)) }
    package var window: UInt16 { UInt16(bigEndian: base.loadUnaligned(fromByteOffset: 14, as: UInt16.self)) }
    package var checksum: UInt16 { UInt16(bigEndian: base.loadUnaligned(fromByteOffset: 16, as: UInt16.self)) }
    package var payload: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + headerLength, count: count &- headerLength)
    }
}

/// An ICMP (RFC 792) or ICMPv6 (RFC 4443) message.
package struct ICMPView {
    // Safe: `init` saw eight octets from here on.
    private let base: UnsafeRawPointer
    private let count: Int

    package static let headerLength = 8

    /// `nil` unless `bytes` begins with a whole header of eight octets.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= Self.headerLength, let base = bytes.baseAddress else { return nil }
        self.base = base
        self.count = bytes.count
    }

    package var type: UInt8 { base.load(as: UInt8.self) }
    package var code: UInt8 { base.load(fromByteOffset: 1, as: UInt8.self) }
    package var checksum: UInt16 { UInt16(bigEndian: base.loadUnaligned(fromByteOffset: 2, as: UInt16.self)) }
    /// Identifier of an echo, or unused.
    package var identifier: UInt16 { UInt16(bigEndian: base.loadUnaligned(fromByteOffset: 4, as: UInt16.self)) }
    /// The MTU of a Packet Too Big of ICMPv6.
    package var mtu: UInt32 { UInt32(bigEndian: base.loadUnaligned(fromByteOffset: 4, as: UInt32.self)) }
    /// Echo data, or the packet that an error quotes.
    package var body: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Self.headerLength, count: count &- Self.headerLength)
    }
}
