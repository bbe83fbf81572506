// A master without a socket: takes what a subagent sends and answers as told, on a clock that stands still until it is moved.

import TestRandomness
import Testing

@testable import AgentX

/// A subagent, its master and their time.
final class Conversation {
    static let sessionID: UInt32 = 77
    let subagent: Subagent
    var now = ContinuousClock.now
    private(set) var events: [AgentXEvent] = []
    private var packetID: UInt32 = 1000

    init(
        modules: [MIBModule] = [],
        _ change: (inout AgentXSettings) -> Void = { _ in }
    ) {
        var settings = AgentXSettings(description: "test")
        change(&settings)
        subagent = Subagent(settings: settings, modules: modules, random: SeededGenerator("conversation"))
    }

    /// Time passes; what is due happens.
    func pass(_ time: Duration) {
        now += time
        subagent.timeout(now: now)
        events += subagent.takeEvents()
    }

    /// Everything the subagent has sent, taken apart.
    func sent() -> [PDU] {
        var octets = subagent.takeOutput()[...]
        events += subagent.takeEvents()
        var all: [PDU] = []
        while !octets.isEmpty {
            guard let header = try? PDUHeader(Array(octets.prefix(20)), at: 0),
                let pdu = try? PDU(Array(octets.prefix(20 + header.payloadLength)))
            else {
                Issue.record("the subagent sent what is no PDU")
                return all
            }
            all.append(pdu)
            octets = octets.dropFirst(20 + header.payloadLength)
        }
        return all
    }

    func receive(_ pdu: PDU) {
        subagent.receive(pdu.octets, now: now)
        while subagent.work(now: now, until: { false }) {}
        events += subagent.takeEvents()
    }

    /// Answers what the subagent sent.
    func answer(_ request: PDU, _ response: PDU.Response = PDU.Response()) {
        let sessionID = if case .open = request.body { Self.sessionID } else { request.sessionID }
        receive(PDU(.response(response), sessionID: sessionID, packetID: request.packetID, order: request.order))
    }

    /// Connects and opens a session.
    ///
    /// - Returns: what the subagent sent once it was open.
    @discardableResult
    func open(sysUpTime: UInt32 = 100) -> [PDU] {
        subagent.start(now: now)
        subagent.timeout(now: now)
        subagent.connected(now: now)
        for pdu in sent() { answer(pdu, PDU.Response(sysUpTime: sysUpTime)) }
        return sent()
    }

    /// Opens a session, and answers everything with no error until nothing more comes.
    func openWholly() {
        var pending = open()
        while !pending.isEmpty {
            for pdu in pending { answer(pdu) }
            pending = sent()
        }
    }

    /// Has the master ask something, and returns the answer.
    func ask(_ body: PDU.Body, transaction: UInt32 = 1, session: UInt32 = sessionID, context: [UInt8]? = nil) -> PDU
        .Response?
    {
        packetID += 1
        receive(PDU(body, sessionID: session, transactionID: transaction, packetID: packetID, context: context))
        let answers = sent().compactMap { pdu -> PDU.Response? in
            guard case .response(let response) = pdu.body, pdu.packetID == packetID, pdu.transactionID == transaction
            else {
                return nil
            }
            return response
        }
        return answers.first
    }
}
