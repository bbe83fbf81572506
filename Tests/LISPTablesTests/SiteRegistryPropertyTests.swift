// The site registry against plain dictionaries that look through everything at every question.

import LISPWire
import Testing

@testable import LISPTables

/// What is configured and registered, without any order or index.
private struct Model {
    var configured: [EIDPrefix: (site: String, eid: SiteEID)] = [:]
    var registered: [EIDPrefix: [ETRRegistration]] = [:]

    func decisive(_ prefix: EIDPrefix) -> (site: String, eid: SiteEID)? {
        configured.filter { $0.key.covers(prefix) }.max { $0.key.prefix.length < $1.key.prefix.length }?.value
    }

    func accepts(_ prefix: EIDPrefix) -> Bool {
        decisive(prefix).map { $0.eid.prefix == prefix || $0.eid.acceptMoreSpecifics } ?? false
    }

    func registered(in prefix: EIDPrefix) -> [EIDPrefix] {
        registered.keys.filter { decisive($0)?.eid.prefix == prefix }.sorted()
    }

    var nextExpiry: Instant? { registered.values.joined().map(\.expires).min() }

    mutating func remove(_ key: SiteRegistry.Key) {
        registered[key.prefix]?.removeAll { $0.etr == key.etr }
        if registered[key.prefix]?.isEmpty ?? false { registered[key.prefix] = nil }
    }
}

@Suite struct `The site registry` {
    private static let key = AuthenticationKey(id: 0, algorithm: .hmacSHA256_128, secret: [1])

    private static func registration(
        _ prefix: EIDPrefix,
        etr: Int,
        life: Duration,
        now: Instant
    ) -> ETRRegistration {
        let source = IPAddress.v4(IPv4Address(0xc000_0200 + UInt32(etr)))
        return ETRRegistration(
            etr: .source(source),
            source: Endpoint(source, 4342),
            local: IPAddress("192.0.2.53")!,
            record: EIDRecord(
                eidPrefix: prefix,
                ttlMinutes: 60,
                locators: [LocatorRecord(priority: 1, weight: 1, address: .ip(source))]
            ),
            wantsProxyReply: false,
            wantsMerge: false,
            wantsMapNotify: false,
            nonce: Nonce(rawValue: 1),
            key: key,
            registered: now,
            expires: now + life
        )
    }

    /// Short prefixes, so that they nest and hold what is registered.
    private static func configuration(_ generator: inout SeededGenerator) -> [(site: String, eid: SiteEID)] {
        var eids: [EIDPrefix: (site: String, eid: SiteEID)] = [:]
        for _ in 0..<Int.random(in: 5...40, using: &generator) {
            var prefix = randomPrefix(&generator)
            if let shorter = IPPrefix(prefix.prefix.address, length: prefix.prefix.length - prefix.prefix.length / 8) {
                prefix = EIDPrefix(instanceID: prefix.instanceID, shorter)
            }
            let eid = SiteEID(
                prefix: prefix,
                acceptMoreSpecifics: Int.random(in: 0..<4, using: &generator) > 0,
                action: Bool.random(using: &generator) ? .drop : .nativelyForward
            )
            eids[prefix] = (site: "site \(Int.random(in: 0..<4, using: &generator))", eid: eid)
        }
        return Array(eids.values)
    }

    @Test func `agrees with dictionaries, while registrations come and end and the configuration changes`() {
        var generator = SeededGenerator.printed("SiteRegistry")
        var registry = SiteRegistry()
        var model = Model()
        var now = Instant.zero
        for step in 0..<3000 {
            now = now + .seconds(1)
            let prefix = Bool.random(using: &generator) ? randomPrefix(&generator) : model.registered.keys.min()
            let etr = Int.random(in: 0..<3, using: &generator)
            switch (step, Int.random(in: 0..<10, using: &generator)) {
            case (0, _),
                (_, 0) where step % 40 == 0:
                configure(&registry, &model, &generator)
            case (_, 0..<7):
                guard let prefix else { break }
                let life = Duration.seconds(Int.random(in: 1...400, using: &generator))
                register(Self.registration(prefix, etr: etr, life: life, now: now), prefix, &registry, &model)
            case (_, 7):
                guard let prefix else { break }
                let source = IPAddress.v4(IPv4Address(0xc000_0200 + UInt32(etr)))
                let key = SiteRegistry.Key(prefix: prefix, etr: .source(source))
                let known = model.registered[prefix]?.first { $0.etr == key.etr }
                #expect(registry.remove(key) == known)
                model.remove(key)
            default:
                while let ended = registry.popExpired(now) {
                    let known = model.registered[ended.key.prefix] ?? []
                    #expect(Set(ended.before.registrations) == Set(known))
                    #expect(known.first { $0.etr == ended.key.etr }?.expires == model.nextExpiry)
                    model.remove(ended.key)
                }
                #expect(model.nextExpiry.map { $0 > now } ?? true)
            }
            #expect(registry.registered.count == model.registered.count)
            #expect(registry.nextExpiry == model.nextExpiry)
            if step % 25 == 0 { compare(registry, model, &generator) }
        }
    }

    private func register(
        _ registration: ETRRegistration,
        _ prefix: EIDPrefix,
        _ registry: inout SiteRegistry,
        _ model: inout Model
    ) {
        guard case .accepted(let match) = registry.acceptance(of: prefix) else {
            #expect(!model.accepts(prefix))
            return
        }
        #expect(model.accepts(prefix))
        #expect(match.eid == model.decisive(prefix)?.eid)
        let index = model.registered[prefix]?.firstIndex { $0.etr == registration.etr }
        #expect(registry.register(registration, for: prefix, in: match) == (index == nil ? .added : .refreshed))
        guard let index, let first = model.registered[prefix]?[index].firstRegistered else {
            model.registered[prefix, default: []].append(registration)
            return
        }
        model.registered[prefix]?[index] = registration
        model.registered[prefix]?[index].firstRegistered = first
    }

    /// Sites keep some of their EID-prefixes, lose some, take some from others; some ETRs are no longer welcome.
    private func configure(_ registry: inout SiteRegistry, _ model: inout Model, _ generator: inout SeededGenerator) {
        let old = model
        var eids = Self.configuration(&generator)
        for (prefix, known) in old.configured where Int.random(in: 0..<3, using: &generator) > 0 {
            if !eids.contains(where: { $0.eid.prefix == prefix }) { eids.append(known) }
        }
        let unwelcome: IPAddress? = Bool.random(using: &generator) ? .v4(IPv4Address(0xc000_0201)) : nil
        let strict = "site \(Int.random(in: 0..<4, using: &generator))"
        func keeps(_ registration: ETRRegistration, _ site: String) -> Bool {
            site != strict || registration.source.address != unwelcome
        }
        let ended = registry.configure(eids, changedSites: [strict]) { keeps($0, $1.site) }
        model.configured = Dictionary(uniqueKeysWithValues: eids.map { ($0.eid.prefix, $0) })
        var dropped: Set<SiteRegistry.Key> = []
        for (prefix, registrations) in old.registered {
            for registration in registrations {
                let site = model.decisive(prefix)?.site
                let stays =
                    model.accepts(prefix) && site == old.decisive(prefix)?.site && keeps(registration, site ?? "")
                guard !stays else { continue }
                let key = SiteRegistry.Key(prefix: prefix, etr: registration.etr)
                dropped.insert(key)
                model.remove(key)
            }
        }
        #expect(Set(ended.map(\.key)) == dropped)
        #expect(ended.count == dropped.count)
        #expect(ended.allSatisfy { Set($0.before.registrations) == Set(old.registered[$0.key.prefix] ?? []) })
    }

    private func compare(_ registry: SiteRegistry, _ model: Model, _ generator: inout SeededGenerator) {
        for (prefix, entry) in registry.registered {
            #expect(entry.registrations == model.registered[prefix])
            #expect(entry.configured == model.decisive(prefix)?.eid.prefix)
            #expect(entry.site == model.decisive(prefix)?.site)
        }
        for (prefix, configured) in registry.configured {
            let inside = model.registered(in: prefix)
            #expect(configured.registeredCount == inside.count)
            #expect(registry.registrations(in: configured.eid).map(\.key) == inside)
            let key = randomPrefix(&generator)
            #expect(registry.first(after: key, registeredIn: prefix)?.key == inside.first { $0 > key })
        }
        for order in [PrefixOrder.byInstance, .byFamily] {
            let all = Set(model.configured.keys).union(model.registered.keys).sorted { order.precedes($0, $1) }
            var walked: [EIDPrefix] = []
            while let row = registry.first(after: walked.last, order) {
                #expect(row.configured?.eid == model.configured[row.key]?.eid)
                #expect(row.registered?.registrations == model.registered[row.key])
                walked.append(row.key)
            }
            #expect(walked == all)
        }
        for site in Set(model.configured.values.map(\.site)) {
            let configured = model.configured.filter { $0.value.site == site }.keys.sorted {
                PrefixOrder.byFamily.precedes($0, $1)
            }
            let registered = model.registered.keys.filter { model.decisive($0)?.site == site }
            let all = Set(configured).union(registered).sorted { PrefixOrder.byFamily.precedes($0, $1) }
            var walked: [EIDPrefix] = []
            while let next = registry.first(after: walked.last, of: site, configured: configured) {
                walked.append(next)
            }
            #expect(walked == all)
            let key = randomPrefix(&generator)
            let next = all.first { PrefixOrder.byFamily.precedes(key, $0) }
            #expect(registry.first(after: key, of: site, configured: configured) == next)
        }
    }

    @Test func `refuses what is beyond the limit in all, and takes refreshes`() {
        var limits = SiteRegistry.Limits()
        limits.prefixes = 2
        var registry = SiteRegistry(limits: limits)
        let prefixes = ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"].map { EIDPrefix(IPPrefix($0)!) }
        _ = registry.configure(prefixes.map { (site: "site", eid: SiteEID(prefix: $0)) }, changedSites: []) { _, _ in
            true
        }
        func register(_ prefix: EIDPrefix) -> SiteRegistry.Outcome? {
            guard case .accepted(let match) = registry.acceptance(of: prefix) else { return nil }
            let registration = Self.registration(prefix, etr: 1, life: .seconds(180), now: .zero)
            return registry.register(registration, for: prefix, in: match)
        }
        #expect(prefixes.map(register) == [.added, .added, .full])
        #expect(register(prefixes[0]) == .refreshed)
        _ = registry.popExpired(.zero + .seconds(180))
        #expect(register(prefixes[2]) == .added)
    }
}
