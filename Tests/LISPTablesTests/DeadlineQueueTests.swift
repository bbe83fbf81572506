import Testing

@testable import LISPTables

@Suite struct `A deadline queue` {
    @Test func `gives what is due, earliest first, and no more`() {
        var queue = DeadlineQueue<String>()
        queue.set("late", at: Instant(nanoseconds: 30))
        queue.set("early", at: Instant(nanoseconds: 10))
        queue.set("middle", at: Instant(nanoseconds: 20))
        #expect(queue.popDue(Instant(nanoseconds: 9)) == nil)
        #expect(queue.popDue(Instant(nanoseconds: 25)) == "early")
        #expect(queue.popDue(Instant(nanoseconds: 25)) == "middle")
        #expect(queue.popDue(Instant(nanoseconds: 25)) == nil)
        #expect(queue.earliest()?.key == "late")
    }

    @Test func `follows a deadline that moves either way or goes`() {
        var queue = DeadlineQueue<Int>()
        queue.set(1, at: Instant(nanoseconds: 10))
        queue.set(2, at: Instant(nanoseconds: 20))
        queue.set(1, at: Instant(nanoseconds: 30))
        #expect(queue.earliest()?.key == 2)
        queue.set(1, at: Instant(nanoseconds: 5))
        #expect(queue.popDue(Instant(nanoseconds: 5)) == 1)
        queue.remove(2)
        #expect(queue.earliest() == nil)
        #expect(queue.count == 0)
    }

    @Test func `gives back the room of deadlines that were removed`() {
        var queue = DeadlineQueue<Int>()
        for key in 0..<10_000 { queue.set(key, at: Instant(nanoseconds: Int64(key))) }
        for key in 1..<10_000 { queue.remove(key) }
        #expect(queue.heapCount < 100)
        #expect(queue.earliest()?.key == 0)
    }

    /// Also after the heap was rebuilt, which goes through a hash table.
    @Test func `gives what is due at one moment in the order in which it was set`() {
        var queue = DeadlineQueue<Int>()
        for key in 0..<100 { queue.set(key, at: Instant(nanoseconds: 5)) }
        for key in 1000..<2000 { queue.set(key, at: Instant(nanoseconds: 4)) }
        for key in 1000..<2000 { queue.remove(key) }
        #expect(queue.heapCount < 1000)
        var order: [Int] = []
        while let key = queue.popDue(Instant(nanoseconds: 5)) { order.append(key) }
        #expect(order == Array(0..<100))
    }

    @Test func `equals a sorted list under random use`() {
        let seed = UInt64.random(in: 0 ... .max)
        print("DeadlineQueue seed", seed)
        var random = Linear(state: seed)
        var queue = DeadlineQueue<Int>()
        var model: [Int: Int64] = [:]
        for _ in 0..<20_000 {
            let key = Int.random(in: 0..<200, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0, 1:
                let at = Int64.random(in: 0..<1000, using: &random)
                queue.set(key, at: Instant(nanoseconds: at))
                model[key] = at
            case 2:
                queue.remove(key)
                model[key] = nil
            default:
                let now = Int64.random(in: 0..<1000, using: &random)
                let popped = queue.popDue(Instant(nanoseconds: now))
                let due = model.filter { $0.value <= now }
                #expect((popped == nil) == due.isEmpty)
                if let popped {
                    #expect(model[popped] == due.values.min())
                    model[popped] = nil
                }
            }
            #expect(queue.count == model.count)
            #expect(queue.earliest()?.deadline.nanoseconds == model.values.min())
        }
    }

    private struct Linear: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ (state >> 29)
        }
    }
}
