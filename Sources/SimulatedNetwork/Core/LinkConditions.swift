// What a path does to a datagram.

import LISPTables

/// The conditions between two routers. Chances are in thousandths.
package struct LinkConditions: Hashable, Sendable {
    package var delay: Duration
    /// Added to the delay, evenly distributed; it reorders what follows closely.
    package var jitter: Duration
    package var loss: Int
    package var duplication: Int
    /// How often a datagram is overtaken, by waiting up to `reorderDelay` longer.
    package var reordering: Int
    package var reorderDelay: Duration

    package init(
        delay: Duration = .milliseconds(10),
        jitter: Duration = .zero,
        loss: Int = 0,
        duplication: Int = 0,
        reordering: Int = 0,
        reorderDelay: Duration = .milliseconds(300)
    ) {
        self.delay = delay
        self.jitter = jitter
        self.loss = loss
        self.duplication = duplication
        self.reordering = reordering
        self.reorderDelay = reorderDelay
    }

    /// When the copies of a datagram arrive, counted from now; empty if it is lost.
    func arrivals(using random: inout SeededRandom) -> [Duration] {
        guard !random.chance(perMille: loss) else { return [] }
        var arrivals = [arrival(using: &random)]
        if random.chance(perMille: duplication) { arrivals.append(arrival(using: &random)) }
        return arrivals
    }

    private func arrival(using random: inout SeededRandom) -> Duration {
        let late = random.chance(perMille: reordering) ? random.duration(upTo: reorderDelay) : .zero
        return delay + random.duration(upTo: jitter) + late
    }

    /// No datagram is longer under way.
    package var longestDelay: Duration { delay + jitter + (reordering > 0 ? reorderDelay : .zero) }
}
