// How much may happen: budgets that refill with time, one for all or one for each of many.

import LISPTables

/// How often something may happen: so many times a second, and twice as many at once after a pause.
package struct EventRate: Hashable, Sendable {
    /// At least 1.
    package let perSecond: Int
    /// How many may happen at once.
    package let burst: Int

    package init(perSecond: Int, burst: Int? = nil) {
        self.perSecond = max(1, perSecond)
        self.burst = max(1, burst ?? 2 * self.perSecond)
    }

    /// What one event takes, in nanoseconds.
    fileprivate var interval: Int64 { max(1, 1_000_000_000 / Int64(perSecond)) }

    /// Whether one more may happen where what has happened is paid off at `paid`.
    fileprivate func allows(_ paid: Int64, now: Int64) -> Bool { paid - now <= Int64(burst - 1) * interval }

    /// When that is paid off, too. What costs more than there is leaves a debt of at most a second.
    fileprivate func charged(_ paid: Int64, cost: Int, now: Int64) -> Int64 {
        min(max(paid, now) + Int64(cost) * interval, now + Int64(burst) * interval + 1_000_000_000)
    }
}

/// One budget for all. Without a rate there is always something left.
struct Budget: Sendable {
    var rate: EventRate?
    private var paid: Int64 = .min / 2

    init(_ rate: EventRate?) {
        self.rate = rate
    }

    func allows(now: Instant) -> Bool { rate?.allows(paid, now: now.nanoseconds) ?? true }

    /// Whether more than half of it is left.
    func isPlentiful(now: Instant) -> Bool {
        guard let rate else { return true }
        return EventRate(perSecond: rate.perSecond, burst: rate.burst / 2).allows(paid, now: now.nanoseconds)
    }

    mutating func charge(_ cost: Int = 1, now: Instant) {
        guard let rate else { return }
        paid = rate.charged(paid, cost: cost, now: now.nanoseconds)
    }

    mutating func take(now: Instant) -> Bool {
        guard allows(now: now) else { return false }
        charge(now: now)
        return true
    }
}

/// A budget for each of many, by hash. Without a rate there is always something left.
///
/// Bounded: when more are in use than there is room for, some share one. So many strangers cost each other, and whoever shares with
/// them, what they use; nobody gets more than the rate.
struct BudgetTable: Sendable {
    var rate: EventRate?
    private var paid: RecentMoments

    /// - Parameter limit: how many at a time have one of their own.
    init(_ rate: EventRate?, limit: Int = 65_536) {
        self.rate = rate
        self.paid = RecentMoments(limit: limit, whenFull: .share)
    }

    func allows(_ whom: some Hashable, now: Instant) -> Bool {
        guard let rate else { return true }
        return rate.allows(paid.moment(of: whom.hashValue, now: now.nanoseconds), now: now.nanoseconds)
    }

    mutating func charge(_ whom: some Hashable, _ cost: Int = 1, now: Instant) {
        guard let rate else { return }
        paid.change(of: whom.hashValue, now: now.nanoseconds) {
            $0 = rate.charged($0, cost: cost, now: now.nanoseconds)
        }
    }

    mutating func take(_ whom: some Hashable, now: Instant) -> Bool {
        guard let rate else { return true }
        // Who finds no place of its own shares one before it is asked whether it may, or it would be let through.
        return paid.change(of: whom.hashValue, now: now.nanoseconds) { moment in
            guard rate.allows(moment, now: now.nanoseconds) else { return false }
            moment = rate.charged(moment, cost: 1, now: now.nanoseconds)
            return true
        }
    }
}

/// Who was met a short while ago, by hash. Bounded: when there is no room, who was met first is forgotten.
struct RecentlyMet: Sendable {
    /// In nanoseconds.
    private let memory: Int64
    private var moments: RecentMoments

    init(memory: Duration, limit: Int = 65_536) {
        self.memory = memory.nanoseconds
        self.moments = RecentMoments(limit: limit, whenFull: .replace)
    }

    func contains(_ whom: some Hashable, now: Instant) -> Bool {
        moments.moment(of: whom.hashValue, now: now.nanoseconds) > now.nanoseconds
    }

    mutating func meet(_ whom: some Hashable, now: Instant) {
        moments.change(of: whom.hashValue, now: now.nanoseconds) { $0 = now.nanoseconds + memory }
    }
}

/// Moments to come by hash. One that is over is as good as none, so nothing is ever tidied up: a moment takes the place of one that is
/// over, in a set of four where its hash belongs. A set without such a place makes the table grow, up to its limit.
private struct RecentMoments: Sendable {
    enum Fullness: Sendable {
        /// What has no place of its own shares that of the earliest moment.
        case share
        /// It takes that place.
        case replace
    }

    private struct Cell: Sendable {
        var hash: Int
        var moment: Int64
    }

    private static let ways = 4
    private static let firstSets = 16

    private var cells: [Cell] = []
    private let limit: Int
    private let whenFull: Fullness

    init(limit: Int, whenFull: Fullness) {
        self.limit = limit
        self.whenFull = whenFull
    }

    private func start(of hash: Int) -> Int { (hash & (cells.count / Self.ways - 1)) * Self.ways }

    /// The place of `hash`: its own, one that is free, or `nil`; and that of the earliest moment where it may have one.
    private func places(of hash: Int, _ now: Int64) -> (place: Int?, earliest: Int) {
        let start = start(of: hash)
        var free: Int?
        var earliest = start
        for place in start..<start + Self.ways {
            if cells[place].hash == hash, cells[place].moment > now { return (place, place) }
            if cells[place].moment <= now { free = free ?? place }
            if cells[place].moment < cells[earliest].moment { earliest = place }
        }
        return (free, earliest)
    }

    /// A moment that is over if there is none.
    func moment(of hash: Int, now: Int64) -> Int64 {
        guard !cells.isEmpty else { return .min / 2 }
        let (place, earliest) = places(of: hash, now)
        if let place { return cells[place].hash == hash ? cells[place].moment : .min / 2 }
        guard cells.count >= limit, whenFull == .share else { return .min / 2 }
        return cells[earliest].moment
    }

    /// Lets `body` change the moment of a hash, which is over if there was none.
    @discardableResult
    mutating func change<R>(of hash: Int, now: Int64, _ body: (inout Int64) -> R) -> R {
        let place = place(for: hash, now: now)
        if cells[place].hash != hash, cells[place].moment <= now || whenFull == .replace {
            cells[place] = Cell(hash: hash, moment: .min / 2)
        }
        return body(&cells[place].moment)
    }

    /// The place of `hash`, after growing as far as may be; that of the earliest moment where there is no room.
    private mutating func place(for hash: Int, now: Int64) -> Int {
        if cells.isEmpty { cells = Self.empty(Self.firstSets * Self.ways) }
        while true {
            let (place, earliest) = places(of: hash, now)
            if let place { return place }
            guard cells.count < limit else { return earliest }
            grow(now)
        }
    }

    private static func empty(_ count: Int) -> [Cell] {
        Array(repeating: Cell(hash: 0, moment: .min / 2), count: count)
    }

    /// Twice as many sets: each one's cells spread over two, so that none has too many.
    private mutating func grow(_ now: Int64) {
        let old = cells
        cells = Self.empty(old.count * 2)
        for cell in old where cell.moment > now {
            if let place = places(of: cell.hash, now).place { cells[place] = cell }
        }
    }
}
