// What is, or is to be, in the kernel. The same values serve for both, so that they can be compared.

import LISPWire

/// A file under /proc/sys, by its path below it: `net/ipv4/conf/lisp0/rp_filter`.
package struct SysctlPath: RawRepresentable, Hashable, Sendable, Comparable {
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }

    /// A setting of one interface: `net/ipv4/conf/INTERFACE/NAME`.
    package static func interface(_ family: AddressFamily, _ interface: String, _ name: String) -> SysctlPath {
        SysctlPath(rawValue: "net/\(family == .ipv4 ? "ipv4" : "ipv6")/conf/\(interface)/\(name)")
    }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// The settings of one TUN.
package struct LinkSettings: Hashable, Sendable {
    /// `nil` in a plan: as it is.
    package var mtu: UInt32?
    package var isUp: Bool
    /// Whether the kernel makes a link-local address for it. Never on a TUN of ours: its router solicitations would be
    /// packets to map.
    package var makesLinkLocalAddress: Bool
    /// Whether it has `HostNumbers.dummyAddress`. `false` in a plan: as it is.
    package var hasDummyAddress: Bool

    package init(
        mtu: UInt32? = nil,
        isUp: Bool = true,
        makesLinkLocalAddress: Bool = false,
        hasDummyAddress: Bool = false
    ) {
        self.mtu = mtu
        self.isUp = isUp
        self.makesLinkLocalAddress = makesLinkLocalAddress
        self.hasDummyAddress = hasDummyAddress
    }

    /// Whether `actual` already is what this asks for.
    package func isSatisfied(by actual: LinkSettings) -> Bool {
        (mtu == nil || mtu == actual.mtu) && isUp == actual.isUp
            && makesLinkLocalAddress == actual.makesLinkLocalAddress && (!hasDummyAddress || actual.hasDummyAddress)
    }
}

/// Everything of ours in one network namespace.
package struct SpaceState: Hashable, Sendable {
    package var rules: Set<PolicyRule>
    package var routes: Set<HostRoute>
    package var sysctls: [SysctlPath: String]
    /// By interface name.
    package var links: [String: LinkSettings]

    package init(
        rules: Set<PolicyRule> = [],
        routes: Set<HostRoute> = [],
        sysctls: [SysctlPath: String] = [:],
        links: [String: LinkSettings] = [:]
    ) {
        self.rules = rules
        self.routes = routes
        self.sysctls = sysctls
        self.links = links
    }
}

/// Everything of ours in every namespace. A space that is absent has nothing of ours.
package typealias HostState = [HostSpace: SpaceState]
