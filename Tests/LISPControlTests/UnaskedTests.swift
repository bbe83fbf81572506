// What nobody asked for changes nothing: forged messages of every kind at routers of every role, and the whole state before and after.
//
// The forger sees none of the traffic. It knows every address, EID-prefix and port, spoofs whom it likes, and guesses nonces and MACs.
// Some of its messages know more than that, to be on the safe side: a nonce that is waited for, but no key; the right nonce, but the
// wrong address.

import ForwardingInterface
import LISPTables
import LISPWire
import SimulatedNetwork
import Testing

@testable import LISPControl

/// The state of a router as text, without what only counts, paces or tells of messages.
private func state(of router: Router) -> String {
    var text = ""
    describe(router, "router", &text)
    return text
}

/// Counters, the last refusals that `show` tells, budgets, and what was answered or passed on a moment ago.
private let countsOnly: Set<String> = [
    "received", "sent", "refusals", "formatFaults", "messages", "serviceMessages", "statistics",
    "authenticationFailures", "answers",
    "lastUnknown", "lastFailure", "refusalsByEID", "refusalEvents", "limiter", "requestBudget", "limitEvents", "budget",
    "negativeReplies", "forwardedToETR", "mapDataBudget", "troubles", "refusalMemory", "forwarded", "memory",
    "preparedKeys", "smrPeers",
]

private func describe(_ value: Any, _ name: String, _ text: inout String) {
    guard !countsOnly.contains(name) else { return }
    let mirror = Mirror(reflecting: value)
    guard !mirror.children.isEmpty else {
        text += "\(name)=\(value);"
        return
    }
    text += "\(name)("
    if mirror.displayStyle == .dictionary || mirror.displayStyle == .set {
        text += mirror.children.map { child in
            var part = ""
            describe(child.value, "", &part)
            return part
        }.sorted().joined()
    } else {
        for child in mirror.children { describe(child.value, child.label ?? "", &text) }
    }
    text += ")"
}

/// Makes messages that nobody asked for.
private struct Forger {
    var random: SplitMix
    /// Nonces that are waited for, by what for.
    let registerNonces: [Nonce]
    let questionNonces: [Nonce]

    static let victims = ["192.0.2.53", "198.51.100.1", "198.51.100.2", "203.0.113.66", "10.2.0.1"].map {
        IPAddress($0)!
    }
    static let prefixes = [
        "10.1.0.0/16", "10.2.0.0/16", "10.2.0.1/32", "10.3.0.0/16", "10.3.0.1/32", "10.0.0.0/8", "0.0.0.0/0",
        "10.99.0.0/16",
    ].map { eidPrefix($0) }

    mutating func pick<T>(_ values: [T]) -> T { values[Int(random.next() % UInt64(values.count))] }

    mutating func nonce() -> Nonce { Nonce(rawValue: random.next()) }

    mutating func record() -> EIDRecord {
        let count = Int(random.next() % 3)
        return EIDRecord(
            eidPrefix: pick(Self.prefixes),
            ttlMinutes: pick([0, 1, 1440]),
            isAuthoritative: random.next() % 2 == 0,
            locators: (0..<count).map { _ in
                LocatorRecord(
                    priority: 1,
                    weight: 100,
                    isLocal: true,
                    isProbed: random.next() % 2 == 0,
                    isReachable: random.next() % 2 == 0,
                    address: .ip(pick(Self.victims))
                )
            }
        )
    }

    private mutating func signed(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        if random.next() % 2 == 0 { secret("a guess").sign(&bytes) }
        return bytes
    }

    private mutating func request(_ change: (inout MapRequest) -> Void) -> MapRequest {
        var request = MapRequest(
            nonce: nonce(),
            sourceEID: .ip(pick([IPAddress("10.99.0.1")!, IPAddress("10.88.0.1")!])),
            itrRLOCs: [.ip(pick(Self.victims))],
            records: [.init(pick(Self.prefixes))]
        )
        change(&request)
        return request
    }

    /// A message, where it claims to be from, and the address that it reaches.
    mutating func message(at own: IPAddress) -> ReceivedControlMessage {
        let records = [record(), record()]
        var destination = own
        let payload: [UInt8]
        switch random.next() % 14 {
        case 0, 1:
            payload = MapReply(isProbe: random.next() % 3 == 0, nonce: nonce(), records: records).encoded()
        case 2:
            // The right nonce, where the ITR does not expect the reply.
            destination = IPAddress("192.0.2.99")!
            payload = MapReply(nonce: questionNonces.isEmpty ? nonce() : pick(questionNonces), records: records)
                .encoded()
        case 3, 4:
            let expected = registerNonces.isEmpty || random.next() % 2 == 0 ? nonce() : pick(registerNonces)
            payload = signed(
                MapNotify(
                    nonce: expected,
                    authentication: Authentication(placeholderFor: Roles.key),
                    records: records,
                    xtrID: XTRID(rawValue: 1),
                    siteID: SiteID(rawValue: 0)
                ).encoded()
            )
        case 5:
            payload = signed(
                MapNotify(
                    isAcknowledgement: true,
                    nonce: nonce(),
                    authentication: Authentication(placeholderFor: Roles.key),
                    records: records
                ).encoded()
            )
        case 6, 7:
            payload = signed(
                BenchETR(xtrID: random.next() % 2 == 0 ? 1 : nil, key: Roles.key)
                    .register(records, nonce: .max, merge: true).encoded()
            )
        case 8:
            // For EID-prefixes that are in nobody's map-cache.
            payload = request {
                $0.isSMR = true
                $0.records = [.init(eidPrefix("10.99.0.0/16"))]
            }.encoded()
        case 9:
            payload = request { $0.isProbe = true }.encoded()
        case 10:
            let data = record()
            payload = request { $0.mapData = data }.encoded()
        case 11:
            let data = record()
            let inner = request { $0.mapData = data.eid == $0.sourceEID ? nil : data }
            payload = EncapsulatedControlMessage(
                source: Endpoint(IPAddress("10.99.0.1")!, 4342),
                destination: .control(IPAddress("10.1.0.1")!),
                payload: inner.encoded()
            ).encoded()
        case 12:
            payload = (0..<Int(random.next() % 80)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        default:
            var cut = MapReply(nonce: nonce(), records: records).encoded()
            // Not its type: that would make an SMR of it.
            cut[1 + Int(random.next() % UInt64(cut.count - 1))] ^= UInt8(truncatingIfNeeded: random.next() | 1)
            payload = cut
        }
        return ReceivedControlMessage(
            payload: payload,
            source: Endpoint(pick(Self.victims), pick([4342, 40_000, 1])),
            destination: destination
        )
    }
}

@Suite struct `What nobody asked for` {
    private static let sink = IPAddress("198.51.100.1")!

    /// A router of a network where something is under way: EIDs are asked for, RLOCs probed, Map-Registers not yet acknowledged.
    private static func busyRouter(_ name: String) throws -> (router: Router, now: Instant, sent: [ControlDatagram]) {
        let network = SimulatedNetwork.recording(seed: 4)
        if name == "all" {
            network.add("all", ["192.0.2.53"], Roles.all)
        } else {
            network.add("ms", ["192.0.2.53"], Roles.mappingSystem)
        }
        var merging = Roles.xtr("198.51.100.1", ["10.1.0.0/16"], id: 1)
        merging.etr?.mapServers[0].merge = true
        network.add("one", ["198.51.100.1"], merging)
        network.add("two", ["198.51.100.2"], Roles.xtr("198.51.100.2", ["10.2.0.0/16"], id: 2))
        network.run(.seconds(1))
        network.packet(at: "one", from: "10.1.0.1", to: "10.2.0.1")
        network.packet(at: "all", from: "10.1.0.1", to: "10.2.0.1")
        network.run(.seconds(1))
        var router = try #require(network[name]).router
        var random = SplitMix(seed: 6)
        let now = network.now + .seconds(61)
        var actions = router.timeout(now: now, using: &random, packetsSent: { _ in 100 })
        let miss = ForwardingMiss(
            source: EID(IPAddress("10.1.0.1")!),
            destination: EID(IPAddress("10.3.0.1")!),
            packet: []
        )
        actions += router.missed(miss, now: now, using: &random)
        let sent: [ControlDatagram] = actions.compactMap {
            if case .send(let datagram) = $0 { datagram } else { nil }
        }
        return (router, now, sent)
    }

    @Test(arguments: ["one", "two", "ms", "all"])
    func `changes nothing, at a router of any role`(name: String) throws {
        var (router, now, sent) = try Self.busyRouter(name)
        var forger = Forger(
            random: SplitMix(seed: 1 + UInt64(name.utf8.first ?? 0)),
            registerNonces: sent.compactMap { (try? MapRegister(decoding: $0.payload))?.nonce },
            questionNonces: sent.compactMap { datagram in
                guard case .encapsulated(let ecm)? = try? ControlMessage(decoding: datagram.payload),
                    case .mapRequest(let request)? = try? ecm.decodePayload()
                else { return nil }
                return request.nonce
            }
        )
        #expect(name == "ms" || !forger.questionNonces.isEmpty && !forger.registerNonces.isEmpty)
        let before = state(of: router)
        #expect(before.contains("10.1.0.0") || before.contains("prefix"))
        var random = SplitMix(seed: 8)
        let own = IPAddress(["one": "198.51.100.1", "two": "198.51.100.2"][name] ?? "192.0.2.53")!
        let count = 25_000
        var answers = 0
        for number in 1...count {
            let message = forger.message(at: own)
            now = now + .milliseconds(0.02)
            for action in router.received(message, now: now, using: &random) {
                switch action {
                case .send: answers += 1
                case .note: break
                case .forwarding, .release, .remoteEIDKnown, .remoteEIDForgotten, .negativePrefixKnown,
                    .negativePrefixForgotten, .solicit:
                    Issue.record("message \(number) led to \(action): \(message)")
                }
            }
            guard number % 5_000 == 0 else { continue }
            let after = state(of: router)
            guard after != before else { continue }
            let place = zip(before.utf8, after.utf8).prefix { $0 == $1 }.count
            Issue.record(
                """
                after \(number) messages the state differs:
                \(before.dropFirst(max(0, place - 300)).prefix(600))
                \(after.dropFirst(max(0, place - 300)).prefix(600))
                """
            )
            return
        }
        // Never more than there were questions: no message makes two.
        #expect(answers <= count)
    }

    @Test func `is told from what was asked for: the same router takes the true answers`() throws {
        let (busy, now, sent) = try Self.busyRouter("one")
        var router = busy
        var random = SplitMix(seed: 8)
        let before = state(of: router)
        for datagram in sent {
            guard let register = try? MapRegister(decoding: datagram.payload) else { continue }
            var notify = MapNotify(
                nonce: register.nonce,
                authentication: Authentication(placeholderFor: Roles.key),
                records: register.records,
                xtrID: register.xtrID,
                siteID: register.siteID
            ).encoded()
            Roles.key.sign(&notify)
            _ = router.received(
                ReceivedControlMessage(payload: notify, source: .control(mapServerAddress), destination: Self.sink),
                now: now,
                using: &random
            )
        }
        #expect(state(of: router) != before)
    }

    /// An SMR cannot be authenticated. For what is in the map-cache it leads to a question, paced and within a budget.
    @Test func `as an SMR for what is in use makes the ITR ask at its own pace, and forward as before`() throws {
        var (router, now, _) = try Self.busyRouter("one")
        var random = SplitMix(seed: 8)
        let cached = try #require(router.itr?.cache[eidPrefix("10.2.0.0/16")])
        var asked = 0
        let begun = now
        for number in 0..<30_000 {
            now = begun + .milliseconds(Int64(number))
            let smr = MapRequest(
                isSMR: true,
                nonce: Nonce(rawValue: random.next()),
                sourceEID: .ip(IPAddress("10.2.0.1")!),
                itrRLOCs: [.ip(IPAddress.v4(IPv4Address(UInt32(truncatingIfNeeded: random.next()))))],
                records: [.init(eidPrefix("10.1.0.0/16"))]
            )
            let message = ReceivedControlMessage(
                payload: smr.encoded(),
                source: .control(.v4(IPv4Address(0xc633_0000 | UInt32(truncatingIfNeeded: random.next() % 65_536)))),
                destination: Self.sink
            )
            for action in router.received(message, now: now, using: &random) {
                switch action {
                case .send: asked += 1
                case .note: break
                default: Issue.record("an SMR led to \(action)")
                }
            }
        }
        // Thirty seconds, one question in three, and the one that stood open.
        #expect(asked <= 11, "asked \(asked) times")
        #expect(router.itr?.cache[eidPrefix("10.2.0.0/16")]?.locators == cached.locators)
    }
}
