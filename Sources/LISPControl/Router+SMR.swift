// How the router as a whole tells others that its mappings have changed: the ETR says which, the data plane whom, and the ITR's
// map-cache what they call themselves.

import ForwardingInterface
import LISPTables
import LISPWire

extension Router {
    /// Answers `RouterAction.solicit`: who exchanged data with us in the last `SMRSender.memory`.
    ///
    /// It does no harm to name too many: an ITR without the mapping ignores the SMR.
    package mutating func solicit(
        _ eids: [EIDPrefix],
        peers: [ForwardingPeer],
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [RouterAction] {
        guard let own = etr?.settings.rlocs else { return [] }
        let families = Set(own.map(\.family))
        var rlocs: [InstanceID?: [IPAddress]] = [:]
        for peer in peers where families.contains(peer.rloc.family) && peer.rloc.canBeRLOC && !own.contains(peer.rloc) {
            rlocs[peer.instanceID, default: []].append(peer.rloc)
        }
        for (instance, eids) in Dictionary(grouping: eids, by: \.instanceID).sorted(by: { $0.key < $1.key }) {
            let concerned = Set(rlocs[nil, default: []] + rlocs[instance, default: []])
            smrSender.changed(eids, at: concerned.sorted(), now: now)
        }
        return counted(smrTimeout(now: now, using: &random))
    }

    /// Sends the SMRs that are due.
    mutating func smrTimeout(now: Instant, using random: inout some RandomNumberGenerator) -> [RouterAction] {
        guard let due = smrSender.deadline(), due <= now, let etr else { return [] }
        return smrSender.timeout(now: now).flatMap { solicitation -> [RouterAction] in
            let rloc = solicitation.rloc
            guard !etr.settings.rlocs.isEmpty else {
                smrSender.couldNotSend()
                return []
            }
            let message = SMRSender.message(
                solicitation,
                itrEID: itr?.eidPrefix(at: rloc, instanceID: solicitation.eids[0].instanceID),
                database: etr.database,
                rlocs: etr.settings.rlocs,
                nonce: .random(using: &random)
            )
            smrPeers.sent(solicitation.eids[0], to: rloc, isRepeat: solicitation.isRepeat, now: now)
            return [
                .send(ControlDatagram(payload: message.encoded(), destination: .control(rloc))),
                .note(.smrSent(to: rloc, eids: solicitation.eids, isRepeat: solicitation.isRepeat)),
            ]
        }
    }

    /// An SMR-invoked Map-Request reached our ETR: whoever wants the answer has heard of the change.
    mutating func noteInvoked(_ request: MapRequest, now: Instant) {
        let rlocs = request.itrRLOCs.compactMap(\.locatorAddress)
        for eid in request.records.prefix(SMRSender.recordLimit).compactMap(\.eidPrefix) {
            smrSender.invoked(by: rlocs, eid: eid)
        }
        for rloc in rlocs { smrPeers.invoked(by: rloc, now: now) }
    }
}
