// How large a world is and what it is made of.

import LISPControl
import LISPTables

/// What `World` is built from; everything that is not said here is drawn from the seed.
package struct WorldShape: Sendable {
    /// All routers: Map-Servers, Map-Resolvers, xTRs, ITRs without a site.
    package var routers: Int
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

    /// Reached within seconds by the hosts of one site.
    static let smallLimits = RouterLimits(
        held: HeldPackets.Limits(packetsPerEID: 3, octets: 1000),
        questions: 6,
        registry: {
            var limits = SiteRegistry.Limits()
            limits.prefixesPerConfigured = 2
            return limits
        }()
    )
    static let smallMapCache = 8
}
