// What is going to happen, in order of time; what happens at one moment, in the order in which it was planned.

import HeapModule
import LISPTables

/// A heap of small events. Planning and taking one cost O(log n), whatever they concern.
struct EventQueue {
    enum Kind: UInt8 {
        /// A router's deadline; the subject is its index.
        case deadline
        /// A datagram or packet reaches its destination; the subject is its place among those in flight.
        case arrival
        /// A host behind the router sends; the subject is the router's index.
        case host
        /// A whole look at a router; the subject is its index.
        case audit
        /// Something in a script; the subject is its place among the planned ones.
        case script
    }

    struct Event: Comparable {
        let due: Instant
        let order: UInt64
        let kind: Kind
        let subject: Int32

        static func < (a: Self, b: Self) -> Bool { a.due != b.due ? a.due < b.due : a.order < b.order }
    }

    private var heap = Heap<Event>()
    private var nextOrder: UInt64 = 0

    var count: Int { heap.count }
    var next: Event? { heap.min }

    mutating func plan(_ kind: Kind, _ subject: Int, at due: Instant) {
        heap.insert(Event(due: due, order: nextOrder, kind: kind, subject: Int32(subject)))
        nextOrder += 1
    }

    mutating func take() { heap.removeMin() }
}

/// Values in numbered places that are used again.
struct Slab<Value> {
    private var values: [Value?] = []
    private var free: [Int] = []

    var count: Int { values.count - free.count }

    mutating func put(_ value: Value) -> Int {
        if let place = free.popLast() {
            values[place] = value
            return place
        }
        values.append(value)
        return values.count - 1
    }

    /// - Precondition: `place` holds a value.
    mutating func take(_ place: Int) -> Value {
        guard let value = values[place] else { preconditionFailure("a place that holds a value") }
        values[place] = nil
        free.append(place)
        return value
    }
}
