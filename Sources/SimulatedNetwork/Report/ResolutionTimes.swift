// How long hosts wait for a mapping: from the first packet that finds none to the entry that its EID gets.

import ForwardingInterface
import LISPTables
import LISPWire

struct ResolutionTimes {
    /// Answers with locators, and those without.
    private(set) var positive = LogLinearHistogram()
    private(set) var negative = LogLinearHistogram()
    /// EIDs that nobody wanted any more, unanswered.
    private(set) var abandoned: UInt64 = 0

    private struct Wait {
        let since: Instant
        var last: Instant
    }

    /// By router. What a scan asks for is beside the point: so many at a time and no more.
    private var waiting: [Int: [EID: Wait]] = [:]
    private static let limit = 128
    /// Longer than a question rests: who sends nothing for so long wants no answer.
    private static let patience = Duration.seconds(40)

    mutating func missed(_ eid: EID, by router: Int, now: Instant) {
        var own = waiting.removeValue(forKey: router) ?? [:]
        defer { waiting[router] = own }
        if let known = own[eid], known.last.duration(to: now) <= Self.patience {
            own[eid]?.last = now
            return
        }
        if own.count >= Self.limit { forget(in: &own, now) }
        if own.updateValue(Wait(since: now, last: now), forKey: eid) != nil { abandoned += 1 }
        if own.count > Self.limit { own[eid] = nil }
    }

    private mutating func forget(in own: inout [EID: Wait], _ now: Instant) {
        let before = own.count
        own = own.filter { $0.value.last.duration(to: now) <= Self.patience }
        abandoned += UInt64(before - own.count)
    }

    mutating func updated(_ updates: [ForwardingUpdate], at router: Int, now: Instant) {
        guard waiting[router] != nil else { return }
        for case .putEntry(let eid, _, let action) in updates {
            guard action != .sendMapRequest, var own = waiting.removeValue(forKey: router) else { continue }
            for (wanted, wait) in own
            where eid.instanceID == wanted.instanceID && eid.prefix.contains(wanted.address) {
                let time = wait.since.duration(to: now)
                if case .encapsulate = action { positive.add(time) } else { negative.add(time) }
                own[wanted] = nil
            }
            waiting[router] = own.isEmpty ? nil : own
        }
    }

    /// Whoever waits at a router that ends waits no more.
    mutating func stopped(_ router: Int) {
        abandoned += UInt64(waiting.removeValue(forKey: router)?.count ?? 0)
    }

    mutating func finish(now: Instant) {
        for router in waiting.keys {
            guard var own = waiting[router] else { continue }
            forget(in: &own, now)
            waiting[router] = own
        }
    }
}
