// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
// What a batch of packets will need of the forwarding table, looked up for all of them together before they are handled one by
// one, so that the processor waits for memory once and not for each: in a large table nothing of an entry is in a cache.

import CLinux
import LISPWire
import Synchronization

struct Lookahead: ~Copyable {
    // Safe: `capacity` of each, freed by `deinit`; `count` and `begun` are not above it, numbers below `begun`.
    private let searches: UnsafeMutablePointer<TrieSearch>
    /// Which search a packet needs; those of a run of packets to one address share it.
    private let numbers: UnsafeMutablePointer<UInt8>
    /// Packets that have a search.
    private var count = 0
    /// Searches.
    private var begun = 0

    /// - Parameter capacity: at most 256.
    init(capacity: Int) {
        searches = .allocate(capacity: capacity)
        searches.initialize(repeating: TrieSearch(), count: capacity)
        numbers = .allocate(capacity: capacity)
        numbers.initialize(repeating: 0, count: capacity)
    }

    deinit {
        searches.deallocate()
        numbers.deallocate()
    }

    /// Before the first `add` of a batch. Forgets the batch before.
    @inline(__always)
    mutating func begin() {
        count = 0
        begun = 0
    }

    /// Asks for what the next packet needs: the value for its address in `trie`.
    @inline(__always)
    mutating func add(_ trie: TrieReader, _ key: TrieKey) {
        if begun == 0 || searches[begun &- 1].key != key || !searches[begun &- 1].isIn(trie) {
            (searches + begun).initialize(to: trie.search(for: key))
            begun &+= 1
        }
        // Safe: below the capacity.
        numbers[count] = UInt8(truncatingIfNeeded: begun &- 1)
        count &+= 1
    }

    /// The next packet needs nothing.
    @inline(__always)
    mutating func addNothing() {
        numbers[count] = 0
        count &+= 1
    }

    /// After the last `add`. Results hold until the next quiet point.
    @inline(__always)
    mutating func finish(_ base: ArenaBase) {
        // A single search gains nothing.
        guard begun > 1 else { return begin() }
        TrieSearch.finish(searches, begun, base)
        for index in 0..<begun {
            guard let value = searches[index].value else { continue }
            let words = value.pointee.words
            clinux_prefetch(base[words.mapping])
            if case .encapsulate(let set?) = EntryTarget.decode(words.target, base) { clinux_prefetch(set) }
        }
        for index in 0..<begun {
            guard let value = searches[index].value else { continue }
            let words = value.pointee.words
            if words.mapping != 0 {
                let mapping = base[words.mapping].assumingMemoryBound(to: MappingObject.self)
                clinux_prefetch(UnsafeRawPointer(bitPattern: mapping.pointee.counters.load(ordering: .relaxed)))
            }
            if case .encapsulate(let set?) = EntryTarget.decode(words.target, base) {
                clinux_prefetch(UnsafeRawPointer(bitPattern: set.pointee.body.load(ordering: .relaxed)))
            }
        }
    }

    /// The value for `key` in `trie`: what packet `index` asked for, if it is that, else looked up now.
    @inline(__always)
    func value(_ index: Int, _ trie: TrieReader, _ key: TrieKey) -> UnsafeMutablePointer<EntryValue>? {
        if index < count {
            let search = searches + Int(numbers[index])
            if search.pointee.key == key, search.pointee.isIn(trie) { return search.pointee.value }
        }
        return trie.longestMatch(key)
    }
}
