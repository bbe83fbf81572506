// Map-Notify and Map-Notify-Ack, RFC 9301 section 5.7.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |Type=4/5|             Reserved                 | Record Count  |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                         Nonce . . .                           |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                         . . . Nonce                           |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |    Key ID     | Algorithm ID  |  Authentication Data Length   |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    ~                     Authentication Data                       ~
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                         EID-Records ...                       |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// Routers that register with an xTR-ID get it back behind the records, and some set the first reserved bit (an I-bit in
// older drafts) to say so, some do not. Exactly 24 octets behind the records are therefore taken as xTR-ID and Site-ID
// whatever that bit says.

/// Acknowledges a Map-Register, tells of a changed mapping, or acknowledges that.
package struct MapNotify: Hashable, Sendable {
    /// A Map-Notify-Ack.
    package var isAcknowledgement: Bool
    /// The first reserved bit, which some peers use as an I-bit. RFC 9301 says to send 0.
    package var hasXTRID: Bool
    package var nonce: Nonce
    package var authentication: Authentication
    /// The count has room for 255; what is beyond is not sent.
    package var records: [EIDRecord]
    package var xtrID: XTRID?
    /// Sent only with an `xtrID`, as 0 if `nil` then.
    package var siteID: SiteID?
    /// What follows if it is not xTR-ID and Site-ID. Covered by the authentication.
    package var tail: [UInt8]

    package init(
        isAcknowledgement: Bool = false,
        hasXTRID: Bool = false,
        nonce: Nonce,
        authentication: Authentication,
        records: [EIDRecord],
        xtrID: XTRID? = nil,
        siteID: SiteID? = nil,
        tail: [UInt8] = []
    ) {
        self.isAcknowledgement = isAcknowledgement
        self.hasXTRID = hasXTRID
        self.nonce = nonce
        self.authentication = authentication
        self.records = records
        self.xtrID = xtrID
        self.siteID = siteID
        self.tail = tail
    }
}

extension MapNotify: ControlMessageBody {
    package init(from reader: inout WireReader) throws(WireError) {
        let header = try reader.header(.mapNotify, or: .mapNotifyAck)
        self.isAcknowledgement = header.type == .mapNotifyAck
        self.hasXTRID = header.isSet(4)
        self.nonce = Nonce(rawValue: try reader.integer("Nonce"))
        self.authentication = try Authentication(from: &reader)
        self.records = try EIDRecord.list(count: header.recordCount, from: &reader)
        if reader.remaining == SenderIdentity.size {
            (self.xtrID, self.siteID) = try SenderIdentity.decode(from: &reader)
        }
        self.tail = reader.rest()
    }

    package func encode(into writer: inout WireWriter) {
        var header = MessageHeader(isAcknowledgement ? .mapNotifyAck : .mapNotify, recordCount: records.count)
        header.set(4, hasXTRID)
        writer.integer(header.bits)
        writer.integer(nonce.rawValue)
        authentication.encode(into: &writer)
        for record in records.prefix(255) {
            record.encode(into: &writer)
        }
        if let xtrID {
            SenderIdentity.encode(xtrID, siteID, into: &writer)
        }
        writer.bytes(tail)
    }
}
