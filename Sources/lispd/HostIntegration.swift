// How the daemon sits in its host: which addresses are its locators, which rules and routes it wants, and their upkeep.

import HostRouting
import LISPConfiguration
import LISPTables
import LISPWire
import LinuxNetwork

/// An RLOC of the site as the host has it now.
struct ResolvedLocator: Hashable {
    var address: IPAddress
    var priority: UInt8
    var weight: UInt8
    /// The interface that has the address; `nil` for an address of another ETR of the site.
    var interface: String?
    /// Whether the link of the interface is up; so for an address of another ETR.
    var isUp = true
    /// The set that it is in.
    var locatorSet: String
}

/// A configured locator that has no address now, for the status.
struct UnresolvedLocator: Hashable {
    var interface: String
    var locatorSet: String
    var reason: String
}

/// What the host's interfaces make of the configured locators.
struct ResolvedHost: Hashable {
    var locators: [ResolvedLocator] = []
    var unresolved: [UnresolvedLocator] = []
    /// Our own RLOCs, IPv4 first.
    var rlocs: [IPAddress] = []
    /// The families that this host has usable addresses of.
    var families: Set<AddressFamily> = []
    /// For each instance, this host's addresses inside its EID-prefixes.
    var ownAddresses: [InstanceID: [IPAddress]] = [:]
    /// For TUNs: the smallest MTU of the locators' interfaces less the outer headers.
    var tunMTU: UInt32 = 1500 - 36

    func locators(inSet name: String) -> [DatabaseLocator] {
        locators.filter { $0.locatorSet == name }.map {
            DatabaseLocator(
                address: $0.address,
                priority: $0.priority,
                weight: $0.weight,
                isLocal: $0.interface != nil
            )
        }
    }
}

/// The host's side of the daemon. Used by the control loop only.
final class HostIntegration {
    /// Outer IP, UDP and LISP headers (RFC 9300 section 5).
    private static let overhead: [AddressFamily: UInt32] = [.ipv4: 36, .ipv6: 56]
    /// IPv6 needs links of this size (RFC 8200 section 5).
    private static let smallestMTU: UInt32 = 1280

    private let applier: HostRoutingApplier
    private(set) var notes: [HostNote] = []
    /// What the host was last told to be.
    private(set) var state: HostState = [:]

    /// As many prefixes as can get a route, and how many more there are.
    private struct Prefixes {
        let limit: Int
        private(set) var listed: Set<IPPrefix> = []
        private(set) var unlisted = 0

        init(limit: Int) { self.limit = limit }

        mutating func add(_ prefix: IPPrefix) {
            if listed.count < limit { listed.insert(prefix) } else { unlisted += 1 }
        }

        mutating func remove(_ prefix: IPPrefix) {
            if listed.remove(prefix) == nil { unlisted -= 1 }
        }
    }

    /// EID-prefixes of other sites that hosts can be reached in.
    private var remoteEIDs: [EIDTableKey: Prefixes] = [:]
    /// Prefixes that nothing is to be encapsulated to.
    private var negativePrefixes: [EIDTableKey: Prefixes] = [:]

    init(tenants: [String]) throws {
        applier = try HostRoutingApplier(tenants: tenants)
    }

    /// What a killed daemon left behind goes.
    ///
    /// - Returns: how many rules and routes there were.
    func removeAll() throws -> Int {
        try applier.removeAll()
    }

    func moveTUN(_ name: String, toNamespace namespace: String) throws {
        try applier.moveLink(name, to: .tenant(namespace))
    }

    func links() throws -> [NetworkLink] { try applier.mainSocket.links() }

    func links(of instance: InstanceConfiguration) throws -> [NetworkLink] {
        try applier.socket(of: Self.space(instance)).links()
    }

    /// Reads the host's interfaces and addresses and finds the locators among them.
    func resolve(_ configuration: RouterConfiguration) throws -> ResolvedHost {
        let socket = try applier.mainSocket
        let links = try socket.links()
        let addresses = try socket.addresses()
        var host = ResolvedHost()
        host.families = Set(addresses.filter(\.isUsable).map(\.address.family))
        for instance in configuration.instances {
            host.ownAddresses[instance.id] = ownAddresses(
                among: try hostAddresses(in: Self.space(instance)),
                in: Self.prefixes(configuration, instance.id)
            )
        }
        // EID-prefixes of a tenant may well look like RLOCs here: its addresses are elsewhere.
        let here = Set(configuration.instances.filter { Self.space($0) == .main }.map(\.id))
        let eids = configuration.database.map(\.eidPrefix).filter { here.contains($0.instanceID) }.map(\.prefix)
        for set in configuration.locatorSets {
            for locator in set.locators {
                switch locator.place {
                case .address(let address):
                    let index = addresses.first { $0.address == address }?.interfaceIndex
                    host.add(locator, address, links.first { $0.index == index }, set.name)
                case .interface(let name):
                    guard let link = links.first(where: { $0.name == name }) else {
                        host.leaveOut(name, set.name, "the interface does not exist")
                        continue
                    }
                    let usable = addresses.filter { address in
                        address.interfaceIndex == link.index && address.isUsable && !address.isTemporary
                            && !eids.contains { $0.contains(address.address) }
                    }
                    if usable.isEmpty { host.leaveOut(name, set.name, "the interface has no usable address") }
                    for address in usable { host.add(locator, address.address, link, set.name) }
                }
            }
        }
        host.rlocs = Array(Set(host.locators.filter { $0.interface != nil }.map(\.address))).sorted()
        let used = Set(host.locators.compactMap(\.interface))
        let mtu = links.filter { used.contains($0.name) }.map(\.mtu).min() ?? 1500
        let overhead = host.rlocs.contains { $0.family == .ipv6 } ? Self.overhead[.ipv6] : Self.overhead[.ipv4]
        host.tunMTU = max(mtu - min(mtu, overhead ?? 0), Self.smallestMTU)
        return host
    }

    private func hostAddresses(in space: HostSpace) throws -> [HostAddress] {
        let socket = try applier.socket(of: space)
        let names = Dictionary(try socket.links().map { ($0.index, $0.name) }, uniquingKeysWith: { $1 })
        return try socket.addresses().map {
            HostAddress(
                $0.address,
                interface: names[$0.interfaceIndex] ?? "",
                interfaceIndex: $0.interfaceIndex,
                isUsable: $0.isUsable
            )
        }
    }

    static func space(_ instance: InstanceConfiguration) -> HostSpace {
        instance.namespace.map(HostSpace.tenant) ?? .main
    }

    static func tun(_ instance: InstanceID) -> String { "lisp\(instance.rawValue)" }

    private static func prefixes(_ configuration: RouterConfiguration, _ instance: InstanceID) -> [IPPrefix] {
        prefixes(configuration.database.map(\.eidPrefix), instance)
    }

    private static func prefixes(_ eids: [EIDPrefix], _ instance: InstanceID) -> [IPPrefix] {
        eids.filter { $0.instanceID == instance }.map(\.prefix)
    }

    func remoteEIDKnown(_ eid: EIDPrefix) {
        remoteEIDs[EIDTableKey(eid), default: Prefixes(limit: HostNumbers.knownRouteLimit)].add(eid.prefix)
    }

    func remoteEIDForgotten(_ eid: EIDPrefix) {
        remoteEIDs[EIDTableKey(eid)]?.remove(eid.prefix)
    }

    func negativePrefixKnown(_ eid: EIDPrefix) {
        negativePrefixes[EIDTableKey(eid), default: Prefixes(limit: HostNumbers.negativeRouteLimit)].add(eid.prefix)
    }

    func negativePrefixForgotten(_ eid: EIDPrefix) {
        negativePrefixes[EIDTableKey(eid)]?.remove(eid.prefix)
    }

    /// Brings rules, routes, sysctls and TUNs into the state that the configuration wants.
    ///
    /// - Parameter rereading: the host may have changed behind our back; look first.
    func apply(_ configuration: RouterConfiguration, _ host: ResolvedHost, rereading: Bool) throws {
        var roles: HostRoles = []
        if configuration.roles.contains(.itr) { roles.insert(.itr) }
        if configuration.roles.contains(.etr) { roles.insert(.etr) }
        if configuration.roles.contains(.proxyITR) { roles.insert(.proxyITR) }
        if configuration.roles.contains(.proxyETR) { roles.insert(.proxyETR) }
        guard !roles.isEmpty else { return }
        let plan = HostPlan(
            HostIntent(
                roles: roles,
                whenDown: configuration.whenDown == .native ? .native : .unreachable,
                instances: configuration.instances.map { instance in
                    InstanceIntent(
                        instanceID: instance.id,
                        tun: Self.tun(instance.id),
                        space: Self.space(instance),
                        mtu: host.tunMTU,
                        ownPrefixes: Self.prefixes(configuration, instance.id),
                        ownAddresses: host.ownAddresses[instance.id, default: []],
                        knownRemoteEIDs: Self.listed(remoteEIDs, instance.id),
                        unlistedRemoteEIDs: Self.unlisted(remoteEIDs, instance.id),
                        negativePrefixes: Self.listed(negativePrefixes, instance.id),
                        unlistedNegativePrefixes: Self.unlisted(negativePrefixes, instance.id),
                        attractedSpace: Self.prefixes(configuration.proxyITR?.eidSpace ?? [], instance.id),
                        attractedSources: Self.space(instance) == .main ? host.rlocs : [],
                        acceptedSources: Self.prefixes(configuration.proxyETR?.acceptSources ?? [], instance.id)
                    )
                }
            )
        )
        notes = plan.notes
        state = plan.state
        try applier.apply(plan, rereading: rereading)
    }

    private static func listed(_ table: [EIDTableKey: Prefixes], _ instance: InstanceID) -> [IPPrefix] {
        AddressFamily.allCases.flatMap { table[EIDTableKey(instance, $0)]?.listed.sorted() ?? [] }
    }

    private static func unlisted(_ table: [EIDTableKey: Prefixes], _ instance: InstanceID) -> [AddressFamily: Int] {
        Dictionary(
            uniqueKeysWithValues: AddressFamily.allCases.map { family in
                (family, table[EIDTableKey(instance, family)]?.unlisted ?? 0)
            }
        )
    }

    /// What in the host's own settings stands in the way.
    func warnings(_ configuration: RouterConfiguration, _ host: ResolvedHost) -> [String] {
        guard configuration.isTunnelRouter else { return [] }
        let eids =
            configuration.database.map(\.eidPrefix) + (configuration.proxyITR?.eidSpace ?? [])
            + (configuration.proxyETR?.acceptSources ?? [])
        let interfaces = Set(host.locators.compactMap(\.interface)).sorted()
        let ownProxies = configuration.proxyETRs.map(\.address).filter(host.rlocs.contains)
        return hostWarnings(families: Set(eids.map(\.prefix.family)), locatorInterfaces: interfaces)
            + ownProxies.map { "Proxy-ETR \($0) is this router: it is not used" }
            + notes.map(\.description)
    }
}

extension ResolvedHost {
    fileprivate mutating func add(
        _ locator: LocatorConfiguration,
        _ address: IPAddress,
        _ link: NetworkLink?,
        _ set: String
    ) {
        guard !locators.contains(where: { $0.address == address && $0.locatorSet == set }) else { return }
        locators.append(
            ResolvedLocator(
                address: address,
                priority: locator.priority,
                weight: locator.weight,
                interface: link?.name,
                isUp: link.map { $0.isUp && $0.hasCarrier } ?? true,
                locatorSet: set
            )
        )
    }

    fileprivate mutating func leaveOut(_ interface: String, _ set: String, _ reason: String) {
        unresolved.append(UnresolvedLocator(interface: interface, locatorSet: set, reason: reason))
    }
}
