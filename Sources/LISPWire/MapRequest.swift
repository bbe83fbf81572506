// Map-Request, RFC 9301 section 5.2.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |Type=1 |A|M|P|S|p|s|R|R|  Rsvd   |L|D|   IRC   | Record Count  |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                         Nonce . . .                           |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                         . . . Nonce                           |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |         Source-EID-AFI        |   Source EID Address  ...     |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |         ITR-RLOC-AFI 1        |    ITR-RLOC Address 1  ...    |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                              ...                              |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |         ITR-RLOC-AFI n        |    ITR-RLOC Address n  ...    |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  / |   Reserved    | EID mask-len  |        EID-Prefix-AFI         |
//Rec +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  \ |                       EID-Prefix  ...                         |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                   Map-Reply Record  ...                       |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// Asks for mappings, probes a locator, or solicits such a request.
package struct MapRequest: Hashable, Sendable {
    /// One EID-prefix asked for.
    package struct Record: Hashable, Sendable {
        package var eid: LISPAddress
        package var maskLength: UInt8

        package init(eid: LISPAddress, maskLength: UInt8) {
            self.eid = eid
            self.maskLength = maskLength
        }

        package init(_ eidPrefix: EIDPrefix) {
            self.init(eid: LISPAddress(eidPrefix: eidPrefix), maskLength: eidPrefix.prefix.length)
        }

        /// `nil` if the EID is neither IPv4 nor IPv6, or its mask is longer than the address.
        package var eidPrefix: EIDPrefix? { EIDPrefix(address: eid, maskLength: maskLength) }
    }

    /// A: the site itself shall answer.
    package var isAuthoritative: Bool
    /// P: an RLOC probe.
    package var isProbe: Bool
    /// S: solicits a Map-Request of the receiver.
    package var isSMR: Bool
    /// p: sent by a Proxy-ITR.
    package var isPITR: Bool
    /// s: sent because an SMR asked for it.
    package var isSMRInvoked: Bool
    /// L: the sender is in the site's locator set.
    package var isLocalXTR: Bool
    /// D: no Map-Reply is wanted.
    package var dontMapReply: Bool
    package var nonce: Nonce
    package var sourceEID: LISPAddress
    /// Where the Map-Reply may go: 1 to 32. What is beyond is not sent; for an empty list one of AFI 0 is.
    package var itrRLOCs: [LISPAddress]
    /// The count has room for 255; what is beyond is not sent.
    package var records: [Record]
    /// The mapping of the source EID, unverified. Its presence is the M-bit.
    package var mapData: EIDRecord?
    /// What follows; other standards put their data here.
    package var tail: [UInt8]

    package init(
        isAuthoritative: Bool = false,
        isProbe: Bool = false,
        isSMR: Bool = false,
        isPITR: Bool = false,
        isSMRInvoked: Bool = false,
        isLocalXTR: Bool = false,
        dontMapReply: Bool = false,
        nonce: Nonce,
        sourceEID: LISPAddress = .none,
        itrRLOCs: [LISPAddress],
        records: [Record],
        mapData: EIDRecord? = nil,
        tail: [UInt8] = []
    ) {
        self.isAuthoritative = isAuthoritative
        self.isProbe = isProbe
        self.isSMR = isSMR
        self.isPITR = isPITR
        self.isSMRInvoked = isSMRInvoked
        self.isLocalXTR = isLocalXTR
        self.dontMapReply = dontMapReply
        self.nonce = nonce
        self.sourceEID = sourceEID
        self.itrRLOCs = itrRLOCs
        self.records = records
        self.mapData = mapData
        self.tail = tail
    }

    /// M.
    package var hasMapData: Bool { mapData != nil }
}

extension MapRequest: ControlMessageBody {
    package init(from reader: inout WireReader) throws(WireError) {
        let header = try reader.header(.mapRequest)
        self.isAuthoritative = header.isSet(4)
        self.isProbe = header.isSet(6)
        self.isSMR = header.isSet(7)
        self.isPITR = header.isSet(8)
        self.isSMRInvoked = header.isSet(9)
        self.isLocalXTR = header.isSet(17)
        self.dontMapReply = header.isSet(18)
        self.nonce = Nonce(rawValue: try reader.integer("Nonce"))
        self.sourceEID = try LISPAddress("Source EID", from: &reader)
        self.itrRLOCs = []
        // IRC: five bits, the number of ITR-RLOCs beyond the first.
        for _ in 0...(header.bits >> 8 & 0x1f) {
            itrRLOCs.append(try LISPAddress("ITR-RLOC", from: &reader))
        }
        self.records = []
        for _ in 0..<header.recordCount {
            records.append(try Record(from: &reader))
        }
        self.mapData = header.isSet(5) ? try EIDRecord(from: &reader) : nil
        self.tail = reader.rest()
    }

    package func encode(into writer: inout WireWriter) {
        let rlocs = itrRLOCs.isEmpty ? [.none] : itrRLOCs.prefix(32)
        var header = MessageHeader(.mapRequest, recordCount: records.count)
        header.set(4, isAuthoritative)
        header.set(5, hasMapData)
        header.set(6, isProbe)
        header.set(7, isSMR)
        header.set(8, isPITR)
        header.set(9, isSMRInvoked)
        header.set(17, isLocalXTR)
        header.set(18, dontMapReply)
        writer.integer(header.bits | UInt32(rlocs.count - 1) << 8)
        writer.integer(nonce.rawValue)
        sourceEID.encode(into: &writer)
        for rloc in rlocs {
            rloc.encode(into: &writer)
        }
        for record in records.prefix(255) {
            record.encode(into: &writer)
        }
        mapData?.encode(into: &writer)
        writer.bytes(tail)
    }
}

extension MapRequest.Record {
    fileprivate init(from reader: inout WireReader) throws(WireError) {
        let _: UInt8 = try reader.integer("Reserved")
        self.maskLength = try reader.integer("EID mask-len")
        self.eid = try LISPAddress("EID-Prefix", from: &reader)
    }

    fileprivate func encode(into writer: inout WireWriter) {
        writer.integer(UInt8(0))
        writer.integer(maskLength)
        eid.encode(into: &writer)
    }
}
