// lig: its question, field by field, and what it takes for an answer; once over real sockets on loopback.

import Glibc
import LISPWire
import ManagementAPI
import Testing

@testable import lispctl

private let eid = EID(instanceID: InstanceID(uncheckedRawValue: 101), .v4(IPv4Address(0x0a02_0001)))
private let local = Endpoint(.v4(IPv4Address(0xc000_0201)), 54321)

private func question(source: IPAddress? = nil, eid: EID = eid) -> LigQuestion {
    LigQuestion(eid: eid, sourceEID: source, local: local, nonce: Nonce(rawValue: 7))
}

private func reply(nonce: UInt64 = 7, records: [EIDRecord]) -> [UInt8] {
    MapReply(nonce: Nonce(rawValue: nonce), records: records).encoded()
}

private func record(_ prefix: String, instanceID: UInt32 = 101, locators: [LocatorRecord] = []) throws -> EIDRecord {
    let prefix = EIDPrefix(instanceID: InstanceID(uncheckedRawValue: instanceID), try #require(IPPrefix(prefix)))
    return EIDRecord(eidPrefix: prefix, ttlMinutes: 1440, locators: locators)
}

@Suite struct LigTests {
    @Test func `asks through an Encapsulated Control Message`() throws {
        let own = try #require(IPAddress("10.1.0.1"))
        guard case .encapsulated(let outer) = try ControlMessage(decoding: question(source: own).message),
            case .mapRequest(let request) = try ControlMessage(decoding: outer.payload)
        else {
            Issue.record("no Map-Request in an Encapsulated Control Message")
            return
        }
        #expect(outer.source == Endpoint(own, 54321))
        #expect(outer.destination == Endpoint(eid.address, 4342))
        #expect(request.nonce == Nonce(rawValue: 7))
        #expect(request.itrRLOCs == [.ip(local.address)])
        #expect(request.sourceEID == LISPAddress(eid: EID(instanceID: eid.instanceID, own)))
        #expect(
            request.records.map(\.eidPrefix) == [EIDPrefix(instanceID: eid.instanceID, IPPrefix(host: eid.address))]
        )
        #expect(!request.isProbe && !request.isSMR && !request.isSMRInvoked && !request.isPITR)
    }

    @Test func `asks for IPv6 from an IPv4 address`() throws {
        let six = EID(try #require(IPAddress("2001:db8:2::1")))
        guard case .encapsulated(let outer) = try ControlMessage(decoding: question(eid: six).message) else {
            Issue.record("no Encapsulated Control Message")
            return
        }
        #expect(outer.source?.address.family == .ipv6)
        #expect(outer.destination?.address == six.address)
    }

    @Test func `takes the reply with its nonce and a record that covers the EID`() throws {
        let other = try record("10.2.7.0/24")
        let covering = try record("10.2.0.0/16")
        #expect(
            question().answer(in: reply(records: [other, covering]))?.map(\.eidPrefix) == [
                covering.eidPrefix, other.eidPrefix,
            ]
        )
        #expect(question().answer(in: reply(nonce: 8, records: [covering])) == nil)
        #expect(question().answer(in: reply(records: [other])) == nil)
        #expect(question().answer(in: reply(records: [try record("10.2.0.0/16", instanceID: 0)])) == nil)
        #expect(question().answer(in: []) == nil)
        #expect(question().answer(in: question().message) == nil)
    }

    @Test func `gets its answer over a socket`() throws {
        let resolver = try LigSocket(towards: Endpoint(.v4(IPv4Address(0x7f00_0001)), 9))
        let asker = try LigSocket(towards: resolver.local)
        var question = question()
        question.local = asker.local
        let interrupt = try Pipe()
        try asker.send(question.message, to: resolver.local)
        guard case .datagram(let request, _) = resolver.receive(until: .now + .seconds(2), interrupt.reading) else {
            Issue.record("nothing arrived")
            return
        }
        #expect(request == question.message)
        try resolver.send(reply(records: [record("10.2.0.0/16")]), to: asker.local)
        guard case .datagram(let answer, let source) = asker.receive(until: .now + .seconds(2), interrupt.reading)
        else {
            Issue.record("no answer")
            return
        }
        #expect(source == resolver.local.address)
        #expect(question.answer(in: answer)?.count == 1)
        guard case .nothing = asker.receive(until: .now + .milliseconds(1), interrupt.reading) else {
            Issue.record("more than was sent")
            return
        }
    }

    @Test func `is told at once that nothing listens there, and of Ctrl-C`() throws {
        let started = ContinuousClock.now
        let closed: Endpoint
        do {
            closed = try LigSocket(towards: Endpoint(.v4(IPv4Address(0x7f00_0001)), 9)).local
        }
        let asker = try LigSocket(towards: closed)
        let interrupt = try Pipe()
        try asker.send([1], to: closed)
        guard case .error(let words) = asker.receive(until: .now + .seconds(20), interrupt.reading) else {
            Issue.record("no ICMP error")
            return
        }
        #expect(words == "ICMP port unreachable: no Map-Resolver there (says 127.0.0.1)")
        // The queue is empty again, and sending goes on.
        try asker.send([1], to: closed)
        try asker.send([1], to: closed)
        interrupt.signal()
        while case .error = asker.receive(until: .now + .seconds(20), interrupt.reading) {}
        guard case .interrupted = asker.receive(until: .now + .seconds(20), interrupt.reading) else {
            Issue.record("not interrupted")
            return
        }
        #expect(ContinuousClock.now - started < .seconds(15))
    }

    @Test(
        arguments: [
            ([2, 3, 1], "ICMP host unreachable"), ([2, 3, 13], "ICMP administratively prohibited"),
            ([2, 3, 15], "ICMP destination unreachable, code 15"), ([2, 11, 0], "ICMP time exceeded: a routing loop?"),
            ([3, 1, 4], "ICMPv6 port unreachable: no Map-Resolver there"),
            ([3, 1, 0], "ICMPv6 no route to destination"),
            ([1, 0, 0], "No route to host"),
        ] as [([UInt8], String)]
    )
    func `says what the error queue says`(report: [UInt8], words: String) {
        let control = [UInt8](repeating: 0, count: 16) + [113, 0, 0, 0] + report + [UInt8](repeating: 0, count: 9)
        #expect(SocketErrorReport(control[...])?.words == words)
        #expect(SocketErrorReport(control.dropLast()) == nil)
        let complainer: [UInt8] = [2, 0, 0, 0, 192, 0, 2, 9, 0, 0, 0, 0, 0, 0, 0, 0]
        if report[0] != 1 {
            #expect(SocketErrorReport((control + complainer)[...])?.words == "\(words) (says 192.0.2.9)")
        }
    }

    @Test func `a datagram too long for the path is nothing to give up for`() {
        let control = [UInt8](repeating: 0, count: 16) + [90, 0, 0, 0, 1, 0, 0, 0] + [UInt8](repeating: 0, count: 8)
        #expect(SocketErrorReport(control[...]) == nil)
    }

    @Test func `shows the answer as RFC 6835 does`() throws {
        let locator = LocatorRecord(priority: 1, weight: 100, isLocal: true, address: .ip(local.address))
        var result = LigResult(target: LigTarget(eid: eid))
        result.answer = Self.answer([try record("10.2.0.0/16", locators: [locator])])
        let mapping = """
            Received map-reply from 192.0.2.1 with rtt 0.081468 secs

            Mapping entry for EID [101] 10.2.0.1:
            [101] 10.2.0.0/16, record ttl: 1d00h, via map-reply, non-auth
              Locator    State  Pri/Wgt  Mcast  Flags
              192.0.2.1  up       1/100  255/0  L R

            """
        #expect(text(of: result) == mapping)
        #expect(result.outcome == .answered)
        result.target.name = "host.example"
        #expect(text(of: result).contains("Mapping entry for host.example EID [101] 10.2.0.1:\n"))
        result.target.name = nil
        result.verification = LigVerification(of: try #require(result.answer), against: Self.own, merges: false)
        #expect(text(of: result) == mapping + "\nRegistration: as this router registers it\n")
        #expect(result.outcome == .answered)
    }

    private static func answer(_ records: [EIDRecord]) -> LigAnswer {
        LigAnswer(records: records, source: local.address, roundTripMicroseconds: 81_468, attempt: 1)
    }

    private static let own = DatabaseEntry(
        instanceID: 101,
        eidPrefix: "10.2.0.0/16",
        locatorSet: "default",
        ttl: 86_400,
        locators: [
            DatabaseLocator(address: "192.0.2.1", priority: 1, weight: 100, isSelf: true, isReachable: true)
        ],
        answers: 0
    )

    @Test func `says what differs from what this router registers`() throws {
        func verification(_ records: EIDRecord..., merges: Bool = false) -> LigVerification {
            LigVerification(of: Self.answer(records), against: Self.own, merges: merges)
        }
        func locator(_ address: String, _ priority: UInt8 = 1, isReachable: Bool = true) throws -> LocatorRecord {
            let address = LISPAddress.ip(try #require(IPAddress(address)))
            return LocatorRecord(
                priority: priority,
                weight: 100,
                isLocal: true,
                isReachable: isReachable,
                address: address
            )
        }
        let negative = verification(try record("10.2.0.0/17"))
        #expect(!negative.matches)
        #expect(
            negative.differences[0].hasPrefix("10.2.0.0/16 is not registered: the answer for 10.2.0.0/17 is negative")
        )
        #expect(
            verification(try record("10.0.0.0/8", locators: [locator("192.0.2.1", 2, isReachable: false)])).differences
                == [
                    "the mapping is of 10.0.0.0/8, ours of 10.2.0.0/16",
                    "locator 192.0.2.1 has 2/100 (priority/weight), we register 1/100",
                    "locator 192.0.2.1 is said to be unreachable",
                ]
        )
        let other = try record("10.2.0.0/16", locators: [locator("192.0.2.7")])
        #expect(
            verification(other).differences == [
                "our locator 192.0.2.1 is not among its locators",
                "locator 192.0.2.7 is none of ours: another ETR has registered it",
            ]
        )
        var both = try record("10.2.0.0/16", locators: [locator("192.0.2.1"), locator("192.0.2.7")])
        both.ttlMinutes = 60
        #expect(!verification(both).matches)
        let merged = verification(both, merges: true)
        #expect(merged.matches)
        #expect(merged.notes == ["locator 192.0.2.7 is of another ETR of the site", "its TTL is 01:00:00, ours 1d00h"])
    }

    @Test func `tells by its outcome how it went`() throws {
        var result = LigResult(target: LigTarget(eid: eid), attempts: [.init(mapResolver: local.address, sent: 3)])
        #expect(result.outcome == .none && result.outcome.exitStatus == 1)
        #expect(text(of: result) == "3 Map-Requests for [101] 10.2.0.1 sent to 192.0.2.1, no Map-Reply\n")
        result.wasInterrupted = true
        #expect(result.outcome.exitStatus == 130)
        #expect(text(of: result).hasPrefix("Interrupted: 3 Map-Requests"))
        var negative = try record("10.0.0.0/8")
        negative.action = .nativelyForward
        result.answer = Self.answer([negative])
        #expect(result.outcome == .negative && result.outcome.exitStatus == 2)
        #expect(text(of: result).contains("  Negative cache entry, action: natively-forward\n"))
        result.verification = LigVerification(of: Self.answer([negative]), against: Self.own, merges: false)
        #expect(result.outcome == .mismatch && result.outcome.exitStatus == 3)
        #expect(
            text(of: result).contains("Registration: NOT as this router registers it\n  10.2.0.0/16 is not registered")
        )
        let report = LigReport(result)
        #expect(report.outcome == "mismatch")
        #expect(report.registration?.matches == false)
    }

    @Test func `knows what self is, and what is its own`() throws {
        var six = Self.own
        six.eidPrefix = "2001:db8:2::/48"
        six.sourceAddress = "2001:db8:2::9"
        let site = OwnSite([Self.own, six])
        func targets(_ words: String...) throws -> [LigTarget] {
            try LigTargets(try Selection(words), 101, site).all
        }
        let own = try targets("self")
        #expect(own.map(\.eid.address.description) == ["10.2.0.0"])
        #expect(own[0].isSelf && own[0].own == Self.own)
        #expect(try targets("self6").map(\.own) == [six])
        #expect(try targets("ipv6", "self").map(\.own) == [six])
        #expect(try targets("10.2.7.7").map(\.own) == [Self.own])
        #expect(try targets("10.3.0.0/16").map(\.eid.address.description) == ["10.3.0.0"])
        #expect(try targets("10.3.0.0/16").map(\.own) == [nil])
        #expect(site.address(for: EID(try #require(IPAddress("10.9.9.9"))))?.description == "10.2.0.0")
        #expect(site.address(for: EID(try #require(IPAddress("2001:db8::1"))))?.description == "2001:db8:2::9")
        #expect(throws: CommandFailure.self) { try targets("ipv4", "self6") }
        #expect(throws: CommandFailure.self) { try targets("ipv6", "10.2.0.1") }
        #expect(throws: CommandFailure.self) { try targets("10.2.0.0/8") }
        #expect(throws: CommandFailure.self) { try targets() }
        #expect(throws: CommandFailure.self) { try LigTargets(try Selection(["self"]), 0, nil) }
    }

    @Test func `resolves names, to one address of each family`() throws {
        let name = try HostName("localhost", nil)
        #expect(try name.addresses(.ipv4).map(\.description) == ["127.0.0.1"])
        #expect(try name.addresses(nil).count == Set(name.addresses.map(\.family)).count)
        do throws(CommandFailure) {
            _ = try HostName("no such host", "--to")
            Issue.record("resolved")
        } catch {
            #expect(error.status == .noHost)
            #expect(
                error.lines.count == 1
                    && error.lines[0].hasPrefix("lispctl: --to no such host: no address, and as a name")
            )
        }
    }
}

/// Stands for the signal.
private struct Pipe {
    private let ends: [Int32]

    init() throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        self.ends = ends
    }

    var reading: Interrupt { Interrupt(descriptor: ends[0]) }

    func signal() {
        var byte: UInt8 = 1
        _ = write(ends[1], &byte, 1)
    }
}
