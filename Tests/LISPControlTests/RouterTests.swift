// Whole routers talking to each other on a virtual clock, and one router talked to by strangers.

import ForwardingInterface
import LISPTables
import LISPWire
import SimulatedNetwork
import Testing

@testable import LISPControl

private func address(_ text: String) -> IPAddress { IPAddress(text)! }

@Suite struct `Routers between them` {
    @Test func `resolve and deliver the first packets, none lost`() throws {
        let network = Roles.twoSites()
        #expect(network.isRegistered("10.1.0.0/16", at: "ms") && network.isRegistered("10.2.0.0/16", at: "ms"))
        for host in 1...5 { network.packet(at: "one", from: "10.1.0.1", to: "10.2.0.\(host)") }
        network.packet(at: "one", from: "10.1.0.1", to: "10.2.0.1")
        network.run(.seconds(1))
        let arrived = try #require(network["two"]).arrived
        #expect(arrived.map(\.description).sorted() == (["10.2.0.1"] + (1...5).map { "10.2.0.\($0)" }).sorted())
        let itr = try #require(network["one"]?.router.itr)
        let entry = try #require(itr.cache[eidPrefix("10.2.0.0/16")])
        #expect(entry.isAuthoritative && entry.source == address("198.51.100.2"))
        #expect(itr.cache.count == 1)
        #expect(itr.resolvers[0].isUp)
        for name in ["one", "two"] { #expect(network[name]?.plane.faults == []) }
    }

    @Test func `all in one: it registers with itself, asks itself and answers others`() throws {
        let network = SimulatedNetwork.recording()
        network.add("all", ["192.0.2.53"], Roles.all)
        network.add("two", ["198.51.100.2"], Roles.xtr("198.51.100.2", ["10.2.0.0/16"], id: 2))
        network.run(.seconds(1))
        #expect(network.isRegistered("10.1.0.0/16", at: "all") && network.isRegistered("10.2.0.0/16", at: "all"))
        network.packet(at: "all", from: "10.1.0.1", to: "10.2.0.1")
        network.packet(at: "two", from: "10.2.0.1", to: "10.1.0.1")
        network.packet(at: "all", from: "10.1.0.1", to: "10.77.0.1")
        network.run(.seconds(1))
        #expect(network["two"]?.arrived == [address("10.2.0.1")])
        #expect(network["all"]?.arrived == [address("10.1.0.1")])
        #expect(network["all"]?.sentNatively == [address("10.77.0.1")])
        #expect(network["two"]?.router.itr?.cache[eidPrefix("10.1.0.0/16")]?.isAuthoritative == true)
    }

    @Test func `all in one: a mapping that is divided is told to whoever refreshes the old one`() throws {
        let network = SimulatedNetwork.recording()
        network.add("all", ["192.0.2.53"], Roles.all)
        network.add("two", ["198.51.100.2"], Roles.xtr("198.51.100.2", ["10.2.0.0/16"], id: 2))
        network.run(.seconds(1))
        network.packet(at: "two", from: "10.2.0.1", to: "10.1.0.1")
        network.run(.seconds(1))
        var divided = Roles.all
        divided.etr = Roles.etr("192.0.2.53", ["10.1.0.0/24"], id: 1)
        network.reconfigure("all", divided)
        network.run(.seconds(6))
        let itr = try #require(network["two"]?.router.itr)
        #expect(itr.cache[eidPrefix("10.1.0.0/16")] == nil)
        #expect(itr.cache[eidPrefix("10.1.0.0/24")]?.isNegative == false)
    }

    /// How long a site that was cut off for three minutes takes to be registered again; its backoff is a minute by then.
    private func returnAfterCut(hint: (SimulatedNetwork) -> Void) throws -> Duration {
        let network = Roles.twoSites()
        let one = try #require(network["one"])
        network.run(.seconds(400))
        network.separate([one], as: 1)
        for _ in 0..<4 {
            network.packet(at: "one", from: "10.1.0.1", to: "10.2.0.1")
            network.run(.seconds(45))
        }
        let healed = network.now
        network.heal()
        hint(network)
        for _ in 0..<70 where one.router.etr?.registrars[0].lastAcknowledged ?? .zero < healed {
            network.run(.seconds(1))
        }
        return healed.duration(to: network.now)
    }

    @Test func `a site that was cut off registers as soon as a Map-Resolver answers it again`() throws {
        #expect(try returnAfterCut { _ in } > .seconds(10))
        let answered = try returnAfterCut { $0.packet(at: "one", from: "10.1.0.1", to: "10.2.0.9") }
        #expect(answered < .seconds(7))
    }

    @Test func `what nobody has acknowledged goes out when the paths of this host have changed`() {
        var router = Router(Roles.xtr("198.51.100.1", ["10.1.0.0/16"], id: 1), nextNonce: 1, now: .zero)
        var random = SplitMix(seed: 1)
        while let due = router.deadline(), due <= .zero + .seconds(65) {
            _ = router.timeout(now: due, using: &random) { _ in 0 }
        }
        #expect(router.deadline() == .zero + .seconds(123))
        router.pathsChanged(to: [IPPrefix("0.0.0.0/0")!], now: .zero + .seconds(70))
        #expect(router.deadline() == .zero + .seconds(70))
    }

    @Test func `a site that turns to another address of its Map-Server stays registered there`() throws {
        let network = SimulatedNetwork.recording()
        network.add("ms", ["192.0.2.53", "192.0.2.54"], Roles.mappingSystem)
        network.add("one", ["198.51.100.1"], Roles.xtr("198.51.100.1", ["10.1.0.0/16"], id: 1))
        network.run(.seconds(400))
        var settings = Roles.xtr("198.51.100.1", ["10.1.0.0/16"], id: 1)
        settings.etr?.mapServers = [MapServerPeer(address: address("192.0.2.54"), keys: [Roles.key])]
        network.reconfigure("one", settings)
        network.run(.seconds(2))
        #expect(network.isRegistered("10.1.0.0/16", at: "ms"))
        let registrars = try #require(network["one"]?.router.etr?.registrars)
        #expect(registrars.map(\.peer.address) == [address("192.0.2.54")])
        #expect(registrars[0].isUp)
    }

    @Test func `a Map-Server that restarts is registered with again, and still refuses what was replayed`() throws {
        let network = Roles.twoSites()
        network.run(.seconds(400))
        let old = try #require(network["ms"])
        network.stop(old)
        let replay = try #require(old.heard.first { ControlMessageKind(payload: $0) == .mapRegister })
        network.run(.seconds(200))
        #expect(network["one"]?.router.etr?.registrars[0].isUp == false)
        let nonces = try #require(old.router.mapServer).nonces
        #expect(nonces.count > 0)
        network.start(old, keepingState: true)
        network.deliver(replay, to: "ms", from: .control(address("198.51.100.1")))
        #expect(!network.isRegistered("10.1.0.0/16", at: "ms"))
        network.run(.seconds(61))
        #expect(network.isRegistered("10.1.0.0/16", at: "ms") && network.isRegistered("10.2.0.0/16", at: "ms"))
        #expect(network["one"]?.router.etr?.registrars[0].isUp == true)
    }

    @Test func `negative replies send packets natively and end by their TTL`() throws {
        let network = Roles.twoSites()
        network.packet(at: "one", from: "10.1.0.1", to: "10.77.0.1")
        network.packet(at: "one", from: "10.1.0.1", to: "10.3.0.1")
        network.run(.seconds(1))
        #expect(network["one"]?.sentNatively.map(\.description).sorted() == ["10.3.0.1", "10.77.0.1"])
        let itr = try #require(network["one"]?.router.itr)
        let unconfigured = try #require(itr.cache.longestMatch(EID(address("10.77.0.1"))))
        #expect(unconfigured.refreshed.duration(to: unconfigured.expires) == .seconds(900))
        let unregistered = try #require(itr.cache.longestMatch(EID(address("10.3.0.1"))))
        #expect(unregistered.refreshed.duration(to: unregistered.expires) == .seconds(60))
        network.run(.seconds(901))
        #expect(network["one"]?.router.itr?.cache.count == 0)
        #expect(network["one"]?.plane.isEmpty == true)
    }

    @Test func `a proxy reply is the Map-Server's own and not authoritative`() throws {
        let network = Roles.twoSites(proxyReply: true)
        network.packet(at: "one", from: "10.1.0.1", to: "10.2.0.1")
        network.run(.seconds(1))
        #expect(network["two"]?.arrived == [address("10.2.0.1")])
        let entry = try #require(network["one"]?.router.itr?.cache[eidPrefix("10.2.0.0/16")])
        #expect(!entry.isAuthoritative && entry.source == mapServerAddress)
        #expect(entry.locators.allSatisfy { !$0.record.isLocal })
        #expect(network["two"]?.router.received[.encapsulated] == 0)
    }

    @Test(arguments: 1...8)
    func `lossy links converge, and traffic never meets a gap afterwards`(seed: UInt64) throws {
        let network = Roles.twoSites(seed: seed, ttl: 2)
        network.conditions.loss = 400
        for _ in 0..<100 {
            network.packet(at: "one", from: "10.1.0.1", to: "10.2.0.1")
            network.packet(at: "two", from: "10.2.0.1", to: "10.1.0.1")
            network.run(.seconds(6))
        }
        #expect(network.counts.datagramsLost > 50)
        network.conditions.loss = 0
        network.run(.seconds(70))
        #expect(network.isRegistered("10.1.0.0/16", at: "ms") && network.isRegistered("10.2.0.0/16", at: "ms"))
        let before = try #require(network["two"]).arrived.count
        for _ in 0..<1000 {
            network.packet(at: "one", from: "10.1.0.1", to: "10.2.0.1")
            network.run(.milliseconds(600))
        }
        #expect(network["two"]?.arrived.count == before + 1000)
        #expect(network["one"]?.router.itr?.statistics[.expirations] ?? 0 <= 20)
        for name in ["one", "two"] { #expect(network[name]?.plane.faults == []) }
    }

    @Test func `a more-specific that a site adds is learnt at the refresh, at the first address too`() throws {
        let network = Roles.twoSites(ttl: 2)
        network.packet(at: "one", from: "10.1.0.1", to: "10.2.0.1")
        network.run(.seconds(1))
        network.reconfigure("two", Roles.xtr("198.51.100.2", ["10.2.0.0/16", "10.2.0.0/24"], id: 2, ttl: 2))
        for _ in 0..<600 {
            network.packet(at: "one", from: "10.1.0.1", to: "10.2.9.1")
            network.run(.milliseconds(500))
        }
        let itr = try #require(network["one"]?.router.itr)
        #expect(itr.cache[eidPrefix("10.2.0.0/16")] != nil)
        #expect(itr.cache[eidPrefix("10.2.0.0/24")] != nil)
        #expect(itr.statistics[.expirations] == 0)
        #expect(itr.statistics[.mapReplyWrongRecords] == 0)
    }

    @Test func `roles that go take everything of theirs out of the forwarding state, and come back clean`() throws {
        let network = Roles.twoSites()
        let settings = Roles.xtr("198.51.100.1", ["10.1.0.0/16"], id: 1)
        network.packet(at: "one", from: "10.1.0.1", to: "10.2.0.1")
        network.packet(at: "one", from: "10.1.0.1", to: "10.77.0.1")
        network.run(.seconds(1))
        #expect(network["one"]?.plane.isEmpty == false)
        network.reconfigure("one", RouterSettings())
        network.run(.seconds(1))
        #expect(network["one"]?.plane.isEmpty == true)
        #expect(!network.isRegistered("10.1.0.0/16", at: "ms"))
        network.reconfigure("one", settings)
        network.run(.seconds(1))
        #expect(network.isRegistered("10.1.0.0/16", at: "ms"))
        network.packet(at: "one", from: "10.1.0.1", to: "10.2.0.1")
        network.run(.seconds(1))
        #expect(network["two"]?.arrived.count == 2)
        #expect(network["one"]?.plane.faults == [])
    }

    @Test func `a Map-Server whose role goes and comes back remembers the nonces that were saved`() throws {
        let network = Roles.twoSites()
        let server = try #require(network["ms"])
        let saved = try #require(server.router.mapServer).nonces
        var router = server.router
        var random = SplitMix(seed: 3)
        let now = network.now
        _ = router.reconfigure(RouterSettings(), nextNonce: 1, nonces: { saved }, now: now, using: &random)
        #expect(router.mapServer == nil)
        _ = router.reconfigure(Roles.mappingSystem, nextNonce: 1, nonces: { saved }, now: now, using: &random)
        #expect(router.mapServer?.nonces.count == saved.count)
    }
}

@Suite struct `A router among strangers` {
    private static let stranger = Endpoint(address("203.0.113.66"), 40_000)

    private static func request(probe: Bool = false, smr: Bool = false) -> MapRequest {
        MapRequest(
            isProbe: probe,
            isSMR: smr,
            nonce: Nonce(rawValue: 77),
            sourceEID: .ip(address("10.2.0.1")),
            itrRLOCs: [.ip(stranger.address)],
            records: [.init(eidPrefix("10.1.0.1/32"))]
        )
    }

    private static func ecm(_ payload: [UInt8]) -> [UInt8] {
        EncapsulatedControlMessage(
            source: Endpoint(address("10.2.0.1"), 4342),
            destination: .control(address("10.1.0.1")),
            payload: payload
        ).encoded()
    }

    private static func notify(isAcknowledgement: Bool) -> [UInt8] {
        var bytes = MapNotify(
            isAcknowledgement: isAcknowledgement,
            nonce: Nonce(rawValue: 5),
            authentication: Authentication(placeholderFor: Roles.key),
            records: [record("10.1.0.0/16")],
            xtrID: XTRID(rawValue: 1),
            siteID: SiteID(rawValue: 0)
        ).encoded()
        Roles.key.sign(&bytes)
        return bytes
    }

    private static func register() -> [UInt8] {
        var bytes = BenchETR(xtrID: 9, key: Roles.key).register([record("10.1.0.0/16")], nonce: 1).encoded()
        Roles.key.sign(&bytes)
        return bytes
    }

    /// One of every kind, valid.
    private static let messages: [[UInt8]] =
        [
            request().encoded(), request(probe: true).encoded(), request(smr: true).encoded(),
            MapReply(nonce: Nonce(rawValue: 9), records: [record("10.2.0.0/16")]).encoded(),
            register(), notify(isAcknowledgement: false), notify(isAcknowledgement: true),
            ecm(request().encoded()), ecm(request(probe: true).encoded()), ecm(register()),
            ecm(ecm(request().encoded())),
        ]
        + unused + [
            // Types that are not assigned, no type at all.
            [0x00, 0, 0, 0], [0x90, 0, 0, 0], [],
        ]

    /// Map-Referral, Info-Request, Info-Reply, shared extension.
    private static let unused: [[UInt8]] = [
        MapReferral(nonce: Nonce(rawValue: 1), records: []).encoded(),
        InfoMessage(isReply: false, nonce: Nonce(rawValue: 1), ttlMinutes: 0, eid: .none, maskLength: 0).encoded(),
        InfoMessage(isReply: true, nonce: Nonce(rawValue: 1), ttlMinutes: 0, eid: .none, maskLength: 0).encoded(),
        SharedExtension(subType: 1024, contents: [0, 0]).encoded(),
    ]

    @Test(arguments: unused + [[0x00, 0, 0, 0], [0x90, 0, 0, 0]])
    func `has no use for messages of other standards, whatever its roles`(message: [UInt8]) throws {
        let network = SimulatedNetwork.recording()
        network.add("all", ["192.0.2.53"], Roles.all)
        network.deliver(message, to: "all", from: Self.stranger)
        let node = try #require(network["all"])
        #expect(node.router.refusals[.unknownType] == 1)
        #expect(node.router.formatFaults.total == 0)
        guard case .refused(let reason, Self.stranger)? = node.notes.last else {
            Issue.record("no note: \(node.notes)")
            return
        }
        #expect(reason.hasPrefix("control message dropped: a type this router has no use for"))
    }

    @Test func `says at which octet a message stops making sense`() throws {
        let network = SimulatedNetwork.recording()
        network.add("ms", ["192.0.2.53"], RouterSettings(mapServer: Roles.mapServer))
        network.deliver(Self.ecm([0x10, 0, 0, 1, 0, 0]), to: "ms", from: Self.stranger)
        network.deliver(Self.messages[4].dropLast(3), to: "ms", from: Self.stranger)
        let notes = try #require(network["ms"]).notes.suffix(2)
        #expect(notes.count == 2)
        for case .refused(let reason, _) in notes {
            #expect(reason.hasPrefix("control message dropped: it does not decode: "))
            #expect(reason.wholeMatch(of: /.* needs \d+ octets, \d+ are left, at octet \d+/) != nil, "\(reason)")
        }
    }

    @Test(arguments: messages)
    func `counts and drops every message for a role that it does not have`(message: [UInt8]) throws {
        let network = SimulatedNetwork.recording()
        network.add("none", ["192.0.2.53"], RouterSettings())
        network.deliver(message, to: "none", from: Self.stranger)
        let router = try #require(network["none"]).router
        #expect(router.refusals.total == 1)
        #expect(network["none"]?.notes.count == 1)
        #expect(router.sent.total == 0)
    }

    @Test func `counts what is for another role than those it has`() throws {
        let roles: [(RouterSettings, [Int])] = [
            (RouterSettings(itr: Roles.itr("192.0.2.53")), [0, 1, 4, 5, 6, 7, 8, 9, 10]),
            (RouterSettings(etr: Roles.etr("192.0.2.53", ["10.1.0.0/16"], id: 1)), [2, 3, 4, 6, 8, 9, 10]),
            (RouterSettings(mapServer: Roles.mapServer), [0, 1, 2, 3, 5, 8, 9, 10]),
            (RouterSettings(mapResolver: MapResolverSettings(hasLocalMapServer: false)), [0, 1, 2, 3, 4, 5, 6]),
        ]
        for (settings, refused) in roles {
            for index in Self.messages.indices {
                let network = SimulatedNetwork.recording()
                network.add("router", ["192.0.2.53"], settings)
                network.deliver(Self.messages[index], to: "router", from: Self.stranger)
                let total = try #require(network["router"]).router.refusals.total
                #expect(total == (refused.contains(index) || index > 10 ? 1 : 0), "message \(index)")
            }
        }
    }

    @Test func `tells by type what does not decode`() throws {
        let network = SimulatedNetwork.recording()
        network.add("ms", ["192.0.2.53"], Roles.mappingSystem)
        // Message 0 is a Map-Request, 3 a Map-Reply, 4 a Map-Register; 7 has a Map-Request in an Encapsulated Control Message,
        // whose inner header checksum stands at octet 14.
        for index in [0, 3, 4, 4] {
            network.deliver(Self.messages[index].dropLast(), to: "ms", from: Self.stranger)
        }
        var damaged = Self.messages[7]
        damaged[14] ^= 1
        network.deliver(damaged, to: "ms", from: Self.stranger)
        let router = try #require(network["ms"]).router
        let expected: [(FormatFault, UInt64)] = [(.mapRequest, 1), (.mapReply, 1), (.otherMessage, 2), (.checksum, 1)]
        for (fault, count) in expected { #expect(router.formatFaults[fault] == count, "\(fault)") }
        #expect(router.refusals[.malformed] == 5)
    }

    @Test func `takes a Map-Request of lispers.net, whose inner UDP checksum is zero`() throws {
        // ln-01-basic-iid1000.pcap, frame 7: inner 10.1.1.2 port 55579 to 10.2.2.2 port 4342, instance 1000. The inner UDP
        // header ends in 0052 0000: length 82, no checksum.
        let hex =
            "800000004500006600000000801123810a0101020a020202d91b10f600520000"
            + "100001010e237a1276745f83400300000200000a000003e800010a010102"
            + "0001c6336401000220010db8010000000000000000000001"
            + "0020400300000200000a000003e800010a020202"
        let digits = Array(hex.utf8)
        let bytes = stride(from: 0, to: digits.count, by: 2).map {
            UInt8(String(decoding: digits[$0...($0 + 1)], as: UTF8.self), radix: 16)!
        }
        let network = SimulatedNetwork.recording()
        network.add("ms", ["192.0.2.53"], Roles.mappingSystem)
        network.deliver(bytes, to: "ms", from: Self.stranger)
        let router = try #require(network["ms"]).router
        #expect(router.refusals.total == 0)
        #expect(router.mapServer?.statistics[.negativeRepliesSent] == 1)
        #expect(router.messages[MessageCount(.encapsulatedMapRequest, .received)] == 1)
        #expect(router.sent[.mapReply] == 1)
    }

    @Test func `lives through 100,000 random and damaged datagrams, with all its roles`() throws {
        let seed: UInt64 = 0x1157
        print("Router garbage seed", seed)
        let network = SimulatedNetwork.recording(seed: seed)
        network.add("all", ["192.0.2.53", "2001:db8::53"], Roles.all)
        network.run(.seconds(1))
        network.packet(at: "all", from: "10.1.0.1", to: "10.200.0.1")
        var random = SplitMix(seed: seed)
        for round in 0..<100_000 {
            var bytes: [UInt8]
            if round % 5 == 0 {
                bytes = (0..<Int.random(in: 0...120, using: &random)).map { _ in .random(in: 0 ... .max, using: &random)
                }
            } else {
                bytes = Self.messages[Int.random(in: 0..<Self.messages.count, using: &random)]
                for _ in 0..<Int.random(in: 0...4, using: &random) where !bytes.isEmpty {
                    bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: 0 ... .max, using: &random)
                }
                if random.next() % 4 == 0 { bytes.removeLast(Int.random(in: 0...bytes.count, using: &random)) }
                if random.next() % 8 == 0 { bytes += bytes }
            }
            let port = UInt16.random(in: 0 ... .max, using: &random)
            let source = round % 2 == 0 ? address("203.0.113.66") : address("2001:db8::66")
            network.deliver(bytes, to: "all", from: Endpoint(source, port))
            if round % 1000 == 0 { network.run(.seconds(1)) }
        }
        let node = try #require(network["all"])
        #expect(node.router.received.total >= 100_000)
        #expect(node.router.refusals.total > 1000)
        #expect(node.plane.faults == [])
        #expect(node.router.etr?.answers.count ?? 0 <= 1)
        // Nothing of a stranger's was believed.
        #expect(node.router.mapServer?.registry.registered.count ?? 0 <= 2)
        network.packet(at: "all", from: "10.1.0.1", to: "10.3.0.1")
        network.run(.seconds(2))
        #expect(network["all"]?.sentNatively.contains(address("10.3.0.1")) == true)
    }

    /// Scanned by so many hosts in turn: an ITR as it is, or one whose budget of Map-Requests is out of the way.
    @Test(arguments: [(false, 1, 500), (false, 16, 5_000), (true, 16, 10_000)])
    func `asks, holds and remembers no more than its limits under a scan of 100,000 destinations`(
        isUnlimited: Bool,
        hosts: Int,
        asked: Int
    ) throws {
        let network = SimulatedNetwork.recording()
        var settings = Roles.xtr("198.51.100.1", ["10.1.0.0/16"], id: 1)
        if isUnlimited { settings.itr?.mapRequestLimits = .unlimited }
        network.add("one", ["198.51.100.1"], settings)
        let start = try #require(network["one"]).router
        var router = start
        var random = SplitMix(seed: 4)
        var sent = 0
        for number in 0..<100_000 {
            let destination = IPAddress(family: .ipv4, leftAligned: UInt128(0x1400_0000 + number) << 96)
            let miss = ForwardingMiss(
                source: EID(address("10.1.0.\(number % hosts)")),
                destination: EID(destination),
                packet: Array(repeating: 0, count: 1400)
            )
            for case .send in router.missed(miss, now: .zero, using: &random) { sent += 1 }
        }
        #expect(sent == asked)
        let itr = try #require(router.itr)
        let refused: [ITREvent] = [.questionLimit, .negativesOfSourceLimited, .negativesLimited]
        #expect(refused.reduce(0) { $0 + itr.statistics[$1] } == 100_000 - UInt64(asked))
        #expect((itr.statistics[.questionLimit] > 0) == isUnlimited)
        #expect(itr.statistics[.packetsHeld] == UInt64(min(asked, (8 << 20) / 1400)))
        #expect(itr.statistics[.packetsHeld] + itr.statistics[.holdLimit] == UInt64(asked))
        // It ends: after ten tries and the silence nothing is left but the registration.
        var now = Instant.zero
        while let due = router.deadline(), due < .zero + .seconds(60) {
            now = max(now, due)
            _ = router.timeout(now: now, using: &random) { _ in 0 }
        }
        #expect(router.itr?.statistics[.unansweredQuestions] == UInt64(asked))
        let quiet = router.itr.map { itr in
            var itr = itr
            return itr.deadline() == nil
        }
        #expect(quiet == true)
    }
}
