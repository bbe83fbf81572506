// Batches in a table so large that they are looked up together: what becomes of each packet must not depend on it.

import ForwardingInterface
import LISPWire
import Testing

@testable import DataPlane

@Suite struct LookaheadTests {
    /// More than make a table large, of both families; entry n has mapping n and, by turns, locator 1, 2 or 3.
    static let count: UInt32 = 5_000

    static func text(_ number: UInt32) -> String {
        number % 2 == 0 ? "10.\(number >> 8).\(number & 255).0/24" : "2001:db8:\(String(number, radix: 16))::/48"
    }

    /// An address inside entry `number`, or, from `count` on, inside none.
    static func host(_ number: UInt32) -> String {
        number % 2 == 0 ? "10.\(number >> 8).\(number & 255).7" : "2001:db8:\(String(number, radix: 16))::7"
    }

    func prepared(entries: UInt32 = count) throws -> DataPlane {
        let plane = try DataPlane.forTests()
        try plane.addInstance(.default, queues: [-1])
        plane.apply((1...3).map { locator($0, "192.0.2.\($0)") } + (1...3).map { locatorSet($0, [($0, 1, 1)]) })
        plane.apply((0..<entries).map { entry(Self.text($0), mapping: $0, set: 1 + $0 % 3) })
        plane.apply([.putOwnPrefix(prefix("172.16.0.0/16")), .putOwnPrefix(prefix("fd00::/16"))])
        return plane
    }

    static func own(_ number: UInt32) -> String { number % 2 == 0 ? "172.16.0.1" : "fd00::1" }

    func isLarge(_ plane: DataPlane) -> Bool { plane.shared.instance(number: 0)?.isLarge == true }

    @Test func `a table is large as long as it has more than so many entries`() throws {
        let plane = try prepared(entries: 4_096)
        #expect(!isLarge(plane))
        plane.apply([entry(Self.text(4_096), mapping: 1)])
        #expect(isLarge(plane))
        plane.apply([entry(Self.text(4_096), mapping: 2)])
        #expect(isLarge(plane))
        plane.apply([.deleteEntry(prefix(Self.text(0)))])
        #expect(!isLarge(plane))
    }

    /// Runs to one destination, both families mixed, some without an entry, some garbage.
    func numbers(_ random: inout SplitMix) -> [UInt32?] {
        var numbers: [UInt32?] = []
        while numbers.count < 64 {
            let number = UInt32.random(in: 0..<Self.count + 500, using: &random)
            let run = Int.random(in: 1...4, using: &random)
            numbers += [UInt32?](repeating: Int.random(in: 0..<12, using: &random) == 0 ? nil : number, count: run)
        }
        return Array(numbers.prefix(Int.random(in: 0...64, using: &random)))
    }

    @Test func `each packet of a batch goes where it would go alone`() throws {
        var random = SplitMix.printed("lookahead out")
        let plane = try prepared()
        #expect(isLarge(plane))
        var worker = plane.memoryWorker()
        var expected: [UInt32: UInt64] = [:]
        var (misses, malformed) = (0, 0)
        for _ in 0..<200 {
            let numbers = numbers(&random)
            worker.device.sent = []
            worker.device.tunnelInput[0] = numbers.map { number in
                number.map { packet(Self.own($0), Self.host($0)) } ?? [0x45, 0, 0]
            }
            _ = worker.stepTunnel(0)
            worker.shared.reader.quiet()
            var wanted: [String: Int] = [:]
            for case let number? in numbers where number < Self.count {
                wanted["\(number) \(1 + number % 3)", default: 0] += 1
                expected[number, default: 0] += 1
            }
            misses += numbers.count { $0.map { $0 >= Self.count } ?? false }
            malformed += numbers.count { $0 == nil }
            var found: [String: Int] = [:]
            for datagram in worker.device.sent {
                let inner = datagram.inner
                let number =
                    inner[0] >> 4 == 4
                    ? UInt32(inner[17]) << 8 | UInt32(inner[18]) : UInt32(inner[28]) << 8 | UInt32(inner[29])
                found["\(number) \(datagram.destination.high >> 32 & 0xff)", default: 0] += 1
            }
            #expect(found == wanted)
        }
        for number in 0..<Self.count {
            let packets = plane.counters(of: MappingID(rawValue: number)).encapsulated.packets
            #expect(packets == expected[number, default: 0])
        }
        #expect(plane.dropped(.malformedPacket) == UInt64(malformed))
        let statistics = plane.statistics()
        let missed =
            statistics.missesReported + plane.dropped(.missRecentlyReported) + plane.dropped(.missSourceLimited)
            + plane.dropped(.missQueueFull)
        #expect(missed == UInt64(misses))
    }

    @Test func `each received datagram counts for the mapping of its source`() throws {
        var random = SplitMix.printed("lookahead in")
        let plane = try prepared()
        // A second instance, small, in which the same addresses mean something else.
        try plane.addInstance(InstanceID(uncheckedRawValue: 7), queues: [-1])
        plane.apply([
            entry("10.0.0.0/8", instance: 7, mapping: 9_999), .putOwnPrefix(prefix("172.16.0.0/16", instance: 7)),
        ])
        var worker = plane.memoryWorker()
        var expected: [UInt32: UInt64] = [:]
        for _ in 0..<200 {
            let numbers = numbers(&random)
            worker.device.networkInput[.ipv4] = numbers.map { number in
                guard let number else { return ReceivedPacket(payload: [8, 0, 0]) }
                let isOther = number % 10 == 4
                let inner = packet(Self.host(number), Self.own(number))
                // Every fifth has two datagrams, the second from somebody else.
                guard number % 5 == 0 else {
                    expected[isOther ? 9_999 : number, default: 0] += 1
                    return datagram(inner, instance: isOther ? 7 : 0)
                }
                let other = (number + 2) % Self.count
                expected[number, default: 0] += 1
                expected[other, default: 0] += 1
                var train = datagram(inner)
                train.segmentSize = train.payload.count
                train.payload += datagram(packet(Self.host(other), Self.own(other))).payload
                return train
            }
            _ = worker.stepNetwork(.ipv4)
            worker.shared.reader.quiet()
        }
        for number in 0..<Self.count {
            let packets = plane.counters(of: MappingID(rawValue: number)).decapsulated.packets
            #expect(packets == expected[number, default: 0])
        }
        #expect(plane.counters(of: MappingID(rawValue: 9_999)).decapsulated.packets == expected[9_999])
    }
}
