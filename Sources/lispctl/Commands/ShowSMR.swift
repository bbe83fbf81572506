import ArgumentParser
import ManagementAPI

struct ShowSMR: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "smr",
        abstract: "Solicit-Map-Requests: whom this router told of changed mappings, and who told it."
    )

    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        let answer = try await daemon.client.get(.smr, as: SMRReport.self)
        try daemon.write(answer, text(of:))
    }
}
