// What holds for every message: it round-trips, it cannot be cut short, and no input whatever makes a decoder trap.

import LISPWire
import TestRandomness
import Testing

@Suite struct CodecPropertyTests {
    @Test func `every message round-trips`() throws {
        var random = SeededGenerator("round trip")
        for _ in 0..<5_000 {
            let message = random.controlMessage()
            let encoded = message.encoded()
            let decoded = try ControlMessage(decoding: encoded)
            #expect(decoded == message)
            #expect(decoded.encoded() == encoded)
        }
    }

    @Test func `every record round-trips`() throws {
        var random = SeededGenerator("records")
        for _ in 0..<3_000 {
            let record = random.record(.all)
            #expect(try EIDRecord(whole: record.encoded()) == record)
        }
    }

    /// Equality of canonical addresses is that of their octets; here it is what they mean that survives.
    @Test func `the contents of canonical addresses round-trip`() throws {
        var random = SeededGenerator("canonical addresses")
        var seen: Set<UInt8> = []
        for _ in 0..<5_000 {
            let address = random.canonicalAddress()
            var writer = WireWriter()
            LISPAddress.lcaf(address).encode(into: &writer)
            var reader = WireReader(writer.bytes)
            guard case .lcaf(let decoded) = try LISPAddress("x", from: &reader) else {
                Issue.record("not canonical: \(address)")
                continue
            }
            #expect(reader.remaining == 0)
            if case .malformed = address.content {
                #expect(decoded.content.fault != nil)
            } else if address.allFaults.isEmpty {
                #expect(decoded.content == address.content)
                seen.insert(decoded.type)
            }
        }
        #expect(seen.isSuperset(of: LCAFType.allCases.map(\.rawValue).filter { $0 != 0 }))
    }

    @Test func `every truncation is refused`() {
        var random = SeededGenerator("truncation")
        for _ in 0..<300 {
            let message = random.controlMessage()
            let encoded = message.encoded()
            // What follows the last field is free to be shorter; what stands before it is not.
            for length in 0..<(encoded.count - message.freeLength) {
                #expect(throws: WireError.self, "\(message) cut to \(length) octets") {
                    try ControlMessage(decoding: encoded.prefix(length))
                }
            }
        }
    }

    @Test func `a tail is kept, whatever its length`() throws {
        var random = SeededGenerator("tails")
        for _ in 0..<1_000 {
            let message = random.controlMessage(.internet)
            let tail = random.octets(random.number(25...60))
            let encoded = message.encoded() + tail
            let decoded = try ControlMessage(decoding: encoded)
            #expect(decoded.encoded() == encoded)
            #expect(decoded.freeLength >= tail.count)
        }
    }

    @Test func `garbage never traps`() {
        var random = SeededGenerator("garbage")
        var accepted = 0
        for _ in 0..<50_000 {
            var garbage = random.octets(random.number(0...120))
            // Mostly types that have a decoder, and counts that are not hopeless.
            if garbage.count > 4, random.number(0...7) != 0 {
                garbage[0] = garbage[0] & 0x0f | [1, 2, 3, 4, 5, 6, 7, 8, 15][random.number(0...8)] << 4
                garbage[3] = random.number(0...2)
            }
            if Self.exercise(garbage) { accepted += 1 }
        }
        #expect(accepted > 0, "some garbage is a message")
    }

    @Test func `a damaged message never traps`() {
        var random = SeededGenerator("damage")
        var accepted = 0
        for _ in 0..<50_000 {
            var message = random.controlMessage().encoded()
            for _ in 0..<random.number(1...4) {
                Self.damage(&message, &random)
            }
            if Self.exercise(message) { accepted += 1 }
        }
        #expect((1..<50_000).contains(accepted), "some damage shows and some does not")
    }

    private static func damage(_ message: inout [UInt8], _ random: inout SeededGenerator) {
        guard !message.isEmpty else { return }
        let position = random.number(0...message.count - 1)
        switch random.number(0...5) {
        case 0: message[position] ^= 1 << random.number(0...7)
        case 1: message[position] = random.number()
        case 2: message.removeSubrange(position...)
        case 3: message.insert(contentsOf: random.octets(random.number(1...8)), at: position)
        case 4: message.remove(at: position)
        default: message[position] = random.flip() ? 0xff : 0
        }
    }

    /// Decodes with every choice there is. What is accepted must encode to something that decodes to itself.
    private static func exercise(_ bytes: [UInt8]) -> Bool {
        let key = AuthenticationKey(id: 0, algorithm: .hmacSHA1_96, secret: [1])
        if bytes.count < 64 { _ = key.verifies(bytes) }
        guard let message = try? ControlMessage(decoding: bytes, zeroInnerChecksum: .accept) else { return false }
        _ = String(describing: message)
        let encoded = message.encoded()
        let again = try? ControlMessage(decoding: encoded, zeroInnerChecksum: .accept)
        #expect(again == message, "\(bytes)")
        #expect(again?.encoded() == encoded)
        return true
    }

    @Test func `every record and address decoder refuses garbage quietly`() {
        var random = SeededGenerator("fragments")
        for _ in 0..<20_000 {
            let garbage = random.octets(random.number(0...40))
            _ = try? EIDRecord(whole: garbage)
            _ = try? WireReader.whole(garbage) { reader throws(WireError) in try LocatorRecord(from: &reader) }
            _ = try? WireReader.whole(garbage) { reader throws(WireError) in try LISPAddress("x", from: &reader) }
            _ = try? WireReader.whole(garbage) { reader throws(WireError) in try Authentication(from: &reader) }
            _ = try? WireReader.whole(garbage) { reader throws(WireError) in try LISPDataHeader(from: &reader) }
        }
    }
}

extension CanonicalAddress {
    /// Faults in this and in all that it holds.
    fileprivate var allFaults: [WireError] {
        var faults: [WireError] = []
        LISPAddress.lcaf(self).visit { canonical in
            if let fault = canonical.content.fault { faults.append(fault) }
        }
        return faults
    }
}

extension ControlMessage {
    /// Octets at the end without which the message is still one.
    var freeLength: Int {
        switch self {
        case .mapRequest(let message): message.tail.count
        case .mapReply(let message): message.tail.count
        case .mapRegister(let message): message.tail.count
        case .mapNotify(let message): message.tail.count + (message.xtrID == nil ? 0 : 24)
        case .encapsulated(let message): message.tail.count
        case .mapReferral(let message): message.tail.count
        case .info(let message): message.tail.count
        case .sharedExtension(let message): message.contents.count
        }
    }
}
