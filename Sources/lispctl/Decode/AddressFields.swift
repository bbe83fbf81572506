// Addresses of control messages as fields. In JSON an address is always an object: `afi`, `address` (text), `instanceID`
// if it stands in one, and the contents of a canonical address under their own names.

import LISPWire

/// Counts octets along a message whose values are known but not where they stood.
struct OffsetCursor {
    private(set) var position: Int

    init(after octets: Int) {
        self.position = octets
    }

    mutating func skip(_ octets: Int) {
        position += octets
    }

    /// Passes what `encode` writes.
    mutating func skip(_ encode: (inout WireWriter) -> Void) {
        var writer = WireWriter()
        encode(&writer)
        position += writer.bytes.count
    }

    mutating func field(_ name: String, _ address: LISPAddress) -> Field {
        let offset = position
        skip { address.encode(into: &$0) }
        return AddressFields.field(name, address, offset: offset)
    }
}

enum AddressFields {
    static func field(_ name: String, _ address: LISPAddress, offset: Int? = nil) -> Field {
        Field(name, .group(members(address), line: text(address)), offset: offset)
    }

    /// The address, which the line of the group tells, and what is inside a canonical address, which it does not.
    static func members(_ address: LISPAddress) -> [Field] {
        var fields: [Field] = [
            .told("AFI", .number(UInt64(afi(address)))), .told("Address", .text(text(address, withInstance: false))),
        ]
        switch address {
        case .instance(let instanceID, let maskLength, let inner):
            fields.append(.told("Instance ID", .number(UInt64(instanceID.rawValue))))
            if maskLength > 0 { fields.append(Field("IID mask-len", .number(UInt64(maskLength)))) }
            if let contents = contents(inner) { fields.append(contents) }
        case .lcaf, .none, .ip, .mac, .distinguishedName:
            if let contents = contents(address) { fields.append(contents) }
        }
        return fields
    }

    /// What a canonical address holds beyond its text.
    static func contents(_ address: LISPAddress) -> Field? {
        guard case .lcaf(let canonical) = address else { return nil }
        return LCAFFields.field(canonical)
    }

    /// One line that drives no terminal.
    static func text(_ address: LISPAddress, withInstance: Bool = true) -> String {
        switch address {
        case .none: "none"
        case .ip, .mac: address.description
        case .distinguishedName(let name): "\"" + printable(name) + "\""
        case .instance(let instanceID, _, let inner): (withInstance ? "[\(instanceID)] " : "") + text(inner)
        case .lcaf(let canonical): LCAFFields.text(canonical)
        }
    }

    /// With the mask length, behind a slash where it counts bits of the address.
    static func text(_ address: LISPAddress, maskLength: UInt8, withInstance: Bool = true) -> String {
        let plain = text(address, withInstance: withInstance)
        if address.ipAddress != nil || isMAC(address) { return "\(plain)/\(maskLength)" }
        return maskLength == 0 ? plain : "\(plain), mask-len \(maskLength)"
    }

    private static func isMAC(_ address: LISPAddress) -> Bool {
        switch address {
        case .mac, .instance(_, _, .mac): true
        case .none, .ip, .distinguishedName, .instance, .lcaf: false
        }
    }

    private static func afi(_ address: LISPAddress) -> UInt16 {
        switch address {
        case .none: AddressFamilyIdentifier.none
        case .ip(.v4): AddressFamilyIdentifier.ipv4
        case .ip(.v6): AddressFamilyIdentifier.ipv6
        case .mac(let mac): mac.isIEEE802 ? AddressFamilyIdentifier.ieee802 : AddressFamilyIdentifier.mac48
        case .distinguishedName: AddressFamilyIdentifier.distinguishedName
        case .instance, .lcaf: AddressFamilyIdentifier.lcaf
        }
    }
}
