// EID-Records and locators as fields. A line says all of a record that most readers want; JSON has each field.

import LISPWire

enum EIDFields {
    /// A record of a Map-Request: an EID-prefix.
    static func record(_ eid: LISPAddress, maskLength: UInt8, offset: Int) -> Field {
        Field("Record", .group(prefix(eid, maskLength), line: line(eid, maskLength)), offset: offset)
    }

    static func line(_ eid: LISPAddress, _ maskLength: UInt8) -> String {
        "EID-Prefix " + AddressFields.text(eid, maskLength: maskLength)
    }

    /// The prefix as text, its instance, and the address as it stood.
    static func prefix(_ eid: LISPAddress, _ maskLength: UInt8) -> [Field] {
        var fields: [Field] = [
            .told("EID mask-len", .number(UInt64(maskLength))),
            .told("EID-Prefix", .text(AddressFields.text(eid, maskLength: maskLength, withInstance: false))),
        ]
        if let instanceID = eid.instanceID, instanceID != .default {
            fields.append(.told("Instance ID", .number(UInt64(instanceID.rawValue))))
        }
        return fields + [.told("EID", .group(AddressFields.members(eid)))]
    }
}

extension OffsetCursor {
    mutating func field(_ records: [EIDRecord]) -> Field {
        Field("EID-Records", .list(records.map { field($0, name: "EID-Record") }))
    }

    mutating func field(_ record: EIDRecord, name: String) -> Field {
        let start = position
        skip(10)
        skip { record.eid.encode(into: &$0) }
        let locators = record.locators.map { field($0) }
        var line = "\(EIDFields.line(record.eid, record.maskLength)), Record TTL \(Self.ttl(record.ttlMinutes))"
        if record.locators.isEmpty {
            line += ", no locators, ACT \(record.action.rawValue) (\(record.action.name))"
        } else {
            line += ", " + counted(record.locators.count, "locator")
        }
        if record.isAuthoritative { line += ", A (authoritative)" }
        if record.mapVersion != 0 { line += ", Map-Version \(record.mapVersion)" }
        var members: [Field] = [
            .told("Record TTL", .number(UInt64(record.ttlMinutes))),
            .told("Locator Count", .number(UInt64(record.locators.count))),
            .told("ACT", .named(UInt64(record.action.rawValue), record.action.name)),
            .told("A", .bool(record.isAuthoritative)),
            .told("Map-Version Number", .number(UInt64(record.mapVersion))),
        ]
        members += EIDFields.prefix(record.eid, record.maskLength)
        var list = Field("Locators", .list(locators))
        list.isToldAbove = locators.isEmpty
        members.append(list)
        return Field(name, .group(members, line: line), offset: start)
    }

    mutating func field(_ record: ReferralRecord) -> Field {
        let start = position
        skip(10)
        skip { record.eid.encode(into: &$0) }
        let referrals = record.referrals.map { field($0, name: "Ref") }
        let signatures = record.signatures.map { signature in
            skip(20 + signature.octets.count)
            return Self.field(signature)
        }
        var line = "\(EIDFields.line(record.eid, record.maskLength)), Record TTL \(Self.ttl(record.ttlMinutes))"
        line +=
            ", ACT \(record.action.rawValue) (\(record.action.name)), \(counted(record.referrals.count, "referral"))"
        if record.isAuthoritative { line += ", A (authoritative)" }
        if record.isIncomplete { line += ", I (incomplete)" }
        if record.mapVersion != 0 { line += ", Map Version \(record.mapVersion)" }
        var members: [Field] = [
            .told("Record TTL", .number(UInt64(record.ttlMinutes))),
            .told("Referral Count", .number(UInt64(record.referrals.count))),
            .told("ACT", .named(UInt64(record.action.rawValue), record.action.name)),
            .told("A", .bool(record.isAuthoritative)), .told("I", .bool(record.isIncomplete)),
            .told("SigCnt", .number(UInt64(record.signatures.count))),
            .told("Map Version Number", .number(UInt64(record.mapVersion))),
        ]
        members += EIDFields.prefix(record.eid, record.maskLength)
        for (name, list) in [("Refs", referrals), ("Sigs", signatures)] {
            var field = Field(name, .list(list))
            field.isToldAbove = list.isEmpty
            members.append(field)
        }
        return Field("Record", .group(members, line: line), offset: start)
    }

    private static func field(_ signature: ReferralRecord.Signature) -> Field {
        Field(
            "Sig",
            .group([
                Field("Original Record TTL", .number(UInt64(signature.originalTTLMinutes)), unit: "minutes"),
                Field("Signature Expiration", .number(UInt64(signature.expiration)), unit: "seconds since 1970"),
                Field("Signature Inception", .number(UInt64(signature.inception)), unit: "seconds since 1970"),
                Field("Key Tag", .number(UInt64(signature.keyTag))),
                Field("Sig-Algorithm", .number(UInt64(signature.algorithm))),
                .octets("Signature", signature.octets, note: "not verified"),
            ])
        )
    }

    mutating func field(_ locator: LocatorRecord, name: String = "Locator") -> Field {
        let start = position
        skip(6)
        skip { locator.address.encode(into: &$0) }
        let flags = [
            FlagBit("L", "local", locator.isLocal), FlagBit("p", "probed", locator.isProbed),
            FlagBit("R", "reachable", locator.isReachable),
        ]
        let line =
            "\(AddressFields.text(locator.address)), Priority \(locator.priority), Weight \(locator.weight), "
            + "M Priority \(locator.multicastPriority), M Weight \(locator.multicastWeight), "
            + TextRenderer.words(flags)
        return Field(
            name,
            .group(
                [
                    .told("Priority", .number(UInt64(locator.priority))),
                    .told("Weight", .number(UInt64(locator.weight))),
                    .told("M Priority", .number(UInt64(locator.multicastPriority))),
                    .told("M Weight", .number(UInt64(locator.multicastWeight))), .told("Flags", .flags(flags)),
                    .told("Locator", .group(AddressFields.members(locator.address))),
                ],
                line: line
            ),
            offset: start
        )
    }

    /// Record TTLs are in minutes.
    private static func ttl(_ minutes: UInt32) -> String {
        minutes == .max ? "unlimited" : counted(Int(minutes), "minute")
    }
}

extension Field {
    static func type(_ type: MessageType) -> Field {
        .told("Type", .named(UInt64(type.rawValue), type.name))
    }

    static func nonce(_ nonce: Nonce, _ base: Int) -> Field {
        Field("Nonce", .text(nonce.description), offset: base + 4)
    }

    /// What follows a message; nothing if nothing does.
    static func tail(_ octets: [UInt8]) -> [Field] {
        octets.isEmpty ? [] : [.octets("Octets behind the last field", octets)]
    }
}
