// From one state of the host to another, in an order in which no packet is misled on the way:
//
//    1. the TUN's settings                 what follows refers to it
//    2. the rule that every goto leads to
//    3. routes, those to a TUN first       a `throw` must not stand before the exceptions from it
//    4. new rules by rising priority       what protects an EID-prefix stands before what attracts its traffic
//    5. old rules by falling priority      and goes after it
//    6. old routes, those to a TUN last
//    7. the rule that every goto leads to

import LISPWire

/// One change of the host.
package struct HostOperation: Hashable, Sendable {
    package enum Action: Hashable, Sendable {
        case setSysctl(SysctlPath, String)
        /// Sets what differs, the interface's state (up or down) last.
        case configureLink(String, LinkSettings)
        case addRule(PolicyRule)
        case deleteRule(PolicyRule)
        /// Adds the route, or replaces the one that has the same key.
        case putRoute(HostRoute)
        case deleteRoute(HostRoute)
    }

    package var space: HostSpace
    package var action: Action

    package init(_ space: HostSpace, _ action: Action) {
        self.space = space
        self.action = action
    }
}

extension HostOperation: CustomStringConvertible {
    package var description: String {
        let text =
            switch action {
            case .setSysctl(let path, let value): "sysctl \(path.rawValue) = \(value)"
            case .configureLink(let name, let settings):
                "link \(name) \(settings.isUp ? "up" : "down")" + (settings.mtu.map { " mtu \($0)" } ?? "")
            case .addRule(let rule): "add \(rule.family) rule \(rule)"
            case .deleteRule(let rule): "delete \(rule.family) rule \(rule)"
            case .putRoute(let route): "put route \(route)"
            case .deleteRoute(let route): "delete route \(route)"
            }
        return space == .main ? text : "\(text) (\(space))"
    }
}

/// The changes that lead from `actual` to `desired`, in order; none if they agree. Sysctls and links that `desired` does
/// not name are left alone.
///
/// Each operation is needed, and each may be repeated: after a failure half-way, read the state anew and ask again.
package func difference(from actual: HostState, to desired: HostState) -> [HostOperation] {
    Set(actual.keys).union(desired.keys).sorted().flatMap { space in
        actions(from: actual[space] ?? SpaceState(), to: desired[space] ?? SpaceState()).map {
            HostOperation(space, $0)
        }
    }
}

private func actions(from actual: SpaceState, to desired: SpaceState) -> [HostOperation.Action] {
    var actions: [HostOperation.Action] = []
    for (path, value) in desired.sysctls.sorted(by: { $0.key < $1.key }) where actual.sysctls[path] != value {
        actions.append(.setSysctl(path, value))
    }
    for (name, settings) in desired.links.sorted(by: { $0.key < $1.key }) {
        if let link = actual.links[name], settings.isSatisfied(by: link) { continue }
        actions.append(.configureLink(name, settings))
    }

    let (newEnds, newRules) = partition(desired.rules.subtracting(actual.rules))
    let (oldEnds, oldRules) = partition(actual.rules.subtracting(desired.rules))
    let newRoutes = desired.routes.subtracting(actual.routes).sorted()
    let keys = Set(desired.routes.map(\.key))
    let oldRoutes = actual.routes.subtracting(desired.routes).filter { !keys.contains($0.key) }.sorted()

    actions += newEnds.map { .addRule($0) }
    actions += newRoutes.filter(\.isUnicast).map { .putRoute($0) }
    actions += newRoutes.filter { !$0.isUnicast }.map { .putRoute($0) }
    actions += newRules.map { .addRule($0) }
    actions += oldRules.reversed().map { .deleteRule($0) }
    actions += oldRoutes.filter { !$0.isUnicast }.map { .deleteRoute($0) }
    actions += oldRoutes.filter(\.isUnicast).map { .deleteRoute($0) }
    actions += oldEnds.map { .deleteRule($0) }
    return actions
}

/// Those that a `goto` leads to, and the others, by rising priority.
private func partition(_ rules: Set<PolicyRule>) -> (ends: [PolicyRule], others: [PolicyRule]) {
    let sorted = rules.sorted { $0.priority != $1.priority ? $0.priority < $1.priority : $0 < $1 }
    return (sorted.filter { $0.action == .nop }, sorted.filter { $0.action != .nop })
}
