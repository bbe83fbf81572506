// The clock that every machine is given from outside: monotonic, in nanoseconds from an origin of the owner's choice.

/// A point on the owner's monotonic clock. In the daemon that is CLOCK_BOOTTIME; in a simulation, virtual time.
package struct Instant: InstantProtocol, Hashable, Sendable {
    /// Nanoseconds since the origin.
    package var nanoseconds: Int64

    package init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// The origin of the clock.
    package static let zero = Instant(nanoseconds: 0)

    /// Later than every other.
    package static let never = Instant(nanoseconds: .max)

    /// The earlier of two deadlines, either of which there may not be.
    package static func earlier(_ a: Instant?, _ b: Instant?) -> Instant? {
        guard let a else { return b }
        guard let b else { return a }
        return min(a, b)
    }

    /// Saturates instead of overflowing: a TTL of decades ends far away, not in the past.
    package func advanced(by duration: Duration) -> Instant {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(duration.nanoseconds)
        return Instant(nanoseconds: overflow ? (duration < .zero ? .min : .max) : sum)
    }

    package func duration(to other: Instant) -> Duration {
        let (difference, overflow) = other.nanoseconds.subtractingReportingOverflow(nanoseconds)
        return .nanoseconds(overflow ? (other > self ? .max : .min) : difference)
    }

    package static func + (instant: Self, duration: Duration) -> Self { instant.advanced(by: duration) }

    package static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }
}

extension Duration {
    /// The whole duration in nanoseconds, saturated to 64 bits (292 years).
    package var nanoseconds: Int64 {
        Int64(clamping: attoseconds / 1_000_000_000)
    }
}
