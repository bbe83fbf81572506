// Whom an ETR tells that its mappings have changed, when, and how often (RFC 9301 section 6.1).

import ForwardingInterface
import LISPTables
import LISPWire
import SimulatedNetwork
import Testing

@testable import LISPControl

private let peer = IPAddress("198.51.100.2")!
private let other = IPAddress("198.51.100.3")!
private let first = eidPrefix("10.1.0.0/16")
private let second = eidPrefix("10.5.0.0/16")

/// A sender and its clock.
private final class Bench {
    var sender = SMRSender()
    var now = Instant.zero

    func changed(_ eids: [EIDPrefix], at rlocs: [IPAddress] = [peer]) {
        sender.changed(eids, at: rlocs, now: now)
    }

    /// What is sent during `duration`, each with the milliseconds since the start.
    func wait(_ duration: Duration) -> [(at: Int64, what: SMRSender.Solicitation)] {
        let end = now + duration
        var sent: [(at: Int64, what: SMRSender.Solicitation)] = []
        while let due = sender.deadline(), due <= end {
            now = max(now, due)
            sent += sender.timeout(now: now).map { (now.nanoseconds / 1_000_000, $0) }
        }
        now = end
        return sent
    }
}

@Suite struct `The sender of SMRs` {
    @Test func `tells each RLOC at once, and once more after 3 s if it has not asked`() {
        let bench = Bench()
        bench.changed([first], at: [peer, other])
        let sent = bench.wait(.seconds(1))
        #expect(Set(sent.map(\.what.rloc)) == [peer, other])
        #expect(sent.allSatisfy { $0.at == 0 && $0.what.eids == [first] && !$0.what.isRepeat })
        bench.sender.invoked(by: [other, IPAddress("2001:db8::3")!], eid: first)
        let again = bench.wait(.seconds(60))
        #expect(again.map(\.what.rloc) == [peer])
        #expect(again.map(\.at) == [3000])
        #expect(again.map(\.what.isRepeat) == [true])
        #expect(bench.sender.count == 0)
    }

    @Test func `names all changes in one SMR, and repeats each alone for those who read one record only`() {
        let bench = Bench()
        bench.changed([first, second])
        #expect(bench.wait(.seconds(1)).map(\.what.eids) == [[first, second]])
        let again = bench.wait(.seconds(60))
        #expect(again.map(\.what.eids) == [[first], [second]])
        #expect(again.map(\.at) == [3000, 6000])
    }

    @Test func `lets later changes wait their turn at an RLOC, merged`() {
        let bench = Bench()
        bench.changed([first])
        #expect(bench.wait(.milliseconds(500)).map(\.at) == [0])
        bench.changed([second], at: [peer])
        bench.now = bench.now + .milliseconds(500)
        bench.changed([first, second])
        let sent = bench.wait(.milliseconds(2500))
        #expect(sent.map(\.at) == [3000])
        #expect(sent.map(\.what.eids) == [[second, first]])
        #expect(sent.map(\.what.isRepeat) == [false])
        #expect(bench.sender.statistics[.paced] == 2)
    }

    @Test func `never sends two to one RLOC within 3 s, whatever changes`() {
        let bench = Bench()
        var last: [IPAddress: Int64] = [:]
        var random = SplitMix(seed: 3)
        for _ in 0..<500 {
            let eids = [first, second, eidPrefix("10.6.0.0/16")].filter { _ in Bool.random(using: &random) }
            bench.changed(eids, at: [peer, other].filter { _ in Bool.random(using: &random) })
            for sent in bench.wait(.milliseconds(Int64.random(in: 0...2000, using: &random))) {
                if let before = last[sent.what.rloc] { #expect(sent.at - before >= 3000) }
                last[sent.what.rloc] = sent.at
            }
        }
        #expect(last.count == 2)
    }

    @Test func `splits many changes by the room of a message and by instance`() {
        let bench = Bench()
        let many = (0..<40).map { eidPrefix("10.\($0).0.0/16") } + [eidPrefix("10.1.0.0/16", instance: 7)]
        bench.changed(many)
        let sent = bench.wait(.seconds(9)).filter { !$0.what.isRepeat }
        #expect(sent.map(\.at) == [0, 3000, 6000])
        #expect(sent.map(\.what.eids.count) == [32, 8, 1])
        #expect(Set(sent.flatMap(\.what.eids)) == Set(many))
        // Forty are repeated as many at a time.
        let again = bench.wait(.seconds(60))
        #expect(!again.isEmpty && again.allSatisfy { $0.what.isRepeat })
    }

    @Test func `reaches 5,000 RLOCs within a second, a slice at a time`() {
        let bench = Bench()
        let rlocs = (0..<5_000).map { IPAddress.v4(IPv4Address(0x0a00_0000 + UInt32($0))) }
        bench.changed([first], at: rlocs)
        let slice = bench.sender.timeout(now: bench.now)
        #expect(slice.count == SMRSender.sliceLimit)
        let rest = bench.wait(.seconds(1))
        #expect(Set((slice + rest.map(\.what)).map(\.rloc)) == Set(rlocs))
    }

    @Test func `holds no more than its limits, and counts what is beyond`() {
        let bench = Bench()
        bench.changed([first], at: (0..<10_001).map { IPAddress.v4(IPv4Address(0x0a00_0000 + UInt32($0))) })
        #expect(bench.sender.count == 10_000)
        #expect(bench.sender.statistics[.tooManyRLOCs] == 1)
        let narrow = Bench()
        narrow.changed((0..<300).map { eidPrefix("10.\($0 / 256).\($0 % 256).0/24") })
        #expect(narrow.sender.statistics[.tooManyPrefixes] == 44)
    }
}

@Suite struct `The message of an SMR` {
    private let rlocs = [IPAddress("198.51.100.1")!]

    private func message(_ eids: [EIDPrefix], itrEID: EIDPrefix? = nil, database: [EIDPrefix] = []) -> MapRequest {
        let locators = [DatabaseLocator(address: rlocs[0], priority: 1, weight: 100, isLocal: true)]
        return SMRSender.message(
            SMRSender.Solicitation(rloc: peer, eids: eids, isRepeat: false),
            itrEID: itrEID,
            database: Database(database.map { DatabaseMapping(eid: $0, ttlMinutes: 1, locators: locators) }),
            rlocs: rlocs,
            nonce: Nonce(rawValue: 5)
        )
    }

    @Test func `has S and D bits, our RLOCs, and an EID of the changed prefix as source`() {
        let request = message([first], database: [first])
        #expect(request.isSMR && request.dontMapReply && !request.isProbe && !request.isSMRInvoked)
        #expect(request.itrRLOCs == [.ip(rlocs[0])])
        #expect(request.sourceEID == .ip(IPAddress("10.1.0.0")!))
        #expect(request.records == [.init(first)])
    }

    @Test
    func `of one change names an EID-prefix of the receiver, as Open Overlay Router wants it; of several the changes`()
    {
        let theirs = eidPrefix("10.2.0.0/16")
        #expect(message([first], itrEID: theirs, database: [first]).records == [.init(theirs)])
        #expect(message([first, second], itrEID: theirs).records == [.init(first), .init(second)])
    }

    @Test func `takes no EID of a more-specific, whose mapping is another`() {
        let database = [first, eidPrefix("10.1.0.0/24"), eidPrefix("10.1.1.0/25"), eidPrefix("10.1.1.0/28")]
        #expect(message([first], database: database).sourceEID == .ip(IPAddress("10.1.1.128")!))
        // The whole of it is divided: no EID is right, so the first will do.
        let halves = [first, eidPrefix("10.1.0.0/17"), eidPrefix("10.1.128.0/17")]
        #expect(message([first], database: halves).sourceEID == .ip(IPAddress("10.1.0.0")!))
        let wide = eidPrefix("2001:db8::/32")
        let part = [wide, eidPrefix("2001:db8::/48")]
        #expect(message([wide], database: part).sourceEID == .ip(IPAddress("2001:db8:1::")!))
    }

    @Test func `of another instance says which`() {
        let red = eidPrefix("10.1.0.0/16", instance: 7)
        let request = message([red], database: [red])
        #expect(EID(request.sourceEID) == EID(instanceID: red.instanceID, IPAddress("10.1.0.0")!))
        #expect(request.records == [.init(red)])
    }
}

// MARK: Routers

@Suite struct `A site that changes` {
    private static func xtr(priority: UInt8, prefixes: [String] = ["10.2.0.0/16"], proxyReply: Bool = false)
        -> RouterSettings
    {
        var settings = Roles.xtr("198.51.100.2", prefixes, id: 2, proxyReply: proxyReply)
        let mappings = settings.etr?.mappings ?? []
        settings.etr?.mappings = mappings.map { mapping in
            var mapping = mapping
            for index in mapping.locators.indices { mapping.locators[index].priority = priority }
            return mapping
        }
        return settings
    }

    private func priorities(_ network: SimulatedNetwork, at name: String = "one") -> [UInt8]? {
        network[name]?.router.itr?.cache[eidPrefix("10.2.0.0/16")]?.locators.map(\.record.priority)
    }

    private func smrs(_ network: SimulatedNetwork, at name: String) throws -> [MapRequest] {
        try (network[name]?.heard ?? []).compactMap { payload in
            guard case .mapRequest(let request) = try ControlMessage(decoding: payload), request.isSMR else {
                return nil
            }
            return request
        }
    }

    @Test(arguments: [false, true])
    func `tells whom it sent data to, once the Map-Server knows, and they follow`(proxyReply: Bool) throws {
        let network = Roles.twoSites(proxyReply: proxyReply)
        network.packet(at: "two", from: "10.2.0.1", to: "10.1.0.1")
        network.packet(at: "one", from: "10.1.0.1", to: "10.2.0.1")
        network.run(.seconds(5))
        #expect(priorities(network) == [1])
        network.reconfigure("two", Self.xtr(priority: 7, proxyReply: proxyReply))
        network.run(.seconds(1))
        #expect(priorities(network) == [7])
        let heard = try smrs(network, at: "one")
        #expect(heard.count == 1)
        #expect(heard.first?.records == [.init(eidPrefix("10.1.0.0/16"))])
        #expect(heard.first?.sourceEID == .ip(IPAddress("10.2.0.0")!))
        // Where the Map-Server answers for us we do not hear that somebody asked.
        network.run(.seconds(20))
        #expect(try smrs(network, at: "one").count == (proxyReply ? 2 : 1))
        #expect(network["two"]?.router.smrPeers[IPAddress("198.51.100.1")!]?.invoked == (proxyReply ? 0 : 1))
    }

    @Test func `tells whom it only received data from, too`() throws {
        let network = Roles.twoSites()
        network.packet(at: "one", from: "10.1.0.1", to: "10.2.0.1")
        network.run(.seconds(1))
        #expect(network["two"]?.router.itr?.cache.count == 0)
        network.reconfigure("two", Self.xtr(priority: 7))
        network.run(.seconds(1))
        #expect(priorities(network) == [7])
        #expect(try smrs(network, at: "one").map(\.records) == [[.init(eidPrefix("10.2.0.0/16"))]])
    }

    @Test func `tells nobody whom it has had nothing to do with for a minute`() throws {
        let network = Roles.twoSites()
        network.packet(at: "one", from: "10.1.0.1", to: "10.2.0.1")
        network.run(.seconds(62))
        network.reconfigure("two", Self.xtr(priority: 7))
        network.run(.seconds(10))
        #expect(try smrs(network, at: "one").isEmpty)
        #expect(priorities(network) == [1])
    }

    @Test func `tells nobody when nothing changed`() throws {
        let network = Roles.twoSites()
        network.packet(at: "one", from: "10.1.0.1", to: "10.2.0.1")
        network.run(.seconds(1))
        network.reconfigure("two", Self.xtr(priority: 1))
        network.run(.seconds(10))
        #expect(try smrs(network, at: "one").isEmpty)
    }

    @Test func `that adds a more-specific, and withdraws all, is followed`() throws {
        let network = Roles.twoSites()
        func exchange() {
            network.packet(at: "one", from: "10.1.0.1", to: "10.2.0.1")
            network.run(.seconds(4))
        }
        exchange()
        network.reconfigure("two", Self.xtr(priority: 1, prefixes: ["10.2.0.0/16", "10.2.9.0/24"]))
        network.run(.seconds(1))
        let cache = { network["one"]?.router.itr?.cache }
        #expect(cache()?[eidPrefix("10.2.9.0/24")] != nil)
        exchange()
        network.reconfigure("two", Self.xtr(priority: 1, prefixes: ["10.2.0.0/16"]))
        network.run(.seconds(1))
        #expect(cache()?[eidPrefix("10.2.9.0/24")] == nil)
        exchange()
        network.reconfigure("two", Self.xtr(priority: 1, prefixes: []))
        network.run(.seconds(1))
        #expect(cache()?[eidPrefix("10.2.0.0/16")]?.isNegative == true)
    }

    @Test func `waits for the Map-Notify, but no longer than a quarter of a second`() throws {
        let network = Roles.twoSites()
        network.packet(at: "one", from: "10.1.0.1", to: "10.2.0.1")
        network.run(.seconds(1))
        let server = try #require(network["ms"])
        network.stop(server)
        network.reconfigure("two", Self.xtr(priority: 7))
        network.run(.milliseconds(249))
        #expect(try smrs(network, at: "one").isEmpty)
        network.run(.milliseconds(100))
        #expect(try smrs(network, at: "one").count == 1)
        // Told too early: once more when the Map-Server knows.
        network.run(.seconds(3))
        network.start(server)
        network.run(.seconds(12))
        #expect(priorities(network) == [7])
    }

    @Test func `beside its Map-Server is followed as well`() throws {
        let network = SimulatedNetwork.recording()
        network.add("all", ["192.0.2.53"], Roles.all)
        network.add("two", ["198.51.100.2"], Roles.xtr("198.51.100.2", ["10.2.0.0/16"], id: 2))
        network.run(.seconds(1))
        network.packet(at: "two", from: "10.2.0.1", to: "10.1.0.1")
        network.run(.seconds(5))
        var changed = Roles.all
        changed.etr?.mappings[0].locators[0].priority = 9
        network.reconfigure("all", changed)
        network.run(.seconds(1))
        let entry = network["two"]?.router.itr?.cache[eidPrefix("10.1.0.0/16")]
        #expect(entry?.locators.map(\.record.priority) == [9])
    }

    @Test func `does not tell itself, nor where nobody can be`() {
        var router = Router(Self.xtr(priority: 1), nextNonce: 1, now: .zero)
        var random = SplitMix(seed: 1)
        let peers = ["198.51.100.2", "127.0.0.1", "2001:db8::1", "224.0.0.1"].map {
            ForwardingPeer(rloc: IPAddress($0)!)
        }
        let actions = router.solicit([eidPrefix("10.2.0.0/16")], peers: peers, now: .zero, using: &random)
        #expect(actions.isEmpty)
    }

    @Test func `tells those of its instance only`() throws {
        var router = Router(Self.xtr(priority: 1), nextNonce: 1, now: .zero)
        var random = SplitMix(seed: 1)
        let red = InstanceID(uncheckedRawValue: 7)
        let peers = [
            ForwardingPeer(instanceID: .default, rloc: IPAddress("198.51.100.1")!),
            ForwardingPeer(instanceID: red, rloc: IPAddress("198.51.100.3")!),
            ForwardingPeer(instanceID: nil, rloc: IPAddress("198.51.100.4")!),
        ]
        let actions = router.solicit([eidPrefix("10.2.0.0/16")], peers: peers, now: .zero, using: &random)
        var told: [IPAddress] = []
        for case .send(let datagram) in actions { told.append(datagram.destination.address) }
        #expect(told == [IPAddress("198.51.100.1")!, IPAddress("198.51.100.4")!])
    }
}
