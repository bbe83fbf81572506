import ForwardingInterface
import LISPWire
import TestRandomness

@testable import ManagedObjects

/// A router with random tables, and its rows as a plain list for comparison.
struct RandomModel {
    var generator: SeededGenerator
    var cache: [EIDPrefix: [(LISPAddress, CachedLocator)]] = [:]
    var own: [EIDPrefix: [(LISPAddress, OwnLocator)]] = [:]
    /// By site, EID-prefix and ETR.
    var sites: [String: [EIDPrefix: [(IPAddress, [LISPAddress])]]] = [:]
    var services: [ServiceKey] = []
    var peers: [LISPAddress] = []

    init(seed: UInt64, size: Int) {
        generator = SeededGenerator(seed: seed)
        for _ in 0..<size { cache[eid()] = locators().map { ($0, cachedLocator()) } }
        for _ in 0..<size / 4 { own[eid()] = locators().map { ($0, ownLocator()) } }
        for number in 0..<size / 8 {
            var eids: [EIDPrefix: [(IPAddress, [LISPAddress])]] = [:]
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                var etrs: [(IPAddress, [LISPAddress])] = []
                for _ in 0..<Int.random(in: 0...3, using: &generator) {
                    let sender = address()
                    if !etrs.contains(where: { $0.0 == sender }) { etrs.append((sender, locators())) }
                }
                let eid = eid()
                if !sites.values.contains(where: { $0[eid] != nil }) { eids[eid] = etrs }
            }
            let name = String(repeating: "s", count: Int.random(in: 0...20, using: &generator)) + "\(number)"
            sites[name] = eids
        }
        for instance in [0, 1, 7, 300, 0xff_ffff] as [UInt32] {
            for family in AddressFamily.allCases where Bool.random(using: &generator) {
                services.append(ServiceKey(InstanceID(uncheckedRawValue: instance), family))
            }
        }
        for _ in 0..<5 { peers.append(.ip(address())) }
        peers = Array(Set(peers))
    }

    // MARK: Random values

    mutating func address() -> IPAddress {
        let bits = UInt128(generator.next()) << 64 | UInt128(generator.next())
        // Neighbours, so that prefixes cover each other.
        let mask: UInt128 = Bool.random(using: &generator) ? .max : 0xc000_0001 << 96
        return IPAddress(family: Bool.random(using: &generator) ? .ipv4 : .ipv6, leftAligned: bits & mask)
    }

    mutating func eid() -> EIDPrefix {
        let address = address()
        let lengths: [UInt8] = [0, 1, 2, 8, 24, 31, 32, 64, 127, 128].filter { $0 <= address.family.bitWidth }
        let instances: [UInt32] = [0, 0, 0, 1, 2, 255, 256, 0xff_ffff]
        return EIDPrefix(
            instanceID: InstanceID(uncheckedRawValue: instances.randomElement(using: &generator)!),
            IPPrefix(address, length: lengths.randomElement(using: &generator)!)!
        )
    }

    mutating func locators() -> [LISPAddress] {
        var found: [LISPAddress] = []
        for _ in 0..<Int.random(in: 0...4, using: &generator) {
            let next: LISPAddress =
                switch Int.random(in: 0...9, using: &generator) {
                case 0: .mac(MACAddress(generator.next()))
                case 1: .distinguishedName(Array(repeating: 65, count: Int.random(in: 1...60, using: &generator)))
                case 2: .instance(InstanceID(uncheckedRawValue: 7), maskLength: 0, .ip(address()))
                case 3:
                    .lcaf(
                        CanonicalAddress(
                            type: 99,
                            body: Array(repeating: 1, count: Int.random(in: 0...60, using: &generator))
                        )
                    )
                default: .ip(address())
                }
            if !found.contains(next) { found.append(next) }
        }
        return found
    }

    mutating func preference() -> Preference {
        Preference(
            priority: UInt8.random(in: 0...255, using: &generator),
            weight: UInt8.random(in: 0...255, using: &generator)
        )
    }

    mutating func cachedLocator() -> CachedLocator {
        CachedLocator(
            preference: preference(),
            state: .up,
            age: .seconds(Int.random(in: 0...99, using: &generator)),
            traffic: nil
        )
    }

    mutating func ownLocator() -> OwnLocator {
        OwnLocator(preference: preference(), state: .down, isSelf: true, age: .seconds(1), traffic: MappingCounters())
    }

    // MARK: As a model

    static func precedes(_ a: EIDPrefix, _ b: EIDPrefix) -> Bool {
        a.prefix.family != b.prefix.family ? a.prefix.family < b.prefix.family : a < b
    }

    static func table<Value, Row>(_ values: [EIDPrefix: Value], _ row: @escaping (Value) -> Row) -> EIDTable<Row> {
        let keys = values.keys.sorted(by: precedes)
        return EIDTable(
            at: { values[$0].map(row) },
            after: { key in
                let next = key.map { key in keys.first { precedes(key, $0) } } ?? keys.first
                guard let next, let value = values[next] else { return nil }
                return (next, row(value))
            }
        )
    }

    static func list<Row>(_ rows: [(LISPAddress, Row)]) -> RowList<Row> {
        RowList(rows.map(\.0)) { rows[$0].1 }
    }

    static let preference = Preference(priority: 1, weight: 200)
    static let registered = RegisteredLocator(isReachable: true, isLocal: false, preference: preference)

    private static func etrs(_ etrs: [(IPAddress, [LISPAddress])]) -> RegisteringETRs {
        let row = RegisteringETR(
            lastRegisterAge: .seconds(3),
            ttlMinutes: 1440,
            wantsProxyReply: false,
            wantsMapNotify: true
        )
        return RegisteringETRs(RowList(etrs.map { .ip($0.0) }) { _ in row }) { index in
            RowList(etrs[index].1) { _ in registered }
        }
    }

    static func siteEID(_ site: String) -> SiteEID {
        SiteEID(
            site: site,
            description: nil,
            isRegistered: true,
            firstRegisterAge: .seconds(9),
            lastRegisterAge: nil,
            lastSender: IPAddress("192.0.2.1"),
            authenticationErrors: 1,
            locatorMismatches: 2
        )
    }

    var model: LISPModel {
        let (cache, own, sites, services, peers) = (cache, own, sites, services, peers)
        var registrations: [EIDPrefix: (site: String, etrs: [(IPAddress, [LISPAddress])])] = [:]
        for (site, eids) in sites { for (eid, etrs) in eids { registrations[eid] = (site, etrs) } }
        let names = sites.keys.map { Array($0.utf8) }.sorted { a, b in
            a.count != b.count ? a.count < b.count : a.lexicographicallyPrecedes(b)
        }
        func site(_ name: [UInt8]) -> [EIDPrefix: [(IPAddress, [LISPAddress])]] {
            sites[String(decoding: name, as: UTF8.self)] ?? [:]
        }
        return LISPModel(
            timeStamp: { UInt32($0.components.seconds) },
            services: { services },
            service: { _ in Service() },
            messages: { _ in MessageCounts() },
            vrfs: { [(7, "red"), (300, "blue")] },
            database: Self.table(own) { _ in
                OwnMapping(statusBits: 3, isPartitioned: nil, age: .zero, traffic: nil)
            },
            databaseLocators: Self.table(own, Self.list),
            mapCache: Self.table(cache) { _ in
                CachedMapping(age: .seconds(5), remaining: nil, isActive: true, isAuthoritative: true, traffic: nil)
            },
            mapCacheLocators: Self.table(cache, Self.list),
            configuredLocators: {
                RowList(peers) { _ in ConfiguredLocator(state: .up, isSelf: true, age: .zero, traffic: nil) }
            },
            registrations: Self.table(registrations) { Self.siteEID($0.site) },
            registeringETRs: Self.table(registrations) { Self.etrs($0.etrs) },
            siteNames: { names },
            siteEIDs: { name in Self.table(site(name)) { _ in Self.siteEID("") } },
            siteLocators: { name in
                Self.table(site(name)) { etrs in
                    var seen: [LISPAddress: IPAddress] = [:]
                    for (sender, locators) in etrs { for locator in locators { seen[locator] = sender } }
                    return Self.list(
                        seen.map { locator, sender in
                            (
                                locator,
                                SiteLocator(
                                    locator: Self.registered,
                                    firstRegisterAge: .seconds(5),
                                    lastRegisterAge: .seconds(1),
                                    sender: sender,
                                    wantsProxyReply: true
                                )
                            )
                        }
                    )
                }
            },
            mapServers: { RowList(peers) { _ in MapServerState(state: .unreachable) } },
            mapResolvers: { RowList(peers) { _ in MapResolverState(isUp: false) } },
            proxyETRs: { RowList(peers) { _ in ProxyETR(preference: Self.preference, isUp: true) } }
        )
    }
}
