// When a Solicit-Map-Request leads to a Map-Request (RFC 9301 section 6.1).
//
//     idle --SMR--> asked --3 s--> idle
//                     |  --SMR--> owing --3 s after the Map-Request--> asked
//
// Anybody can send an SMR. So it never leads to more than one Map-Request for an EID-prefix in 3 s, and all together to no
// more than a budget allows; what they ask for goes to our Map-Resolver, never to whom the SMR names.

import LISPTables
import LISPWire

/// Does no I/O and reads no clock. The owner asks when told to, and calls `popDue` at `deadline()`.
package struct SMRResponder: Sendable {
    /// Between SMR-invoked Map-Requests for one EID-prefix.
    package static let interval = Duration.seconds(3)
    /// SMR-invoked Map-Requests for all EID-prefixes: so many at once, so many a second.
    static let rate = EventRate(perSecond: 50, burst: 250)

    package enum Verdict: Equatable {
        /// Send an SMR-invoked Map-Request.
        case ask
        /// One has just left, or will when its time comes.
        case paced
        /// The budget is used up: nothing is sent.
        case limited
    }

    private struct Item {
        /// Another Map-Request is owed when the interval is over.
        var isOwing: Bool
    }

    /// The EID-prefixes that may not be asked for now. Bounded by the budget: `burst` and what `rate` adds in one interval.
    private var items: [EIDPrefix: Item] = [:]
    private var timers = DeadlineQueue<EIDPrefix>()
    private var budget = Budget(Self.rate)

    package init() {}

    package var count: Int { items.count }

    /// The mapping of `eid` is said to have changed.
    ///
    /// - Parameter isAsking: a Map-Request for it is out, to refresh the entry, or was within the last second.
    package mutating func solicited(_ eid: EIDPrefix, isAsking: Bool, now: Instant) -> Verdict {
        if items[eid] != nil {
            items[eid]?.isOwing = true
            return .paced
        }
        guard budget.take(now: now) else { return .limited }
        // The answer to the Map-Request that is out may be under way already, from before the change.
        items[eid] = Item(isOwing: isAsking)
        timers.set(eid, at: now + (isAsking ? Question.interval : Self.interval))
        return isAsking ? .paced : .ask
    }

    /// A Map-Request for `eid` leaves, for whatever reason: one that is owed waits for its turn, a second from now.
    mutating func asked(_ eid: EIDPrefix, now: Instant) {
        guard items[eid]?.isOwing == true else { return }
        timers.set(eid, at: max(timers[eid] ?? now, now + Question.interval))
    }

    package mutating func deadline() -> Instant? { timers.next }

    /// An EID-prefix whose interval is over and that another Map-Request is owed for: as good as a new SMR.
    package mutating func popDue(_ now: Instant) -> EIDPrefix? {
        while let eid = timers.popDue(now) {
            if items.removeValue(forKey: eid)?.isOwing == true { return eid }
        }
        return nil
    }
}
