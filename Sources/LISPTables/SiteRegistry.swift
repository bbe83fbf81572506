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
        /// Where the configured one says nothing of its own.
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
    /// The slot of each registered EID-prefix.
    private var index = HashIndex()
    /// When the first of an EID-prefix's registrations expires, or earlier: a refresh leaves the deadline as it stands, and it is
    /// put right when it comes up. So a refresh costs nothing here, however large the table.
    private var deadlines = SlotDeadlines()
    /// Of the registration that came last in each configured EID-prefix, by its slot.
    private var latestTerms: [Int32: RegistrationTerms] = [:]
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
                var same = old.eid
                // How many there may be changes nothing for those that are there.
                same.maxRegistrations = eid.maxRegistrations
                if old.site != site || same != eid { changed.append(eid.prefix) }
            } else {
                changed.append(eid.prefix)
            }
            if changedSites.contains(site) { changed.append(eid.prefix) }
            wanted[eid.prefix] = new
        }
        let gone = configured.map(\.key).filter { wanted[$0] == nil }
        changed += gone
        // What stays keeps its slot: registrations name it.
        latestTerms = [:]
        for prefix in gone { configured[prefix] = nil }
        for (prefix, eid) in wanted { configured[prefix] = eid }
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
        guard let slot = slot(of: prefix) else { return [] }
        let registrations = entry.registrations
        var ended: [Ended] = []
        if case .accepted(let match) = decision(about: prefix), match.site == entry.site,
            let configuredSlot = configured.slot(of: match.eid.prefix)
        {
            ended = registrations.filter { !keeps($0, match) }.map {
                Ended(key: Key(prefix: prefix, etr: $0.etr), before: entry)
            }
            if ended.count < registrations.count, match.eid.prefix != entry.configured {
                configured[entry.configured]?.registeredCount -= 1
                configured[slot: configuredSlot].registeredCount += 1
                registered[slot: slot].move(to: match.eid.prefix, slot: configuredSlot)
            }
        } else {
            ended = registrations.map { Ended(key: Key(prefix: prefix, etr: $0.etr), before: entry) }
        }
        for end in ended { _ = remove(end.key) }
        return ended
    }

    package enum Acceptance: Sendable {
        case accepted(ConfiguredEID)
        /// Lies in this configured EID-prefix, which does not accept parts.
        case moreSpecific(ConfiguredEID)
        case notConfigured
    }

    /// Which configured EID-prefix decides about a registration of `prefix`: the longest that covers it.
    package func acceptance(of prefix: EIDPrefix) -> Acceptance {
        if let slot = slot(of: prefix) {
            return .accepted(configured[slot: registered[slot: slot].terms.configuredSlot])
        }
        return decision(about: prefix)
    }

    private func decision(about prefix: EIDPrefix) -> Acceptance {
        guard let match = configured.longestMatch(prefix) else { return .notConfigured }
        return match.key == prefix || match.value.eid.acceptMoreSpecifics
            ? .accepted(match.value) : .moreSpecific(match.value)
    }

    // MARK: Registrations

    private func slot(of prefix: EIDPrefix) -> Int32? {
        let packed = PackedPrefix(prefix)
        return index.slot(hash: packed.hashValue) { registered[slot: $0].isFor(packed) }
    }

    /// The registered EID-prefix itself. Costs the same however many there are.
    package func entry(for prefix: EIDPrefix) -> RegisteredEID? { slot(of: prefix).map { registered[slot: $0] } }

    /// Whether a more-specific of `prefix` is registered.
    package func hasRegistration(below prefix: EIDPrefix) -> Bool { registered.hasEntry(below: prefix) }

    /// The locators that its ETRs ask to merge; `nil` if none asks.
    package func mergedLocators(of prefix: EIDPrefix) -> [LocatorRecord]? {
        guard let slot = slot(of: prefix), registered[slot: slot].wantsMerge else { return nil }
        return registered[slot: slot].mergedLocators
    }

    /// Takes a registration over. It replaces an earlier one of the same ETR for the same EID-prefix, whose
    /// `firstRegistered` it keeps.
    ///
    /// - Precondition: `acceptance(of: prefix)` accepts it in `configured`.
    package mutating func register(
        _ registration: ETRRegistration,
        for prefix: EIDPrefix,
        in match: ConfiguredEID
    ) -> Outcome {
        let outcome: Outcome
        let slot: Int32
        if let known = self.slot(of: prefix) {
            slot = known
            outcome = renew(registration, for: prefix, at: slot)
        } else {
            guard registered.count < limits.prefixes, let decisive = configured.slot(of: match.eid.prefix),
                configured[slot: decisive].registeredCount < match.eid.maxRegistrations ?? limits.prefixesPerConfigured
            else { return .full }
            let terms = terms(key: registration.key, local: registration.local, in: match, slot: decisive)
            let entry = RegisteredEID(
                prefix,
                StoredRegistration(registration, for: prefix, terms: terms, latest: &latestLocators)
            )
            slot = registered.insert(entry, for: prefix)
            index.insert(slot, hash: PackedPrefix(prefix).hashValue)
            deadlines.set(slot, at: registration.expires)
            configured[slot: decisive].registeredCount += 1
            outcome = .added
        }
        guard outcome != .full else { return .full }
        noteLast(slot, prefix, registration.lastRegistered, registration.source)
        return outcome
    }

    /// Keeps what is known of the last registration of a whole configured EID-prefix.
    private mutating func noteLast(_ slot: Int32, _ prefix: EIDPrefix, _ time: Instant, _ source: Endpoint) {
        let terms = registered[slot: slot].terms
        guard terms.configured == prefix else { return }
        configured[slot: terms.configuredSlot].lastRegistration = .init(
            first: registered[slot: slot].firstRegistered,
            time: time,
            source: source
        )
    }

    private mutating func terms(
        key: AuthenticationKey,
        local: IPAddress,
        in match: ConfiguredEID,
        slot: Int32
    ) -> RegistrationTerms {
        if let latest = latestTerms[slot], latest.fit(key: key, local: local, configuredSlot: slot) { return latest }
        let terms = RegistrationTerms(
            site: match.site,
            configured: match.eid.prefix,
            configuredSlot: slot,
            key: key,
            local: local
        )
        latestTerms[slot] = terms
        return terms
    }

    /// Adds a registration of a known EID-prefix, or puts it in the place of the same ETR's earlier one.
    private mutating func renew(_ registration: ETRRegistration, for prefix: EIDPrefix, at slot: Int32) -> Outcome {
        let place = registered[slot: slot].terms
        let before = registered[slot: slot].firstExpiry
        let outcome: Outcome
        if let position = registered[slot: slot].index(of: registration.etr) {
            var stored = registered[slot: slot].stored(position)
            let isRefresh = stored.says(registration, for: prefix)
            let terms = terms(key: registration.key, local: registration.local, after: stored.terms, at: place)
            if isRefresh {
                stored.refresh(registration, terms: terms)
            } else {
                let first = stored.firstRegistered
                stored = StoredRegistration(registration, for: prefix, terms: terms, latest: &latestLocators)
                stored.keepFirst(first)
            }
            registered[slot: slot].replace(position, stored)
            outcome = isRefresh ? .refreshed : .changed
        } else {
            guard registered[slot: slot].count < limits.etrsPerPrefix else { return .full }
            let terms = terms(key: registration.key, local: registration.local, after: place, at: place)
            registered[slot: slot].append(
                StoredRegistration(registration, for: prefix, terms: terms, latest: &latestLocators)
            )
            outcome = .added
        }
        let deadline = registered[slot: slot].firstExpiry
        if deadline < before { deadlines.set(slot, at: deadline) }
        return outcome
    }

    /// - Parameters:
    ///   - before: what the registration had, or another of its EID-prefix has.
    ///   - place: where that lies.
    private mutating func terms(
        key: AuthenticationKey,
        local: IPAddress,
        after before: RegistrationTerms,
        at place: RegistrationTerms
    ) -> RegistrationTerms {
        let slot = place.configuredSlot
        if before.fit(key: key, local: local, configuredSlot: slot) { return before }
        if place.fit(key: key, local: local, configuredSlot: slot) { return place }
        return terms(key: key, local: local, in: configured[slot: slot], slot: slot)
    }

    // MARK: Refreshes

    /// A registration that a Map-Register refreshes, until the registry changes.
    package struct Refreshable: Sendable {
        fileprivate let slot: Int32
        package let site: String
        /// Where its Map-Notifies go, and from where.
        package let source: Endpoint
        package let local: IPAddress
    }

    /// What a Map-Register that says nothing new has new.
    package struct Refresh: Sendable {
        let source: Endpoint
        let local: IPAddress
        let key: AuthenticationKey
        let time: Instant
        let expires: Instant

        package init(source: Endpoint, local: IPAddress, key: AuthenticationKey, time: Instant, expires: Instant) {
            self.source = source
            self.local = local
            self.key = key
            self.time = time
            self.expires = expires
        }
    }

    /// The registration of `etr`, the only one of its EID-prefix, if the Map-Register says just what that says.
    package func refreshable(by register: PlainMapRegister, of etr: ETRIdentity, now: Instant) -> Refreshable? {
        guard let slot = slot(of: register.eidPrefix),
            registered[slot: slot].isRefreshed(by: register, of: etr, now: now)
        else { return nil }
        let (source, local) = registered[slot: slot].firstEndpoints
        return Refreshable(slot: slot, site: registered[slot: slot].site, source: source, local: local)
    }

    /// What `register` does, for a Map-Register that `refreshable` has been asked about.
    package mutating func refresh(_ known: Refreshable, by register: PlainMapRegister, _ refresh: Refresh) {
        let slot = known.slot
        let before = registered[slot: slot].firstExpiry
        let place = registered[slot: slot].terms
        let terms = terms(key: refresh.key, local: refresh.local, after: place, at: place)
        registered[slot: slot].refresh(register, refresh, terms: terms)
        if refresh.expires < before { deadlines.set(slot, at: refresh.expires) }
        noteLast(slot, register.eidPrefix, refresh.time, refresh.source)
    }

    /// Removes one ETR's registration. `nil` if there was none.
    package mutating func remove(_ key: Key) -> ETRRegistration? {
        guard let slot = slot(of: key.prefix), let position = registered[slot: slot].index(of: key.etr) else {
            return nil
        }
        let removed = registered[slot: slot].stored(position).registration(of: key.prefix)
        remove(position, at: slot)
        return removed
    }

    private mutating func remove(_ position: Int, at slot: Int32) {
        guard registered[slot: slot].count == 1 else {
            let before = registered[slot: slot].firstExpiry
            registered[slot: slot].remove(position)
            let deadline = registered[slot: slot].firstExpiry
            if deadline < before { deadlines.set(slot, at: deadline) }
            return
        }
        // Its configured EID-prefix may be gone.
        configured[registered[slot: slot].configured]?.registeredCount -= 1
        deadlines.remove(slot)
        index.remove(slot, hash: PackedPrefix(registered.key(at: slot)).hashValue)
        registered.remove(slot)
    }

    /// When the next registration expires. Looks at every deadline that was put off since it was set: see `nextDeadline`.
    package var nextExpiry: Instant? {
        deadlines.earliest { registered[slot: $0].firstExpiry }
    }

    /// When to call `popExpired`: when the next registration expires, or earlier if very many were refreshed. Costs O(log n).
    package mutating func nextDeadline() -> Instant? {
        _ = putOff(limit: Self.putOffLimit) { _ in true }
        return deadlines.earliest?.deadline
    }

    private static let putOffLimit = 8
    /// At so many deadlines that only had to be put off `popExpired` makes a pause.
    private static let popLimit = 256

    /// Sets deadlines right that are the earliest, as far as `isDue` and they were put off; whether the earliest is right now.
    private mutating func putOff(limit: Int, while isDue: (Instant) -> Bool) -> Bool {
        for _ in 0..<limit {
            guard let (slot, deadline) = deadlines.earliest, isDue(deadline) else { return true }
            let expiry = registered[slot: slot].firstExpiry
            guard expiry > deadline else { return true }
            deadlines.set(slot, at: expiry)
        }
        return false
    }

    /// Removes one registration whose time is over, if there is one; of one EID-prefix the earliest first.
    ///
    /// Also `nil` after some hundreds that have been refreshed since: `nextDeadline` is due then, and the next call goes on.
    package mutating func popExpired(_ now: Instant) -> Ended? {
        guard putOff(limit: Self.popLimit, while: { $0 <= now }), let (slot, deadline) = deadlines.earliest,
            deadline <= now
        else { return nil }
        let before = registered[slot: slot]
        guard let position = (0..<before.count).first(where: { before.stored($0).expires == deadline }) else {
            preconditionFailure("a deadline that is that of a registration")
        }
        let key = Key(prefix: registered.key(at: slot), etr: before.stored(position).etr)
        remove(position, at: slot)
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

    /// The mapping that one registration makes alone and that is told alone to who asks for `question`: no ETR else has registered its
    /// EID-prefix, and nobody a part of that, and the site's settings or its ETR want it told by the Map-Server.
    ///
    /// `nil` in all other cases, and for a registration that has expired: see `lookup`.
    package func soleMapping(for question: EIDPrefix, now: Instant) -> (prefix: EIDPrefix, record: EIDRecord)? {
        guard let slot = registered.longestMatchLeafSlot(question), registered[slot: slot].isSole(now: now) else {
            return nil
        }
        let decisive = registered[slot: slot].terms.configuredSlot
        guard configured.longestMatchSlot(question) == decisive,
            configured[slot: decisive].eid.proxyReply || registered[slot: slot].wantsProxyReply,
            let record = registered[slot: slot].mapping
        else { return nil }
        return (registered.key(at: slot), record)
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

    /// What follows `key` by family, then instance, address and length, among a site's EID-prefixes, configured or registered.
    /// Costs O(log n) for each configured EID-prefix that covers `key`.
    ///
    /// - Parameter eids: all that are configured of it, in that order.
    package func first(after key: EIDPrefix?, of site: String, configured eids: [EIDPrefix]) -> EIDPrefix? {
        guard let key else { return eids.first }
        var (low, high) = (0, eids.count)
        while low < high {
            let middle = (low + high) / 2
            if PrefixOrder.byFamily.precedes(key, eids[middle]) { high = middle } else { low = middle + 1 }
        }
        var best = low < eids.count ? eids[low] : nil
        var match = configured.longestMatch(key)
        while let (prefix, eid) = match {
            if eid.site == site, let next = first(after: key, registeredIn: prefix)?.key,
                best.map({ PrefixOrder.byFamily.precedes(next, $0) }) ?? true
            {
                best = next
            }
            let length = prefix.prefix.length
            guard length > 0, let wider = IPPrefix(prefix.prefix.address, length: length - 1) else { break }
            match = configured.longestMatch(EIDPrefix(instanceID: prefix.instanceID, wider))
        }
        return best
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
