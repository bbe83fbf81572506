// Canonical addresses that say one thing about an address: RFC 8060 sections 4.1, 4.2, 5.3, 5.5 and 5.6.

// Instance ID (4.1), its mask length in the header
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                         Instance ID                           |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              AFI = x          |         Address  ...          |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// An address in an instance.
package struct InstanceAddress: CanonicalContent {
    /// 32 bits, of which data packets carry the low 24.
    package var instanceID: UInt32
    /// That of the instance ID, where the whole stands for a range of instances.
    package var maskLength: UInt8
    package var address: LISPAddress

    package var type: LCAFType { .instanceID }
    package var reserved2: UInt8 { maskLength }

    package init(instanceID: UInt32, maskLength: UInt8 = 0, address: LISPAddress) {
        self.instanceID = instanceID
        self.maskLength = maskLength
        self.address = address
    }

    init(maskLength: UInt8, from reader: inout WireReader) throws(WireError) {
        self.maskLength = maskLength
        self.instanceID = try reader.integer("Instance ID")
        self.address = try LISPAddress("Address", from: &reader)
    }

    package func encode(into writer: inout WireWriter) {
        writer.integer(instanceID)
        address.encode(into: &writer)
    }
}

// AS Number (4.2)
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                           AS Number                           |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              AFI = x          |         Address  ...          |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// An address with the autonomous system that it belongs to.
package struct ASNumber: CanonicalContent {
    package var number: UInt32
    package var address: LISPAddress

    package var type: LCAFType { .asNumber }

    package init(_ number: UInt32, address: LISPAddress) {
        self.number = number
        self.address = address
    }

    init(from reader: inout WireReader) throws(WireError) {
        self.number = try reader.integer("AS Number")
        self.address = try LISPAddress("Address", from: &reader)
    }

    package func encode(into writer: inout WireWriter) {
        writer.integer(number)
        address.encode(into: &writer)
    }
}

// Nonce Locator (5.3)
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |   Reserved    |                  Nonce                        |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              AFI = x          |         Address  ...          |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// A locator that takes only data packets with a certain nonce.
package struct NonceLocator: CanonicalContent {
    /// 24 bits. Higher bits are not sent.
    package var nonce: UInt32
    package var address: LISPAddress

    package var type: LCAFType { .nonceLocator }

    package init(nonce: UInt32, address: LISPAddress) {
        self.nonce = nonce
        self.address = address
    }

    init(from reader: inout WireReader) throws(WireError) {
        let bits: UInt32 = try reader.integer("Nonce")
        self.nonce = bits & 0xff_ffff
        self.address = try LISPAddress("Address", from: &reader)
    }

    package func encode(into writer: inout WireWriter) {
        writer.integer(nonce & 0xff_ffff)
        address.encode(into: &writer)
    }
}

// Key/Value Address Pair (5.5)
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              AFI = x          |       Address as Key ...      |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              AFI = y          |       Address as Value ...    |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// An address with another one as its attribute.
package struct KeyValueAddress: CanonicalContent {
    package var key: LISPAddress
    package var value: LISPAddress

    package var type: LCAFType { .keyValue }

    package init(key: LISPAddress, value: LISPAddress) {
        self.key = key
        self.value = value
    }

    init(from reader: inout WireReader) throws(WireError) {
        self.key = try LISPAddress("Address as Key", from: &reader)
        self.value = try LISPAddress("Address as Value", from: &reader)
    }

    package func encode(into writer: inout WireWriter) {
        key.encode(into: &writer)
        value.encode(into: &writer)
    }
}

// Encapsulation Format (5.6)
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |        Reserved-for-Future-Encapsulations       |U|G|N|v|V|l|L|
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              AFI = x          |          Address ...          |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// A locator with the encapsulations that it takes.
package struct EncapsulationFormat: CanonicalContent {
    package struct Formats: OptionSet, Hashable, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }

        /// L: layer 3 LISP, to UDP port 4341.
        package static let lisp = Formats(rawValue: 1)
        /// l: layer 2 LISP, to UDP port 8472.
        package static let layer2LISP = Formats(rawValue: 2)
        /// V.
        package static let vxlan = Formats(rawValue: 4)
        /// v.
        package static let vxlanGPE = Formats(rawValue: 8)
        /// N.
        package static let nvgre = Formats(rawValue: 16)
        /// G.
        package static let geneve = Formats(rawValue: 32)
        /// U.
        package static let gue = Formats(rawValue: 64)
    }

    package var formats: Formats
    package var address: LISPAddress

    package var type: LCAFType { .encapsulationFormat }

    package init(_ formats: Formats, address: LISPAddress) {
        self.formats = formats
        self.address = address
    }

    init(from reader: inout WireReader) throws(WireError) {
        self.formats = Formats(rawValue: try reader.integer("Encapsulations"))
        self.address = try LISPAddress("Address", from: &reader)
    }

    package func encode(into writer: inout WireWriter) {
        writer.integer(formats.rawValue)
        address.encode(into: &writer)
    }
}
