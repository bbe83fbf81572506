// What the ITR makes of echoes: whom it asks, what it tells the forwarding state, and how that goes with RLOC-probing.

import ForwardingInterface
import LISPTables
import LISPWire
import Testing

@testable import LISPControl

/// An ITR with one mapping behind two RLOCs, and packets that flow to the first and back every 100 ms.
private final class EchoITR {
    static let local = IPAddress("198.51.100.1")!
    static let first = IPAddress("192.0.2.1")!
    static let second = IPAddress("192.0.2.2")!

    var itr: ITR
    var random = SplitMix(seed: 5)
    var now = Instant.zero
    var echoes = true
    private var counters: [LocatorID: EchoCounters] = [:]
    /// Locators that are asked for an echo, as the forwarding state knows it.
    private(set) var asked: Set<LocatorID> = []

    init(probing: Bool = false) {
        itr = ITR(
            settings: ITRSettings(
                mapResolvers: [IPAddress("203.0.113.53")!],
                rlocs: [Self.local],
                rlocProbing: RLOCProbingSettings(isEnabled: probing, interval: .seconds(60)),
                echoNonce: true
            )
        )
    }

    /// Asks for a mapping, which is answered so.
    func learn(_ prefix: String = "10.1.0.0/16", isEchoNonceCapable: Bool, isAuthoritative: Bool = true) -> [ITRAction]
    {
        let eid = EIDPrefix(IPPrefix(prefix)!)
        let host = EID(instanceID: .default, eid.prefix.address)
        let miss = ForwardingMiss(source: host, destination: host, packet: [])
        var actions: [ITRAction] = []
        for case .send(let datagram) in itr.missed(miss, now: now, using: &random) {
            guard case .encapsulated(let ecm)? = try? ControlMessage(decoding: datagram.payload),
                case .mapRequest(let request)? = try? ControlMessage(decoding: ecm.payload)
            else { continue }
            let locators = [Self.first, Self.second].enumerated().map {
                LocatorRecord(priority: UInt8($0.offset + 1), weight: 100, address: .ip($0.element))
            }
            let record = EIDRecord(
                eid: LISPAddress(eidPrefix: eid),
                maskLength: eid.prefix.length,
                ttlMinutes: 1440,
                isAuthoritative: isAuthoritative,
                locators: locators
            )
            let reply = MapReply(isEchoNonceCapable: isEchoNonceCapable, nonce: request.nonce, records: [record])
            actions += itr.receivedMapReply(reply, from: .control(Self.first), at: Self.local, now: now)
        }
        return actions
    }

    func run(_ duration: Duration) -> [ITRAction] {
        let end = now + duration
        var actions: [ITRAction] = []
        while now < end {
            now = now + .milliseconds(100)
            flow()
            while let due = itr.deadline(), due <= now {
                let done = itr.timeout(now: now, using: &random) { _ in
                    0
                } echoes: {
                    counters[$0]
                }
                note(done)
                actions += done
            }
        }
        return actions
    }

    private func flow() {
        guard let id = itr.locators[Self.first], itr.isUp(Self.first) else { return }
        counters[id, default: EchoCounters()].sent += 1
        counters[id]?.received += 1
        guard asked.contains(id) else { return }
        counters[id]?.requested += 1
        if echoes { counters[id]?.matched += 1 }
    }

    private func note(_ actions: [ITRAction]) {
        for case .forwarding(let updates) in actions {
            for case .requestEcho(let id, let nonce) in updates {
                if nonce == nil { asked.remove(id) } else { asked.insert(id) }
            }
        }
    }
}

private func updates(_ actions: [ITRAction]) -> [ForwardingUpdate] {
    actions.flatMap { action -> [ForwardingUpdate] in
        if case .forwarding(let updates) = action { updates } else { [] }
    }
}

private func requests(_ actions: [ITRAction]) -> [(LocatorID, UInt32?)] {
    updates(actions).compactMap { update in
        if case .requestEcho(let id, let nonce) = update { (id, nonce) } else { nil }
    }
}

private func turns(_ actions: [ITRAction], of rloc: IPAddress) -> [Bool] {
    updates(actions).compactMap { update in
        if case .putLocator(_, rloc, _, let up, _) = update { up } else { nil }
    }
}

@Suite struct `The ITR and echoes` {
    @Test func `asks RLOCs of sites whose Map-Reply has the E-bit, and only those with packets`() throws {
        let bench = EchoITR()
        _ = bench.learn(isEchoNonceCapable: true)
        let asked = requests(bench.run(.seconds(5)))
        let id = try #require(bench.itr.locators[EchoITR.first])
        #expect(asked.map(\.0) == [id, id])
        #expect(asked[0].1 != nil && asked[1].1 == nil)
        #expect(bench.itr.statistics[.echoesSeen] == 1)
        #expect(bench.itr.noncer[EchoITR.first]?.lastEchoed != nil)
        #expect(bench.itr.noncer[EchoITR.second]?.state == .resting)
    }

    @Test func `asks nobody without the E-bit`() {
        let bench = EchoITR()
        _ = bench.learn(isEchoNonceCapable: false)
        #expect(requests(bench.run(.seconds(30))).isEmpty)
        #expect(bench.itr.noncer[EchoITR.first]?.state == .notCapable)
    }

    @Test func `only an ETR takes the E-bit back, not a Map-Server that answers for it`() {
        let bench = EchoITR()
        _ = bench.learn(isEchoNonceCapable: true)
        _ = bench.learn("10.2.0.0/16", isEchoNonceCapable: false, isAuthoritative: false)
        #expect(bench.itr.noncer[EchoITR.first]?.state == .resting)
        _ = bench.learn("10.3.0.0/16", isEchoNonceCapable: false)
        #expect(bench.itr.noncer[EchoITR.first]?.state == .notCapable)
    }

    @Test func `an answer to a probe has the word, too`() throws {
        let bench = EchoITR(probing: true)
        _ = bench.learn(isEchoNonceCapable: false)
        var sent: [MapRequest] = []
        for case .send(let datagram) in bench.run(.seconds(2)) where datagram.destination == .control(EchoITR.first) {
            if case .mapRequest(let request)? = try? ControlMessage(decoding: datagram.payload) { sent.append(request) }
        }
        let probe = try #require(sent.first)
        let locator = LocatorRecord(priority: 1, weight: 100, isProbed: true, address: .ip(EchoITR.first))
        let record = EIDRecord(
            eid: probe.records[0].eid,
            maskLength: probe.records[0].maskLength,
            ttlMinutes: 1440,
            isAuthoritative: true,
            locators: [locator]
        )
        let reply = MapReply(isProbe: true, isEchoNonceCapable: true, nonce: probe.nonce, records: [record])
        _ = bench.itr.receivedMapReply(reply, from: .control(EchoITR.first), at: EchoITR.local, now: bench.now)
        #expect(bench.itr.noncer[EchoITR.first]?.state == .resting)
        #expect(bench.itr.noncer[EchoITR.second]?.state == .notCapable)
    }

    @Test func `without probing an RLOC that does not echo is taken out of use, tried again and taken back`() {
        let bench = EchoITR()
        _ = bench.learn(isEchoNonceCapable: true)
        bench.echoes = false
        let first = bench.run(.seconds(20))
        #expect(turns(first, of: EchoITR.first) == [false])
        #expect(first.contains(.headerHint(.echoesMissing(EchoITR.first))))
        #expect(!bench.itr.isUp(EchoITR.first))
        #expect(bench.itr.statistics[.locatorsWithoutEchoes] == 1)
        bench.echoes = true
        let second = bench.run(.seconds(40))
        #expect(turns(second, of: EchoITR.first) == [true])
        #expect(second.contains(.headerHint(.onTrial(EchoITR.first))))
        #expect(turns(bench.run(.seconds(60)), of: EchoITR.first).isEmpty)
        #expect(bench.itr.isUp(EchoITR.first))
    }

    @Test func `with probing a missing echo has the RLOC probed, and that decides`() {
        let bench = EchoITR(probing: true)
        _ = bench.learn(isEchoNonceCapable: true)
        bench.echoes = false
        // Neither probe nor nonce is answered: the doubt cuts the interval of 60 s short.
        let actions = bench.run(.seconds(12))
        #expect(bench.itr.statistics[.echoesMissed] >= 1)
        #expect(turns(actions, of: EchoITR.first) == [false])
        #expect(actions.contains(.locatorTurned(EchoITR.first, isUp: false)))
        #expect(!actions.contains(.headerHint(.echoesMissing(EchoITR.first))))
    }

    @Test func `switched off by a reload it asks no more and takes back what it decided, and the cache stays`() {
        let bench = EchoITR()
        _ = bench.learn(isEchoNonceCapable: true)
        bench.echoes = false
        _ = bench.run(.seconds(20))
        #expect(!bench.itr.isUp(EchoITR.first))
        var settings = bench.itr.settings
        settings.echoNonce = false
        #expect(turns(bench.itr.reconfigure(settings, now: bench.now), of: EchoITR.first) == [true])
        #expect(requests(bench.run(.seconds(60))).isEmpty)
        #expect(bench.itr.cache.count == 1)
        settings.echoNonce = true
        _ = bench.itr.reconfigure(settings, now: bench.now)
        // What its site said is not forgotten.
        #expect(requests(bench.run(.seconds(11))).count >= 1)
    }

    @Test func `an RLOC whose entries are gone is asked no more`() {
        let bench = EchoITR()
        _ = bench.learn(isEchoNonceCapable: true)
        _ = bench.itr.clear([EIDPrefix(IPPrefix("10.1.0.0/16")!)])
        #expect(bench.itr.noncer[EchoITR.first] == nil)
        #expect(requests(bench.run(.seconds(30))).isEmpty)
    }
}
