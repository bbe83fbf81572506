import ArgumentParser
import ManagementAPI

struct ClearStatistics: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "statistics",
        abstract: "Lets `show statistics` count from now on.",
        discussion: "Only what `show statistics` says starts afresh: the metrics go on, as whoever reads them expects."
    )

    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        let answer = try await daemon.client.post(.clearStatistics, as: ClearStatisticsReport.self)
        try daemon.write(answer, text(of:))
    }
}

func text(of report: ClearStatisticsReport) -> String {
    "statistics cleared\(report.before.map { ", \(duration($0.secondsAgo)) after the last time" } ?? "")\n"
}
