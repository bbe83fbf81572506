// The roles against packets that lispers.net and Open Overlay Router sent each other (Interop/captures): what these
// implementations do, and we must live with.

import ForwardingInterface
import LISPTables
import LISPWire
import SimulatedNetwork
import TestCaptures
import Testing

@testable import LISPControl

/// The Map-Registers of a capture, in order of time.
private func registers(of pcap: String) throws -> [(datagram: CapturedDatagram, message: MapRegister)] {
    try CapturedDatagram.datagrams(of: pcap).filter { $0.isControl && $0.payload[0] >> 4 == 3 }.map {
        ($0, try MapRegister(decoding: $0.payload))
    }
}

private func mapReplies(of pcap: String) throws -> [Int: MapReply] {
    var replies: [Int: MapReply] = [:]
    for datagram in try CapturedDatagram.datagrams(of: pcap) where datagram.isControl {
        if datagram.payload[0] >> 4 == 2 { replies[datagram.frame] = try MapReply(decoding: datagram.payload) }
    }
    return replies
}

/// A Map-Server with a site for each key that signs in the captures, each with what it registers there.
private func mapServer(for messages: [(datagram: CapturedDatagram, message: MapRegister)]) -> MapServerSettings {
    var eids: [AuthenticationKey: Set<EIDPrefix>] = [:]
    for (datagram, message) in messages {
        for name in ["lab-key-1", "lab-key-2"] {
            let key = secret(name, algorithm: message.authentication.knownAlgorithm ?? .none)
            guard key.verifies(datagram.payload) == .ok else { continue }
            eids[key, default: []].formUnion(message.records.compactMap(\.eidPrefix))
        }
    }
    return MapServerSettings(
        sites: eids.map { key, prefixes in
            SiteSettings(
                name: String(decoding: key.secret, as: UTF8.self),
                keys: [key],
                nonceCheck: .auto,
                eids: prefixes.sorted().map { SiteEID(prefix: $0) }
            )
        }
    )
}

@Suite struct `A Map-Server registers the peers of the captures` {
    @Test(arguments: [
        ("ln-01-basic-iid1000.pcap", 2, 4), ("ln-02-basic-iid0.pcap", 2, 4), ("ln-03-rloc-probe.pcap", 2, 4),
        ("ln-05-ddt.pcap", 2, 4), ("ln-09-rloc-v6.pcap", 2, 4), ("ln-16-go-data-plane.pcap", 2, 4),
        ("oor-01-xtrs-probe-smr-lispers-ms.pcap", 8, 4), ("oor-02-smr.pcap", 12, 4),
    ])
    func `under nonce-check auto, answering each to its source port`(pcap: String, count: Int, prefixes: Int) throws {
        let messages = try registers(of: pcap)
        #expect(messages.count == count)
        let bench = MapServerBench(mapServer(for: messages))
        #expect(bench.server.settings.sites.count == 2)
        let start = try #require(messages.first).datagram.time
        for (datagram, message) in messages {
            bench.now = .zero + (datagram.time - start)
            let actions = try bench.deliver(datagram.payload, from: datagram.source)
            let answer = try #require(actions.datagrams.first, "\(datagram.description)")
            #expect(answer.destination == datagram.source)
            let notify = try MapNotify(decoding: answer.payload)
            #expect(notify.nonce == message.nonce && notify.records.count == message.records.count)
            #expect(notify.xtrID == message.xtrID && notify.siteID == message.siteID)
            let key = try #require(
                ["lab-key-1", "lab-key-2"].map { secret($0, algorithm: message.authentication.knownAlgorithm ?? .none) }
                    .first { $0.verifies(datagram.payload) == .ok }
            )
            #expect(key.verifies(answer.payload) == .ok)
        }
        #expect(bench.server.registry.registered.count == prefixes)
        #expect(["lab-key-1", "lab-key-2"].allSatisfy { bench.refusals($0).isEmpty })
        #expect(bench.server.statistics[.mapRegistersAccepted] == UInt64(count))
    }

    /// The nonces of Open Overlay Router are random; each of its messages is sent twice on the way through its gateway.
    @Test func `both sites of oor-01 stay registered while they go on as they do`() throws {
        let messages = try registers(of: "oor-01-xtrs-probe-smr-lispers-ms.pcap")
        let nonces = messages.map(\.message.nonce.rawValue)
        #expect(nonces != nonces.sorted() && Set(nonces).count == 4)
        let bench = MapServerBench(mapServer(for: messages))
        let start = try #require(messages.first).datagram.time
        for (datagram, _) in messages {
            bench.now = .zero + (datagram.time - start)
            #expect(try !bench.deliver(datagram.payload, from: datagram.source).datagrams.isEmpty)
            #expect(bench.timeout().isEmpty)
        }
        #expect(bench.server.statistics[.mapRegistersRepeated] == 4)
        // Its next ones, each with a nonce of chance. It registers each EID-prefix in a message of its own.
        var random = SplitMix(seed: 5)
        var sent: Set<[EIDRecord]> = []
        let kinds = messages.filter { sent.insert($0.message.records).inserted }
        #expect(kinds.count == 4)
        for _ in 0..<200 {
            bench.now = bench.now + .seconds(60)
            #expect(bench.timeout().isEmpty)
            for (datagram, register) in kinds {
                let isFirst = datagram.source.address == IPAddress("198.51.100.1")!
                let key = secret(isFirst ? "lab-key-1" : "lab-key-2", algorithm: .hmacSHA1_96)
                var next = register
                next.nonce = Nonce(rawValue: random.next())
                next.authentication = Authentication(placeholderFor: key)
                #expect(try !bench.deliver(bench.signed(next, by: key), from: datagram.source).datagrams.isEmpty)
            }
        }
        #expect(bench.server.registry.registered.count == 4)
        #expect(bench.server.statistics[.registrationsExpired] == 0)
    }

    @Test func `the constant nonce of ln-01 stays accepted, minute by minute`() throws {
        let messages = try registers(of: "ln-01-basic-iid1000.pcap")
        #expect(Set(messages.map(\.message.nonce)) == [Nonce(rawValue: 0x01df_dfdf_ddcc_bbaa)])
        let bench = MapServerBench(mapServer(for: messages))
        for minute: Int64 in 0..<200 {
            bench.now = .zero + .seconds(60 * minute)
            #expect(bench.timeout().isEmpty)
            for (datagram, _) in messages {
                #expect(try !bench.deliver(datagram.payload, from: datagram.source).datagrams.isEmpty)
            }
        }
        #expect(bench.server.registry.registered.count == 4)
        #expect(bench.server.statistics[.registrationsExpired] == 0)
        // Another message under the same nonce is a change, not a replay.
        let key = secret("lab-key-1")
        var changed = messages[0].message
        changed.records[0].locators[0].priority = 2
        changed.authentication = Authentication(placeholderFor: key)
        #expect(try !bench.deliver(bench.signed(changed, by: key), from: messages[0].datagram.source).datagrams.isEmpty)
        #expect(["lab-key-1", "lab-key-2"].allSatisfy { bench.refusals($0).isEmpty })
    }

    @Test func `but not that of ln-07, whose lengths contradict each other, and says where`() throws {
        let datagram = try #require(try CapturedDatagram.datagrams(of: "ln-07-lcaf.pcap").first)
        let network = SimulatedNetwork.recording()
        network.add("ms", ["198.51.100.10"], Roles.mappingSystem)
        network.deliver(datagram.payload, to: "ms", from: datagram.source)
        let router = try #require(network["ms"]).router
        #expect(router.refusals[.malformed] == 1)
        guard case .refused(let reason, _)? = network["ms"]?.notes.last else {
            Issue.record("not refused")
            return
        }
        #expect(reason.hasSuffix("EID-Prefix LCAF needs 22 octets, 19 are left, at octet 613"))
    }
}

@Suite struct `A locator with extras` {
    /// The eight records of ln-07's Map-Register in front of its contradiction, signed anew.
    private static func register(by key: AuthenticationKey) throws -> (MapRegister, Endpoint) {
        let datagram = try #require(try CapturedDatagram.datagrams(of: "ln-07-lcaf.pcap").first)
        var payload = datagram.payload
        payload[3] = 8
        var register = try MapRegister(decoding: payload)
        register.tail = []
        register.authentication = Authentication(placeholderFor: key)
        return (register, datagram.source)
    }

    private static func site(_ register: MapRegister, allowed: [String]? = nil) -> MapServerSettings {
        MapServerSettings(
            sites: [
                SiteSettings(
                    name: "any",
                    keys: [secret("lab-key-any")],
                    eids: register.records.compactMap(\.eidPrefix).map { SiteEID(prefix: $0) },
                    allowedLocators: allowed.map { $0.map { IPAddress($0)! } }
                )
            ]
        )
    }

    @Test func `is registered, told on as it came, and names and MAC addresses beside it are refused singly`() throws {
        let key = secret("lab-key-any")
        let (register, source) = try Self.register(by: key)
        let bench = MapServerBench(Self.site(register))
        let notify = try #require(try bench.deliver(bench.signed(register, by: key), from: source).notifies().first)
        #expect(notify.records.map(\.eid) == register.records.prefix(6).map(\.eid))
        #expect(bench.server.statistics[.recordsUnsupported] == 2)
        // Its P-bit asks for proxy replies. lispers.net's own for the same EIDs hold the same locators.
        let replies = try mapReplies(of: "ln-07-lcaf.pcap")
        var compared = 0
        for frame in [5, 7, 9, 11, 13, 15] {
            let theirs = try #require(replies[frame]?.records.first)
            let prefix = try #require(theirs.eidPrefix)
            let (_, actions) = bench.ask([]) { $0.records = [.init(prefix)] }
            let ours = try MapReply(decoding: try #require(actions.datagrams.first).payload).records
            #expect(ours.count == 1 && ours[0].eidPrefix == prefix)
            #expect(ours[0].locators.map(\.address) == theirs.locators.map(\.address))
            compared += 1
        }
        #expect(compared == 6)
    }

    @Test func `is where a Map-Server forwards Map-Requests to`() throws {
        let key = secret("alpha")
        let bench = MapServerBench()
        var odd = record("10.1.0.0/16", ["198.51.100.1"])
        let name = LISPAddress.distinguishedName(Array("west".utf8))
        odd.locators[0].address = .lcaf(CanonicalAddress(AFIList([name, .ip(IPAddress("198.51.100.77")!)])))
        let register = BenchETR(key: key).register([odd], nonce: 5)
        try bench.deliver(bench.signed(register, by: key), from: Endpoint(IPAddress("198.51.100.99")!, 4000))
        #expect(bench.targets("10.1.0.9") == ["198.51.100.77:4342"])
    }

    @Test func `is allowed only if all its addresses are`() throws {
        let key = secret("alpha")
        let list = { (addresses: [String]) in
            LISPAddress.lcaf(CanonicalAddress(AFIList(addresses.map { .ip(IPAddress($0)!) })))
        }
        let faulty = LISPAddress.lcaf(CanonicalAddress(type: 1, body: [0, 1, 198, 51, 100, 1, 0, 1]))
        let cases: [(LISPAddress, Bool)] = [
            (list(["198.51.100.1"]), true),
            (list(["198.51.100.1", "2001:db8::1"]), true),
            (list(["198.51.100.1", "203.0.113.66"]), false),
            (list([]), false),
            (faulty, false),
            (.lcaf(CanonicalAddress(ExplicitLocatorPath(hops: [.init(address: list(["203.0.113.66"]))]))), false),
        ]
        for (address, isAllowed) in cases {
            let bench = MapServerBench { $0.allowedLocators = [IPAddress("198.51.100.1")!, IPAddress("2001:db8::1")!] }
            var odd = record("10.1.0.0/16")
            odd.locators[0].address = address
            try bench.deliver(
                bench.signed(BenchETR(key: key).register([odd], nonce: 5), by: key),
                from: BenchETR().source
            )
            #expect(bench.isRegistered("10.1.0.0/16") == isAllowed, "\(address)")
            #expect(bench.refusals() == (isAllowed ? [:] : [.locatorNotAllowed: 1]))
        }
    }

    /// What an ITR does with lispers.net's answer about an EID, put to a question of its own.
    private static func learn(_ frame: Int) throws -> (itr: ITR, actions: [ITRAction], eid: EIDPrefix) {
        let captured = try #require(try mapReplies(of: "ln-07-lcaf.pcap")[frame])
        let eid = try #require(captured.records.first?.eidPrefix)
        let rloc = IPAddress("198.51.100.99")!
        var random = SplitMix(seed: 1)
        var itr = ITR(
            settings: ITRSettings(mapResolvers: [mapServerAddress], rlocs: [rloc], mapCacheLimit: 10)
        )
        let destination = IPAddress(family: .ipv4, leftAligned: eid.prefix.address.leftAligned | 1 << 96)
        let miss = ForwardingMiss(
            source: EID(instanceID: eid.instanceID, IPAddress("10.9.9.9")!),
            destination: EID(instanceID: eid.instanceID, destination),
            packet: [1, 2, 3]
        )
        var reply = captured
        for case .send(let datagram) in itr.missed(miss, now: .zero, using: &random) {
            guard case .encapsulated(let outer) = try ControlMessage(decoding: datagram.payload),
                case .mapRequest(let request) = try outer.decodePayload()
            else { continue }
            reply.nonce = request.nonce
        }
        #expect(reply.nonce != captured.nonce)
        let actions = itr.receivedMapReply(reply, from: .control(mapServerAddress), at: rloc, now: .zero)
        return (itr, actions, eid)
    }

    @Test(arguments: [5, 7, 15, 17])
    func `is encapsulated to at its first IP address`(frame: Int) throws {
        let (itr, actions, eid) = try Self.learn(frame)
        var addresses: [IPAddress] = []
        var action: ForwardingAction?
        for case .forwarding(let updates) in actions {
            for update in updates {
                if case .putLocator(_, let address, _, _, _) = update { addresses.append(address) }
                if case .putEntry(eid, _, let put) = update { action = put }
            }
        }
        #expect(addresses == [IPAddress("198.51.100.1")!])
        guard case .encapsulate? = action else {
            Issue.record("not encapsulated: \(actions)")
            return
        }
        #expect(itr.cache[eid]?.locators.map(\.address) == [IPAddress("198.51.100.1")!])
        let released = actions.contains { if case .release(_, .forward) = $0 { true } else { false } }
        #expect(released)
    }

    /// A JSON text, an explicit locator path and a replication list are no addresses: nothing is sent there, natively neither.
    @Test(arguments: [9, 11, 13])
    func `without an address is not used`(frame: Int) throws {
        let (itr, actions, eid) = try Self.learn(frame)
        #expect(itr.cache[eid]?.locators.map(\.address) == [nil])
        for case .forwarding(let updates) in actions {
            for update in updates {
                if case .putLocator = update { Issue.record("\(update)") }
                if case .putEntry(eid, _, let action) = update {
                    switch action {
                    case .forwardNatively: Issue.record("\(action)")
                    case .encapsulate, .drop, .sendMapRequest: break
                    }
                }
            }
        }
        let released = actions.contains { if case .release(_, .forwardNatively) = $0 { true } else { false } }
        #expect(!released)
    }
}

@Suite struct `Other habits of the peers` {
    @Test func `lig's Map-Request without source EID is answered`() throws {
        let messages = try registers(of: "ln-01-basic-iid1000.pcap")
        var settings = mapServer(for: messages)
        settings.sites.indices.forEach { site in
            settings.sites[site].eids.indices.forEach { settings.sites[site].eids[$0].proxyReply = true }
        }
        let network = SimulatedNetwork.recording()
        network.add(
            "ms",
            ["198.51.100.10"],
            RouterSettings(mapServer: settings, mapResolver: MapResolverSettings(hasLocalMapServer: true))
        )
        for (datagram, _) in messages { network.deliver(datagram.payload, to: "ms", from: datagram.source) }
        let lig = try CapturedDatagram.datagrams(of: "ln-01-basic-iid1000.pcap").filter {
            $0.source.address == IPAddress("198.51.100.99")!
        }
        #expect(lig.count == 4)
        let before = network["ms"]?.router.sent[.mapReply] ?? 0
        for datagram in lig { network.deliver(datagram.payload, to: "ms", from: datagram.source) }
        let router = try #require(network["ms"]).router
        #expect(router.sent[.mapReply] - before == 4)
        #expect(router.refusals.total == 0)
    }

    @Test func `a Map-Request without inner IP header is taken, and not answered: its EID is a name`() throws {
        let request = try #require(
            try CapturedDatagram.datagrams(of: "ln-07-lcaf.pcap").first { $0.frame == 20 }
        )
        for (roles, hasResolver) in [(RouterSettings(mapServer: Roles.mapServer), false), (Roles.mappingSystem, true)] {
            let network = SimulatedNetwork.recording()
            network.add("ms", ["198.51.100.10"], roles)
            network.deliver(request.payload, to: "ms", from: request.source)
            let router = try #require(network["ms"]).router
            #expect(router.refusals.total == 0 && router.sent.total == 0)
            #expect(router.received[.mapRequest] == 1)
            if hasResolver {
                #expect(router.mapResolver?.statistics[.noEID] == 1)
            } else {
                #expect(router.mapServer?.statistics[.mapRequestsUnsupported] == 1)
            }
        }
    }

    @Test func `the probe of a new RLOC, for no EID at all, is answered by its p-bit`() throws {
        let probe = try #require(
            try CapturedDatagram.datagrams(of: "ln-01-basic-iid1000.pcap").first { $0.frame == 10 }
        )
        let request = try MapRequest(decoding: probe.payload)
        #expect(request.isProbe && request.records == [.init(eid: .none, maskLength: 0)])
        let network = SimulatedNetwork.recording()
        network.add(
            "x2",
            ["198.51.100.2"],
            RouterSettings(etr: Roles.etr("198.51.100.2", ["10.2.2.0/24"], id: 2))
        )
        network.add("x1", ["198.51.100.1"], RouterSettings())
        network.deliver(probe.payload, to: "x2", from: probe.source)
        network.run(.seconds(1))
        // It came from a port of its own, and that is where the answer goes.
        #expect(network.elsewhere.map(\.destination) == [probe.source])
        let answers = network.elsewhere.compactMap { try? MapReply(decoding: $0.payload) }
        let answer = try #require(answers.first { $0.nonce == request.nonce })
        #expect(answers.count == 1 && answer.isProbe)
        #expect(answer.records.flatMap(\.locators).contains { $0.isProbed && $0.isReachable })
    }

    /// lispers.net's Map-Server sends a Map-Notify even for records that it refused: it acknowledges no more than receipt.
    @Test func `a Map-Notify of lispers.net acknowledges the registration whose nonce it has`() throws {
        let messages = try CapturedDatagram.datagrams(of: "ln-01-basic-iid1000.pcap")
        let notify = try #require(messages.first { $0.frame == 3 })
        let nonce = try MapNotify(decoding: notify.payload).nonce.rawValue
        let server = IPAddress("198.51.100.10")!
        let red = InstanceID(uncheckedRawValue: 1000)
        let mappings = ["10.1.1.0/24", "fd00:1::/64"].map { prefix in
            DatabaseMapping(
                eid: EIDPrefix(instanceID: red, IPPrefix(prefix)!),
                ttlMinutes: 3,
                locators: [
                    DatabaseLocator(address: IPAddress("198.51.100.1")!, priority: 1, weight: 100, isLocal: true)
                ]
            )
        }
        let settings = ETRSettings(
            mappings: mappings,
            mapServers: [MapServerPeer(address: server, keys: [secret("lab-key-1")])],
            xtrID: XTRID(rawValue: 0x8382_361e_ad8e_9f28),
            siteID: SiteID(rawValue: 0),
            rlocs: [IPAddress("198.51.100.1")!]
        )
        var etr = ETR(settings: settings, nextNonce: nonce, now: .zero)
        var registers: [MapRegister] = []
        for case .send(let datagram) in etr.timeout(now: .zero) {
            registers.append(try MapRegister(decoding: datagram.payload))
        }
        #expect(registers.map(\.nonce.rawValue) == [nonce])
        let told = try MapNotify(decoding: notify.payload).records.map(\.eid)
        #expect(registers.first?.records.map(\.eid) == told)
        let actions = etr.receivedMapNotify(
            try MapNotify(decoding: notify.payload),
            raw: notify.payload,
            from: notify.source,
            at: IPAddress("198.51.100.1")!,
            now: .zero
        )
        #expect(etr.statistics[.mapNotifiesAccepted] == 1)
        guard case .registration? = actions.first, actions.count == 1 else {
            Issue.record("no change of the registration: \(actions)")
            return
        }
        let next = etr.deadline()
        #expect(next == .zero + .seconds(20))
    }

    @Test func `a negative answer for the host asked for is believed, one that does not cover it is not`() throws {
        let captured = try #require(try mapReplies(of: "ln-01-basic-iid1000.pcap")[42])
        let eid = try #require(captured.records.first?.eidPrefix)
        #expect(captured.records[0].locators.isEmpty && eid.prefix.length == 32)
        for (address, isBelieved) in [(eid.prefix.address, true), (IPAddress("10.77.0.1")!, false)] {
            let rloc = IPAddress("198.51.100.99")!
            var random = SplitMix(seed: 1)
            var itr = ITR(
                settings: ITRSettings(mapResolvers: [mapServerAddress], rlocs: [rloc], mapCacheLimit: 10)
            )
            let miss = ForwardingMiss(
                source: EID(instanceID: eid.instanceID, IPAddress("10.9.9.9")!),
                destination: EID(instanceID: eid.instanceID, address),
                packet: [1]
            )
            var reply = captured
            for case .send(let datagram) in itr.missed(miss, now: .zero, using: &random) {
                guard case .encapsulated(let outer) = try ControlMessage(decoding: datagram.payload),
                    case .mapRequest(let request) = try outer.decodePayload()
                else { continue }
                reply.nonce = request.nonce
            }
            _ = itr.receivedMapReply(reply, from: .control(mapServerAddress), at: rloc, now: .zero)
            #expect((itr.cache[eid] != nil) == isBelieved)
        }
    }
}
