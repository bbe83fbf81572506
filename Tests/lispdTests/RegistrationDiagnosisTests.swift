// What `diagnose registration` says at both ends, and that it has advice for every reason.

import LISPTables
import LISPWire
import ManagementAPI
import Testing

@testable import LISPControl
@testable import lispd

private let rloc = IPAddress("198.51.100.1")!
private let server = IPAddress("192.0.2.53")!
private let key = AuthenticationKey(id: 0, algorithm: .hmacSHA256_128, secret: Array("secret".utf8))
private let own = EIDPrefix(IPPrefix("10.1.0.0/16")!)
private let other = EIDPrefix(IPPrefix("10.9.0.0/16")!)

@Suite struct OwnRegistrationTests {
    /// An ETR whose Map-Server answers as the test wants.
    private final class Bench {
        var etr: ETR
        var now = Instant.zero
        var registers: [MapRegister] = []

        init(_ eids: [EIDPrefix] = [own], locators: [IPAddress] = [rloc], wantsMapNotify: Bool = true) {
            let mappings = eids.map { eid in
                DatabaseMapping(
                    eid: eid,
                    ttlMinutes: 1440,
                    locators: locators.map {
                        LISPTables.DatabaseLocator(address: $0, priority: 1, weight: 100, isLocal: true)
                    }
                )
            }
            etr = ETR(
                settings: ETRSettings(
                    mappings: mappings,
                    mapServers: [MapServerPeer(address: server, keys: [key], wantsMapNotify: wantsMapNotify)],
                    xtrID: XTRID(rawValue: 1),
                    siteID: SiteID(rawValue: 0),
                    rlocs: [rloc]
                ),
                nextNonce: 1,
                now: .zero
            )
        }

        func wait(_ seconds: Int64) {
            let end = now + .seconds(seconds)
            while let due = etr.deadline(), due <= end {
                now = max(now, due)
                for case .send(let datagram) in etr.timeout(now: now) {
                    guard case .mapRegister(let register) = try? ControlMessage(decoding: datagram.payload) else {
                        continue
                    }
                    registers.append(register)
                }
            }
            now = end
        }

        func acknowledge(_ records: Int? = nil, with signer: AuthenticationKey = key) {
            guard let register = registers.last else { return }
            var notify = MapNotify(
                isAcknowledgement: false,
                nonce: register.nonce,
                authentication: Authentication(placeholderFor: signer),
                records: Array(register.records.prefix(records ?? register.records.count)),
                xtrID: register.xtrID,
                siteID: register.siteID
            ).encoded()
            signer.sign(&notify)
            guard case .mapNotify(let message) = try? ControlMessage(decoding: notify) else { return }
            _ = etr.receivedMapNotify(message, raw: notify, from: .control(server), at: rloc, now: now)
        }

        func diagnosis(
            _ eid: EIDPrefix = own,
            route: WayToMapServer = .from(rloc),
            down: Set<IPAddress> = [],
            changedKeyFiles: [String] = []
        ) -> MapServerDiagnosis {
            let registrar = etr.registrars[0]
            return OwnRegistration(
                mapping: etr.database[eid]!,
                registrar: registrar,
                registration: registrar.registrations.first { $0.mappings.contains(eid) },
                route: route,
                withoutAddress: ["eth9: the interface does not exist"],
                down: down,
                changedKeyFiles: changedKeyFiles,
                time: ReportTime(now: now, wallClock: 1000)
            ).diagnosis
        }
    }

    @Test func `registered, and for how long it is yet where answers stay out`() {
        let bench = Bench()
        #expect(bench.diagnosis().state == .registering)
        bench.wait(1)
        bench.acknowledge()
        bench.wait(12)
        let good = bench.diagnosis()
        #expect(good.state == .registered && good.advice.isEmpty && good.source == "198.51.100.1")
        #expect(good.summary == "registered, acknowledged 12 s ago")
        #expect(good.lastAcknowledged?.secondsAgo == 12)

        bench.wait(88)
        bench.etr.doubt(server, now: bench.now)
        let silent = bench.diagnosis()
        #expect(silent.state == .unanswered && silent.unanswered == bench.registers.count - 2)
        #expect(silent.summary.hasPrefix("no answer at all: \(silent.unanswered) Map-Registers unanswered, the first "))
        #expect(silent.summary.contains("ICMP says that it cannot be reached (last 0 s ago)"))
        #expect(silent.summary.hasSuffix("; the last answer came 100 s ago: its registration there ends in 80 s"))
        #expect(silent.advice[0].hasPrefix("nothing listens on UDP port 4342 there"))
        bench.wait(100)
        #expect(bench.diagnosis().summary.hasSuffix(": its registration there is over"))
    }

    @Test func `never answered: key, EID-prefixes, or the way`() {
        let bench = Bench()
        bench.wait(30)
        bench.etr.sendFailed(to: server, "Operation not permitted", now: bench.now)
        let silent = bench.diagnosis(down: [rloc], changedKeyFiles: ["/etc/lispd/k"])
        #expect(silent.state == .unanswered && silent.unanswered == 5 && silent.unansweredSince?.secondsAgo == 30)
        #expect(silent.summary.contains("this host did not let one leave (Operation not permitted, 0 s ago)"))
        #expect(silent.advice.contains { $0.contains("key ID 0, hmac-sha-256-128") })
        #expect(silent.advice.contains("its only locator, 198.51.100.1, is on an interface that is down"))
        #expect(
            silent.advice.last
                == "key file /etc/lispd/k holds another key than the one in use: `lispctl config reload` takes it over"
        )
        #expect(silent.advice.contains("`lispctl diagnose registration 10.1.0.0/16` on 192.0.2.53 tells its reason"))
    }

    @Test func `not sent: no locator, no address, no route`() {
        let empty = Bench(locators: []).diagnosis()
        #expect(empty.state == .noLocator)
        #expect(empty.summary.hasSuffix("has no locator with an address (eth9: the interface does not exist)"))
        let bench = Bench()
        bench.wait(10)
        #expect(bench.diagnosis(route: .noAddress).state == .noSource)
        let lost = bench.diagnosis(route: .none("Network is unreachable"))
        #expect(lost.state == .noRoute && lost.source == nil)
        #expect(lost.summary == "not sent: this host has no route to it (Network is unreachable)")
    }

    @Test func `refused: which records the Map-Notify leaves out`() {
        let bench = Bench([own, other])
        bench.wait(1)
        bench.acknowledge()
        bench.wait(20)
        bench.acknowledge(1)
        bench.wait(5)
        #expect(bench.diagnosis().state == .registered)
        let refused = bench.diagnosis(other)
        #expect(refused.state == .refused && refused.lastAcknowledged?.secondsAgo == 25)
        #expect(
            refused.summary.contains("the first 5 s ago, the last 5 s ago; before, it was registered there (25 s ago)")
        )
        #expect(refused.advice[0].hasPrefix("our key is right there"))
        let verdict = OwnEIDDiagnosis(other, [refused])
        #expect(!verdict.isRegistered && verdict.summary == "NOT registered: the Map-Server refuses it")
    }

    @Test func `another key, and no Map-Notify wanted`() {
        let bench = Bench()
        bench.wait(1)
        bench.acknowledge(with: AuthenticationKey(id: 0, algorithm: .hmacSHA256_128, secret: [1]))
        let wrong = bench.diagnosis()
        #expect(wrong.state == .wrongAuthentication)
        #expect(wrong.summary == "a Map-Notify came 0 s ago from 192.0.2.53 that is not signed with our key")
        bench.acknowledge()
        #expect(bench.diagnosis().state == .registered)

        let quiet = Bench(wantsMapNotify: false)
        quiet.wait(30)
        #expect(quiet.diagnosis().state == .sent)
        #expect(OwnEIDDiagnosis(own, [quiet.diagnosis()]).summary == "sent to 192.0.2.53")
        #expect(quiet.diagnosis(route: .noAddress).state == .noSource)
    }

    @Test func `the verdict of several Map-Servers`() {
        let good = MapServerDiagnosis(address: "192.0.2.1", state: .registered, summary: "")
        let bad = MapServerDiagnosis(address: "192.0.2.2", state: .unanswered, summary: "")
        #expect(OwnEIDDiagnosis(own, [good, bad]).summary == "registered with 192.0.2.1, NOT with 192.0.2.2")
        #expect(OwnEIDDiagnosis(own, [good, bad]).isRegistered)
        #expect(OwnEIDDiagnosis(own, [bad]).summary == "NOT registered: the Map-Server does not answer")
        #expect(OwnEIDDiagnosis(own, []).summary == "NOT registered: no Map-Server is configured")
    }
}

@Suite struct SiteEIDRegistrationTests {
    private static let site = SiteSettings(
        name: "alpha",
        keys: [key],
        eids: [LISPTables.SiteEID(prefix: own, acceptMoreSpecifics: true)],
        allowedLocators: [rloc]
    )
    private static let sites = MapServerSettings(
        sites: [
            site,
            SiteSettings(
                name: "beta",
                keys: [key],
                eids: [LISPTables.SiteEID(prefix: EIDPrefix(IPPrefix("10.2.1.0/24")!))]
            ),
        ]
    )

    /// A Map-Server and its clock.
    private final class Bench {
        var server = MapServer(settings: sites)
        var now = Instant.zero
        var random = SystemRandomNumberGenerator()
        private var nonce: UInt64 = 100

        func register(_ prefix: String, by key: AuthenticationKey = key, locator: IPAddress = rloc, ttl: UInt32 = 60) {
            nonce += 1
            let record = EIDRecord(
                eidPrefix: EIDPrefix(IPPrefix(prefix)!),
                ttlMinutes: ttl,
                locators: [LocatorRecord(priority: 1, weight: 100, isLocal: true, address: .ip(locator))]
            )
            let register = MapRegister(
                wantsMapNotify: true,
                nonce: Nonce(rawValue: nonce),
                authentication: Authentication(placeholderFor: key),
                records: [record]
            )
            var bytes = register.encoded()
            key.sign(&bytes)
            guard let decoded = try? MapRegister(decoding: bytes) else { return }
            _ = server.receivedMapRegister(
                decoded,
                raw: bytes,
                from: Endpoint(rloc, 4342),
                at: lispdTests.server,
                now: now,
                using: &random
            )
        }

        func diagnosis(_ prefix: String = "10.1.0.0/16") -> SiteEIDDiagnosis {
            let eid = EIDPrefix(IPPrefix(prefix)!)
            let configured = server.registry.configured.longestMatch(eid)!.value
            let status = server.site(named: configured.site)!
            return SiteEIDRegistration(
                eid: eid,
                configured: configured,
                registered: server.registry.registered[eid],
                ending: server.ending(of: eid),
                refusals: RegistrationRefusal.allCases.filter { status.refusals(for: eid)[$0] > 0 }.map {
                    RefusalFacts(
                        reason: $0,
                        last: server.refusalMemory.last(for: eid, $0),
                        site: status.settings,
                        configured: configured.eid
                    )
                },
                counts: status.refusals(for: eid),
                started: .zero,
                time: ReportTime(now: now, wallClock: 1000)
            ).diagnosis
        }
    }

    @Test func `never, registered, expired, withdrawn, cleared`() {
        let bench = Bench()
        bench.now = .zero + .seconds(30)
        let never = bench.diagnosis()
        #expect(!never.isRegistered && never.lastRegistered == nil && never.advice.count == 1)
        #expect(never.summary == "NOT registered: never since lispd started 30 s ago, and nothing was refused")

        bench.register("10.1.0.0/16")
        bench.register("10.1.5.0/24")
        bench.now = bench.now + .seconds(10)
        let good = bench.diagnosis()
        #expect(good.isRegistered && good.registeredParts == 2 && good.advice.isEmpty)
        #expect(
            good.summary == "registered by 198.51.100.1:4342, for another 2 min unless refreshed; with 1 more-specifics"
        )
        #expect(good.etrs.map(\.expiresIn) == [170] && good.lastRegistered?.secondsAgo == 10)
        let part = bench.diagnosis("10.1.5.0/24")
        #expect(part.moreSpecificOf == "10.1.0.0/16" && part.isRegistered)

        bench.register("10.1.0.0/16", ttl: 0)
        let parts = bench.diagnosis()
        #expect(!parts.isRegistered && parts.summary == "registered in 1 more-specifics, not as a whole")
        bench.register("10.1.5.0/24", ttl: 0)
        bench.now = bench.now + .seconds(5)
        #expect(
            bench.diagnosis().summary
                == "NOT registered: withdrawn by its ETR 5 s ago (last Map-Register 15 s ago from 198.51.100.1:4342)"
        )
        bench.register("10.1.0.0/16")
        bench.now = bench.now + .seconds(200)
        _ = bench.server.timeout(now: bench.now, using: &bench.random)
        let over = bench.diagnosis()
        #expect(over.summary.hasPrefix("NOT registered: expired 0 s ago (last Map-Register 3 min ago"))
        #expect(over.ended?.secondsAgo == 0 && over.advice[0].hasPrefix("no Map-Register for it gets here"))
        bench.register("10.1.0.0/16")
        _ = bench.server.clear([own], of: "alpha", now: bench.now)
        #expect(bench.diagnosis().summary.hasPrefix("NOT registered: cleared by the operator 0 s ago"))
        #expect(bench.diagnosis().advice == ["an ETR that is up registers again within a minute"])
    }

    @Test func `what was refused since is the reason, what was refused before is not`() {
        let bench = Bench()
        let guess = AuthenticationKey(id: 0, algorithm: .hmacSHA256_128, secret: [1])
        bench.register("10.1.5.0/24", by: guess)
        bench.now = .zero + .seconds(10)
        let refused = bench.diagnosis()
        #expect(
            refused.summary == "NOT registered: the last Map-Register (of 10.1.5.0/24) was refused 10 s ago: "
                + "authentication failed: wrong key (from 198.51.100.1:4342)"
        )
        #expect(refused.advice.isEmpty && refused.refusals.map(\.count) == [1])
        #expect(refused.refusals[0].lastEIDPrefix == "10.1.5.0/24")
        #expect(refused.refusals[0].advice[0].hasPrefix("the keys differ: compare `key` or `key-file` of key ID 0"))

        bench.register("10.1.0.0/16")
        #expect(bench.diagnosis().summary.hasPrefix("registered by 198.51.100.1:4342"))
        #expect(!bench.diagnosis().summary.contains("refused"))
        bench.now = bench.now + .seconds(1)
        bench.register("10.1.0.0/16", locator: IPAddress("192.0.2.66")!)
        let both = bench.diagnosis()
        #expect(both.isRegistered)
        #expect(
            both.summary.hasSuffix("; yet one was refused 0 s ago: locator is not among the site's allowed locators")
        )
        // The latest comes first.
        #expect(both.refusals.map(\.reason) == [RegistrationRefusal.locatorNotAllowed, .wrongKey].map(\.rawValue))
        #expect(both.refusals[0].advice[0].hasPrefix("locator 192.0.2.66 is not among"))
    }

    @Test(arguments: RegistrationRefusal.allCases) func `has advice for every reason`(reason: RegistrationRefusal) {
        var last = RegistrationFailure(
            reason: reason,
            prefix: own,
            source: Endpoint(rloc, 4342),
            time: .zero,
            keyID: 5,
            algorithm: AuthenticationAlgorithm.hmacSHA1_96.rawValue,
            nonce: Nonce(rawValue: 1),
            locator: nil
        )
        for known in [last, nil] {
            let facts = RefusalFacts(reason: reason, last: known, site: Self.site, configured: Self.site.eids[0])
            #expect(!facts.advice.isEmpty)
            for line in facts.advice {
                #expect(!line.isEmpty && !line.contains("\n") && !line.contains("secret"), "\(line)")
            }
        }
        last = RegistrationFailure(
            reason: .algorithmNotAllowed,
            prefix: own,
            source: Endpoint(rloc, 4342),
            time: .zero,
            keyID: 0,
            algorithm: AuthenticationAlgorithm.hmacSHA1_96.rawValue,
            nonce: Nonce(rawValue: 1),
            locator: nil
        )
        let algorithm = RefusalFacts(
            reason: .algorithmNotAllowed,
            last: last,
            site: Self.site,
            configured: Self.site.eids[0]
        ).advice
        #expect(algorithm[0].contains("signs with hmac-sha-1-96, key ID 0 of site alpha is for hmac-sha-256-128"))
    }

    @Test func `of no site: the nearest, or the instance that has it`() {
        let bench = Bench()
        bench.register("10.2.0.0/16")
        let registry = bench.server.registry
        let time = ReportTime(now: .zero + .seconds(7), wallClock: 1000)
        let kept = bench.server.refusalMemory.ofNoSite
        #expect(kept.map(\.prefix.prefix.description) == ["10.2.0.0/16"])
        let row = EIDOfNoSite(kept[0].prefix, count: kept[0].count, last: kept[0].last, registry, time)
        #expect(row.summary == "10.2.0.0/16 is of no site; nearest: beta with 10.2.1.0/24")
        #expect(row.nearestSite == "beta" && row.last?.secondsAgo == 7)
        #expect(
            row.advice == [
                "the ETR registers more than the site may: let it register 10.2.1.0/24, or widen the site's `eids`"
            ]
        )

        let elsewhere = EIDPrefix(instanceID: InstanceID(uncheckedRawValue: 7), own.prefix)
        let asked = EIDOfNoSite(elsewhere, count: 0, last: nil, registry, time)
        #expect(asked.summary == "10.1.0.0/16 is of no site, and no site has an EID-prefix like it in instance 7")
        #expect(asked.advice == ["instance 0 has it: set the same `instance-id` at both ends"])
    }
}
