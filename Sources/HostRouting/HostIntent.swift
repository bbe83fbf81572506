// What the control plane wants of the host: no kernel words yet.

import LISPWire

/// Where interfaces, rules and routes live: lispd's own network namespace, or a tenant's.
package enum HostSpace: Hashable, Sendable, Comparable {
    case main
    /// A namespace by the name that `ip netns` knows it by, or by an absolute path.
    case tenant(String)

    package static func < (a: Self, b: Self) -> Bool {
        switch (a, b) {
        case (.main, .main), (.tenant, .main): false
        case (.main, .tenant): true
        case (.tenant(let a), .tenant(let b)): a < b
        }
    }
}

extension HostSpace: CustomStringConvertible {
    package var description: String {
        switch self {
        case .main: "the main namespace"
        case .tenant(let name): "namespace \(name)"
        }
    }
}

/// What EID traffic gets while lispd is not running.
package enum WhenDown: String, Hashable, Sendable, CaseIterable {
    /// The site's other routes. EIDs may leak into the core.
    case native
    /// ICMP unreachable, from routes that stay behind when lispd dies. A normal exit removes them.
    case unreachable
}

/// Which of our roles need anything of the host's routing.
package struct HostRoles: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Attracts the site's traffic to remote EIDs into the TUN.
    package static let itr = HostRoles(rawValue: 1)
    /// Delivers what comes out of the TUN to the site.
    package static let etr = HostRoles(rawValue: 2)
    /// Attracts everybody's traffic to the EID space into the TUN.
    package static let proxyITR = HostRoles(rawValue: 4)
    /// Forwards what comes out of the TUN to anywhere.
    package static let proxyETR = HostRoles(rawValue: 8)
}

/// One instance: its TUN, its EIDs, and what is known of the EIDs of others.
package struct InstanceIntent: Hashable, Sendable {
    package var instanceID: InstanceID
    /// The TUN interface's name.
    package var tun: String
    /// Where the TUN is. Instances whose EIDs overlap are in different spaces.
    package var space: HostSpace
    /// The TUN's MTU: the locators' smallest less the outer headers. `nil` leaves it alone.
    package var mtu: UInt32?
    /// EID-prefixes that this site is authoritative for.
    package var ownPrefixes: [IPPrefix]
    /// Addresses of this host inside own EID-prefixes, the preferred one of each family first (`ownAddresses(among:in:)`).
    package var ownAddresses: [IPAddress]
    /// EID-prefixes of other sites that have a positive mapping or are configured as EID space. The router's own unbound
    /// traffic to them goes through the TUN. A prefix of length 0 is passed over: it would take the router's traffic to its
    /// own locators' network too.
    package var knownRemoteEIDs: [IPPrefix]
    /// How many more there are of each family. They get no route.
    package var unlistedRemoteEIDs: [AddressFamily: Int]
    /// Prefixes that nothing is to be encapsulated to: the kernel forwards their packets without the detour over the TUN, or
    /// refuses them inside the EID space that a Proxy-ITR attracts, where they would come back.
    package var negativePrefixes: [IPPrefix]
    /// How many more there are. They get no route.
    package var unlistedNegativePrefixes: [AddressFamily: Int]
    /// The EID space that a Proxy-ITR attracts.
    package var attractedSpace: [IPPrefix]
    /// The router's own traffic to that space has one of these as its source if the host has no address in `ownPrefixes`.
    package var attractedSources: [IPAddress]
    /// What a Proxy-ETR accepts as inner sources; counts by its families.
    package var acceptedSources: [IPPrefix]

    package init(
        instanceID: InstanceID = .default,
        tun: String,
        space: HostSpace = .main,
        mtu: UInt32? = nil,
        ownPrefixes: [IPPrefix],
        ownAddresses: [IPAddress] = [],
        knownRemoteEIDs: [IPPrefix] = [],
        unlistedRemoteEIDs: [AddressFamily: Int] = [:],
        negativePrefixes: [IPPrefix] = [],
        unlistedNegativePrefixes: [AddressFamily: Int] = [:],
        attractedSpace: [IPPrefix] = [],
        attractedSources: [IPAddress] = [],
        acceptedSources: [IPPrefix] = []
    ) {
        self.instanceID = instanceID
        self.tun = tun
        self.space = space
        self.mtu = mtu
        self.ownPrefixes = ownPrefixes
        self.ownAddresses = ownAddresses
        self.knownRemoteEIDs = knownRemoteEIDs
        self.unlistedRemoteEIDs = unlistedRemoteEIDs
        self.negativePrefixes = negativePrefixes
        self.unlistedNegativePrefixes = unlistedNegativePrefixes
        self.attractedSpace = attractedSpace
        self.attractedSources = attractedSources
        self.acceptedSources = acceptedSources
    }
}

/// All that the control plane wants of the host.
package struct HostIntent: Hashable, Sendable {
    package var roles: HostRoles
    package var whenDown: WhenDown
    package var instances: [InstanceIntent]

    package init(roles: HostRoles, whenDown: WhenDown = .unreachable, instances: [InstanceIntent]) {
        self.roles = roles
        self.whenDown = whenDown
        self.instances = instances
    }
}
