// Who may register what at a Map-Server, and how it answers: RFC 9301 sections 5.6, 5.7, 8.2 and 9.

import LISPTables
import LISPWire
import Testing

@testable import LISPControl

@Suite struct MapServerRegistrationTests {
    // MARK: Each record by its own site

    @Test func `a valid key of one site opens nothing at another, and the other record goes on`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.2.0.0/16", ["192.0.2.99"])], by: BenchETR(xtrID: 2, key: secret("beta")))
        let before = bench.registrations("10.2.0.0/16")

        bench.now = .zero + .seconds(10)
        let actions = try bench.register(
            [record("10.1.0.0/16"), record("10.2.0.0/16", ["198.51.100.1"])],
            by: BenchETR(xtrID: 1)
        )
        #expect(bench.isRegistered("10.1.0.0/16"))
        #expect(bench.registrations("10.2.0.0/16") == before)
        #expect(bench.refusals("beta") == [.wrongKey: 1])
        #expect(bench.refusals("alpha") == [:])
        #expect(try actions.notifies().flatMap(\.records).compactMap(\.eidPrefix) == [eidPrefix("10.1.0.0/16")])
        let failure = try #require(bench.server.site(named: "beta")?.lastFailure)
        #expect(failure.reason == .wrongKey)
        #expect(failure.prefix == eidPrefix("10.2.0.0/16"))
        #expect(failure.source == BenchETR().source)
        #expect(failure.time == bench.now)
        #expect(
            actions.events.contains(
                .refused(
                    site: "beta",
                    prefix: eidPrefix("10.2.0.0/16"),
                    reason: .wrongKey,
                    source: BenchETR().source
                )
            )
        )
    }

    @Test func `nothing accepted, no Map-Notify`() throws {
        let bench = MapServerBench()
        let actions = try bench.register([record("10.1.0.0/16")], by: BenchETR(key: secret("guess")))
        #expect(actions.datagrams.isEmpty)
        #expect(!bench.isRegistered("10.1.0.0/16"))
        #expect(bench.refusals() == [.wrongKey: 1])
        #expect(bench.server.statistics[.mapRegistersRefused] == 1)
    }

    @Test func `an EID of no site is counted apart, with the last one and its source`() throws {
        let bench = MapServerBench()
        try bench.register([record("172.16.0.0/12")])
        #expect(bench.server.statistics[.recordsOfNoSite] == 1)
        #expect(bench.server.lastUnknown?.prefix == eidPrefix("172.16.0.0/12"))
        #expect(bench.server.lastUnknown?.source == BenchETR().source)
        #expect(bench.refusals("alpha") == [:])

        var name = record("10.1.0.0/16")
        name.eid = .distinguishedName(Array("host".utf8))
        try bench.register([name])
        #expect(bench.server.statistics[.recordsUnsupported] == 1)
    }

    @Test func `a registered part has counters of its own for as long as it is registered`() throws {
        let bench = MapServerBench()
        let etr = BenchETR(xtrID: 1)
        let (part, whole) = (eidPrefix("10.1.5.0/24"), eidPrefix("10.1.0.0/16"))
        func refused(_ eid: EIDPrefix) -> UInt64? { bench.server.site(named: "alpha")?.refusals(for: eid)[.wrongKey] }
        try bench.register([record("10.1.5.0/24")], by: BenchETR(key: secret("guess")))
        #expect(refused(part) == 0)
        try bench.register([record("10.1.5.0/24")], by: etr)
        try bench.register([record("10.1.5.0/24")], by: BenchETR(key: secret("guess")))
        #expect(refused(part) == 1)
        #expect(refused(whole) == 2)
        _ = bench.server.reconfigure(MapServerBench.settings, now: bench.now, using: &bench.random)
        #expect(refused(part) == 1)
        try bench.register([record("10.1.5.0/24", ttl: 0)], by: etr)
        #expect(refused(part) == 0)
        #expect(refused(whole) == 2)
    }

    @Test func `remembers nonce and S-bit of the last Map-Register`() throws {
        let bench = MapServerBench()
        let etr = BenchETR(xtrID: 1)
        try bench.register([record("10.1.0.0/16")], by: etr, nonce: 41)
        #expect(bench.registrations("10.1.0.0/16").map(\.nonce) == [Nonce(rawValue: 41)])
        #expect(bench.registrations("10.1.0.0/16").map(\.isSecurityCapable) == [false])
        var register = etr.register([record("10.1.0.0/16")], nonce: 42)
        register.isSecurityCapable = true
        try bench.deliver(bench.signed(register, by: etr.key), from: etr.source)
        #expect(bench.registrations("10.1.0.0/16").map(\.nonce) == [Nonce(rawValue: 42)])
        #expect(bench.registrations("10.1.0.0/16").map(\.isSecurityCapable) == [true])
    }

    @Test func `a less specific prefix than configured is of no site`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.0.0.0/8"), record("0.0.0.0/0")])
        #expect(bench.server.statistics[.recordsOfNoSite] == 2)
    }

    @Test func `parts are accepted only where the site says so`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.1.5.0/24")])
        #expect(bench.isRegistered("10.1.5.0/24"))
        try bench.register([record("10.2.5.0/24")], by: BenchETR(key: secret("beta")))
        #expect(!bench.isRegistered("10.2.5.0/24"))
        #expect(bench.refusals("beta") == [.moreSpecificEID: 1])
        #expect(bench.server.site(named: "beta")?.refusals(for: eidPrefix("10.2.0.0/16"))[.moreSpecificEID] == 1)
    }

    @Test func `instances are kept apart`() throws {
        let bench = MapServerBench { $0.eids.append(SiteEID(prefix: eidPrefix("10.1.0.0/16", instance: 101))) }
        var red = record("10.1.0.0/16")
        red.eid = LISPAddress(eidPrefix: eidPrefix("10.1.0.0/16", instance: 101))
        try bench.register([red])
        #expect(!bench.isRegistered("10.1.0.0/16"))
        #expect(bench.server.registry.registered[eidPrefix("10.1.0.0/16", instance: 101)] != nil)
        red.eid = LISPAddress(eidPrefix: eidPrefix("10.1.0.0/16", instance: 102))
        try bench.register([red])
        #expect(bench.server.statistics[.recordsOfNoSite] == 1)
    }

    // MARK: Keys and algorithms

    @Test func `algorithm 0 is refused, even if configured`() throws {
        let none = secret("alpha", algorithm: .none)
        for configured in [secret("alpha"), none] {
            let bench = MapServerBench { $0.keys = [configured] }
            let actions = try bench.register([record("10.1.0.0/16")], by: BenchETR(key: none))
            #expect(actions.datagrams.isEmpty)
            #expect(!bench.isRegistered("10.1.0.0/16"))
            #expect(bench.refusals() == [.algorithmNotAllowed: 1])
        }
    }

    @Test func `only the algorithm configured for the key is accepted`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.1.0.0/16")], by: BenchETR(key: secret("alpha", algorithm: .hmacSHA1_96)))
        try bench.register([record("10.1.0.0/16")], by: BenchETR(key: secret("alpha", id: 7)))
        #expect(!bench.isRegistered("10.1.0.0/16"))
        #expect(bench.refusals() == [.algorithmNotAllowed: 1, .unknownKeyID: 1])
    }

    @Test func `a length that the algorithm does not make is refused`() throws {
        let bench = MapServerBench()
        let etr = BenchETR()
        let whole = bench.signed(etr.register([record("10.1.0.0/16")], nonce: 1), by: etr.key)
        var message = try MapRegister(decoding: whole)
        message.authentication.data.removeLast()
        try bench.deliver(message.encoded(), from: etr.source)
        #expect(!bench.isRegistered("10.1.0.0/16"))
        #expect(bench.refusals() == [.badLength: 1])
    }

    @Test func `during a rollover each message verifies under the key that it names`() throws {
        let old = secret("old", id: 1, algorithm: .hmacSHA1_96)
        let new = secret("new", id: 2)
        let bench = MapServerBench { $0.keys = [old, new] }
        for key in [old, new] {
            let actions = try bench.register([record("10.1.0.0/16")], by: BenchETR(xtrID: 1, key: key))
            let notify = try #require(actions.datagrams.first)
            #expect(key.verifies(notify.payload) == .ok)
        }
        #expect(bench.registrations("10.1.0.0/16").map(\.key) == [new])
        try bench.register([record("10.1.0.0/16")], by: BenchETR(key: secret("new", id: 1, algorithm: .hmacSHA1_96)))
        #expect(bench.refusals() == [.wrongKey: 1])
    }

    @Test func `a stranger's message is verified under no more than sixteen keys`() throws {
        var settings = MapServerSettings(sites: [])
        settings.sites = (0..<40).map { number in
            SiteSettings(
                name: "site\(number)",
                keys: [secret("key\(number)")],
                eids: [SiteEID(prefix: eidPrefix("10.\(number).0.0/16"))]
            )
        }
        let bench = MapServerBench(settings)
        try bench.register((0..<40).map { record("10.\($0).0.0/16") }, by: BenchETR(key: secret("guess")))
        #expect(bench.refusals("site15") == [.wrongKey: 1])
        #expect(bench.refusals("site16") == [.tooManyKeys: 1])
    }

    // MARK: Locators

    @Test func `a record with any locator that is not allowed is refused`() throws {
        let bench = MapServerBench { $0.allowedLocators = [IPAddress("198.51.100.1")!, IPAddress("2001:db8::1")!] }
        let actions = try bench.register([
            record("10.1.0.0/16", ["198.51.100.1", "2001:db8::1"]),
            record("2001:db8:1::/48", ["198.51.100.1", "203.0.113.66"]),
        ])
        #expect(bench.isRegistered("10.1.0.0/16"))
        #expect(!bench.isRegistered("2001:db8:1::/48"))
        #expect(bench.refusals() == [.locatorNotAllowed: 1])
        #expect(try actions.notifies().flatMap(\.records).count == 1)
    }

    @Test func `a locator that is no IP address is not among the allowed`() throws {
        let bench = MapServerBench { $0.allowedLocators = [IPAddress("198.51.100.1")!] }
        var odd = record("10.1.0.0/16")
        odd.locators[0].address = .lcaf(CanonicalAddress(type: 10, body: [1, 2, 3]))
        try bench.register([odd])
        #expect(bench.refusals() == [.locatorNotAllowed: 1])
    }

    // MARK: Map-Notify

    @Test func `the Map-Notify goes to the source address and port, with the nonce, under the same key`() throws {
        let bench = MapServerBench()
        let etr = BenchETR(xtrID: 0xabc, source: Endpoint(IPAddress("198.51.100.1")!, 51_111))
        let actions = try bench.register([record("10.1.0.0/16")], by: etr, nonce: 77)
        let datagram = try #require(actions.datagrams.first)
        #expect(actions.datagrams.count == 1)
        #expect(datagram.destination == etr.source)
        #expect(datagram.source == mapServerAddress)
        #expect(etr.key.verifies(datagram.payload) == .ok)
        let notify = try MapNotify(decoding: datagram.payload)
        #expect(notify.nonce.rawValue == 77)
        #expect(notify.records == [record("10.1.0.0/16")])
        #expect(notify.xtrID == XTRID(rawValue: 0xabc))
        #expect(notify.siteID == SiteID(rawValue: 9))
        #expect(!notify.isAcknowledgement)
    }

    @Test func `without an I-bit nothing follows the records, without an M-bit no Map-Notify is sent`() throws {
        let bench = MapServerBench()
        let notify = try #require(try bench.register([record("10.1.0.0/16")]).notifies().first)
        #expect(notify.xtrID == nil)
        #expect(notify.tail.isEmpty)
        #expect(try bench.register([record("10.1.0.0/16")], notify: false).datagrams.isEmpty)
    }

    // MARK: Time

    @Test func `a registration ends exactly three minutes after its last Map-Register`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.1.0.0/16")])
        bench.now = .zero + .seconds(60)
        try bench.register([record("10.1.0.0/16")])
        #expect(bench.server.deadline() == .zero + .seconds(240))
        bench.now = .zero + .seconds(240) + .nanoseconds(-1)
        #expect(bench.timeout().isEmpty)
        #expect(bench.isRegistered("10.1.0.0/16"))
        bench.now = .zero + .seconds(240)
        #expect(
            bench.timeout().events == [
                .expired(
                    site: "alpha",
                    prefix: eidPrefix("10.1.0.0/16"),
                    etr: .source(IPAddress("198.51.100.1")!)
                )
            ]
        )
        #expect(!bench.isRegistered("10.1.0.0/16"))
        #expect(bench.server.deadline() == nil)
    }

    @Test func `what is over does not count, even before anybody calls timeout`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.1.0.0/16")])
        bench.now = .zero + .seconds(180)
        #expect(bench.targets("10.1.2.3").isEmpty)
    }

    @Test func `what ends together goes a slice at a time`() throws {
        let bench = MapServerBench()
        let parts = (0..<250).map { record("10.1.\($0).0/24") }
        for begin in stride(from: 0, to: parts.count, by: 50) { try bench.register(Array(parts[begin..<begin + 50])) }
        try bench.register([record("10.1.0.0/16")])
        bench.now = .zero + .seconds(180)
        var left: [Int] = []
        while let due = bench.server.deadline(), due <= bench.now {
            #expect(bench.timeout().events.count <= MapServer.sliceLimit)
            left.append(bench.server.registry.registered.count)
        }
        #expect(left == [51, 0])
        #expect(bench.server.statistics[.registrationsExpired] == 251)
    }

    @Test func `with the T-bit the record's TTL is the registration's life`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.1.0.0/16", ttl: 1)], ttlCounts: true)
        #expect(bench.server.deadline() == .zero + .seconds(60))
        try bench.register([record("10.1.0.0/16", ttl: .max)], ttlCounts: true)
        bench.now = .zero + .seconds(86_400)
        #expect(bench.timeout().isEmpty)
    }

    @Test func `ETRs of one site expire one by one`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.1.0.0/16")], by: BenchETR(xtrID: 1))
        bench.now = .zero + .seconds(100)
        try bench.register([record("10.1.0.0/16")], by: BenchETR(xtrID: 2))
        #expect(bench.registrations("10.1.0.0/16").count == 2)
        bench.now = .zero + .seconds(180)
        _ = bench.timeout()
        #expect(bench.registrations("10.1.0.0/16").map(\.xtrID) == [XTRID(rawValue: 2)])
    }

    @Test func `TTL 0 withdraws this ETR's registration only, and is acknowledged`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.1.0.0/16")], by: BenchETR(xtrID: 1))
        try bench.register([record("10.1.0.0/16")], by: BenchETR(xtrID: 2))
        let actions = try bench.register([record("10.1.0.0/16", ttl: 0)], by: BenchETR(xtrID: 1))
        #expect(try actions.notifies().flatMap(\.records).map(\.ttlMinutes) == [0])
        #expect(bench.registrations("10.1.0.0/16").map(\.xtrID) == [XTRID(rawValue: 2)])
        #expect(bench.server.statistics[.registrationsWithdrawn] == 1)
    }

    @Test func `without an xTR-ID the source RLOC tells ETRs apart`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.1.0.0/16")])
        var other = BenchETR()
        other.source.port = 9
        try bench.register([record("10.1.0.0/16")], by: other)
        #expect(bench.registrations("10.1.0.0/16").count == 1)
        other.source.address = IPAddress("198.51.100.2")!
        try bench.register([record("10.1.0.0/16")], by: other)
        #expect(bench.registrations("10.1.0.0/16").count == 2)
    }

    @Test func `there is an end to registrations`() throws {
        var limits = SiteRegistry.Limits()
        limits.etrsPerPrefix = 3
        let bench = MapServerBench(limits: limits)
        for etr in 1...5 { try bench.register([record("10.1.0.0/16")], by: BenchETR(xtrID: UInt128(etr))) }
        #expect(bench.registrations("10.1.0.0/16").count == 3)
        #expect(bench.refusals() == [.limitReached: 2])
    }

    // MARK: Merging

    private static let one = BenchETR(xtrID: 1, source: Endpoint(IPAddress("198.51.100.1")!, 40_001))
    private static let two = BenchETR(xtrID: 2, source: Endpoint(IPAddress("198.51.100.2")!, 40_002))

    @Test func `when merged locators change, each ETR that wants to know is told until it acknowledges`() throws {
        let bench = MapServerBench()
        let first = try bench.register([record("10.1.0.0/16", ["198.51.100.1"])], by: Self.one, merge: true)
        #expect(first.datagrams.count == 1)

        let actions = try bench.register([record("10.1.0.0/16", ["198.51.100.2"])], by: Self.two, merge: true)
        let datagrams = actions.datagrams
        #expect(
            datagrams.map(\.destination) == [
                Self.two.source, .control(Self.one.source.address), .control(Self.two.source.address),
            ]
        )
        let told = try MapNotify(decoding: datagrams[1].payload)
        #expect(text(told.records) == [#"10.1.0.0/16 1440min ["198.51.100.1", "198.51.100.2"]"#])
        #expect(told.xtrID == XTRID(rawValue: 1))
        #expect(Self.one.key.verifies(datagrams[1].payload) == .ok)

        // The second acknowledges, the first does not.
        let other = try MapNotify(decoding: datagrams[2].payload)
        acknowledge(other, bench, key: Self.two.key)
        #expect(bench.server.statistics[.mapNotifyAcksAccepted] == 1)
        var times: [Int64] = []
        while let deadline = bench.server.deadline(), deadline < .zero + .seconds(179) {
            bench.now = deadline
            for action in bench.timeout() {
                switch action {
                case .send(let repeated):
                    #expect(repeated == datagrams[1])
                    times.append(bench.now.nanoseconds / 1_000_000_000)
                case .event(let event):
                    let etr = ETRIdentity.named(XTRID(rawValue: 1), SiteID(rawValue: 9))
                    #expect(event == .notifyUnanswered(prefix: eidPrefix("10.1.0.0/16"), etr: etr))
                }
            }
        }
        #expect(times == [3, 6, 9, 15, 27, 51])
        #expect(bench.server.statistics[.mapNotifiesUnanswered] == 1)
    }

    private func acknowledge(_ notify: MapNotify, _ bench: MapServerBench, key: AuthenticationKey) {
        var ack = notify
        ack.isAcknowledgement = true
        ack.authentication = Authentication(placeholderFor: key)
        var bytes = ack.encoded()
        key.sign(&bytes)
        bench.server.receivedMapNotifyAck(ack, raw: bytes)
    }

    @Test func `an acknowledgement under another key or for nothing stops nothing`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.1.0.0/16", ["198.51.100.1"])], by: Self.one, merge: true)
        let actions = try bench.register([record("10.1.0.0/16", ["198.51.100.2"])], by: Self.two, merge: true)
        var notify = try MapNotify(decoding: actions.datagrams[1].payload)
        acknowledge(notify, bench, key: secret("guess"))
        #expect(bench.server.statistics[.mapNotifyAcksRefused] == 1)
        notify.nonce = Nonce(rawValue: 5)
        acknowledge(notify, bench, key: Self.one.key)
        #expect(bench.server.statistics[.mapNotifyAcksUnasked] == 1)
        bench.now = .zero + .seconds(3)
        #expect(bench.timeout().datagrams.count == 2)
    }

    @Test func `the others are told when one leaves, expires, or refreshes with a change, not when it only refreshes`()
        throws
    {
        let bench = MapServerBench()
        try bench.register([record("10.1.0.0/16", ["198.51.100.1"])], by: Self.one, merge: true, notify: false)
        try bench.register([record("10.1.0.0/16", ["198.51.100.2"])], by: Self.two, merge: true)
        bench.now = .zero + .seconds(60)
        #expect(
            try bench.register([record("10.1.0.0/16", ["198.51.100.2"])], by: Self.two, merge: true).datagrams.count
                == 1
        )
        bench.now = .zero + .seconds(180)
        let told = try bench.timeout().notifies().flatMap(\.records)
        #expect(text(told).contains(#"10.1.0.0/16 1440min ["198.51.100.2"]"#))

        try bench.register([record("10.1.0.0/16", ["198.51.100.1"])], by: Self.one, merge: true, notify: false)
        let actions = try bench.register([record("10.1.0.0/16", ttl: 0)], by: Self.one, merge: true, notify: false)
        #expect(text(try actions.notifies().flatMap(\.records)) == [#"10.1.0.0/16 1440min ["198.51.100.2"]"#])
    }

    @Test func `no more Map-Notifies wait for an answer than the limit allows`() {
        var notifier = MapNotifier(limit: 2)
        func notify(_ prefix: String, nonce: UInt64) -> ControlDatagram? {
            let record = record(prefix)
            let registration = ETRRegistration(
                etr: .source(Self.one.source.address),
                source: Self.one.source,
                local: mapServerAddress,
                record: record,
                wantsProxyReply: false,
                wantsMerge: true,
                wantsMapNotify: true,
                nonce: Nonce(rawValue: 1),
                key: Self.one.key,
                registered: .zero,
                expires: .zero + .seconds(180)
            )
            let nonce = Nonce(rawValue: nonce)
            return notifier.notify(registration, for: eidPrefix(prefix), of: record, nonce: nonce, now: .zero)
        }
        #expect(notify("10.1.1.0/24", nonce: 1) != nil)
        #expect(notify("10.1.2.0/24", nonce: 2) != nil)
        #expect(notify("10.1.3.0/24", nonce: 3) == nil)
        // A newer one for the same registration takes the place of the older.
        #expect(notify("10.1.2.0/24", nonce: 4) != nil)
        notifier.cancel(.init(prefix: eidPrefix("10.1.1.0/24"), etr: .source(Self.one.source.address)))
        #expect(notify("10.1.3.0/24", nonce: 5) != nil)
        #expect(notifier.timeout(now: .zero + .seconds(3), limit: 1).count == 1)
        #expect(notifier.timeout(now: .zero + .seconds(3), limit: 9).count == 1)
    }

    @Test func `without the merge bit nobody is told`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.1.0.0/16", ["198.51.100.1"])], by: Self.one)
        #expect(try bench.register([record("10.1.0.0/16", ["198.51.100.2"])], by: Self.two).datagrams.count == 1)
    }

    @Test func `allowed locators apply before merging`() throws {
        let bench = MapServerBench { $0.allowedLocators = [IPAddress("198.51.100.1")!] }
        try bench.register([record("10.1.0.0/16", ["198.51.100.1"])], by: Self.one, merge: true)
        try bench.register([record("10.1.0.0/16", ["198.51.100.2"])], by: Self.two, merge: true)
        #expect(bench.server.registry.registered[eidPrefix("10.1.0.0/16")]?.mapping?.locators.count == 1)
    }

    // MARK: Settings

    @Test func `a reload keeps what is unchanged and drops what is no longer configured`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.1.0.0/16"), record("10.1.5.0/24")], by: BenchETR(xtrID: 1))
        try bench.register([record("2001:db8:1::/48", ["198.51.100.3"])], by: BenchETR(xtrID: 3))
        try bench.register([record("10.2.0.0/16")], by: BenchETR(xtrID: 2, key: secret("beta")))
        try bench.register([record("10.1.0.0/16")], by: BenchETR(key: secret("guess")))

        var settings = MapServerBench.settings
        settings.sites[0].eids[0].acceptMoreSpecifics = false
        settings.sites[0].allowedLocators = [IPAddress("198.51.100.1")!]
        settings.sites[1].keys = [secret("fresh")]
        let events = bench.server.reconfigure(settings, now: bench.now, using: &bench.random).events
        #expect(bench.isRegistered("10.1.0.0/16"))
        #expect(!bench.isRegistered("10.1.5.0/24"))
        #expect(!bench.isRegistered("2001:db8:1::/48"))
        #expect(!bench.isRegistered("10.2.0.0/16"))
        #expect(events.count == 3)
        #expect(bench.refusals() == [.wrongKey: 1])
        #expect(bench.server.deadline() == .zero + .seconds(180))

        settings.sites.removeFirst()
        _ = bench.server.reconfigure(settings, now: bench.now, using: &bench.random)
        #expect(bench.server.registry.registered.isEmpty)
        #expect(bench.server.sites.map(\.settings.name) == ["beta"])
        // The count of the whole router never goes back.
        #expect(bench.server.refusals[.wrongKey] == 1)
        #expect(bench.server.deadline() == nil)
    }

    @Test func `the operator clears what a site has registered, and its nonces`() throws {
        let bench = MapServerBench { $0.nonceCheck = .strict }
        let (first, second) = (BenchETR(xtrID: 1), BenchETR(xtrID: 2))
        try bench.register([record("10.1.0.0/16"), record("10.1.5.0/24")], by: first, nonce: 9)
        try bench.register([record("10.1.0.0/16")], by: second, nonce: 9)
        try bench.register([record("10.2.0.0/16")], by: BenchETR(key: secret("beta")))
        let prefixes = ["10.1.0.0/16", "10.1.5.0/24", "10.1.9.0/24", "10.2.0.0/16"].map { eidPrefix($0) }
        #expect(bench.server.clear(prefixes, of: "alpha", now: bench.now) == (2, 3))
        #expect(bench.server.clear(prefixes, of: "alpha", now: bench.now) == (0, 0))
        #expect(!bench.isRegistered("10.1.0.0/16") && !bench.isRegistered("10.1.5.0/24"))
        #expect(bench.isRegistered("10.2.0.0/16"))
        #expect(bench.server.statistics[.registrationsCleared] == 3)
        #expect(bench.server.statistics[.registrationsExpired] == 0)

        // An old nonce is refused until the operator forgets it.
        try bench.register([record("10.1.0.0/16")], by: first, nonce: 3)
        #expect(bench.refusals("alpha") == [.replayedNonce: 1])
        #expect(bench.server.forgetNonces(of: "alpha") == 2)
        #expect(bench.server.forgetNonces(of: "alpha") == 0)
        try bench.register([record("10.1.0.0/16")], by: first, nonce: 3)
        #expect(bench.isRegistered("10.1.0.0/16"))
        #expect(bench.server.registry.configured[eidPrefix("10.1.0.0/16")]?.registeredCount == 1)
    }

    @Test func `refusals are all counted, but logged at a limited rate`() throws {
        let bench = MapServerBench()
        var logged = 0
        for _ in 0..<100 {
            logged += try bench.register([record("10.1.0.0/16")], by: BenchETR(key: secret("guess"))).events.count
        }
        #expect(bench.refusals() == [.wrongKey: 100])
        #expect(bench.server.refusals[.wrongKey, .ipv4] == 100)
        #expect(logged == 20)
    }
}
