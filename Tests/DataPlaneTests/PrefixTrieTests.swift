// The trie against a list searched from end to end.

import LISPWire
import Synchronization
import Testing

@testable import DataPlane

/// A trie with arena and reclaimer of its own.
final class TrieFixture {
    let root = UnsafeMutablePointer<Atomic<UInt>>.allocate(capacity: 1)
    let arena = Arena()
    let reclaimer: Reclaimer
    let writer: TrieWriter
    let reader: TrieReader

    init(readers: Int = 1) {
        root.initialize(to: Atomic(0))
        reclaimer = Reclaimer(arena: arena, readers: readers)
        writer = TrieWriter(root: root, arena: arena, reclaimer: reclaimer)
        reader = TrieReader(root: root)
    }

    deinit { root.deallocate() }

    func lookUp(_ key: UInt128) -> UInt? {
        reader.longestMatch(TrieKey(key))?.pointee.target.load(ordering: .relaxed)
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
        var list: [Prefix: UInt] = [:]
        for step in 0..<6_000 {
            let prefix = randomPrefix(width: width, &random)
            if Int.random(in: 0..<3, using: &random) == 0, let victim = list.keys.randomElement(using: &random) {
                let removed = fixture.writer.remove(TrieKey(victim.key), length: victim.length)
                #expect(removed?.target == list.removeValue(forKey: victim))
            } else {
                let value = UInt(step + 1) << 3
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

    @Test func `every length of one address nests`() {
        let fixture = TrieFixture()
        let address = UInt128.max / 3
        for length in 0...128 {
            let prefix = Prefix(address, length)
            let words = TrieWriter.Words(target: UInt(length + 1) << 3, mapping: 0)
            fixture.writer.put(TrieKey(prefix.key), length: length, words)
            #expect(fixture.lookUp(address) == UInt(length + 1) << 3)
        }
        for length in (0...128).reversed() {
            fixture.writer.remove(TrieKey(Prefix(address, length).key), length: length)
            #expect(fixture.lookUp(address) == (length == 0 ? nil : UInt(length) << 3))
        }
    }

    @Test func `emptying hands over each entry and frees all`() {
        var random = SplitMix.printed("emptying")
        let fixture = TrieFixture()
        var expected: Set<UInt> = []
        for step in 0..<2_000 {
            let prefix = randomPrefix(width: 128, &random)
            let value = UInt(step + 1) << 3
            let old = fixture.writer.put(TrieKey(prefix.key), length: prefix.length, .init(target: value, mapping: 0))
            if let old { expected.remove(old.target) }
            expected.insert(value)
        }
        var seen: Set<UInt> = []
        fixture.writer.removeAll { seen.insert($0.target) }
        fixture.reclaimer.advance()
        #expect(seen == expected)
        #expect(fixture.arena.usedBytes == 0)
    }

    @Test func `random prefixes take less than 150 octets each`() {
        var random = SplitMix.printed("memory")
        let fixture = TrieFixture()
        for step in 0..<200_000 {
            let prefix = Prefix(UInt128(random.next()) << 64, 48)
            fixture.writer.put(TrieKey(prefix.key), length: 48, .init(target: UInt(step) << 3, mapping: 0))
            if step % 64 == 0 { fixture.reclaimer.advance() }
        }
        fixture.reclaimer.advance()
        #expect(fixture.arena.reservedBytes / fixture.writer.count < 150)
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
