import LISPTables
import LISPWire
import Testing

@testable import LISPControl

/// Shares one limiter with the closures of `#expect`.
private final class Bench {
    private var limiter: MapReplyLimiter

    init(rate: Double = MapReplyLimiter.rate, burst: Double = MapReplyLimiter.burst) {
        limiter = MapReplyLimiter(rate: rate, burst: burst)
    }

    func allows(to rloc: IPAddress, nonce: UInt64, isProbe: Bool = false, now: Instant = .zero) -> Bool {
        limiter.allows(to: rloc, nonce: Nonce(rawValue: nonce), eid: nil, isProbe: isProbe, now: now)
    }
}

private func rloc(_ number: Int) -> IPAddress { .v4(IPv4Address(0x0a00_0000 + UInt32(number))) }

@Suite struct `The Map-Reply limiter` {
    @Test func `lets a burst pass, then the rate`() {
        let limiter = Bench(rate: 10, burst: 20)
        func allowed(_ range: Range<UInt64>, at now: Instant) -> Int {
            range.count { limiter.allows(to: rloc(1), nonce: $0, now: now) }
        }
        #expect(allowed(0..<100, at: .zero) == 20)
        #expect(allowed(100..<200, at: .zero + .seconds(1)) == 10)
    }

    @Test func `has a budget of its own for probes, and for each RLOC`() {
        let limiter = Bench(rate: 1, burst: 1)
        #expect(limiter.allows(to: rloc(1), nonce: 1))
        #expect(!limiter.allows(to: rloc(1), nonce: 2))
        #expect(limiter.allows(to: rloc(1), nonce: 3, isProbe: true))
        #expect(limiter.allows(to: rloc(2), nonce: 4))
    }

    @Test func `remembers a bounded number of RLOCs and still limits the rest`() {
        let limiter = Bench(rate: 1, burst: 1)
        let allowed = (0..<20_000).count {
            limiter.allows(to: rloc($0), nonce: UInt64($0))
        }
        #expect(allowed == MapReplyLimiter.rlocLimit + 1)
    }

    @Test func `answers the same question once a second`() {
        let limiter = Bench()
        #expect(limiter.allows(to: rloc(1), nonce: 1))
        for milliseconds in [1, 500, 999] {
            #expect(!limiter.allows(to: rloc(1), nonce: 1, now: .zero + .milliseconds(milliseconds)))
        }
        #expect(limiter.allows(to: rloc(1), nonce: 1, now: .zero + .seconds(1)))
    }
}
