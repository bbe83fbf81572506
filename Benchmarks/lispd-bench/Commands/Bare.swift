import ArgumentParser
import LISPWire
import LinuxNetwork

struct Bare: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Is one end of a tunnel that does nothing but carry: what no tunnel in user space can be faster than.",
        discussion: """
            Creates the TUN and carries packets until it is ended; addresses, MTU and routes are the caller's. The other end is \
            the same at --peer. `ip link set dev … gso_max_size 60000` at the senders: larger trains do not fit into a datagram.
            """
    )

    @Option(help: "Name of the TUN that it creates.")
    var interface: String

    @Option(help: "IPv4 or IPv6 address of the other end.")
    var peer: String

    @Option(help: "UDP port of both ends.")
    var port: UInt16 = 7_879

    @Option(help: "MTU of the TUN, which the caller sets, 576 to 65000.")
    var mtu = 1_450

    func validate() throws {
        guard IPAddress(peer) != nil else { throw ValidationError("--peer \(peer): expected an IPv4 or IPv6 address") }
        guard (576...65_000).contains(mtu) else { throw ValidationError("--mtu \(mtu): expected 576 to 65000") }
    }

    func run() throws {
        guard let address = IPAddress(peer) else { return }
        try BareTunnel(interface: interface, peer: address, port: port, mtu: mtu).run()
    }
}
