// One row of each kind, as values of the router.

import ForwardingInterface
import LISPWire

/// One family of one instance.
package struct ServiceKey: Hashable, Comparable, Sendable {
    package let instanceID: InstanceID
    package let family: AddressFamily

    package init(_ instanceID: InstanceID, _ family: AddressFamily) {
        self.instanceID = instanceID
        self.family = family
    }

    package static func < (a: Self, b: Self) -> Bool {
        a.instanceID != b.instanceID ? a.instanceID < b.instanceID : a.family < b.family
    }
}

/// What the router does in one family of one instance.
package struct Service: Hashable, Sendable {
    package var isITR = false
    package var isETR = false
    package var isProxyITR = false
    package var isProxyETR = false
    package var isMapServer = false
    package var isMapResolver = false
    package var mapCacheEntries: Int?
    /// Of all instances and families together.
    package var mapCacheLimit: Int?
    /// The least of the Record TTLs that the ETR gives.
    package var ttlMinutes: UInt32?
    package var probesRLOCs = false
    package var acceptsMapData = false
    package var verifiesMapData = false
    /// Since it began.
    package var age: Duration = .zero

    package init() {}
}

/// Control messages, each counted once for every family and instance that it has EIDs of.
package struct MessageCounts: Hashable, Sendable {
    package var mapRequestsIn: UInt64 = 0
    package var mapRequestsOut: UInt64 = 0
    package var mapRepliesIn: UInt64 = 0
    package var mapRepliesOut: UInt64 = 0
    package var mapRegistersIn: UInt64 = 0
    package var mapRegistersOut: UInt64 = 0

    package init() {}

    package static func += (sum: inout Self, more: Self) {
        sum.mapRequestsIn &+= more.mapRequestsIn
        sum.mapRequestsOut &+= more.mapRequestsOut
        sum.mapRepliesIn &+= more.mapRepliesIn
        sum.mapRepliesOut &+= more.mapRepliesOut
        sum.mapRegistersIn &+= more.mapRegistersIn
        sum.mapRegistersOut &+= more.mapRegistersOut
    }
}

/// How an RLOC or a server is. The numbers are those of LISP-MIB.
package enum Reachability: Int32, Hashable, Sendable {
    case up = 1
    case down = 2
    /// This host has no route to it.
    case unreachable = 3
}

/// How an RLOC is to be used.
package struct Preference: Hashable, Sendable {
    package var priority: UInt8
    package var weight: UInt8
    package var multicastPriority: UInt8
    package var multicastWeight: UInt8

    package init(priority: UInt8, weight: UInt8, multicastPriority: UInt8 = 255, multicastWeight: UInt8 = 0) {
        self.priority = priority
        self.weight = weight
        self.multicastPriority = multicastPriority
        self.multicastWeight = multicastWeight
    }
}

/// An EID-prefix of this site.
package struct OwnMapping: Hashable, Sendable {
    package var statusBits: UInt32
    /// No route of the host but ours leads into it.
    package var isPartitioned: Bool?
    /// Since it was configured.
    package var age: Duration
    package var traffic: MappingCounters?

    package init(statusBits: UInt32, isPartitioned: Bool?, age: Duration, traffic: MappingCounters?) {
        self.statusBits = statusBits
        self.isPartitioned = isPartitioned
        self.age = age
        self.traffic = traffic
    }
}

/// An RLOC of an EID-prefix of this site.
package struct OwnLocator: Hashable, Sendable {
    package var preference: Preference
    package var state: Reachability
    /// An address of this host, not of another router of the site.
    package var isSelf: Bool
    /// Since it was configured for the EID-prefix.
    package var age: Duration
    package var traffic: MappingCounters?

    package init(
        preference: Preference,
        state: Reachability,
        isSelf: Bool,
        age: Duration,
        traffic: MappingCounters?
    ) {
        self.preference = preference
        self.state = state
        self.isSelf = isSelf
        self.age = age
        self.traffic = traffic
    }
}

/// An RLOC of this site, whatever the EID-prefix.
package struct ConfiguredLocator: Hashable, Sendable {
    package var state: Reachability
    package var isSelf: Bool
    /// Since it was configured.
    package var age: Duration
    package var traffic: MappingCounters?

    package init(state: Reachability, isSelf: Bool, age: Duration, traffic: MappingCounters?) {
        self.state = state
        self.isSelf = isSelf
        self.age = age
        self.traffic = traffic
    }
}

/// An entry of the map-cache.
package struct CachedMapping: Hashable, Sendable {
    /// Since it was learnt.
    package var age: Duration
    /// `nil`: it does not end.
    package var remaining: Duration?
    /// Packets use it.
    package var isActive: Bool?
    package var isAuthoritative: Bool
    package var traffic: MappingCounters?

    package init(
        age: Duration,
        remaining: Duration?,
        isActive: Bool?,
        isAuthoritative: Bool,
        traffic: MappingCounters?
    ) {
        self.age = age
        self.remaining = remaining
        self.isActive = isActive
        self.isAuthoritative = isAuthoritative
        self.traffic = traffic
    }
}

/// An RLOC of an entry of the map-cache.
package struct CachedLocator: Hashable, Sendable {
    package var preference: Preference
    /// `nil` for an address of a kind that says nothing of how to get there.
    package var state: Reachability?
    /// Since it was learnt for the EID-prefix.
    package var age: Duration
    /// Since the last change of each; `nil` before the first.
    package var priorityAge: Duration?
    package var weightAge: Duration?
    package var multicastPriorityAge: Duration?
    package var multicastWeightAge: Duration?
    package var stateAge: Duration?
    /// Of the last RLOC-probe that was answered.
    package var roundTrip: Duration?
    package var traffic: MappingCounters?

    package init(
        preference: Preference,
        state: Reachability?,
        age: Duration,
        priorityAge: Duration? = nil,
        weightAge: Duration? = nil,
        multicastPriorityAge: Duration? = nil,
        multicastWeightAge: Duration? = nil,
        stateAge: Duration? = nil,
        roundTrip: Duration? = nil,
        traffic: MappingCounters?
    ) {
        self.preference = preference
        self.state = state
        self.age = age
        self.priorityAge = priorityAge
        self.weightAge = weightAge
        self.multicastPriorityAge = multicastPriorityAge
        self.multicastWeightAge = multicastWeightAge
        self.stateAge = stateAge
        self.roundTrip = roundTrip
        self.traffic = traffic
    }
}

/// An EID-prefix of a site of this Map-Server.
package struct SiteEID: Hashable, Sendable {
    package var site: String
    package var description: String?
    package var isRegistered: Bool
    /// Since the first valid Map-Register and since the last, and where that came from.
    package var firstRegisterAge: Duration?
    package var lastRegisterAge: Duration?
    package var lastSender: IPAddress?
    package var authenticationErrors: UInt64
    package var locatorMismatches: UInt64

    package init(
        site: String,
        description: String?,
        isRegistered: Bool,
        firstRegisterAge: Duration?,
        lastRegisterAge: Duration?,
        lastSender: IPAddress?,
        authenticationErrors: UInt64,
        locatorMismatches: UInt64
    ) {
        self.site = site
        self.description = description
        self.isRegistered = isRegistered
        self.firstRegisterAge = firstRegisterAge
        self.lastRegisterAge = lastRegisterAge
        self.lastSender = lastSender
        self.authenticationErrors = authenticationErrors
        self.locatorMismatches = locatorMismatches
    }
}

/// An ETR that registers an EID-prefix.
package struct RegisteringETR: Hashable, Sendable {
    package var lastRegisterAge: Duration
    package var ttlMinutes: UInt32
    package var wantsProxyReply: Bool
    package var wantsMapNotify: Bool

    package init(lastRegisterAge: Duration, ttlMinutes: UInt32, wantsProxyReply: Bool, wantsMapNotify: Bool) {
        self.lastRegisterAge = lastRegisterAge
        self.ttlMinutes = ttlMinutes
        self.wantsProxyReply = wantsProxyReply
        self.wantsMapNotify = wantsMapNotify
    }
}

/// An RLOC that an ETR registers.
package struct RegisteredLocator: Hashable, Sendable {
    /// The R-bit and the L-bit.
    package var isReachable: Bool
    package var isLocal: Bool
    package var preference: Preference

    package init(isReachable: Bool, isLocal: Bool, preference: Preference) {
        self.isReachable = isReachable
        self.isLocal = isLocal
        self.preference = preference
    }
}

/// An RLOC that is registered for an EID-prefix, with the ETR that did so last.
package struct SiteLocator: Hashable, Sendable {
    package var locator: RegisteredLocator
    package var firstRegisterAge: Duration
    package var lastRegisterAge: Duration
    package var sender: IPAddress
    package var wantsProxyReply: Bool

    package init(
        locator: RegisteredLocator,
        firstRegisterAge: Duration,
        lastRegisterAge: Duration,
        sender: IPAddress,
        wantsProxyReply: Bool
    ) {
        self.locator = locator
        self.firstRegisterAge = firstRegisterAge
        self.lastRegisterAge = lastRegisterAge
        self.sender = sender
        self.wantsProxyReply = wantsProxyReply
    }
}

/// A Map-Server that this router registers with.
package struct MapServerState: Hashable, Sendable {
    /// `nil` where no acknowledgement is asked for.
    package var state: Reachability?

    package init(state: Reachability?) {
        self.state = state
    }
}

/// A Map-Resolver that this router asks.
package struct MapResolverState: Hashable, Sendable {
    /// `nil` before it was asked.
    package var isUp: Bool?

    package init(isUp: Bool?) {
        self.isUp = isUp
    }
}

/// A Proxy-ETR that this router sends to.
package struct ProxyETR: Hashable, Sendable {
    package var preference: Preference
    package var isUp: Bool

    package init(preference: Preference, isUp: Bool) {
        self.preference = preference
        self.isUp = isUp
    }
}
