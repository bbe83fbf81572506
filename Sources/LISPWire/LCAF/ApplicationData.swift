// Canonical addresses that hold other things than addresses: RFC 8060 sections 5.1, 5.2 and 5.4.

// Application Data (5.1)
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |       IP TOS, IPv6 TC, or Flow Label          |    Protocol   |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |    Local Port (lower-range)   |    Local Port (upper-range)   |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |   Remote Port (lower-range)   |   Remote Port (upper-range)   |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              AFI = x          |         Address  ...          |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// An address for packets of some applications.
package struct ApplicationData: CanonicalContent {
    package struct PortRange: Hashable, Sendable {
        package var lower: UInt16
        package var upper: UInt16

        package init(_ lower: UInt16, _ upper: UInt16) {
            self.lower = lower
            self.upper = upper
        }
    }

    /// IP TOS, IPv6 traffic class or flow label: 24 bits. Higher bits are not sent.
    package var flow: UInt32
    package var ipProtocol: UInt8
    package var localPorts: PortRange
    package var remotePorts: PortRange
    package var address: LISPAddress

    package var type: LCAFType { .applicationData }

    package init(
        flow: UInt32,
        ipProtocol: UInt8,
        localPorts: PortRange,
        remotePorts: PortRange,
        address: LISPAddress
    ) {
        self.flow = flow
        self.ipProtocol = ipProtocol
        self.localPorts = localPorts
        self.remotePorts = remotePorts
        self.address = address
    }

    init(from reader: inout WireReader) throws(WireError) {
        let bits: UInt32 = try reader.integer("IP TOS, IPv6 TC, or Flow Label")
        self.flow = bits >> 8
        self.ipProtocol = UInt8(truncatingIfNeeded: bits)
        self.localPorts = PortRange(try reader.integer("Local Port"), try reader.integer("Local Port"))
        self.remotePorts = PortRange(try reader.integer("Remote Port"), try reader.integer("Remote Port"))
        self.address = try LISPAddress("Address", from: &reader)
    }

    package func encode(into writer: inout WireWriter) {
        writer.integer(flow << 8 | UInt32(ipProtocol))
        for range in [localPorts, remotePorts] {
            writer.integer(range.lower)
            writer.integer(range.upper)
        }
        address.encode(into: &writer)
    }
}

// Opaque Key (5.2)
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    | Key Field Num |      Key Wildcard Fields      |   Key . . .   |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// A key that is no address.
package struct OpaqueKey: CanonicalContent {
    /// The number of the key's fields minus 1: 0 to 15.
    package var fieldNumber: UInt8
    /// Bit n: the field n, counted from the last, does not matter.
    package var wildcardFields: UInt16
    package var key: [UInt8]

    package var type: LCAFType { .opaqueKey }

    package init(fieldNumber: UInt8, wildcardFields: UInt16, key: [UInt8]) {
        self.fieldNumber = fieldNumber
        self.wildcardFields = wildcardFields
        self.key = key
    }

    init(from reader: inout WireReader) throws(WireError) {
        self.fieldNumber = try reader.integer("Key Field Num")
        guard fieldNumber <= 15 else {
            throw reader.fault(.invalid(field: "Key Field Num", value: UInt64(fieldNumber)), size: 1)
        }
        self.wildcardFields = try reader.integer("Key Wildcard Fields")
        self.key = reader.rest()
    }

    package func encode(into writer: inout WireWriter) {
        writer.integer(fieldNumber)
        writer.integer(wildcardFields)
        writer.bytes(key)
    }
}

// JSON Data Model (5.4), its B-bit in the header
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |           JSON length         | JSON binary/text encoding ... |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              AFI = x          |       Optional Address ...    |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// A JSON text, perhaps about an address.
package struct JSONDataModel: CanonicalContent {
    /// B: in the binary form.
    package var isBinary: Bool
    /// At most 65,535 octets, not looked into; what is beyond is not sent.
    package var json: [UInt8]
    /// `nil` where not even an address family follows, as lispers.net's lengths have it.
    package var address: LISPAddress?

    package var type: LCAFType { .json }
    package var reserved2: UInt8 { isBinary ? 1 : 0 }

    package init(isBinary: Bool = false, json: [UInt8], address: LISPAddress?) {
        self.isBinary = isBinary
        self.json = json
        self.address = address
    }

    init(isBinary: Bool, from reader: inout WireReader) throws(WireError) {
        self.isBinary = isBinary
        let length: UInt16 = try reader.integer("JSON length")
        self.json = try reader.bytes("JSON binary/text encoding", count: Int(length))
        self.address = reader.remaining == 0 ? nil : try LISPAddress("Optional Address", from: &reader)
    }

    package func encode(into writer: inout WireWriter) {
        writer.lengthPrefixed { $0.bytes(json.prefix(Int(UInt16.max))) }
        address?.encode(into: &writer)
    }
}
