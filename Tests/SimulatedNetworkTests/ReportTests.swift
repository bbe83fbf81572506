// What a run's report says is so: its percentiles, its counts, its times.

import LISPControl
import LISPTables
import LISPWire
import Testing

@testable import SimulatedNetwork

@Suite struct `A histogram of times` {
    @Test(arguments: [1, 2, 3])
    func `is off by 3.2% at most, and not below`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var histogram = LogLinearHistogram()
        var all: [Duration] = []
        for _ in 0..<5000 {
            // From nanoseconds to hours.
            let time = Duration.nanoseconds(Int64(1) << Int64(random.below(44)) + Int64(random.below(100_000)))
            histogram.add(time)
            all.append(time)
        }
        all.sort()
        for share: UInt64 in [1, 10_000, 50_000, 90_000, 99_000, 99_900, 100_000] {
            let exact = all[max(0, (all.count * Int(share) + 99_999) / 100_000 - 1)]
            let found = try #require(histogram.percentile(perHundredThousand: share))
            #expect(found >= exact - .microseconds(1) && found <= exact * 1.032 + .microseconds(1), "\(share)")
        }
        #expect(histogram.percentile(perHundredThousand: 100_000) == all.last)
        #expect(histogram.count == 5000)
    }

    @Test func `adds up with another`() {
        var parts = [LogLinearHistogram(), LogLinearHistogram()]
        var whole = LogLinearHistogram()
        for number in 0..<200 {
            parts[number % 2].add(.milliseconds(number * number))
            whole.add(.milliseconds(number * number))
        }
        parts[0] += parts[1]
        #expect(parts[0] == whole)
        #expect(LogLinearHistogram().percentile(perHundredThousand: 50_000) == nil)
    }
}

@Suite struct `Control messages` {
    @Test func `are told apart by what they are for`() {
        let eid = EIDPrefix(IPPrefix("10.0.0.0/8")!)
        let record = MapRequest.Record(eid)
        let nonce = Nonce(rawValue: 1)
        func type(_ request: MapRequest) -> ControlMessageType { ControlMessageType(payload: request.encoded()) }
        let rlocs = [LISPAddress.ip(IPAddress("192.0.2.1")!)]
        #expect(type(MapRequest(nonce: nonce, itrRLOCs: rlocs, records: [record])) == .mapRequest)
        #expect(type(MapRequest(isProbe: true, nonce: nonce, itrRLOCs: rlocs, records: [record])) == .probe)
        let solicits = MapRequest(isSMR: true, nonce: nonce, itrRLOCs: rlocs, records: [record])
        #expect(type(solicits) == .solicitMapRequest)
        let invoked = MapRequest(isPITR: true, isSMRInvoked: true, nonce: nonce, itrRLOCs: rlocs, records: [record])
        #expect(type(invoked) == .mapRequest)
        #expect(ControlMessageType(payload: MapReply(nonce: nonce, records: []).encoded()) == .mapReply)
        #expect(
            ControlMessageType(payload: MapReply(isProbe: true, nonce: nonce, records: []).encoded()) == .probeReply
        )
        #expect(ControlMessageType(payload: []) == .other)
        #expect(Set(ControlMessageType.allCases.map(\.place)) == Set(ControlMessageType.allCases.indices))
    }
}

@Suite struct `A report` {
    @Test func `counts what the routers count`() {
        let outcome = run(Scenario.city.brief(minutes: 1), seed: 3)
        let report = outcome.observed
        func sent(_ type: ControlMessageType) -> UInt64 { report.messages.first { $0.type == type }?.sent ?? 0 }
        // Withdrawals are Map-Registers of a graceful end, which the routers count, too.
        #expect(sent(.mapRegister) == outcome.tallies["Map-Registers sent"])
        let solicits = outcome.tallies.filter { $0.key.hasPrefix("Solicit-Map-Requests sent") }.values.reduce(0, +)
        #expect(sent(.solicitMapRequest) == solicits)
        #expect(sent(.mapNotifyAck) == outcome.tallies["unsolicited Map-Notifies acknowledged"])
        #expect(report.messages.reduce(0) { $0 + $1.sent } == outcome.counts.datagrams)
        let ends = Dictionary(report.packets.map { ($0.what, $0.count) }, uniquingKeysWith: +)
        #expect(ends[PacketEnd.delivered.rawValue] == outcome.counts.packetsDelivered)
        #expect(ends[PacketEnd.natively.rawValue] == outcome.counts.packetsNative)
        // Every packet has an end, those that were doubled on the way two.
        let all = ends.values.reduce(0, +)
        #expect(all >= report.packetsSent && all <= report.packetsSent + outcome.counts.datagramsDoubled)
        #expect(report.attacks.reduce(0) { $0 + $1.tried } == UInt64(outcome.attacks))
        #expect(report.memory.map(\.role) == ["ITR", "Map-Resolver", "Map-Server", "xTR"])
    }

    @Test func `says how long each change takes to be known`() throws {
        let report = run(Scenario.moving.brief(), seed: 41).observed
        for kind: ChangeKind in [.rlocChange, .preferenceChange, .prefixAdded] {
            let line = try #require(report.convergence.first { $0.change == kind }, "\(kind)")
            // Nothing is lost: whoever exchanged data hears of it within a second or so, others when their entry ends.
            #expect(line.untilPeersAgree.count > 0 && line.learnt > 0)
            #expect(try #require(line.untilPeersAgree.p50) < 2_000)
            #expect(try #require(line.untilAllAgree.max) <= 3 * 60_000)
        }
        #expect(try #require(report.resolution.withLocators.p50) < 1_000)
        #expect(report.text.contains("\n  RLOC change "))
    }

    @Test func `says how long registrations are gone`() throws {
        let report = run(Scenario.small.brief(), seed: 1).observed
        let kinds = report.registeredAgain.map(\.after)
        #expect(kinds.contains(.siteRestart) || kinds.contains(.siteRestartStateLost))
        for line in report.registeredAgain { #expect(try #require(line.times.p50) < 75_000, "\(line.after)") }
    }

    @Test func `names every check that was violated`() {
        var scenario = Scenario.attacked.brief()
        scenario.shape.fault = .registersTwice
        let report = scenario.run(seed: 1).observed
        #expect(report.violations.count == 1)
        #expect(report.violations.first?.contains("pace") ?? false)
        #expect(report.text.contains("1 violations"))
    }
}
