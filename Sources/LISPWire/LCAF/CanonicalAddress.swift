// LISP Canonical Addresses, RFC 8060 section 3: an address field with a type and a length of its own.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |           AFI = 16387         |     Rsvd1     |     Flags     |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |    Type       |     Rsvd2     |            Length             |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                             . . .                             |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// The octets are kept as they came beside what they mean, so what is passed on is what came, reserved bits and all. The
// length says where the address ends even if its body makes no sense to us: such a body is kept closed, and what the
// rest of the message says still counts.

/// A canonical address: its octets, and what they mean.
package struct CanonicalAddress: Sendable {
    package let reserved1: UInt8
    package let flags: UInt8
    package let type: UInt8
    /// "IID mask-len" in an instance ID, the B-bit in a JSON data model.
    package let reserved2: UInt8
    /// What follows the length. At most 65,535 octets.
    package let body: [UInt8]
    /// Two octets of padding stand between the length and the body, and the length does not count them: lispers.net writes
    /// multicast info so.
    package let isPadded: Bool
    /// What the body says. Follows from the octets above.
    package let content: Content

    /// Addresses inside one another beyond this many are not looked into.
    static let nestingLimit = 8

    /// What canonical addresses hold, by type.
    package indirect enum Content: Hashable, Sendable {
        case null
        case afiList(AFIList)
        /// Inside another canonical address, of more than 24 bits or with reserved bits set; otherwise it is
        /// `LISPAddress.instance`.
        case instanceID(InstanceAddress)
        case asNumber(ASNumber)
        case applicationData(ApplicationData)
        /// RFC 8060's layout, or RFC 10040's under either type.
        case geoCoordinates(GeoCoordinates)
        case geoLocation(GeoLocation)
        case opaqueKey(OpaqueKey)
        case natTraversal(NATTraversal)
        case nonceLocator(NonceLocator)
        case multicastInfo(MulticastInfo)
        case explicitLocatorPath(ExplicitLocatorPath)
        case securityKey(SecurityKey)
        case sourceDestinationKey(SourceDestinationKey)
        case replicationList(ReplicationList)
        case json(JSONDataModel)
        case keyValue(KeyValueAddress)
        case encapsulationFormat(EncapsulationFormat)
        /// A type that is not known here.
        case unknown
        /// A type that is known, with a body that it cannot have.
        case malformed(WireError)
    }

    /// Looks into `body`, of which the first 65,535 octets are kept.
    package init(
        type: UInt8,
        flags: UInt8 = 0,
        reserved1: UInt8 = 0,
        reserved2: UInt8 = 0,
        isPadded: Bool = false,
        body: [UInt8]
    ) {
        let body = body.count > Int(UInt16.max) ? Array(body.prefix(Int(UInt16.max))) : body
        self.reserved1 = reserved1
        self.flags = flags
        self.type = type
        self.reserved2 = reserved2
        self.isPadded = isPadded
        self.body = body
        self.content = Content(type: type, reserved2: reserved2, from: WireReader(body))
    }

    /// Encodes the content.
    package init(_ content: some CanonicalContent, flags: UInt8 = 0) {
        var writer = WireWriter()
        content.encode(into: &writer)
        self.init(type: content.type.rawValue, flags: flags, reserved2: content.reserved2, body: writer.bytes)
    }
}

/// What the body of a canonical address of some type holds.
package protocol CanonicalContent: Hashable, Sendable {
    var type: LCAFType { get }
    /// What stands in the header's second reserved octet.
    var reserved2: UInt8 { get }
    func encode(into writer: inout WireWriter)
}

extension CanonicalContent {
    package var reserved2: UInt8 { 0 }
}

/// The content is left out of the comparison: it follows from the octets.
extension CanonicalAddress: Hashable {
    package static func == (a: Self, b: Self) -> Bool {
        a.type == b.type && a.flags == b.flags && a.reserved1 == b.reserved1 && a.reserved2 == b.reserved2
            && a.isPadded == b.isPadded && a.body == b.body
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(type)
        hasher.combine(body)
    }
}

extension CanonicalAddress {
    /// The header behind the address family.
    struct Header {
        let reserved1: UInt8
        let flags: UInt8
        let type: UInt8
        let reserved2: UInt8
        let length: UInt16

        init(_ field: String, from reader: inout WireReader) throws(WireError) {
            self.reserved1 = try reader.integer(field + " Rsvd1")
            self.flags = try reader.integer(field + " Flags")
            self.type = try reader.integer(field + " LCAF Type")
            self.reserved2 = try reader.integer(field + " Rsvd2")
            self.length = try reader.integer(field + " LCAF Length")
        }
    }

    /// Reads the body behind `header`.
    init(_ field: String, _ header: Header, from reader: inout WireReader) throws(WireError) {
        var padded = reader
        var body = try reader.nestedSlice(field + " LCAF", count: Int(header.length))
        var content = Content(type: header.type, reserved2: header.reserved2, from: body)
        var isPadded = false
        // Not inside other addresses: trying twice at each depth would cost twice as much with each.
        if case .malformed = content, header.type == LCAFType.multicastInfo.rawValue, reader.nesting == 0,
            let found = Self.paddedMulticastInfo(header, from: &padded)
        {
            isPadded = true
            (body, content) = found
            reader = padded
        }
        self.reserved1 = header.reserved1
        self.flags = header.flags
        self.type = header.type
        self.reserved2 = header.reserved2
        self.isPadded = isPadded
        self.body = body.rest()
        self.content = content
    }

    /// A body of `header.length` octets behind two zero octets, if that makes sense.
    private static func paddedMulticastInfo(
        _ header: Header,
        from reader: inout WireReader
    ) -> (WireReader, Content)? {
        guard let padding: UInt16 = try? reader.integer("padding"), padding == 0,
            let body = try? reader.nestedSlice("body", count: Int(header.length))
        else { return nil }
        let content = Content(type: header.type, reserved2: header.reserved2, from: body)
        if case .malformed = content { return nil }
        return (body, content)
    }

    func encode(into writer: inout WireWriter) {
        writer.integer(AddressFamilyIdentifier.lcaf)
        writer.integer(reserved1)
        writer.integer(flags)
        writer.integer(type)
        writer.integer(reserved2)
        writer.integer(UInt16(clamping: body.count))
        if isPadded { writer.integer(UInt16(0)) }
        writer.bytes(body)
    }
}

extension CanonicalAddress {
    /// What this says if it is an instance ID of at most 24 bits.
    var instanceAddress: InstanceAddress? {
        guard case .instanceID(let instance) = content, instance.instanceID <= InstanceID.maximum else { return nil }
        return instance
    }
}

extension CanonicalAddress.Content {
    /// Never fails: what makes no sense is `malformed`.
    init(type: UInt8, reserved2: UInt8, from body: WireReader) {
        guard let type = LCAFType(rawValue: type) else {
            self = .unknown
            return
        }
        do throws(WireError) {
            let limit = CanonicalAddress.nestingLimit
            guard body.nesting <= limit else { throw body.fault(.nestedTooDeep(field: "\(type) LCAF", limit: limit)) }
            var reader = body
            self = try Self.decode(type, reserved2, from: &reader)
            try reader.finish("\(type) LCAF")
        } catch {
            self = .malformed(error)
        }
    }

    private static func decode(
        _ type: LCAFType,
        _ reserved2: UInt8,
        from reader: inout WireReader
    ) throws(WireError) -> Self {
        switch type {
        case .nullBody: .null
        case .afiList: .afiList(AFIList(from: &reader))
        case .instanceID: .instanceID(try InstanceAddress(maskLength: reserved2, from: &reader))
        case .asNumber: .asNumber(try ASNumber(from: &reader))
        case .applicationData: .applicationData(try ApplicationData(from: &reader))
        case .geoCoordinates: try geoCoordinates(from: &reader)
        case .opaqueKey: .opaqueKey(try OpaqueKey(from: &reader))
        case .natTraversal: .natTraversal(try NATTraversal(from: &reader))
        case .nonceLocator: .nonceLocator(try NonceLocator(from: &reader))
        case .multicastInfo: .multicastInfo(try MulticastInfo(from: &reader))
        case .explicitLocatorPath: .explicitLocatorPath(try ExplicitLocatorPath(from: &reader))
        case .securityKey: .securityKey(try SecurityKey(from: &reader))
        case .sourceDestinationKey: .sourceDestinationKey(try SourceDestinationKey(from: &reader))
        case .replicationList: .replicationList(try ReplicationList(from: &reader))
        case .json: .json(try JSONDataModel(isBinary: reserved2 & 1 != 0, from: &reader))
        case .keyValue: .keyValue(try KeyValueAddress(from: &reader))
        case .encapsulationFormat: .encapsulationFormat(try EncapsulationFormat(from: &reader))
        case .geoLocation: .geoLocation(try GeoLocation(from: &reader))
        }
    }

    /// Type 5 has RFC 8060's layout, or that of RFC 10040, which was type 5 while it was a draft: the one whose address ends
    /// where the body does.
    private static func geoCoordinates(from reader: inout WireReader) throws(WireError) -> Self {
        let endsHere = { (offset: Int, reader: WireReader) -> Bool in
            LISPAddress.encodedLength(in: reader, after: offset) == reader.remaining - offset
        }
        if !endsHere(GeoCoordinates.addressOffset, reader), endsHere(GeoLocation.addressOffset, reader) {
            return .geoLocation(try GeoLocation(from: &reader))
        }
        return .geoCoordinates(try GeoCoordinates(from: &reader))
    }
}

extension CanonicalAddress: CustomStringConvertible {
    package var description: String {
        switch content {
        case .afiList(let list):
            "AFI list [" + list.addresses.prefix(4).map(\.description).joined(separator: ", ")
                + (list.addresses.count > 4 ? ", ...]" : "]")
        case .unknown: "LCAF type \(type), \(body.count) octets"
        case .malformed(let fault): "\(LCAFType(rawValue: type)?.name ?? "LCAF"): \(fault)"
        default: "\(LCAFType(rawValue: type)?.name ?? "LCAF"), \(body.count) octets"
        }
    }
}
