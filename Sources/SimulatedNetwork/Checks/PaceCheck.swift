// Nobody asks, registers, answers or tells more often than is allowed (RFC 9301 sections 5.3, 5.4, 5.7 and 8.2).
//
// - Map-Requests for one EID-prefix: one a second; after ten without an answer thirty seconds of silence, then one, if packets
//   wanted it meanwhile, or as before, if none did.
// - Map-Requests for packets of hosts: as many as the two accounts of the router's budget allow together.
// - Map-Registers: without an answer after 1 s, doubled up to 60 s, or after 5 s if a Map-Reply says that the network is there
//   again, or if nonces follow a clock that was set ahead; with an answer after 20 s or more.
// - Map-Replies to one question: one a second.
// - An unsolicited Map-Notify: at most seven times, 3 s apart or more.
// - SMRs to one RLOC: one in 3 s.
//
// By the router's own clock: it cannot know better.

import LISPControl
import LISPTables
import LISPWire

package final class PaceCheck: Check {
    package let name = "pace"

    private struct Question {
        var last: Instant
        /// Map-Requests without an answer since the last answer or silence.
        var unanswered: Int
        /// A packet wanted the answer during the silence.
        var isWanted = false
        /// Silences that the router had ended early by then, to make room for other questions.
        var restsCutShort: UInt64
    }

    private struct Group: Hashable {
        let server: IPAddress
        let eids: [EIDPrefix]
    }

    private struct Registration {
        var last: Instant
        var unanswered: Int
        var nonces: [Nonce]
    }

    private struct Answer: Hashable {
        let nonce: Nonce
        let eid: EIDPrefix?
    }

    private struct Notify {
        var last: Instant
        var count: Int
    }

    /// What one router does.
    private struct Records {
        var questions: [EIDPrefix: Question] = [:]
        var asked: [Nonce: EIDPrefix] = [:]
        var registrations: [Group: Registration] = [:]
        var answers: [Answer: Instant] = [:]
        var notifies: [Nonce: Notify] = [:]
        var solicited: [IPAddress: Instant] = [:]
        var notifiesAccepted: UInt64 = 0
        var lastMapReply = Instant.zero
        /// Map-Requests for packets beyond what the rates of the budget allow, and as of when.
        var excess = 0.0
        var counted = Instant.zero
    }

    private var records: [Int: Records] = [:]
    /// Nonces count up by one, or go to where the clock in nanoseconds is.
    private static let minute: UInt64 = 60_000_000_000

    package init() {}

    package func sent(_ message: SentMessage, by node: SimulatedRouter, in network: SimulatedNetwork) {
        let fault: String?
        let now = network.time(at: node)
        switch message.kind {
        case .encapsulated:
            // One that is passed on is not the router's own question.
            guard let request = message.encapsulatedRequest, request.nonce != network.causeRequest?.nonce else {
                return
            }
            fault = asked(request, node, now)
        case .mapRegister:
            guard case .mapRegister(let register)? = message.decoded else { return }
            fault = registered(register, with: message.destination.address, node, now)
        case .mapReply:
            guard case .mapReply(let reply)? = message.decoded else { return }
            fault = answered(reply, node, network)
        case .mapNotify:
            // One that answers a Map-Register goes once.
            guard case .mapNotify(let notify)? = message.decoded,
                !Self.answers(notify, network.causeMessage)
            else { return }
            fault = notified(notify, node, now)
        case .mapRequest:
            guard case .mapRequest(let request)? = message.decoded, request.isSMR else { return }
            fault = solicited(message.destination.address, node, now)
        case .mapNotifyAck, .other:
            fault = nil
        }
        if let fault { network.violate(self, node, fault) }
    }

    private static func answers(_ notify: MapNotify, _ cause: ControlMessage?) -> Bool {
        guard case .mapRegister(let register)? = cause else { return false }
        return register.nonce == notify.nonce
    }

    // A question that is forgotten to make room may be asked anew, but still no sooner than after a second.
    private func asked(_ request: MapRequest, _ node: SimulatedRouter, _ now: Instant) -> String? {
        guard let eid = request.records.first?.eidPrefix else { return "a Map-Request for nothing" }
        var own = records.removeValue(forKey: node.index) ?? Records()
        defer { records[node.index] = own }
        own.asked[request.nonce] = eid
        if let fault = charged(request, &own, node, now) { return fault }
        let restsCutShort = node.router.itr?.statistics[.restCutShort] ?? 0
        guard var question = own.questions[eid] else {
            own.questions[eid] = Question(last: now, unanswered: 1, restsCutShort: restsCutShort)
            return nil
        }
        let pause = question.last.duration(to: now)
        let silence = question.unanswered >= 10 && question.restsCutShort == restsCutShort
        // After the silence one try, and if that fails silence again. A question that nobody wants any more is forgotten.
        let isNew = silence ? !question.isWanted : pause >= .seconds(30) || question.restsCutShort != restsCutShort
        question.restsCutShort = restsCutShort
        question.unanswered = isNew ? 1 : min(question.unanswered + 1, 10)
        question.isWanted = false
        question.last = now
        own.questions[eid] = question
        if pause < .seconds(1) { return "asks for \(eid) again after \(pause)" }
        if silence, pause < .seconds(30) { return "asks for \(eid) again \(pause) after ten tries in vain" }
        return nil
    }

    /// A refresh names no source EID; a Proxy-ITR never does.
    private func charged(
        _ request: MapRequest,
        _ own: inout Records,
        _ node: SimulatedRouter,
        _ now: Instant
    ) -> String? {
        guard request.sourceEID != .none, !request.isSMRInvoked, let limits = node.settings.itr?.mapRequestLimits else {
            return nil
        }
        let rate = Double(limits.total.perSecond + limits.negativeTotal.perSecond)
        let burst = Double(limits.total.burst + limits.negativeTotal.burst)
        let seconds = Double(own.counted.duration(to: now).nanoseconds) / 1e9
        own.excess = max(0, own.excess - seconds * rate) + 1
        own.counted = now
        return own.excess > burst + 1e-6 ? "asks for more than its budget of \(burst) and \(rate) a second" : nil
    }

    private func registered(
        _ register: MapRegister,
        with server: IPAddress,
        _ node: SimulatedRouter,
        _ now: Instant
    ) -> String? {
        guard register.records.allSatisfy({ $0.ttlMinutes > 0 }) else { return nil }
        let group = Group(server: server, eids: register.records.compactMap(\.eidPrefix))
        var own = records.removeValue(forKey: node.index) ?? Records()
        defer { records[node.index] = own }
        guard var known = own.registrations[group] else {
            own.registrations[group] = Registration(last: now, unanswered: 1, nonces: [register.nonce])
            return nil
        }
        let pause = known.last.duration(to: now)
        let unanswered = known.unanswered
        var least = unanswered == 0 ? Duration.seconds(20) : .seconds(min(60, 1 << min(unanswered - 1, 6)))
        let clockWasSet = known.nonces.last.map { register.nonce.rawValue &- $0.rawValue > Self.minute } ?? false
        if unanswered > 0, own.lastMapReply > known.last || clockWasSet { least = min(least, .seconds(5)) }
        known.last = now
        known.unanswered += 1
        known.nonces = known.nonces.suffix(7) + [register.nonce]
        own.registrations[group] = known
        guard pause < least else { return nil }
        return "registers with \(server) again after \(pause), \(unanswered) unanswered: \(least) at least"
    }

    private func answered(_ reply: MapReply, _ node: SimulatedRouter, _ network: SimulatedNetwork) -> String? {
        // Probes may be answered as often as they come.
        guard !reply.isProbe else { return nil }
        let eid = network.causeRequest?.records.first?.eidPrefix
        let answer = Answer(nonce: reply.nonce, eid: eid)
        let before = records[node.index]?.answers[answer]
        let now = network.time(at: node)
        records[node.index, default: Records()].answers[answer] = now
        guard let before, before.duration(to: now) < .seconds(1) else { return nil }
        return "answers \(reply.nonce) again after \(before.duration(to: now))"
    }

    private func notified(_ notify: MapNotify, _ node: SimulatedRouter, _ now: Instant) -> String? {
        guard let known = records[node.index]?.notifies[notify.nonce] else {
            records[node.index, default: Records()].notifies[notify.nonce] = Notify(last: now, count: 1)
            return nil
        }
        records[node.index]?.notifies[notify.nonce] = Notify(last: now, count: known.count + 1)
        if known.count >= 7 { return "tells of \(notify.nonce) an eighth time" }
        let pause = known.last.duration(to: now)
        return pause < .seconds(3) ? "tells of \(notify.nonce) again after \(pause)" : nil
    }

    private func solicited(_ rloc: IPAddress, _ node: SimulatedRouter, _ now: Instant) -> String? {
        let before = records[node.index, default: Records()].solicited.updateValue(now, forKey: rloc)
        guard let pause = before?.duration(to: now), pause < .seconds(3) else { return nil }
        return "sends \(rloc) another SMR after \(pause)"
    }

    package func handedOver(_ packet: SimulatedPacket, at node: SimulatedRouter, in network: SimulatedNetwork) {
        let eid = packet.destination
        let host = EIDPrefix(instanceID: eid.instanceID, IPPrefix(host: eid.address))
        guard let question = records[node.index]?.questions[host] else { return }
        // The tenth Map-Request has its second before the silence begins.
        let pause = question.last.duration(to: network.time(at: node))
        if pause > .seconds(1), pause < .seconds(31) { records[node.index]?.questions[host]?.isWanted = true }
    }

    package func received(_ message: ReceivedControlMessage, at node: SimulatedRouter, in network: SimulatedNetwork) {
        switch ControlMessageKind(payload: message.payload) {
        case .mapReply:
            records[node.index, default: Records()].lastMapReply = network.time(at: node)
            guard case .mapReply(let reply)? = network.causeMessage, !reply.isProbe,
                var own = records.removeValue(forKey: node.index)
            else { return }
            defer { records[node.index] = own }
            guard let eid = own.asked[reply.nonce] else { return }
            own.questions[eid]?.unanswered = 0
            // It answers every question inside.
            let answers = reply.records.compactMap(\.eidPrefix)
            for other in own.questions.keys where answers.contains(where: { $0.covers(other) }) {
                own.questions[other]?.unanswered = 0
            }
        case .mapNotify:
            let accepted = node.router.etr?.statistics[.mapNotifiesAccepted] ?? 0
            guard accepted != records[node.index]?.notifiesAccepted ?? 0 else { return }
            records[node.index, default: Records()].notifiesAccepted = accepted
            guard case .mapNotify(let notify)? = network.causeMessage else { return }
            if let group = records[node.index]?.registrations.first(where: { $0.value.nonces.contains(notify.nonce) }) {
                records[node.index]?.registrations[group.key]?.unanswered = 0
            } else if notify.records.allSatisfy({ $0.ttlMinutes == 0 }) {
                // It has forgotten what may have been registered at another of its addresses.
                forgetRegistrations(of: node)
            }
        default: break
        }
    }

    /// All that the router registers may be registered anew at once; what was sent before may still be answered.
    private func forgetRegistrations(of node: SimulatedRouter) {
        for group in records[node.index]?.registrations.keys ?? [:].keys {
            records[node.index]?.registrations[group]?.last = .zero
            records[node.index]?.registrations[group]?.unanswered = 0
        }
    }

    package func reset(
        _ node: SimulatedRouter,
        restarted: Bool,
        keepingState: Bool,
        in network: SimulatedNetwork
    ) {
        if restarted {
            records[node.index] = nil
        } else {
            forgetRegistrations(of: node)
        }
    }

    package func cleared(_ node: SimulatedRouter, in network: SimulatedNetwork) {
        // What was answered may be asked at once.
        guard var own = records.removeValue(forKey: node.index) else { return }
        own.questions = own.questions.filter { $0.value.unanswered > 0 }
        records[node.index] = own
    }

    /// Forgets what is long past.
    package func audit(_ node: SimulatedRouter, in network: SimulatedNetwork) {
        guard var own = records.removeValue(forKey: node.index) else { return }
        let now = network.time(at: node)
        own.questions = own.questions.filter { $0.value.last.duration(to: now) < .seconds(120) }
        own.asked = own.asked.filter { own.questions[$0.value] != nil }
        own.answers = own.answers.filter { $0.value.duration(to: now) < .seconds(2) }
        own.notifies = own.notifies.filter { $0.value.last.duration(to: now) < .seconds(120) }
        own.solicited = own.solicited.filter { $0.value.duration(to: now) < .seconds(3) }
        records[node.index] = own
    }
}
