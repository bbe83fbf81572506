// How a Map-Server treats Map-Requests (RFC 9301 section 8.3): forwarded to an ETR of the site, answered for it, or
// answered negatively.
//
// - The longest configured EID-prefix decides, and what is registered inside it.
// - Proxy replies go out where the site's settings or one of its ETRs ask for them, unless the ITR wants the site itself
//   (A-bit). They are not authoritative, and no locator in them is local to their sender.
// - Like any Map-Reply they hold the registered more-specifics too (section 5.5). Where those are too many, or their ETRs
//   answer for themselves, the reply covers only so much of the EID-prefix as overlaps none of them.
// - Anything else goes to one ETR, unaltered. The same ITR's next request for the same EID-prefix goes to another.
// - Negative replies: 15 minutes where nothing is configured, one minute where nothing is registered; both cover as
//   much as they truthfully can. After a restart there is silence instead where a site's ETRs may still be on their way.

import LISPTables
import LISPWire

extension MapServer {
    static let unconfiguredTTLMinutes: UInt32 = 15
    static let unregisteredTTLMinutes: UInt32 = 1
    /// More-specifics in one proxy reply.
    static let moreSpecificLimit = 32

    /// A Map-Request came through the mapping system.
    ///
    /// - Parameters:
    ///   - message: what it came in; its inner source port is where a Map-Reply goes.
    ///   - raw: the UDP payload that `message` was decoded from; it is what is forwarded.
    ///   - local: the address that was asked, which answers.
    package mutating func receivedMapRequest(
        _ request: MapRequest,
        in message: EncapsulatedControlMessage,
        raw: [UInt8],
        at local: IPAddress,
        now: Instant,
        using generator: inout some RandomNumberGenerator
    ) -> [MapServerAction] {
        // What has expired counts no more, even if nobody has called `timeout` yet.
        var actions = expireDue(now: now, using: &generator)
        let family = request.family
        statistics.add(.mapRequestsReceived, family)
        guard !request.isProbe else {
            statistics.add(.mapRequestProbes, family)
            return actions
        }
        var isUnderstood = false
        var answer: [EIDRecord] = []
        var isNegative = true
        var forwardTo: [(prefix: EIDPrefix, entry: RegisteredEID)] = []
        for record in request.records {
            guard let question = record.eidPrefix else { continue }
            isUnderstood = true
            switch registry.lookup(question, space: space) {
            case .registered(let prefix, let entry, let configured):
                if isAnsweredHere(entry, configured), !request.isAuthoritative {
                    let eid = EID(instanceID: question.instanceID, question.prefix.address)
                    addProxyRecords(prefix, entry, for: eid, to: &answer)
                    isNegative = false
                } else {
                    forwardTo.append((prefix, entry))
                }
            case .unregistered(_, let configured) where isRecovering(configured.site, now: now):
                statistics.add(.mapRequestsTooEarly, family)
            case .unregistered(let prefix, let configured):
                let action: MapReplyAction = configured.eid.action == .drop ? .dropPolicyDenied : .nativelyForward
                answer.append(.negative(prefix, ttlMinutes: Self.unregisteredTTLMinutes, action))
            case .unconfigured(let prefix):
                answer.append(.negative(prefix, ttlMinutes: Self.unconfiguredTTLMinutes, .nativelyForward))
            }
        }
        guard isUnderstood else {
            statistics.add(.mapRequestsUnsupported)
            return actions
        }
        if !forwardTo.isEmpty {
            actions += forward(raw, request, to: forwardTo, now: now)
        }
        if isNegative, !answer.isEmpty, !negativeReplies.allows(now: now) {
            statistics.add(.negativeRepliesLimited, family)
        } else if !answer.isEmpty, let datagram = reply(answer, to: request, in: message, at: local, now: now) {
            if isNegative { negativeReplies.charge(now: now) }
            statistics.add(isNegative ? .negativeRepliesSent : .proxyRepliesSent, family)
            actions.append(.send(datagram))
        }
        return actions
    }

    package enum ProxyOutcome: Sendable {
        /// Not decided here: see `receivedMapRequest`. Nothing has changed.
        case other
        /// What this Map-Server answers for the ETR, if it may, and whether that has no locators.
        case answered(ControlDatagram?, isNegative: Bool)
    }

    /// A Map-Request came through the mapping system that may be answered with a single mapping, as most are.
    ///
    /// - Parameter local: the address that was asked, which answers.
    package mutating func receivedPlainMapRequest(
        _ request: PlainMapRequest,
        at local: IPAddress,
        now: Instant
    ) -> ProxyOutcome {
        guard let sole = registry.soleMapping(for: request.eidPrefix, now: now) else { return .other }
        let family = request.eidPrefix.prefix.family
        statistics.add(.mapRequestsReceived, family)
        var record = sole.record
        record.proxy(as: sole.prefix, ttlMinutes: record.ttlMinutes)
        let datagram = reply(
            [record],
            to: MapRequest.replyRLOC(among: request.itrRLOCs, families: settings.families, askedAt: local),
            port: request.sourcePort,
            nonce: request.nonce,
            question: request.eidPrefix,
            at: local,
            now: now
        )
        if datagram != nil { statistics.add(.proxyRepliesSent, family) }
        return .answered(datagram, isNegative: record.locators.isEmpty)
    }

    // MARK: Forwarding

    /// The whole request to an ETR of each EID-prefix asked for, to none twice.
    private mutating func forward(
        _ raw: [UInt8],
        _ request: MapRequest,
        to entries: [(prefix: EIDPrefix, entry: RegisteredEID)],
        now: Instant
    ) -> [MapServerAction] {
        guard !forwarded.isRepeated(request, now: now) else {
            statistics.add(.mapRequestsRepeated, request.family)
            return []
        }
        var targets: [IPAddress] = []
        for (prefix, entry) in entries {
            let candidates = candidates(of: entry, for: request)
            guard let target = forwarded.next(of: candidates, for: prefix, asked: request, now: now) else {
                statistics.add(.mapRequestsUnforwardable, prefix.prefix.family)
                continue
            }
            if !targets.contains(target) { targets.append(target) }
        }
        targets.removeAll { target in
            guard !forwardedToETR.take(target, now: now) else { return false }
            statistics.add(.mapRequestsLimitedAtETR, request.family)
            return true
        }
        statistics.add(.mapRequestsForwarded, request.family, count: targets.count)
        return targets.map { .send(ControlDatagram(payload: raw, destination: .control($0))) }
    }

    /// RLOCs that a Map-Request may go to: first the best of every ETR, then the second best, and so on. Where an ETR among several has an
    /// RLOC of a family that the ITR can be answered in, those that have none are not asked: they would not answer.
    private func candidates(of entry: RegisteredEID, for request: MapRequest) -> [IPAddress] {
        let lists = entry.registrations.map { controlAddresses(of: $0) }
        guard lists.count > 1 else { return Self.ranked(lists) }
        let families = request.itrRLOCs.compactMap { $0.ipAddress?.family }
        let able = entry.registrations.map { ownAddresses(of: $0) }
            .filter { $0.contains { families.contains($0.family) } }
        let candidates = Self.ranked(able).filter { settings.families.contains($0.family) }
        return candidates.isEmpty ? Self.ranked(lists) : candidates
    }

    private static func ranked(_ lists: [[IPAddress]]) -> [IPAddress] {
        var candidates: [IPAddress] = []
        for rank in 0..<(lists.map(\.count).max() ?? 0) {
            for list in lists where rank < list.count && !candidates.contains(list[rank]) {
                candidates.append(list[rank])
            }
        }
        return candidates
    }

    /// Where an ETR can be reached: at the reachable locators that it calls its own, by priority; where its Map-Register
    /// came from; at the other locators.
    private func controlAddresses(of registration: ETRRegistration) -> [IPAddress] {
        let locators = registration.record.locators.filter(\.isReachable).sorted { $0.priority < $1.priority }
        let own = locators.filter(\.isLocal).compactMap(\.address.locatorAddress)
        let others = locators.filter { !$0.isLocal }.compactMap(\.address.locatorAddress)
        return (own + [registration.source.address] + others).filter { settings.families.contains($0.family) }
    }

    /// The same without the other locators, of all families.
    private func ownAddresses(of registration: ETRRegistration) -> [IPAddress] {
        let locators = registration.record.locators.filter { $0.isReachable && $0.isLocal }
        return locators.sorted { $0.priority < $1.priority }.compactMap(\.address.locatorAddress)
            + [registration.source.address]
    }

    // MARK: Answering

    private func isAnsweredHere(_ entry: RegisteredEID, _ configured: ConfiguredEID?) -> Bool {
        configured?.eid.proxyReply ?? false || entry.wantsProxyReply
    }

    /// Adds the mapping of `prefix`, the longest registered one for `eid`, as this Map-Server may tell it.
    private func addProxyRecords(
        _ prefix: EIDPrefix,
        _ entry: RegisteredEID,
        for eid: EID,
        to answer: inout [EIDRecord]
    ) {
        guard var mapping = entry.mapping else { return }
        guard registry.hasRegistration(below: prefix) else {
            mapping.proxy(as: prefix, ttlMinutes: mapping.ttlMinutes)
            answer.append(mapping)
            return
        }
        let parts = registry.registered.moreSpecifics(
            of: prefix,
            includingItself: false,
            limit: Self.moreSpecificLimit + 1
        )
        let areTold =
            parts.count <= Self.moreSpecificLimit
            && parts.allSatisfy { isAnsweredHere($0.value, registry.configured[$0.value.configured]) }
        if areTold {
            let mappings = [mapping] + parts.compactMap(\.value.mapping)
            let ttl = mappings.map(\.ttlMinutes).min() ?? mapping.ttlMinutes
            answer += zip([prefix] + parts.map(\.key), mappings).map { $1.proxied(as: $0, ttlMinutes: ttl) }
            return
        }
        if let longer = registry.registered.longestMatch(eid), longer.key != prefix {
            addProxyRecords(longer.key, longer.value, for: eid, to: &answer)
            return
        }
        // One bit longer at least, so that the entry itself is left out of the question.
        let bound = IPPrefix(eid.address, length: prefix.prefix.length + 1)
        let rest = registry.registered.gap(around: eid, within: bound) ?? IPPrefix(host: eid.address)
        let part = EIDPrefix(instanceID: eid.instanceID, rest)
        answer.append(mapping.proxied(as: part, ttlMinutes: mapping.ttlMinutes))
    }

    /// The Map-Reply, to the first ITR-RLOC of the family that was asked, else of another that we have.
    private mutating func reply(
        _ records: [EIDRecord],
        to request: MapRequest,
        in message: EncapsulatedControlMessage,
        at local: IPAddress,
        now: Instant
    ) -> ControlDatagram? {
        guard !request.dontMapReply else {
            statistics.add(.mapRequestsWantNoReply, request.family)
            return nil
        }
        return reply(
            records,
            to: request.replyRLOC(families: settings.families, askedAt: local),
            port: message.sourcePort,
            nonce: request.nonce,
            question: request.records.first?.eidPrefix,
            at: local,
            now: now
        )
    }

    private mutating func reply(
        _ records: [EIDRecord],
        to rloc: IPAddress?,
        port: UInt16,
        nonce: Nonce,
        question: EIDPrefix?,
        at local: IPAddress,
        now: Instant
    ) -> ControlDatagram? {
        let family = question?.prefix.family
        guard port != 0, port != LISPPort.data else {
            statistics.add(.mapRequestsBadPort, family)
            return nil
        }
        guard let rloc else {
            statistics.add(.mapRequestsNoRLOC, family)
            return nil
        }
        guard limiter.allows(to: rloc, nonce: nonce, eid: question, isProbe: false, now: now) else {
            statistics.add(.mapRepliesLimited, family)
            return nil
        }
        return ControlDatagram(
            payload: MapReply(nonce: nonce, records: records).encoded(),
            destination: Endpoint(rloc, port),
            source: rloc.family == local.family ? local : nil
        )
    }
}

extension EIDRecord {
    /// A record without locators.
    static func negative(_ prefix: EIDPrefix, ttlMinutes: UInt32, _ action: MapReplyAction) -> EIDRecord {
        EIDRecord(eidPrefix: prefix, ttlMinutes: ttlMinutes, action: action, locators: [])
    }

    /// A registered record as somebody else than its ETR tells it: not authoritative, no locator local or probed.
    fileprivate func proxied(as prefix: EIDPrefix, ttlMinutes: UInt32) -> EIDRecord {
        var record = self
        record.proxy(as: prefix, ttlMinutes: ttlMinutes)
        return record
    }

    fileprivate mutating func proxy(as prefix: EIDPrefix, ttlMinutes: UInt32) {
        eid = LISPAddress(eidPrefix: prefix)
        maskLength = prefix.prefix.length
        self.ttlMinutes = ttlMinutes
        isAuthoritative = false
        for index in locators.indices {
            locators[index].isLocal = false
            locators[index].isProbed = false
        }
    }
}
