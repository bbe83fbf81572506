// The mapping that a Map-Request carries of its source EID: what becomes of it under each policy (RFC 9301 sections 5.2, 5.3).

import ForwardingInterface
import LISPTables
import LISPWire
import Testing

@testable import LISPControl

/// An xTR of 10.1.0.0/16 that is asked for it.
private final class Bench {
    static let rloc = IPAddress("198.51.100.1")!
    static let asker = IPAddress("198.51.100.2")!

    var router: Router
    var now = Instant.zero
    var random = SplitMix(seed: 1)

    init(_ policy: MapDataPolicy, limit: Int = 100) {
        var settings = Roles.xtr("198.51.100.1", ["10.1.0.0/16"], id: 1)
        settings.itr?.acceptMapData = policy
        settings.itr?.mapCacheLimit = limit
        router = Router(settings, nextNonce: 1, now: .zero)
    }

    static func record(_ prefix: String, ttl: UInt32 = 1440, rlocs: [String] = ["198.51.100.2"]) -> EIDRecord {
        EIDRecord(
            eidPrefix: eidPrefix(prefix),
            ttlMinutes: ttl,
            isAuthoritative: true,
            locators: rlocs.map { LocatorRecord(priority: 1, weight: 100, address: .ip(IPAddress($0)!)) }
        )
    }

    /// A Map-Request with map data arrives; returns the Map-Requests that leave through the Map-Resolver.
    func asked(for eid: String = "10.1.0.5/32", by source: String = "10.2.0.9", _ data: EIDRecord) throws
        -> [MapRequest]
    {
        let request = MapRequest(
            nonce: Nonce.random(using: &random),
            sourceEID: .ip(IPAddress(source)!),
            itrRLOCs: [.ip(Self.asker)],
            records: [.init(eidPrefix(eid))],
            mapData: data
        )
        return try requests(deliver(request.encapsulated(for: eidPrefix(eid), rlocs: [Self.asker])))
    }

    func deliver(_ payload: [UInt8]) -> [RouterAction] {
        router.received(
            ReceivedControlMessage(payload: payload, source: .control(Self.asker), destination: Self.rloc),
            now: now,
            using: &random
        )
    }

    func entry(_ prefix: String) -> MapCacheEntry? { router.itr?.cache[eidPrefix(prefix)] }
    func count(_ event: ITREvent) -> UInt64 { router.itr?.statistics[event] ?? 0 }
}

private func requests(_ actions: [RouterAction]) throws -> [MapRequest] {
    try actions.compactMap { action in
        guard case .send(let datagram) = action,
            case .encapsulated(let ecm) = try ControlMessage(decoding: datagram.payload),
            case .mapRequest(let request) = try ecm.decodePayload()
        else { return nil }
        return request
    }
}

@Suite struct `Map data in a Map-Request` {
    @Test func `is not looked at unless it is to be accepted, and the question is answered all the same`() throws {
        let bench = Bench(.off)
        #expect(try bench.asked(Bench.record("10.2.0.0/16")) == [])
        #expect(bench.router.itr?.cache.count == 0)
        #expect(bench.count(.mapDataIgnored) == 1)
        #expect(bench.router.etr?.statistics[.mapRequestsAnswered] == 1)
    }

    @Test func `is put to the mapping system, whose answer is used and not the data`() throws {
        let bench = Bench(.verify)
        let asked = try bench.asked(Bench.record("10.2.0.0/16", rlocs: ["203.0.113.66"]))
        #expect(asked.map(\.records) == [[.init(eidPrefix("10.2.0.9/32"))]])
        #expect(bench.router.itr?.cache.count == 0)
        // The same again does not ask again.
        #expect(try bench.asked(Bench.record("10.2.0.0/16")) == [])
        _ = bench.deliver(MapReply(nonce: asked[0].nonce, records: [Bench.record("10.2.0.0/16")]).encoded())
        #expect(bench.entry("10.2.0.0/16")?.locators.map(\.address) == [IPAddress("198.51.100.2")!])
        #expect(bench.count(.mapDataVerified) == 1 && bench.count(.mapDataKnown) == 1)
    }

    @Test func `is used as it stands if the operator says so, not authoritative and for a quarter of an hour`() throws {
        let bench = Bench(.on)
        #expect(try bench.asked(Bench.record("10.2.0.0/16")) == [])
        let entry = try #require(bench.entry("10.2.0.0/16"))
        #expect(entry.locators.map(\.address) == [IPAddress("198.51.100.2")!])
        #expect(!entry.isAuthoritative)
        #expect(entry.expires == .zero + .seconds(15 * 60))
        #expect(bench.count(.mapDataInstalled) == 1)
    }

    @Test func `never replaces or hides what the map-cache has`() throws {
        let bench = Bench(.on)
        _ = try bench.asked(Bench.record("10.2.0.0/16"))
        // The same source, another RLOC.
        _ = try bench.asked(Bench.record("10.2.0.0/16", rlocs: ["203.0.113.66"]))
        // Wider than what is there, and narrower.
        _ = try bench.asked(by: "10.3.0.1", Bench.record("10.2.0.0/15", rlocs: ["203.0.113.66"]))
        _ = try bench.asked(by: "10.2.0.77", Bench.record("10.2.0.0/24", rlocs: ["203.0.113.66"]))
        #expect(bench.router.itr?.cache.count == 1)
        #expect(bench.entry("10.2.0.0/16")?.locators.map(\.address) == [IPAddress("198.51.100.2")!])
        #expect(bench.count(.mapDataKnown) == 2 && bench.count(.mapDataLimited) == 1)
    }

    @Test(arguments: [
        // Not of the source EID; ours, or around ours; no locator; no life.
        ("10.2.0.9", Bench.record("10.3.0.0/16")), ("10.1.9.9", Bench.record("10.1.9.0/24")),
        ("10.2.0.9", Bench.record("10.0.0.0/8")), ("10.2.0.9", Bench.record("10.2.0.0/16", rlocs: [])),
        ("10.2.0.9", Bench.record("10.2.0.0/16", ttl: 0)),
    ])
    func `is refused where it cannot be right`(source: String, data: EIDRecord) throws {
        for policy in [MapDataPolicy.verify, .on] {
            let bench = Bench(policy)
            #expect(try bench.asked(by: source, data) == [])
            #expect(bench.router.itr?.cache.count == 0)
            #expect(bench.count(.mapDataRefused) == 1)
        }
    }

    @Test func `does not count in a request that is not for us`() throws {
        let bench = Bench(.on)
        _ = try bench.asked(for: "10.7.0.1/32", Bench.record("10.2.0.0/16"))
        #expect(bench.router.itr?.cache.count == 0)
        #expect(bench.count(.mapDataInstalled) == 0)
    }

    @Test func `is limited in number and evicts nothing`() throws {
        let bench = Bench(.on, limit: 5)
        for number in 0..<20 { _ = try bench.asked(by: "10.9.\(number).1", Bench.record("10.9.\(number).0/24")) }
        #expect(bench.router.itr?.cache.count == 5)
        for event in ITREvent.evictions { #expect(bench.count(event) == 0) }
        #expect(bench.count(.mapDataLimited) == 15)
        let wide = Bench(.verify, limit: 1000)
        var asked = 0
        for number in 0..<100 {
            asked += try wide.asked(by: "10.9.\(number).1", Bench.record("10.9.\(number).0/24")).count
        }
        #expect(asked == 50)
        #expect(wide.count(.mapDataLimited) == 50)
    }
}
