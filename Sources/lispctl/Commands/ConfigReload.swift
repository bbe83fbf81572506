import ArgumentParser
import ManagementAPI

struct ConfigReload: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Has lispd read its configuration file again.",
        discussion: "If the file has faults the running configuration stays, and the exit status is 78."
    )

    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        let answer = try await daemon.client.post(.reload, as: ReloadReport.self)
        try daemon.write(answer) { report in
            let changed =
                report.changed.isEmpty ? "nothing changed" : "changed: " + report.changed.joined(separator: ", ")
            return (["\(report.file): \(changed)"] + report.warnings).joined(separator: "\n") + "\n"
        }
    }
}
