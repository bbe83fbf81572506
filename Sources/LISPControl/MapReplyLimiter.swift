// How many Map-Replies may leave, so that forged Map-Requests cannot turn this router on somebody (RFC 9301 section 5.4).
// The RFC recommends one reply per 3 s and RLOC, which would break any busy Map-Server: docs/decisions/map-reply-rate.md.

import LISPTables
import LISPWire

/// Up to `burst` events at once, refilled at `rate` a second.
package struct TokenBucket: Hashable, Sendable {
    private var tokens: Double
    private var filled: Instant
    private let rate: Double
    private let burst: Double

    package init(rate: Double, burst: Double, now: Instant) {
        self.tokens = burst
        self.filled = now
        self.rate = rate
        self.burst = burst
    }

    package mutating func take(now: Instant) -> Bool {
        refill(now)
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }

    /// Whether it has refilled, so that a new bucket would do as well.
    package mutating func isFull(now: Instant) -> Bool {
        refill(now)
        return tokens >= burst
    }

    private mutating func refill(_ now: Instant) {
        let seconds = Double(filled.duration(to: now).nanoseconds) / 1e9
        guard seconds > 0 else { return }
        tokens = min(burst, tokens + seconds * rate)
        filled = now
    }
}

/// A token bucket for each destination RLOC, another for its probe replies, and no answer to the same question twice within a
/// second.
///
/// Remembers a bounded number of RLOCs and questions; RLOCs beyond that share one bucket.
package struct MapReplyLimiter: Sendable {
    package static let rate = 1000.0
    package static let burst = 2000.0
    static let rlocLimit = 4096
    static let questionLimit = 65_536

    private struct Destination: Hashable {
        let rloc: IPAddress?
        let isProbe: Bool
    }

    private struct AnsweredQuestion: Hashable {
        let nonce: Nonce
        let eid: EIDPrefix?
    }

    private var buckets: [Destination: TokenBucket] = [:]
    /// Questions answered in this second and in the one before.
    private var recent: [AnsweredQuestion: Instant] = [:]
    private var older: [AnsweredQuestion: Instant] = [:]
    private var turned = Instant.zero
    private let rate: Double
    private let burst: Double

    package init(rate: Double = Self.rate, burst: Double = Self.burst) {
        self.rate = rate
        self.burst = burst
    }

    /// Whether a Map-Reply may leave now; if so, it is counted as sent.
    package mutating func allows(
        to rloc: IPAddress,
        nonce: Nonce,
        eid: EIDPrefix?,
        isProbe: Bool,
        now: Instant
    ) -> Bool {
        turn(now)
        let question = AnsweredQuestion(nonce: nonce, eid: eid)
        if let answered = recent[question] ?? older[question], answered.duration(to: now) < .seconds(1) { return false }
        var destination = Destination(rloc: rloc, isProbe: isProbe)
        if buckets[destination] == nil, buckets.count >= Self.rlocLimit {
            destination = Destination(rloc: nil, isProbe: isProbe)
        }
        guard buckets[destination, default: TokenBucket(rate: rate, burst: burst, now: now)].take(now: now) else {
            return false
        }
        if recent.count < Self.questionLimit { recent[question] = now }
        return true
    }

    private mutating func turn(_ now: Instant) {
        guard turned.duration(to: now) >= .seconds(1) else { return }
        swap(&older, &recent)
        // As many will come again.
        recent.removeAll(keepingCapacity: true)
        turned = now
        guard buckets.count >= Self.rlocLimit else { return }
        for destination in buckets.keys where buckets[destination]?.isFull(now: now) ?? false {
            buckets[destination] = nil
        }
    }
}
