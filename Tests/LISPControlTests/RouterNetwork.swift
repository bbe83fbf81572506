// Networks of few routers for the tests of whole routers: the simulated network with names and text for addresses.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire
import SimulatedNetwork
import Testing

extension SimulatedNetwork {
    /// Without disturbances and checks; everything that arrives is recorded.
    static func recording(seed: UInt64 = 1) -> SimulatedNetwork {
        let network = SimulatedNetwork(seed: seed)
        network.keepsRecords = true
        return network
    }

    func add(_ name: String, _ addresses: [String], _ settings: RouterSettings) {
        add(name, addresses.map { IPAddress($0)! }, settings)
    }

    func reconfigure(_ name: String, _ settings: RouterSettings) {
        if let node = self[name] { reconfigure(node, settings) }
    }

    /// A host behind `name` sends a packet.
    func packet(at name: String, from source: String, to destination: String) {
        guard let node = self[name] else { return }
        packet(at: node, from: EID(IPAddress(source)!), to: EID(IPAddress(destination)!))
    }

    /// A datagram from somewhere reaches `name` now.
    func deliver(_ payload: [UInt8], to name: String, from source: Endpoint) {
        if let node = self[name] { deliver(payload, to: node, from: source) }
    }

    func isRegistered(_ prefix: String, at name: String) -> Bool {
        self[name]?.router.mapServer?.registry.registered[eidPrefix(prefix)] != nil
    }
}

extension MapRequestLimits {
    /// For tests of other limits.
    static let unlimited = MapRequestLimits(
        total: EventRate(perSecond: 1_000_000, burst: 1_000_000),
        perSource: EventRate(perSecond: 1_000_000, burst: 1_000_000),
        negativeTotal: EventRate(perSecond: 1_000_000, burst: 1_000_000),
        negativePerSource: EventRate(perSecond: 1_000_000, burst: 1_000_000)
    )
}

/// Settings of the routers of these tests.
enum Roles {
    static let key = secret("shared")

    static func itr(_ rloc: String, limit: Int = 1000) -> ITRSettings {
        ITRSettings(mapResolvers: [mapServerAddress], rlocs: [IPAddress(rloc)!], mapCacheLimit: limit)
    }

    static func etr(_ rloc: String, _ prefixes: [String], id: UInt128, proxyReply: Bool = false, ttl: UInt32 = 1440)
        -> ETRSettings
    {
        ETRSettings(
            mappings: prefixes.map { prefix in
                DatabaseMapping(
                    eid: eidPrefix(prefix),
                    ttlMinutes: ttl,
                    locators: [DatabaseLocator(address: IPAddress(rloc)!, priority: 1, weight: 100, isLocal: true)]
                )
            },
            mapServers: [MapServerPeer(address: mapServerAddress, keys: [key], proxyReply: proxyReply)],
            xtrID: XTRID(rawValue: id),
            siteID: SiteID(rawValue: 0),
            rlocs: [IPAddress(rloc)!]
        )
    }

    static func xtr(_ rloc: String, _ prefixes: [String], id: UInt128, proxyReply: Bool = false, ttl: UInt32 = 1440)
        -> RouterSettings
    {
        RouterSettings(itr: itr(rloc), etr: etr(rloc, prefixes, id: id, proxyReply: proxyReply, ttl: ttl))
    }

    static let mapServer = MapServerSettings(
        eidSpace: [eidPrefix("10.0.0.0/8")],
        sites: [
            SiteSettings(
                name: "one",
                keys: [key],
                eids: [SiteEID(prefix: eidPrefix("10.1.0.0/16"), acceptMoreSpecifics: true)]
            ),
            SiteSettings(
                name: "two",
                keys: [key],
                eids: [SiteEID(prefix: eidPrefix("10.2.0.0/16"), acceptMoreSpecifics: true)]
            ),
            SiteSettings(name: "unused", keys: [key], eids: [SiteEID(prefix: eidPrefix("10.3.0.0/16"))]),
        ]
    )
    static let mappingSystem = RouterSettings(mapServer: mapServer, mapResolver: MapResolverSettings())

    static var all: RouterSettings {
        var settings = xtr("192.0.2.53", ["10.1.0.0/16"], id: 1)
        settings.mapServer = mapServer
        settings.mapResolver = MapResolverSettings()
        return settings
    }

    /// Two sites and a Map-Server/Map-Resolver, registered.
    static func twoSites(seed: UInt64 = 1, proxyReply: Bool = false, ttl: UInt32 = 1440) -> SimulatedNetwork {
        let network = SimulatedNetwork.recording(seed: seed)
        network.add("ms", ["192.0.2.53"], mappingSystem)
        network.add(
            "one",
            ["198.51.100.1"],
            xtr("198.51.100.1", ["10.1.0.0/16"], id: 1, proxyReply: proxyReply, ttl: ttl)
        )
        network.add(
            "two",
            ["198.51.100.2"],
            xtr("198.51.100.2", ["10.2.0.0/16"], id: 2, proxyReply: proxyReply, ttl: ttl)
        )
        network.run(.seconds(1))
        return network
    }
}
