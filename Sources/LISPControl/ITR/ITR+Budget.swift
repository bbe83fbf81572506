// Which misses may lead to Map-Requests, and what is paid for them: MapRequestBudget.

import ForwardingInterface
import LISPTables
import LISPWire

/// Packets of a source have caused so many Map-Requests that no more are sent for it, or over all sources.
package struct MapRequestRefusal: Hashable, Sendable {
    /// Of the packet that was dropped.
    package let source: MissSource
    /// What is used up: of what leads nowhere, rather than of all Map-Requests.
    package let isNegative: Bool
    /// What is used up is that of the source, rather than that of all together.
    package let isOfSource: Bool
}

extension ITR {
    /// The most sources whose Map-Requests are counted, and how many there are.
    package static let sourceLimit = MapRequestBudget.sourceLimit
    package var knownSources: Int { budget.sourceCount }

    func missSource(of eid: EID) -> MissSource {
        MissSource(eid, isStranger: settings.proxyITR != nil && !proxySpace.isOwn(eid))
    }

    /// Drops a packet for whose source, or for all, too much is asked already.
    mutating func refuse(
        _ miss: ForwardingMiss,
        of source: MissSource,
        _ refusal: MapRequestBudget.Refusal,
        now: Instant
    ) -> [ITRAction] {
        statistics.add(ITREvent(refusal), miss.destination.address.family)
        guard budget.isNoteworthy(refusal, of: source, now: now) else { return [] }
        let note = MapRequestRefusal(
            source: source,
            isNegative: refusal == .negativeOfSource || refusal == .negativeTotal,
            isOfSource: refusal == .source || refusal == .negativeOfSource
        )
        return [.mapRequestsRefused(note)]
    }

    /// The same of the open question for `target`, if there is one.
    mutating func settle(_ target: EIDPrefix, isFound: Bool, now: Instant) {
        guard let charge = questions[target]?.charge else { return }
        questions[target]?.charge = nil
        budget.settle(charge, isFound: isFound, now: now)
    }

    /// The last Map-Request of the question found a mapping or did not.
    mutating func settle(_ question: inout Question, isFound: Bool, now: Instant) {
        guard let charge = question.charge else { return }
        question.charge = nil
        budget.settle(charge, isFound: isFound, now: now)
    }

    /// Whether a question for a packet may ask once more; then that is paid for.
    mutating func mayRepeat(_ question: inout Question, now: Instant) -> Bool {
        settle(&question, isFound: false, now: now)
        guard let source = question.sourceEID.map(missSource) else { return true }
        guard budget.refusal(of: source, now: now) == nil else {
            statistics.add(.repeatsLimited, question.target.prefix.family)
            return false
        }
        question.charge = budget.charge(source, now: now)
        return true
    }
}

extension ITREvent {
    init(_ refusal: MapRequestBudget.Refusal) {
        switch refusal {
        case .source: self = .sourceLimited
        case .total: self = .requestsLimited
        case .negativeOfSource: self = .negativesOfSourceLimited
        case .negativeTotal: self = .negativesLimited
        }
    }
}
