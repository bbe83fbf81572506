// The Egress Tunnel Router's side of the control plane: it registers the site's EID-prefixes with its Map-Servers and answers
// Map-Requests for them (RFC 9301 sections 5.5 to 5.7, 7.1 and 8.2).

import LISPTables
import LISPWire

/// Does no I/O and reads no clock. The owner carries out the actions and calls `timeout` at `deadline()`.
package struct ETR: Sendable {
    /// What a control message may measure towards a peer whose path MTU is not known: the whole IP packet (RFC 9301 section 5).
    static let largestPacket: [AddressFamily: Int] = [.ipv4: 576, .ipv6: 1280]
    /// The record count of a message has eight bits.
    static let recordLimit = 255
    /// The most Map-Registers that leave in one `timeout`. When more are due the next is due at once, so that the owner can see to
    /// other things in between.
    static let sliceLimit = 50

    /// One Map-Server with the Map-Registers that go to it.
    package struct Registrar: Sendable {
        package fileprivate(set) var peer: MapServerPeer
        package fileprivate(set) var registrations: [Registration]
        package fileprivate(set) var mapRegistersSent: UInt64 = 0
        package fileprivate(set) var mapNotifiesAccepted: UInt64 = 0
        package fileprivate(set) var authenticationFailures: UInt64 = 0
        /// What went wrong of late.
        package fileprivate(set) var troubles = RegistrarTroubles()

        /// When the last Map-Notify came for any of our mappings.
        package var lastAcknowledged: Instant? { registrations.compactMap(\.lastAcknowledged).max() }
        package var lastSent: Instant? { registrations.compactMap(\.lastSent).max() }
        /// Every Map-Register was acknowledged when last sent.
        package var isUp: Bool {
            !registrations.isEmpty && registrations.allSatisfy { $0.lastAcknowledged != nil && $0.unacknowledged < 2 }
        }
        package var refused: Set<EIDPrefix> { registrations.reduce(into: []) { $0.formUnion($1.refused) } }
    }

    package private(set) var settings: ETRSettings
    package private(set) var database: Database
    package private(set) var registrars: [Registrar]
    package private(set) var statistics = Tally<ETREvent>()
    /// How many Map-Requests were answered with each mapping.
    package private(set) var answers = PrefixTable<UInt64>()
    /// The next nonce of a Map-Register. It only grows, also over restarts: the owner saves it.
    package private(set) var nextNonce: UInt64
    /// Where they began, and when.
    private var firstNonce: (value: UInt64, at: Instant)
    private var limiter: MapReplyLimiter
    private var timers = DeadlineQueue<Timer>()
    /// Which registration a Map-Notify with a nonce answers.
    private var outstanding: [Nonce: Timer] = [:]
    /// What Map-Servers have yet to forget.
    private var withdrawals: [Withdrawal] = []
    /// What ITRs are to be told of.
    private var changedMappings = ChangedMappings()
    /// The locators of our mappings as a Map-Server that merges them has last told.
    private var merged: [MergedMapping: [LocatorRecord]] = [:]

    private struct MergedMapping: Hashable {
        let server: IPAddress
        let eid: EIDPrefix
    }

    /// When the Map-Register of a registration is due.
    private struct Timer: Hashable, Comparable {
        let registrar: Int
        let registration: Int

        static func < (a: Self, b: Self) -> Bool { (a.registrar, a.registration) < (b.registrar, b.registration) }
    }

    /// - Parameter nextNonce: the larger of what was saved and the wall clock in nanoseconds.
    package init(settings: ETRSettings, nextNonce: UInt64, limiter: MapReplyLimiter = .init(), now: Instant) {
        self.settings = settings
        self.database = Database(settings.mappings)
        self.nextNonce = nextNonce
        self.firstNonce = (nextNonce, now)
        self.limiter = limiter
        self.registrars = []
        self.registrars = settings.mapServers.map { registrar($0, now: now) }
        setTimers()
    }

    // MARK: Registration

    private func registrar(_ peer: MapServerPeer, now: Instant) -> Registrar {
        Registrar(peer: peer, registrations: packed(for: peer).map { Registration(mappings: $0, now: now) })
    }

    /// Groups the mappings so that each Map-Register fits the smallest packet that every path carries. A record that alone is
    /// larger travels alone.
    private func packed(for peer: MapServerPeer) -> [[EIDPrefix]] {
        let headers = peer.address.family == .ipv4 ? 20 + 8 : 40 + 8
        let largest = Self.largestPacket[peer.address.family, default: 576] - headers
        let empty = mapRegister(to: peer, [], nonce: Nonce(rawValue: 0)).encoded().count
        var groups: [[EIDPrefix]] = []
        var size = 0
        for mapping in database.mappings where !mapping.locators.isEmpty {
            let record = mapRegister(to: peer, [mapping.record()], nonce: Nonce(rawValue: 0)).encoded().count - empty
            if groups.isEmpty || size + record > largest || groups[groups.count - 1].count == Self.recordLimit {
                groups.append([])
                size = empty
            }
            groups[groups.count - 1].append(mapping.eid)
            size += record
        }
        return groups
    }

    private func mapRegister(
        to peer: MapServerPeer,
        _ records: [EIDRecord],
        nonce: Nonce,
        as identity: ETRName? = nil
    ) -> MapRegister {
        let identity = identity ?? ETRName(settings)
        return MapRegister(
            wantsProxyReply: peer.proxyReply,
            wantsMerge: peer.merge,
            wantsMapNotify: peer.wantsMapNotify,
            nonce: nonce,
            authentication: Authentication(placeholderFor: peer.keys[0]),
            records: records,
            xtrID: identity.xtrID,
            siteID: identity.siteID
        )
    }

    /// A Map-Server that has not answered since the start may know of a greater nonce than ours: a clock that was wrong gave it to us,
    /// and with our state it was lost. From the third try without an answer nonces run ahead of the time since the start: by 1, 4,
    /// 16, 60 minutes, then by an hour more each time, up to a day. Not after an answer, since each start has to find those of the last.
    private mutating func raiseNonce(tries: Int, now: Instant) {
        guard tries >= 3 else { return }
        let ahead: Duration =
            tries < 6 ? .seconds(60) * (1 << (2 * (tries - 3))) : .seconds(3600) * min(tries - 5, 24)
        let elapsed = firstNonce.at.duration(to: now) + ahead
        nextNonce = max(nextNonce, firstNonce.value &+ UInt64(clamping: elapsed.nanoseconds))
    }

    /// The wall clock reads so many nanoseconds. If somebody has set it ahead by more than a minute since nonces began, they go on
    /// from there: a host without a clock of its own begins in the past, with nonces that the Map-Server refuses until its clock is set.
    package mutating func wallClock(reads wall: UInt64, now: Instant) {
        let elapsed = firstNonce.at.duration(to: now) + .seconds(60)
        guard wall > firstNonce.value &+ UInt64(clamping: elapsed.nanoseconds) else { return }
        firstNonce = (wall, now)
        // Nonces that are ahead anyway are not what the Map-Server refuses.
        guard wall > nextNonce else { return }
        nextNonce = wall
        pathsRestored(now: now)
    }

    private mutating func send(
        _ records: [EIDRecord],
        to peer: MapServerPeer,
        as identity: ETRName? = nil
    ) -> (nonce: Nonce, datagram: ControlDatagram) {
        let nonce = Nonce(rawValue: nextNonce)
        nextNonce &+= 1
        statistics.add(.mapRegistersSent)
        var payload = mapRegister(to: peer, records, nonce: nonce, as: identity).encoded()
        peer.keys[0].sign(&payload)
        return (nonce, ControlDatagram(payload: payload, destination: .control(peer.address)))
    }

    /// When `timeout` has work to do.
    package mutating func deadline() -> Instant? {
        var deadline = Instant.earlier(timers.next, changedMappings.deadline)
        for withdrawal in withdrawals { deadline = Instant.earlier(deadline, withdrawal.due) }
        return deadline
    }

    private mutating func setTimers() {
        timers.removeAll()
        outstanding = [:]
        for (server, registrar) in registrars.enumerated() {
            for (index, registration) in registrar.registrations.enumerated() {
                let timer = Timer(registrar: server, registration: index)
                timers.set(timer, at: registration.due)
                for nonce in registration.outstanding { outstanding[nonce] = timer }
            }
        }
    }

    /// Sends what is due.
    package mutating func timeout(now: Instant) -> [ETRAction] {
        var actions: [ETRAction] = []
        var due: [Timer] = []
        while due.count < Self.sliceLimit, let timer = timers.popDue(now) { due.append(timer) }
        for timer in due.sorted() {
            let server = timer.registrar
            let peer = registrars[server].peer
            let registration = registrars[server].registrations[timer.registration]
            if registration.unacknowledged == 3 {
                actions.append(.registration(.unanswered(mapServer: peer.address, tries: registration.unacknowledged)))
            }
            if registrars[server].mapNotifiesAccepted == 0 {
                raiseNonce(tries: registration.unacknowledged, now: now)
            }
            let records = registration.mappings.compactMap { database[$0]?.record() }
            let (nonce, datagram) = send(records, to: peer)
            registrars[server].mapRegistersSent += 1
            registrars[server].registrations[timer.registration]
                .sent(nonce, wantsMapNotify: peer.wantsMapNotify, now: now)
            noteOutstanding(timer, since: registration)
            timers.set(timer, at: registrars[server].registrations[timer.registration].due)
            actions.append(.send(datagram))
        }
        actions += withdraw(now: now)
        guard changedMappings.isDue(now) else { return actions }
        let open = unacknowledged
        return actions + tell(changedMappings.timeout(open: open))
    }

    /// Sends the withdrawals that are due, and forgets those that nobody acknowledges.
    private mutating func withdraw(now: Instant) -> [ETRAction] {
        var actions: [ETRAction] = []
        for index in withdrawals.indices where withdrawals[index].due <= now && !withdrawals[index].isOver {
            let withdrawal = withdrawals[index]
            let (nonce, datagram) = send(withdrawal.records, to: withdrawal.peer, as: withdrawal.identity)
            withdrawals[index].sent(nonce, now: now)
            actions.append(.send(datagram))
        }
        withdrawals.removeAll { $0.isOver && $0.due <= now || $0.records.isEmpty }
        return actions
    }

    /// The EID-prefixes of ours that a Map-Server has not acknowledged as they are now, those that it is to forget included.
    private var unacknowledged: Set<EIDPrefix> {
        var eids = Set(withdrawals.flatMap(\.eids))
        for registrar in registrars where registrar.peer.wantsMapNotify {
            for registration in registrar.registrations where registration.lastAcknowledged == nil {
                eids.formUnion(registration.mappings)
            }
        }
        return eids
    }

    private func tell(_ changed: [EIDPrefix]) -> [ETRAction] { changed.isEmpty ? [] : [.mappingsChanged(changed)] }

    /// ITRs can be told of what the Map-Servers know by now.
    private mutating func tellWhatIsAcknowledged() -> [ETRAction] {
        guard !changedMappings.isEmpty else { return [] }
        let open = unacknowledged
        return tell(changedMappings.acknowledged(open: open))
    }

    /// A Map-Server that merges our locators with those of the site's other ETRs says what comes of it. If another ETR has
    /// changed that, those who exchange data with us are to hear of it, too.
    private mutating func noteMerged(_ notify: MapNotify, by peer: MapServerPeer, isSolicited: Bool, now: Instant) {
        guard peer.merge else { return }
        for record in notify.records {
            guard let eid = record.eidPrefix, database[eid] != nil else { continue }
            let before = merged.updateValue(record.locators, forKey: MergedMapping(server: peer.address, eid: eid))
            // Our own part changes with our Map-Registers; who is to hear of that is seen to elsewhere.
            let own = Set(database[eid]?.locators.map(\.address) ?? [])
            func others(_ locators: [LocatorRecord]) -> [LocatorRecord] {
                locators.filter { $0.address.locatorAddress.map { !own.contains($0) } ?? true }
            }
            guard let before, before != record.locators else { continue }
            if !isSolicited || others(before) != others(record.locators) { changedMappings.changed([eid], now: now) }
        }
    }

    /// A Map-Notify that answers a withdrawal; `nil` if it answers none.
    private mutating func acknowledgedWithdrawal(
        _ notify: MapNotify,
        _ raw: [UInt8],
        now: Instant
    ) -> [ETRAction]? {
        guard let index = withdrawals.firstIndex(where: { $0.nonces.contains(notify.nonce) }) else { return nil }
        let family = notify.records.first?.eidPrefix?.prefix.family
        guard verify(raw, with: withdrawals[index].peer.keys) != nil else {
            statistics.add(.mapNotifyWrongAuthentication, family)
            return []
        }
        statistics.add(.mapNotifiesAccepted, family)
        let withdrawal = withdrawals.remove(at: index)
        if withdrawal.identity == ETRName(settings) { renew(withdrawal.eids, now: now) }
        return tellWhatIsAcknowledged()
    }

    /// Registers EID-prefixes anew, at all Map-Servers: one of them may be the one that has just forgotten them, at another of its
    /// addresses.
    private mutating func renew(_ eids: [EIDPrefix], now: Instant) {
        for server in registrars.indices {
            for index in registrars[server].registrations.indices {
                let before = registrars[server].registrations[index]
                guard before.mappings.contains(where: eids.contains) else { continue }
                let timer = Timer(registrar: server, registration: index)
                registrars[server].registrations[index] = Registration(mappings: before.mappings, now: now)
                noteOutstanding(timer, since: before)
                timers.set(timer, at: now)
                changedMappings.changed(before.mappings.filter(eids.contains), now: now)
            }
        }
    }

    /// The nonces that a registration waits for have changed.
    private mutating func noteOutstanding(_ timer: Timer, since before: Registration) {
        for nonce in before.outstanding { outstanding[nonce] = nil }
        for nonce in registrars[timer.registrar].registrations[timer.registration].outstanding {
            outstanding[nonce] = timer
        }
    }

    /// Withdraws every mapping from every Map-Server: Map-Registers with TTL 0 (RFC 9301 section 8.2).
    package mutating func deregister() -> [ETRAction] {
        registrars.flatMap { registrar in
            registrar.registrations.map { registration in
                let records = registration.mappings.compactMap { database[$0]?.record(ttlMinutes: 0) }
                return .send(send(records, to: registrar.peer).datagram)
            }
        }
    }

    /// A Map-Notify arrived.
    ///
    /// Believed only with a valid authentication under a key of the Map-Server whose Map-Register it answers or, if it is
    /// unsolicited, of a Map-Server that we register with; the latter is acknowledged (RFC 9301 section 5.7).
    package mutating func receivedMapNotify(
        _ notify: MapNotify,
        raw: [UInt8],
        from source: Endpoint,
        at local: IPAddress,
        now: Instant
    ) -> [ETRAction] {
        let family = notify.records.first?.eidPrefix?.prefix.family
        if let actions = acknowledgedWithdrawal(notify, raw, now: now) { return actions }
        if let timer = outstanding[notify.nonce] {
            let server = timer.registrar
            guard verify(raw, with: registrars[server].peer.keys) != nil else {
                registrars[server].authenticationFailures += 1
                registrars[server].troubles.wrongAuthentication = .init(time: now, source: source.address)
                statistics.add(.mapNotifyWrongAuthentication, family)
                return []
            }
            statistics.add(.mapNotifiesAccepted, family)
            registrars[server].mapNotifiesAccepted += 1
            let before = registrars[server].registrations[timer.registration]
            registrars[server].registrations[timer.registration]
                .acknowledged(Set(notify.records.compactMap(\.eidPrefix)), now: now)
            noteOutstanding(timer, since: before)
            noteMerged(notify, by: registrars[server].peer, isSolicited: true, now: now)
            let after = registrars[server].registrations[timer.registration]
            timers.set(timer, at: after.due)
            // Meanwhile ITRs were told that nobody has registered it.
            if before.hasLapsed(now: now) { changedMappings.changed(after.mappings, now: now) }
            return changes(from: before, to: after, server: registrars[server].peer.address) + tellWhatIsAcknowledged()
        }
        guard let server = registrars.firstIndex(where: { $0.peer.address == source.address }) else {
            statistics.add(.mapNotifyUnknownServer, family)
            return []
        }
        guard let key = verify(raw, with: registrars[server].peer.keys) else {
            registrars[server].authenticationFailures += 1
            registrars[server].troubles.wrongAuthentication = .init(time: now, source: source.address)
            statistics.add(.mapNotifyWrongAuthentication, family)
            return []
        }
        statistics.add(.mapNotifiesUnsolicited, family)
        registrars[server].troubles.unsolicited = now
        var payload = MapNotify(
            isAcknowledgement: true,
            nonce: notify.nonce,
            authentication: Authentication(placeholderFor: key),
            records: notify.records,
            xtrID: notify.xtrID == nil ? nil : settings.xtrID,
            siteID: notify.siteID == nil ? nil : settings.siteID
        ).encoded()
        key.sign(&payload)
        noteMerged(notify, by: registrars[server].peer, isSolicited: false, now: now)
        return [.send(ControlDatagram(payload: payload, destination: source, source: local))] + tellWhatIsAcknowledged()
    }

    /// Packets may get through again that did not before: Map-Registers that nobody has acknowledged go out soon.
    package mutating func pathsRestored(now: Instant) {
        for server in registrars.indices {
            for index in registrars[server].registrations.indices
            where registrars[server].registrations[index].hurry(now: now) {
                let timer = Timer(registrar: server, registration: index)
                timers.set(timer, at: registrars[server].registrations[index].due)
            }
        }
    }

    /// An ICMP error says that a control message to `address` did not arrive: a hint, since anybody can send one.
    package mutating func doubt(_ address: IPAddress, now: Instant) {
        for index in registrars.indices where registrars[index].peer.address == address {
            registrars[index].troubles.unreachable = now
        }
    }

    /// This host did not let a control message to `address` leave.
    package mutating func sendFailed(to address: IPAddress, _ reason: String, now: Instant) {
        for index in registrars.indices where registrars[index].peer.address == address {
            registrars[index].troubles.unsent = .init(time: now, reason: reason)
        }
    }

    private func verify(_ message: [UInt8], with keys: [AuthenticationKey]) -> AuthenticationKey? {
        keys.first { $0.verifies(message) == .ok }
    }

    private func changes(from before: Registration, to after: Registration, server: IPAddress) -> [ETRAction] {
        var actions: [ETRAction] = []
        if before.lastAcknowledged == nil || before.unacknowledged > 2 {
            let prefixes = after.mappings.filter { !after.refused.contains($0) }
            if !prefixes.isEmpty {
                actions.append(.registration(.acknowledged(mapServer: server, prefixes: prefixes)))
            }
        }
        let newlyRefused = after.refused.subtracting(before.refused)
        if !newlyRefused.isEmpty {
            actions.append(.registration(.refused(mapServer: server, prefixes: newlyRefused.sorted())))
        }
        return actions
    }

    // MARK: Map-Requests

    /// Takes over how much is answered.
    package mutating func limit(_ limits: MessageLimits) {
        limiter.rate = MessageLimits.rate(limits.mapRepliesPerRLOC)
    }

    /// A Map-Request arrived, on its own (`replyPort` is its UDP source port) or inside an Encapsulated Control Message
    /// (`replyPort` is the inner source port).
    ///
    /// Answered with the longest match and all its more-specifics under one TTL (RFC 9301 section 5.5), from the address that
    /// was asked. A probe is answered whatever EID it names, also none.
    package mutating func receivedMapRequest(
        _ request: MapRequest,
        replyPort: UInt16,
        at local: IPAddress,
        now: Instant
    ) -> [ETRAction] {
        let eid = request.records.first?.eidPrefix
        let family = request.family
        guard !request.dontMapReply else {
            statistics.add(.mapRequestWantsNoReply, family)
            return []
        }
        guard replyPort != LISPPort.data else {
            statistics.add(.mapRequestBadPort, family)
            return []
        }
        let families = Set(settings.rlocs.map(\.family) + [local.family])
        guard let itrRLOC = request.replyRLOC(families: families, askedAt: local) else {
            statistics.add(.mapRequestNoRLOC, family)
            return []
        }
        let records = request.isProbe ? probeRecords(request, at: local) : records(for: request)
        guard !records.isEmpty else {
            statistics.add(.mapRequestNotOurs, family)
            return []
        }
        guard limiter.allows(to: itrRLOC, nonce: request.nonce, eid: eid, isProbe: request.isProbe, now: now) else {
            statistics.add(.mapRepliesLimited, family)
            return []
        }
        statistics.add(request.isProbe ? .probesAnswered : .mapRequestsAnswered, family)
        // A probe may name an EID that is not ours: that gets no counter of its own, or strangers could make any number.
        for eid in records.compactMap(\.eidPrefix) where database[eid] != nil {
            answers[eid] = (answers[eid] ?? 0) + 1
        }
        let reply = MapReply(
            isProbe: request.isProbe,
            isEchoNonceCapable: settings.echoNonce,
            nonce: request.nonce,
            records: records
        )
        return [
            .send(
                ControlDatagram(
                    payload: reply.encoded(),
                    destination: Endpoint(itrRLOC, replyPort),
                    source: itrRLOC.family == local.family ? local : nil
                )
            )
        ]
    }

    /// As many records as a Map-Reply can count.
    private func records(for request: MapRequest) -> [EIDRecord] {
        var answered: Set<EIDPrefix> = []
        var records: [EIDRecord] = []
        for eid in request.records.compactMap(\.eidPrefix) where records.count < Self.recordLimit {
            let mappings = database.answer(to: eid, limit: Self.recordLimit - records.count)
            let ttl = mappings.map(\.ttlMinutes).min()
            for mapping in mappings where answered.insert(mapping.eid).inserted {
                records.append(mapping.record(ttlMinutes: ttl))
            }
        }
        return records
    }

    /// What an RLOC-probe is answered with: the mapping for its EID, with the p-bit on the probed locator; for an EID that is
    /// not ours, or none, a record of that EID with the probed locator alone.
    private func probeRecords(_ request: MapRequest, at local: IPAddress) -> [EIDRecord] {
        guard let record = request.records.first else { return [] }
        if let eid = record.eidPrefix, let mapping = database.longestMatch(eid) {
            return [mapping.record(probed: local)]
        }
        let alive = LocatorRecord(
            priority: 255,
            weight: 0,
            isLocal: true,
            isProbed: true,
            isReachable: true,
            address: .ip(local)
        )
        return [
            EIDRecord(
                eid: record.eid,
                maskLength: record.maskLength,
                ttlMinutes: 1,
                isAuthoritative: true,
                locators: [alive]
            )
        ]
    }

    // MARK: Settings

    /// Takes over changed settings. What a Map-Server has and needs not learn anew is left in peace; counters go on.
    package mutating func reconfigure(_ new: ETRSettings, now: Instant) -> [ETRAction] {
        let oldDatabase = database
        let oldRegistrars = registrars
        let newDatabase = Database(new.mappings)
        let isSameETR = settings.xtrID == new.xtrID && settings.siteID == new.siteID

        // What had been withdrawn and comes back stays.
        let identity = ETRName(new)
        for index in withdrawals.indices where withdrawals[index].identity == identity {
            let server = withdrawals[index].peer.address
            guard new.mapServers.contains(where: { $0.address == server }) else { continue }
            withdrawals[index].keep { newDatabase[$0].map { !$0.locators.isEmpty } ?? false }
        }
        // Withdraw what is gone, with the settings that registered it.
        var withdrawn: [ETRAction] = []
        for registrar in oldRegistrars {
            let stays = isSameETR && new.mapServers.contains { $0.address == registrar.peer.address }
            for registration in registrar.registrations {
                let gone = registration.mappings.filter { !stays || newDatabase[$0]?.locators.isEmpty ?? true }
                let records = gone.compactMap { oldDatabase[$0]?.record(ttlMinutes: 0) }
                guard !records.isEmpty else { continue }
                let (nonce, datagram) = send(records, to: registrar.peer)
                withdrawn.append(.send(datagram))
                guard registrar.peer.wantsMapNotify else { continue }
                var withdrawal = Withdrawal(
                    of: records,
                    from: registrar.peer,
                    as: ETRName(settings),
                    now: now
                )
                withdrawal.sent(nonce, now: now)
                withdrawals.append(withdrawal)
            }
        }
        settings = new
        database = newDatabase
        for (eid, _) in answers where database[eid] == nil { answers[eid] = nil }
        merged = merged.filter { database[$0.key.eid] != nil }
        registrars = new.mapServers.map { peer in
            var registrar = registrar(peer, now: now)
            guard let before = oldRegistrars.first(where: { $0.peer.address == peer.address }) else { return registrar }
            registrar.mapRegistersSent = before.mapRegistersSent
            registrar.mapNotifiesAccepted = before.mapNotifiesAccepted
            registrar.authenticationFailures = before.authenticationFailures
            registrar.troubles = before.troubles
            guard isSameETR, before.peer == peer else { return registrar }
            let known = Dictionary(
                before.registrations.map { ($0.mappings, $0) },
                uniquingKeysWith: { first, _ in first }
            )
            for index in registrar.registrations.indices {
                let mappings = registrar.registrations[index].mappings
                guard let kept = known[mappings], mappings.allSatisfy({ oldDatabase[$0] == database[$0] }) else {
                    continue
                }
                registrar.registrations[index] = kept
            }
            return registrar
        }
        setTimers()
        changedMappings.changed(Self.changes(from: oldDatabase, to: database), now: now)
        guard !isSameETR else { return withdrawn }
        // To the Map-Server a changed identity is another ETR: it comes before the old one goes, so that the EID-prefixes are
        // registered at every moment.
        var registrations: [ETRAction] = []
        while let due = timers.next, due <= now { registrations += timeout(now: now) }
        return registrations + withdrawn
    }

    /// The EID-prefixes whose mappings differ.
    private static func changes(from old: Database, to new: Database) -> Set<EIDPrefix> {
        var changed: Set<EIDPrefix> = []
        for mapping in old.mappings where new[mapping.eid] != mapping { changed.insert(mapping.eid) }
        for mapping in new.mappings where old[mapping.eid] == nil { changed.insert(mapping.eid) }
        return changed
    }
}
