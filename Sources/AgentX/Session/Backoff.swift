/// How long to wait before the next attempt: twice as long after each failure, and at random between half of that and all of it,
/// so that many subagents of one master do not come back at once.
struct Backoff {
    private let first: Duration
    private let longest: Duration
    private var next: Duration

    init(first: Duration, longest: Duration) {
        self.first = first
        self.longest = max(first, longest)
        next = first
    }

    mutating func wait(_ random: inout any RandomNumberGenerator) -> Duration {
        defer { next = min(next * 2, longest) }
        return next * Double.random(in: 0.5...1, using: &random)
    }

    mutating func reset() { next = first }
}
