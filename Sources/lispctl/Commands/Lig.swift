import ArgumentParser
import LISPWire
import ManagementAPI

struct Lig: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Asks the mapping system for the mapping of an EID (RFC 6835).",
        discussion: """
            The question goes straight to a Map-Resolver; lispd need not run if --to is given. Otherwise the \
            Map-Resolvers, and what self and self6 are, come from lispd.
            """
    )

    @Argument(help: ArgumentHelp("[ipv4|ipv6] EID, a host name, self or self6.", valueName: "selection"))
    var selection: [String]
    @Option(help: ArgumentHelp("The Map-Resolver to ask.", valueName: "map-resolver")) var to: String?
    @Option(help: ArgumentHelp("The source EID to ask as.", valueName: "eid")) var source: String?
    @Option(help: ArgumentHelp("How often to ask before giving up, 1 to 5.", valueName: "n")) var count = 3
    @OptionGroup var instance: InstanceOption
    @OptionGroup var daemon: DaemonOptions

    func validate() throws {
        guard (1...5).contains(count) else { throw ValidationError("--count \(count): a number from 1 to 5") }
    }

    func run() async throws {
        let selection = try Selection(selection)
        guard let name = selection.target else {
            throw CommandFailure(.usage, "give an EID, a host name, self or self6")
        }
        let instanceID = InstanceID(uncheckedRawValue: instance.number ?? 0)
        let eid = EID(instanceID: instanceID, try await address(name, selection.family))
        let resolvers = try await mapResolvers()
        let sourceEID = try await sourceEID(for: eid)
        var failure = CommandFailure(.unavailable, "no Map-Resolver to ask: name one with --to")
        for resolver in resolvers {
            var answer: LigAnswer?
            do throws(CommandFailure) {
                answer = try ask(resolver, eid, sourceEID)
                failure = CommandFailure(.nothingFound, "*** No map-reply received from \(resolver) ***")
            } catch {
                failure = error
            }
            if let answer { return try show(answer, eid, name, resolver) }
        }
        throw failure
    }

    private func show(_ answer: LigAnswer, _ eid: EID, _ name: String, _ resolver: IPAddress) throws {
        if daemon.json { return try writeJSON(LigReport(answer, eid: eid, resolver: resolver)) }
        try writeText(text(of: answer, eid: eid, name: name))
    }

    /// Asks up to `count` times, two seconds apart, each time with a nonce of its own.
    private func ask(_ resolver: IPAddress, _ eid: EID, _ sourceEID: IPAddress?) throws(CommandFailure) -> LigAnswer? {
        let destination = Endpoint(resolver, 4342)
        let socket = try LigSocket(towards: destination)
        var questions: [(question: LigQuestion, sent: ContinuousClock.Instant)] = []
        for attempt in 1...count {
            let nonce = Nonce(rawValue: .random(in: .min ... .max))
            let question = LigQuestion(eid: eid, sourceEID: sourceEID, local: socket.local, nonce: nonce)
            if !daemon.json { try writeText("Send map-request to \(resolver) for \(eid) ...\n") }
            questions.append((question, .now))
            try socket.send(question.message, to: destination)
            let deadline = ContinuousClock.now + .seconds(2)
            while let datagram = socket.receive(milliseconds: milliseconds(until: deadline)) {
                for (index, entry) in questions.enumerated() {
                    guard let records = entry.question.answer(in: datagram.bytes) else { continue }
                    let (seconds, attoseconds) = (ContinuousClock.now - entry.sent).components
                    return LigAnswer(
                        records: records,
                        source: datagram.source,
                        roundTripMicroseconds: UInt64(seconds * 1_000_000 + attoseconds / 1_000_000_000_000),
                        attempt: min(index + 1, attempt)
                    )
                }
            }
        }
        return nil
    }

    private func milliseconds(until deadline: ContinuousClock.Instant) -> Int32 {
        let (seconds, attoseconds) = (deadline - .now).components
        return Int32(max(0, seconds * 1000 + attoseconds / 1_000_000_000_000_000))
    }

    private func address(_ name: String, _ family: EIDFamily?) async throws -> IPAddress {
        if name == "self" || name == "self6" {
            let wanted: EIDFamily = name == "self6" ? .ipv6 : family ?? .ipv4
            guard let own = try await ownEID(wanted) else {
                throw CommandFailure(.nothingFound, "this router has no \(wanted.name) EID-prefix to ask about")
            }
            return own
        }
        if let address = IPAddress(name) {
            guard family == nil || family == EIDFamily(ofAddress: name) else {
                throw CommandFailure(
                    .usage,
                    "\(name) is no \(family?.rawValue ?? "") address: leave out one of the two"
                )
            }
            return address
        }
        if let prefix = IPPrefix(name) { return prefix.address }
        let found = addresses(ofHost: name)
        guard let address = found.first(where: { family == nil || ($0.family == .ipv4) == (family == .ipv4) }) else {
            throw CommandFailure(.usage, "`\(name)` is no EID and no host name: give an address such as 10.2.0.1")
        }
        return address
    }

    private func mapResolvers() async throws -> [IPAddress] {
        if let to {
            guard let address = IPAddress(to) ?? addresses(ofHost: to).first else {
                throw CommandFailure(.usage, "--to \(to): give the address or the name of a Map-Resolver")
            }
            return [address]
        }
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

    /// What was given, else this router's own EID if lispd runs and has one of the family, else none.
    private func sourceEID(for eid: EID) async throws -> IPAddress? {
        if let source {
            guard let address = IPAddress(source) else {
                throw CommandFailure(.usage, "--source \(source): give the address of an EID such as 10.1.0.1")
            }
            return address
        }
        return try? await ownEID(eid.address.family == .ipv4 ? .ipv4 : .ipv6)
    }

    /// An address in an own EID-prefix: one of this host if there is one, else the prefix's first.
    private func ownEID(_ family: EIDFamily) async throws -> IPAddress? {
        let query = TableQuery(family: family, instanceID: instance.number ?? 0)
        let report = try await daemon.client.get(.database, query, as: DatabaseReport.self).data
        let entries = report.entries.filter { EIDFamily(ofAddress: $0.eidPrefix) == family }
        return entries.lazy.compactMap { $0.sourceAddress.flatMap { IPAddress($0) } }.first
            ?? entries.lazy.compactMap { IPPrefix($0.eidPrefix)?.address }.first
    }
}
