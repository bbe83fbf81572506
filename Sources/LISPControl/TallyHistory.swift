// What counters did of late, for `show statistics`.

import LISPWire

/// A tally as it stood at the end of each of the last sixty periods of five seconds.
package struct TallyHistory<Kind: Hashable & Sendable>: Sendable {
    /// How often to call `note`.
    package static var period: Duration { .seconds(5) }
    /// How many periods can be asked about: five minutes.
    package static var periods: Int { 60 }

    /// Oldest first, one more than there are periods.
    private var snapshots: [Tally<Kind>] = []

    package init() {}

    /// A period has ended.
    package mutating func note(_ tally: Tally<Kind>) {
        if snapshots.count > Self.periods { snapshots.removeFirst() }
        snapshots.append(tally)
    }

    /// How much was counted in the last `periods` periods that have ended, or since the start if that is later.
    package func recent(_ kind: Kind, _ family: AddressFamily?, periods: Int) -> UInt64 {
        guard let newest = snapshots.last?[kind, family] else { return 0 }
        let index = snapshots.count - 1 - min(periods, Self.periods)
        return newest &- (index >= 0 ? snapshots[index][kind, family] : 0)
    }
}
