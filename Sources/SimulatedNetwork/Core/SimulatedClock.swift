// The clocks of one router: no two machines agree on how long a second is, and none on what time it is.
//
// The monotonic clock, from which a router gets `now`, has an origin of its own and runs at a rate of its own. Network time is what the event
// queue counts in; checks that hold a router to its own timers look at its clock, those that compare routers allow for the
// largest drift (`SimulatedNetwork.longest`). The wall clock is stepped now and then, and counts only for an ETR's nonces.

import LISPTables

package struct SimulatedClock: Sendable {
    /// In parts of a billion that it is fast.
    let drift: Int64
    /// What it shows when network time begins.
    let origin: Int64
    /// How far the wall clock is ahead of the right time.
    package internal(set) var wallError = Duration.zero

    /// Network time itself, and the right time on the wall.
    static let exact = SimulatedClock(drift: 0, origin: 0)

    var isExact: Bool { drift == 0 && origin == 0 }

    private static let billion: Int64 = 1_000_000_000

    /// What the clock shows at a moment of network time.
    package func local(_ moment: Instant) -> Instant {
        guard !isExact, moment != .never else { return moment }
        return Instant(nanoseconds: origin + moment.nanoseconds + gained(in: moment.nanoseconds))
    }

    /// The first moment of network time at which the clock shows `local` or more.
    func network(_ local: Instant) -> Instant {
        guard !isExact, local.nanoseconds < .max / 2 else { return local }
        let shown = local.nanoseconds - origin
        var moment = shown - gained(in: shown)
        // Each step leaves a hundredth of the error or less.
        while true {
            let missing = shown - moment - gained(in: moment)
            if missing == 0 { break }
            moment += missing
            if abs(missing) == 1 { break }
        }
        while moment + gained(in: moment) < shown { moment += 1 }
        while moment - 1 + gained(in: moment - 1) >= shown { moment -= 1 }
        return Instant(nanoseconds: moment)
    }

    /// Rounded towards zero.
    private func gained(in nanoseconds: Int64) -> Int64 {
        let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: Self.billion)
        return seconds * drift + rest * drift / Self.billion
    }
}

extension SimulatedClock {
    /// What a crystal is off at most, or NTP slews a clock by at most, whichever is more: 500 parts of a million.
    private static let ordinaryDrift: Int64 = 500_000
    /// One machine in ten is virtual and has a timer that was badly calibrated: a hundredth, which is to be seen in a minute.
    static let largestDrift: Int64 = 10_000_000
    private static let oddMachines = 100
    private static let longestUptime = Duration.seconds(30 * 86_400)
    /// A clock that nobody has set is wrong by as much.
    private static let largestWallError = Duration.seconds(20 * 60)

    init(using random: inout SeededRandom) {
        let bound = random.chance(perMille: Self.oddMachines) ? Self.largestDrift : Self.ordinaryDrift
        drift = Int64.random(in: -bound...bound, using: &random)
        origin = random.duration(upTo: Self.longestUptime).nanoseconds
        setWall(using: &random)
    }

    init(drift: Int64, origin: Int64) {
        self.drift = drift
        self.origin = origin
    }

    /// Somebody sets the wall clock, forward or back; it may be right afterwards or wrong.
    mutating func setWall(using random: inout SeededRandom) {
        wallError = random.duration(upTo: Self.largestWallError * 2) - Self.largestWallError
    }
}

extension SimulatedNetwork {
    /// What a router's own clock shows now.
    package func time(at node: SimulatedRouter) -> Instant { node.clock.local(now) }

    /// How much network time it takes at most until a router has measured `duration`, whatever its clock.
    package func longest(_ duration: Duration) -> Duration {
        guard hasOwnClocks else { return duration }
        let billion = 1_000_000_000.0
        return duration * (billion / (billion - Double(SimulatedClock.largestDrift)))
    }

    /// What an ETR's nonces would start from now: its wall clock, in nanoseconds.
    func wallClock(of node: SimulatedRouter) -> UInt64 {
        Self.wallClock &+ UInt64(bitPattern: now.nanoseconds &+ node.clock.wallError.nanoseconds)
    }

    /// Sets the wall clock of a router; without effect where all clocks are right.
    package func setWallClock(of node: SimulatedRouter, using random: inout SeededRandom) {
        guard hasOwnClocks else { return }
        node.clock.setWall(using: &random)
        counts.clocksSet += 1
        record(node, .life("wall clock set, now wrong by \(node.clock.wallError)"))
    }
}
