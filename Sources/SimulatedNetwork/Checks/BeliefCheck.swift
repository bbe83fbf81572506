// No mapping is believed that nobody registered (RFC 9301 sections 5.5 and 12): what enters a map-cache is what an ETR's
// database said at that time, for no longer than the ETR allowed; a negative answer covers no registered EID-prefix.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

package final class BeliefCheck: Check {
    package let name = "belief"
    /// How long a Map-Server may go on telling what an ETR said.
    private static let registrationLife = Duration.seconds(180)
    /// How long an ITR believes an answer: three seconds while it asks, thirty more while the question rests.
    private static let questionLife = Duration.seconds(34)
    /// Whether somebody replays messages. One that replays a last Map-Register keeps the registration alive; then the
    /// registrations themselves are what has to be right (`RegistrationCheck`). One that holds back a Map-Reply may deliver it as
    /// long as its question is open.
    private let isAttacked: Bool

    package init(isAttacked: Bool) {
        self.isAttacked = isAttacked
    }

    /// How old an answer may be.
    private func age(_ network: SimulatedNetwork) -> Duration {
        network.longestTransit + (isAttacked ? network.longest(Self.questionLife) : .zero)
    }

    package func updated(_ updates: [ForwardingUpdate], at node: SimulatedRouter, in network: SimulatedNetwork) {
        for case .putEntry(let eid, _, _) in updates {
            // What came with a reload has been looked at when it was learnt.
            guard let entry = node.router.itr?.cache[eid], entry.refreshed == network.time(at: node) else { continue }
            if let fault = entry.isNegative ? negativeFault(entry, network) : positiveFault(entry, network) {
                network.violate(self, node, "\(eid): \(fault)")
            }
        }
    }

    private func positiveFault(_ entry: MapCacheEntry, _ network: SimulatedNetwork) -> String? {
        let history = network.claims.covering(entry.eid)
        guard let claims = Self.support(entry, among: history.filter { stood($0, entry, network) }) else {
            return "\(Self.text(entry)) was never said of it\(history.isEmpty ? " by anybody" : " at that time")"
        }
        let life = entry.refreshed.duration(to: entry.expires)
        let allowed = claims.map(\.mapping.ttlMinutes).max() ?? 0
        guard life <= .seconds(60 * Int64(allowed)) else {
            return "believed for \(life), its ETR allows \(allowed) min"
        }
        return nil
    }

    private func stood(_ claim: Claim, _ entry: MapCacheEntry, _ network: SimulatedNetwork) -> Bool {
        var age = age(network)
        if !entry.isAuthoritative {
            guard !isAttacked else { return claim.from <= network.now }
            age += network.longest(Self.registrationLife) + network.longestTransit
        }
        return claim.stood(between: network.now.advanced(by: .zero - age), and: network.now)
    }

    /// The claims that an entry is made of: one that says the same, or several whose locators a Map-Server merged.
    /// `nil` if they do not make it.
    static func support(_ entry: MapCacheEntry, among claims: [Claim]) -> [Claim]? {
        let candidates = claims.filter { $0.mapping.eid == entry.eid || !entry.isAuthoritative }
        let same = candidates.filter { claim in
            Self.locators(of: claim.mapping, isAuthoritative: entry.isAuthoritative)
                == entry.locators.map { Self.plain($0.record) }
        }
        guard !entry.isAuthoritative else { return same.isEmpty ? nil : same }
        // Each of the merged ones is somebody's, all of one prefix. What comes out may be what one alone said at another time.
        var support = same
        for eid in Set(candidates.map(\.mapping.eid)).sorted() {
            let ofOne = candidates.filter { $0.mapping.eid == eid }
            let known = ofOne.flatMap { Self.locators(of: $0.mapping, isAuthoritative: false) }
            if entry.locators.allSatisfy({ known.contains(Self.plain($0.record)) }) { support += ofOne }
        }
        return support.isEmpty ? nil : support
    }

    private static func locators(of mapping: DatabaseMapping, isAuthoritative: Bool) -> [LocatorRecord] {
        mapping.record().locators.map { locator in
            var locator = locator
            if !isAuthoritative { locator.isLocal = false }
            return locator
        }
    }

    private static func plain(_ record: LocatorRecord) -> LocatorRecord {
        var record = record
        record.isProbed = false
        return record
    }

    private static func text(_ entry: MapCacheEntry) -> String {
        let locators = entry.locators.map { locator in
            let record = locator.record
            return "\(locator.address.map(\.description) ?? "?")/\(record.priority)/\(record.weight)"
        }
        return locators.joined(separator: ",") + (entry.isAuthoritative ? " (authoritative)" : "")
    }

    private func negativeFault(_ entry: MapCacheEntry, _ network: SimulatedNetwork) -> String? {
        let life = entry.refreshed.duration(to: entry.expires)
        guard life <= .seconds(15 * 60) else { return "a negative answer is believed for \(life)" }
        let since = network.now.advanced(by: .zero - age(network))
        guard let answerer = network.router(at: entry.source) else {
            // Whoever replays a genuine answer, while its question is open, need not do it from where it came: no Map-Server may have
            // what it denies.
            return network.routers.lazy.compactMap { Self.denied(entry, since: since, by: $0) }.first
        }
        if answerer.router.mapServer != nil { return Self.denied(entry, since: since, by: answerer) }
        // A Map-Resolver's: no Map-Server knows of anything there.
        let prefixes = network.claims.currentPrefixes(within: entry.eid)
        return prefixes.first.map { "a Map-Resolver denies \($0)" }
    }

    /// What a negative entry denies although it was registered at a Map-Server.
    private static func denied(_ entry: MapCacheEntry, since: Instant, by node: SimulatedRouter) -> String? {
        guard let registered = node.router.mapServer?.registry.registered else { return nil }
        let since = node.clock.local(since)
        if let found = registered.longestMatch(entry.eid), found.value.firstRegistered < since {
            return "a negative answer, while \(found.key) is registered"
        }
        for part in registered.moreSpecifics(of: entry.eid, includingItself: false, limit: 16)
        where part.value.firstRegistered < since {
            return "a negative answer covers \(part.key), which is registered"
        }
        return nil
    }
}
