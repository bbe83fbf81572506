// Map-Requests at a Map-Server: forwarded, answered for an ETR, answered negatively. RFC 9301 section 8.3.

import LISPTables
import LISPWire
import Testing

@testable import LISPControl

@Suite struct MapServerRequestTests {
    private static let one = BenchETR(xtrID: 1, source: Endpoint(IPAddress("198.51.100.1")!, 40_001))
    private static let two = BenchETR(xtrID: 2, source: Endpoint(IPAddress("198.51.100.2")!, 40_002))

    // MARK: Forwarding

    @Test func `a request goes unaltered to an ETR, and to another on a retry`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.1.0.0/16", ["198.51.100.1"])], by: Self.one)
        try bench.register([record("10.1.0.0/16", ["198.51.100.2"])], by: Self.two)
        #expect(bench.targets("10.1.2.3") == ["198.51.100.1:4342"])
        bench.now = .zero + .seconds(1)
        #expect(bench.targets("10.1.2.3") == ["198.51.100.2:4342"])
        bench.now = .zero + .seconds(2)
        #expect(bench.targets("10.1.2.3") == ["198.51.100.1:4342"])
        // Another ITR, and the same much later, start with the first again.
        #expect(bench.targets("10.1.2.3", from: "203.0.113.2") == ["198.51.100.1:4342"])
        bench.now = .zero + .seconds(30)
        #expect(bench.targets("10.1.2.3") == ["198.51.100.1:4342"])
        #expect(bench.server.statistics[.mapRequestsForwarded] == 5)
    }

    @Test func `an ETR that could not answer the ITR is not asked while another could`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.1.0.0/16", ["198.51.100.1"])], by: Self.one)
        try bench.register([record("10.1.0.0/16", ["198.51.100.2", "2001:db8::2"])], by: Self.two)
        var seen: [String] = []
        for second: Int64 in 0..<3 {
            bench.now = .zero + .seconds(second)
            seen += bench.targets("10.1.2.3", from: "2001:db8::9")
        }
        #expect(seen == ["198.51.100.2:4342", "[2001:db8::2]:4342", "198.51.100.2:4342"])
        #expect(bench.targets("10.1.2.3") == ["198.51.100.1:4342"])
    }

    @Test func `an expired ETR is not asked`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.1.0.0/16", ["198.51.100.1"])], by: Self.one)
        bench.now = .zero + .seconds(100)
        try bench.register([record("10.1.0.0/16", ["198.51.100.2"])], by: Self.two)
        bench.now = .zero + .seconds(180)
        #expect(bench.targets("10.1.2.3") == ["198.51.100.2:4342"])
        bench.now = .zero + .seconds(181)
        #expect(bench.targets("10.1.2.3") == ["198.51.100.2:4342"])
    }

    @Test func `locators that are the ETR's own come first, unreachable ones not at all`() throws {
        let bench = MapServerBench()
        var mixed = record("10.1.0.0/16", ["198.51.100.5", "198.51.100.6", "198.51.100.7"])
        mixed.locators[0].isLocal = false
        mixed.locators[1].isReachable = false
        mixed.locators[2].priority = 9
        try bench.register([mixed], by: Self.one)
        var seen: [String] = []
        for second: Int64 in 0..<3 {
            bench.now = .zero + .seconds(second)
            seen += bench.targets("10.1.2.3")
        }
        #expect(seen == ["198.51.100.7:4342", "198.51.100.1:4342", "198.51.100.5:4342"])
    }

    @Test func `an ETR is asked over a family that we have`() throws {
        var settings = MapServerBench.settings
        settings.families = [.ipv6]
        let bench = MapServerBench(settings)
        try bench.register([record("10.1.0.0/16", ["198.51.100.1", "2001:db8::1"])], by: Self.one)
        #expect(bench.targets("10.1.2.3", from: "2001:db8::9") == ["[2001:db8::1]:4342"])
        try bench.register([record("10.1.7.0/24", ["198.51.100.1"])], by: Self.one)
        #expect(bench.targets("10.1.7.3", from: "2001:db8::9").isEmpty)
        #expect(bench.server.statistics[.mapRequestsUnforwardable] == 1)
    }

    @Test func `a request that comes round again goes nowhere`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.1.0.0/16")])
        #expect(bench.ask(["10.1.2.3"], nonce: 5).actions.datagrams.count == 1)
        bench.now = .zero + .milliseconds(20)
        #expect(bench.ask(["10.1.2.3"], nonce: 5).actions.isEmpty)
        #expect(bench.server.statistics[.mapRequestsRepeated] == 1)
        bench.now = .zero + .seconds(1)
        #expect(bench.ask(["10.1.2.3"], nonce: 5).actions.datagrams.count == 1)
    }

    // MARK: Proxy replies

    @Test func `asked by the P-bit, the Map-Server answers for the ETR without authority`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.1.0.0/16", ["198.51.100.2", "198.51.100.1"])], proxy: true)
        let (_, actions) = bench.ask(["10.1.2.3"], port: 51_234, nonce: 42)
        let datagram = try #require(actions.datagrams.first)
        #expect(datagram.destination == Endpoint(IPAddress("203.0.113.1")!, 51_234))
        #expect(datagram.source == mapServerAddress)
        let reply = try MapReply(decoding: datagram.payload)
        #expect(reply.nonce.rawValue == 42)
        #expect(!reply.isProbe)
        #expect(text(reply.records) == [#"10.1.0.0/16 1440min ["198.51.100.1", "198.51.100.2"]"#])
        #expect(reply.records.allSatisfy { !$0.isAuthoritative })
        #expect(reply.records[0].locators.allSatisfy { !$0.isLocal && !$0.isProbed && $0.isReachable })
        #expect(bench.server.statistics[.proxyRepliesSent] == 1)
    }

    @Test func `the site's settings can ask for it too, and the ITR can insist on the site itself`() throws {
        let bench = MapServerBench { $0.eids[0].proxyReply = true }
        try bench.register([record("10.1.0.0/16")])
        #expect(text(try bench.answer("10.1.2.3")) == [#"10.1.0.0/16 1440min ["198.51.100.1"]"#])
        let (raw, actions) = bench.ask(["10.1.2.3"]) { $0.isAuthoritative = true }
        #expect(actions.datagrams.map(\.payload) == [raw])
    }

    @Test func `without the merge bit the most recent registration is told, with it the union`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.1.0.0/16", ["198.51.100.1"])], by: Self.one, proxy: true)
        bench.now = .zero + .seconds(1)
        try bench.register([record("10.1.0.0/16", ["198.51.100.2"])], by: Self.two, proxy: true)
        #expect(text(try bench.answer("10.1.2.3")) == [#"10.1.0.0/16 1440min ["198.51.100.2"]"#])
        bench.now = .zero + .seconds(2)
        try bench.register([record("10.1.0.0/16", ["198.51.100.1"])], by: Self.one, proxy: true, merge: true)
        try bench.register(
            [record("10.1.0.0/16", ["198.51.100.2", "198.51.100.1"], ttl: 60)],
            by: Self.two,
            proxy: true,
            merge: true
        )
        #expect(text(try bench.answer("10.1.2.3")) == [#"10.1.0.0/16 60min ["198.51.100.1", "198.51.100.2"]"#])
    }

    @Test func `more-specifics come along under one TTL`() throws {
        let bench = MapServerBench()
        try bench.register(
            [record("10.1.0.0/16", ttl: 100), record("10.1.5.0/24", ttl: 50), record("10.1.9.0/24", ttl: 70)],
            proxy: true
        )
        #expect(
            try bench.answer("10.1.2.3").compactMap(\.eidPrefix)
                == ["10.1.0.0/16", "10.1.5.0/24", "10.1.9.0/24"].map {
                    eidPrefix($0)
                }
        )
        #expect(Set(try bench.answer("10.1.2.3").map(\.ttlMinutes)) == [50])
        #expect(text(try bench.answer("10.1.9.3")) == [#"10.1.9.0/24 70min ["198.51.100.1"]"#])
    }

    @Test func `where there are too many more-specifics, the reply overlaps none of them`() throws {
        let bench = MapServerBench()
        let parts = (0..<64).map { record("10.1.\($0).0/24") }
        try bench.register([record("10.1.0.0/16")] + parts, proxy: true)
        #expect(try bench.answer("10.1.200.3").compactMap(\.eidPrefix) == [eidPrefix("10.1.128.0/17")])
        #expect(try bench.answer("10.1.65.3").compactMap(\.eidPrefix) == [eidPrefix("10.1.64.0/18")])
        #expect(try bench.answer("10.1.3.3").compactMap(\.eidPrefix) == [eidPrefix("10.1.3.0/24")])
    }

    @Test func `more-specifics whose ETR answers for itself are not told, and not covered`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.1.0.0/16")], by: Self.one, proxy: true)
        try bench.register([record("10.1.5.0/24", ["198.51.100.2"])], by: Self.two)
        #expect(try bench.answer("10.1.128.1").compactMap(\.eidPrefix) == [eidPrefix("10.1.128.0/17")])
        #expect(bench.targets("10.1.5.1") == ["198.51.100.2:4342"])
    }

    // MARK: Negative replies

    @Test func `of no site: 15 minutes, natively, as large as is true`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.1.0.0/16")])
        #expect(text(try bench.answer("10.128.0.1")) == ["10.128.0.0/9 15min nativelyForward"])
        #expect(text(try bench.answer("10.0.0.1")) == ["10.0.0.0/16 15min nativelyForward"])
        #expect(text(try bench.answer("172.16.0.1")) == ["128.0.0.0/1 15min nativelyForward"])
        #expect(bench.server.statistics[.negativeRepliesSent] == 3)
    }

    @Test func `configured and registered before a restart: silence until its ETRs had the time to come back`() throws {
        let before = MapServerBench()
        try before.register([record("10.1.0.0/16")])
        let bench = MapServerBench(nonces: before.server.nonces)
        #expect(bench.ask(["10.1.2.3"]).actions.isEmpty)
        #expect(bench.server.statistics[.mapRequestsTooEarly] == 1)
        // Of what is of no site, or of one that was not there, it knows enough.
        #expect(bench.ask(["172.16.0.1"]).actions.datagrams.count == 1)
        #expect(bench.ask(["10.2.0.1"]).actions.datagrams.count == 1)
        try bench.register([record("10.1.0.0/16")])
        #expect(bench.ask(["10.1.2.3"]).actions.datagrams.count == 1)
        bench.now = .zero + .seconds(75)
        let late = MapServerBench(nonces: before.server.nonces)
        late.now = bench.now
        #expect(late.ask(["10.1.2.3"]).actions.datagrams.count == 1)
    }

    @Test func `configured but not registered: one minute, by the site's action`() throws {
        let bench = MapServerBench()
        #expect(text(try bench.answer("10.1.2.3")) == ["10.1.0.0/16 1min nativelyForward"])
        #expect(text(try bench.answer("10.2.2.3")) == ["10.2.0.0/16 1min dropPolicyDenied"])
        try bench.register([record("10.1.128.0/24")])
        #expect(text(try bench.answer("10.1.2.3")) == ["10.1.0.0/17 1min nativelyForward"])
    }

    @Test func `several records in one request are answered together, each by its own`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.1.0.0/16")], proxy: true)
        #expect(
            text(try bench.answer("10.1.2.3", "10.2.2.3", "10.128.0.0/9")) == [
                #"10.1.0.0/16 1440min ["198.51.100.1"]"#, "10.2.0.0/16 1min dropPolicyDenied",
                "10.128.0.0/9 15min nativelyForward",
            ]
        )
    }

    // MARK: What is not answered

    @Test func `probes, requests without an EID and those that want no reply get none`() {
        let bench = MapServerBench()
        #expect(bench.ask(["10.2.0.1"]) { $0.isProbe = true }.actions.isEmpty)
        #expect(bench.ask([]).actions.isEmpty)
        #expect(bench.ask(["10.2.0.1"]) { $0.records[0].eid = .distinguishedName([65]) }.actions.isEmpty)
        #expect(bench.ask(["10.2.0.1"]) { $0.dontMapReply = true }.actions.isEmpty)
        #expect(bench.ask(["10.2.0.1"], port: 4341).actions.isEmpty)
        let counts: [MapServerCount] = [
            .mapRequestProbes, .mapRequestsWantNoReply, .mapRequestsBadPort,
        ]
        #expect(counts.map { bench.server.statistics[$0] } == [1, 1, 1])
        #expect(bench.server.statistics[.mapRequestsUnsupported] == 2)
    }

    @Test func `the reply goes to an ITR-RLOC of a family that we have, best of the one that was asked`() throws {
        var settings = MapServerBench.settings
        settings.families = [.ipv4]
        let v4 = MapServerBench(settings)
        #expect(v4.ask(["10.2.0.1"], from: "2001:db8::9").actions.isEmpty)
        #expect(v4.server.statistics[.mapRequestsNoRLOC] == 1)

        let both = MapServerBench()
        let rlocs: [LISPAddress] = ["2001:db8::9", "203.0.113.7"].map { .ip(IPAddress($0)!) }
        let mixed = both.ask(["10.2.0.1"]) { $0.itrRLOCs = rlocs }.actions.datagrams
        #expect(mixed.map(\.destination.address) == [IPAddress("203.0.113.7")!])
        let v6 = both.ask(["10.2.0.1"], from: "2001:db8::9").actions.datagrams
        #expect(v6.map(\.destination.address) == [IPAddress("2001:db8::9")!])
        #expect(v6.map(\.source) == [nil])
    }

    @Test func `Map-Replies to one RLOC are limited, and one question is answered once a second`() {
        let bench = MapServerBench(limiter: MapReplyLimiter(rate: 10, burst: 5))
        let sent = (0..<50).map { _ in bench.ask(["10.2.0.1"]).actions.datagrams.count }.reduce(0, +)
        #expect(sent == 5)
        #expect(bench.server.statistics[.mapRepliesLimited] == 45)
        bench.now = .zero + .seconds(10)
        #expect(bench.ask(["10.2.0.1"], nonce: 3).actions.datagrams.count == 1)
        #expect(bench.ask(["10.2.0.1"], nonce: 3).actions.isEmpty)
        #expect(bench.ask(["10.2.0.1"], from: "203.0.113.2").actions.datagrams.count == 1)
    }
}

@Suite struct `The Map-Server counts by EID family` {
    @Test func `what it forwards and what it answers`() throws {
        let bench = MapServerBench()
        try bench.register([record("10.1.0.0/16")])
        #expect(bench.targets("10.1.2.3") == ["198.51.100.1:4342"])
        _ = try bench.answer("10.77.0.1")
        #expect(bench.server.statistics[.mapRequestsForwarded, .ipv4] == 1)
        #expect(bench.server.statistics[.negativeRepliesSent, .ipv4] == 1)
        #expect(bench.server.statistics[.mapRequestsReceived, .ipv4] == 2)
    }
}
