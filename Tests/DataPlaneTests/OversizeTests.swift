// Packets that do not fit the path MTU of their RLOC: errors, fragments inside, fragments outside.

import ForwardingInterface
import LISPWire
import Testing

@testable import DataPlane

/// A UDP packet of this whole length from the site, its payload counting.
func large(_ source: String, _ destination: String, length: Int, flags: UInt16 = 0, options: [UInt8] = []) -> [UInt8] {
    var inner = packet(source, destination, fragment: flags)
    inner += (inner.count..<length - options.count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
    if inner[0] >> 4 == 6 {
        inner[4] = UInt8((length - 40) >> 8)
        inner[5] = UInt8((length - 40) & 0xff)
        return inner
    }
    inner.insert(contentsOf: options, at: 20)
    inner[0] = 0x45 + UInt8(options.count / 4)
    inner[2] = UInt8(length >> 8)
    inner[3] = UInt8(length & 0xff)
    inner[4] = 0xbe
    inner[5] = 0xef
    inner[10] = 0
    inner[11] = 0
    let checksum = plainChecksum(Array(inner.prefix(20 + options.count)))
    inner[10] = UInt8(checksum >> 8)
    inner[11] = UInt8(checksum & 0xff)
    return inner
}

/// Puts fragments together as RFC 791 says, and checks each on the way. Written for this alone.
struct Reassembler {
    private(set) var problems: [String] = []
    private var data: [Int: [UInt8]] = [:]
    private var total: Int?
    private var first: [UInt8] = []

    mutating func take(_ fragment: [UInt8], limit: Int) {
        let header = Int(fragment[0] & 15) * 4
        let length = Int(fragment[2]) << 8 | Int(fragment[3])
        let word = Int(fragment[6]) << 8 | Int(fragment[7])
        let offset = (word & 0x1fff) * 8
        if fragment[0] >> 4 != 4 || header < 20 { problems.append("no IPv4 header") }
        if length != fragment.count { problems.append("\(fragment.count) octets say that they are \(length)") }
        if length > limit { problems.append("\(length) octets are more than \(limit)") }
        if plainChecksum(Array(fragment.prefix(header))) != 0 { problems.append("wrong checksum at \(offset)") }
        if word & 0x4000 != 0 { problems.append("DF at \(offset)") }
        let isLast = word & 0x2000 == 0
        if !isLast, (length - header) % 8 != 0 { problems.append("\(length - header) octets of data at \(offset)") }
        if data[offset] != nil { problems.append("twice \(offset)") }
        data[offset] = Array(fragment.dropFirst(header))
        if offset == 0 { first = Array(fragment.prefix(header)) }
        if isLast { total = offset + length - header }
    }

    /// The packet, if all of it is there.
    mutating func packet() -> [UInt8]? {
        var whole: [UInt8] = []
        for offset in data.keys.sorted() {
            guard offset == whole.count else { return nil }
            whole += data[offset] ?? []
        }
        guard whole.count == total, !first.isEmpty else { return nil }
        var header = first
        let length = header.count + whole.count
        header.replaceSubrange(2..<4, with: [UInt8(length >> 8), UInt8(length & 0xff)])
        header.replaceSubrange(6..<8, with: [header[6] & 0x80, 0])
        header.replaceSubrange(10..<12, with: [0, 0])
        let checksum = plainChecksum(header)
        header.replaceSubrange(10..<12, with: [UInt8(checksum >> 8), UInt8(checksum & 0xff)])
        return header + whole
    }
}

@Suite struct OversizeTests {
    func site(rloc: String = "192.0.2.2", mtu: UInt16) throws -> DataPlane {
        let plane = try DataPlane.forTests()
        try plane.addInstance(InstanceID(uncheckedRawValue: 101), queues: [-1])
        plane.apply([
            .putOwnPrefix(prefix("10.1.0.0/16", instance: 101)),
            .putOwnPrefix(prefix("2001:db8:1::/48", instance: 101)),
            locator(1, rloc, mtu: mtu), locatorSet(1, [(1, 1, 1)]),
            entry("10.2.0.0/16", instance: 101, mapping: 1), entry("2001:db8:2::/48", instance: 101, mapping: 2),
            .setErrorSource(InstanceID(uncheckedRawValue: 101), .ipv4, address("10.1.0.1")),
            .setErrorSource(InstanceID(uncheckedRawValue: 101), .ipv6, address("2001:db8:1::1")),
        ])
        return plane
    }

    struct Outcome {
        var sent: [SentDatagram]
        var errors: [[UInt8]]
    }

    func carry(_ plane: DataPlane, _ packets: [[UInt8]]) -> Outcome {
        var worker = plane.memoryWorker()
        worker.device.tunnelInput[0] = packets
        while worker.device.tunnelInput[0]?.isEmpty == false { _ = worker.stepTunnel(0) }
        return Outcome(sent: worker.device.sent, errors: worker.device.tunnelOutput.map(\.packet))
    }

    /// The MTU that an error names.
    func mtu(_ error: [UInt8]) -> Int {
        error[0] >> 4 == 4
            ? Int(error[26]) << 8 | Int(error[27])
            : Int(error[44]) << 24 | Int(error[45]) << 16 | Int(error[46]) << 8 | Int(error[47])
    }

    static let rlocs = [("192.0.2.2", 36), ("2001:db8:ffff::2", 56)]

    @Test(arguments: rlocs) func `what fits just so is sent, one octet more is not`(rloc: String, overhead: Int) throws
    {
        let plane = try site(rloc: rloc, mtu: 1_400)
        let fits = 1_400 - overhead
        for (from, to, flags) in [("10.1.0.1", "10.2.0.1", 0x4000), ("2001:db8:1::1", "2001:db8:2::1", 0)] {
            let whole = large(from, to, length: fits, flags: UInt16(flags))
            #expect(carry(plane, [whole]).sent.map(\.inner) == [whole])
            let outcome = carry(plane, [large(from, to, length: fits + 1, flags: UInt16(flags))])
            #expect(outcome.sent.isEmpty)
            #expect(outcome.errors.map(mtu) == [fits])
        }
        #expect(plane.drops == [.exceedsPathMTU: 2])
    }

    @Test func `DF is answered by Fragmentation Needed, octet by octet`() throws {
        let plane = try site(mtu: 1_300)
        let inner = large("10.1.0.9", "10.2.0.1", length: 1_400, flags: 0x4000)
        let error = carry(plane, [inner]).errors[0]
        #expect(error.count == 576)
        #expect(Array(error[12..<20]) == [10, 1, 0, 1, 10, 1, 0, 9])
        #expect(Array(error[20..<22]) == [3, 4])
        #expect(Array(error[24..<28]) == [0, 0, UInt8(1_264 >> 8), UInt8(1_264 & 0xff)])
        #expect(plainChecksum(Array(error.prefix(20))) == 0)
        #expect(plainChecksum(Array(error.dropFirst(20))) == 0)
        #expect(error.dropFirst(28) == inner.prefix(548))
    }

    @Test func `IPv6 is answered by Packet Too Big, never of less than 1280`() throws {
        let plane = try site(mtu: 1_400)
        let inner = large("2001:db8:1::9", "2001:db8:2::1", length: 1_390)
        let error = carry(plane, [inner]).errors[0]
        #expect(Array(error[40..<42]) == [2, 0])
        #expect(mtu(error) == 1_364)
        let pseudo =
            Array(error[8..<40]) + [
                0, 0, UInt8((error.count - 40) >> 8), UInt8((error.count - 40) & 0xff), 0, 0, 0, 58,
            ]
        #expect(plainChecksum(pseudo + error.dropFirst(40)) == 0)
        let narrow = try site(mtu: 1_300)
        #expect(carry(narrow, [inner]).errors.map(mtu) == [1_280])
    }

    @Test(arguments: rlocs) func `IPv6 of 1280 octets or less is sent fragmentable where it does not fit`(
        rloc: String,
        overhead: Int
    ) throws {
        let plane = try site(rloc: rloc, mtu: 1_300)
        let packets = [1_300 - overhead, 1_301 - overhead, 1_280, 1_281].map {
            large("2001:db8:1::1", "2001:db8:2::1", length: $0)
        }
        let outcome = carry(plane, packets)
        #expect(outcome.errors.map(mtu) == [1_280])
        // In the order of the ports, the fragmentable last.
        #expect(outcome.sent.map(\.inner) == Array(packets.prefix(3)))
        #expect(outcome.sent.map { $0.port == DataPlaneConstants.fragmentingPort } == [false, true, true])
        #expect(outcome.sent.allSatisfy { $0.header == [8, 0, 0, 0, 0, 0, 101, 0] })
        #expect(plane.statistics().sentFragmentable == 2)
        #expect(plane.counters(of: MappingID(rawValue: 2)).encapsulated.packets == 3)
    }

    @Test func `IPv4 without DF is cut into equal parts, each encapsulated the same way`() throws {
        let plane = try site(mtu: 1_300)
        let inner = large("10.1.0.1", "10.2.0.1", length: 1_400)
        let outcome = carry(
            plane,
            [packet("10.1.0.1", "10.2.0.1"), inner, packet("10.1.0.1", "10.2.0.1", ports: (1, 2))]
        )
        #expect(outcome.errors.isEmpty)
        #expect(outcome.sent.map(\.inner.count) == [36, 20 + 696, 20 + 684, 36])
        let fragments = outcome.sent[1...2]
        #expect(Set(fragments.map(\.port)).count == 1)
        #expect(fragments.allSatisfy { $0.header == [8, 0, 0, 0, 0, 0, 101, 0] && $0.ttl == 63 })
        // The identification, then more fragments at 0 and the rest at 87 times 8.
        #expect(Array(outcome.sent[1].inner[4..<8]) == [0xbe, 0xef, 0x20, 0])
        #expect(Array(outcome.sent[2].inner[4..<8]) == [0xbe, 0xef, 0, 87])
        var reassembler = Reassembler()
        for fragment in fragments { reassembler.take(fragment.inner, limit: 1_264) }
        #expect(reassembler.problems == [])
        #expect(reassembler.packet() == inner)
        #expect(plane.statistics().fragmented == 1)
        #expect(plane.drops == [:])
        #expect(plane.counters(of: MappingID(rawValue: 1)).encapsulated == TrafficCounters(packets: 4, octets: 1_492))
    }

    @Test func `options are in every fragment or in the first alone, as they say`() throws {
        let plane = try site(mtu: 700)
        // No operation, a route to record (not copied), a security label (copied), the end.
        let record: [UInt8] = [1, 7, 7, 4, 0, 0, 0, 0]
        let security: [UInt8] = [130, 3, 9]
        let inner = large("10.1.0.1", "10.2.0.1", length: 1_400, options: record + security + [0])
        let sent = carry(plane, [inner]).sent.map(\.inner)
        #expect(sent.count == 3)
        #expect(sent.map { $0[0] } == [0x48, 0x46, 0x46])
        #expect(Array(sent[0][20..<32]) == record + security + [0])
        #expect(sent.dropFirst().allSatisfy { Array($0[20..<24]) == security + [0] })
        var reassembler = Reassembler()
        for fragment in sent { reassembler.take(fragment, limit: 664) }
        #expect(reassembler.problems == [])
        #expect(reassembler.packet() == inner)
    }

    @Test func `a fragment is cut further, and its place is kept`() throws {
        let plane = try site(mtu: 600)
        for flags in [0x2000 | 100, 100] as [UInt16] {
            let inner = large("10.1.0.1", "10.2.0.1", length: 1_236, flags: flags)
            let sent = carry(plane, [inner]).sent.map(\.inner)
            let words = sent.map { Int($0[6]) << 8 | Int($0[7]) }
            let sizes = sent.map { $0.count - 20 }
            #expect(sizes.reduce(0, +) == 1_216)
            #expect(sent.map { $0.dropFirst(20) }.joined().elementsEqual(inner.dropFirst(20)))
            var expected = 100
            for (index, word) in words.enumerated() {
                #expect(word & 0x1fff == expected)
                expected += sizes[index] / 8
            }
            #expect(words.dropLast().allSatisfy { $0 & 0x2000 != 0 })
            #expect(words.last.map { $0 & 0x2000 != 0 } == (flags & 0x2000 != 0))
        }
    }

    @Test func `more fragments than a batch has places are all sent, in order`() throws {
        let plane = try site(mtu: 576)
        let inner = large("10.1.0.1", "10.2.0.1", length: 65_535)
        let sent = carry(plane, [inner]).sent.map(\.inner)
        #expect(sent.count == 126)
        var reassembler = Reassembler()
        for fragment in sent { reassembler.take(fragment, limit: 540) }
        #expect(reassembler.problems == [])
        #expect(reassembler.packet() == inner)
        let offsets = sent.map { Int($0[6] & 0x1f) << 8 | Int($0[7]) }
        #expect(offsets == offsets.sorted())
    }

    @Test func `what cannot be cut is dropped and counted`() throws {
        let plane = try site(mtu: 700)
        var options = large("10.1.0.1", "10.2.0.1", length: 1_400, options: [130, 9, 1, 1])
        #expect(plainChecksum(Array(options.prefix(24))) == 0)
        #expect(carry(plane, [options]).sent.isEmpty)
        options = large("10.1.0.1", "10.2.0.1", length: 1_400)
        options[10] ^= 1
        #expect(carry(plane, [options]).sent.isEmpty)
        #expect(plane.drops == [.exceedsPathMTU: 2])
    }

    @Test func `however long, with whatever options and path: fragments make the packet again`() throws {
        var random = SplitMix.printed("fragments")
        for _ in 0..<300 {
            let mtu = UInt16.random(in: 120...1_500, using: &random)
            var options: [UInt8] = []
            for _ in 0..<Int.random(in: 0...4, using: &random) {
                if Bool.random(using: &random) {
                    options.append(1)
                } else {
                    let length = UInt8.random(in: 2...8, using: &random)
                    let type = UInt8.random(in: 2...255, using: &random)
                    options += [type, length] + (2..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
                }
            }
            while options.count % 4 != 0 { options.append(0) }
            let length = Int.random(in: 36 + options.count...4_000, using: &random)
            let inner = large("10.1.0.1", "10.2.0.1", length: length, options: options)
            let sent = carry(try site(mtu: mtu), [inner]).sent.map(\.inner)
            var reassembler = Reassembler()
            for fragment in sent { reassembler.take(fragment, limit: Int(mtu) - 36) }
            #expect(reassembler.problems == [])
            #expect(reassembler.packet() == inner, "\(length) octets, options \(options), MTU \(mtu)")
        }
    }
}
