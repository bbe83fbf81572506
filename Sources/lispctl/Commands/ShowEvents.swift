import ArgumentParser
import ManagementAPI

struct ShowEvents: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "What happened of late, oldest first.",
        discussion: """
            lispd keeps the last 1000 events: 400 of its own, 200 of the RLOCs that it sends to, 200 that sites cause by \
            registering with its Map-Server, 200 that anybody on the network can cause. `lispctl monitor` shows them as they happen.
            """
    )

    @Option(help: ArgumentHelp("Show the last so many, 1 to 1000.", valueName: "n"))
    var count = EventQuery.defaultLimit
    @OptionGroup var daemon: DaemonOptions

    func validate() throws {
        guard (1...EventQuery.maximumLimit).contains(count) else {
            throw ValidationError("--count \(count): a number from 1 to \(EventQuery.maximumLimit)")
        }
    }

    func run() async throws {
        let answer = try await daemon.client.get(.events, EventQuery(limit: count), as: EventsReport.self)
        try daemon.write(answer, text(of:))
    }
}
