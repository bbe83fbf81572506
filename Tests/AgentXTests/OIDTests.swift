import AgentX
import Testing

@Suite struct OIDTests {
    @Test func `text and numbers mean the same`() {
        #expect(OID("1.3.6.1.2.1") == [1, 3, 6, 1, 2, 1])
        #expect(OID(".1.3.6") == [1, 3, 6])
        #expect(OID("") == OID())
        #expect(OID("4294967295") == [4_294_967_295])
        #expect("\([1, 3, 0] as OID)" == "1.3.0")
    }

    @Test(arguments: ["1..3", "1.3.", "1.-3", "1.+3", "a", "4294967296", "1 3", "..1", "."])
    func `what is no OID is refused`(text: String) {
        #expect(OID(text) == nil)
    }

    @Test func `128 sub-identifiers fit, 129 do not`() {
        #expect(OID(Array(repeating: 1, count: 128))?.count == 128)
        #expect(OID(Array(repeating: 1, count: 129)) == nil)
        #expect(OID(Array(repeating: "1", count: 129).joined(separator: ".")) == nil)
    }

    @Test func `a prefix comes before what begins with it, then numbers decide`() {
        let ordered: [OID] = [[], [1], [1, 3], [1, 3, 6], [1, 3, 10], [1, 4], [2]]
        #expect(ordered.shuffled().sorted() == ordered)
        #expect(([1, 3, 6] as OID).hasPrefix([1, 3]))
        #expect(!([1, 3, 6] as OID).hasPrefix([1, 3, 6, 1]))
    }
}
