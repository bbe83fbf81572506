// Tables of any size to measure: EID-prefixes that lie scattered, and a hundred of them for each site, as far as there are that
// many.

import ForwardingInterface
import LISPTables
import LISPWire

enum TableSamples {
    /// The n-th of up to 2^24 different /24, all over the address space.
    static func prefix(_ number: Int) -> EIDPrefix {
        EIDPrefix(IPPrefix(family: .ipv4, leftAligned: host(number).address.leftAligned, length: 24))
    }

    /// An address in it. Multiplying by an odd number maps 24 bits one to one.
    static func host(_ number: Int) -> EID {
        let scattered = UInt32(truncatingIfNeeded: number) &* 0x9e_3779 & 0xff_ffff
        return EID(.v4(IPv4Address(scattered << 8 | 9)))
    }

    static func prefixTable(_ size: Int) -> PrefixTable<UInt32> {
        var table = PrefixTable<UInt32>()
        for number in 0..<size { table[prefix(number)] = UInt32(number) }
        return table
    }

    // MARK: Map-cache and database

    /// The only locator of the site that the n-th prefix is of.
    static func locators(_ number: Int, of size: Int) -> [LocatorRecord] {
        let site = UInt32(number % max(1, size / 100))
        return [LocatorRecord(priority: 1, weight: 100, address: .ip(.v4(IPv4Address(0xc612_0000 | site))))]
    }

    static func mapCache(_ size: Int) -> MapCache {
        var cache = MapCache(limit: size)
        for number in 0..<size { put(number, of: size, into: &cache, now: .zero) }
        return cache
    }

    static func put(_ number: Int, of size: Int, into cache: inout MapCache, now: Instant) {
        let content = MappingContent(
            action: .noAction,
            mapVersion: 0,
            isAuthoritative: true,
            source: .v4(IPv4Address(0xc000_0235)),
            locators: locators(number, of: size)
        )
        let held = cache.hold(content)
        if held.isNew { cache.setLocators([LocatorID(rawValue: UInt32(number))], of: held.handle) }
        _ = cache.put(
            prefix(number),
            mapping: MappingID(rawValue: UInt32(number)),
            content: held.handle,
            now: now,
            expires: now + .seconds(86_400),
            refreshDue: now + .seconds(77_760)
        )
    }

    static func database(_ size: Int) -> Database {
        let locators = [
            DatabaseLocator(address: .v4(IPv4Address(0xcb00_7101)), priority: 1, weight: 100, isLocal: true)
        ]
        return Database(
            (0..<size).lazy.map { DatabaseMapping(eid: prefix($0), ttlMinutes: 1440, locators: locators) }
        )
    }

    // MARK: Site registry

    private static let key = AuthenticationKey(id: 0, algorithm: .hmacSHA256_128, secret: Array("secret".utf8))

    /// The /24 that a site registers as a part of its own prefix.
    static func sitePrefix(_ number: Int, of size: Int) -> EIDPrefix {
        let (site, part) = (number % siteCount(size), number / siteCount(size))
        return EIDPrefix(
            IPPrefix(family: .ipv4, leftAligned: siteBits(site) | UInt128(part & 0xff) << 104, length: 24)
        )
    }

    /// 10,000 sites at a million registrations.
    private static func siteCount(_ size: Int) -> Int { max(1, (size + 99) / 100) }

    /// Each site has a /16, from 0.0.0.0 on.
    private static func siteBits(_ site: Int) -> UInt128 { UInt128(site) << 112 }

    static func siteRegistry(_ size: Int) -> SiteRegistry {
        var registry = SiteRegistry()
        let eids = (0..<siteCount(size)).map { site in
            (
                site: "site-\(site)",
                eid: SiteEID(
                    prefix: EIDPrefix(IPPrefix(family: .ipv4, leftAligned: siteBits(site), length: 16)),
                    acceptMoreSpecifics: true
                )
            )
        }
        _ = registry.configure(eids, changedSites: []) { _, _ in true }
        for number in 0..<size { _ = register(number, of: size, in: &registry, now: .zero) }
        return registry
    }

    @discardableResult
    static func register(_ number: Int, of size: Int, in registry: inout SiteRegistry, now: Instant)
        -> SiteRegistry.Outcome?
    {
        let prefix = sitePrefix(number, of: size)
        let source = IPAddress.v4(IPv4Address(0xc612_0000 | UInt32(number % siteCount(size))))
        let registration = ETRRegistration(
            etr: .named(XTRID(rawValue: UInt128(number % siteCount(size))), SiteID(rawValue: 1)),
            source: Endpoint(source, LISPPort.control),
            local: .v4(IPv4Address(0xc000_0235)),
            record: EIDRecord(
                eidPrefix: prefix,
                ttlMinutes: 1440,
                locators: [LocatorRecord(priority: 1, weight: 100, isLocal: true, address: .ip(source))]
            ),
            wantsProxyReply: false,
            wantsMerge: false,
            wantsMapNotify: true,
            nonce: Nonce(rawValue: UInt64(number)),
            key: key,
            registered: now,
            expires: now + .seconds(180)
        )
        return register(registration, for: prefix, in: &registry)
    }

    /// Once more, for as long as before.
    static func register(
        again last: ETRRegistration,
        for prefix: EIDPrefix,
        in registry: inout SiteRegistry,
        now: Instant
    ) {
        var registration = last
        registration.expires = now + last.lastRegistered.duration(to: last.expires)
        registration.firstRegistered = now
        registration.lastRegistered = now
        _ = register(registration, for: prefix, in: &registry)
    }

    private static func register(
        _ registration: ETRRegistration,
        for prefix: EIDPrefix,
        in registry: inout SiteRegistry
    ) -> SiteRegistry.Outcome? {
        guard case .accepted(let match) = registry.acceptance(of: prefix) else { return nil }
        return registry.register(registration, for: prefix, in: match)
    }
}
