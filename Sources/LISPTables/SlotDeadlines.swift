// Deadlines of the entries of one large table: which is next, which are due. 20 octets each.

/// At most one deadline for each slot of a `PrefixTable`, earliest first: a binary heap that knows where each slot stands.
///
/// Every change costs O(log n) and leaves nothing behind. For keys that are no slots, and tables that are small, there is
/// `DeadlineQueue`.
struct SlotDeadlines: Sendable {
    private struct Item {
        var deadline: Instant
        var slot: Int32
    }

    private var heap = ChunkedArray<Item>()
    /// Where each slot stands in `heap`; -1 for those without a deadline.
    private var positions = ChunkedArray<Int32>()

    var count: Int { heap.count }

    /// The earliest deadline.
    var earliest: (slot: Int32, deadline: Instant)? {
        heap.count == 0 ? nil : (heap[0].slot, heap[0].deadline)
    }

    /// The earliest of what `actual` says of each slot, which is never before the deadline set. Costs as much as there are slots whose
    /// deadline is before that.
    func earliest(by actual: (Int32) -> Instant) -> Instant? {
        guard heap.count > 0 else { return nil }
        var best = Instant.never
        var pending = [0]
        while let position = pending.popLast() {
            guard position < heap.count, heap[position].deadline <= best else { continue }
            best = min(best, actual(heap[position].slot))
            pending += [2 * position + 2, 2 * position + 1]
        }
        return best
    }

    /// Sets or moves the deadline of a slot.
    mutating func set(_ slot: Int32, at deadline: Instant) {
        while positions.count <= Int(slot) { positions.append(-1) }
        let item = Item(deadline: deadline, slot: slot)
        let position = Int(positions[Int(slot)])
        if position < 0 {
            heap.append(item)
            rise(item, from: heap.count - 1)
        } else {
            settle(item, at: position)
        }
    }

    mutating func remove(_ slot: Int32) {
        guard Int(slot) < positions.count, positions[Int(slot)] >= 0 else { return }
        let position = Int(positions[Int(slot)])
        positions[Int(slot)] = -1
        let last = heap[heap.count - 1]
        heap.removeLast()
        if position < heap.count { settle(last, at: position) }
    }

    /// Puts `item` in the place of what stood at `position`.
    private mutating func settle(_ item: Item, at position: Int) {
        if position > 0, item.deadline < heap[(position - 1) / 2].deadline {
            rise(item, from: position)
        } else {
            sink(item, from: position)
        }
    }

    private mutating func rise(_ item: Item, from start: Int) {
        var position = start
        while position > 0 {
            let parent = heap[(position - 1) / 2]
            guard item.deadline < parent.deadline else { break }
            place(parent, at: position)
            position = (position - 1) / 2
        }
        place(item, at: position)
    }

    private mutating func sink(_ item: Item, from start: Int) {
        var position = start
        while 2 * position + 1 < heap.count {
            var child = 2 * position + 1
            if child + 1 < heap.count, heap[child + 1].deadline < heap[child].deadline { child += 1 }
            guard heap[child].deadline < item.deadline else { break }
            place(heap[child], at: position)
            position = child
        }
        place(item, at: position)
    }

    private mutating func place(_ item: Item, at position: Int) {
        heap[position] = item
        positions[Int(item.slot)] = Int32(position)
    }
}
