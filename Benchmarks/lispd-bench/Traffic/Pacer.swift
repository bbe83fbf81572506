// When to send next, so that packets leave evenly.

/// Nanoseconds all, since the start.
struct Pacer {
    /// One who was kept waiting makes up for so much and no more: a burst would only show how long the queues on the way are.
    static let slack = 4e6

    /// Between two packets.
    let interval: Double
    private var due = 0.0

    /// - Parameter rate: packets a second, more than 0.
    init(rate: Double) { interval = 1e9 / rate }

    /// How long to wait before the next `count` packets, which then leave together.
    mutating func delay(before count: Int, at now: Double) -> Double {
        due = max(due, now - Self.slack)
        let delay = max(0, due - now)
        due += Double(count) * interval
        return delay
    }
}
