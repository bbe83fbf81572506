// AgentX PDU header, RFC 2741 §6.1.
//
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |  h.version    |    h.type     |    h.flags    |  <reserved>   |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                          h.sessionID                          |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                        h.transactionID                        |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                           h.packetID                          |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    |                        h.payload_length                       |
//    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

/// h.type.
enum PDUType: UInt8, CaseIterable {
    case open = 1
    case close
    case register
    case unregister
    case get
    case getNext
    case getBulk
    case testSet
    case commitSet
    case undoSet
    case cleanupSet
    case notify
    case ping
    case indexAllocate
    case indexDeallocate
    case addAgentCaps
    case removeAgentCaps
    case response

    /// Whether it can name a context. (RFC 2741 §6.1.1)
    var hasContext: Bool {
        switch self {
        case .register, .unregister, .addAgentCaps, .removeAgentCaps, .get, .getNext, .getBulk, .testSet, .notify,
            .ping, .indexAllocate, .indexDeallocate:
            true
        case .open, .close, .commitSet, .undoSet, .cleanupSet, .response: false
        }
    }
}

/// h.flags.
struct PDUFlags: OptionSet, Hashable {
    let rawValue: UInt8

    static let instanceRegistration = PDUFlags(rawValue: 1)
    static let newIndex = PDUFlags(rawValue: 2)
    static let anyIndex = PDUFlags(rawValue: 4)
    static let nonDefaultContext = PDUFlags(rawValue: 8)
    static let networkByteOrder = PDUFlags(rawValue: 16)
}

/// The first 20 octets of every PDU.
struct PDUHeader: Hashable {
    static let length = 20
    static let version: UInt8 = 1

    var type: PDUType
    var flags: PDUFlags
    var sessionID: UInt32
    var transactionID: UInt32
    var packetID: UInt32
    /// A multiple of four.
    var payloadLength: Int

    var order: ByteOrder { flags.contains(.networkByteOrder) ? .network : .littleEndian }

    /// - Parameter octets: at least 20 from `start` on.
    init(_ octets: [UInt8], at start: Int) throws(WireError) {
        let flags = PDUFlags(rawValue: octets[start + 2])
        let order: ByteOrder = flags.contains(.networkByteOrder) ? .network : .littleEndian
        var reader = PDUReader(octets, in: start..<start + Self.length, order: order)
        let version = try reader.number("h.version", as: UInt8.self)
        guard version == Self.version else { throw .invalid(field: "h.version", value: UInt64(version), position: 0) }
        let type = try reader.number("h.type", as: UInt8.self)
        guard let known = PDUType(rawValue: type) else {
            throw .invalid(field: "h.type", value: UInt64(type), position: 1)
        }
        try reader.skip(2, "h.flags")
        self.type = known
        self.flags = flags
        sessionID = try reader.number("h.sessionID")
        transactionID = try reader.number("h.transactionID")
        packetID = try reader.number("h.packetID")
        payloadLength = Int(try reader.number("h.payload_length", as: UInt32.self))
        guard payloadLength % 4 == 0 else {
            throw .invalid(field: "h.payload_length", value: UInt64(payloadLength), position: 16)
        }
    }

    init(
        _ type: PDUType,
        flags: PDUFlags = [],
        sessionID: UInt32,
        transactionID: UInt32,
        packetID: UInt32,
        payloadLength: Int = 0
    ) {
        self.type = type
        self.flags = flags
        self.sessionID = sessionID
        self.transactionID = transactionID
        self.packetID = packetID
        self.payloadLength = payloadLength
    }

    func encode(into writer: inout PDUWriter) {
        writer.number(Self.version)
        writer.number(type.rawValue)
        writer.number(flags.rawValue)
        writer.zeros(1)
        writer.number(sessionID)
        writer.number(transactionID)
        writer.number(packetID)
        writer.number(UInt32(payloadLength))
    }
}
