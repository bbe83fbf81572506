// The master's sysUpTime as seen from here. Its answers show it; they may be late, never early, so the largest lead counts, and a
// TimeStamp does not wobble with the load.

struct MasterClock {
    /// The master's clock was at zero at this time, going by what it showed.
    private var zero: ContinuousClock.Instant?
    /// A clock that lags by so much was set back, or runs slower than ours.
    private static let tolerance = Duration.seconds(20)

    /// An answer that arrived at `now` had this sysUpTime, in hundredths of a second.
    mutating func showed(_ ticks: UInt32, _ now: ContinuousClock.Instant) {
        let shown = now - .milliseconds(10) * Double(ticks)
        guard let zero, shown > zero, shown - zero < Self.tolerance else {
            self.zero = shown
            return
        }
    }

    /// 0 if that was before the master started, or if it has not been heard yet.
    func sysUpTime(at instant: ContinuousClock.Instant) -> UInt32 {
        guard let zero, instant > zero else { return 0 }
        // It starts again after 497 days.
        return UInt32(truncatingIfNeeded: Int64((instant - zero) / .milliseconds(10)))
    }
}
