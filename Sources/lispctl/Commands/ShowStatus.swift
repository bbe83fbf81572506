import ArgumentParser
import ManagementAPI

struct ShowStatus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Version, roles and their health, workers, sockets, warnings."
    )

    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        let answer = try await daemon.client.get(.status, as: StatusReport.self)
        try daemon.write(answer, text(of:))
    }
}
