// Which address of this host the router's own traffic to remote EIDs carries.

import LISPWire

/// An address of one of this host's interfaces.
package struct HostAddress: Hashable, Sendable {
    package var address: IPAddress
    package var interface: String
    /// The order of interfaces.
    package var interfaceIndex: Int32
    /// Of global scope, not tentative, not deprecated.
    package var isUsable: Bool

    package init(_ address: IPAddress, interface: String, interfaceIndex: Int32, isUsable: Bool = true) {
        self.address = address
        self.interface = interface
        self.interfaceIndex = interfaceIndex
        self.isUsable = isUsable
    }
}

/// The usable addresses of this host inside `prefixes`: in the order of the interfaces, then of the addresses, so that the
/// choice does not move while the host stays as it is. Empty if the host has none: then its own traffic to remote EIDs
/// keeps a locator as its source and takes the native way.
package func ownAddresses(among addresses: [HostAddress], in prefixes: [IPPrefix]) -> [IPAddress] {
    let own = addresses.filter { candidate in
        candidate.isUsable && prefixes.contains { $0.contains(candidate.address) }
    }
    let ordered = own.sorted {
        $0.interfaceIndex != $1.interfaceIndex ? $0.interfaceIndex < $1.interfaceIndex : $0.address < $1.address
    }
    var seen: Set<IPAddress> = []
    return ordered.map(\.address).filter { seen.insert($0).inserted }
}
