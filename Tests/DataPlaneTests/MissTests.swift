// Packets without a mapping: what reaches the control loop, what floods cannot do, and the way back.

import ForwardingInterface
import LISPWire
import Testing

@testable import DataPlane

@Suite struct MissTests {
    func misses(_ plane: DataPlane, limit: Int = 1_000_000) -> [ForwardingMiss] {
        var all: [ForwardingMiss] = []
        plane.drainMisses(limit: limit) { all.append($0) }
        return all
    }

    func plane(_ change: (inout DataPlaneOptions) -> Void = { _ in }) throws -> DataPlane {
        let plane = try DataPlane.forTests(workers: 1, change)
        try plane.addInstance(.default, queues: [-1])
        try plane.addInstance(InstanceID(uncheckedRawValue: 101), queues: [-1])
        return plane
    }

    @Test func `a miss carries the whole packet, its EIDs and its instance`() throws {
        let plane = try plane()
        var worker = plane.memoryWorker()
        let v4 = packet("10.1.0.1", "10.2.0.1")
        let v6 = packet("2001:db8:1::1", "2001:db8:2::1")
        worker.device.tunnelInput[0] = [v4]
        worker.device.tunnelInput[1] = [v6 + [1, 2]]
        _ = worker.stepTunnel(0)
        _ = worker.stepTunnel(1)
        let red = InstanceID(uncheckedRawValue: 101)
        #expect(
            misses(plane) == [
                ForwardingMiss(source: EID(address("10.1.0.1")), destination: EID(address("10.2.0.1")), packet: v4),
                ForwardingMiss(
                    source: EID(instanceID: red, address("2001:db8:1::1")),
                    destination: EID(instanceID: red, address("2001:db8:2::1")),
                    packet: v6
                ),
            ]
        )
        #expect(misses(plane).isEmpty)
        #expect(plane.drops == [:])
    }

    @Test func `an entry that asks for a Map-Request is a miss too`() throws {
        let plane = try plane()
        plane.apply([entry("10.2.0.0/16", .sendMapRequest)])
        var worker = plane.memoryWorker()
        worker.device.tunnelInput[0] = [packet("10.1.0.1", "10.2.0.1")]
        _ = worker.stepTunnel(0)
        #expect(misses(plane).count == 1)
    }

    @Test func `a packet without a locator is dropped, and the control loop told as often as of a miss`() throws {
        let plane = try plane()
        plane.apply([entry("10.2.0.0/16", set: 77)])
        var worker = plane.memoryWorker()
        worker.device.tunnelInput[0] = (0..<10).map { _ in packet("10.1.0.1", "10.2.0.1") }
        _ = worker.stepTunnel(0)
        let stranded = ForwardingMiss(
            source: EID(address("10.1.0.1")),
            destination: EID(address("10.2.0.1")),
            packet: packet("10.1.0.1", "10.2.0.1"),
            isStranded: true
        )
        #expect(misses(plane) == Array(repeating: stranded, count: 4))
        #expect(plane.drops == [.noUsableLocator: 10])
    }

    @Test func `one EID gets four packets through, then one in 10 ms`() throws {
        let plane = try plane()
        var worker = plane.memoryWorker()
        // 1,000 packets over 100 ms.
        for _ in 0..<100 {
            worker.device.tunnelInput[0] = (0..<10).map { packet("10.1.0.\($0)", "10.2.0.1") }
            _ = worker.stepTunnel(0)
            worker.device.clock += 1_000_000
        }
        #expect(misses(plane).count == 4 + 9)
        #expect(plane.dropped(.missRecentlyReported) == 1_000 - 13)
    }

    @Test func `another EID is not held up, and quiet brings the first four back`() throws {
        let plane = try plane()
        var worker = plane.memoryWorker()
        func send(_ to: String, _ count: Int) {
            worker.device.tunnelInput[0] = (0..<count).map { _ in packet("10.1.0.1", to) }
            _ = worker.stepTunnel(0)
        }
        send("10.2.0.1", 20)
        send("10.2.0.2", 20)
        #expect(misses(plane).count == 8)
        worker.device.clock += 1_100_000_000
        send("10.2.0.1", 20)
        #expect(misses(plane).count == 4)
    }

    @Test func `EIDs that differ in their last bit only are told apart`() throws {
        let plane = try plane()
        var worker = plane.memoryWorker()
        worker.device.tunnelInput[0] = (0..<32).flatMap { number in
            let to = "2001:db8:2::\(String(number, radix: 16))"
            return (0..<4).map { _ in packet("2001:db8:1::1", to) }
        }
        while worker.stepTunnel(0) > 0 {}
        #expect(misses(plane).count == 32 * 4)
        #expect(plane.dropped(.missRecentlyReported) == 0)
    }

    @Test func `EIDs of different networks that end in ones are told apart`() throws {
        let plane = try plane()
        var worker = plane.memoryWorker()
        let packets = (1...8).map { packet("2001:db8:1::1", "2001:db8:\($0):0:ffff:ffff:ffff:ffff") }
        worker.device.tunnelInput[0] = packets
        _ = worker.stepTunnel(0)
        #expect(misses(plane).map(\.packet) == packets)
    }

    @Test func `100 new destinations each keep their first packet`() throws {
        let plane = try plane()
        var worker = plane.memoryWorker()
        worker.device.tunnelInput[0] = (0..<100).map { packet("10.1.0.1", "10.2.\($0).1") }
        while worker.stepTunnel(0) > 0 {}
        #expect(Set(misses(plane).map(\.destination)).count == 100)
    }

    /// A scan of one host leaves the others their way to the control loop.
    @Test(arguments: [("10.1.0.1", "10.1.0.2"), ("2001:db8:1::1", "2001:db8:1:1::1")])
    func `one source takes half of the queue at once, and then ten packets a millisecond`(
        scanner: String,
        other: String
    ) throws {
        let plane = try plane()
        var worker = plane.memoryWorker()
        let isIPv6 = scanner.contains(":")
        var sent = 0
        func send(_ count: Int) {
            worker.device.tunnelInput[0] = (0..<count).map { _ in
                sent += 1
                let number = String(sent, radix: 16)
                return packet(scanner, isIPv6 ? "2001:db8:2::\(number)" : "10.2.\(sent >> 8).\(sent & 255)")
            }
            while worker.stepTunnel(0) > 0 {}
        }
        send(3_000)
        #expect(misses(plane).count == 512)
        #expect(plane.dropped(.missSourceLimited) == 3_000 - 512)
        worker.device.tunnelInput[0] = [packet(other, isIPv6 ? "2001:db8:3::1" : "10.99.0.1")]
        _ = worker.stepTunnel(0)
        #expect(misses(plane).count == 1)
        for _ in 0..<20 {
            worker.device.clock += 1_000_000
            send(50)
        }
        #expect(misses(plane).count == 200)
        #expect(plane.dropped(.missQueueFull) == 0)
    }

    @Test func `large packets of one source count by their size`() throws {
        let plane = try plane { $0.missQueueBytes = 8 << 20 }
        var worker = plane.memoryWorker()
        var large = packet("10.1.0.1", "10.2.0.1") + [UInt8](repeating: 7, count: 60_000)
        large[2] = UInt8(large.count >> 8)
        large[3] = UInt8(large.count & 255)
        for host in 0..<20 {
            large[18] = UInt8(host)
            worker.device.tunnelInput[0] = [large]
            _ = worker.stepTunnel(0)
        }
        #expect(misses(plane).count == 8)
        #expect(plane.dropped(.missSourceLimited) == 12)
    }

    @Test func `a full queue drops and counts, by packets and by octets`() throws {
        let few = try plane { $0.missQueuePackets = 10 }
        var worker = few.memoryWorker()
        worker.device.tunnelInput[0] = (0..<50).map { packet("10.1.0.1", "10.2.\($0).1") }
        _ = worker.stepTunnel(0)
        #expect(few.dropped(.missQueueFull) == 40)
        #expect(misses(few).count == 10)

        let small = try plane { $0.missQueueBytes = 1 }
        var other = small.memoryWorker()
        var large = packet("10.1.0.1", "10.2.0.1") + [UInt8](repeating: 7, count: 60_000)
        large[2] = UInt8(large.count >> 8)
        large[3] = UInt8(large.count & 255)
        for host in 0..<20 {
            large[15] = UInt8(host)
            large[18] = UInt8(host)
            other.device.tunnelInput[0] = [large]
            _ = other.stepTunnel(0)
        }
        // 256 KiB hold four of these.
        #expect(misses(small).count == 4)
        #expect(small.dropped(.missQueueFull) == 16)
    }

    @Test func `draining is bounded, and the rest is announced`() throws {
        let plane = try plane()
        var worker = plane.memoryWorker()
        worker.device.tunnelInput[0] = (0..<50).map { packet("10.1.0.1", "10.2.\($0).1") }
        _ = worker.stepTunnel(0)
        #expect(misses(plane, limit: 20).count == 20)
        #expect(misses(plane, limit: 20).count == 20)
        #expect(misses(plane, limit: 20).count == 10)
    }

    @Test func `released packets are forwarded in order once there is a mapping`() throws {
        let plane = try plane()
        var worker = plane.memoryWorker()
        worker.device.tunnelInput[0] = (0..<4).map { packet("10.1.0.1", "10.2.0.1", ttl: UInt8(40 + $0)) }
        _ = worker.stepTunnel(0)
        let held = misses(plane)
        #expect(held.count == 4)
        plane.apply([locator(1, "192.0.2.2"), locatorSet(1, [(1, 1, 1)]), entry("10.2.0.0/16")])
        plane.release(held, verdict: .forward)
        #expect(worker.stepHeld() == 4)
        #expect(worker.device.sent.map(\.ttl) == [40, 41, 42, 43])
        #expect(worker.device.sent.map(\.inner) == held.map(\.packet))
        #expect(plane.statistics().heldReleased == 4)
        #expect(worker.stepHeld() == 0)
    }

    @Test func `a second miss drops, and is no miss again`() throws {
        let plane = try plane()
        var worker = plane.memoryWorker()
        worker.device.tunnelInput[0] = [packet("10.1.0.1", "10.2.0.1")]
        _ = worker.stepTunnel(0)
        plane.release(misses(plane), verdict: .forward)
        _ = worker.stepHeld()
        #expect(plane.drops == [.stillNoMapping: 1])
        #expect(misses(plane).isEmpty)
    }

    @Test func `packets released natively return to their TUN with the TTL raised`() throws {
        let plane = try plane()
        var worker = plane.memoryWorker()
        worker.device.tunnelInput[1] = [packet("10.1.0.1", "10.2.0.1", ttl: 63)]
        _ = worker.stepTunnel(1)
        plane.release(misses(plane), verdict: .forwardNatively)
        _ = worker.stepHeld()
        #expect(worker.device.tunnelOutput.map(\.queue) == [1])
        #expect(worker.device.tunnelOutput.map { ttl($0.packet) } == [64])
        #expect(worker.device.tunnelOutput.allSatisfy { hasValidChecksum($0.packet) })
    }

    @Test func `more than a worker can take is dropped and counted`() throws {
        let plane = try plane { $0.heldQueuePackets = 3 }
        let held = (0..<5).map { _ in
            ForwardingMiss(
                source: EID(address("10.1.0.1")),
                destination: EID(address("10.2.0.1")),
                packet: packet("10.1.0.1", "10.2.0.1")
            )
        }
        plane.release(held, verdict: .forward)
        #expect(plane.dropped(.heldQueueFull) == 2)
    }
}

@Suite struct PacketRingTests {
    @Test func `packets of all sizes come out as they went in`() {
        var random = SplitMix.printed("ring")
        let ring = PacketRing(bytes: 1, packets: 50)
        defer { ring.deallocate() }
        var expected: [(packet: [UInt8], tag: UInt32, word: UInt64)] = []
        var next: UInt32 = 0
        for _ in 0..<20_000 {
            if Bool.random(using: &random) {
                let size = Int.random(in: 0...(Bool.random(using: &random) ? 65_535 : 200), using: &random)
                let packet = [UInt8](repeating: UInt8(truncatingIfNeeded: next), count: size)
                let isQueued = packet.withUnsafeBytes { ring.push($0, tag: next, word: UInt64(next) << 8) }
                if isQueued { expected.append((packet, next, UInt64(next) << 8)) }
                next += 1
            } else {
                let found = ring.pop { packet, tag, word in
                    let first = expected.removeFirst()
                    #expect(Array(packet) == first.packet && tag == first.tag && word == first.word)
                }
                #expect(found || expected.isEmpty)
            }
            #expect(ring.count == expected.count)
        }
    }
}
