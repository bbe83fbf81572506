// Into the site: what reaches the TUN, and why the rest does not.

import ForwardingInterface
import LISPWire
import Testing

@testable import DataPlane

@Suite struct DecapsulationTests {
    /// Own 10.1/16 and 2001:db8:1::/48 in instances 0 and 101; 10.2/16 and 2001:db8:2::/48 are reached by two locators.
    func site() throws -> DataPlane {
        let plane = try DataPlane.forTests()
        try plane.addInstance(.default, queues: [-1])
        try plane.addInstance(InstanceID(uncheckedRawValue: 101), queues: [-1])
        plane.apply([
            .putOwnPrefix(prefix("10.1.0.0/16")), .putOwnPrefix(prefix("2001:db8:1::/48")),
            .putOwnPrefix(prefix("10.7.0.0/16", instance: 101)),
            locator(1, "192.0.2.2"), locator(2, "2001:db8:ffff::2"),
            locatorSet(1, [(1, 1, 100), (2, 2, 100)]),
            entry("10.2.0.0/16", mapping: 10), entry("2001:db8:2::/48", mapping: 20),
        ])
        return plane
    }

    static let mixes = [
        ("10.2.0.1", "10.1.0.1", "192.0.2.2"),
        ("10.2.0.1", "10.1.0.1", "2001:db8:ffff::2"),
        ("2001:db8:2::1", "2001:db8:1::1", "192.0.2.2"),
        ("2001:db8:2::1", "2001:db8:1::1", "2001:db8:ffff::2"),
    ]

    @Test(arguments: mixes) func `each mix of families is decapsulated and counted by its source`(
        from: String,
        to: String,
        rloc: String
    ) throws {
        let plane = try site()
        var worker = plane.memoryWorker()
        let family = address(rloc).family
        let inner = packet(from, to, ttl: 60)
        worker.device.networkInput[family] = [
            datagram(inner, ttl: 63, from: rloc), datagram(inner, from: "192.0.2.77"),
        ]
        #expect(worker.stepNetwork(family) == 2)
        #expect(worker.device.tunnelOutput.map(\.packet) == [inner, inner])
        #expect(worker.device.tunnelOutput.map(\.queue) == [0, 0])
        #expect(plane.drops == [:])
        let mapping = MappingID(rawValue: from.contains(":") ? 20 : 10)
        let one = TrafficCounters(packets: 1, octets: UInt64(inner.count))
        #expect(plane.counters(of: mapping).decapsulated.packets == 2)
        #expect(plane.counters(of: mapping).encapsulated.packets == 0)
        let locator = LocatorID(rawValue: family == .ipv4 ? 1 : 2)
        #expect(plane.counters(of: mapping, locator: locator).decapsulated == one)
        #expect(plane.counters(of: locator).decapsulated == one)
        #expect(plane.counters(of: .default).decapsulated.packets == 2)
    }

    @Test(arguments: [("10.2.0.1", "203.0.113.10", "192.0.2.2"), ("2001:db8:2::1", "2001:db8:9::1", "192.0.2.2")])
    func `a Proxy-ETR delivers anywhere what comes from a source that it accepts, and nothing else`(
        from: String,
        to: String,
        rloc: String
    ) throws {
        let plane = try site()
        var worker = plane.memoryWorker()
        let inner = packet(from, to, ttl: 60)
        worker.device.networkInput[.ipv4] = [datagram(inner, from: rloc)]
        _ = worker.stepNetwork(.ipv4)
        #expect(plane.drops == [.innerDestinationNotOwn: 1])

        plane.apply([.putAcceptedSource(prefix("10.2.0.0/16")), .putAcceptedSource(prefix("2001:db8:2::/48"))])
        let foreign = from.contains(":") ? "2001:db8:77::1" : "10.77.0.1"
        worker.device.networkInput[.ipv4] = [
            datagram(inner, from: rloc), datagram(packet(foreign, to), from: rloc),
            // The site of an ETR beside it hears from everybody.
            datagram(packet(foreign, to.contains(":") ? "2001:db8:1::1" : "10.1.0.1"), from: rloc),
            // Nobody outside speaks for the own site.
            datagram(packet(to.contains(":") ? "2001:db8:1::1" : "10.1.0.1", to), from: rloc),
        ]
        _ = worker.stepNetwork(.ipv4)
        #expect(worker.device.tunnelOutput.count == 2)
        #expect(worker.device.tunnelOutput.first?.packet == inner)
        #expect(plane.dropped(.innerSourceNotAccepted) == 2)

        plane.apply([.deleteAcceptedSource(prefix("10.2.0.0/16")), .deleteAcceptedSource(prefix("2001:db8:2::/48"))])
        worker.device.networkInput[.ipv4] = [datagram(inner, from: rloc)]
        _ = worker.stepNetwork(.ipv4)
        #expect(plane.dropped(.innerDestinationNotOwn) == 2)
    }

    @Test func `the instance of the header decides which TUN and which prefixes`() throws {
        let plane = try site()
        var worker = plane.memoryWorker()
        worker.device.networkInput[.ipv4] = [
            datagram(packet("10.2.0.1", "10.7.0.1"), instance: 101),
            datagram(packet("10.2.0.1", "10.1.0.1"), instance: 101),
            datagram(packet("10.2.0.1", "10.7.0.1")),
            datagram(packet("10.2.0.1", "10.1.0.1"), instance: 102),
        ]
        _ = worker.stepNetwork(.ipv4)
        #expect(worker.device.tunnelOutput.map(\.queue) == [1])
        #expect(plane.drops == [.innerDestinationNotOwn: 2, .unknownInstance: 1])
    }

    @Test func `flags without a meaning for us change nothing`() throws {
        let plane = try site()
        var worker = plane.memoryWorker()
        // N, L, E, V and R set, a nonce, and status bits: all of them are allowed to be there.
        var received = datagram(packet("10.2.0.1", "10.1.0.1"))
        received.payload.replaceSubrange(0..<8, with: [0xf4, 1, 2, 3, 0xff, 0xff, 0xff, 0xff])
        worker.device.networkInput[.ipv4] = [received]
        _ = worker.stepNetwork(.ipv4)
        #expect(worker.device.tunnelOutput.count == 1)
    }

    @Test func `an encrypted payload is not taken for a packet`() throws {
        let plane = try site()
        var worker = plane.memoryWorker()
        var received = datagram(packet("10.2.0.1", "10.1.0.1"))
        received.payload[0] |= 1
        worker.device.networkInput[.ipv4] = [received]
        _ = worker.stepNetwork(.ipv4)
        #expect(plane.drops == [.encrypted: 1])
    }

    @Test(arguments: [(63, 60, 60), (60, 63, 60), (1, 1, 1)] as [(UInt8, UInt8, UInt8)])
    func `the TTL becomes the smaller of both, the checksum with it`(inner: UInt8, outer: UInt8, result: UInt8) throws {
        let plane = try site()
        var worker = plane.memoryWorker()
        worker.device.networkInput[.ipv4] = [
            datagram(packet("10.2.0.1", "10.1.0.1", ttl: inner), ttl: outer),
            datagram(packet("2001:db8:2::1", "2001:db8:1::1", ttl: inner), ttl: outer),
        ]
        _ = worker.stepNetwork(.ipv4)
        #expect(worker.device.tunnelOutput.map { ttl($0.packet) } == [result, result])
        #expect(worker.device.tunnelOutput.allSatisfy { hasValidChecksum($0.packet) })
    }

    @Test func `TOS crosses as RFC 6040 and RFC 9300 say, in both families`() throws {
        for (inner, outer, result) in TrafficClassTests.table {
            let plane = try site()
            var worker = plane.memoryWorker()
            worker.device.networkInput[.ipv6] = [
                datagram(packet("10.2.0.1", "10.1.0.1", tos: inner), tos: 0xb8 | outer),
                datagram(packet("2001:db8:2::1", "2001:db8:1::1", tos: inner), tos: 0xb8 | outer),
            ]
            _ = worker.stepNetwork(.ipv6)
            #expect(worker.device.tunnelOutput.map { tos($0.packet) } == (result.map { [0xb8 | $0, 0xb8 | $0] } ?? []))
            #expect(worker.device.tunnelOutput.allSatisfy { hasValidChecksum($0.packet) })
            #expect(plane.dropped(.congestionMarkNotRepresentable) == (result == nil ? 2 : 0))
        }
    }

    @Test func `octets behind the inner packet are cut off`() throws {
        let plane = try site()
        var worker = plane.memoryWorker()
        let inner = packet("10.2.0.1", "10.1.0.1")
        worker.device.networkInput[.ipv4] = [datagram(inner + [9, 9, 9])]
        _ = worker.stepNetwork(.ipv4)
        #expect(worker.device.tunnelOutput.map(\.packet) == [inner])
    }

    @Test func `an inner packet that claims more than came is dropped, at every length`() throws {
        let inner = packet("10.2.0.1", "10.1.0.1")
        let whole = datagram(inner).payload
        for length in 0..<whole.count {
            let plane = try site()
            var worker = plane.memoryWorker()
            worker.device.networkInput[.ipv4] = [ReceivedPacket(payload: Array(whole.prefix(length)))]
            _ = worker.stepNetwork(.ipv4)
            #expect(worker.device.tunnelOutput.isEmpty)
            #expect(plane.drops == [length <= 8 ? .datagramTooShort : .malformedInnerPacket: 1])
        }
    }

    static let refused: [(String, String, DataPlaneDropReason)] = [
        ("10.2.0.1", "224.0.0.1", .invalidInnerDestination),
        ("10.2.0.1", "255.255.255.255", .invalidInnerDestination),
        ("10.2.0.1", "169.254.0.1", .invalidInnerDestination),
        ("10.2.0.1", "127.0.0.1", .invalidInnerDestination),
        ("2001:db8:2::1", "ff02::1", .invalidInnerDestination),
        ("2001:db8:2::1", "fe80::1", .invalidInnerDestination),
        ("224.0.0.1", "10.1.0.1", .invalidInnerSource),
        ("127.0.0.1", "10.1.0.1", .invalidInnerSource),
        ("fe80::1", "2001:db8:1::1", .invalidInnerSource),
        ("10.1.0.7", "10.1.0.1", .innerSourceIsOwn),
        ("2001:db8:1::7", "2001:db8:1::1", .innerSourceIsOwn),
        ("10.2.0.1", "10.2.0.2", .innerDestinationNotOwn),
        ("2001:db8:2::1", "2001:db8:2::2", .innerDestinationNotOwn),
    ]

    @Test(arguments: refused) func `is dropped and counted`(
        from: String,
        to: String,
        reason: DataPlaneDropReason
    ) throws {
        let plane = try site()
        var worker = plane.memoryWorker()
        worker.device.networkInput[.ipv4] = [datagram(packet(from, to))]
        _ = worker.stepNetwork(.ipv4)
        #expect(worker.device.tunnelOutput.isEmpty)
        #expect(plane.drops == [reason: 1])
    }

    @Test func `an instance that is removed is unknown from then on`() throws {
        let plane = try site()
        let before = plane.statistics().tableBytes
        let red = InstanceID(uncheckedRawValue: 103)
        try plane.addInstance(red, queues: [-1])
        plane.apply([
            .putOwnPrefix(prefix("10.7.0.0/16", instance: 103)), entry("10.8.0.0/16", instance: 103, mapping: 5),
        ])
        var worker = plane.memoryWorker()
        worker.device.networkInput[.ipv4] = [datagram(packet("10.2.0.1", "10.7.0.1"), instance: 103)]
        _ = worker.stepNetwork(.ipv4)
        #expect(worker.device.tunnelOutput.map(\.queue) == [2])
        worker.shared.reader.offline()
        plane.removeInstance(red)
        worker.shared.reader.online()
        worker.device.networkInput[.ipv4] = [datagram(packet("10.2.0.1", "10.7.0.1"), instance: 103)]
        _ = worker.stepNetwork(.ipv4)
        #expect(plane.drops == [.unknownInstance: 1])
        #expect(plane.statistics().tableBytes == before)
    }
}
