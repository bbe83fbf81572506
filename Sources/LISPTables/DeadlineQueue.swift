// Deadlines of many things on one clock: which is next, which are due.

import HeapModule

/// At most one deadline for each key, earliest first.
///
/// Setting, removing and popping cost O(log n). A removed or moved deadline stays in the heap until it surfaces or until
/// such leftovers outnumber the live ones; then the heap is rebuilt, so memory stays within a constant of `count`.
package struct DeadlineQueue<Key: Hashable & Sendable>: Sendable {
    private struct Item: Comparable, Sendable {
        let deadline: Instant
        let key: Key

        static func < (a: Self, b: Self) -> Bool { a.deadline < b.deadline }
        static func == (a: Self, b: Self) -> Bool { a.deadline == b.deadline }
    }

    private var heap = Heap<Item>()
    private var deadlines: [Key: Instant] = [:]

    package init() {}

    package var count: Int { deadlines.count }

    package subscript(key: Key) -> Instant? { deadlines[key] }

    /// Sets or moves the deadline of `key`.
    package mutating func set(_ key: Key, at deadline: Instant) {
        guard deadlines[key] != deadline else { return }
        deadlines[key] = deadline
        heap.insert(Item(deadline: deadline, key: key))
        dropLeftovers()
    }

    private mutating func dropLeftovers() {
        if heap.count > 2 * deadlines.count + 64 {
            heap = Heap(deadlines.lazy.map { Item(deadline: $0.value, key: $0.key) })
        }
    }

    package mutating func remove(_ key: Key) {
        guard deadlines.removeValue(forKey: key) != nil else { return }
        dropLeftovers()
    }

    /// What the heap holds, leftovers included.
    var heapCount: Int { heap.count }

    package mutating func removeAll() {
        self = DeadlineQueue()
    }

    /// The earliest deadline, or `nil` if there is none.
    package mutating func earliest() -> (key: Key, deadline: Instant)? {
        while let item = heap.min {
            if deadlines[item.key] == item.deadline { return (item.key, item.deadline) }
            heap.removeMin()
        }
        return nil
    }

    /// Removes and returns the earliest key whose deadline is not after `now`.
    package mutating func popDue(_ now: Instant) -> Key? {
        guard let (key, deadline) = earliest(), deadline <= now else { return nil }
        heap.removeMin()
        deadlines[key] = nil
        return key
    }
}
