// How many Map-Requests the packets of hosts may cause, so that one who scans addresses uses up neither the mapping system nor
// what others need to resolve theirs (RFC 7835 section 5; docs/decisions/map-request-budget.md).

import LISPTables
import LISPWire

/// Of Map-Requests for packets without a mapping, repeats included. Those that refresh an entry, that an SMR invoked, that verify
/// map data and RLOC-probes do not count: they have bounds of their own.
package struct MapRequestLimits: Hashable, Sendable {
    /// Map-Requests that find a mapping with locators.
    package var total: EventRate
    /// The same for each source.
    package var perSource: EventRate
    /// Map-Requests that are answered without locators, or not at all; and of sources that have found nothing yet.
    package var negativeTotal: EventRate
    package var negativePerSource: EventRate

    package init(
        total: EventRate = EventRate(perSecond: 5_000, burst: 20_000),
        perSource: EventRate = EventRate(perSecond: 200, burst: 2_000),
        negativeTotal: EventRate = EventRate(perSecond: 1_000, burst: 5_000),
        negativePerSource: EventRate = EventRate(perSecond: 50, burst: 500)
    ) {
        self.total = total
        self.perSource = perSource
        self.negativeTotal = negativeTotal
        self.negativePerSource = negativePerSource
    }
}

/// Whose packets ask: so much of the source address as one host can choose freely.
package struct MissSource: Hashable, Sendable {
    package let instanceID: InstanceID
    package let prefix: IPPrefix

    /// - Parameter isStranger: not of our site, so that whoever is there may have many addresses.
    package init(_ eid: EID, isStranger: Bool = false) {
        let length: UInt8 =
            switch eid.address.family {
            case .ipv4: isStranger ? 24 : 32
            case .ipv6: isStranger ? 48 : 64
            }
        instanceID = eid.instanceID
        prefix = IPPrefix(family: eid.address.family, leftAligned: eid.address.leftAligned, length: length)
    }
}

extension MissSource: CustomStringConvertible {
    /// A single address without its length.
    package var description: String {
        prefix.length == 32 && prefix.family == .ipv4 ? prefix.address.description : prefix.description
    }
}

/// Token buckets in all and for each source, and the same once more for what leads to nothing.
///
/// Every Map-Request is paid from one account, `requests` or `negatives`, in all and for its source. Which one it should have been
/// is known when the answer comes or does not, and then the charge is moved if there is something to move it to. A source that
/// has found a mapping of late is charged to `requests` to begin with, every other one to `negatives`: so whoever invents sources
/// to ask for nothing leaves `requests` alone.
///
/// Knows a bounded number of sources; one whose buckets are full is as good as unknown and makes room. Those beyond share one.
struct MapRequestBudget: Sendable {
    static let sourceLimit = 16_384
    /// How long a source is believed to find mappings since it last did.
    static let memory = Duration.seconds(300)
    /// Between two notes about the same source, or about all.
    static let noteInterval = Duration.seconds(60)
    /// Sources that are looked at to make room for one.
    private static let looks = 8

    /// Why no Map-Request may leave.
    enum Refusal: Hashable, Sendable, CaseIterable {
        case source
        case total
        case negativeOfSource
        case negativeTotal
    }

    enum Account: Sendable {
        case requests
        case negatives
    }

    /// A Map-Request that has been paid for.
    struct Charge: Sendable {
        let source: MissSource
        let account: Account
    }

    private struct Tokens {
        var level: Double
        var filled: Instant

        init(_ limit: EventRate, now: Instant) {
            level = Double(limit.burst)
            filled = now
        }

        mutating func refill(_ limit: EventRate, _ now: Instant) {
            let seconds = Double(max(0, filled.duration(to: now).nanoseconds)) / 1e9
            level = min(Double(limit.burst), level + seconds * Double(limit.perSecond))
            filled = max(filled, now)
        }

        /// Whether there is one; after `refill`.
        var hasOne: Bool { level >= 1 }

        func isFull(_ limit: EventRate) -> Bool { level >= Double(limit.burst) }

        /// Takes one out of `other`'s place: what was paid there is paid here.
        mutating func takeOver(from other: inout Tokens, _ otherLimit: EventRate) {
            guard hasOne else { return }
            level -= 1
            other.level = min(Double(otherLimit.burst), other.level + 1)
        }
    }

    private struct Accounts {
        var requests: Tokens
        var negatives: Tokens

        init(_ requests: EventRate, _ negatives: EventRate, now: Instant) {
            self.requests = Tokens(requests, now: now)
            self.negatives = Tokens(negatives, now: now)
        }

        mutating func refill(_ requests: EventRate, _ negatives: EventRate, _ now: Instant) {
            self.requests.refill(requests, now)
            self.negatives.refill(negatives, now)
        }

        mutating func pay(_ account: Account) {
            switch account {
            case .requests: requests.level -= 1
            case .negatives: negatives.level -= 1
            }
        }

        mutating func move(to account: Account, _ requests: EventRate, _ negatives: EventRate) {
            switch account {
            case .requests: self.requests.takeOver(from: &self.negatives, negatives)
            case .negatives: self.negatives.takeOver(from: &self.requests, requests)
            }
        }
    }

    private struct Source {
        var key: MissSource?
        var accounts: Accounts
        /// Until when it is believed to find mappings.
        var provenUntil = Instant(nanoseconds: .min)
        var noted: Instant?
    }

    var limits: MapRequestLimits
    private var all: Accounts
    private var allNoted: Instant?
    private var sources: [Source] = []
    private var indexes: [MissSource: Int] = [:]
    /// Those for whom there was no room.
    private var others: Source
    /// Which source is looked at next to make room.
    private var hand = 0
    private let sourceLimit: Int

    init(_ limits: MapRequestLimits, sourceLimit: Int = Self.sourceLimit, now: Instant = .zero) {
        self.limits = limits
        self.sourceLimit = sourceLimit
        all = Accounts(limits.total, limits.negativeTotal, now: now)
        others = Source(key: nil, accounts: Accounts(limits.perSource, limits.negativePerSource, now: now))
    }

    /// How many sources are known.
    var sourceCount: Int { sources.count }

    // MARK: Sources

    private func known(_ key: MissSource) -> Source { indexes[key].map { sources[$0] } ?? others }

    private mutating func change(_ key: MissSource, _ body: (inout Source) -> Void) {
        if let index = indexes[key] { body(&sources[index]) } else { body(&others) }
    }

    /// Makes the source known, if there is room, and brings its accounts up to now.
    private mutating func meet(_ key: MissSource, _ now: Instant) {
        all.refill(limits.total, limits.negativeTotal, now)
        if indexes[key] == nil {
            let new = Source(key: key, accounts: Accounts(limits.perSource, limits.negativePerSource, now: now))
            if sources.count < sourceLimit {
                indexes[key] = sources.count
                sources.append(new)
            } else if let index = room(now) {
                if let old = sources[index].key { indexes[old] = nil }
                indexes[key] = index
                sources[index] = new
            }
        }
        let (requests, negatives) = (limits.perSource, limits.negativePerSource)
        change(key) { $0.accounts.refill(requests, negatives, now) }
    }

    /// The place of a source that can be forgotten: rather of one that has found nothing of late.
    private mutating func room(_ now: Instant) -> Int? {
        var second: Int?
        for _ in 0..<min(Self.looks, sources.count) {
            let index = hand
            hand = (hand + 1) % sources.count
            sources[index].accounts.refill(limits.perSource, limits.negativePerSource, now)
            let source = sources[index]
            guard source.accounts.requests.isFull(limits.perSource),
                source.accounts.negatives.isFull(limits.negativePerSource)
            else { continue }
            guard source.provenUntil >= now else { return index }
            second = second ?? index
        }
        return second
    }

    // MARK: Map-Requests

    /// Why a Map-Request for a packet of the source may not leave now; `nil`: it may.
    mutating func refusal(of key: MissSource, now: Instant) -> Refusal? {
        meet(key, now)
        let source = known(key)
        guard source.accounts.requests.hasOne else { return .source }
        guard source.accounts.negatives.hasOne else { return .negativeOfSource }
        if source.provenUntil >= now { return all.requests.hasOne ? nil : .total }
        return all.negatives.hasOne ? nil : .negativeTotal
    }

    /// Pays for a Map-Request; to be called when `refusal` has nothing against it.
    mutating func charge(_ key: MissSource, now: Instant) -> Charge {
        let account: Account = known(key).provenUntil >= now ? .requests : .negatives
        all.pay(account)
        change(key) { $0.accounts.pay(account) }
        return Charge(source: key, account: account)
    }

    /// What came of it.
    ///
    /// - Parameter isFound: a mapping with locators; otherwise one without, or silence.
    mutating func settle(_ charge: Charge, isFound: Bool, now: Instant) {
        meet(charge.source, now)
        if isFound { change(charge.source) { $0.provenUntil = now + Self.memory } }
        let right: Account = isFound ? .requests : .negatives
        guard charge.account != right else { return }
        all.move(to: right, limits.total, limits.negativeTotal)
        let (requests, negatives) = (limits.perSource, limits.negativePerSource)
        change(charge.source) { $0.accounts.move(to: right, requests, negatives) }
    }

    /// Whether the operator should hear of this refusal: once a minute for a source, and for all together.
    mutating func isNoteworthy(_ refusal: Refusal, of key: MissSource, now: Instant) -> Bool {
        func isDue(_ noted: Instant?) -> Bool { noted.map { $0.duration(to: now) >= Self.noteInterval } ?? true }
        switch refusal {
        case .source, .negativeOfSource:
            guard isDue(known(key).noted) else { return false }
            change(key) { $0.noted = now }
        case .total, .negativeTotal:
            guard isDue(allNoted) else { return false }
            allNoted = now
        }
        return true
    }
}
