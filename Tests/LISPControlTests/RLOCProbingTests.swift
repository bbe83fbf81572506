import ForwardingInterface
import LISPTables
import LISPWire
import Testing

@testable import LISPControl

/// An ITR whose map-cache holds two EID-prefixes behind one RLOC and one behind another.
private final class ProbingITR {
    static let local = IPAddress("198.51.100.1")!
    static let first = IPAddress("192.0.2.1")!
    static let second = IPAddress("192.0.2.2")!

    var itr = ITR(
        settings: ITRSettings(
            mapResolvers: [IPAddress("203.0.113.53")!],
            rlocs: [local],
            rlocProbing: RLOCProbingSettings(isEnabled: true, interval: .seconds(2))
        )
    )
    var random = SplitMix(seed: 3)
    var now = Instant.zero
    private(set) var actions: [ITRAction] = []

    init() {
        learn("10.1.0.0/16", Self.first)
        learn("10.2.0.0/16", Self.first)
        learn("10.3.0.0/16", Self.second)
        actions = []
    }

    private func learn(_ prefix: String, _ rloc: IPAddress) {
        let eid = eidPrefix(prefix)
        let host = EID(instanceID: .default, eid.prefix.address)
        let miss = ForwardingMiss(source: host, destination: host, packet: [])
        for case .send(let datagram) in itr.missed(miss, now: now, using: &random) {
            guard case .encapsulated(let ecm)? = try? ControlMessage(decoding: datagram.payload),
                case .mapRequest(let request)? = try? ControlMessage(decoding: ecm.payload)
            else { continue }
            let record = EIDRecord(
                eid: LISPAddress(eidPrefix: eid),
                maskLength: eid.prefix.length,
                ttlMinutes: 1440,
                isAuthoritative: true,
                locators: [LocatorRecord(priority: 1, weight: 100, isReachable: true, address: .ip(rloc))]
            )
            let reply = MapReply(nonce: request.nonce, records: [record])
            _ = itr.receivedMapReply(reply, from: .control(rloc), at: Self.local, now: now)
        }
    }

    /// Answers what is being asked for the EID-prefix of an entry.
    func relearn(_ prefix: String, _ rloc: IPAddress) {
        let eid = eidPrefix(prefix)
        guard let question = itr.questions[eid], let nonce = question.nonces.last?.nonce else {
            Issue.record("nothing is asked")
            return
        }
        let locator = LocatorRecord(priority: 1, weight: 100, isReachable: true, address: .ip(rloc))
        let record = EIDRecord(eidPrefix: eid, ttlMinutes: 1440, locators: [locator])
        let reply = MapReply(nonce: nonce, records: [record])
        _ = itr.receivedMapReply(reply, from: .control(rloc), at: Self.local, now: now)
    }

    /// Lets time pass; returns what the ITR did.
    func run(_ duration: Duration) -> [ITRAction] {
        let end = now + duration
        actions = []
        while let due = itr.deadline(), due <= end {
            now = max(now, due)
            actions += itr.timeout(now: now, using: &random) { _ in 0 }
        }
        now = end
        return actions
    }

    /// Runs until a probe to `rloc` leaves.
    func probe(to rloc: IPAddress) -> MapRequest? {
        for _ in 0..<300 {
            for case .send(let datagram) in run(.milliseconds(10)) where datagram.destination == .control(rloc) {
                guard case .mapRequest(let request)? = try? ControlMessage(decoding: datagram.payload) else { continue }
                return request
            }
        }
        return nil
    }

    func answer(
        _ probe: MapRequest,
        p rloc: IPAddress,
        isAuthoritative: Bool = true,
        at local: IPAddress = local
    ) -> [ITRAction] {
        let locator = LocatorRecord(
            priority: 1,
            weight: 100,
            isLocal: true,
            isProbed: true,
            isReachable: true,
            address: .ip(rloc)
        )
        let record = EIDRecord(
            eid: probe.records[0].eid,
            maskLength: probe.records[0].maskLength,
            ttlMinutes: 1440,
            isAuthoritative: isAuthoritative,
            locators: [locator]
        )
        let reply = MapReply(isProbe: true, nonce: probe.nonce, records: [record])
        return itr.receivedMapReply(reply, from: .control(rloc), at: local, now: now)
    }

    /// The `up` of every change of `rloc` in the forwarding state.
    static func turns(of rloc: IPAddress, in actions: [ITRAction]) -> [Bool] {
        actions.flatMap { action -> [Bool] in
            guard case .forwarding(let updates) = action else { return [] }
            return updates.compactMap { update in
                if case .putLocator(_, rloc, _, let up, _) = update { up } else { nil }
            }
        }
    }
}

/// The EID-prefixes that Map-Requests among the actions ask the mapping system for.
private func asked(_ actions: [ITRAction]) -> [EIDPrefix] {
    actions.compactMap { action in
        guard case .send(let datagram) = action,
            case .encapsulated(let ecm)? = try? ControlMessage(decoding: datagram.payload),
            case .mapRequest(let request)? = try? ControlMessage(decoding: ecm.payload)
        else { return nil }
        return request.records.first?.eidPrefix
    }
}

struct RLOCProbingTests {
    @Test func `an entry without an RLOC that is up is asked for again, every 15 s while packets want it`() {
        let bench = ProbingITR()
        func strand(_ destination: String) -> [EIDPrefix] {
            let miss = ForwardingMiss(
                source: EID(IPAddress("10.9.0.1")!),
                destination: EID(IPAddress(destination)!),
                packet: [],
                isStranded: true
            )
            return asked(bench.itr.missed(miss, now: bench.now, using: &bench.random))
        }
        _ = bench.run(.seconds(8))
        #expect(!bench.itr.isUp(ProbingITR.first))
        // What has just been learnt is not doubted.
        #expect(strand("10.1.0.1").isEmpty)
        _ = bench.run(.seconds(8))
        #expect(strand("10.1.0.1") == [eidPrefix("10.1.0.0/16")])
        #expect(strand("10.1.0.2").isEmpty)
        #expect(strand("10.2.0.1") == [eidPrefix("10.2.0.0/16")])
        #expect(bench.itr.statistics[.strandedRequests] == 2)
        // The mapping system says the same once more: then it rests.
        bench.relearn("10.1.0.0/16", ProbingITR.first)
        #expect(strand("10.1.0.1").isEmpty)
        _ = bench.run(.seconds(15))
        #expect(strand("10.1.0.1") == [eidPrefix("10.1.0.0/16")])
        // The site has moved.
        bench.relearn("10.1.0.0/16", IPAddress("192.0.2.9")!)
        _ = bench.run(.milliseconds(100))
        #expect(strand("10.1.0.1").isEmpty)
    }

    @Test func `a probe goes straight to the RLOC and names an EID-prefix that is reached there`() {
        let bench = ProbingITR()
        let probe = bench.probe(to: ProbingITR.first)
        #expect(probe?.isProbe == true)
        #expect(probe?.itrRLOCs == [.ip(ProbingITR.local)])
        #expect([eidPrefix("10.1.0.0/16"), eidPrefix("10.2.0.0/16")].contains(probe?.records.first?.eidPrefix))
        #expect(bench.probe(to: ProbingITR.second)?.records.first?.eidPrefix == eidPrefix("10.3.0.0/16"))
    }

    @Test func `one probe serves all entries of an RLOC`() {
        let bench = ProbingITR()
        let sent = bench.run(.seconds(1)).filter { if case .send = $0 { true } else { false } }
        #expect(sent.count == 2)
    }

    @Test func `a silent RLOC leaves the forwarding state in one change and comes back after two answers`() {
        let bench = ProbingITR()
        let actions = bench.run(.seconds(8))
        #expect(ProbingITR.turns(of: ProbingITR.first, in: actions) == [false])
        #expect(actions.contains(.locatorTurned(ProbingITR.first, isUp: false)))
        #expect(bench.itr.cache.count == 3)

        for isLast in [false, true] {
            guard let probe = bench.probe(to: ProbingITR.first) else {
                Issue.record("no probe")
                return
            }
            let answer = bench.answer(probe, p: ProbingITR.first)
            #expect(ProbingITR.turns(of: ProbingITR.first, in: answer) == (isLast ? [true] : []))
        }
    }

    @Test func `believes an answer only by nonce, address, A-bit and p-bit`() {
        let bench = ProbingITR()
        guard var probe = bench.probe(to: ProbingITR.first) else {
            Issue.record("no probe")
            return
        }
        let nonce = probe.nonce
        probe.nonce = Nonce(rawValue: nonce.rawValue &+ 1)
        _ = bench.answer(probe, p: ProbingITR.first)
        probe.nonce = nonce
        _ = bench.answer(probe, p: ProbingITR.first, at: IPAddress("198.51.100.9")!)
        _ = bench.answer(probe, p: ProbingITR.first, isAuthoritative: false)
        _ = bench.answer(probe, p: ProbingITR.second)
        #expect(bench.itr.prober[ProbingITR.first]?.probesAnswered == 0)
        #expect(bench.itr.statistics[.probeReplyUnsolicited] == 1)
        #expect(bench.itr.statistics[.mapReplyWrongAddress] == 1)
        #expect(bench.itr.statistics[.probeReplyNotAuthoritative] == 1)
        #expect(bench.itr.statistics[.probeReplyOtherLocator] == 1)
        _ = bench.answer(probe, p: ProbingITR.first)
        #expect(bench.itr.prober[ProbingITR.first]?.probesAnswered == 1)
    }

    @Test func `an RLOC whose entries are gone is not probed`() {
        let bench = ProbingITR()
        _ = bench.itr.clear([eidPrefix("10.1.0.0/16"), eidPrefix("10.2.0.0/16")])
        #expect(bench.probe(to: ProbingITR.first) == nil)
        #expect(bench.probe(to: ProbingITR.second) != nil)
    }

    @Test func `when the entry that was named goes, another is`() {
        let bench = ProbingITR()
        _ = bench.itr.clear([eidPrefix("10.2.0.0/16")])
        #expect(bench.probe(to: ProbingITR.first)?.records.first?.eidPrefix == eidPrefix("10.1.0.0/16"))
    }

    @Test func `a changed way makes doubtful what it leads to, and no more`() {
        let bench = ProbingITR()
        // The first probes go unanswered; at the end of a second both RLOCs rest for a while.
        for rloc in [ProbingITR.first, ProbingITR.second] {
            guard let probe = bench.probe(to: rloc) else {
                Issue.record("no probe")
                return
            }
            _ = bench.answer(probe, p: rloc)
        }
        bench.itr.pathsChanged(to: [IPPrefix("192.0.2.2/31")!, IPPrefix("198.51.100.0/24")!], now: bench.now)
        let destinations = bench.run(.milliseconds(1)).compactMap { action -> IPAddress? in
            if case .send(let datagram) = action { datagram.destination.address } else { nil }
        }
        #expect(destinations == [ProbingITR.second])
        bench.itr.pathsChanged(to: [IPPrefix("0.0.0.0/0")!, IPPrefix("::/0")!], now: bench.now)
        let all = bench.run(.seconds(1)).compactMap { action -> IPAddress? in
            if case .send(let datagram) = action { datagram.destination.address } else { nil }
        }
        #expect(Set(all) == [ProbingITR.first, ProbingITR.second])
    }

    /// The path MTU and whether it is up, of every change of an RLOC in the forwarding state.
    private func states(of rloc: IPAddress, in actions: [ITRAction]) -> [String] {
        actions.flatMap { action -> [String] in
            guard case .forwarding(let updates) = action else { return [] }
            return updates.compactMap { update in
                if case .putLocator(_, rloc, _, let up, let mtu) = update {
                    "\(up ? "up" : "down") \(mtu)"
                } else {
                    nil
                }
            }
        }
    }

    @Test func `a path MTU lasts through down and up, and its end leaves a dead RLOC dead`() {
        let bench = ProbingITR()
        let learnt = bench.itr.packetTooBig(ProbingITR.first, mtu: 1300, now: bench.now)
        #expect(states(of: ProbingITR.first, in: learnt) == ["up 1300"])
        #expect(learnt.contains(.pathMTUChanged(ProbingITR.first, 1300)))
        #expect(bench.itr.packetTooBig(ProbingITR.first, mtu: 1400, now: bench.now).isEmpty)
        #expect(bench.itr.statistics[.pathMTUIgnored] == 1)
        #expect(states(of: ProbingITR.first, in: bench.run(.seconds(8))) == ["down 1300"])
        for isLast in [false, true] {
            guard let probe = bench.probe(to: ProbingITR.first) else {
                Issue.record("no probe")
                return
            }
            let answer = bench.answer(probe, p: ProbingITR.first)
            #expect(states(of: ProbingITR.first, in: answer) == (isLast ? ["up 1300"] : []))
        }
        // It dies again; ten minutes are over some time after.
        let later = bench.run(.seconds(600))
        #expect(states(of: ProbingITR.first, in: later) == ["down 1300", "down 0"])
        #expect(later.contains(.pathMTUChanged(ProbingITR.first, nil)))
    }

    @Test func `a path MTU goes with the last entry of its RLOC; an RLOC that is not in use has none`() {
        let bench = ProbingITR()
        #expect(bench.itr.packetTooBig(IPAddress("192.0.2.99")!, mtu: 1300, now: bench.now).isEmpty)
        _ = bench.itr.packetTooBig(ProbingITR.second, mtu: 1300, now: bench.now)
        #expect(bench.itr.pathMTU[ProbingITR.second] == 1300)
        _ = bench.itr.clear([eidPrefix("10.3.0.0/16")])
        #expect(bench.itr.pathMTU[ProbingITR.second] == nil)
    }

    @Test func `switched off, every RLOC is used again`() {
        let bench = ProbingITR()
        _ = bench.run(.seconds(8))
        var settings = bench.itr.settings
        settings.rlocProbing.isEnabled = false
        let actions = bench.itr.reconfigure(settings, now: bench.now)
        #expect(ProbingITR.turns(of: ProbingITR.first, in: actions) == [true])
        #expect(bench.probe(to: ProbingITR.first) == nil)
    }
}
