// Any control message: the first four bits tell which (RFC 9301 section 5.1).

/// What every message can do.
package protocol ControlMessageBody: Hashable, Sendable {
    /// Reads a message from its type to the end of its datagram.
    init(from reader: inout WireReader) throws(WireError)
    func encode(into writer: inout WireWriter)
}

extension ControlMessageBody {
    /// Decodes a whole UDP payload.
    package init(decoding bytes: some Sequence<UInt8>) throws(WireError) {
        var reader = WireReader(Array(bytes))
        try self.init(from: &reader)
    }

    /// The UDP payload.
    package func encoded() -> [UInt8] {
        var writer = WireWriter()
        encode(into: &writer)
        return writer.finished()
    }
}

/// A message on port 4342.
package enum ControlMessage: Hashable, Sendable {
    case mapRequest(MapRequest)
    case mapReply(MapReply)
    case mapRegister(MapRegister)
    /// Map-Notify and Map-Notify-Ack.
    case mapNotify(MapNotify)
    case encapsulated(EncapsulatedControlMessage)
    case mapReferral(MapReferral)
    /// Info-Request and Info-Reply.
    case info(InfoMessage)
    case sharedExtension(SharedExtension)
}

extension ControlMessage {
    /// Decodes a whole UDP payload. Refuses an Encapsulated Control Message whose inner UDP checksum is zero unless
    /// told otherwise.
    ///
    /// - Parameter base: octets in front of `bytes` that errors count too.
    package init(
        decoding bytes: some Sequence<UInt8>,
        base: Int = 0,
        zeroInnerChecksum: EncapsulatedControlMessage.ZeroChecksumPolicy = .refuse
    ) throws(WireError) {
        var reader = WireReader(Array(bytes), base: base)
        guard let first = reader.next else {
            throw reader.fault(.truncated(field: "Type", needed: 4, available: 0))
        }
        guard let type = MessageType(rawValue: first >> 4) else { throw reader.fault(.unknownType(first >> 4)) }
        switch type {
        case .mapRequest:
            self = .mapRequest(try MapRequest(from: &reader))
        case .mapReply:
            self = .mapReply(try MapReply(from: &reader))
        case .mapRegister:
            self = .mapRegister(try MapRegister(from: &reader))
        case .mapNotify, .mapNotifyAck:
            self = .mapNotify(try MapNotify(from: &reader))
        case .encapsulatedControlMessage:
            self = .encapsulated(try EncapsulatedControlMessage(from: &reader, zeroChecksum: zeroInnerChecksum))
        case .mapReferral:
            self = .mapReferral(try MapReferral(from: &reader))
        case .info:
            self = .info(try InfoMessage(from: &reader))
        case .sharedExtension:
            self = .sharedExtension(try SharedExtension(from: &reader))
        }
    }

    /// The UDP payload.
    package func encoded() -> [UInt8] {
        switch self {
        case .mapRequest(let message): message.encoded()
        case .mapReply(let message): message.encoded()
        case .mapRegister(let message): message.encoded()
        case .mapNotify(let message): message.encoded()
        case .encapsulated(let message): message.encoded()
        case .mapReferral(let message): message.encoded()
        case .info(let message): message.encoded()
        case .sharedExtension(let message): message.encoded()
        }
    }
}

/// The first 32 bits of a message, which hold its type, its flags and most often a record count.
struct MessageHeader {
    let type: MessageType
    private(set) var bits: UInt32

    /// The count has room for 255, and stops there.
    init(_ type: MessageType, recordCount: Int) {
        self.type = type
        self.bits = UInt32(type.rawValue) << 28 | UInt32(min(recordCount, 255))
    }

    /// `nil` if the type is none.
    init?(_ bits: UInt32) {
        guard let type = MessageType(rawValue: UInt8(bits >> 28)) else { return nil }
        self.type = type
        self.bits = bits
    }

    var recordCount: UInt8 { UInt8(truncatingIfNeeded: bits) }

    /// The flag at `position` of the RFC's drawing, counted from the left.
    func isSet(_ position: UInt32) -> Bool { bits << position & 0x8000_0000 != 0 }

    mutating func set(_ position: UInt32, _ value: Bool) {
        if value { bits |= 0x8000_0000 >> position }
    }
}

extension WireReader {
    /// Reads the first 32 bits of a message, which must be of one of the types given.
    mutating func header(_ type: MessageType, or other: MessageType? = nil) throws(WireError) -> MessageHeader {
        let bits: UInt32 = try integer("Type")
        guard let header = MessageHeader(bits), header.type == type || header.type == other else {
            throw fault(.invalid(field: "Type", value: UInt64(bits >> 28)), size: 4)
        }
        return header
    }
}
