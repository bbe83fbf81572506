// How the ITR lets packets ask the RLOCs of its map-cache for echoes, and what follows from the answers (RFC 9300 section 10.1).

import ForwardingInterface
import LISPTables
import LISPWire

extension ITR {
    /// Sees to the echoes that are asked for.
    ///
    /// - Parameter echoes: what the forwarding state has seen of a locator.
    mutating func seeToEchoes(
        now: Instant,
        using random: inout some RandomNumberGenerator,
        echoes: (LocatorID) -> EchoCounters?
    ) -> [ITRAction] {
        let steps = noncer.timeout(now: now, using: &random) { [locators] address in
            locators[address].flatMap(echoes)
        }
        return carryOut(steps, now: now)
    }

    /// Notes whether the sites of these RLOCs can echo: that is for an ETR to say, so a Map-Server's answer can only confirm it.
    mutating func learnt(_ reply: MapReply, _ record: EIDRecord, now: Instant) -> [ITRAction] {
        guard reply.isEchoNonceCapable || record.isAuthoritative else { return [] }
        let steps = record.locators.compactMap(\.address.locatorAddress).flatMap { rloc in
            noncer.learnt(rloc, isCapable: reply.isEchoNonceCapable, now: now)
        }
        return carryOut(steps, now: now)
    }

    mutating func carryOut(_ steps: [EchoNoncer.Step], now: Instant) -> [ITRAction] {
        steps.flatMap { step -> [ITRAction] in
            switch step {
            case .ask(let rloc, let nonce):
                return locators[rloc].map { [.forwarding([.requestEcho($0, nonce: nonce)])] } ?? []
            case .echoed(let rloc):
                statistics.add(.echoesSeen, rloc.family)
                prober.heard(rloc, now: now)
                return []
            case .doubted(let rloc):
                statistics.add(.echoesMissed, rloc.family)
                doubt(rloc, now: now)
                return []
            case .wentDown(let rloc):
                statistics.add(.locatorsWithoutEchoes, rloc.family)
                return turned(rloc) + [.headerHint(.echoesMissing(rloc))]
            case .onTrial(let rloc):
                return turned(rloc) + [.headerHint(.onTrial(rloc))]
            case .cameBack(let rloc):
                return turned(rloc)
            }
        }
    }
}
