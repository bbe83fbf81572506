import ArgumentParser
import ManagementAPI

struct ShowDatabase: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "database",
        abstract: "The EID-prefixes of this site."
    )

    @Argument(help: "Only this family.") var family: EIDFamily?
    @OptionGroup var instance: InstanceOption
    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        let query = TableQuery(family: family, instanceID: instance.number)
        let answer = try await daemon.client.get(.database, query, as: DatabaseReport.self)
        try daemon.write(answer, text(of:))
    }
}
