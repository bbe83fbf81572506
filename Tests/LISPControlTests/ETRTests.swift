// The ETR: its registrations over time, what it believes of a Map-Server, what it answers.

import LISPTables
import LISPWire
import Testing

@testable import LISPControl

private let rloc = IPAddress("198.51.100.1")!
private let server = IPAddress("192.0.2.53")!
private let key = AuthenticationKey(id: 0, algorithm: .hmacSHA256_128, secret: Array("secret".utf8))

private func mapping(_ prefix: String, ttl: UInt32 = 1440, rlocs: [IPAddress] = [rloc]) -> DatabaseMapping {
    DatabaseMapping(
        eid: EIDPrefix(IPPrefix(prefix)!),
        ttlMinutes: ttl,
        locators: rlocs.map { DatabaseLocator(address: $0, priority: 1, weight: 100, isLocal: $0 == rloc) }
    )
}

private func settings(
    _ mappings: [DatabaseMapping] = [mapping("10.1.0.0/16")],
    servers: [MapServerPeer] = [MapServerPeer(address: server, keys: [key])]
) -> ETRSettings {
    ETRSettings(
        mappings: mappings,
        mapServers: servers,
        xtrID: XTRID(rawValue: 0xabc),
        siteID: SiteID(rawValue: 7),
        rlocs: [rloc]
    )
}

/// An ETR and its clock.
private final class Bench {
    var etr: ETR
    var now = Instant.zero

    init(_ settings: ETRSettings = settings()) {
        etr = ETR(settings: settings, nextNonce: 1000, now: .zero)
    }

    /// The Map-Registers that leave during `duration`, with the time each left.
    func wait(_ duration: Duration) throws -> [(at: Instant, register: MapRegister, raw: [UInt8])] {
        let end = now + duration
        var sent: [(at: Instant, register: MapRegister, raw: [UInt8])] = []
        while let due = etr.deadline(), due <= end {
            now = max(now, due)
            sent += try registers(etr.timeout(now: now)).map { (now, $0.register, $0.raw) }
        }
        now = end
        return sent
    }

    func acknowledge(_ register: MapRegister, records: [EIDRecord]? = nil, with signer: AuthenticationKey = key) {
        var notify = MapNotify(
            isAcknowledgement: false,
            nonce: register.nonce,
            authentication: Authentication(placeholderFor: signer),
            records: records ?? register.records,
            xtrID: register.xtrID,
            siteID: register.siteID
        ).encoded()
        signer.sign(&notify)
        _ = receive(notify)
    }

    func receive(_ bytes: [UInt8], from source: Endpoint = .control(server)) -> [ETRAction] {
        guard case .mapNotify(let notify) = try? ControlMessage(decoding: bytes) else {
            Issue.record("not a Map-Notify")
            return []
        }
        return etr.receivedMapNotify(notify, raw: bytes, from: source, at: rloc, now: now)
    }
}

private func registers(_ actions: [ETRAction]) throws -> [(register: MapRegister, raw: [UInt8])] {
    try actions.compactMap { action in
        guard case .send(let datagram) = action,
            case .mapRegister(let register) = try ControlMessage(decoding: datagram.payload)
        else { return nil }
        return (register, datagram.payload)
    }
}

private func replies(_ actions: [ETRAction]) throws -> [(reply: MapReply, to: Endpoint, from: IPAddress?)] {
    try actions.compactMap { action in
        guard case .send(let datagram) = action,
            case .mapReply(let reply) = try ControlMessage(decoding: datagram.payload)
        else { return nil }
        return (reply, datagram.destination, datagram.source)
    }
}

@Suite struct `The ETR notices` {
    @Test func `since when nobody answers, and which records a Map-Server leaves out`() throws {
        let (one, two) = (mapping("10.1.0.0/16"), mapping("10.9.0.0/16"))
        let bench = Bench(settings([one, two]))
        var registration: Registration { bench.etr.registrars[0].registrations[0] }
        var sent = try bench.wait(.seconds(3))
        #expect(registration.unacknowledged == 3 && registration.unacknowledgedSince == .zero)
        let acknowledged = bench.now
        bench.acknowledge(try #require(sent.last).register)
        #expect(registration.unacknowledgedSince == nil && registration.refusals.isEmpty)

        sent = try bench.wait(.seconds(20))
        #expect(registration.unacknowledged == 1 && registration.unacknowledgedSince == sent[0].at)
        bench.acknowledge(sent[0].register, records: [sent[0].register.records[0]])
        let refused = Registration.Refusal(since: bench.now, lastAcknowledged: acknowledged)
        #expect(registration.refusals == [two.eid: refused] && registration.refused == [two.eid])
        sent = try bench.wait(.seconds(20))
        bench.acknowledge(sent[0].register, records: [sent[0].register.records[0]])
        #expect(registration.refusals == [two.eid: refused])
        sent = try bench.wait(.seconds(20))
        bench.acknowledge(sent[0].register)
        #expect(registration.refusals.isEmpty && registration.refused.isEmpty)
    }

    @Test func `what went wrong with a Map-Server, and keeps that over a change of settings`() throws {
        let bench = Bench()
        var troubles: RegistrarTroubles { bench.etr.registrars[0].troubles }
        let sent = try bench.wait(.seconds(5))
        #expect(troubles == RegistrarTroubles())
        bench.acknowledge(sent[0].register, with: AuthenticationKey(id: 0, algorithm: .hmacSHA256_128, secret: [1]))
        #expect(troubles.wrongAuthentication?.time == bench.now && troubles.wrongAuthentication?.source == server)
        bench.etr.doubt(rloc, now: bench.now)
        bench.etr.sendFailed(to: rloc, "Operation not permitted", now: bench.now)
        #expect(troubles.unreachable == nil && troubles.unsent == nil)
        bench.etr.doubt(server, now: bench.now)
        bench.etr.sendFailed(to: server, "Operation not permitted", now: bench.now)
        #expect(troubles.unreachable == bench.now && troubles.unsent?.reason == "Operation not permitted")
        _ = bench.etr.reconfigure(settings([mapping("10.1.0.0/16", ttl: 5)]), now: bench.now)
        #expect(troubles.unreachable == bench.now)
    }
}

@Suite struct `The ETR registers` {
    @Test func `at once, again after 1 s doubling up to 60 s while nobody answers`() throws {
        let bench = Bench()
        let sent = try bench.wait(.seconds(200))
        #expect(sent.map { $0.at.nanoseconds / 1_000_000_000 } == [0, 1, 3, 7, 15, 31, 63, 123, 183])
        #expect(sent.allSatisfy { key.verifies($0.raw) == .ok })
        let nonces = sent.map(\.register.nonce.rawValue)
        #expect(nonces == nonces.sorted() && Set(nonces).count == nonces.count && nonces[0] == 1000)
    }

    @Test func `soon where the way may be free again, if nobody has acknowledged the last`() throws {
        let bench = Bench()
        var sent = try bench.wait(.seconds(65))
        #expect(sent.map(\.at) == [0, 1, 3, 7, 15, 31, 63].map { .zero + .seconds($0) })
        bench.etr.pathsRestored(now: bench.now)
        sent = try bench.wait(.seconds(10))
        #expect(sent.map(\.at) == [.zero + .seconds(68)])
        // Acknowledged ones keep their time.
        bench.acknowledge(try #require(sent.last).register)
        bench.etr.pathsRestored(now: bench.now)
        #expect(try bench.wait(.seconds(9)).isEmpty)
    }

    @Test func `with nonces from the wall clock, also when that is set ahead later, and never back`() throws {
        let bench = Bench()
        _ = try bench.wait(.seconds(40))
        // The clock goes as it went, or is set back.
        bench.etr.wallClock(reads: 1000 + 40_000_000_000, now: bench.now)
        bench.etr.wallClock(reads: 5, now: bench.now)
        let before = bench.etr.nextNonce
        #expect(try bench.wait(.seconds(20)).isEmpty)
        // It is set: what nobody answers goes out at once, with nonces of today.
        let today: UInt64 = 1_800_000_000_000_000_000
        bench.etr.wallClock(reads: today, now: bench.now)
        let next = try #require(try bench.wait(.milliseconds(1)).first)
        // Ahead of today by no more than an hour, as always where nobody answers.
        let nonce = next.register.nonce.rawValue
        #expect(before < today && (today...today + 3_600_000_000_000).contains(nonce))
        bench.etr.wallClock(reads: today - 1_000_000_000_000, now: bench.now)
        #expect(bench.etr.nextNonce == nonce + 1)
    }

    @Test func `and tells who exchanges data with it once a Map-Server may have forgotten it meanwhile`() throws {
        let bench = Bench()
        func acknowledged(after silence: Duration) throws -> [[EIDPrefix]] {
            let last = try #require(try bench.wait(silence).last).register
            var notify = MapNotify(
                isAcknowledgement: false,
                nonce: last.nonce,
                authentication: Authentication(placeholderFor: key),
                records: last.records,
                xtrID: last.xtrID,
                siteID: last.siteID
            ).encoded()
            key.sign(&notify)
            return bench.receive(notify).compactMap { if case .mappingsChanged(let eids) = $0 { eids } else { nil } }
        }
        #expect(try acknowledged(after: .seconds(1)).isEmpty)
        #expect(try acknowledged(after: .seconds(170)).isEmpty)
        #expect(try acknowledged(after: .seconds(300)) == [[EIDPrefix(IPPrefix("10.1.0.0/16")!)]])
    }

    @Test func `with nonces ahead of the time since its start until somebody answers, and not after`() throws {
        let bench = Bench()
        let sent = try bench.wait(.seconds(303))
        let ahead = sent.map { Double($0.register.nonce.rawValue) / 1e9 - Double($0.at.nanoseconds) / 1e9 }
        #expect(ahead[3...].map { Int($0.rounded()) } == [60, 240, 960, 3600, 7200, 10800, 14400, 18000])
        #expect(sent.prefix(3).map(\.register.nonce.rawValue) == [1000, 1001, 1002])
        // Once somebody answers they count by one.
        let last = try #require(sent.last)
        bench.acknowledge(last.register)
        let next = try #require(try bench.wait(.seconds(60)).first)
        #expect(next.register.nonce.rawValue == last.register.nonce.rawValue + 1)
        let unanswered = try bench.wait(.seconds(600))
        #expect(unanswered.count > 10)
        #expect(unanswered.last?.register.nonce.rawValue == next.register.nonce.rawValue + UInt64(unanswered.count))
    }

    @Test func `every 20 s for five minutes, then every 60 s, once acknowledged`() throws {
        let bench = Bench()
        var times: [Int64] = []
        while times.count < 25 {
            let deadline = bench.etr.deadline()
            let due = try #require(deadline)
            for sent in try bench.wait(bench.now.duration(to: due)) {
                times.append(sent.at.nanoseconds / 1_000_000_000)
                bench.acknowledge(sent.register)
            }
        }
        let gaps = zip(times, times.dropFirst()).map { $1 - $0 }
        #expect(gaps == Array(repeating: 20, count: 15) + Array(repeating: 60, count: 9))
        #expect(bench.etr.registrars[0].isUp)
    }

    @Test func `with its identity, its records and the bits that are configured`() throws {
        var peer = MapServerPeer(address: server, keys: [key])
        peer.proxyReply = true
        peer.merge = true
        let bench = Bench(settings(servers: [peer]))
        let register = try #require(try bench.wait(.zero).first).register
        #expect(register.wantsProxyReply && register.wantsMerge && register.wantsMapNotify)
        #expect(register.xtrID == XTRID(rawValue: 0xabc) && register.siteID == SiteID(rawValue: 7))
        #expect(register.records.map(\.eidPrefix) == [EIDPrefix(IPPrefix("10.1.0.0/16")!)])
        #expect(register.records[0].isAuthoritative)
        #expect(register.records[0].locators.map(\.isLocal) == [true])
    }

    @Test func `many mappings in messages of at most 576 octets, each mapping once`() throws {
        let mappings = (0..<100).map { mapping("10.\($0).0.0/16") }
        let bench = Bench(settings(mappings))
        let sent = try bench.wait(.zero)
        #expect(sent.count > 1)
        #expect(sent.allSatisfy { $0.raw.count + 28 <= 576 })
        #expect(sent.flatMap { $0.register.records.compactMap(\.eidPrefix) }.sorted() == mappings.map(\.eid).sorted())
    }

    @Test func `very many mappings a slice at a time, each Map-Register acknowledged on its own`() throws {
        let prefixes = (0..<4000).map { "10.\($0 >> 8).\($0 & 255).0/24" }
        let bench = Bench(settings(prefixes.map { mapping($0) }))
        var sent: [MapRegister] = []
        while let due = bench.etr.deadline(), due <= bench.now {
            let slice = try registers(bench.etr.timeout(now: bench.now)).map(\.register)
            #expect((1...ETR.sliceLimit).contains(slice.count))
            sent += slice
        }
        #expect(sent.count > ETR.sliceLimit)
        let registered = sent.flatMap(\.records).compactMap(\.eidPrefix).sorted()
        let isEachOnce = registered == prefixes.map { EIDPrefix(IPPrefix($0)!) }
        #expect(isEachOnce)
        for register in sent.dropFirst() { bench.acknowledge(register) }
        #expect(bench.etr.statistics[.mapNotifiesAccepted] == UInt64(sent.count - 1))
        // Only the first is sent again, under a nonce that is now the one that counts.
        let again = try bench.wait(.seconds(1)).map(\.register)
        #expect(again.map(\.records) == [sent[0].records])
        for register in again { bench.acknowledge(register) }
        #expect(bench.etr.registrars[0].isUp)
        #expect(bench.etr.statistics[.mapNotifiesAccepted] == UInt64(sent.count))
        // An acknowledgement counts once.
        bench.acknowledge(sent[1])
        #expect(bench.etr.statistics[.mapNotifiesAccepted] == UInt64(sent.count))
    }

    @Test func `TTL 0 when it withdraws`() throws {
        let bench = Bench()
        _ = try bench.wait(.zero)
        let last = try registers(bench.etr.deregister())
        #expect(last.map { $0.register.records.map(\.ttlMinutes) } == [[0]])
    }

    @Test func `only what changed, and withdraws what is gone`() throws {
        let bench = Bench(settings([mapping("10.1.0.0/16"), mapping("10.2.0.0/16")]))
        for sent in try bench.wait(.zero) { bench.acknowledge(sent.register) }
        #expect(
            bench.etr.reconfigure(settings([mapping("10.2.0.0/16"), mapping("10.1.0.0/16")]), now: bench.now) == []
        )
        #expect(try bench.wait(.seconds(1)).isEmpty)
        let withdrawn = try registers(bench.etr.reconfigure(settings([mapping("10.1.0.0/16")]), now: bench.now))
        #expect(
            withdrawn.map { $0.register.records.map { [$0.eidPrefix?.description, "\($0.ttlMinutes)"] } }
                == [[["10.2.0.0/16", "0"]]]
        )
        #expect(try bench.wait(.zero).count == 1)
    }

    /// What it withdraws during a time, with the seconds since the start.
    private func withdrawn(_ bench: Bench, _ duration: Duration) throws -> [(at: Int64, register: MapRegister)] {
        try bench.wait(duration).filter { $0.register.records.allSatisfy { $0.ttlMinutes == 0 } }.map {
            ($0.at.nanoseconds / 1_000_000_000, $0.register)
        }
    }

    @Test func `a withdrawal until it is acknowledged, each time with another nonce, but not for ever`() throws {
        let bench = Bench(settings([mapping("10.1.0.0/16"), mapping("10.2.0.0/16")]))
        for sent in try bench.wait(.zero) { bench.acknowledge(sent.register) }
        let first = try registers(bench.etr.reconfigure(settings([mapping("10.1.0.0/16")]), now: bench.now))
        #expect(first.count == 1)
        let again = try withdrawn(bench, .seconds(300))
        #expect(again.map(\.at) == [1, 3, 7, 15, 31])
        #expect(Set((first.map(\.register) + again.map(\.register)).map(\.nonce)).count == 6)
        #expect(again.allSatisfy { $0.register.records.map(\.eidPrefix) == [EIDPrefix(IPPrefix("10.2.0.0/16")!)] })

        let heard = Bench(settings([mapping("10.1.0.0/16"), mapping("10.2.0.0/16")]))
        for sent in try heard.wait(.zero) { heard.acknowledge(sent.register) }
        _ = heard.etr.reconfigure(settings([mapping("10.1.0.0/16")]), now: heard.now)
        let second = try withdrawn(heard, .seconds(1))
        heard.acknowledge(try #require(second.first).register)
        #expect(try withdrawn(heard, .seconds(300)).isEmpty)
        #expect(heard.etr.statistics[.mapNotifiesUnsolicited] == 0)
    }

    @Test func `no withdrawal any more of what has come back`() throws {
        let both = settings([mapping("10.1.0.0/16"), mapping("10.2.0.0/16")])
        let bench = Bench(both)
        for sent in try bench.wait(.zero) { bench.acknowledge(sent.register) }
        _ = bench.etr.reconfigure(settings([mapping("10.1.0.0/16")]), now: bench.now)
        _ = bench.etr.reconfigure(both, now: bench.now)
        #expect(try withdrawn(bench, .seconds(300)).isEmpty)
        // Under another identity it goes on: those are two ETRs for the Map-Server.
        let other = Bench(both)
        for sent in try other.wait(.zero) { other.acknowledge(sent.register) }
        var renamed = both
        renamed.siteID = SiteID(rawValue: 8)
        _ = other.etr.reconfigure(renamed, now: other.now)
        #expect(try withdrawn(other, .seconds(1)).map(\.register.siteID) == [SiteID(rawValue: 7)])
    }

    @Test func `nothing for a mapping without any locator`() throws {
        let bench = Bench(settings([mapping("10.1.0.0/16", rlocs: [])]))
        #expect(try bench.wait(.seconds(60)).isEmpty)
    }
}

@Suite struct `A Map-Notify` {
    private static func changes(_ actions: [ETRAction]) -> [[EIDPrefix]] {
        actions.compactMap { if case .mappingsChanged(let eids) = $0 { eids } else { nil } }
    }

    @Test(arguments: [true, false])
    func `with other merged locators is a change, where locators are merged`(merge: Bool) throws {
        let peer = MapServerPeer(address: server, keys: [key], merge: merge)
        let bench = Bench(settings(servers: [peer]))
        let register = try #require(try bench.wait(.zero).first).register
        func notify(_ nonce: UInt64, _ rlocs: [IPAddress]) -> [ETRAction] {
            var message = MapNotify(
                isAcknowledgement: false,
                nonce: Nonce(rawValue: nonce),
                authentication: Authentication(placeholderFor: key),
                records: [mapping("10.1.0.0/16", rlocs: rlocs).record()],
                xtrID: register.xtrID,
                siteID: register.siteID
            ).encoded()
            key.sign(&message)
            return bench.receive(message)
        }
        let other = IPAddress("198.51.100.9")!
        #expect(Self.changes(notify(register.nonce.rawValue, [rloc, other])) == [])
        #expect(Self.changes(notify(77, [rloc, other])) == [])
        let changed = Self.changes(notify(78, [rloc]))
        #expect(changed == (merge ? [[EIDPrefix(IPPrefix("10.1.0.0/16")!)]] : []))
        // A repeat of the same.
        #expect(Self.changes(notify(78, [rloc])) == [])
    }

    @Test func `with another key changes nothing`() throws {
        let bench = Bench()
        let register = try #require(try bench.wait(.zero).first).register
        let wrong = AuthenticationKey(id: 0, algorithm: .hmacSHA256_128, secret: Array("guess".utf8))
        bench.acknowledge(register, with: wrong)
        #expect(bench.etr.statistics[.mapNotifyWrongAuthentication] == 1)
        #expect(!bench.etr.registrars[0].isUp)
    }

    @Test func `that leaves an EID-prefix out tells that it was refused`() throws {
        let bench = Bench(settings([mapping("10.1.0.0/16"), mapping("10.2.0.0/16")]))
        let register = try #require(try bench.wait(.zero).first).register
        bench.acknowledge(register, records: [register.records[0]])
        #expect(bench.etr.registrars[0].refused == [EIDPrefix(IPPrefix("10.2.0.0/16")!)])
    }

    @Test func `that nobody asked for is acknowledged, if it is authentic and from a Map-Server of ours`() throws {
        let bench = Bench()
        var notify = MapNotify(
            isAcknowledgement: false,
            nonce: Nonce(rawValue: 99),
            authentication: Authentication(placeholderFor: key),
            records: [mapping("10.1.0.0/16").record()],
            xtrID: nil,
            siteID: nil
        ).encoded()
        key.sign(&notify)
        let actions = bench.receive(notify)
        guard case .send(let datagram) = try #require(actions.first),
            case .mapNotify(let acknowledgement) = try ControlMessage(decoding: datagram.payload)
        else {
            Issue.record("no Map-Notify-Ack")
            return
        }
        #expect(acknowledgement.isAcknowledgement && acknowledgement.nonce == Nonce(rawValue: 99))
        #expect(key.verifies(datagram.payload) == .ok)
        #expect(bench.receive(notify, from: .control(IPAddress("203.0.113.9")!)) == [])
        #expect(bench.etr.statistics[.mapNotifyUnknownServer] == 1)
        notify[notify.count - 1] ^= 1
        #expect(bench.receive(notify) == [])
        #expect(bench.etr.statistics[.mapNotifyWrongAuthentication] == 1)
    }
}

@Suite struct `The ETR answers` {
    private static let itr = IPAddress("198.51.100.9")!

    private func request(_ prefix: String, probe: Bool = false, rlocs: [IPAddress] = [itr]) -> MapRequest {
        MapRequest(
            isProbe: probe,
            nonce: Nonce(rawValue: 5),
            sourceEID: .none,
            itrRLOCs: rlocs.map(LISPAddress.ip),
            records: [MapRequest.Record(EIDPrefix(IPPrefix(prefix)!))]
        )
    }

    private func answer(_ etr: inout ETR, _ request: MapRequest) throws -> [String] {
        let actions = etr.receivedMapRequest(request, replyPort: 61_000, at: rloc, now: .zero)
        return try replies(actions).flatMap { $0.reply.records.compactMap(\.eidPrefix?.description) }
    }

    /// The two examples of RFC 9301 section 5.5.
    @Test(arguments: [
        ("10.1.5.5/32", ["10.1.0.0/16", "10.1.1.0/24", "10.1.2.0/24"]),
        ("10.1.1.1/32", ["10.1.1.0/24"]),
        ("10.1.0.0/16", ["10.1.0.0/16", "10.1.1.0/24", "10.1.2.0/24"]),
        ("10.9.9.9/32", ["10.0.0.0/8", "10.1.0.0/16", "10.1.1.0/24", "10.1.2.0/24"]),
    ])
    func `with the longest match and all its more-specifics`(prefix: String, expected: [String]) throws {
        let mappings = ["10.0.0.0/8", "10.1.0.0/16", "10.1.1.0/24", "10.1.2.0/24"].enumerated()
        var etr = ETR(
            settings: settings(mappings.map { mapping($1, ttl: UInt32($0 + 1)) }),
            nextNonce: 1,
            now: .zero
        )
        #expect(try answer(&etr, request(prefix)) == expected)
        let actions = etr.receivedMapRequest(request(prefix), replyPort: 61_000, at: rloc, now: .zero + .seconds(2))
        let ttls = try replies(actions).flatMap { $0.reply.records.map(\.ttlMinutes) }
        #expect(Set(ttls).count == 1)
    }

    @Test func `to the port that asked, from the address that was asked, authoritatively`() throws {
        let bench = Bench()
        let actions = bench.etr.receivedMapRequest(request("10.1.2.3/32"), replyPort: 61_000, at: rloc, now: .zero)
        let sent = try #require(try replies(actions).first)
        #expect(sent.to == Endpoint(Self.itr, 61_000))
        #expect(sent.from == rloc)
        #expect(sent.reply.nonce == Nonce(rawValue: 5))
        #expect(sent.reply.records.allSatisfy { $0.isAuthoritative })
        #expect(sent.reply.records[0].locators.allSatisfy { $0.isLocal && $0.isReachable && !$0.isProbed })
    }

    @Test func `nothing for an EID that is not ours, and counts it`() throws {
        let bench = Bench()
        #expect(try answer(&bench.etr, request("10.2.0.1/32")) == [])
        #expect(bench.etr.statistics[.mapRequestNotOurs] == 1)
    }

    @Test func `nothing to an ITR-RLOC of a family that it does not have`() throws {
        let bench = Bench()
        #expect(try answer(&bench.etr, request("10.1.0.1/32", rlocs: [IPAddress("2001:db8::1")!])) == [])
        #expect(bench.etr.statistics[.mapRequestNoRLOC] == 1)
    }

    @Test func `nothing that asks for no reply`() throws {
        let bench = Bench()
        var quiet = request("10.1.0.1/32")
        quiet.dontMapReply = true
        #expect(try answer(&bench.etr, quiet) == [])
    }

    @Test func `the same question once a second`() throws {
        let bench = Bench()
        #expect(try answer(&bench.etr, request("10.1.0.1/32")).count == 1)
        #expect(try answer(&bench.etr, request("10.1.0.1/32")) == [])
        #expect(bench.etr.statistics[.mapRepliesLimited] == 1)
    }

    @Test func `a probe with the p-bit on the probed locator, whatever EID it names`() throws {
        let bench = Bench()
        let ours = bench.etr.receivedMapRequest(
            request("10.1.0.0/16", probe: true),
            replyPort: 4342,
            at: rloc,
            now: .zero
        )
        let reply = try #require(try replies(ours).first).reply
        #expect(reply.isProbe && reply.records[0].isAuthoritative)
        #expect(reply.records[0].locators.map(\.isProbed) == [true])

        var nameless = request("10.1.0.0/16", probe: true)
        nameless.records = [MapRequest.Record(eid: .none, maskLength: 0)]
        let answer = bench.etr.receivedMapRequest(nameless, replyPort: 4342, at: rloc, now: .zero)
        let other = try #require(try replies(answer).first).reply
        #expect(other.isProbe && other.records[0].eid == .none)
        #expect(other.records[0].locators.map(\.isProbed) == [true])
    }

    @Test(arguments: [false, true])
    func `says by the E-bit whether it echoes nonces, to probes as well`(echoes: Bool) throws {
        var echoing = settings()
        echoing.echoNonce = echoes
        var etr = ETR(settings: echoing, nextNonce: 1, now: .zero)
        for isProbe in [false, true] {
            var request = request("10.1.2.3/32")
            request.isProbe = isProbe
            request.nonce = Nonce(rawValue: isProbe ? 8 : 7)
            let actions = etr.receivedMapRequest(request, replyPort: 4342, at: rloc, now: .zero)
            #expect(try replies(actions).map(\.reply.isEchoNonceCapable) == [echoes])
        }
    }
}

@Suite struct `The ETR is not led astray` {
    private func request(_ prefix: String, rloc: String = "198.51.100.9", probe: Bool = false) -> MapRequest {
        MapRequest(
            isProbe: probe,
            nonce: Nonce(rawValue: 7),
            sourceEID: .none,
            itrRLOCs: [.ip(IPAddress(rloc)!)],
            records: [MapRequest.Record(EIDPrefix(IPPrefix(prefix)!))]
        )
    }

    @Test func `to remember every EID that somebody probes it for`() {
        let bench = Bench()
        for host in 0..<1000 {
            let probe = request("10.7.\(host / 250).\(host % 250)/32", probe: true)
            _ = bench.etr.receivedMapRequest(probe, replyPort: 4342, at: rloc, now: .zero)
        }
        #expect(bench.etr.statistics[.probesAnswered] == 1000)
        #expect(bench.etr.answers.isEmpty)
    }

    @Test(arguments: ["224.0.0.1", "127.0.0.1", "255.255.255.255", "0.0.0.0", "169.254.0.1"])
    func `to answer to what is no address of one host`(address: String) {
        let bench = Bench()
        let actions = bench.etr.receivedMapRequest(
            request("10.1.0.1/32", rloc: address),
            replyPort: 4342,
            at: rloc,
            now: .zero
        )
        #expect(actions == [])
        #expect(bench.etr.statistics[.mapRequestNoRLOC] == 1)
    }

    @Test func `to send a Map-Reply into somebody's data port`() {
        let bench = Bench()
        let actions = bench.etr.receivedMapRequest(request("10.1.0.1/32"), replyPort: 4341, at: rloc, now: .zero)
        #expect(actions == [])
        #expect(bench.etr.statistics[.mapRequestBadPort] == 1)
    }
}

@Suite struct `Changed settings of the ETR` {
    @Test func `leave counters, and registrations that did not change`() throws {
        // Two messages: the mappings do not fit into one.
        let many = (0..<40).map { mapping("10.\($0).0.0/16") }
        let bench = Bench(settings(many))
        for sent in try bench.wait(.zero) { bench.acknowledge(sent.register) }
        let before = bench.etr.registrars[0]
        #expect(before.registrations.count > 1)
        var changed = settings(many)
        changed.mappings[39] = mapping("10.39.0.0/16", ttl: 5)
        bench.now = .zero + .seconds(1)
        _ = bench.etr.reconfigure(changed, now: bench.now)
        let after = bench.etr.registrars[0]
        #expect(after.mapRegistersSent == before.mapRegistersSent)
        #expect(after.mapNotifiesAccepted == before.mapNotifiesAccepted)
        #expect(after.registrations[0].lastAcknowledged == .zero)
        let sent = try bench.wait(.zero)
        #expect(sent.count == 1)
        #expect(sent[0].register.records.contains { $0.ttlMinutes == 5 })
    }

    @Test func `register under a new Site-ID, and only then withdraw what is registered under the old one`() throws {
        let bench = Bench()
        for sent in try bench.wait(.zero) { bench.acknowledge(sent.register) }
        var changed = settings()
        changed.siteID = SiteID(rawValue: 8)
        let sent = try registers(bench.etr.reconfigure(changed, now: bench.now))
        #expect(sent.map(\.register.siteID) == [SiteID(rawValue: 8), SiteID(rawValue: 7)])
        #expect(sent[0].register.records.allSatisfy { $0.ttlMinutes > 0 })
        #expect(sent[1].register.records.map(\.ttlMinutes) == [0])
        #expect(try bench.wait(.zero).isEmpty)
    }
}
