// What managed objects say of the configuration beyond what it says now: since when each part is as it is, and some of it in another
// order. Worked out when the configuration or the host's addresses change, not when somebody asks.

import LISPConfiguration
import LISPTables
import LISPWire
import ManagedObjects

struct ManagedConfiguration {
    /// An EID-prefix of this site.
    struct OwnPrefix {
        var since: Instant
        var locatorSet: String
        /// Since it has this set.
        var setSince: Instant
    }

    private(set) var services: [ServiceKey] = []
    private(set) var serviceSince: [ServiceKey: Instant] = [:]
    /// The least Record TTL of the database's EID-prefixes.
    private(set) var ttlMinutes: [ServiceKey: UInt32] = [:]
    private(set) var own: [EIDPrefix: OwnPrefix] = [:]
    /// By locator set.
    private(set) var setLocators: [String: [IPAddress: Instant]] = [:]
    private(set) var locators: [IPAddress: Instant] = [:]
    /// Shorter ones first.
    private(set) var siteNames: [[UInt8]] = []
    /// The configured EID-prefixes of each site, by family.
    private(set) var siteEIDs: [[UInt8]: [EIDPrefix]] = [:]

    /// The configuration is another one.
    mutating func update(_ configuration: RouterConfiguration, _ host: ResolvedHost, now: Instant) {
        services = configuration.servedInstances.sorted().flatMap { instance in
            AddressFamily.allCases.map { ServiceKey(instance, $0) }
        }
        serviceSince = Self.keep(serviceSince, services, now)
        updateDatabase(configuration, now: now)
        update(host, now: now)
        updateSites(configuration)
    }

    /// The host has other addresses.
    mutating func update(_ host: ResolvedHost, now: Instant) {
        locators = Self.keep(locators, host.locators.map(\.address), now)
        let sets = Dictionary(grouping: host.locators, by: \.locatorSet)
        setLocators = sets.reduce(into: [:]) { result, set in
            result[set.key] = Self.keep(setLocators[set.key] ?? [:], set.value.map(\.address), now)
        }
    }

    private mutating func updateDatabase(_ configuration: RouterConfiguration, now: Instant) {
        ttlMinutes = [:]
        let before = own
        own = [:]
        for entry in configuration.database {
            let eid = entry.eidPrefix
            let key = ServiceKey(eid.instanceID, eid.prefix.family)
            ttlMinutes[key] = min(ttlMinutes[key] ?? .max, entry.ttlMinutes)
            let old = before[eid]
            own[eid] = OwnPrefix(
                since: old?.since ?? now,
                locatorSet: entry.locatorSet,
                setSince: old.flatMap { $0.locatorSet == entry.locatorSet ? $0.setSince : nil } ?? now
            )
        }
    }

    private mutating func updateSites(_ configuration: RouterConfiguration) {
        siteEIDs = [:]
        // There may be very many, which only managed objects want in this order.
        for site in configuration.snmp == nil ? [] : configuration.mapServer?.sites ?? [] {
            siteEIDs[Array(site.name.utf8)] = site.eids.map(\.eidPrefix).sorted { a, b in
                a.prefix.family != b.prefix.family ? a.prefix.family < b.prefix.family : a < b
            }
        }
        siteNames = siteEIDs.keys.sorted { a, b in
            a.count != b.count ? a.count < b.count : a.lexicographicallyPrecedes(b)
        }
    }

    /// The keys that are there now, those that were there before with the time that they came.
    private static func keep<Key: Hashable>(
        _ known: [Key: Instant],
        _ keys: some Sequence<Key>,
        _ now: Instant
    ) -> [Key: Instant] {
        Dictionary(keys.map { ($0, known[$0] ?? now) }, uniquingKeysWith: { $1 })
    }
}

extension RouterConfiguration {
    /// The instances that this router has to do with: its own, and those of its Map-Server's sites.
    var servedInstances: Set<InstanceID> {
        Set(instances.map(\.id)).union((mapServer?.sites ?? []).flatMap { $0.eids.map(\.eidPrefix.instanceID) })
    }
}
