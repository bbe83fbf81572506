// Which RLOCs are asked for echoes, and what is made of those that come or do not.

import ForwardingInterface
import LISPTables
import LISPWire
import Testing

@testable import LISPControl

/// A noncer with one RLOC, and packets that flow to it and back every 100 ms.
private final class NoncerBench {
    static let rloc = IPAddress("192.0.2.1")!

    var noncer: EchoNoncer
    var random = SplitMix(seed: 11)
    var now = Instant.zero
    /// Packets go there; they come back from there; with the nonce that was asked for; ours carry the peer's nonce instead.
    var sends = true
    var returns = true
    var echoes = true
    var isSuspended = false
    private var counters = EchoCounters()
    private var asked: UInt32?
    private(set) var log: [(at: Instant, step: EchoNoncer.Step)] = []

    init(isProbed: Bool = false, isCapable: Bool = true, isEnabled: Bool = true) {
        noncer = EchoNoncer(isEnabled: isEnabled, isProbed: isProbed)
        noncer.add(Self.rloc)
        learn(isCapable)
    }

    func learn(_ isCapable: Bool) {
        carryOut(noncer.learnt(Self.rloc, isCapable: isCapable, now: now))
    }

    func reconfigure(isEnabled: Bool = true, isProbed: Bool = false) {
        carryOut(noncer.reconfigure(isEnabled: isEnabled, isProbed: isProbed, now: now))
    }

    func run(_ duration: Duration) {
        let end = now + duration
        while now < end {
            now = now + .milliseconds(100)
            flow()
            while let due = noncer.deadline(), due <= now {
                carryOut(noncer.timeout(now: now, using: &random) { _ in counters })
            }
        }
    }

    private func flow() {
        guard sends, noncer.isUp(Self.rloc) else { return }
        counters.sent += 1
        if asked != nil, !isSuspended { counters.requested += 1 }
        guard returns else { return }
        counters.received += 1
        if asked != nil, echoes, !isSuspended { counters.matched += 1 }
    }

    private func carryOut(_ steps: [EchoNoncer.Step]) {
        for step in steps {
            log.append((now, step))
            if case .ask(_, let nonce) = step { asked = nonce }
        }
    }

    var state: EchoReachability { noncer[Self.rloc]! }
    func times(_ isWanted: (EchoNoncer.Step) -> Bool) -> [Instant] { log.filter { isWanted($0.step) }.map(\.at) }
    func times(_ step: EchoNoncer.Step) -> [Instant] { times { $0 == step } }
    var requests: [UInt32] {
        log.compactMap { entry in
            if case .ask(_, let nonce?) = entry.step { nonce } else { nil }
        }
    }
    func clear() { log = [] }
}

struct EchoNoncerTests {
    private let rloc = NoncerBench.rloc

    @Test func `asks once an interval while packets flow, each time for another nonce, until the echo`() {
        let bench = NoncerBench()
        bench.run(.seconds(61))
        #expect((5...7).contains(bench.requests.count))
        #expect(Set(bench.requests).count == bench.requests.count)
        #expect(bench.requests.allSatisfy { $0 <= 0xff_ffff })
        #expect(bench.times(.echoed(rloc)).count == bench.requests.count)
        for (asked, answered) in zip(
            bench.times { if case .ask(_, _?) = $0 { true } else { false } },
            bench.times(.echoed(rloc))
        ) {
            #expect(asked.duration(to: answered) <= .milliseconds(400))
        }
        #expect(bench.times(.ask(rloc, nonce: nil)).count == bench.requests.count)
        #expect(bench.state.state == .resting)
        #expect(bench.state.lastEchoed == bench.times(.echoed(rloc)).last)
        #expect(bench.noncer.isUp(rloc))
    }

    @Test func `nothing is asked of an RLOC that no packets go to`() {
        let bench = NoncerBench()
        bench.sends = false
        bench.run(.seconds(60))
        #expect(bench.log.isEmpty)
        bench.sends = true
        bench.run(.seconds(11))
        #expect(bench.requests.count == 1)
    }

    @Test func `nothing is asked of a site that does not say that it can echo, or no more does`() {
        let bench = NoncerBench(isCapable: false)
        bench.run(.seconds(30))
        #expect(bench.log.isEmpty)
        #expect(bench.state.state == .notCapable)
        bench.learn(true)
        bench.echoes = false
        bench.run(.seconds(1))
        #expect(bench.requests.count == 1)
        bench.learn(false)
        #expect(bench.log.last?.step == .ask(rloc, nonce: nil))
        bench.clear()
        bench.run(.seconds(30))
        #expect(bench.log.isEmpty)
    }

    @Test func `nothing is asked while it is off`() {
        let bench = NoncerBench(isEnabled: false)
        bench.run(.seconds(30))
        #expect(bench.log.isEmpty)
        #expect(bench.noncer[rloc] == nil)
        bench.reconfigure(isEnabled: true)
        bench.run(.seconds(11))
        #expect(bench.requests.count == 2)
    }

    @Test func `no return traffic proves nothing`() {
        let bench = NoncerBench()
        bench.returns = false
        bench.run(.seconds(300))
        #expect(bench.requests.count > 10)
        #expect(bench.state.failures == 0)
        #expect(bench.noncer.isUp(rloc))
        #expect(!bench.log.contains { $0.step == .wentDown(rloc) || $0.step == .doubted(rloc) })
    }

    @Test func `a request that never left proves nothing`() {
        let bench = NoncerBench()
        bench.isSuspended = true
        bench.run(.seconds(300))
        #expect(bench.state.failures == 0)
        #expect(bench.noncer.isUp(rloc))
    }

    @Test func `with probing a missing echo is a doubt, once an interval`() {
        let bench = NoncerBench(isProbed: true)
        bench.run(.seconds(5))
        bench.echoes = false
        bench.clear()
        bench.run(.seconds(60))
        #expect((4...6).contains(bench.times(.doubted(rloc)).count))
        #expect(bench.noncer.isUp(rloc))
        #expect(bench.state.failures == bench.times(.doubted(rloc)).count)
        bench.echoes = true
        bench.run(.seconds(15))
        #expect(bench.state.failures == 0)
    }

    @Test func `without probing three missing echoes take an RLOC out of use, within 20 s`() throws {
        let bench = NoncerBench()
        bench.run(.seconds(5))
        bench.echoes = false
        bench.clear()
        let start = bench.now
        bench.run(.seconds(25))
        let down = try #require(bench.times(.wentDown(rloc)).first)
        #expect(start.duration(to: down) <= .seconds(20))
        #expect(bench.requests.count == EchoNoncer.failureLimit)
        #expect(!bench.noncer.isUp(rloc))
        #expect(bench.state.state == .down)
        #expect(bench.state.changes == 1)
        #expect(bench.state.since == down)
        // Nothing is left asked for.
        #expect(bench.log.last { if case .ask = $0.step { true } else { false } }?.step == .ask(rloc, nonce: nil))
    }

    @Test func `an echo between makes failures begin anew`() {
        let bench = NoncerBench()
        for _ in 0..<5 {
            bench.echoes = false
            while bench.state.failures < EchoNoncer.failureLimit - 1 { bench.run(.milliseconds(100)) }
            bench.echoes = true
            bench.run(.seconds(1))
            #expect(bench.state.failures == 0)
        }
        #expect(bench.state.changes == 0)
    }

    @Test func `an RLOC that is down is tried again, ever less often, and stays up with the first echo`() throws {
        let bench = NoncerBench()
        bench.echoes = false
        bench.run(.seconds(400))
        let downs = bench.times(.wentDown(rloc))
        let trials = bench.times(.onTrial(rloc))
        #expect(downs.count >= 3)
        let pauses = zip(downs, trials).map { $0.duration(to: $1) }
        for (number, pause) in pauses.enumerated() {
            let wanted = EchoNoncer.trialAfter * (1 << number)
            #expect(pause >= wanted && pause <= wanted + .milliseconds(100))
        }
        // One failure is enough then.
        for (trial, down) in zip(trials, downs.dropFirst()) { #expect(trial.duration(to: down) < .seconds(3)) }
        bench.echoes = true
        bench.clear()
        bench.run(.seconds(600))
        #expect(bench.times(.onTrial(rloc)).count == 1)
        #expect(bench.times(.wentDown(rloc)).isEmpty)
        #expect(bench.noncer.isUp(rloc))
        // And the next time it goes down the pause is the first again.
        bench.echoes = false
        bench.clear()
        bench.run(.seconds(60))
        let down = try #require(bench.times(.wentDown(rloc)).first)
        let trial = try #require(bench.times(.onTrial(rloc)).first)
        #expect(down.duration(to: trial) <= EchoNoncer.trialAfter + .milliseconds(100))
    }

    @Test func `a trial without return traffic leaves it in use`() {
        let bench = NoncerBench()
        bench.echoes = false
        while bench.noncer.isUp(rloc) { bench.run(.milliseconds(100)) }
        bench.returns = false
        bench.run(.seconds(120))
        #expect(bench.noncer.isUp(rloc))
        bench.returns = true
        bench.run(.seconds(20))
        #expect(!bench.noncer.isUp(rloc))
    }

    @Test func `switching it off, or probing on, takes back what it decided`() {
        for isEnabled in [false, true] {
            let bench = NoncerBench()
            bench.echoes = false
            bench.run(.seconds(25))
            #expect(!bench.noncer.isUp(rloc))
            bench.clear()
            bench.reconfigure(isEnabled: isEnabled, isProbed: isEnabled)
            #expect(bench.log.map(\.step) == [.cameBack(rloc)])
            #expect(bench.noncer.isUp(rloc))
        }
        let bench = NoncerBench()
        bench.echoes = false
        bench.run(.seconds(2))
        bench.clear()
        bench.reconfigure(isEnabled: false)
        #expect(bench.log.map(\.step) == [.ask(rloc, nonce: nil)])
    }

    @Test func `a site that withdraws its word is not held to it`() {
        let bench = NoncerBench()
        bench.echoes = false
        bench.run(.seconds(25))
        bench.clear()
        bench.learn(false)
        #expect(bench.log.map(\.step) == [.cameBack(rloc)])
        #expect(bench.state.state == .notCapable)
    }

    @Test func `an RLOC that goes is forgotten`() {
        let bench = NoncerBench()
        bench.noncer.remove(rloc)
        #expect(bench.noncer.deadline() == nil)
        #expect(bench.noncer[rloc] == nil)
        #expect(bench.noncer.learnt(rloc, isCapable: true, now: bench.now).isEmpty)
    }

    @Test func `one timeout sees to no more than a slice`() {
        var noncer = EchoNoncer(isEnabled: true, isProbed: false)
        var random = SplitMix(seed: 1)
        for number in 0..<UInt32(EchoNoncer.sliceLimit + 100) {
            let rloc = IPAddress.v4(IPv4Address(0xc000_0200 + number))
            noncer.add(rloc)
            _ = noncer.learnt(rloc, isCapable: true, now: .zero)
        }
        let now = Instant.zero + .seconds(1)
        let counters = EchoCounters(sent: 1)
        #expect(noncer.timeout(now: now, using: &random) { _ in counters }.count == EchoNoncer.sliceLimit)
        #expect(noncer.deadline() == now)
        #expect(noncer.timeout(now: now, using: &random) { _ in counters }.count == 100)
    }
}
