// What is counted of EID-records, read from an encoded message without making the message: a router that sends a hundred thousand
// answers a second does not decode each to count it.

/// One EID-record of a Map-Reply or Map-Notify in outline.
package struct RecordOutline: Hashable, Sendable {
    /// `nil` if the EID is neither IPv4 nor IPv6.
    package let family: AddressFamily?
    package let instanceID: InstanceID
    package let isAuthoritative: Bool
    package let locatorCount: UInt8

    /// The records of an encoded Map-Reply or Map-Notify. `nil` for other messages, those that end too early, and those with addresses
    /// whose family or length takes decoding to tell.
    package static func list(in message: [UInt8]) -> [RecordOutline]? {
        message.withUnsafeBytes { bytes in
            var cursor = OctetCursor(bytes)
            guard let header: UInt32 = cursor.integer(), cursor.skip(8) else { return nil }
            switch MessageType(rawValue: UInt8(header >> 28)) {
            case .mapReply:
                break
            case .mapNotify:
                guard cursor.skip(2), let length: UInt16 = cursor.integer(), cursor.skip(Int(length)) else {
                    return nil
                }
            case .mapRequest, .mapRegister, .mapNotifyAck, .mapReferral, .info, .encapsulatedControlMessage,
                .sharedExtension, nil:
                return nil
            }
            let count = UInt8(truncatingIfNeeded: header)
            var records: [RecordOutline] = []
            records.reserveCapacity(Int(count))
            for _ in 0..<count {
                guard let record = RecordOutline(&cursor) else { return nil }
                records.append(record)
            }
            return records
        }
    }

    private init?(_ cursor: inout OctetCursor) {
        guard cursor.skip(4), let locatorCount: UInt8 = cursor.integer(), let maskLength: UInt8 = cursor.integer(),
            let bits: UInt16 = cursor.integer(), cursor.skip(2), let eid = cursor.address(),
            maskLength <= eid.ip.family.bitWidth
        else { return nil }
        for _ in 0..<locatorCount {
            guard cursor.skip(6), cursor.address() != nil else { return nil }
        }
        self.family = eid.ip.family
        self.instanceID = eid.instanceID
        self.isAuthoritative = bits & 0x1000 != 0
        self.locatorCount = locatorCount
    }
}
