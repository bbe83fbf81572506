// Mappings: those of others (the map-cache) and our own (the database).

/// `lispctl show map-cache`: one page.
package struct MapCacheReport: Codable, Sendable, Equatable {
    /// The tables that the query touches, whatever the page; ordered by instance, then family.
    package var tables: [EIDTable]
    /// In the order of the tables, then by prefix.
    package var entries: [MapCacheEntry]
    /// Present if there is more: the `after` of the next page.
    package var next: String?

    package init(tables: [EIDTable], entries: [MapCacheEntry], next: String? = nil) {
        self.tables = tables
        self.entries = entries
        self.next = next
    }
}

/// One family of one instance.
package struct EIDTable: Codable, Sendable, Equatable {
    package var instanceID: UInt32
    package var family: EIDFamily
    /// Where its TUN stands: a network namespace; absent: the daemon's own.
    package var namespace: String?
    /// How many entries there are, before `eid` selects among them.
    package var entryCount: Int

    package init(instanceID: UInt32, family: EIDFamily, namespace: String? = nil, entryCount: Int) {
        self.instanceID = instanceID
        self.family = family
        self.namespace = namespace
        self.entryCount = entryCount
    }
}

package struct MapCacheEntry: Codable, Sendable, Equatable {
    package var instanceID: UInt32
    package var eidPrefix: String
    package var created: Moment
    /// When the last answer for it came.
    package var lastModified: Moment
    /// Seconds until it goes; absent: never.
    package var expiresIn: Int64?
    /// Where it comes from: `map-reply`, `static`, `self`, `away`.
    package var source: String
    package var state: State
    /// What a negative mapping says to do; absent for a positive one: `no-action`, `natively-forward`,
    /// `send-map-request`, `drop`, `drop-policy-denied`, `drop-auth-failure`.
    package var action: String?
    /// What becomes of its packets, as this router is configured.
    package var forwarding: Forwarding?
    /// Whether an ETR answered, not a Map-Server for it.
    package var isAuthoritative: Bool
    /// Who answered.
    package var answeredBy: String?
    /// In the order of the record; empty for a negative mapping.
    package var locators: [MapCacheLocator]
    /// What packets of its site say of its locators; absent before they have.
    package var statusBits: StatusBits?
    /// What was sent to this prefix.
    package var encapsulated: Traffic
    /// What came from sources in this prefix.
    package var decapsulated: Traffic
    /// When a packet last used it; absent while nobody keeps that.
    package var lastUsed: Moment?

    package init(
        instanceID: UInt32,
        eidPrefix: String,
        created: Moment,
        lastModified: Moment,
        expiresIn: Int64? = nil,
        source: String,
        state: State,
        action: String? = nil,
        forwarding: Forwarding? = nil,
        isAuthoritative: Bool = false,
        answeredBy: String? = nil,
        locators: [MapCacheLocator] = [],
        statusBits: StatusBits? = nil,
        encapsulated: Traffic = Traffic(),
        decapsulated: Traffic = Traffic(),
        lastUsed: Moment? = nil
    ) {
        self.instanceID = instanceID
        self.eidPrefix = eidPrefix
        self.created = created
        self.lastModified = lastModified
        self.expiresIn = expiresIn
        self.source = source
        self.state = state
        self.action = action
        self.forwarding = forwarding
        self.isAuthoritative = isAuthoritative
        self.answeredBy = answeredBy
        self.locators = locators
        self.statusBits = statusBits
        self.encapsulated = encapsulated
        self.decapsulated = decapsulated
        self.lastUsed = lastUsed
    }

    package enum Forwarding: String, Codable, Sendable {
        /// To a locator of the mapping.
        case encapsulate
        /// To a Proxy-ETR.
        case proxyETR = "proxy-etr"
        case native
        /// Each packet asks for the mapping.
        case mapRequest = "map-request"
        case drop
    }

    package enum State: String, Codable, Sendable {
        case complete
        /// Asked for, not answered yet.
        case incomplete
        /// Complete and being asked for again before it expires.
        case refreshing
    }
}

/// Locator-Status-Bits of a site (RFC 9300 section 10).
package struct StatusBits: Codable, Sendable, Equatable {
    /// Bit n is the n-th locator; 1: it is up.
    package var bits: UInt32
    /// When they last changed.
    package var changed: Moment

    package init(bits: UInt32, changed: Moment) {
        self.bits = bits
        self.changed = changed
    }
}

/// Whether packets may be sent to a locator.
package enum LocatorState: String, Codable, Sendable {
    case up
    /// It does not answer RLOC-probes, or a hint of the LISP header says that it is dead.
    case down
    /// Its site says that it cannot be reached.
    case unreachable
    /// Priority 255, or an address of a kind that cannot be used here.
    case unusable
}

/// What RLOC-probing has found out of a locator (RFC 9301 section 7.1).
package struct LocatorProbing: Codable, Sendable, Equatable {
    package var probesSent: UInt64
    package var probesAnswered: UInt64
    package var lastAnswered: Moment?
    package var roundTrip: RoundTrip?

    /// From probe to answer, in milliseconds.
    package struct RoundTrip: Codable, Sendable, Equatable {
        package var last: Double
        package var smallest: Double
        package var largest: Double
        /// Seven parts of what it was, one part the last.
        package var smoothed: Double

        package init(last: Double, smallest: Double, largest: Double, smoothed: Double) {
            self.last = last
            self.smallest = smallest
            self.largest = largest
            self.smoothed = smoothed
        }
    }

    package init(
        probesSent: UInt64,
        probesAnswered: UInt64,
        lastAnswered: Moment? = nil,
        roundTrip: RoundTrip? = nil
    ) {
        self.probesSent = probesSent
        self.probesAnswered = probesAnswered
        self.lastAnswered = lastAnswered
        self.roundTrip = roundTrip
    }
}

/// What echo-noncing has found out of a locator (RFC 9300 section 10.1).
package struct LocatorEchoes: Codable, Sendable, Equatable {
    package var state: State
    /// Packets to it that asked for an echo; nonces that came back; nonces that came from there while another was asked for.
    package var requested: UInt64
    package var matched: UInt64
    package var mismatched: UInt64
    /// Packets to it that echoed the nonce of its site.
    package var echoed: UInt64
    package var lastEchoed: Moment?
    /// Requests in a row that were not echoed although packets came back.
    package var failures: Int

    package enum State: String, Codable, Sendable {
        /// Its site does not say that it can echo: it is not asked.
        case notCapable = "not-capable"
        case resting
        /// Packets ask for an echo.
        case asking
        /// Not used for want of echoes.
        case down
    }

    package init(
        state: State,
        requested: UInt64 = 0,
        matched: UInt64 = 0,
        mismatched: UInt64 = 0,
        echoed: UInt64 = 0,
        lastEchoed: Moment? = nil,
        failures: Int = 0
    ) {
        self.state = state
        self.requested = requested
        self.matched = matched
        self.mismatched = mismatched
        self.echoed = echoed
        self.lastEchoed = lastEchoed
        self.failures = failures
    }
}

package struct MapCacheLocator: Codable, Sendable, Equatable {
    package var address: String
    package var state: LocatorState
    /// Since it has been in this state.
    package var since: Moment
    package var priority: UInt8
    package var weight: UInt8
    package var multicastPriority: UInt8
    package var multicastWeight: UInt8
    /// Whether it is an address of this router.
    package var isSelf: Bool
    package var encapsulated: Traffic
    /// How often the state changed.
    package var stateChanges: UInt64
    /// `nil` for a locator that is not probed.
    package var probing: LocatorProbing?
    /// `nil` while echo-nonce is not in use.
    package var echoes: LocatorEchoes?
    /// The path MTU, if it is known to be smaller than the interface's.
    package var mtu: Int?

    package init(
        address: String,
        state: LocatorState,
        since: Moment,
        priority: UInt8,
        weight: UInt8,
        multicastPriority: UInt8 = 255,
        multicastWeight: UInt8 = 0,
        isSelf: Bool = false,
        encapsulated: Traffic = Traffic(),
        stateChanges: UInt64 = 0,
        probing: LocatorProbing? = nil,
        echoes: LocatorEchoes? = nil,
        mtu: Int? = nil
    ) {
        self.address = address
        self.state = state
        self.since = since
        self.priority = priority
        self.weight = weight
        self.multicastPriority = multicastPriority
        self.multicastWeight = multicastWeight
        self.isSelf = isSelf
        self.encapsulated = encapsulated
        self.stateChanges = stateChanges
        self.probing = probing
        self.echoes = echoes
        self.mtu = mtu
    }
}

/// `lispctl show database`
package struct DatabaseReport: Codable, Sendable, Equatable {
    /// One for each instance and family with an entry; ordered so.
    package var tables: [EIDTable]
    /// In the order of the tables, then by prefix.
    package var entries: [DatabaseEntry]

    package init(tables: [EIDTable], entries: [DatabaseEntry]) {
        self.tables = tables
        self.entries = entries
    }
}

package struct DatabaseEntry: Codable, Sendable, Equatable {
    package var instanceID: UInt32
    package var eidPrefix: String
    package var locatorSet: String
    /// Seconds that others may keep it.
    package var ttl: Int64
    /// Whether this host has a route to the prefix other than ours.
    package var hasRoute: Bool
    /// An address of this host in the prefix, used as source of its own packets to other sites.
    package var sourceAddress: String?
    package var locators: [DatabaseLocator]
    /// The Locator-Status-Bits that packets from it carry; absent: none.
    package var statusBits: UInt32?
    /// How many Map-Requests were answered with it.
    package var answers: UInt64
    /// What hosts in it sent to other sites, and what came for them. Counted where `snmp` is on.
    package var encapsulated: Traffic?
    package var decapsulated: Traffic?

    package init(
        instanceID: UInt32,
        eidPrefix: String,
        locatorSet: String,
        ttl: Int64,
        hasRoute: Bool = true,
        sourceAddress: String? = nil,
        locators: [DatabaseLocator] = [],
        statusBits: UInt32? = nil,
        answers: UInt64 = 0,
        encapsulated: Traffic? = nil,
        decapsulated: Traffic? = nil
    ) {
        self.instanceID = instanceID
        self.eidPrefix = eidPrefix
        self.locatorSet = locatorSet
        self.ttl = ttl
        self.hasRoute = hasRoute
        self.sourceAddress = sourceAddress
        self.locators = locators
        self.statusBits = statusBits
        self.answers = answers
        self.encapsulated = encapsulated
        self.decapsulated = decapsulated
    }
}

package struct DatabaseLocator: Codable, Sendable, Equatable {
    package var address: String
    package var priority: UInt8
    package var weight: UInt8
    /// The interface it follows; absent for one configured by address.
    package var interface: String?
    /// Whether it is an address of this router.
    package var isSelf: Bool
    /// The R-bit, as we announce it.
    package var isReachable: Bool

    package init(
        address: String,
        priority: UInt8,
        weight: UInt8,
        interface: String? = nil,
        isSelf: Bool,
        isReachable: Bool
    ) {
        self.address = address
        self.priority = priority
        self.weight = weight
        self.interface = interface
        self.isSelf = isSelf
        self.isReachable = isReachable
    }
}
