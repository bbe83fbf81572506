// Which locator flows use.

import ForwardingInterface
import LISPWire
import Testing

@testable import DataPlane

@Suite struct LocatorChoiceTests {
    /// How many of `flows` flows each locator of the set gets.
    func shares(
        _ slots: [(id: UInt32, priority: UInt8, weight: UInt8)],
        down: Set<UInt32> = [],
        flows: Int = 20_000
    ) throws -> [UInt32: Int] {
        let plane = try DataPlane.forTests()
        try plane.addInstance(.default, queues: [-1])
        plane.apply(slots.map { locator($0.id, "192.0.2.\($0.id)", up: !down.contains($0.id)) })
        plane.apply([locatorSet(1, slots), entry("10.2.0.0/16")])
        var worker = plane.memoryWorker()
        var result: [UInt32: Int] = [:]
        for start in stride(from: 0, to: flows, by: 50) {
            worker.device.tunnelInput[0] = (start..<start + 50).map { flow in
                packet("10.1.0.1", "10.2.0.1", ports: (UInt16(flow & 0xffff), UInt16(flow >> 8 & 0xffff)))
            }
            _ = worker.stepTunnel(0)
        }
        for datagram in worker.device.sent { result[UInt32(datagram.destination.high >> 32 & 0xff), default: 0] += 1 }
        return result
    }

    func isNear(_ count: Int?, _ expected: Int) -> Bool {
        abs((count ?? 0) - expected) < expected / 10 + 1
    }

    @Test func `shares follow the weights`() throws {
        let result = try shares([(1, 1, 10), (2, 1, 30), (3, 1, 60)])
        #expect(isNear(result[1], 2_000))
        #expect(isNear(result[2], 6_000))
        #expect(isNear(result[3], 12_000))
    }

    @Test func `a weight of 0 beside others gets nothing, and zeros alone share evenly`() throws {
        #expect(try shares([(1, 1, 0), (2, 1, 5)]) == [2: 20_000])
        let even = try shares([(1, 1, 0), (2, 1, 0), (3, 1, 0), (4, 1, 0)])
        for id in 1...4 as ClosedRange<UInt32> { #expect(isNear(even[id], 5_000)) }
    }

    @Test func `the lowest priority wins, whatever the order and weights`() throws {
        #expect(try shares([(1, 9, 255), (2, 2, 1), (3, 5, 255)]) == [2: 20_000])
    }

    @Test func `the next priority steps in only when all of the best are down`() throws {
        #expect(try shares([(1, 1, 1), (2, 1, 1), (3, 2, 1)], down: [1]) == [2: 20_000])
        #expect(try shares([(1, 1, 1), (2, 1, 1), (3, 2, 1)], down: [1, 2]) == [3: 20_000])
        #expect(try shares([(1, 1, 1), (2, 1, 0)], down: [1]) == [2: 20_000])
    }

    @Test func `priority 255 is never used, nor is anything when all are down`() throws {
        #expect(try shares([(1, 255, 100)]) == [:])
        #expect(try shares([(1, 255, 100), (2, 254, 1)]) == [2: 20_000])
        #expect(try shares([(1, 1, 100), (2, 2, 1)], down: [1, 2]) == [:])
        #expect(try shares([]) == [:])
    }

    @Test func `255 locators of weight 255 share`() throws {
        let slots = (0...254).map { (id: UInt32($0), priority: UInt8(1), weight: UInt8(255)) }
        let result = try shares(slots, flows: 25_500)
        #expect(result.count == 255)
        #expect(result.values.allSatisfy { $0 > 40 && $0 < 180 })
    }

    @Test func `a flow keeps its locator and port, and others have others`() throws {
        let plane = try DataPlane.forTests()
        try plane.addInstance(.default, queues: [-1])
        plane.apply([locator(1, "192.0.2.1"), locator(2, "192.0.2.2")])
        plane.apply([locatorSet(1, [(1, 1, 50), (2, 1, 50)]), entry("10.2.0.0/16")])
        var worker = plane.memoryWorker()
        for _ in 0..<20 {
            worker.device.tunnelInput[0] = (0..<40).map { packet("10.1.0.1", "10.2.0.1", ports: (UInt16($0), 80)) }
            _ = worker.stepTunnel(0)
        }
        let byFlow = Dictionary(grouping: worker.device.sent) { Array($0.inner[20..<22]) }
        #expect(byFlow.count == 40)
        for datagrams in byFlow.values {
            #expect(Set(datagrams.map(\.port)).count == 1)
            #expect(Set(datagrams.map(\.destination.high)).count == 1)
        }
        #expect(Set(worker.device.sent.map(\.port)).count == 8)
    }

    @Test func `a locator that goes down moves its flows, and coming back brings them back`() throws {
        let plane = try DataPlane.forTests()
        try plane.addInstance(.default, queues: [-1])
        plane.apply([locator(1, "192.0.2.1"), locator(2, "192.0.2.2")])
        plane.apply([locatorSet(1, [(1, 1, 50), (2, 1, 50)]), entry("10.2.0.0/16")])
        var worker = plane.memoryWorker()
        var destinations: [[UInt64]] = []
        for isUp in [true, false, true] {
            plane.apply([locator(2, "192.0.2.2", up: isUp)])
            worker.device.sent.removeAll()
            for flow in 0..<40 {
                worker.device.tunnelInput[0] = [packet("10.1.0.1", "10.2.0.1", ports: (UInt16(flow), 80))]
                _ = worker.stepTunnel(0)
            }
            destinations.append(worker.device.sent.map { $0.destination.high >> 32 & 0xff })
        }
        #expect(Set(destinations[0]) == [1, 2])
        #expect(Set(destinations[1]) == [1])
        #expect(destinations[2] == destinations[0])
    }

    @Test func `all fragments of a datagram take the way of the first`() throws {
        let plane = try DataPlane.forTests()
        try plane.addInstance(.default, queues: [-1])
        plane.apply((1...8).map { locator($0, "192.0.2.\($0)") })
        plane.apply([locatorSet(1, (1...8).map { ($0, 1, 1) }), entry("10.2.0.0/16")])
        var worker = plane.memoryWorker()
        // More fragments, offsets, and what would be ports: all differ but the addresses.
        worker.device.tunnelInput[0] = (0..<30).map { index in
            let fragment = index == 0 ? 0x2000 : UInt16(index) | (index < 29 ? 0x2000 : 0)
            return packet("10.1.0.1", "10.2.0.1", ports: (UInt16(index), UInt16(index)), fragment: fragment)
        }
        _ = worker.stepTunnel(0)
        #expect(worker.device.sent.count == 30)
        #expect(Set(worker.device.sent.map(\.destination.high)).count == 1)
        #expect(Set(worker.device.sent.map(\.port)).count == 1)
    }
}
