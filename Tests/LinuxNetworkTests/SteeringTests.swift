// Steering programs in the real kernel, against a plain reference: which worker a packet's flow has.

import Glibc
import LISPWire
import Testing

@testable import LinuxNetwork

/// The choice in plain words: what two hosts and their ports have in common, mixed by the seed.
private struct SteeringReference {
    let seed: SteeringProgram.Seed
    let workers: Int

    func worker(of packet: [UInt8]) -> Int {
        func word(_ at: Int) -> UInt32 { packet[at..<at + 4].reduce(0) { $0 << 8 | UInt32($1) } }
        func half(_ at: Int) -> UInt32 { UInt32(packet[at]) << 8 | UInt32(packet[at + 1]) }
        let folded: UInt32
        let portsAt: Int?
        switch packet[0] >> 4 {
        case 4:
            folded = word(12) ^ word(16)
            let isFragment = half(6) & 0x3fff != 0
            portsAt = isFragment || ![6, 17].contains(packet[9]) ? nil : 4 * Int(packet[0] & 15)
        case 6:
            folded = (0..<8).reduce(0) { $0 ^ word(8 + 4 * $1) }
            portsAt = [6, 17].contains(packet[6]) ? 40 : nil
        default: return 0
        }
        var sum = folded
        if let portsAt {
            guard packet.count >= portsAt + 4 else { return 0 }
            sum &+= (half(portsAt) ^ half(portsAt + 2)) &* seed.portFactor
        }
        return Int((((sum ^ seed.mask) &* seed.addressFactor) >> 16) % UInt32(workers))
    }
}

/// Headers of packets, as far as steering reads them.
private enum Flow {
    static func ipv4(
        _ source: UInt32,
        _ destination: UInt32,
        ports: (UInt16, UInt16),
        protocol: UInt8 = 17,
        fragment: UInt16 = 0,
        options: Int = 0
    ) -> [UInt8] {
        var packet = [UInt8](repeating: 0, count: 20 + options + 8)
        packet[0] = 0x45 + UInt8(options / 4)
        packet[9] = `protocol`
        store(fragment, in: &packet, at: 6)
        store(source, in: &packet, at: 12)
        store(destination, in: &packet, at: 16)
        store(ports.0, in: &packet, at: 20 + options)
        store(ports.1, in: &packet, at: 22 + options)
        return packet
    }

    static func ipv6(_ source: UInt32, _ destination: UInt32, ports: (UInt16, UInt16), next: UInt8 = 6) -> [UInt8] {
        var packet = [UInt8](repeating: 0, count: 48)
        packet[0] = 0x60
        packet[6] = next
        store(UInt32(0x2001_0db8), in: &packet, at: 8)
        store(source, in: &packet, at: 20)
        store(UInt32(0x2001_0db8), in: &packet, at: 24)
        store(destination, in: &packet, at: 36)
        store(ports.0, in: &packet, at: 40)
        store(ports.1, in: &packet, at: 42)
        return packet
    }

    static func store(_ value: some FixedWidthInteger, in packet: inout [UInt8], at offset: Int) {
        withUnsafeBytes(of: value.bigEndian) { packet.replaceSubrange(offset..<offset + $0.count, with: $0) }
    }

    /// Of all kinds, both directions of each after one another.
    static func samples(_ count: Int) -> [[UInt8]] {
        var random = SystemRandomNumberGenerator()
        return (0..<count).flatMap { number -> [[UInt8]] in
            let (a, b) = (UInt32(0x0a01_0000) + .random(in: 0...0xffff), UInt32(0x0a02_0000) + .random(in: 0...0xffff))
            let ports = (UInt16.random(in: 1 ... .max, using: &random), UInt16.random(in: 1 ... .max, using: &random))
            let back = (ports.1, ports.0)
            switch number % 8 {
            case 0, 1: return [ipv4(a, b, ports: ports, protocol: 6), ipv4(b, a, ports: back, protocol: 6)]
            case 2: return [ipv4(a, b, ports: ports, options: 8), ipv4(b, a, ports: back)]
            case 3: return [ipv4(a, b, ports: ports, protocol: 1), ipv4(b, a, ports: (0, 0), protocol: 1)]
            // The first fragment has ports, the others have not.
            case 4: return [ipv4(a, b, ports: ports, fragment: 0x2000), ipv4(a, b, ports: (0, 0), fragment: 185)]
            case 5, 6: return [ipv6(a, b, ports: ports), ipv6(b, a, ports: back)]
            default: return [ipv6(a, b, ports: ports, next: 58), ipv6(b, a, ports: (0, 0), next: 58)]
            }
        }
    }
}

@Suite struct SteeringTests {
    static let workers = 4
    let seed = SteeringProgram.Seed(.random(in: .min ... .max))
    fileprivate var reference: SteeringReference { SteeringReference(seed: seed, workers: Self.workers) }

    // MARK: Sockets

    /// Sends each datagram from one port to a group that is steered, and says which of the sockets has it.
    func received(_ datagrams: [[UInt8]]) throws -> [Int?] {
        var group: [UDPSocket] = []
        for _ in 0..<Self.workers {
            let socket = try UDPSocket(family: .ipv4, mark: nil)
            try socket.sharePort()
            try socket.bind(to: .v4(IPv4Address(0x7f00_0001)), port: group.first?.localPort ?? 0)
            group.append(socket)
        }
        let program = SteeringProgram(offset: 8, workers: Self.workers, seed: seed)
        try program.steer(groupOf: group[2])
        let sender = try UDPSocket(family: .ipv4, mark: nil)
        let name = SocketAddress(Endpoint(.v4(IPv4Address(0x7f00_0001)), group[0].localPort))
        return datagrams.map { datagram in
            let sent = name.withPointer { sendto(sender.descriptor, datagram, datagram.count, 0, $0, $1) }
            guard sent == datagram.count else { return nil }
            var buffer = [UInt8](repeating: 0, count: 256)
            // Over the loopback it has arrived when it was sent.
            return group.indices.first { recv(group[$0].descriptor, &buffer, buffer.count, 0) == datagram.count }
        }
    }

    @Test func `datagrams from one port are shared out by the flow inside`() throws {
        let packets = Flow.samples(400)
        let found = try received(packets.map { [UInt8](repeating: 0, count: 8) + $0 })
        #expect(found == packets.map { reference.worker(of: $0) })
        for index in stride(from: 0, to: packets.count, by: 2) { #expect(found[index] == found[index + 1]) }
        for worker in 0..<Self.workers { #expect(found.count { $0 == worker } > packets.count / 8) }
    }

    @Test func `what is no whole packet is for the first`() throws {
        let packet = Flow.ipv4(1, 2, ports: (3, 4))
        let header = [UInt8](repeating: 0, count: 8)
        let tooShort = (1..<24).map { header + packet.prefix($0) }
        #expect(try received([header, header + [0x50, 1, 2, 3], [1]] + tooShort) == Array(repeating: 0, count: 26))
    }

    // MARK: TUN

    @Test(.enabled(if: NetlinkFixture.canRun, NetlinkFixture.reason))
    func `packets from a TUN are shared out by their flow, and by the same choice`() throws {
        try NetworkNamespace.runInFresh {
            let tun = try TUNDevice.open(name: "lisp0", queues: Self.workers)
            defer { tun.close() }
            try SteeringProgram(offset: 0, workers: Self.workers, seed: seed).steer(tunnel: tun.descriptors[0])
            try NetlinkFixture.shell(
                "ip link set lo up && ip link set lisp0 up && ip address add 10.1.0.1/32 dev lo && ip route add 10.2.0.0/16 dev lisp0 src 10.1.0.1"
            )
            let sender = try UDPSocket(family: .ipv4, mark: nil)
            var perQueue = [Int](repeating: 0, count: Self.workers)
            for number in 0..<400 {
                let destination = Endpoint(.v4(IPv4Address(0x0a02_0000 + UInt32(number))), UInt16(1_000 + number % 7))
                let name = SocketAddress(destination)
                #expect(name.withPointer { sendto(sender.descriptor, "flow", 4, 0, $0, $1) } == 4)
                let (queue, packet) = try #require(Self.next(from: tun))
                #expect(queue == reference.worker(of: packet))
                perQueue[queue] += 1
            }
            #expect(perQueue.allSatisfy { $0 > 50 }, "\(perQueue)")
        }
    }

    /// The next IPv4 packet that a queue has; others, such as router solicitations, are passed over.
    private static func next(from tun: TUNDevice) -> (queue: Int, packet: [UInt8])? {
        var buffer = [UInt8](repeating: 0, count: 2_000)
        for _ in 0..<1_000 {
            for (queue, descriptor) in tun.descriptors.enumerated() {
                let length = read(descriptor, &buffer, buffer.count)
                if length > TUNDevice.headerSize, buffer[TUNDevice.headerSize] == 0x45 {
                    return (queue, Array(buffer[TUNDevice.headerSize..<length]))
                }
            }
            usleep(1_000)
        }
        return nil
    }

    @Test(.enabled(if: NetlinkFixture.canRun, NetlinkFixture.reason)) func `what is no TUN is refused with the reason`()
        throws
    {
        let socket = try UDPSocket(family: .ipv4, mark: nil)
        let error = #expect(throws: LinuxError.self) {
            try SteeringProgram(offset: 0, workers: 2, seed: seed).steer(tunnel: socket.descriptor)
        }
        #expect(error?.description.hasPrefix("steer the queues of a TUN: ") == true)
    }
}
