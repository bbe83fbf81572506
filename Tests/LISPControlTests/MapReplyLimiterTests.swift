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

    @Test func `remembers a bounded number of RLOCs, limits the rest, and lets nobody take from those that are known`()
    {
        let limiter = Bench(rate: 1, burst: 2)
        #expect(limiter.allows(to: rloc(0x00ff_ffff), nonce: 1))
        let strangers = 4 * MapReplyLimiter.rlocLimit
        let allowed = (0..<strangers).count { limiter.allows(to: rloc($0), nonce: 10 + UInt64($0)) }
        #expect(allowed >= MapReplyLimiter.rlocLimit / 2 && allowed <= 2 * MapReplyLimiter.rlocLimit)
        // It is owed something again, whatever those do that share.
        #expect(limiter.allows(to: rloc(0x00ff_ffff), nonce: 3, now: .zero + .seconds(2)))
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
