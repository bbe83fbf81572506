// What was forwarded a moment ago: so that a retry goes to another ETR, and a request that comes round again goes nowhere.

import LISPTables
import LISPWire

/// Bounded: what there is no room for is not remembered.
package struct ForwardingMemory: Sendable {
    /// Two systems that each think the other knows would pass a request to and fro. No honest retry comes so soon.
    static let loopWindow = Duration.milliseconds(500)
    static let retryWindow = Duration.seconds(10)
    static let limit = 16_384

    private struct Question: Hashable {
        let prefix: EIDPrefix
        let asker: LISPAddress?
    }

    /// Entries of this period and of the one before.
    private struct Recent<Key: Hashable & Sendable, Value: Sendable>: Sendable {
        let period: Duration
        private var current: [Key: Value] = [:]
        private var previous: [Key: Value] = [:]
        private var turned = Instant.zero

        init(period: Duration) {
            self.period = period
        }

        mutating func turn(_ now: Instant) {
            let age = turned.duration(to: now)
            guard age >= period else { return }
            previous = age >= period * 2 ? [:] : current
            current = [:]
            turned = now
        }

        subscript(key: Key) -> Value? { current[key] ?? previous[key] }

        mutating func set(_ key: Key, _ value: Value, limit: Int) {
            if current.count < limit || current[key] != nil { current[key] = value }
        }
    }

    private var nonces = Recent<Nonce, Instant>(period: loopWindow)
    private var targets = Recent<Question, IPAddress>(period: retryWindow)

    package init() {}

    /// Whether the request was forwarded less than `loopWindow` ago; if not, it is from now on.
    package mutating func isRepeated(_ request: MapRequest, now: Instant) -> Bool {
        nonces.turn(now)
        if let then = nonces[request.nonce], then.duration(to: now) < Self.loopWindow { return true }
        nonces.set(request.nonce, now, limit: Self.limit)
        return false
    }

    /// The candidate after the one that the same ITR's last request for `prefix` went to; the first if there was none
    /// lately. `nil` without candidates.
    package mutating func next(
        of candidates: [IPAddress],
        for prefix: EIDPrefix,
        asked request: MapRequest,
        now: Instant
    ) -> IPAddress? {
        targets.turn(now)
        let question = Question(prefix: prefix, asker: request.itrRLOCs.first)
        let last = targets[question].flatMap { candidates.firstIndex(of: $0) }
        let index = last.map { ($0 + 1) % candidates.count } ?? 0
        guard index < candidates.count else { return nil }
        targets.set(question, candidates[index], limit: Self.limit)
        return candidates[index]
    }
}
