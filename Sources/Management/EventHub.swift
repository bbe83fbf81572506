// Where events go: into the log of the daemon and to whoever asks for them. What the journal tells and what `show events` and
// `monitor` show is the same, since it all comes through here.

import Logging
import ManagementAPI
import Synchronization

/// Takes events from any thread and never waits; those who wait for events wait here, and hold nothing up.
package final class EventHub: Sendable {
    /// The most who wait for the next event at a time.
    package static let waiterLimit = 32

    private struct State {
        var log = EventLog()
        var waiters: [UInt64: CheckedContinuation<Bool, Never>] = [:]
        var lastWaiter: UInt64 = 0
    }

    private let state = Mutex(State())
    private let logger: Logger
    private let milliseconds: @Sendable () -> Int64

    /// - Parameter milliseconds: reads the wall clock.
    package init(logger: Logger, milliseconds: @escaping @Sendable () -> Int64) {
        self.logger = logger
        self.milliseconds = milliseconds
    }

    /// How many wait for the next event.
    var waiting: Int { state.withLock { $0.waiters.count } }

    package func post(_ event: Event) {
        guard let kind = EventKind(rawValue: event.kind) else { preconditionFailure("an event of no kind") }
        let (kept, woken) = state.withLock { state -> (Event?, [CheckedContinuation<Bool, Never>]) in
            let kept = state.log.append(event, kind: kind, milliseconds: milliseconds())
            guard kept != nil else { return (nil, []) }
            defer { state.waiters.removeAll() }
            return (kept, Array(state.waiters.values))
        }
        guard let kept else { return }
        logger.log(level: kept.severity.level, "\(kept.line)")
        for waiter in woken { waiter.resume(returning: true) }
    }

    package func metrics() -> [MetricFamily] {
        let counts = state.withLock { $0.log.counts }
        var taken = MetricFamily(.counter, "lispd_events_total", "Events that were logged, by kind.")
        var leftOut = MetricFamily(
            .counter,
            "lispd_events_left_out_total",
            "Events of kinds that anybody can cause which came too fast to be logged."
        )
        for kind in EventKind.allCases {
            let label = MetricFamily.Label("kind", kind.rawValue)
            taken.add(counts[kind]?.taken ?? 0, label)
            if kind.cause == .anybody { leftOut.add(counts[kind]?.leftOut ?? 0, label) }
        }
        return [taken, leftOut]
    }

    /// What the query asks for, at once or as soon as there is something, or, if nothing happens so long, nothing.
    package func report(_ query: EventQuery) async throws(ManagementError) -> EventsReport {
        guard let after = query.after else { return state.withLock { $0.log.newest(query.limit) } }
        let now = state.withLock { $0.log.events(after: after, limit: query.limit) }
        guard now.events.isEmpty, query.wait > 0 else { return now }
        guard await waits(after: after, seconds: query.wait) else {
            throw ManagementError(.unavailable, "\(Self.waiterLimit) others wait for events: try again later")
        }
        return state.withLock { $0.log.events(after: after, limit: query.limit) }
    }

    /// Returns when an event has come, the time is over or the task is cancelled; `false`, at once, if too many wait.
    private func waits(after sequence: UInt64, seconds: Int) async -> Bool {
        let number = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        let timer = Task {
            try await Task.sleep(for: .seconds(seconds))
            release(number)
        }
        defer { timer.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let answer = state.withLock { state -> Bool? in
                    // An event may have come, or the end, before we were here.
                    guard state.log.events(after: sequence, limit: 1).events.isEmpty, !Task.isCancelled else {
                        return true
                    }
                    guard state.waiters.count < Self.waiterLimit else { return false }
                    state.waiters[number] = waiter
                    return nil
                }
                if let answer { waiter.resume(returning: answer) }
            }
        } onCancel: {
            release(number)
        }
    }

    private func release(_ number: UInt64) {
        state.withLock { $0.waiters.removeValue(forKey: number) }?.resume(returning: true)
    }
}

extension Event.Severity {
    var level: Logger.Level {
        switch self {
        case .info: .info
        case .notice: .notice
        case .warning: .warning
        case .error: .error
        }
    }
}
