import ArgumentParser
import ManagementAPI

struct ClearSite: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "site",
        abstract: "Makes this Map-Server forget what a site's ETRs have registered.",
        discussion: """
            Until they register again, which takes a minute at most, Map-Requests for the site get a negative Map-Reply of one \
            minute; ITRs that know the site already go on. Without EID, family and instance the nonces of its ETRs are forgotten, \
            too: an ETR that has lost its count may start afresh. An address forgets the registered EID-prefix it falls under; a \
            prefix forgets that one and its more-specifics.
            """
    )

    @Argument(help: "The name of the site.") var name: String
    @Argument(help: ArgumentHelp("[ipv4|ipv6] [EID]", valueName: "selection"), completion: .list(["ipv4", "ipv6"]))
    var selection: [String] = []
    @OptionGroup var instance: InstanceOption
    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        let answer = try await daemon.client.post(.clearSite, body: try request(), as: ClearSiteReport.self)
        try daemon.write(answer, text(of:))
    }

    func request() throws(CommandFailure) -> ClearSiteRequest {
        let selection = try Selection(selection)
        return ClearSiteRequest(
            name: name,
            family: selection.family,
            instanceID: instance.number,
            eid: try selection.eid()
        )
    }
}

func text(of report: ClearSiteReport) -> String {
    func number(_ count: Int, _ one: String, _ many: String) -> String { "\(count) \(count == 1 ? one : many)" }
    var line =
        "site \(report.site): \(number(report.cleared, "EID-prefix", "EID-prefixes")) cleared, "
        + number(report.registrations, "registration", "registrations")
    if report.nonces > 0 { line += "; nonces of \(number(report.nonces, "ETR", "ETRs")) forgotten" }
    return line + "\n"
}
