// The Map-Server: registers the EID-prefixes of its sites' ETRs and sees to it that Map-Requests for them are answered
// (RFC 9301 sections 5.6, 5.7, 8.2 and 8.3).
//
// Rules, in the order in which a record of a Map-Register meets them:
// - Its site is that of the longest configured EID-prefix that covers it; a part is accepted only where that says so.
// - The whole message verifies under a key of *that* site with the message's key ID and algorithm. Each record stands
//   by its own site: another's valid key opens nothing. Algorithm 0 is never accepted.
// - The nonce is not a replay (`NonceGuard`).
// - All its locators are among the site's allowed locators, if it has such a list.
// A record that fails is counted at its site and left out of the Map-Notify; the others go on.
//
// Registrations are kept for each ETR apart (by xTR-ID and Site-ID, else by source RLOC), each with its own timer: three
// minutes, or the record's TTL if the message says so. TTL 0 withdraws. When the locators that ETRs ask to merge change, each
// of those that want Map-Notifies is told, until it acknowledges.
//
// Map-Requests: see MapServerRequests.swift.

import LISPTables
import LISPWire

/// Does no I/O and reads no clock. The owner carries out the actions in order and calls `timeout` at `deadline()`.
package struct MapServer: Sendable {
    /// How long a registration lasts without a T-bit (RFC 9301 section 8.2).
    static let registrationLife = Duration.seconds(180)
    /// How long after a start an ETR may take to register again: its interval, and a Map-Register that is lost (section 8.2).
    static let recoveryTime = Duration.seconds(75)
    /// The most registrations that end, and Map-Notifies that are repeated, in one event. When more are due the next `timeout` is
    /// due at once, so that the owner can see to other things in between.
    static let sliceLimit = 200

    package private(set) var settings: MapServerSettings
    package private(set) var registry: SiteRegistry
    package internal(set) var statistics = Tally<MapServerCount>()
    /// Records of Map-Registers refused, by reason: of all sites, those that are gone included, and of none.
    package private(set) var refusals = Tally<RegistrationRefusal>()
    /// The last record refused that is of no site.
    package private(set) var lastUnknown: RegistrationFailure?

    /// The last refusals.
    package private(set) var refusalMemory = RefusalMemory()
    private var endings = LatestValues<EIDPrefix, RegistrationEnding>(limit: RefusalMemory.limit)

    /// Every site, in the order of the settings.
    package private(set) var sites: [SiteStatus] = []
    /// Where each stands there.
    private var siteIndexes: [String: Int] = [:]
    private(set) var space = EIDSpace()
    /// Whether any site's settings, or any ETR so far, want this Map-Server to answer.
    private(set) var answersForETRs = false
    /// To be saved, so that old Map-Registers stay refused after a restart.
    package private(set) var nonces: NonceGuard
    private var preparedKeys = PreparedKeys()
    private var notifier = MapNotifier()
    private var budget = RegisterBudget(MessageLimits())
    var negativeReplies = Budget(MessageLimits.rate(MessageLimits().negativeMapReplies))
    var forwardedToETR = BudgetTable(MessageLimits.rate(MessageLimits().mapRequestsPerETR))
    private var refusalEvents = Budget(EventRate(perSecond: 1, burst: 20))
    var limiter: MapReplyLimiter
    var forwarded = ForwardingMemory()
    /// What is known of registrations from the last run: their sites are there, and when all of them should have registered again.
    private var recovery: (sites: Set<String>, end: Instant)

    /// - Parameter nonces: what was remembered when the Map-Server last ran.
    package init(
        settings: MapServerSettings,
        limits: SiteRegistry.Limits = .init(),
        limiter: MapReplyLimiter = .init(),
        nonces: NonceGuard = NonceGuard(),
        now: Instant = .zero
    ) {
        self.settings = settings
        self.registry = SiteRegistry(limits: limits)
        self.limiter = limiter
        self.nonces = nonces
        self.recovery = (nonces.knownSites, now + Self.recoveryTime)
        _ = configure(settings)
        forgetNonces(of: settings)
    }

    // MARK: What show reads

    package func site(named name: String) -> SiteStatus? { siteIndexes[name].map { sites[$0] } }

    /// How the last registration of an EID-prefix ended that nobody has registered now; of those that ended lately.
    package func ending(of prefix: EIDPrefix) -> RegistrationEnding? {
        registry.entry(for: prefix) == nil ? endings[prefix] : nil
    }

    /// How many unsolicited Map-Notifies wait for their Map-Notify-Ack: at most one for each registration.
    package var unacknowledgedNotifies: Int { notifier.count }

    // MARK: What outlives the process

    /// Whether the ETRs of a site, which had registered when the Map-Server last ran, may not have had the time to do so again:
    /// that nothing is registered says nothing then (docs/decisions/after-a-failure.md).
    func isRecovering(_ site: String, now: Instant) -> Bool {
        now < recovery.end && recovery.sites.contains(site)
    }

    /// From now on what changes of `nonces` is kept for `takeNonceJournal`, as a new part of the journal.
    package mutating func startNonceJournal() { nonces.startJournal() }

    /// What has changed of `nonces` since the last call. To be written down before anything of what was decided since then is
    /// told to anybody.
    package mutating func takeNonceJournal() -> [UInt8] { nonces.takeJournal() }

    // MARK: Map-Register

    /// What one record of a Map-Register needs to know of the whole.
    private struct Reception {
        let etr: ETRIdentity
        let source: Endpoint
        let local: IPAddress
        let message: NonceHistory.Message
        let now: Instant
        var verifier: RegisterVerifier
        /// The decision for each site met so far, by its index.
        var admissions: [(site: Int, decision: Result<PreparedKey, RegistrationRefusal>)] = []
        var isRepeated = false
        /// Verified under the key of a site, and no replay.
        var isAuthentic = false
    }

    /// Whether to look at a Map-Register, before it is decoded; who is to be charged if it is not authentic.
    mutating func admission(of payload: [UInt8], from source: Endpoint, now: Instant) -> RegisterBudget.Payer? {
        switch budget.verdict(on: payload, from: source, nonces: nonces, now: now) {
        case .admitted(let payer):
            return payer
        case .tooManyFromSource:
            statistics.add(.mapRegistersLimitedAtSource)
        case .tooManyInAll:
            statistics.add(.mapRegistersLimitedInAll)
        }
        return nil
    }

    /// Takes over how much is heeded, forwarded and answered.
    package mutating func limit(_ limits: MessageLimits) {
        budget.limit(limits)
        negativeReplies.rate = MessageLimits.rate(limits.negativeMapReplies)
        forwardedToETR.rate = MessageLimits.rate(limits.mapRequestsPerETR)
        limiter.rate = MessageLimits.rate(limits.mapRepliesPerRLOC)
    }

    /// A Map-Register arrived at `local`; `raw` is its UDP payload.
    ///
    /// The Map-Notify, if it wants one, goes to where it came from, port included, since some ETRs wait there.
    ///
    /// - Parameter verifier: of `raw`, if its authentication has been looked at.
    package mutating func receivedMapRegister(
        _ register: MapRegister,
        raw: [UInt8],
        from source: Endpoint,
        at local: IPAddress,
        chargedTo payer: RegisterBudget.Payer? = nil,
        verifier: RegisterVerifier? = nil,
        now: Instant,
        using generator: inout some RandomNumberGenerator
    ) -> [MapServerAction] {
        var actions = expireDue(now: now, using: &generator)
        statistics.add(.mapRegistersReceived)
        var reception = Reception(
            etr: ETRIdentity(register.xtrID, register.siteID, at: source),
            source: source,
            local: local,
            message: NonceHistory.Message(nonce: register.nonce, authentication: register.authentication),
            now: now,
            verifier: verifier ?? RegisterVerifier(raw)
        )
        var accepted: [EIDRecord] = []
        var signer: PreparedKey?
        var consequences: [MapServerAction] = []
        for record in register.records {
            do throws(RegistrationRefusal) {
                let key = try receive(record, of: register, &reception, &consequences, using: &generator)
                accepted.append(record)
                signer = signer ?? key
            } catch {
                consequences += refuse(record, error, of: register, source: source, now: now)
            }
        }
        statistics.add(accepted.isEmpty ? .mapRegistersRefused : .mapRegistersAccepted)
        if reception.isRepeated { statistics.add(.mapRegistersRepeated) }
        settle(reception, payer, octets: raw.count)
        if register.wantsMapNotify, let signer {
            statistics.add(.mapNotifiesSent)
            // All accepted records verified under one key ID, and equal MACs come from equal keys.
            actions.append(.send(acknowledgement(of: register, accepted, signer, to: source, from: local)))
        }
        return consequences.isEmpty ? actions : actions + consequences
    }

    package enum RefreshOutcome: Sendable {
        /// Something else than a refresh, or refused. Nothing has changed: `receivedMapRegister` decides.
        case other
        /// It was taken, and this is its Map-Notify if it wants one.
        case refreshed(ControlDatagram?)
    }

    /// A Map-Register arrived that may say what its ETR's last one said, as nearly every one does. It is subject to all that
    /// others are, but needs no decoding, and its Map-Notify no encoding.
    ///
    /// - Parameter verifier: of `raw`.
    package mutating func receivedRefresh(
        _ register: PlainMapRegister,
        raw: [UInt8],
        from source: Endpoint,
        at local: IPAddress,
        chargedTo payer: RegisterBudget.Payer? = nil,
        verifier: inout RegisterVerifier,
        now: Instant
    ) -> RefreshOutcome {
        let etr = ETRIdentity(register.xtrID, register.siteID, at: source)
        guard let known = registry.refreshable(by: register, of: etr, now: now), let site = siteIndexes[known.site]
        else { return .other }
        var reception = Reception(
            etr: etr,
            source: source,
            local: local,
            message: NonceHistory.Message(nonce: register.nonce.rawValue, mac: register.macPrefix),
            now: now,
            verifier: verifier
        )
        guard let key = try? admit(to: site, &reception) else {
            verifier = reception.verifier
            return .other
        }
        let refresh = SiteRegistry.Refresh(
            source: reception.isRepeated ? known.source : source,
            local: reception.isRepeated ? known.local : local,
            key: key.key,
            time: now,
            expires: now + Self.life(usesTTL: register.usesTTL, ttlMinutes: register.ttlMinutes)
        )
        registry.refresh(known, by: register, refresh)
        accepted(at: site, now: now)
        statistics.add(.mapRegistersReceived)
        statistics.add(.mapRegistersAccepted)
        if reception.isRepeated { statistics.add(.mapRegistersRepeated) }
        settle(reception, payer, octets: raw.count)
        guard register.wantsMapNotify else { return .refreshed(nil) }
        statistics.add(.mapNotifiesSent)
        let payload = register.notify(for: raw, signedWith: key)
        return .refreshed(ControlDatagram(payload: payload, destination: source, source: local))
    }

    private mutating func accepted(at site: Int, now: Instant) {
        sites[site].accepted &+= 1
        sites[site].lastRegistered = now
    }

    private mutating func settle(_ reception: Reception, _ payer: RegisterBudget.Payer?, octets: Int) {
        if reception.isAuthentic, !reception.isRepeated {
            budget.verified(reception.source, now: reception.now)
        } else if let payer {
            budget.failed(payer, macs: reception.verifier.macs, octets: octets, now: reception.now)
        }
    }

    private func acknowledgement(
        of register: MapRegister,
        _ records: [EIDRecord],
        _ key: PreparedKey,
        to destination: Endpoint,
        from local: IPAddress
    ) -> ControlDatagram {
        var payload = MapNotify(
            nonce: register.nonce,
            authentication: Authentication(placeholderFor: key.key),
            records: records,
            xtrID: register.xtrID,
            siteID: register.siteID
        ).encoded()
        key.sign(&payload)
        return ControlDatagram(payload: payload, destination: destination, source: local)
    }

    /// Takes a record over; the key that made the message. What else follows is added to `actions`.
    private mutating func receive(
        _ record: EIDRecord,
        of register: MapRegister,
        _ reception: inout Reception,
        _ actions: inout [MapServerAction],
        using generator: inout some RandomNumberGenerator
    ) throws(RegistrationRefusal) -> PreparedKey {
        guard let prefix = record.eidPrefix else { throw .unsupportedEID }
        let match: ConfiguredEID
        switch registry.acceptance(of: prefix) {
        case .accepted(let configured): match = configured
        case .moreSpecific: throw .moreSpecificEID
        case .notConfigured: throw .notConfiguredEID
        }
        guard let site = siteIndexes[match.site] else { throw .notConfiguredEID }
        let key = try admission(to: site, &reception).get()
        let merged = registry.mergedLocators(of: prefix)
        if record.ttlMinutes == 0 {
            let key = SiteRegistry.Key(prefix: prefix, etr: reception.etr)
            actions += withdraw(key, site: match.site, now: reception.now)
        } else {
            guard Self.allows(record, sites[site].settings.allowedLocators) else { throw .locatorNotAllowed }
            if register.wantsProxyReply { answersForETRs = true }
            var registration = registration(of: record, in: register, key: key.key, reception)
            if reception.isRepeated { keepSource(of: &registration, for: prefix) }
            let (etr, source) = (reception.etr, reception.source)
            switch registry.register(registration, for: prefix, in: match) {
            case .full: throw .limitReached
            case .refreshed: break
            case .added:
                actions.append(.event(.registered(site: match.site, prefix: prefix, etr: etr, source: source)))
            case .changed:
                actions.append(.event(.changed(site: match.site, prefix: prefix, etr: etr, source: source)))
            }
        }
        accepted(at: site, now: reception.now)
        tellMerged(prefix, before: merged, by: reception.etr, now: reception.now, &actions, using: &generator)
        return key
    }

    /// Whether the message may register for the site at all: the key that made it. Decided once for each site.
    private mutating func admission(
        to site: Int,
        _ reception: inout Reception
    ) -> Result<PreparedKey, RegistrationRefusal> {
        if let known = reception.admissions.first(where: { $0.site == site }) { return known.decision }
        let decision: Result<PreparedKey, RegistrationRefusal>
        do throws(RegistrationRefusal) {
            decision = .success(try admit(to: site, &reception))
        } catch {
            decision = .failure(error)
        }
        reception.admissions.append((site, decision))
        return decision
    }

    private mutating func admit(to site: Int, _ reception: inout Reception) throws(RegistrationRefusal) -> PreparedKey {
        guard budget.allows(site: site, now: reception.now) else { throw .tooManyOfSite }
        let key = try reception.verifier.key(
            among: sites[site].settings.keys,
            of: site,
            prepared: &preparedKeys
        )
        switch nonces.judge(
            reception.message,
            site: sites[site].settings.name,
            etr: reception.etr,
            keyID: key.key.id,
            check: sites[site].settings.nonceCheck
        ) {
        case .new:
            budget.accepted(site: site, now: reception.now)
        case .repeated:
            reception.isRepeated = true
        case .replayed:
            throw .replayedNonce
        }
        reception.isAuthentic = true
        return key
    }

    private func registration(
        of record: EIDRecord,
        in register: MapRegister,
        key: AuthenticationKey,
        _ reception: Reception
    ) -> ETRRegistration {
        ETRRegistration(
            etr: reception.etr,
            source: reception.source,
            local: reception.local,
            record: record,
            wantsProxyReply: register.wantsProxyReply,
            wantsMerge: register.wantsMerge,
            wantsMapNotify: register.wantsMapNotify,
            isSecurityCapable: register.isSecurityCapable,
            nonce: register.nonce,
            key: key,
            registered: reception.now,
            expires: reception.now + Self.life(usesTTL: register.usesTTL, ttlMinutes: record.ttlMinutes)
        )
    }

    private static func life(usesTTL: Bool, ttlMinutes: UInt32) -> Duration {
        usesTTL ? Duration.seconds(60 * Int64(ttlMinutes)) : registrationLife
    }

    /// Whoever sends again what was overheard may keep alive what it registered (RFC 9301 section 5.7), and no more: Map-Notifies go
    /// on to where the ETR is.
    private func keepSource(of registration: inout ETRRegistration, for prefix: EIDPrefix) {
        let known = registry.entry(for: prefix)?.registrations.first { $0.etr == registration.etr }
        guard let known else { return }
        registration.source = known.source
        registration.local = known.local
    }

    private static func allows(_ record: EIDRecord, _ allowed: [IPAddress]?) -> Bool {
        record.locators.allSatisfy { allows($0, allowed) }
    }

    private static func allows(_ locator: LocatorRecord, _ allowed: [IPAddress]?) -> Bool {
        guard let allowed else { return true }
        // Whoever reads the mapping may choose any address of a locator that lists several.
        guard let addresses = locator.address.allIPAddresses, !addresses.isEmpty else { return false }
        return addresses.allSatisfy(allowed.contains)
    }

    /// Counts a refused record at its site, or as one of no site.
    private mutating func refuse(
        _ record: EIDRecord,
        _ reason: RegistrationRefusal,
        of register: MapRegister,
        source: Endpoint,
        now: Instant
    ) -> [MapServerAction] {
        let prefix = record.eidPrefix
        refusals.add(reason, prefix?.prefix.family)
        let configured = prefix.flatMap { registry.configured.longestMatch($0)?.value }
        let site = configured?.site
        let index = site.flatMap { siteIndexes[$0] }
        let allowed = index.flatMap { sites[$0].settings.allowedLocators }
        let failure = RegistrationFailure(
            reason: reason,
            prefix: prefix,
            source: source,
            time: now,
            keyID: register.authentication.keyID,
            algorithm: register.authentication.algorithm,
            nonce: register.nonce,
            locator: reason == .locatorNotAllowed
                ? record.locators.first { !Self.allows($0, allowed) }
                    .map { $0.address.locatorAddress?.description ?? $0.address.description } : nil
        )
        refusalMemory.note(failure, configured: configured?.eid.prefix)
        if let eid = configured?.eid.prefix, let index {
            sites[index].refusals.add(reason, eid.prefix.family)
            sites[index].refusalsByEID[eid, default: Tally()].add(reason)
            if let prefix, prefix != eid, registry.entry(for: prefix) != nil {
                sites[index].refusalsByEID[prefix, default: Tally()].add(reason)
            }
            sites[index].lastFailure = failure
        } else {
            statistics.add(prefix == nil ? .recordsUnsupported : .recordsOfNoSite, prefix?.prefix.family)
            lastUnknown = failure
        }
        guard refusalEvents.take(now: now) else { return [] }
        return [.event(.refused(site: site, prefix: prefix, reason: reason, source: source))]
    }

    // MARK: The end of registrations

    private mutating func withdraw(_ key: SiteRegistry.Key, site: String, now: Instant) -> [MapServerAction] {
        notifier.cancel(key)
        guard registry.remove(key) != nil else { return [] }
        endings[key.prefix] = RegistrationEnding(cause: .withdrawn, time: now)
        forgetRefusals(of: key.prefix, site: site)
        statistics.add(.registrationsWithdrawn)
        return [.event(.withdrawn(site: site, prefix: key.prefix, etr: key.etr))]
    }

    /// A part of a configured EID-prefix has counters of its own only while it is registered.
    private mutating func forgetRefusals(of prefix: EIDPrefix, site: String) {
        guard let index = siteIndexes[site], !sites[index].refusalsByEID.isEmpty,
            registry.entry(for: prefix) == nil, registry.configured[prefix] == nil
        else { return }
        sites[index].refusalsByEID[prefix] = nil
    }

    mutating func expireDue(
        now: Instant,
        using generator: inout some RandomNumberGenerator
    ) -> [MapServerAction] {
        var actions: [MapServerAction] = []
        for _ in 0..<Self.sliceLimit {
            guard let ended = registry.popExpired(now) else { break }
            let (key, before) = (ended.key, ended.before)
            notifier.cancel(key)
            forgetRefusals(of: key.prefix, site: before.site)
            endings[key.prefix] = RegistrationEnding(cause: .expired, time: now)
            statistics.add(.registrationsExpired)
            actions.append(.event(.expired(site: before.site, prefix: key.prefix, etr: key.etr)))
            tellMerged(
                key.prefix,
                before: before.mergedLocators,
                by: key.etr,
                now: now,
                &actions,
                using: &generator
            )
        }
        return actions
    }

    /// Forgets what the ETRs of a site registered for these EID-prefixes, as the operator wants it; returns for how many of them
    /// there was something, and how many registrations that were. Costs O(log n) for each.
    package mutating func clear(
        _ prefixes: [EIDPrefix],
        of site: String,
        now: Instant
    ) -> (prefixes: Int, registrations: Int) {
        var cleared = (prefixes: 0, registrations: 0)
        for prefix in prefixes {
            guard let entry = registry.registered[prefix], entry.site == site else { continue }
            for registration in entry.registrations {
                let key = SiteRegistry.Key(prefix: prefix, etr: registration.etr)
                notifier.cancel(key)
                if registry.remove(key) != nil { cleared.registrations += 1 }
            }
            forgetRefusals(of: prefix, site: site)
            endings[prefix] = RegistrationEnding(cause: .cleared, time: now)
            cleared.prefixes += 1
        }
        statistics.add(.registrationsCleared, cleared.registrations)
        return cleared
    }

    /// Forgets the nonces of a site's ETRs: they may start afresh. Returns of how many there were any.
    package mutating func forgetNonces(of site: String) -> Int { nonces.forget(site: site) }

    // MARK: Merged locators

    /// Tells the ETRs that merge of changed locators: all that want Map-Notifies, except the one whose own registration
    /// says the same.
    private mutating func tellMerged(
        _ prefix: EIDPrefix,
        before: [LocatorRecord]?,
        by etr: ETRIdentity,
        now: Instant,
        _ actions: inout [MapServerAction],
        using generator: inout some RandomNumberGenerator
    ) {
        guard let merged = registry.mergedLocators(of: prefix), merged != before,
            let entry = registry.entry(for: prefix), let record = entry.mapping
        else { return }
        for registration in entry.registrations where registration.wantsMerge && registration.wantsMapNotify {
            let own = registration.record.locators.sorted(by: LocatorRecord.precedes)
            if registration.etr == etr, own == merged { continue }
            let nonce = Nonce.random(using: &generator)
            guard let told = notifier.notify(registration, for: prefix, of: record, nonce: nonce, now: now) else {
                statistics.add(.mapNotifiesWithheld)
                continue
            }
            statistics.add(.mapNotifiesUnsolicited)
            actions.append(.send(told))
        }
    }

    /// A Map-Notify-Ack arrived; `raw` is its UDP payload. One that nobody waits for is no fault.
    package mutating func receivedMapNotifyAck(_ notify: MapNotify, raw: [UInt8]) {
        switch notifier.acknowledged(notify.nonce, message: raw) {
        case .accepted: statistics.add(.mapNotifyAcksAccepted)
        case .unasked: statistics.add(.mapNotifyAcksUnasked)
        case .refused: statistics.add(.mapNotifyAcksRefused)
        }
    }

    // MARK: Time

    /// When `timeout` has work to do.
    package mutating func deadline() -> Instant? {
        [registry.nextDeadline(), notifier.deadline()].compactMap(\.self).min()
    }

    /// Ends registrations and repeats Map-Notifies that are due.
    package mutating func timeout(
        now: Instant,
        using generator: inout some RandomNumberGenerator
    ) -> [MapServerAction] {
        var actions = expireDue(now: now, using: &generator)
        for due in notifier.timeout(now: now, limit: Self.sliceLimit) {
            switch due {
            case .repeated(let datagram):
                statistics.add(.mapNotifiesUnsolicited)
                actions.append(.send(datagram))
            case .givenUp(let key):
                statistics.add(.mapNotifiesUnanswered)
                actions.append(.event(.notifyUnanswered(prefix: key.prefix, etr: key.etr)))
            }
        }
        return actions
    }

    // MARK: Settings

    /// Takes over changed settings. Registrations stay where their EID-prefix is still the site's, their key one of its
    /// keys and their locators allowed; counters and nonces stay with the site's name.
    package mutating func reconfigure(
        _ new: MapServerSettings,
        now: Instant,
        using generator: inout some RandomNumberGenerator
    ) -> [MapServerAction] {
        var actions = expireDue(now: now, using: &generator)
        let old = settings
        let dropped = configure(new)
        forgetNonces(of: old)
        for ended in dropped {
            notifier.cancel(ended.key)
            endings[ended.key.prefix] = RegistrationEnding(cause: .dropped, time: now)
            actions.append(.event(.dropped(prefix: ended.key.prefix, etr: ended.key.etr)))
        }
        var told: Set<EIDPrefix> = []
        for (key, before) in dropped.lazy.map({ ($0.key, $0.before.mergedLocators) }) {
            guard let before, told.insert(key.prefix).inserted else { continue }
            tellMerged(key.prefix, before: before, by: key.etr, now: now, &actions, using: &generator)
        }
        return actions
    }

    /// Costs as much as the settings are large and as much as changes, not as much as is registered.
    private mutating func configure(_ new: MapServerSettings) -> [SiteRegistry.Ended] {
        settings = new
        space = EIDSpace(new.eidSpace)
        if new.sites.contains(where: { $0.eids.contains(where: \.proxyReply) }) { answersForETRs = true }
        let known = Dictionary(uniqueKeysWithValues: siteIndexes.map { ($0.key, self.sites[$0.value]) })
        let changed = new.sites.filter { site in
            guard let old = known[site.name]?.settings else { return true }
            return old.keys != site.keys || old.allowedLocators != site.allowedLocators
        }
        sites = new.sites.map { site in
            var status = known[site.name] ?? SiteStatus(settings: site)
            status.settings = site
            return status
        }
        siteIndexes = Dictionary(
            self.sites.enumerated().map { ($1.settings.name, $0) },
            uniquingKeysWith: { first, _ in first }
        )
        let eids = new.sites.flatMap { site in site.eids.map { (site: site.name, eid: $0) } }
        let (statuses, indexes) = (sites, siteIndexes)
        let dropped = registry.configure(eids, changedSites: Set(changed.map(\.name))) { registration, configured in
            guard let site = indexes[configured.site].map({ statuses[$0].settings }) else { return false }
            return site.keys.contains(registration.key) && Self.allows(registration.record, site.allowedLocators)
        }
        for (index, status) in statuses.enumerated() where !status.refusalsByEID.isEmpty {
            let name = status.settings.name
            sites[index].refusalsByEID = status.refusalsByEID.filter {
                registry.configured[$0.key]?.site == name || registry.entry(for: $0.key)?.site == name
            }
        }
        return dropped
    }

    /// Nonces go with their key: an ETR that lost its count gets a new secret (RFC 9301 section 5.6).
    private mutating func forgetNonces(of old: MapServerSettings) {
        let before = Dictionary(old.sites.map { ($0.name, $0.keys) }, uniquingKeysWith: { first, _ in first })
        let (statuses, indexes) = (sites, siteIndexes)
        nonces.forget { site, keyID in
            let keys = indexes[site].map { statuses[$0].settings.keys }?.filter { $0.id == keyID } ?? []
            guard !keys.isEmpty else { return false }
            let known = before[site]?.filter { $0.id == keyID } ?? keys
            return known.contains(where: keys.contains)
        }
    }
}

extension ETRIdentity {
    /// Who registers: by xTR-ID and Site-ID if the Map-Register has them.
    fileprivate init(_ xtrID: XTRID?, _ siteID: SiteID?, at source: Endpoint) {
        self = xtrID.map { .named($0, siteID ?? SiteID(rawValue: 0)) } ?? .source(source.address)
    }
}

extension NonceHistory.Message {
    fileprivate init(nonce: Nonce, authentication: Authentication) {
        self.init(
            nonce: nonce.rawValue,
            mac: authentication.data.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        )
    }
}
