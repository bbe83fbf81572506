// The last events, so many that an operator finds what went wrong, so few that nobody can fill the memory with them.
//
// A thousand are kept in all: for each cause the newest of its share. So a site that registers ten thousand EID-prefixes does not
// push out that an RLOC went down, one that goes up and down does not push out that the configuration was refused, and a stranger who sends garbage pushes out nothing but earlier garbage, and little of that:
// of what anybody can cause, twenty events of a kind are taken in twenty seconds, and the next one tells how many were left out.

import ManagementAPI

/// Does no I/O and reads no clock.
package struct EventLog: Sendable {
    /// How many events of a cause are kept.
    package static func share(of cause: EventKind.Cause) -> Int {
        switch cause {
        case .router: 400
        case .paths, .sites, .anybody: 200
        }
    }

    /// Of one kind that anybody can cause, so many events...
    package static let burst = 20
    /// ...in so many milliseconds.
    package static let period: Int64 = 20_000

    /// The newest events of one cause, oldest first from `start` on.
    private struct Ring: Sendable {
        var events: [Event] = []
        var start = 0

        mutating func append(_ event: Event, share: Int) {
            if events.count < share {
                events.append(event)
            } else {
                events[start] = event
                start = (start + 1) % share
            }
        }

        subscript(index: Int) -> Event { events[(start + index) % events.count] }

        /// The index of the first event after `sequence`.
        func index(after sequence: UInt64) -> Int {
            var (low, high) = (0, events.count)
            while low < high {
                let middle = (low + high) / 2
                if self[middle].sequence > sequence { high = middle } else { low = middle + 1 }
            }
            return low
        }
    }

    /// How many of one kind came of late.
    private struct Pace: Sendable {
        var begun: Int64
        var taken = 0
        var leftOut: UInt64 = 0
    }

    private var rings: [EventKind.Cause: Ring] = [:]
    private var paces: [EventKind: Pace] = [:]
    /// How many of each kind have been taken in, and how many were left out.
    package private(set) var counts: [EventKind: (taken: UInt64, leftOut: UInt64)] = [:]
    /// Of the newest event; 0 if there was none.
    package private(set) var latest: UInt64 = 0

    package init() {}

    /// Takes in what has happened and returns it as it is kept, with number and time; `nil` if there were too many of the kind.
    ///
    /// - Parameter milliseconds: of the wall clock, which may jump.
    package mutating func append(_ event: Event, kind: EventKind, milliseconds: Int64) -> Event? {
        var event = event
        if kind.cause == .anybody {
            var pace = paces[kind] ?? Pace(begun: milliseconds)
            if !(pace.begun..<pace.begun + Self.period).contains(milliseconds) {
                pace.begun = milliseconds
                pace.taken = 0
            }
            defer { paces[kind] = pace }
            guard pace.taken < Self.burst else {
                pace.leftOut += 1
                counts[kind, default: (0, 0)].leftOut += 1
                return nil
            }
            pace.taken += 1
            event.leftOut = pace.leftOut > 0 ? pace.leftOut : nil
            pace.leftOut = 0
        }
        counts[kind, default: (0, 0)].taken += 1
        latest += 1
        event.sequence = latest
        event.milliseconds = milliseconds
        rings[kind.cause, default: Ring()].append(event, share: Self.share(of: kind.cause))
        return event
    }

    /// The newest events, at most `limit`, oldest first.
    package func newest(_ limit: Int) -> EventsReport {
        var indices = rings.mapValues(\.events.count)
        var events: [Event] = []
        while events.count < limit {
            let next = indices.filter { $0.value > 0 }.compactMap { cause, index in
                rings[cause].map { (cause: cause, event: $0[index - 1]) }
            }.max { $0.event.sequence < $1.event.sequence }
            guard let next else { break }
            events.append(next.event)
            indices[next.cause, default: 1] -= 1
        }
        return report(events.reversed(), after: events.last.map { $0.sequence - 1 } ?? latest)
    }

    /// The events after the one with number `sequence`, at most `limit`, oldest first. A number that is not reached yet is one
    /// of another daemon's, which ran before: then all.
    package func events(after sequence: UInt64, limit: Int) -> EventsReport {
        let sequence = sequence > latest ? 0 : sequence
        var indices = rings.mapValues { $0.index(after: sequence) }
        var events: [Event] = []
        while events.count < limit {
            let next = indices.compactMap { cause, index in
                rings[cause].flatMap { $0.events.count > index ? (cause: cause, event: $0[index]) : nil }
            }.min { $0.event.sequence < $1.event.sequence }
            guard let next else { break }
            events.append(next.event)
            indices[next.cause, default: 0] += 1
        }
        return report(events, after: sequence)
    }

    private func report(_ events: [Event], after sequence: UInt64) -> EventsReport {
        let reached = events.last?.sequence ?? sequence
        return EventsReport(events: events, latest: latest, missed: reached - sequence - UInt64(events.count))
    }
}
