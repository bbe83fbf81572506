import ArgumentParser
import LISPWire
import ManagementAPI

struct Explain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Says what this router would do with a packet now, and why.",
        discussion: """
            The whole decision: whether the host's rules bring the packet into the TUN, which mapping its destination falls \
            under, which locators are used and why the others are not, what fits the path, and whether answers find the way \
            back. With protocol and ports it names the locator that this very flow takes; the data plane itself answers.
            """
    )

    /// A protocol by its number, or one of the names that everybody knows.
    enum PacketProtocol: Equatable {
        case icmp
        case number(UInt8)

        static let names = ["icmp", "sctp", "tcp", "udp"]

        init?(_ text: String) {
            switch text {
            case "icmp": self = .icmp
            case "tcp": self = .number(6)
            case "udp": self = .number(17)
            case "sctp": self = .number(132)
            default:
                guard let number = UInt8(text) else { return nil }
                self = .number(number)
            }
        }

        func number(_ family: AddressFamily) -> UInt8 {
            switch self {
            case .icmp: family == .ipv4 ? 1 : 58
            case .number(let number): number
            }
        }
    }

    @Argument(help: "The address that the packet comes from.") var source: String
    @Argument(help: "The address that it goes to.") var destination: String
    @Option(
        name: .customLong("protocol"),
        help: ArgumentHelp("icmp, sctp, tcp, udp or a number from 0 to 255.", valueName: "protocol"),
        completion: .list(PacketProtocol.names)
    )
    var protocolName: String?
    @Option(help: ArgumentHelp("Of TCP, UDP or SCTP.", valueName: "port")) var sourcePort: UInt16?
    @Option(help: ArgumentHelp("Of TCP, UDP or SCTP.", valueName: "port")) var destinationPort: UInt16?
    @OptionGroup var instance: InstanceOption
    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        let answer = try await daemon.client.get(.explain, try query(), as: ExplainReport.self)
        try daemon.write(answer, text(of:))
    }

    /// Refuses what cannot be right before anybody is asked.
    func query() throws(CommandFailure) -> ExplainQuery {
        let from = try address(source)
        let to = try address(destination)
        guard from.family == to.family else {
            throw CommandFailure(.usage, "\(from) and \(to) are not of one family: no packet has both")
        }
        var number: UInt8?
        if let protocolName {
            guard let named = PacketProtocol(protocolName) else {
                throw CommandFailure(
                    .usage,
                    "--protocol \(protocolName): give icmp, sctp, tcp, udp or a number from 0 to 255"
                )
            }
            number = named.number(from.family)
        }
        if sourcePort != nil || destinationPort != nil, ![6, 17, 132].contains(number) {
            throw CommandFailure(.usage, "ports are those of TCP, UDP or SCTP: give --protocol tcp, udp or sctp, too")
        }
        return ExplainQuery(
            source: from.description,
            destination: to.description,
            instanceID: instance.number,
            protocolNumber: number,
            sourcePort: sourcePort,
            destinationPort: destinationPort
        )
    }

    private func address(_ text: String) throws(CommandFailure) -> IPAddress {
        guard let address = IPAddress(text) else {
            throw CommandFailure(.usage, "`\(text)` is no address: give one such as 10.2.0.1 or 2001:db8:2::1")
        }
        return address
    }
}
