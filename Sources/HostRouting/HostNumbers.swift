// Every number by which our rules and routes are known, in one place. Nothing else in the host may use them.

import LISPWire

/// Identifies what lispd installed, and orders it.
package enum HostNumbers {
    /// The routing protocol that each of our rules and routes carries (`ip route show proto 216`). What carries it is ours
    /// and is removed at exit, or at the next start.
    package static let routingProtocol: UInt8 = 216

    /// The mark (SO_MARK) of lispd's own sockets, "LISP" in ASCII: their packets pass all our rules by.
    package static let socketMark: UInt32 = 0x4c49_5350

    /// What a TUN with IPv4 EIDs gets as its address, with scope host: 192.0.0.8, the IPv4 dummy address (RFC 7600), which
    /// is never anybody's destination or, with that scope, our source. An interface without any address would drop, however
    /// loose its reverse path filter, each packet that is written back to it, because its sender is reached elsewhere.
    package static let dummyAddress = IPAddress.v4(IPv4Address(0xc000_0008))

    /// At most this many negative prefixes become `throw` routes, and at a Proxy-ITR `unreachable` ones; later ones take the
    /// detour over the TUN.
    package static let negativeRouteLimit = 10_000

    /// At most this many known remote EID-prefixes get a route for the router's own unbound traffic.
    package static let knownRouteLimit = 10_000

    /// Rule priorities, lowest first: the order in which the kernel asks them.
    package enum Priority {
        /// lispd's own sockets go past everything below.
        package static let ownSockets: UInt32 = 10_000
        /// To an own EID-prefix: what the site has routes for, its default route excepted.
        package static let toOwn: UInt32 = 10_010
        /// To an own EID-prefix that the site has no route for. Before `fromTUN`, or it would leak by the default route.
        package static let toOwnUnrouted: UInt32 = 10_011
        /// From the TUN never into it again.
        package static let fromTUN: UInt32 = 10_020
        /// In a tenant's namespace: whatever it has a route for, its default route excepted.
        package static let tenantRoutes: UInt32 = 10_021
        /// From an own EID-prefix: the table of its instance.
        package static let fromOwn: UInt32 = 10_030
        /// IPv4: the router's own unbound traffic. IPv6: what is bound to an address passes the next rule by.
        package static let ownTraffic: UInt32 = 10_031
        /// IPv6: the router's own unbound traffic.
        package static let ownTrafficIPv6: UInt32 = 10_032
        /// Whatever is for the EID space that a Proxy-ITR attracts.
        package static let proxyITR: UInt32 = 10_040
        /// Where every `goto` of ours leads.
        package static let end: UInt32 = 10_099
    }

    /// Routing tables.
    package enum Table {
        /// The kernel's own main table.
        package static let main: UInt32 = 254
        /// The site's traffic of instance 0.
        package static let site: UInt32 = 10_001
        /// The router's own unbound traffic.
        package static let ownTraffic: UInt32 = 10_002
        /// The EID space that a Proxy-ITR attracts.
        package static let proxyITR: UInt32 = 10_003

        /// The table of the site's traffic in `instance`: 10001 for instance 0, else 20000 + the instance ID.
        package static func site(_ instanceID: UInt32) -> UInt32 {
            instanceID == 0 ? site : 20_000 + instanceID
        }
    }

    /// Route metrics. Always written out, since the two families have different defaults in the kernel.
    package enum Metric {
        /// What IPv4 and IPv6 routes have when `ip route` is given none.
        package static let ipv4: UInt32 = 0
        package static let ipv6: UInt32 = 1024
        /// The `unreachable default` that takes over when the TUN is gone.
        package static let whenDown: UInt32 = 1_000_000
    }
}
