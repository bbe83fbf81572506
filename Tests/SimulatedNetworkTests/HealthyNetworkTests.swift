// Networks without a fault pass every check, and are tried hard enough for that to mean something.

import SimulatedNetwork
import Testing

@Suite struct `A network without a fault` {
    @Test(arguments: Seeds.from(1, count: 2))
    func `heals after loss, partitions, restarts and changes`(seed: UInt64) {
        let outcome = run(Scenario.small.brief(), seed: seed)
        #expect(outcome.violations.map(\.summary) == [])
        #expect(outcome.counts.datagramsLost > 50)
        #expect(outcome.counts.packetsDelivered > 1000)
        #expect(outcome.counts.packetsNative > 10)
        #expect(outcome.tallies["Map-Replies accepted", default: 0] > 100)
        #expect(outcome.tallies["map-cache entries refreshed before expiry", default: 0] > 0)
        #expect(outcome.tallies["Map-Registers with a record accepted", default: 0] > 50)
    }

    @Test func `believes no attacker`() {
        var tallies: [String: UInt64] = [:]
        for seed in Seeds.from(11, count: 2) {
            let outcome = run(Scenario.attacked.brief(), seed: seed)
            #expect(outcome.violations.map(\.summary) == [])
            #expect(outcome.attacks > 300)
            tallies.merge(outcome.tallies, uniquingKeysWith: +)
        }
        let refused = [
            "Map-Reply refused: no Map-Request with its nonce is outstanding", "authentication failed: wrong key",
            "nonce too old, or message replayed", "Map-Notify refused: authentication failed",
        ]
        for reason in refused { #expect(tallies[reason, default: 0] > 0, "\(reason)") }
    }

    @Test(arguments: Seeds.from(21, count: 2))
    func `stays within limits that are always reached`(seed: UInt64) {
        let outcome = run(Scenario.limits.brief(), seed: seed)
        #expect(outcome.violations.map(\.summary) == [])
        let reached = [
            "packets dropped: too many wait for a mapping", "packets dropped: too many EIDs are being asked for",
            "map-cache entries evicted at the limit: not used again since they were learnt",
            "packets dropped: too much that their source asks for has no mapping",
        ]
        for limit in reached { #expect(outcome.tallies[limit, default: 0] > 0, "\(limit)") }
    }

    @Test func `tells everybody concerned of a change within seconds`() {
        for seed in Seeds.from(41, count: 2) {
            let outcome = run(Scenario.moving.brief(), seed: seed)
            #expect(outcome.violations.map(\.summary) == [])
            let seen = [
                "Solicit-Map-Requests sent", "Solicit-Map-Requests received", "SMR-invoked Map-Requests sent",
                "SMR-invoked Map-Requests received",
            ]
            for event in seen { #expect(outcome.tallies[event, default: 0] > 10, "\(event)") }
        }
    }

    @Test func `is well with several Map-Servers and Map-Resolvers, proxy replies and merging`() {
        var city = Scenario.city.brief(minutes: 1)
        city.shape.routers = 20
        for seed in Seeds.from(31, count: 1) {
            let outcome = run(city, seed: seed)
            #expect(outcome.violations.map(\.summary) == [])
            let seen = [
                "Map-Requests forwarded to a Map-Server", "Map-Requests forwarded to an ETR",
                "Map-Replies sent for an ETR", "negative Map-Replies sent: no Map-Server for the EID",
                "unsolicited Map-Notifies sent, repeats included",
            ]
            for event in seen { #expect(outcome.tallies[event, default: 0] > 0, "\(event)") }
        }
    }

    @Test func `is well with proxies, flows and everything on`() {
        for seed in Seeds.from(51, count: 1) {
            let outcome = run(Scenario.internet.brief(minutes: 2), seed: seed)
            #expect(outcome.violations.map(\.summary) == [])
            #expect(outcome.counts.packetsNative > 1000)
            let seen = [
                "RLOC-probe replies accepted", "RLOCs that stopped answering probes", "nonces echoed",
                "Solicit-Map-Requests sent", "Map-Replies sent for an ETR", "path MTUs of RLOCs lowered",
                "path MTUs of RLOCs forgotten after ten minutes",
            ]
            for event in seen { #expect(outcome.tallies[event, default: 0] > 0, "\(event)") }
            #expect(outcome.counts.clocksSet > 0)
            #expect(outcome.counts.burstsCut > 0)
        }
    }
}
