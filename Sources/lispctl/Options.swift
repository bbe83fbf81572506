// Options and arguments that several commands share.

import ArgumentParser
import LISPWire
import ManagementAPI

extension EIDFamily: ExpressibleByArgument {}

/// Where the daemon is, and how its answer is written.
struct DaemonOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The management socket of lispd.", valueName: "path"), completion: .file())
    var socket = "/run/lispd/lispd.sock"

    @Flag(help: "Write the answer as JSON.")
    var json = false

    var client: ManagementClient { ManagementClient(socketPath: socket) }
}

/// Which EID tables are meant.
struct InstanceOption: ParsableArguments {
    @Option(
        name: .customLong("instance-id"),
        help: ArgumentHelp("Only this instance, 0 to 16777215. Absent: all.", valueName: "n")
    )
    var number: UInt32?

    func validate() throws {
        if let number, number > InstanceID.maximum {
            throw ValidationError("--instance-id \(number): an instance ID is a number from 0 to 16777215")
        }
    }
}

/// `[ipv4|ipv6] [TARGET]`, in either order.
struct Selection {
    var family: EIDFamily?
    var target: String?

    init(_ words: [String]) throws(CommandFailure) {
        var words = words
        if let place = words.firstIndex(where: { EIDFamily(rawValue: $0) != nil }) {
            family = EIDFamily(rawValue: words.remove(at: place))
        }
        target = words.first
        if let surplus = words.dropFirst().first {
            throw CommandFailure(.usage, "unexpected argument `\(surplus)`: give [ipv4|ipv6] and one EID at most")
        }
    }

    /// The target as an EID: canonical text of an address or a prefix.
    func eid() throws(CommandFailure) -> String? {
        guard let target else { return nil }
        let eid = try parseEID(target)
        if let family, family != EIDFamily(ofAddress: eid) {
            throw CommandFailure(.usage, "\(target) is no \(family.rawValue) EID: leave out one of the two")
        }
        return eid
    }
}

/// Canonical text of an address or a prefix.
func parseEID(_ text: String) throws(CommandFailure) -> String {
    if let address = IPAddress(text) { return address.description }
    if let prefix = IPPrefix(text) { return prefix.description }
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    if parts.count == 2, let address = IPAddress(parts[0]), let length = UInt8(parts[1]),
        let network = IPPrefix(address, length: length)
    {
        throw CommandFailure(.usage, "\(text) has bits set beyond its length: did you mean \(network)?")
    }
    throw CommandFailure(
        .usage,
        "`\(text)` is no EID: give an address such as 10.2.0.1 or a prefix such as 10.2.0.0/16 or 2001:db8:2::/48"
    )
}
