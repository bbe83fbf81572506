// The ITR with proxies: what negative entries do, as whom a Proxy-ITR asks, and mappings that the operator gives.

import ForwardingInterface
import LISPTables
import LISPWire
import Testing

@testable import LISPControl

private let local = IPAddress("198.51.100.1")!
private let firstProxy = IPAddress("192.0.2.9")!
private let secondProxy = IPAddress("192.0.2.10")!
private let site = EIDPrefix(IPPrefix("10.1.0.0/16")!)

private func prefix(_ text: String) -> EIDPrefix { EIDPrefix(IPPrefix(text)!) }

private func settings(
    proxyITR: ProxyITRSettings? = nil,
    proxyETRs: [ProxyETR] = [],
    staticMappings: [StaticMapping] = [],
    limit: Int = 100,
    probing: Bool = false
) -> ITRSettings {
    ITRSettings(
        mapResolvers: [IPAddress("203.0.113.53")!],
        rlocs: [local],
        mapCacheLimit: limit,
        rlocProbing: RLOCProbingSettings(isEnabled: probing, interval: .seconds(10)),
        proxyITR: proxyITR,
        proxyETRs: proxyETRs,
        staticMappings: staticMappings
    )
}

private func proxyETR(_ address: IPAddress, priority: UInt8 = 1) -> ProxyETR {
    ProxyETR(address: address, priority: priority, weight: 100)
}

/// An ITR, started, and what it has told the forwarding state and the host.
private final class Bench {
    var itr: ITR
    var now = Instant.zero
    var random = SplitMix(seed: 5)
    /// What forwards packets now.
    private(set) var entries: [EIDPrefix: ForwardingAction] = [:]
    private(set) var sets: [LocatorSetID: [LocatorSlot]] = [:]
    private(set) var locators: [LocatorID: IPAddress] = [:]
    private(set) var negatives: Set<EIDPrefix> = []
    private(set) var remoteEIDs: Set<EIDPrefix> = []

    init(_ settings: ITRSettings) {
        itr = ITR(settings: settings)
        take(itr.start(now: now))
    }

    @discardableResult
    func take(_ actions: [ITRAction]) -> [ITRAction] {
        for action in actions {
            switch action {
            case .forwarding(let updates): updates.forEach(apply)
            case .negativePrefixKnown(let eid): #expect(negatives.insert(eid).inserted, "\(eid) told twice")
            case .negativePrefixForgotten(let eid): #expect(negatives.remove(eid) != nil, "\(eid) was never told")
            case .remoteEIDKnown(let eid): #expect(remoteEIDs.insert(eid).inserted, "\(eid) told twice")
            case .remoteEIDForgotten(let eid): #expect(remoteEIDs.remove(eid) != nil, "\(eid) was never told")
            default: break
            }
        }
        return actions
    }

    private func apply(_ update: ForwardingUpdate) {
        switch update {
        case .putEntry(let eid, _, let action): entries[eid] = action
        case .deleteEntry(let eid): entries[eid] = nil
        case .putLocatorSet(let id, let slots):
            for slot in slots { #expect(locators[slot.locator] != nil, "a locator before its set") }
            sets[id] = slots
        case .deleteLocatorSet(let id):
            #expect(!entries.values.contains(.encapsulate(id)), "an entry before its set")
            sets[id] = nil
        case .putLocator(let id, let address, _, _, _): locators[id] = address
        case .deleteLocator(let id): locators[id] = nil
        default: break
        }
    }

    func reconfigure(_ settings: ITRSettings) { take(itr.reconfigure(settings, now: now)) }

    func wait(_ duration: Duration) -> [ITRAction] {
        let end = now + duration
        var actions: [ITRAction] = []
        while let due = itr.deadline(), due <= end {
            now = max(now, due)
            actions += take(itr.timeout(now: now, using: &random) { _ in 0 })
        }
        now = end
        return actions
    }

    /// Sends a packet without a mapping; the Map-Request that leaves for it.
    func ask(from source: String, to destination: String) throws -> MapRequest {
        let miss = ForwardingMiss(
            source: EID(IPAddress(source)!),
            destination: EID(IPAddress(destination)!),
            packet: [1]
        )
        for case .send(let datagram) in take(itr.missed(miss, now: now, using: &random)) {
            guard case .encapsulated(let ecm) = try ControlMessage(decoding: datagram.payload),
                case .mapRequest(let request) = try ControlMessage(decoding: ecm.payload)
            else { continue }
            return request
        }
        throw NoRequest()
    }

    @discardableResult
    func learn(
        _ text: String,
        from source: String = "10.1.0.5",
        action: MapReplyAction = .nativelyForward,
        rlocs: [IPAddress] = [],
        asking destination: String? = nil
    ) throws -> [ITRAction] {
        let eid = prefix(text)
        let request = try ask(from: source, to: destination ?? eid.prefix.address.description)
        let record = EIDRecord(
            eidPrefix: eid,
            ttlMinutes: 15,
            action: action,
            locators: rlocs.map { LocatorRecord(priority: 1, weight: 1, isReachable: true, address: .ip($0)) }
        )
        let reply = MapReply(nonce: request.nonce, records: [record])
        return take(itr.receivedMapReply(reply, from: .control(firstProxy), at: local, now: now))
    }

    private struct NoRequest: Error {}
}

@Suite struct `A negative entry` {
    @Test func `is forwarded natively, and the host hears of it until it ends`() throws {
        let bench = Bench(settings())
        let actions = try bench.learn("192.168.0.0/16")
        #expect(bench.entries == [prefix("192.168.0.0/16"): .forwardNatively])
        #expect(bench.negatives == [prefix("192.168.0.0/16")])
        guard case .release(_, .forwardNatively) = actions.last else {
            Issue.record("the held packet goes natively")
            return
        }
        _ = bench.wait(.seconds(15 * 60))
        #expect(bench.entries.isEmpty)
        #expect(bench.negatives.isEmpty)
    }

    @Test(arguments: [
        (MapReplyAction.dropNoReason, ForwardingDropReason.noReason), (.dropPolicyDenied, .policyDenied),
        (.dropAuthFailure, .authenticationFailure),
    ])
    func `that says drop neither goes to a Proxy-ETR nor past us`(
        action: MapReplyAction,
        reason: ForwardingDropReason
    ) throws {
        let bench = Bench(settings(proxyETRs: [proxyETR(firstProxy)]))
        try bench.learn("192.168.0.0/16", action: action)
        #expect(bench.entries == [prefix("192.168.0.0/16"): .drop(reason)])
        #expect(bench.negatives.isEmpty)
    }

    @Test func `goes to the Proxy-ETRs by priority and weight, and the host hears nothing`() throws {
        let bench = Bench(settings(proxyETRs: [proxyETR(firstProxy), proxyETR(secondProxy, priority: 2)]))
        let actions = try bench.learn("192.168.0.0/16", action: .noAction)
        #expect(bench.entries == [prefix("192.168.0.0/16"): .encapsulate(ITR.proxyETRSet)])
        let slots = try #require(bench.sets[ITR.proxyETRSet])
        #expect(slots.map { bench.locators[$0.locator] } == [firstProxy, secondProxy])
        #expect(slots.map(\.priority) == [1, 2])
        #expect(bench.negatives.isEmpty)
        guard case .release(_, .forward) = actions.last else {
            Issue.record("the held packet is encapsulated")
            return
        }
    }

    @Test func `follows when the first Proxy-ETR comes and the last goes`() throws {
        let bench = Bench(settings())
        try bench.learn("192.168.0.0/16")
        try bench.learn("172.16.0.0/12", action: .dropPolicyDenied)
        bench.reconfigure(settings(proxyETRs: [proxyETR(firstProxy)]))
        #expect(bench.entries[prefix("192.168.0.0/16")] == .encapsulate(ITR.proxyETRSet))
        #expect(bench.entries[prefix("172.16.0.0/12")] == .drop(.policyDenied))
        #expect(bench.negatives.isEmpty)
        bench.reconfigure(settings(proxyETRs: [proxyETR(secondProxy)]))
        #expect(bench.sets[ITR.proxyETRSet]?.map { bench.locators[$0.locator] } == [secondProxy])
        #expect(Set(bench.locators.values) == [secondProxy])
        bench.reconfigure(settings())
        #expect(bench.entries[prefix("192.168.0.0/16")] == .forwardNatively)
        #expect(bench.negatives == [prefix("192.168.0.0/16")])
        #expect(bench.sets.isEmpty)
        #expect(bench.locators.isEmpty)
    }

    @Test func `leaves nothing behind when the role goes`() throws {
        let given = StaticMapping(
            eid: prefix("10.9.0.0/16"),
            locators: [DatabaseLocator(address: secondProxy, priority: 1, weight: 1, isLocal: false)]
        )
        let bench = Bench(settings(proxyETRs: [proxyETR(firstProxy)], staticMappings: [given]))
        try bench.learn("192.168.0.0/16")
        try bench.learn("10.2.0.0/16", rlocs: [secondProxy])
        bench.take(bench.itr.clearAll(now: bench.now))
        #expect(bench.entries.isEmpty)
        #expect(bench.sets.isEmpty)
        #expect(bench.locators.isEmpty)
        #expect(bench.remoteEIDs.isEmpty)
        #expect(bench.itr.cache.count == 0)
    }
}

@Suite struct `A Proxy-ITR` {
    private let proxy = ProxyITRSettings(eidSpace: [prefix("10.0.0.0/8")])

    @Test func `asks without source EID and with the p-bit`() throws {
        let bench = Bench(settings(proxyITR: proxy))
        let request = try bench.ask(from: "203.0.113.10", to: "10.2.0.1")
        #expect(request.sourceEID == .none)
        #expect(request.isPITR)
    }

    @Test func `with a site of its own asks for that as an ITR`() throws {
        let bench = Bench(settings(proxyITR: ProxyITRSettings(eidSpace: [prefix("10.0.0.0/8")], siteEIDs: [site])))
        let own = try bench.ask(from: "10.1.0.5", to: "10.2.0.1")
        #expect(own.sourceEID == .ip(IPAddress("10.1.0.5")!))
        #expect(!own.isPITR)
        #expect(try bench.ask(from: "203.0.113.10", to: "10.3.0.1").isPITR)
    }

    @Test(arguments: ["10.5.0.0/16", "10.0.0.0/8"])
    func `sends nothing natively that it attracts`(negative: String) throws {
        let bench = Bench(settings(proxyITR: proxy))
        try bench.learn(negative, from: "203.0.113.10")
        #expect(bench.entries == [prefix(negative): .drop(.attracted)])
        // The host refuses such packets by itself.
        #expect(bench.negatives == [prefix(negative)])
    }

    @Test(arguments: [
        ("10.0.0.1", "10.0.0.0/8", ForwardingAction.drop(.attracted)), ("8.0.0.1", "8.0.0.0/7", .forwardNatively),
        ("12.0.0.1", "12.0.0.0/6", .forwardNatively),
    ])
    func `takes of a negative answer that it attracts in part only what is around the EID`(
        asked: String,
        part: String,
        action: ForwardingAction
    ) throws {
        let bench = Bench(settings(proxyITR: proxy))
        try bench.learn("8.0.0.0/5", from: "203.0.113.10", asking: asked)
        #expect(bench.entries == [prefix(part): action])
        #expect(bench.negatives == [prefix(part)])
    }

    @Test func `forwards natively outside of what it attracts`() throws {
        let bench = Bench(settings(proxyITR: proxy))
        try bench.learn("192.168.0.0/16", from: "203.0.113.10")
        #expect(bench.entries == [prefix("192.168.0.0/16"): .forwardNatively])
    }

    @Test func `sends what it attracts to a Proxy-ETR where there is one`() throws {
        let bench = Bench(settings(proxyITR: proxy, proxyETRs: [proxyETR(firstProxy)]))
        try bench.learn("10.5.0.0/16", from: "203.0.113.10")
        #expect(bench.entries == [prefix("10.5.0.0/16"): .encapsulate(ITR.proxyETRSet)])
    }

    @Test func `that attracts more from now on decides anew about negative entries`() throws {
        let bench = Bench(settings(proxyITR: proxy))
        try bench.learn("172.16.0.0/12", from: "203.0.113.10")
        let larger = ProxyITRSettings(eidSpace: [prefix("10.0.0.0/8"), prefix("172.16.0.0/16")])
        bench.reconfigure(settings(proxyITR: larger))
        #expect(bench.entries == [prefix("172.16.0.0/12"): .drop(.attracted)])
        #expect(bench.negatives == [prefix("172.16.0.0/12")])
    }
}

@Suite struct `A Proxy-ETR of ours` {
    @Test func `is probed without naming a mapping, and not used while it is silent`() throws {
        let bench = Bench(settings(proxyETRs: [proxyETR(firstProxy)], probing: true))
        let sent = bench.wait(.seconds(2)).compactMap { action -> MapRequest? in
            guard case .send(let datagram) = action, datagram.destination == .control(firstProxy),
                case .mapRequest(let request)? = try? ControlMessage(decoding: datagram.payload)
            else { return nil }
            return request
        }
        let probe = try #require(sent.first)
        #expect(probe.isProbe)
        #expect(probe.records.map(\.eid) == [.none])
        let down = bench.wait(.seconds(10)).contains(.locatorTurned(firstProxy, isUp: false))
        #expect(down)
        #expect(!bench.itr.prober.isUp(firstProxy))
    }

    @Test func `is probed on when a mapping that shared its RLOC is gone`() throws {
        let bench = Bench(settings(proxyETRs: [proxyETR(firstProxy)], probing: true))
        try bench.learn("10.2.0.0/16", rlocs: [firstProxy])
        bench.take(bench.itr.clear([prefix("10.2.0.0/16")]).actions)
        #expect(bench.wait(.seconds(12)).contains(.locatorTurned(firstProxy, isUp: false)))
    }

    @Test func `of a family that we have no RLOC of, or of priority 255, takes no part`() throws {
        let other = IPAddress("2001:db8::9")!
        let bench = Bench(settings(proxyETRs: [proxyETR(other), proxyETR(firstProxy, priority: 255)]))
        try bench.learn("192.168.0.0/16")
        // It does not go natively either: the operator wants it by a Proxy-ETR.
        #expect(bench.entries == [prefix("192.168.0.0/16"): .encapsulate(ITR.proxyETRSet)])
        #expect(bench.sets[ITR.proxyETRSet] == [])
    }

    @Test func `and a mapping share an RLOC`() throws {
        let bench = Bench(settings(proxyETRs: [proxyETR(firstProxy)]))
        try bench.learn("10.2.0.0/16", rlocs: [firstProxy])
        #expect(bench.locators.count == 1)
        bench.reconfigure(settings())
        #expect(bench.locators.count == 1)
        bench.take(bench.itr.clear([prefix("10.2.0.0/16")]).actions)
        #expect(bench.locators.isEmpty)
    }
}

@Suite struct `A static mapping` {
    private static func given(_ text: String, _ rloc: IPAddress = firstProxy) -> StaticMapping {
        StaticMapping(
            eid: prefix(text),
            locators: [DatabaseLocator(address: rloc, priority: 1, weight: 100, isLocal: false)]
        )
    }

    @Test func `is there from the start, does not end, and takes no room of the limit`() throws {
        let bench = Bench(settings(staticMappings: [Self.given("10.9.0.0/16"), Self.given("10.8.0.0/16")], limit: 1))
        #expect(bench.remoteEIDs == [prefix("10.9.0.0/16"), prefix("10.8.0.0/16")])
        try bench.learn("10.2.0.0/16", rlocs: [secondProxy])
        #expect(bench.itr.cache.count == 3)
        _ = bench.wait(.seconds(400 * 86_400))
        #expect(Set(bench.entries.keys) == [prefix("10.9.0.0/16"), prefix("10.8.0.0/16")])
    }

    @Test func `is not given up to make room`() throws {
        let bench = Bench(settings(staticMappings: [Self.given("10.9.0.0/16")], limit: 1))
        try bench.learn("10.2.0.0/16", rlocs: [secondProxy])
        _ = bench.wait(.seconds(2))
        try bench.learn("10.3.0.0/16", rlocs: [secondProxy])
        #expect(Set(bench.entries.keys) == [prefix("10.9.0.0/16"), prefix("10.3.0.0/16")])
    }

    @Test func `stays whatever the mapping system says, and more-specifics are learnt beside it`() throws {
        let asks = StaticMapping(eid: prefix("10.9.0.0/16"), action: .sendMapRequest)
        let bench = Bench(settings(staticMappings: [asks]))
        try bench.learn("10.9.0.0/16", rlocs: [secondProxy])
        #expect(bench.entries == [prefix("10.9.0.0/16"): .sendMapRequest])
        #expect(bench.itr.statistics[.recordOfStaticMapping] == 1)
        // Not once a round trip, whatever comes.
        #expect(throws: (any Error).self) { try bench.ask(from: "10.1.0.5", to: "10.9.0.0") }
        _ = bench.wait(.seconds(2))
        try bench.learn("10.9.5.0/24", rlocs: [secondProxy])
        #expect(bench.entries.count == 2)
    }

    @Test func `is not cleared by the operator, but goes with the configuration`() throws {
        let bench = Bench(settings(staticMappings: [Self.given("10.9.0.0/16")]))
        let cleared = bench.itr.clear([prefix("10.9.0.0/16")])
        #expect(cleared.count == 0)
        #expect(cleared.actions == [])
        bench.reconfigure(settings(staticMappings: [Self.given("10.9.0.0/16", secondProxy)]))
        #expect(Array(bench.locators.values) == [secondProxy])
        bench.reconfigure(settings())
        #expect(bench.entries.isEmpty)
        #expect(bench.locators.isEmpty)
        #expect(bench.remoteEIDs.isEmpty)
    }

    @Test func `outlives the answer to a question that was open when it came`() throws {
        let bench = Bench(settings())
        try bench.learn("10.9.0.0/16", rlocs: [secondProxy])
        let smr = MapRequest(
            isSMR: true,
            nonce: Nonce(rawValue: 1),
            sourceEID: .ip(IPAddress("10.9.0.1")!),
            itrRLOCs: [.ip(secondProxy)],
            records: [MapRequest.Record(prefix("10.9.0.0/16"))]
        )
        let asked = bench.take(
            bench.itr.receivedSMR(smr, from: secondProxy, now: bench.now, using: &bench.random)
        )
        var nonce: Nonce?
        for case .send(let datagram) in asked {
            guard case .encapsulated(let ecm) = try ControlMessage(decoding: datagram.payload),
                case .mapRequest(let request) = try ControlMessage(decoding: ecm.payload)
            else { continue }
            nonce = request.nonce
        }
        bench.reconfigure(settings(staticMappings: [Self.given("10.9.0.0/16")]))
        let halves = ["10.9.0.0/17", "10.9.128.0/17"].map { half in
            EIDRecord(
                eidPrefix: prefix(half),
                ttlMinutes: 15,
                locators: [LocatorRecord(priority: 1, weight: 1, isReachable: true, address: .ip(secondProxy))]
            )
        }
        let covering = EIDRecord(
            eidPrefix: prefix("10.8.0.0/15"),
            ttlMinutes: 15,
            action: .nativelyForward,
            locators: []
        )
        let reply = MapReply(nonce: try #require(nonce), records: [covering] + halves)
        bench.take(bench.itr.receivedMapReply(reply, from: .control(firstProxy), at: local, now: bench.now))
        #expect(bench.itr.cache[prefix("10.9.0.0/16")]?.isStatic == true)
    }

    @Test func `takes the place of one that was learnt`() throws {
        let bench = Bench(settings())
        try bench.learn("10.9.0.0/16", rlocs: [secondProxy])
        bench.reconfigure(settings(staticMappings: [Self.given("10.9.0.0/16")]))
        #expect(Array(bench.locators.values) == [firstProxy])
        _ = bench.wait(.seconds(16 * 60))
        #expect(bench.entries.count == 1)
    }
}
