// One question to the mapping system, asked until it is answered.

import LISPTables
import LISPWire

/// Asks for one EID-prefix: once a second, or every three if an SMR made us ask (RFC 9301 section 6.1), at most ten times, then
/// thirty seconds of silence, then one try (section 5.3).
///
/// Does no I/O and reads no clock. The owner sends when told to and calls `timeout(now:)` at `deadline`.
package struct Question: Sendable {
    package static let interval = Duration.seconds(1)
    package static let tries = 10
    package static let silence = Duration.seconds(30)
    /// A late answer to one of the last few Map-Requests still counts, if no silence came between.
    static let rememberedNonces = 3

    private enum State {
        /// A Map-Request is out. Leads to itself once a second, to `resting` after the last try.
        case asking(tries: Int, due: Instant)
        /// Nobody answered. Leads to `asking`, with one try left, when somebody wants the mapping after `until`; the owner
        /// forgets the question when nobody does.
        case resting(until: Instant)
        /// Answered, but with nothing to keep: nobody asks again before `until`. Then the owner forgets the question.
        case pausing(until: Instant)
    }

    /// The state without its times.
    package enum Phase: Equatable {
        /// Packets may wait for the answer.
        case asking
        case resting
        case pausing
    }

    package enum Timeout: Equatable {
        /// Ask again.
        case ask
        /// Ten Map-Requests went unanswered: what waits is to be dropped.
        case giveUp
        /// The silence is over and nobody wanted the mapping since, or the pause is: forget the question.
        case forget
        /// It is not time yet.
        case wait
    }

    /// What is asked for: a host prefix for a packet, an entry's own prefix for its refresh.
    package let target: EIDPrefix
    /// The source EID of the Map-Request: of the packet that made us ask, `nil` for a refresh.
    package let sourceEID: EID?
    /// An SMR made us ask: the Map-Request says so by its s-bit.
    package let isSMRInvoked: Bool
    /// Between Map-Requests that nobody answers.
    private let pace: Duration
    private var state: State
    private var isWanted = false
    /// What was paid for the last Map-Request, until it is known what came of it; `nil` where nothing has to be.
    var charge: MapRequestBudget.Charge?
    /// The nonces of the last Map-Requests, newest last, with the time they left.
    package private(set) var nonces: [(nonce: Nonce, sent: Instant)] = []

    /// Starts asking: the owner sends at once and tells by `sent`.
    package init(target: EIDPrefix, sourceEID: EID?, isSMRInvoked: Bool = false, now: Instant) {
        self.target = target
        self.sourceEID = sourceEID
        self.isSMRInvoked = isSMRInvoked
        self.pace = isSMRInvoked ? SMRResponder.interval : Self.interval
        self.state = .asking(tries: 1, due: now + pace)
    }

    /// A Map-Request left. Returns the nonces that are no longer believed.
    package mutating func sent(_ nonce: Nonce, now: Instant) -> [Nonce] {
        let known = nonces + [(nonce, now)]
        nonces = known.suffix(Self.rememberedNonces).filter { $0.sent.duration(to: now) < Self.silence }
        return known.dropLast(nonces.count).map(\.nonce)
    }

    package var phase: Phase {
        switch state {
        case .asking: .asking
        case .resting: .resting
        case .pausing: .pausing
        }
    }

    /// How many Map-Requests have left without an answer since the start or the last silence.
    package var triesSoFar: Int {
        switch state {
        case .asking(let tries, _): tries
        case .resting, .pausing: Self.tries
        }
    }

    /// A packet wants the mapping, too.
    package mutating func want() { isWanted = true }

    /// An answer came that leaves nothing to keep (its TTL is 0): the next Map-Request waits for a second from the last one.
    package mutating func answeredInVain() {
        state = .pausing(until: (nonces.last?.sent ?? .zero) + Self.interval)
        nonces = []
        charge = nil
    }

    package var deadline: Instant {
        switch state {
        case .asking(_, let due): due
        case .resting(let until), .pausing(let until): until
        }
    }

    package mutating func timeout(now: Instant) -> Timeout {
        guard now >= deadline else { return .wait }
        switch state {
        case .asking(let tries, _) where tries < Self.tries:
            state = .asking(tries: tries + 1, due: now + pace)
            return .ask
        case .asking:
            state = .resting(until: now + Self.silence)
            isWanted = false
            return .giveUp
        case .resting where isWanted:
            // One try: its failure leads straight back to silence.
            state = .asking(tries: Self.tries, due: now + pace)
            return .ask
        case .resting, .pausing:
            return .forget
        }
    }
}
