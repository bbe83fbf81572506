// One router of a simulation: the control code as it stands, what surrounds it, and what is kept over its restarts.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

package final class SimulatedRouter {
    package let index: Int
    package let name: String
    package internal(set) var router: Router
    package internal(set) var settings: RouterSettings
    /// Its limits as the operator set them.
    package let limits: RouterLimits
    /// Its own addresses; the first of a family is where it sends from unless told otherwise.
    package internal(set) var addresses: [IPAddress]
    package internal(set) var plane = ReferencePlane()
    package internal(set) var isUp = true
    /// Only routers of one partition reach each other.
    package internal(set) var partition = 0
    /// Addresses of it whose interface is down: nothing comes or goes there.
    package internal(set) var deadAddresses: Set<IPAddress> = []
    /// What a Proxy-ETR delivers to hosts of the world outside comes from EIDs in these (RFC 6832 section 6.1).
    package internal(set) var acceptedSources = PrefixTable<Bool>()
    /// What its access link adds to every path.
    package var link = LinkConditions(delay: .zero)
    /// What its access link carries of a packet, outer headers included: no more than its own interfaces do, and they do not know.
    package internal(set) var linkMTU = SimulatedNetwork.interfaceMTU
    package internal(set) var trace = TraceRing(limit: 0)
    /// How often it was started.
    package internal(set) var incarnation = 1

    /// Since when it has its settings; every start and reload counts.
    package internal(set) var configured: Instant

    /// What stands between the router and its network if something is to be wrong with it.
    package var fault: (any FaultyBehaviour)?

    /// Inner destinations of packets that were encapsulated to it or never had to leave, if the network keeps records.
    package internal(set) var arrived: [IPAddress] = []
    package internal(set) var sentNatively: [IPAddress] = []
    package internal(set) var notes: [RouterNote] = []
    package internal(set) var heard: [[UInt8]] = []

    /// Its own idea of time.
    package internal(set) var clock: SimulatedClock
    var random: SeededRandom
    /// The moment for which its next deadline is planned.
    var planned: Instant?
    /// What was saved when it went down.
    var savedNonces = NonceGuard()
    /// Beyond every nonce of a Map-Register that it sent, as it was saved.
    var savedNonce: UInt64 = 0

    init(
        index: Int,
        name: String,
        addresses: [IPAddress],
        settings: RouterSettings,
        limits: RouterLimits,
        router: Router,
        clock: SimulatedClock,
        random: SeededRandom,
        now: Instant
    ) {
        self.index = index
        self.name = name
        self.addresses = addresses
        self.settings = settings
        self.limits = limits
        self.router = router
        self.clock = clock
        self.random = random
        self.configured = now
    }

    /// Whether it is a Proxy-ETR for packets from `source`.
    package func accepts(from source: EID) -> Bool {
        !acceptedSources.isEmpty && acceptedSources.longestMatch(source) != nil
    }

    /// The address that it sends from in a family.
    package func address(of family: AddressFamily) -> IPAddress? {
        addresses.first { $0.family == family }
    }

    /// Whether it is an ETR whose site holds `eid`.
    package func serves(_ eid: EID) -> Bool {
        let host = EIDPrefix(instanceID: eid.instanceID, IPPrefix(host: eid.address))
        return router.etr?.database.longestMatch(host) != nil
    }
}
