// What a Map-Server knows of its sites: which EID-prefixes each may register, and what its ETRs have registered
// (RFC 9301 section 8.2). It keeps each ETR's registration apart, with a timer of its own; who may register what is decided
// before it is asked.

import LISPWire

/// The configured and the registered EID-prefixes.
///
/// Every operation on one prefix costs O(log n); a change of what is configured costs as much as what it touches.
package struct SiteRegistry: Sendable {
    /// How much may be registered. What is beyond is refused.
    package struct Limits: Hashable, Sendable {
        package var etrsPerPrefix = 64
        package var prefixesPerConfigured = 100_000
        /// In all.
        package var prefixes = 2_000_000

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

    /// A registration that is no longer there.
    package struct Ended: Sendable {
        package let key: Key
        /// What was registered for its EID-prefix before.
        package let before: RegisteredEID
    }

    package private(set) var configured = PrefixTable<ConfiguredEID>()
    package private(set) var registered = PrefixTable<RegisteredEID>()
    /// Configured prefixes by what is answered when nothing is registered there.
    private var native = PrefixTable<Bool>()
    private var dropping = PrefixTable<Bool>()
    /// When the first of an EID-prefix's registrations expires.
    private var deadlines = SlotDeadlines()
    /// The locators registered last. Whoever registers many EID-prefixes registers them with equal ones, which are kept once.
    private var latestLocators: [LocatorRecord] = []
    private let limits: Limits

    package init(limits: Limits = Limits()) {
        self.limits = limits
    }

    // MARK: Configuration

    /// Replaces what is configured. A registration stays if `keeps` says so of it and of the configured EID-prefix that it
    /// lies in now; what does not is returned.
    ///
    /// - Parameter changedSites: those of which `keeps` may say something else than before. A registration that lies in none of
    ///   their EID-prefixes, and in none that comes, goes or changes, is not looked at.
    package mutating func configure(
        _ eids: some Sequence<(site: String, eid: SiteEID)>,
        changedSites: Set<String>,
        keeping keeps: (ETRRegistration, ConfiguredEID) -> Bool
    ) -> [Ended] {
        var wanted = PrefixTable<ConfiguredEID>()
        var changed: [EIDPrefix] = []
        for (site, eid) in eids {
            var new = ConfiguredEID(site: site, eid: eid)
            if let old = configured[eid.prefix] {
                new.registeredCount = old.registeredCount
                if old.site == site { new.lastRegistration = old.lastRegistration }
                if old.site != site || old.eid != eid { changed.append(eid.prefix) }
            } else {
                changed.append(eid.prefix)
            }
            if changedSites.contains(site) { changed.append(eid.prefix) }
            wanted[eid.prefix] = new
        }
        for (prefix, _) in configured where wanted[prefix] == nil { changed.append(prefix) }
        configured = wanted
        for prefix in changed {
            let action = configured[prefix]?.eid.action
            native[prefix] = action == .nativelyForward ? true : nil
            dropping[prefix] = action == .drop ? true : nil
        }
        var ended: [Ended] = []
        var last: EIDPrefix?
        // What covers others comes before them.
        for prefix in changed.sorted() where !(last?.covers(prefix) ?? false) {
            last = prefix
            for (registered, entry) in registered.moreSpecifics(of: prefix, includingItself: true) {
                ended += settle(registered, entry, keeping: keeps)
            }
        }
        return ended
    }

    /// Finds out where a registered EID-prefix lies now, and which of its registrations stay.
    private mutating func settle(
        _ prefix: EIDPrefix,
        _ entry: RegisteredEID,
        keeping keeps: (ETRRegistration, ConfiguredEID) -> Bool
    ) -> [Ended] {
        guard let slot = registered.slot(of: prefix) else { return [] }
        var kept: [ETRRegistration] = []
        if case .accepted(let match) = acceptance(of: prefix), match.site == entry.site {
            kept = entry.registrations.filter { keeps($0, match) }
            if !kept.isEmpty, match.eid.prefix != entry.configured {
                configured[entry.configured]?.registeredCount -= 1
                configured[match.eid.prefix]?.registeredCount += 1
                registered[slot: slot].configured = match.eid.prefix
            }
        }
        guard kept.count < entry.registrations.count else { return [] }
        if kept.isEmpty {
            removeEntry(at: slot, configured: entry.configured)
        } else {
            registered[slot: slot].registrations = kept
            setDeadline(slot)
        }
        return entry.registrations.filter { !kept.contains($0) }.map {
            Ended(key: Key(prefix: prefix, etr: $0.etr), before: entry)
        }
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
        var registration = registration
        if registration.record.locators == latestLocators {
            registration.record.locators = latestLocators
        } else {
            latestLocators = registration.record.locators
        }
        let outcome = enter(registration, for: prefix, in: match)
        if outcome != .full, let configuredSlot = configured.slot(of: prefix), let slot = registered.slot(of: prefix) {
            configured[slot: configuredSlot].lastRegistration = .init(
                first: registered[slot: slot].firstRegistered,
                time: registration.lastRegistered,
                source: registration.source
            )
        }
        return outcome
    }

    private mutating func enter(
        _ registration: ETRRegistration,
        for prefix: EIDPrefix,
        in match: ConfiguredEID
    ) -> Outcome {
        guard let slot = registered.slot(of: prefix) else {
            guard registered.count < limits.prefixes, let decisive = configured.slot(of: match.eid.prefix),
                configured[slot: decisive].registeredCount < limits.prefixesPerConfigured
            else { return .full }
            let entry = RegisteredEID(
                site: match.site,
                configured: match.eid.prefix,
                registrations: [registration],
                firstRegistered: registration.firstRegistered
            )
            deadlines.set(registered.insert(entry, for: prefix), at: registration.expires)
            configured[slot: decisive].registeredCount += 1
            return .added
        }
        let (outcome, deadline) = registered[slot: slot].take(registration, limit: limits.etrsPerPrefix)
        if let deadline { deadlines.set(slot, at: deadline) }
        return outcome
    }

    /// Removes one ETR's registration. `nil` if there was none.
    package mutating func remove(_ key: Key) -> ETRRegistration? {
        guard let slot = registered.slot(of: key.prefix),
            let index = registered[slot: slot].registrations.firstIndex(where: { $0.etr == key.etr })
        else { return nil }
        return remove(index, at: slot)
    }

    private mutating func remove(_ index: Int, at slot: Int32) -> ETRRegistration {
        let entry = registered[slot: slot]
        if entry.registrations.count == 1 {
            removeEntry(at: slot, configured: entry.configured)
        } else {
            registered[slot: slot].registrations.remove(at: index)
            setDeadline(slot)
        }
        return entry.registrations[index]
    }

    private mutating func removeEntry(at slot: Int32, configured prefix: EIDPrefix) {
        deadlines.remove(slot)
        registered.remove(slot)
        configured[prefix]?.registeredCount -= 1
    }

    private mutating func setDeadline(_ slot: Int32) {
        if let deadline = registered[slot: slot].firstExpiry { deadlines.set(slot, at: deadline) }
    }

    /// When the next registration expires.
    package var nextExpiry: Instant? { deadlines.earliest?.deadline }

    /// Removes one registration whose time is over, if there is one; of one EID-prefix the earliest first.
    package mutating func popExpired(_ now: Instant) -> Ended? {
        guard let (slot, deadline) = deadlines.earliest, deadline <= now else { return nil }
        let before = registered[slot: slot]
        guard let index = before.registrations.firstIndex(where: { $0.expires == deadline }) else {
            preconditionFailure("a deadline that is that of a registration")
        }
        let key = Key(prefix: registered.key(at: slot), etr: before.registrations[index].etr)
        _ = remove(index, at: slot)
        return Ended(key: key, before: before)
    }

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

    // MARK: Walks

    /// Everything registered in one configured EID-prefix, in order.
    package func registrations(in eid: SiteEID) -> [(key: EIDPrefix, value: RegisteredEID)] {
        var found: [(key: EIDPrefix, value: RegisteredEID)] = []
        while let next = first(after: found.last?.key, registeredIn: eid.prefix) { found.append(next) }
        return found
    }

    /// What is registered in one configured EID-prefix behind `key`; `nil` gives the first. Costs O(log n) and as much again
    /// for each longer configured EID-prefix that it passes by.
    package func first(
        after key: EIDPrefix?,
        registeredIn prefix: EIDPrefix
    ) -> (key: EIDPrefix, value: RegisteredEID)? {
        var key = key
        while let next = registered.first(after: key, within: prefix) {
            if next.value.configured == prefix { return next }
            key = EIDPrefix(instanceID: prefix.instanceID, next.value.configured.prefix.last)
        }
        return nil
    }

    /// What follows `key` among all EID-prefixes of sites, configured or registered: the rows of lispEidRegistrationTable
    /// (RFC 7052), in its order with `.byFamily`.
    package func first(
        after key: EIDPrefix?,
        _ order: PrefixOrder = .byInstance
    ) -> (key: EIDPrefix, configured: ConfiguredEID?, registered: RegisteredEID?)? {
        let configured = configured.first(after: key, order)
        let registered = registered.first(after: key, order)
        switch (configured, registered) {
        case (let configured?, let registered?) where configured.key == registered.key:
            return (configured.key, configured.value, registered.value)
        case (let configured?, let registered?) where order.precedes(registered.key, configured.key):
            return (registered.key, nil, registered.value)
        case (let configured?, _): return (configured.key, configured.value, nil)
        case (nil, let registered?): return (registered.key, nil, registered.value)
        case (nil, nil): return nil
        }
    }
}

extension IPPrefix {
    /// The last of all prefixes that it covers, in order: the host prefix of its last address.
    fileprivate var last: IPPrefix {
        IPPrefix(host: IPAddress(family: family, leftAligned: address.leftAligned | ~Self.mask(length)))
    }
}

extension RegisteredEID {
    /// When the first of its registrations expires.
    fileprivate var firstExpiry: Instant? {
        var first: Instant?
        for index in registrations.indices {
            first = min(first ?? registrations[index].expires, registrations[index].expires)
        }
        return first
    }

    /// Adds a registration, or puts it in the place of the same ETR's earlier one; tells when the first expires now.
    fileprivate mutating func take(
        _ new: ETRRegistration,
        limit: Int
    ) -> (outcome: SiteRegistry.Outcome, deadline: Instant?) {
        guard let index = registrations.firstIndex(where: { $0.etr == new.etr }) else {
            guard registrations.count < limit else { return (.full, nil) }
            registrations.append(new)
            return (.added, firstExpiry)
        }
        let isSame =
            registrations[index].record == new.record && registrations[index].wantsMerge == new.wantsMerge
            && registrations[index].wantsProxyReply == new.wantsProxyReply
        let first = registrations[index].firstRegistered
        registrations[index] = new
        registrations[index].firstRegistered = first
        return (isSame ? .refreshed : .changed, firstExpiry)
    }
}
