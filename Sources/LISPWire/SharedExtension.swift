// Shared extension message, RFC 9304 section 3.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |Type=15|        Sub-type       |   extension-specific          |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    ~                      extension-specific                       ~
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// A message of an extension that shares the last message type with others.
package struct SharedExtension: Hashable, Sendable {
    /// Twelve bits: 0 to 1023 by standards, 1024 to 4095 first come, first served. Higher bits are not sent.
    package var subType: UInt16
    /// All that follows the sub-type, from the third octet of the message on.
    package var contents: [UInt8]

    package init(subType: UInt16, contents: [UInt8]) {
        self.subType = subType
        self.contents = contents
    }
}

extension SharedExtension: ControlMessageBody {
    package init(from reader: inout WireReader) throws(WireError) {
        let bits: UInt16 = try reader.integer("Type")
        guard bits >> 12 == MessageType.sharedExtension.rawValue else {
            throw reader.fault(.invalid(field: "Type", value: UInt64(bits >> 12)), size: 2)
        }
        self.subType = bits & 0x0fff
        self.contents = reader.rest()
    }

    package func encode(into writer: inout WireWriter) {
        writer.integer(UInt16(MessageType.sharedExtension.rawValue) << 12 | subType & 0x0fff)
        writer.bytes(contents)
    }
}
