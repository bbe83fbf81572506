// Locator-Status-Bits in the LISP header, sent and heeded (RFC 9300 sections 5.3 and 10).

import ForwardingInterface
import LISPWire
import Testing

@testable import DataPlane

/// A site with one worker and an instance 0 and 7: 10.1.0.0/16 and, more specific, 10.1.9.0/24 are its own, 10.2.0.0/16 is behind two
/// RLOCs, of which the second is not sent to.
private final class StatusSite {
    static let instances: [UInt32] = [0, 7]

    let plane: DataPlane
    var worker: Worker<MemoryDevice>

    init(hints: HeaderHints = .locatorStatusBits, secondPriority: UInt8 = 2) throws {
        plane = try DataPlane.forTests()
        plane.apply([
            .setHeaderHints(hints), locator(1, "192.0.2.21"), locator(2, "192.0.2.22"),
            locatorSet(1, [(1, 1, 100), (2, secondPriority, 100)]),
        ])
        for instance in Self.instances {
            try plane.addInstance(InstanceID(uncheckedRawValue: instance), queues: [-1])
            plane.apply([
                .putOwnPrefix(prefix("10.1.0.0/16", instance: instance)),
                .putOwnPrefix(prefix("10.1.9.0/24", instance: instance)),
                entry("10.2.0.0/16", instance: instance, mapping: instance + 1),
            ])
        }
        worker = plane.memoryWorker()
    }

    func announce(_ bits: UInt32?, from eid: String = "10.1.0.0/16", instance: UInt32 = 0) {
        plane.apply([.putStatusBits(prefix(eid, instance: instance), bits)])
    }

    /// Sends a packet from each of these; returns their LISP headers.
    func send(from sources: String..., queue: Int = 0) -> [LISPDataHeader] {
        worker.device.tunnelInput[queue] = sources.map { packet($0, "10.2.0.1") }
        worker.device.sent = []
        _ = worker.stepTunnel(queue)
        return worker.device.sent.map { LISPDataHeader(rawValue: $0.header.reduce(0) { $0 << 8 | UInt64($1) }) }
    }

    /// Receives packets of the other site with these headers; returns what the control loop is told.
    func receive(
        _ headers: LISPDataHeader...,
        source: String = "10.2.0.1",
        from rloc: String = "192.0.2.21"
    ) -> [LocatorStatusReport] {
        worker.device.networkInput[.ipv4] = headers.map { header in
            var datagram = datagram(packet(source, "10.1.0.1"), from: rloc)
            datagram.payload.replaceSubrange(0..<8, with: withUnsafeBytes(of: header.rawValue.bigEndian, Array.init))
            return datagram
        }
        worker.device.tunnelOutput = []
        _ = worker.stepNetwork(.ipv4)
        #expect(worker.device.tunnelOutput.count == headers.count)
        return drain()
    }

    func drain() -> [LocatorStatusReport] {
        var reports: [LocatorStatusReport] = []
        plane.drainMisses { _ in }
        plane.drainStatusReports { reports.append($0) }
        return reports
    }

    func pass(milliseconds: UInt64) { worker.device.clock += milliseconds * 1_000_000 }
    var counts: HeaderHintStatistics { plane.statistics().hints }
}

private func status(_ bits: UInt32?, instance: UInt32? = nil) -> LISPDataHeader {
    LISPDataHeader(instanceID: instance.map { InstanceID(uncheckedRawValue: $0) }, locatorStatusBits: bits)
}

private func report(_ bits: UInt32, width: Int = 32, instance: UInt32 = 0, _ source: String = "10.2.0.1")
    -> LocatorStatusReport
{
    LocatorStatusReport(
        source: EID(instanceID: InstanceID(uncheckedRawValue: instance), address(source)),
        bits: bits,
        width: width
    )
}

@Suite struct LocatorStatusTests {
    @Test func `the bits are those of the RFC's drawings`() {
        #expect(LISPHeaderWords.statusBits(0x8000_0001, instance: 0) == status(0x8000_0001).rawValue)
        let withInstance =
            LISPHeaderWords.header(instance: 0xabcdef) | LISPHeaderWords.statusBits(0x181, instance: 0xabcdef)
        #expect(withInstance == status(0x81, instance: 0xabcdef).rawValue)
        #expect(LISPHeaderWords.statusBits(withInstance) == (0x81, 8))
        #expect(LISPHeaderWords.statusBits(status(0x8000_0001).rawValue) == (0x8000_0001, 32))
    }

    @Test func `packets say what is known of the longest own prefix that they come from`() throws {
        let site = try StatusSite()
        #expect(site.send(from: "10.1.0.1") == [status(nil)])
        site.announce(0b101)
        site.announce(0b10, from: "10.1.9.0/24")
        // They leave by different source ports, so in another order.
        let headers = site.send(from: "10.1.0.1", "10.1.0.2", "10.1.9.1", "10.1.0.1")
        #expect(headers.count { $0 == status(0b101) } == 3)
        #expect(headers.count { $0 == status(0b10) } == 1)
        for datagram in site.worker.device.sent {
            #expect(datagram.header[7] == (datagram.inner[14] == 9 ? 0b10 : 0b101))
        }
        site.announce(nil)
        #expect(site.send(from: "10.1.0.1") == [status(nil)])
        #expect(site.send(from: "10.1.9.1") == [status(0b10)])
        #expect(site.counts == HeaderHintStatistics(statusBitsSent: 5))
    }

    @Test func `beside an instance ID there are eight`() throws {
        let site = try StatusSite()
        site.announce(0x1ff, instance: 7)
        #expect(site.send(from: "10.1.0.1", queue: 1) == [status(0xff, instance: 7)])
        #expect(site.send(from: "10.1.0.1", queue: 0) == [status(nil)])
    }

    @Test func `a source that is not our own has none`() throws {
        let site = try StatusSite()
        site.announce(0b11)
        #expect(site.send(from: "10.77.0.1") == [status(nil)])
    }

    @Test func `the control loop hears of changes only`() throws {
        let site = try StatusSite()
        #expect(site.receive(status(0b11), status(0b11), status(0b11)) == [report(0b11)])
        #expect(site.receive(status(0b11)) == [])
        site.pass(milliseconds: 100)
        #expect(site.receive(status(0b01), status(0b01)) == [report(0b01)])
        site.pass(milliseconds: 100)
        #expect(site.receive(status(0b11)) == [report(0b11)])
        #expect(site.counts == HeaderHintStatistics(statusBitsReceived: 7, statusBitsReported: 3))
        #expect(site.plane.drops == [:])
    }

    @Test
    func `a site that changes its mind with every packet is told of ten times a second, and its last word counts`()
        throws
    {
        let site = try StatusSite()
        var told: [LocatorStatusReport] = []
        for round in 0..<1_000 {
            told += site.receive(status(round % 2 == 0 ? 0b01 : 0b11))
            site.pass(milliseconds: 1)
        }
        #expect((9...11).contains(told.count))
        site.pass(milliseconds: 100)
        told += site.receive(status(0b10))
        #expect(told.last == report(0b10))
    }

    @Test func `bits beside an instance ID are eight, and belong to its mapping`() throws {
        let site = try StatusSite()
        let datagram = status(0x81, instance: 7)
        site.plane.apply([.putOwnPrefix(prefix("10.1.0.0/16", instance: 7))])
        #expect(site.receive(datagram) == [report(0x81, width: 8, instance: 7)])
    }

    @Test func `what comes from an RLOC that is not in the mapping is not believed`() throws {
        let site = try StatusSite()
        #expect(site.receive(status(0b01), from: "203.0.113.66") == [])
        #expect(site.receive(status(0b01), source: "10.88.0.1") == [])
        #expect(site.counts == HeaderHintStatistics(statusBitsOfStrangers: 2))
        #expect(site.receive(status(0b01)) == [report(0b01)])
    }

    @Test func `an RLOC of the mapping that nothing is sent to is believed, too`() throws {
        let site = try StatusSite(secondPriority: 255)
        #expect(site.send(from: "10.1.0.1").count == 1)
        #expect(site.receive(status(0b11), from: "192.0.2.22") == [report(0b11)])
        site.plane.apply([locatorSet(1, [(1, 255, 100), (2, 255, 100)])])
        #expect(site.send(from: "10.1.0.1") == [])
        #expect(site.plane.drops == [.noUsableLocator: 1])
        site.plane.apply([locatorSet(1, [(1, 255, 100), (2, 3, 100)])])
        #expect(site.send(from: "10.1.0.1").count == 1)
        #expect(site.worker.device.sent.map(\.destination) == [TrieKey(address("192.0.2.22").leftAligned)])
    }

    @Test func `without the L bit the field says nothing`() throws {
        let site = try StatusSite()
        #expect(site.receive(LISPDataHeader(rawValue: 0b01), LISPDataHeader(rawValue: 0)) == [])
        #expect(site.counts == HeaderHintStatistics())
    }

    @Test func `while they are off nothing is sent, heeded or counted, and headers are as ever`() throws {
        let site = try StatusSite(hints: .echoNonce)
        site.announce(0b11)
        site.announce(0b11, instance: 7)
        #expect(site.send(from: "10.1.0.1") == [status(nil)])
        #expect(site.send(from: "10.1.0.1", queue: 1) == [status(nil, instance: 7)])
        #expect(site.receive(status(0b01)) == [])
        #expect(site.receive(status(0b01), from: "203.0.113.66") == [])
        #expect(site.counts == HeaderHintStatistics())
    }

    @Test func `switched on again they are told anew`() throws {
        let site = try StatusSite()
        #expect(site.receive(status(0b01)) == [report(0b01)])
        site.plane.apply([.setHeaderHints([])])
        site.plane.apply([.setHeaderHints(.locatorStatusBits)])
        #expect(site.receive(status(0b01)) == [report(0b01)])
    }

    @Test func `another locator set is another site's word`() throws {
        let site = try StatusSite()
        #expect(site.receive(status(0b01)) == [report(0b01)])
        site.plane.apply([
            locatorSet(2, [(1, 1, 100)]), entry("10.2.0.0/16", set: 2), .deleteLocatorSet(LocatorSetID(rawValue: 1)),
        ])
        #expect(site.receive(status(0b01)) == [report(0b01)])
    }

    @Test func `with the queue full the next packet tries again`() throws {
        let site = try StatusSite()
        var updates: [ForwardingUpdate] = []
        for number in 0..<UInt32(StatusReports.capacity + 10) {
            updates += [
                locatorSet(100 + number, [(1, 1, 100)]),
                entry("10.3.\(number / 256).\(number % 256)/32", mapping: 100 + number, set: 100 + number),
            ]
        }
        site.plane.apply(updates)
        func receiveAll() {
            for number in 0..<StatusReports.capacity + 10 {
                var datagram = datagram(packet("10.3.\(number / 256).\(number % 256)", "10.1.0.1"), from: "192.0.2.21")
                let header = withUnsafeBytes(of: status(1).rawValue.bigEndian, Array.init)
                datagram.payload.replaceSubrange(0..<8, with: header)
                site.worker.device.networkInput[.ipv4] = [datagram]
                _ = site.worker.stepNetwork(.ipv4)
            }
        }
        receiveAll()
        #expect(site.counts.statusBitsLost == 10)
        #expect(Set(site.drain().map(\.source)).count == StatusReports.capacity)
        receiveAll()
        #expect(site.drain().count == 10)
    }

    @Test func `nonce and bits go together`() throws {
        let site = try StatusSite(hints: [.echoNonce, .locatorStatusBits])
        site.announce(0b11)
        site.plane.apply([.requestEcho(LocatorID(rawValue: 1), nonce: 0xabcdef)])
        let both = LISPDataHeader(locatorStatusBits: 0b11, nonceOrVersions: .nonce(0xabcdef, requestsEcho: true))
        #expect(site.send(from: "10.1.0.1") == [both])
        let back = LISPDataHeader(locatorStatusBits: 0b01, nonceOrVersions: .nonce(0xabcdef, requestsEcho: false))
        #expect(site.receive(back) == [report(0b01)])
        #expect(site.plane.echoes(of: LocatorID(rawValue: 1))?.matched == 1)
    }

    @Test func `bits of a prefix that is not our own are a dangling reference`() throws {
        let site = try StatusSite()
        site.announce(1, from: "10.99.0.0/16")
        #expect(site.plane.statistics().danglingReferences == 1)
    }

    @Test func `an own prefix that is put again keeps its bits, one that was gone has none`() throws {
        let site = try StatusSite()
        site.announce(0b11)
        site.plane.apply([.putOwnPrefix(prefix("10.1.0.0/16"))])
        #expect(site.send(from: "10.1.0.1") == [status(0b11)])
        site.plane.apply([.deleteOwnPrefix(prefix("10.1.0.0/16")), .putOwnPrefix(prefix("10.1.0.0/16"))])
        #expect(site.send(from: "10.1.0.1") == [status(nil)])
    }

    @Test func `the word keeps bits and time`() {
        #expect(!StatusBitsWord.tells(0, 0))
        #expect(StatusBitsWord.mayTell(0, now: 0))
        for now: UInt64 in [0, 99, 0x7fff_ffff, 0x100_0000_3039] {
            let word = StatusBitsWord.word(.max, now: now)
            #expect(StatusBitsWord.tells(word, .max))
            #expect(!StatusBitsWord.tells(word, 1))
            #expect(!StatusBitsWord.mayTell(word, now: now + 99))
            #expect(StatusBitsWord.mayTell(word, now: now + 100))
        }
    }
}
