// Solicit-Map-Requests that reach an ITR: what it asks, how often, and what it goes on with meanwhile (RFC 9301 section 6.1).

import ForwardingInterface
import LISPTables
import LISPWire
import TestCaptures
import Testing

@testable import LISPControl

/// An ITR that has learned mappings, with its clock.
private final class Bench {
    static let rloc = IPAddress("198.51.100.1")!
    static let resolver = IPAddress("198.51.100.10")!
    /// Of the site whose mapping changes.
    static let old = "198.51.100.2"
    static let new = "198.51.100.22"

    var router: Router
    var now = Instant.zero
    var random = SplitMix(seed: 1)

    init(staticMappings: [StaticMapping] = []) {
        let itr = ITRSettings(mapResolvers: [Self.resolver], rlocs: [Self.rloc], staticMappings: staticMappings)
        router = Router(RouterSettings(itr: itr), nextNonce: 1, now: .zero)
        _ = router.start(now: .zero)
    }

    var itr: ITR { router.itr! }

    static func record(_ prefix: String, rloc: String = Bench.old) -> EIDRecord {
        EIDRecord(
            eidPrefix: eidPrefix(prefix),
            ttlMinutes: 1440,
            locators: [LocatorRecord(priority: 1, weight: 100, address: .ip(IPAddress(rloc)!))]
        )
    }

    static func negative(_ prefix: String) -> EIDRecord {
        EIDRecord(eidPrefix: eidPrefix(prefix), ttlMinutes: 15, action: .nativelyForward, locators: [])
    }

    static func smr(source: String?, records: [String]) -> MapRequest {
        MapRequest(
            isSMR: true,
            dontMapReply: true,
            nonce: Nonce(rawValue: 9),
            sourceEID: source.map { .ip(IPAddress($0)!) } ?? .none,
            itrRLOCs: [.ip(IPAddress(Bench.new)!)],
            records: records.map { .init(eidPrefix($0)) }
        )
    }

    func deliver(_ payload: [UInt8], from source: String = Bench.new) -> [RouterAction] {
        router.received(
            ReceivedControlMessage(
                payload: payload,
                source: .control(IPAddress(source)!),
                destination: Self.rloc
            ),
            now: now,
            using: &random
        )
    }

    func smr(source: String?, records: [String] = []) throws -> [MapRequest] {
        try requests(deliver(Self.smr(source: source, records: records).encoded()))
    }

    @discardableResult
    func answer(_ request: MapRequest, _ records: [EIDRecord]) -> [RouterAction] {
        deliver(MapReply(nonce: request.nonce, records: records).encoded())
    }

    func miss(_ destination: String) throws -> [MapRequest] {
        let miss = ForwardingMiss(
            source: EID(IPAddress("10.1.1.2")!),
            destination: EID(IPAddress(destination)!),
            packet: [1, 2, 3]
        )
        return try requests(router.missed(miss, now: now, using: &random))
    }

    func learn(_ destination: String, _ records: [EIDRecord]) throws {
        answer(try #require(try miss(destination).first), records)
    }

    func wait(_ duration: Duration) throws -> [MapRequest] {
        let end = now + duration
        var sent: [MapRequest] = []
        while let due = router.deadline(), due <= end {
            now = max(now, due)
            sent += try requests(router.timeout(now: now, using: &random) { _ in 0 })
        }
        now = end
        return sent
    }

    func rlocs(of prefix: String) -> [IPAddress]? {
        itr.cache[eidPrefix(prefix)]?.locators.compactMap(\.address)
    }
}

/// The Map-Requests among actions, taken out of their ECMs, which all go to the Map-Resolver.
private func requests(_ actions: [RouterAction]) throws -> [MapRequest] {
    try actions.compactMap { action in
        guard case .send(let datagram) = action else { return nil }
        #expect(datagram.destination == .control(Bench.resolver))
        guard case .encapsulated(let ecm) = try ControlMessage(decoding: datagram.payload),
            case .mapRequest(let request) = try ecm.decodePayload()
        else { return nil }
        return request
    }
}

@Suite struct `An SMR` {
    @Test func `makes the ITR ask the mapping system with the s-bit, and the old entry serves until the answer`() throws
    {
        let bench = Bench()
        try bench.learn("10.2.2.2", [Bench.record("10.2.2.0/24")])
        let asked = try bench.smr(source: "10.2.2.0", records: ["10.1.1.0/24"])
        #expect(asked.count == 1)
        #expect(asked[0].isSMRInvoked && !asked[0].isSMR && !asked[0].dontMapReply)
        #expect(asked[0].records == [.init(eidPrefix("10.2.2.0/24"))])
        #expect(asked[0].sourceEID == .none)
        #expect(asked[0].itrRLOCs == [.ip(Bench.rloc)])
        #expect(bench.rlocs(of: "10.2.2.0/24") == [IPAddress(Bench.old)!])
        bench.answer(asked[0], [Bench.record("10.2.2.0/24", rloc: Bench.new)])
        #expect(bench.rlocs(of: "10.2.2.0/24") == [IPAddress(Bench.new)!])
        #expect(bench.itr.statistics[.smrInvokedRequests] == 1)
        let peer = try #require(bench.router.smrPeers[IPAddress(Bench.new)!])
        #expect(peer.received == 1 && peer.lastReceivedEID == eidPrefix("10.2.2.0/24"))
    }

    @Test func `of an EID that is not in the map-cache is ignored and counted`() throws {
        let bench = Bench()
        try bench.learn("10.2.2.2", [Bench.record("10.2.2.0/24")])
        #expect(try bench.smr(source: "10.3.0.1", records: ["10.3.0.0/24"]) == [])
        #expect(bench.itr.statistics[.smrsOfUnknownEIDs] == 1)
        #expect(bench.router.smrPeers.count == 0)
    }

    @Test func `without a source EID means its records`() throws {
        let bench = Bench()
        try bench.learn("10.2.2.2", [Bench.record("10.2.2.0/24")])
        try bench.learn("10.3.3.3", [Bench.record("10.3.0.0/16")])
        let asked = try bench.smr(source: nil, records: ["10.2.2.0/24", "10.3.0.0/16", "10.4.0.0/16"])
        #expect(asked.map(\.records) == [[.init(eidPrefix("10.2.2.0/24"))], [.init(eidPrefix("10.3.0.0/16"))]])
    }

    @Test func `of an EID-prefix that the map-cache has in parts asks for each part`() throws {
        let bench = Bench()
        try bench.learn("10.2.0.1", [Bench.record("10.2.0.0/18")])
        try bench.learn("10.2.128.1", [Bench.record("10.2.128.0/17")])
        let asked = try bench.smr(source: "10.2.0.0", records: ["10.2.0.0/16"])
        #expect(
            asked.map(\.records) == [[.init(eidPrefix("10.2.0.0/18"))], [.init(eidPrefix("10.2.128.0/17"))]]
        )
    }

    @Test func `repeated leads to one Map-Request in 3 s, and to another when a later one came after the answer`()
        throws
    {
        let bench = Bench()
        try bench.learn("10.2.2.2", [Bench.record("10.2.2.0/24")])
        let first = try bench.smr(source: "10.2.2.0")
        #expect(first.count == 1)
        // While the answer is out, it will do for this one too.
        #expect(try bench.smr(source: "10.2.2.9") == [])
        bench.answer(first[0], [Bench.record("10.2.2.0/24", rloc: Bench.new)])
        #expect(try bench.wait(.seconds(10)) == [])

        let second = try bench.smr(source: "10.2.2.0")
        bench.answer(try #require(second.first), [Bench.record("10.2.2.0/24", rloc: Bench.new)])
        #expect(try bench.wait(.seconds(1)) == [])
        for _ in 0..<5 { #expect(try bench.smr(source: "10.2.2.0") == []) }
        #expect(try bench.wait(.milliseconds(1999)) == [])
        #expect(try bench.wait(.milliseconds(1)).map(\.isSMRInvoked) == [true])
        #expect(bench.itr.statistics[.smrsPaced] == 6)
    }

    @Test func `is asked for every 3 s until it is answered, and the silence after ten tries is kept`() throws {
        let bench = Bench()
        try bench.learn("10.2.2.2", [Bench.record("10.2.2.0/24")])
        #expect(try bench.smr(source: "10.2.2.0").count == 1)
        #expect(try bench.wait(.milliseconds(2999)) == [])
        #expect(try bench.wait(.milliseconds(1)).count == 1)
        #expect(try bench.wait(.seconds(24)).count == 8)
        #expect(try bench.wait(.seconds(4)) == [])
        #expect(try bench.smr(source: "10.2.2.0") == [])
        #expect(try bench.wait(.seconds(20)) == [])
        #expect(bench.rlocs(of: "10.2.2.0/24") == [IPAddress(Bench.old)!])
    }

    @Test func `finds the more-specifics that the mapping has now`() throws {
        let bench = Bench()
        try bench.learn("10.2.2.2", [Bench.record("10.2.0.0/16")])
        let asked = try bench.smr(source: "10.2.2.0")
        let records = [Bench.record("10.2.0.0/16"), Bench.record("10.2.2.0/24", rloc: Bench.new)]
        bench.answer(try #require(asked.first), records)
        #expect(bench.rlocs(of: "10.2.2.0/24") == [IPAddress(Bench.new)!])
        #expect(bench.rlocs(of: "10.2.0.0/16") == [IPAddress(Bench.old)!])
    }

    @Test func `whose answer is a wider or a negative mapping takes the old entry out`() throws {
        for answer in [Bench.record("10.2.0.0/16", rloc: Bench.new), Bench.negative("10.2.0.0/16")] {
            let bench = Bench()
            try bench.learn("10.2.2.2", [Bench.record("10.2.2.0/24")])
            let asked = try bench.smr(source: "10.2.2.0")
            bench.answer(try #require(asked.first), [answer])
            #expect(bench.rlocs(of: "10.2.2.0/24") == nil)
            #expect(bench.itr.cache[eidPrefix("10.2.0.0/16")]?.isNegative == answer.locators.isEmpty)
        }
    }

    @Test func `of an EID that had no mapping asks for that EID alone`() throws {
        let bench = Bench()
        try bench.learn("10.2.2.2", [Bench.negative("10.2.0.0/16")])
        let asked = try bench.smr(source: "10.2.2.0")
        #expect(asked.map(\.records) == [[.init(eidPrefix("10.2.2.0/32"))]])
        bench.answer(try #require(asked.first), [Bench.record("10.2.2.0/24", rloc: Bench.new)])
        #expect(bench.rlocs(of: "10.2.2.0/24") == [IPAddress(Bench.new)!])
    }

    @Test func `whose answer covers older negative entries takes those out, since they would hide it`() throws {
        let bench = Bench()
        try bench.learn("10.2.0.2", [Bench.negative("10.2.0.0/23")])
        try bench.learn("10.2.4.2", [Bench.negative("10.2.4.0/24")])
        try bench.learn("10.2.6.2", [Bench.record("10.2.6.0/24")])
        bench.now = bench.now + .seconds(1)
        let asked = try bench.smr(source: "10.2.1.0")
        bench.answer(
            try #require(asked.first),
            [Bench.record("10.2.0.0/16", rloc: Bench.new), Bench.negative("10.2.9.0/24")]
        )
        #expect(bench.itr.cache.longestMatch(EID(IPAddress("10.2.0.2")!))?.eid == eidPrefix("10.2.0.0/16"))
        #expect(bench.itr.cache.longestMatch(EID(IPAddress("10.2.4.2")!))?.eid == eidPrefix("10.2.0.0/16"))
        // What another site has inside, and what the answer itself denies, stays.
        #expect(bench.rlocs(of: "10.2.6.0/24") == [IPAddress(Bench.old)!])
        #expect(bench.itr.cache[eidPrefix("10.2.9.0/24")]?.isNegative == true)
    }

    /// An entry whose refresh has just been asked for.
    private func refreshing() throws -> (Bench, MapRequest) {
        let bench = Bench()
        try bench.learn(
            "10.2.2.2",
            [
                EIDRecord(
                    eidPrefix: eidPrefix("10.2.2.0/24"),
                    ttlMinutes: 10,
                    locators: [LocatorRecord(priority: 1, weight: 100, address: .ip(IPAddress(Bench.old)!))]
                )
            ]
        )
        // In the last tenth of its life the entry is in use and is refreshed.
        var refresh: MapRequest?
        var packets: UInt64 = 0
        while refresh == nil, let due = bench.router.deadline(), due < .zero + .seconds(600) {
            bench.now = max(bench.now, due)
            packets += 1
            let used = packets
            refresh = try requests(bench.router.timeout(now: bench.now, using: &bench.random) { _ in used }).first
        }
        let asked = try #require(refresh)
        #expect(!asked.isSMRInvoked)
        return (bench, asked)
    }

    @Test func `that comes while the entry is refreshed asks again, since that answer may be older`() throws {
        let (bench, asked) = try refreshing()
        #expect(try bench.smr(source: "10.2.2.0") == [])
        bench.answer(asked, [Bench.record("10.2.2.0/24")])
        #expect(try bench.wait(.seconds(1)).map(\.isSMRInvoked) == [true])
    }

    @Test func `that comes while a refresh is asked for twice waits for a second from the last Map-Request`() throws {
        let (bench, _) = try refreshing()
        #expect(try bench.wait(.milliseconds(500)) == [])
        #expect(try bench.smr(source: "10.2.2.0") == [])
        let again = try bench.wait(.milliseconds(700))
        #expect(again.map(\.isSMRInvoked) == [false])
        bench.answer(try #require(again.first), [Bench.record("10.2.2.0/24")])
        #expect(try bench.wait(.milliseconds(799)) == [])
        #expect(try bench.wait(.milliseconds(1)).map(\.isSMRInvoked) == [true])
    }

    @Test func `that comes right after a refresh was answered waits for a second`() throws {
        let (bench, asked) = try refreshing()
        bench.answer(asked, [Bench.record("10.2.2.0/24")])
        #expect(try bench.smr(source: "10.2.2.0") == [])
        #expect(try bench.wait(.milliseconds(999)) == [])
        #expect(try bench.wait(.milliseconds(1)).map(\.isSMRInvoked) == [true])
    }

    @Test func `that comes right after another answer brought what was asked for waits for a second`() throws {
        let (bench, _) = try refreshing()
        // The answer to what somebody else asked for has the entry, too, and it is deleted and put anew.
        bench.now = bench.now + .milliseconds(300)
        _ = bench.router.clearMapCache([eidPrefix("10.2.2.0/24")])
        try bench.learn("10.2.2.7", [Bench.record("10.2.2.0/24")])
        #expect(try bench.smr(source: "10.2.2.0") == [])
        #expect(try bench.wait(.milliseconds(1_000)).map(\.isSMRInvoked) == [true])
    }

    @Test func `about an EID of a negative entry that a packet has just asked for waits for a second`() throws {
        let bench = Bench()
        try bench.learn("8.8.7.113", [Bench.negative("8.0.0.0/7")])
        #expect(try bench.smr(source: "8.8.7.113") == [])
        #expect(try bench.wait(.milliseconds(999)) == [])
        #expect(try bench.wait(.milliseconds(1)).map(\.isSMRInvoked) == [true])
    }

    @Test func `leaves alone what the operator has written down`() throws {
        let old = DatabaseLocator(address: IPAddress(Bench.old)!, priority: 1, weight: 100, isLocal: false)
        let bench = Bench(staticMappings: [StaticMapping(eid: eidPrefix("10.2.2.0/24"), locators: [old])])
        #expect(bench.rlocs(of: "10.2.2.0/24") == [IPAddress(Bench.old)!])
        #expect(try bench.smr(source: "10.2.2.0", records: ["10.2.2.0/24"]) == [])
        #expect(bench.itr.statistics[.smrsOfUnknownEIDs] == 1)
    }

    @Test func `cannot be used to flood the mapping system: a budget for all, and what is beyond is counted`() throws {
        let bench = Bench()
        for third in 0..<40 {
            for fourth in 0..<10 {
                try bench.learn("10.2.\(third).\(fourth * 16)", [Bench.record("10.2.\(third).\(fourth * 16)/28")])
            }
        }
        var asked = 0
        for third in 0..<40 {
            for fourth in 0..<10 { asked += try bench.smr(source: "10.2.\(third).\(fourth * 16)").count }
        }
        #expect(asked == 250)
        #expect(bench.itr.statistics[.smrsLimited] == 150)
        bench.now = bench.now + .seconds(1)
        for third in 0..<40 {
            for fourth in 0..<10 { asked += try bench.smr(source: "10.2.\(third).\(fourth * 16)").count }
        }
        #expect(asked == 300)
    }

    @Test func `is refused by a router that is no ITR`() {
        var router = Router(RouterSettings(mapServer: Roles.mapServer), nextNonce: 1, now: .zero)
        var random = SplitMix(seed: 1)
        let message = ReceivedControlMessage(
            payload: Bench.smr(source: "10.1.0.0", records: []).encoded(),
            source: .control(IPAddress(Bench.new)!),
            destination: Bench.rloc
        )
        #expect(
            !router.received(message, now: .zero, using: &random).contains {
                if case .send = $0 { true } else { false }
            }
        )
        #expect(router.refusals[.notOurRole] == 1)
    }
}

@Suite struct `The SMR of Open Overlay Router in oor-02` {
    /// x2 changes its RLOC from .2 to .22 and tells x1, which is us here. Each message of OOR comes twice.
    @Test func `leads to one SMR-invoked Map-Request for its source EID, and to the new RLOC`() throws {
        let datagrams = try CapturedDatagram.datagrams(of: "oor-02-smr.pcap").filter(\.isControl)
        let replies = try datagrams.filter { $0.payload[0] >> 4 == 2 && $0.destination.address == Bench.rloc }.map {
            try MapReply(decoding: $0.payload)
        }
        let before = try #require(replies.first)
        let after = try #require(replies.last)
        let solicitations = try datagrams.filter {
            guard $0.payload[0] >> 4 == 1, $0.destination.address == Bench.rloc else { return false }
            return try MapRequest(decoding: $0.payload).isSMR
        }
        #expect(solicitations.count == 2)

        let bench = Bench()
        try bench.learn("10.2.2.2", before.records)
        #expect(bench.rlocs(of: "10.2.2.0/24") == [IPAddress(Bench.old)!])
        var asked: [MapRequest] = []
        for datagram in solicitations {
            asked += try requests(bench.deliver(datagram.payload, from: "\(datagram.source.address)"))
        }
        // As OOR's own x1 asked, but for its source EID, which a refresh of ours leaves out.
        let theirs = try datagrams.compactMap { datagram -> MapRequest? in
            guard case .encapsulated(let ecm) = try? ControlMessage(decoding: datagram.payload),
                case .mapRequest(let request) = try ecm.decodePayload(), request.isSMRInvoked
            else { return nil }
            return request
        }
        #expect(asked.count == 1)
        #expect(asked.map(\.records) == Array(theirs.map(\.records).prefix(1)))
        #expect(asked.map(\.isSMRInvoked) == [true])
        bench.answer(asked[0], after.records)
        #expect(bench.rlocs(of: "10.2.2.0/24") == [IPAddress(Bench.new)!])
        #expect(try bench.wait(.seconds(10)) == [])
    }

    @Test func `leads to nothing in a router that has not spoken with that site`() throws {
        let bench = Bench()
        for datagram in try CapturedDatagram.datagrams(of: "oor-02-smr.pcap") where datagram.isControl {
            guard datagram.payload[0] >> 4 == 1 else { continue }
            #expect(try requests(bench.deliver(datagram.payload)) == [])
        }
        #expect(bench.itr.statistics[.smrsOfUnknownEIDs] == 2)
    }
}
