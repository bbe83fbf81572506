// One route of the kernel's tables (`ip route`), as far as we install any.

import LISPWire

/// A unicast, `throw` or `unreachable` route. Always carries our routing protocol.
package struct HostRoute: Hashable, Sendable {
    /// Where a packet goes.
    package enum Target: Hashable, Sendable {
        /// Out by this interface, without a gateway. `source`: the address that unbound traffic of this host gets, which must
        /// be one of this host's; the kernel removes an IPv4 route whose source address goes.
        case interface(String, source: IPAddress? = nil)
        /// No answer from this table: the next rule is asked.
        case next
        /// Dropped, with an ICMP error.
        case unreachable
    }

    /// What the kernel has one route for: adding another with the same key replaces it.
    package struct Key: Hashable, Sendable {
        package var table: UInt32
        package var destination: IPPrefix
        package var metric: UInt32
    }

    package var table: UInt32
    package var destination: IPPrefix
    /// Lower is preferred among routes to the same destination.
    package var metric: UInt32
    package var target: Target

    /// - Parameter metric: `nil` for what the kernel takes when none is given (IPv4 0, IPv6 1024).
    package init(table: UInt32, _ destination: IPPrefix, metric: UInt32? = nil, _ target: Target) {
        self.table = table
        self.destination = destination
        self.metric =
            metric ?? (destination.family == .ipv4 ? HostNumbers.Metric.ipv4 : HostNumbers.Metric.ipv6)
        self.target = target
    }

    package var key: Key { Key(table: table, destination: destination, metric: metric) }

    /// Whether it leads to an interface; the others only stop or divert.
    package var isUnicast: Bool {
        if case .interface = target { true } else { false }
    }
}

extension HostRoute: Comparable {
    /// By table, destination, metric, then text: a fixed order of installation.
    package static func < (a: Self, b: Self) -> Bool {
        if a.table != b.table { return a.table < b.table }
        if a.destination != b.destination { return a.destination < b.destination }
        if a.metric != b.metric { return a.metric < b.metric }
        return a.description < b.description
    }
}

extension HostRoute: CustomStringConvertible {
    /// As `ip route` shows it: `default dev lisp0 table 10001`.
    package var description: String {
        let destination = destination.length == 0 ? "default" : destination.description
        var text =
            switch target {
            case .interface(let name, let source):
                "\(destination) dev \(name)" + (source.map { " src \($0)" } ?? "")
            case .next: "throw \(destination)"
            case .unreachable: "unreachable \(destination)"
            }
        text += " table \(table)"
        if metric != 0 { text += " metric \(metric)" }
        return text
    }
}
