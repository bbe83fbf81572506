import ArgumentParser
import LISPWire
import ManagementAPI

struct DiagnoseRegistration: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "registration",
        abstract: "Says of each EID-prefix whether it is registered, and if not, why not.",
        discussion: """
            On an ETR: for each EID-prefix of its database and each Map-Server. On a Map-Server: for each EID-prefix of its sites, and \
            for those that somebody wants to register and no site has, with the nearest that one has. A Map-Server tells an ETR \
            nothing of its reasons, so that a registration that is refused is to be asked about at both ends. With an EID or the \
            name of a site only about those; exit status 1 says that something of it is not registered.
            """
    )

    @Argument(
        help: ArgumentHelp("[ipv4|ipv6] [EID|NAME]", valueName: "selection"),
        completion: .list(["ipv4", "ipv6"])
    )
    var selection: [String] = []
    @OptionGroup var instance: InstanceOption
    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        var state = DiagnosisState()
        try await daemon.write(.registrationDiagnosis, try query(), as: RegistrationDiagnosisText()) { state.note($0) }
        if selection.contains(where: { EIDFamily(rawValue: $0) == nil }), !state.isRegistered {
            throw ExitCode(ExitStatus.nothingFound.rawValue)
        }
    }

    func query() throws(CommandFailure) -> TableQuery {
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
        return query
    }
}
