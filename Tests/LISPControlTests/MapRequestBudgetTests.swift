// How many Map-Requests packets may cause: the accounts by themselves, and the ITR that lives by them.

import ForwardingInterface
import LISPTables
import LISPWire
import Testing

@testable import LISPControl

private func source(_ number: Int) -> MissSource {
    MissSource(EID(.v4(IPv4Address(0x0a01_0000 + UInt32(number)))))
}

private func limits(
    total: (Int, Int) = (1_000, 1_000),
    perSource: (Int, Int) = (1_000, 1_000),
    negativeTotal: (Int, Int) = (1_000, 1_000),
    negativePerSource: (Int, Int) = (1_000, 1_000)
) -> MapRequestLimits {
    MapRequestLimits(
        total: EventRate(perSecond: total.0, burst: total.1),
        perSource: EventRate(perSecond: perSource.0, burst: perSource.1),
        negativeTotal: EventRate(perSecond: negativeTotal.0, burst: negativeTotal.1),
        negativePerSource: EventRate(perSecond: negativePerSource.0, burst: negativePerSource.1)
    )
}

@Suite struct `A budget of Map-Requests` {
    /// Asks, and settles at once; `nil` if it was allowed.
    private func ask(
        _ budget: inout MapRequestBudget,
        _ key: MissSource,
        isFound: Bool,
        at now: Instant
    ) -> MapRequestBudget.Refusal? {
        if let refusal = budget.refusal(of: key, now: now) { return refusal }
        let charge = budget.charge(key, now: now)
        budget.settle(charge, isFound: isFound, now: now)
        return nil
    }

    @Test(arguments: [
        ("10.1.0.5", false, "10.1.0.5"), ("10.1.0.5", true, "10.1.0.0/24"),
        ("2001:db8:1:2:3::4", false, "2001:db8:1:2::/64"),
        ("2001:db8:1:2:3::4", true, "2001:db8:1::/48"),
    ])
    func `goes by so much of an address as one host may choose`(address: String, isStranger: Bool, expected: String) {
        #expect("\(MissSource(EID(IPAddress(address)!), isStranger: isStranger))" == expected)
    }

    @Test func `lets a source find so many at once, and then so many a second`() {
        var budget = MapRequestBudget(limits(perSource: (2, 5)))
        var now = Instant.zero
        var found = 0
        for _ in 0..<100 where ask(&budget, source(1), isFound: true, at: now) == nil { found += 1 }
        #expect(found == 5)
        #expect(ask(&budget, source(1), isFound: true, at: now) == .source)
        #expect(ask(&budget, source(2), isFound: true, at: now) == nil)
        now = now + .seconds(10)
        for _ in 0..<100 where ask(&budget, source(1), isFound: true, at: now) == nil { found += 1 }
        #expect(found == 10)
    }

    @Test func `counts what finds nothing apart`() {
        var budget = MapRequestBudget(limits(perSource: (10, 100), negativePerSource: (1, 3)))
        for _ in 0..<50 { #expect(ask(&budget, source(1), isFound: true, at: .zero) == nil) }
        var inVain = 0
        for _ in 0..<50 where ask(&budget, source(1), isFound: false, at: .zero) == nil { inVain += 1 }
        #expect(inVain == 3)
        #expect(ask(&budget, source(1), isFound: true, at: .zero) == .negativeOfSource)
        // What it finds has lost nothing by that.
        let later = Instant.zero + .seconds(1)
        for _ in 0..<50 { #expect(ask(&budget, source(1), isFound: true, at: later) == nil) }
    }

    /// Each of the accounts, in all and for each source, is a bound for all that leaves, whatever comes of it and when.
    @Test func `is never passed`() {
        var random = SplitMix(seed: 7)
        let given = limits(total: (20, 40), perSource: (5, 10), negativeTotal: (10, 20), negativePerSource: (2, 6))
        var budget = MapRequestBudget(given, sourceLimit: 10)
        var open: [MapRequestBudget.Charge] = []
        var sent: [(at: Instant, source: MissSource)] = []
        var now = Instant.zero
        for _ in 0..<20_000 {
            now = now + .milliseconds(Int.random(in: 0...40, using: &random))
            if Bool.random(using: &random), !open.isEmpty {
                let charge = open.remove(at: Int.random(in: 0..<open.count, using: &random))
                budget.settle(charge, isFound: Int.random(in: 0..<3, using: &random) > 0, now: now)
            } else {
                let key = source(Int.random(in: 0..<8, using: &random))
                if budget.refusal(of: key, now: now) == nil {
                    open.append(budget.charge(key, now: now))
                    sent.append((now, key))
                }
            }
        }
        /// The most that left within any time, beyond what the rate allows in that time.
        func excess(_ times: [Instant], rate: Double) -> Double {
            var level = 0.0
            var worst = 0.0
            var last = Instant.zero
            for time in times {
                level = max(0, level - rate * Double(last.duration(to: time).nanoseconds) / 1e9) + 1
                worst = max(worst, level)
                last = time
            }
            return worst
        }
        #expect(excess(sent.map(\.at), rate: 30) <= 60 + 1e-6)
        for number in 0..<8 {
            let times = sent.filter { $0.source == source(number) }.map(\.at)
            #expect(times.count > 100)
            #expect(excess(times, rate: 7) <= 16 + 1e-6)
        }
    }

    @Test func `of what finds nothing can be used up by invented sources without harm to those that find something`() {
        var budget = MapRequestBudget(limits(total: (10, 10), negativeTotal: (10, 10)))
        #expect(ask(&budget, source(0), isFound: true, at: .zero) == nil)
        var asked = 0
        var now = Instant.zero
        for step in 1...10_000 {
            now = now + .milliseconds(10)
            if ask(&budget, source(step), isFound: false, at: now) == nil { asked += 1 }
            if step % 10 == 0 { #expect(ask(&budget, source(0), isFound: true, at: now) == nil) }
            // One that has found nothing yet has to be lucky, as those are.
            if step == 5_000 { #expect(ask(&budget, source(50_000), isFound: true, at: now) == .negativeTotal) }
        }
        #expect((1_000...1_011).contains(asked))
    }

    @Test func `remembers so many sources and no more`() {
        var budget = MapRequestBudget(limits(perSource: (1, 2), negativePerSource: (1, 2)), sourceLimit: 8)
        // Eight that have used something up; the others share one account.
        for number in 0..<8 { #expect(ask(&budget, source(number), isFound: false, at: .zero) == nil) }
        var shared = 0
        for number in 8..<100 where ask(&budget, source(number), isFound: false, at: .zero) == nil { shared += 1 }
        #expect(shared == 2)
        #expect(budget.sourceCount == 8)
        #expect(ask(&budget, source(3), isFound: false, at: .zero) == nil)
        #expect(ask(&budget, source(3), isFound: false, at: .zero) == .negativeOfSource)
        // Once their buckets are full they are as good as unknown.
        let later = Instant.zero + .seconds(5)
        for number in 8..<16 {
            #expect(ask(&budget, source(number), isFound: false, at: later) == nil)
            #expect(ask(&budget, source(number), isFound: false, at: later) == nil)
        }
        #expect(budget.sourceCount == 8)
    }

    @Test func `with new limits keeps what has been used`() {
        var budget = MapRequestBudget(limits(perSource: (1, 100)))
        for _ in 0..<100 { #expect(ask(&budget, source(1), isFound: true, at: .zero) == nil) }
        budget.limits = limits(perSource: (1, 1_000))
        #expect(ask(&budget, source(1), isFound: true, at: .zero) == .source)
        budget.limits = limits(perSource: (1, 3))
        let later = Instant.zero + .seconds(1_000)
        var found = 0
        for _ in 0..<10 where ask(&budget, source(1), isFound: true, at: later) == nil { found += 1 }
        #expect(found == 3)
    }
}

/// An ITR whose hosts send to many destinations.
private final class Bench {
    static let rloc = IPAddress("198.51.100.1")!
    var itr: ITR
    var now = Instant.zero
    var random = SplitMix(seed: 1)
    var sent = 0

    init(_ limits: MapRequestLimits, held: HeldPackets.Limits = .init(), proxyITR: ProxyITRSettings? = nil) {
        itr = ITR(
            settings: ITRSettings(
                mapResolvers: [IPAddress("192.0.2.53")!],
                rlocs: [Self.rloc],
                mapRequestLimits: limits,
                rlocProbing: RLOCProbingSettings(isEnabled: false),
                proxyITR: proxyITR
            ),
            holdLimits: held
        )
        _ = itr.start(now: now)
    }

    private func requests(_ actions: [ITRAction]) -> [MapRequest] {
        actions.compactMap { action in
            guard case .send(let datagram) = action,
                case .encapsulated(let ecm)? = try? ControlMessage(decoding: datagram.payload),
                case .mapRequest(let request)? = try? ecm.decodePayload()
            else { return nil }
            sent += 1
            return request
        }
    }

    /// A packet; returns the Map-Requests and what the operator is told.
    func miss(
        _ destination: String,
        from source: String = "10.1.0.5",
        size: Int = 100
    ) -> (requests: [MapRequest], notes: [MapRequestRefusal]) {
        let actions = itr.missed(
            ForwardingMiss(
                source: EID(IPAddress(source)!),
                destination: EID(IPAddress(destination)!),
                packet: Array(repeating: 7, count: size)
            ),
            now: now,
            using: &random
        )
        let notes = actions.compactMap { action -> MapRequestRefusal? in
            guard case .mapRequestsRefused(let refusal) = action else { return nil }
            return refusal
        }
        return (requests(actions), notes)
    }

    func answer(_ request: MapRequest, isFound: Bool, ttl: UInt32 = 1440) {
        let record = EIDRecord(
            eidPrefix: request.records[0].eidPrefix!,
            ttlMinutes: ttl,
            action: .nativelyForward,
            locators: isFound ? [LocatorRecord(priority: 1, weight: 1, address: .ip(IPAddress("198.51.100.2")!))] : []
        )
        _ = itr.receivedMapReply(
            MapReply(nonce: request.nonce, records: [record]),
            from: .control(IPAddress("198.51.100.2")!),
            at: Self.rloc,
            now: now
        )
    }

    func wait(_ duration: Duration, packets: UInt64 = 0) -> [MapRequest] {
        let end = now + duration
        var all: [MapRequest] = []
        while let due = itr.deadline(), due <= end {
            now = max(now, due)
            all += requests(itr.timeout(now: now, using: &random) { _ in packets })
        }
        now = end
        return all
    }

    subscript(event: ITREvent) -> UInt64 { itr.statistics[event] }
}

@Suite struct `The ITR with a budget` {
    @Test func `drops what a scan of sites sends beyond it, and tells once a minute who scans`() {
        let bench = Bench(limits(perSource: (1, 10), negativePerSource: (1, 10)))
        var notes: [MapRequestRefusal] = []
        for number in 0..<100 {
            let (requests, told) = bench.miss("10.2.0.\(number)")
            for request in requests { bench.answer(request, isFound: true) }
            notes += told
        }
        #expect(bench.sent == 10)
        #expect(bench[.sourceLimited] == 90)
        #expect(notes.map(\.source) == [MissSource(EID(IPAddress("10.1.0.5")!))])
        #expect(notes.map(\.isOfSource) == [true])
        #expect(notes.map(\.isNegative) == [false])
        // Others are not concerned.
        #expect(bench.miss("10.3.0.1", from: "10.1.0.6").requests.count == 1)
        bench.now = bench.now + .seconds(61)
        for number in 100..<200 { notes += bench.miss("10.2.0.\(number)").notes }
        #expect(notes.count == 2)
    }

    @Test func `charges negative answers to what leads to nothing, so that sites are still found`() {
        let bench = Bench(limits(perSource: (1, 20), negativePerSource: (1, 10)))
        for request in bench.miss("10.9.0.1").requests { bench.answer(request, isFound: true) }
        for number in 0..<30 {
            for request in bench.miss("10.2.0.\(number)").requests { bench.answer(request, isFound: false) }
        }
        #expect(bench.sent == 11)
        #expect(bench[.negativesOfSourceLimited] == 20)
        bench.now = bench.now + .seconds(10)
        for number in 0..<10 {
            for request in bench.miss("10.3.0.\(number)").requests { bench.answer(request, isFound: true) }
        }
        #expect(bench.sent == 21)
    }

    @Test func `counts repeats, and takes silence for a negative answer`() {
        let bench = Bench(limits(perSource: (100, 100), negativePerSource: (1, 8)))
        for number in 0..<6 { #expect(bench.miss("10.2.0.\(number)").requests.count == 1) }
        for _ in 0..<20 { _ = bench.wait(.seconds(1)) }
        // Eight at once and one a second, for as long as the questions are open.
        #expect(bench.sent <= 8 + 20)
        #expect(bench[.repeatsLimited] > 20)
        #expect(bench[.unansweredQuestions] == 6)
    }

    @Test func `does not charge refreshes, and needs nothing for them`() {
        let bench = Bench(limits(perSource: (1, 1), negativePerSource: (1, 1)))
        for request in bench.miss("10.2.0.1").requests { bench.answer(request, isFound: true, ttl: 10) }
        #expect(bench.miss("10.2.0.2").requests.isEmpty)
        _ = bench.wait(.seconds(545), packets: 1)
        bench.sent = 0
        // The hosts use up what there is meanwhile.
        _ = bench.miss("10.2.0.3")
        _ = bench.miss("10.2.0.4")
        #expect(bench.sent == 1)
        let refresh = bench.wait(.seconds(20), packets: 2).filter { $0.sourceEID == .none }
        #expect(!refresh.isEmpty)
    }

    @Test func `of a Proxy-ITR counts strangers by their network, and hosts of its site one by one`() {
        let proxy = ProxyITRSettings(
            eidSpace: [EIDPrefix(IPPrefix("10.0.0.0/8")!)],
            siteEIDs: [EIDPrefix(IPPrefix("10.1.0.0/16")!)]
        )
        let bench = Bench(limits(perSource: (1, 3), negativePerSource: (1, 3)), proxyITR: proxy)
        for number in 0..<10 { _ = bench.miss("10.2.0.\(number)", from: "203.0.113.\(number)") }
        #expect(bench.sent == 3)
        for number in 0..<10 { _ = bench.miss("10.3.0.\(number)", from: "10.1.0.\(number)") }
        #expect(bench.sent == 13)
    }

    @Test func `lets no source keep others from having their packets held`() {
        let bench = Bench(limits(), held: HeldPackets.Limits(packetsPerEID: 16, octets: 8_000))
        for number in 0..<20 { _ = bench.miss("10.2.0.\(number)", size: 500) }
        #expect(bench[.packetsHeld] == 2)
        #expect(bench[.holdLimitOfSource] == 18)
        _ = bench.miss("10.3.0.1", from: "10.1.0.6", size: 500)
        #expect(bench[.packetsHeld] == 3)
        #expect(bench.itr.held.octetsBySource.count == 2)
        // Given up after ten tries: nothing is left of them.
        for _ in 0..<12 { _ = bench.wait(.seconds(1)) }
        #expect(bench.itr.held.octets == 0)
        #expect(bench.itr.held.octetsBySource.isEmpty)
    }

    @Test func `takes new limits without forgetting what was used`() {
        let bench = Bench(limits(perSource: (1, 5), negativePerSource: (1, 5)))
        for number in 0..<10 {
            for request in bench.miss("10.2.0.\(number)").requests { bench.answer(request, isFound: true) }
        }
        var settings = bench.itr.settings
        settings.mapRequestLimits = limits()
        _ = bench.itr.reconfigure(settings, now: bench.now)
        #expect(bench.miss("10.3.0.1").requests.isEmpty)
        bench.now = bench.now + .seconds(1)
        #expect(bench.miss("10.3.0.1").requests.count == 1)
    }
}
