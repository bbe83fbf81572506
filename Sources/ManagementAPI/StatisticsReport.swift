// Counters of the control plane and of the data plane.

/// `lispctl show statistics`
package struct StatisticsReport: Codable, Sendable, Equatable {
    /// One for each family that was asked for.
    package var control: [ControlStatistics]
    /// Messages that were dropped before any EID was known, by reason.
    package var controlDrops: [ReasonCount]
    package var dataPlane: DataPlaneStatistics

    package init(control: [ControlStatistics], controlDrops: [ReasonCount] = [], dataPlane: DataPlaneStatistics) {
        self.control = control
        self.controlDrops = controlDrops
        self.dataPlane = dataPlane
    }
}

/// Control messages about EIDs of one family.
package struct ControlStatistics: Codable, Sendable, Equatable {
    package var family: EIDFamily
    package var mapRequests: InOut
    package var encapsulatedMapRequests: InOut
    package var probeMapRequests: InOut
    package var solicitMapRequests: InOut
    /// Ours that nobody answered.
    package var mapRequestsExpired: UInt64
    package var mapResolverForwarded: UInt64
    package var mapServerForwarded: UInt64
    package var mapReplyRecords: InOut
    package var authoritativeRecords: InOut
    package var nonAuthoritativeRecords: InOut
    package var negativeRecords: InOut
    package var probeRecords: InOut
    /// Records answered for an ETR.
    package var proxyReplyRecords: UInt64
    package var mapRegisterRecords: InOut
    package var registerUnknownEID: UInt64
    package var registerAuthenticationFailures: UInt64
    package var registerDisallowedLocators: UInt64
    package var registerOtherFailures: UInt64
    package var mapNotifyRecords: InOut
    package var mapNotifyAcknowledgements: InOut
    package var mapNotifyAuthenticationFailures: UInt64
    package var mapCacheCreated: UInt64
    package var mapCacheDeleted: UInt64
    /// Mappings that the map-cache had no room for.
    package var mapCacheRefused: UInt64
    /// Packets that asked for a mapping.
    package var dataSignals: UInt64
    package var dataSignalsDropped: UInt64
    /// Map-Replies left unsent by the rate limit.
    package var repliesLimited: UInt64

    package init(
        family: EIDFamily,
        mapRequests: InOut = InOut(),
        encapsulatedMapRequests: InOut = InOut(),
        probeMapRequests: InOut = InOut(),
        solicitMapRequests: InOut = InOut(),
        mapRequestsExpired: UInt64 = 0,
        mapResolverForwarded: UInt64 = 0,
        mapServerForwarded: UInt64 = 0,
        mapReplyRecords: InOut = InOut(),
        authoritativeRecords: InOut = InOut(),
        nonAuthoritativeRecords: InOut = InOut(),
        negativeRecords: InOut = InOut(),
        probeRecords: InOut = InOut(),
        proxyReplyRecords: UInt64 = 0,
        mapRegisterRecords: InOut = InOut(),
        registerUnknownEID: UInt64 = 0,
        registerAuthenticationFailures: UInt64 = 0,
        registerDisallowedLocators: UInt64 = 0,
        registerOtherFailures: UInt64 = 0,
        mapNotifyRecords: InOut = InOut(),
        mapNotifyAcknowledgements: InOut = InOut(),
        mapNotifyAuthenticationFailures: UInt64 = 0,
        mapCacheCreated: UInt64 = 0,
        mapCacheDeleted: UInt64 = 0,
        mapCacheRefused: UInt64 = 0,
        dataSignals: UInt64 = 0,
        dataSignalsDropped: UInt64 = 0,
        repliesLimited: UInt64 = 0
    ) {
        self.family = family
        self.mapRequests = mapRequests
        self.encapsulatedMapRequests = encapsulatedMapRequests
        self.probeMapRequests = probeMapRequests
        self.solicitMapRequests = solicitMapRequests
        self.mapRequestsExpired = mapRequestsExpired
        self.mapResolverForwarded = mapResolverForwarded
        self.mapServerForwarded = mapServerForwarded
        self.mapReplyRecords = mapReplyRecords
        self.authoritativeRecords = authoritativeRecords
        self.nonAuthoritativeRecords = nonAuthoritativeRecords
        self.negativeRecords = negativeRecords
        self.probeRecords = probeRecords
        self.proxyReplyRecords = proxyReplyRecords
        self.mapRegisterRecords = mapRegisterRecords
        self.registerUnknownEID = registerUnknownEID
        self.registerAuthenticationFailures = registerAuthenticationFailures
        self.registerDisallowedLocators = registerDisallowedLocators
        self.registerOtherFailures = registerOtherFailures
        self.mapNotifyRecords = mapNotifyRecords
        self.mapNotifyAcknowledgements = mapNotifyAcknowledgements
        self.mapNotifyAuthenticationFailures = mapNotifyAuthenticationFailures
        self.mapCacheCreated = mapCacheCreated
        self.mapCacheDeleted = mapCacheDeleted
        self.mapCacheRefused = mapCacheRefused
        self.dataSignals = dataSignals
        self.dataSignalsDropped = dataSignalsDropped
        self.repliesLimited = repliesLimited
    }
}

package struct DataPlaneStatistics: Codable, Sendable, Equatable {
    package var instances: [InstanceTraffic]
    /// Packets dropped, by reason.
    package var drops: [ReasonCount]
    /// Packets handed to the control plane for want of a mapping.
    package var misses: UInt64
    /// Those that waited for their mapping and were sent when it came.
    package var heldReleased: UInt64
    /// Those that waited in vain.
    package var heldDropped: UInt64

    package init(
        instances: [InstanceTraffic] = [],
        drops: [ReasonCount] = [],
        misses: UInt64 = 0,
        heldReleased: UInt64 = 0,
        heldDropped: UInt64 = 0
    ) {
        self.instances = instances
        self.drops = drops
        self.misses = misses
        self.heldReleased = heldReleased
        self.heldDropped = heldDropped
    }
}

package struct InstanceTraffic: Codable, Sendable, Equatable {
    package var instanceID: UInt32
    package var encapsulated: Traffic
    package var decapsulated: Traffic
    package var nativelyForwarded: Traffic

    package init(
        instanceID: UInt32,
        encapsulated: Traffic = Traffic(),
        decapsulated: Traffic = Traffic(),
        nativelyForwarded: Traffic = Traffic()
    ) {
        self.instanceID = instanceID
        self.encapsulated = encapsulated
        self.decapsulated = decapsulated
        self.nativelyForwarded = nativelyForwarded
    }
}
