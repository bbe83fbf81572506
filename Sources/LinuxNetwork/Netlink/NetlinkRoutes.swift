// Routes: `ip route`, and the kernel's answer to "which way would this go?".

import CNetlink
import Glibc
import HostRouting
import LISPWire

/// The attributes of a route message.
private enum Attribute {
    static let destination = Int(RTA_DST.rawValue)
    static let source = Int(RTA_SRC.rawValue)
    static let outputInterface = Int(RTA_OIF.rawValue)
    static let gateway = Int(RTA_GATEWAY.rawValue)
    static let priority = Int(RTA_PRIORITY.rawValue)
    static let preferredSource = Int(RTA_PREFSRC.rawValue)
    static let metrics = Int(RTA_METRICS.rawValue)
    static let table = Int(RTA_TABLE.rawValue)
    static let mark = Int(RTA_MARK.rawValue)
}

/// A route as the kernel lists it.
package struct ListedRoute: Sendable {
    /// What happens to a packet that takes it.
    package enum Kind: Hashable, Sendable {
        case unicast
        case local
        case unreachable
        /// `throw`: the next rule is asked.
        case next
        /// Broadcast, multicast, blackhole, prohibit and the like, by the kernel's number.
        case other(UInt8)

        init(_ type: UInt8) {
            switch Int(type) {
            case RTN_UNICAST: self = .unicast
            case RTN_LOCAL: self = .local
            case RTN_UNREACHABLE: self = .unreachable
            case RTN_THROW: self = .next
            default: self = .other(type)
            }
        }
    }

    package var table: UInt32
    package var destination: IPPrefix
    package var metric: UInt32
    /// Which program installed it: 216 is ours.
    package var routingProtocol: UInt8
    package var kind: Kind
    /// `nil` for those without an interface and for those with several next hops.
    package var interfaceIndex: Int32?
    package var gateway: IPAddress?
    package var preferredSource: IPAddress?
    /// The message behind its header: sent back, it deletes exactly this route.
    var payload: [UInt8]

    init?(_ message: ReceivedMessage) {
        guard let header = message.body(as: rtmsg.self), let family = AddressFamily(netlinkValue: header.rtm_family)
        else { return nil }
        let attributes = message.attributes(after: rtmsg.self)
        // What the kernel cloned from a route for one destination is not in the table.
        guard header.rtm_flags & UInt32(RTM_F_CLONED) == 0 else { return nil }
        let address = attributes.address(Attribute.destination, family) ?? IPAddress(family: family, leftAligned: 0)
        guard let destination = IPPrefix(address, length: header.rtm_dst_len) else { return nil }
        self.destination = destination
        table = attributes.integer(Attribute.table) ?? UInt32(header.rtm_table)
        metric = attributes.integer(Attribute.priority) ?? 0
        routingProtocol = header.rtm_protocol
        kind = Kind(header.rtm_type)
        interfaceIndex = attributes.integer(Attribute.outputInterface)
        gateway = attributes.address(Attribute.gateway, family)
        preferredSource = attributes.address(Attribute.preferredSource, family)
        payload = Array(message.payload)
    }

    /// Only that, of a message that may be one of many; `nil` if it is of another table, of that protocol, or a default.
    static func destination(_ message: ReceivedMessage, table: UInt32, except routingProtocol: UInt8) -> IPPrefix? {
        guard let header = message.body(as: rtmsg.self), let family = AddressFamily(netlinkValue: header.rtm_family),
            header.rtm_dst_len > 0, header.rtm_protocol != routingProtocol,
            header.rtm_flags & UInt32(RTM_F_CLONED) == 0
        else { return nil }
        let attributes = message.attributes(after: rtmsg.self)
        guard attributes.integer(Attribute.table) ?? UInt32(header.rtm_table) == table,
            let address = attributes.address(Attribute.destination, family)
        else { return nil }
        return IPPrefix(address, length: header.rtm_dst_len)
    }

    /// The route as we write them; `nil` if it says anything that no route of ours says. `name`: an interface's name by its
    /// index.
    package func hostRoute(name: (Int32) -> String?) -> HostRoute? {
        let target: HostRoute.Target
        switch kind {
        case .unicast:
            guard gateway == nil, let interfaceIndex, let name = name(interfaceIndex) else { return nil }
            target = .interface(name, source: preferredSource)
        case .next: target = .next
        case .unreachable: target = .unreachable
        case .local, .other: return nil
        }
        return HostRoute(table: table, destination, metric: metric, target)
    }
}

/// Which way a packet to some destination would leave this host.
package struct RouteLookup: Hashable, Sendable {
    package var interfaceIndex: Int32
    package var gateway: IPAddress?
    /// The source address that unbound traffic would get.
    package var source: IPAddress?
    /// The path MTU that the kernel has learnt or the route sets, else the interface's; 0 if unknown.
    package var mtu: UInt32
    package var table: UInt32
    /// The destination is this host itself.
    package var isLocal: Bool
}

extension NetlinkSocket {
    /// The routes of both families in all tables, or those that `routingProtocol` marks or `table` holds. The kernel leaves
    /// out other protocols' routes itself, so ours are found quickly beside a million of BGP's.
    package func routes(routingProtocol: UInt8? = nil, table: UInt32? = nil) throws(HostError) -> [ListedRoute] {
        var routes: [ListedRoute] = []
        for family in AddressFamily.allCases {
            var header = rtmsg()
            header.rtm_family = family.netlinkValue
            header.rtm_protocol = routingProtocol ?? 0
            do {
                routes += try dump("list the \(family) routes", type: RTM_GETROUTE, body: header) { message in
                    guard let route = ListedRoute(message),
                        routingProtocol == nil || route.routingProtocol == routingProtocol,
                        table == nil || route.table == table
                    else { return nil }
                    return route
                }
            } catch  where error.code == EAFNOSUPPORT || error.code == EOPNOTSUPP {
                // A kernel without IPv6 has no IPv6 routes.
                continue
            }
        }
        return routes
    }

    /// The destinations of a table's routes, both families, in no order; without those that `routingProtocol` marks and
    /// without default routes. Some 20 bytes for each, and no more than that is kept while the kernel lists them.
    package func destinations(
        table: UInt32,
        except routingProtocol: UInt8 = HostNumbers.routingProtocol
    ) throws(HostError) -> [IPPrefix] {
        var destinations: [IPPrefix] = []
        for family in AddressFamily.allCases {
            var header = rtmsg()
            header.rtm_family = family.netlinkValue
            do {
                destinations += try dump("list the \(family) routes", type: RTM_GETROUTE, body: header) { message in
                    ListedRoute.destination(message, table: table, except: routingProtocol)
                }
            } catch  where error.code == EAFNOSUPPORT || error.code == EOPNOTSUPP {
                continue
            }
        }
        return destinations
    }

    /// Adds a route, or replaces the one of the same table, destination and metric.
    package func put(
        _ route: HostRoute,
        routingProtocol: UInt8 = HostNumbers.routingProtocol
    ) throws(HostError) {
        let flags = NLM_F_CREATE | NLM_F_REPLACE
        let operation = "put \(route.destination.family) route \(route)"
        let interface = try interfaceIndex(of: route, operation)
        let message = Self.message(RTM_NEWROUTE, flags: flags, route, interface, routingProtocol: routingProtocol)
        try request(operation, message)
    }

    /// Deletes a route. One that is not there, or whose interface is gone, is no error.
    package func delete(
        _ route: HostRoute,
        routingProtocol: UInt8 = HostNumbers.routingProtocol
    ) throws(HostError) {
        do {
            let operation = "delete \(route.destination.family) route \(route)"
            let interface = try interfaceIndex(of: route, operation)
            let message = Self.message(RTM_DELROUTE, flags: 0, route, interface, routingProtocol: routingProtocol)
            try request(operation, message)
        } catch  where error.code == ESRCH || error.code == ENODEV || error.code == ENOENT {
            return
        }
    }

    /// Deletes exactly the listed route, whatever it says. One that is gone is no error.
    package func delete(_ listed: ListedRoute) throws(HostError) {
        do {
            let message = NetlinkMessage(type: RTM_DELROUTE, payload: listed.payload)
            try request("delete route \(listed.destination) table \(listed.table)", message)
        } catch  where error.code == ESRCH || error.code == ENODEV || error.code == ENOENT {
            return
        }
    }

    /// Which way a packet to `destination` would leave now, as the kernel's rules and routes stand.
    ///
    /// - Parameters:
    ///   - source: the address it is bound to; `nil` for unbound.
    ///   - mark: its mark; with `HostNumbers.socketMark`, the way of lispd's own sockets.
    /// - Throws: ENETUNREACH or EHOSTUNREACH if there is no way.
    package func routeLookup(
        to destination: IPAddress,
        from source: IPAddress? = nil,
        mark: UInt32 = 0
    ) throws(HostError) -> RouteLookup {
        let family = destination.family
        let operation = "look up the route to \(destination)"
        let message = NetlinkMessage(type: RTM_GETROUTE)
        var header = rtmsg()
        header.rtm_family = family.netlinkValue
        header.rtm_dst_len = family.bitWidth
        // Without it, IPv4 says 254 whatever the table. IPv6 says the table in any case and refuses the flag.
        if family == .ipv4 { header.rtm_flags = UInt32(RTM_F_LOOKUP_TABLE) }
        if source != nil { header.rtm_src_len = family.bitWidth }
        message.body(header)
        message.attribute(Attribute.destination, destination)
        if let source { message.attribute(Attribute.source, source) }
        if mark != 0 { message.attribute(Attribute.mark, mark) }
        var found: RouteLookup?
        try request(operation, message) { answer in
            guard let body = answer.body(as: rtmsg.self) else { return }
            let attributes = answer.attributes(after: rtmsg.self)
            let kind = ListedRoute.Kind(body.rtm_type)
            guard kind == .unicast || kind == .local, let index: Int32 = attributes.integer(Attribute.outputInterface)
            else { return }
            found = RouteLookup(
                interfaceIndex: index,
                gateway: attributes.address(Attribute.gateway, family),
                source: attributes.address(Attribute.preferredSource, family) ?? source,
                mtu: attributes.nested(Attribute.metrics)?.integer(RTAX_MTU) ?? 0,
                table: attributes.integer(Attribute.table) ?? UInt32(body.rtm_table),
                isLocal: kind == .local
            )
        }
        guard var found else { throw HostError(operation, code: ENETUNREACH) }
        if found.mtu == 0 {
            found.mtu = try links().first { $0.index == found.interfaceIndex }?.mtu ?? 0
        }
        return found
    }

    private func interfaceIndex(of route: HostRoute, _ operation: String) throws(HostError) -> Int32? {
        guard case .interface(let name, _) = route.target else { return nil }
        guard let link = try link(named: name) else {
            throw HostError(operation, code: ENODEV, detail: "there is no interface \(name)")
        }
        return link.index
    }

    private static func message(
        _ type: Int,
        flags: Int32,
        _ route: HostRoute,
        _ interface: Int32?,
        routingProtocol: UInt8
    ) -> NetlinkMessage {
        let family = route.destination.family
        let message = NetlinkMessage(type: type, flags: flags)
        var header = rtmsg()
        header.rtm_family = family.netlinkValue
        header.rtm_dst_len = route.destination.length
        header.rtm_protocol = routingProtocol
        header.rtm_table = route.table < 256 ? UInt8(route.table) : UInt8(RT_TABLE_UNSPEC.rawValue)
        switch route.target {
        case .interface:
            header.rtm_type = UInt8(RTN_UNICAST)
            header.rtm_scope = UInt8(RT_SCOPE_LINK.rawValue)
        case .next: header.rtm_type = UInt8(RTN_THROW)
        case .unreachable: header.rtm_type = UInt8(RTN_UNREACHABLE)
        }
        // IPv6 knows no scope.
        if family == .ipv6 { header.rtm_scope = UInt8(RT_SCOPE_UNIVERSE.rawValue) }
        message.body(header)
        message.attribute(Attribute.table, route.table)
        if route.destination.length > 0 { message.attribute(Attribute.destination, route.destination.address) }
        if route.metric > 0 { message.attribute(Attribute.priority, route.metric) }
        if let interface { message.attribute(Attribute.outputInterface, interface) }
        if case .interface(_, let source?) = route.target { message.attribute(Attribute.preferredSource, source) }
        return message
    }
}
