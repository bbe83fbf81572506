// Canonical addresses (RFC 8060) as fields: each type under the names of its drawing. A body that makes no sense is shown
// as octets with the reason; the address around it still counts.

import LISPWire

enum LCAFFields {
    /// The type and what matters most of it, in one line that drives no terminal.
    static func text(_ address: CanonicalAddress) -> String {
        guard let type = LCAFType(rawValue: address.type) else {
            return "LCAF type \(address.type), \(counted(address.body.count, "octet"))"
        }
        func about(_ inner: LISPAddress) -> String { "\(type.name) (\(AddressFields.text(inner)))" }
        func list(_ addresses: [LISPAddress]) -> String {
            "\(type.name) (\(addresses.map { AddressFields.text($0) }.joined(separator: "; ")))"
        }
        switch address.content {
        case .afiList(let content): return list(content.addresses)
        case .instanceID(let content): return "[\(content.instanceID)] \(AddressFields.text(content.address))"
        case .asNumber(let content): return "AS \(content.number) \(AddressFields.text(content.address))"
        case .applicationData(let content): return about(content.address)
        case .geoCoordinates(let content): return "\(type.name) (\(content.latitude), \(content.longitude))"
        case .geoLocation(let content): return "Geo-Location (\(content.latitude), \(content.longitude))"
        case .nonceLocator(let content): return about(content.address)
        case .multicastInfo(let content):
            let source = AddressFields.text(content.source, maskLength: content.sourceMaskLength)
            let group = AddressFields.text(content.group, maskLength: content.groupMaskLength)
            return "[\(content.instanceID)] (\(source), \(group))"
        case .explicitLocatorPath(let content): return list(content.hops.map(\.address))
        case .securityKey(let content): return about(content.locator)
        case .sourceDestinationKey(let content):
            let source = AddressFields.text(content.source, maskLength: content.sourceMaskLength)
            let destination = AddressFields.text(content.destination, maskLength: content.destinationMaskLength)
            return "\(type.name) (\(source) > \(destination))"
        case .replicationList(let content): return list(content.entries.map(\.address))
        case .json(let content): return "\(type.name) (\(counted(content.json.count, "octet")))"
        case .keyValue(let content):
            return "\(type.name) (\(AddressFields.text(content.key)) = \(AddressFields.text(content.value)))"
        case .encapsulationFormat(let content): return about(content.address)
        case .null, .opaqueKey, .natTraversal, .unknown: return type.name
        case .malformed: return "\(type.name), malformed"
        }
    }

    static func field(_ address: CanonicalAddress) -> Field {
        let name = LCAFType(rawValue: address.type)?.name ?? "unknown"
        var members: [Field] = [
            .told("LCAF Type", .named(UInt64(address.type), name)),
            .told("Length", .number(UInt64(address.body.count))),
        ]
        if address.flags != 0 { members.append(Field("Flags", .number(UInt64(address.flags)))) }
        members += contents(address)
        let line = "Type \(address.type) (\(name)), \(counted(address.body.count, "octet"))"
        return Field("LCAF", .group(members, line: line))
    }

    private static func contents(_ address: CanonicalAddress) -> [Field] {
        switch address.content {
        case .null: []
        case .afiList(let content): fields(content)
        case .instanceID(let content):
            [
                Field("Instance ID", .number(UInt64(content.instanceID))),
                Field("IID mask-len", .number(UInt64(content.maskLength))),
                AddressFields.field("Address", content.address),
            ]
        case .asNumber(let content):
            [
                Field("AS Number", .number(UInt64(content.number))), AddressFields.field("Address", content.address),
            ]
        case .applicationData(let content): fields(content)
        case .geoCoordinates(let content): fields(content)
        case .geoLocation(let content): fields(content)
        case .opaqueKey(let content):
            [
                Field("Key Field Num", .number(UInt64(content.fieldNumber))),
                Field("Key Wildcard Fields", .number(UInt64(content.wildcardFields))),
                .octets("Key", content.key),
            ]
        case .natTraversal(let content): fields(content)
        case .nonceLocator(let content):
            [
                Field("Nonce", .number(UInt64(content.nonce))), AddressFields.field("Address", content.address),
            ]
        case .multicastInfo(let content):
            [Field("Instance ID", .number(UInt64(content.instanceID)))]
                + prefix("Source", content.source, content.sourceMaskLength)
                + prefix("Group", content.group, content.groupMaskLength)
        case .explicitLocatorPath(let content): [Field("Reencap Hops", .list(content.hops.map(field)))]
        case .securityKey(let content): fields(content)
        case .sourceDestinationKey(let content):
            prefix("Source", content.source, content.sourceMaskLength)
                + prefix("Dest", content.destination, content.destinationMaskLength)
        case .replicationList(let content): [Field("RTR/ETR Entries", .list(content.entries.map(field)))]
        case .json(let content): fields(content)
        case .keyValue(let content):
            [
                AddressFields.field("Address as Key", content.key),
                AddressFields.field("Address as Value", content.value),
            ]
        case .encapsulationFormat(let content): fields(content)
        case .unknown: [.octets("Octets", address.body)]
        case .malformed(let fault):
            [
                .octets("Octets", address.body),
                Field("Problem", .text("\(fault.reason)"), note: "octet \(fault.offset)"),
                .told("Problem Offset", .number(UInt64(fault.offset))),
            ]
        }
    }
}

// MARK: - Types with several fields

extension LCAFFields {
    private static func prefix(_ name: String, _ address: LISPAddress, _ maskLength: UInt8) -> [Field] {
        [
            Field("\(name) mask-len", .number(UInt64(maskLength))),
            AddressFields.field("\(name) Prefix", address),
        ]
    }

    private static func fields(_ content: AFIList) -> [Field] {
        var fields = [Field("Addresses", .list(content.addresses.map { AddressFields.field("Address", $0) }))]
        if let fault = content.fault {
            fields.append(Field("Problem", .text("\(fault.reason)"), note: "octet \(fault.offset)"))
            fields.append(.told("Problem Offset", .number(UInt64(fault.offset))))
        }
        return fields
    }

    private static func fields(_ content: ApplicationData) -> [Field] {
        func ports(_ name: String, _ range: ApplicationData.PortRange) -> Field {
            let bounds: [Field] = [
                .told("Lower", .number(UInt64(range.lower))), .told("Upper", .number(UInt64(range.upper))),
            ]
            return Field(name, .group(bounds, line: "\(range.lower) to \(range.upper)"))
        }
        return [
            Field("IP TOS, IPv6 TC, or Flow Label", .number(UInt64(content.flow))),
            Field("Protocol", .number(UInt64(content.ipProtocol))), ports("Local Port", content.localPorts),
            ports("Remote Port", content.remotePorts), AddressFields.field("Address", content.address),
        ]
    }

    private static func fields(_ content: GeoCoordinates) -> [Field] {
        var fields = [angle("Latitude", content.latitude), angle("Longitude", content.longitude)]
        if let altitude = content.altitude { fields.append(Field("Altitude", .text(String(altitude)), unit: "metres")) }
        return fields + [AddressFields.field("Address", content.address)]
    }

    private static func fields(_ content: GeoLocation) -> [Field] {
        var fields = [angle("Latitude", content.latitude), angle("Longitude", content.longitude)]
        if let uncertainty = content.uncertainty {
            fields.append(Field("Location Uncertainty", .number(UInt64(uncertainty)), unit: "centimetres"))
        }
        if let altitude = content.altitude {
            fields.append(.told("Altitude in metres", .bool(altitude.isInMetres)))
            let unit = altitude.isInMetres ? "metres" : "centimetres"
            fields.append(Field("Altitude", .text(String(altitude.value)), unit: unit))
        }
        if let radius = content.radius {
            fields.append(.told("Radius in kilometres", .bool(radius.isInKilometres)))
            let unit = radius.isInKilometres ? "kilometres" : "metres"
            fields.append(Field("Radius", .number(UInt64(radius.value)), unit: unit))
        }
        return fields + [AddressFields.field("Address", content.address)]
    }

    private static func angle(_ name: String, _ angle: GeoAngle) -> Field {
        Field(name, .text(angle.description), unit: "degrees")
    }

    private static func fields(_ content: NATTraversal) -> [Field] {
        [
            Field("MS UDP Port Number", .number(UInt64(content.mapServerPort))),
            Field("ETR UDP Port Number", .number(UInt64(content.etrPort))),
            AddressFields.field("Global ETR RLOC Address", content.globalETRRLOC),
            AddressFields.field("MS RLOC Address", content.mapServerRLOC),
            AddressFields.field("Private ETR RLOC Address", content.privateETRRLOC),
            Field("RTR RLOC Addresses", .list(content.rtrRLOCs.map { AddressFields.field("RTR RLOC Address", $0) })),
        ]
    }

    private static func field(_ hop: ExplicitLocatorPath.Hop) -> Field {
        let flags = [
            FlagBit("L", "lookup", hop.isLookup), FlagBit("P", "RLOC-probe", hop.isProbed),
            FlagBit("S", "strict", hop.isStrict),
        ]
        return Field(
            "Reencap Hop",
            .group(
                [.told("Flags", .flags(flags))] + AddressFields.members(hop.address),
                line: "\(AddressFields.text(hop.address)), \(TextRenderer.words(flags))"
            )
        )
    }

    private static func fields(_ content: SecurityKey) -> [Field] {
        // A key of RFC 8061 is a public one, and one of RFC 8111 signs: neither is a secret.
        [
            Field("Key Algorithm", .number(UInt64(content.algorithm))), Field("R", .bool(content.isRevoked)),
            Field("Keys", .list(content.keys.map { .octets("Key Material", $0) })),
            AddressFields.field("Locator Address", content.locator),
        ]
    }

    private static func field(_ entry: ReplicationList.Entry) -> Field {
        Field(
            "RTR/ETR",
            .group(
                [.told("Level Value", .number(UInt64(entry.level)))] + AddressFields.members(entry.address),
                line: "\(AddressFields.text(entry.address)), Level Value \(entry.level)"
            )
        )
    }

    private static func fields(_ content: JSONDataModel) -> [Field] {
        var fields = [Field("B", .bool(content.isBinary))]
        fields.append(
            content.isBinary ? .octets("JSON", content.json) : Field("JSON", .text(printable(content.json)))
        )
        if let address = content.address { fields.append(AddressFields.field("Optional Address", address)) }
        return fields
    }

    private static func fields(_ content: EncapsulationFormat) -> [Field] {
        let flags = [
            FlagBit("U", "GUE", content.formats.contains(.gue)),
            FlagBit("G", "Geneve", content.formats.contains(.geneve)),
            FlagBit("N", "NVGRE", content.formats.contains(.nvgre)),
            FlagBit("v", "VXLAN-GPE", content.formats.contains(.vxlanGPE)),
            FlagBit("V", "VXLAN", content.formats.contains(.vxlan)),
            FlagBit("l", "Layer 2 LISP", content.formats.contains(.layer2LISP)),
            FlagBit("L", "Layer 3 LISP", content.formats.contains(.lisp)),
        ]
        return [Field("Encapsulations", .flags(flags)), AddressFields.field("Address", content.address)]
    }
}
