// lig: its question, field by field, and what it takes for an answer; once over real sockets on loopback.

import Glibc
import LISPWire
import Testing

@testable import lispctl

private let eid = EID(instanceID: InstanceID(uncheckedRawValue: 101), .v4(IPv4Address(0x0a02_0001)))
private let local = Endpoint(.v4(IPv4Address(0xc000_0201)), 54321)

private func question(source: IPAddress? = nil, eid: EID = eid) -> LigQuestion {
    LigQuestion(eid: eid, sourceEID: source, local: local, nonce: Nonce(rawValue: 7))
}

private func reply(nonce: UInt64 = 7, records: [EIDRecord]) -> [UInt8] {
    MapReply(nonce: Nonce(rawValue: nonce), records: records).encoded()
}

private func record(_ prefix: String, instanceID: UInt32 = 101, locators: [LocatorRecord] = []) throws -> EIDRecord {
    let prefix = EIDPrefix(instanceID: InstanceID(uncheckedRawValue: instanceID), try #require(IPPrefix(prefix)))
    return EIDRecord(eidPrefix: prefix, ttlMinutes: 1440, locators: locators)
}

@Suite struct LigTests {
    @Test func `asks through an Encapsulated Control Message`() throws {
        let own = try #require(IPAddress("10.1.0.1"))
        guard case .encapsulated(let outer) = try ControlMessage(decoding: question(source: own).message),
            case .mapRequest(let request) = try ControlMessage(decoding: outer.payload)
        else {
            Issue.record("no Map-Request in an Encapsulated Control Message")
            return
        }
        #expect(outer.source == Endpoint(own, 54321))
        #expect(outer.destination == Endpoint(eid.address, 4342))
        #expect(request.nonce == Nonce(rawValue: 7))
        #expect(request.itrRLOCs == [.ip(local.address)])
        #expect(request.sourceEID == LISPAddress(eid: EID(instanceID: eid.instanceID, own)))
        #expect(
            request.records.map(\.eidPrefix) == [EIDPrefix(instanceID: eid.instanceID, IPPrefix(host: eid.address))]
        )
        #expect(!request.isProbe && !request.isSMR && !request.isSMRInvoked && !request.isPITR)
    }

    @Test func `asks for IPv6 from an IPv4 address`() throws {
        let six = EID(try #require(IPAddress("2001:db8:2::1")))
        guard case .encapsulated(let outer) = try ControlMessage(decoding: question(eid: six).message) else {
            Issue.record("no Encapsulated Control Message")
            return
        }
        #expect(outer.source?.address.family == .ipv6)
        #expect(outer.destination?.address == six.address)
    }

    @Test func `takes the reply with its nonce and a record that covers the EID`() throws {
        let other = try record("10.2.7.0/24")
        let covering = try record("10.2.0.0/16")
        #expect(
            question().answer(in: reply(records: [other, covering]))?.map(\.eidPrefix) == [
                covering.eidPrefix, other.eidPrefix,
            ]
        )
        #expect(question().answer(in: reply(nonce: 8, records: [covering])) == nil)
        #expect(question().answer(in: reply(records: [other])) == nil)
        #expect(question().answer(in: reply(records: [try record("10.2.0.0/16", instanceID: 0)])) == nil)
        #expect(question().answer(in: []) == nil)
        #expect(question().answer(in: question().message) == nil)
    }

    @Test func `gets its answer over a socket`() throws {
        let resolver = try LigSocket(towards: Endpoint(.v4(IPv4Address(0x7f00_0001)), 9))
        let asker = try LigSocket(towards: resolver.local)
        var question = question()
        question.local = asker.local
        try asker.send(question.message, to: resolver.local)
        let received = resolver.receive(milliseconds: 2000)
        let request = try #require(received)
        #expect(request.bytes == question.message)
        try resolver.send(reply(records: [record("10.2.0.0/16")]), to: asker.local)
        let returned = asker.receive(milliseconds: 2000)
        let answer = try #require(returned)
        #expect(answer.source == resolver.local.address)
        #expect(question.answer(in: answer.bytes)?.count == 1)
        let more = asker.receive(milliseconds: 1)
        #expect(more?.bytes == nil)
    }

    @Test func `shows the answer as RFC 6835 does`() throws {
        let locator = LocatorRecord(priority: 1, weight: 100, isLocal: true, address: .ip(local.address))
        let answer = LigAnswer(
            records: [try record("10.2.0.0/16", locators: [locator])],
            source: local.address,
            roundTripMicroseconds: 81_468,
            attempt: 1
        )
        #expect(
            text(of: answer, eid: eid, name: "10.2.0.1") == """
                Received map-reply from 192.0.2.1 with rtt 0.081468 secs

                Mapping entry for EID [101] 10.2.0.1:
                [101] 10.2.0.0/16, record ttl: 1d00h, via map-reply, non-auth
                  Locator    State  Pri/Wgt  Mcast  Flags
                  192.0.2.1  up       1/100  255/0  L R

                """
        )
    }
}
