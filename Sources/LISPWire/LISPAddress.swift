// An address field of a control message: an address family number and what follows it.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |             AFI               |         Address  ...          |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// An address in an instance, RFC 8060 section 4.1:
//
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |           AFI = 16387         |     Rsvd1     |     Flags     |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |   Type = 2    | IID mask-len  |            Length             |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                         Instance ID                           |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              AFI = x          |         Address  ...          |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// What stands in an address field of a message.
package enum LISPAddress: Hashable, Sendable {
    /// AFI 0: no address.
    case none
    /// AFI 1 and 2.
    case ip(IPAddress)
    /// AFI 16389, or 6 where a router writes it so: the octets as they came.
    case mac(MACAddress)
    /// AFI 17: the octets before the closing NUL (RFC 9735). None of them may be NUL.
    case distinguishedName([UInt8])
    /// An address of any kind in an instance. `maskLength` is that of the instance ID, and counts only when the address is
    /// `.none` and the whole stands for a range of instances; otherwise it is 0.
    indirect case instance(InstanceID, maskLength: UInt8, LISPAddress)
    /// Every other canonical address, and those with an instance ID above 24 bits, inside another one or with reserved bits.
    indirect case lcaf(CanonicalAddress)
}

/// A MAC address with the address family that announced it.
package struct MACAddress: Hashable, Sendable {
    /// 48 bits.
    package let rawValue: UInt64
    /// Written as AFI 6 instead of 16389.
    package let isIEEE802: Bool

    /// Keeps the low 48 bits.
    package init(_ rawValue: UInt64, isIEEE802: Bool = false) {
        self.rawValue = rawValue & 0xffff_ffff_ffff
        self.isIEEE802 = isIEEE802
    }
}

extension LISPAddress {
    /// Reads the address family and the address. `field` names the address in errors.
    package init(_ field: String, from reader: inout WireReader) throws(WireError) {
        let afi: UInt16 = try reader.integer(field + " AFI")
        switch afi {
        case AddressFamilyIdentifier.none:
            self = .none
        case AddressFamilyIdentifier.ipv4:
            self = .ip(.v4(IPv4Address(try reader.integer(field))))
        case AddressFamilyIdentifier.ipv6:
            self = .ip(.v6(IPv6Address(try reader.integer(field))))
        case AddressFamilyIdentifier.mac48, AddressFamilyIdentifier.ieee802:
            var address = try reader.slice(field, count: 6)
            let high: UInt16 = try address.integer(field)
            let low: UInt32 = try address.integer(field)
            self = .mac(
                MACAddress(UInt64(high) << 32 | UInt64(low), isIEEE802: afi == AddressFamilyIdentifier.ieee802)
            )
        case AddressFamilyIdentifier.distinguishedName:
            self = .distinguishedName(try reader.bytesBeforeNUL(field))
        case AddressFamilyIdentifier.lcaf:
            self = try Self.canonical(field, from: &reader)
        default:
            throw reader.fault(.unknownAFI(field: field, afi: afi), size: 2)
        }
    }

    /// An instance that is not inside another canonical address is an address's key: it must make sense, or the message does
    /// not.
    private static func canonical(_ field: String, from reader: inout WireReader) throws(WireError) -> LISPAddress {
        let header = try CanonicalAddress.Header(field, from: &reader)
        if header.type == LCAFType.instanceID.rawValue, reader.nesting == 0 {
            var ahead = reader
            var contents = try ahead.nestedSlice(field + " LCAF", count: Int(header.length))
            let number: UInt32 = try contents.integer(field + " Instance ID")
            if let instanceID = InstanceID(rawValue: number) {
                let address = try LISPAddress(field, from: &contents)
                try contents.finish(field + " LCAF")
                if header.reserved1 == 0, header.flags == 0 {
                    reader = ahead
                    return .instance(instanceID, maskLength: header.reserved2, address)
                }
            }
        }
        return .lcaf(try CanonicalAddress(field, header, from: &reader))
    }

    /// Octets of the address that stands `offset` octets ahead, by its family and its own length alone; `nil` if that cannot
    /// be told.
    static func encodedLength(in reader: WireReader, after offset: Int) -> Int? {
        var reader = reader
        guard (try? reader.slice("", count: offset)) != nil, let afi: UInt16 = try? reader.integer("") else {
            return nil
        }
        switch afi {
        case AddressFamilyIdentifier.none: return 2
        case AddressFamilyIdentifier.ipv4: return 6
        case AddressFamilyIdentifier.ipv6: return 18
        case AddressFamilyIdentifier.mac48, AddressFamilyIdentifier.ieee802: return 8
        case AddressFamilyIdentifier.distinguishedName:
            return (try? reader.bytesBeforeNUL("")).map { $0.count + 3 }
        case AddressFamilyIdentifier.lcaf:
            return (try? CanonicalAddress.Header("", from: &reader)).map { Int($0.length) + 8 }
        default: return nil
        }
    }

    /// Writes the address family and the address.
    package func encode(into writer: inout WireWriter) {
        switch self {
        case .none:
            writer.integer(AddressFamilyIdentifier.none)
        case .ip(.v4(let address)):
            writer.integer(AddressFamilyIdentifier.ipv4)
            writer.integer(address.rawValue)
        case .ip(.v6(let address)):
            writer.integer(AddressFamilyIdentifier.ipv6)
            writer.integer(address.rawValue)
        case .mac(let address):
            writer.integer(address.isIEEE802 ? AddressFamilyIdentifier.ieee802 : AddressFamilyIdentifier.mac48)
            writer.integer(UInt16(truncatingIfNeeded: address.rawValue >> 32))
            writer.integer(UInt32(truncatingIfNeeded: address.rawValue))
        case .distinguishedName(let name):
            writer.integer(AddressFamilyIdentifier.distinguishedName)
            writer.bytes(name)
            writer.integer(UInt8(0))
        case .instance(let instanceID, let maskLength, let address):
            writer.integer(AddressFamilyIdentifier.lcaf)
            writer.integer(UInt16(0))
            writer.integer(LCAFType.instanceID.rawValue)
            writer.integer(maskLength)
            writer.lengthPrefixed { writer in
                writer.integer(instanceID.rawValue)
                address.encode(into: &writer)
            }
        case .lcaf(let address):
            address.encode(into: &writer)
        }
    }
}

extension LISPAddress {
    /// An EID of instance 0 stands plain, any other in an instance-ID canonical address.
    package init(eid: EID) {
        self.init(instanceID: eid.instanceID, eid.address)
    }

    /// The address of the prefix; its length stands elsewhere in the message.
    package init(eidPrefix: EIDPrefix) {
        self.init(instanceID: eidPrefix.instanceID, eidPrefix.prefix.address)
    }

    private init(instanceID: InstanceID, _ address: IPAddress) {
        self = instanceID == .default ? .ip(address) : .instance(instanceID, maskLength: 0, .ip(address))
    }

    /// The IPv4 or IPv6 address, plain or in an instance.
    package var ipAddress: IPAddress? {
        switch self {
        case .ip(let address), .instance(_, _, .ip(let address)): address
        case .lcaf(let canonical): canonical.instanceAddress?.address.ipAddress
        case .none, .mac, .distinguishedName, .instance: nil
        }
    }

    /// The instance of the address: 0 for a plain one, `nil` for a canonical address that does not say.
    package var instanceID: InstanceID? {
        switch self {
        case .instance(let instanceID, _, _): instanceID
        case .none, .ip, .mac, .distinguishedName: .default
        case .lcaf(let canonical): canonical.instanceAddress.flatMap { InstanceID(rawValue: $0.instanceID) }
        }
    }
}

extension EID {
    /// `nil` if `address` is neither IPv4 nor IPv6, plain or in an instance.
    package init?(_ address: LISPAddress) {
        guard let ipAddress = address.ipAddress, let instanceID = address.instanceID else { return nil }
        self.init(instanceID: instanceID, ipAddress)
    }
}

extension EIDPrefix {
    /// Clears the bits beyond `maskLength`. `nil` if `address` is neither IPv4 nor IPv6, or the length exceeds its width.
    package init?(address: LISPAddress, maskLength: UInt8) {
        guard let eid = EID(address), let prefix = IPPrefix(eid.address, length: maskLength) else { return nil }
        self.init(instanceID: eid.instanceID, prefix)
    }
}

extension LISPAddress: CustomStringConvertible {
    package var description: String {
        switch self {
        case .none: "none"
        case .ip(let address): address.description
        case .mac(let address): address.description
        case .distinguishedName(let name): "\"" + Self.printable(name) + "\""
        case .instance(let instanceID, _, let address): "[\(instanceID)] \(address)"
        case .lcaf(let address): address.description
        }
    }

    /// A name off the wire must not drive a terminal.
    private static func printable(_ name: [UInt8]) -> String {
        String(decoding: name.map { (0x20...0x7e).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }
}

extension MACAddress: CustomStringConvertible {
    package var description: String {
        stride(from: 40, through: 0, by: -8).map { shift in
            let octet = String(rawValue >> UInt64(shift) & 0xff, radix: 16)
            return octet.count == 1 ? "0" + octet : octet
        }.joined(separator: ":")
    }
}
