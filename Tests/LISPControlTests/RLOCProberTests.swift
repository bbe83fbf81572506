import LISPTables
import LISPWire
import Testing

@testable import LISPControl

/// A prober with one RLOC, and what it said.
private final class ProberBench {
    static let rloc = IPAddress("192.0.2.1")!

    var prober: RLOCProber
    var random = SplitMix(seed: 7)
    var now = Instant.zero
    /// The RLOC answers, after this time.
    var answersAfter: Duration?
    /// Of the answers, how many more come.
    var answersLeft = Int.max
    private(set) var log: [(at: Instant, step: RLOCProber.Step)] = []
    private var pending: [(at: Instant, nonce: Nonce)] = []

    init(_ settings: RLOCProbingSettings, answersAfter: Duration?) {
        prober = RLOCProber(settings: settings)
        self.answersAfter = answersAfter
        prober.add(Self.rloc, now: now)
    }

    func run(_ duration: Duration) {
        let end = now + duration
        while true {
            let answer = pending.first?.at
            let due = [prober.deadline(), answer].compactMap(\.self).min()
            guard let due, due <= end else { break }
            now = due
            if answer == due {
                carryOut(prober.answered(pending.removeFirst().nonce, now: now))
            } else {
                carryOut(prober.timeout(now: now, using: &random))
            }
        }
        now = end
    }

    func doubt() { prober.doubt(Self.rloc, now: now) }

    private func carryOut(_ steps: [RLOCProber.Step]) {
        for step in steps {
            log.append((now, step))
            if case .probe(_, let nonce) = step, let answersAfter, answersLeft > 0 {
                answersLeft -= 1
                pending.append((now + answersAfter, nonce))
            }
        }
    }

    var state: RLOCReachability { prober[Self.rloc]! }
    var probes: [Instant] {
        log.compactMap { entry in
            if case .probe = entry.step { entry.at } else { nil }
        }
    }
    func time(of step: RLOCProber.Step) -> Instant? { log.first { $0.step == step }?.at }
}

struct RLOCProberTests {
    private let quick = RLOCProbingSettings(isEnabled: true, interval: .seconds(2), retries: 3)

    @Test func `probes at the interval less its jitter and measures the round trip`() {
        let bench = ProberBench(quick, answersAfter: .milliseconds(30))
        bench.run(.seconds(60))
        #expect((29...42).contains(bench.probes.count))
        for (a, b) in zip(bench.probes, bench.probes.dropFirst()) {
            #expect((Duration.milliseconds(1500)...Duration.milliseconds(2030)).contains(a.duration(to: b)))
        }
        #expect(bench.state.isUp)
        #expect(bench.state.changes == 0)
        #expect(bench.state.probesAnswered == bench.state.probesSent)
        #expect(bench.state.roundTrip?.smoothed == .milliseconds(30))
        #expect(bench.state.roundTrip?.largest == .milliseconds(30))
    }

    @Test func `a dead RLOC is down after the retries, within interval plus retries`() {
        let bench = ProberBench(quick, answersAfter: .milliseconds(30))
        bench.run(.seconds(10))
        bench.answersAfter = nil
        let died = bench.now
        bench.run(.seconds(10))
        let down = bench.time(of: .wentDown(ProberBench.rloc))
        #expect(down != nil)
        #expect(died.duration(to: down ?? .zero) <= .seconds(6))
        #expect(died.duration(to: down ?? .zero) > .seconds(3))
        #expect(!bench.state.isUp)
        #expect(bench.state.changes == 1)
    }

    @Test(arguments: 0...3)
    func `survives as many losses as there are retries`(losses: Int) {
        let bench = ProberBench(quick, answersAfter: .milliseconds(30))
        bench.run(.seconds(10))
        bench.answersLeft = 0
        let before = bench.probes.count
        while bench.probes.count < before + losses { bench.run(.milliseconds(100)) }
        bench.answersLeft = .max
        bench.run(.seconds(10))
        #expect(bench.state.isUp)
        #expect(bench.state.changes == 0)
    }

    @Test func `comes back after two answers, not one`() {
        let bench = ProberBench(quick, answersAfter: nil)
        bench.run(.seconds(20))
        #expect(!bench.state.isUp)
        bench.answersAfter = .milliseconds(30)
        bench.answersLeft = 1
        bench.run(.seconds(10))
        #expect(!bench.state.isUp)
        bench.answersLeft = .max
        bench.run(.seconds(3))
        #expect(bench.state.isUp)
        #expect(bench.time(of: .cameBack(ProberBench.rloc)) != nil)
    }

    @Test func `a dead RLOC is asked soon, then ever less often, at last at the interval`() {
        let settings = RLOCProbingSettings(isEnabled: true, interval: .seconds(60), retries: 3)
        let bench = ProberBench(settings, answersAfter: nil)
        bench.run(.seconds(600))
        let down = bench.time(of: .wentDown(ProberBench.rloc)) ?? .zero
        let gaps = zip(bench.probes, bench.probes.dropFirst()).filter { $0.0 >= down }.map { $0.duration(to: $1) }
        // Each is waited for one second before the pause.
        #expect(Array(gaps.prefix(7)) == [3, 5, 9, 17, 33, 61, 61].map { Duration.seconds($0) })
    }

    @Test func `a short break costs little more than its own time, whatever the interval`() {
        let settings = RLOCProbingSettings(isEnabled: true, interval: .seconds(3600), retries: 3)
        let bench = ProberBench(settings, answersAfter: nil)
        bench.run(.seconds(7))
        #expect(!bench.state.isUp)
        bench.answersAfter = .milliseconds(30)
        bench.run(.seconds(5))
        #expect(bench.state.isUp)
    }

    @Test func `a doubt is settled by one probe within a second`() {
        let slow = RLOCProbingSettings(isEnabled: true, interval: .seconds(60), retries: 3)
        let bench = ProberBench(slow, answersAfter: .milliseconds(30))
        bench.run(.seconds(5))
        bench.doubt()
        bench.run(.seconds(5))
        #expect(bench.state.isUp)

        bench.answersAfter = nil
        let before = bench.probes.count
        let died = bench.now
        bench.doubt()
        bench.doubt()
        bench.run(.seconds(1))
        #expect(bench.probes.count == before + 1)
        #expect(died.duration(to: bench.time(of: .wentDown(ProberBench.rloc)) ?? died + .seconds(9)) < .seconds(1))
    }

    @Test func `a doubt that comes while a probe is out is settled within a second, too`() {
        let slow = RLOCProbingSettings(isEnabled: true, interval: .seconds(60), retries: 3)
        for delay in stride(from: 0, through: 2_900, by: 100) {
            let bench = ProberBench(slow, answersAfter: .milliseconds(30))
            bench.run(.milliseconds(990))
            bench.answersAfter = nil
            // The first probe leaves, and is lost.
            bench.run(.milliseconds(20 + delay))
            #expect(bench.probes.count >= 1)
            let doubted = bench.now
            bench.doubt()
            bench.run(.seconds(2))
            let down = bench.time(of: .wentDown(ProberBench.rloc))
            #expect(down != nil, "after \(delay) ms")
            #expect(doubted.duration(to: down ?? .zero) < .seconds(1), "after \(delay) ms")
        }
    }

    @Test func `a doubt that comes while another is being settled is looked into afterwards`() {
        let slow = RLOCProbingSettings(isEnabled: true, interval: .seconds(60), retries: 3)
        let bench = ProberBench(slow, answersAfter: .milliseconds(30))
        bench.run(.seconds(10))
        let before = bench.probes.count
        bench.doubt()
        bench.run(.milliseconds(10))
        // The answer is on its way; only then the RLOC dies.
        bench.answersAfter = nil
        bench.doubt()
        bench.run(.milliseconds(40))
        #expect(bench.state.isUp)
        bench.run(.milliseconds(1_300))
        #expect(!bench.state.isUp)
        #expect(bench.probes.count == before + 2)
    }

    @Test func `doubts bring out no more than one probe a second`() {
        let slow = RLOCProbingSettings(isEnabled: true, interval: .seconds(60), retries: 3)
        let bench = ProberBench(slow, answersAfter: .milliseconds(30))
        bench.run(.seconds(10))
        let before = bench.probes.count
        for _ in 0..<1_000 {
            bench.doubt()
            bench.run(.milliseconds(10))
        }
        #expect((9...11).contains(bench.probes.count - before))
        #expect(bench.state.isUp)
    }

    @Test func `a dead RLOC is asked at once when a doubt says that it may be back`() {
        let slow = RLOCProbingSettings(isEnabled: true, interval: .seconds(3600), retries: 3)
        for delay in [0, 300, 900, 5_000] {
            let bench = ProberBench(slow, answersAfter: nil)
            bench.run(.seconds(1_000))
            #expect(!bench.state.isUp)
            // Now and then a probe is out: a doubt must not be lost on it.
            while bench.probes.last! < bench.now { bench.run(.milliseconds(100)) }
            bench.run(.milliseconds(delay))
            bench.answersAfter = .milliseconds(30)
            let back = bench.now
            bench.doubt()
            bench.run(.seconds(3))
            #expect(bench.state.isUp, "after \(delay) ms")
            #expect(back.duration(to: bench.state.since) <= .milliseconds(1_100), "after \(delay) ms")
        }
    }

    @Test func `many doubted at once are asked one after another, those that are up first`() {
        var prober = RLOCProber(settings: RLOCProbingSettings(isEnabled: true, interval: .seconds(3600)))
        var random = SplitMix(seed: 5)
        let all = (0..<10_000).map { IPAddress.v4(IPv4Address(0xc633_0000 + UInt32($0))) }
        for rloc in all { prober.add(rloc, now: .zero) }
        // All answer but one.
        let dead = all[0]
        var now = Instant.zero
        while let due = prober.deadline(), due < .zero + .seconds(10) {
            now = max(now, due)
            for case .probe(let rloc, let nonce) in prober.timeout(now: now, using: &random) where rloc != dead {
                _ = prober.answered(nonce, now: now)
            }
        }
        #expect(!prober.isUp(dead))
        let start = now + .seconds(100)
        prober.doubt(all, now: start)
        var asked: [(at: Instant, rloc: IPAddress)] = []
        var largest = 0
        now = start
        while let due = prober.deadline(), due < start + .seconds(6) {
            now = max(now, due)
            let steps = prober.timeout(now: now, using: &random)
            var count = 0
            for case .probe(let rloc, let nonce) in steps {
                count += 1
                asked.append((now, rloc))
                if rloc != dead { _ = prober.answered(nonce, now: now) }
            }
            largest = max(largest, count)
        }
        #expect(Set(asked.map(\.rloc)).count == 10_000)
        #expect(largest <= 10)
        #expect(asked.first?.rloc == all[1])
        #expect(asked.last { $0.rloc == dead }.map { start.duration(to: $0.at) > .seconds(1) } == true)
        #expect(start.duration(to: asked.last!.at) <= .seconds(6))
    }

    @Test func `without probing a doubt changes nothing`() {
        let bench = ProberBench(RLOCProbingSettings(), answersAfter: nil)
        bench.doubt()
        bench.run(.seconds(600))
        #expect(bench.log.isEmpty)
        #expect(bench.state.isUp)
    }

    @Test func `an answer to a probe of long ago counts for nothing`() {
        let bench = ProberBench(quick, answersAfter: nil)
        bench.run(.seconds(2))
        guard case .probe(_, let first)? = bench.log.first?.step else {
            Issue.record("no probe")
            return
        }
        bench.run(.seconds(30))
        #expect(bench.prober.target(of: first) == nil)
        #expect(bench.prober.answered(first, now: bench.now).isEmpty)
        #expect(bench.state.probesAnswered == 0)
    }

    @Test func `switching probing off brings back what it took away`() {
        let bench = ProberBench(quick, answersAfter: nil)
        bench.run(.seconds(20))
        let steps = bench.prober.reconfigure(RLOCProbingSettings(), now: bench.now)
        #expect(steps == [.cameBack(ProberBench.rloc)])
        #expect(bench.prober.deadline() == nil)
    }

    @Test func `forgets what is removed`() {
        let bench = ProberBench(quick, answersAfter: nil)
        bench.run(.seconds(2))
        bench.prober.remove(ProberBench.rloc)
        #expect(bench.prober.deadline() == nil)
        #expect(bench.prober[ProberBench.rloc] == nil)
    }

    @Test func `other signs of life spare an RLOC its probes, but not all of them`() {
        let bench = ProberBench(quick, answersAfter: .milliseconds(30))
        bench.run(.milliseconds(1_100))
        #expect(bench.probes.count == 1)
        for _ in 0..<590 {
            bench.run(.milliseconds(100))
            bench.prober.heard(ProberBench.rloc, now: bench.now)
        }
        // One in four intervals of 2 s.
        #expect((6...9).contains(bench.probes.count))
        #expect(bench.state.isUp)
    }

    @Test func `a sign of life ends neither a doubt nor a row of probes, nor brings a dead RLOC back`() {
        let bench = ProberBench(quick, answersAfter: .milliseconds(30))
        bench.run(.seconds(3))
        bench.answersAfter = nil
        bench.doubt()
        bench.prober.heard(ProberBench.rloc, now: bench.now)
        bench.run(.milliseconds(100))
        bench.prober.heard(ProberBench.rloc, now: bench.now)
        bench.run(.seconds(1))
        #expect(!bench.state.isUp)
        bench.prober.heard(ProberBench.rloc, now: bench.now)
        #expect(!bench.state.isUp)
        let asked = bench.probes.count
        bench.run(.seconds(5))
        #expect(bench.probes.count > asked)
    }
}
