// A Map-Request as most come to a mapping system: encapsulated, for one EID, with plain addresses and nothing special asked for. It is
// read in place.

/// What such an Encapsulated Control Message asks. An inner UDP checksum of zero is accepted.
package struct PlainMapRequest: Sendable {
    package let nonce: Nonce
    package let eidPrefix: EIDPrefix
    package let itrRLOCs: [LISPAddress]
    /// Of the inner UDP header: where the Map-Reply goes.
    package let sourcePort: UInt16

    /// A, M, P, S and D of a Map-Request.
    private static var specialFlags: UInt32 { 0x0f00_2000 }

    /// `nil` for every other message, one that does not decode included.
    package init?(_ message: [UInt8]) {
        let request: PlainMapRequest? = message.withUnsafeBytes { bytes in
            var cursor = OctetCursor(bytes)
            return PlainMapRequest(&cursor)
        }
        guard let request else { return nil }
        self = request
    }

    private init?(_ cursor: inout OctetCursor) {
        // Without security data.
        guard let outer = cursor.header(), outer.type == .encapsulatedControlMessage, !outer.isSet(4),
            var inner = Self.udpPayload(&cursor), cursor.remaining == 0,
            let header = inner.payload.header(), header.type == .mapRequest, header.recordCount == 1,
            header.bits & Self.specialFlags == 0, let nonce: UInt64 = inner.payload.integer(),
            inner.payload.skipsSourceEID()
        else { return nil }
        var rlocs: [LISPAddress] = []
        for _ in 0...(header.bits >> 8 & 0x1f) {
            guard let rloc = inner.payload.address(), rloc.instanceID == .default, rloc.isUsual else { return nil }
            rlocs.append(.ip(rloc.ip))
        }
        guard inner.payload.skip(1), let maskLength: UInt8 = inner.payload.integer(),
            let eid = inner.payload.address(), let prefix = IPPrefix(eid.ip, length: maskLength),
            inner.payload.remaining == 0
        else { return nil }
        self.nonce = Nonce(rawValue: nonce)
        self.eidPrefix = EIDPrefix(instanceID: eid.instanceID, prefix)
        self.itrRLOCs = rlocs
        self.sourcePort = inner.sourcePort
    }

    /// What is in the inner UDP datagram, whose headers are as they have to be, without IP options.
    private static func udpPayload(_ cursor: inout OctetCursor) -> (payload: OctetCursor, sourcePort: UInt16)? {
        guard let (segment, source, destination) = ipPayload(&cursor) else { return nil }
        var payload = OctetCursor(segment)
        guard let sourcePort: UInt16 = payload.integer(), payload.skip(2), let length: UInt16 = payload.integer(),
            Int(length) == segment.count, let checksum: UInt16 = payload.integer(),
            checksum == 0 || InternetChecksum.udp(segment, from: source, to: destination) == 0
        else { return nil }
        return (payload, sourcePort)
    }

    private static func ipPayload(
        _ cursor: inout OctetCursor
    ) -> (segment: UnsafeRawBufferPointer, source: IPAddress, destination: IPAddress)? {
        switch cursor.next ?? 0 {
        case 0x45:
            guard let octets = cursor.octets(20) else { return nil }
            var checksum = InternetChecksum()
            checksum.add(octets)
            var header = OctetCursor(octets)
            guard checksum.value == 0, header.skip(2), let length: UInt16 = header.integer(), length >= 20,
                header.skip(2), let fragment: UInt16 = header.integer(), fragment & 0x3fff == 0, header.skip(1),
                header.next == InternetProtocol.udp, header.skip(3), let source: UInt32 = header.integer(),
                let destination: UInt32 = header.integer(), let segment = cursor.octets(Int(length) - 20)
            else { return nil }
            return (segment, .v4(IPv4Address(source)), .v4(IPv4Address(destination)))
        case 0x60...0x6f:
            guard cursor.skip(4), let length: UInt16 = cursor.integer(), cursor.next == InternetProtocol.udp,
                cursor.skip(2), let source: UInt128 = cursor.integer(), let destination: UInt128 = cursor.integer(),
                let segment = cursor.octets(Int(length))
            else { return nil }
            return (segment, .v6(IPv6Address(source)), .v6(IPv6Address(destination)))
        default:
            return nil
        }
    }
}

extension OctetCursor {
    /// An address or none.
    fileprivate mutating func skipsSourceEID() -> Bool {
        var ahead = self
        if ahead.integer() == AddressFamilyIdentifier.none {
            self = ahead
            return true
        }
        return address() != nil
    }
}
