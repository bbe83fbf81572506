// Encapsulated Control Messages: inner headers, checksums, and what is refused.

import LISPWire
import TestRandomness
import Testing

@Suite struct EncapsulationTests {
    private static let payload = bytes("10000001 0000000000000001 0000 0001 c0000201 0020 0001 0a020202")

    private static func message(
        _ source: String,
        _ destination: String,
        payload: [UInt8] = payload
    ) -> EncapsulatedControlMessage {
        EncapsulatedControlMessage(
            isDDT: true,
            source: Endpoint(IPAddress(source)!, 50_000),
            destination: Endpoint(IPAddress(destination)!, 4342),
            hopLimit: 17,
            payload: payload
        )
    }

    @Test func `puts an IPv4 header around the message`() throws {
        let message = Self.message("10.0.0.1", "10.2.2.2")
        let encoded = message.encoded()
        #expect(Array(encoded[4..<14]) == bytes("4500 0038 0000 4000 1111"))
        #expect(Array(encoded[16..<24]) == bytes("0a000001 0a020202"))
        #expect(Array(encoded[24..<30]) == bytes("c350 10f6 0024"))
        #expect(Array(encoded[32...]) == Self.payload)
        #expect(Self.sum(encoded[4..<24]) == 0xffff)
        #expect(Self.sum(encoded[16..<24] + [0, 17, 0, 0x24] + encoded[24...]) == 0xffff)
        #expect(try EncapsulatedControlMessage(decoding: encoded) == message)
    }

    @Test func `puts an IPv6 header around the message`() throws {
        let message = Self.message("2001:db8::1", "2001:db8::2")
        let encoded = message.encoded()
        #expect(Array(encoded[4..<12]) == bytes("6000 0000 0024 1111"))
        #expect(Array(encoded[12..<44]) == bytes("20010db8000000000000000000000001 20010db8000000000000000000000002"))
        #expect(Self.sum(encoded[12..<44] + [0, 0, 0, 0x24, 0, 0, 0, 17] + encoded[44...]) == 0xffff)
        #expect(try EncapsulatedControlMessage(decoding: encoded) == message)
    }

    /// Ones' complement sum, the slow way.
    private static func sum(_ bytes: some Collection<UInt8>) -> Int {
        let padded = Array(bytes) + (bytes.count % 2 == 0 ? [] : [0])
        var sum = 0
        for index in stride(from: 0, to: padded.count, by: 2) {
            sum += Int(padded[index]) << 8 | Int(padded[index + 1])
            if sum > 0xffff { sum -= 0xffff }
        }
        return sum
    }

    @Test func `the checksum of any message is right and never zero`() {
        var random = SeededGenerator("checksums")
        for _ in 0..<1_000 {
            let message = random.encapsulated(.internet, payload: random.octets(random.number(0...70)))
            let encoded = message.encoded()
            let isIPv4 = message.source?.address.family == .ipv4
            let start = isIPv4 ? 24 : 44
            let addresses = isIPv4 ? encoded[16..<24] : encoded[12..<44]
            let length = encoded.count - start
            #expect(
                Self.sum(addresses + [0, 17, UInt8(length >> 8), UInt8(length & 255)] + encoded[start...]) == 0xffff
            )
            #expect(encoded[start + 6] != 0 || encoded[start + 7] != 0)
        }
    }

    @Test func `a sum that happens to be zero is sent as ones`() throws {
        // The last two octets of the payload are chosen so that the checksum would come out as 0.
        let checksum = Self.message("10.0.0.1", "10.2.2.2", payload: [0, 0]).encoded()[30..<32]
        let message = Self.message("10.0.0.1", "10.2.2.2", payload: Array(checksum))
        #expect(Array(message.encoded()[30..<32]) == [0xff, 0xff])
        #expect(try EncapsulatedControlMessage(decoding: message.encoded()) == message)
    }

    @Test(arguments: ["10.0.0.1", "2001:db8::1"])
    func `any damaged bit is found`(address: String) {
        let message = Self.message(address, address)
        let encoded = message.encoded()
        // IPv6 has no sum over the flow label, traffic class and hop limit.
        let unprotected: Set<Int> = message.source?.address.family == .ipv4 ? [] : [4, 5, 6, 7, 11]
        for position in 4..<encoded.count where !unprotected.contains(position) {
            for bit in 0..<8 {
                var damaged = encoded
                damaged[position] ^= 1 << UInt8(bit)
                #expect(throws: WireError.self, "octet \(position), bit \(bit)") {
                    try EncapsulatedControlMessage(decoding: damaged)
                }
            }
        }
    }

    @Test func `a zero UDP checksum is refused unless allowed`() throws {
        let message = Self.message("10.0.0.1", "10.2.2.2")
        var encoded = message.encoded()
        encoded[30] = 0
        encoded[31] = 0
        #expect(throws: WireError(.badChecksum(field: "Inner UDP Checksum"), at: 30)) {
            try EncapsulatedControlMessage(decoding: encoded)
        }
        #expect(throws: WireError(.badChecksum(field: "Inner UDP Checksum"), at: 30)) {
            try ControlMessage(decoding: encoded)
        }
        let decoded = try EncapsulatedControlMessage(decoding: encoded, zeroChecksum: .accept)
        #expect(decoded.headers == message.headers && decoded.payload == message.payload)
        #expect(decoded.encoded() == encoded)
        #expect(try ControlMessage(decoding: encoded, zeroInnerChecksum: .accept) == .encapsulated(decoded))
        // What is there must be right even so.
        encoded[31] = 1
        #expect(throws: WireError(.badChecksum(field: "Inner UDP Checksum"), at: 30)) {
            try EncapsulatedControlMessage(decoding: encoded, zeroChecksum: .accept)
        }
    }

    /// An IPv4 header with its checksum set, before an untouched datagram.
    private static func repaired(_ change: (inout [UInt8]) -> Void) -> [UInt8] {
        var encoded = message("10.0.0.1", "10.2.2.2").encoded()
        change(&encoded)
        encoded[14] = 0
        encoded[15] = 0
        let headerEnd = 4 + Int(encoded[4] & 0x0f) * 4
        let checksum = 0xffff - sum(encoded[4..<headerEnd])
        encoded[14] = UInt8(checksum >> 8)
        encoded[15] = UInt8(checksum & 255)
        return encoded
    }

    @Test func `IPv4 options are skipped and kept`() throws {
        let encoded = Self.repaired { bytes in
            bytes[4] = 0x46
            bytes[7] += 4
            bytes.insert(contentsOf: [1, 1, 1, 0], at: 24)
        }
        let message = try EncapsulatedControlMessage(decoding: encoded)
        #expect(message.headers == Self.message("10.0.0.1", "10.2.2.2").headers)
        #expect(message.payload == Self.payload && message.payloadOffset == 36)
        #expect(message.encoded() == encoded)
    }

    @Test func `fragments, other protocols and odd lengths are refused`() {
        let wrong: [(String, Int, (inout [UInt8]) -> Void)] = [
            ("Inner Fragment Offset", 10, { $0[10] = 0x20 }),
            ("Inner Fragment Offset", 10, { $0[11] = 1 }),
            ("Inner Protocol", 13, { $0[13] = 6 }),
            ("Inner UDP Length", 28, { $0[7] -= 1 }),
            ("Inner UDP Length", 28, { $0[29] -= 1 }),
            ("Inner UDP Length", 28, { $0[29] = 0 }),
            ("Inner Total Length", 6, { $0[7] = 19 }),
        ]
        for (field, offset, change) in wrong {
            let encoded = Self.repaired(change)
            #expect {
                try EncapsulatedControlMessage(decoding: encoded)
            } throws: { error in
                guard let error = error as? WireError, case .invalid(field, _) = error.reason else { return false }
                return error.offset == offset
            }
        }
        var short = Self.message("10.0.0.1", "10.2.2.2").encoded()
        short[4] = 0x44
        #expect(throws: WireError(.invalid(field: "Inner IHL", value: 4), at: 4)) {
            try EncapsulatedControlMessage(decoding: short)
        }
    }

    @Test(arguments: 0..<16 as Range<UInt8>)
    func `what follows must be IPv4 or IPv6`(version: UInt8) {
        guard version != 4, version != 6 else { return }
        #expect(throws: WireError(.invalid(field: "Inner IP Version", value: UInt64(version)), at: 4)) {
            try EncapsulatedControlMessage(decoding: [0x80, 0, 0, 0, version << 4] + Array(repeating: 0, count: 60))
        }
    }

    @Test func `octets behind the inner packet are a tail`() throws {
        var message = Self.message("2001:db8::1", "2001:db8::2")
        message.tail = [1, 2, 3]
        #expect(try EncapsulatedControlMessage(decoding: message.encoded()) == message)
    }

    @Test func `finds the inner packet behind authentication data`() throws {
        let security = bytes("01 00 0002  0010 07 01") + Array(repeating: 0xaa, count: 16) + bytes("0004 0001")
        var message = Self.message("10.0.0.1", "10.2.2.2")
        message.securityData = security
        let encoded = message.encoded()
        #expect(encoded[0] == 0x8c)
        #expect(Array(encoded[4..<4 + security.count]) == security)
        #expect(try EncapsulatedControlMessage(decoding: encoded) == message)
        var unknown = encoded
        unknown[4] = 2
        #expect(throws: WireError(.invalid(field: "AD Type", value: 2), at: 4)) {
            try EncapsulatedControlMessage(decoding: unknown)
        }
        var short = encoded
        short[4 + 8 + 16 + 1] = 3
        #expect(throws: WireError(.invalid(field: "EID-AD Length", value: 3), at: 28)) {
            try EncapsulatedControlMessage(decoding: short)
        }
    }

    @Test func `a payload too long for any datagram does not trap`() {
        let message = Self.message("10.0.0.1", "10.2.2.2", payload: Array(repeating: 0, count: 70_000))
        #expect(message.encoded().count == 70_032)
    }
}
