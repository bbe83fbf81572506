// Longest match for workers: a tree bitmap with path compression. The lookup is a hot path, run once per packet, so: no
// allocation, no existential, no lock, no log line, no `throws`. Changes are made by the control loop alone.
//
// A node stands at a depth that is a multiple of six bits and decides over the next six: `internal` has a bit for each
// of the 63 prefixes that end there, `external` one for each of the 64 ways on. Present ones are packed: the rank of a
// bit is the index into `values` and `children`. A way on leads to a deeper node (depths between are skipped, so a node
// states its whole key) or to a leaf, a single prefix with nothing below. A node has at least two things in it, so there
// are fewer nodes than prefixes. Both families use keys of 128 bits, IPv4 in the top 32.
//
// A change replaces one node and at most one array of 64 words, publishes the new node by one store into its parent's
// child array, and retires the old. New values of an existing prefix are stored in place.

import Synchronization

/// An address or prefix, left-aligned in 128 bits.
struct TrieKey: Equatable {
    var high: UInt64
    var low: UInt64

    @inline(__always)
    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    init(_ value: UInt128) {
        high = UInt64(truncatingIfNeeded: value >> 64)
        low = UInt64(truncatingIfNeeded: value)
    }

    var value: UInt128 { UInt128(high) << 64 | UInt128(low) }

    /// Bits that both have in common from the top: 0 to 128.
    @inline(__always)
    func commonLength(_ other: TrieKey) -> Int {
        let difference = high ^ other.high
        return difference != 0 ? difference.leadingZeroBitCount : 64 &+ (low ^ other.low).leadingZeroBitCount
    }

    /// Six bits from bit `depth` on, zeros beyond the end.
    ///
    /// - Precondition: `depth` is below 128.
    @inline(__always)
    func chunk(_ depth: UInt64) -> UInt64 {
        if depth < 64 {
            // Safe: shift counts are 0...63; the low word is shifted by 64 - depth in two steps, since depth may be 0.
            return ((high &<< depth) | ((low &>> 1) &>> (63 &- depth))) &>> 58
        }
        return (low &<< (depth &- 64)) &>> 58
    }
}

/// What an entry says, two words that are each replaced atomically.
struct EntryValue: ~Copyable {
    /// An `EntryTarget`.
    let target: Atomic<UInt>
    /// Address of a `MappingObject`, or 0.
    let mapping: Atomic<UInt>
}

/// A prefix with nothing below it.
struct TrieLeaf: ~Copyable {
    let key: TrieKey
    let value: EntryValue
    let length: Int
}

/// See the top of this file.
struct TrieNode: ~Copyable {
    let internalBits: UInt64
    let externalBits: UInt64
    let key: TrieKey
    let children: UnsafeMutablePointer<Atomic<UInt>>?
    let values: UnsafeMutablePointer<EntryValue>?
    let depth: UInt64

    var childCount: Int { externalBits.nonzeroBitCount }
    var valueCount: Int { internalBits.nonzeroBitCount }

    static let stride = 6

    /// The internal bits of all prefixes that cover `chunk`; the highest is the longest.
    @inline(__always)
    static func covering(_ chunk: UInt64) -> UInt64 {
        // Safe: chunk is below 64, so every shift is below 64. Lengths 0 to 5 begin at bits 0, 1, 3, 7, 15, 31.
        1 | 2 &<< (chunk &>> 5) | 8 &<< (chunk &>> 4) | 0x80 &<< (chunk &>> 3)
            | 0x8000 &<< (chunk &>> 2) | 0x8000_0000 &<< (chunk &>> 1)
    }

    /// The internal bit of the prefix that ends `bits` (0 to 5) bits into the node.
    static func position(chunk: UInt64, bits: Int) -> UInt64 {
        (1 << UInt64(bits)) - 1 + chunk >> UInt64(stride - bits)
    }

    /// How many bits below `position` are set.
    @inline(__always)
    static func rank(_ bits: UInt64, _ position: UInt64) -> Int {
        (bits & ((1 &<< position) &- 1)).nonzeroBitCount
    }
}

/// What a child word refers to: 0 nothing, odd a leaf, else a node.
private enum TrieReference {
    @inline(__always)
    static func isLeaf(_ word: UInt) -> Bool { word & 1 != 0 }

    // Safe: words come from `word(of:)` alone and are followed only between quiet points.
    @inline(__always)
    static func leaf(_ word: UInt) -> UnsafeMutablePointer<TrieLeaf> {
        UnsafeMutablePointer(bitPattern: word & ~1).unsafelyUnwrapped
    }

    @inline(__always)
    static func node(_ word: UInt) -> UnsafeMutablePointer<TrieNode> {
        UnsafeMutablePointer(bitPattern: word).unsafelyUnwrapped
    }

    static func word(_ leaf: UnsafeMutablePointer<TrieLeaf>) -> UInt { UInt(bitPattern: leaf) | 1 }
    static func word(_ node: UnsafeMutablePointer<TrieNode>) -> UInt { UInt(bitPattern: node) }
}

/// A reader's handle on a trie.
struct TrieReader {
    // Safe: the word lives as long as its instance, which is unpublished a grace period before it goes.
    let root: UnsafeMutablePointer<Atomic<UInt>>

    @inline(__always)
    var isEmpty: Bool { root.pointee.load(ordering: .relaxed) == 0 }

    /// The value of the longest prefix that covers `key`, or `nil`. Valid until the reader's next quiet point.
    @inline(__always)
    func longestMatch(_ key: TrieKey) -> UnsafeMutablePointer<EntryValue>? {
        var best: UnsafeMutablePointer<EntryValue>?
        var word = root.pointee.load(ordering: .acquiring)
        while word != 0 {
            if TrieReference.isLeaf(word) {
                let leaf = TrieReference.leaf(word)
                if key.commonLength(leaf.pointee.key) >= leaf.pointee.length { return TrieWriter.value(of: leaf) }
                return best
            }
            let node = TrieReference.node(word)
            let depth = node.pointee.depth
            if key.commonLength(node.pointee.key) < Int(truncatingIfNeeded: depth) { return best }
            let chunk = key.chunk(depth)
            let hits = node.pointee.internalBits & TrieNode.covering(chunk)
            if hits != 0 {
                let position = UInt64(truncatingIfNeeded: 63 &- hits.leadingZeroBitCount)
                // Safe: a set bit has a value at its rank.
                best = node.pointee.values.unsafelyUnwrapped + TrieNode.rank(node.pointee.internalBits, position)
            }
            let external = node.pointee.externalBits
            if external &>> chunk & 1 == 0 { return best }
            // Safe: a set bit has a child at its rank.
            let child = node.pointee.children.unsafelyUnwrapped + TrieNode.rank(external, chunk)
            word = child.pointee.load(ordering: .acquiring)
        }
        return best
    }
}

/// The control loop's handle on a trie.
final class TrieWriter {
    private let root: UnsafeMutablePointer<Atomic<UInt>>
    private let arena: Arena
    private let reclaimer: Reclaimer
    /// Prefixes in the trie.
    private(set) var count = 0

    private typealias Node = UnsafeMutablePointer<TrieNode>
    private typealias Leaf = UnsafeMutablePointer<TrieLeaf>
    private typealias Slot = UnsafeMutablePointer<Atomic<UInt>>
    private typealias Values = UnsafeMutablePointer<EntryValue>

    /// Target and mapping words of an entry.
    struct Words: Equatable {
        var target: UInt
        var mapping: UInt
    }

    /// - Parameter root: a word that is 0 and outlives the writer.
    init(root: UnsafeMutablePointer<Atomic<UInt>>, arena: Arena, reclaimer: Reclaimer) {
        self.root = root
        self.arena = arena
        self.reclaimer = reclaimer
    }

    @inline(__always)
    fileprivate static func value(of leaf: UnsafeMutablePointer<TrieLeaf>) -> UnsafeMutablePointer<EntryValue> {
        // Safe: the value stands right behind the key of 16 octets, in the leaf's own memory.
        (UnsafeMutableRawPointer(leaf) + 16).assumingMemoryBound(to: EntryValue.self)
    }

    // MARK: Making and dropping parts

    private func makeLeaf(_ key: TrieKey, _ length: Int, _ words: Words) -> UInt {
        let leaf = arena.allocate(MemoryLayout<TrieLeaf>.size).bindMemory(to: TrieLeaf.self, capacity: 1)
        leaf.initialize(
            to: TrieLeaf(
                key: key,
                value: EntryValue(target: Atomic(words.target), mapping: Atomic(words.mapping)),
                length: length
            )
        )
        return TrieReference.word(leaf)
    }

    private func makeNode(
        _ key: TrieKey,
        depth: Int,
        internalBits: UInt64,
        values: Values?,
        externalBits: UInt64,
        children: Slot?
    ) -> UInt {
        let node = arena.allocate(MemoryLayout<TrieNode>.size).bindMemory(to: TrieNode.self, capacity: 1)
        let mask = depth == 0 ? 0 : UInt128.max << UInt128(128 - depth)
        node.initialize(
            to: TrieNode(
                internalBits: internalBits,
                externalBits: externalBits,
                key: TrieKey(key.value & mask),
                children: children,
                values: values,
                depth: UInt64(depth)
            )
        )
        return TrieReference.word(node)
    }

    private func makeChildren(_ words: [UInt]) -> Slot? {
        guard !words.isEmpty else { return nil }
        let slots = arena.allocate(words.count * 8).bindMemory(to: Atomic<UInt>.self, capacity: words.count)
        for (index, word) in words.enumerated() { (slots + index).initialize(to: Atomic(word)) }
        return slots
    }

    private func makeValues(_ words: [Words]) -> Values? {
        guard !words.isEmpty else { return nil }
        let values = arena.allocate(words.count * 16).bindMemory(to: EntryValue.self, capacity: words.count)
        for (index, pair) in words.enumerated() {
            (values + index).initialize(to: EntryValue(target: Atomic(pair.target), mapping: Atomic(pair.mapping)))
        }
        return values
    }

    private func childWords(_ node: Node) -> [UInt] {
        guard let children = node.pointee.children else { return [] }
        return (0..<node.pointee.childCount).map { (children + $0).pointee.load(ordering: .relaxed) }
    }

    private func valueWords(_ node: Node) -> [Words] {
        guard let values = node.pointee.values else { return [] }
        return (0..<node.pointee.valueCount).map { Self.load(values + $0) }
    }

    private static func load(_ value: UnsafeMutablePointer<EntryValue>) -> Words {
        Words(
            target: value.pointee.target.load(ordering: .relaxed),
            mapping: value.pointee.mapping.load(ordering: .relaxed)
        )
    }

    private static func store(_ words: Words, in value: UnsafeMutablePointer<EntryValue>) {
        value.pointee.mapping.store(words.mapping, ordering: .releasing)
        value.pointee.target.store(words.target, ordering: .releasing)
    }

    private func retire(_ leaf: Leaf) { reclaimer.retire(leaf, MemoryLayout<TrieLeaf>.size) }
    private func retire(_ node: Node) { reclaimer.retire(node, MemoryLayout<TrieNode>.size) }
    private func retireChildren(of node: Node) {
        if let children = node.pointee.children { reclaimer.retire(children, node.pointee.childCount * 8) }
    }
    private func retireValues(of node: Node) {
        if let values = node.pointee.values { reclaimer.retire(values, node.pointee.valueCount * 16) }
    }

    // MARK: Changes

    /// Puts an entry.
    ///
    /// - Parameter key: has no bits beyond `length`.
    /// - Returns: the words of the entry that stood there before.
    @discardableResult
    func put(_ key: TrieKey, length: Int, _ words: Words) -> Words? {
        var slot = root
        while true {
            let word = slot.pointee.load(ordering: .relaxed)
            if word == 0 {
                slot.pointee.store(makeLeaf(key, length, words), ordering: .releasing)
                count += 1
                return nil
            }
            if TrieReference.isLeaf(word) {
                let leaf = TrieReference.leaf(word)
                if leaf.pointee.key == key, leaf.pointee.length == length {
                    let old = Self.load(Self.value(of: leaf))
                    Self.store(words, in: Self.value(of: leaf))
                    return old
                }
                split(slot, leaf: leaf, with: key, length, words)
                count += 1
                return nil
            }
            let node = TrieReference.node(word)
            let depth = Int(node.pointee.depth)
            let common = min(node.pointee.key.commonLength(key), length)
            if common < depth {
                insertAbove(slot, node, common: common, key, length, words)
                count += 1
                return nil
            }
            let chunk = key.chunk(UInt64(depth))
            if length < depth + TrieNode.stride {
                return putInternal(slot, node, TrieNode.position(chunk: chunk, bits: length - depth), words)
            }
            let rank = TrieNode.rank(node.pointee.externalBits, chunk)
            if node.pointee.externalBits >> chunk & 1 == 0 {
                var children = childWords(node)
                children.insert(makeLeaf(key, length, words), at: rank)
                let new = makeNode(
                    node.pointee.key,
                    depth: depth,
                    internalBits: node.pointee.internalBits,
                    values: node.pointee.values,
                    externalBits: node.pointee.externalBits | 1 << chunk,
                    children: makeChildren(children)
                )
                slot.pointee.store(new, ordering: .releasing)
                retireChildren(of: node)
                retire(node)
                count += 1
                return nil
            }
            // Safe: the bit is set, so there is a child at its rank.
            slot = node.pointee.children.unsafelyUnwrapped + rank
        }
    }

    private func putInternal(_ slot: Slot, _ node: Node, _ position: UInt64, _ words: Words) -> Words? {
        let rank = TrieNode.rank(node.pointee.internalBits, position)
        if node.pointee.internalBits >> position & 1 != 0 {
            // Safe: the bit is set, so there is a value at its rank.
            let value = node.pointee.values.unsafelyUnwrapped + rank
            let old = Self.load(value)
            Self.store(words, in: value)
            return old
        }
        var values = valueWords(node)
        values.insert(words, at: rank)
        let new = makeNode(
            node.pointee.key,
            depth: Int(node.pointee.depth),
            internalBits: node.pointee.internalBits | 1 << position,
            values: makeValues(values),
            externalBits: node.pointee.externalBits,
            children: node.pointee.children
        )
        slot.pointee.store(new, ordering: .releasing)
        retireValues(of: node)
        retire(node)
        count += 1
        return nil
    }

    /// What a new node is filled with: at most two things, in order.
    private struct Contents {
        var internalBits: UInt64 = 0
        var values: [(position: UInt64, words: Words)] = []
        var externalBits: UInt64 = 0
        var children: [(chunk: UInt64, word: UInt)] = []

        mutating func add(value words: Words, at position: UInt64) {
            internalBits |= 1 << position
            values.append((position, words))
        }

        mutating func add(child word: UInt, at chunk: UInt64) {
            externalBits |= 1 << chunk
            children.append((chunk, word))
        }
    }

    private func makeNode(_ key: TrieKey, depth: Int, _ contents: Contents) -> UInt {
        makeNode(
            key,
            depth: depth,
            internalBits: contents.internalBits,
            values: makeValues(contents.values.sorted { $0.position < $1.position }.map(\.words)),
            externalBits: contents.externalBits,
            children: makeChildren(contents.children.sorted { $0.chunk < $1.chunk }.map(\.word))
        )
    }

    /// The depth of the node that tells apart what has `common` bits in common.
    private static func depth(_ common: Int) -> Int { common / TrieNode.stride * TrieNode.stride }

    private func split(_ slot: Slot, leaf: Leaf, with key: TrieKey, _ length: Int, _ words: Words) {
        let depth = Self.depth(min(leaf.pointee.key.commonLength(key), leaf.pointee.length, length))
        var contents = Contents()
        var isLeafKept = false
        if leaf.pointee.length < depth + TrieNode.stride {
            let chunk = leaf.pointee.key.chunk(UInt64(depth))
            let position = TrieNode.position(chunk: chunk, bits: leaf.pointee.length - depth)
            contents.add(value: Self.load(Self.value(of: leaf)), at: position)
        } else {
            contents.add(child: TrieReference.word(leaf), at: leaf.pointee.key.chunk(UInt64(depth)))
            isLeafKept = true
        }
        add(key, length, words, to: &contents, depth: depth)
        slot.pointee.store(makeNode(key, depth: depth, contents), ordering: .releasing)
        if !isLeafKept { retire(leaf) }
    }

    private func insertAbove(
        _ slot: Slot,
        _ node: Node,
        common: Int,
        _ key: TrieKey,
        _ length: Int,
        _ words: Words
    ) {
        let depth = Self.depth(common)
        var contents = Contents()
        contents.add(child: TrieReference.word(node), at: node.pointee.key.chunk(UInt64(depth)))
        add(key, length, words, to: &contents, depth: depth)
        slot.pointee.store(makeNode(key, depth: depth, contents), ordering: .releasing)
    }

    private func add(_ key: TrieKey, _ length: Int, _ words: Words, to contents: inout Contents, depth: Int) {
        let chunk = key.chunk(UInt64(depth))
        if length < depth + TrieNode.stride {
            contents.add(value: words, at: TrieNode.position(chunk: chunk, bits: length - depth))
        } else {
            contents.add(child: makeLeaf(key, length, words), at: chunk)
        }
    }

    /// Removes the entry of exactly this prefix.
    ///
    /// - Returns: its words; `nil` if there was none.
    @discardableResult
    func remove(_ key: TrieKey, length: Int) -> Words? {
        var parent: (slot: Slot, node: Node)?
        var slot = root
        while true {
            let word = slot.pointee.load(ordering: .relaxed)
            guard word != 0 else { return nil }
            if TrieReference.isLeaf(word) {
                let leaf = TrieReference.leaf(word)
                guard leaf.pointee.key == key, leaf.pointee.length == length else { return nil }
                let old = Self.load(Self.value(of: leaf))
                if let parent {
                    removeChild(parent.slot, parent.node, chunk: key.chunk(parent.node.pointee.depth))
                } else {
                    slot.pointee.store(0, ordering: .releasing)
                }
                retire(leaf)
                count -= 1
                return old
            }
            let node = TrieReference.node(word)
            let depth = Int(node.pointee.depth)
            guard min(node.pointee.key.commonLength(key), length) >= depth else { return nil }
            let chunk = key.chunk(UInt64(depth))
            if length < depth + TrieNode.stride {
                return removeInternal(slot, node, TrieNode.position(chunk: chunk, bits: length - depth))
            }
            guard node.pointee.externalBits >> chunk & 1 != 0, let children = node.pointee.children else { return nil }
            parent = (slot, node)
            slot = children + TrieNode.rank(node.pointee.externalBits, chunk)
        }
    }

    private func removeChild(_ slot: Slot, _ node: Node, chunk: UInt64) {
        var children = childWords(node)
        children.remove(at: TrieNode.rank(node.pointee.externalBits, chunk))
        let external = node.pointee.externalBits & ~(1 << chunk)
        if children.count + node.pointee.valueCount == 1 {
            slot.pointee.store(only(children, valueWords(node), node), ordering: .releasing)
            retireValues(of: node)
        } else {
            let new = makeNode(
                node.pointee.key,
                depth: Int(node.pointee.depth),
                internalBits: node.pointee.internalBits,
                values: node.pointee.values,
                externalBits: external,
                children: makeChildren(children)
            )
            slot.pointee.store(new, ordering: .releasing)
        }
        retireChildren(of: node)
        retire(node)
    }

    private func removeInternal(_ slot: Slot, _ node: Node, _ position: UInt64) -> Words? {
        guard node.pointee.internalBits >> position & 1 != 0 else { return nil }
        var values = valueWords(node)
        let old = values.remove(at: TrieNode.rank(node.pointee.internalBits, position))
        let internalBits = node.pointee.internalBits & ~(1 << position)
        if values.count + node.pointee.childCount == 1 {
            slot.pointee.store(only(childWords(node), values, node, internalBits), ordering: .releasing)
            retireChildren(of: node)
        } else {
            let new = makeNode(
                node.pointee.key,
                depth: Int(node.pointee.depth),
                internalBits: internalBits,
                values: makeValues(values),
                externalBits: node.pointee.externalBits,
                children: node.pointee.children
            )
            slot.pointee.store(new, ordering: .releasing)
        }
        retireValues(of: node)
        retire(node)
        count -= 1
        return old
    }

    /// What replaces a node that has only one thing left: its child, or a leaf for its value.
    private func only(_ children: [UInt], _ values: [Words], _ node: Node, _ internalBits: UInt64? = nil) -> UInt {
        if let child = children.first { return child }
        let bits = internalBits ?? node.pointee.internalBits
        // Position p of a prefix that ends l bits into the node: 2^l - 1 + the top l bits of its chunk.
        let position = bits.trailingZeroBitCount + 1
        let inside = Int.bitWidth - 1 - position.leadingZeroBitCount
        let top = UInt128(position - 1 << inside)
        let length = Int(node.pointee.depth) + inside
        let key = inside == 0 ? node.pointee.key.value : node.pointee.key.value | top << UInt128(128 - length)
        return makeLeaf(TrieKey(key), length, values[0])
    }

    /// The words of the entry of exactly this prefix.
    func find(_ key: TrieKey, length: Int) -> Words? {
        var word = root.pointee.load(ordering: .relaxed)
        while word != 0 {
            if TrieReference.isLeaf(word) {
                let leaf = TrieReference.leaf(word)
                guard leaf.pointee.key == key, leaf.pointee.length == length else { return nil }
                return Self.load(Self.value(of: leaf))
            }
            let node = TrieReference.node(word)
            let depth = Int(node.pointee.depth)
            guard min(node.pointee.key.commonLength(key), length) >= depth else { return nil }
            let chunk = key.chunk(UInt64(depth))
            if length < depth + TrieNode.stride {
                let position = TrieNode.position(chunk: chunk, bits: length - depth)
                guard node.pointee.internalBits >> position & 1 != 0, let values = node.pointee.values else {
                    return nil
                }
                return Self.load(values + TrieNode.rank(node.pointee.internalBits, position))
            }
            guard node.pointee.externalBits >> chunk & 1 != 0, let children = node.pointee.children else { return nil }
            word = (children + TrieNode.rank(node.pointee.externalBits, chunk)).pointee.load(ordering: .relaxed)
        }
        return nil
    }

    /// Empties the trie. Costs in proportion to its size.
    ///
    /// - Parameter body: called with the words of each entry.
    func removeAll(_ body: (Words) -> Void) {
        let word = root.pointee.load(ordering: .relaxed)
        root.pointee.store(0, ordering: .releasing)
        var stack = [word]
        while let word = stack.popLast() {
            guard word != 0 else { continue }
            if TrieReference.isLeaf(word) {
                let leaf = TrieReference.leaf(word)
                body(Self.load(Self.value(of: leaf)))
                retire(leaf)
            } else {
                let node = TrieReference.node(word)
                for words in valueWords(node) { body(words) }
                stack += childWords(node)
                retireChildren(of: node)
                retireValues(of: node)
                retire(node)
            }
        }
        count = 0
    }
}
