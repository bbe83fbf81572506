// The whole decision about one packet.

/// `lispctl explain`
package struct ExplainReport: Codable, Sendable, Equatable {
    package enum Outcome: String, Codable, Sendable {
        /// Sent to an RLOC.
        case encapsulated
        /// Delivered within the site, or by a route that the host has for it.
        case local
        /// Forwarded by the host's own routing, without LISP.
        case natively
        /// Held while the mapping system is asked.
        case asked
        case dropped
    }

    package var source: String
    package var destination: String
    package var instanceID: UInt32
    package var protocolNumber: UInt8?
    package var sourcePort: UInt16?
    package var destinationPort: UInt16?
    package var outcome: Outcome
    /// One line that says what becomes of the packet and why.
    package var summary: String
    package var host: ExplainedHost
    /// The entry that the destination falls under.
    package var mapping: MapCacheEntry?
    /// What the router does for want of a mapping.
    package var question: String?
    /// Whether the locators are those of the Proxy-ETRs, since the destination is no LISP site.
    package var usesProxyETRs: Bool
    /// In the order of the entry, or of the configuration for Proxy-ETRs.
    package var locators: [ExplainedLocator]
    /// Octets of the largest packet that goes as it is; larger ones are cut up or refused.
    package var largestPacket: Int?
    /// Whether answers find the way back: our registration of the source.
    package var wayBack: String
    /// What does not fit together, one line each.
    package var notes: [String]

    package init(
        source: String,
        destination: String,
        instanceID: UInt32,
        protocolNumber: UInt8? = nil,
        sourcePort: UInt16? = nil,
        destinationPort: UInt16? = nil,
        outcome: Outcome,
        summary: String,
        host: ExplainedHost,
        mapping: MapCacheEntry? = nil,
        question: String? = nil,
        usesProxyETRs: Bool = false,
        locators: [ExplainedLocator] = [],
        largestPacket: Int? = nil,
        wayBack: String,
        notes: [String] = []
    ) {
        self.source = source
        self.destination = destination
        self.instanceID = instanceID
        self.protocolNumber = protocolNumber
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.outcome = outcome
        self.summary = summary
        self.host = host
        self.mapping = mapping
        self.question = question
        self.usesProxyETRs = usesProxyETRs
        self.locators = locators
        self.largestPacket = largestPacket
        self.wayBack = wayBack
        self.notes = notes
    }
}

/// What the host's rules and routes do with the packet.
package struct ExplainedHost: Codable, Sendable, Equatable {
    /// The TUN that it goes into; absent if it goes into none.
    package var interface: String?
    /// Our rules and routes that have a say, in order, as `ip rule` and `ip route` show them.
    package var steps: [String]
    /// What that comes to, and why.
    package var text: String

    package init(interface: String? = nil, steps: [String], text: String) {
        self.interface = interface
        self.steps = steps
        self.text = text
    }
}

/// A locator that packets may or may not be sent to.
package struct ExplainedLocator: Codable, Sendable, Equatable {
    package var address: String
    package var priority: UInt8
    package var weight: UInt8
    package var state: LocatorState
    /// Whether flows are sent there now.
    package var isUsed: Bool
    /// Whether this very flow is; also `false` where the flow was not given whole and others are used, too.
    package var isChosen: Bool
    /// Why it is used, or why not.
    package var why: String
    /// The path MTU, if it is known to be smaller than the interface's.
    package var mtu: Int?

    package init(
        address: String,
        priority: UInt8,
        weight: UInt8,
        state: LocatorState,
        isUsed: Bool,
        isChosen: Bool = false,
        why: String,
        mtu: Int? = nil
    ) {
        self.address = address
        self.priority = priority
        self.weight = weight
        self.state = state
        self.isUsed = isUsed
        self.isChosen = isChosen
        self.why = why
        self.mtu = mtu
    }
}
