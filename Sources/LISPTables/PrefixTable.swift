// The ordered table under the map-cache, the database and the site registry: EID-prefixes of both families and all
// instances, found by longest match and walked in order. The tree itself is in PrefixTrie.swift.

import LISPWire

/// The orders that a table can be walked in. In both, what has the same instance and family is ordered by address, then
/// length.
package enum PrefixOrder: Hashable, Sendable {
    /// By instance, then family: that of `EIDPrefix`, and of everything shown.
    case byInstance
    /// By family, then instance: that of the indexes of LISP-MIB, where the length of the address goes before its octets and an
    /// address in an instance is longer than a plain one (RFC 7052, LispAddressType).
    case byFamily

    func precedes(_ a: EIDPrefix, _ b: EIDPrefix) -> Bool {
        switch self {
        case .byInstance: a < b
        case .byFamily: a.prefix.family != b.prefix.family ? a.prefix.family < b.prefix.family : a < b
        }
    }
}

/// Values keyed by EID-prefix, ordered by instance, family, address, length.
///
/// Every operation on one key visits at most one node for each bit of the prefix, whatever the number of entries, and none
/// moves more than a chunk of values. An entry costs its value and about 70 octets.
package struct PrefixTable<Value> {
    private var trie = PrefixTrie()
    /// Indexed by the slot of a node. `nil` where the slot is free.
    private var values = ChunkedArray<Value?>()
    /// The node of each slot.
    private var nodes = ChunkedArray<Int32>()
    private var freeSlots = ChunkedArray<Int32>()

    package init() {}

    /// The number of entries.
    package var count: Int { values.count - freeSlots.count }

    package var isEmpty: Bool { count == 0 }

    /// The value of exactly this prefix. Setting `nil` removes the entry. A change in place copies no value.
    package subscript(_ key: EIDPrefix) -> Value? {
        get {
            guard let slot = trie.slot(of: key) else { return nil }
            return values[Int(slot)]
        }
        set {
            set(newValue, slot: trie.slot(of: key), key: key)
        }
        _modify {
            let slot = trie.slot(of: key)
            var value: Value?
            // Taken out while the caller changes it, so that it is never held twice.
            if let slot { swap(&value, &values[Int(slot)]) }
            defer { set(value, slot: slot, key: key) }
            yield &value
        }
    }

    private mutating func set(_ value: Value?, slot: Int32?, key: EIDPrefix) {
        switch (slot, value) {
        case (let slot?, let value?): values[Int(slot)] = value
        case (nil, let value?): insert(value, for: key)
        case (let slot?, nil): remove(slot)
        case (nil, nil): break
        }
    }

    package mutating func removeAll() {
        self = PrefixTable()
    }

    // MARK: Slots

    // A slot names an entry while it is there, shorter and quicker than its key.

    func slot(of key: EIDPrefix) -> Int32? { trie.slot(of: key) }

    /// The slot of the longest entry that covers `prefix`.
    func longestMatchSlot(_ prefix: EIDPrefix) -> Int32? {
        guard let node = trie.longestMatch(prefix) else { return nil }
        return trie.nodes[Int(node)].slot
    }

    /// The same if it covers no other entry.
    func longestMatchLeafSlot(_ prefix: EIDPrefix) -> Int32? {
        guard let node = trie.longestMatch(prefix), trie.isLeaf(node) else { return nil }
        return trie.nodes[Int(node)].slot
    }

    func key(at slot: Int32) -> EIDPrefix { trie.nodes[Int(nodes[Int(slot)])].prefix }

    /// - Precondition: an entry has the slot.
    subscript(slot slot: Int32) -> Value {
        get {
            guard let value = values[Int(slot)] else { preconditionFailure("a slot of an entry") }
            return value
        }
        _modify {
            yield &values[Int(slot)]!
        }
    }

    /// - Precondition: the table has no entry for `key`.
    @discardableResult
    mutating func insert(_ value: Value, for key: EIDPrefix) -> Int32 {
        let slot: Int32
        if freeSlots.count > 0 {
            slot = freeSlots[freeSlots.count - 1]
            freeSlots.removeLast()
            values[Int(slot)] = value
            nodes[Int(slot)] = trie.insert(key, slot: slot)
        } else {
            slot = Int32(values.count)
            values.append(value)
            nodes.append(trie.insert(key, slot: slot))
        }
        return slot
    }

    /// - Precondition: an entry has the slot.
    mutating func remove(_ slot: Int32) {
        trie.remove(key(at: slot))
        values[Int(slot)] = nil
        freeSlots.append(slot)
    }

    // MARK: Lookups

    /// The longest entry that covers `eid`, `nil` if none does.
    package func longestMatch(_ eid: EID) -> (key: EIDPrefix, value: Value)? {
        longestMatch(EIDPrefix(instanceID: eid.instanceID, IPPrefix(host: eid.address)))
    }

    /// The longest entry that covers `prefix`, which may be that very prefix; `nil` if none does.
    package func longestMatch(_ prefix: EIDPrefix) -> (key: EIDPrefix, value: Value)? {
        entry(trie.longestMatch(prefix))
    }

    /// An entry of the same instance and family that shares as many leading bits with `prefix` as any; `nil` if none shares one.
    /// Of several the one that covers the others, or the first. Costs as much as `longestMatch`.
    package func nearest(to prefix: EIDPrefix) -> (key: EIDPrefix, value: Value)? {
        entry(trie.nearest(to: prefix))
    }

    /// The entries that `prefix` covers, in order, at most `limit` of them.
    ///
    /// - Parameter includingItself: whether an entry for `prefix` itself is among them.
    package func moreSpecifics(
        of prefix: EIDPrefix,
        includingItself: Bool,
        limit: Int = .max
    ) -> [(key: EIDPrefix, value: Value)] {
        guard let top = trie.top(within: prefix) else { return [] }
        var found: [(key: EIDPrefix, value: Value)] = []
        var walk = PrefixTrie.Walk(from: top)
        while found.count < limit, let node = walk.next(in: trie) {
            guard let entry = entry(node), includingItself || entry.key != prefix else { continue }
            found.append(entry)
        }
        return found
    }

    /// Whether `prefix` or a more-specific of it is in the table.
    package func hasEntry(within prefix: EIDPrefix) -> Bool {
        trie.top(within: prefix) != nil
    }

    /// Whether a more-specific of `prefix` is in the table.
    package func hasEntry(below prefix: EIDPrefix) -> Bool { trie.hasEntry(below: prefix) }

    /// Whether an entry covers `prefix` or is covered by it.
    package func hasEntry(overlapping prefix: EIDPrefix) -> Bool {
        hasEntry(within: prefix) || trie.longestMatch(prefix) != nil
    }

    /// The entry that follows `key` in order, whether or not `key` itself is in the table; `nil` gives the first.
    ///
    /// A walk in steps, with changes in between, misses nothing that stays and repeats nothing.
    package func first(
        after key: EIDPrefix?,
        _ order: PrefixOrder = .byInstance
    ) -> (key: EIDPrefix, value: Value)? {
        entry(trie.first(after: key, order))
    }

    /// The same among the entries that `scope` covers. Costs no more than the depth of the table, however many others there are.
    package func first(after key: EIDPrefix?, within scope: EIDPrefix) -> (key: EIDPrefix, value: Value)? {
        guard let key, key >= scope else {
            guard let value = self[scope] else { return first(after: scope, within: scope) }
            return (scope, value)
        }
        guard let next = first(after: key), scope.covers(next.key) else { return nil }
        return next
    }

    /// The least specific prefix that holds `eid`, lies within `bound` and overlaps no entry.
    ///
    /// Entries that cover `bound` and are less specific than it are disregarded: the question is asked inside it.
    /// `nil` if an entry within `bound` covers `eid`, or if `bound` does not hold `eid`.
    ///
    /// - Parameter bound: `nil` stands for the whole family in the instance of `eid`.
    package func gap(around eid: EID, within bound: IPPrefix?) -> IPPrefix? {
        let bound = bound ?? IPPrefix(family: eid.address.family, leftAligned: 0, length: 0)
        guard bound.contains(eid.address), let length = trie.gapLength(around: eid, from: bound.length) else {
            return nil
        }
        return IPPrefix(eid.address, length: length)
    }

    private func entry(_ index: Int32?) -> (key: EIDPrefix, value: Value)? {
        guard let index else { return nil }
        let node = trie.nodes[Int(index)]
        guard node.slot >= 0, let value = values[Int(node.slot)] else { return nil }
        return (node.prefix, value)
    }
}

extension PrefixTable: Sendable where Value: Sendable {}

extension PrefixTable: Sequence {
    /// All entries in order. It holds the table as it was when the walk began.
    package struct Iterator: IteratorProtocol {
        private let table: PrefixTable
        private var last: EIDPrefix?
        private var walk: PrefixTrie.Walk?

        init(_ table: PrefixTable) {
            self.table = table
        }

        package mutating func next() -> (key: EIDPrefix, value: Value)? {
            // Within one tree the walk goes on; the first of the next tree is what follows the last of this one.
            if let node = walk?.next(in: table.trie), let entry = table.entry(node) {
                last = entry.key
                return entry
            }
            guard let first = table.first(after: last), let top = table.trie.root(of: first.key) else { return nil }
            var walk = PrefixTrie.Walk(from: top)
            _ = walk.next(in: table.trie)
            self.walk = walk
            last = first.key
            return first
        }
    }

    package func makeIterator() -> Iterator {
        Iterator(self)
    }

    package var underestimatedCount: Int { count }
}
