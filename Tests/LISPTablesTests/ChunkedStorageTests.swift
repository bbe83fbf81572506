// The storage of large tables against plain collections, and that it moves and copies no more than it says.

import LISPWire
import Testing

@testable import LISPTables

@Suite struct `A chunked array` {
    @Test func `equals an array while it grows and shrinks over the ends of chunks`() {
        var generator = SeededGenerator.printed("ChunkedArray")
        var chunked = ChunkedArray<Int>()
        var array: [Int] = []
        for step in 0..<20_000 {
            let grows = step / 2500 % 2 == 0
            if array.isEmpty || Int.random(in: 0..<10, using: &generator) < (grows ? 8 : 2) {
                chunked.append(step)
                array.append(step)
            } else {
                chunked.removeLast()
                array.removeLast()
            }
            #expect(chunked.count == array.count)
            guard let index = array.indices.randomElement(using: &generator) else { continue }
            #expect(chunked[index] == array[index])
            chunked[index] += 1
            array[index] += 1
        }
        #expect(array.indices.allSatisfy { chunked[$0] == array[$0] })
    }

    @Test func `leaves a copy alone when it changes`() {
        var chunked = ChunkedArray<Int>()
        for index in 0..<2000 { chunked.append(index) }
        let copy = chunked
        chunked[1999] = -1
        chunked.removeLast()
        chunked[0] = -1
        #expect(copy.count == 2000)
        #expect(copy[1999] == 1999)
        #expect(copy[0] == 0)
    }
}

@Suite struct `A sharded dictionary` {
    @Test func `equals a dictionary under random use`() {
        var generator = SeededGenerator.printed("ShardedDictionary")
        var sharded = ShardedDictionary<Int, Int>()
        var plain: [Int: Int] = [:]
        for step in 0..<20_000 {
            let key = Int.random(in: 0..<1000, using: &generator)
            let value = Bool.random(using: &generator) ? step : nil
            sharded[key] = value
            plain[key] = value
            #expect(sharded.count == plain.count)
            let other = Int.random(in: 0..<1000, using: &generator)
            #expect(sharded[other] == plain[other])
        }
    }
}

@Suite struct `Deadlines of slots` {
    @Test func `equal a sorted list under random use`() {
        var generator = SeededGenerator.printed("SlotDeadlines")
        var deadlines = SlotDeadlines()
        var model: [Int32: Int64] = [:]
        for _ in 0..<20_000 {
            let slot = Int32.random(in: 0..<700, using: &generator)
            switch Int.random(in: 0..<5, using: &generator) {
            case 0, 1, 2:
                let at = Int64.random(in: 0..<1000, using: &generator)
                deadlines.set(slot, at: Instant(nanoseconds: at))
                model[slot] = at
            case 3:
                deadlines.remove(slot)
                model[slot] = nil
            default:
                if let (slot, _) = deadlines.earliest {
                    deadlines.remove(slot)
                    model[slot] = nil
                }
            }
            #expect(deadlines.count == model.count)
            #expect(deadlines.earliest?.deadline.nanoseconds == model.values.min())
            if let (slot, deadline) = deadlines.earliest { #expect(model[slot] == deadline.nanoseconds) }
        }
        // In order to the end.
        var last = Int64.min
        while let (slot, deadline) = deadlines.earliest {
            #expect(deadline.nanoseconds >= last)
            last = deadline.nanoseconds
            deadlines.remove(slot)
            model[slot] = nil
        }
        #expect(model.isEmpty)
    }
}

@Suite struct `A change in place` {
    private func address(_ value: [Int]?) -> UnsafeRawPointer? {
        value?.withUnsafeBytes { $0.baseAddress }
    }

    @Test func `copies no value, however many entries there are`() throws {
        var table = PrefixTable<[Int]>()
        for number in 0..<3000 as Range<UInt32> {
            let address = IPAddress.v4(IPv4Address(number << 8))
            table[EIDPrefix(IPPrefix(host: address))] = Array(repeating: 7, count: 100)
        }
        let key = try #require(table.first(after: nil)?.key)
        let before = address(table[key])
        for step in 0..<100 { table[key]?[step] = step }
        #expect(address(table[key]) == before)
        #expect(table[key] == Array(0..<100))
    }

    @Test func `does not reach a copy of the table`() throws {
        var table = PrefixTable<[Int]>()
        for number in 0..<3000 as Range<UInt32> {
            table[EIDPrefix(IPPrefix(host: .v4(IPv4Address(number << 8))))] = [Int(number)]
        }
        let copy = table
        let walk = table.makeIterator()
        for (key, _) in copy { table[key]?.append(-1) }
        for (key, _) in copy where key.prefix.address.leftAligned & 1 << 104 == 0 { table[key] = nil }
        #expect(table.count == 1500)
        #expect(copy.count == 3000)
        #expect(copy.map(\.value) == (0..<3000).map { [$0] })
        var seen = 0
        var rest = walk
        while let (_, value) = rest.next() {
            #expect(value == [seen])
            seen += 1
        }
        #expect(seen == 3000)
        #expect(table.first(after: nil)?.value == [1, -1])
    }
}
