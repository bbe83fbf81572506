// What floods cost, and whom they hurt: docs/decisions/map-register-limits.md and message-limits.md.

import LISPTables
import LISPWire
import Testing

@testable import LISPControl

@Suite struct `A flood of forged Map-Registers` {
    /// A Map-Server behind the router's door, and a clock.
    private final class Bench {
        var router: Router
        var now = Instant.zero
        var random = SplitMix(seed: 2)
        var nonce: UInt64 = 1_000

        init(nonces: NonceGuard = NonceGuard(), _ change: (inout RouterSettings) -> Void = { _ in }) {
            var settings = RouterSettings(mapServer: MapServerBench.settings)
            // A tenth of what is usual, so that less is enough.
            settings.limits.failedMapRegisters = 1_000
            change(&settings)
            router = Router(settings, nextNonce: 1, nonces: nonces, now: .zero)
        }

        var server: MapServer { router.mapServer! }

        func signed(_ etr: BenchETR, _ prefix: String = "10.1.0.0/16", nonce: UInt64? = nil) -> [UInt8] {
            self.nonce += 1
            var bytes = etr.register([record(prefix)], nonce: nonce ?? self.nonce).encoded()
            etr.key.sign(&bytes)
            return bytes
        }

        /// Whether it was acknowledged.
        @discardableResult
        func deliver(_ payload: [UInt8], from source: Endpoint) -> Bool {
            router.received(
                ReceivedControlMessage(payload: payload, source: source, destination: mapServerAddress),
                now: now,
                using: &random
            ).contains { if case .send = $0 { true } else { false } }
        }

        func register(_ etr: BenchETR, _ prefix: String = "10.1.0.0/16") -> Bool {
            deliver(signed(etr, prefix), from: etr.source)
        }

        /// Forged messages at even distances; how many were looked at.
        func flood(_ count: Int, over time: Duration, from source: (Int) -> Endpoint) -> UInt64 {
            let forged = signed(BenchETR(xtrID: 66, key: secret("a guess")), nonce: .max)
            let before = server.statistics[.mapRegistersReceived]
            for number in 0..<count {
                now = now + .nanoseconds(time.nanoseconds / Int64(count))
                deliver(forged, from: source(number))
            }
            return server.statistics[.mapRegistersReceived] - before
        }
    }

    private static let rogue = Endpoint(IPAddress("203.0.113.66")!, 4342)
    private static func spoofed(_ number: Int) -> Endpoint {
        Endpoint(.v4(IPv4Address(0x0b00_0000 &+ UInt32(truncatingIfNeeded: number &* 2_654_435_761) >> 8)), 4342)
    }
    private static let named = BenchETR(xtrID: 1, source: Endpoint(IPAddress("198.51.100.1")!, 4342))
    private static let nameless = BenchETR(source: Endpoint(IPAddress("198.51.100.2")!, 4342))

    @Test func `costs no more than the limit, from one address or from many`() {
        let one = Bench()
        // Half of the total for one address, and what half of its burst is at once.
        #expect(one.flood(20_000, over: .seconds(4), from: { _ in Self.rogue }) <= 4 * 1_000 + 1_000 + 200)
        #expect(one.server.statistics[.mapRegistersLimitedAtSource] > 10_000)
        let many = Bench()
        #expect(many.flood(20_000, over: .seconds(4), from: Self.spoofed) <= 4 * 1_000 + 2_000 + 200)
        #expect(many.server.statistics[.mapRegistersLimitedInAll] > 10_000)
        #expect(one.server.registry.registered.count == 0 && many.server.registry.registered.count == 0)
    }

    @Test func `from one address hurts neither those who are registered nor those who come`() {
        let bench = Bench()
        #expect(bench.register(Self.named))
        for _ in 0..<20 {
            _ = bench.flood(5_000, over: .seconds(1), from: { _ in Self.rogue })
            #expect(bench.register(Self.named))
        }
        #expect(bench.register(BenchETR(xtrID: 7, source: Endpoint(IPAddress("198.51.100.7")!, 4342))))
    }

    @Test func `from spoofed addresses leaves those who are registered in peace, also after a restart`() {
        let bench = Bench()
        #expect(bench.register(Self.named) && bench.register(Self.nameless))
        _ = bench.flood(10_000, over: .seconds(1), from: Self.spoofed)
        for _ in 0..<20 {
            _ = bench.flood(100, over: .milliseconds(10), from: Self.spoofed)
            #expect(bench.register(Self.named) && bench.register(Self.nameless))
        }
        // Nobody was met since, yet nonces and names are known.
        let again = Bench(nonces: bench.server.nonces)
        again.nonce = bench.nonce
        _ = again.flood(10_000, over: .seconds(1), from: Self.spoofed)
        _ = again.flood(100, over: .milliseconds(10), from: Self.spoofed)
        #expect(again.register(Self.named) && again.register(Self.nameless))
    }

    @Test func `from the ETR's own address, too, even with its port`() {
        let bench = Bench()
        #expect(bench.register(Self.named) && bench.register(Self.nameless))
        for etr in [Self.named, Self.nameless] {
            for _ in 0..<20 {
                _ = bench.flood(1_000, over: .milliseconds(100), from: { _ in etr.source })
                #expect(bench.register(etr))
            }
        }
    }

    @Test func `lets an ETR that lost its name and its count, and whose address is spoofed, through within few tries`()
    {
        var tries: [Int] = []
        for seed: UInt64 in 1...20 {
            let bench = Bench()
            bench.random = SplitMix(seed: seed)
            let etr = BenchETR(xtrID: UInt128(seed) << 9, source: Self.named.source)
            _ = bench.flood(3_000, over: .seconds(1), from: { _ in etr.source })
            var count = 1
            // Some time of the flood between its tries, which come at any moment between two forged messages.
            while !bench.register(etr), count < 100 {
                count += 1
                let forged = 100 + Int(bench.random.next() % 97)
                _ = bench.flood(forged, over: .milliseconds(50), from: { _ in etr.source })
                bench.now = bench.now + .microseconds(Int64(bench.random.next() % 300))
            }
            tries.append(count)
        }
        #expect(tries.allSatisfy { $0 < 60 }, "\(tries)")
    }

    @Test func `large messages cost as much as they make us compute`() {
        let bench = Bench()
        let records = (0..<200).map { record("10.1.\($0).0/24") }
        var large = BenchETR(key: secret("a guess")).register(records, nonce: 5).encoded()
        secret("a guess").sign(&large)
        let cost = 1 + large.count / 512
        #expect(cost > 10)
        let before = bench.server.statistics[.mapRegistersReceived]
        for number in 0..<3_000 {
            bench.now = .zero + .microseconds(Int64(number) * 333)
            bench.deliver(large, from: Self.spoofed(number))
        }
        let looked = Int(bench.server.statistics[.mapRegistersReceived] - before)
        #expect(looked <= (2_000 + 1_000) / cost + 2)
    }

    @Test func `is not what a Map-Server sees that lost everything: all ETRs come at once`() {
        let bench = Bench { $0.limits.mapRegistersPerSite = nil }
        for number in 0..<5_000 {
            bench.now = .zero + .microseconds(Int64(number))
            let etr = BenchETR(
                xtrID: UInt128(number),
                source: Endpoint(Self.rogue.address, UInt16(number % 60_000) + 1)
            )
            #expect(bench.register(etr, "10.1.\(number >> 8 & 255).\(number & 255)/32"))
        }
        #expect(bench.server.statistics[.mapRegistersLimitedAtSource] == 0)
    }

    @Test func `replayed by one who captured them costs no more, and does not use up the site's share`() {
        let bench = Bench { $0.limits.mapRegistersPerSite = 10 }
        let captured = bench.signed(Self.named)
        #expect(bench.deliver(captured, from: Self.named.source))
        let before = bench.server.statistics[.mapRegistersReceived]
        for number in 0..<10_000 {
            bench.now = .zero + .microseconds(100 * Int64(number))
            bench.deliver(captured, from: Self.spoofed(number))
        }
        #expect(bench.server.statistics[.mapRegistersReceived] - before <= 4_000)
        bench.now = bench.now + .milliseconds(100)
        #expect(bench.register(BenchETR(xtrID: 2, source: Endpoint(IPAddress("198.51.100.9")!, 4342))))
    }

    @Test func `of a true key does not take other sites' share`() {
        let bench = Bench { $0.limits.mapRegistersPerSite = 100 }
        var accepted = 0
        for number in 0..<3_000 {
            bench.now = .zero + .microseconds(333 * Int64(number))
            let etr = BenchETR(xtrID: UInt128(number), source: Self.rogue)
            if bench.register(etr, "10.1.\(number >> 8).\(number & 255)/32") { accepted += 1 }
        }
        #expect(accepted > 200 && accepted <= 300 + 1)
        #expect(bench.server.refusals[.tooManyOfSite] > 0)
        let beta = BenchETR(xtrID: 5, source: Endpoint(IPAddress("198.51.100.5")!, 4342), key: secret("beta"))
        #expect(bench.register(beta, "10.2.0.0/16"))
    }

    @Test func `is told of, naming the source, at a bounded rate`() {
        let bench = Bench()
        let forged = bench.signed(BenchETR(key: secret("a guess")))
        var told = 0
        for number in 0..<5_000 {
            bench.now = .zero + .microseconds(200 * Int64(number))
            let message = ReceivedControlMessage(payload: forged, source: Self.rogue, destination: mapServerAddress)
            for case .note(.refused(let reason, Self.rogue)) in bench.router.received(
                message,
                now: bench.now,
                using: &bench.random
            ) {
                #expect(reason == "Map-Register dropped unread: too many have failed")
                told += 1
            }
        }
        #expect((1...6).contains(told))
    }

    @Test func `ends when the limit is lifted by a reload`() {
        let bench = Bench { $0.limits.failedMapRegisters = 1 }
        _ = bench.flood(1_000, over: .milliseconds(100), from: Self.spoofed)
        let stranger = BenchETR(xtrID: 7, source: Endpoint(IPAddress("198.51.100.7")!, 4342))
        #expect(!bench.register(stranger))
        var settings = RouterSettings(mapServer: MapServerBench.settings)
        settings.limits.failedMapRegisters = nil
        _ = bench.router.reconfigure(settings, nextNonce: 1, now: bench.now, using: &bench.random)
        #expect(bench.register(stranger))
    }
}

@Suite struct `A flood of Map-Requests` {
    private static func ecm(_ eid: String, _ number: Int, itr: IPAddress) -> [UInt8] {
        EncapsulatedControlMessage(
            source: Endpoint(IPAddress("10.9.9.9")!, 4342),
            destination: .control(IPAddress(eid)!),
            payload: MapRequest(
                nonce: Nonce(rawValue: UInt64(number)),
                itrRLOCs: [.ip(itr)],
                records: [.init(EIDPrefix(IPPrefix(host: IPAddress(eid)!)))]
            ).encoded()
        ).encoded()
    }

    private static func rloc(_ number: Int) -> IPAddress { .v4(IPv4Address(0x0c00_0000 + UInt32(number))) }

    /// Asks `count` times within a second, each from and for another RLOC; the datagrams that left.
    private static func ask(
        _ router: inout Router,
        _ eid: String,
        _ count: Int,
        from source: (Int) -> IPAddress,
        now: Instant = .zero
    ) -> [ControlDatagram] {
        var random = SplitMix(seed: 1)
        return (0..<count).flatMap { number -> [ControlDatagram] in
            let message = ReceivedControlMessage(
                payload: ecm(eid, number, itr: rloc(number)),
                source: .control(source(number)),
                destination: mapServerAddress
            )
            let actions = router.received(message, now: now + .microseconds(Int64(number)), using: &random)
            return actions.compactMap { if case .send(let datagram) = $0 { datagram } else { nil } }
        }
    }

    private static func router(_ change: (inout MessageLimits) -> Void = { _ in }) -> Router {
        var settings = Roles.mappingSystem
        change(&settings.limits)
        var router = Router(settings, nextNonce: 1, now: .zero)
        var random = SplitMix(seed: 1)
        var bytes = BenchETR(xtrID: 1, key: Roles.key).register([record("10.1.0.0/16")], nonce: 1).encoded()
        Roles.key.sign(&bytes)
        let message = ReceivedControlMessage(
            payload: bytes,
            source: .control(IPAddress("198.51.100.1")!),
            destination: mapServerAddress
        )
        _ = router.received(message, now: .zero, using: &random)
        return router
    }

    @Test func `from one source is taken up to its limit, and others are still heard`() {
        var router = Self.router { $0.mapRequestsPerSource = 100 }
        let rogue = IPAddress("203.0.113.66")!
        let count = Self.ask(&router, "10.77.0.1", 5_000, from: { _ in rogue }).count
        #expect(count == 200)
        #expect(router.refusals[.tooManyFromSource] == 4_800)
        let other = IPAddress("203.0.113.67")!
        let answers = Self.ask(&router, "10.77.0.1", 1, from: { _ in other }, now: .zero + .seconds(2)).count
        #expect(answers == 1)
    }

    @Test func `from many is taken up to the total`() {
        var router = Self.router { $0.mapRequests = 100 }
        let count = Self.ask(&router, "10.77.0.1", 5_000, from: Self.rloc).count
        #expect(count == 200)
        #expect(router.refusals[.tooManyRequests] == 4_800)
    }

    @Test func `is not passed on to an ETR beyond what it can bear`() {
        var router = Self.router { $0.mapRequestsPerETR = 50 }
        let sent = Self.ask(&router, "10.1.0.1", 3_000, from: Self.rloc)
        #expect(sent.count == 100 && sent.allSatisfy { $0.destination.address == IPAddress("198.51.100.1")! })
        #expect(router.mapServer?.statistics[.mapRequestsLimitedAtETR] == 2_900)
    }

    @Test func `gets negative replies up to a limit of their own, for IPv6 by the network`() {
        var router = Self.router { $0.negativeMapReplies = 50 }
        let count = Self.ask(&router, "10.77.0.1", 3_000, from: Self.rloc).count
        #expect(count == 100)
        #expect(router.mapServer?.statistics[.negativeRepliesLimited] == 2_900)
        #expect(NetworkOfOne(IPAddress("2001:db8::1")!) == NetworkOfOne(IPAddress("2001:db8::2")!))
        #expect(NetworkOfOne(IPAddress("2001:db8::1")!) != NetworkOfOne(IPAddress("2001:db8:0:1::1")!))
    }

    @Test func `without limits is taken as a whole`() {
        var router = Self.router {
            $0.mapRequestsPerSource = nil
            $0.mapRequests = nil
            $0.negativeMapReplies = nil
        }
        let count = Self.ask(&router, "10.77.0.1", 20_000, from: { _ in Self.rloc(1) }).count
        #expect(count == 20_000)
    }
}
