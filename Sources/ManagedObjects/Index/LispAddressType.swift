// LispAddressType of RFC 7052, the form of every EID-prefix, RLOC and server address in both modules.
//
//     address family (2) | octets of the address (1) | address | mask length (1)
//
// The address of family 16387 is the type of the canonical address and what follows its length field: for an instance ID (RFC 8060
// section 4.1) the instance (4), a family (2) and an address. (The RFC's own example shortens both numbers to one octet.)

import LISPWire

enum LispAddressType {
    /// What RFC 7052 allows.
    static let longest = 39

    static func octets(_ prefix: EIDPrefix) -> [UInt8] {
        octets(prefix.instanceID, prefix.prefix.address, maskLength: prefix.prefix.length)
    }

    /// With its whole length as mask.
    static func octets(_ address: IPAddress) -> [UInt8] {
        octets(.default, address, maskLength: address.family.bitWidth)
    }

    /// `nil` if the address has more than 255 octets, or is none.
    static func octets(_ address: LISPAddress) -> [UInt8]? {
        switch address {
        case .none: nil
        case .ip(let address): octets(address)
        case .instance(let instanceID, 0, .ip(let address)) where instanceID != .default:
            octets(instanceID, address, maskLength: address.family.bitWidth)
        case .mac, .distinguishedName, .instance, .lcaf: otherOctets(address)
        }
    }

    private static func octets(_ instanceID: InstanceID, _ address: IPAddress, maskLength: UInt8) -> [UInt8] {
        var octets: [UInt8] = []
        octets.reserveCapacity(27)
        let width = address.family.bitWidth / 8
        if instanceID != .default {
            octets += [0x40, 0x03, 7 + width, LCAFType.instanceID.rawValue]
            octets.append(bigEndian: instanceID.rawValue)
        }
        octets += [0, address.family == .ipv4 ? 1 : 2]
        if instanceID == .default { octets.append(width) }
        switch address {
        case .v4(let address): octets.append(bigEndian: address.rawValue)
        case .v6(let address):
            octets.append(bigEndian: UInt64(truncatingIfNeeded: address.rawValue >> 64))
            octets.append(bigEndian: UInt64(truncatingIfNeeded: address.rawValue))
        }
        octets.append(maskLength)
        return octets
    }

    /// As on the wire, but for what stands between a canonical address's family and its body, save its type.
    private static func otherOctets(_ address: LISPAddress) -> [UInt8]? {
        var writer = WireWriter()
        address.encode(into: &writer)
        let wire = writer.bytes
        var body = Array(wire.dropFirst(2))
        let isCanonical = wire[0] == 0x40 && wire[1] == 0x03
        // Reserved (1), flags (1), type (1), reserved (1), length (2).
        if isCanonical { body = [wire[4]] + wire.dropFirst(8) }
        guard body.count <= 255 else { return nil }
        // A mask would have no meaning for these.
        let maskLength: UInt8 = if case .mac = address { 48 } else { 0 }
        return [wire[0], wire[1], UInt8(body.count)] + body + [maskLength]
    }
}

extension [UInt8] {
    fileprivate mutating func append(bigEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }
}
