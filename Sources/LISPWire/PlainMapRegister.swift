// A Map-Register as most are: one record of plain addresses, every bit one that we know. It is read in place, and its Map-Notify has
// its octets again (RFC 9301 section 5.7):
//
//    Map-Register  | Type=3, flags | Nonce | Key ID, Alg. | Length | MAC | EID-Record | xTR-ID, Site-ID |
//    Map-Notify    | Type=4        | Nonce | Key ID, Alg. | Length | MAC | EID-Record | xTR-ID, Site-ID |

/// What a `MapRegister` says, for those that would be encoded again as they came.
package struct PlainMapRegister: Sendable {
    private let header: MessageHeader
    package let nonce: Nonce
    /// The first eight octets of the MAC.
    package let macPrefix: UInt64
    /// Where the authentication data ends and the record begins.
    private let bodyOffset: Int
    package let ttlMinutes: UInt32
    package let eidPrefix: EIDPrefix
    package let action: MapReplyAction
    package let isAuthoritative: Bool
    package let mapVersion: UInt16
    package let locator: LocatorRecord
    /// Those behind the first.
    package let otherLocators: [LocatorRecord]
    package let xtrID: XTRID?
    package let siteID: SiteID?

    /// `nil` for every other message, one that does not decode included.
    package init?(_ message: [UInt8]) {
        let register: PlainMapRegister? = message.withUnsafeBytes { bytes in
            var cursor = OctetCursor(bytes)
            return PlainMapRegister(&cursor)
        }
        guard let register else { return nil }
        self = register
    }

    private init?(_ cursor: inout OctetCursor) {
        guard let header = cursor.header(), header.type == .mapRegister,
            header.recordCount == 1, let nonce: UInt64 = cursor.integer(), cursor.skip(2),
            let length: UInt16 = cursor.integer(), length >= 8, let macPrefix: UInt64 = cursor.integer(),
            cursor.skip(Int(length) - 8)
        else { return nil }
        self.header = header
        self.nonce = Nonce(rawValue: nonce)
        self.macPrefix = macPrefix
        self.bodyOffset = cursor.index
        guard let ttl: UInt32 = cursor.integer(), let locatorCount: UInt8 = cursor.integer(), locatorCount > 0,
            let maskLength: UInt8 = cursor.integer(), let bits: UInt16 = cursor.integer(), bits & 0x0fff == 0,
            let action = MapReplyAction(rawValue: UInt8(bits >> 13)), let version: UInt16 = cursor.integer(),
            version & 0xf000 == 0, let eid = cursor.address(), eid.isUsual,
            let prefix = IPPrefix(eid.ip, length: maskLength), prefix.address == eid.ip,
            let locator = Self.locator(&cursor)
        else { return nil }
        self.ttlMinutes = ttl
        self.eidPrefix = EIDPrefix(instanceID: eid.instanceID, prefix)
        self.action = action
        self.isAuthoritative = bits & 0x1000 != 0
        self.mapVersion = version
        self.locator = locator
        var others: [LocatorRecord] = []
        for _ in 1..<locatorCount {
            guard let other = Self.locator(&cursor) else { return nil }
            others.append(other)
        }
        self.otherLocators = others
        if header.isSet(6) {
            guard let xtrID: UInt128 = cursor.integer(), let siteID: UInt64 = cursor.integer() else { return nil }
            self.xtrID = XTRID(rawValue: xtrID)
            self.siteID = SiteID(rawValue: siteID)
        } else {
            self.xtrID = nil
            self.siteID = nil
        }
        guard cursor.remaining == 0 else { return nil }
    }

    private static func locator(_ cursor: inout OctetCursor) -> LocatorRecord? {
        guard let priority: UInt8 = cursor.integer(), let weight: UInt8 = cursor.integer(),
            let multicastPriority: UInt8 = cursor.integer(), let multicastWeight: UInt8 = cursor.integer(),
            let flags: UInt16 = cursor.integer(), flags & 0xfff8 == 0, let address = cursor.address(),
            address.instanceID == .default, address.isUsual
        else { return nil }
        return LocatorRecord(
            priority: priority,
            weight: weight,
            multicastPriority: multicastPriority,
            multicastWeight: multicastWeight,
            isLocal: flags & 4 != 0,
            isProbed: flags & 2 != 0,
            isReachable: flags & 1 != 0,
            address: .ip(address.ip)
        )
    }

    // The flags of `MapRegister`, where the drawing has them.
    package var wantsProxyReply: Bool { header.isSet(4) }
    package var isSecurityCapable: Bool { header.isSet(5) }
    package var usesTTL: Bool { header.isSet(20) }
    package var wantsMerge: Bool { header.isSet(21) }
    package var wantsMapNotify: Bool { header.isSet(23) }

    /// The Map-Notify that acknowledges it, signed.
    ///
    /// - Parameter message: what this was read from.
    package func notify(for message: [UInt8], signedWith key: PreparedKey) -> [UInt8] {
        let length = key.key.algorithm.sentLength
        let body = 16 + length
        var notify = [UInt8](repeating: 0, count: body + message.count - bodyOffset)
        notify.withUnsafeMutableBytes { notify in
            notify.storeBytes(of: MessageHeader(.mapNotify, recordCount: 1).bits.bigEndian, as: UInt32.self)
            notify.storeBytes(of: nonce.rawValue.bigEndian, toByteOffset: 4, as: UInt64.self)
            notify[12] = key.key.id
            notify[13] = key.key.algorithm.rawValue
            notify.storeBytes(of: UInt16(length).bigEndian, toByteOffset: 14, as: UInt16.self)
            message.withUnsafeBytes { message in
                UnsafeMutableRawBufferPointer(rebasing: notify[body...])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: message[bodyOffset...]))
            }
        }
        key.sign(&notify)
        return notify
    }
}
