// What a Map-Server remembers of refused records and of registrations that are over, so that `diagnose registration` can say why a
// site is not registered. Bounded, whatever is sent: the counters have all, this has the last.

import LISPTables
import LISPWire

/// The last refusal for one reason, or of one EID-prefix, and what was claimed there.
package struct RegistrationFailure: Hashable, Sendable {
    package let reason: RegistrationRefusal
    /// `nil` if the record's EID is no prefix of either family.
    package let prefix: EIDPrefix?
    package let source: Endpoint
    package let time: Instant
    /// What the Map-Register said of its key.
    package let keyID: UInt8
    package let algorithm: UInt8
    package let nonce: Nonce
    /// The first locator that is not allowed, if that was the reason: as text, since it may be of any kind.
    package let locator: String?
}

/// A value for each of the latest keys. At the limit those that were not set for longest go, half of all at a time, so that
/// setting one costs the same however many there are.
struct LatestValues<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private let limit: Int
    private var current: [Key: Value] = [:]
    private var previous: [Key: Value] = [:]

    /// - Parameter limit: how many are kept at least, once there are as many; twice as many at most.
    init(limit: Int) {
        self.limit = limit
    }

    var count: Int { current.count + previous.keys.count { current[$0] == nil } }

    subscript(key: Key) -> Value? {
        get { current[key] ?? previous[key] }
        set {
            previous[key] = nil
            current[key] = newValue
            guard current.count >= limit else { return }
            previous = current
            current = [:]
        }
    }
}

/// The last refusals of sites, by configured EID-prefix and reason, and those of no site.
package struct RefusalMemory: Sendable {
    /// EID-prefixes and reasons that the last refusal is kept of: at least so many, the latest.
    package static let limit = 8192
    /// EID-prefixes of no site that are kept.
    package static let limitOfNoSite = 32
    /// Who has not tried for so long makes room for others first.
    static let patience = Duration.seconds(600)

    private struct Key: Hashable {
        let configured: EIDPrefix
        let reason: RegistrationRefusal
    }

    /// An EID-prefix that somebody wants to register, and no site has.
    package struct OfNoSite: Hashable, Sendable {
        package let prefix: EIDPrefix
        package fileprivate(set) var count: UInt64
        package fileprivate(set) var last: RegistrationFailure
    }

    private var failures: LatestValues<Key, RegistrationFailure>
    /// In no order.
    package private(set) var ofNoSite: [OfNoSite] = []

    package init(limit: Int = Self.limit) {
        failures = LatestValues(limit: limit)
    }

    /// The last refusal for a configured EID-prefix and what lies in it.
    package func last(for configured: EIDPrefix, _ reason: RegistrationRefusal) -> RegistrationFailure? {
        failures[Key(configured: configured, reason: reason)]
    }

    /// - Parameter configured: the EID-prefix that decided; `nil` if the refused one is of no site.
    mutating func note(_ failure: RegistrationFailure, configured: EIDPrefix?) {
        if let configured {
            failures[Key(configured: configured, reason: failure.reason)] = failure
        } else if let prefix = failure.prefix {
            noteOfNoSite(prefix, failure)
        }
    }

    private mutating func noteOfNoSite(_ prefix: EIDPrefix, _ failure: RegistrationFailure) {
        if let index = ofNoSite.firstIndex(where: { $0.prefix == prefix }) {
            ofNoSite[index].count &+= 1
            ofNoSite[index].last = failure
            return
        }
        let new = OfNoSite(prefix: prefix, count: 1, last: failure)
        guard ofNoSite.count >= Self.limitOfNoSite else {
            ofNoSite.append(new)
            return
        }
        // Whoever tries again and again is an ETR with a wrong EID-prefix; a scan names each once.
        let stale = failure.time + (.zero - Self.patience)
        let victim = ofNoSite.indices.min { a, b in
            let (a, b) = (ofNoSite[a], ofNoSite[b])
            let (isStale, isOtherStale) = (a.last.time < stale, b.last.time < stale)
            if isStale != isOtherStale { return isStale }
            if !isStale, a.count != b.count { return a.count < b.count }
            return a.last.time < b.last.time
        }
        if let victim { ofNoSite[victim] = new }
    }
}

/// How the last registration of an EID-prefix ended, so that nobody has it registered.
package struct RegistrationEnding: Hashable, Sendable {
    package enum Cause: Hashable, Sendable {
        case expired
        /// By the ETR, with a TTL of 0.
        case withdrawn
        /// By the operator.
        case cleared
        /// By a change of the configuration.
        case dropped
    }

    package let cause: Cause
    package let time: Instant
}
