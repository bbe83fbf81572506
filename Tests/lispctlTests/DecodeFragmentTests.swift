// IP fragments: put together in any order, or plainly said to be none of a whole; never more memory than the limit.

import LISPWire
import Testing

@testable import lispctl

@Suite struct DecodeFragmentTests {
    /// A message long enough for several fragments.
    private static let message = MapRegister(
        nonce: Nonce(rawValue: 1),
        authentication: Authentication(keyID: 0, algorithm: 2, data: Array(repeating: 0, count: 32)),
        records: (0..<40).map { index in
            EIDRecord(
                eidPrefix: EIDPrefix(IPPrefix(host: .v4(IPv4Address(0x0a00_0000 + UInt32(index))))),
                ttlMinutes: 3,
                locators: []
            )
        }
    ).encoded()

    private static func fragments(_ packet: [UInt8], size: Int, identification: UInt16 = 77) -> [[UInt8]] {
        let isIPv4 = packet[0] >> 4 == 4
        let (header, body) = (Array(packet.prefix(isIPv4 ? 20 : 40)), Array(packet.dropFirst(isIPv4 ? 20 : 40)))
        return stride(from: 0, to: body.count, by: size).map { offset in
            let part = Array(body[offset..<min(offset + size, body.count)])
            let isLast = offset + size >= body.count
            var fragment = header
            if isIPv4 {
                let length = 20 + part.count
                fragment.replaceSubrange(2..<4, with: [UInt8(length >> 8), UInt8(length & 255)])
                fragment.replaceSubrange(4..<6, with: [UInt8(identification >> 8), UInt8(identification & 255)])
                let word = UInt16(offset / 8) | (isLast ? 0 : 0x2000)
                fragment.replaceSubrange(6..<8, with: [UInt8(word >> 8), UInt8(word & 255)])
                return fragment + part
            }
            let length = 8 + part.count
            fragment.replaceSubrange(4..<6, with: [UInt8(length >> 8), UInt8(length & 255)])
            fragment[6] = 44
            let word = UInt16(offset) | (isLast ? 0 : 1)
            return fragment + [17, 0, UInt8(word >> 8), UInt8(word & 255), 0, 0, 0, UInt8(identification & 255)] + part
        }
    }

    private static let packet4 = Frames.packet(message)
    private static let packet6 = Frames.packet(
        message,
        from: Endpoint(.v6(IPv6Address("2001:db8::1")!), 4342),
        to: Endpoint(.v6(IPv6Address("2001:db8::2")!), 4342)
    )

    private static func numbered(_ packets: [[UInt8]]) -> [CapturedFrame] {
        packets.enumerated().map { Frames.frame($0.element, number: $0.offset + 1) }
    }

    @Test(arguments: [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2], [0, 0, 1, 2, 2, 3]], [false, true])
    func `are put together in any order`(order: [Int], isIPv6: Bool) throws {
        let parts = Self.fragments(isIPv6 ? Self.packet6 : Self.packet4, size: 200)
        try #require(parts.count == 4)
        var dissector = try FrameDissector.lab()
        let outcomes = Self.numbered(order.map { parts[$0] }).map { dissector.dissect($0) }
        for outcome in outcomes.dropLast() { #expect(outcome.lisp == nil) }
        let dissection = try #require(outcomes.last?.lisp)
        #expect(dissection.message.kind == .mapRegister && dissection.message.problem == nil)
        #expect(dissection.checksum == .right)
        // Repeated ones are not listed.
        let firsts = order.indices.filter { !order[..<$0].contains(order[$0]) }
        #expect(dissection.reassembledFrom == firsts.map { $0 + 1 })
        #expect(dissection.payloadOffset == nil)
        #expect(dissector.leftoverFragments == 0)
        let text = TextReport().frame(Frames.frame(parts[0]), dissection)
        let frames = firsts.map { String($0 + 1) }.joined(separator: ", ")
        #expect(text.contains("Reassembled: from the fragments in frames \(frames)\n"))
    }

    @Test func `the first one says that it is waited for`() throws {
        let parts = Self.fragments(Self.packet4, size: 200)
        var dissector = try FrameDissector.lab()
        let dissection = try #require(dissector.dissect(Frames.frame(parts[0])).fragment)
        let text = TextReport().frame(Frames.frame(parts[0]), dissection)
        #expect(
            text.contains(
                "Fragment: octets 0 to 199 of packet 77 from 198.51.100.1 to 198.51.100.2, waiting for the other fragments\n"
            )
        )
        #expect(dissector.leftoverFragments == 1)
    }

    @Test func `those of other ports are passed over`() throws {
        let web = Endpoint(.v4(IPv4Address(1)), 443)
        var dissector = try FrameDissector.lab()
        for part in Self.fragments(Frames.packet(Self.message, from: web, to: web), size: 200) {
            #expect(dissector.dissect(Frames.frame(part)).isOther)
        }
        #expect(dissector.leftoverFragments == 0)
    }

    @Test func `those that contradict each other are not believed`() throws {
        var parts = Self.fragments(Self.packet4, size: 200)
        parts.insert(parts[1], at: 2)
        parts[2][30] ^= 1
        var dissector = try FrameDissector.lab()
        let outcomes = Self.numbered(parts).map { dissector.dissect($0) }
        #expect(outcomes[2].fragment != nil)
        #expect(outcomes.allSatisfy { $0.lisp == nil })
        #expect(dissector.leftoverFragments == parts.count)
    }

    @Test func `one that a capture cut is said to be so`() throws {
        let parts = Self.fragments(Self.packet4, size: 200)
        let octets = Frames.frame(parts[0]).octets
        var dissector = try FrameDissector.lab()
        let cut = CapturedFrame(number: 1, captured: octets.prefix(100), wireLength: octets.count)
        let problem = dissector.dissect(cut).lisp?.message.problem
        #expect(problem?.reason == "a fragment cut by the capture, not reassembled")
    }

    @Test func `a flood of them is held in bounds`() throws {
        var reassembly = Reassembly(limit: 16)
        for number in 0..<1000 {
            let fragment = Fragment(
                key: Fragment.Key(
                    source: .v4(IPv4Address(1)),
                    destination: .v4(IPv4Address(2)),
                    identification: UInt32(number),
                    nextProtocol: 17
                ),
                offset: 0,
                isLast: false,
                octets: Array(repeating: 0, count: 64),
                header: Array(Self.packet4.prefix(20))
            )
            guard case .waiting = reassembly.add(fragment, frame: number, isLISP: { _, _ in true }) else {
                Issue.record("\(number)")
                return
            }
        }
        #expect(reassembly.waiting == 16)
        #expect(reassembly.leftover == 1000)
    }

    @Test func `one that reaches beyond a packet's length is refused`() throws {
        var reassembly = Reassembly()
        let key = Fragment.Key(
            source: .v4(IPv4Address(1)),
            destination: .v4(IPv4Address(2)),
            identification: 1,
            nextProtocol: 17
        )
        let header = Array(Self.packet4.prefix(20))
        let octets = [UInt8](repeating: 0, count: 8)
        let huge = Fragment(key: key, offset: 65_528, isLast: true, octets: octets, header: header)
        guard case .contradictory = reassembly.add(huge, frame: 1, isLISP: { _, _ in true }) else {
            Issue.record("a packet of more than 65,535 octets")
            return
        }
    }

    @Test func `one that ends before others do is not believed`() throws {
        // Octets 0-7 and 24-31, then 16-23 as the last: as many octets as a whole of 24 has, of which 8-15 are missing.
        var reassembly = Reassembly()
        for (frame, (offset, isLast)) in [(0, false), (24, false), (16, true)].enumerated() {
            let fragment = Self.fragment(offset, isLast: isLast)
            switch (reassembly.add(fragment, frame: frame, isLISP: { _, _ in true }), isLast) {
            case (.waiting, false), (.contradictory, true): continue
            case (let outcome, _): Issue.record("\(offset): \(outcome)")
            }
        }
        #expect(reassembly.waiting == 0 && reassembly.leftover == 3)
    }

    @Test func `one that is repeated for ever is counted and costs nothing`() {
        // Quadratic, these would take minutes.
        var reassembly = Reassembly()
        for frame in 0..<300_000 {
            _ = reassembly.add(Self.fragment(0, isLast: false), frame: frame, isLISP: { _, _ in true })
        }
        #expect(reassembly.waiting == 1 && reassembly.leftover == 300_000)
        guard
            case .whole(_, let frames) = reassembly.add(
                Self.fragment(8, isLast: true),
                frame: 300_000,
                isLISP: { _, _ in true }
            )
        else {
            Issue.record("both parts are there")
            return
        }
        #expect(frames == [0, 300_000] && reassembly.leftover == 0)
    }

    @Test(arguments: [false, true])
    func `one without octets is said to be so`(isIPv6: Bool) throws {
        let part = Self.fragments(isIPv6 ? Self.packet6 : Self.packet4, size: 200)[0]
        var empty = Array(part.prefix(isIPv6 ? 48 : 20))
        empty.replaceSubrange(isIPv6 ? 4..<6 : 2..<4, with: isIPv6 ? [0, 8] : [0, 20])
        var dissector = try FrameDissector.lab()
        let problem = dissector.dissect(Frames.frame(empty)).lisp?.message.problem
        #expect(problem?.reason == "a fragment without octets")
    }

    /// Eight octets of one packet.
    private static func fragment(_ offset: Int, isLast: Bool) -> Fragment {
        Fragment(
            key: Fragment.Key(
                source: .v4(IPv4Address(1)),
                destination: .v4(IPv4Address(2)),
                identification: 1,
                nextProtocol: 17
            ),
            offset: offset,
            isLast: isLast,
            octets: Array(repeating: 0, count: 8),
            header: Array(packet4.prefix(20))
        )
    }
}
