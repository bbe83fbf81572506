// Locator-Status-Bits: what ours say, and what follows from those of others.

import ForwardingInterface
import LISPTables
import LISPWire
import Testing

@testable import LISPControl

private let first = IPAddress("192.0.2.1")!
private let second = IPAddress("192.0.2.2")!
private let third = IPAddress("192.0.2.3")!
private let eid = EIDPrefix(IPPrefix("10.1.0.0/16")!)
private let other = EIDPrefix(IPPrefix("10.2.0.0/16")!)

private func mapping(_ eid: EIDPrefix, _ rlocs: IPAddress...) -> DatabaseMapping {
    DatabaseMapping(
        eid: eid,
        ttlMinutes: 1440,
        locators: rlocs.map { DatabaseLocator(address: $0, priority: 1, weight: 100, isLocal: true) }
    )
}

private func settings(_ isEnabled: Bool = true, down: IPAddress...) -> LocatorStatusSettings {
    LocatorStatusSettings(isEnabled: isEnabled, down: Set(down))
}

@Suite struct LocatorStatusAnnouncerTests {
    private let start = Instant.zero

    @Test func `each EID-prefix says of its own locators which are up, in the order of its record`() {
        var announcer = LocatorStatusAnnouncer()
        // The record has them in ascending order, whatever the file says.
        let mappings = [mapping(eid, third, first, second), mapping(other, second)]
        let updates = announcer.update(mappings, settings(down: second), now: start)
        #expect(updates == [.putStatusBits(eid, 0b101), .putStatusBits(other, 0)])
        #expect(announcer.update(mappings, settings(down: second), now: start) == [])
        #expect(
            announcer.update(mappings, settings(), now: start) == [
                .putStatusBits(eid, 0b111), .putStatusBits(other, 1),
            ]
        )
        #expect(announcer.announced(eid) == 0b111)
        #expect(announcer.deadline() == nil)
    }

    @Test func `while it is off nothing is said`() {
        var announcer = LocatorStatusAnnouncer()
        #expect(announcer.update([mapping(eid, first)], settings(false), now: start) == [])
        #expect(announcer.update([mapping(eid, first)], settings(), now: start) == [.putStatusBits(eid, 1)])
        #expect(announcer.update([mapping(eid, first)], settings(false), now: start) == [.putStatusBits(eid, nil)])
    }

    @Test(arguments: [[first, second, third], [first], [first, third]])
    func `a changed set is silent for five minutes`(rlocs: [IPAddress]) {
        var announcer = LocatorStatusAnnouncer()
        _ = announcer.update([mapping(eid, first, second), mapping(other, first)], settings(), now: start)
        let changed = DatabaseMapping(
            eid: eid,
            ttlMinutes: 1440,
            locators: rlocs.map { DatabaseLocator(address: $0, priority: 1, weight: 100, isLocal: true) }
        )
        let then = start + .seconds(100)
        #expect(
            announcer.update([changed, mapping(other, first)], settings(), now: then) == [.putStatusBits(eid, nil)]
        )
        #expect(announcer.deadline() == then + .seconds(300))
        #expect(announcer.timeout(now: then + .seconds(299)) == [])
        // What goes down meanwhile is said afterwards.
        #expect(
            announcer.update([changed, mapping(other, first)], settings(down: first), now: then)
                == [.putStatusBits(other, 0)]
        )
        let bits = UInt32(1) << UInt32(rlocs.count) - 1 - 1
        #expect(announcer.timeout(now: then + .seconds(300)) == [.putStatusBits(eid, bits)])
        #expect(announcer.deadline() == nil)
    }

    @Test func `a change during the silence begins it anew`() {
        var announcer = LocatorStatusAnnouncer()
        _ = announcer.update([mapping(eid, first, second)], settings(), now: start)
        _ = announcer.update([mapping(eid, first)], settings(), now: start + .seconds(10))
        _ = announcer.update([mapping(eid, first, third)], settings(), now: start + .seconds(200))
        #expect(announcer.timeout(now: start + .seconds(310)) == [])
        #expect(announcer.timeout(now: start + .seconds(500)) == [.putStatusBits(eid, 0b11)])
    }

    @Test func `switched on after a change it is silent, too`() {
        var announcer = LocatorStatusAnnouncer()
        _ = announcer.update([mapping(eid, first, second)], settings(false), now: start)
        _ = announcer.update([mapping(eid, first)], settings(false), now: start)
        #expect(announcer.update([mapping(eid, first)], settings(), now: start + .seconds(60)) == [])
        #expect(announcer.timeout(now: start + .seconds(300)) == [.putStatusBits(eid, 1)])
    }

    @Test func `other weights are no change of the set`() {
        var announcer = LocatorStatusAnnouncer()
        var changed = mapping(eid, first, second)
        _ = announcer.update([changed], settings(), now: start)
        changed.locators[0].weight = 1
        changed.locators[1].priority = 255
        #expect(announcer.update([changed], settings(), now: start) == [])
        #expect(announcer.announced(eid) == 0b11)
    }

    @Test func `a mapping without locators, or that has gone, says nothing`() {
        var announcer = LocatorStatusAnnouncer()
        #expect(announcer.update([mapping(eid)], settings(), now: start) == [])
        _ = announcer.update([mapping(eid, first)], settings(), now: start)
        #expect(announcer.update([], settings(), now: start) == [])
        #expect(announcer.announced(eid) == nil)
        #expect(announcer.deadline() == nil)
    }

    @Test func `there are 32 bits`() {
        var announcer = LocatorStatusAnnouncer()
        let rlocs = (0..<40).map { IPAddress.v4(IPv4Address(0xc000_0200 + UInt32($0))) }
        let many = DatabaseMapping(
            eid: eid,
            ttlMinutes: 1,
            locators: rlocs.map { DatabaseLocator(address: $0, priority: 1, weight: 1, isLocal: false) }
        )
        #expect(announcer.update([many], settings(), now: start) == [.putStatusBits(eid, .max)])
        #expect(announcer.update([many], settings(down: rlocs[31]), now: start) == [.putStatusBits(eid, .max >> 1)])
    }
}

@Suite struct LocatorStatusMachineTests {
    private let set = LocatorSetID(rawValue: 1)
    private typealias Change = LocatorStatus.Change

    private func heard(_ status: inout LocatorStatus, _ bits: UInt32, width: Int = 32, count: Int = 3) -> Change? {
        status.heard(bits, width: width, of: set, count: count, now: .zero)
    }

    @Test func `a bit that turns takes its locator out of use and back`() {
        var status = LocatorStatus(isEnabled: true, isProbed: false)
        #expect(heard(&status, 0b111) == Change())
        #expect(heard(&status, 0b101) == Change(down: [1]))
        #expect((0..<3).map { status.isUsed($0, of: set) } == [true, false, true])
        #expect(heard(&status, 0b101) == Change())
        #expect(heard(&status, 0b110) == Change(down: [0], up: [1]))
        #expect(heard(&status, 0b111) == Change(up: [0]))
        #expect(status.narrowedSets == [])
        #expect(status.isUsed(0, of: LocatorSetID(rawValue: 2)))
    }

    @Test func `with probing every locator stays in use, and the change is told`() {
        var status = LocatorStatus(isEnabled: true, isProbed: true)
        #expect(heard(&status, 0b001) == Change(down: [1, 2]))
        #expect(status.isUsed(1, of: set))
        #expect(status.narrowedSets == [])
    }

    @Test func `bits beyond the set, and locators beyond the bits, mean nothing`() {
        var status = LocatorStatus(isEnabled: true, isProbed: false)
        #expect(heard(&status, 0xffff_fffc, count: 2) == nil)
        #expect(heard(&status, 0x0000_0001, count: 1) == Change())
        #expect(heard(&status, 0x01, width: 8, count: 10) == Change(down: Array(1..<8)))
        #expect(status.isUsed(8, of: set) && status.isUsed(9, of: set) && status.isUsed(40, of: set))
        #expect(heard(&status, .max, count: 40) == Change(up: Array(1..<8)))
    }

    @Test func `a site without any RLOC could not be heard of`() {
        var status = LocatorStatus(isEnabled: true, isProbed: false)
        #expect(heard(&status, 0b101) == Change(down: [1]))
        #expect(heard(&status, 0) == nil)
        #expect(heard(&status, 0b1000) == nil)
        #expect((0..<3).map { status.isUsed($0, of: set) } == [true, false, true])
    }

    @Test func `settings decide what becomes of what was heard`() {
        var status = LocatorStatus(isEnabled: true, isProbed: false)
        _ = heard(&status, 0b101)
        #expect(status.reconfigure(isEnabled: true, isProbed: false) == [])
        #expect(status.reconfigure(isEnabled: true, isProbed: true) == [set])
        #expect(status.isUsed(1, of: set))
        #expect(status.reconfigure(isEnabled: true, isProbed: false) == [set])
        #expect(!status.isUsed(1, of: set))
        #expect(status.reconfigure(isEnabled: false, isProbed: false) == [set])
        #expect(status[set] == nil)
        #expect(heard(&status, 0b101) == Change())
        #expect(status[set] == nil)
    }

    @Test func `a set that goes is forgotten`() {
        var status = LocatorStatus(isEnabled: true, isProbed: false)
        _ = heard(&status, 0b101)
        status.remove(set)
        #expect(status.isUsed(1, of: set))
        #expect(heard(&status, 0b101) == Change(down: [1]))
    }
}

/// An ITR with two mappings of one site, behind two RLOCs, and one of another site behind the first of them.
private final class StatusITR {
    static let local = IPAddress("198.51.100.1")!

    var itr: ITR
    var random = SplitMix(seed: 9)
    var now = Instant.zero

    init(probing: Bool = false, isEnabled: Bool = true) {
        itr = ITR(
            settings: ITRSettings(
                mapResolvers: [IPAddress("203.0.113.53")!],
                rlocs: [Self.local],
                rlocProbing: RLOCProbingSettings(isEnabled: probing, interval: .seconds(60)),
                locatorStatusBits: isEnabled
            )
        )
        learn("10.1.0.0/16", [first, second])
        learn("10.2.0.0/16", [first, second])
        learn("10.3.0.0/16", [first])
    }

    func learn(_ prefix: String, _ rlocs: [IPAddress]) {
        let eid = EIDPrefix(IPPrefix(prefix)!)
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
                locators: rlocs.enumerated().map {
                    LocatorRecord(priority: UInt8($0.offset + 1), weight: 100, address: .ip($0.element))
                }
            )
            let reply = MapReply(nonce: request.nonce, records: [record])
            _ = itr.receivedMapReply(reply, from: .control(first), at: Self.local, now: now)
        }
    }

    func hear(_ bits: UInt32, from source: String = "10.1.0.7", width: Int = 32) -> [ITRAction] {
        itr.heard(LocatorStatusReport(source: EID(IPAddress(source)!), bits: bits, width: width), now: now)
    }

    func entry(_ prefix: String) -> MapCacheEntry { itr.cache[EIDPrefix(IPPrefix(prefix)!)]! }

    /// Priorities of the locators of each set that changes.
    static func sets(_ actions: [ITRAction]) -> [LocatorSetID: [UInt8]] {
        var sets: [LocatorSetID: [UInt8]] = [:]
        for case .forwarding(let updates) in actions {
            for case .putLocatorSet(let id, let slots) in updates { sets[id] = slots.map(\.priority) }
        }
        return sets
    }

    /// RLOCs that answer probes.
    var alive: Set<IPAddress> = [first, second]

    /// The RLOCs that are probed within a second from now.
    func probed() -> Set<IPAddress> {
        let end = now + .seconds(1)
        var rlocs: Set<IPAddress> = []
        while let due = itr.deadline(), due < end {
            now = max(now, due)
            for case .send(let datagram) in itr.timeout(now: now, using: &random, packetsSent: { _ in 0 }) {
                rlocs.insert(datagram.destination.address)
                answer(datagram)
            }
        }
        now = end
        return rlocs
    }

    private func answer(_ datagram: ControlDatagram) {
        let rloc = datagram.destination.address
        guard alive.contains(rloc), case .mapRequest(let probe)? = try? ControlMessage(decoding: datagram.payload)
        else {
            return
        }
        let record = EIDRecord(
            eid: probe.records[0].eid,
            maskLength: probe.records[0].maskLength,
            ttlMinutes: 1440,
            isAuthoritative: true,
            locators: [LocatorRecord(priority: 1, weight: 100, isProbed: true, address: .ip(rloc))]
        )
        let reply = MapReply(isProbe: true, nonce: probe.nonce, records: [record])
        _ = itr.receivedMapReply(reply, from: .control(rloc), at: Self.local, now: now)
    }
}

@Suite struct `The ITR and Locator-Status-Bits` {
    @Test func `without probing an RLOC that its site calls down is left alone, for that set`() {
        let bench = StatusITR()
        let set = bench.entry("10.1.0.0/16").locatorSet
        #expect(bench.hear(0b11) == [])
        let down = bench.hear(0b10)
        #expect(StatusITR.sets(down) == [set: [255, 2]])
        #expect(down.contains(.headerHint(.saidToBeDown(first, eid))))
        #expect(!bench.itr.isUp(0, of: bench.entry("10.1.0.0/16")))
        #expect(bench.itr.isUp(1, of: bench.entry("10.1.0.0/16")))
        // The other mapping of the site shares the set; the RLOC itself is not judged.
        #expect(!bench.itr.isUp(0, of: bench.entry("10.2.0.0/16")))
        #expect(bench.itr.isUp(0, of: bench.entry("10.3.0.0/16")))
        #expect(bench.itr.isUp(first))
        let up = bench.hear(0b11, from: "10.2.0.9")
        #expect(StatusITR.sets(up) == [set: [1, 2]])
        #expect(up.contains(.headerHint(.saidToBeUp(first, EIDPrefix(IPPrefix("10.2.0.0/16")!)))))
        #expect(bench.itr.statistics[.statusBitsChanged] == 2)
    }

    @Test func `with probing the RLOC is asked at once, and that decides`() {
        let bench = StatusITR(probing: true)
        for _ in 0..<3 { _ = bench.probed() }
        #expect(bench.probed() == [])
        // It answers: whatever the site says, it is used.
        #expect(bench.hear(0b10) == [])
        #expect(bench.probed() == [first])
        #expect(bench.itr.isUp(0, of: bench.entry("10.1.0.0/16")))
        for _ in 0..<5 { _ = bench.probed() }
        #expect(bench.hear(0b11) == [])
        for _ in 0..<5 { _ = bench.probed() }
        // It does not: it is used no more, within a second.
        bench.alive = [second]
        #expect(bench.hear(0b10) == [])
        #expect(bench.probed().contains(first))
        #expect(!bench.itr.isUp(first))
        bench.alive = [first, second]
        #expect(bench.hear(0b11) == [])
        #expect(bench.probed().contains(first))
        for _ in 0..<5 { _ = bench.probed() }
        #expect(bench.itr.isUp(0, of: bench.entry("10.1.0.0/16")))
        #expect(bench.itr.statistics[.statusBitsChanged] == 4)
    }

    @Test func `bits that call every RLOC down are ignored`() {
        let bench = StatusITR()
        #expect(bench.hear(0) == [])
        #expect(bench.hear(0b100) == [])
        #expect(bench.itr.statistics[.statusBitsAllDown] == 2)
        #expect(bench.itr.isUp(0, of: bench.entry("10.1.0.0/16")))
    }

    @Test func `bits from an EID without a mapping, or while they are off, do nothing`() {
        let bench = StatusITR()
        #expect(bench.hear(0b10, from: "10.77.0.1") == [])
        let off = StatusITR(isEnabled: false)
        #expect(off.hear(0b10) == [])
        #expect(off.itr.status[off.entry("10.1.0.0/16").locatorSet] == nil)
    }

    @Test func `a reload takes back what was decided, or decides it`() {
        let bench = StatusITR()
        let set = bench.entry("10.1.0.0/16").locatorSet
        _ = bench.hear(0b10)
        var settings = bench.itr.settings
        settings.rlocProbing.isEnabled = true
        #expect(StatusITR.sets(bench.itr.reconfigure(settings, now: bench.now)) == [set: [1, 2]])
        settings.rlocProbing.isEnabled = false
        #expect(StatusITR.sets(bench.itr.reconfigure(settings, now: bench.now)) == [set: [255, 2]])
        settings.locatorStatusBits = false
        #expect(StatusITR.sets(bench.itr.reconfigure(settings, now: bench.now)) == [set: [1, 2]])
        #expect(bench.itr.cache.count == 3)
    }

    @Test func `a set whose last entry goes is forgotten`() {
        let bench = StatusITR()
        let set = bench.entry("10.1.0.0/16").locatorSet
        _ = bench.hear(0b10)
        _ = bench.itr.clear([eid])
        #expect(bench.itr.status[set] != nil)
        _ = bench.itr.clear([other])
        #expect(bench.itr.status[set] == nil)
    }

    @Test func `families that come later change nothing in what was decided`() {
        let bench = StatusITR()
        let set = bench.entry("10.1.0.0/16").locatorSet
        _ = bench.hear(0b10)
        var settings = bench.itr.settings
        settings.rlocs = [IPAddress("2001:db8::1")!]
        _ = bench.itr.reconfigure(settings, now: bench.now)
        settings.rlocs = [StatusITR.local]
        #expect(StatusITR.sets(bench.itr.reconfigure(settings, now: bench.now))[set] == [255, 2])
    }
}
