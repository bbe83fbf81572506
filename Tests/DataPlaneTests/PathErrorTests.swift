// What a worker believes of ICMP errors about encapsulated packets, and how little of it reaches the control loop.

import ForwardingInterface
import Glibc
import LISPWire
import LinuxNetwork
import Testing

@testable import DataPlane

@Suite struct PathErrorTests {
    /// Instance 101, own prefixes 10.1/16 and 2001:db8:1::/48, RLOCs 192.0.2.2 and 2001:db8:ffff::2.
    func site() throws -> DataPlane {
        let plane = try DataPlane.forTests()
        try plane.addInstance(InstanceID(uncheckedRawValue: 101), queues: [-1])
        plane.apply([
            .putOwnPrefix(prefix("10.1.0.0/16", instance: 101)),
            .putOwnPrefix(prefix("2001:db8:1::/48", instance: 101)),
            locator(1, "192.0.2.2"), locator(2, "2001:db8:ffff::2"), locatorSet(1, [(1, 1, 1)]),
            entry("10.2.0.0/16", instance: 101, set: 1),
        ])
        return plane
    }

    /// What a router quotes of a packet of instance 101.
    func quote(_ inner: [UInt8] = packet("10.1.0.1", "10.2.0.1"), instance: UInt32 = 101) -> [UInt8] {
        datagram(inner, instance: instance).payload
    }

    func events(_ plane: DataPlane) -> [ForwardingEvent] {
        var events: [ForwardingEvent] = []
        plane.drainMisses { _ in }
        plane.drainEvents { events.append($0) }
        return events
    }

    /// Has one worker read these reports; returns what the control loop hears.
    func events(_ plane: DataPlane, of reports: [ReportedError], at port: Int = 3) -> [ForwardingEvent] {
        var worker = plane.memoryWorker()
        let family = reports[0].destination.address.family
        worker.device.reports = [family: [port: reports]]
        while worker.device.reports[family]?[port]?.isEmpty == false { worker.stepErrors(family, port: port) }
        return events(plane)
    }

    @Test func `an error about a packet of ours is told, in both families`() throws {
        let plane = try site()
        #expect(
            events(plane, of: [ReportedError(.unreachable, to: "192.0.2.2", quoting: quote())])
                == [.unreachable(address("192.0.2.2"))]
        )
        let inner = quote(packet("2001:db8:1::1", "2001:db8:2::1"))
        #expect(
            events(plane, of: [ReportedError(.unreachable, to: "2001:db8:ffff::2", quoting: inner)])
                == [.unreachable(address("2001:db8:ffff::2"))]
        )
        #expect(plane.statistics().pathErrorsBelieved == 2)
        #expect(plane.statistics().pathErrorsRefused == 0)
    }

    @Test(arguments: [0, 1, 7, 8, 9, 13, 27, 28, 44]) func `a quote over IPv4 may end anywhere`(length: Int) throws {
        let plane = try site()
        let report = ReportedError(.unreachable, to: "192.0.2.2", quoting: Array(quote().prefix(length)))
        #expect(events(plane, of: [report]) == [.unreachable(address("192.0.2.2"))])
    }

    @Test func `a quote over IPv6 has the inner addresses at least`() throws {
        let plane = try site()
        for inner in [packet("10.1.0.1", "10.2.0.1"), packet("2001:db8:1::1", "2001:db8:2::1")] {
            let whole = quote(inner)
            let needed = inner[0] >> 4 == 4 ? 28 : 48
            for length in 0...whole.count {
                let report = ReportedError(.unreachable, to: "2001:db8:ffff::2", quoting: Array(whole.prefix(length)))
                var worker = plane.memoryWorker()
                worker.device.reports = [.ipv6: [0: [report]]]
                let before = plane.statistics().pathErrorsBelieved
                worker.stepErrors(.ipv6, port: 0)
                #expect(
                    plane.statistics().pathErrorsBelieved - before == (length >= needed ? 1 : 0),
                    "\(length) octets"
                )
            }
        }
    }

    static let refused: [(String, ReportedError)] = {
        func quote(_ inner: [UInt8] = packet("10.1.0.1", "10.2.0.1"), instance: UInt32 = 101) -> [UInt8] {
            datagram(inner, instance: instance).payload
        }
        var encrypted = quote()
        encrypted[0] |= 1
        var version = quote()
        version[8] = 0x55
        var shortHeader = quote()
        shortHeader[8] = 0x44
        let unreachable = PathError.Finding.unreachable
        return [
            ("another RLOC", ReportedError(unreachable, to: "192.0.2.9", quoting: quote())),
            ("another port", ReportedError(unreachable, to: "192.0.2.2", port: 4342, quoting: quote())),
            ("encrypted", ReportedError(unreachable, to: "192.0.2.2", quoting: encrypted)),
            ("another instance", ReportedError(unreachable, to: "192.0.2.2", quoting: quote(instance: 7))),
            ("no IP", ReportedError(unreachable, to: "192.0.2.2", quoting: version)),
            ("IHL of 4", ReportedError(unreachable, to: "192.0.2.2", quoting: shortHeader)),
            (
                "to our site",
                ReportedError(unreachable, to: "192.0.2.2", quoting: quote(packet("10.2.0.1", "10.1.0.1")))
            ),
            ("multicast", ReportedError(unreachable, to: "192.0.2.2", quoting: quote(packet("10.1.0.1", "224.0.0.9")))),
            ("loopback", ReportedError(unreachable, to: "192.0.2.2", quoting: quote(packet("127.0.0.1", "10.2.0.1")))),
            ("other news", ReportedError(.other, to: "192.0.2.2", quoting: quote())),
            // The packet has 36 octets and 36 of outer headers.
            ("it would fit", ReportedError(.packetTooBig(mtu: 72), to: "192.0.2.2", quoting: quote())),
            ("no MTU", ReportedError(.packetTooBig(mtu: 0), to: "192.0.2.2", quoting: Array(quote().prefix(8)))),
            ("huge MTU", ReportedError(.packetTooBig(mtu: 70_000), to: "192.0.2.2", quoting: [])),
        ]
    }()

    @Test(arguments: refused.indices) func `what cannot be about a packet of ours is refused and counted`(index: Int)
        throws
    {
        let (what, report) = Self.refused[index]
        let plane = try site()
        #expect(events(plane, of: [report]) == [], "\(what)")
        #expect(plane.statistics().pathErrorsRefused == 1, "\(what)")
        #expect(plane.statistics().pathErrorsBelieved == 0, "\(what)")
    }

    @Test func `a path MTU is told as the router says it, or guessed where it says none`() throws {
        let plane = try site()
        var inner = packet("10.1.0.1", "10.2.0.1")
        // 1,400 octets by its own account; the quote has no more than its header.
        inner[2] = UInt8(1_400 >> 8)
        inner[3] = UInt8(1_400 & 0xff)
        let large = quote(inner)
        func tooBig(_ mtu: UInt32) -> ReportedError {
            ReportedError(.packetTooBig(mtu: mtu), to: "192.0.2.2", quoting: large)
        }
        #expect(events(plane, of: [tooBig(1_300)]) == [.packetTooBig(address("192.0.2.2"), mtu: 1_300)])
        // 1,436 octets were too many: the next smaller of RFC 1191's table.
        #expect(events(plane, of: [tooBig(0)]) == [.packetTooBig(address("192.0.2.2"), mtu: 1_006)])
    }

    @Test func `this host's own interface is believed without a quote`() throws {
        let plane = try site()
        let report = ReportedError(.exceedsInterface(mtu: 1_300), to: "192.0.2.2", port: 0, quoting: [])
        #expect(events(plane, of: [report]) == [.packetTooBig(address("192.0.2.2"), mtu: 1_300)])
    }

    @Test func `the same is told once a second, a smaller path MTU at once`() throws {
        let plane = try site()
        var worker = plane.memoryWorker()
        let unreachable = ReportedError(.unreachable, to: "192.0.2.2", quoting: [])
        func tooBig(_ mtu: UInt32) -> ReportedError {
            ReportedError(.packetTooBig(mtu: mtu), to: "192.0.2.2", quoting: [])
        }
        func read(_ reports: [ReportedError]) -> [ForwardingEvent] {
            worker.device.reports = [.ipv4: [0: reports]]
            while worker.device.reports[.ipv4]?[0]?.isEmpty == false { worker.stepErrors(.ipv4, port: 0) }
            return events(plane)
        }
        let rloc = address("192.0.2.2")
        #expect(read([ReportedError](repeating: unreachable, count: 100)) == [.unreachable(rloc)])
        #expect(
            read([tooBig(1_400), tooBig(1_400), tooBig(1_450), tooBig(1_300)])
                == [.packetTooBig(rloc, mtu: 1_400), .packetTooBig(rloc, mtu: 1_300)]
        )
        worker.device.clock += 999_999_999
        #expect(read([unreachable, tooBig(1_300)]) == [])
        worker.device.clock += 1
        #expect(read([unreachable, tooBig(1_300)]) == [.unreachable(rloc), .packetTooBig(rloc, mtu: 1_300)])
        #expect(plane.statistics().pathErrorsBelieved == 108)
        #expect(plane.statistics().pathEventsReported == 5)
        #expect(plane.statistics().pathEventsRepeated == 103)
    }

    @Test func `only four smaller path MTUs in a row are told at once`() throws {
        let plane = try site()
        var worker = plane.memoryWorker()
        let rloc = address("192.0.2.2")
        func told(_ mtus: [UInt32]) -> [ForwardingEvent] {
            let reports = mtus.map { ReportedError(.packetTooBig(mtu: $0), to: "192.0.2.2", quoting: []) }
            worker.device.reports = [.ipv4: [0: reports]]
            worker.stepErrors(.ipv4, port: 0)
            return events(plane)
        }
        let all: [UInt32] = [1_400, 1_390, 1_380, 1_370, 1_360, 1_350, 1_340]
        #expect(told(all) == all.prefix(5).map { ForwardingEvent.packetTooBig(rloc, mtu: UInt16($0)) })
        worker.device.clock += 999_999_999
        #expect(told([1_330]) == [])
        worker.device.clock += 1
        #expect(told(all) == all.prefix(5).map { ForwardingEvent.packetTooBig(rloc, mtu: UInt16($0)) })
        #expect(plane.statistics().pathEventsReported == 10)
        #expect(plane.statistics().pathEventsRepeated == 5)
    }

    @Test func `a path MTU is told as no smaller than 576, and over IPv6 not believed below 1280`() throws {
        let plane = try site()
        // 1,400 octets by its own account.
        var inner = packet("2001:db8:1::1", "2001:db8:2::1")
        inner[4] = UInt8(1_360 >> 8)
        inner[5] = UInt8(1_360 & 0xff)
        let large = quote(inner)
        func tooBig(_ mtu: UInt32, to rloc: String) -> ReportedError {
            ReportedError(.packetTooBig(mtu: mtu), to: rloc, quoting: large)
        }
        let (ipv4, ipv6) = ("192.0.2.2", "2001:db8:ffff::2")
        #expect(
            events(plane, of: [577, 576, 100, 68, 1].map { tooBig($0, to: ipv4) })
                == [.packetTooBig(address(ipv4), mtu: 577), .packetTooBig(address(ipv4), mtu: 576)]
        )
        #expect(
            events(plane, of: [1_281, 1_279, 1_280, 68].map { tooBig($0, to: ipv6) })
                == [.packetTooBig(address(ipv6), mtu: 1_281), .packetTooBig(address(ipv6), mtu: 1_280)]
        )
        #expect(events(plane, of: [ReportedError(.exceedsInterface(mtu: 1_279), to: ipv6, quoting: [])]) == [])
        #expect(plane.statistics().pathErrorsBelieved == 7)
        #expect(plane.statistics().pathErrorsRefused == 3)
    }

    @Test func `what found the queue full is told when there is room again`() throws {
        let plane = try site()
        let rlocs = (0...PathEvents.capacity).map { "198.18.\($0 / 256).\($0 % 256)" }
        plane.apply(rlocs.enumerated().map { locator(UInt32(100 + $0), $1) })
        var worker = plane.memoryWorker()
        func told(_ rlocs: [String]) -> [ForwardingEvent] {
            worker.device.reports = [.ipv4: [0: rlocs.map { ReportedError(.unreachable, to: $0, quoting: []) }]]
            while worker.device.reports[.ipv4]?[0]?.isEmpty == false { worker.stepErrors(.ipv4, port: 0) }
            return events(plane)
        }
        let last = rlocs[PathEvents.capacity]
        #expect(told(rlocs) == rlocs.dropLast().map { ForwardingEvent.unreachable(address($0)) })
        #expect(plane.statistics().pathEventsLost == 1)
        #expect(told([last, last]) == [.unreachable(address(last))])
        #expect(plane.statistics().pathEventsRepeated == 1)
    }

    @Test func `a flood about many RLOCs fills the queue and no more`() throws {
        let plane = try site()
        let rlocs = (0..<3_000).map { "198.\(18 + $0 / 65_536).\($0 / 256 % 256).\($0 % 256)" }
        plane.apply(rlocs.enumerated().map { locator(UInt32(100 + $0), $1) })
        let told = events(plane, of: rlocs.map { ReportedError(.unreachable, to: $0, quoting: []) })
        #expect(told.count == 1_024)
        #expect(told.first == .unreachable(address(rlocs[0])))
        #expect(plane.statistics().pathEventsLost == 3_000 - 1_024)
        #expect(plane.statistics().pathEventsReported == 1_024)
    }

    @Test func `an address is an RLOC as long as one locator has it`() throws {
        let plane = try site()
        plane.apply([locator(7, "192.0.2.7"), locator(8, "192.0.2.7"), locator(7, "192.0.2.7", up: false)])
        let report = ReportedError(.unreachable, to: "192.0.2.7", quoting: [])
        #expect(events(plane, of: [report]) == [.unreachable(address("192.0.2.7"))])
        plane.apply([.deleteLocator(LocatorID(rawValue: 7))])
        #expect(events(plane, of: [report]) == [.unreachable(address("192.0.2.7"))])
        // Changed in place, it has another.
        plane.apply([locator(8, "192.0.2.77")])
        #expect(events(plane, of: [report]) == [])
        #expect(events(plane, of: [ReportedError(.unreachable, to: "192.0.2.77", quoting: [])]).count == 1)
        plane.apply([.deleteLocator(LocatorID(rawValue: 8))])
        #expect(events(plane, of: [ReportedError(.unreachable, to: "192.0.2.77", quoting: [])]) == [])
    }

    @Test(arguments: [ENETUNREACH, EHOSTUNREACH, ENETDOWN, ECONNREFUSED])
    func `a packet that the host has no way for is a hint, too`(
        error: Int32
    ) throws {
        let plane = try site()
        var worker = plane.memoryWorker(offload: .off)
        worker.device.tunnelInput[0] = [packet("10.1.0.1", "10.2.0.1"), packet("10.1.0.1", "10.2.0.1")]
        worker.device.sendErrors = [error, 0]
        _ = worker.stepTunnel(0)
        #expect(plane.drops == [.noRouteToLocator: 1])
        #expect(worker.device.sent.count == 1)
        #expect(events(plane) == [.unreachable(address("192.0.2.2"))])
    }

    @Test func `a full send buffer says nothing of an RLOC`() throws {
        let plane = try site()
        var worker = plane.memoryWorker(offload: .off)
        worker.device.tunnelInput[0] = [packet("10.1.0.1", "10.2.0.1")]
        worker.device.sendErrors = [EAGAIN]
        _ = worker.stepTunnel(0)
        #expect(events(plane) == [])
    }
}
