// The ordered table under the map-cache, the database and the site registry: EID-prefixes of both families and all
// instances, found by longest match and walked in order.
//
// One path-compressed binary trie for each (instance, family). Nodes are 32 octets in one array, linked by index,
// freed into a list inside the array; values stand in an array of their own, so that the tree itself is not generic.
// Every operation on one key visits at most one node for each bit of the prefix, whatever the number of entries.

import LISPWire

/// Values keyed by EID-prefix, ordered by instance, family, address, length.
package struct PrefixTable<Value> {
    private var trie = PrefixTrie()
    /// Indexed by the slot of a node. `nil` where the slot is free.
    private var values: [Value?] = []
    private var freeSlots: [Int32] = []

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
        case (let slot?, let value?):
            values[Int(slot)] = value
        case (nil, let value?):
            let slot: Int32
            if let free = freeSlots.popLast() {
                slot = free
                values[Int(free)] = value
            } else {
                slot = Int32(values.count)
                values.append(value)
            }
            trie.insert(key, slot: slot)
        case (let slot?, nil):
            trie.remove(key)
            values[Int(slot)] = nil
            freeSlots.append(slot)
        case (nil, nil):
            break
        }
    }

    package mutating func removeAll() {
        self = PrefixTable()
    }

    // MARK: Lookups

    /// The longest entry that covers `eid`, `nil` if none does.
    package func longestMatch(_ eid: EID) -> (key: EIDPrefix, value: Value)? {
        longestMatch(EIDPrefix(instanceID: eid.instanceID, IPPrefix(host: eid.address)))
    }

    /// The longest entry that covers `prefix`, which may be that very prefix; `nil` if none does.
    package func longestMatch(_ prefix: EIDPrefix) -> (key: EIDPrefix, value: Value)? {
        entry(trie.longestMatch(prefix), like: prefix)
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
            guard let entry = entry(node, like: prefix), includingItself || entry.key != prefix else { continue }
            found.append(entry)
        }
        return found
    }

    /// Whether `prefix` or a more-specific of it is in the table.
    package func hasEntry(within prefix: EIDPrefix) -> Bool {
        trie.top(within: prefix) != nil
    }

    /// Whether an entry covers `prefix` or is covered by it.
    package func hasEntry(overlapping prefix: EIDPrefix) -> Bool {
        hasEntry(within: prefix) || trie.longestMatch(prefix) != nil
    }

    /// The entry that follows `key` in order, whether or not `key` itself is in the table; `nil` gives the first.
    ///
    /// A walk in steps, with changes in between, misses nothing that stays and repeats nothing.
    package func first(after key: EIDPrefix?) -> (key: EIDPrefix, value: Value)? {
        guard let (node, root) = trie.first(after: key) else { return nil }
        return entry(node, instanceID: root.instanceID, family: root.family)
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

    private func entry(_ node: Int32?, like prefix: EIDPrefix) -> (key: EIDPrefix, value: Value)? {
        guard let node else { return nil }
        return entry(node, instanceID: prefix.instanceID, family: prefix.prefix.family)
    }

    private func entry(
        _ index: Int32,
        instanceID: InstanceID,
        family: AddressFamily
    ) -> (key: EIDPrefix, value: Value)? {
        let node = trie.nodes[Int(index)]
        guard node.slot >= 0, let value = values[Int(node.slot)] else { return nil }
        let prefix = IPPrefix(family: family, leftAligned: node.bits, length: node.length)
        return (EIDPrefix(instanceID: instanceID, prefix), value)
    }
}

extension PrefixTable: Sendable where Value: Sendable {}

extension PrefixTable: Sequence {
    /// All entries in order. It holds the table as it was when the walk began.
    package struct Iterator: IteratorProtocol {
        private let table: PrefixTable
        private var root = 0
        private var walk: PrefixTrie.Walk?

        init(_ table: PrefixTable) {
            self.table = table
        }

        package mutating func next() -> (key: EIDPrefix, value: Value)? {
            while root < table.trie.roots.count {
                let current = table.trie.roots[root]
                var walk = self.walk ?? PrefixTrie.Walk(from: current.node)
                if let node = walk.next(in: table.trie) {
                    self.walk = walk
                    return table.entry(node, instanceID: current.instanceID, family: current.family)
                }
                self.walk = nil
                root += 1
            }
            return nil
        }
    }

    package func makeIterator() -> Iterator {
        Iterator(self)
    }

    package var underestimatedCount: Int { count }
}

/// The tree of a `PrefixTable`: which prefix has which slot.
///
/// A node without a slot always has two children; it is there because they part at its length.
struct PrefixTrie: Sendable {
    /// 32 octets.
    struct Node: Sendable {
        // The prefix in two halves. Not one UInt128: Swift 6.3 spills a struct that holds one to an 8-aligned slot and
        // reads it back with moves that want 16.
        private let high: UInt64
        private let low: UInt64
        /// Child nodes by the bit that follows the prefix; -1 for none. `zero` links the free nodes.
        var zero: Int32
        var one: Int32 = -1
        /// Where the value stands; -1 if the node is only a fork.
        var slot: Int32
        var length: UInt8

        init(bits: UInt128, zero: Int32 = -1, slot: Int32, length: UInt8) {
            self.high = UInt64(truncatingIfNeeded: bits >> 64)
            self.low = UInt64(truncatingIfNeeded: bits)
            self.zero = zero
            self.slot = slot
            self.length = length
        }

        /// The prefix, left-aligned; bits beyond `length` are zero.
        var bits: UInt128 { UInt128(high) << 64 | UInt128(low) }

        func child(_ bit: Bool) -> Int32 { bit ? one : zero }

        mutating func setChild(_ bit: Bool, _ node: Int32) {
            if bit { one = node } else { zero = node }
        }
    }

    /// The tree of one instance and family.
    struct Root: Sendable {
        var instanceID: InstanceID
        var family: AddressFamily
        var node: Int32

        func precedes(_ prefix: EIDPrefix) -> Bool {
            instanceID != prefix.instanceID ? instanceID < prefix.instanceID : family < prefix.prefix.family
        }

        func holds(_ prefix: EIDPrefix) -> Bool {
            instanceID == prefix.instanceID && family == prefix.prefix.family
        }
    }

    private(set) var nodes: [Node] = []
    /// In order. Only trees that are not empty.
    private(set) var roots: [Root] = []
    private var firstFree: Int32 = -1

    /// A walk through one subtree in order: a node, then what its zero bit leads to, then its one bit.
    struct Walk {
        private var pending: [Int32]

        init(from node: Int32) {
            pending = [node]
        }

        /// The next node that has a slot.
        mutating func next(in trie: PrefixTrie) -> Int32? {
            while let index = pending.popLast() {
                let node = trie.nodes[Int(index)]
                if node.one >= 0 { pending.append(node.one) }
                if node.zero >= 0 { pending.append(node.zero) }
                if node.slot >= 0 { return index }
            }
            return nil
        }
    }

    // MARK: Reading

    func slot(of key: EIDPrefix) -> Int32? {
        let bits = key.prefix.address.leftAligned
        let length = key.prefix.length
        var index = rootNode(of: key)
        while index >= 0 {
            let node = nodes[Int(index)]
            guard node.length < length else {
                return node.length == length && node.bits == bits && node.slot >= 0 ? node.slot : nil
            }
            guard Self.agree(node.bits, bits, node.length) else { return nil }
            index = node.child(Self.bit(bits, node.length))
        }
        return nil
    }

    /// The node of the longest entry that covers `key`.
    func longestMatch(_ key: EIDPrefix) -> Int32? {
        let bits = key.prefix.address.leftAligned
        let length = key.prefix.length
        var best: Int32?
        var index = rootNode(of: key)
        while index >= 0 {
            let node = nodes[Int(index)]
            guard node.length <= length, Self.agree(node.bits, bits, node.length) else { break }
            if node.slot >= 0 { best = index }
            guard node.length < length else { break }
            index = node.child(Self.bit(bits, node.length))
        }
        return best
    }

    /// The node under which lie all entries that `key` covers; `nil` if it covers none.
    func top(within key: EIDPrefix) -> Int32? {
        let bits = key.prefix.address.leftAligned
        let length = key.prefix.length
        var index = rootNode(of: key)
        while index >= 0 {
            let node = nodes[Int(index)]
            guard node.length < length else { return Self.agree(node.bits, bits, length) ? index : nil }
            guard Self.agree(node.bits, bits, node.length) else { return nil }
            index = node.child(Self.bit(bits, node.length))
        }
        return nil
    }

    /// The first entry beyond `key` in order.
    func first(after key: EIDPrefix?) -> (node: Int32, root: Root)? {
        guard let key else {
            return roots.first.map { (first(under: $0.node), $0) }
        }
        let position = rootPosition(of: key)
        if position < roots.count, roots[position].holds(key) {
            if let node = first(after: key, under: roots[position].node) { return (node, roots[position]) }
            return position + 1 < roots.count ? (first(under: roots[position + 1].node), roots[position + 1]) : nil
        }
        return position < roots.count ? (first(under: roots[position].node), roots[position]) : nil
    }

    private func first(after key: EIDPrefix, under root: Int32) -> Int32? {
        let bits = key.prefix.address.leftAligned
        let length = key.prefix.length
        // The last subtree passed by that lies wholly beyond `key`.
        var beyond: Int32 = -1
        var index = root
        while index >= 0 {
            let node = nodes[Int(index)]
            guard node.length < length, Self.agree(node.bits, bits, node.length) else {
                if node.length == length, node.bits == bits {
                    if node.zero >= 0 { return first(under: node.zero) }
                    if node.one >= 0 { return first(under: node.one) }
                    break
                }
                // Covered by `key` (its bits are not smaller then), or beside it.
                if node.length > length && node.bits >= bits || node.bits > bits { return first(under: index) }
                break
            }
            let bit = Self.bit(bits, node.length)
            if !bit, node.one >= 0 { beyond = node.one }
            index = node.child(bit)
        }
        return beyond >= 0 ? first(under: beyond) : nil
    }

    private func first(under top: Int32) -> Int32 {
        var index = top
        // A node without a slot has two children, so this ends at an entry.
        while nodes[Int(index)].slot < 0 { index = nodes[Int(index)].zero }
        return index
    }

    /// The least length, `minimum` or more, at which the prefix of `eid` overlaps no entry, disregarding entries
    /// shorter than `minimum`; `nil` if an entry not shorter than that covers `eid`.
    func gapLength(around eid: EID, from minimum: UInt8) -> UInt8? {
        let bits = eid.address.leftAligned
        var length = minimum
        var index = rootNode(of: EIDPrefix(instanceID: eid.instanceID, IPPrefix(host: eid.address)))
        while index >= 0 {
            let node = nodes[Int(index)]
            let common = Self.commonBits(node.bits, bits)
            guard common >= node.length else {
                // The node, and all below, parts from the EID after `common` bits.
                return max(length, common + 1)
            }
            if node.slot >= 0, node.length >= minimum { return nil }
            guard node.length < eid.address.family.bitWidth else { return length }
            // A fork or an entry to be disregarded. Its other branch, if there is one, must stay outside.
            let bit = Self.bit(bits, node.length)
            if node.child(!bit) >= 0 { length = max(length, node.length + 1) }
            index = node.child(bit)
        }
        return length
    }

    // MARK: Changing

    /// - Precondition: `key` has no slot yet.
    mutating func insert(_ key: EIDPrefix, slot: Int32) {
        let bits = key.prefix.address.leftAligned
        let length = key.prefix.length
        let position = rootPosition(of: key)
        guard position < roots.count, roots[position].holds(key) else {
            let node = make(bits, length, slot: slot)
            roots.insert(
                Root(instanceID: key.instanceID, family: key.prefix.family, node: node),
                at: position
            )
            return
        }
        var parent: Int32 = -1
        var index = roots[position].node
        while true {
            let node = nodes[Int(index)]
            let common = min(Self.commonBits(node.bits, bits), node.length, length)
            if common == node.length {
                guard common < length else {
                    nodes[Int(index)].slot = slot
                    return
                }
                let bit = Self.bit(bits, common)
                let child = node.child(bit)
                guard child >= 0 else {
                    let leaf = make(bits, length, slot: slot)
                    nodes[Int(index)].setChild(bit, leaf)
                    return
                }
                parent = index
                index = child
                continue
            }
            // The new prefix belongs above this node, or beside it under a fork.
            let side = Self.bit(node.bits, common)
            let above: Int32
            if common == length {
                above = make(bits, length, slot: slot)
            } else {
                above = make(bits & IPPrefix.mask(common), common, slot: -1)
                let leaf = make(bits, length, slot: slot)
                nodes[Int(above)].setChild(!side, leaf)
            }
            nodes[Int(above)].setChild(side, index)
            link(above, under: parent, bits: bits, root: position)
            return
        }
    }

    /// - Precondition: `key` has a slot.
    mutating func remove(_ key: EIDPrefix) {
        let bits = key.prefix.address.leftAligned
        let length = key.prefix.length
        let position = rootPosition(of: key)
        var grandparent: Int32 = -1
        var parent: Int32 = -1
        var index = roots[position].node
        while nodes[Int(index)].length < length {
            grandparent = parent
            parent = index
            index = nodes[Int(index)].child(Self.bit(bits, nodes[Int(index)].length))
        }
        nodes[Int(index)].slot = -1
        let node = nodes[Int(index)]
        if node.zero >= 0, node.one >= 0 { return }
        let child = node.zero >= 0 ? node.zero : node.one
        link(child, under: parent, bits: bits, root: position)
        free(index)
        guard child < 0, parent >= 0, nodes[Int(parent)].slot < 0 else { return }
        // The fork above has lost one of its two branches.
        let fork = nodes[Int(parent)]
        link(fork.zero >= 0 ? fork.zero : fork.one, under: grandparent, bits: bits, root: position)
        free(parent)
    }

    /// Puts `node` (-1: nothing) where `bits` lead from `parent`, or at the root if there is no parent.
    private mutating func link(_ node: Int32, under parent: Int32, bits: UInt128, root position: Int) {
        if parent >= 0 {
            nodes[Int(parent)].setChild(Self.bit(bits, nodes[Int(parent)].length), node)
        } else if node >= 0 {
            roots[position].node = node
        } else {
            roots.remove(at: position)
        }
    }

    private mutating func make(_ bits: UInt128, _ length: UInt8, slot: Int32) -> Int32 {
        let node = Node(bits: bits, slot: slot, length: length)
        guard firstFree >= 0 else {
            nodes.append(node)
            return Int32(nodes.count - 1)
        }
        let index = firstFree
        firstFree = nodes[Int(index)].zero
        nodes[Int(index)] = node
        return index
    }

    private mutating func free(_ index: Int32) {
        nodes[Int(index)] = Node(bits: 0, zero: firstFree, slot: -1, length: 0)
        firstFree = index
    }

    // MARK: Roots and bits

    /// Where the tree of `key` is in `roots`, or would be.
    private func rootPosition(of key: EIDPrefix) -> Int {
        var low = 0
        var high = roots.count
        while low < high {
            let middle = (low + high) / 2
            if roots[middle].precedes(key) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func rootNode(of key: EIDPrefix) -> Int32 {
        let position = rootPosition(of: key)
        return position < roots.count && roots[position].holds(key) ? roots[position].node : -1
    }

    /// How many leading bits two prefixes share: 0...128.
    private static func commonBits(_ a: UInt128, _ b: UInt128) -> UInt8 {
        UInt8(truncatingIfNeeded: (a ^ b).leadingZeroBitCount)
    }

    private static func agree(_ a: UInt128, _ b: UInt128, _ length: UInt8) -> Bool {
        commonBits(a, b) >= length
    }

    /// Bit `position`, counted from the most significant. `position` is below 128.
    private static func bit(_ bits: UInt128, _ position: UInt8) -> Bool {
        bits >> (127 - UInt128(position)) & 1 == 1
    }
}
