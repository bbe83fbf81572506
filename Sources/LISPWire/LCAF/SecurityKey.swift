// Key material of a locator: RFC 8060 section 4.7, used by RFC 8061 and RFC 8111.
//
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |   Key Count   |      Rsvd3    | Key Algorithm |   Rsvd4     |R|
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |           Key Length          |       Key Material ...        |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                        ... Key Material                       |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |              AFI = x          |       Locator Address ...     |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// A locator with its keys.
package struct SecurityKey: CanonicalContent {
    /// What it means depends on where it is used: a cipher suite in RFC 8061, a signature algorithm in RFC 8111.
    package var algorithm: UInt8
    /// R: the keys are revoked.
    package var isRevoked: Bool
    /// The count has room for 255, each length for 65,535; what is beyond is not sent.
    package var keys: [[UInt8]]
    package var locator: LISPAddress

    package var type: LCAFType { .securityKey }

    package init(algorithm: UInt8, isRevoked: Bool = false, keys: [[UInt8]], locator: LISPAddress) {
        self.algorithm = algorithm
        self.isRevoked = isRevoked
        self.keys = keys
        self.locator = locator
    }

    init(from reader: inout WireReader) throws(WireError) {
        let count: UInt8 = try reader.integer("Key Count")
        let _: UInt8 = try reader.integer("Rsvd3")
        self.algorithm = try reader.integer("Key Algorithm")
        let flags: UInt8 = try reader.integer("R")
        self.isRevoked = flags & 1 != 0
        self.keys = []
        for _ in 0..<count {
            let length: UInt16 = try reader.integer("Key Length")
            keys.append(try reader.bytes("Key Material", count: Int(length)))
        }
        self.locator = try LISPAddress("Locator Address", from: &reader)
    }

    package func encode(into writer: inout WireWriter) {
        let sent = keys.prefix(255)
        writer.integer(UInt8(sent.count))
        writer.integer(UInt8(0))
        writer.integer(algorithm)
        writer.integer(UInt8(isRevoked ? 1 : 0))
        for key in sent {
            writer.lengthPrefixed { $0.bytes(key.prefix(Int(UInt16.max))) }
        }
        locator.encode(into: &writer)
    }
}
