// Encapsulated Control Message, RFC 9301 section 5.8.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |Type=8 |S|D|R|R|            Reserved                           |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    ~          Authentication Data of RFC 9303, if S is set         ~
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                       IPv4 or IPv6 Header                     |
//    |                  (uses RLOC or EID addresses)                 |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |       Source Port = xxxx      |       Dest Port = yyyy        |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |           UDP Length          |        UDP Checksum           |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                      LISP Control Message                     |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// A control message inside an IP packet of its own, on its way through the mapping system.
package struct EncapsulatedControlMessage: Hashable, Sendable {
    /// What to do with an inner UDP checksum of zero.
    package enum ZeroChecksumPolicy: Hashable, Sendable {
        /// RFC 9301 section 5.8: it must not be zero.
        case refuse
        /// Some deployed routers send nothing else.
        case accept
    }

    /// D: a Map-Referral is wanted (RFC 8111).
    package var isDDT: Bool
    /// Authentication data of RFC 9303 (section 6.1), all of it. Not empty: the S-bit is set.
    package var securityData: [UInt8]
    package let headers: InnerHeaders
    /// The encapsulated control message, which is not looked at: see `decodePayload`.
    package let payload: [UInt8]
    /// What follows the inner packet.
    package var tail: [UInt8]
    /// The inner headers as they came, or as they are sent: they have more fields than matter here.
    private let headerOctets: [UInt8]

    /// - Precondition: both addresses are of one family.
    package init(
        isDDT: Bool = false,
        securityData: [UInt8] = [],
        source: Endpoint,
        destination: Endpoint,
        hopLimit: UInt8 = 64,
        payload: [UInt8],
        tail: [UInt8] = []
    ) {
        precondition(source.address.family == destination.address.family, "inner addresses of one family")
        self.init(
            isDDT: isDDT,
            securityData: securityData,
            headers: .ip(source: source, destination: destination, hopLimit: hopLimit),
            payload: payload,
            tail: tail
        )
    }

    /// - Precondition: addresses in `headers` are of one family.
    package init(
        isDDT: Bool = false,
        securityData: [UInt8] = [],
        headers: InnerHeaders,
        payload: [UInt8],
        tail: [UInt8] = []
    ) {
        self.isDDT = isDDT
        self.securityData = securityData
        self.headers = headers
        self.headerOctets = InnerDatagram(headers: headers, payload: payload).encodedHeaders()
        self.payload = payload
        self.tail = tail
    }

    /// The address and port that the message is from; `nil` without an inner IP header.
    package var source: Endpoint? {
        if case .ip(let source, _, _) = headers { source } else { nil }
    }

    package var destination: Endpoint? {
        if case .ip(_, let destination, _) = headers { destination } else { nil }
    }

    /// Of the inner UDP header: where an answer goes.
    package var sourcePort: UInt16 {
        switch headers {
        case .ip(let source, _, _): source.port
        case .udp(let sourcePort, _): sourcePort
        }
    }

    /// S.
    package var hasSecurity: Bool { !securityData.isEmpty }
}

extension EncapsulatedControlMessage: ControlMessageBody {
    package init(from reader: inout WireReader) throws(WireError) {
        try self.init(from: &reader, zeroChecksum: .refuse)
    }

    /// Decodes a whole message, with a choice about a zero inner UDP checksum.
    package init(decoding bytes: some Sequence<UInt8>, zeroChecksum: ZeroChecksumPolicy) throws(WireError) {
        var reader = WireReader(Array(bytes))
        try self.init(from: &reader, zeroChecksum: zeroChecksum)
    }

    init(from reader: inout WireReader, zeroChecksum: ZeroChecksumPolicy) throws(WireError) {
        let header = try reader.header(.encapsulatedControlMessage)
        self.isDDT = header.isSet(5)
        self.securityData = header.isSet(4) ? try Self.securityData(from: &reader) : []
        var start = reader
        let inner = try InnerDatagram(from: &reader, zeroChecksum: zeroChecksum)
        self.headers = inner.headers
        self.payload = inner.payload
        self.headerOctets = try start.bytes(
            "Inner Headers",
            count: reader.position - start.position - inner.payload.count
        )
        self.tail = reader.rest()
    }

    /// Octets of the encoded message in front of `payload`.
    package var payloadOffset: Int { 4 + securityData.count + headerOctets.count }

    /// Decodes the encapsulated message; errors count octets from the start of this one.
    package func decodePayload() throws(WireError) -> ControlMessage {
        try ControlMessage(decoding: payload, base: payloadOffset)
    }

    /// Finds the end of the authentication data by its two lengths; only type 1 is defined.
    private static func securityData(from reader: inout WireReader) throws(WireError) -> [UInt8] {
        var ahead = reader
        let start = ahead.position
        let type: UInt8 = try ahead.integer("AD Type")
        guard type == 1 else { throw ahead.fault(.invalid(field: "AD Type", value: UInt64(type)), size: 1) }
        _ = try ahead.bytes("Requested HMAC ID", count: 3)
        let keyLength: UInt16 = try ahead.integer("OTK Length")
        _ = try ahead.bytes("OTK", count: 2 + Int(keyLength))
        let eidLength: UInt16 = try ahead.integer("EID-AD Length")
        // The length counts its own two octets and the KDF ID.
        guard eidLength >= 4 else {
            throw ahead.fault(.invalid(field: "EID-AD Length", value: UInt64(eidLength)), size: 2)
        }
        _ = try ahead.bytes("EID-AD", count: Int(eidLength) - 2)
        return try reader.bytes("Authentication Data", count: ahead.position - start)
    }

    package func encode(into writer: inout WireWriter) {
        var header = MessageHeader(.encapsulatedControlMessage, recordCount: 0)
        header.set(4, hasSecurity)
        header.set(5, isDDT)
        writer.integer(header.bits)
        writer.bytes(securityData)
        writer.bytes(headerOctets)
        writer.bytes(payload)
        writer.bytes(tail)
    }
}
