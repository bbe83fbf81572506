// Which way the kernel sends a packet by our rules and routes: for an operator who asks why. It goes through them as the kernel
// does (ip-rule(8)), rule by rule, and notes each of ours that has a say.

import LISPWire

/// A packet that this host is to forward, or sends itself.
package struct HostPacket: Hashable, Sendable {
    /// Both are of one family.
    package var source: IPAddress
    package var destination: IPAddress
    /// It is sent from here, with a source that is bound already; otherwise it came in by an interface that is none of ours.
    package var isOurs: Bool
    /// Whether the main table has a route for the destination other than its default route.
    package var hasRoute: Bool

    package init(source: IPAddress, destination: IPAddress, isOurs: Bool = false, hasRoute: Bool = false) {
        self.source = source
        self.destination = destination
        self.isOurs = isOurs
        self.hasRoute = hasRoute
    }
}

/// Where it goes.
package struct HostJourney: Hashable, Sendable {
    package enum End: Hashable, Sendable {
        /// Out by this interface.
        case interface(String)
        /// Dropped, with an ICMP error.
        case unreachable
        /// By a route of the main table that is no default route.
        case specificRoute
        /// None of our rules wants it: the host's own routing decides.
        case hostRouting
    }

    package var end: End
    /// Our rules and routes that matched, in order, as `ip rule` and `ip route` show them.
    package var steps: [String]

    package init(end: End, steps: [String]) {
        self.end = end
        self.steps = steps
    }
}

extension SpaceState {
    /// Costs as much as there are rules and routes.
    package func journey(of packet: HostPacket) -> HostJourney {
        var journey = HostJourney(end: .hostRouting, steps: [])
        let family = packet.destination.family
        var next: UInt32 = 0
        let matching = rules.filter { $0.family == family && $0.matches(packet) }
        for rule in matching.sorted(by: { $0.priority < $1.priority }) where rule.priority >= next {
            switch rule.action {
            case .nop: continue
            case .goTo(let priority):
                journey.steps.append(rule.description)
                next = priority
            case .unreachable:
                journey.steps.append(rule.description)
                journey.end = .unreachable
                return journey
            case .lookup(HostNumbers.Table.main):
                guard packet.hasRoute else { continue }
                journey.steps.append(rule.description)
                journey.end = .specificRoute
                return journey
            case .lookup(let table):
                guard let route = route(to: packet.destination, in: table) else { continue }
                journey.steps += [rule.description, route.description]
                switch route.target {
                case .next: continue
                case .unreachable: journey.end = .unreachable
                case .interface(let name, _): journey.end = .interface(name)
                }
                return journey
            }
        }
        return journey
    }

    /// The route that the kernel would choose: the longest prefix, then the lowest metric.
    private func route(to destination: IPAddress, in table: UInt32) -> HostRoute? {
        routes.lazy.filter { $0.table == table && $0.destination.contains(destination) }.max { a, b in
            (a.destination.length, b.metric) < (b.destination.length, a.metric)
        }
    }
}

extension PolicyRule {
    /// Packets of hosts carry no mark of ours, and none of those that are asked about came out of a TUN.
    fileprivate func matches(_ packet: HostPacket) -> Bool {
        guard mark == nil, inputInterface == nil || inputInterface == "lo" && packet.isOurs else { return false }
        return (from?.contains(packet.source) ?? true) && (to?.contains(packet.destination) ?? true)
    }
}
