// How the ITR probes the RLOCs of its map-cache, and what the forwarding state learns of it (RFC 9301 sections 5.4 and 7.1).

import ForwardingInterface
import LISPTables
import LISPWire

extension ITR {
    /// How many entries are looked at to find one that a probe can name.
    private static let searchLimit = 10_000
    /// An entry without an RLOC that is up is asked for again so often at most, while packets want it.
    private static let strandedInterval = Duration.seconds(15)

    /// Sends the probes that are due.
    mutating func probe(now: Instant, using random: inout some RandomNumberGenerator) -> [ITRAction] {
        carryOut(prober.timeout(now: now, using: &random), now: now)
    }

    /// A Map-Reply to an RLOC-probe reached port 4342 of `local`.
    ///
    /// It counts only with the nonce of an outstanding probe, at an ITR-RLOC of ours, with the A-bit in every record, and if the
    /// first p-bit is at the RLOC that was probed. What it says of mappings is not taken over: that comes from the mapping system.
    mutating func receivedProbeReply(_ reply: MapReply, at local: IPAddress, now: Instant) -> [ITRAction] {
        guard let target = prober.target(of: reply.nonce) else {
            statistics.add(.probeReplyUnsolicited)
            return []
        }
        guard settings.rlocs.contains(local) else {
            statistics.add(.mapReplyWrongAddress, target.family)
            return []
        }
        guard !reply.records.isEmpty, reply.records.allSatisfy(\.isAuthoritative) else {
            statistics.add(.probeReplyNotAuthoritative, target.family)
            return []
        }
        let probed = reply.records.lazy.flatMap(\.locators).first { $0.isProbed }
        guard probed?.address.locatorAddress == target else {
            statistics.add(.probeReplyOtherLocator, target.family)
            return []
        }
        statistics.add(.probeRepliesAccepted, target.family)
        let echoes = noncer.learnt(target, isCapable: reply.isEchoNonceCapable, now: now)
        return carryOut(prober.answered(reply.nonce, now: now), now: now) + carryOut(echoes, now: now)
    }

    /// Something says that an RLOC may be dead or back, such as an ICMP Destination Unreachable: it is probed at once.
    package mutating func doubt(_ rloc: IPAddress, now: Instant) {
        prober.doubt(rloc, now: now)
    }

    /// The ways to these destinations have changed, as a link, an address or a route of this host came or went: all RLOCs there are
    /// probed, over some time if they are many.
    package mutating func pathsChanged(to destinations: [IPPrefix], now: Instant) {
        prober.doubt(Set(destinations.flatMap { locators.addresses(within: $0) }), now: now)
    }

    mutating func carryOut(_ steps: [RLOCProber.Step], now: Instant) -> [ITRAction] {
        steps.flatMap { step -> [ITRAction] in
            switch step {
            case .probe(let rloc, let nonce):
                guard let probe = probe(rloc, nonce) else {
                    prober.cannotAsk(rloc, now: now)
                    return []
                }
                statistics.add(.probesSent, rloc.family)
                return [.send(probe)]
            case .wentDown(let rloc):
                statistics.add(.locatorsWentDown, rloc.family)
                return turned(rloc) + [.locatorTurned(rloc, isUp: false)]
            case .cameBack(let rloc):
                statistics.add(.locatorsCameBack, rloc.family)
                return turned(rloc) + [.locatorTurned(rloc, isUp: true)]
            }
        }
    }

    /// A Map-Request for an EID-prefix that is reached there; `nil` if none is found.
    private mutating func probe(_ rloc: IPAddress, _ nonce: Nonce) -> ControlDatagram? {
        let record: MapRequest.Record
        let last = locators.lastUser(of: rloc).flatMap { cache[$0] }
        if isProxyETR(rloc), !uses(last, rloc) {
            record = MapRequest.Record(eid: .none, maskLength: 0)
        } else {
            guard let eid = probedEID(rloc) else { return nil }
            record = MapRequest.Record(eid)
        }
        let request = MapRequest(
            isProbe: true,
            isPITR: settings.proxyITR != nil,
            nonce: nonce,
            itrRLOCs: Array(settings.rlocs.prefix(32)).map(LISPAddress.ip),
            records: [record]
        )
        return ControlDatagram(payload: request.encoded(), destination: .control(rloc))
    }

    /// An EID-prefix that is reached at the RLOC; if the one that was noted is gone, the first that is found. An ETR may well not answer for any other.
    private mutating func probedEID(_ rloc: IPAddress) -> EIDPrefix? {
        if let last = locators.lastUser(of: rloc), uses(cache[last], rloc) { return last }
        var key: EIDPrefix?
        for _ in 0..<Self.searchLimit {
            guard let entry = cache.first(after: key) else { return nil }
            key = entry.eid
            guard uses(entry, rloc) else { continue }
            locators.used(rloc, by: entry.eid)
            return entry.eid
        }
        return nil
    }

    private func uses(_ entry: MapCacheEntry?, _ rloc: IPAddress) -> Bool {
        guard let entry, let id = locators[rloc] else { return false }
        return entry.locatorIDs.contains(id)
    }

    /// Whether packets may be sent to an RLOC: nothing that we go by says that it is dead.
    package func isUp(_ rloc: IPAddress) -> Bool { prober.isUp(rloc) && noncer.isUp(rloc) }

    /// One of those that say so has changed its mind. Every entry that uses the RLOC follows: they share one object in the
    /// forwarding state.
    func turned(_ rloc: IPAddress) -> [ITRAction] {
        guard let id = locators[rloc] else { return [] }
        return [.forwarding([.putLocator(id, address: rloc, source: nil, up: isUp(rloc), mtu: pathMTU[rloc] ?? 0)])]
    }

    // MARK: Entries without an RLOC that is up

    /// A packet was dropped: no RLOC of its mapping is up. The site may have moved, and its SMR got lost on the way that died, so
    /// the mapping is asked for before its TTL ends.
    mutating func stranded(
        _ miss: ForwardingMiss,
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [ITRAction] {
        guard let entry = cache.longestMatch(miss.destination), !entry.isStatic, !entry.isNegative,
            now >= entry.refreshed + Self.strandedInterval, !hasLocatorUp(entry)
        else { return [] }
        if var question = questions[entry.eid] {
            question.want()
            questions[entry.eid] = question
            return []
        }
        guard !mapResolvers.isEmpty, !settings.rlocs.isEmpty else { return [] }
        let source = missSource(of: miss.source)
        guard budget.refusal(of: source, now: now) == nil else {
            statistics.add(.repeatsLimited, entry.eid.prefix.family)
            return []
        }
        guard questions.count < questionLimit || forgetResting() else { return [] }
        var question = Question(target: entry.eid, sourceEID: nil, now: now)
        question.charge = budget.charge(source, now: now)
        statistics.add(.strandedRequests, entry.eid.prefix.family)
        return ask(question, now: now, using: &random)
    }

    private func hasLocatorUp(_ entry: MapCacheEntry) -> Bool {
        zip(entry.content.locators, entry.locatorIDs).contains { record, id in
            id != nil && record.address.locatorAddress.map(isUp) ?? false
        }
    }

    // MARK: Path MTU

    /// Packets to an RLOC that have more than `mtu` octets, outer headers included, do not get there (RFC 9300 section 7.2).
    package mutating func packetTooBig(_ rloc: IPAddress, mtu: UInt16, now: Instant) -> [ITRAction] {
        guard locators[rloc] != nil else { return [] }
        guard let new = pathMTU.packetTooBig(rloc, mtu: mtu, now: now) else {
            statistics.add(.pathMTUIgnored, rloc.family)
            return []
        }
        statistics.add(.pathMTULowered, rloc.family)
        return turned(rloc) + [.pathMTUChanged(rloc, new)]
    }

    mutating func forgetPathMTUs(now: Instant) -> [ITRAction] {
        pathMTU.timeout(now: now).flatMap { rloc -> [ITRAction] in
            statistics.add(.pathMTUForgotten, rloc.family)
            return turned(rloc) + [.pathMTUChanged(rloc, nil)]
        }
    }
}
