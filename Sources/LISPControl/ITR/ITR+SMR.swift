// What the ITR does when the ETR of a site says that a mapping has changed: it asks the mapping system, once, and uses what it
// has until the answer comes (RFC 9301 section 6.1).

import LISPTables
import LISPWire

extension ITR {
    /// Records of one SMR that are looked at, and map-cache entries inside one of them.
    private static let recordLimit = 32
    private static let moreSpecificLimit = 16
    /// Map-cache entries that an answer may contradict.
    private static let contradictionLimit = 1_000

    /// A Solicit-Map-Request reached us.
    ///
    /// The mapping that changed is that of its source EID; its records may name more (what others put there is an EID-prefix of
    /// ours, which the map-cache does not hold). EIDs that are not in our map-cache are of no concern to us.
    mutating func receivedSMR(
        _ request: MapRequest,
        from source: IPAddress,
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [ITRAction] {
        let family = EID(request.sourceEID)?.address.family ?? request.family
        statistics.add(.smrsReceived, family)
        let targets = solicitedTargets(of: request, now: now)
        guard let first = targets.first else {
            statistics.add(.smrsOfUnknownEIDs, family)
            return []
        }
        return [.smrReceived(from: source, eid: first)]
            + targets.flatMap { invokeMapRequest($0, now: now, using: &random) }
    }

    /// What to ask the mapping system for, each once.
    private func solicitedTargets(of request: MapRequest, now: Instant) -> [EIDPrefix] {
        var targets: [EIDPrefix] = []
        func add(_ target: EIDPrefix?) {
            if let target, !targets.contains(target) { targets.append(target) }
        }
        if let eid = EID(request.sourceEID) { add(refreshTarget(of: eid, now: now)) }
        for eid in request.records.prefix(Self.recordLimit).compactMap(\.eidPrefix) {
            add(refreshTarget(of: EID(instanceID: eid.instanceID, eid.prefix.address), now: now))
            // The map-cache may hold the mapping in parts.
            var part: EIDPrefix?
            for _ in 0..<Self.moreSpecificLimit {
                guard let entry = cache.first(after: part, within: eid) else { break }
                part = entry.eid
                add(refreshTarget(of: EID(instanceID: eid.instanceID, entry.eid.prefix.address), now: now))
            }
        }
        return targets
    }

    /// The entry that covers the EID or, where that has no locators, the EID alone: so much of the space as such an entry covers
    /// need not have one answer any more. None for what our operator has written down.
    private func refreshTarget(of eid: EID, now: Instant) -> EIDPrefix? {
        guard let entry = cache.longestMatch(eid), !entry.isStatic, entry.expires > now else { return nil }
        return entry.isNegative ? EIDPrefix(instanceID: eid.instanceID, IPPrefix(host: eid.address)) : entry.eid
    }

    /// Asks for the mapping of `target` if pace and budget allow.
    private mutating func invokeMapRequest(
        _ target: EIDPrefix,
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [ITRAction] {
        let family = target.prefix.family
        let open = questions[target]
        // Nobody has answered for this EID-prefix: the silence is kept. Or what comes will be as new as this SMR.
        guard open?.phase != .resting, open?.isSMRInvoked != true || open?.phase != .asking else {
            statistics.add(.smrsPaced, family)
            return []
        }
        // Whoever asks again at once asks twice in a second (RFC 9301 section 5.3).
        let isAsking = open?.phase == .asking || askedLately.contains(target, now: now)
        switch smrResponder.solicited(target, isAsking: isAsking, now: now) {
        case .ask: break
        case .paced:
            statistics.add(.smrsPaced, family)
            return []
        case .limited:
            statistics.add(.smrsLimited, family)
            return []
        }
        guard questions.count < questionLimit || forgetResting() else {
            statistics.add(.smrsLimited, family)
            return []
        }
        return ask(Question(target: target, sourceEID: nil, isSMRInvoked: true, now: now), now: now, using: &random)
    }

    /// A site says what its mapping is now: negative entries inside of it that are older would hide it.
    mutating func removeContradicted(by answer: EIDPrefix, now: Instant) -> [ITRAction] {
        guard cache[answer]?.isNegative == false else { return [] }
        var actions: [ITRAction] = []
        var last: EIDPrefix?
        for _ in 0..<Self.contradictionLimit {
            guard let entry = cache.first(after: last, within: answer) else { break }
            last = entry.eid
            guard entry.isNegative, !entry.isStatic, entry.refreshed < now, let gone = cache.remove(entry.eid) else {
                continue
            }
            actions += removed(gone)
        }
        return actions
    }

    /// An EID-prefix of `instanceID` that packets reach at `rloc`: of the site that is there.
    func eidPrefix(at rloc: IPAddress, instanceID: InstanceID) -> EIDPrefix? {
        guard let user = locators.lastUser(of: rloc), user.instanceID == instanceID, let id = locators[rloc],
            cache[user]?.locatorIDs.contains(id) == true
        else { return nil }
        return user
    }

    /// Asks for what an SMR came for too soon after the last.
    mutating func smrTimeout(now: Instant, using random: inout some RandomNumberGenerator) -> [ITRAction] {
        var actions: [ITRAction] = []
        while let target = smrResponder.popDue(now) {
            let eid = EID(instanceID: target.instanceID, target.prefix.address)
            // The map-cache may have changed since, and a refresh may have asked meanwhile.
            guard let target = refreshTarget(of: eid, now: now), questions[target]?.phase != .asking else { continue }
            actions += invokeMapRequest(target, now: now, using: &random)
        }
        return actions
    }
}
