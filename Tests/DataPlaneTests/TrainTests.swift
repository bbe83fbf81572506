// Trains: which packets leave together, what happens when that is refused, and how received trains are taken apart.

import ForwardingInterface
import Glibc
import LISPWire
import LinuxNetwork
import PacketView
import Testing

@testable import DataPlane

@Suite struct TrainTests {
    /// Own 10.1/16 and 2001:db8:1::/48; 10.2/16 and 2001:db8:2::/48 by 192.0.2.2, 10.3/16 by 192.0.2.3, 10.6/16 by IPv6.
    func site() throws -> DataPlane {
        let plane = try DataPlane.forTests()
        try plane.addInstance(.default, queues: [-1])
        plane.apply([
            .putOwnPrefix(prefix("10.1.0.0/16")), .putOwnPrefix(prefix("2001:db8:1::/48")),
            locator(1, "192.0.2.2"), locator(2, "192.0.2.3"), locator(3, "2001:db8:ffff::2"),
            locatorSet(1, [(1, 1, 1)]), locatorSet(2, [(2, 1, 1)]), locatorSet(3, [(3, 1, 1)]),
            entry("10.2.0.0/16", mapping: 1), entry("2001:db8:2::/48", mapping: 2),
            entry("10.3.0.0/16", mapping: 3, set: 2), entry("10.6.0.0/16", mapping: 6, set: 3),
        ])
        return plane
    }

    /// An IPv4 packet of so many octets, marked at its end.
    func sized(
        _ length: Int,
        to destination: String = "10.2.0.1",
        ttl: UInt8 = 63,
        tos: UInt8 = 0,
        mark: UInt8 = 0
    ) -> [UInt8] {
        var octets = packet("10.1.0.1", destination, ttl: ttl, tos: tos)
        octets += [UInt8](repeating: mark, count: max(0, length - octets.count))
        octets[2] = UInt8(octets.count >> 8)
        octets[3] = UInt8(octets.count & 0xff)
        octets.replaceSubrange(10..<12, with: [0, 0])
        let checksum = octets[..<20].withUnsafeBytes { InternetChecksum.checksum($0) }
        octets.replaceSubrange(10..<12, with: [UInt8(checksum >> 8), UInt8(checksum & 0xff)])
        octets[octets.count - 1] = mark
        return octets
    }

    /// Runs the packets through a worker with one source port, so that they are all neighbours.
    func worker(_ plane: DataPlane, ports: Int = 1, _ offload: Offload = .auto) -> Worker<MemoryDevice> {
        plane.workers[0].reader.online()
        var device = MemoryDevice(offload: offload)
        device.ports = ports
        return Worker(plane: plane.shared, shared: plane.workers[0], device: device)
    }

    // MARK: Sending

    @Test func `a shorter packet ends a train, and a longer one begins another`() throws {
        let plane = try site()
        var worker = worker(plane)
        let sizes = [500, 500, 500, 300, 300, 300, 400, 200, 100, 100]
        let packets = sizes.enumerated().map { sized($1, mark: UInt8($0)) }
        worker.device.tunnelInput[0] = packets
        _ = worker.stepTunnel(0)
        #expect(worker.device.messageLengths == [4, 2, 2, 2])
        #expect(worker.device.sent.map(\.inner) == packets)
        #expect(plane.statistics().trainsSent == 4)
        #expect(worker.device.outcome.datagrams == 10 && worker.device.outcome.calls == 1)
        #expect(
            plane.counters(of: MappingID(rawValue: 1)).encapsulated
                == TrafficCounters(packets: 10, octets: UInt64(sizes.reduce(0, +)))
        )
        #expect(plane.drops == [:])
    }

    @Test func `TOS, TTL and destination divide trains`() throws {
        let plane = try site()
        var worker = worker(plane)
        let packets = [
            sized(100), sized(100), sized(100, tos: 4), sized(100, tos: 4), sized(100, ttl: 9), sized(100, ttl: 9),
            sized(100, to: "10.3.0.1"), sized(100, to: "10.3.0.9"), sized(100),
        ]
        worker.device.tunnelInput[0] = packets
        _ = worker.stepTunnel(0)
        #expect(worker.device.messageLengths == [2, 2, 2, 2, 1])
        #expect(worker.device.sent.map(\.inner) == packets)
        #expect(worker.device.sent.map(\.tos) == [0, 0, 4, 4, 0, 0, 0, 0, 0])
        #expect(worker.device.sent.map(\.ttl) == [63, 63, 63, 63, 9, 9, 63, 63, 63])
        #expect(plane.counters(of: LocatorID(rawValue: 2)).encapsulated == TrafficCounters(packets: 2, octets: 200))
        #expect(plane.statistics().trainsSent == 4)
    }

    @Test(arguments: [("10.2.0.1", 65_507), ("10.6.0.1", 65_487)]) func `a train is no larger than a packet can be`(
        destination: String,
        limit: Int
    ) throws {
        let plane = try site()
        // As many of 1,464 octets as fit; all that a train may count; two that fit exactly, and two that do not.
        for (size, lengths) in [
            (1_464, [44, 20]), (100, [64]), (limit / 2 - 8, [2]), (limit / 2 - 7, [1, 1]), (20_000, [3, 1]),
        ] {
            var worker = worker(plane)
            let packets = (0..<lengths.reduce(0, +)).map { sized(size, to: destination, mark: UInt8($0)) }
            worker.device.tunnelInput[0] = packets
            _ = worker.stepTunnel(0)
            #expect(worker.device.messageLengths == lengths)
            #expect(worker.device.sent.map(\.inner) == packets)
        }
        #expect(plane.drops == [:])
    }

    @Test func `offload off sends each datagram alone`() throws {
        let plane = try site()
        var worker = worker(plane, .off)
        worker.device.tunnelInput[0] = (0..<64).map { sized(100, mark: $0) }
        _ = worker.stepTunnel(0)
        #expect(worker.device.messageLengths == [Int](repeating: 1, count: 64))
        #expect(plane.statistics().trainsSent == 0)
    }

    @Test func `released packets leave in trains too`() throws {
        let plane = try site()
        var worker = worker(plane)
        for mark in 0..<5 as Range<UInt8> {
            #expect(
                sized(100, mark: mark).withUnsafeBytes { worker.shared.held.push($0, tag: HeldTag.forward, word: 0) }
            )
        }
        #expect(worker.stepHeld() == 5)
        #expect(worker.device.messageLengths == [5])
    }

    // MARK: Refusals

    @Test func `a path MTU costs only the packets that exceed it`() throws {
        let plane = try site()
        var worker = worker(plane)
        worker.device.largestPayload = 508
        let sizes = [500, 500, 600, 600, 600, 100, 500, 500]
        worker.device.tunnelInput[0] = sizes.map { sized($0) }
        _ = worker.stepTunnel(0)
        #expect(worker.device.sent.map(\.inner.count) == [500, 500, 100, 500, 500])
        #expect(plane.drops == [.exceedsPathMTU: 3])
        #expect(plane.counters(of: MappingID(rawValue: 1)).encapsulated == TrafficCounters(packets: 5, octets: 2_100))
        // It says nothing about trains.
        #expect(worker.device.permission.isGranted)
        #expect(worker.device.messageLengths == [2, 1, 2])
    }

    @Test(arguments: [EIO, EINVAL]) func `when trains are refused, all goes singly, soon without trying`(error: Int32)
        throws
    {
        let plane = try site()
        var worker = worker(plane)
        worker.device.trainError = error
        for _ in 0..<10 {
            worker.device.tunnelInput[0] = (0..<60).map { sized($0 < 30 ? 200 : 300, mark: $0) }
            _ = worker.stepTunnel(0)
        }
        #expect(worker.device.sent.map { $0.inner[199] } == (0..<10).flatMap { _ in 0..<60 })
        #expect(worker.device.messageLengths.allSatisfy { $0 == 1 })
        #expect(worker.device.trainsTried == TrainPermission.maximumRefusals)
        #expect(!worker.device.permission.isGranted)
        #expect(plane.drops == [:])
        #expect(plane.counters(of: MappingID(rawValue: 1)).encapsulated.packets == 600)
    }

    @Test func `an error that meets single datagrams too is not held against trains`() throws {
        let plane = try site()
        var worker = worker(plane)
        for _ in 0..<10 {
            // As when a source address is gone: the train, then each datagram.
            worker.device.sendErrors = [Int32](repeating: EINVAL, count: 5)
            worker.device.tunnelInput[0] = (0..<4).map { sized(100, mark: $0) }
            _ = worker.stepTunnel(0)
        }
        #expect(worker.device.permission.isGranted)
        #expect(plane.drops == [.noRouteToLocator: 40])
        // And now and then a refusal between successes is forgiven.
        for _ in 0..<10 {
            worker.device.sendErrors = [EINVAL]
            for _ in 0..<2 {
                worker.device.tunnelInput[0] = (0..<4).map { sized(100, mark: $0) }
                _ = worker.stepTunnel(0)
            }
        }
        #expect(worker.device.permission.isGranted)
        #expect(worker.device.sent.count == 80)
    }

    @Test func `a train that has no route is lost as a whole, and counted so; a full buffer loses the rest`() throws {
        let plane = try site()
        var worker = worker(plane)
        let packets = [200, 200, 200, 300, 300, 400, 400].map { sized($0) }
        worker.device.tunnelInput[0] = packets
        worker.device.sendErrors = [0, ENETUNREACH, 0]
        _ = worker.stepTunnel(0)
        #expect(worker.device.sent.map(\.inner.count) == [200, 200, 200, 400, 400])
        #expect(plane.drops == [.noRouteToLocator: 2])
        worker.device.tunnelInput[0] = packets
        worker.device.sendErrors = [0, EAGAIN]
        _ = worker.stepTunnel(0)
        #expect(plane.drops == [.noRouteToLocator: 2, .sendBufferFull: 4])
        #expect(plane.counters(of: MappingID(rawValue: 1)).encapsulated.packets == 8)
    }

    @Test func `with and without trains the same datagrams leave in the same order`() throws {
        var random = SplitMix.printed("trains")
        let plane = try site()
        var single = worker(plane, ports: 2, .off)
        var trains = worker(plane, ports: 2)
        var sent: UInt64 = 0
        for round in 0..<500 {
            let sizes = (0..<3).map { _ in Int.random(in: 40...(round % 10 == 0 ? 9_000 : 1_500), using: &random) }
            let packets = (0..<Int.random(in: 1...64, using: &random)).map { _ in
                sized(
                    sizes[min(2, Int.random(in: 0..<8, using: &random))],
                    to: ["10.2.0.1", "10.2.0.1", "10.2.0.7", "10.3.0.1", "10.6.0.1"].randomElement(using: &random)
                        ?? "",
                    ttl: Int.random(in: 0..<20, using: &random) == 0 ? 5 : 63,
                    tos: Int.random(in: 0..<20, using: &random) == 0 ? 2 : 0,
                    mark: UInt8.random(in: 0...255, using: &random)
                )
            }
            let largest = Int.random(in: 0..<4, using: &random) == 0 ? sizes[0] : 65_507
            single.device.largestPayload = largest
            trains.device.largestPayload = largest
            // At times no train is taken.
            trains.device.trainError =
                round % 5 == 0 ? [EIO, EINVAL, EMSGSIZE].randomElement(using: &random) ?? EIO : 0
            trains.device.permission = TrainPermission(true)
            single.device.tunnelInput[0] = packets
            trains.device.tunnelInput[0] = packets
            let before = plane.drops
            _ = single.stepTunnel(0)
            let between = plane.drops
            _ = trains.stepTunnel(0)
            let after = plane.drops
            let isSame = trains.device.sent == single.device.sent
            #expect(isSame)
            for (reason, count) in after {
                let middle = between[reason, default: 0]
                #expect(count - middle == middle - before[reason, default: 0])
            }
            sent += UInt64(single.device.sent.count + trains.device.sent.count)
            single.device.sent = []
            trains.device.sent = []
            trains.device.messageLengths = []
        }
        #expect(plane.statistics().encapsulated.packets == sent)
        #expect(plane.statistics().trainsSent > 500)
    }

    // MARK: Receiving

    /// Datagrams in a row, as the kernel merges them.
    func merged(_ datagrams: [ReceivedPacket]) -> ReceivedPacket {
        var train = datagrams[0]
        train.payload = datagrams.flatMap(\.payload)
        train.segmentSize = datagrams[0].payload.count
        return train
    }

    @Test func `a received train is decapsulated as if its datagrams had come alone`() throws {
        var random = SplitMix.printed("received trains")
        let alone = try site()
        let together = try site()
        var single = worker(alone)
        var trains = worker(together)
        let garbage = GarbageTests()
        for _ in 0..<2_000 {
            let size = Int.random(in: 1...200, using: &random)
            let (tos, ttl) = (UInt8.random(in: 0...255, using: &random), UInt8.random(in: 0...70, using: &random))
            var datagrams: [ReceivedPacket] = []
            for index in 0..<Int.random(in: 1...64, using: &random) {
                var inner = garbage.garbage(&random)
                if index % 2 == 0 { inner = packet("10.2.0.1", "10.1.0.1", ports: (UInt16(index), 5)) }
                var datagram = datagram(inner, tos: tos, ttl: ttl)
                datagram.payload = Array((datagram.payload + [UInt8](repeating: 0, count: 200)).prefix(size))
                datagrams.append(datagram)
            }
            let last = datagrams.count - 1
            let cut = Int.random(in: 1...datagrams[last].payload.count, using: &random)
            datagrams[last].payload = Array(datagrams[last].payload.prefix(cut))
            single.device.networkInput[.ipv4] = datagrams
            trains.device.networkInput[.ipv4] = [merged(datagrams)]
            #expect(single.stepNetwork(.ipv4) == datagrams.count)
            #expect(trains.stepNetwork(.ipv4) == 1)
            #expect(trains.device.tunnelOutput.map(\.packet) == single.device.tunnelOutput.map(\.packet))
            single.device.tunnelOutput = []
            trains.device.tunnelOutput = []
        }
        #expect(together.drops == alone.drops)
        #expect(together.statistics().decapsulated == alone.statistics().decapsulated)
        #expect(together.statistics().decapsulated.packets > 10_000)
        #expect(together.counters(of: MappingID(rawValue: 1)) == alone.counters(of: MappingID(rawValue: 1)))
        #expect(alone.statistics().trainsReceived == 0)
        #expect(together.statistics().trainsReceived > 1_500)
    }

    @Test func `the largest trains fit a slot`() throws {
        let plane = try site()
        var worker = worker(plane)
        let inner = sized(1_464, to: "10.1.0.9")
        var datagram = datagram(inner)
        datagram.payload[8 + 13] = 2  // From 10.2, of the mapping.
        let train = merged([ReceivedPacket](repeating: datagram, count: 44))
        worker.device.networkInput[.ipv4] = [ReceivedPacket](repeating: train, count: 64)
        #expect(worker.stepNetwork(.ipv4) == 64)
        #expect(worker.device.tunnelOutput.count == 64 * 44)
        #expect(plane.statistics().decapsulated.packets == 64 * 44)
    }

    @Test func `a train that was cut off is dropped, each datagram counted`() throws {
        let plane = try site()
        var worker = worker(plane)
        var train = merged([ReceivedPacket](repeating: datagram(packet("10.2.0.1", "10.1.0.1")), count: 1_490))
        train.payload = Array(train.payload.prefix(65_560))
        worker.device.networkInput[.ipv4] = [train, datagram(packet("10.2.0.1", "10.1.0.1"))]
        _ = worker.stepNetwork(.ipv4)
        #expect(plane.drops == [.datagramTruncated: 1_490])
        #expect(worker.device.tunnelOutput.count == 1)
    }
}
