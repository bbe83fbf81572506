// Deadlines of many things on one clock: which is next, which are due.

import HeapModule
import LISPWire

/// At most one deadline for each key, earliest first; equal ones in the order in which they were set, so that what happens
/// at one moment happens in the same order in every run.
///
/// Setting, removing and popping cost O(log n). A removed or moved deadline stays in the heap until it surfaces or until
/// such leftovers outnumber the live ones; then the heap is rebuilt, so memory stays within a constant of `count`.
package struct DeadlineQueue<Key: Hashable & Sendable>: Sendable {
    /// The earliest deadline, or `nil` if there is none. Kept as it is, since a router asks after every event.
    package private(set) var next: Instant?

    private struct Item: Comparable, Sendable {
        let time: Time
        let key: Key

        static func < (a: Self, b: Self) -> Bool { a.time < b.time }
        static func == (a: Self, b: Self) -> Bool { a.time == b.time }
    }

    private struct Time: Comparable, Sendable {
        let deadline: Instant
        /// No two alike.
        let order: UInt64

        static func < (a: Self, b: Self) -> Bool {
            a.deadline != b.deadline ? a.deadline < b.deadline : a.order < b.order
        }
    }

    private var heap = Heap<Item>()
    private var times: [Key: Time] = [:]
    private var nextOrder: UInt64 = 0

    package init() {}

    package var count: Int { times.count }

    package subscript(key: Key) -> Instant? { times[key]?.deadline }

    /// Sets or moves the deadline of `key`.
    @specialized(where Key == EIDPrefix)
    @specialized(where Key == IPAddress)
    package mutating func set(_ key: Key, at deadline: Instant) {
        guard times[key]?.deadline != deadline else { return }
        let time = Time(deadline: deadline, order: nextOrder)
        nextOrder &+= 1
        times[key] = time
        heap.insert(Item(time: time, key: key))
        dropLeftovers()
        next = earliest()?.deadline
    }

    private mutating func dropLeftovers() {
        if heap.count > 2 * times.count + 64 {
            heap = Heap(times.lazy.map { Item(time: $0.value, key: $0.key) })
        }
    }

    @specialized(where Key == EIDPrefix)
    @specialized(where Key == IPAddress)
    package mutating func remove(_ key: Key) {
        guard times.removeValue(forKey: key) != nil else { return }
        dropLeftovers()
        next = earliest()?.deadline
    }

    /// What the heap holds, leftovers included.
    var heapCount: Int { heap.count }

    package mutating func removeAll() {
        self = DeadlineQueue()
    }

    /// The earliest deadline with its key, or `nil` if there is none.
    @specialized(where Key == EIDPrefix)
    @specialized(where Key == IPAddress)
    package mutating func earliest() -> (key: Key, deadline: Instant)? {
        while let item = heap.min {
            if times[item.key] == item.time { return (item.key, item.time.deadline) }
            heap.removeMin()
        }
        return nil
    }

    /// Removes and returns the earliest key whose deadline is not after `now`.
    @specialized(where Key == EIDPrefix)
    @specialized(where Key == IPAddress)
    package mutating func popDue(_ now: Instant) -> Key? {
        guard let next, next <= now, let (key, _) = earliest() else { return nil }
        heap.removeMin()
        times[key] = nil
        self.next = earliest()?.deadline
        return key
    }
}
