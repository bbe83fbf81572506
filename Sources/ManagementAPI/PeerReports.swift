// Those this router speaks to, and the interfaces it speaks through.

/// `lispctl show map-servers`
package struct MapServersReport: Codable, Sendable, Equatable {
    package var mapServers: [MapServerStatus]

    package init(mapServers: [MapServerStatus]) {
        self.mapServers = mapServers
    }
}

package struct MapServerStatus: Codable, Sendable, Equatable {
    package enum State: String, Codable, Sendable {
        /// The last Map-Register was acknowledged (or none is wanted, and none was refused).
        case registered
        /// Sent, not acknowledged yet.
        case registering
        /// Not acknowledged for longer than a registration lasts.
        case unanswered
    }

    package var address: String
    package var state: State
    package var keyID: UInt8
    /// As in the configuration: `hmac-sha-256-128`.
    package var algorithm: String
    package var proxyReply: Bool
    package var merge: Bool
    package var wantMapNotify: Bool
    /// EID-prefixes that are registered there.
    package var eidPrefixes: [String]
    package var lastSent: Moment?
    package var lastAcknowledged: Moment?
    package var registersSent: UInt64
    package var acknowledgements: UInt64
    package var authenticationFailures: UInt64
    /// What is wrong, if the router can tell.
    package var problem: String?

    package init(
        address: String,
        state: State,
        keyID: UInt8,
        algorithm: String,
        proxyReply: Bool = false,
        merge: Bool = false,
        wantMapNotify: Bool = true,
        eidPrefixes: [String] = [],
        lastSent: Moment? = nil,
        lastAcknowledged: Moment? = nil,
        registersSent: UInt64 = 0,
        acknowledgements: UInt64 = 0,
        authenticationFailures: UInt64 = 0,
        problem: String? = nil
    ) {
        self.address = address
        self.state = state
        self.keyID = keyID
        self.algorithm = algorithm
        self.proxyReply = proxyReply
        self.merge = merge
        self.wantMapNotify = wantMapNotify
        self.eidPrefixes = eidPrefixes
        self.lastSent = lastSent
        self.lastAcknowledged = lastAcknowledged
        self.registersSent = registersSent
        self.acknowledgements = acknowledgements
        self.authenticationFailures = authenticationFailures
        self.problem = problem
    }
}

/// `lispctl show map-resolvers`
package struct MapResolversReport: Codable, Sendable, Equatable {
    /// Those that the ITR asks.
    package var mapResolvers: [MapResolverStatus]
    /// The Map-Servers that our own Map-Resolver asks, as configured; absent without that role.
    package var routes: [MapServerRouteStatus]?

    package init(mapResolvers: [MapResolverStatus], routes: [MapServerRouteStatus]? = nil) {
        self.mapResolvers = mapResolvers
        self.routes = routes
    }
}

package struct MapServerRouteStatus: Codable, Sendable, Equatable {
    package var mapServer: String
    package var instanceID: UInt32
    package var eidPrefixes: [String]
    /// Map-Requests that went to the address, for whichever of its EID-prefixes.
    package var forwarded: UInt64
    package var lastForwarded: Moment?

    package init(
        mapServer: String,
        instanceID: UInt32,
        eidPrefixes: [String],
        forwarded: UInt64 = 0,
        lastForwarded: Moment? = nil
    ) {
        self.mapServer = mapServer
        self.instanceID = instanceID
        self.eidPrefixes = eidPrefixes
        self.forwarded = forwarded
        self.lastForwarded = lastForwarded
    }
}

package struct MapResolverStatus: Codable, Sendable, Equatable {
    package enum State: String, Codable, Sendable {
        /// Answered within the last three requests.
        case up
        case down
        /// Never asked.
        case unknown
    }

    package var address: String
    package var state: State
    package var sent: UInt64
    package var answered: UInt64
    package var lastSent: Moment?
    package var lastAnswered: Moment?
    /// Of the last answer, in microseconds.
    package var roundTripMicroseconds: UInt64?
    package var smoothedRoundTripMicroseconds: UInt64?
    /// The share of the latest Map-Requests that got no answer within a second, of a thousand.
    package var lossPerMille: Int
    /// Questions are put to it first.
    package var isPreferred: Bool

    package init(
        address: String,
        state: State,
        sent: UInt64 = 0,
        answered: UInt64 = 0,
        lastSent: Moment? = nil,
        lastAnswered: Moment? = nil,
        roundTripMicroseconds: UInt64? = nil,
        smoothedRoundTripMicroseconds: UInt64? = nil,
        lossPerMille: Int = 0,
        isPreferred: Bool = false
    ) {
        self.address = address
        self.state = state
        self.sent = sent
        self.answered = answered
        self.lastSent = lastSent
        self.lastAnswered = lastAnswered
        self.roundTripMicroseconds = roundTripMicroseconds
        self.smoothedRoundTripMicroseconds = smoothedRoundTripMicroseconds
        self.lossPerMille = lossPerMille
        self.isPreferred = isPreferred
    }
}

/// `lispctl show locators`
package struct LocatorsReport: Codable, Sendable, Equatable {
    package var local: [LocalLocator]
    package var remote: [RemoteLocator]

    package init(local: [LocalLocator], remote: [RemoteLocator]) {
        self.local = local
        self.remote = remote
    }
}

package struct LocalLocator: Codable, Sendable, Equatable {
    /// The interface it follows; absent for one configured by address.
    package var interface: String?
    /// Absent while the interface has no address.
    package var address: String?
    /// Absent for an address of another router: nobody looks.
    package var state: LocatorState?
    package var locatorSets: [String]
    package var priority: UInt8
    package var weight: UInt8
    /// Whether it is an address of this router.
    package var isSelf: Bool

    package init(
        interface: String? = nil,
        address: String? = nil,
        state: LocatorState? = nil,
        locatorSets: [String],
        priority: UInt8,
        weight: UInt8,
        isSelf: Bool = true
    ) {
        self.interface = interface
        self.address = address
        self.state = state
        self.locatorSets = locatorSets
        self.priority = priority
        self.weight = weight
        self.isSelf = isSelf
    }
}

package struct RemoteLocator: Codable, Sendable, Equatable {
    package var address: String
    package var state: LocatorState
    /// Since it has been in this state, or in use.
    package var since: Moment?
    /// How many map-cache entries use it; one more if it is a Proxy-ETR.
    package var mappings: Int
    package var encapsulated: Traffic
    /// The source address of packets to it.
    package var source: String?
    /// The path MTU, if it is known to be smaller than the interface's.
    package var mtu: Int?
    /// How often the state changed.
    package var stateChanges: UInt64
    /// Once it has been probed.
    package var probing: LocatorProbing?

    package init(
        address: String,
        state: LocatorState,
        since: Moment? = nil,
        mappings: Int,
        encapsulated: Traffic = Traffic(),
        source: String? = nil,
        mtu: Int? = nil,
        stateChanges: UInt64 = 0,
        probing: LocatorProbing? = nil
    ) {
        self.address = address
        self.state = state
        self.since = since
        self.mappings = mappings
        self.encapsulated = encapsulated
        self.source = source
        self.mtu = mtu
        self.stateChanges = stateChanges
        self.probing = probing
    }
}

/// `lispctl show interfaces`
package struct InterfacesReport: Codable, Sendable, Equatable {
    package var tunnels: [TunnelInterface]
    package var rlocInterfaces: [RLOCInterface]

    package init(tunnels: [TunnelInterface], rlocInterfaces: [RLOCInterface]) {
        self.tunnels = tunnels
        self.rlocInterfaces = rlocInterfaces
    }
}

package struct TunnelInterface: Codable, Sendable, Equatable {
    package var name: String
    package var instanceID: UInt32
    package var namespace: String?
    package var isUp: Bool
    /// Absent if the interface is gone.
    package var mtu: Int?
    package var queues: Int
    package var encapsulated: Traffic
    package var decapsulated: Traffic

    package init(
        name: String,
        instanceID: UInt32,
        namespace: String? = nil,
        isUp: Bool,
        mtu: Int?,
        queues: Int = 1,
        encapsulated: Traffic = Traffic(),
        decapsulated: Traffic = Traffic()
    ) {
        self.name = name
        self.instanceID = instanceID
        self.namespace = namespace
        self.isUp = isUp
        self.mtu = mtu
        self.queues = queues
        self.encapsulated = encapsulated
        self.decapsulated = decapsulated
    }
}

package struct RLOCInterface: Codable, Sendable, Equatable {
    package var name: String
    package var isUp: Bool
    package var mtu: Int
    package var addresses: [String]

    package init(name: String, isUp: Bool, mtu: Int, addresses: [String]) {
        self.name = name
        self.isUp = isUp
        self.mtu = mtu
        self.addresses = addresses
    }
}

/// `lispctl show proxy-etrs`
package struct ProxyETRsReport: Codable, Sendable, Equatable {
    /// In the order of the configuration.
    package var proxyETRs: [ProxyETRStatus]

    package init(proxyETRs: [ProxyETRStatus]) {
        self.proxyETRs = proxyETRs
    }
}

package struct ProxyETRStatus: Codable, Sendable, Equatable {
    package var address: String
    package var priority: UInt8
    package var weight: UInt8
    package var state: LocatorState
    /// Whether flows to non-LISP sites are sent there now.
    package var isUsed: Bool
    /// Since it has been in this state; absent for one that takes no part.
    package var since: Moment?
    /// What was sent there, to LISP sites at the same RLOC, too.
    package var encapsulated: Traffic
    /// Once it has been probed.
    package var probing: LocatorProbing?

    package init(
        address: String,
        priority: UInt8,
        weight: UInt8,
        state: LocatorState,
        isUsed: Bool,
        since: Moment? = nil,
        encapsulated: Traffic = Traffic(),
        probing: LocatorProbing? = nil
    ) {
        self.address = address
        self.priority = priority
        self.weight = weight
        self.state = state
        self.isUsed = isUsed
        self.since = since
        self.encapsulated = encapsulated
        self.probing = probing
    }
}

/// `lispctl show smr`
package struct SMRReport: Codable, Sendable, Equatable {
    /// The RLOCs with which Solicit-Map-Requests were exchanged of late, in order of address.
    package var smrPeers: [SMRPeerStatus]
    /// How many others had to make room for them.
    package var forgotten: UInt64

    package init(smrPeers: [SMRPeerStatus], forgotten: UInt64) {
        self.smrPeers = smrPeers
        self.forgotten = forgotten
    }
}

package struct SMRPeerStatus: Codable, Sendable, Equatable {
    package var address: String
    /// Solicit-Map-Requests to it, and those among them that were repeats.
    package var sent: UInt64
    package var repeated: UInt64
    package var lastSent: Moment?
    package var lastSentEID: String?
    /// Map-Requests that it sent since it was told to.
    package var invoked: UInt64
    package var lastInvoked: Moment?
    /// Solicit-Map-Requests from it that concern our map-cache.
    package var received: UInt64
    package var lastReceived: Moment?
    package var lastReceivedEID: String?

    package init(
        address: String,
        sent: UInt64 = 0,
        repeated: UInt64 = 0,
        lastSent: Moment? = nil,
        lastSentEID: String? = nil,
        invoked: UInt64 = 0,
        lastInvoked: Moment? = nil,
        received: UInt64 = 0,
        lastReceived: Moment? = nil,
        lastReceivedEID: String? = nil
    ) {
        self.address = address
        self.sent = sent
        self.repeated = repeated
        self.lastSent = lastSent
        self.lastSentEID = lastSentEID
        self.invoked = invoked
        self.lastInvoked = lastInvoked
        self.received = received
        self.lastReceived = lastReceived
        self.lastReceivedEID = lastReceivedEID
    }
}
