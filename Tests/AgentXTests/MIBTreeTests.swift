// Generated tables and scalars against a plain list of all their variables, while nothing changes and while rows come and go.

import TestRandomness
import Testing

@testable import AgentX

/// Some tables and scalars with random indices, and what they hold.
private final class World {
    static let root: OID = "1.3.6.1.4.1.8072.9999.1"

    struct Row {
        var number: Int32
        /// Columns that this row has no value in.
        var absent: Set<UInt32>
    }

    struct TableModel {
        let entry: OID
        let columns: [UInt32]
        let rows: SortedRows<OID, Row>
    }

    var tables: [TableModel] = []
    let tree: MIBTree
    /// Every variable there is.
    private(set) var names: Set<OID>

    init(_ random: inout SeededGenerator, tables count: Int, rows: ClosedRange<Int>) {
        var objects: [MIBObject] = []
        for number in 1...UInt32(count) {
            let entry = Self.root + [number, 1]
            let columns = Set((0..<random.number(1...5)).map { _ in random.number(1...9 as ClosedRange<UInt32>) })
                .sorted()
            let source = SortedRows<OID, Row>()
            tables.append(TableModel(entry: entry, columns: columns, rows: source))
            objects.append(
                Table("table\(number)", at: entry, rows: source) {
                    for column in columns {
                        Column(column, "column\(column)") { $0.absent.contains(column) ? nil : .integer($0.number) }
                    }
                }
            )
        }
        let scalars = (0..<random.number(0...4)).map { Self.root + [UInt32(count) + 1 + UInt32($0)] }
        names = Set(scalars.map { $0 + [0] })
        for scalar in scalars { objects.append(Scalar("scalar", at: scalar) { .gauge32(7) }) }
        objects.shuffle(using: &random)
        tree = MIBTree([MIBModule("TEST-MIB", at: Self.root) { objects }])
        for table in tables.indices {
            for _ in 0..<random.number(rows) { insert(table, &random) }
        }
    }

    static func index(_ random: inout SeededGenerator) -> OID {
        OID(
            (0..<random.number(1...4)).map { _ in random.flip() ? random.number(0...2) : random.number(0...UInt32.max) }
        )!
    }

    func insert(_ table: Int, _ random: inout SeededGenerator) {
        let index = Self.index(&random)
        let absent = Set(tables[table].columns.filter { _ in random.number(0...4) == 0 })
        set(table, index, Row(number: random.number(0...9), absent: absent))
    }

    func remove(_ table: Int, _ random: inout SeededGenerator) {
        guard let next = tables[table].rows.next(after: Self.index(&random)) ?? tables[table].rows.next(after: nil)
        else { return }
        set(table, next.index, nil)
    }

    func set(_ table: Int, _ index: OID, _ row: Row?) {
        tables[table].rows[index] = row
        for column in tables[table].columns {
            let name = tables[table].entry + [column] + index
            if let row, !row.absent.contains(column) { names.insert(name) } else { names.remove(name) }
        }
    }

    /// Somewhere near what there is: a variable, something in front of it or behind it, a part of it.
    static func place(_ all: [OID], _ random: inout SeededGenerator) -> OID {
        guard let name = all.randomElement(using: &random), random.number(0...9) > 0 else { return random.oid() }
        var all = name.subidentifiers
        switch random.number(0...4) {
        case 0: break
        case 1: all.removeLast(random.number(1...all.count))
        case 2: all.append(random.number(0...3))
        case 3: all[all.count - 1] &+= 1
        default: all[random.number(8...all.count - 1)] = random.number(0...9)
        }
        return OID(all)!
    }
}

@Suite struct MIBTreeTests {
    @Test func `reads a table column by column, in order`() {
        let root: OID = "1.3.6.1.4.1.8072.9999"
        let rows = SortedRows<UInt32, Int32>()
        for index in [7, 1, 300] as [UInt32] { rows[index] = Int32(index) * 10 }
        let module = MIBModule("TEST-MIB", at: root) {
            Table("entry", at: root + [1, 1], rows: rows) {
                Column(3, "value") { .integer($0) }
                Column(2, "even") { $0 % 20 == 0 ? .truth(true) : nil }
            }
            Scalar("limit", at: root + [2]) { .gauge32(5) }
        }
        let tree = MIBTree([module])
        #expect(tree.get(root + [1, 1, 3, 7]) == .integer(70))
        #expect(tree.get(root + [1, 1, 2, 7]) == .noSuchInstance)
        #expect(tree.get(root + [1, 1, 9, 7]) == .noSuchObject)
        #expect(tree.get(root + [2]) == .noSuchObject)
        #expect(tree.get(root + [2, 0]) == .gauge32(5))
        #expect(tree.get(root + [2, 1]) == .noSuchInstance)
        let expected: [OID] = [[1, 1, 2, 300], [1, 1, 3, 1], [1, 1, 3, 7], [1, 1, 3, 300], [2, 0]]
        #expect(walk(tree) == expected.map { root + $0 })
    }

    @Test(arguments: 0..<60)
    func `get and the next variable are what a list of all says, and a walk is strictly increasing and whole`(
        number: Int
    ) throws {
        var random = SeededGenerator("tree \(number)")
        let world = World(&random, tables: random.number(1...5), rows: 0...30)
        let all = world.names.sorted()
        #expect(walk(world.tree) == all)
        for _ in 0..<200 {
            let place = World.place(all, &random)
            if world.tree.get(place).isException == all.contains(place) { Issue.record("get of \(place)") }
            let end = random.flip() ? OID() : World.place(all, &random)
            let range = SearchRange(place, includesStart: random.flip(), end: end)
            let expected = all.first { $0 > place || (range.includesStart && $0 == place) }
            let isBeyond = expected.map { !end.isEmpty && $0 >= end } ?? true
            if world.tree.next(range)?.name != (isBeyond ? nil : expected) { Issue.record("next in \(range)") }
        }
        #expect(world.tree.disorder == 0)
    }

    @Test(arguments: 0..<40)
    func `rows that come and go during a walk never make it loop, nor miss a row that was there all the time`(
        number: Int
    ) {
        var random = SeededGenerator("changes \(number)")
        let world = World(&random, tables: 3, rows: 20...60)
        var untouched = world.names
        var seen: [OID] = []
        var position = OID()
        while let variable = world.tree.next(SearchRange(position)) {
            if variable.name <= position { Issue.record("\(variable.name) after \(position)") }
            position = variable.name
            seen.append(position)
            for _ in 0..<random.number(0...3) {
                // Now and then the very row that the walk stands on.
                let table = random.number(0...2)
                if random.number(0...3) == 0, let own = world.tables.firstIndex(where: { position.hasPrefix($0.entry) })
                {
                    let index = OID(position.subidentifiers.dropFirst(world.tables[own].entry.count + 1))!
                    world.set(own, index, nil)
                } else if random.flip() {
                    world.remove(table, &random)
                } else if world.tables[table].rows.count < 80 {
                    world.insert(table, &random)
                }
            }
            untouched.formIntersection(world.names)
            guard seen.count < 20_000 else {
                Issue.record("the walk does not end")
                return
            }
        }
        // What was there at the start and after each step was there all the time, unless it was replaced in between.
        #expect(untouched.isSubset(of: seen), "missed: \(untouched.subtracting(seen))")
    }

    @Test func `a source that goes back ends the walk of its columns, and is counted`() {
        let rows = IndexedRows<UInt32, Int32>(at: { _ in 1 }, next: { _ in (5, 1) })
        let module = MIBModule("TEST-MIB", at: [1, 3]) {
            Table("entry", at: [1, 3, 1], rows: rows) {
                Column(1, "a") { .integer($0) }
                Column(2, "b") { .integer($0) }
            }
        }
        let tree = MIBTree([module])
        #expect(walk(tree) == [[1, 3, 1, 1, 5], [1, 3, 1, 2, 5]])
        #expect(tree.disorder == 2)
    }

    @Test func `a row whose name would be too long is passed over`() {
        let rows = SortedRows<OID, Int32>()
        rows[OID(Array(repeating: 1, count: 124))!] = 1
        rows[OID(Array(repeating: 1, count: 125))!] = 2
        rows[[2]] = 3
        let module = MIBModule("TEST-MIB", at: [1, 3]) {
            Table("entry", at: [1, 3, 1], rows: rows) { Column(1, "a") { .integer($0) } }
        }
        #expect(walk(MIBTree([module])).map(\.count) == [128, 5])
    }

    @Test func `all columns of a row in one slice cost the source one question`() {
        var questions = 0
        let rows = IndexedRows<UInt32, UInt32>(
            at: { $0 },
            next: { start in
                questions += 1
                return switch start {
                case .first: (1, 1)
                case .atLeast(let index): (index, index)
                case .after(let index): index < 9 ? (index + 1, index + 1) : nil
                }
            }
        )
        let module = MIBModule("TEST-MIB", at: [1, 3]) {
            Table("entry", at: [1, 3, 1], rows: rows) {
                for number in 1...5 as ClosedRange<UInt32> { Column(number, "c") { .gauge32($0) } }
            }
        }
        let tree = MIBTree([module])
        for column in 1...5 as ClosedRange<UInt32> {
            var search = MIBTree.Search(SearchRange([1, 3, 1, column, 4]))
            guard case .found(let variable) = tree.step(&search) else {
                Issue.record("nothing found")
                continue
            }
            #expect(variable.name == [1, 3, 1, column, 5])
        }
        #expect(questions == 1)
    }

    @Test(arguments: [100, 10_000])
    func `a walk asks the source once for each variable, however long the table is`(count: UInt32) {
        var questions: UInt32 = 0
        let rows = IndexedRows<UInt32, UInt32>(
            at: { $0 },
            next: { start in
                questions += 1
                return switch start {
                case .first: (0, 0)
                case .atLeast(let index): (index, index)
                case .after(let index): index + 1 < count ? (index + 1, index + 1) : nil
                }
            }
        )
        let module = MIBModule("TEST-MIB", at: [1, 3]) {
            Table("entry", at: [1, 3, 1], rows: rows) {
                Column(1, "a") { .gauge32($0) }
                Column(2, "b") { .gauge32($0) }
            }
        }
        #expect(walk(MIBTree([module])).count == Int(2 * count))
        // And at the end of each column.
        #expect(questions == 2 * count + 2)
    }

    private func walk(_ tree: MIBTree) -> [OID] {
        var names: [OID] = []
        var position = OID()
        while let variable = tree.next(SearchRange(position)), names.count < 100_000 {
            position = variable.name
            names.append(position)
        }
        return names
    }
}
