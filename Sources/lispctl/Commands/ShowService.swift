import ArgumentParser
import ManagementAPI

struct ShowService: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "service",
        abstract: "Which LISP services this router provides."
    )

    @Argument(help: "Only this family.") var family: EIDFamily?
    @OptionGroup var instance: InstanceOption
    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        let query = TableQuery(family: family, instanceID: instance.number)
        let answer = try await daemon.client.get(.service, query, as: ServiceReport.self)
        try daemon.write(answer, text(of:))
    }
}
