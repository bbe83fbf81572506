import ArgumentParser
import LISPWire
import ManagementAPI

struct Lig: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Asks the mapping system for the mapping of an EID (RFC 6835).",
        discussion: """
            The question goes straight to a Map-Resolver; lispd need not run if --to is given. Otherwise the Map-Resolvers of lispd \
            are asked, one after the other until one answers. `lig self` and `lig self6` ask for this router's own first \
            EID-prefix of the family; that, and any EID of its own, is compared with what this router registers. A host name is \
            asked for by an address of each family that it has. Ctrl-C ends it, with what was found out so far.

            Exit status: 0 answered, 1 no answer, 2 a negative answer (no LISP site, or one that is not registered), 3 a mapping of \
            this router's own EID-prefix that is not as it registers it, 68 a name that nobody knows, 130 Ctrl-C.
            """
    )

    @Argument(help: ArgumentHelp("[ipv4|ipv6] EID, a host name, self or self6.", valueName: "selection"))
    var selection: [String]
    @Option(
        help: ArgumentHelp(
            "A Map-Resolver to ask: an address or a name. May be given several times.",
            valueName: "map-resolver"
        )
    )
    var to: [String] = []
    @Option(help: ArgumentHelp("The source EID to ask as.", valueName: "eid")) var source: String?
    @Option(help: ArgumentHelp("How often to ask each Map-Resolver before giving up, 1 to 5.", valueName: "n"))
    var count = 3
    @OptionGroup var instance: InstanceOption
    @OptionGroup var daemon: DaemonOptions

    func validate() throws {
        guard (1...5).contains(count) else { throw ValidationError("--count \(count): a number from 1 to 5") }
    }

    func run() async throws {
        let selection = try Selection(selection)
        let site = await OwnSite(daemon.client, instance.number ?? 0)
        let targets = try LigTargets(selection, instance.number ?? 0, site).all
        let source = try sourceAddress()
        let resolvers = try await mapResolvers()
        let interrupt = try Interrupt()
        var worst = LigResult.Outcome.answered
        for (index, target) in targets.enumerated() {
            if index > 0, !daemon.json { try writeText("\n") }
            let asker = LigAsker(
                target: target,
                sourceEID: target.isSelf ? source ?? target.eid.address : source ?? site?.address(for: target.eid),
                count: count,
                interrupt: interrupt,
                says: !daemon.json
            )
            var result = try asker.ask(resolvers)
            if let own = target.own, let answer = result.answer {
                result.verification = LigVerification(of: answer, against: own, merges: site?.merges ?? false)
            }
            if daemon.json { try writeJSON(LigReport(result)) } else { try writeText(text(of: result)) }
            worst = max(worst, result.outcome)
            if worst == .interrupted { break }
        }
        if worst != .answered { throw ExitCode(worst.exitStatus) }
    }

    private func mapResolvers() async throws -> [IPAddress] {
        guard to.isEmpty else { return try to.flatMap(addresses(ofResolver:)) }
        do {
            let report = try await daemon.client.get(.mapResolvers, as: MapResolversReport.self).data
            let resolvers = report.mapResolvers.compactMap { IPAddress($0.address) }
            guard !resolvers.isEmpty else {
                throw CommandFailure(.unavailable, "lispd has no Map-Resolver: name one with --to")
            }
            return resolvers
        } catch let failure as CommandFailure {
            guard failure.status == .unavailable || failure.status == .noPermission else { throw failure }
            throw CommandFailure(failure.status, "--to MAP-RESOLVER is needed without lispd", details: failure.lines)
        }
    }

    private func addresses(ofResolver name: String) throws(CommandFailure) -> [IPAddress] {
        if let address = IPAddress(name) { return [address] }
        return try HostName(name, "--to").addresses
    }

    private func sourceAddress() throws(CommandFailure) -> IPAddress? {
        guard let source else { return nil }
        guard let address = IPAddress(source) else {
            throw CommandFailure(.usage, "--source \(source): give the address of an EID such as 10.1.0.1")
        }
        return address
    }
}
