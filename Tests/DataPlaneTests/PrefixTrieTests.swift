// The trie against a list searched from end to end.

import LISPWire
import Synchronization
import Testing

@testable import DataPlane

/// A trie with arena and reclaimer of its own.
final class TrieFixture {
    let root = UnsafeMutablePointer<Atomic<UInt32>>.allocate(capacity: 1)
    let arena = Arena()
    let reclaimer: Reclaimer
    let writer: TrieWriter
    let reader: TrieReader

    init(readers: Int = 1) {
        root.initialize(to: Atomic(0))
        reclaimer = Reclaimer(arena: arena, readers: readers)
        writer = TrieWriter(root: root, arena: arena, reclaimer: reclaimer)
        reader = TrieReader(root: root, base: arena.base)
    }

    deinit { root.deallocate() }

    /// The stride of the widest node; 0 if there is none.
    var widestNode: Int {
        var widest = 0
        var stack = [root.pointee.load(ordering: .relaxed)]
        while let word = stack.popLast() {
            if word == 0 || TrieWord.isBucket(word) { continue }
            let node = TrieNode(block: TrieWord.block(word, arena.base))
            #expect(node.taken.pointee.load(ordering: .relaxed) == node.words.count { $0 != 0 })
            widest = max(widest, node.stride)
            stack += node.words + [node.short.pointee.load(ordering: .relaxed)]
        }
        return widest
    }

    func lookUp(_ key: UInt128) -> UInt32? {
        reader.longestMatch(TrieKey(key))?.pointee.words.target
    }
}

@Suite struct PrefixTrieTests {
    struct Prefix: Hashable {
        var key: UInt128
        var length: Int

        init(_ value: UInt128, _ length: Int) {
            self.length = length
            key = length == 0 ? 0 : value & UInt128.max << UInt128(128 - length)
        }

        func covers(_ other: UInt128) -> Bool { Prefix(other, length).key == key }
    }

    /// Prefixes that often cover each other, or differ late.
    func randomPrefix(width: Int, _ random: inout SplitMix) -> Prefix {
        var value = UInt128(UInt64.random(in: 0...3, using: &random)) << 122
        if Bool.random(using: &random) { value |= UInt128(UInt64.random(in: 0...0xff, using: &random)) << 100 }
        if Bool.random(using: &random) { value |= UInt128(random.next()) << 64 }
        if width == 128, Bool.random(using: &random) { value |= UInt128(random.next() & 0xf) }
        return Prefix(value, Int.random(in: 0...width, using: &random))
    }

    @Test(arguments: [32, 128]) func `finds what a list finds`(width: Int) {
        var random = SplitMix.printed("trie \(width)")
        let fixture = TrieFixture()
        var list: [Prefix: UInt32] = [:]
        for step in 0..<6_000 {
            let prefix = randomPrefix(width: width, &random)
            if Int.random(in: 0..<3, using: &random) == 0, let victim = list.keys.randomElement(using: &random) {
                let removed = fixture.writer.remove(TrieKey(victim.key), length: victim.length)
                #expect(removed?.target == list.removeValue(forKey: victim))
            } else {
                let value = UInt32(step + 1) << 3
                let old = fixture.writer.put(
                    TrieKey(prefix.key),
                    length: prefix.length,
                    TrieWriter.Words(target: value, mapping: 8)
                )
                #expect(old?.target == list.updateValue(value, forKey: prefix))
            }
            fixture.reclaimer.advance()
            guard step % 5 == 0 else { continue }
            for _ in 0..<3 {
                let probe = randomPrefix(width: width, &random).key
                let best = list.filter { $0.key.covers(probe) }.max { $0.key.length < $1.key.length }
                #expect(fixture.lookUp(probe) == best?.value)
            }
            let exact = randomPrefix(width: width, &random)
            #expect(fixture.writer.find(TrieKey(exact.key), length: exact.length)?.target == list[exact])
        }
        #expect(fixture.writer.count == list.count)
        for (prefix, value) in list {
            #expect(fixture.writer.find(TrieKey(prefix.key), length: prefix.length)?.target == value)
        }
        for prefix in list.keys { fixture.writer.remove(TrieKey(prefix.key), length: prefix.length) }
        fixture.reclaimer.advance()
        #expect(fixture.writer.count == 0)
        #expect(fixture.reader.isEmpty)
        #expect(fixture.arena.usedBytes == 0)
    }

    /// A list that is quick to search: values by prefix, one dictionary for each length.
    struct List {
        var byLength = [[UInt128: UInt32]](repeating: [:], count: 129)

        func longestMatch(_ key: UInt128) -> UInt32? {
            for length in (0...128).reversed() {
                if let value = byLength[length][Prefix(key, length).key] { return value }
            }
            return nil
        }
    }

    /// Prefixes of all lengths in a small space, so that buckets fill, nodes become wide and short prefixes many; the space
    /// begins `start` bits into the key.
    func densePrefix(start: Int, _ random: inout SplitMix) -> Prefix {
        let value = UInt128(random.next() >> 50) << UInt128(114 - start)
        return Prefix(value, min(128, start + Int.random(in: 0...14, using: &random)))
    }

    /// - Parameter width: of the widest node there.
    @Test(arguments: zip([0, 3, 8, 13, 60, 100, 114], [8, 4, 8, 8, 4, 4, 4]))
    func `finds what a list finds where prefixes are dense`(start: Int, width: Int) {
        var random = SplitMix.printed("dense \(start)")
        let fixture = TrieFixture()
        var list = List()
        var present: Set<Prefix> = []
        var widest = 0
        for step in 0..<30_000 {
            // Fills up, then empties.
            let isPut = Int.random(in: 0..<10, using: &random) < (step < 18_000 ? 9 : 2)
            let prefix = densePrefix(start: start, &random)
            if isPut {
                let value = UInt32(step + 1) << 3
                let words = EntryWords(target: value, mapping: 1)
                let old = fixture.writer.put(TrieKey(prefix.key), length: prefix.length, words)
                #expect(old?.target == list.byLength[prefix.length].updateValue(value, forKey: prefix.key))
                present.insert(prefix)
            } else if let victim = Bool.random(using: &random) ? prefix : present.randomElement(using: &random) {
                let removed = fixture.writer.remove(TrieKey(victim.key), length: victim.length)
                #expect(removed?.target == list.byLength[victim.length].removeValue(forKey: victim.key))
                present.remove(victim)
            }
            fixture.reclaimer.advance()
            if step % 1_000 == 0 { widest = max(widest, fixture.widestNode) }
            guard step % 20 == 0 else { continue }
            let probe = densePrefix(start: start, &random).key | UInt128(random.next())
            #expect(fixture.lookUp(probe) == list.longestMatch(probe))
        }
        #expect(fixture.writer.count == present.count)
        #expect(widest == width)
        for prefix in present {
            #expect(
                fixture.writer.remove(TrieKey(prefix.key), length: prefix.length)?.target
                    == list.byLength[prefix.length][prefix.key]
            )
        }
        fixture.reclaimer.advance()
        #expect(fixture.writer.count == 0)
        #expect(fixture.reader.isEmpty)
        #expect(fixture.arena.usedBytes == 0)
    }

    @Test func `a batch finds what single lookups find`() {
        var random = SplitMix.printed("batch")
        let (first, second) = (TrieFixture(), TrieFixture())
        for step in 0..<4_000 {
            let prefix = step % 2 == 0 ? densePrefix(start: 8, &random) : randomPrefix(width: 128, &random)
            let words = EntryWords(target: UInt32(step + 1) << 3, mapping: 0)
            first.writer.put(TrieKey(prefix.key), length: prefix.length, words)
        }
        let searches = UnsafeMutablePointer<TrieSearch>.allocate(capacity: 64)
        defer { searches.deallocate() }
        for count in 0...64 {
            for index in 0..<count {
                let dense = densePrefix(start: 8, &random).key | UInt128(random.next() & 0xff)
                let key = TrieKey(index % 3 == 0 ? dense : randomPrefix(width: 128, &random).key)
                // Every seventh in an empty trie.
                let reader = index % 7 == 6 ? second.reader : first.reader
                (searches + index).initialize(to: reader.search(for: key))
            }
            TrieSearch.finish(searches, count, first.arena.base)
            for index in 0..<count {
                let expected = index % 7 == 6 ? nil : first.reader.longestMatch(searches[index].key)
                #expect(searches[index].value == expected)
            }
        }
    }

    @Test func `every length of one address nests`() {
        let fixture = TrieFixture()
        let address = UInt128.max / 3
        for length in 0...128 {
            let prefix = Prefix(address, length)
            let words = TrieWriter.Words(target: UInt32(length + 1) << 3, mapping: 0)
            fixture.writer.put(TrieKey(prefix.key), length: length, words)
            #expect(fixture.lookUp(address) == UInt32(length + 1) << 3)
        }
        for length in (0...128).reversed() {
            fixture.writer.remove(TrieKey(Prefix(address, length).key), length: length)
            #expect(fixture.lookUp(address) == (length == 0 ? nil : UInt32(length) << 3))
        }
    }

    @Test func `emptying hands over each entry and frees all`() {
        var random = SplitMix.printed("emptying")
        let fixture = TrieFixture()
        var expected: Set<UInt32> = []
        for step in 0..<2_000 {
            let prefix = randomPrefix(width: 128, &random)
            let value = UInt32(step + 1) << 3
            let old = fixture.writer.put(TrieKey(prefix.key), length: prefix.length, .init(target: value, mapping: 0))
            if let old { expected.remove(old.target) }
            expected.insert(value)
        }
        var seen: Set<UInt32> = []
        fixture.writer.removeAll { seen.insert($0.target) }
        fixture.reclaimer.advance()
        #expect(seen == expected)
        #expect(fixture.arena.usedBytes == 0)
    }

    @Test(arguments: [32, 128]) func `random prefixes take less than 150 octets each`(width: Int) {
        var random = SplitMix.printed("memory")
        let fixture = TrieFixture()
        for step in 0..<200_000 {
            let prefix = Prefix(UInt128(random.next()) << 64 | UInt128(random.next()), width)
            fixture.writer.put(TrieKey(prefix.key), length: width, .init(target: UInt32(step) << 3, mapping: 0))
            if step % 64 == 0 { fixture.reclaimer.advance() }
        }
        fixture.reclaimer.advance()
        #expect(fixture.arena.reservedBytes / fixture.writer.count < 150)
    }
}

@Suite struct TrieKeyTests {
    @Test func `parts of keys are what shifts of 128 bits make`() {
        var random = SplitMix.printed("keys")
        for count in 0...128 {
            let (one, other) = (UInt128(random.next()) << 64 | UInt128(random.next()), UInt128(random.next()) << 64 | 7)
            let mask = count == 0 ? 0 : UInt128.max << UInt128(128 - count)
            #expect(TrieKey(one).dropping(count).value == (count == 128 ? 0 : one << UInt128(count)))
            #expect(TrieKey(one).prefix(count).value == one & mask)
            let rest = count == 128 ? 0 : other >> UInt128(count)
            #expect(TrieKey(one).prefix(count, followedBy: TrieKey(other)).value == one & mask | rest)
            guard count < 128 else { continue }
            #expect(TrieKey(one).window(UInt64(count)) == UInt64(truncatingIfNeeded: (one << UInt128(count)) >> 64))
        }
    }
}

@Suite struct ArenaTests {
    @Test func `classes hold what is asked for and waste less than a fifth`() {
        for size in 1...8_192 {
            let (index, blockSize) = Arena.sizeClass(size)
            #expect(blockSize >= size)
            #expect(index >= 0 && index < 32)
            #expect(size <= 128 ? blockSize - size < 16 : Double(blockSize) < Double(size) * 1.25 + 1)
            #expect(Arena.sizeClass(blockSize) == (index, blockSize))
        }
    }

    @Test func `freed blocks are used again`() {
        let arena = Arena()
        let first = arena.allocate(100)
        arena.free(first, 100)
        #expect(arena.allocate(112) == first)
        #expect(arena.usedBytes == 112)
        let other = arena.allocate(64)
        #expect(UInt(bitPattern: other) % 64 == 0)
    }
}
