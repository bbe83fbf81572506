// The two conversations of the load generator: what is sent with a nonce, and what must come back.

import LISPWire

/// Makes messages and judges their answers. The nonce is all that tells which message an answer belongs to.
protocol LoadConversation: Sendable {
    /// The message about EID-prefix `number`, and the address to send it from.
    func message(_ number: Int, nonce: UInt64) -> (payload: [UInt8], source: IPv4Address)

    /// What is wrong with an answer to `message(number, nonce: nonce)`; `nil` if nothing is.
    func fault(of answer: [UInt8], number: Int, nonce: UInt64) -> String?

    /// Octets in front of the LISP message whose nonce counts: those of an encapsulation.
    static var encapsulation: Int { get }
}

/// Map-Registers of one record each, which want a Map-Notify.
struct Registering: LoadConversation {
    let population: LoadPopulation

    static var encapsulation: Int { 0 }

    func message(_ number: Int, nonce: UInt64) -> (payload: [UInt8], source: IPv4Address) {
        let etr = population.etr(of: number)
        let key = population.key(of: number)
        var payload = MapRegister(
            wantsMapNotify: true,
            nonce: Nonce(rawValue: nonce),
            authentication: Authentication(placeholderFor: key),
            records: [population.record(number)],
            xtrID: population.xtrID(etr),
            siteID: population.siteID(of: number)
        ).encoded()
        key.sign(&payload)
        return (payload, population.etrRLOC(etr))
    }

    func fault(of answer: [UInt8], number: Int, nonce: UInt64) -> String? {
        guard let notify = try? MapNotify(decoding: answer), !notify.isAcknowledgement else { return "no Map-Notify" }
        guard notify.nonce.rawValue == nonce else { return "another nonce" }
        let verdict = population.key(of: number).verifies(answer)
        guard verdict == .ok else { return "its authentication: \(verdict)" }
        guard notify.records == [population.record(number)] else { return "other records than registered" }
        guard notify.xtrID == population.xtrID(population.etr(of: number)) else { return "another xTR-ID" }
        return nil
    }
}

/// Encapsulated Map-Requests for one EID each, from an ITR that wants the Map-Reply at the port it asks from.
struct Requesting: LoadConversation {
    let population: LoadPopulation
    /// Where Map-Replies come back.
    let port: UInt16

    /// Header of the encapsulation, IPv4 and UDP header.
    static var encapsulation: Int { 32 }

    func message(_ number: Int, nonce: UInt64) -> (payload: [UInt8], source: IPv4Address) {
        let itr = population.itrRLOC(Int(truncatingIfNeeded: nonce))
        let eid = population.eid(number)
        let request = MapRequest(
            nonce: Nonce(rawValue: nonce),
            itrRLOCs: [.ip(.v4(itr))],
            records: [MapRequest.Record(EIDPrefix(IPPrefix(host: eid)))]
        )
        let message = EncapsulatedControlMessage(
            source: Endpoint(.v4(itr), port),
            destination: Endpoint(eid, LISPPort.control),
            payload: request.encoded()
        )
        return (message.encoded(), itr)
    }

    func fault(of answer: [UInt8], number: Int, nonce: UInt64) -> String? {
        guard let reply = try? MapReply(decoding: answer) else { return "no Map-Reply" }
        guard reply.nonce.rawValue == nonce else { return "another nonce" }
        guard reply.records.count == 1, let record = reply.records.first else { return "not one record" }
        guard record.eidPrefix == population.eidPrefix(number) else { return "another EID-prefix" }
        let locators = population.record(number).locators.map(\.address)
        guard record.locators.map(\.address) == locators else { return "other locators than registered" }
        return nil
    }
}

/// The same messages to an `EchoThread`: what comes back is what was sent.
struct Echoed<Original: LoadConversation>: LoadConversation {
    let original: Original

    static var encapsulation: Int { Original.encapsulation }

    func message(_ number: Int, nonce: UInt64) -> (payload: [UInt8], source: IPv4Address) {
        original.message(number, nonce: nonce)
    }

    func fault(of answer: [UInt8], number: Int, nonce: UInt64) -> String? {
        let sent = original.message(number, nonce: nonce).payload.dropFirst(Self.encapsulation)
        return answer.elementsEqual(sent) ? nil : "another message than was sent"
    }
}
