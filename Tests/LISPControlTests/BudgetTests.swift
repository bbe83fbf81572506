import LISPTables
import LISPWire
import Testing

@testable import LISPControl

@Suite struct `A table of budgets` {
    private static let rate = EventRate(perSecond: 10, burst: 20)

    @Test func `gives each what it would have alone, whatever others take`() {
        var random = SplitMix(seed: 3)
        var table = BudgetTable(Self.rate, limit: 4096)
        var alone: [Int: Budget] = [:]
        var now = Instant.zero
        for _ in 0..<60_000 {
            now = now + .milliseconds(1)
            let whom = Int(random.next() % 500)
            let expected = alone[whom, default: Budget(Self.rate)].take(now: now)
            let taken = table.take(whom, now: now)
            #expect(taken == expected)
        }
    }

    @Test func `without a rate refuses nobody, and takes one over as it comes and goes`() {
        var table = BudgetTable(nil)
        let unlimited = (0..<1_000).filter { _ in table.take(1, now: .zero) }.count
        #expect(unlimited == 1_000)
        table.rate = Self.rate
        let limited = (0..<1_000).filter { _ in table.take(1, now: .zero) }.count
        #expect(limited == 20)
        table.rate = nil
        let again = table.take(1, now: .zero)
        #expect(again)
    }

    @Test func `when it is full gives nobody more than the rate, and all together no more than there is room for`() {
        var table = BudgetTable(EventRate(perSecond: 1, burst: 1), limit: 256)
        let taken = (0..<10_000).filter { table.take($0, now: .zero) }.count
        #expect(taken > 128 && taken <= 256)
        let more = (0..<10_000).filter { table.take($0, now: .zero) }.count
        #expect(taken + more <= 256)
        // What has refilled makes room.
        let later = table.take(77, now: .zero + .seconds(2))
        #expect(later)
    }

    @Test func `a debt lasts no longer than a second beyond the pause that fills it`() {
        var budget = Budget(Self.rate)
        budget.charge(1_000_000, now: .zero)
        #expect(!budget.allows(now: .zero + .milliseconds(900)))
        #expect(budget.allows(now: .zero + .milliseconds(1_200)))
    }

    @Test func `who was met is known for a while, a bounded number of them`() {
        var met = RecentlyMet(memory: .seconds(10), limit: 64)
        met.meet("a", now: .zero)
        #expect(met.contains("a", now: .zero + .seconds(9)))
        #expect(!met.contains("a", now: .zero + .seconds(10)))
        for number in 0..<1_000 { met.meet(number, now: .zero) }
        #expect((0..<1_000).filter { met.contains($0, now: .zero) }.count <= 64)
        #expect(met.contains(999, now: .zero))
    }
}
