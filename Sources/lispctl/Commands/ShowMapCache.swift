import ArgumentParser
import ManagementAPI

struct ShowMapCache: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "map-cache",
        abstract: "Mappings of other sites.",
        discussion: "An address shows the entry it falls under; a prefix shows that entry and its more-specifics."
    )

    @Argument(help: ArgumentHelp("[ipv4|ipv6] [EID]", valueName: "selection"), completion: .list(["ipv4", "ipv6"]))
    var selection: [String] = []
    @Flag(help: "Everything about each entry. On by itself if an EID is given.") var detail = false
    @OptionGroup var instance: InstanceOption
    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        let selection = try Selection(selection)
        let eid = try selection.eid()
        let query = TableQuery(family: selection.family, instanceID: instance.number, eid: eid)
        try await daemon.write(.mapCache, query, as: MapCacheText(isDetailed: detail || eid != nil))
    }
}
