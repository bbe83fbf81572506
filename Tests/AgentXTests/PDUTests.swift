// Every message there and back in both byte orders, the pictures of RFC 2741, and what must be refused.

import TestRandomness
import Testing

@testable import AgentX

@Suite struct PDUTests {
    static let cases = PDUType.allCases.flatMap { type in [ByteOrder.network, .littleEndian].map { (type, $0) } }

    @Test(arguments: cases)
    func `every message comes back as it was sent`(type: PDUType, order: ByteOrder) throws {
        var random = SeededGenerator("round trip \(type) \(order)")
        for _ in 0..<100 {
            let pdu = random.pdu(type, order)
            let octets = pdu.octets
            if octets.count % 4 != 0 { Issue.record("not aligned: \(pdu)") }
            if try PDU(octets) != pdu { Issue.record("another comes back: \(pdu)") }
        }
    }

    @Test(arguments: cases)
    func `a message cut short anywhere is refused, and so is one octet more`(type: PDUType, order: ByteOrder) {
        var random = SeededGenerator("truncation \(type) \(order)")
        for _ in 0..<10 {
            let octets = random.pdu(type, order).octets
            for count in 0..<octets.count {
                if (try? PDU(Array(octets[..<count]))) != nil { Issue.record("\(count) octets are taken of \(octets)") }
            }
            #expect(throws: WireError.trailing(count: 1, position: octets.count)) { try PDU(octets + [0]) }
        }
    }

    @Test(arguments: cases)
    func `a payload that is cut short, with a length that fits, is refused or shorter`(type: PDUType, order: ByteOrder)
    {
        var random = SeededGenerator("short payload \(type) \(order)")
        for _ in 0..<20 {
            let pdu = random.pdu(type, order)
            let octets = pdu.octets
            for count in stride(from: 20, to: octets.count, by: 4) {
                var short = Array(octets[..<count])
                let length = UInt32(count - 20)
                withUnsafeBytes(of: order == .network ? length.bigEndian : length.littleEndian) {
                    short.replaceSubrange(16..<20, with: $0)
                }
                // A list of variables may end after any of them.
                if (try? PDU(short)) == pdu { Issue.record("\(count) octets are as good as all of \(octets)") }
            }
        }
    }

    @Test func `mutated and random messages never crash, and what is read from them can be written`() {
        var random = SeededGenerator("mutation")
        var refused = 0
        var taken = 0
        for _ in 0..<30_000 {
            let type = PDUType.allCases.randomElement(using: &random)!
            var octets = random.pdu(type, random.flip() ? .network : .littleEndian).octets
            for _ in 0..<random.number(1...6) {
                let place = random.number(0...octets.count - 1)
                switch random.number(0...3) {
                case 0: octets[place] = random.number(0...255)
                case 1: octets[place] = [0, 1, 127, 128, 255].randomElement(using: &random)!
                case 2: octets.removeSubrange(place..<min(octets.count, place + random.number(1...8)))
                default: octets.insert(contentsOf: random.octets(1...8), at: place)
                }
                if octets.isEmpty { octets = [0] }
            }
            if let pdu = try? PDU(octets) {
                taken += 1
                if (try? PDU(pdu.octets)) != pdu { Issue.record("another comes back: \(pdu)") }
            } else {
                refused += 1
            }
        }
        for _ in 0..<20_000 { _ = try? PDU(random.octets(0...200)) }
        #expect(refused > 5000 && taken > 500)
    }

    // MARK: Pictures

    static func words(_ words: [UInt32]) -> [UInt8] { words.flatMap { withUnsafeBytes(of: $0.bigEndian, Array.init) } }

    @Test func `sysDescr.0 has the prefix that stands for 1.3.6.1.2, and 1.2.3.4 has none (RFC 2741 5.1)`() throws {
        var writer = PDUWriter(order: .network)
        writer.oid("1.3.6.1.2.1.1.1.0")
        writer.oid("1.2.3.4")
        writer.oid(OID())
        let octets = Self.words([0x0402_0000, 1, 1, 1, 0, 0x0400_0000, 1, 2, 3, 4, 0])
        #expect(writer.octets == octets)
        var reader = PDUReader(octets, in: octets.indices, order: .network)
        #expect(try reader.oid("first").oid == "1.3.6.1.2.1.1.1.0")
        #expect(try reader.oid("second").oid == "1.2.3.4")
        #expect(try reader.oid("null").oid == OID())
        try reader.finish()
    }

    @Test func `the search range of RFC 2741 5.2`() throws {
        let range = SearchRange("1.3.6.1.2.1.25.2", includesStart: true, end: "1.3.6.1.2.1.25.2.1")
        let octets = Self.words([0x0302_0100, 1, 25, 2, 0x0402_0000, 1, 25, 2, 1])
        var writer = PDUWriter(order: .network)
        writer.searchRanges([range])
        #expect(writer.octets == octets)
        var reader = PDUReader(octets, in: octets.indices, order: .network)
        #expect(try reader.searchRanges() == [range])
    }

    @Test func `the registration of row 7 of ifTable, RFC 2741 6.2.3`() throws {
        let registration = Registration(
            "1.3.6.1.2.1.2.2.1.1.7",
            range: Registration.Range(position: 10, upperBound: 22)
        )
        let payload: [UInt32] = [0x007f_0a00, 0x0602_0000, 1, 2, 2, 1, 1, 7, 22]
        let octets = Self.words([0x0103_1000, 5, 0, 9, UInt32(4 * payload.count)] + payload)
        let pdu = PDU(.register(registration), sessionID: 5, packetID: 9, order: .network)
        #expect(pdu.octets == octets)
        #expect(try PDU(octets) == pdu)
    }

    @Test func `strings are padded to four octets, numbers follow the byte order`() throws {
        let pdu = PDU(
            .notify([VarBind("1.2", .octetString("abcde")), VarBind("1.2", .counter64(0x0102_0304_0506_0708))]),
            sessionID: 1,
            packetID: 2,
            order: .littleEndian,
            context: [0x78]
        )
        let octets: [UInt8] =
            [1, 12, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 64, 0, 0, 0]  // header; NON_DEFAULT_CONTEXT
            + [1, 0, 0, 0, 0x78, 0, 0, 0]  // context
            + [4, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]  // OCTET STRING, 1.2
            + [5, 0, 0, 0, 0x61, 0x62, 0x63, 0x64, 0x65, 0, 0, 0]
            + [70, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]  // Counter64, 1.2
            + [8, 7, 6, 5, 4, 3, 2, 1]
        var expected = octets
        expected[16] = UInt8(octets.count - 20)
        #expect(pdu.octets == expected)
    }

    // MARK: Refusals

    @Test func `an error names the field and the place`() {
        let tooLong = Self.words([0x0105_1000, 1, 1, 1, 8, 0x8100_0000, 0])
        #expect(throws: WireError.invalid(field: "SearchRange start", value: 129, position: 20)) { try PDU(tooLong) }
        // 124 sub-identifiers and a prefix that stands for five.
        let tooLongWithPrefix = Self.words([0x0105_1000, 1, 1, 1, 500, 0x7c02_0000] + Array(repeating: 1, count: 124))
        #expect(throws: WireError.invalid(field: "SearchRange start", value: 129, position: 20)) {
            try PDU(tooLongWithPrefix)
        }
        let version = Self.words([0x0205_1000, 1, 1, 1, 0])
        #expect(throws: WireError.invalid(field: "h.version", value: 2, position: 0)) { try PDU(version) }
        let type = Self.words([0x0113_1000, 1, 1, 1, 0])
        #expect(throws: WireError.invalid(field: "h.type", value: 19, position: 1)) { try PDU(type) }
        let address = Self.words([0x0108_1000, 1, 1, 1, 16, 0x0040_0000, 0, 3, 0x0102_0300])
        #expect(throws: WireError.invalid(field: "length of IpAddress", value: 3, position: 20)) { try PDU(address) }
        let syntax = Self.words([0x0108_1000, 1, 1, 1, 8, 0x0003_0000, 0])
        #expect(throws: WireError.invalid(field: "v.type", value: 3, position: 20)) { try PDU(syntax) }
        // A string that says it has four billion octets.
        let huge = Self.words([0x0108_1000, 1, 1, 1, 12, 0x0004_0000, 0, 0xffff_fffe])
        #expect(throws: WireError.truncated(field: "v.data", needed: 0xffff_fffe, available: 0, position: 32)) {
            try PDU(huge)
        }
        let commit = Self.words([0x0109_1000, 1, 1, 1, 4, 0])
        #expect(throws: WireError.trailing(count: 4, position: 20)) { try PDU(commit) }
    }
}
