import ArgumentParser
import FoundationEssentials
import LISPWire
import LinuxNetwork

struct Load: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Sends Map-Registers and Map-Requests to a running Map-Server and checks every answer.",
        discussion: """
            The host must own the addresses of the population: ip route add local 198.18.0.0/15 dev lo. The Map-Server \
            must serve it: see load configuration.
            """,
        subcommands: [LoadServerConfiguration.self, LoadRegister.self, LoadRequest.self, LoadEcho.self, LoadForge.self]
    )

    static func print(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        Swift.print(String(decoding: try encoder.encode(value), as: UTF8.self))
    }
}

struct LoadServerConfiguration: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "configuration",
        abstract: "Prints what stands under `map-server` in the configuration of a lispd that serves the population."
    )

    func run() throws {
        try Load.print(LoadConfiguration())
    }
}

struct LoadRegister: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "register",
        abstract: "Registers EID-prefixes, and refreshes them as often as --count asks for.",
        discussion: "Each Map-Register has one record of one locator and wants a Map-Notify; HMAC-SHA-256-128."
    )

    @OptionGroup var options: LoadOptions

    func run() throws {
        try options.run { exchange, population in Registering(population: population) }
    }
}

struct LoadRequest: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "request",
        abstract: "Asks for EIDs that `load register` has registered.",
        discussion: "Encapsulated Map-Requests, answered by the Map-Server for the ETRs."
    )

    @OptionGroup var options: LoadOptions

    func run() throws {
        try options.run { exchange, population in Requesting(population: population, port: exchange.port) }
    }
}

struct LoadEcho: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "echo",
        abstract: "Takes the Map-Server's place and sends everything back, until it is ended.",
        discussion: """
            Its processor time, as --echoed --pid of register or request measures it, is what the system calls cost.
            """
    )

    @Option(help: "IPv4 address to answer at.")
    var at: String

    @Option(help: "UDP port.")
    var port = LISPPort.control

    @Flag(help: "Leaves out what a Map-Request is encapsulated in.")
    var decapsulate = false

    func validate() throws {
        guard IPv4Address(at) != nil else { throw ValidationError("--at \(at): expected an IPv4 address") }
    }

    func run() throws {
        guard let address = IPv4Address(at) else { return }
        let skipped = decapsulate ? Requesting.encapsulation : Registering.encapsulation
        try EchoThread(skipping: skipped, at: address, port: port).answer()
    }
}

struct LoadForge: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forge",
        abstract: "Sends what an attacker would who does not see the traffic.",
        discussion: """
            map-register: to a Map-Server that serves the population, forged in six ways by turns. The others: to an xTR. \
            As fast as it reads them, none more. The host must own the addresses that the messages claim to come from: \
            ip route add local ADDRESS dev lo.
            """
    )

    @Argument(help: "map-register, map-reply, map-notify, smr, probe or probe-reply.")
    var kind: String

    @Option(help: "IPv4 address of the Map-Server or xTR.")
    var to: String

    @Option(help: "Its process on this machine.")
    var pid: Int32

    @Option(help: "How many messages to send.")
    var count = 1_000_000

    @Option(help: "map-register: how many EID-prefixes the population has.")
    var eids = 1_000

    @Option(help: "map-register: how many ETRs.")
    var routers = 1_024

    @Option(name: .customLong("from"), help: "An address that the messages claim to come from; may be repeated.")
    var sources: [String] = []

    @Option(name: .customLong("prefix"), help: "Another site's EID-prefix, which the attacker claims; may be repeated.")
    var prefixes: [String] = []

    @Option(name: .customLong("own"), help: "An EID-prefix of the xTR's own site; may be repeated.")
    var ownPrefixes: [String] = []

    @Option(help: "The attacker's RLOC.")
    var attacker = "192.0.2.66"

    @Option(help: "UDP port of the target, and where the messages come from.")
    var port = LISPPort.control

    func validate() throws {
        for address in [to, attacker] + sources where IPv4Address(address) == nil {
            throw ValidationError("found `\(address)`: expected an IPv4 address")
        }
        for prefix in prefixes + ownPrefixes where IPPrefix(prefix) == nil {
            throw ValidationError("found `\(prefix)`: expected an EID-prefix")
        }
        guard count > 0 else { throw ValidationError("--count \(count): expected 1 or more") }
        guard kind == "map-register" || RouterForger.Kind(rawValue: kind) != nil else {
            let known = ["map-register"] + RouterForger.Kind.allCases.map(\.rawValue)
            throw ValidationError("found `\(kind)`: expected \(known.joined(separator: ", "))")
        }
        if kind == "map-register" { return try LoadPopulation.validate(eids: eids, routers: routers) }
        guard !sources.isEmpty, !prefixes.isEmpty, !ownPrefixes.isEmpty else {
            throw ValidationError("\(kind): expected --from, --prefix and --own")
        }
    }

    func run() throws {
        guard let target = IPv4Address(to), let attacker = IPv4Address(attacker) else { return }
        let flood = Flood(count: count, server: OtherProcess(pid: pid), port: port)
        let exchange = try LoadExchange(to: Endpoint(.v4(target), port), port: port)
        guard let kind = RouterForger.Kind(rawValue: kind) else {
            let population = LoadPopulation(eids: eids, routers: routers)
            return try Load.print(
                try flood.run(RegisterForger(population: population, attacker: attacker), over: exchange)
            )
        }
        let forger = RouterForger(
            kind: kind,
            sources: sources.compactMap { IPv4Address($0) },
            prefixes: prefixes.compactMap { IPPrefix($0).map { EIDPrefix($0) } },
            ownPrefixes: ownPrefixes.compactMap { IPPrefix($0).map { EIDPrefix($0) } },
            attacker: attacker
        )
        try Load.print(try flood.run(forger, over: exchange))
    }
}

extension LoadPopulation {
    /// - Throws: what an operator gets to read who asked for a population that is none.
    static func validate(eids: Int, routers: Int) throws {
        guard (1...placeCount).contains(eids) else {
            throw ValidationError("--eids \(eids): expected 1 to \(placeCount)")
        }
        guard routers > 0, routers <= etrLimit, routers % siteCount == 0 else {
            throw ValidationError("--routers \(routers): expected a multiple of \(siteCount) up to \(etrLimit)")
        }
    }
}

struct LoadOptions: ParsableArguments {
    @Option(help: "The Map-Server's IPv4 address.")
    var to: String?

    @Flag(help: "The generator's own ceiling: a thread that sends everything back takes the Map-Server's place.")
    var echo = false

    @Flag(help: "What answers at --to is `load echo`.")
    var echoed = false

    @Option(help: "The Map-Server's port.")
    var port = LISPPort.control

    @Option(help: "How many EID-prefixes there are: 1 to 1048576.")
    var eids = 1_000

    @Option(help: "How many messages to send; behind the last EID-prefix comes the first again. Default: --eids.")
    var count: Int?

    @Option(help: "How many ETRs, and how many ITRs: a multiple of 16, at most 65536.")
    var routers = 1_024

    @Option(help: "The most messages without an answer at any time.")
    var window = 512

    @Option(help: "Messages a second at most. Default: as many as the window allows.")
    var rate: Double?

    @Option(help: "Nonce of the first message; the others follow. Default: nanoseconds since 1970, so that it is new.")
    var firstNonce: UInt64?

    @Option(help: "The Map-Server's process on this machine, whose processor time and memory to measure.")
    var pid: Int32?

    func validate() throws {
        guard echo != (to != nil) else { throw ValidationError("expected --to or --echo, one of them") }
        guard to.map({ IPv4Address($0) != nil }) ?? true else {
            throw ValidationError("--to \(to ?? ""): expected an IPv4 address")
        }
        try LoadPopulation.validate(eids: eids, routers: routers)
        guard firstNonce ?? 0 < 1 << 63 else { throw ValidationError("--first-nonce is less than 2^63") }
        guard count ?? 1 > 0, window > 0, rate ?? 1 > 0 else {
            throw ValidationError("--count, --window and --rate are 1 or more")
        }
    }

    /// Sends what `conversation` makes, checks what it gets and prints the report.
    func run<Conversation: LoadConversation>(
        _ conversation: (LoadExchange, LoadPopulation) -> Conversation
    ) throws {
        let population = LoadPopulation(eids: eids, routers: routers)
        let load = LoadRun(
            population: population,
            count: count ?? eids,
            window: window,
            rate: rate,
            server: pid.map(OtherProcess.init(pid:)),
            port: port,
            firstNonce: firstNonce ?? LoadRun.nonceOfNow()
        )
        guard let to = to.flatMap({ IPv4Address($0) }) else {
            let echo = try EchoThread(skipping: Conversation.encapsulation)
            let exchange = try LoadExchange(to: echo.endpoint)
            let echoed = Echoed(original: conversation(exchange, population))
            return try Load.print(try echo.whileRunning { try load.run(echoed, over: exchange) })
        }
        let exchange = try LoadExchange(to: Endpoint(.v4(to), port))
        let made = conversation(exchange, population)
        guard echoed else { return try Load.print(try load.run(made, over: exchange)) }
        try Load.print(try load.run(Echoed(original: made), over: exchange))
    }
}
