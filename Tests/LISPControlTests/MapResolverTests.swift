// The Map-Resolver: what it passes on, to whom, and what it drops. RFC 9301 sections 5.8 and 8.4.

import LISPTables
import LISPWire
import Testing

@testable import LISPControl

@Suite struct MapResolverTests {
    private static let local = IPAddress("192.0.2.1")!

    private static func settings(local: Bool, _ routes: [(String, [String])]) -> MapResolverSettings {
        MapResolverSettings(
            mapServers: routes.map { MapServerRoute(address: IPAddress($0)!, eids: $1.map { eidPrefix($0) }) },
            hasLocalMapServer: local
        )
    }

    private static func request(_ eids: [String], nonce: UInt64 = 1) -> MapRequest {
        MapRequest(
            nonce: Nonce(rawValue: nonce),
            itrRLOCs: [.ip(IPAddress("203.0.113.1")!)],
            records: eids.map { .init(EIDPrefix(IPPrefix(host: IPAddress($0)!))) }
        )
    }

    private static func encapsulated(_ payload: [UInt8]) -> EncapsulatedControlMessage {
        EncapsulatedControlMessage(
            source: Endpoint(IPAddress("10.9.9.9")!, 50_000),
            destination: .control(IPAddress("10.1.1.1")!),
            payload: payload
        )
    }

    private static func send(
        _ payload: [UInt8],
        to resolver: inout MapResolver,
        at seconds: Int64 = 0
    ) -> (raw: [UInt8], actions: [MapResolverAction]) {
        let message = encapsulated(payload)
        let raw = message.encoded()
        let now = Instant.zero + .seconds(seconds)
        guard case .mapRequest(let request) = try? message.decodePayload() else {
            resolver.receivedEncapsulatedOther(message)
            return (raw, [])
        }
        return (raw, resolver.receivedMapRequest(request, in: message, raw: raw, at: local, now: now))
    }

    private static func datagram(_ raw: [UInt8], to address: String) -> MapResolverAction {
        .send(ControlDatagram(payload: raw, destination: .control(IPAddress(address)!)))
    }

    @Test func `with a Map-Server in the same router it asks that`() {
        var resolver = MapResolver(settings: Self.settings(local: true, []))
        let request = Self.request(["10.1.2.3"])
        #expect(Self.send(request.encoded(), to: &resolver).actions == [.resolveLocally])
    }

    @Test func `the Map-Server with the longest match gets the request unaltered`() {
        var resolver = MapResolver(
            settings: Self.settings(local: true, [("192.0.2.54", ["10.0.0.0/8"]), ("192.0.2.55", ["10.1.0.0/16"])])
        )
        var (raw, actions) = Self.send(Self.request(["10.1.2.3"]).encoded(), to: &resolver)
        #expect(actions == [Self.datagram(raw, to: "192.0.2.55")])
        (raw, actions) = Self.send(Self.request(["10.2.2.3"], nonce: 2).encoded(), to: &resolver)
        #expect(actions == [Self.datagram(raw, to: "192.0.2.54")])
        let other = Self.request(["172.16.0.1"], nonce: 3)
        #expect(Self.send(other.encoded(), to: &resolver).actions == [.resolveLocally])
    }

    @Test func `of two Map-Servers for the same EIDs the second gets the retry`() {
        var resolver = MapResolver(
            settings: Self.settings(local: false, [("192.0.2.54", ["10.0.0.0/8"]), ("192.0.2.55", ["10.0.0.0/8"])])
        )
        let first = Self.send(Self.request(["10.1.2.3"]).encoded(), to: &resolver)
        #expect(first.actions == [Self.datagram(first.raw, to: "192.0.2.54")])
        let retry = Self.send(Self.request(["10.1.2.3"], nonce: 2).encoded(), to: &resolver, at: 1)
        #expect(retry.actions == [Self.datagram(retry.raw, to: "192.0.2.55")])
    }

    @Test func `a request that comes round again is dropped`() {
        var resolver = MapResolver(settings: Self.settings(local: false, [("192.0.2.54", ["10.0.0.0/8"])]))
        let payload = Self.request(["10.1.2.3"]).encoded()
        #expect(Self.send(payload, to: &resolver).actions.count == 1)
        #expect(Self.send(payload, to: &resolver).actions.isEmpty)
        #expect(resolver.statistics[.repeated] == 1)
    }

    @Test func `what no Map-Server is known for is answered negatively`() throws {
        var resolver = MapResolver(settings: Self.settings(local: false, [("192.0.2.54", ["10.0.0.0/8"])]))
        let actions = Self.send(Self.request(["172.16.0.1"], nonce: 7).encoded(), to: &resolver).actions
        guard case .send(let datagram) = try #require(actions.first) else {
            Issue.record("nothing sent")
            return
        }
        #expect(datagram.destination == Endpoint(IPAddress("203.0.113.1")!, 50_000))
        #expect(datagram.source == Self.local)
        let reply = try MapReply(decoding: datagram.payload)
        #expect(reply.nonce.rawValue == 7)
        #expect(text(reply.records) == ["128.0.0.0/1 15min nativelyForward"])
    }

    @Test func `several records go to each Map-Server once, and the rest is answered`() {
        var resolver = MapResolver(
            settings: Self.settings(local: false, [("192.0.2.54", ["10.0.0.0/8"]), ("192.0.2.55", ["10.1.0.0/16"])])
        )
        let (raw, actions) = Self.send(
            Self.request(["10.1.2.3", "10.2.2.3", "10.1.9.9", "172.16.0.1"]).encoded(),
            to: &resolver
        )
        #expect(actions.count == 3)
        #expect(
            Set(actions).isSuperset(of: [Self.datagram(raw, to: "192.0.2.54"), Self.datagram(raw, to: "192.0.2.55")])
        )
        #expect(resolver.statistics[.negativeReplies] == 1)
    }

    @Test func `probes, nested messages and everything but Map-Requests are dropped and counted`() {
        var resolver = MapResolver(settings: Self.settings(local: true, []))
        var probe = Self.request(["10.1.2.3"])
        probe.isProbe = true
        let plain = Self.request(["10.1.2.3"]).encoded()
        let payloads: [(MapResolverCount, [UInt8])] = [
            (.probes, probe.encoded()),
            (.nested, Self.encapsulated(plain).encoded()),
            (.otherMessages, MapReply(nonce: Nonce(rawValue: 1), records: []).encoded()),
            (.otherMessages, []),
            (.malformed, Array(plain.dropLast())),
            (.noEID, Self.request([]).encoded()),
        ]
        for (count, payload) in payloads {
            let before = resolver.statistics[count]
            #expect(Self.send(payload, to: &resolver).actions.isEmpty)
            #expect(resolver.statistics[count] == before + 1)
        }
    }
}
