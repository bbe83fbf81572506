// All messages of AgentX, RFC 2741 §6.2.

/// A message between subagent and master.
public struct PDU: Hashable, Sendable {
    public var sessionID: UInt32
    public var transactionID: UInt32
    public var packetID: UInt32
    public var order: ByteOrder
    /// `nil` for the default context. Types that know no context have none.
    public var context: [UInt8]?
    public var body: Body

    public enum Body: Hashable, Sendable {
        case open(timeout: UInt8, id: OID, description: [UInt8])
        case close(CloseReason)
        case register(Registration)
        case unregister(Registration)
        case get([SearchRange])
        case getNext([SearchRange])
        case getBulk(nonRepeaters: UInt16, maxRepetitions: UInt16, [SearchRange])
        case testSet([VarBind])
        case commitSet
        case undoSet
        case cleanupSet
        case notify([VarBind])
        case ping
        case indexAllocate(IndexChoice, [VarBind])
        case indexDeallocate([VarBind])
        case addAgentCaps(id: OID, description: [UInt8])
        case removeAgentCaps(id: OID)
        case response(Response)
    }

    public struct Response: Hashable, Sendable {
        /// The master's, in hundredths of a second.
        public var sysUpTime: UInt32
        public var error: ErrorStatus
        /// Which variable is at fault, counted from 1; 0 for none.
        public var index: UInt16
        public var variables: [VarBind]

        public init(
            sysUpTime: UInt32 = 0,
            error: ErrorStatus = .noError,
            index: UInt16 = 0,
            variables: [VarBind] = []
        ) {
            self.sysUpTime = sysUpTime
            self.error = error
            self.index = index
            self.variables = variables
        }
    }

    public init(
        _ body: Body,
        sessionID: UInt32,
        transactionID: UInt32 = 0,
        packetID: UInt32,
        order: ByteOrder = .host,
        context: [UInt8]? = nil
    ) {
        self.body = body
        self.sessionID = sessionID
        self.transactionID = transactionID
        self.packetID = packetID
        self.order = order
        self.context = body.type.hasContext ? context : nil
    }
}

/// c.reason of a Close. (RFC 2741 §6.2.2)
public enum CloseReason: UInt8, Hashable, Sendable {
    case other = 1
    case parseError
    case protocolError
    case timeouts
    case shutdown
    case byManager
}

/// Which index an IndexAllocate asks for. (RFC 2741 §6.2.12)
public enum IndexChoice: Hashable, Sendable {
    /// The one that is named.
    case named
    /// One that is free.
    case any
    /// One that never was in use.
    case new
}

extension PDU.Body {
    var type: PDUType {
        switch self {
        case .open: .open
        case .close: .close
        case .register: .register
        case .unregister: .unregister
        case .get: .get
        case .getNext: .getNext
        case .getBulk: .getBulk
        case .testSet: .testSet
        case .commitSet: .commitSet
        case .undoSet: .undoSet
        case .cleanupSet: .cleanupSet
        case .notify: .notify
        case .ping: .ping
        case .indexAllocate: .indexAllocate
        case .indexDeallocate: .indexDeallocate
        case .addAgentCaps: .addAgentCaps
        case .removeAgentCaps: .removeAgentCaps
        case .response: .response
        }
    }

    fileprivate var flags: PDUFlags {
        switch self {
        case .register(let registration) where registration.isInstance: .instanceRegistration
        case .indexAllocate(.any, _): .anyIndex
        case .indexAllocate(.new, _): .newIndex
        default: []
        }
    }
}

// MARK: Decoding

extension PDU {
    /// Decodes exactly one PDU.
    public init(_ octets: [UInt8]) throws(WireError) {
        guard octets.count >= PDUHeader.length else {
            throw .truncated(field: "header", needed: PDUHeader.length, available: octets.count, position: 0)
        }
        let header = try PDUHeader(octets, at: 0)
        guard octets.count - PDUHeader.length >= header.payloadLength else {
            throw .truncated(
                field: "payload",
                needed: header.payloadLength,
                available: octets.count - PDUHeader.length,
                position: PDUHeader.length
            )
        }
        let end = PDUHeader.length + header.payloadLength
        guard octets.count == end else { throw .trailing(count: octets.count - end, position: end) }
        try self.init(header, PDUReader(octets, in: PDUHeader.length..<end, order: header.order))
    }

    /// Decodes what follows a header; all of it.
    init(_ header: PDUHeader, _ payload: PDUReader) throws(WireError) {
        var reader = payload
        sessionID = header.sessionID
        transactionID = header.transactionID
        packetID = header.packetID
        order = header.order
        context =
            if header.type.hasContext, header.flags.contains(.nonDefaultContext) {
                try reader.octetString("context")
            } else {
                nil
            }
        body = try Body(header, &reader)
        try reader.finish()
    }
}

extension PDU.Body {
    fileprivate init(_ header: PDUHeader, _ reader: inout PDUReader) throws(WireError) {
        switch header.type {
        case .open:
            let timeout = try reader.number("o.timeout", as: UInt8.self)
            try reader.skip(3, "o.reserved")
            let id = try reader.oid("o.id").oid
            self = .open(timeout: timeout, id: id, description: try reader.octetString("o.descr"))
        case .close:
            let position = reader.position
            let reason = try reader.number("c.reason", as: UInt8.self)
            guard let known = CloseReason(rawValue: reason) else {
                throw .invalid(field: "c.reason", value: UInt64(reason), position: position)
            }
            try reader.skip(3, "c.reserved")
            self = .close(known)
        case .register:
            var registration = try Registration(&reader)
            registration.isInstance = header.flags.contains(.instanceRegistration)
            self = .register(registration)
        case .unregister:
            var registration = try Registration(&reader)
            // Reserved here.
            registration.timeout = 0
            self = .unregister(registration)
        case .get: self = .get(try reader.searchRanges())
        case .getNext: self = .getNext(try reader.searchRanges())
        case .getBulk:
            let nonRepeaters = try reader.number("g.non_repeaters", as: UInt16.self)
            let maxRepetitions = try reader.number("g.max_repetitions", as: UInt16.self)
            self = .getBulk(nonRepeaters: nonRepeaters, maxRepetitions: maxRepetitions, try reader.searchRanges())
        case .testSet: self = .testSet(try reader.variables())
        case .commitSet: self = .commitSet
        case .undoSet: self = .undoSet
        case .cleanupSet: self = .cleanupSet
        case .notify: self = .notify(try reader.variables())
        case .ping: self = .ping
        case .indexAllocate:
            let choice: IndexChoice =
                header.flags.contains(.newIndex) ? .new : header.flags.contains(.anyIndex) ? .any : .named
            self = .indexAllocate(choice, try reader.variables())
        case .indexDeallocate: self = .indexDeallocate(try reader.variables())
        case .addAgentCaps:
            let id = try reader.oid("a.id").oid
            self = .addAgentCaps(id: id, description: try reader.octetString("a.descr"))
        case .removeAgentCaps: self = .removeAgentCaps(id: try reader.oid("a.id").oid)
        case .response:
            self = .response(
                PDU.Response(
                    sysUpTime: try reader.number("res.sysUpTime"),
                    error: ErrorStatus(rawValue: try reader.number("res.error")),
                    index: try reader.number("res.index"),
                    variables: try reader.variables()
                )
            )
        }
    }
}

extension Registration {
    // Register and Unregister, RFC 2741 §6.2.3 and §6.2.4; the latter's first octet is reserved.
    //
    //    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    //    |  r.timeout    |  r.priority   | r.range_subid |  <reserved>   |
    //    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    //    (r.subtree)
    //    (r.upper_bound)     only if r.range_subid is not 0

    fileprivate init(_ reader: inout PDUReader) throws(WireError) {
        let timeout = try reader.number("r.timeout", as: UInt8.self)
        let priority = try reader.number("r.priority", as: UInt8.self)
        let position = reader.position
        let rangePosition = try reader.number("r.range_subid", as: UInt8.self)
        try reader.skip(1, "r.reserved")
        let subtree = try reader.oid("r.subtree").oid
        guard rangePosition <= subtree.count else {
            throw .invalid(field: "r.range_subid", value: UInt64(rangePosition), position: position)
        }
        let range: Range? =
            if rangePosition == 0 { nil } else {
                Range(position: rangePosition, upperBound: try reader.number("r.upper_bound"))
            }
        self.init(subtree, range: range, priority: priority, timeout: timeout)
    }

    fileprivate func encode(into writer: inout PDUWriter, timeout: UInt8) {
        writer.number(timeout)
        writer.number(priority)
        writer.number(range?.position ?? 0)
        writer.zeros(1)
        writer.oid(subtree)
        if let range { writer.number(range.upperBound) }
    }
}

// MARK: Encoding

extension PDU {
    public var octets: [UInt8] {
        var writer = PDUWriter(order: order)
        var flags = body.flags
        if order == .network { flags.insert(.networkByteOrder) }
        let context = body.type.hasContext ? context : nil
        if context != nil { flags.insert(.nonDefaultContext) }
        PDUHeader(body.type, flags: flags, sessionID: sessionID, transactionID: transactionID, packetID: packetID)
            .encode(into: &writer)
        if let context { writer.octetString(context) }
        body.encode(into: &writer)
        writer.number(UInt32(writer.count - PDUHeader.length), at: PDUHeader.length - 4)
        return writer.octets
    }
}

extension PDU.Body {
    fileprivate func encode(into writer: inout PDUWriter) {
        switch self {
        case .open(let timeout, let id, let description):
            writer.number(timeout)
            writer.zeros(3)
            writer.oid(id)
            writer.octetString(description)
        case .close(let reason):
            writer.number(reason.rawValue)
            writer.zeros(3)
        case .register(let registration): registration.encode(into: &writer, timeout: registration.timeout)
        case .unregister(let registration): registration.encode(into: &writer, timeout: 0)
        case .get(let ranges), .getNext(let ranges): writer.searchRanges(ranges)
        case .getBulk(let nonRepeaters, let maxRepetitions, let ranges):
            writer.number(nonRepeaters)
            writer.number(maxRepetitions)
            writer.searchRanges(ranges)
        case .testSet(let variables), .notify(let variables), .indexAllocate(_, let variables),
            .indexDeallocate(let variables):
            writer.variables(variables)
        case .commitSet, .undoSet, .cleanupSet, .ping: break
        case .addAgentCaps(let id, let description):
            writer.oid(id)
            writer.octetString(description)
        case .removeAgentCaps(let id): writer.oid(id)
        case .response(let response):
            writer.number(response.sysUpTime)
            writer.number(response.error.rawValue)
            writer.number(response.index)
            writer.variables(response.variables)
        }
    }
}
