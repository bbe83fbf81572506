import ArgumentParser
import ManagementAPI

struct ShowMapServers: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "map-servers",
        abstract: "The Map-Servers this router registers with."
    )

    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        let answer = try await daemon.client.get(.mapServers, as: MapServersReport.self)
        try daemon.write(answer, text(of:))
    }
}
