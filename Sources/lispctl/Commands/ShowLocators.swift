import ArgumentParser
import ManagementAPI

struct ShowLocators: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "locators",
        abstract: "RLOCs: this router's own, and those of others."
    )

    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        let answer = try await daemon.client.get(.locators, as: LocatorsReport.self)
        try daemon.write(answer, text(of:))
    }
}
