// The ITR, one test per thing that can happen to it. Times are virtual, nonces come from a fixed seed.

import ForwardingInterface
import LISPTables
import LISPWire
import Testing

@testable import LISPControl

/// An ITR with what surrounds it: a clock, a seed, packets.
private final class Bench {
    static let rloc = IPAddress("198.51.100.1")!
    static let resolver = IPAddress("192.0.2.53")!
    static let etr = IPAddress("198.51.100.2")!
    static let host = EID(IPAddress("10.1.0.5")!)

    var itr: ITR
    var now = Instant.zero
    var random = SplitMix(seed: 1)

    init(limit: Int = 100, resolvers: [IPAddress] = [Bench.resolver], questionLimit: Int = 10_000) {
        itr = ITR(
            settings: ITRSettings(
                mapResolvers: resolvers,
                rlocs: [Self.rloc],
                mapCacheLimit: limit,
                mapRequestLimits: .unlimited
            ),
            questionLimit: questionLimit
        )
    }

    /// Learns the mapping of a prefix by asking for its first host and answering.
    func learn(_ record: EIDRecord) throws -> [ITRAction] {
        guard let eid = record.eidPrefix else { return [] }
        let request = try requests(miss("\(eid.prefix.address)"))
        return reply(try #require(request.first).nonce, [record])
    }

    static func packet(to destination: String, size: Int = 100) -> ForwardingMiss {
        ForwardingMiss(
            source: host,
            destination: EID(IPAddress(destination)!),
            packet: Array(repeating: 7, count: size)
        )
    }

    func miss(_ destination: String, size: Int = 100) -> [ITRAction] {
        itr.missed(Self.packet(to: destination, size: size), now: now, using: &random)
    }

    func wait(_ duration: Duration, packets: UInt64 = 0) -> [ITRAction] {
        let end = now + duration
        var actions: [ITRAction] = []
        while let due = itr.deadline(), due <= end {
            now = max(now, due)
            actions += itr.timeout(now: now, using: &random) { _ in packets }
        }
        now = end
        return actions
    }

    func reply(
        _ nonce: Nonce,
        _ records: [EIDRecord],
        at local: IPAddress = Bench.rloc,
        packetsSent: (MappingID) -> UInt64 = { _ in 0 }
    ) -> [ITRAction] {
        itr.receivedMapReply(
            MapReply(nonce: nonce, records: records),
            from: .control(Self.etr),
            at: local,
            now: now,
            packetsSent: packetsSent
        )
    }

    static func record(_ prefix: String, ttl: UInt32 = 1440, rlocs: [String] = ["198.51.100.2"]) -> EIDRecord {
        EIDRecord(
            eidPrefix: EIDPrefix(IPPrefix(prefix)!),
            ttlMinutes: ttl,
            locators: rlocs.map { LocatorRecord(priority: 1, weight: 100, address: .ip(IPAddress($0)!)) }
        )
    }

    static func negative(_ prefix: String, _ action: MapReplyAction, ttl: UInt32 = 15) -> EIDRecord {
        EIDRecord(eidPrefix: EIDPrefix(IPPrefix(prefix)!), ttlMinutes: ttl, action: action, locators: [])
    }
}

/// The Map-Requests among actions, taken out of their ECMs.
private func requests(_ actions: [ITRAction]) throws -> [MapRequest] {
    try actions.compactMap { action in
        guard case .send(let datagram) = action else { return nil }
        guard case .encapsulated(let ecm) = try ControlMessage(decoding: datagram.payload) else { return nil }
        guard case .mapRequest(let request) = try ControlMessage(decoding: ecm.payload) else { return nil }
        return request
    }
}

private func released(_ actions: [ITRAction], _ verdict: HeldPacketVerdict) -> [ForwardingMiss] {
    actions.flatMap { action -> [ForwardingMiss] in
        guard case .release(let packets, verdict) = action else { return [] }
        return packets
    }
}

private func entries(_ actions: [ITRAction]) -> [EIDPrefix: ForwardingAction] {
    var entries: [EIDPrefix: ForwardingAction] = [:]
    for case .forwarding(let updates) in actions {
        for case .putEntry(let eid, _, let action) in updates { entries[eid] = action }
    }
    return entries
}

@Suite struct `The ITR asks` {
    @Test func `once, however many packets want the mapping, and holds them`() throws {
        let bench = Bench()
        let first = try requests(bench.miss("10.2.0.1"))
        #expect(first.count == 1)
        #expect(first[0].records[0].eidPrefix == EIDPrefix(IPPrefix("10.2.0.1/32")!))
        #expect(first[0].sourceEID == .ip(Bench.host.address))
        #expect(first[0].itrRLOCs == [.ip(Bench.rloc)])
        #expect(bench.miss("10.2.0.1") == [])
        #expect(bench.miss("10.2.0.1") == [])
        #expect(bench.itr.statistics[.packetsHeld] == 3)

        let answer = bench.reply(first[0].nonce, [Bench.record("10.2.0.0/16")])
        #expect(released(answer, .forward).count == 3)
        #expect(bench.itr.cache[EIDPrefix(IPPrefix("10.2.0.0/16")!)]?.locators.count == 1)
    }

    @Test func `once a second, ten times, then is silent for thirty seconds, then tries once`() throws {
        let bench = Bench()
        #expect(try requests(bench.miss("10.2.0.1")).count == 1)
        for _ in 1...9 { #expect(try requests(bench.wait(.seconds(1))).count == 1) }
        #expect(try requests(bench.wait(.seconds(1))) == [])
        #expect(bench.itr.statistics[.heldPacketsUnanswered] == 1)
        #expect(bench.itr.statistics[.unansweredQuestions] == 1)
        #expect(try requests(bench.wait(.seconds(20))) == [])
        #expect(bench.miss("10.2.0.1") == [])
        #expect(bench.itr.statistics[.resting] == 1)
        #expect(try requests(bench.wait(.seconds(10))).count == 1)
        #expect(try requests(bench.wait(.seconds(29))) == [])
    }

    @Test func `no more when nobody wanted the mapping during the silence`() throws {
        let bench = Bench()
        _ = bench.miss("10.2.0.1")
        _ = bench.wait(.seconds(10))
        #expect(try requests(bench.wait(.seconds(300))) == [])
        #expect(bench.itr.deadline() == nil)
    }

    @Test func `another Map-Resolver at once when one does not answer`() throws {
        let second = IPAddress("192.0.2.54")!
        let bench = Bench(resolvers: [Bench.resolver, second])
        var asked: [IPAddress] = []
        for action in bench.miss("10.2.0.1") + bench.wait(.seconds(3)) {
            if case .send(let datagram) = action { asked.append(datagram.destination.address) }
        }
        #expect(asked == [Bench.resolver, second, Bench.resolver, second])
    }

    @Test func `not at all without a Map-Resolver, and counts that`() {
        let bench = Bench(resolvers: [])
        #expect(bench.miss("10.2.0.1") == [])
        #expect(bench.itr.statistics[.noMapResolver] == 1)
    }

    @Test func `and holds no more than the limits allow`() {
        let bench = Bench()
        for _ in 0..<100 { _ = bench.miss("10.2.0.1") }
        #expect(bench.itr.statistics[.packetsHeld] == 16)
        #expect(bench.itr.statistics[.holdLimit] == 84)
    }
}

@Suite struct `The ITR believes a Map-Reply` {
    @Test func `only with a nonce that is outstanding`() throws {
        let bench = Bench()
        let request = try requests(bench.miss("10.2.0.1"))[0]
        let forged = Nonce(rawValue: request.nonce.rawValue &+ 1)
        #expect(bench.reply(forged, [Bench.record("10.2.0.0/16")]) == [])
        #expect(bench.itr.statistics[.mapReplyUnsolicited] == 1)
        #expect(bench.itr.cache.count == 0)
    }

    @Test func `only once`() throws {
        let bench = Bench()
        let request = try requests(bench.miss("10.2.0.1"))[0]
        _ = bench.reply(request.nonce, [Bench.record("10.2.0.0/16")])
        #expect(bench.reply(request.nonce, [Bench.record("10.2.0.0/16", rlocs: ["203.0.113.66"])]) == [])
        #expect(bench.itr.cache.first(after: nil)?.locators[0].address == Bench.etr)
    }

    @Test func `only at an ITR-RLOC`() throws {
        let bench = Bench()
        let request = try requests(bench.miss("10.2.0.1"))[0]
        #expect(bench.reply(request.nonce, [Bench.record("10.2.0.0/16")], at: IPAddress("203.0.113.1")!) == [])
        #expect(bench.itr.statistics[.mapReplyWrongAddress] == 1)
    }

    @Test func `to an earlier try of the same question`() throws {
        let bench = Bench()
        let request = try requests(bench.miss("10.2.0.1"))[0]
        _ = bench.wait(.milliseconds(2500))
        #expect(released(bench.reply(request.nonce, [Bench.record("10.2.0.0/16")]), .forward).count == 1)
    }

    @Test func `not to a try from before a silence`() throws {
        let bench = Bench()
        _ = bench.miss("10.2.0.1")
        let old = try #require(try requests(bench.wait(.seconds(10))).last)
        _ = bench.miss("10.2.0.1")
        let new = try #require(try requests(bench.wait(.seconds(31))).last)
        #expect(old.nonce != new.nonce)
        #expect(bench.reply(old.nonce, [Bench.record("10.2.0.0/16")]).isEmpty)
        #expect(bench.itr.statistics[.mapReplyUnsolicited] == 1)
        #expect(!bench.reply(new.nonce, [Bench.record("10.2.0.0/16")]).isEmpty)
    }

    @Test(arguments: [["10.3.0.0/16"], ["10.2.0.0/16", "10.2.0.0/24"], []])
    func `only if exactly one record covers the EID`(prefixes: [String]) throws {
        let bench = Bench()
        let request = try requests(bench.miss("10.2.0.1"))[0]
        #expect(bench.reply(request.nonce, prefixes.map { Bench.record($0) }) == [])
        #expect(bench.itr.statistics[.mapReplyWrongRecords] == 1)
        #expect(bench.itr.cache.count == 0)
    }

    @Test func `with more-specifics of the covering record, and nothing beside it`() throws {
        let bench = Bench()
        let request = try requests(bench.miss("10.2.0.1"))[0]
        let records = ["10.2.0.0/16", "10.2.7.0/24", "10.9.0.0/16"].map { Bench.record($0) }
        let answer = bench.reply(request.nonce, records)
        #expect(Set(entries(answer).keys.map(\.description)) == ["10.2.0.0/16", "10.2.7.0/24"])
        #expect(bench.itr.statistics[.recordNotMoreSpecific] == 1)
    }

    @Test func `and answers everybody who waits inside it`() throws {
        let bench = Bench()
        let request = try requests(bench.miss("10.2.0.1"))[0]
        _ = bench.miss("10.2.0.2")
        _ = bench.miss("10.3.0.2")
        let answer = bench.reply(request.nonce, [Bench.record("10.2.0.0/16")])
        #expect(released(answer, .forward).map(\.destination.address.description).sorted() == ["10.2.0.1", "10.2.0.2"])
    }
}

@Suite struct `A map-cache entry` {
    @Test func `puts children before parents and takes them out the other way round`() throws {
        let bench = Bench()
        let request = try requests(bench.miss("10.2.0.1"))[0]
        let record = Bench.record("10.2.0.0/16", rlocs: ["198.51.100.2", "198.51.100.3"])
        guard case .forwarding(let updates) = bench.reply(request.nonce, [record])[0] else {
            Issue.record("no forwarding update")
            return
        }
        let eid = EIDPrefix(IPPrefix("10.2.0.0/16")!)
        let set = LocatorSetID(rawValue: 1)
        let one = LocatorID(rawValue: 1)
        let two = LocatorID(rawValue: 2)
        #expect(
            updates == [
                .putLocator(one, address: IPAddress("198.51.100.2")!, source: nil, up: true, mtu: 0),
                .putLocator(two, address: IPAddress("198.51.100.3")!, source: nil, up: true, mtu: 0),
                .putLocatorSet(
                    set,
                    [
                        LocatorSlot(locator: one, priority: 1, weight: 100),
                        LocatorSlot(locator: two, priority: 1, weight: 100),
                    ]
                ),
                .putEntry(eid, mapping: MappingID(rawValue: 1), action: .encapsulate(set)),
            ]
        )
        #expect(
            bench.itr.clearAll(now: bench.now) == [
                .forwarding([.deleteEntry(eid), .deleteLocatorSet(set), .deleteLocator(one), .deleteLocator(two)]),
                .remoteEIDForgotten(eid),
            ]
        )
    }

    @Test func `expires with its TTL, to the second`() throws {
        let bench = Bench()
        let request = try requests(bench.miss("10.2.0.1"))[0]
        _ = bench.reply(request.nonce, [Bench.record("10.2.0.0/16", ttl: 1)])
        _ = bench.wait(.milliseconds(59_999))
        #expect(bench.itr.cache.count == 1)
        _ = bench.wait(.milliseconds(1))
        #expect(bench.itr.cache.count == 0)
        #expect(bench.itr.statistics[.expirations] == 1)
    }

    @Test func `that is in use is asked for in the last tenth of its life, by its own prefix and without source EID`()
        throws
    {
        let bench = Bench()
        let first = try requests(bench.miss("10.2.0.1"))[0]
        _ = bench.reply(first.nonce, [Bench.record("10.2.0.0/16", ttl: 1)])
        #expect(try requests(bench.wait(.milliseconds(54_100), packets: 500)) == [])
        let refresh = try requests(bench.wait(.seconds(1), packets: 501))
        #expect(refresh.count == 1)
        #expect(refresh[0].sourceEID == .none)
        #expect(refresh[0].records[0].eidPrefix == EIDPrefix(IPPrefix("10.2.0.0/16")!))
        let answer = bench.reply(refresh[0].nonce, [Bench.record("10.2.0.0/16", ttl: 1)])
        #expect(!entries(answer).isEmpty)
        #expect(bench.itr.statistics[.refreshes] == 1)
        _ = bench.wait(.seconds(50))
        #expect(bench.itr.cache.count == 1)
    }

    @Test func `with TTL 0 goes at once`() throws {
        let bench = Bench()
        let first = try requests(bench.miss("10.2.0.1"))[0]
        _ = bench.reply(first.nonce, [Bench.record("10.2.0.0/16", ttl: 1)])
        _ = bench.wait(.milliseconds(54_100), packets: 1)
        let refresh = try requests(bench.wait(.seconds(1), packets: 2))[0]
        _ = bench.reply(refresh.nonce, [Bench.record("10.2.0.0/16", ttl: 0)])
        #expect(bench.itr.cache.count == 0)
    }

    @Test func `whose TTL is left to us lives a day`() throws {
        let bench = Bench()
        let request = try requests(bench.miss("10.2.0.1"))[0]
        _ = bench.reply(request.nonce, [Bench.record("10.2.0.0/16", ttl: .max)])
        #expect(bench.itr.cache.first(after: nil)?.expires == bench.now + .seconds(86_400))
    }

    @Test func `at the limit makes the one go that was learnt first of those that nobody used again`() throws {
        let bench = Bench(limit: 2)
        for (prefix, ttl) in [("10.2.0.0/16", 20), ("10.3.0.0/16", 10), ("10.4.0.0/16", 30)] {
            let host = prefix.replacing("0.0/16", with: "0.1")
            let request = try requests(bench.miss(host))[0]
            _ = bench.reply(request.nonce, [Bench.record(prefix, ttl: UInt32(ttl))])
            _ = bench.wait(.seconds(1))
        }
        #expect(bench.itr.cache.count == 2)
        #expect(bench.itr.cache[EIDPrefix(IPPrefix("10.2.0.0/16")!)] == nil)
        #expect(bench.itr.statistics[.evictedOnProbation] == 1)
    }

    @Test func `at the limit stays while packets are seen to use it, and those that waited for it do not count`() throws
    {
        let bench = Bench(limit: 10)
        func prefix(_ number: Int) -> EIDPrefix { EIDPrefix(IPPrefix("10.\(number).0.0/16")!) }
        for number in 1...10 { _ = try bench.learn(Bench.record("10.\(number).0.0/16")) }
        let used = bench.itr.cache[prefix(1)]?.mapping
        for number in 11...40 {
            bench.now = bench.now + .seconds(1)
            let request = try requests(bench.miss("10.\(number).0.1"))[0]
            // Of each entry the packet that waited has been sent, of one there were others.
            let actions = bench.reply(request.nonce, [Bench.record("10.\(number).0.0/16")]) { mapping in
                mapping == used ? UInt64(number) : 1
            }
            #expect(released(actions, .forward).count == 1)
        }
        #expect(bench.itr.cache[prefix(1)]?.mapping == used)
        #expect(bench.itr.cache.count == 10)
        #expect(bench.itr.statistics[.evictedOnProbation] == 30)
    }

    /// Where many are in use, those that went would be asked for again at once, and so on with every round trip.
    @Test func `at the limit stays for a second, so that nobody asks for it more than once a second`() throws {
        let bench = Bench(limit: 1)
        let first = try requests(bench.miss("10.2.0.1"))[0]
        _ = bench.reply(first.nonce, [Bench.record("10.2.0.0/16")])
        let second = try requests(bench.miss("10.3.0.1"))[0]
        let actions = bench.reply(second.nonce, [Bench.record("10.3.0.0/16")])
        #expect(entries(actions).isEmpty && released(actions, .forward).isEmpty)
        #expect(bench.itr.cache[EIDPrefix(IPPrefix("10.2.0.0/16")!)] != nil)
        #expect(bench.itr.statistics[.mapCacheFull] == 1)
        #expect(try requests(bench.miss("10.3.0.1")).isEmpty)
        _ = bench.wait(.seconds(1))
        let third = try requests(bench.miss("10.3.0.1"))[0]
        #expect(released(bench.reply(third.nonce, [Bench.record("10.3.0.0/16")]), .forward).count == 1)
        #expect(bench.itr.cache[EIDPrefix(IPPrefix("10.2.0.0/16")!)] == nil)
    }

    @Test(arguments: [
        (MapReplyAction.noAction, ForwardingAction.forwardNatively),
        (.nativelyForward, .forwardNatively),
        (.sendMapRequest, .sendMapRequest),
        (.dropNoReason, .drop(.noReason)),
        (.dropPolicyDenied, .drop(.policyDenied)),
        (.dropAuthFailure, .drop(.authenticationFailure)),
        (MapReplyAction(rawValue: 6)!, .drop(.noReason)),
    ])
    func `without locators obeys its action`(action: MapReplyAction, forwarding: ForwardingAction) throws {
        let bench = Bench()
        let request = try requests(bench.miss("10.2.0.1"))[0]
        let answer = bench.reply(request.nonce, [Bench.negative("10.2.0.0/16", action)])
        #expect(entries(answer)[EIDPrefix(IPPrefix("10.2.0.0/16")!)] == forwarding)
        #expect(released(answer, .forwardNatively).count == (forwarding == .forwardNatively ? 1 : 0))
        // What is to be dropped goes back all the same: the forwarding state drops it, and tells its sender.
        let isDropped = if case .drop = forwarding { true } else { false }
        #expect(released(answer, .forward).count == (isDropped ? 1 : 0))
    }

    @Test func `that says send-map-request asks again for each packet, but not within a second`() throws {
        let bench = Bench()
        let request = try requests(bench.miss("10.2.0.1"))[0]
        _ = bench.reply(request.nonce, [Bench.negative("10.2.0.0/16", .sendMapRequest)])
        #expect(bench.miss("10.2.0.1") == [])
        #expect(bench.itr.statistics[.paced] == 1)
        _ = bench.wait(.seconds(1))
        #expect(try requests(bench.miss("10.2.0.1")).count == 1)
    }

    @Test func `uses only locators that are reachable, offered for unicast and of a family we have`() throws {
        let bench = Bench()
        let request = try requests(bench.miss("10.2.0.1"))[0]
        var record = Bench.record(
            "10.2.0.0/16",
            rlocs: ["198.51.100.2", "198.51.100.3", "198.51.100.4", "2001:db8::2"]
        )
        record.locators[0].isReachable = false
        record.locators[1].priority = 255
        let answer = bench.reply(request.nonce, [record])
        guard case .forwarding(let updates) = answer[0] else {
            Issue.record("no forwarding update")
            return
        }
        let slots = updates.compactMap { update -> [LocatorSlot]? in
            guard case .putLocatorSet(_, let slots) = update else { return nil }
            return slots
        }
        #expect(slots.map(\.count) == [1])
        #expect(bench.itr.cache.first(after: nil)?.locators.map { $0.id != nil } == [false, false, true, false])
    }
}

@Suite struct `A refresh` {
    /// An ITR with one entry that is in use, and the Map-Request that refreshes it.
    private func refreshing(_ records: [EIDRecord]) throws -> (bench: Bench, request: MapRequest) {
        let bench = Bench()
        let first = try requests(bench.miss("10.2.200.1"))[0]
        _ = bench.reply(first.nonce, records)
        _ = bench.wait(.milliseconds(54_100), packets: 1)
        return (bench, try #require(try requests(bench.wait(.seconds(1), packets: 2)).first))
    }

    @Test func `takes a site with more-specifics, also at its first address`() throws {
        let site = [Bench.record("10.2.0.0/16", ttl: 1), Bench.record("10.2.0.0/24", ttl: 1)]
        let (bench, request) = try refreshing([site[0]])
        #expect(!entries(bench.reply(request.nonce, site)).isEmpty)
        #expect(bench.itr.statistics[.refreshes] == 1)
        #expect(bench.itr.statistics[.mapReplyWrongRecords] == 0)
    }

    @Test func `tells since when each locator is in its state, and how often that has changed`() throws {
        var record = Bench.record("10.2.0.0/16", ttl: 1, rlocs: ["198.51.100.2", "198.51.100.3"])
        record.locators[1].isReachable = false
        let (bench, request) = try refreshing([record])
        func locators() -> [MapCacheLocator] { bench.itr.cache.first(after: nil)?.locators ?? [] }
        #expect(locators().map(\.since) == [.zero, .zero])
        #expect(bench.itr.locators.locators.map(\.since) == [.zero])
        record.locators[1].isReachable = true
        _ = bench.reply(request.nonce, [record])
        #expect(locators().map(\.since) == [.zero, bench.now])
        #expect(locators().map(\.stateChanges) == [0, 1])
        #expect(bench.itr.locators.locators.map(\.since) == [.zero, bench.now])
    }

    @Test func `that finds the space divided puts the new entries before it takes out the old one`() throws {
        let (bench, request) = try refreshing([Bench.record("10.2.0.0/16", ttl: 1)])
        let actions = bench.reply(request.nonce, [Bench.record("10.2.0.0/17")])
        var changes: [String] = []
        for case .forwarding(let updates) in actions {
            for update in updates {
                switch update {
                case .putEntry(let eid, _, _): changes.append("put \(eid)")
                case .deleteEntry(let eid): changes.append("delete \(eid)")
                case .deleteLocator(let id): changes.append("delete \(id)")
                default: break
                }
            }
        }
        #expect(changes == ["put 10.2.0.0/17", "delete 10.2.0.0/16"])
        #expect(bench.itr.locators.locators.map(\.users) == [1])
        #expect(bench.itr.cache.count == 1)
    }

    @Test func `without an answer is asked for again after the silence, while the entry is in use`() throws {
        let bench = Bench()
        let first = try requests(bench.miss("10.2.0.1"))[0]
        _ = bench.reply(first.nonce, [Bench.record("10.2.0.0/16", ttl: 60)])
        _ = bench.wait(.seconds(54 * 60 + 1), packets: 1)
        var asked = 0
        for second in 1...300 { asked += try requests(bench.wait(.seconds(1), packets: UInt64(second + 1))).count }
        // Ten at most between silences of 30 s; without another try after the first ten the entry would expire in use.
        #expect((11...80).contains(asked))
        #expect(bench.itr.cache.count == 1)
    }

    /// A mapping that ends soon would otherwise stand in the way of all others for its first second.
    @Test func `at the limit makes room for the next at once where older ones end later`() throws {
        let bench = Bench(limit: 4)
        for number in 1...4 { _ = try bench.learn(Bench.record("10.\(number).0.0/16", ttl: 1_440 + UInt32(number))) }
        _ = bench.wait(.seconds(1))
        for number in 5...8 {
            #expect(!entries(try bench.learn(Bench.record("10.\(number).0.0/16", ttl: 5))).isEmpty)
        }
        #expect(
            (1...8).map { bench.itr.cache[EIDPrefix(IPPrefix("10.\($0).0.0/16")!)] == nil }
                == [true, true, true, true, false, false, false, false]
        )
        #expect(entries(try bench.learn(Bench.record("10.9.0.0/16"))).isEmpty)
        #expect(bench.itr.statistics[.evictedOnProbation] == 4)
        #expect(bench.itr.statistics[.mapCacheFull] == 1)
    }

    @Test func `is not asked for any more once the entry has come with another answer`() throws {
        let bench = Bench()
        let mapping = [MapRequest.Record(EIDPrefix(IPPrefix("10.2.0.0/16")!))]
        let request = try requests(bench.miss("10.2.0.1"))[0]
        _ = bench.reply(request.nonce, [Bench.record("10.2.0.0/16", ttl: 1)])
        _ = bench.wait(.seconds(54))
        #expect(try requests(bench.wait(.seconds(2), packets: 5)).map(\.records).contains(mapping))
        let other = try requests(bench.miss("10.4.0.1"))[0]
        _ = bench.reply(other.nonce, [Bench.record("10.0.0.0/8"), Bench.record("10.2.0.0/16", ttl: 1)])
        #expect(try requests(bench.wait(.seconds(20), packets: 5)).isEmpty)
    }

    @Test func `that is not answered leaves packets alone that wait for the first address of its prefix`() throws {
        let (bench, _) = try refreshing([Bench.record("10.2.0.0/16", ttl: 1)])
        _ = bench.wait(.milliseconds(5000), packets: 3)
        #expect(bench.itr.cache.count == 0)
        let request = try requests(bench.miss("10.2.0.0"))[0]
        _ = bench.wait(.milliseconds(6000), packets: 3)
        #expect(bench.itr.statistics[.heldPacketsUnanswered] == 0)
        #expect(request.records[0].eidPrefix == EIDPrefix(IPPrefix("10.2.0.0/32")!))
    }

    @Test func `is not considered for an entry that has become negative`() throws {
        let (bench, request) = try refreshing([Bench.record("10.2.0.0/16", ttl: 1)])
        _ = bench.reply(request.nonce, [Bench.negative("10.2.0.0/16", .nativelyForward)])
        #expect(bench.itr.deadline() == bench.now + .seconds(900))
    }
}

@Suite struct `The ITR does not` {
    @Test func `ask again within a second when the answer has TTL 0`() throws {
        let bench = Bench()
        let request = try requests(bench.miss("10.2.0.1"))[0]
        _ = bench.wait(.milliseconds(100))
        _ = bench.reply(request.nonce, [Bench.record("10.2.0.0/16", ttl: 0)])
        #expect(bench.miss("10.2.0.1") == [])
        #expect(bench.itr.statistics[.paced] == 1)
        _ = bench.wait(.milliseconds(900))
        #expect(try requests(bench.miss("10.2.0.1")).count == 1)
    }

    @Test func `call a Map-Resolver down whose answers are on their way`() throws {
        let bench = Bench()
        for host in 1...5 { _ = bench.miss("10.2.0.\(host)") }
        #expect(bench.itr.resolvers[0].isUp)
        _ = bench.wait(.seconds(1))
        #expect(!bench.itr.resolvers[0].isUp)
    }

    @Test(arguments: ["0.0.0.1", "127.0.0.1", "169.254.1.1", "224.0.0.9", "255.255.255.255"])
    func `send to what is no address of one other host`(rloc: String) throws {
        let bench = Bench()
        let request = try requests(bench.miss("10.2.0.1"))[0]
        _ = bench.reply(request.nonce, [Bench.record("10.2.0.0/16", rlocs: [rloc, "198.51.100.7"])])
        let entry = bench.itr.cache.first(after: nil)
        #expect(entry?.locators.map { $0.id != nil } == [false, true])
    }
}

private func updates(_ actions: [ITRAction]) -> [ForwardingUpdate] {
    actions.flatMap { action -> [ForwardingUpdate] in
        guard case .forwarding(let updates) = action else { return [] }
        return updates
    }
}

@Suite struct `The ITR with many entries` {
    @Test func `shares one locator set among those with the same locators, and keeps it until the last goes`() throws {
        let bench = Bench()
        func sets(_ actions: [ITRAction]) -> [ForwardingUpdate] {
            updates(actions).filter { update in
                switch update {
                case .putLocatorSet, .deleteLocatorSet, .putLocator, .deleteLocator: true
                default: false
                }
            }
        }
        let first = try bench.learn(Bench.record("10.2.0.0/16"))
        #expect(sets(first).count == 2)
        let second = try bench.learn(Bench.record("10.3.0.0/16"))
        #expect(sets(second) == [])
        #expect(Set(entries(first).values) == Set(entries(second).values))
        // Another weight is another set; the RLOC is the same one.
        var heavier = Bench.record("10.4.0.0/16")
        heavier.locators[0].weight = 7
        let third = try bench.learn(heavier)
        #expect(sets(third).count == 1)
        #expect(Set(entries(third).values).isDisjoint(with: entries(first).values))
        #expect(bench.itr.locators.locators.map(\.users) == [3])

        let prefixes = ["10.2.0.0/16", "10.4.0.0/16", "10.3.0.0/16"].map { EIDPrefix(IPPrefix($0)!) }
        #expect(sets(bench.itr.clear([prefixes[0]]).actions) == [])
        #expect(sets(bench.itr.clear([prefixes[1]]).actions) == [.deleteLocatorSet(LocatorSetID(rawValue: 2))])
        #expect(
            sets(bench.itr.clear([prefixes[2]]).actions) == [
                .deleteLocatorSet(LocatorSetID(rawValue: 1)), .deleteLocator(LocatorID(rawValue: 1)),
            ]
        )
    }

    @Test func `after the limit has shrunk lets those go that were learnt first, a slice at a time`() throws {
        let bench = Bench(limit: 5000)
        let count = 3 * ITR.sliceLimit
        for number in 0..<count {
            let prefix = "10.\(number >> 8).\(number & 255).0/24"
            _ = try bench.learn(Bench.record(prefix, ttl: UInt32(2 * count - number)))
        }
        let settings = ITRSettings(mapResolvers: [Bench.resolver], rlocs: [Bench.rloc], mapCacheLimit: 10)
        #expect(bench.itr.reconfigure(settings, now: bench.now) == [])
        var slices = 0
        while bench.itr.cache.count > 10 {
            let before = bench.itr.cache.count
            let due = bench.itr.deadline()
            #expect(due.map { $0 <= bench.now } == true)
            let actions = bench.itr.timeout(now: bench.now, using: &bench.random) { _ in 0 }
            let gone = before - bench.itr.cache.count
            #expect(gone == min(before - 10, ITR.sliceLimit))
            #expect(
                updates(actions).count {
                    if case .deleteEntry = $0 { true } else { false }
                } == gone
            )
            slices += 1
        }
        #expect(slices == 3)
        #expect(bench.itr.statistics[.evictedOnProbation] == UInt64(count - 10))
        #expect(bench.itr.cache.first(after: nil)?.eid == EIDPrefix(IPPrefix("10.5.210.0/24")!))
        #expect(bench.itr.cache[EIDPrefix(IPPrefix("10.5.219.0/24")!)] != nil)
        let due = bench.itr.deadline()
        #expect(due.map { $0 > bench.now } == true)
    }

    @Test func `that end together takes out a slice at a time`() throws {
        let bench = Bench(limit: 20_000)
        for number in 0..<(2 * ITR.sliceLimit + 1) {
            _ = try bench.learn(Bench.negative("10.\(number >> 8).\(number & 255).0/24", .nativelyForward, ttl: 1))
        }
        bench.now = bench.now + .seconds(60)
        var left: [Int] = []
        while let due = bench.itr.deadline(), due <= bench.now {
            _ = bench.itr.timeout(now: bench.now, using: &bench.random) { _ in 0 }
            left.append(bench.itr.cache.count)
        }
        #expect(left == [ITR.sliceLimit + 1, 1, 0])
    }

    @Test func `tells a change of its own families once for each set, not for each entry`() throws {
        let bench = Bench()
        let rlocs = ["198.51.100.2", "2001:db8::2"]
        for number in 0..<50 { _ = try bench.learn(Bench.record("10.\(number).0.0/16", rlocs: rlocs)) }
        let first = EIDPrefix(IPPrefix("10.0.0.0/16")!)
        #expect(bench.itr.locators.locators.map(\.users) == [50])
        bench.now = bench.now + .seconds(9)
        let both = ITRSettings(
            mapResolvers: [Bench.resolver],
            rlocs: [Bench.rloc, IPAddress("2001:db8::1")!],
            mapCacheLimit: 100
        )
        let changes = updates(bench.itr.reconfigure(both, now: bench.now))
        let (one, two) = (LocatorID(rawValue: 1), LocatorID(rawValue: 2))
        #expect(
            changes == [
                .putLocator(two, address: IPAddress("2001:db8::2")!, source: nil, up: true, mtu: 0),
                .putLocatorSet(
                    LocatorSetID(rawValue: 1),
                    [one, two].map { LocatorSlot(locator: $0, priority: 1, weight: 100) }
                ),
            ]
        )
        #expect(bench.itr.locators.locators.map(\.users) == [50, 50])
        #expect(bench.itr.cache[first]?.locators.map(\.since) == [.zero, bench.now])
        #expect(bench.itr.cache[first]?.locators.map(\.stateChanges) == [0, 1])

        var six = both
        six.rlocs = [IPAddress("2001:db8::1")!]
        #expect(
            updates(bench.itr.reconfigure(six, now: bench.now)) == [
                .putLocatorSet(LocatorSetID(rawValue: 1), [LocatorSlot(locator: two, priority: 1, weight: 100)]),
                .deleteLocator(one),
            ]
        )
        #expect(bench.itr.locators.locators.map(\.users) == [50])
    }
}

@Suite struct `At the limit of questions` {
    @Test func `the one that has rested longest makes room for a new EID`() throws {
        let bench = Bench(questionLimit: 3)
        for host in 1...3 {
            #expect(try requests(bench.miss("10.\(host).0.1")).count == 1)
            _ = bench.wait(.milliseconds(100))
        }
        // All are being asked for, and packets wait for each.
        #expect(bench.miss("10.4.0.1") == [])
        #expect(bench.itr.statistics[.questionLimit] == 1)
        _ = bench.wait(.seconds(10))
        #expect(bench.itr.statistics[.unansweredQuestions] == 3)
        #expect(try requests(bench.miss("10.4.0.1")).count == 1)
        #expect(bench.itr.statistics[.restCutShort] == 1)
        #expect(bench.itr.statistics[.questionLimit] == 1)
        // 10.1.0.1 had rested longest: it is the one that is asked for anew, in the place of the next.
        #expect(bench.miss("10.3.0.1") == [])
        #expect(try requests(bench.miss("10.1.0.1")).count == 1)
        #expect(bench.itr.statistics[.restCutShort] == 2)
        #expect(bench.miss("10.3.0.1") == [])
        #expect(try requests(bench.miss("10.2.0.1")).count == 1)
        #expect(bench.miss("10.5.0.1") == [])
        #expect(bench.itr.statistics[.questionLimit] == 2)
    }

    @Test func `those that are due together are asked again a slice at a time`() throws {
        let bench = Bench()
        let count = 2 * ITR.sliceLimit + 1
        for number in 0..<count { _ = bench.miss("10.2.\(number >> 8).\(number & 255)") }
        bench.now = bench.now + .seconds(1)
        var asked: [Int] = []
        while let due = bench.itr.deadline(), due <= bench.now {
            asked.append(try requests(bench.itr.timeout(now: bench.now, using: &bench.random) { _ in 0 }).count)
        }
        #expect(asked == [ITR.sliceLimit, ITR.sliceLimit, 1])
    }

    @Test func `a question that asks again after its rest keeps its place`() throws {
        let bench = Bench(questionLimit: 1)
        _ = bench.miss("10.1.0.1")
        _ = bench.wait(.seconds(10))
        #expect(bench.miss("10.1.0.1") == [])
        #expect(try requests(bench.wait(.seconds(30))).count == 1)
        #expect(bench.miss("10.2.0.1") == [])
        #expect(bench.itr.statistics[.restCutShort] == 0)
        #expect(bench.itr.statistics[.questionLimit] == 1)
    }
}
