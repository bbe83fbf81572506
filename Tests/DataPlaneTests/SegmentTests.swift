// Trains of segments that the TUN hands over as one packet: cut as a network card would cut them, and what becomes of them that do not
// simply leave.

import ForwardingInterface
import LISPWire
import Testing

@testable import DataPlane

/// A TCP or UDP packet of any size, made and cut plainly. Shares nothing with what is tested.
struct PlainTransport {
    var source = "10.1.0.1"
    var destination = "10.2.0.1"
    var isTCP = true
    var identification: UInt16 = 0xfffe
    var dontFragment = true
    var sequence: UInt32 = 0xffff_f000
    var flags: UInt8 = 0x10
    /// Of TCP; a multiple of four octets.
    var options: [UInt8] = []
    /// Of IPv4; a multiple of four octets.
    var ipOptions: [UInt8] = []
    /// IPv6: a destination options header is between.
    var hasExtension = false
    var tos: UInt8 = 0
    var payload: [UInt8]

    var isIPv4: Bool { !source.contains(":") }

    private static func octets(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }

    /// - Parameter isPartial: the checksum is that of the pseudo header alone, as the kernel leaves it.
    func packet(isPartial: Bool = false) -> [UInt8] {
        var transport = Self.octets(UInt16(4000)) + Self.octets(UInt16(5000))
        if isTCP {
            transport += Self.octets(sequence) + Self.octets(UInt32(77))
            transport +=
                [UInt8(5 + options.count / 4) << 4, flags] + Self.octets(UInt16(501)) + [0, 0, 0, 0] + options
        } else {
            transport += Self.octets(UInt16(8 + payload.count)) + [0, 0]
        }
        let number: UInt8 = isTCP ? 6 : 17
        let addresses = Self.bytes(of: source) + Self.bytes(of: destination)
        let pseudo = addresses + Self.octets(UInt32(transport.count + payload.count)) + [0, 0, 0, number]
        var sum = ~plainChecksum(pseudo)
        if !isPartial {
            sum = plainChecksum(pseudo + transport + payload)
            if sum == 0, !isTCP { sum = 0xffff }
        }
        transport.replaceSubrange((isTCP ? 16 : 6)..<(isTCP ? 18 : 8), with: Self.octets(sum))
        if isIPv4 {
            let length = 20 + ipOptions.count + transport.count + payload.count
            var header: [UInt8] = [0x45 + UInt8(ipOptions.count / 4), tos] + Self.octets(UInt16(length))
            header +=
                Self.octets(identification) + [dontFragment ? 0x40 : 0, 0, 63, number, 0, 0] + addresses + ipOptions
            header.replaceSubrange(10..<12, with: Self.octets(plainChecksum(header)))
            return header + transport + payload
        }
        let between: [UInt8] = hasExtension ? [number, 0, 1, 4, 0, 0, 0, 0] : []
        let first = Self.octets(UInt32(6) << 28 | UInt32(tos) << 20 | 0x12345)
        let length = Self.octets(UInt16(between.count + transport.count + payload.count))
        return first + length + [hasExtension ? 60 : number, 63] + addresses + between + transport + payload
    }

    private static func bytes(of text: String) -> [UInt8] {
        switch address(text) {
        case .v4(let address): octets(address.rawValue)
        case .v6(let address): octets(address.rawValue)
        }
    }

    /// What Linux makes of it in software: `skb_gso_segment`.
    func cut(_ size: Int) -> [[UInt8]] {
        var parts: [[UInt8]] = []
        var start = 0
        while start < payload.count {
            let end = min(start + size, payload.count)
            var part = self
            part.payload = Array(payload[start..<end])
            part.identification = identification &+ UInt16(parts.count)
            part.sequence = sequence &+ UInt32(start)
            if end < payload.count { part.flags &= ~0x09 }
            if start > 0 { part.flags &= ~0x80 }
            parts.append(part.packet())
            start = end
        }
        return parts
    }

    var kind: SegmentTrain.Kind { isTCP ? (isIPv4 ? .tcpIPv4 : .tcpIPv6) : .udp }
}

@Suite struct SegmentTests {
    func site(mtu: UInt16 = 0) throws -> DataPlane {
        let plane = try DataPlane.forTests()
        try plane.addInstance(.default, queues: [-1])
        plane.apply([
            .putOwnPrefix(prefix("10.1.0.0/16")), .putOwnPrefix(prefix("2001:db8:1::/48")),
            locator(1, "192.0.2.2", mtu: mtu), locator(2, "2001:db8:ffff::2", mtu: mtu),
            locatorSet(1, [(1, 1, 1)]), locatorSet(2, [(2, 1, 1)]),
            entry("10.2.0.0/16", mapping: 1), entry("2001:db8:2::/48", mapping: 2, set: 2),
            entry("10.4.0.0/16", mapping: 4, .forwardNatively), entry("10.5.0.0/16", mapping: 5, set: 9),
            .setErrorSource(.default, .ipv4, address("10.1.0.254")),
        ])
        return plane
    }

    func run(
        _ trains: [(transport: PlainTransport, size: Int)],
        _ plane: DataPlane,
        _ offload: Offload = .auto
    ) -> Worker<MemoryDevice> {
        var worker = plane.memoryWorker(offload: offload)
        worker.device.tunnelInput[0] = trains.map { $0.transport.packet(isPartial: true) }
        worker.device.tunnelSegments = trains.map { SegmentTrain(kind: $0.transport.kind, size: UInt16($0.size)) }
        _ = worker.stepTunnel(0)
        return worker
    }

    static func random(
        _ random: inout SplitMix,
        octets: ClosedRange<Int> = 1...64_000
    ) -> (transport: PlainTransport, size: Int) {
        let isIPv4 = Bool.random(using: &random)
        let size = Int.random(in: Bool.random(using: &random) ? 1...1_448 : 500...9_000, using: &random)
        let count = Int.random(in: octets, using: &random)
        var transport = PlainTransport(payload: (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) })
        if !isIPv4 { (transport.source, transport.destination) = ("2001:db8:1::1", "2001:db8:2::1") }
        transport.isTCP = Int.random(in: 0..<3, using: &random) > 0
        transport.identification = .random(in: 0...0xffff, using: &random)
        transport.dontFragment = Bool.random(using: &random)
        transport.sequence = .random(in: 0...UInt32.max, using: &random)
        transport.flags = [0x10, 0x18, 0x19, 0x90, 0xd8, 0x50].randomElement(using: &random) ?? 0x10
        if Bool.random(using: &random) { transport.options = [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8] }
        if Int.random(in: 0..<8, using: &random) == 0 { transport.ipOptions = [148, 4, 0, 0] }
        transport.hasExtension = Int.random(in: 0..<8, using: &random) == 0
        transport.tos = .random(in: 0...255, using: &random)
        return (transport, size)
    }

    @Test(arguments: Offload.allCases)
    func `trains of any kind leave as the packets that Linux would cut them into, in order`(
        offload: Offload
    ) throws {
        var generator = SplitMix.printed("cut trains")
        for _ in 0..<40 {
            let trains = (0..<Int.random(in: 1...5, using: &generator)).map { _ in Self.random(&generator) }
            let plane = try site()
            let worker = run(trains, plane, offload)
            let expected = trains.flatMap { $0.transport.cut($0.size) }
            // Flows keep their order; trains of other flows may come between.
            for family in ["10.1.0.1", "2001:db8:1::1"] {
                for isTCP in [true, false] {
                    let wanted = trains.filter { $0.transport.source == family && $0.transport.isTCP == isTCP }
                        .flatMap { $0.transport.cut($0.size) }
                    let version: UInt8 = family.contains(":") ? 6 : 4
                    let found = worker.device.sent.map(\.inner).filter {
                        $0[0] >> 4 == version && Self.isTCP($0) == isTCP
                    }
                    #expect(found == wanted)
                }
            }
            #expect(worker.device.sent.count == expected.count)
            #expect(plane.drops == [:])
            let octets = UInt64(expected.reduce(0) { $0 + $1.count })
            let totals = [1, 2].map { plane.counters(of: MappingID(rawValue: $0)).encapsulated }
            #expect(totals.reduce(0) { $0 + $1.packets } == UInt64(expected.count))
            #expect(totals.reduce(0) { $0 + $1.octets } == octets)
        }
    }

    static func isTCP(_ packet: [UInt8]) -> Bool {
        packet[0] >> 4 == 4 ? packet[9] == 6 : packet[6] == 6 || packet[6] == 60 && packet[40] == 6
    }

    @Test func `a full train takes two messages, and what came before it by its port leaves before it`() throws {
        let plane = try site()
        var small = PlainTransport(payload: [1])
        small.sequence &-= 1
        let large = PlainTransport(
            options: [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8],
            payload: [UInt8](repeating: 7, count: 64_000)
        )
        var worker = plane.memoryWorker()
        worker.device.tunnelInput[0] = [small.packet(), large.packet(isPartial: true), small.packet()]
        worker.device.tunnelSegments = [.none, SegmentTrain(kind: .tcpIPv4, size: 1_448), .none]
        _ = worker.stepTunnel(0)
        #expect(worker.device.messageLengths == [1, 43, 2, 1])
        #expect(worker.device.sent.map(\.inner) == [small.packet()] + large.cut(1_448) + [small.packet()])
    }

    @Test func `trains of one flow leave together, in as few messages as can be`() throws {
        let plane = try site()
        let first = PlainTransport(payload: [UInt8](repeating: 7, count: 46 * 1_388))
        var second = first
        second.sequence &+= 46 * 1_388
        let worker = run([(first, 1_388), (second, 1_388)], plane)
        #expect(worker.device.messageLengths == [45, 45, 2])
        #expect(worker.device.sent.map(\.inner) == first.cut(1_388) + second.cut(1_388))
    }

    @Test func `more segments than leave at once leave in several rounds`() throws {
        let plane = try site()
        let train = PlainTransport(payload: [UInt8](repeating: 3, count: 3_000))
        let worker = run([(train, 10)], plane)
        #expect(worker.device.messageLengths == [64, 64, 64, 64, 44])
        #expect(worker.device.sent.map(\.inner) == train.cut(10))
    }

    @Test func `a train of a flow without a mapping is held as packets`() throws {
        let plane = try site()
        let train = PlainTransport(destination: "10.9.0.1", payload: [UInt8](repeating: 3, count: 3_000))
        _ = run([(train, 1_000)], plane)
        var misses: [ForwardingMiss] = []
        plane.drainMisses(limit: 100) { misses.append($0) }
        #expect(misses.map(\.packet) == train.cut(1_000))
        #expect(plane.drops == [:])
    }

    @Test func `a train without a locator is dropped by the packet, and one of it tells the control loop`() throws {
        let plane = try site()
        let train = PlainTransport(destination: "10.5.0.1", payload: [UInt8](repeating: 3, count: 3_000))
        _ = run([(train, 1_000)], plane)
        var misses: [ForwardingMiss] = []
        plane.drainMisses(limit: 100) { misses.append($0) }
        #expect(misses.map(\.packet) == [train.cut(1_000)[0]])
        #expect(plane.drops == [.noUsableLocator: 3])
    }

    @Test func `a train goes back whole to be forwarded natively, and says what it is`() throws {
        let plane = try site()
        let train = PlainTransport(destination: "10.4.0.1", flags: 0x90, payload: [UInt8](repeating: 3, count: 3_000))
        let worker = run([(train, 1_000)], plane)
        #expect(worker.device.tunnelOutput.count == 1)
        var expected = train.packet(isPartial: true)
        // The kernel lowers it a second time.
        expected[8] = 64
        expected.replaceSubrange(10..<12, with: [0, 0])
        let checksum = plainChecksum(Array(expected.prefix(20)))
        expected.replaceSubrange(10..<12, with: [UInt8(checksum >> 8), UInt8(checksum & 0xff)])
        #expect(worker.device.tunnelOutput.first?.packet == expected)
        // NEEDS_CSUM, TCPv4 and ECN, 40 octets of headers, 1,000 of payload, from 20 on, at 16.
        #expect(worker.device.tunnelHeaders == [[1, 0x81, 40, 0, 0xe8, 3, 20, 0, 16, 0]])
        #expect(plane.statistics().forwardedNatively == 3)
    }

    @Test func `the segments count against a path MTU, not the train`() throws {
        let plane = try site(mtu: 1_100)
        let train = PlainTransport(payload: [UInt8](repeating: 3, count: 3_000))
        // 1,024 and 1,025 octets, with 36 around them.
        #expect(run([(train, 1_024)], plane).device.sent.map(\.inner) == train.cut(1_024))
        let worker = run([(train, 1_025)], plane)
        #expect(worker.device.sent.isEmpty)
        #expect(plane.drops == [.exceedsPathMTU: 3])
        #expect(worker.device.tunnelOutput.count == 1, "one error for the train")
    }

    @Test func `segments that may be cut become fragments, and the last that fits does not`() throws {
        let plane = try site(mtu: 1_100)
        var train = PlainTransport(payload: (0..<2_500).map { UInt8(truncatingIfNeeded: $0 &* 3) })
        train.dontFragment = false
        let worker = run([(train, 1_200)], plane)
        var whole: [[UInt8]] = []
        var reassembler = Reassembler()
        for datagram in worker.device.sent {
            reassembler.take(datagram.inner, limit: 1_064)
            if let packet = reassembler.packet() {
                whole.append(packet)
                reassembler = Reassembler()
            }
        }
        #expect(whole == train.cut(1_200))
        #expect(worker.device.sent.count == 5)
        #expect(plane.statistics().fragmented == 2)
    }

    @Test func `what the kernel says is not taken for granted`() throws {
        let good = PlainTransport(payload: [UInt8](repeating: 3, count: 3_000))
        var fragment = good.packet(isPartial: true)
        fragment[6] = 0x20
        var long = good.packet(isPartial: true)
        long[32] = 0xf0
        let udp = SegmentTrain(kind: .udp, size: 100)
        let ipv6 = SegmentTrain(kind: .tcpIPv6, size: 100)
        let tcp = SegmentTrain(kind: .tcpIPv4, size: 100)
        let empty = PlainTransport(payload: [])
        for (octets, segments) in [
            (good.packet(), udp), (good.packet(), ipv6), (fragment, tcp), (empty.packet(), tcp),
            (Array(long.prefix(60)), tcp), (good.packet(), SegmentTrain(kind: .tcpIPv4, size: 0)),
        ] {
            let plane = try site()
            var worker = plane.memoryWorker()
            worker.device.tunnelInput[0] = [octets]
            worker.device.tunnelSegments = [segments]
            _ = worker.stepTunnel(0)
            #expect(worker.device.sent.isEmpty)
            #expect(plane.statistics().drops.values.reduce(0, +) == 1)
        }
    }
}
