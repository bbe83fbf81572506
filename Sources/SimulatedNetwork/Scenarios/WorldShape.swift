// How large a world is and what it is made of.

import LISPControl
import LISPTables

/// What `World` is built from; everything that is not said here is drawn from the seed.
package struct WorldShape: Sendable {
    /// All routers but proxies: Map-Servers, Map-Resolvers, xTRs, ITRs without a site.
    package var routers: Int
    /// So many sites, however many routers those have; then `routers` is what they are at least. `nil`: as many as `routers` gives.
    package var sites: Int?
    /// Proxy-ITRs, Proxy-ETRs and routers that are both, with hosts of the world outside.
    package var proxies = 0
    /// RLOC-probing, echo-nonce, Locator-Status-Bits, map data and Proxy-ETRs, each where a site has it; and clocks that drift.
    package var hasAllFeatures = false
    /// Between two probes of an RLOC, where a router has RLOC-probing.
    package var probeInterval = RLOCProbingSettings().interval
    /// What hosts do: single packets at random if `nil`.
    package var flows: FlowShape?
    /// The routers start one after another within this time.
    package var startsWithin = Duration.zero
    package var mapServers: Int
    package var mapResolvers: Int
    /// The longest Record TTL, in minutes.
    package var ttlMinutes: ClosedRange<UInt32>
    /// Small enough to be reached, or as they are by default.
    package var hasSmallLimits: Bool
    /// The mean time between two packets of the hosts behind one ITR.
    package var packetInterval: Duration
    /// Half of the time the Map-Server and Map-Resolver of a world that has one of each are one router, with a site of its own.
    package var mayBeAllInOne: Bool
    package var isAttacked: Bool
    /// The fault that routers have, if any.
    package var fault: SeededFault?

    package init(
        routers: Int,
        mapServers: Int = 1,
        mapResolvers: Int = 1,
        ttlMinutes: ClosedRange<UInt32> = 1...3,
        hasSmallLimits: Bool = false,
        packetInterval: Duration = .milliseconds(800),
        mayBeAllInOne: Bool = true,
        isAttacked: Bool = true,
        fault: SeededFault? = nil
    ) {
        precondition(routers >= mapServers + mapResolvers + 1, "a router besides the mapping system's")
        self.routers = routers
        self.mapServers = mapServers
        self.mapResolvers = mapResolvers
        self.ttlMinutes = ttlMinutes
        self.hasSmallLimits = hasSmallLimits
        self.packetInterval = packetInterval
        self.mayBeAllInOne = mayBeAllInOne
        self.isAttacked = isAttacked
        self.fault = fault
    }

    /// A world of sites and proxies with everything on.
    package init(
        sites: Int,
        proxies: Int,
        mapServers: Int,
        mapResolvers: Int,
        ttlMinutes: ClosedRange<UInt32>,
        flows: FlowShape,
        startsWithin: Duration
    ) {
        self.init(
            routers: mapServers + mapResolvers + sites,
            mapServers: mapServers,
            mapResolvers: mapResolvers,
            ttlMinutes: ttlMinutes,
            mayBeAllInOne: false
        )
        self.sites = sites
        self.proxies = proxies
        self.flows = flows
        self.startsWithin = startsWithin
        hasAllFeatures = true
    }

    /// Reached within seconds by the hosts of one site.
    static let smallLimits = RouterLimits(
        held: HeldPackets.Limits(packetsPerEID: 3, octets: 1000, octetsPerSource: 500),
        questions: 6,
        registry: {
            var limits = SiteRegistry.Limits()
            limits.prefixesPerConfigured = 2
            return limits
        }()
    )
    static let smallMapCache = 8
    static let smallMapRequestLimits = MapRequestLimits(
        total: EventRate(perSecond: 1, burst: 5),
        perSource: EventRate(perSecond: 1, burst: 4),
        negativeTotal: EventRate(perSecond: 1, burst: 4),
        negativePerSource: EventRate(perSecond: 1, burst: 3)
    )
}

/// How hosts send: in flows that go both ways, seen as a burst of packets now and then.
package struct FlowShape: Sendable {
    /// The mean number of flows that the hosts behind one ITR have begun and not ended.
    package var concurrent: Double
    /// The mean time that a flow lasts.
    package var duration: Duration
    /// Between two bursts of a flow: less than the minute for which peers are remembered.
    package var interval: Duration

    package init(concurrent: Double, duration: Duration, interval: Duration = .seconds(20)) {
        self.concurrent = concurrent
        self.duration = duration
        self.interval = interval
    }
}
