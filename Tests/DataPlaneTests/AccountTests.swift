// What is counted for EID-prefixes at this end.

import ForwardingInterface
import LISPWire
import Testing

@testable import DataPlane

@Suite struct AccountTests {
    /// Own 10.1/16 with a part of it; 10.2/16 is reached over IPv4, 10.3/16 over IPv6.
    private func site() throws -> DataPlane {
        let plane = try DataPlane.forTests()
        try plane.addInstance(.default, queues: [-1])
        plane.apply([
            .putOwnPrefix(prefix("10.1.0.0/16")),
            locator(1, "192.0.2.2"), locator(2, "2001:db8:ffff::2"),
            locatorSet(1, [(1, 1, 100)]), locatorSet(2, [(2, 1, 100)]),
            entry("10.2.0.0/16", mapping: 10, set: 1), entry("10.3.0.0/16", mapping: 20, set: 2),
        ])
        return plane
    }

    private let whole = MappingID(rawValue: 0x8000_0000)
    private let part = MappingID(rawValue: 0x8000_0001)
    private let rest = MappingID(rawValue: 0x8000_0002)
    private let overIPv4 = LocatorID(rawValue: 4)
    private let overIPv6 = LocatorID(rawValue: 6)

    private var accounts: [ForwardingUpdate] {
        [
            .putAccount(prefix("10.1.0.0/16"), mapping: whole), .putAccount(prefix("10.1.7.0/24"), mapping: part),
            .putAccount(prefix("0.0.0.0/0"), mapping: rest),
        ]
    }

    @Test func `what leaves is counted for the longest prefix of its source, by the family it went over`() throws {
        let plane = try site()
        plane.apply(accounts)
        var worker = plane.memoryWorker()
        let packets = [
            packet("10.1.0.1", "10.2.0.1"), packet("10.1.7.1", "10.2.0.1"), packet("10.1.0.1", "10.3.0.1"),
            packet("10.9.0.1", "10.2.0.1"), packet("10.1.0.2", "10.2.0.1"),
        ]
        worker.device.tunnelInput[0] = packets
        #expect(worker.stepTunnel(0) == packets.count)
        let octets = UInt64(packets[0].count)
        func counted(_ count: UInt64) -> TrafficCounters { TrafficCounters(packets: count, octets: count * octets) }
        #expect(plane.counters(of: whole).encapsulated == counted(3))
        #expect(plane.counters(of: whole, locator: overIPv4).encapsulated == counted(2))
        #expect(plane.counters(of: whole, locator: overIPv6).encapsulated == counted(1))
        #expect(plane.counters(of: part).encapsulated == counted(1))
        #expect(plane.counters(of: rest).encapsulated == counted(1))
        #expect(plane.counters(of: MappingID(rawValue: 10)).encapsulated == counted(4))
    }

    @Test func `what comes is counted for the longest prefix of its destination, whoever sent it`() throws {
        let plane = try site()
        plane.apply(accounts)
        var worker = plane.memoryWorker()
        let inner = packet("10.2.0.1", "10.1.0.1")
        worker.device.networkInput[.ipv4] = [
            datagram(inner, from: "192.0.2.2"), datagram(packet("10.2.0.1", "10.1.7.1"), from: "192.0.2.2"),
            // Of a source without a mapping.
            datagram(packet("10.77.0.1", "10.1.0.1"), from: "192.0.2.77"),
        ]
        worker.device.networkInput[.ipv6] = [datagram(inner, from: "2001:db8:ffff::2")]
        #expect(worker.stepNetwork(.ipv4) == 3)
        #expect(worker.stepNetwork(.ipv6) == 1)
        let octets = UInt64(inner.count)
        func counted(_ count: UInt64) -> TrafficCounters { TrafficCounters(packets: count, octets: count * octets) }
        #expect(plane.counters(of: whole).decapsulated == counted(3))
        #expect(plane.counters(of: whole, locator: overIPv4).decapsulated == counted(2))
        #expect(plane.counters(of: whole, locator: overIPv6).decapsulated == counted(1))
        #expect(plane.counters(of: part).decapsulated == counted(1))
        #expect(plane.counters(of: MappingID(rawValue: 10)).decapsulated == counted(3))
    }

    @Test func `nothing is counted before or after, and hints of the header are others' business`() throws {
        let plane = try site()
        var worker = plane.memoryWorker()
        let input = [packet("10.1.0.1", "10.2.0.1")]
        worker.device.tunnelInput[0] = input
        _ = worker.stepTunnel(0)
        plane.apply(accounts + [.setHeaderHints([.locatorStatusBits])])
        #expect(plane.counters(of: whole) == MappingCounters())
        worker.device.tunnelInput[0] = input
        _ = worker.stepTunnel(0)
        #expect(plane.counters(of: whole).encapsulated.packets == 1)
        plane.apply([.setHeaderHints([])])
        worker.device.tunnelInput[0] = input
        _ = worker.stepTunnel(0)
        #expect(plane.counters(of: whole).encapsulated.packets == 2)
        plane.apply(["10.1.0.0/16", "10.1.7.0/24", "0.0.0.0/0"].map { .deleteAccount(prefix($0)) })
        worker.device.tunnelInput[0] = input
        _ = worker.stepTunnel(0)
        #expect(plane.counters(of: whole) == MappingCounters())
        #expect(plane.statistics().danglingReferences == 0)
    }
}
