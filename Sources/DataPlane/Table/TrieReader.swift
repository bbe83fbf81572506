// Longest match for workers. A hot path, run once per packet, so: no allocation, no existential, no lock, no log line, no
// `throws`. What a trie consists of is described in TrieBlocks.swift.

import Synchronization

/// A reader's handle on a trie.
struct TrieReader {
    // Safe: the word lives as long as its instance, which is unpublished a grace period before it goes.
    let root: UnsafeMutablePointer<Atomic<UInt32>>
    let base: ArenaBase

    @inline(__always)
    var isEmpty: Bool { root.pointee.load(ordering: .relaxed) == 0 }

    /// The value of the longest prefix that covers `key`, or `nil`. Valid until the reader's next quiet point.
    @inline(__always)
    func longestMatch(_ key: TrieKey) -> UnsafeMutablePointer<EntryValue>? {
        var search = search(for: key)
        guard search.word != 0 else { return nil }
        search.advance(base)
        while search.word != 0 {
            TrieWord.prefetch(search.word, base, key, depth: search.depth)
            search.advance(base)
        }
        return search.value
    }

    /// A search that has not begun.
    @inline(__always)
    func search(for key: TrieKey) -> TrieSearch { TrieSearch(key, root) }
}

/// A lookup on its way through a trie. Holds pointers into the table, so it ends before the next quiet point.
struct TrieSearch {
    let key: TrieKey
    /// The result, once `word` is 0.
    private(set) var value: UnsafeMutablePointer<EntryValue>?
    /// Refers to the next block to look at; 0: there is none.
    fileprivate var word: UInt32
    private let first: UInt32
    private let trie: UnsafeRawPointer?
    /// Bits that everything in that block agrees with the key in.
    fileprivate var depth = 0
    private var passedNode = false

    @inline(__always)
    fileprivate init(_ key: TrieKey, _ root: UnsafeMutablePointer<Atomic<UInt32>>) {
        self.key = key
        trie = UnsafeRawPointer(root)
        first = root.pointee.load(ordering: .acquiring)
        word = first
    }

    /// A search in no trie, which is over.
    init() {
        key = TrieKey(high: 0, low: 0)
        trie = nil
        first = 0
        word = 0
    }

    @inline(__always)
    func isIn(_ reader: TrieReader) -> Bool { trie == UnsafeRawPointer(reader.root) }

    /// Goes on by one block. The short prefixes of nodes are left to the end: mostly there is a longer one.
    @inline(__always)
    fileprivate mutating func advance(_ base: ArenaBase) {
        let block = TrieWord.block(word, base)
        if TrieWord.isBucket(word) {
            word = 0
            value = TrieBucket(block: block).longestMatch(key)
        } else {
            let node = TrieNode(block: block)
            let stride = TrieWord.stride(word)
            passedNode = true
            if TrieWord.skips(word) { depth = node.depth }
            if TrieWord.skips(word), key.commonLength(node.key) < depth {
                word = 0
            } else {
                let way = node.way(TrieNode.number(key, depth: depth, stride: stride))
                word = way.pointee.load(ordering: .acquiring)
                depth &+= stride
            }
        }
        if word == 0, value == nil, passedNode { value = Self.longestOfAll(first, key, base) }
    }

    /// From the beginning, the short prefixes of nodes included.
    @inline(never)
    private static func longestOfAll(
        _ first: UInt32,
        _ key: TrieKey,
        _ base: ArenaBase
    ) -> UnsafeMutablePointer<EntryValue>? {
        var best: UnsafeMutablePointer<EntryValue>?
        var word = first
        while word != 0 {
            let block = TrieWord.block(word, base)
            if TrieWord.isBucket(word) { return TrieBucket(block: block).longestMatch(key) ?? best }
            let node = TrieNode(block: block)
            let depth = node.depth
            if key.commonLength(node.key) < depth { return best }
            // The short prefixes of a node are a trie with at most one more node on the way.
            best = longestOfAll(node.short.pointee.load(ordering: .acquiring), key, base) ?? best
            let way = node.way(TrieNode.number(key, depth: depth, stride: TrieWord.stride(word)))
            word = way.pointee.load(ordering: .acquiring)
        }
        return best
    }

    /// Brings searches to their ends, one block of each in turn, so that the processor waits for the memory of all of them
    /// at the same time. They may be in different tries of one arena.
    @inline(__always)
    static func finish(_ searches: UnsafeMutablePointer<TrieSearch>, _ count: Int, _ base: ArenaBase) {
        var left = count
        while left > 0 {
            left = 0
            for index in 0..<count {
                let search = searches + index
                if search.pointee.word == 0 { continue }
                search.pointee.advance(base)
                if search.pointee.word == 0 { continue }
                TrieWord.prefetch(search.pointee.word, base, search.pointee.key, depth: search.pointee.depth)
                left &+= 1
            }
        }
    }
}
