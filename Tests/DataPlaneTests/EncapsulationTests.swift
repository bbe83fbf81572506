// Out of the site: what is sent, and why what is not sent is not.

import ForwardingInterface
import Glibc
import LISPWire
import Testing

@testable import DataPlane

@Suite struct EncapsulationTests {
    /// Instances 0 and 101, own prefixes 10.1/16 and 2001:db8:1::/48, entries for 10.2/16 and 2001:db8:2::/48.
    func site(_ rloc: String = "192.0.2.2") throws -> DataPlane {
        let plane = try DataPlane.forTests()
        try plane.addInstance(.default, queues: [-1])
        try plane.addInstance(InstanceID(uncheckedRawValue: 101), queues: [-1])
        for instance in [0, 101] as [UInt32] {
            plane.apply([
                .putOwnPrefix(prefix("10.1.0.0/16", instance: instance)),
                .putOwnPrefix(prefix("2001:db8:1::/48", instance: instance)),
                locator(1, rloc), locatorSet(1, [(1, 1, 100)]),
                entry("10.2.0.0/16", instance: instance, mapping: 10 + instance),
                entry("2001:db8:2::/48", instance: instance, mapping: 20 + instance),
            ])
        }
        return plane
    }

    static let mixes = [
        ("10.1.0.1", "10.2.0.1", "192.0.2.2"),
        ("10.1.0.1", "10.2.0.1", "2001:db8:ffff::2"),
        ("2001:db8:1::1", "2001:db8:2::1", "192.0.2.2"),
        ("2001:db8:1::1", "2001:db8:2::1", "2001:db8:ffff::2"),
    ]

    @Test(arguments: mixes) func `each mix of families is encapsulated`(from: String, to: String, rloc: String) throws {
        let plane = try site(rloc)
        var worker = plane.memoryWorker()
        let inner = packet(from, to, ttl: 17, tos: 0xb9)
        worker.device.tunnelInput[0] = [inner]
        #expect(worker.stepTunnel(0) == 1)
        let sent = worker.device.sent
        #expect(sent.count == 1)
        #expect(sent[0].family == address(rloc).family)
        #expect(sent[0].destination == TrieKey(address(rloc).leftAligned))
        #expect(sent[0].inner == inner)
        #expect(sent[0].header == [0, 0, 0, 0, 0, 0, 0, 0])
        #expect(sent[0].ttl == 17)
        #expect(sent[0].tos == 0xb9)
        #expect(plane.drops == [:])
    }

    @Test func `an instance other than 0 stands in the header`() throws {
        let plane = try site()
        var worker = plane.memoryWorker()
        worker.device.tunnelInput[1] = [packet("10.1.0.1", "10.2.0.1")]
        _ = worker.stepTunnel(1)
        #expect(worker.device.sent[0].header == [0x08, 0, 0, 0, 0, 0, 101, 0])
        #expect(plane.counters(of: InstanceID(uncheckedRawValue: 101)).encapsulated.packets == 1)
        #expect(plane.counters(of: .default).encapsulated.packets == 0)
    }

    @Test func `octets behind the packet's own length are not sent`() throws {
        let plane = try site()
        var worker = plane.memoryWorker()
        let inner = packet("10.1.0.1", "10.2.0.1")
        worker.device.tunnelInput[0] = [inner + [1, 2, 3]]
        _ = worker.stepTunnel(0)
        #expect(worker.device.sent[0].inner == inner)
    }

    static let refused: [(String, String, DataPlaneDropReason)] = [
        ("10.1.0.1", "224.0.0.5", .multicastDestination),
        ("2001:db8:1::1", "ff02::1", .multicastDestination),
        ("10.1.0.1", "169.254.1.1", .linkLocalDestination),
        ("2001:db8:1::1", "fe80::1", .linkLocalDestination),
        ("10.1.0.1", "255.255.255.255", .invalidDestination),
        ("10.1.0.1", "127.0.0.1", .invalidDestination),
        ("10.1.0.1", "0.0.0.0", .invalidDestination),
        ("2001:db8:1::1", "::", .invalidDestination),
        ("2001:db8:1::1", "::1", .invalidDestination),
        ("fe80::1", "2001:db8:2::1", .invalidSource),
        ("0.0.0.0", "10.2.0.1", .invalidSource),
        ("10.1.0.1", "10.1.0.2", .destinationIsOwn),
        ("2001:db8:1::1", "2001:db8:1::2", .destinationIsOwn),
    ]

    @Test(arguments: refused) func `is dropped, counted, and no miss`(
        from: String,
        to: String,
        reason: DataPlaneDropReason
    ) throws {
        let plane = try site()
        // Not even when an entry covers everything.
        plane.apply([entry("0.0.0.0/0", mapping: 1), entry("::/0", mapping: 2)])
        var worker = plane.memoryWorker()
        worker.device.tunnelInput[0] = [packet(from, to)]
        _ = worker.stepTunnel(0)
        #expect(worker.device.sent.isEmpty)
        #expect(plane.drops == [reason: 1])
        #expect(plane.statistics().missesReported == 0)
    }

    @Test func `TTL 0 is dropped`() throws {
        let plane = try site()
        var worker = plane.memoryWorker()
        worker.device.tunnelInput[0] = [packet("10.1.0.1", "10.2.0.1", ttl: 0)]
        _ = worker.stepTunnel(0)
        #expect(plane.drops == [.timeToLiveExceeded: 1])
    }

    @Test func `each policy drop has its own counter`() throws {
        let plane = try site()
        plane.apply([
            entry("10.3.0.0/16", mapping: 1, .drop(.noReason)),
            entry("10.4.0.0/16", mapping: 2, .drop(.policyDenied)),
            entry("10.5.0.0/16", mapping: 3, .drop(.authenticationFailure)),
        ])
        var worker = plane.memoryWorker()
        worker.device.tunnelInput[0] = (3...5).map { packet("10.1.0.1", "10.\($0).0.1") }
        _ = worker.stepTunnel(0)
        #expect(plane.drops == [.policyNoReason: 1, .policyDenied: 1, .policyAuthenticationFailure: 1])
    }

    @Test func `the longest match decides`() throws {
        let plane = try site()
        plane.apply([
            locator(2, "192.0.2.3"), locatorSet(2, [(2, 1, 1)]),
            entry("10.2.3.0/24", mapping: 2, set: 2),
            entry("10.2.3.4/32", mapping: 3, .drop(.policyDenied)),
        ])
        var worker = plane.memoryWorker()
        worker.device.tunnelInput[0] = ["10.2.0.1", "10.2.3.1", "10.2.3.4"].map { packet("10.1.0.1", $0) }
        _ = worker.stepTunnel(0)
        #expect(Set(worker.device.sent.map { $0.destination.high >> 32 & 0xff }) == [2, 3])
        #expect(plane.drops == [.policyDenied: 1])
    }

    @Test func `natively forwarded packets return to the TUN with their TTL raised by one`() throws {
        let plane = try site()
        plane.apply([
            entry("10.9.0.0/16", mapping: 1, .forwardNatively), entry("2001:db8:9::/48", mapping: 2, .forwardNatively),
        ])
        var worker = plane.memoryWorker()
        worker.device.tunnelInput[1] = []
        worker.device.tunnelInput[0] = [
            packet("10.1.0.1", "10.9.0.1", ttl: 62), packet("2001:db8:1::1", "2001:db8:9::1", ttl: 62),
            packet("10.1.0.1", "10.9.0.1", ttl: 255),
        ]
        _ = worker.stepTunnel(0)
        #expect(worker.device.sent.isEmpty)
        #expect(worker.device.tunnelOutput.map { ttl($0.packet) } == [63, 63, 255])
        #expect(worker.device.tunnelOutput.allSatisfy { $0.queue == 0 && hasValidChecksum($0.packet) })
        #expect(plane.statistics().forwardedNatively == 3)
    }

    @Test func `what the kernel refuses is counted by reason and not as sent`() throws {
        let plane = try site()
        var worker = plane.memoryWorker(offload: .off)
        worker.device.tunnelInput[0] = (0..<6).map { _ in packet("10.1.0.1", "10.2.0.1") }
        worker.device.sendErrors = [ENETUNREACH, EMSGSIZE, 0, EPERM, 0, EAGAIN]
        _ = worker.stepTunnel(0)
        #expect(
            plane.drops == [.sendBufferFull: 1, .noRouteToLocator: 1, .exceedsPathMTU: 1, .sendFailed: 1]
        )
        #expect(plane.counters(of: MappingID(rawValue: 10)).encapsulated == TrafficCounters(packets: 2, octets: 72))
    }

    @Test func `counts by mapping, locator, instance and in all`() throws {
        let plane = try site()
        plane.apply([locator(2, "192.0.2.3"), locatorSet(2, [(2, 1, 1)]), entry("10.3.0.0/16", mapping: 30, set: 2)])
        var worker = plane.memoryWorker()
        worker.device.tunnelInput[0] = (0..<30).map { packet("10.1.0.1", $0 % 3 == 0 ? "10.3.0.1" : "10.2.0.1") }
        _ = worker.stepTunnel(0)
        let (first, second) = (LocatorID(rawValue: 1), LocatorID(rawValue: 2))
        let twenty = TrafficCounters(packets: 20, octets: 720)
        let ten = TrafficCounters(packets: 10, octets: 360)
        #expect(plane.counters(of: MappingID(rawValue: 10)).encapsulated == twenty)
        #expect(plane.counters(of: MappingID(rawValue: 10), locator: first).encapsulated == twenty)
        #expect(plane.counters(of: MappingID(rawValue: 10), locator: second).encapsulated == TrafficCounters())
        #expect(plane.counters(of: MappingID(rawValue: 30), locator: second).encapsulated == ten)
        #expect(plane.counters(of: first).encapsulated == twenty)
        #expect(plane.counters(of: second).encapsulated == ten)
        #expect(plane.counters(of: .default).encapsulated == TrafficCounters(packets: 30, octets: 1_080))
        #expect(plane.statistics().encapsulated == TrafficCounters(packets: 30, octets: 1_080))
        // They go on when the mapping moves to other locators, and end with the mapping.
        plane.apply([entry("10.2.0.0/16", mapping: 10, set: 2)])
        worker.device.tunnelInput[0] = [packet("10.1.0.1", "10.2.0.1")]
        _ = worker.stepTunnel(0)
        #expect(plane.counters(of: MappingID(rawValue: 10)).encapsulated.packets == 21)
        #expect(plane.counters(of: MappingID(rawValue: 10), locator: first).encapsulated == twenty)
        #expect(plane.counters(of: MappingID(rawValue: 10), locator: second).encapsulated.packets == 1)
        plane.apply([.deleteEntry(prefix("10.2.0.0/16"))])
        #expect(plane.counters(of: MappingID(rawValue: 10)) == MappingCounters())
    }

    @Test func `a mapping that meets many locators over time keeps counters for a bounded number`() throws {
        let plane = try site()
        var worker = plane.memoryWorker()
        for id in 100...400 as ClosedRange<UInt32> {
            plane.apply([
                locator(id, "192.0.2.9"), locatorSet(id, [(id, 1, 1)]), entry("10.2.0.0/16", mapping: 10, set: id),
            ])
            worker.device.tunnelInput[0] = [packet("10.1.0.1", "10.2.0.1")]
            _ = worker.stepTunnel(0)
            worker.shared.reader.quiet()
            #expect(
                plane.counters(of: MappingID(rawValue: 10), locator: LocatorID(rawValue: id)).encapsulated.packets == 1
            )
            plane.apply([.deleteLocatorSet(LocatorSetID(rawValue: id)), .deleteLocator(LocatorID(rawValue: id))])
        }
        #expect(plane.counters(of: MappingID(rawValue: 10)).encapsulated.packets == 301)
    }
}
