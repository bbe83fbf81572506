import ArgumentParser
import LISPWire
import LinuxNetwork

struct Traffic: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Sends UDP datagrams of many flows at an even rate, and counts what comes of them.",
        discussion: "Each side prints what it did as JSON. Start the receiver first; it ends by itself.",
        subcommands: [TrafficSend.self, TrafficReceive.self]
    )

    /// Of both sides, unless they say otherwise.
    static let port: UInt16 = 7_878
}

struct TrafficSend: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "send",
        abstract: "Sends by sendmmsg, each datagram by itself (no GSO).",
        discussion: """
            Packets leave evenly: a sender that was kept waiting makes up for 4 ms at most, so fewer may leave than the rate \
            says.
            """
    )

    @Option(help: "IPv4 or IPv6 address that the first flow goes to; each other goes to the address that follows.")
    var to: String

    @Option(help: "UDP port of all of them.")
    var port = Traffic.port

    @Option(help: "How many flows there are, each to an address of its own.")
    var flows = 1

    @Option(help: "Octets of payload: one size, or several with their weights, as in 64:7,576:4,1400:1.")
    var sizes: SizeMix

    @Option(help: "Packets a second, of all flows together.")
    var rate: Double

    @Option(help: "For how long, in seconds.")
    var seconds = 1.0

    @Option(name: .customLong("run"), help: "Number by which the receiver knows these datagrams.")
    var number: UInt32 = 0

    func validate() throws {
        guard IPAddress(to) != nil else { throw ValidationError("--to \(to): expected an IPv4 or IPv6 address") }
        guard (1...Int(TrafficAccount.flowLimit)).contains(flows) else {
            throw ValidationError("--flows \(flows): expected 1 to \(TrafficAccount.flowLimit)")
        }
        guard rate > 0, rate <= 1e9, seconds > 0, seconds <= 86_400 else {
            throw ValidationError("--rate \(rate), --seconds \(seconds): expected more than 0, and at most a day")
        }
        guard rate * seconds / Double(flows) < Double(TrafficAccount.sequenceLimit) else {
            throw ValidationError("found more than \(TrafficAccount.sequenceLimit) packets in a flow")
        }
    }

    func run() throws {
        guard let first = IPAddress(to) else { return }
        let sender = try TrafficSender(to: first, port: port, flows: flows, sizes: sizes, run: number)
        try Load.print(try sender.send(rate: rate, seconds: seconds))
    }
}

struct TrafficReceive: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "receive",
        abstract: "Counts what comes, until the sender says that this was all."
    )

    @Option(help: "UDP port, of every address of this host.")
    var port = Traffic.port

    @Flag(name: .customLong("ipv6"), help: "Over IPv6 instead of IPv4.")
    var isIPv6 = false

    @Option(name: .customLong("run"), help: "Number of the run; other datagrams are only counted.")
    var number: UInt32 = 0

    @Option(help: "Ends when nothing has come for so many seconds, should the sender's word that this was all be lost.")
    var quiet = 3.0

    @Option(help: "Ends when nothing at all has come for so many seconds.")
    var patience = 10.0

    func validate() throws {
        guard quiet > 0, patience > 0 else {
            throw ValidationError("--quiet \(quiet), --patience \(patience): expected more than 0")
        }
    }

    func run() throws {
        let receiver = try TrafficReceiver(isIPv6 ? .ipv6 : .ipv4, port: port)
        try Load.print(receiver.receive(run: number, quiet: quiet, patience: patience))
    }
}
