// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
// Changing TOS and TTL in place, the IPv4 header checksum with them.

/// Writes to the header of a packet that a view has checked before.
package enum HeaderEditing {
    /// Sets TOS and TTL of the IPv4 header at `header` and updates its checksum (RFC 1624): one that was wrong stays wrong.
    ///
    /// - Precondition: at least 20 octets are at `header`; `IPv4View` accepted them.
    @inline(__always)
    package static func setIPv4(_ header: UnsafeMutableRawPointer, tos: UInt8, ttl: UInt8) {
        var checksum = UInt16(bigEndian: header.loadUnaligned(fromByteOffset: 10, as: UInt16.self))
        let oldFirst = UInt16(bigEndian: header.loadUnaligned(as: UInt16.self))
        let newFirst = oldFirst & 0xff00 | UInt16(tos)
        if oldFirst != newFirst {
            checksum = InternetChecksum.updated(checksum, from: oldFirst, to: newFirst)
            header.storeBytes(of: tos, toByteOffset: 1, as: UInt8.self)
        }
        let oldFifth = UInt16(bigEndian: header.loadUnaligned(fromByteOffset: 8, as: UInt16.self))
        let newFifth = oldFifth & 0x00ff | UInt16(ttl) << 8
        if oldFifth != newFifth {
            checksum = InternetChecksum.updated(checksum, from: oldFifth, to: newFifth)
            header.storeBytes(of: ttl, toByteOffset: 8, as: UInt8.self)
        }
        header.storeBytes(of: checksum.bigEndian, toByteOffset: 10, as: UInt16.self)
    }

    /// Sets traffic class and hop limit of the IPv6 header at `header`.
    ///
    /// - Precondition: at least 40 octets are at `header`; `IPv6View` accepted them.
    @inline(__always)
    package static func setIPv6(_ header: UnsafeMutableRawPointer, trafficClass: UInt8, hopLimit: UInt8) {
        let first = UInt16(bigEndian: header.loadUnaligned(as: UInt16.self))
        let new = first & 0xf00f | UInt16(trafficClass) << 4
        header.storeBytes(of: new.bigEndian, as: UInt16.self)
        header.storeBytes(of: hopLimit, toByteOffset: 7, as: UInt8.self)
    }
}
