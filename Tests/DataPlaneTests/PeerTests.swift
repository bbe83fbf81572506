// Whom data was exchanged with, and when: what the control plane tells of changed mappings.

import ForwardingInterface
import LISPWire
import Testing

@testable import DataPlane

@Suite struct PeerTests {
    private static let red = InstanceID(uncheckedRawValue: 101)

    /// Own 10.1/16 in instances 0 and 101; 10.2/16 is reached at 192.0.2.2 first, at 2001:db8:ffff::2 then.
    private func site(instances: [InstanceID] = [.default, Self.red]) throws -> DataPlane {
        let plane = try DataPlane.forTests(workers: 2)
        for instance in instances {
            try plane.addInstance(instance, queues: [-1, -1])
            plane.apply([.putOwnPrefix(prefix("10.1.0.0/16", instance: instance.rawValue))])
        }
        plane.apply([
            locator(1, "192.0.2.2"), locator(2, "2001:db8:ffff::2"), locatorSet(1, [(1, 1, 100), (2, 2, 100)]),
            entry("10.2.0.0/16"),
        ])
        return plane
    }

    private func peer(_ rloc: String, _ instance: InstanceID? = nil) -> ForwardingPeer {
        ForwardingPeer(instanceID: instance, rloc: address(rloc))
    }

    @Test func `a locator that packets went to is one, from the second of the last packet on`() throws {
        let plane = try site()
        var worker = plane.memoryWorker()
        #expect(plane.peers(since: 1) == [])
        plane.setClock(100)
        worker.device.tunnelInput[0] = [packet("10.1.0.1", "10.2.0.1"), packet("10.1.0.1", "10.2.0.1")]
        _ = worker.stepTunnel(0)
        #expect(plane.peers(since: 100) == [peer("192.0.2.2")])
        #expect(plane.peers(since: 101) == [])
        plane.setClock(161)
        worker.device.tunnelInput[0] = [packet("10.1.0.1", "10.2.0.1")]
        _ = worker.stepTunnel(0)
        #expect(plane.peers(since: 101) == [peer("192.0.2.2")])
    }

    @Test func `a locator that nothing could be sent to is none`() throws {
        let plane = try site()
        var worker = plane.memoryWorker()
        worker.device.sendErrors = [101]
        worker.device.tunnelInput[0] = [packet("10.1.0.1", "10.2.0.1")]
        _ = worker.stepTunnel(0)
        #expect(plane.peers(since: 1) == [])
    }

    @Test func `whoever sends for the site is one, known or not, in the instance it sent for`() throws {
        let plane = try site()
        var worker = plane.memoryWorker()
        plane.setClock(100)
        worker.device.networkInput[.ipv4] = [
            datagram(packet("10.2.0.1", "10.1.0.1"), from: "192.0.2.77"),
            datagram(packet("10.2.0.1", "10.1.0.1"), from: "192.0.2.77"),
            datagram(packet("10.9.0.1", "10.1.0.1"), instance: 101, from: "192.0.2.77"),
            datagram(packet("10.2.0.1", "10.3.0.1"), from: "192.0.2.78"),
        ]
        _ = worker.stepNetwork(.ipv4)
        worker.device.networkInput[.ipv6] = [datagram(packet("10.2.0.1", "10.1.0.1"), from: "2001:db8:ffff::7")]
        _ = worker.stepNetwork(.ipv6)
        #expect(
            Set(plane.peers(since: 100)) == [
                peer("192.0.2.77", .default), peer("192.0.2.77", Self.red), peer("2001:db8:ffff::7", .default),
            ]
        )
        #expect(plane.peers(since: 101) == [])
    }

    @Test func `no peer is named twice, whichever worker and direction it was seen by`() throws {
        let plane = try site(instances: [.default])
        for index in 0..<2 {
            var worker = plane.memoryWorker(index)
            worker.device.networkInput[.ipv4] = [datagram(packet("10.2.0.1", "10.1.0.1"), from: "192.0.2.2")]
            _ = worker.stepNetwork(.ipv4)
            worker.device.tunnelInput[0] = [packet("10.1.0.1", "10.2.0.1")]
            _ = worker.stepTunnel(0)
        }
        #expect(plane.peers(within: .seconds(60)) == [peer("192.0.2.2", .default)])
    }

    @Test func `of too many senders those that were heard of longest ago are forgotten`() {
        let table = PeerTable(seed: 1)
        defer { table.deallocate() }
        let capacity = PeerTable.sets * PeerTable.ways
        func note(_ number: Int, _ second: UInt32) {
            let address = IPAddress.v4(IPv4Address(UInt32(0xc633_0000) + UInt32(number)))
            table.note(instance: 0, family: 4, address: TrieKey(address.leftAligned), second: second)
        }
        func count(since second: UInt32) -> Int {
            var count = 0
            table.forEach(since: second) { _, _ in count += 1 }
            return count
        }
        for number in 0..<4 * capacity { note(number, 1) }
        #expect(count(since: 1) > capacity * 9 / 10)
        // New ones take the places of the old, and each other's only where a set is full of new ones.
        for number in 0..<capacity / 4 { note(4 * capacity + number, 2) }
        #expect(count(since: 2) > capacity / 4 * 95 / 100)
        #expect(count(since: 1) > capacity * 9 / 10)
        // Whoever goes on sending stays.
        for second in 3..<200 as Range<UInt32> {
            note(7, second)
            for number in 0..<50 { note(Int(second) * 1_000 + number, second) }
        }
        var isThere = false
        table.forEach(since: 199) { _, rloc in if rloc == IPAddress("198.51.0.7")! { isThere = true } }
        #expect(isThere)
    }
}
