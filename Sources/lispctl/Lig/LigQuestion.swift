// One question of the LISP Internet Groper (RFC 6835): the message it sends and what counts as its answer. No I/O.

import LISPWire

/// Asks the mapping system for the mapping of one EID.
struct LigQuestion {
    var eid: EID
    /// `nil`: none (AFI 0).
    var sourceEID: IPAddress?
    /// Where the answer is awaited: a local address and the UDP port of our socket.
    var local: Endpoint
    var nonce: Nonce

    /// The Encapsulated Control Message for a Map-Resolver (RFC 9301 section 5.8). The Map-Reply comes to the ITR-RLOC
    /// and to the inner source port.
    var message: [UInt8] {
        let request = MapRequest(
            nonce: nonce,
            sourceEID: sourceEID.map { LISPAddress(eid: EID(instanceID: eid.instanceID, $0)) } ?? .none,
            itrRLOCs: [.ip(local.address)],
            records: [MapRequest.Record(EIDPrefix(instanceID: eid.instanceID, IPPrefix(host: eid.address)))]
        )
        let family = eid.address.family
        let source =
            [sourceEID, local.address].compactMap(\.self).first { $0.family == family }
            ?? IPAddress(family: family, leftAligned: 0)
        return EncapsulatedControlMessage(
            source: Endpoint(source, local.port),
            destination: Endpoint(eid.address, 4342),
            payload: request.encoded()
        ).encoded()
    }

    /// The records of a datagram that answers this question, the one that covers the EID first; `nil` for any other.
    func answer(in datagram: [UInt8]) -> [EIDRecord]? {
        guard case .mapReply(let reply)? = try? ControlMessage(decoding: datagram), reply.nonce == nonce,
            !reply.isProbe,
            let index = reply.records.firstIndex(where: covers)
        else { return nil }
        var records = reply.records
        records.insert(records.remove(at: index), at: 0)
        return records
    }

    private func covers(_ record: EIDRecord) -> Bool {
        guard let prefix = record.eidPrefix else { return false }
        return prefix.instanceID == eid.instanceID && prefix.prefix.contains(eid.address)
    }
}

/// What came back.
struct LigAnswer {
    /// Never empty; the first covers the EID.
    var records: [EIDRecord]
    var source: IPAddress
    var roundTripMicroseconds: UInt64
    /// Which of the requests this was, from 1.
    var attempt: Int
}
