import ArgumentParser
import ManagementAPI

struct ConfigShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "The configuration in effect, with every default; secrets are hidden."
    )

    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        let answer = try await daemon.client.get(.configuration, as: ConfigurationReport.self)
        try writeText(daemon.json ? answer.data.json : answer.data.yaml)
    }
}
