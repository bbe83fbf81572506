// The control loop's side of a trie (TrieBlocks.swift): changes it while workers read.
//
// A change makes one bucket anew, publishes it by one store into its parent and retires the old. A bucket that is full makes
// way for a node and its buckets, and a node with little left for a bucket. A node is made anew with wider ways once at most
// of its life. A new value of an existing prefix is stored in place.

import Synchronization

final class TrieWriter {
    typealias Words = EntryWords

    private let root: Slot
    private let arena: Arena
    private let reclaimer: Reclaimer
    /// Prefixes in the trie.
    private(set) var count = 0
    // Safe: room for one entry more than a bucket has, freed by `deinit`.
    private let scratch = UnsafeMutablePointer<TrieEntry>.allocate(capacity: TrieBucket.capacity + 1)

    private typealias Slot = UnsafeMutablePointer<Atomic<UInt32>>

    /// Below so many entries a node becomes a bucket again: half of what a bucket holds, so that a few changes to and fro do
    /// not make and drop it each time.
    private static let few = TrieBucket.capacity / 2
    /// Of the sixteen ways of a node, so many lead to nodes when it is made wide.
    private static let many = 8

    /// - Parameter root: a word that is 0 and outlives the writer.
    init(root: UnsafeMutablePointer<Atomic<UInt32>>, arena: Arena, reclaimer: Reclaimer) {
        self.root = root
        self.arena = arena
        self.reclaimer = reclaimer
    }

    deinit { scratch.deallocate() }

    // MARK: Making and dropping blocks

    /// - Parameter entries: 1 to 32, longest first.
    private func makeBucket(_ entries: UnsafeBufferPointer<TrieEntry>, base: Int) -> UInt32 {
        let size = TrieBucket.size(entries)
        let block = arena.allocate(size)
        TrieBucket.fill(block, base: base, entries)
        return TrieWord.bucket(arena.base.place(of: block), size: size)
    }

    private func makeBucket(_ entry: TrieEntry, base: Int) -> UInt32 {
        withUnsafePointer(to: entry) { makeBucket(UnsafeBufferPointer(start: $0, count: 1), base: base) }
    }

    /// - Parameter base: bits that are known to agree where the word will stand.
    private func makeNode(_ key: TrieKey, depth: Int, base: Int, short: UInt32, _ words: [UInt32]) -> UInt32 {
        let block = arena.allocate(TrieNode.size(words.count.trailingZeroBitCount))
        TrieNode.fill(block, key, depth: depth, short: short, words)
        return word(TrieNode(block: block), base: base)
    }

    private func word(_ node: TrieNode, base: Int) -> UInt32 {
        TrieWord.node(arena.base.place(of: node.block), node, base: base)
    }

    /// A trie of these entries: nothing, a bucket, or a node at the first depth at which they differ.
    ///
    /// - Parameters:
    ///   - entries: longest first, as they lie behind `base` bits.
    ///   - path: a key that begins with those bits.
    private func make(_ entries: [TrieEntry], base: Int, _ path: TrieKey) -> UInt32 {
        guard let first = entries.first else { return 0 }
        if entries.count <= TrieBucket.capacity {
            return entries.withUnsafeBufferPointer { makeBucket($0, base: base) }
        }
        let common = entries.reduce(128) { min($0, $1.length, $1.key.commonLength(first.key)) }
        let skipped = common / TrieNode.narrow * TrieNode.narrow
        let behind = skipped + TrieNode.narrow
        let depth = base + skipped
        let key = path.prefix(base, followedBy: first.key)
        var short: [TrieEntry] = []
        var below = [[TrieEntry]](repeating: [], count: 1 << TrieNode.narrow)
        for entry in entries {
            if entry.length < behind {
                short.append(entry.dropping(skipped))
            } else {
                let number = TrieNode.number(entry.key, depth: skipped, stride: TrieNode.narrow)
                below[number].append(entry.dropping(behind))
            }
        }
        let words = below.enumerated().map { number, entries in
            make(entries, base: base + behind, Self.path(key, depth, number, TrieNode.narrow))
        }
        return makeNode(key, depth: depth, base: base, short: make(short, base: depth, key), words)
    }

    /// The first bits of what lies behind way `number` of a node.
    private static func path(_ key: TrieKey, _ depth: Int, _ number: Int, _ stride: Int) -> TrieKey {
        key.prefix(depth, followedBy: TrieKey(high: UInt64(number) << UInt64(64 - stride), low: 0))
    }

    private func bucket(_ word: UInt32) -> TrieBucket { TrieBucket(block: TrieWord.block(word, arena.base)) }
    private func node(_ word: UInt32) -> TrieNode { TrieNode(block: TrieWord.block(word, arena.base)) }

    private func retire(_ bucket: TrieBucket) { reclaimer.retire(bucket.block, bucket.size) }
    private func retire(_ node: TrieNode) { reclaimer.retire(node.block, node.size) }

    /// Adds all entries below `word` to `entries`, with whole keys, and retires their blocks, which the caller unpublishes.
    ///
    /// - Parameter path: a key that begins as all of them do.
    private func takeApart(_ word: UInt32, _ path: TrieKey, _ entries: inout [TrieEntry]) {
        guard word != 0 else { return }
        if TrieWord.isBucket(word) {
            let bucket = bucket(word)
            for index in 0..<bucket.count {
                let entry = bucket.entry(index)
                let key = path.prefix(bucket.base, followedBy: entry.key)
                entries.append(TrieEntry(key: key, length: bucket.base + entry.length, words: entry.words))
            }
            retire(bucket)
            return
        }
        let node = node(word)
        takeApart(node.short.pointee.load(ordering: .relaxed), node.key, &entries)
        for (number, word) in node.words.enumerated() {
            takeApart(word, Self.path(node.key, node.depth, number, node.stride), &entries)
        }
        retire(node)
    }

    /// A trie of entries with whole keys, in any order.
    private func makeAgain(_ entries: [TrieEntry], base: Int, _ path: TrieKey) -> UInt32 {
        make(entries.sorted { $0.length > $1.length }.map { $0.dropping(base) }, base: base, path)
    }

    private static func exchange(_ value: UnsafeMutablePointer<EntryValue>, _ words: Words) -> Words {
        let old = value.pointee.words
        value.pointee.store(words)
        return old
    }

    // MARK: Going down

    /// A word that a search has come to.
    private struct Place {
        var slot: Slot
        /// Bits that everything below agrees in.
        var base = 0
        /// Whether it is a way on, which its node counts.
        var isWay = false

        var word: UInt32 { slot.pointee.load(ordering: .relaxed) }
    }

    /// Where a search for the prefix goes on from `node`. It stands there or nowhere.
    private static func next(_ node: TrieNode, _ key: TrieKey, _ length: Int) -> Place {
        if length < node.end { return Place(slot: node.short, base: node.depth) }
        let number = TrieNode.number(key, depth: node.depth, stride: node.stride)
        return Place(slot: node.way(number), base: node.end, isWay: true)
    }

    private static func agrees(_ node: TrieNode, _ key: TrieKey, _ length: Int) -> Bool {
        min(node.key.commonLength(key), length) >= node.depth
    }

    // MARK: Putting

    /// Puts an entry.
    ///
    /// - Parameter key: has no bits beyond `length`.
    /// - Returns: the words of the entry that stood there before.
    @discardableResult
    func put(_ key: TrieKey, length: Int, _ words: Words) -> Words? {
        let entry = TrieEntry(key: key, length: length, words: words)
        var parent: Place?
        var place = Place(slot: root)
        while true {
            let word = place.word
            if word == 0 {
                publish(makeBucket(entry.dropping(place.base), base: place.base), place, parent, more: 1)
                count += 1
                return nil
            }
            if TrieWord.isBucket(word) { return put(entry, in: bucket(word), place, parent) }
            let node = node(word)
            if !Self.agrees(node, key, length) {
                insertAbove(node, place, entry)
                return nil
            }
            parent = place
            place = Self.next(node, key, length)
        }
    }

    /// Stores a word, and counts for the node that it is in by how many the taken ways become more.
    private func publish(_ word: UInt32, _ place: Place, _ parent: Place?, more: Int = 0) {
        place.slot.pointee.store(word, ordering: .releasing)
        guard more != 0, place.isWay, let parent else { return }
        let taken = node(parent.word).taken
        taken.pointee.store(UInt32(Int(taken.pointee.load(ordering: .relaxed)) + more), ordering: .relaxed)
    }

    private func put(_ entry: TrieEntry, in bucket: TrieBucket, _ place: Place, _ parent: Place?) -> Words? {
        let rest = entry.dropping(place.base)
        if let index = bucket.index(of: rest.key, length: rest.length) {
            return Self.exchange(bucket.value(index), rest.words)
        }
        // Behind those that are longer.
        let position = bucket.firstIndex(notLongerThan: rest.length)
        for index in 0..<bucket.count {
            (scratch + (index < position ? index : index + 1)).initialize(to: bucket.entry(index))
        }
        (scratch + position).initialize(to: rest)
        let entries = UnsafeBufferPointer(start: scratch, count: bucket.count + 1)
        count += 1
        if entries.count <= TrieBucket.capacity {
            publish(makeBucket(entries, base: place.base), place, parent)
        } else {
            publish(make(Array(entries), base: place.base, entry.key), place, parent)
            if let parent, place.isWay { widen(parent) }
        }
        retire(bucket)
        return nil
    }

    /// A node for what differs from `node` before its depth.
    private func insertAbove(_ node: TrieNode, _ place: Place, _ entry: TrieEntry) {
        let common = min(node.key.commonLength(entry.key), entry.length)
        let depth = common / TrieNode.narrow * TrieNode.narrow
        let end = depth + TrieNode.narrow
        var words = [UInt32](repeating: 0, count: 1 << TrieNode.narrow)
        words[TrieNode.number(node.key, depth: depth, stride: TrieNode.narrow)] = word(node, base: end)
        var short: UInt32 = 0
        if entry.length < end {
            short = makeBucket(entry.dropping(depth), base: depth)
        } else {
            let number = TrieNode.number(entry.key, depth: depth, stride: TrieNode.narrow)
            words[number] = makeBucket(entry.dropping(end), base: end)
        }
        publish(makeNode(entry.key, depth: depth, base: place.base, short: short, words), place, nil)
        count += 1
    }

    /// Makes a narrow node wide if that saves a step on most ways.
    private func widen(_ place: Place) {
        let old = node(place.word)
        let depth = old.depth
        guard old.stride == TrieNode.narrow, depth % TrieNode.wide == 0 else { return }
        let words = old.words
        guard words.count(where: { $0 != 0 && !TrieWord.isBucket($0) }) >= Self.many else { return }
        let end = depth + TrieNode.wide
        let room = 1 << TrieNode.narrow
        var ways = [UInt32](repeating: 0, count: 1 << TrieNode.wide)
        var short: [TrieEntry] = []
        takeApart(old.short.pointee.load(ordering: .relaxed), old.key, &short)
        for (number, word) in words.enumerated() where word != 0 {
            if TrieWord.isBucket(word) {
                var entries: [TrieEntry] = []
                takeApart(word, Self.path(old.key, depth, number, TrieNode.narrow), &entries)
                short += entries.filter { $0.length < end }
                let below = Dictionary(grouping: entries.filter { $0.length >= end }) {
                    TrieNode.number($0.key, depth: depth, stride: TrieNode.wide)
                }
                for (way, entries) in below { ways[way] = makeAgain(entries, base: end, entries[0].key) }
                continue
            }
            let child = node(word)
            if child.depth >= end {
                ways[TrieNode.number(child.key, depth: depth, stride: TrieNode.wide)] = self.word(child, base: end)
            } else {
                takeApart(child.short.pointee.load(ordering: .relaxed), child.key, &short)
                ways.replaceSubrange(number * room..<(number + 1) * room, with: child.words)
                retire(child)
            }
        }
        let shortWord = makeAgain(short, base: depth, old.key)
        publish(makeNode(old.key, depth: depth, base: place.base, short: shortWord, ways), place, nil)
        retire(old)
    }

    // MARK: Removing

    /// Removes the entry of exactly this prefix.
    ///
    /// - Returns: its words; `nil` if there was none.
    @discardableResult
    func remove(_ key: TrieKey, length: Int) -> Words? {
        var parent: Place?
        var place = Place(slot: root)
        while true {
            let word = place.word
            guard word != 0 else { return nil }
            guard TrieWord.isBucket(word) else {
                let node = node(word)
                guard Self.agrees(node, key, length) else { return nil }
                parent = place
                place = Self.next(node, key, length)
                continue
            }
            let bucket = bucket(word)
            guard let index = bucket.index(of: key.dropping(place.base), length: length - place.base) else {
                return nil
            }
            let old = bucket.value(index).pointee.words
            if bucket.count == 1 {
                publish(0, place, parent, more: -1)
            } else {
                for other in 0..<bucket.count - 1 {
                    (scratch + other).initialize(to: bucket.entry(other < index ? other : other + 1))
                }
                let entries = UnsafeBufferPointer(start: scratch, count: bucket.count - 1)
                publish(makeBucket(entries, base: place.base), place, parent)
            }
            retire(bucket)
            if let parent { collapse(parent) }
            count -= 1
            return old
        }
    }

    /// Puts something simpler in the place of a node in which little is left: what is below it if that is one thing, or a
    /// bucket.
    private func collapse(_ place: Place) {
        let node = node(place.word)
        let taken = Int(node.taken.pointee.load(ordering: .relaxed))
        guard taken <= Self.few else { return }
        let words = ([node.short.pointee.load(ordering: .relaxed)] + node.words).filter { $0 != 0 }
        if words.contains(where: { !TrieWord.isBucket($0) }) {
            // A node states its whole key, so it may stand higher.
            guard words.count == 1, taken == 1 else { return }
            publish(word(self.node(words[0]), base: place.base), place, nil)
            retire(node)
            return
        }
        let total = words.reduce(0) { $0 + bucket($1).count }
        guard total <= Self.few || words.count == 1 else { return }
        var entries: [TrieEntry] = []
        let old = place.word
        takeApart(old, node.key, &entries)
        publish(makeAgain(entries, base: place.base, node.key), place, nil)
    }

    // MARK: The rest

    /// The words of the entry of exactly this prefix.
    func find(_ key: TrieKey, length: Int) -> Words? {
        var place = Place(slot: root)
        while true {
            let word = place.word
            guard word != 0 else { return nil }
            if TrieWord.isBucket(word) {
                let bucket = bucket(word)
                let index = bucket.index(of: key.dropping(place.base), length: length - place.base)
                return index.map { bucket.value($0).pointee.words }
            }
            let node = node(word)
            guard Self.agrees(node, key, length) else { return nil }
            place = Self.next(node, key, length)
        }
    }

    /// Empties the trie. Costs in proportion to its size.
    ///
    /// - Parameter body: called with the words of each entry.
    func removeAll(_ body: (Words) -> Void) {
        var stack = [root.pointee.exchange(0, ordering: .acquiringAndReleasing)]
        while let word = stack.popLast() {
            guard word != 0 else { continue }
            if TrieWord.isBucket(word) {
                let bucket = bucket(word)
                for index in 0..<bucket.count { body(bucket.value(index).pointee.words) }
                retire(bucket)
            } else {
                let node = node(word)
                stack.append(node.short.pointee.load(ordering: .relaxed))
                stack += node.words
                retire(node)
            }
        }
        count = 0
    }
}
