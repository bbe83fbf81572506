// How many messages of others a router heeds, forwards and answers in a second: docs/decisions/message-limits.md.

import LISPTables

/// A second each, twice as many at once after a pause; `nil` is no limit.
package struct MessageLimits: Hashable, Sendable {
    /// Map-Requests taken from one address, probes and Solicit-Map-Requests included; one that is encapsulated counts at the outer
    /// source.
    package var mapRequestsPerSource: Int? = 10_000
    /// Map-Requests taken from all together.
    package var mapRequests: Int? = 100_000
    /// Map-Requests that a Map-Server forwards to one RLOC of an ETR.
    package var mapRequestsPerETR: Int? = 1_000
    /// Map-Replies to one ITR-RLOC; the answers to probes have as many of their own.
    package var mapRepliesPerRLOC: Int? = 1_000
    /// Negative Map-Replies of a Map-Server or Map-Resolver to all together.
    package var negativeMapReplies: Int? = 10_000
    /// Map-Registers of one address, and of one ETR, whose authentication fails. One counts as many times as it makes us compute a
    /// MAC of 512 octets.
    package var failedMapRegistersPerSource: Int? = 20
    /// The same of all that are not known, and again of all that are.
    package var failedMapRegisters: Int? = 10_000
    /// Authentic Map-Registers of one site.
    package var mapRegistersPerSite: Int? = 10_000

    package init() {}

    static func rate(_ perSecond: Int?) -> EventRate? { perSecond.map { EventRate(perSecond: $0) } }
}

/// What is taken of Map-Requests before anything is decoded.
struct IncomingRequestBudget: Sendable {
    private var sources: BudgetTable
    private var all: Budget

    init(_ limits: MessageLimits) {
        sources = BudgetTable(MessageLimits.rate(limits.mapRequestsPerSource))
        all = Budget(MessageLimits.rate(limits.mapRequests))
    }

    mutating func limit(_ limits: MessageLimits) {
        sources.rate = MessageLimits.rate(limits.mapRequestsPerSource)
        all.rate = MessageLimits.rate(limits.mapRequests)
    }

    enum Verdict {
        case taken
        case tooManyFromSource
        case tooManyInAll
    }

    mutating func take(from source: NetworkOfOne, now: Instant) -> Verdict {
        guard sources.allows(source, now: now) else { return .tooManyFromSource }
        guard all.take(now: now) else { return .tooManyInAll }
        sources.charge(source, now: now)
        return .taken
    }
}
