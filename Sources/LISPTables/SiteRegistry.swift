// What a Map-Server knows of its sites: which EID-prefixes each may register, and what its ETRs have registered
// (RFC 9301 section 8.2). It keeps each ETR's registration apart, with a timer of its own; who may register what is decided
// before it is asked.

import LISPWire

/// What the Map-Server answers for an EID of a site while no ETR has registered it.
package enum UnregisteredAction: Hashable, Sendable {
    case nativelyForward
    /// The ITR drops: policy-denied.
    case drop
}

/// An EID-prefix that a site may register.
package struct SiteEID: Hashable, Sendable {
    package var prefix: EIDPrefix
    /// Whether its ETRs may register parts of it.
    package var acceptMoreSpecifics: Bool
    /// The Map-Server answers for the ETRs, whether or not they ask for that.
    package var proxyReply: Bool
    package var action: UnregisteredAction

    package init(
        prefix: EIDPrefix,
        acceptMoreSpecifics: Bool = false,
        proxyReply: Bool = false,
        action: UnregisteredAction = .nativelyForward
    ) {
        self.prefix = prefix
        self.acceptMoreSpecifics = acceptMoreSpecifics
        self.proxyReply = proxyReply
        self.action = action
    }
}

/// Who registers: an ETR that names itself, or else whatever sends from an RLOC.
package enum ETRIdentity: Hashable, Sendable {
    case named(XTRID, SiteID)
    case source(IPAddress)
}

extension ETRIdentity: LosslessStringConvertible {
    package var description: String {
        switch self {
        case .named(let xtrID, let siteID): "xtr-id \(xtrID) site-id \(siteID)"
        case .source(let address): "rloc \(address)"
        }
    }

    /// Parses what `description` makes.
    package init?(_ description: String) {
        let words = description.split(separator: " ")
        switch (words.first, words.count) {
        case ("xtr-id", 4):
            guard let xtrID = XTRID(words[1]), words[2] == "site-id", let siteID = UInt64(words[3]) else { return nil }
            self = .named(xtrID, SiteID(rawValue: siteID))
        case ("rloc", 2):
            guard let address = IPAddress(words[1]) else { return nil }
            self = .source(address)
        default:
            return nil
        }
    }
}

/// What one ETR last registered for one EID-prefix.
package struct ETRRegistration: Hashable, Sendable {
    package var etr: ETRIdentity
    /// Where the Map-Register came from, and the local address that it came to.
    package var source: Endpoint
    package var local: IPAddress
    /// The record as it came.
    package var record: EIDRecord
    package var wantsProxyReply: Bool
    package var wantsMerge: Bool
    package var wantsMapNotify: Bool
    /// The S-bit and the nonce of its last Map-Register.
    package var isSecurityCapable: Bool
    package var nonce: Nonce
    /// The key that authenticated it.
    package var key: AuthenticationKey
    package var firstRegistered: Instant
    package var lastRegistered: Instant
    /// From this moment on it does not count any more.
    package var expires: Instant

    package init(
        etr: ETRIdentity,
        source: Endpoint,
        local: IPAddress,
        record: EIDRecord,
        wantsProxyReply: Bool,
        wantsMerge: Bool,
        wantsMapNotify: Bool,
        isSecurityCapable: Bool = false,
        nonce: Nonce,
        key: AuthenticationKey,
        registered now: Instant,
        expires: Instant
    ) {
        self.etr = etr
        self.source = source
        self.local = local
        self.record = record
        self.wantsProxyReply = wantsProxyReply
        self.wantsMerge = wantsMerge
        self.wantsMapNotify = wantsMapNotify
        self.isSecurityCapable = isSecurityCapable
        self.nonce = nonce
        self.key = key
        self.firstRegistered = now
        self.lastRegistered = now
        self.expires = expires
    }

    package var xtrID: XTRID? {
        switch etr {
        case .named(let xtrID, _): xtrID
        case .source: nil
        }
    }

    package var siteID: SiteID? {
        switch etr {
        case .named(_, let siteID): siteID
        case .source: nil
        }
    }
}

/// A registered EID-prefix with those who registered it.
package struct RegisteredEID: Sendable {
    /// The site's name, and the configured EID-prefix that this one lies in.
    package let site: String
    package let configured: EIDPrefix
    /// In the order in which they came first. Never empty.
    package fileprivate(set) var registrations: [ETRRegistration]
    /// When somebody registered it while nobody had.
    package let firstRegistered: Instant

    package var mostRecent: ETRRegistration? { registrations.max { $0.lastRegistered < $1.lastRegistered } }

    /// The mapping that the registrations make together: with the merge bit the locators of all that ask for merging, no
    /// RLOC twice (the latest counts), otherwise what came last. Locators in ascending order.
    package var mapping: EIDRecord? {
        let merging = registrations.filter(\.wantsMerge).sorted { $0.lastRegistered > $1.lastRegistered }
        guard var record = merging.first?.record ?? mostRecent?.record else { return nil }
        var known = Set(record.locators.map(\.address))
        for other in merging.dropFirst() {
            record.ttlMinutes = min(record.ttlMinutes, other.record.ttlMinutes)
            for locator in other.record.locators where known.insert(locator.address).inserted {
                record.locators.append(locator)
            }
        }
        record.locators.sort(by: LocatorRecord.precedes)
        return record
    }

    /// The locators of `mapping` if any registration asks for merging.
    package var mergedLocators: [LocatorRecord]? {
        registrations.contains(where: \.wantsMerge) ? mapping?.locators : nil
    }
}

extension LocatorRecord {
    /// Ascending addresses, IPv4 before IPv6, before whatever is neither (RFC 9301 section 5.4).
    package static func precedes(_ a: LocatorRecord, _ b: LocatorRecord) -> Bool {
        switch (a.address.ipAddress, b.address.ipAddress) {
        case (let a?, let b?): a < b
        case (_?, nil): true
        case (nil, _?), (nil, nil): false
        }
    }
}

/// A configured EID-prefix with its site's name.
package struct ConfiguredEID: Hashable, Sendable {
    package let site: String
    package let eid: SiteEID
    /// How many EID-prefixes are registered in it (and in no longer configured one).
    package fileprivate(set) var registeredCount = 0
    /// The last registration of the whole prefix, also when it is over.
    package fileprivate(set) var lastRegistration: LastRegistration?

    package struct LastRegistration: Hashable, Sendable {
        /// When somebody registered the prefix while nobody had.
        package let first: Instant
        package let time: Instant
        package let source: Endpoint

        package init(first: Instant, time: Instant, source: Endpoint) {
            self.first = first
            self.time = time
            self.source = source
        }
    }
}

/// The configured and the registered EID-prefixes.
package struct SiteRegistry: Sendable {
    /// How much may be registered. What is beyond is refused.
    package struct Limits: Hashable, Sendable {
        package var etrsPerPrefix = 64
        package var prefixesPerConfigured = 100_000

        package init() {}
    }

    package enum Outcome: Hashable, Sendable {
        case added
        case refreshed
        /// Known, with other locators or flags than before.
        case changed
        case full
    }

    /// One ETR's registration of one EID-prefix.
    package struct Key: Hashable, Sendable {
        package let prefix: EIDPrefix
        package let etr: ETRIdentity

        package init(prefix: EIDPrefix, etr: ETRIdentity) {
            self.prefix = prefix
            self.etr = etr
        }
    }

    package private(set) var configured = PrefixTable<ConfiguredEID>()
    package private(set) var registered = PrefixTable<RegisteredEID>()
    /// Configured prefixes by what is answered when nothing is registered there.
    private var native = PrefixTable<Bool>()
    private var dropping = PrefixTable<Bool>()
    private var deadlines = DeadlineQueue<Key>()
    private let limits: Limits

    package init(limits: Limits = Limits()) {
        self.limits = limits
    }

    // MARK: Configuration

    /// Replaces what is configured. A registration stays if `keeps` says so of it and of the configured EID-prefix that it
    /// lies in now; what does not is returned.
    package mutating func configure(
        _ eids: some Sequence<(site: String, eid: SiteEID)>,
        keeping keeps: (ETRRegistration, ConfiguredEID) -> Bool
    ) -> [Key] {
        let old = registered
        let oldConfigured = configured
        configured = PrefixTable()
        registered = PrefixTable()
        native = PrefixTable()
        dropping = PrefixTable()
        for (site, eid) in eids {
            let before = oldConfigured[eid.prefix].flatMap { $0.site == site ? $0.lastRegistration : nil }
            configured[eid.prefix] = ConfiguredEID(site: site, eid: eid, lastRegistration: before)
            switch eid.action {
            case .nativelyForward: native[eid.prefix] = true
            case .drop: dropping[eid.prefix] = true
            }
        }
        var dropped: [Key] = []
        for (prefix, entry) in old {
            let match = acceptance(of: prefix)
            let kept = entry.registrations.filter { registration in
                guard case .accepted(let configured) = match, configured.site == entry.site else { return false }
                return keeps(registration, configured)
            }
            for registration in entry.registrations where !kept.contains(registration) {
                let key = Key(prefix: prefix, etr: registration.etr)
                deadlines.remove(key)
                dropped.append(key)
            }
            guard !kept.isEmpty, case .accepted(let match) = match else { continue }
            registered[prefix] = RegisteredEID(
                site: match.site,
                configured: match.eid.prefix,
                registrations: kept,
                firstRegistered: entry.firstRegistered
            )
            configured[match.eid.prefix]?.registeredCount += 1
        }
        return dropped
    }

    package enum Acceptance: Sendable {
        case accepted(ConfiguredEID)
        /// Lies in this configured EID-prefix, which does not accept parts.
        case moreSpecific(ConfiguredEID)
        case notConfigured
    }

    /// Which configured EID-prefix decides about a registration of `prefix`: the longest that covers it.
    package func acceptance(of prefix: EIDPrefix) -> Acceptance {
        guard let match = configured.longestMatch(prefix) else { return .notConfigured }
        return match.key == prefix || match.value.eid.acceptMoreSpecifics
            ? .accepted(match.value) : .moreSpecific(match.value)
    }

    // MARK: Registrations

    /// Takes a registration over. It replaces an earlier one of the same ETR for the same EID-prefix, whose
    /// `firstRegistered` it keeps.
    ///
    /// - Precondition: `acceptance(of: prefix)` accepts it in `configured`.
    package mutating func register(
        _ registration: ETRRegistration,
        for prefix: EIDPrefix,
        in match: ConfiguredEID
    ) -> Outcome {
        let outcome = enter(registration, for: prefix, in: match)
        if outcome != .full, configured[prefix] != nil, let first = registered[prefix]?.firstRegistered {
            let (time, source) = (registration.lastRegistered, registration.source)
            configured[prefix]?.lastRegistration = .init(first: first, time: time, source: source)
        }
        return outcome
    }

    private mutating func enter(
        _ registration: ETRRegistration,
        for prefix: EIDPrefix,
        in match: ConfiguredEID
    ) -> Outcome {
        let key = Key(prefix: prefix, etr: registration.etr)
        guard let entry = registered[prefix] else {
            guard match.registeredCountNow(in: self) < limits.prefixesPerConfigured else { return .full }
            registered[prefix] = RegisteredEID(
                site: match.site,
                configured: match.eid.prefix,
                registrations: [registration],
                firstRegistered: registration.firstRegistered
            )
            configured[match.eid.prefix]?.registeredCount += 1
            deadlines.set(key, at: registration.expires)
            return .added
        }
        guard let index = entry.registrations.firstIndex(where: { $0.etr == registration.etr }) else {
            guard entry.registrations.count < limits.etrsPerPrefix else { return .full }
            registered[prefix]?.registrations.append(registration)
            deadlines.set(key, at: registration.expires)
            return .added
        }
        let before = entry.registrations[index]
        var new = registration
        new.firstRegistered = before.firstRegistered
        registered[prefix]?.registrations[index] = new
        deadlines.set(key, at: new.expires)
        let isSame =
            before.record == new.record && before.wantsMerge == new.wantsMerge
            && before.wantsProxyReply == new.wantsProxyReply
        return isSame ? .refreshed : .changed
    }

    /// Removes one ETR's registration. `nil` if there was none.
    package mutating func remove(_ key: Key) -> ETRRegistration? {
        guard let entry = registered[key.prefix],
            let index = entry.registrations.firstIndex(where: { $0.etr == key.etr })
        else { return nil }
        deadlines.remove(key)
        if entry.registrations.count == 1 {
            registered[key.prefix] = nil
            configured[entry.configured]?.registeredCount -= 1
        } else {
            registered[key.prefix]?.registrations.remove(at: index)
        }
        return entry.registrations[index]
    }

    /// When the next registration expires.
    package mutating func nextExpiry() -> Instant? { deadlines.earliest()?.deadline }

    /// A registration whose time is over; the caller removes it and asks again.
    package mutating func popExpired(_ now: Instant) -> Key? { deadlines.popDue(now) }

    // MARK: Questions

    package enum Answer: Sendable {
        /// The longest registered EID-prefix for the question, with the configured one that it lies in.
        case registered(EIDPrefix, RegisteredEID, ConfiguredEID)
        /// Configured, and no ETR has registered it. The prefix is what a negative reply may cover.
        case unregistered(EIDPrefix, ConfiguredEID)
        /// Of no site.
        case unconfigured(EIDPrefix)
    }

    /// Who serves `question`, an EID or the EID-prefix of an entry that is refreshed.
    ///
    /// The longest entry that covers all of it counts; if none does, the longest that holds its first address.
    package func lookup(_ question: EIDPrefix, space: EIDSpace) -> Answer {
        let eid = EID(instanceID: question.instanceID, question.prefix.address)
        if let answer = registered(configured.longestMatch(question), registered.longestMatch(question)) {
            return answer
        }
        guard let match = configured.longestMatch(eid) else {
            let prefix =
                NegativePrefix.unconfigured(around: eid, space: space, configured: configured, registered: registered)
                ?? IPPrefix(host: eid.address)
            return .unconfigured(EIDPrefix(instanceID: eid.instanceID, prefix))
        }
        return registered(match, registered.longestMatch(eid)) ?? unregistered(eid, in: match.value)
    }

    /// A registration counts within the configured EID-prefix that decides, not from around it.
    private func registered(
        _ match: (key: EIDPrefix, value: ConfiguredEID)?,
        _ found: (key: EIDPrefix, value: RegisteredEID)?
    ) -> Answer? {
        guard let match, let found, match.key.covers(found.key) else { return nil }
        return .registered(found.key, found.value, match.value)
    }

    private func unregistered(_ eid: EID, in match: ConfiguredEID) -> Answer {
        let bound = match.eid.prefix.prefix
        // Configured parts with another action keep it: the reply must not speak for them.
        let others = match.eid.action == .drop ? native : dropping
        let gap = NegativePrefix.unregistered(around: eid, within: bound, registered: registered)
        let spared = others.gap(around: eid, within: bound)
        let length = max(gap?.length ?? eid.address.family.bitWidth, spared?.length ?? eid.address.family.bitWidth)
        let prefix = IPPrefix(family: bound.family, leftAligned: eid.address.leftAligned, length: length)
        return .unregistered(EIDPrefix(instanceID: eid.instanceID, prefix), match)
    }

    /// Everything registered in one configured EID-prefix, in order.
    package func registrations(in eid: SiteEID) -> [(key: EIDPrefix, value: RegisteredEID)] {
        registered.moreSpecifics(of: eid.prefix, includingItself: true).filter { $0.value.configured == eid.prefix }
    }
}

extension ConfiguredEID {
    fileprivate func registeredCountNow(in registry: SiteRegistry) -> Int {
        registry.configured[eid.prefix]?.registeredCount ?? 0
    }
}
