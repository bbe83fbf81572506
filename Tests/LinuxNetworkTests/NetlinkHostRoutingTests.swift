// A plan carried out in a real kernel, seen by `ip` and by the kernel's own decisions.

import Glibc
import HostRouting
import LISPWire
import LinuxNetwork
import Testing

private typealias Fixture = NetlinkFixture

@Suite(.enabled(if: NetlinkFixture.canRun, NetlinkFixture.reason))
struct NetlinkHostRoutingTests {
    static func intent(_ change: (inout InstanceIntent) throws -> Void = { _ in }) throws -> HostIntent {
        var instance = InstanceIntent(
            tun: "lisp0",
            mtu: 1444,
            ownPrefixes: [try Fixture.prefix("10.1.0.0/16"), try Fixture.prefix("2001:db8:1::/48")],
            ownAddresses: [try Fixture.address("10.1.0.1"), try Fixture.address("2001:db8:1::1")],
            knownRemoteEIDs: [try Fixture.prefix("10.2.0.0/16"), try Fixture.prefix("2001:db8:2::/48")]
        )
        try change(&instance)
        return HostIntent(roles: [.itr, .etr], instances: [instance])
    }

    /// The rules that `ip` shows of ours, without what tells that they are.
    static func shownRules(_ family: AddressFamily) throws -> [String] {
        try Fixture.shell("ip -\(family == .ipv4 ? 4 : 6) rule").compactMap { (line: String) -> String? in
            guard line.hasSuffix(" proto 216") else { return nil }
            return String(line.dropLast(10)).replacing("\t", with: " ")
        }
    }

    static func shownRoutes(_ family: AddressFamily, table: Int) throws -> [String] {
        try Fixture.shell("ip -\(family == .ipv4 ? 4 : 6) route show table \(table)").map {
            $0.replacing(" proto 216", with: "").replacing(" scope link", with: "").replacing(" pref medium", with: "")
        }
    }

    @Test func `ip shows a plan as it is documented`() throws {
        let plan = HostPlan(try Self.intent { $0.negativePrefixes = [try Fixture.prefix("198.51.100.0/24")] })
        let (rules4, rules6, site4, site6, own4, own6, values) = try Fixture.inRouter {
            let applier = try HostRoutingApplier()
            try applier.apply(plan)
            let paths = ["net/ipv4/conf/lisp0/rp_filter", "net/ipv4/conf/lisp0/accept_local"]
            return (
                try Self.shownRules(.ipv4), try Self.shownRules(.ipv6), try Self.shownRoutes(.ipv4, table: 10_001),
                try Self.shownRoutes(.ipv6, table: 10_001), try Self.shownRoutes(.ipv4, table: 10_002),
                try Self.shownRoutes(.ipv6, table: 10_002),
                try paths.map { try Sysctl.read(SysctlPath(rawValue: $0)) }
            )
        }
        #expect(
            rules4 == [
                "10000: from all fwmark 0x4c495350 goto 10099",
                "10010: from all to 10.1.0.0/16 lookup main suppress_prefixlength 0",
                "10011: from all to 10.1.0.0/16 unreachable",
                "10020: from all iif lisp0 goto 10099",
                "10030: from 10.1.0.0/16 lookup 10001",
                "10031: from 0.0.0.0 iif lo lookup 10002",
                "10099: from all nop",
            ]
        )
        #expect(
            rules6 == [
                "10000: from all fwmark 0x4c495350 goto 10099",
                "10010: from all to 2001:db8:1::/48 lookup main suppress_prefixlength 0",
                "10011: from all to 2001:db8:1::/48 unreachable",
                "10020: from all iif lisp0 goto 10099",
                "10030: from 2001:db8:1::/48 lookup 10001",
                "10031: from 8000::/1 iif lo goto 10099",
                "10031: from ::/1 iif lo goto 10099",
                "10032: from all iif lo lookup 10002",
                "10099: from all nop",
            ]
        )
        // A stub TUN that nothing has opened has no carrier, which `ip` says and nothing else depends on.
        func bare(_ lines: [String]) -> [String] { lines.map { $0.replacing(" linkdown", with: "") } }
        #expect(
            bare(site4) == ["default dev lisp0", "unreachable default metric 1000000", "throw 198.51.100.0/24"]
        )
        #expect(
            bare(site6) == ["default dev lisp0 metric 1024", "unreachable default dev lo metric 1000000"]
        )
        #expect(bare(own4) == ["10.2.0.0/16 dev lisp0 src 10.1.0.1"])
        #expect(bare(own6) == ["2001:db8:2::/48 dev lisp0 src 2001:db8:1::1 metric 1024"])
        #expect(values == ["2", "1"])
    }

    @Test func `the kernel sends each kind of traffic where it belongs`() throws {
        let ways = try Fixture.inRouter { () -> [String] in
            let applier = try HostRoutingApplier()
            try applier.apply(HostPlan(try Self.intent()))
            let socket = try applier.socket(of: .main)
            let names = Dictionary(uniqueKeysWithValues: try socket.links().map { ($0.index, $0.name) })
            func way(_ to: String, from: String? = nil, mark: UInt32 = 0) throws -> String {
                do {
                    let route = try socket.routeLookup(
                        to: try Fixture.address(to),
                        from: try from.map { try Fixture.address($0) },
                        mark: mark
                    )
                    return "\(names[route.interfaceIndex] ?? "?") \(route.source.map(\.description) ?? "-")"
                } catch let error as HostError {
                    return error.code == ENETUNREACH || error.code == EHOSTUNREACH ? "unreachable" : "\(error)"
                }
            }
            return [
                try way("10.2.0.9"), try way("10.2.0.9", from: "10.1.0.1"), try way("10.2.0.9", from: "192.0.2.1"),
                try way("10.2.0.9", mark: HostNumbers.socketMark), try way("198.51.100.1"),
                try way("198.51.100.1", from: "10.1.0.1"), try way("10.1.0.9"), try way("10.1.77.1"),
                try way("2001:db8:2::9"), try way("2001:db8:2::9", from: "2001:db8:1::1"),
                try way("2001:db8:2::9", from: "2001:db8:f::1"),
                try way("2001:db8:2::9", mark: HostNumbers.socketMark), try way("2001:db8:7::1"),
                try way("2001:db8:1::9"), try way("2001:db8:1:7::1"),
            ]
        }
        #expect(
            ways == [
                "lisp0 10.1.0.1", "lisp0 10.1.0.1", "eth0 192.0.2.1", "eth0 192.0.2.1", "eth0 192.0.2.1",
                "lisp0 10.1.0.1", "eth1 10.1.0.1", "unreachable", "lisp0 2001:db8:1::1", "lisp0 2001:db8:1::1",
                "eth0 2001:db8:f::1", "eth0 2001:db8:f::1", "eth0 2001:db8:f::1", "eth1 2001:db8:1::1", "unreachable",
            ]
        )
    }

    @Test func `what is forwarded goes round neither by the TUN nor past it`() throws {
        let ways = try Fixture.inRouter { () -> [String] in
            try Fixture.shell(
                "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=2"
            )
            try HostRoutingApplier().apply(HostPlan(try Self.intent()))
            // The interface by which the kernel would forward it, or its refusal.
            func way(_ from: String, _ to: String, _ interface: String) throws -> String {
                do {
                    let lines = try Fixture.shell("ip route get \(to) from \(from) iif \(interface)")
                    let words = lines[0].split(separator: " ")
                    let position = try #require(words.firstIndex(of: "dev"))
                    return String(words[position + 1])
                } catch let failure as Fixture.CommandFailure {
                    return failure.output.last ?? ""
                }
            }
            return [
                try way("10.1.0.9", "10.2.0.9", "eth1"), try way("10.1.0.9", "10.1.0.8", "eth1"),
                try way("10.1.0.9", "10.1.77.1", "eth1"), try way("10.1.0.9", "203.0.113.1", "lisp0"),
                try way("10.1.0.1", "203.0.113.1", "lisp0"), try way("10.2.0.9", "10.1.0.9", "lisp0"),
                try way("10.2.0.9", "10.1.77.1", "lisp0"), try way("2001:db8:1::9", "2001:db8:2::9", "eth1"),
                try way("2001:db8:1::9", "2001:db8:77::1", "lisp0"), try way("2001:db8:2::9", "2001:db8:1::9", "lisp0"),
                try way("2001:db8:2::9", "2001:db8:1:7::1", "lisp0"),
            ]
        }
        let unreachable = "RTNETLINK answers: Network is unreachable"
        #expect(
            ways == [
                "lisp0", "eth1", unreachable, "eth0", "eth0", "eth1", unreachable, "lisp0", "eth0", "eth1", unreachable,
            ]
        )
    }

    @Test func `a second time there is nothing to do, and a change costs what changes`() throws {
        let plan = HostPlan(try Self.intent())
        let (second, third, change, read) = try Fixture.inRouter {
            let applier = try HostRoutingApplier()
            try applier.apply(plan)
            let second = try applier.apply(plan)
            let third = try applier.apply(plan, rereading: true)
            let more = HostPlan(
                try Self.intent { $0.knownRemoteEIDs.append(try Fixture.prefix("10.3.0.0/16")) }
            )
            let change = try applier.apply(more)
            return (second, third, change, try HostRoutingApplier().read(for: more.state) == more.state)
        }
        #expect(second.isEmpty)
        #expect(third.isEmpty)
        #expect(change.map(\.description) == ["put route 10.3.0.0/16 dev lisp0 src 10.1.0.1 table 10002"])
        #expect(read, "what is read from the kernel is the plan itself")
    }

    @Test func `what a killed daemon leaves keeps EIDs from leaking, and the next start adopts it`() throws {
        let plan = HostPlan(try Self.intent())
        let (leak4, leak6, adopted, read) = try Fixture.inRouter {
            try HostRoutingApplier().apply(plan)
            try Fixture.shell("ip link del lisp0")
            let socket = try NetlinkSocket()
            func code(_ to: String, _ from: String) throws -> Int32 {
                do {
                    _ = try socket.routeLookup(to: try Fixture.address(to), from: try Fixture.address(from))
                    return 0
                } catch let error as HostError {
                    return error.code
                }
            }
            let leak4 = try code("10.2.0.9", "10.1.0.1")
            let leak6 = try code("2001:db8:2::9", "2001:db8:1::1")
            try Fixture.shell("ip tuntap add lisp0 mode tun")
            let applier = try HostRoutingApplier()
            let adopted = try applier.apply(plan)
            return (leak4, leak6, adopted, try applier.apply(plan, rereading: true))
        }
        #expect(leak4 == EHOSTUNREACH || leak4 == ENETUNREACH)
        #expect(leak6 == EHOSTUNREACH || leak6 == ENETUNREACH)
        #expect(!adopted.contains { if case .addRule = $0.action { true } else { false } }, "the rules were there")
        #expect(adopted.count == 7, "two sysctls, the link, a default and a known route for each family")
        #expect(read.isEmpty)
    }

    @Test func `removeAll takes all of ours, whatever it says, and nothing else`() throws {
        let (count, rules, routes, repeated) = try Fixture.inRouter {
            try Fixture.shell("ip rule add to 10.1.0.0/16 priority 10015 table 100")
            try Fixture.shell("ip route add 10.77.0.0/16 dev eth1 table 10001 proto static")
            let before = (try Fixture.shell("ip rule; ip -6 rule"), try Fixture.shell("ip route show table all"))
            let applier = try HostRoutingApplier()
            try applier.apply(HostPlan(try Self.intent()))
            // What another version might have left.
            try Fixture.shell("ip rule add priority 10070 oif eth0 dport 53 table 10009 proto 216")
            try Fixture.shell("ip -6 rule add priority 10071 not from 2001:db8::/32 prohibit proto 216")
            try Fixture.shell("ip route add 10.78.0.0/16 via 192.0.2.7 table 10009 proto 216")
            try Fixture.shell("ip -6 route add blackhole 2001:db8:99::/48 table 10009 proto 216")
            let count = try HostRoutingApplier().removeAll()
            try Fixture.shell("ip link del lisp0")
            return (
                count, try Fixture.shell("ip rule; ip -6 rule") == before.0,
                try Fixture.shell("ip route show table all") == before.1, try applier.removeAll()
            )
        }
        #expect(count == 7 + 9 + 3 + 3 + 4)
        #expect(rules)
        #expect(routes)
        #expect(repeated == 0)
    }

    @Test func `a tenant's TUN and rules live in the tenant's namespace`() throws {
        let tenant = "lispd-test-\(getpid())"
        try Fixture.shell("ip netns add \(tenant)")
        defer { _ = try? Fixture.shell("ip netns del \(tenant)") }
        let plan = HostPlan(
            try Self.intent {
                $0.instanceID = InstanceID(uncheckedRawValue: 101)
                $0.space = .tenant(tenant)
            }
        )
        let (inside, sysctl, outside, left) = try Fixture.inRouter {
            try withNetworkNamespace(tenant) {
                try Fixture.shell("ip link set lo up; ip addr add 10.1.0.1/32 dev lo")
                try Fixture.shell("ip addr add 2001:db8:1::1/128 dev lo")
            }
            let applier = try HostRoutingApplier(tenants: [tenant])
            try applier.moveLink("lisp0", to: .tenant(tenant))
            try applier.apply(plan)
            let inside = try withNetworkNamespace(tenant) {
                (try Self.shownRules(.ipv4), try Self.shownRoutes(.ipv4, table: 20_101))
            }
            let sysctl = try withNetworkNamespace(tenant) {
                try Sysctl.read(.interface(.ipv4, "lisp0", "rp_filter"))
            }
            let outside = try Self.shownRules(.ipv4)
            try applier.removeAll()
            return (inside, sysctl, outside, try withNetworkNamespace(tenant) { try Self.shownRules(.ipv4) })
        }
        #expect(
            inside.0 == [
                "10010: from all to 10.1.0.0/16 lookup main suppress_prefixlength 0",
                "10011: from all to 10.1.0.0/16 unreachable",
                "10020: from all iif lisp0 goto 10099",
                "10021: from all lookup main suppress_prefixlength 0",
                "10030: from 10.1.0.0/16 lookup 20101",
                "10031: from 0.0.0.0 iif lo lookup 10002",
                "10099: from all nop",
            ]
        )
        #expect(inside.1.first?.hasPrefix("default dev lisp0") == true)
        #expect(sysctl == "2")
        #expect(outside.isEmpty)
        #expect(left.isEmpty)
    }
}
