import ArgumentParser
import ManagementAPI

struct ClearMapCache: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "map-cache",
        abstract: "Forgets mappings of other sites; they are asked for again when needed.",
        discussion: "An address forgets the entry it falls under; a prefix forgets that entry and its more-specifics."
    )

    @Argument(help: ArgumentHelp("[ipv4|ipv6] [EID]", valueName: "selection"), completion: .list(["ipv4", "ipv6"]))
    var selection: [String] = []
    @OptionGroup var instance: InstanceOption
    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        let selection = try Selection(selection)
        let request = ClearMapCacheRequest(
            family: selection.family,
            instanceID: instance.number,
            eid: try selection.eid()
        )
        let answer = try await daemon.client.post(.clearMapCache, body: request, as: ClearReport.self)
        try daemon.write(answer) { "\($0.cleared) \($0.cleared == 1 ? "entry" : "entries") cleared\n" }
    }
}
