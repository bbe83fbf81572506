// Text of nonces, xTR-IDs and Site-IDs.

import LISPWire
import TestRandomness
import Testing

@Suite struct IdentifierTests {
    @Test func `a nonce is printed with all its digits`() {
        #expect(Nonce(rawValue: 0x1f).description == "0x000000000000001f")
        #expect(Nonce(rawValue: .max).description == "0xffffffffffffffff")
    }

    @Test func `an xTR-ID survives its text`() {
        var random = SeededGenerator("xTR-ID")
        for _ in 0..<100 {
            let id = XTRID(rawValue: random.number())
            #expect(id.description.count == 32)
            #expect(XTRID(id.description) == id)
            #expect(XTRID("0x" + id.description) == id)
        }
        #expect(XTRID("7")?.rawValue == 7)
    }

    @Test(arguments: ["", "0x", "g", "+1", "-1", "0x0x1", "123456789012345678901234567890123", " 1"])
    func `refuses what is no xTR-ID`(text: String) {
        #expect(XTRID(text) == nil)
    }

    @Test func `a Site-ID is printed as a number`() {
        #expect(SiteID(rawValue: .max).description == "18446744073709551615")
    }
}
