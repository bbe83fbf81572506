import ArgumentParser
import ManagementAPI

struct ShowStatistics: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "statistics",
        abstract: "Counters of control messages and packets."
    )

    @Argument(help: "Only this family.") var family: EIDFamily?
    @OptionGroup var instance: InstanceOption
    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        let query = TableQuery(family: family, instanceID: instance.number)
        let answer = try await daemon.client.get(.statistics, query, as: StatisticsReport.self)
        try daemon.write(answer, text(of:))
    }
}
