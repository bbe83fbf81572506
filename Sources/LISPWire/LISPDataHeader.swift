// The header between the outer UDP header and the inner packet, RFC 9300 section 5.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |N|L|E|V|I|R|K|K|            Nonce/Map-Version                  |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                 Instance ID/Locator-Status-Bits               |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// A value of eight bytes whose fields are read in place: every bit pattern is one, so nothing here can fail. What a
// field means while its flag is clear is nothing, and the accessors say `nil` then.

/// The LISP header of a data packet.
package struct LISPDataHeader: Hashable, Sendable {
    /// All 64 bits, the N-bit most significant.
    package var rawValue: UInt64

    package static let size = 8

    @inlinable
    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// What the three octets behind the flags hold.
    package enum NonceOrVersions: Hashable, Sendable {
        case none
        /// N: 24 bits. With `requestsEcho`, E, the peer shall send it back.
        case nonce(UInt32, requestsEcho: Bool)
        /// V: twelve bits each (RFC 9302).
        case versions(source: UInt16, destination: UInt16)
    }

    /// Numbers wider than their fields lose their high bits.
    ///
    /// - Parameter instanceID: sets the I-bit unless `nil`.
    /// - Parameter locatorStatusBits: sets the L-bit unless `nil`. 32 bits, or 8 beside an instance ID.
    package init(
        instanceID: InstanceID? = nil,
        locatorStatusBits: UInt32? = nil,
        nonceOrVersions: NonceOrVersions = .none,
        keyID: UInt8 = 0
    ) {
        var first = UInt32(keyID & 3) << 24
        var second: UInt32 = 0
        switch nonceOrVersions {
        case .none:
            break
        case .nonce(let nonce, let requestsEcho):
            first |= 0x8000_0000 | (requestsEcho ? 0x2000_0000 : 0) | nonce & 0xff_ffff
        case .versions(let source, let destination):
            first |= 0x1000_0000 | UInt32(source & 0xfff) << 12 | UInt32(destination & 0xfff)
        }
        if let instanceID {
            first |= 0x0800_0000
            second = instanceID.rawValue << 8
        }
        if let locatorStatusBits {
            first |= 0x4000_0000
            second |= instanceID == nil ? locatorStatusBits : locatorStatusBits & 0xff
        }
        self.rawValue = UInt64(first) << 32 | UInt64(second)
    }
}

extension LISPDataHeader {
    /// N.
    @inlinable package var hasNonce: Bool { rawValue & 0x8000_0000_0000_0000 != 0 }
    /// L.
    @inlinable package var hasLocatorStatusBits: Bool { rawValue & 0x4000_0000_0000_0000 != 0 }
    /// E, which means nothing without N.
    @inlinable package var requestsEcho: Bool { rawValue & 0xa000_0000_0000_0000 == 0xa000_0000_0000_0000 }
    /// V.
    @inlinable package var hasMapVersions: Bool { rawValue & 0x1000_0000_0000_0000 != 0 }
    /// I.
    @inlinable package var hasInstanceID: Bool { rawValue & 0x0800_0000_0000_0000 != 0 }
    /// KK: 0 unless the packet is encrypted (RFC 8061).
    @inlinable package var keyID: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 56) & 3 }

    /// N and V are both set, which RFC 9300 section 5.3 forbids: the field between could be either.
    @inlinable package var isAmbiguous: Bool { hasNonce && hasMapVersions }

    /// 24 bits. `nil` without N, or when the header is ambiguous.
    @inlinable package var nonce: UInt32? {
        hasNonce && !hasMapVersions ? UInt32(truncatingIfNeeded: rawValue >> 32) & 0xff_ffff : nil
    }

    /// Twelve bits. `nil` without V, or when the header is ambiguous.
    @inlinable package var sourceMapVersion: UInt16? {
        hasMapVersions && !hasNonce ? UInt16(truncatingIfNeeded: rawValue >> 44) & 0xfff : nil
    }

    /// Twelve bits. `nil` without V, or when the header is ambiguous.
    @inlinable package var destinationMapVersion: UInt16? {
        hasMapVersions && !hasNonce ? UInt16(truncatingIfNeeded: rawValue >> 32) & 0xfff : nil
    }

    /// Instance 0 without I.
    @inlinable package var instanceID: InstanceID {
        hasInstanceID ? InstanceID(uncheckedRawValue: UInt32(truncatingIfNeeded: rawValue) >> 8) : .default
    }

    /// Bit n is the n-th locator of the sender's mapping. 32 of them, 8 beside an instance ID; `nil` without L.
    @inlinable package var locatorStatusBits: UInt32? {
        guard hasLocatorStatusBits else { return nil }
        let low = UInt32(truncatingIfNeeded: rawValue)
        return hasInstanceID ? low & 0xff : low
    }
}

extension LISPDataHeader {
    package init(from reader: inout WireReader) throws(WireError) {
        self.init(rawValue: try reader.integer("LISP Header"))
    }

    package func encode(into writer: inout WireWriter) {
        writer.integer(rawValue)
    }

    /// Reads the first eight bytes of `buffer`.
    ///
    /// - Precondition: there are that many.
    @inlinable
    package init(from buffer: UnsafeRawBufferPointer) {
        self.init(rawValue: UInt64(bigEndian: buffer.loadUnaligned(as: UInt64.self)))
    }

    /// Writes the first eight bytes of `buffer`.
    ///
    /// - Precondition: there is room.
    @inlinable
    package func write(into buffer: UnsafeMutableRawBufferPointer) {
        buffer.storeBytes(of: rawValue.bigEndian, as: UInt64.self)
    }
}
