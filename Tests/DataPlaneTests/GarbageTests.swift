// Nothing that arrives makes a worker trap, and every packet is either passed on or counted.

import ForwardingInterface
import LISPWire
import Testing

@testable import DataPlane

@Suite struct GarbageTests {
    func plane() throws -> DataPlane {
        let plane = try DataPlane.forTests()
        try plane.addInstance(.default, queues: [-1])
        try plane.addInstance(InstanceID(uncheckedRawValue: 101), queues: [-1])
        for instance in [0, 101] as [UInt32] {
            plane.apply([
                .putOwnPrefix(prefix("10.0.0.0/9", instance: instance)),
                .putOwnPrefix(prefix("2001:db8::/33", instance: instance)),
                locator(1, "192.0.2.2"), locator(2, "2001:db8:ffff::2"), locatorSet(1, [(1, 1, 1), (2, 1, 1)]),
                entry("0.0.0.0/0", instance: instance, mapping: 1),
                entry("2001:db8::/32", instance: instance, mapping: 2),
            ])
        }
        return plane
    }

    /// Anything from noise to a packet with a few octets changed, cut short or made longer.
    func garbage(_ random: inout SplitMix) -> [UInt8] {
        var octets: [UInt8]
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
            octets = (0..<Int.random(in: 0...120, using: &random)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        case 1:
            octets = packet("10.200.0.1", "10.1.0.1")
        default:
            octets = packet("2001:db8:8000::1", "2001:db8:1::1")
            // Extension headers, often.
            octets[6] = [0, 17, 43, 44, 51, 60, 135].randomElement(using: &random) ?? 17
        }
        for _ in 0..<Int.random(in: 0...4, using: &random) where !octets.isEmpty {
            octets[Int.random(in: 0..<octets.count, using: &random)] = UInt8(truncatingIfNeeded: random.next())
        }
        if Bool.random(using: &random) { octets = Array(octets.prefix(Int.random(in: 0...140, using: &random))) }
        if Int.random(in: 0..<8, using: &random) == 0 { octets += [UInt8](repeating: 0xee, count: 40) }
        return octets
    }

    @Test func `100,000 datagrams of garbage`() throws {
        var random = SplitMix.printed("garbage from the network")
        let plane = try plane()
        var worker = plane.memoryWorker()
        var received: UInt64 = 0
        for _ in 0..<2_000 {
            let batch = (0..<50).map { _ in
                var header = [UInt8](repeating: 0, count: 8)
                if Bool.random(using: &random) { header = [0x08, 0, 0, 0, 0, 0, 101, 0] }
                if Int.random(in: 0..<10, using: &random) == 0 {
                    header = header.map { _ in UInt8(truncatingIfNeeded: random.next()) }
                }
                let payload = header + garbage(&random)
                let tos = UInt8(truncatingIfNeeded: random.next())
                let ttl = UInt8(truncatingIfNeeded: random.next())
                let cut = Int.random(in: 0..<20, using: &random) == 0 ? Array(payload.prefix(7)) : payload
                return ReceivedPacket(payload: cut, tos: tos, ttl: ttl, source: address("192.0.2.2"))
            }
            received += UInt64(batch.count)
            let family: AddressFamily = Bool.random(using: &random) ? .ipv4 : .ipv6
            worker.device.networkInput[family] = batch
            while worker.stepNetwork(family) > 0 {}
        }
        let passed = UInt64(worker.device.tunnelOutput.count)
        #expect(passed > 0 && passed < received)
        #expect(plane.drops.values.reduce(0, +) + passed == received)
        #expect(plane.statistics().decapsulated.packets == passed)
    }

    @Test func `100,000 packets of garbage from the site`() throws {
        var random = SplitMix.printed("garbage from the site")
        let plane = try plane()
        var worker = plane.memoryWorker()
        var read: UInt64 = 0
        var misses: UInt64 = 0
        for _ in 0..<2_000 {
            let batch = (0..<50).map { _ in garbage(&random) }
            let queue = Int.random(in: 0...1, using: &random)
            worker.device.tunnelInput[queue] = batch
            while worker.stepTunnel(queue) > 0 {}
            read += UInt64(batch.count)
            plane.drainMisses { _ in misses += 1 }
        }
        let sent = UInt64(worker.device.sent.count)
        #expect(sent > 0)
        #expect(plane.statistics().missesReported == misses)
        #expect(plane.drops.values.reduce(0, +) + sent + misses == read)
    }

    @Test func `released garbage does not trap either`() throws {
        var random = SplitMix.printed("garbage released")
        let plane = try plane()
        var worker = plane.memoryWorker()
        for _ in 0..<5_000 {
            let octets = garbage(&random)
            let tag = UInt32.random(in: 0...1, using: &random)
            _ = octets.withUnsafeBytes { worker.shared.held.push($0, tag: tag, word: random.next() & 127) }
            _ = worker.stepHeld()
        }
        #expect(plane.statistics().heldReleased == 5_000)
    }
}
