// Map-Register, RFC 9301 section 5.6.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |Type=3 |P|S|I|        Reserved       |E|T|a|R|M| Record Count  |
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
//    |            xTR-ID (128 bits), Site-ID (64 bits) if I          |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// Registers EID-prefixes at a Map-Server.
package struct MapRegister: Hashable, Sendable {
    /// P: the Map-Server shall answer Map-Requests itself.
    package var wantsProxyReply: Bool
    /// S: the sender supports RFC 9303.
    package var isSecurityCapable: Bool
    /// E: sent by a first-hop router for an EID that it discovered.
    package var isEIDNotify: Bool
    /// T: the record TTLs are the registration's life.
    package var usesTTL: Bool
    /// a: locators are to be merged with those that other xTRs register.
    package var wantsMerge: Bool
    /// R: the sender is a mobile node.
    package var isMobile: Bool
    /// M: a Map-Notify shall acknowledge.
    package var wantsMapNotify: Bool
    package var nonce: Nonce
    package var authentication: Authentication
    /// The count has room for 255; what is beyond is not sent.
    package var records: [EIDRecord]
    /// Who sends this. Its presence is the I-bit.
    package var xtrID: XTRID?
    /// Sent only with an `xtrID`, as 0 if `nil` then.
    package var siteID: SiteID?
    /// What follows. Covered by the authentication.
    package var tail: [UInt8]

    package init(
        wantsProxyReply: Bool = false,
        isSecurityCapable: Bool = false,
        isEIDNotify: Bool = false,
        usesTTL: Bool = false,
        wantsMerge: Bool = false,
        isMobile: Bool = false,
        wantsMapNotify: Bool = false,
        nonce: Nonce,
        authentication: Authentication,
        records: [EIDRecord],
        xtrID: XTRID? = nil,
        siteID: SiteID? = nil,
        tail: [UInt8] = []
    ) {
        self.wantsProxyReply = wantsProxyReply
        self.isSecurityCapable = isSecurityCapable
        self.isEIDNotify = isEIDNotify
        self.usesTTL = usesTTL
        self.wantsMerge = wantsMerge
        self.isMobile = isMobile
        self.wantsMapNotify = wantsMapNotify
        self.nonce = nonce
        self.authentication = authentication
        self.records = records
        self.xtrID = xtrID
        self.siteID = siteID
        self.tail = tail
    }

    /// I.
    package var hasXTRID: Bool { xtrID != nil }
}

extension MapRegister: ControlMessageBody {
    package init(from reader: inout WireReader) throws(WireError) {
        let header = try reader.header(.mapRegister)
        self.wantsProxyReply = header.isSet(4)
        self.isSecurityCapable = header.isSet(5)
        self.isEIDNotify = header.isSet(19)
        self.usesTTL = header.isSet(20)
        self.wantsMerge = header.isSet(21)
        self.isMobile = header.isSet(22)
        self.wantsMapNotify = header.isSet(23)
        self.nonce = Nonce(rawValue: try reader.integer("Nonce"))
        self.authentication = try Authentication(from: &reader)
        self.records = try EIDRecord.list(count: header.recordCount, from: &reader)
        if header.isSet(6) {
            (self.xtrID, self.siteID) = try SenderIdentity.decode(from: &reader)
        }
        self.tail = reader.rest()
    }

    package func encode(into writer: inout WireWriter) {
        var header = MessageHeader(.mapRegister, recordCount: records.count)
        header.set(4, wantsProxyReply)
        header.set(5, isSecurityCapable)
        header.set(6, hasXTRID)
        header.set(19, isEIDNotify)
        header.set(20, usesTTL)
        header.set(21, wantsMerge)
        header.set(22, isMobile)
        header.set(23, wantsMapNotify)
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
