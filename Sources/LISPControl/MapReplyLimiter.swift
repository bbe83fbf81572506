// How many Map-Replies may leave, so that forged Map-Requests cannot turn this router on somebody (RFC 9301 section 5.4).
// The RFC recommends one reply per 3 s and RLOC, which would break any busy Map-Server: docs/decisions/map-reply-rate.md.

import LISPTables
import LISPWire

/// A budget for each destination RLOC, another for its probe replies, and no answer to the same question twice within a second.
///
/// Remembers a bounded number of RLOCs and questions. An RLOC beyond those shares its budget with another; a question beyond
/// those may be answered again.
package struct MapReplyLimiter: Sendable {
    package static let rate = 1000.0
    package static let burst = 2000.0
    static let rlocLimit = 65_536

    private struct AnsweredQuestion: Hashable {
        let nonce: Nonce
        let eid: EIDPrefix?
    }

    private var replies: BudgetTable
    private var probeReplies: BudgetTable
    private var answered = RecentlyMet(memory: .seconds(1))

    package init(rate: Double = Self.rate, burst: Double = Self.burst) {
        self.init(EventRate(perSecond: Int(rate), burst: Int(burst)))
    }

    /// - Parameter rate: `nil` for no limit.
    package init(_ rate: EventRate?) {
        replies = BudgetTable(rate, limit: Self.rlocLimit)
        probeReplies = BudgetTable(rate, limit: Self.rlocLimit)
    }

    /// Of Map-Replies to one RLOC, and of probe replies to it.
    package var rate: EventRate? {
        get { replies.rate }
        set {
            replies.rate = newValue
            probeReplies.rate = newValue
        }
    }

    /// Whether a Map-Reply may leave now; if so, it is counted as sent.
    package mutating func allows(
        to rloc: IPAddress,
        nonce: Nonce,
        eid: EIDPrefix?,
        isProbe: Bool,
        now: Instant
    ) -> Bool {
        // Its hash stands for it: it is asked about twice.
        let question = AnsweredQuestion(nonce: nonce, eid: eid).hashValue
        guard !answered.contains(question, now: now) else { return false }
        guard isProbe ? probeReplies.take(rloc, now: now) : replies.take(rloc, now: now) else { return false }
        answered.meet(question, now: now)
        return true
    }
}
