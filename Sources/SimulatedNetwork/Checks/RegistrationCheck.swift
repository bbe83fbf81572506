// A Map-Server holds what ETRs sent it and nothing else: every registration is a record of a Map-Register that its ETR made,
// none outlives its time, and no replay is accepted (RFC 9301 sections 5.6 and 8.2).
//
// What a replay is depends on the site's nonce check. strict: a message whose nonce is not greater than the last one's, unless it
// is the last one again. auto: the same once five nonces of the ETR have counted upwards; before that a message that was accepted
// already and is not the last one. A Map-Server that lost its state starts from nothing.
//
// The nonces of an ETR grow, also over restarts, unless it lost its state, whatever its wall clock does meanwhile.

import LISPControl
import LISPTables
import LISPWire

package final class RegistrationCheck: Check {
    package let name = "registration"

    /// Map-Registers of one ETR, newest last.
    private struct Sent {
        static let remembered = 64
        var messages: [(nonce: UInt64, records: [EIDRecord])] = []
        /// It has lost what it knew of them.
        var startsAnew = false
    }

    private struct Sender: Hashable {
        let server: Int
        let xtrID: XTRID
    }

    /// What one Map-Server accepted of one ETR.
    private struct Accepted {
        static let remembered = 64
        var nonces: [UInt64] = []
        /// How many at the end count upwards.
        var counting = 0
        var hasCounted = false

        mutating func add(_ nonce: UInt64) {
            counting = nonces.last.map { nonce > $0 } ?? false ? counting + 1 : 1
            if counting >= 5 { hasCounted = true }
            nonces.append(nonce)
            if nonces.count > Self.remembered { nonces.removeFirst() }
        }
    }

    private var sent: [XTRID: Sent] = [:]
    private var accepted: [Sender: Accepted] = [:]
    /// What the operators of the Map-Servers want, by site.
    private var nonceChecks: [Int: [String: NonceCheck]] = [:]
    /// Map-Registers that the Map-Server had accepted before the one that it is given.
    private var before: UInt64 = 0

    package init() {}

    package func sent(_ message: SentMessage, by node: SimulatedRouter, in network: SimulatedNetwork) {
        guard message.kind == .mapRegister, case .mapRegister(let register)? = message.decoded,
            let xtrID = register.xtrID
        else { return }
        var known = sent.removeValue(forKey: xtrID) ?? Sent()
        if let last = known.messages.last?.nonce, register.nonce.rawValue < last, !known.startsAnew {
            network.violate(self, node, "registers with \(register.nonce) after \(Nonce(rawValue: last))")
        }
        known.startsAnew = false
        known.messages.append((register.nonce.rawValue, register.records))
        if known.messages.count > Sent.remembered { known.messages.removeFirst() }
        sent[xtrID] = known
    }

    // MARK: Replays

    package func receiving(_ message: ReceivedControlMessage, at node: SimulatedRouter, in network: SimulatedNetwork) {
        before = node.router.mapServer?.statistics[.mapRegistersAccepted] ?? 0
    }

    package func received(_ message: ReceivedControlMessage, at node: SimulatedRouter, in network: SimulatedNetwork) {
        guard let server = node.router.mapServer, server.statistics[.mapRegistersAccepted] != before,
            case .mapRegister(let register)? = network.causeMessage, let xtrID = register.xtrID,
            let eid = register.records.first?.eidPrefix
        else { return }
        let sender = Sender(server: node.index, xtrID: xtrID)
        var known = accepted.removeValue(forKey: sender) ?? Accepted()
        defer { accepted[sender] = known }
        let nonce = register.nonce.rawValue
        guard let last = known.nonces.last, nonce != last else {
            if known.nonces.isEmpty { known.add(nonce) }
            return
        }
        let site = server.registry.configured.longestMatch(eid)?.value.site
        let check = site.flatMap { nonceChecks(of: node)[$0] } ?? .auto
        let isReplay =
            switch check {
            case .strict: nonce < last
            case .auto: known.hasCounted ? nonce < last : known.nonces.contains(nonce)
            case .off: false
            }
        if isReplay {
            let text = "takes \(register.nonce) of xTR \(xtrID) after \(Nonce(rawValue: last)): a replay (\(check))"
            network.violate(self, node, text)
        }
        known.add(nonce)
    }

    package func reset(
        _ node: SimulatedRouter,
        restarted: Bool,
        keepingState: Bool,
        in network: SimulatedNetwork
    ) {
        nonceChecks[node.index] = nil
        if restarted, !keepingState, let xtrID = node.settings.etr?.xtrID { sent[xtrID]?.startsAnew = true }
        if restarted, !keepingState { accepted = accepted.filter { $0.key.server != node.index } }
    }

    private func nonceChecks(of node: SimulatedRouter) -> [String: NonceCheck] {
        if let known = nonceChecks[node.index] { return known }
        let sites = node.settings.mapServer?.sites ?? []
        let checks = Dictionary(sites.map { ($0.name, $0.nonceCheck) }, uniquingKeysWith: { first, _ in first })
        nonceChecks[node.index] = checks
        return checks
    }

    // MARK: The registry

    package func noted(_ note: RouterNote, at node: SimulatedRouter, in network: SimulatedNetwork) {
        switch note {
        case .mapServer(.registered(_, let prefix, _, _)), .mapServer(.changed(_, let prefix, _, _)):
            guard let entry = node.router.mapServer?.registry.registered[prefix] else { return }
            look(at: entry, of: prefix, at: node, network)
        default: break
        }
    }

    package func audit(_ node: SimulatedRouter, in network: SimulatedNetwork) {
        guard let registry = node.router.mapServer?.registry else { return }
        for (prefix, entry) in registry.registered { look(at: entry, of: prefix, at: node, network) }
    }

    private func look(
        at entry: RegisteredEID,
        of prefix: EIDPrefix,
        at node: SimulatedRouter,
        _ network: SimulatedNetwork
    ) {
        for registration in entry.registrations {
            if let fault = fault(of: registration, network.time(at: node)) {
                network.violate(self, node, "\(prefix) by \(registration.etr): \(fault)")
            }
        }
    }

    private func fault(of registration: ETRRegistration, _ now: Instant) -> String? {
        guard registration.expires >= now else { return "over since \(registration.expires.inSeconds)" }
        let life = registration.lastRegistered.duration(to: registration.expires)
        guard life <= .seconds(180) else { return "it would last \(life)" }
        guard let xtrID = registration.xtrID, let known = sent[xtrID] else { return "no such ETR ever registered" }
        let nonce = registration.nonce.rawValue
        guard let message = known.messages.last(where: { $0.nonce == nonce }) else {
            guard let oldest = known.messages.first?.nonce, nonce < oldest else {
                return "its ETR never sent \(registration.nonce)"
            }
            return nil
        }
        guard message.records.contains(registration.record) else { return "not what its ETR sent" }
        return nil
    }
}
