import AgentX
import Testing

@Suite struct `MIB tree` {
    static let root: OID = "1.3.6.1.4.1.8072.9999"

    @Test func `reads a table column by column, in order`() {
        let rows = SortedRows<UInt32, Int32>()
        for index in [7, 1, 300] as [UInt32] { rows[index] = Int32(index) * 10 }
        let module = MIBModule("TEST-MIB", at: Self.root) {
            Table("entry", at: Self.root + [1, 1], rows: rows) {
                Column(3, "value") { .integer($0) }
                Column(2, "even") { $0 % 20 == 0 ? .truth(true) : nil }
            }
            Scalar("limit", at: Self.root + [2]) { .gauge32(5) }
        }
        let tree = MIBTree([module])
        #expect(tree.get(Self.root + [1, 1, 3, 7]) == .integer(70))
        #expect(tree.get(Self.root + [1, 1, 2, 7]) == .noSuchInstance)
        #expect(tree.get(Self.root + [1, 1, 9, 7]) == .noSuchObject)
        #expect(tree.get(Self.root + [2, 0]) == .gauge32(5))
        var names: [OID] = []
        var range = SearchRange(OID())
        while let variable = tree.next(range) {
            names.append(variable.name)
            range.start = variable.name
        }
        let expected: [OID] = [[1, 1, 2, 300], [1, 1, 3, 1], [1, 1, 3, 7], [1, 1, 3, 300], [2, 0]]
        #expect(names == expected.map { Self.root + $0 })
    }
}
