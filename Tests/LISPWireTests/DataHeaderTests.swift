// The LISP header of data packets: every bit, and what means nothing without its flag.

import LISPWire
import TestRandomness
import Testing

@Suite struct DataHeaderTests {
    @Test func `each flag stands in its place`() {
        let red = InstanceID(uncheckedRawValue: 0x0a_0b0c)
        #expect(LISPDataHeader().rawValue == 0)
        #expect(LISPDataHeader(instanceID: red).rawValue == 0x0800_0000_0a0b_0c00)
        #expect(LISPDataHeader(instanceID: .default).rawValue == 0x0800_0000_0000_0000)
        #expect(LISPDataHeader(locatorStatusBits: 0x8000_0001).rawValue == 0x4000_0000_8000_0001)
        #expect(LISPDataHeader(instanceID: red, locatorStatusBits: 0x181).rawValue == 0x4800_0000_0a0b_0c81)
        #expect(
            LISPDataHeader(nonceOrVersions: .nonce(0x12_3456, requestsEcho: false)).rawValue == 0x8012_3456_0000_0000
        )
        #expect(
            LISPDataHeader(nonceOrVersions: .nonce(0x12_3456, requestsEcho: true)).rawValue == 0xa012_3456_0000_0000
        )
        #expect(
            LISPDataHeader(nonceOrVersions: .versions(source: 0xabc, destination: 0x123)).rawValue
                == 0x10ab_c123_0000_0000
        )
        #expect(LISPDataHeader(keyID: 3).rawValue == 0x0300_0000_0000_0000)
    }

    @Test func `reads what was put in`() {
        let header = LISPDataHeader(rawValue: 0xe812_3456_0a0b_0c81)
        #expect(header.hasNonce && header.hasLocatorStatusBits && header.requestsEcho && header.hasInstanceID)
        #expect(!header.hasMapVersions && !header.isAmbiguous)
        #expect(header.nonce == 0x12_3456)
        #expect(header.instanceID.rawValue == 0x0a_0b0c)
        #expect(header.locatorStatusBits == 0x81)
        #expect(header.sourceMapVersion == nil && header.destinationMapVersion == nil)
        let versions = LISPDataHeader(rawValue: 0x50ab_c123_8000_0001)
        #expect(versions.sourceMapVersion == 0xabc && versions.destinationMapVersion == 0x123)
        #expect(versions.locatorStatusBits == 0x8000_0001)
        #expect(versions.instanceID == .default)
        #expect(LISPDataHeader(rawValue: 0x0700_0000_0000_0000).keyID == 3)
    }

    @Test func `a field without its flag means nothing`() {
        let header = LISPDataHeader(rawValue: 0x20ff_ffff_ffff_ffff)
        #expect(!header.requestsEcho)
        #expect(header.nonce == nil && header.sourceMapVersion == nil && header.locatorStatusBits == nil)
        #expect(header.instanceID == .default)
    }

    @Test func `a header that is both nonce and versions is neither`() {
        let header = LISPDataHeader(rawValue: 0x90ab_c123_0000_0000)
        #expect(header.isAmbiguous)
        #expect(header.nonce == nil && header.sourceMapVersion == nil && header.destinationMapVersion == nil)
    }

    @Test func `any eight bytes are a header and survive`() throws {
        var random = SeededGenerator("data headers")
        for _ in 0..<2_000 {
            let octets = random.octets(8)
            let header = try WireReader.whole(octets) { reader throws(WireError) in try LISPDataHeader(from: &reader) }
            #expect(octets.withUnsafeBytes { LISPDataHeader(from: $0) } == header)
            var writer = WireWriter()
            header.encode(into: &writer)
            #expect(writer.bytes == octets)
            var buffer = [UInt8](repeating: 0, count: 8)
            buffer.withUnsafeMutableBytes { header.write(into: $0) }
            #expect(buffer == octets)
        }
        #expect(throws: WireError(.truncated(field: "LISP Header", needed: 8, available: 7), at: 0)) {
            try WireReader.whole([0, 0, 0, 0, 0, 0, 0]) { reader throws(WireError) in try LISPDataHeader(from: &reader)
            }
        }
    }

    @Test func `a header rebuilt from its fields is the same`() {
        var random = SeededGenerator("rebuilt headers")
        for _ in 0..<2_000 {
            let header = random.dataHeader()
            let content: LISPDataHeader.NonceOrVersions =
                if let nonce = header.nonce {
                    .nonce(nonce, requestsEcho: header.requestsEcho)
                } else if let source = header.sourceMapVersion, let destination = header.destinationMapVersion {
                    .versions(source: source, destination: destination)
                } else {
                    .none
                }
            let rebuilt = LISPDataHeader(
                instanceID: header.hasInstanceID ? header.instanceID : nil,
                locatorStatusBits: header.locatorStatusBits,
                nonceOrVersions: content,
                keyID: header.keyID
            )
            #expect(rebuilt == header)
        }
    }
}
