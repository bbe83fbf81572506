// What is registered where, by whom, until when.

import LISPTables
import LISPWire
import Testing

@Suite struct SiteRegistryTests {
    private static let key = AuthenticationKey(id: 0, algorithm: .hmacSHA256_128, secret: [1])

    private static func prefix(_ text: String) -> EIDPrefix { EIDPrefix(IPPrefix(text)!) }

    private static func registry(_ eids: [SiteEID], limits: SiteRegistry.Limits = .init()) -> SiteRegistry {
        var registry = SiteRegistry(limits: limits)
        _ = registry.configure(eids.map { (site: "site", eid: $0) }, changedSites: []) { _, _ in true }
        return registry
    }

    private static func registration(
        _ prefix: String,
        etr: UInt128 = 1,
        locators: [String] = ["192.0.2.1"],
        merge: Bool = false,
        at seconds: Int64 = 0
    ) -> ETRRegistration {
        let now = Instant.zero + .seconds(seconds)
        return ETRRegistration(
            etr: .named(XTRID(rawValue: etr), SiteID(rawValue: 0)),
            source: Endpoint(IPAddress("192.0.2.1")!, 4342),
            local: IPAddress("192.0.2.53")!,
            record: EIDRecord(
                eidPrefix: Self.prefix(prefix),
                ttlMinutes: 60,
                locators: locators.map { LocatorRecord(priority: 1, weight: 1, address: .ip(IPAddress($0)!)) }
            ),
            wantsProxyReply: false,
            wantsMerge: merge,
            wantsMapNotify: false,
            nonce: Nonce(rawValue: 1),
            key: Self.key,
            registered: now,
            expires: now + .seconds(180)
        )
    }

    /// Registers as the Map-Server does; `nil` if the prefix is not accepted.
    private static func register(
        _ registration: ETRRegistration,
        in registry: inout SiteRegistry
    ) -> SiteRegistry.Outcome? {
        guard let prefix = registration.record.eidPrefix, case .accepted(let match) = registry.acceptance(of: prefix)
        else { return nil }
        return registry.register(registration, for: prefix, in: match)
    }

    private static func description(_ answer: SiteRegistry.Answer) -> String {
        switch answer {
        case .registered(let prefix, let entry, let configured):
            "registered \(prefix) in \(configured.eid.prefix) by \(entry.registrations.count)"
        case .unregistered(let prefix, let configured): "unregistered \(prefix) in \(configured.eid.prefix)"
        case .unconfigured(let prefix): "unconfigured \(prefix)"
        }
    }

    private static func lookup(_ registry: SiteRegistry, _ question: String) -> String {
        let text = question.contains("/") ? question : question + (question.contains(":") ? "/128" : "/32")
        return description(registry.lookup(prefix(text), space: EIDSpace([prefix("10.0.0.0/8")])))
    }

    @Test func `the longest configured prefix decides whether a part is accepted`() {
        var registry = Self.registry([
            SiteEID(prefix: Self.prefix("10.0.0.0/8"), acceptMoreSpecifics: true),
            SiteEID(prefix: Self.prefix("10.1.0.0/16")),
        ])
        #expect(Self.register(Self.registration("10.2.0.0/16"), in: &registry) == .added)
        #expect(Self.register(Self.registration("10.1.0.0/16"), in: &registry) == .added)
        #expect(Self.register(Self.registration("10.1.2.0/24"), in: &registry) == nil)
        #expect(Self.register(Self.registration("11.0.0.0/8"), in: &registry) == nil)
        #expect(Self.register(Self.registration("8.0.0.0/5"), in: &registry) == nil)
    }

    @Test func `the last registration is remembered when it is over, until the prefix goes`() {
        let eid = SiteEID(prefix: Self.prefix("10.1.0.0/16"), acceptMoreSpecifics: true)
        var registry = Self.registry([eid])
        let registration = Self.registration("10.1.0.0/16", at: 7)
        let last = ConfiguredEID.LastRegistration(
            first: .zero + .seconds(5),
            time: .zero + .seconds(7),
            source: registration.source
        )
        #expect(registry.configured[eid.prefix]?.lastRegistration == nil)
        #expect(Self.register(Self.registration("10.1.0.0/16", at: 5), in: &registry) == .added)
        #expect(Self.register(registration, in: &registry) == .refreshed)
        #expect(Self.register(Self.registration("10.1.2.0/24", at: 9), in: &registry) == .added)
        #expect(registry.remove(.init(prefix: eid.prefix, etr: registration.etr)) != nil)
        #expect(registry.configured[eid.prefix]?.lastRegistration == last)
        _ = registry.configure([(site: "site", eid: eid)], changedSites: []) { _, _ in true }
        #expect(registry.configured[eid.prefix]?.lastRegistration == last)
        _ = registry.configure([(site: "other", eid: eid)], changedSites: []) { _, _ in true }
        #expect(registry.configured[eid.prefix]?.lastRegistration == nil)
    }

    @Test func `each ETR has a registration and a time of its own`() {
        var registry = Self.registry([SiteEID(prefix: Self.prefix("10.1.0.0/16"))])
        #expect(Self.register(Self.registration("10.1.0.0/16", etr: 1, at: 0), in: &registry) == .added)
        #expect(Self.register(Self.registration("10.1.0.0/16", etr: 2, at: 60), in: &registry) == .added)
        #expect(Self.register(Self.registration("10.1.0.0/16", etr: 1, at: 100), in: &registry) == .refreshed)
        let changed = Self.registration("10.1.0.0/16", etr: 1, locators: ["192.0.2.9"], at: 110)
        #expect(Self.register(changed, in: &registry) == .changed)
        #expect(
            registry.registered[Self.prefix("10.1.0.0/16")]?.registrations.map(\.firstRegistered) == [
                .zero, .zero + .seconds(60),
            ]
        )
        #expect(registry.nextExpiry == .zero + .seconds(240))
        #expect(registry.popExpired(.zero + .seconds(239))?.key == nil)
        let expired = registry.popExpired(.zero + .seconds(240))
        #expect(expired?.key.etr == .named(XTRID(rawValue: 2), SiteID(rawValue: 0)))
        #expect(expired?.before.registrations.count == 2)
        #expect(registry.registered[Self.prefix("10.1.0.0/16")]?.registrations.count == 1)
        #expect(registry.nextExpiry == .zero + .seconds(290))
    }

    @Test func `a question is answered by what covers it, else by what holds its first address`() {
        var registry = Self.registry([
            SiteEID(prefix: Self.prefix("10.1.0.0/16"), acceptMoreSpecifics: true),
            SiteEID(prefix: Self.prefix("10.1.128.0/17")),
            SiteEID(prefix: Self.prefix("10.2.0.0/16"), action: .drop),
            SiteEID(prefix: Self.prefix("10.2.9.0/24")),
        ])
        #expect(Self.register(Self.registration("10.1.0.0/16"), in: &registry) == .added)
        #expect(Self.register(Self.registration("10.1.2.0/24"), in: &registry) == .added)
        #expect(Self.lookup(registry, "10.1.3.4") == "registered 10.1.0.0/16 in 10.1.0.0/16 by 1")
        #expect(Self.lookup(registry, "10.1.2.4") == "registered 10.1.2.0/24 in 10.1.0.0/16 by 1")
        #expect(Self.lookup(registry, "10.1.2.0/23") == "registered 10.1.0.0/16 in 10.1.0.0/16 by 1")
        #expect(Self.lookup(registry, "10.0.0.0/8") == "unconfigured 10.0.0.0/16")
        // Not served by who registered the prefix around it.
        #expect(Self.lookup(registry, "10.1.128.1") == "unregistered 10.1.128.0/17 in 10.1.128.0/17")
        // A part with another action keeps it.
        #expect(Self.lookup(registry, "10.2.128.1") == "unregistered 10.2.128.0/17 in 10.2.0.0/16")
        #expect(Self.lookup(registry, "10.2.9.1") == "unregistered 10.2.9.0/24 in 10.2.9.0/24")
        #expect(Self.lookup(registry, "10.3.0.1") == "unconfigured 10.3.0.0/16")
        #expect(Self.lookup(registry, "11.0.0.1") == "unconfigured 11.0.0.0/8")
        #expect(Self.lookup(registry, "2001:db8::1") == "unconfigured ::/0")
    }

    @Test func `merging takes the locators of all that ask for it, each once, in order`() {
        var registry = Self.registry([SiteEID(prefix: Self.prefix("10.1.0.0/16"))])
        func register(_ etr: UInt128, _ locators: [String], merge: Bool, at seconds: Int64) {
            let registration = Self.registration("10.1.0.0/16", etr: etr, locators: locators, merge: merge, at: seconds)
            #expect(Self.register(registration, in: &registry) != nil)
        }
        var locators: [String]? {
            registry.registered[Self.prefix("10.1.0.0/16")]?.mapping?.locators.map { "\($0.address.ipAddress!)" }
        }
        register(1, ["192.0.2.1"], merge: false, at: 0)
        register(2, ["192.0.2.2"], merge: false, at: 1)
        #expect(locators == ["192.0.2.2"])
        #expect(registry.registered[Self.prefix("10.1.0.0/16")]?.mergedLocators == nil)
        register(1, ["2001:db8::1", "192.0.2.7"], merge: true, at: 2)
        register(3, ["192.0.2.3", "192.0.2.7"], merge: true, at: 3)
        #expect(locators == ["192.0.2.3", "192.0.2.7", "2001:db8::1"])
    }

    @Test func `what is beyond the limits is refused, what is there may be refreshed`() {
        var limits = SiteRegistry.Limits()
        limits.etrsPerPrefix = 2
        limits.prefixesPerConfigured = 2
        let eid = SiteEID(prefix: Self.prefix("10.1.0.0/16"), acceptMoreSpecifics: true)
        var registry = Self.registry([eid], limits: limits)
        #expect(Self.register(Self.registration("10.1.1.0/24", etr: 1), in: &registry) == .added)
        #expect(Self.register(Self.registration("10.1.1.0/24", etr: 2), in: &registry) == .added)
        #expect(Self.register(Self.registration("10.1.1.0/24", etr: 3), in: &registry) == .full)
        #expect(Self.register(Self.registration("10.1.2.0/24", etr: 1), in: &registry) == .added)
        #expect(Self.register(Self.registration("10.1.3.0/24", etr: 1), in: &registry) == .full)
        #expect(Self.register(Self.registration("10.1.2.0/24", etr: 1), in: &registry) == .refreshed)
        let etr = ETRIdentity.named(XTRID(rawValue: 1), SiteID(rawValue: 0))
        #expect(registry.remove(.init(prefix: Self.prefix("10.1.2.0/24"), etr: etr)) != nil)
        #expect(Self.register(Self.registration("10.1.3.0/24", etr: 1), in: &registry) == .added)
        #expect(registry.registrations(in: eid).map(\.key) == ["10.1.1.0/24", "10.1.3.0/24"].map(Self.prefix))
    }

    @Test func `an EID-prefix may have a limit of its own, larger or smaller`() {
        var limits = SiteRegistry.Limits()
        limits.prefixesPerConfigured = 2
        func accepted(_ own: Int) -> Int {
            let eid = SiteEID(prefix: Self.prefix("10.1.0.0/16"), acceptMoreSpecifics: true, maxRegistrations: own)
            var registry = Self.registry([eid], limits: limits)
            return (0..<9).count { number in
                Self.register(Self.registration("10.1.\(number).0/24", etr: 1), in: &registry) == .added
            }
        }
        #expect(accepted(1) == 1)
        #expect(accepted(5) == 5)
        // Less room later ends nothing, and lets nothing new in.
        var eid = SiteEID(prefix: Self.prefix("10.1.0.0/16"), acceptMoreSpecifics: true, maxRegistrations: 3)
        var registry = Self.registry([eid], limits: limits)
        for number in 0..<3 { _ = Self.register(Self.registration("10.1.\(number).0/24", etr: 1), in: &registry) }
        eid.maxRegistrations = 2
        let ended = registry.configure([(site: "site", eid: eid)], changedSites: []) { _, _ in false }
        #expect(ended.isEmpty)
        #expect(registry.registrations(in: eid).count == 3)
        #expect(Self.register(Self.registration("10.1.9.0/24", etr: 1), in: &registry) == .full)
        #expect(Self.register(Self.registration("10.1.1.0/24", etr: 1), in: &registry) == .refreshed)
    }

    @Test func `an identity reads back from its text`() {
        for identity in [
            ETRIdentity.named(XTRID(rawValue: .max), SiteID(rawValue: 7)), .source(IPAddress("2001:db8::1")!),
        ] {
            #expect(ETRIdentity(identity.description) == identity)
        }
        #expect(ETRIdentity("rloc") == nil)
        #expect(ETRIdentity("xtr-id 1 site-id x") == nil)
    }
}
