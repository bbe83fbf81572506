// The Ingress Tunnel Router's side of the control plane: it asks the mapping system on behalf of packets, keeps what it
// learns in the map-cache, and tells the forwarding state (RFC 9300 section 6, RFC 9301 sections 5.2 to 5.5 and 8.1).
//
//     packet without a mapping --> Question --> Map-Request to a Map-Resolver, the packet is held
//     Map-Reply that answers it --> map-cache entry --> forwarding updates, then the held packets
//     entry used near its end --> Question for its own prefix; unused entries expire

import ForwardingInterface
import LISPTables
import LISPWire

/// Does no I/O and reads no clock: events come in with `now`, actions go out. The owner carries them out in order and calls
/// `timeout` at `deadline()`.
package struct ITR: Sendable {
    /// How long a mapping is kept whose Record TTL leaves it to us.
    static let ownChoiceOfTTL = Duration.seconds(24 * 3600)

    /// The most entries, and the most questions, that are looked at in one `timeout`. When more are due the next is due at once,
    /// so that the owner can see to other things in between.
    static let sliceLimit = 500

    package internal(set) var settings: ITRSettings
    package internal(set) var cache: MapCache
    package internal(set) var locators = LocatorRegistry()
    /// Which of `locators` answer.
    package internal(set) var prober: RLOCProber
    /// Which of them echo nonces.
    package internal(set) var noncer: EchoNoncer
    /// What fits the ways to them.
    package internal(set) var pathMTU = PathMTU()
    /// What the sites say of their own.
    package internal(set) var status: LocatorStatus
    package internal(set) var statistics = Tally<ITREvent>()
    package private(set) var mapResolvers: MapResolvers
    var questions = PrefixTable<Question>()
    var smrResponder = SMRResponder()
    /// The EID-prefixes that a Map-Request has left for within the last second, whatever became of the question.
    private(set) var askedLately = RecentlyMet(memory: Question.interval)
    var mapDataBudget = Budget(Self.mapDataRate)
    var budget: MapRequestBudget
    private var targets: [Nonce: EIDPrefix] = [:]
    private var askedResolver: [Nonce: IPAddress] = [:]
    package private(set) var held: HeldPackets
    /// When each question has to be asked again, given up or forgotten.
    private var timers = DeadlineQueue<EIDPrefix>()
    /// Questions that rest, by when that began: the first to make room.
    private var resting = DeadlineQueue<EIDPrefix>()
    var nextMapping: UInt32 = 1
    /// As they stand in the forwarding state.
    package internal(set) var proxyETRs: [ProxyETRState] = []
    var proxySpace = ProxySpace(nil)
    var attractedSpace: [EIDPrefix] = []
    /// Those in the cache.
    var staticMappings: [EIDPrefix: StaticMapping] = [:]
    /// The most EIDs that are asked for, or rest after that, at a time.
    let questionLimit: Int

    package init(
        settings: ITRSettings,
        holdLimits: HeldPackets.Limits = .init(),
        questionLimit: Int = RouterLimits.questions
    ) {
        self.settings = settings
        self.cache = MapCache(limit: settings.mapCacheLimit, negativeLimit: settings.negativeLimit)
        self.mapResolvers = MapResolvers(settings.mapResolvers)
        self.budget = MapRequestBudget(settings.mapRequestLimits)
        self.prober = RLOCProber(settings: settings.rlocProbing)
        self.noncer = EchoNoncer(isEnabled: settings.echoNonce, isProbed: settings.rlocProbing.isEnabled)
        self.status = LocatorStatus(
            isEnabled: settings.locatorStatusBits,
            isProbed: settings.rlocProbing.isEnabled
        )
        self.held = HeldPackets(limits: holdLimits)
        self.questionLimit = questionLimit
    }

    package var resolvers: [MapResolverState] { mapResolvers.states }

    /// How many EIDs are being asked for, and how many nonces of Map-Requests would be believed.
    package var openQuestions: (eids: Int, nonces: Int) { (questions.count, targets.count) }

    // MARK: Packets

    /// A packet found no entry, or one that says to ask.
    package mutating func missed(
        _ miss: ForwardingMiss,
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [ITRAction] {
        guard !miss.isStranded else { return stranded(miss, now: now, using: &random) }
        if let entry = cache.longestMatch(miss.destination), entry.expires > now {
            // The answer overtook the packet on its way here.
            switch forwardingAction(entry) {
            // What is to be dropped, the forwarding state drops, and tells its sender.
            case .encapsulate, .drop:
                cache.expect(1, by: entry.eid)
                return [.release([miss], .forward)]
            case .forwardNatively: return [.release([miss], .forwardNatively)]
            case .sendMapRequest where !entry.isStatic && now < entry.refreshed + Question.interval:
                statistics.add(.paced, miss.destination.address.family)
                return []
            case .sendMapRequest: break
            }
        }
        let target = EIDPrefix(instanceID: miss.destination.instanceID, IPPrefix(host: miss.destination.address))
        if var question = questions[target] {
            question.want()
            questions[target] = question
            switch question.phase {
            case .asking: hold(miss)
            case .resting: statistics.add(.resting, miss.destination.address.family)
            case .pausing: statistics.add(.paced, miss.destination.address.family)
            }
            return []
        }
        guard !mapResolvers.isEmpty, !settings.rlocs.isEmpty else {
            statistics.add(.noMapResolver, miss.destination.address.family)
            return []
        }
        let source = missSource(of: miss.source)
        if let refusal = budget.refusal(of: source, now: now) { return refuse(miss, of: source, refusal, now: now) }
        guard questions.count < questionLimit || forgetResting() else {
            statistics.add(.questionLimit, miss.destination.address.family)
            return []
        }
        hold(miss)
        var question = Question(target: target, sourceEID: miss.source, now: now)
        question.charge = budget.charge(source, now: now)
        return ask(question, now: now, using: &random)
    }

    private mutating func hold(_ miss: ForwardingMiss) {
        let event: ITREvent =
            switch held.hold(miss) {
            case nil: .packetsHeld
            case .full: .holdLimit
            case .sourceFull: .holdLimitOfSource
            }
        statistics.add(event, miss.destination.address.family)
    }

    // MARK: Questions

    /// Sends a Map-Request for the question and keeps it.
    mutating func ask(
        _ question: Question,
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [ITRAction] {
        var question = question
        defer {
            questions[question.target] = question
            timers.set(question.target, at: question.deadline)
        }
        let tried = question.nonces.compactMap { askedResolver[$0.nonce] }
        guard !settings.rlocs.isEmpty, let resolver = mapResolvers.ask(tried: tried, now: now) else { return [] }
        let nonce = Nonce.random(using: &random)
        for forgotten in question.sent(nonce, now: now) { forget(forgotten) }
        targets[nonce] = question.target
        askedResolver[nonce] = resolver
        smrResponder.asked(question.target, now: now)
        askedLately.meet(question.target, now: now)
        statistics.add(.mapRequestsSent, question.target.prefix.family)
        if question.isSMRInvoked { statistics.add(.smrInvokedRequests, question.target.prefix.family) }
        let asker = asker(of: question)
        let request = MapRequest(
            isPITR: asker.isPITR,
            isSMRInvoked: question.isSMRInvoked,
            nonce: nonce,
            sourceEID: asker.sourceEID,
            itrRLOCs: Array(settings.rlocs.prefix(32)).map(LISPAddress.ip),
            records: [MapRequest.Record(question.target)]
        )
        return [
            .send(
                ControlDatagram(
                    payload: request.encapsulated(for: question.target, rlocs: settings.rlocs),
                    destination: .control(resolver)
                )
            )
        ]
    }

    /// Makes room for a question: the one that has rested longest goes, and with it the rest of its silence. Packets wait for
    /// none of those. `false` if none rests.
    mutating func forgetResting() -> Bool {
        guard let (target, _) = resting.earliest() else { return false }
        _ = close(target)
        statistics.add(.restCutShort, target.prefix.family)
        return true
    }

    private mutating func forget(_ nonce: Nonce) {
        targets[nonce] = nil
        askedResolver[nonce] = nil
    }

    /// Closes the question for `target`; returns the packets that waited for it.
    private mutating func close(_ target: EIDPrefix) -> [ForwardingMiss] {
        guard let question = questions[target] else { return [] }
        for (nonce, _) in question.nonces { forget(nonce) }
        questions[target] = nil
        timers.remove(target)
        resting.remove(target)
        return takeHeld(for: target)
    }

    /// Takes out the packets that wait for the answer. None wait for the refresh of an entry, which serves them meanwhile.
    private mutating func takeHeld(for target: EIDPrefix) -> [ForwardingMiss] {
        guard target.isHost else { return [] }
        return held.take(EID(instanceID: target.instanceID, target.prefix.address))
    }

    /// The one EID-prefix of a Map-Reply that covers what was asked for. For a refresh the mapping system may have divided
    /// the space since: then the widest that covers the first address of the old entry.
    private static func top(of eids: [EIDPrefix], answering target: EIDPrefix) -> EIDPrefix? {
        let covering = eids.filter { $0.covers(target) }
        guard covering.isEmpty else { return covering.count == 1 ? covering[0] : nil }
        let first = EIDPrefix(instanceID: target.instanceID, IPPrefix(host: target.prefix.address))
        let parts = eids.filter { $0.covers(first) }
        guard let widest = parts.min(by: { $0.prefix.length < $1.prefix.length }) else { return nil }
        return parts.count { $0 == widest } == 1 ? widest : nil
    }

    // MARK: Answers

    /// A Map-Reply reached port 4342 of `local`.
    ///
    /// It counts only if a Map-Request with its nonce is outstanding, if it reached an ITR-RLOC of that Map-Request, and if
    /// exactly one of its records covers the EID that was asked for; other records only inside that one (RFC 9301 section
    /// 5.5). Where it came from is free.
    ///
    /// - Parameter packetsSent: how many packets the forwarding state has encapsulated for a mapping so far.
    package mutating func receivedMapReply(
        _ reply: MapReply,
        from source: Endpoint,
        at local: IPAddress,
        now: Instant,
        packetsSent: (MappingID) -> UInt64 = { _ in 0 }
    ) -> [ITRAction] {
        guard !reply.isProbe else { return receivedProbeReply(reply, at: local, now: now) }
        guard let target = targets[reply.nonce], let question = questions[target] else {
            statistics.add(.mapReplyUnsolicited)
            return []
        }
        guard settings.rlocs.contains(local) else {
            statistics.add(.mapReplyWrongAddress, target.prefix.family)
            return []
        }
        let records = reply.records.compactMap { record in record.eidPrefix.map { (eid: $0, record: record) } }
        guard let top = Self.top(of: records.map(\.eid), answering: target) else {
            statistics.add(.mapReplyWrongRecords, target.prefix.family)
            return []
        }
        statistics.add(.mapRepliesAccepted, target.prefix.family)
        settle(target, isFound: records.contains { $0.eid == top && !$0.record.locators.isEmpty }, now: now)
        let isResolverBack = noteAnswer(to: question, nonce: reply.nonce, now: now)
        let isRefresh = cache[target] != nil && question.sourceEID == nil
        if isRefresh { statistics.add(.refreshes, target.prefix.family) }

        var actions: [ITRAction] = isResolverBack ? [.mapResolverCameBack] : []
        var waiting = close(target)
        for (eid, record) in records {
            guard top.covers(eid) else {
                statistics.add(.recordNotMoreSpecific, eid.prefix.family)
                continue
            }
            let part = part(of: eid, saying: record, around: target)
            actions += learn(record, for: part, from: source.address, now: now, packetsSent: packetsSent)
            actions += learnt(reply, record, now: now)
        }
        // The mapping system now divides the space otherwise. The old entry goes last, so that its packets always find one.
        if isRefresh, staticMappings[target] == nil, !records.contains(where: { $0.eid == target }),
            let stale = cache.remove(target)
        {
            actions += removed(stale)
        }
        if question.isSMRInvoked { actions += removeContradicted(by: top, now: now) }
        pause(question, now: now)
        // Whoever else waits for an address inside the answer, or for the refresh of a mapping that came with it, need not ask
        // any more.
        for (other, _) in questions.moreSpecifics(of: top, includingItself: true) where isAnswered(other, now: now) {
            let first = EID(instanceID: other.instanceID, other.prefix.address)
            settle(other, isFound: cache.longestMatch(first)?.isNegative == false, now: now)
            waiting += close(other)
        }
        return actions + verdicts(on: waiting, now: now)
    }

    /// Whether the map-cache has had an answer to an open question: for an address any entry, for a refresh the entry itself, as
    /// new as now.
    private func isAnswered(_ target: EIDPrefix, now: Instant) -> Bool {
        guard !target.isHost || cache[target] != nil else {
            return hasMapping(EID(instanceID: target.instanceID, target.prefix.address))
        }
        return cache[target]?.refreshed == now
    }

    /// Whether the map-cache knows of the EID; a static mapping that says to ask does not.
    private func hasMapping(_ eid: EID) -> Bool {
        guard let entry = cache.longestMatch(eid) else { return false }
        return !entry.isStatic || forwardingAction(entry) != .sendMapRequest
    }

    /// An answer that leaves nothing in the cache, since its TTL is 0 or a static mapping stands there that says to ask, does not
    /// free the next packet to ask within the second.
    private mutating func pause(_ answered: Question, now: Instant) {
        let eid = EID(instanceID: answered.target.instanceID, answered.target.prefix.address)
        guard !hasMapping(eid) else { return }
        var question = answered
        question.answeredInVain()
        guard question.deadline > now else { return }
        questions[question.target] = question
        timers.set(question.target, at: question.deadline)
    }

    /// Returns whether the Map-Resolver was taken for down before.
    private mutating func noteAnswer(to question: Question, nonce: Nonce, now: Instant) -> Bool {
        guard let address = askedResolver[nonce], let sent = question.nonces.first(where: { $0.nonce == nonce })?.sent
        else { return false }
        return mapResolvers.answered(address, after: sent.duration(to: now), now: now)
    }

    /// What becomes of packets now that the cache has changed.
    private mutating func verdicts(on waiting: [ForwardingMiss], now: Instant) -> [ITRAction] {
        var forward: [ForwardingMiss] = []
        var natively: [ForwardingMiss] = []
        for miss in waiting {
            let entry = cache.longestMatch(miss.destination)
            switch entry.map({ forwardingAction($0) }) {
            // What is to be dropped, the forwarding state drops, and tells its sender.
            case .encapsulate, .drop:
                if let entry { cache.expect(1, by: entry.eid) }
                forward.append(miss)
            case .forwardNatively: natively.append(miss)
            case .sendMapRequest, nil: statistics.add(.heldPacketsRefused, miss.destination.address.family)
            }
        }
        for miss in forward + natively { statistics.add(.packetsReleased, miss.destination.address.family) }
        return (forward.isEmpty ? [] : [.release(forward, .forward)])
            + (natively.isEmpty ? [] : [.release(natively, .forwardNatively)])
    }

    // MARK: What show reads

    /// Whether the mapping of an entry is being asked for again.
    package func isRefreshing(_ eid: EIDPrefix) -> Bool {
        questions[eid] != nil
    }

    /// What is under way to learn the mapping of an EID; `nil`: nothing.
    package func question(about eid: EID) -> Question? {
        questions[EIDPrefix(instanceID: eid.instanceID, IPPrefix(host: eid.address))]
    }

    /// The Map-Resolver that questions go to first, but for a trial of another now and then; `nil` if there is none.
    package var nextMapResolver: IPAddress? { mapResolvers.preferred }

    // MARK: Time

    /// When `timeout` has work to do.
    package mutating func deadline() -> Instant? {
        let own = Instant.earlier(timers.next, cache.deadline)
        let watching = Instant.earlier(Instant.earlier(prober.deadline(), noncer.deadline()), pathMTU.deadline())
        return Instant.earlier(Instant.earlier(own, smrResponder.deadline()), watching)
    }

    /// Does what is due.
    ///
    /// - Parameters:
    ///   - packetsSent: how many packets the forwarding state has encapsulated for a mapping so far.
    ///   - echoes: what it has seen of echo-noncing with a locator.
    package mutating func timeout(
        now: Instant,
        using random: inout some RandomNumberGenerator,
        packetsSent: (MappingID) -> UInt64,
        echoes: (LocatorID) -> EchoCounters? = { _ in nil }
    ) -> [ITRAction] {
        var actions: [ITRAction] = []
        for _ in 0..<Self.sliceLimit {
            guard let target = timers.popDue(now) else { break }
            actions += questionTimeout(target, now: now, using: &random)
        }
        actions += smrTimeout(now: now, using: &random)
        actions += probe(now: now, using: &random)
        actions += seeToEchoes(now: now, using: &random, echoes: echoes)
        actions += forgetPathMTUs(now: now)
        for _ in 0..<Self.sliceLimit {
            if let gone = cache.popExpired(now) {
                statistics.add(.expirations, gone.entry.eid.prefix.family)
                actions += removed(gone)
            } else if cache.isOverfull {
                guard let (victim, reason) = cache.surplus(now: now, packetsSent: packetsSent) else { break }
                actions += evict(victim, reason)
            } else if let entry = cache.popRefresh(now) {
                actions += considerRefresh(entry, now: now, using: &random, packetsSent: packetsSent)
            } else {
                break
            }
        }
        return actions
    }

    private mutating func questionTimeout(
        _ target: EIDPrefix,
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [ITRAction] {
        guard var question = questions[target] else { return [] }
        if now >= question.deadline, question.phase == .asking { noteSilence(of: question) }
        switch question.timeout(now: now) {
        case .ask:
            resting.remove(target)
            if mayRepeat(&question, now: now) { return ask(question, now: now, using: &random) }
        case .giveUp:
            statistics.add(.unansweredQuestions, target.prefix.family)
            settle(&question, isFound: false, now: now)
            resting.set(target, at: now)
            let dropped = takeHeld(for: target)
            statistics.add(.heldPacketsUnanswered, target.prefix.family, count: dropped.count)
        case .forget:
            _ = close(target)
            return []
        case .wait:
            break
        }
        questions[target] = question
        timers.set(target, at: question.deadline)
        return []
    }

    /// The last Map-Request of the question got no answer in its second.
    private mutating func noteSilence(of question: Question) {
        guard let nonce = question.nonces.last?.nonce, let address = askedResolver[nonce] else { return }
        mapResolvers.unanswered(address)
    }

    /// In the last tenth of an entry's life: asks for it again once packets are seen to use it, and after a silence once more
    /// for as long as they do.
    private mutating func considerRefresh(
        _ entry: MapCacheEntry,
        now: Instant,
        using random: inout some RandomNumberGenerator,
        packetsSent: (MappingID) -> UInt64
    ) -> [ITRAction] {
        let eid = entry.eid
        let packets = packetsSent(entry.mapping)
        let isUsed = entry.packetsAtRefreshCheck.map { packets > $0 } ?? false
        let life = entry.refreshed.duration(to: entry.expires)
        cache.refreshConsidered(eid, packetsSent: packets, again: now + max(life / 100, .milliseconds(250)))
        guard isUsed else { return [] }
        if var question = questions[eid] {
            question.want()
            questions[eid] = question
            return []
        }
        guard questions.count < questionLimit || forgetResting() else { return [] }
        return ask(Question(target: eid, sourceEID: nil, now: now), now: now, using: &random)
    }

    // MARK: Settings

    /// Takes over changed settings. Entries stay; which of their locators can be used is decided anew.
    package mutating func reconfigure(_ new: ITRSettings, now: Instant) -> [ITRAction] {
        let old = settings
        settings = new
        mapResolvers.reconfigure(new.mapResolvers)
        // Where there are too many now, some go, a slice in each `timeout`.
        cache.limit = new.mapCacheLimit
        cache.negativeLimit = new.negativeLimit
        budget.limits = new.mapRequestLimits
        let echoed = noncer.reconfigure(isEnabled: new.echoNonce, isProbed: new.rlocProbing.isEnabled, now: now)
        let probed =
            carryOut(prober.reconfigure(new.rlocProbing, now: now), now: now) + carryOut(echoed, now: now)
            + reconfigureStatus(new)
        let hasSameFamilies = Set(new.rlocs.map(\.family)) == Set(old.rlocs.map(\.family))
        let chosen = hasSameFamilies ? [] : chooseLocatorsAnew(now: now)
        return probed + chosen + start(now: now)
    }
}

extension EIDPrefix {
    /// Whether it is a single EID.
    var isHost: Bool { prefix.length == prefix.family.bitWidth }
}
