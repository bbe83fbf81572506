// What the trie of the forwarding table consists of, as it lies in memory. Reading is a hot path, run once per packet, so: no
// allocation, no existential, no lock, no log line, no `throws`.
//
// A bucket holds up to 32 prefixes that agree in their first `base` bits. It is searched from end to end, longest prefix
// first, and holds of each what comes behind those bits, so that it fills few cache lines.
//
// When a bucket is full, a node takes its place. It stands at a depth that is a multiple of four bits and has a way on for each
// value of the next four; shorter prefixes are in a trie of their own beside the ways. Depths at which nothing branches are
// skipped, so a node states its whole key. Where most ways of a node lead to nodes, it is made anew with a way on for each
// value of the next eight bits, if it stands at a multiple of eight.
//
// What a word says of the block it refers to spares looking at the block: of a node without skipped bits, only the way on is
// read. Blocks do not change once they are published, but for the words of values and ways on, which are atomic.

import CLinux
import Synchronization

/// What an entry says: an `EntryTarget`, and the place of a `MappingObject` or 0.
struct EntryWords: Equatable {
    var target: UInt32
    var mapping: UInt32
}

/// The place of an entry's words, replaced as one.
struct EntryValue: ~Copyable {
    private let word: Atomic<UInt64>

    init(_ words: EntryWords) { word = Atomic(Self.raw(words)) }

    @inline(__always)
    private static func raw(_ words: EntryWords) -> UInt64 { UInt64(words.mapping) &<< 32 | UInt64(words.target) }

    @inline(__always)
    var words: EntryWords {
        let raw = word.load(ordering: .acquiring)
        return EntryWords(
            target: UInt32(truncatingIfNeeded: raw),
            mapping: UInt32(truncatingIfNeeded: raw &>> 32)
        )
    }

    func store(_ words: EntryWords) { word.store(Self.raw(words), ordering: .releasing) }
}

/// Refers to a block: 0 to none, else its place, and in the low three bits its kind. Of a bucket they also tell how much of it is
/// worth fetching ahead; of a node, whether it is wide and whether bits are skipped before it.
enum TrieWord {
    private static let bucketBit: UInt32 = 1
    private static let wideBit: UInt32 = 2
    private static let skipBit: UInt32 = 4

    static func bucket(_ place: UInt32, size: Int) -> UInt32 {
        place << 3 | UInt32(min(3, (size - 1) / 64)) << 1 | bucketBit
    }

    /// - Parameter base: bits that are known to agree where the word stands.
    static func node(_ place: UInt32, _ node: TrieNode, base: Int) -> UInt32 {
        place << 3 | (node.stride == TrieNode.wide ? wideBit : 0) | (node.depth > base ? skipBit : 0)
    }

    @inline(__always)
    static func isBucket(_ word: UInt32) -> Bool { word & bucketBit != 0 }
    @inline(__always)
    static func stride(_ word: UInt32) -> Int { word & wideBit != 0 ? TrieNode.wide : TrieNode.narrow }
    @inline(__always)
    static func skips(_ word: UInt32) -> Bool { word & skipBit != 0 }

    static func place(_ word: UInt32) -> UInt32 { word >> 3 }
    @inline(__always)
    static func block(_ word: UInt32, _ base: ArenaBase) -> UnsafeMutableRawPointer { base[word &>> 3] }

    /// Asks for what a search for `key` reads of the block, all at once, so that it waits for memory once.
    @inline(__always)
    static func prefetch(_ word: UInt32, _ base: ArenaBase, _ key: TrieKey, depth: Int) {
        let block = block(word, base)
        if !isBucket(word) {
            if skips(word) { return clinux_prefetch(block) }
            let number = TrieNode.number(key, depth: depth, stride: stride(word))
            return clinux_prefetch(TrieNode(block: block).way(number))
        }
        let lines = word &>> 1 & 3
        clinux_prefetch(block)
        // Blocks begin at any multiple of 16, so the last octets may lie one line further.
        if lines == 0 { return clinux_prefetch(block + 48) }
        clinux_prefetch(block + 64)
        if lines == 1 { return clinux_prefetch(block + 112) }
        clinux_prefetch(block + 128)
        clinux_prefetch(block + 192)
        if lines == 2 { return }
        clinux_prefetch(block + 256)
        clinux_prefetch(block + 320)
    }
}

/// A prefix and its value, as far as they lie behind the bits that a bucket's prefixes agree in.
struct TrieEntry {
    var key: TrieKey
    var length: Int
    var words: EntryWords

    /// The same behind `count` bits more, which is not above `length`.
    func dropping(_ count: Int) -> TrieEntry {
        TrieEntry(key: key.dropping(count), length: length - count, words: words)
    }
}

/// Reads a bucket:
///
///     base (1) | count (1) | tails, and 128 if keys are long (1) | place of values / 8 (1) | lengths (count) | keys | tails | values
///
/// Lengths are counted from `base`, keys begin there. Keys have 4 octets if that is enough for all prefixes of the bucket (so
/// for IPv4), else 8; the prefixes that need more, which come first, have 8 more in the tails. A value has 8.
struct TrieBucket {
    static let capacity = 32
    private static let lengths = 4

    // Safe: made by `TrieWriter`, which fills it as described.
    let block: UnsafeMutableRawPointer

    /// The first four octets, and what follows from them.
    private struct Header {
        let word: UInt32

        init(word: UInt32) { self.word = word }

        init(base: Int, count: Int, hasLongKeys: Bool, tailCount: Int) {
            let keys = Self.keys(count, hasLongKeys) + count * (hasLongKeys ? 8 : 4)
            let values = (keys + 7) / 8 + tailCount
            word =
                UInt32(base) | UInt32(count) << 8 | UInt32(tailCount) << 16 | (hasLongKeys ? 1 << 23 : 0)
                | UInt32(values) << 24
        }

        @inline(__always)
        static func keys(_ count: Int, _ areLong: Bool) -> Int {
            areLong ? (TrieBucket.lengths &+ count &+ 7) & ~7 : (TrieBucket.lengths &+ count &+ 3) & ~3
        }

        @inline(__always)
        var base: UInt64 { UInt64(word & 0xff) }
        @inline(__always)
        var count: Int { Int(word &>> 8 & 0xff) }
        @inline(__always)
        var hasLongKeys: Bool { word & 1 << 23 != 0 }
        @inline(__always)
        var tailCount: Int { Int(word &>> 16 & 0x7f) }
        /// Where keys, tails and values begin.
        @inline(__always)
        var keys: Int { Self.keys(count, hasLongKeys) }
        @inline(__always)
        var tails: Int { values &- tailCount &* 8 }
        @inline(__always)
        var values: Int { Int(word &>> 24) &* 8 }
        var size: Int { values + count * 8 }
    }

    @inline(__always)
    private var header: Header { Header(word: block.load(as: UInt32.self)) }

    @inline(__always)
    private func value(_ index: Int, _ header: Header) -> UnsafeMutablePointer<EntryValue> {
        (block + (header.values &+ index &* 8)).assumingMemoryBound(to: EntryValue.self)
    }

    /// The value of the longest prefix that covers `key`.
    @inline(__always)
    func longestMatch(_ key: TrieKey) -> UnsafeMutablePointer<EntryValue>? {
        let header = header
        let count = header.count
        let window = key.window(header.base)
        let lengths = (block + Self.lengths).assumingMemoryBound(to: UInt8.self)
        if !header.hasLongKeys {
            let keys = (block + header.keys).assumingMemoryBound(to: UInt32.self)
            let first = UInt32(truncatingIfNeeded: window &>> 32)
            for index in 0..<count {
                // Safe: lengths are 0...32 here, so the shift is too.
                if UInt64(first ^ keys[index]) &>> (32 &- UInt64(lengths[index])) == 0 { return value(index, header) }
            }
            return nil
        }
        let keys = (block + header.keys).assumingMemoryBound(to: UInt64.self)
        for index in 0..<count {
            let difference = window ^ keys[index]
            let length = UInt64(lengths[index])
            if length <= 64 {
                if difference >> (64 &- length) == 0 { return value(index, header) }
            } else if difference == 0 {
                let tail = (block + header.tails).load(fromByteOffset: index &* 8, as: UInt64.self)
                // Safe: lengths are 65...128 here, and so `base` is below 64.
                if ((key.low &<< header.base) ^ tail) &>> (128 &- length) == 0 { return value(index, header) }
            }
        }
        return nil
    }

    // MARK: The writer's side

    private static func header(_ entries: UnsafeBufferPointer<TrieEntry>, base: Int) -> Header {
        Header(
            base: base,
            count: entries.count,
            hasLongKeys: entries[0].length > 32,
            tailCount: entries.firstIndex { $0.length <= 64 } ?? entries.count
        )
    }

    /// How large a bucket of these entries is.
    static func size(_ entries: UnsafeBufferPointer<TrieEntry>) -> Int { header(entries, base: 0).size }

    /// Fills a block of that size.
    ///
    /// - Parameter entries: 1 to 32, longest first.
    static func fill(_ block: UnsafeMutableRawPointer, base: Int, _ entries: UnsafeBufferPointer<TrieEntry>) {
        let header = header(entries, base: base)
        block.storeBytes(of: header.word, as: UInt32.self)
        for index in entries.indices {
            let entry = entries[index]
            block.storeBytes(of: UInt8(entry.length), toByteOffset: lengths + index, as: UInt8.self)
            if header.hasLongKeys {
                block.storeBytes(of: entry.key.high, toByteOffset: header.keys + index * 8, as: UInt64.self)
            } else {
                let key = UInt32(truncatingIfNeeded: entry.key.high >> 32)
                block.storeBytes(of: key, toByteOffset: header.keys + index * 4, as: UInt32.self)
            }
            if index < header.tailCount {
                block.storeBytes(of: entry.key.low, toByteOffset: header.tails + index * 8, as: UInt64.self)
            }
            let value = (block + header.values + index * 8).bindMemory(to: EntryValue.self, capacity: 1)
            value.initialize(to: EntryValue(entry.words))
        }
    }

    var base: Int { Int(header.base) }
    var count: Int { header.count }
    var size: Int { header.size }

    private func length(_ index: Int) -> Int {
        Int(block.load(fromByteOffset: Self.lengths + index, as: UInt8.self))
    }

    func entry(_ index: Int) -> TrieEntry {
        let header = header
        var key = TrieKey(high: 0, low: 0)
        if header.hasLongKeys {
            key.high = block.load(fromByteOffset: header.keys + index * 8, as: UInt64.self)
        } else {
            key.high = UInt64(block.load(fromByteOffset: header.keys + index * 4, as: UInt32.self)) << 32
        }
        if index < header.tailCount {
            key.low = block.load(fromByteOffset: header.tails + index * 8, as: UInt64.self)
        }
        return TrieEntry(key: key, length: length(index), words: value(index, header).pointee.words)
    }

    /// Where exactly this prefix stands, both counted from `base`.
    func index(of key: TrieKey, length: Int) -> Int? {
        (0..<count).first { self.length($0) == length && entry($0).key == key }
    }

    /// Where a prefix of this length is put. Lengths are counted from `base`.
    func firstIndex(notLongerThan length: Int) -> Int {
        (0..<count).first { self.length($0) <= length } ?? count
    }

    func value(_ index: Int) -> UnsafeMutablePointer<EntryValue> { value(index, header) }
}

/// Reads a node:
///
///     key (16) | depth (1) | stride (1) | - (2) | short prefixes (4) | ways on that are taken (4) | - (4) | ways on (4 each)
///
/// The short prefixes are those that end before the ways on begin: a trie of its own, of what the node's prefixes have behind
/// `depth`. It has no more than 255 of them.
struct TrieNode {
    // Safe: made by `TrieWriter`, which fills it as described.
    let block: UnsafeMutableRawPointer

    static let narrow = 4
    static let wide = 8
    private static let waysOffset = 32

    static func size(_ stride: Int) -> Int { waysOffset + 4 << stride }

    @inline(__always)
    var key: TrieKey {
        TrieKey(high: block.load(as: UInt64.self), low: block.load(fromByteOffset: 8, as: UInt64.self))
    }
    @inline(__always)
    var depth: Int { Int(block.load(fromByteOffset: 16, as: UInt8.self)) }
    var stride: Int { Int(block.load(fromByteOffset: 17, as: UInt8.self)) }
    /// Bits that what lies behind each way on agrees in.
    var end: Int { depth + stride }
    var size: Int { Self.size(stride) }

    @inline(__always)
    private func atomic(_ offset: Int) -> UnsafeMutablePointer<Atomic<UInt32>> {
        (block + offset).assumingMemoryBound(to: Atomic<UInt32>.self)
    }

    @inline(__always)
    var short: UnsafeMutablePointer<Atomic<UInt32>> { atomic(20) }
    /// For the writer alone.
    var taken: UnsafeMutablePointer<Atomic<UInt32>> { atomic(24) }
    @inline(__always)
    func way(_ number: Int) -> UnsafeMutablePointer<Atomic<UInt32>> { atomic(Self.waysOffset &+ number &* 4) }

    /// The way that `key` takes.
    @inline(__always)
    static func number(_ key: TrieKey, depth: Int, stride: Int) -> Int {
        // Safe: depth is below 128, stride 4 or 8.
        Int(truncatingIfNeeded: key.window(UInt64(depth)) &>> (64 &- UInt64(stride)))
    }

    /// Words of all ways on.
    var words: [UInt32] { (0..<1 << stride).map { way($0).pointee.load(ordering: .relaxed) } }

    /// Fills a block of the size that `size` tells.
    ///
    /// - Parameter words: one for each way on.
    static func fill(_ block: UnsafeMutableRawPointer, _ key: TrieKey, depth: Int, short: UInt32, _ words: [UInt32]) {
        let key = key.prefix(depth)
        block.storeBytes(of: key.high, as: UInt64.self)
        block.storeBytes(of: key.low, toByteOffset: 8, as: UInt64.self)
        block.storeBytes(of: UInt8(depth), toByteOffset: 16, as: UInt8.self)
        block.storeBytes(of: UInt8(words.count.trailingZeroBitCount), toByteOffset: 17, as: UInt8.self)
        let room = (block + 20).bindMemory(to: Atomic<UInt32>.self, capacity: 3 + words.count)
        room.initialize(to: Atomic(short))
        (room + 1).initialize(to: Atomic(UInt32(words.count { $0 != 0 })))
        (room + 2).initialize(to: Atomic(0))
        for (index, word) in words.enumerated() { (room + 3 + index).initialize(to: Atomic(word)) }
    }
}
