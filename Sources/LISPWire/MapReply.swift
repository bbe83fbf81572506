// Map-Reply, RFC 9301 section 5.4.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |Type=2 |P|E|S|          Reserved               | Record Count  |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                         Nonce . . .                           |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                         . . . Nonce                           |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                         EID-Records ...                       |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// Answers a Map-Request.
package struct MapReply: Hashable, Sendable {
    /// P: answers an RLOC probe.
    package var isProbe: Bool
    /// E: the site can echo nonces (RFC 9300 section 10.1).
    package var isEchoNonceCapable: Bool
    /// S: authentication data of RFC 9303 stands in `tail`.
    package var hasSecurity: Bool
    package var nonce: Nonce
    /// The count has room for 255; what is beyond is not sent.
    package var records: [EIDRecord]
    /// What follows the records.
    package var tail: [UInt8]

    package init(
        isProbe: Bool = false,
        isEchoNonceCapable: Bool = false,
        hasSecurity: Bool = false,
        nonce: Nonce,
        records: [EIDRecord],
        tail: [UInt8] = []
    ) {
        self.isProbe = isProbe
        self.isEchoNonceCapable = isEchoNonceCapable
        self.hasSecurity = hasSecurity
        self.nonce = nonce
        self.records = records
        self.tail = tail
    }
}

extension MapReply: ControlMessageBody {
    package init(from reader: inout WireReader) throws(WireError) {
        let header = try reader.header(.mapReply)
        self.isProbe = header.isSet(4)
        self.isEchoNonceCapable = header.isSet(5)
        self.hasSecurity = header.isSet(6)
        self.nonce = Nonce(rawValue: try reader.integer("Nonce"))
        self.records = try EIDRecord.list(count: header.recordCount, from: &reader)
        self.tail = reader.rest()
    }

    package func encode(into writer: inout WireWriter) {
        var header = MessageHeader(.mapReply, recordCount: records.count)
        header.set(4, isProbe)
        header.set(5, isEchoNonceCapable)
        header.set(6, hasSecurity)
        writer.integer(header.bits)
        writer.integer(nonce.rawValue)
        for record in records.prefix(255) {
            record.encode(into: &writer)
        }
        writer.bytes(tail)
    }
}
