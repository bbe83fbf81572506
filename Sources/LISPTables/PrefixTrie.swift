// One path-compressed binary trie for each (instance, family). Nodes are 32 octets in one array, linked by index, freed into a
// list inside the array. Values stand elsewhere, so that the tree is not generic.

import LISPWire

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
        var zero: Int32 = -1
        var one: Int32 = -1
        /// Where the value stands; -1 if the node is only a fork.
        var slot: Int32
        /// The instance in the upper 24 bits; below it the length, counted from 129 for IPv4.
        private let instanceAndLength: UInt32

        init(_ prefix: EIDPrefix, slot: Int32) {
            let bits = prefix.prefix.address.leftAligned
            self.high = UInt64(truncatingIfNeeded: bits >> 64)
            self.low = UInt64(truncatingIfNeeded: bits)
            self.slot = slot
            let base: UInt8 = prefix.prefix.family == .ipv4 ? 129 : 0
            self.instanceAndLength = prefix.instanceID.rawValue << 8 | UInt32(base + prefix.prefix.length)
        }

        /// The prefix, left-aligned; bits beyond `length` are zero.
        var bits: UInt128 { UInt128(high) << 64 | UInt128(low) }

        var length: UInt8 {
            let code = UInt8(truncatingIfNeeded: instanceAndLength)
            return code > 128 ? code - 129 : code
        }

        var prefix: EIDPrefix {
            let family: AddressFamily = UInt8(truncatingIfNeeded: instanceAndLength) > 128 ? .ipv4 : .ipv6
            return EIDPrefix(
                instanceID: InstanceID(uncheckedRawValue: instanceAndLength >> 8),
                IPPrefix(family: family, leftAligned: bits, length: length)
            )
        }

        func child(_ bit: Bool) -> Int32 { bit ? one : zero }

        /// Whether a key begins with the prefix. In halves: shifts of 128 bits are many instructions, and this is asked at each node.
        @inline(__always)
        func covers(_ key: Halves) -> Bool {
            let length = length
            if length <= 64 { return length == 0 || (high ^ key.high) >> UInt64(64 &- length) == 0 }
            return high == key.high && (low ^ key.low) >> UInt64(128 &- length) == 0
        }

        /// Where a longer key that the prefix covers lies.
        @inline(__always)
        func child(towards key: Halves) -> Int32 {
            let length = length
            let bit = length < 64 ? key.high >> UInt64(63 &- length) : key.low >> UInt64(127 &- length)
            return bit & 1 == 1 ? one : zero
        }

        @inline(__always)
        func isAt(_ key: Halves) -> Bool { high == key.high && low == key.low }

        mutating func setChild(_ bit: Bool, _ node: Int32) {
            if bit { one = node } else { zero = node }
        }
    }

    /// The bits of a key, left-aligned.
    struct Halves {
        let high: UInt64
        let low: UInt64

        init(_ bits: UInt128) {
            high = UInt64(truncatingIfNeeded: bits >> 64)
            low = UInt64(truncatingIfNeeded: bits)
        }
    }

    /// The tree of one instance in one family.
    struct Root: Sendable {
        let instanceID: InstanceID
        var node: Int32
    }

    private(set) var nodes = ChunkedArray<Node>()
    /// By instance. Only trees that are not empty.
    private var rootsIPv4: [Root] = []
    private var rootsIPv6: [Root] = []
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
        let bits = Halves(key.prefix.address.leftAligned)
        let length = key.prefix.length
        var index = root(of: key) ?? -1
        while index >= 0 {
            let node = nodes[Int(index)]
            guard node.length < length else {
                return node.length == length && node.isAt(bits) && node.slot >= 0 ? node.slot : nil
            }
            guard node.covers(bits) else { return nil }
            index = node.child(towards: bits)
        }
        return nil
    }

    /// The node of the longest entry that covers `key`.
    func longestMatch(_ key: EIDPrefix) -> Int32? {
        let bits = Halves(key.prefix.address.leftAligned)
        let length = key.prefix.length
        var best: Int32?
        var index = root(of: key) ?? -1
        while index >= 0 {
            let node = nodes[Int(index)]
            guard node.length <= length, node.covers(bits) else { break }
            if node.slot >= 0 { best = index }
            guard node.length < length else { break }
            index = node.child(towards: bits)
        }
        return best
    }

    /// Whether no entry lies below a node.
    func isLeaf(_ node: Int32) -> Bool { nodes[Int(node)].zero < 0 && nodes[Int(node)].one < 0 }

    /// An entry that shares as many leading bits with `key` as any; `nil` if none shares one.
    func nearest(to key: EIDPrefix) -> Int32? {
        let bits = key.prefix.address.leftAligned
        var index = root(of: key) ?? -1
        while index >= 0 {
            let node = nodes[Int(index)]
            let common = min(Self.commonBits(node.bits, bits), node.length, key.prefix.length)
            let child = common < key.prefix.length ? node.child(Self.bit(bits, common)) : -1
            // Below a node that parts from the key all share the same bits with it, and this node, if it has a slot, as many.
            guard common == node.length, child >= 0 else {
                return common > 0 || node.slot >= 0 ? first(under: index) : nil
            }
            index = child
        }
        return nil
    }

    /// The node under which lie all entries that `key` covers; `nil` if it covers none.
    func top(within key: EIDPrefix) -> Int32? {
        let wide = key.prefix.address.leftAligned
        let bits = Halves(wide)
        let length = key.prefix.length
        var index = root(of: key) ?? -1
        while index >= 0 {
            let node = nodes[Int(index)]
            guard node.length < length else { return Self.agree(node.bits, wide, length) ? index : nil }
            guard node.covers(bits) else { return nil }
            index = node.child(towards: bits)
        }
        return nil
    }

    /// Whether an entry more specific than `key` is there.
    func hasEntry(below key: EIDPrefix) -> Bool {
        guard let top = top(within: key) else { return false }
        let node = nodes[Int(top)]
        return node.length > key.prefix.length || node.zero >= 0 || node.one >= 0
    }

    /// The first entry beyond `key` in order; `nil` stands for before all.
    func first(after key: EIDPrefix?, _ order: PrefixOrder) -> Int32? {
        if let key, let root = root(of: key), let node = first(after: key, under: root) { return node }
        guard let root = firstRoot(after: key, order) else { return nil }
        return first(under: root)
    }

    /// The tree after that of `key`.
    private func firstRoot(after key: EIDPrefix?, _ order: PrefixOrder) -> Int32? {
        guard let key else {
            guard let four = rootsIPv4.first else { return rootsIPv6.first?.node }
            guard order == .byInstance, let six = rootsIPv6.first else { return four.node }
            return four.instanceID <= six.instanceID ? four.node : six.node
        }
        let nextIPv4 = rootsIPv4[Self.position(of: key.instanceID, in: rootsIPv4, orAfter: true)...].first
        let nextIPv6 = rootsIPv6[Self.position(of: key.instanceID, in: rootsIPv6, orAfter: true)...].first
        switch (order, key.prefix.family) {
        case (.byFamily, .ipv4): return nextIPv4?.node ?? rootsIPv6.first?.node
        case (.byFamily, .ipv6): return nextIPv6?.node
        case (.byInstance, .ipv4):
            if let here = root(key.instanceID, .ipv6) { return here }
            fallthrough
        case (.byInstance, .ipv6):
            guard let four = nextIPv4 else { return nextIPv6?.node }
            guard let six = nextIPv6 else { return four.node }
            return four.instanceID <= six.instanceID ? four.node : six.node
        }
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
        var index = root(eid.instanceID, eid.address.family) ?? -1
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

    /// Returns the node that has the slot now, and keeps it until the key is removed.
    ///
    /// - Precondition: `key` has no slot yet.
    mutating func insert(_ key: EIDPrefix, slot: Int32) -> Int32 {
        let bits = key.prefix.address.leftAligned
        let length = key.prefix.length
        guard var index = root(of: key) else {
            let node = make(key, slot: slot)
            setRoot(of: key, node)
            return node
        }
        var parent: Int32 = -1
        while true {
            let node = nodes[Int(index)]
            let common = min(Self.commonBits(node.bits, bits), node.length, length)
            guard common == node.length else {
                // The new prefix belongs above this node, or beside it under a fork.
                return insert(key, slot: slot, sharing: common, with: index, under: parent)
            }
            guard common < length else {
                nodes[Int(index)].slot = slot
                return index
            }
            let bit = Self.bit(bits, common)
            let child = node.child(bit)
            guard child >= 0 else {
                let leaf = make(key, slot: slot)
                nodes[Int(index)].setChild(bit, leaf)
                return leaf
            }
            parent = index
            index = child
        }
    }

    private mutating func insert(
        _ key: EIDPrefix,
        slot: Int32,
        sharing common: UInt8,
        with index: Int32,
        under parent: Int32
    ) -> Int32 {
        let side = Self.bit(nodes[Int(index)].bits, common)
        let new = make(key, slot: slot)
        var above = new
        if common < key.prefix.length {
            let bits = key.prefix.address.leftAligned
            let shared = IPPrefix(family: key.prefix.family, leftAligned: bits, length: common)
            above = make(EIDPrefix(instanceID: key.instanceID, shared), slot: -1)
            nodes[Int(above)].setChild(!side, new)
        }
        nodes[Int(above)].setChild(side, index)
        link(above, under: parent, of: key)
        return new
    }

    /// - Precondition: `key` has a slot.
    mutating func remove(_ key: EIDPrefix) {
        let bits = key.prefix.address.leftAligned
        let length = key.prefix.length
        guard var index = root(of: key) else { preconditionFailure("a key of the tree") }
        var grandparent: Int32 = -1
        var parent: Int32 = -1
        while true {
            let node = nodes[Int(index)]
            guard node.length < length else { break }
            grandparent = parent
            parent = index
            index = node.child(Self.bit(bits, node.length))
        }
        nodes[Int(index)].slot = -1
        let node = nodes[Int(index)]
        if node.zero >= 0, node.one >= 0 { return }
        let child = node.zero >= 0 ? node.zero : node.one
        link(child, under: parent, of: key)
        free(index)
        guard child < 0, parent >= 0, nodes[Int(parent)].slot < 0 else { return }
        // The fork above has lost one of its two branches.
        let fork = nodes[Int(parent)]
        link(fork.zero >= 0 ? fork.zero : fork.one, under: grandparent, of: key)
        free(parent)
    }

    /// Puts `node` (-1: nothing) where `key` leads from `parent`, or at the root if there is no parent.
    private mutating func link(_ node: Int32, under parent: Int32, of key: EIDPrefix) {
        if parent >= 0 {
            let bit = Self.bit(key.prefix.address.leftAligned, nodes[Int(parent)].length)
            nodes[Int(parent)].setChild(bit, node)
        } else {
            setRoot(of: key, node >= 0 ? node : nil)
        }
    }

    private mutating func make(_ prefix: EIDPrefix, slot: Int32) -> Int32 {
        let node = Node(prefix, slot: slot)
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
        nodes[Int(index)].zero = firstFree
        nodes[Int(index)].one = -1
        firstFree = index
    }

    // MARK: Roots and bits

    func root(of key: EIDPrefix) -> Int32? { root(key.instanceID, key.prefix.family) }

    private func root(_ instanceID: InstanceID, _ family: AddressFamily) -> Int32? {
        let roots = family == .ipv4 ? rootsIPv4 : rootsIPv6
        let position = Self.position(of: instanceID, in: roots, orAfter: false)
        return position < roots.count && roots[position].instanceID == instanceID ? roots[position].node : nil
    }

    /// Sets, adds or, with `nil`, removes a tree.
    private mutating func setRoot(of key: EIDPrefix, _ node: Int32?) {
        switch key.prefix.family {
        case .ipv4: Self.setRoot(of: key.instanceID, node, in: &rootsIPv4)
        case .ipv6: Self.setRoot(of: key.instanceID, node, in: &rootsIPv6)
        }
    }

    private static func setRoot(of instanceID: InstanceID, _ node: Int32?, in roots: inout [Root]) {
        let position = position(of: instanceID, in: roots, orAfter: false)
        let isThere = position < roots.count && roots[position].instanceID == instanceID
        switch (node, isThere) {
        case (let node?, true): roots[position].node = node
        case (let node?, false): roots.insert(Root(instanceID: instanceID, node: node), at: position)
        case (nil, true): roots.remove(at: position)
        case (nil, false): break
        }
    }

    /// The first position whose instance is not below `instanceID`, or, `orAfter`, above it.
    private static func position(of instanceID: InstanceID, in roots: [Root], orAfter isBeyond: Bool) -> Int {
        var low = 0
        var high = roots.count
        while low < high {
            let middle = (low + high) / 2
            let other = roots[middle].instanceID
            if other < instanceID || isBeyond && other == instanceID { low = middle + 1 } else { high = middle }
        }
        return low
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
