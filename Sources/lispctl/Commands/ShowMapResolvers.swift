import ArgumentParser
import ManagementAPI

struct ShowMapResolvers: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "map-resolvers",
        abstract: "The Map-Resolvers this router asks."
    )

    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        let answer = try await daemon.client.get(.mapResolvers, as: MapResolversReport.self)
        try daemon.write(answer, text(of:))
    }
}
