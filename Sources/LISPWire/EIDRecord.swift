// EID-Record, RFC 9301 section 5.4: in Map-Replies, Map-Registers, Map-Notifies, and as map data in Map-Requests.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                          Record TTL                           |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    | Locator Count | EID mask-len  | ACT |A|      Reserved         |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    | Rsvd  |  Map-Version Number   |       EID-Prefix-AFI          |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                          EID-Prefix                           |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                          Locators ...                         |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// What an ITR does with packets that an empty locator set covers. Three bits (RFC 9301 sections 5.4 and 12.3).
package enum MapReplyAction: UInt8, Hashable, Sendable, CaseIterable {
    case noAction = 0
    case nativelyForward = 1
    case sendMapRequest = 2
    case dropNoReason = 3
    case dropPolicyDenied = 4
    case dropAuthFailure = 5
    case unassigned6 = 6
    case unassigned7 = 7
}

/// The mapping of one EID-prefix.
package struct EIDRecord: Hashable, Sendable {
    /// Minutes the mapping may be kept. 0: forget it at once; 0xffffffff: as long as the receiver likes.
    package var ttlMinutes: UInt32
    package var eid: LISPAddress
    package var maskLength: UInt8
    /// Counts only when `locators` is empty.
    package var action: MapReplyAction
    /// A: made by an ETR of the site.
    package var isAuthoritative: Bool
    /// Twelve bits; 0 is no version (RFC 9302). Higher bits are not sent.
    package var mapVersion: UInt16
    /// The count has room for 255; what is beyond is not sent.
    package var locators: [LocatorRecord]

    package init(
        eid: LISPAddress,
        maskLength: UInt8,
        ttlMinutes: UInt32,
        action: MapReplyAction = .noAction,
        isAuthoritative: Bool = false,
        mapVersion: UInt16 = 0,
        locators: [LocatorRecord]
    ) {
        self.ttlMinutes = ttlMinutes
        self.eid = eid
        self.maskLength = maskLength
        self.action = action
        self.isAuthoritative = isAuthoritative
        self.mapVersion = mapVersion
        self.locators = locators
    }

    package init(
        eidPrefix: EIDPrefix,
        ttlMinutes: UInt32,
        action: MapReplyAction = .noAction,
        isAuthoritative: Bool = false,
        mapVersion: UInt16 = 0,
        locators: [LocatorRecord]
    ) {
        self.init(
            eid: LISPAddress(eidPrefix: eidPrefix),
            maskLength: eidPrefix.prefix.length,
            ttlMinutes: ttlMinutes,
            action: action,
            isAuthoritative: isAuthoritative,
            mapVersion: mapVersion,
            locators: locators
        )
    }

    /// `nil` if the EID is neither IPv4 nor IPv6, or its mask is longer than the address.
    package var eidPrefix: EIDPrefix? { EIDPrefix(address: eid, maskLength: maskLength) }
}

extension EIDRecord {
    package init(from reader: inout WireReader) throws(WireError) {
        self.ttlMinutes = try reader.integer("Record TTL")
        let locatorCount: UInt8 = try reader.integer("Locator Count")
        self.maskLength = try reader.integer("EID mask-len")
        let bits: UInt16 = try reader.integer("ACT")
        // Three bits: each of their values is a case.
        self.action = MapReplyAction(rawValue: UInt8(bits >> 13)) ?? .noAction
        self.isAuthoritative = bits & 0x1000 != 0
        let version: UInt16 = try reader.integer("Map-Version Number")
        self.mapVersion = version & 0x0fff
        self.eid = try LISPAddress("EID-Prefix", from: &reader)
        self.locators = []
        for _ in 0..<locatorCount {
            locators.append(try LocatorRecord(from: &reader))
        }
    }

    package func encode(into writer: inout WireWriter) {
        let sent = locators.prefix(255)
        writer.integer(ttlMinutes)
        writer.integer(UInt8(sent.count))
        writer.integer(maskLength)
        writer.integer(UInt16(action.rawValue) << 13 | (isAuthoritative ? 0x1000 : 0))
        writer.integer(mapVersion & 0x0fff)
        eid.encode(into: &writer)
        for locator in sent {
            locator.encode(into: &writer)
        }
    }

    /// Reads as many records as the message's count says.
    static func list(count: UInt8, from reader: inout WireReader) throws(WireError) -> [EIDRecord] {
        var records: [EIDRecord] = []
        for _ in 0..<count {
            records.append(try EIDRecord(from: &reader))
        }
        return records
    }
}
