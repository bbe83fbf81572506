// The last events: which are kept, which are left out, and how they are found again.

import Logging
import ManagementAPI
import Synchronization
import Testing

@testable import Management

@Suite struct EventLogTests {
    private static let second: Int64 = 1000

    private func event(_ kind: EventKind, _ text: String = "") -> Event { Event(kind, .info, text) }

    /// Takes in `count` events, one a second.
    private func fill(_ log: inout EventLog, _ kind: EventKind, _ count: Int, from start: Int64 = 0) {
        for number in 0..<Int64(count) {
            _ = log.append(
                event(kind, "\(number)"),
                kind: kind,
                milliseconds: (start + number) * Self.second
            )
        }
    }

    @Test func `numbers events from 1 and gives them their time`() {
        var log = EventLog()
        #expect(log.newest(10) == EventsReport(events: [], latest: 0))
        let first = log.append(event(.started), kind: .started, milliseconds: 1234)
        #expect(first?.sequence == 1)
        #expect(first?.milliseconds == 1234)
        #expect(log.append(event(.ending), kind: .ending, milliseconds: 7)?.sequence == 2)
        #expect(log.newest(10).events.map(\.sequence) == [1, 2])
        #expect(log.newest(1).events.map(\.kind) == ["ending"])
        #expect(log.newest(1).missed == 0)
    }

    @Test func `keeps the newest of each cause`() {
        var log = EventLog()
        fill(&log, .configurationReloaded, 600)
        fill(&log, .locatorDown, 1000)
        fill(&log, .siteRegistered, 10_000)
        fill(&log, .messageRefused, 1000)
        #expect(EventKind.Cause.allCases.reduce(0) { $0 + EventLog.share(of: $1) } == EventQuery.maximumLimit)
        let events = log.newest(2000).events
        let kept = [201...600, 1401...1600, 11_401...11_600, 12_401...12_600].flatMap { Array($0) }
        #expect(events.map(\.sequence) == kept.map { UInt64($0) })
        #expect(events.first?.text == "200")
        #expect(log.events(after: 0, limit: 2000).events == events)
    }

    @Test func `gives what came after an event, and says how many are gone`() {
        var log = EventLog()
        fill(&log, .siteRegistered, 1000)
        let report = log.events(after: 10, limit: 5)
        #expect(report.events.map(\.sequence) == Array(801...805))
        #expect(report.missed == 790)
        #expect(report.latest == 1000)
        #expect(log.events(after: 805, limit: 5).events.map(\.sequence) == Array(806...810))
        #expect(log.events(after: 805, limit: 5).missed == 0)
        #expect(log.events(after: 1000, limit: 5).events == [])
    }

    @Test func `counts as missed what is gone between two that are kept`() {
        var log = EventLog()
        fill(&log, .started, 1)
        fill(&log, .siteRegistered, 201)
        let report = log.events(after: 0, limit: 2)
        #expect(report.events.map(\.sequence) == [1, 3])
        #expect(report.missed == 1)
        #expect(log.newest(201).missed == 1)
    }

    @Test func `a number of a daemon that ran before starts from the beginning`() {
        var log = EventLog()
        fill(&log, .started, 3)
        #expect(log.events(after: 4, limit: 10).events.count == 3)
    }

    @Test func `leaves out what anybody can cause when it comes too fast, and says how much`() {
        var log = EventLog()
        var taken = 0
        for _ in 0..<1000 where log.append(event(.messageRefused), kind: .messageRefused, milliseconds: 5) != nil {
            taken += 1
        }
        #expect(taken == EventLog.burst)
        // Another kind has its own measure, and what the router does is never left out.
        #expect(log.append(event(.sendFailed), kind: .sendFailed, milliseconds: 5)?.leftOut == nil)
        #expect(log.append(event(.locatorDown), kind: .locatorDown, milliseconds: 5) != nil)
        let later = log.append(event(.messageRefused, "text"), kind: .messageRefused, milliseconds: 5 + EventLog.period)
        #expect(later?.leftOut == 980)
        #expect(later?.line == "text (980 more such events were left out before it)")
        let next = log.append(event(.messageRefused, "text"), kind: .messageRefused, milliseconds: 5 + EventLog.period)
        #expect(next?.line == "text")
        // A left-out event takes no number.
        #expect(log.latest == UInt64(EventLog.burst + 4))
    }

    @Test func `a wall clock that is set back does not leave events out for long`() {
        var log = EventLog()
        for _ in 0..<100 { _ = log.append(event(.messageRefused), kind: .messageRefused, milliseconds: 1_000_000) }
        #expect(log.append(event(.messageRefused), kind: .messageRefused, milliseconds: 500_000) != nil)
    }

    @Test func `every kind has a cause, and only strangers' events are left out`() {
        for kind in EventKind.allCases {
            var log = EventLog()
            for _ in 0..<50 { _ = log.append(event(kind), kind: kind, milliseconds: 0) }
            #expect(log.latest == (kind.cause == .anybody ? 20 : 50), "\(kind)")
        }
    }
}

@Suite struct EventHubTests {
    private func hub() -> EventHub {
        EventHub(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) { 1_767_225_600_123 }
    }

    @Test func `a question waits for the next event`() async throws {
        let hub = hub()
        hub.post(Event(.started, .notice, "a"))
        async let waiting = hub.report(EventQuery(after: 1, wait: 30))
        while hub.waiting == 0 { await Task.yield() }
        hub.post(Event(.ending, .notice, "b"))
        let report = try await waiting
        #expect(report.events.map(\.text) == ["b"])
        #expect(report.events.first?.milliseconds == 1_767_225_600_123)
        #expect(hub.waiting == 0)
    }

    @Test func `several wait for the same event`() async throws {
        let hub = hub()
        try await withThrowingTaskGroup(of: EventsReport.self) { group in
            for _ in 0..<5 { group.addTask { try await hub.report(EventQuery(after: 0, wait: 30)) } }
            while hub.waiting < 5 { await Task.yield() }
            hub.post(Event(.started, .notice, "a"))
            for try await report in group { #expect(report.events.map(\.text) == ["a"]) }
        }
    }

    @Test func `a question that waits in vain is answered with nothing`() async throws {
        let hub = hub()
        hub.post(Event(.started, .notice, "a"))
        let report = try await hub.report(EventQuery(after: 1, wait: 1))
        #expect(report == EventsReport(events: [], latest: 1))
        #expect(hub.waiting == 0)
    }

    @Test func `a question that does not want to wait is answered at once`() async throws {
        let hub = hub()
        hub.post(Event(.started, .notice, "a"))
        #expect(try await hub.report(EventQuery(after: 1)).events.isEmpty)
        #expect(try await hub.report(EventQuery(after: 0, wait: 30)).events.count == 1)
        #expect(try await hub.report(EventQuery()).events.count == 1)
    }

    @Test func `too many who wait are turned away, and a cancelled one makes room`() async throws {
        let hub = hub()
        let tasks = (0..<EventHub.waiterLimit).map { _ in
            Task { try await hub.report(EventQuery(after: 0, wait: 30)) }
        }
        while hub.waiting < EventHub.waiterLimit { await Task.yield() }
        await #expect(throws: ManagementError.self) { try await hub.report(EventQuery(after: 0, wait: 30)) }
        tasks[0].cancel()
        #expect(try await tasks[0].value.events.isEmpty)
        async let last = hub.report(EventQuery(after: 0, wait: 30))
        while hub.waiting < EventHub.waiterLimit { await Task.yield() }
        hub.post(Event(.started, .notice, "a"))
        #expect(try await last.events.count == 1)
        for task in tasks.dropFirst() { #expect(try await task.value.events.count == 1) }
    }

    @Test func `the log gets the line of what is kept, and of nothing else`() async throws {
        let recorder = LineRecorder()
        let hub = EventHub(logger: Logger(label: "test") { _ in recorder }) { 0 }
        hub.post(Event(.locatorDown, .warning, "RLOC 192.0.2.2 does not answer"))
        for _ in 0..<100 { hub.post(Event(.messageRefused, .notice, "refused")) }
        let lines = recorder.lines.withLock { $0 }
        #expect(lines.first == "warning: RLOC 192.0.2.2 does not answer")
        #expect(lines.count == 1 + EventLog.burst)
        #expect(try await hub.report(EventQuery()).events.map { "\($0.severity): \($0.line)" } == lines)
    }
}

private final class LineRecorder: LogHandler, Sendable {
    let lines = Mutex<[String]>([])
    var logLevel: Logger.Level {
        get { .trace }
        set {}
    }
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) { lines.withLock { $0.append("\(event.level): \(event.message)") } }
}
