// The index of slots by hash, against a list searched from end to end.

import Testing

@testable import LISPTables

@Suite struct `A hash index` {
    private struct Entry {
        let slot: Int32
        let hash: Int
    }

    /// With few hashes, many entries share one, and runs of buckets wrap around the end.
    @Test(arguments: [3, 50, 100_000])
    func `finds what a list finds, while entries come and go`(hashes: Int) {
        var generator = SeededGenerator.printed("HashIndex \(hashes)")
        let values = (0..<hashes).map { _ in Int(truncatingIfNeeded: generator.next()) }
        var index = HashIndex()
        var list: [Entry] = []
        var next: Int32 = 0
        for step in 0..<6_000 {
            let grows = step / 1_500 % 2 == 0
            if list.isEmpty || Int.random(in: 0..<10, using: &generator) < (grows ? 8 : 2) {
                let entry = Entry(slot: next, hash: values.randomElement(using: &generator)!)
                next += 1
                list.append(entry)
                index.insert(entry.slot, hash: entry.hash)
            } else {
                let gone = list.remove(at: Int.random(in: list.indices, using: &generator))
                index.remove(gone.slot, hash: gone.hash)
                #expect(index.slot(hash: gone.hash) { $0 == gone.slot } == nil)
            }
            #expect(index.count == list.count)
            if let entry = list.randomElement(using: &generator) {
                #expect(index.slot(hash: entry.hash) { $0 == entry.slot } == entry.slot)
            }
        }
        for entry in list { #expect(index.slot(hash: entry.hash) { $0 == entry.slot } == entry.slot) }
        for entry in list { index.remove(entry.slot, hash: entry.hash) }
        #expect(index.count == 0)
        #expect(values.prefix(50).allSatisfy { index.slot(hash: $0) { _ in true } == nil })
    }

    @Test func `a copy stays as it was`() {
        var index = HashIndex()
        index.insert(7, hash: 1)
        let copy = index
        index.remove(7, hash: 1)
        #expect(copy.slot(hash: 1) { _ in true } == 7)
        #expect(index.slot(hash: 1) { _ in true } == nil)
    }
}
