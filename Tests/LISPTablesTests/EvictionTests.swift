// Which entries of a full map-cache go: against a model made of arrays, and under scans.

import ForwardingInterface
import LISPWire
import Testing

@testable import LISPTables

/// The rules once more, with arrays that are searched from end to end.
private struct Model {
    struct Entry {
        var packets: UInt64
        var used: Int64
        let installed: Instant
        var refreshed: Instant
    }

    /// The first is looked at next.
    var probation: [Int32] = []
    var protected: [Int32] = []
    var entries: [Int32: Entry] = [:]
    var streak = 0

    mutating func learnt(_ slot: Int32, now: Instant) {
        if protected.contains(slot) {
            entries[slot]?.refreshed = now
            return
        }
        probation.removeAll { $0 == slot }
        probation.append(slot)
        let old = entries[slot]
        entries[slot] = Entry(
            packets: old?.packets ?? 0,
            used: old?.used ?? 0,
            installed: old?.installed ?? now,
            refreshed: now
        )
    }

    mutating func remove(_ slot: Int32) {
        probation.removeAll { $0 == slot }
        protected.removeAll { $0 == slot }
        entries[slot] = nil
    }

    private mutating func look(_ slot: Int32, _ packets: UInt64, _ now: Instant) -> Bool {
        guard let entry = entries[slot], packets > entry.packets else { return false }
        entries[slot]?.packets = packets
        entries[slot]?.used = now.nanoseconds / 100_000_000 + 1
        return true
    }

    private func isYoung(_ slot: Int32, _ now: Instant) -> Bool {
        (entries[slot]?.refreshed ?? .zero).duration(to: now) < .seconds(1)
    }

    private func isIdle(_ slot: Int32, _ now: Instant) -> Bool {
        guard let entry = entries[slot], entry.used > 0 else { return true }
        let inUse = entry.used - entry.installed.nanoseconds / 100_000_000 - 1
        return now.nanoseconds / 100_000_000 + 1 - entry.used > min(max(inUse, 10), 600)
    }

    mutating func victim(
        share: Int,
        now: Instant,
        packets: [Int32: UInt64]
    ) -> (slot: Int32, reason: EvictionReason)? {
        var looks = 0
        while let slot = probation.first, looks < 1_000 {
            looks += 1
            if isYoung(slot, now) { return nil }
            let isUsed = look(slot, packets[slot, default: 0], now)
            guard isUsed || !isIdle(slot, now) else {
                streak = 0
                return (slot, entries[slot]?.used == 0 ? .probation : .idle)
            }
            probation.removeFirst()
            if protected.count < share * 9 / 10 {
                protected.append(slot)
                continue
            }
            if let other = protected.first {
                let isUsed = look(other, packets[other, default: 0], now)
                if !isUsed, !isYoung(other, now), isIdle(other, now) {
                    protected.append(slot)
                    return (other, .idle)
                }
                protected.append(protected.removeFirst())
            }
            probation.append(slot)
            streak += 1
            if streak > probation.count { return (slot, .inUse) }
        }
        guard probation.isEmpty else { return nil }
        for _ in protected.indices {
            let slot = protected.removeFirst()
            protected.append(slot)
            if !look(slot, packets[slot, default: 0], now), !isYoung(slot, now), isIdle(slot, now) {
                return (slot, .idle)
            }
        }
        return protected.first.map { ($0, .inUse) }
    }
}

@Suite struct `The order of eviction` {
    @Test func `agrees with arrays that are searched`() {
        var generator = SeededGenerator.printed("EvictionOrder")
        var order = EvictionOrder()
        var model = Model()
        var packets: [Int32: UInt64] = [:]
        var now = Instant.zero
        var reasons: [EvictionReason: Int] = [:]
        func isYoung(_ slot: Int32) -> Bool {
            (model.entries[slot]?.refreshed ?? .zero).duration(to: now) < .seconds(1)
        }
        for step in 0..<40_000 {
            now = now + .milliseconds(Int.random(in: 0...400, using: &generator))
            // At times nearly everything is in use, at times little.
            let isBusy = step / 2_000 % 2 == 0
            let slot = Int32.random(in: 0..<60, using: &generator)
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<3:
                order.learnt(slot, .positive)
                model.learnt(slot, now: now)
            case 3:
                order.remove(slot)
                model.remove(slot)
                packets[slot] = nil
            case 4..<8:
                for user in (isBusy ? 0..<60 : 0..<12) as Range<Int32> where model.entries[user] != nil {
                    if Bool.random(using: &generator) { packets[user, default: 0] += 1 }
                }
            default:
                let share = Int.random(in: 20...40, using: &generator)
                let expected = model.victim(share: share, now: now, packets: packets)
                let found = order.victim(.positive, share: share, now: now) { slot in
                    EvictionOrder.Facts(
                        packets: packets[slot, default: 0],
                        installed: model.entries[slot]?.installed ?? .zero,
                        isYoung: isYoung(slot)
                    )
                }
                #expect(found?.slot == expected?.slot)
                #expect(found?.reason == expected?.reason)
                guard let found else { break }
                reasons[found.reason, default: 0] += 1
                order.remove(found.slot)
                model.remove(found.slot)
                packets[found.slot] = nil
            }
            #expect(order.count(.positive) == model.entries.count)
            #expect(order.protectedCount(.positive) == model.protected.count)
        }
        for reason in EvictionReason.allCases { #expect(reasons[reason, default: 0] > 10, "\(reason)") }
    }

    @Test func `looks at no more than so many at a time, and goes on from there`() {
        var order = EvictionOrder()
        for slot in 0..<3_000 as Range<Int32> { order.learnt(slot, .positive) }
        var looks = 0
        func victim() -> Int32? {
            order.victim(.positive, share: 3_000, now: .zero + .seconds(5)) { slot in
                looks += 1
                return EvictionOrder.Facts(packets: slot < 1_500 ? 9 : 0, installed: .zero, isYoung: false)
            }?.slot
        }
        #expect(victim() == nil)
        #expect(looks == 1_000)
        #expect(victim() == 1_500)
        #expect(looks == 1_501)
    }

    @Test func `does not take packets that waited for the entry for its use`() {
        var order = EvictionOrder()
        for slot in 0..<2 as Range<Int32> { order.learnt(slot, .positive) }
        order.expect(3, by: 0)
        let found = order.victim(.positive, share: 2, now: .zero + .seconds(5)) { slot in
            EvictionOrder.Facts(packets: slot == 0 ? 3 : 0, installed: .zero, isYoung: false)
        }
        #expect(found?.slot == 0)
        #expect(found?.reason == .probation)
    }

    @Test func `keeps the kinds apart`() {
        var order = EvictionOrder()
        order.learnt(0, .positive)
        order.learnt(1, .negative)
        func victim(_ kind: EvictionOrder.Kind) -> Int32? {
            order.victim(kind, share: 5, now: .zero) { _ in .init(packets: 0, installed: .zero, isYoung: false) }?.slot
        }
        #expect(victim(.negative) == 1)
        order.learnt(0, .negative)
        #expect(order.count(.positive) == 0)
        #expect(victim(.positive) == nil)
        #expect(victim(.negative) == 1)
    }
}

/// A map-cache with a clock, packet counters, and an owner that makes room as the ITR does.
private struct Bench {
    var cache: MapCache
    var now = Instant.zero
    var packets: [MappingID: UInt64] = [:]
    var refused = 0
    var evicted: [EvictionReason: Int] = [:]
    private var nextMapping: UInt32 = 1

    init(limit: Int) { cache = MapCache(limit: limit) }

    static func content(isNegative: Bool) -> MappingContent {
        MappingContent(
            action: .nativelyForward,
            source: IPAddress("198.51.100.2")!,
            locators: isNegative
                ? [] : [LocatorRecord(priority: 1, weight: 1, address: .ip(IPAddress("198.51.100.2")!))]
        )
    }

    /// A packet for the address: forwarded by its entry, or the entry is learnt first.
    mutating func send(to address: UInt32, isNegative: Bool = false) {
        let eid = EIDPrefix(IPPrefix(host: .v4(IPv4Address(address))))
        if cache[eid] == nil, !learn(eid, isNegative: isNegative) { return }
        if let entry = cache[eid] { packets[entry.mapping, default: 0] += 1 }
    }

    private mutating func learn(_ eid: EIDPrefix, isNegative: Bool) -> Bool {
        let room = cache.makeRoom(
            isNegative: isNegative,
            isNew: true,
            refreshedBy: now.advanced(by: .seconds(-1)),
            now: now
        ) { [packets] in packets[$0, default: 0] }
        switch room {
        case .free: break
        case .none:
            refused += 1
            return false
        case .insteadOf(let victim, let reason):
            evicted[reason, default: 0] += 1
            if let gone = cache.remove(victim) { packets[gone.entry.mapping] = nil }
        }
        let handle = cache.hold(Self.content(isNegative: isNegative)).handle
        let mapping = MappingID(rawValue: nextMapping)
        nextMapping += 1
        _ = cache.put(
            eid,
            mapping: mapping,
            content: handle,
            now: now,
            expires: now + .seconds(86_400),
            refreshDue: nil
        )
        // The packet that asked.
        cache.expect(1, by: eid)
        return true
    }

    func holds(_ address: UInt32) -> MapCacheEntry? {
        cache[EIDPrefix(IPPrefix(host: .v4(IPv4Address(address))))]
    }
}

@Suite struct `A scan` {
    enum Shape: CaseIterable {
        case ascending
        case random
        /// Each address twice, some seconds apart, as one that waits for an answer does.
        case repeated
        /// A thousand addresses over and over.
        case circling
    }

    private static let scanned: UInt32 = 0x0b00_0000
    private static let busy: UInt32 = 0x0a00_0000

    /// 500 entries are in use, one of five busy, the others with a packet every ten seconds; then a scan replaces the cache of 1,000
    /// every few seconds.
    @Test(arguments: Shape.allCases, [false, true])
    func `leaves all in place that is in use`(shape: Shape, startsFull: Bool) {
        var generator = SeededGenerator.printed("scan")
        var bench = Bench(limit: 1_000)
        func use(_ second: Int) {
            for user in 0..<500 as Range<UInt32> where user % 5 == 0 || (second + Int(user)) % 10 == 0 {
                bench.send(to: Self.busy + user)
            }
        }
        for second in 0..<60 {
            if startsFull, second == 0 {
                // Others that were in use once, and are not any more.
                for other in 0..<400 as Range<UInt32> { for _ in 0..<9 { bench.send(to: 0x0c00_0000 + other) } }
            }
            use(second)
            bench.now = bench.now + .seconds(1)
        }
        let before = (0..<500 as Range<UInt32>).map { bench.holds(Self.busy + $0)?.mapping }
        var sent: UInt32 = 0
        for second in 60..<200 {
            for _ in 0..<90 {
                let target =
                    switch shape {
                    case .ascending: sent
                    case .random: UInt32.random(in: 0..<1 << 22, using: &generator)
                    case .repeated: sent % 2 == 0 ? sent : max(sent, 271) - 271
                    case .circling: sent % 1_000
                    }
                sent += 1
                bench.send(to: Self.scanned + target)
            }
            use(second)
            bench.now = bench.now + .seconds(1)
        }
        let lost = (0..<500 as Range<UInt32>).filter { bench.holds(Self.busy + $0)?.mapping != before[Int($0)] }
        #expect(lost == [])
        #expect(bench.evicted[.inUse, default: 0] == 0)
        #expect(bench.cache.count == 1_000)
        #expect(bench.refused < 90)
    }

    @Test func `of what has no mapping takes a tenth of the cache, and pushes out none of those in use`() {
        var bench = Bench(limit: 1_000)
        for second in 0..<30 {
            for user in 0..<800 as Range<UInt32> { bench.send(to: Self.busy + user) }
            if second == 20 { for other in 0..<200 as Range<UInt32> { bench.send(to: 0x0c00_0000 + other) } }
            bench.now = bench.now + .seconds(1)
        }
        #expect(bench.cache.count == 1_000)
        for target in 0..<20_000 as Range<UInt32> {
            bench.send(to: Self.scanned + target, isNegative: true)
            bench.now = bench.now + .milliseconds(20)
        }
        #expect(bench.cache.count == 1_000)
        #expect(bench.cache.negativeCounts.values.reduce(0, +) == 100)
        #expect((0..<800 as Range<UInt32>).allSatisfy { bench.holds(Self.busy + $0) != nil })
        // The others leave the negative ones their share.
        for target in 0..<2_000 as Range<UInt32> {
            bench.send(to: 0x0d00_0000 + target)
            bench.now = bench.now + .milliseconds(20)
        }
        #expect(bench.cache.negativeCounts.values.reduce(0, +) == 100)
        #expect(bench.cache.count == 1_000)
    }

    @Test func `does not keep a new flow out`() {
        var bench = Bench(limit: 1_000)
        var sent: UInt32 = 0
        func scan(_ count: Int) {
            for _ in 0..<count {
                bench.send(to: Self.scanned + sent)
                sent += 1
            }
        }
        for _ in 0..<100 {
            scan(50)
            bench.now = bench.now + .milliseconds(500)
        }
        bench.send(to: Self.busy)
        let mapping = bench.holds(Self.busy)?.mapping
        #expect(mapping != nil)
        for _ in 0..<1_000 {
            scan(50)
            bench.now = bench.now + .milliseconds(500)
            bench.send(to: Self.busy)
        }
        #expect(bench.holds(Self.busy)?.mapping == mapping)
    }
}

@Suite struct `A smaller limit` {
    @Test func `lets those go first that are not in use, and comes to its end where all are`() {
        var bench = Bench(limit: 2_500)
        for user in 0..<2_500 as Range<UInt32> { bench.send(to: user + 1) }
        bench.now = bench.now + .seconds(2)
        for user in 0..<500 as Range<UInt32> { bench.send(to: user + 1) }
        func shrink(to limit: Int) {
            bench.cache.limit = limit
            for _ in 0..<20_000 where bench.cache.isOverfull {
                let counters = bench.packets
                guard let (eid, _) = bench.cache.surplus(now: bench.now, packetsSent: { counters[$0, default: 0] })
                else { continue }
                bench.cache.remove(eid)
            }
            #expect(!bench.cache.isOverfull)
            #expect(bench.cache.count == limit)
        }
        shrink(to: 600)
        #expect((0..<500 as Range<UInt32>).allSatisfy { bench.holds($0 + 1) != nil })
        shrink(to: 100)
        bench.cache.negativeLimit = 0
        shrink(to: 1)
    }
}
