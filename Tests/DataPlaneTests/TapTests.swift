// What those who watch flows are told of what passes, and what it costs while nobody does.

import ForwardingInterface
import LISPWire
import LinuxNetwork
import Testing

@testable import DataPlane

@Suite struct TapTests {
    /// What a tap told of one packet, kept.
    struct Tapped: Equatable {
        var direction: TappedPacket.Direction
        var instance: UInt32
        var length: Int
        var packets: Int
        var segmentSize: Int
        var local: IPAddress?
        var remote: IPAddress
        var time: UInt64
        var headers: [UInt8]
    }

    func drain(_ tap: FlowTap, limit: Int = .max) -> [Tapped] {
        var all: [Tapped] = []
        let count = tap.drain(limit: limit) { each in
            all.append(
                Tapped(
                    direction: each.direction,
                    instance: each.instanceID.rawValue,
                    length: each.length,
                    packets: each.packets,
                    segmentSize: each.segmentSize,
                    local: each.localRLOC,
                    remote: each.remoteRLOC,
                    time: each.time,
                    headers: Array(each.headers)
                )
            )
        }
        #expect(count == all.count)
        return all
    }

    func site() throws -> DataPlane {
        let plane = try DataPlane.forTests()
        let tenant = InstanceID(uncheckedRawValue: 101)
        try plane.addInstance(.default, queues: [-1])
        try plane.addInstance(tenant, queues: [-1])
        plane.apply([
            .putOwnPrefix(prefix("10.1.0.0/16")), .putOwnPrefix(prefix("2001:db8:1::/48")),
            .putOwnPrefix(prefix("10.7.0.0/16", instance: 101)),
            .putLocator(
                LocatorID(rawValue: 1),
                address: address("192.0.2.2"),
                source: address("192.0.2.1"),
                up: true,
                mtu: 0
            ),
            locator(2, "2001:db8:ffff::2"), locatorSet(1, [(1, 1, 1)]), locatorSet(2, [(2, 1, 1)]),
            entry("10.2.0.0/16"), entry("2001:db8:2::/48", mapping: 2, set: 2),
            entry("10.8.0.0/16", instance: 101, mapping: 3),
            entry("10.4.0.0/16", mapping: 4, .forwardNatively),
        ])
        return plane
    }

    @Test func `what leaves is told with its locator, and its own address where it is known`() throws {
        let plane = try site()
        let tap = try plane.openTap()
        var worker = plane.memoryWorker()
        let v4 = packet("10.1.0.1", "10.2.0.1")
        let v6 = packet("2001:db8:1::1", "2001:db8:2::1")
        worker.device.clock = 77
        // What has no mapping, or is forwarded natively, crosses no tunnel.
        worker.device.tunnelInput[0] = [v4, v6, packet("10.1.0.1", "10.3.0.1"), packet("10.1.0.1", "10.4.0.1")]
        #expect(worker.stepTunnel(0) == 4)
        worker.device.tunnelInput[1] = [packet("10.7.0.1", "10.8.0.1")]
        #expect(worker.stepTunnel(1) == 1)
        let told = drain(tap)
        #expect(
            told == [
                Tapped(
                    direction: .encapsulated,
                    instance: 0,
                    length: v4.count,
                    packets: 1,
                    segmentSize: 0,
                    local: address("192.0.2.1"),
                    remote: address("192.0.2.2"),
                    time: 77,
                    headers: v4
                ),
                Tapped(
                    direction: .encapsulated,
                    instance: 0,
                    length: v6.count,
                    packets: 1,
                    segmentSize: 0,
                    local: nil,
                    remote: address("2001:db8:ffff::2"),
                    time: 77,
                    headers: v6
                ),
                Tapped(
                    direction: .encapsulated,
                    instance: 101,
                    length: 36,
                    packets: 1,
                    segmentSize: 0,
                    local: address("192.0.2.1"),
                    remote: address("192.0.2.2"),
                    time: 77,
                    headers: packet("10.7.0.1", "10.8.0.1")
                ),
            ]
        )
        #expect(drain(tap) == [])
    }

    @Test func `what is delivered is told with its sender, and what is refused is not`() throws {
        let plane = try site()
        let tap = try plane.openTap()
        var worker = plane.memoryWorker()
        let inner = packet("10.2.0.1", "10.1.0.1", ttl: 60)
        worker.device.networkInput[.ipv6] = [
            datagram(inner, from: "2001:db8:ffff::2"),
            datagram(packet("10.2.0.1", "10.9.0.1"), from: "2001:db8:ffff::2"),
        ]
        #expect(worker.stepNetwork(.ipv6) == 2)
        let told = drain(tap)
        #expect(told.count == 1)
        #expect(told.first?.direction == .decapsulated)
        #expect(told.first?.remote == address("2001:db8:ffff::2"))
        #expect(told.first?.headers == inner)
    }

    @Test func `a train of TCP is told once, one of UDP segment by segment`() throws {
        let plane = try site()
        let tap = try plane.openTap()
        var worker = plane.memoryWorker()
        let payload = (0..<5_000).map { UInt8(truncatingIfNeeded: $0) }
        let tcp = PlainTransport(payload: payload)
        let udp = PlainTransport(isTCP: false, payload: payload)
        worker.device.tunnelInput[0] = [tcp.packet(isPartial: true), udp.packet(isPartial: true)]
        worker.device.tunnelSegments = [
            SegmentTrain(kind: .tcpIPv4, size: 1_400), SegmentTrain(kind: .udp, size: 1_200),
        ]
        #expect(worker.stepTunnel(0) == 2)
        let told = drain(tap)
        #expect(told.map(\.packets) == [4, 1, 1, 1, 1, 1])
        #expect(told.map(\.segmentSize) == [1_400, 0, 0, 0, 0, 0])
        let segments = udp.cut(1_200)
        #expect(told.map(\.length) == [5_040] + segments.map(\.count))
        // Each with what stands behind its UDP header.
        #expect(told.dropFirst().map(\.headers) == segments.map { Array($0.prefix(FlowTap.headerLimit)) })
        #expect(worker.device.sent.count == 9)
    }

    @Test func `while nobody listens nothing is kept, and a second listener hears only what is new`() throws {
        let plane = try site()
        var worker = plane.memoryWorker()
        func send(_ count: Int) {
            worker.device.tunnelInput[0] = Array(repeating: packet("10.1.0.1", "10.2.0.1"), count: count)
            #expect(worker.stepTunnel(0) == count)
        }
        send(3)
        #expect(!plane.workers[0].tap.hasMemory)
        let first = try plane.openTap()
        send(2)
        first.close()
        send(4)
        let second = try plane.openTap()
        send(5)
        #expect(drain(second, limit: 3).count == 3)
        #expect(drain(second).count == 2)
        #expect(second.lost == 0)
    }

    @Test func `what finds no room is counted, and the rest is whole`() throws {
        let plane = try site()
        let tap = try plane.openTap(bytes: 1)
        var worker = plane.memoryWorker()
        var sent = 0
        while tap.lost == 0, sent < 100_000 {
            worker.device.tunnelInput[0] = Array(repeating: packet("10.1.0.1", "10.2.0.1"), count: 64)
            sent += worker.stepTunnel(0)
            worker.device.sent = []
        }
        let told = drain(tap)
        #expect(told.count + Int(tap.lost) == sent)
        #expect(told.count > 1_000)
        #expect(told.allSatisfy { $0.headers == packet("10.1.0.1", "10.2.0.1") })
    }
}
