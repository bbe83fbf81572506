// Interfaces and their addresses.

import CNetlink
import Glibc
import LISPWire

/// IFF_LOWER_UP, which <net/if.h> does not have.
private let lowerUp: UInt32 = 0x1_0000

/// A network interface.
package struct NetworkLink: Hashable, Sendable {
    package var index: Int32
    package var name: String
    package var mtu: UInt32
    /// Administratively up.
    package var isUp: Bool
    /// Has a carrier: the other end of its cable is alive.
    package var hasCarrier: Bool
    package var isLoopback: Bool
    /// Whether the kernel makes an IPv6 link-local address for it. `false` also where it has no IPv6.
    package var makesLinkLocalAddress: Bool

    package init(
        index: Int32,
        name: String,
        mtu: UInt32,
        isUp: Bool,
        hasCarrier: Bool,
        isLoopback: Bool = false,
        makesLinkLocalAddress: Bool = true
    ) {
        self.index = index
        self.name = name
        self.mtu = mtu
        self.isUp = isUp
        self.hasCarrier = hasCarrier
        self.isLoopback = isLoopback
        self.makesLinkLocalAddress = makesLinkLocalAddress
    }

    init?(_ message: ReceivedMessage) {
        guard let body = message.body(as: ifinfomsg.self) else { return nil }
        let attributes = message.attributes(after: ifinfomsg.self)
        guard let name = attributes.string(IFLA_IFNAME) else { return nil }
        let mode: UInt8? = attributes.nested(IFLA_AF_SPEC)?.nested(AF_INET6)?.integer(IFLA_INET6_ADDR_GEN_MODE)
        self.init(
            index: body.ifi_index,
            name: name,
            mtu: attributes.integer(IFLA_MTU) ?? 0,
            isUp: body.ifi_flags & UInt32(IFF_UP) != 0,
            hasCarrier: body.ifi_flags & lowerUp != 0,
            isLoopback: body.ifi_flags & UInt32(IFF_LOOPBACK) != 0,
            makesLinkLocalAddress: mode.map { $0 != UInt8(IN6_ADDR_GEN_MODE_NONE.rawValue) } ?? false
        )
    }
}

/// An address of an interface.
package struct InterfaceAddress: Hashable, Sendable {
    /// How far the address means this host.
    package enum Scope: Hashable, Sendable {
        case global
        case site
        case link
        case host

        var netlinkValue: rt_scope_t {
            switch self {
            case .global: RT_SCOPE_UNIVERSE
            case .site: RT_SCOPE_SITE
            case .link: RT_SCOPE_LINK
            case .host: RT_SCOPE_HOST
            }
        }
    }

    package var interfaceIndex: Int32
    package var address: IPAddress
    /// The prefix of its link: 24 for 192.0.2.1/24.
    package var prefixLength: UInt8
    package var scope: Scope
    /// IPv6: duplicate address detection has not finished, or has failed. The address cannot be used yet.
    package var isTentative: Bool
    /// IPv6: still valid for what uses it, not to be chosen for anything new.
    package var isDeprecated: Bool
    /// IPv6: a privacy address, soon replaced by another.
    package var isTemporary: Bool

    /// Fit to be a locator or a source: global, neither tentative nor deprecated.
    package var isUsable: Bool { scope == .global && !isTentative && !isDeprecated }

    init?(_ message: ReceivedMessage) {
        guard let body = message.body(as: ifaddrmsg.self), let family = AddressFamily(netlinkValue: body.ifa_family)
        else { return nil }
        let attributes = message.attributes(after: ifaddrmsg.self)
        // On a point-to-point link IFA_ADDRESS is the other end, and IFA_LOCAL is ours.
        guard let address = attributes.address(IFA_LOCAL, family) ?? attributes.address(IFA_ADDRESS, family)
        else { return nil }
        let flags = attributes.integer(IFA_FLAGS, as: UInt32.self) ?? UInt32(body.ifa_flags)
        interfaceIndex = Int32(bitPattern: body.ifa_index)
        self.address = address
        prefixLength = body.ifa_prefixlen
        scope =
            switch UInt32(body.ifa_scope) {
            case RT_SCOPE_UNIVERSE.rawValue: .global
            case RT_SCOPE_SITE.rawValue: .site
            case RT_SCOPE_LINK.rawValue: .link
            default: .host
            }
        isTentative = flags & UInt32(IFA_F_TENTATIVE | IFA_F_DADFAILED) != 0 && flags & UInt32(IFA_F_OPTIMISTIC) == 0
        isDeprecated = family == .ipv6 && flags & UInt32(IFA_F_DEPRECATED) != 0
        isTemporary = family == .ipv6 && flags & UInt32(IFA_F_TEMPORARY) != 0
    }
}

extension NetlinkSocket {
    /// All interfaces of the namespace.
    package func links() throws(HostError) -> [NetworkLink] {
        try dump("list the interfaces", type: RTM_GETLINK, body: ifinfomsg()) { NetworkLink($0) }
    }

    /// The interface of this name, or `nil`.
    package func link(named name: String) throws(HostError) -> NetworkLink? {
        let message = NetlinkMessage(type: RTM_GETLINK)
        message.body(ifinfomsg())
        message.attribute(IFLA_IFNAME, name)
        var link: NetworkLink?
        do {
            try request("look up interface \(name)", message) { link = NetworkLink($0) ?? link }
        } catch  where error.code == ENODEV {
            return nil
        }
        return link
    }

    /// All addresses of both families.
    package func addresses() throws(HostError) -> [InterfaceAddress] {
        try dump("list the addresses", type: RTM_GETADDR, body: ifaddrmsg()) { InterfaceAddress($0) }
    }

    /// Sets an interface up or down.
    package func setLink(_ name: String, up: Bool) throws(HostError) {
        let flag = UInt32(IFF_UP)
        try changeLink(name, "set interface \(name) \(up ? "up" : "down")", flags: up ? flag : 0, change: flag) { _ in }
    }

    package func setLink(_ name: String, mtu: UInt32) throws(HostError) {
        try changeLink(name, "set the MTU of interface \(name) to \(mtu)") { $0.attribute(IFLA_MTU, mtu) }
    }

    /// Says whether the kernel makes an IPv6 link-local address when the interface comes up; `false` is `addrgenmode none`.
    package func setLink(_ name: String, makesLinkLocalAddress: Bool) throws(HostError) {
        let mode = makesLinkLocalAddress ? IN6_ADDR_GEN_MODE_EUI64 : IN6_ADDR_GEN_MODE_NONE
        try changeLink(name, "set addrgenmode of interface \(name)") { message in
            message.nested(IFLA_AF_SPEC) {
                message.nested(AF_INET6) { message.attribute(IFLA_INET6_ADDR_GEN_MODE, UInt8(mode.rawValue)) }
            }
        }
    }

    /// Gives an interface an address that is the only one of its prefix, /32 or /128. One that is there already is left as it
    /// is.
    ///
    /// - Parameter scope: `.host` is never chosen as a source for other hosts.
    package func addHostAddress(
        _ address: IPAddress,
        to name: String,
        scope: InterfaceAddress.Scope
    ) throws(HostError) {
        let operation = "add address \(address) to interface \(name)"
        guard let link = try link(named: name) else { throw HostError(operation, code: ENODEV) }
        let message = NetlinkMessage(type: RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_EXCL)
        var body = ifaddrmsg()
        body.ifa_family = address.family.netlinkValue
        body.ifa_prefixlen = address.family.bitWidth
        body.ifa_scope = UInt8(scope.netlinkValue.rawValue)
        body.ifa_index = UInt32(bitPattern: link.index)
        message.body(body)
        message.attribute(IFA_LOCAL, address)
        message.attribute(IFA_ADDRESS, address)
        do {
            try request(operation, message)
        } catch  where error.code == EEXIST {
            return
        }
    }

    /// Moves an interface of this namespace into the one that `namespace` is an open descriptor of. It loses its addresses
    /// and routes and arrives down; descriptors of a TUN keep working.
    package func moveLink(_ name: String, to namespace: Int32) throws(HostError) {
        try changeLink(name, "move interface \(name) to another namespace") {
            $0.attribute(IFLA_NET_NS_FD, UInt32(bitPattern: namespace))
        }
    }

    private func changeLink(
        _ name: String,
        _ operation: @autoclosure () -> String,
        flags: UInt32 = 0,
        change: UInt32 = 0,
        _ fill: (borrowing NetlinkMessage) -> Void
    ) throws(HostError) {
        guard let link = try link(named: name) else { throw HostError(operation(), code: ENODEV) }
        let message = NetlinkMessage(type: RTM_NEWLINK)
        var body = ifinfomsg()
        body.ifi_index = link.index
        body.ifi_flags = flags
        body.ifi_change = change
        message.body(body)
        fill(message)
        try request(operation(), message)
    }
}
