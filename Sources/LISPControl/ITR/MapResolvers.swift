// Which Map-Resolver is asked (RFC 9301 section 8.1).
//
//     first try    the preferred one: it is expected to answer soonest, by round-trip time and loss. Now and then another that has
//                  not been asked for a while, so that one which came back, or has become better, is found
//     retry        the best of those that this question has not just been put to
//
// A request goes to one Map-Resolver only, so that trying others costs no message.

import LISPTables
import LISPWire

/// What is known of a Map-Resolver from asking it.
package struct MapResolverState: Hashable, Sendable {
    package let address: IPAddress
    package fileprivate(set) var sent: UInt64 = 0
    package fileprivate(set) var answered: UInt64 = 0
    /// Map-Requests since the last answer that got none within a second.
    package fileprivate(set) var unanswered: UInt64 = 0
    package fileprivate(set) var lastSent: Instant?
    package fileprivate(set) var lastAnswered: Instant?
    /// From Map-Request to Map-Reply, the latest.
    package fileprivate(set) var lastRoundTrip: Duration?
    /// Seven parts of what it was and one of the latest (RFC 6298 section 2).
    package fileprivate(set) var smoothedRoundTrip: Duration?
    /// The share of Map-Requests without an answer, each counting an eighth of what is left by those after it.
    package fileprivate(set) var loss = 0.0

    package init(address: IPAddress) {
        self.address = address
    }

    /// Not three requests in a row without an answer.
    package var isUp: Bool { unanswered < 3 }

    /// How long a question put to it takes, retries after a second included; `nil` if it has never answered.
    package var expectedTime: Duration? {
        guard let smoothedRoundTrip else { return nil }
        let lost = min(loss, 0.9)
        return smoothedRoundTrip + .milliseconds(Int64(1000 * lost / (1 - lost)))
    }
}

/// Does no I/O and reads no clock.
package struct MapResolvers: Sendable {
    /// One that is not preferred is asked so long after the last time, the sooner if its last answer is missing.
    static let trialInterval = Duration.seconds(60)
    static let doubtInterval = Duration.seconds(10)
    /// While it is down the interval is doubled each time, so often at most: up to 16 minutes.
    static let longestBackoff: UInt64 = 4
    /// What another must be better by to be preferred: a quarter, and this.
    static let leastGain = Duration.milliseconds(1)

    package private(set) var states: [MapResolverState]
    /// The index of the one that first tries go to.
    private var best = 0

    package init(_ addresses: [IPAddress]) {
        states = addresses.map(MapResolverState.init)
    }

    package var isEmpty: Bool { states.isEmpty }

    package var preferred: IPAddress? { states.indices.contains(best) ? states[best].address : nil }

    /// Takes over changed addresses; what is known of those that stay is kept.
    package mutating func reconfigure(_ addresses: [IPAddress]) {
        guard addresses != states.map(\.address) else { return }
        let before = preferred
        states = addresses.map { address in
            states.first { $0.address == address } ?? MapResolverState(address: address)
        }
        best = states.firstIndex { $0.address == before } ?? 0
        reconsider()
    }

    // MARK: Choice

    /// Whom to ask, and notes that it is asked.
    ///
    /// - Parameter tried: those that this question has been put to, the latest last; empty for a first try.
    package mutating func ask(tried: [IPAddress], now: Instant) -> IPAddress? {
        guard !states.isEmpty else { return nil }
        let index = tried.isEmpty ? trial(now) ?? best : retry(tried)
        states[index].sent += 1
        states[index].lastSent = now
        return states[index].address
    }

    /// One that has not been asked for so long that it is worth a try, the longest first.
    private func trial(_ now: Instant) -> Int? {
        // First things first: the preferred one is to have shown what it can do.
        guard states[best].answered > 0 else { return nil }
        let due = states.indices.filter { index in
            guard index != best else { return false }
            return states[index].lastSent.map { $0 + Self.interval(states[index]) <= now } ?? true
        }
        return due.min { (states[$0].lastSent ?? .zero, $0) < (states[$1].lastSent ?? .zero, $1) }
    }

    private static func interval(_ state: MapResolverState) -> Duration {
        switch state.unanswered {
        case 0: trialInterval
        case 1, 2: doubtInterval
        default: trialInterval * (1 << min(state.unanswered - 3, longestBackoff))
        }
    }

    private func retry(_ tried: [IPAddress]) -> Int {
        let latest = tried.suffix(max(1, states.count - 1))
        let others = states.indices.filter { !latest.contains(states[$0].address) }
        let up = states.indices.filter { states[$0].isUp }
        // One that is down is no better choice than one that has not answered once.
        let choices = [others.filter { states[$0].isUp }, up, others].first { !$0.isEmpty }
        return choices?.min(by: isBetter) ?? best
    }

    /// One that owes an answer comes after those that do not.
    private func isBetter(_ a: Int, _ b: Int) -> Bool {
        func rank(_ index: Int) -> (UInt64, Duration, Int) {
            let state = states[index]
            return (min(state.unanswered, 3), state.expectedTime ?? Self.trialInterval, index)
        }
        return rank(a) < rank(b)
    }

    // MARK: Outcomes

    /// A Map-Request to `address` was answered. Returns whether it was taken for down before.
    @discardableResult
    package mutating func answered(_ address: IPAddress, after time: Duration, now: Instant) -> Bool {
        guard let index = states.firstIndex(where: { $0.address == address }) else { return false }
        let wasUp = states[index].isUp
        // What was lost while it was down says nothing of how it is now that it is back.
        states[index].loss *= states[index].isUp ? 7.0 / 8 : 0
        states[index].answered += 1
        states[index].unanswered = 0
        states[index].lastAnswered = now
        states[index].lastRoundTrip = time
        let smoothed = states[index].smoothedRoundTrip ?? time
        states[index].smoothedRoundTrip = .nanoseconds((smoothed.nanoseconds * 7 + time.nanoseconds) / 8)
        reconsider()
        return !wasUp
    }

    /// A Map-Request to `address` got no answer in its time.
    package mutating func unanswered(_ address: IPAddress) {
        guard let index = states.firstIndex(where: { $0.address == address }) else { return }
        states[index].unanswered += 1
        states[index].loss += (1 - states[index].loss) / 8
        reconsider()
    }

    /// Another is preferred if the one that is owes an answer, or if it is clearly better: not for what changes by chance.
    private mutating func reconsider() {
        guard let challenger = states.indices.min(by: isBetter), challenger != best else { return }
        let (old, new) = (states[best], states[challenger])
        if min(old.unanswered, 3) == min(new.unanswered, 3), let now = old.expectedTime, let then = new.expectedTime {
            guard then * 4 < now * 3, now - then >= Self.leastGain else { return }
        }
        best = challenger
    }
}
