// Every difference, carried out on a model of the kernel, leads to what was asked for, without a wrong moment on the way.

import HostRouting
import LISPWire
import Testing

/// A kernel's tables: one route for each key, a rule once.
private struct ModelKernel {
    var rules: Set<PolicyRule> = []
    var routes: [HostRoute.Key: HostRoute] = [:]
    var sysctls: [SysctlPath: String] = [:]
    var links: [String: LinkSettings] = [:]

    var state: SpaceState {
        SpaceState(rules: rules, routes: Set(routes.values), sysctls: sysctls, links: links)
    }

    init(_ state: SpaceState = SpaceState()) {
        rules = state.rules
        for route in state.routes { routes[route.key] = route }
        sysctls = state.sysctls
        links = state.links
    }

    /// Records an issue for an operation that changes nothing.
    mutating func carryOut(_ action: HostOperation.Action) {
        switch action {
        case .setSysctl(let path, let value):
            #expect(sysctls.updateValue(value, forKey: path) != value, "\(path) is set already")
        case .configureLink(let name, let settings):
            #expect(links.updateValue(settings, forKey: name) != settings, "\(name) is so already")
        case .addRule(let rule): #expect(rules.insert(rule).inserted, "\(rule) is there already")
        case .deleteRule(let rule): #expect(rules.remove(rule) != nil, "\(rule) is not there")
        case .putRoute(let route):
            #expect(routes.updateValue(route, forKey: route.key) != route, "\(route) is there already")
        case .deleteRoute(let route): #expect(routes.removeValue(forKey: route.key) == route, "\(route) is not there")
        }
    }

    /// What must hold at every moment: what attracts an EID-prefix's traffic has its protection and its table.
    func isSafe() -> Bool {
        for rule in rules where rule.priority == HostNumbers.Priority.fromOwn {
            guard case .lookup(let table) = rule.action else { return false }
            let protects = rules.contains {
                $0.priority == HostNumbers.Priority.toOwnUnrouted && $0.to == rule.from
            }
            let bypasses = rules.contains {
                $0.priority == HostNumbers.Priority.fromTUN && $0.family == rule.family
            }
            let leads = routes.values.contains {
                $0.table == table && $0.destination.length == 0 && $0.destination.family == rule.family
            }
            guard protects, bypasses, leads else { return false }
        }
        for rule in rules {
            guard case .goTo(let priority) = rule.action else { continue }
            guard rules.contains(where: { $0.priority == priority && $0.family == rule.family }) else { return false }
        }
        return true
    }
}

/// SplitMix64: short, and the same everywhere.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

struct HostDifferenceTests {
    private static func prefix(_ random: inout Seeded) -> IPPrefix {
        let family: AddressFamily = Bool.random(using: &random) ? .ipv4 : .ipv6
        let length = UInt8.random(in: 1...12, using: &random)
        return IPPrefix(family: family, leftAligned: UInt128(random.next() & 0xfff0 << 48) << 64, length: length)
    }

    private static func prefixes(_ random: inout Seeded, upTo count: Int) -> [IPPrefix] {
        (0..<Int.random(in: 0...count, using: &random)).map { _ in prefix(&random) }
    }

    private static func intent(_ random: inout Seeded) -> HostIntent {
        let instances = (0..<Int.random(in: 0...3, using: &random)).map { number in
            InstanceIntent(
                instanceID: InstanceID(uncheckedRawValue: UInt32(number * 50)),
                tun: "lisp\(number * 50)",
                space: number == 2 ? .tenant("red") : .main,
                mtu: [nil, 1444, 1464].randomElement(using: &random) ?? nil,
                ownPrefixes: prefixes(&random, upTo: 4),
                ownAddresses: prefixes(&random, upTo: 2).map(\.address),
                knownRemoteEIDs: prefixes(&random, upTo: 6),
                negativePrefixes: prefixes(&random, upTo: 6)
            )
        }
        let roles: [HostRoles] = [[.itr, .etr], .itr, .etr, []]
        return HostIntent(
            roles: roles.randomElement(using: &random) ?? [],
            whenDown: WhenDown.allCases.randomElement(using: &random) ?? .native,
            instances: instances
        )
    }

    @Test func `carrying out a difference leads from any plan to any other, safely and without a needless step`() {
        let seed = UInt64.random(in: .min ... .max)
        print("HostDifferenceTests seed \(seed)")
        var random = Seeded(state: seed)
        for _ in 0..<400 {
            let old = HostPlan(Self.intent(&random)).state
            let new = HostPlan(Self.intent(&random)).state
            var kernels = old.mapValues { ModelKernel($0) }
            for operation in difference(from: old, to: new) {
                kernels[operation.space, default: ModelKernel()].carryOut(operation.action)
                #expect(kernels[operation.space]?.isSafe() == true, "seed \(seed), after \(operation)")
            }
            for space in Set(old.keys).union(new.keys) {
                let got = kernels[space]?.state ?? SpaceState()
                let wanted = new[space] ?? SpaceState()
                #expect(got.rules == wanted.rules, "seed \(seed)")
                #expect(got.routes == wanted.routes, "seed \(seed)")
                #expect(wanted.sysctls.allSatisfy { got.sysctls[$0.key] == $0.value }, "seed \(seed)")
            }
            let result = kernels.mapValues(\.state)
            #expect(difference(from: result, to: new).isEmpty, "seed \(seed)")
        }
    }

    @Test func `a plan differs from itself in nothing`() throws {
        let plan = HostPlanTests.plan(try HostPlanTests.site())
        #expect(difference(from: plan.state, to: plan.state).isEmpty)
    }

    @Test func `a new known prefix is one route`() throws {
        let old = HostPlanTests.plan(try HostPlanTests.site())
        let new = HostPlanTests.plan(
            try HostPlanTests.site { $0.knownRemoteEIDs.append(try HostPlanTests.prefix("10.3.0.0/16")) }
        )
        let route = HostRoute(
            table: 10_002,
            try HostPlanTests.prefix("10.3.0.0/16"),
            .interface("lisp0", source: try HostPlanTests.address("10.1.0.1"))
        )
        #expect(difference(from: old.state, to: new.state) == [HostOperation(.main, .putRoute(route))])
        #expect(difference(from: new.state, to: old.state) == [HostOperation(.main, .deleteRoute(route))])
    }

    @Test func `another own address replaces a route without deleting it`() throws {
        let old = HostPlanTests.plan(try HostPlanTests.site())
        let new = HostPlanTests.plan(
            try HostPlanTests.site { $0.ownAddresses = [try HostPlanTests.address("10.1.9.1")] }
        )
        let operations = difference(from: old.state, to: new.state).map(\.description)
        #expect(operations == ["put route 10.2.0.0/16 dev lisp0 src 10.1.9.1 table 10002"])
    }

    @Test func `an own prefix that goes is no longer attracted before it is no longer protected`() throws {
        let old = HostPlanTests.plan(
            try HostPlanTests.site { $0.ownPrefixes.append(try HostPlanTests.prefix("10.7.0.0/16")) }
        )
        let new = HostPlanTests.plan(try HostPlanTests.site())
        #expect(
            difference(from: old.state, to: new.state).map(\.description) == [
                "delete IPv4 rule 10030: from 10.7.0.0/16 lookup 10001",
                "delete IPv4 rule 10011: from all to 10.7.0.0/16 unreachable",
                "delete IPv4 rule 10010: from all to 10.7.0.0/16 lookup main suppress_prefixlength 0",
            ]
        )
    }
}
