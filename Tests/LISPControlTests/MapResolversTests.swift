// Which of several Map-Resolvers is asked, by round-trip time and loss (RFC 9301 section 8.1).

import LISPTables
import LISPWire
import Testing

@testable import LISPControl

private let near = IPAddress("192.0.2.53")!
private let far = IPAddress("192.0.2.54")!
private let third = IPAddress("192.0.2.55")!

/// Map-Resolvers that answer after so long, or not, and questions put to them.
private final class Bench {
    var resolvers: MapResolvers
    var now = Instant.zero
    /// One without a time is dead.
    var times: [IPAddress: Duration] = [:]
    var asked: [IPAddress] = []

    init(_ addresses: [IPAddress]) {
        resolvers = MapResolvers(addresses)
        times[near] = .milliseconds(10)
        times[far] = .milliseconds(80)
    }

    /// One question until it is answered, ten tries at most; returns whom it was put to.
    @discardableResult
    func question(every pause: Duration = .seconds(1)) -> [IPAddress] {
        var tried: [IPAddress] = []
        for _ in 0..<10 {
            guard let address = resolvers.ask(tried: tried, now: now) else { break }
            tried.append(address)
            if let time = times[address] {
                now = now + time
                resolvers.answered(address, after: time, now: now)
                break
            }
            now = now + .seconds(1)
            resolvers.unanswered(address)
        }
        asked += tried
        now = now + pause
        return tried
    }

    func share(of address: IPAddress, questions: Int) -> Double {
        asked = []
        for _ in 0..<questions { question() }
        return Double(asked.count { $0 == address }) / Double(asked.count)
    }

    func state(_ address: IPAddress) -> MapResolverState { resolvers.states.first { $0.address == address }! }
}

@Suite struct `Of several Map-Resolvers` {
    @Test func `the first of the file is asked first, then each once to know it, then the nearest`() {
        let bench = Bench([far, near])
        #expect(bench.resolvers.preferred == far)
        #expect(bench.question() == [far])
        #expect(bench.question() == [near])
        #expect(bench.resolvers.preferred == near)
        #expect(bench.share(of: near, questions: 50) > 0.95)
        #expect(bench.state(far).smoothedRoundTrip == .milliseconds(80))
    }

    @Test func `one that is silent is left at once for the retry, and for the questions after it`() {
        let bench = Bench([near, far])
        for _ in 0..<5 { bench.question() }
        bench.times[near] = nil
        #expect(bench.question() == [near, far])
        #expect(bench.resolvers.preferred == far)
        for _ in 0..<5 { #expect(bench.question() == [far]) }
    }

    @Test func `one that is dead is tried ever less often, and found when it comes back`() {
        let bench = Bench([near, far])
        for _ in 0..<5 { bench.question() }
        bench.times[near] = nil
        bench.asked = []
        // An hour, a question a second.
        while bench.now < .zero + .seconds(3600) { bench.question() }
        let tries = bench.asked.count { $0 == near }
        #expect((5...12).contains(tries))
        #expect(!bench.state(near).isUp)
        bench.times[near] = .milliseconds(10)
        while bench.now < .zero + .seconds(3600 + 17 * 60) { bench.question() }
        #expect(bench.resolvers.preferred == near)
    }

    @Test func `one that loses much is left although its answers are quick`() {
        let bench = Bench([near, far])
        for _ in 0..<5 { bench.question() }
        for number in 0..<200 {
            bench.times[near] = number % 3 == 0 ? nil : .milliseconds(10)
            bench.question()
        }
        #expect(bench.resolvers.preferred == far)
        #expect(bench.state(near).loss > 0.05)
        #expect(bench.state(far).loss < 0.01)
    }

    @Test func `a small difference changes nothing`() {
        let bench = Bench([near, far])
        bench.times[far] = .milliseconds(9)
        for _ in 0..<200 {
            bench.question()
            #expect(bench.resolvers.preferred == near)
        }
    }

    @Test func `retries go round, past those that are down as long as another is up`() {
        let bench = Bench([near, far, third])
        bench.times = [third: .milliseconds(5)]
        #expect(bench.question() == [near, far, third])
        bench.times[third] = nil
        for _ in 0..<3 { bench.question() }
        // All are down: each gets its turn.
        #expect(Set(bench.question()) == [near, far, third])
        bench.times[far] = .milliseconds(5)
        for _ in 0..<2 { bench.question() }
        #expect(bench.resolvers.preferred == far)
        #expect(bench.question() == [far])
    }

    @Test func `a reload keeps what is known of those that stay`() {
        let bench = Bench([far, near])
        for _ in 0..<5 { bench.question() }
        bench.resolvers.reconfigure([third, near])
        #expect(bench.resolvers.preferred == near)
        #expect(bench.resolvers.states.map(\.address) == [third, near])
        #expect(bench.state(near).answered > 0 && bench.state(third).sent == 0)
        bench.resolvers.reconfigure([third])
        #expect(bench.resolvers.preferred == third)
        bench.resolvers.reconfigure([])
        #expect(bench.resolvers.ask(tried: [], now: bench.now) == nil)
    }

    @Test func `loss and round-trip time are smoothed`() {
        var resolvers = MapResolvers([near])
        for _ in 0..<2 { _ = resolvers.ask(tried: [], now: .zero) }
        resolvers.unanswered(near)
        #expect(resolvers.states[0].loss == 0.125)
        resolvers.answered(near, after: .milliseconds(80), now: .zero)
        resolvers.answered(near, after: .milliseconds(160), now: .zero)
        #expect(resolvers.states[0].smoothedRoundTrip == .milliseconds(90))
        #expect(resolvers.states[0].lastRoundTrip == .milliseconds(160))
        #expect(resolvers.states[0].loss < 0.1)
        #expect(resolvers.states[0].isUp)
    }
}
