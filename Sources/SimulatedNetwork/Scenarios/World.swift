// LISP sites, their routers and a mapping system, drawn from a seed:
//
// - Map-Servers share the EID space 10.0.0.0/8 and 2001:db8::/32, of instances 0 and 101, by whole blocks of sites.
// - Map-Resolvers know which Map-Server has which block. Both have RLOCs of both families.
// - A site has 10.x.y.0/22 (and perhaps 2001:db8:x::/48) of one instance and one or two xTRs, with RLOCs of one family or both;
//   all its xTRs say the same of its EID-prefixes.
// - Some ITRs have no site: they ask on behalf of hosts that send from anywhere.
// - Proxies, if there are any, connect to a world outside of LISP: World+Proxies.swift. What hosts send: World+Hosts.swift.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

/// A site and what its operator configures, which changes over time.
package final class Site {
    package let index: Int
    package let instanceID: InstanceID
    package let mapServer: Int
    package let key: AuthenticationKey
    package internal(set) var members: [SimulatedRouter] = []
    /// What it registers, with TTLs.
    package internal(set) var prefixes: [(eid: EIDPrefix, ttlMinutes: UInt32)] = []
    /// By member.
    package internal(set) var preferences: [(priority: UInt8, weight: UInt8)] = []
    let wantsProxyReply: Bool
    let wantsMerge: Bool
    let hasIPv6: Bool
    /// What its routers have of what not every router has.
    var traits = Traits()

    /// Nothing by default.
    struct Traits {
        var probing = RLOCProbingSettings()
        var echoNonce = false
        var locatorStatusBits = false
        var acceptMapData = MapDataPolicy.off
        var proxyETRs: [ProxyETR] = []
    }

    init(index: Int, mapServer: Int, using random: inout SeededRandom) {
        self.index = index
        self.mapServer = mapServer
        instanceID = InstanceID(uncheckedRawValue: random.chance(perMille: 200) ? 101 : 0)
        key = AuthenticationKey(
            id: UInt8(random.below(2)),
            algorithm: random.chance(perMille: 300) ? .hmacSHA1_96 : .hmacSHA256_128,
            secret: Array("secret of site \(index)".utf8)
        )
        wantsProxyReply = random.chance(perMille: 300)
        wantsMerge = random.chance(perMille: 300)
        hasIPv6 = random.chance(perMille: 400)
    }

    /// 10.x.y.0/22
    var block: EIDPrefix {
        let address: UInt128 = 0x0a00_0000 + UInt128(index) << 10
        return EIDPrefix(instanceID: instanceID, IPPrefix(family: .ipv4, leftAligned: address << 96, length: 22))
    }

    /// 2001:db8:x::/48
    var block6: EIDPrefix {
        let address = UInt128(0x2001_0db8) << 96 | UInt128(index) << 80
        return EIDPrefix(instanceID: instanceID, IPPrefix(family: .ipv6, leftAligned: address, length: 48))
    }

    /// One of the four /24 of its block.
    func part(_ number: Int) -> EIDPrefix {
        let address = UInt128(0x0a00_0000 + index << 10 + number << 8) << 96
        return EIDPrefix(instanceID: instanceID, IPPrefix(family: .ipv4, leftAligned: address, length: 24))
    }

    /// An EID of the site, registered or not.
    func host(using random: inout SeededRandom) -> EID {
        host(hasIPv6 && random.chance(perMille: 300) ? .ipv6 : .ipv4, using: &random)
    }

    func host(_ family: AddressFamily, using random: inout SeededRandom) -> EID {
        let block = family == .ipv6 ? block6 : block
        let low = family == .ipv6 ? UInt128(1 + random.below(200)) : UInt128(1 + random.below(1022)) << 96
        return EID(
            instanceID: instanceID,
            IPAddress(family: family, leftAligned: block.prefix.address.leftAligned | low)
        )
    }
}

package final class World {
    package let network: SimulatedNetwork
    package let shape: WorldShape
    package private(set) var sites: [Site] = []
    package private(set) var mapServers: [SimulatedRouter] = []
    package private(set) var mapResolvers: [SimulatedRouter] = []
    /// Every router that hosts send through.
    package internal(set) var itrs: [SimulatedRouter] = []
    package let isAllInOne: Bool
    var random: SeededRandom
    var hostRandom: SeededRandom
    private var siteOf: [Int: Site] = [:]
    private var nextRLOC = 1
    /// What access links carry when nothing is wrong with them, where that matters.
    private(set) var linkMTUs: [Int: Int] = [:]
    private var mtuRandom: SeededRandom
    /// Proxy-ITRs and Proxy-ETRs; a router that is both is in both.
    package internal(set) var proxyITRs: [SimulatedRouter] = []
    package internal(set) var proxyETRs: [SimulatedRouter] = []
    /// Sites by instance.
    private(set) var sitesOfInstance: [InstanceID: [Site]] = [:]
    /// Sites of one Map-Server: a power of two.
    private let sitesPerServer: Int
    private(set) var hostsAreSilent = false
    /// The routers of each site but that of an all-in-one router, and ITRs without a site.
    private let plan: [Int]
    private let loners: Int

    package init(_ shape: WorldShape, seed: UInt64, traceLength: Int) {
        self.shape = shape
        network = SimulatedNetwork(seed: seed, traceLength: traceLength)
        network.hasOwnClocks = shape.hasAllFeatures
        var random = SeededRandom(seed: seed, stream: 2)
        hostRandom = SeededRandom(seed: seed, stream: 4)
        mtuRandom = SeededRandom(seed: seed, stream: 8)
        isAllInOne =
            shape.mayBeAllInOne && shape.mapServers == 1 && shape.mapResolvers == 1 && random.chance(perMille: 500)
        var plan: [Int] = []
        var loners = 0
        if let sites = shape.sites {
            plan = (0..<sites).map { _ in random.chance(perMille: 350) ? 2 : 1 }
        } else {
            let edge = shape.routers - (isAllInOne ? 1 : shape.mapServers + shape.mapResolvers)
            loners = edge / 6
            var left = edge - loners
            while left > 0 {
                plan.append(left > 1 && random.chance(perMille: 350) ? 2 : 1)
                left -= plan[plan.count - 1]
            }
        }
        var perServer = 1
        while perServer * shape.mapServers < plan.count + (isAllInOne ? 1 : 0) { perServer *= 2 }
        sitesPerServer = perServer
        for index in plan.indices {
            sites.append(Site(index: index, mapServer: index / perServer, using: &random))
        }
        if isAllInOne { sites.append(Site(index: plan.count, mapServer: 0, using: &random)) }
        self.random = random
        sitesOfInstance = Dictionary(grouping: sites, by: \.instanceID)
        self.plan = plan
        self.loners = loners
    }

    /// Builds everything, one router after another, and lets the hosts send. Whoever watches the network does so before.
    package func build() {
        network.isBeingBuilt = true
        defer { network.isBeingBuilt = false }
        buildMappingSystem()
        buildProxies()
        let pause = shape.startsWithin / max(1, plan.count)
        for (site, members) in zip(sites, plan) {
            if shape.hasAllFeatures { site.traits = traits() }
            build(site, members)
            if pause > .zero { network.run(pause) }
        }
        for number in 0..<loners { buildLoner(number) }
        startHosts()
    }

    private func traits() -> Site.Traits {
        var traits = Site.Traits()
        traits.probing = RLOCProbingSettings(isEnabled: true, interval: shape.probeInterval)
        traits.echoNonce = random.chance(perMille: 250)
        traits.locatorStatusBits = random.chance(perMille: 500)
        traits.acceptMapData = random.chance(perMille: 500) ? .verify : .off
        if random.chance(perMille: 500) { traits.proxyETRs = someProxyETRs() }
        return traits
    }

    package func site(of node: SimulatedRouter) -> Site? { siteOf[node.index] }

    var limits: RouterLimits { shape.hasSmallLimits ? WorldShape.smallLimits : RouterLimits() }

    // MARK: The mapping system

    private static func address(_ family: AddressFamily, server number: Int) -> IPAddress {
        switch family {
        case .ipv4: .v4(IPv4Address(0xc000_0200 + UInt32(number)))
        case .ipv6: .v6(IPv6Address(UInt128(0x2a02_00ff) << 96 | UInt128(number)))
        }
    }

    private static func addresses(server number: Int) -> [IPAddress] {
        AddressFamily.allCases.map { address($0, server: number) }
    }

    private func buildMappingSystem() {
        for server in 0..<shape.mapServers {
            var settings = RouterSettings(mapServer: mapServerSettings(server))
            if isAllInOne { settings.mapResolver = MapResolverSettings() }
            let node = add(
                isAllInOne ? "all" : "ms\(server)",
                Self.addresses(server: 1 + server),
                settings,
                as: isAllInOne ? [.mapServer, .mapResolver, .itr, .etr] : [.mapServer]
            )
            mapServers.append(node)
            if isAllInOne {
                mapResolvers.append(node)
                if let site = sites.last { join(node, site) }
            }
        }
        guard !isAllInOne else { return }
        for resolver in 0..<shape.mapResolvers {
            let settings = RouterSettings(
                mapResolver: MapResolverSettings(
                    mapServers: mapServers.indices.map { server in
                        MapServerRoute(
                            address: mapServers[server].addresses[random.below(2)],
                            eids: space(of: server)
                        )
                    },
                    hasLocalMapServer: false
                )
            )
            let addresses = Self.addresses(server: 101 + resolver)
            mapResolvers.append(add("mr\(resolver)", addresses, settings, as: [.mapResolver]))
        }
    }

    /// The blocks of a Map-Server's sites, as few as they can be told in.
    func space(of server: Int) -> [EIDPrefix] {
        let bits = UInt8(sitesPerServer.trailingZeroBitCount)
        let first = UInt128(server * sitesPerServer)
        return [UInt32(0), 101].flatMap { instance in
            let instanceID = InstanceID(uncheckedRawValue: instance)
            return [
                EIDPrefix(
                    instanceID: instanceID,
                    IPPrefix(family: .ipv4, leftAligned: (UInt128(0x0a00_0000) + first << 10) << 96, length: 22 - bits)
                ),
                EIDPrefix(
                    instanceID: instanceID,
                    IPPrefix(
                        family: .ipv6,
                        leftAligned: UInt128(0x2001_0db8) << 96 | first << 80,
                        length: 48 - bits
                    )
                ),
            ]
        }
    }

    private func mapServerSettings(_ server: Int) -> MapServerSettings {
        MapServerSettings(
            eidSpace: space(of: server),
            sites: sites.filter { $0.mapServer == server }.map { site in
                var eids = [
                    SiteEID(
                        prefix: site.block,
                        acceptMoreSpecifics: true,
                        action: random.chance(perMille: 200) ? .drop : .nativelyForward
                    )
                ]
                if site.hasIPv6 { eids.append(SiteEID(prefix: site.block6)) }
                return SiteSettings(
                    name: "site-\(site.index)",
                    keys: [site.key],
                    nonceCheck: random.chance(perMille: 300) ? .strict : .auto,
                    eids: eids
                )
            }
        )
    }

    @discardableResult
    func add(
        _ name: String,
        _ addresses: [IPAddress],
        _ settings: RouterSettings,
        as roles: Set<SeededFault.Role>,
        acceptedSources: [EIDPrefix] = []
    ) -> SimulatedRouter {
        let fault = shape.fault.flatMap { $0.concerns(roles) ? $0.behaviour() : nil }
        let node = network.add(
            name,
            addresses,
            settings,
            limits: limits,
            acceptedSources: acceptedSources,
            fault: fault
        )
        node.link.delay = random.duration(upTo: .milliseconds(40))
        if shape.hasAllFeatures {
            let mtu = Self.linkMTU(using: &mtuRandom)
            linkMTUs[node.index] = mtu
            network.setLinkMTU(mtu, of: node)
        }
        return node
    }

    // MARK: Sites

    private func build(_ site: Site, _ members: Int) {
        for number in 0..<members {
            let name = "xtr\(site.index)" + (members > 1 ? ["a", "b"][number] : "")
            join(add(name, newRLOCs(), RouterSettings(), as: [.itr, .etr]), site)
        }
    }

    private func join(_ node: SimulatedRouter, _ site: Site) {
        site.members.append(node)
        site.preferences.append((UInt8(1 + random.below(2)), UInt8(random.below(3) * 50)))
        siteOf[node.index] = site
        itrs.append(node)
        if site.members.count == 1 {
            site.prefixes = [(site.block, ttl())]
            if site.hasIPv6 { site.prefixes.append((site.block6, ttl())) }
        }
        apply(site)
    }

    private func buildLoner(_ number: Int) {
        let rlocs = newRLOCs()
        let settings = RouterSettings(itr: itrSettings(rlocs, Site.Traits()))
        itrs.append(add("itr\(number)", rlocs, settings, as: [.itr]))
    }

    func ttl() -> UInt32 { UInt32.random(in: shape.ttlMinutes, using: &random) }

    /// Of an access link: Ethernet's most of the time, else PPPoE's, a tunnel's, the least for IPv6, less than that.
    static func linkMTU(using random: inout SeededRandom) -> Int {
        switch random.below(100) {
        case 0..<60: SimulatedNetwork.interfaceMTU
        case 60..<72: 1492
        case 72..<84: 1400
        case 84..<94: 1280
        default: 700 + random.below(500)
        }
    }

    /// New RLOCs: IPv4, IPv6 or both.
    func newRLOCs() -> [IPAddress] {
        defer { nextRLOC += 1 }
        let v4 = IPAddress.v4(IPv4Address(0xc612_0000 + UInt32(nextRLOC)))
        let v6 = IPAddress.v6(IPv6Address(UInt128(0x2a02_00fe) << 96 | UInt128(nextRLOC)))
        let kind = random.below(10)
        return kind < 6 ? [v4] : kind < 9 ? [v4, v6] : [v6]
    }

    func itrSettings(_ rlocs: [IPAddress], _ traits: Site.Traits) -> ITRSettings {
        let resolvers = mapResolvers.compactMap { node in
            node.addresses.first { address in rlocs.contains { $0.family == address.family } }
        }
        let start = random.below(max(1, resolvers.count))
        return ITRSettings(
            mapResolvers: Array(resolvers[start...] + resolvers[..<start]),
            rlocs: rlocs,
            mapCacheLimit: shape.hasSmallLimits ? WorldShape.smallMapCache : 100_000,
            mapRequestLimits: shape.hasSmallLimits ? WorldShape.smallMapRequestLimits : .init(),
            rlocProbing: traits.probing,
            proxyETRs: traits.proxyETRs,
            echoNonce: traits.echoNonce,
            acceptMapData: traits.acceptMapData,
            locatorStatusBits: traits.locatorStatusBits
        )
    }

    /// Tells all routers of a site what they are to say.
    func apply(_ site: Site) {
        for node in site.members { apply(site, to: node, addresses: node.addresses) }
    }

    /// An interface of the router gets another address; its site says so at once.
    func move(_ node: SimulatedRouter, of site: Site) {
        apply(site, to: node, addresses: newRLOCs())
        for other in site.members where other !== node { apply(site, to: other, addresses: other.addresses) }
    }

    func apply(_ site: Site, to node: SimulatedRouter, addresses: [IPAddress]) {
        let families = Set(addresses.map(\.family))
        let server = mapServers[site.mapServer].addresses.first { families.contains($0.family) }
        var settings = node.settings
        settings.itr =
            settings.itr.map { old in
                old.rlocs == addresses ? old : itrSettings(addresses, site.traits)
            } ?? itrSettings(addresses, site.traits)
        settings.locatorStatus.isEnabled = site.traits.locatorStatusBits
        settings.etr = ETRSettings(
            mappings: site.prefixes.map { prefix in
                DatabaseMapping(
                    eid: prefix.eid,
                    ttlMinutes: prefix.ttlMinutes,
                    locators: zip(site.members, site.preferences).flatMap { member, preference in
                        (member === node ? addresses : member.addresses).map { address in
                            DatabaseLocator(
                                address: address,
                                priority: preference.priority,
                                weight: preference.weight,
                                isLocal: member === node
                            )
                        }
                    }
                )
            },
            mapServers: server.map {
                [
                    MapServerPeer(
                        address: $0,
                        keys: [site.key],
                        proxyReply: site.wantsProxyReply,
                        merge: site.wantsMerge
                    )
                ]
            } ?? [],
            xtrID: XTRID(rawValue: UInt128(1000 + node.index)),
            siteID: SiteID(rawValue: UInt64(site.index)),
            rlocs: addresses,
            echoNonce: site.traits.echoNonce
        )
        network.reconfigure(node, settings, addresses: addresses)
    }

    package func silenceHosts() { hostsAreSilent = true }
}
