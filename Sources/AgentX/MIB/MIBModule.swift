// A MIB module: what it holds, and what the master is told of it.

/// The objects an agent implements of one MIB module, and the regions it registers for them.
///
///     MIBModule("LISP-MIB", at: lispMIB) {
///         Table("lispMapCacheEntry", at: lispMIB + [1, 6, 1], rows: mapCache) { ... }
///     }
public struct MIBModule {
    public let name: String
    /// The context it is seen in; `nil` for the default one. (RFC 2741 §6.1.1)
    public let context: [UInt8]?
    public let objects: [MIBObject]
    public let registrations: [Registration]
    public let capabilities: [AgentCapabilities]

    /// - Parameters:
    ///   - oid: what is registered, unless `registrations` say otherwise.
    ///   - priority: of two agents that register the same, the one with the smaller number is asked.
    ///   - registrations: instead of `oid`, for modules that are shared with other agents.
    ///   - capabilities: what the master shows in its sysORTable.
    public init(
        _ name: String,
        at oid: OID,
        context: [UInt8]? = nil,
        priority: UInt8 = 127,
        registrations: [Registration]? = nil,
        capabilities: [AgentCapabilities] = [],
        @MIBBuilder objects: () -> [MIBObject]
    ) {
        self.name = name
        self.context = context
        self.objects = objects()
        self.registrations = registrations ?? [Registration(oid, priority: priority)]
        self.capabilities = capabilities
    }
}

/// A region of the tree that the master is to ask this agent about. (RFC 2741 §6.2.3)
public struct Registration: Hashable, Sendable {
    /// Several subtrees: sub-identifier number `position` (the first is 1) of `subtree` takes each value from its own up to
    /// `upperBound`.
    public struct Range: Hashable, Sendable {
        public var position: UInt8
        public var upperBound: UInt32

        public init(position: UInt8, upperBound: UInt32) {
            self.position = position
            self.upperBound = upperBound
        }
    }

    public var subtree: OID
    public var range: Range?
    /// 1 to 255; the smaller number is asked.
    public var priority: UInt8
    /// How long the master waits for an answer, in seconds; 0 for what it likes.
    public var timeout: UInt8
    /// Whether `subtree` is the full name of one instance.
    public var isInstance: Bool

    public init(
        _ subtree: OID,
        range: Range? = nil,
        priority: UInt8 = 127,
        timeout: UInt8 = 0,
        isInstance: Bool = false
    ) {
        self.subtree = subtree
        self.range = range
        self.priority = priority
        self.timeout = timeout
        self.isInstance = isInstance
    }
}

/// A row of the master's sysORTable: what an AGENT-CAPABILITIES statement is called, and what it says. (RFC 2741 §6.2.14)
public struct AgentCapabilities: Hashable, Sendable {
    public var id: OID
    public var description: String

    public init(_ id: OID, _ description: String) {
        self.id = id
        self.description = description
    }
}
