// Brings the host into the state that a plan describes, and takes everything of ours away again.

import Glibc
import HostRouting
import LISPWire

/// Carries out host operations in lispd's own network namespace and in those of tenants. One thread at a time may use it.
///
/// Everything may be repeated: what is there already is left as it is, what is gone already is no error.
package final class HostRoutingApplier {
    private struct Space {
        var socket: NetlinkSocket
        /// `nil` for lispd's own namespace.
        var namespace: NetworkNamespace?
    }

    private var spaces: [HostSpace: Space] = [:]
    /// What we have put into the kernel, as far as nobody else has changed it since.
    private var installed: HostState?

    /// Opens a socket in the calling thread's namespace and in each tenant's. The latter needs CAP_SYS_ADMIN, and needs it
    /// again for the sysctls of a TUN there.
    ///
    /// - Parameter tenants: names as `ip netns` knows them, or absolute paths.
    package init(tenants: [String] = []) throws {
        spaces[.main] = Space(socket: try NetlinkSocket())
        for name in tenants { try addTenant(name) }
    }

    /// Opens a tenant's namespace, if that is not done yet.
    package func addTenant(_ name: String) throws {
        guard spaces[.tenant(name)] == nil else { return }
        let namespace = try NetworkNamespace(name)
        let socket = try namespace.run { try NetlinkSocket() }
        spaces[.tenant(name)] = Space(socket: socket, namespace: namespace)
    }

    /// The netlink socket of lispd's own namespace.
    package var mainSocket: NetlinkSocket {
        get throws { try space(.main).socket }
    }

    /// The netlink socket of a namespace; for a tenant's, its addresses and interfaces.
    package func socket(of space: HostSpace) throws -> NetlinkSocket {
        try self.space(space).socket
    }

    /// Moves an interface of lispd's own namespace into a tenant's.
    package func moveLink(_ name: String, to space: HostSpace) throws {
        guard let namespace = try self.space(space).namespace else { return }
        try self.space(.main).socket.moveLink(name, to: namespace.descriptor)
    }

    /// Brings the host into the state of `plan`, including what an earlier run left behind: whatever the plan does not name
    /// goes.
    ///
    /// - Parameter rereading: read the kernel's state first. Needed after `NetlinkEvent.overrun`, and whenever interfaces or
    ///   addresses have changed, because routes go with them. The first call does it in any case.
    /// - Returns: what was done, in order.
    /// - Throws: `HostError` at the first failure; the next call reads the kernel's state and goes on from there.
    @discardableResult
    package func apply(_ plan: HostPlan, rereading: Bool = false) throws -> [HostOperation] {
        let actual: HostState
        if let installed, !rereading { actual = installed } else { actual = try read(for: plan.state) }
        let operations = difference(from: actual, to: plan.state)
        installed = nil
        for operation in operations { try perform(operation) }
        installed = plan.state
        return operations
    }

    /// Everything of ours in the kernel now: the rules and routes that carry our protocol, and of sysctls and links those
    /// that `desired` names.
    package func read(for desired: HostState = [:]) throws -> HostState {
        for key in desired.keys {
            if case .tenant(let name) = key { try addTenant(name) }
        }
        var state: HostState = [:]
        for (key, space) in spaces {
            let wanted = desired[key] ?? SpaceState()
            let links = try space.socket.links()
            let names = Dictionary(links.map { ($0.index, $0.name) }, uniquingKeysWith: { $1 })
            var actual = SpaceState()
            for listed in try space.socket.rules(routingProtocol: HostNumbers.routingProtocol) {
                if let rule = listed.rule {
                    actual.rules.insert(rule)
                } else {
                    // Of our protocol, yet none of ours could be: of another version, say. It cannot be compared.
                    try space.socket.delete(listed)
                }
            }
            for listed in try space.socket.routes(routingProtocol: HostNumbers.routingProtocol) {
                if let route = listed.hostRoute(name: { names[$0] }) {
                    actual.routes.insert(route)
                } else {
                    try space.socket.delete(listed)
                }
            }
            let dummies = Set(
                try space.socket.addresses().filter { $0.address == HostNumbers.dummyAddress }.map(\.interfaceIndex)
            )
            for link in links where wanted.links[link.name] != nil {
                actual.links[link.name] = LinkSettings(
                    mtu: link.mtu,
                    isUp: link.isUp,
                    makesLinkLocalAddress: link.makesLinkLocalAddress,
                    hasDummyAddress: dummies.contains(link.index)
                )
            }
            try inside(space) {
                for path in wanted.sysctls.keys {
                    // One that is not there yet differs from every value.
                    actual.sysctls[path] = try? Sysctl.read(path)
                }
            }
            state[key] = actual
        }
        return state
    }

    /// Removes every rule and route that carries our protocol, whatever it says, in lispd's own namespace and in the
    /// tenants': at exit, and what an earlier run left behind when it was killed. Rules go before the routes they lead to,
    /// those that attract traffic first.
    ///
    /// - Returns: how many rules and routes there were.
    @discardableResult
    package func removeAll() throws -> Int {
        installed = nil
        var count = 0
        var firstFailure: (any Error)?
        // One refusal does not keep the rest in the host.
        func attempt(_ body: () throws -> Void) {
            do { try body() } catch { firstFailure = firstFailure ?? error }
        }
        for space in spaces.values {
            attempt {
                let rules = try space.socket.rules(routingProtocol: HostNumbers.routingProtocol)
                let routes = try space.socket.routes(routingProtocol: HostNumbers.routingProtocol)
                let end = HostNumbers.Priority.end
                for rule in rules.sorted(by: { $0.priority > $1.priority }) where rule.priority != end {
                    attempt { try space.socket.delete(rule) }
                }
                for route in routes { attempt { try space.socket.delete(route) } }
                for rule in rules where rule.priority == end { attempt { try space.socket.delete(rule) } }
                count += rules.count + routes.count
            }
        }
        if let firstFailure { throw firstFailure }
        return count
    }

    /// Carries out one operation.
    package func perform(_ operation: HostOperation) throws {
        let space = try space(operation.space)
        switch operation.action {
        case .setSysctl(let path, let value): try inside(space) { try Sysctl.write(path, value) }
        case .configureLink(let name, let settings): try configure(name, settings, space.socket)
        case .addRule(let rule): try space.socket.add(rule)
        case .deleteRule(let rule): try space.socket.delete(rule)
        case .putRoute(let route): try space.socket.put(route)
        case .deleteRoute(let route): try space.socket.delete(route)
        }
    }

    private func configure(_ name: String, _ settings: LinkSettings, _ socket: NetlinkSocket) throws {
        guard let link = try socket.link(named: name) else {
            throw HostError("configure interface \(name)", code: ENODEV)
        }
        if link.makesLinkLocalAddress != settings.makesLinkLocalAddress {
            try socket.setLink(name, makesLinkLocalAddress: settings.makesLinkLocalAddress)
        }
        if let mtu = settings.mtu, mtu != link.mtu { try socket.setLink(name, mtu: mtu) }
        if settings.hasDummyAddress {
            try socket.addHostAddress(HostNumbers.dummyAddress, to: name, scope: .host)
        }
        if link.isUp != settings.isUp { try socket.setLink(name, up: settings.isUp) }
    }

    private func space(_ key: HostSpace) throws -> Space {
        if case .tenant(let name) = key { try addTenant(name) }
        guard let space = spaces[key] else { preconditionFailure("the main namespace is open from the start") }
        return space
    }

    /// Runs `body` where the space's /proc/sys/net is to be seen.
    private func inside(_ space: Space, _ body: () throws -> Void) throws {
        if let namespace = space.namespace { try namespace.run(body) } else { try body() }
    }
}

/// What of the host's own settings stands in the way of LISP, one line each for the log and the status. These are the
/// operator's to change.
///
/// - Parameter locatorInterfaces: the interfaces that our locators are on.
package func hostWarnings(families: Set<AddressFamily>, locatorInterfaces: [String]) -> [String] {
    var warnings: [String] = []
    for family in families.sorted() {
        let name = family == .ipv4 ? "net/ipv4/ip_forward" : "net/ipv6/conf/all/forwarding"
        if let value = try? Sysctl.read(SysctlPath(rawValue: name)), value == "0" {
            warnings.append(
                "\(family) forwarding is off (sysctl \(name) = 0): hosts of the site get no \(family) service"
            )
        }
    }
    if families.contains(.ipv4) {
        let all = (try? Sysctl.read(.interface(.ipv4, "all", "rp_filter"))).flatMap { Int($0) } ?? 0
        for interface in locatorInterfaces {
            let own = (try? Sysctl.read(.interface(.ipv4, interface, "rp_filter"))).flatMap { Int($0) } ?? 0
            if max(all, own) == 1 {
                warnings.append(
                    "rp_filter of \(interface) is strict: packets to a locator that the core routes by another way are dropped"
                )
            }
        }
    }
    return warnings
}
