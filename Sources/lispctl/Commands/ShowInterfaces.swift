import ArgumentParser
import ManagementAPI

struct ShowInterfaces: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "interfaces",
        abstract: "TUNs of the instances, and the interfaces with RLOCs."
    )

    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        let answer = try await daemon.client.get(.interfaces, as: InterfacesReport.self)
        try daemon.write(answer, text(of:))
    }
}
