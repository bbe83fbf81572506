import ArgumentParser
import ManagementAPI
import NIOCore

struct Monitor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows events as they happen, until it is interrupted.",
        discussion: """
            Begins with the last few. With --json each event is one object on a line of its own. Ends with status 69 when lispd \
            does. A reader that is slower than events come misses some and is told how many.
            """
    )

    @Option(help: ArgumentHelp("Begin with the last so many, 0 to 1000.", valueName: "n"))
    var count = 10
    @OptionGroup var daemon: DaemonOptions

    func validate() throws {
        guard (0...EventQuery.maximumLimit).contains(count) else {
            throw ValidationError("--count \(count): a number from 0 to \(EventQuery.maximumLimit)")
        }
    }

    func run() async throws {
        var client = daemon.client
        let first = try await client.get(.events, EventQuery(limit: max(count, 1)), as: EventsReport.self).data
        try write(first.events.suffix(count))
        var latest = first.latest
        // The daemon holds each question until there is something to tell: nothing is lost in between, since the next question
        // says what has been seen.
        client.timeout = .seconds(Int64(EventQuery.maximumWait)) + client.timeout
        while true {
            let query = EventQuery(after: latest, limit: EventQuery.maximumLimit, wait: EventQuery.maximumWait)
            let report = try await client.get(.events, query, as: EventsReport.self).data
            if report.missed > 0 { try write(missed: report.missed) }
            try write(report.events[...])
            latest = report.events.last?.sequence ?? latest
        }
    }

    private func write(_ events: ArraySlice<Event>) throws {
        for event in events {
            if daemon.json { try writeJSONLine(event) } else { try writeText(joined([textLine(of: event)])) }
        }
    }

    private func write(missed: UInt64) throws {
        if daemon.json {
            try writeJSONLine(MissedEvents(missed: missed))
        } else {
            try writeText("*** \(missed) events missed: they came faster than they were read ***\n")
        }
    }

    /// Stands among the events in place of those that are lost.
    struct MissedEvents: Encodable {
        var missed: UInt64
    }
}
