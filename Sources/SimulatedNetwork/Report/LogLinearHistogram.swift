// How long things took, in bounded memory however many there were.

import LISPTables

/// Counts durations in buckets: exact below 64 µs, from there on 32 to each doubling, so that a percentile is at most 3.2% too
/// large. The longest one is kept as it is. At most 1,888 buckets, of which only those up to the largest value take room.
package struct LogLinearHistogram: Hashable, Sendable {
    private static let linear: UInt64 = 64
    private static let perOctave: UInt64 = 32

    private var buckets: [UInt64] = []
    package private(set) var count: UInt64 = 0
    package private(set) var longest = Duration.zero

    package init() {}

    /// What is less than nothing counts as nothing.
    package mutating func add(_ duration: Duration) {
        let place = Self.place(of: UInt64(max(0, duration.nanoseconds)) / 1000)
        if place >= buckets.count { buckets += Array(repeating: 0, count: place + 1 - buckets.count) }
        buckets[place] += 1
        count += 1
        longest = max(longest, duration)
    }

    package static func += (sum: inout Self, more: Self) {
        if more.buckets.count > sum.buckets.count {
            sum.buckets += Array(repeating: 0, count: more.buckets.count - sum.buckets.count)
        }
        for (place, count) in more.buckets.enumerated() { sum.buckets[place] += count }
        sum.count += more.count
        sum.longest = max(sum.longest, more.longest)
    }

    /// The least duration that so many of a hundred thousand do not exceed; `nil` if there are none.
    package func percentile(perHundredThousand share: UInt64) -> Duration? {
        guard count > 0 else { return nil }
        // Rounded up: of three, the median is the second.
        let rank = max(1, (count * share + 99_999) / 100_000)
        var passed: UInt64 = 0
        for (place, inside) in buckets.enumerated() {
            passed += inside
            if passed >= rank { return min(.microseconds(Int64(Self.largest(in: place))), longest) }
        }
        return longest
    }

    private static func place(of micros: UInt64) -> Int {
        guard micros >= linear else { return Int(micros) }
        let shift = UInt64(63 - micros.leadingZeroBitCount - 5)
        return Int(shift * perOctave + micros >> shift)
    }

    /// The largest number of whole microseconds that a bucket counts.
    private static func largest(in place: Int) -> UInt64 {
        let place = UInt64(place)
        guard place >= linear else { return place }
        let shift = place / perOctave - 1
        return (place - shift * perOctave + 1) << shift - 1
    }
}
