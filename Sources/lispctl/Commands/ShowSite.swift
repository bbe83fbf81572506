import ArgumentParser
import LISPWire
import ManagementAPI

struct ShowSite: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "site",
        abstract: "The sites of this Map-Server, and who has registered what."
    )

    @Argument(
        help: ArgumentHelp("[ipv4|ipv6] [NAME|EID]", valueName: "selection"),
        completion: .list(["ipv4", "ipv6"])
    )
    var selection: [String] = []
    @Flag(help: "Everything about each EID-prefix. On by itself if a name or an EID is given.") var detail = false
    @OptionGroup var instance: InstanceOption
    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        let selection = try Selection(selection)
        var query = TableQuery(family: selection.family, instanceID: instance.number)
        if let target = selection.target {
            // Names of sites may look like anything but an address.
            if IPAddress(target) != nil || target.contains("/") {
                query.eid = try selection.eid()
            } else {
                query.name = target
            }
        }
        let text = SiteText(isDetailed: detail || selection.target != nil)
        try await daemon.write(.sites, query, as: text) { report in
            if report.sites.isEmpty, let target = selection.target {
                throw CommandFailure(.nothingFound, "no site is called or holds \(target): see `lispctl show site`")
            }
        }
    }
}
