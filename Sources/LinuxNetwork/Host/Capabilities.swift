// What this process may do.

import CNetlink

/// The privileges that lispd needs.
package struct Capabilities: OptionSet, Hashable, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Interfaces, rules and routes; marks on sockets.
    package static let netAdmin = Capabilities(rawValue: 1 << 12)
    /// Raw sockets and binding to an interface.
    package static let netRaw = Capabilities(rawValue: 1 << 13)
    /// Entering a tenant's network namespace.
    package static let sysAdmin = Capabilities(rawValue: 1 << 21)

    /// The effective capabilities of the calling thread.
    package static func effective() -> Capabilities {
        Capabilities(rawValue: lispd_effective_capabilities())
    }

    /// The names of those contained among the three above, as capabilities(7) writes them.
    package var names: [String] {
        var names: [String] = []
        if contains(.netAdmin) { names.append("CAP_NET_ADMIN") }
        if contains(.netRaw) { names.append("CAP_NET_RAW") }
        if contains(.sysAdmin) { names.append("CAP_SYS_ADMIN") }
        return names
    }

    /// Throws an error that says in one line which of `needed` are missing and how to give them.
    package static func require(_ needed: Capabilities) throws(MissingCapabilities) {
        let missing = needed.subtracting(effective())
        if !missing.isEmpty { throw MissingCapabilities(missing: missing) }
    }
}

/// The process lacks privileges.
package struct MissingCapabilities: Error, Hashable, CustomStringConvertible {
    package var missing: Capabilities

    package init(missing: Capabilities) {
        self.missing = missing
    }

    package var description: String {
        "lispd needs \(missing.names.joined(separator: ", ")) to change this host's network: "
            + "start it as root, or by a service manager that grants them"
    }
}
