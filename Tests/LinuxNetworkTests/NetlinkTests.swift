// Rules, routes, interfaces and news, against a real kernel.

import Glibc
import HostRouting
import LISPWire
import LinuxNetwork
import Testing

private typealias Fixture = NetlinkFixture

@Suite(.enabled(if: NetlinkFixture.canRun, NetlinkFixture.reason))
struct NetlinkTests {
    @Test func `lists interfaces with their names, MTUs and states`() throws {
        let links = try Fixture.inRouter {
            try Fixture.shell("ip link set eth1 mtu 1400; ip link set core down")
            return try NetlinkSocket().links()
        }
        let byName = Dictionary(uniqueKeysWithValues: links.map { ($0.name, $0) })
        #expect(Set(byName.keys) == ["lo", "eth0", "eth1", "core", "site", "lisp0"])
        #expect(byName["eth1"]?.mtu == 1400)
        #expect(byName["eth1"]?.isUp == true)
        #expect(byName["eth1"]?.hasCarrier == true)
        #expect(byName["eth0"]?.isUp == true)
        #expect(byName["eth0"]?.hasCarrier == false, "its peer is down")
        #expect(byName["lisp0"]?.isUp == false)
        #expect(byName["lo"]?.isLoopback == true)
    }

    @Test func `lists addresses with their scopes and flags`() throws {
        let (links, addresses) = try Fixture.inRouter {
            try Fixture.shell("ip addr add 2001:db8:1::2/64 dev eth1 nodad preferred_lft 0")
            try Fixture.shell("ip addr add 10.1.0.7 peer 10.1.0.8/32 dev eth1")
            let socket = try NetlinkSocket()
            return (try socket.links(), try socket.addresses())
        }
        func find(_ text: String) throws -> InterfaceAddress {
            let wanted = try Fixture.address(text)
            return try #require(addresses.first { $0.address == wanted })
        }
        let site = try find("10.1.0.1")
        #expect(site.prefixLength == 24)
        #expect(site.isUsable)
        #expect(links.first { $0.index == site.interfaceIndex }?.name == "eth1")
        #expect(try find("127.0.0.1").scope == .host)
        #expect(try find("2001:db8:1::1").isUsable)
        #expect(try find("2001:db8:1::2").isDeprecated)
        #expect(try find("10.1.0.7").prefixLength == 32, "ours, not the other end's")
        #expect(addresses.contains { $0.scope == .link && $0.address.family == .ipv6 })
    }

    @Test(arguments: AddressFamily.allCases)
    func `every form of rule comes back as it was added, and goes`(family: AddressFamily) throws {
        let prefix = try Fixture.prefix(family == .ipv4 ? "10.1.0.0/16" : "2001:db8:1::/48")
        let unspecified = IPPrefix(family: family, leftAligned: 0, length: family.bitWidth)
        let rules = [
            PolicyRule(family, priority: 10_000, mark: HostNumbers.socketMark, .goTo(priority: 10_099)),
            PolicyRule(family, priority: 10_010, to: prefix, suppressPrefixLength: 0, .lookup(table: 254)),
            PolicyRule(family, priority: 10_011, to: prefix, .unreachable),
            PolicyRule(family, priority: 10_020, inputInterface: "lisp0", .goTo(priority: 10_099)),
            PolicyRule(family, priority: 10_030, from: prefix, .lookup(table: 10_001)),
            PolicyRule(family, priority: 10_031, from: unspecified, inputInterface: "lo", .lookup(table: 10_002)),
            PolicyRule(family, priority: 10_099, .nop),
        ]
        let (listed, again, left) = try Fixture.inRouter {
            let socket = try NetlinkSocket()
            for rule in rules.reversed() { try socket.add(rule) }
            let listed = try socket.rules(routingProtocol: HostNumbers.routingProtocol)
            for rule in rules { try socket.add(rule) }
            let again = try socket.rules(routingProtocol: HostNumbers.routingProtocol)
            for rule in rules + rules { try socket.delete(rule) }
            return (listed, again, try socket.rules())
        }
        #expect(listed.map(\.rule) == rules)
        #expect(again.count == rules.count)
        #expect(!left.contains { $0.routingProtocol == HostNumbers.routingProtocol })
        #expect(left.count == 5, "the kernel's own: local, main, default, and for IPv6 local, main")
    }

    @Test func `a rule of ours and an equal one of somebody else's priority are told apart`() throws {
        let left = try Fixture.inRouter {
            let socket = try NetlinkSocket()
            try Fixture.shell("ip rule add to 10.1.0.0/16 priority 10011 table 100")
            let rule = PolicyRule(.ipv4, priority: 10_011, to: try Fixture.prefix("10.1.0.0/16"), .unreachable)
            try socket.add(rule)
            try socket.delete(rule)
            return try Fixture.shell("ip rule show priority 10011")
        }
        #expect(left.count == 1)
        #expect(left.first?.hasSuffix("to 10.1.0.0/16 lookup 100") == true)
    }

    @Test(arguments: AddressFamily.allCases)
    func `every form of route comes back as it was put, and goes`(family: AddressFamily) throws {
        let is4 = family == .ipv4
        let everything = IPPrefix(family: family, leftAligned: 0, length: 0)
        let source = try Fixture.address(is4 ? "10.1.0.1" : "2001:db8:1::1")
        let remote = try Fixture.prefix(is4 ? "10.2.0.0/16" : "2001:db8:2::/48")
        let negative = try Fixture.prefix(is4 ? "198.51.0.0/16" : "2001:db8:f000::/36")
        let routes = [
            HostRoute(table: 10_001, everything, .interface("lisp0")),
            HostRoute(table: 10_001, everything, metric: 1_000_000, .unreachable),
            HostRoute(table: 10_001, negative, .next),
            HostRoute(table: 10_002, remote, .interface("lisp0", source: source)),
            HostRoute(table: 200, remote, metric: 7, .interface("lisp0")),
        ]
        let (listed, replaced, left) = try Fixture.inRouter {
            let socket = try NetlinkSocket()
            try socket.setLink("lisp0", up: true)
            let names = Dictionary(uniqueKeysWithValues: try socket.links().map { ($0.index, $0.name) })
            func ours() throws -> Set<HostRoute> {
                Set(
                    try socket.routes(routingProtocol: HostNumbers.routingProtocol).compactMap {
                        $0.hostRoute { names[$0] }
                    }
                )
            }
            for route in routes + routes { try socket.put(route) }
            let listed = try ours()
            try socket.put(HostRoute(table: 10_001, negative, .interface("lisp0")))
            try socket.put(HostRoute(table: 10_002, remote, .unreachable))
            let replaced = try ours()
            for route in replaced { try socket.delete(route) }
            for route in replaced { try socket.delete(route) }
            return (listed, replaced, try socket.routes(routingProtocol: HostNumbers.routingProtocol).count)
        }
        #expect(listed == Set(routes))
        #expect(replaced.count == routes.count)
        #expect(replaced.contains(HostRoute(table: 10_001, negative, .interface("lisp0"))))
        #expect(replaced.contains(HostRoute(table: 10_002, remote, .unreachable)))
        #expect(left == 0)
    }

    @Test func `a refusal says what was tried and what the kernel answered`() throws {
        let errors = try Fixture.inRouter { () -> [String] in
            let socket = try NetlinkSocket()
            var errors: [String] = []
            func note(_ body: () throws -> Void) {
                do { try body() } catch { errors.append("\(error)") }
            }
            let remote = try Fixture.prefix("10.2.0.0/16")
            note { try socket.put(HostRoute(table: 10_001, remote, .interface("lisp7"))) }
            note { try socket.put(HostRoute(table: 10_001, remote, .interface("lisp0"))) }
            note { try socket.setLink("eth0", mtu: 10) }
            try Fixture.shell("ip route del default; ip -6 route del default")
            note { _ = try socket.routeLookup(to: try Fixture.address("203.0.113.1")) }
            note { _ = try socket.routeLookup(to: try Fixture.address("2001:db8:77::1")) }
            note { _ = try NetworkNamespace("no-such-namespace") }
            return errors
        }
        #expect(
            errors == [
                "put IPv4 route 10.2.0.0/16 dev lisp7 table 10001: No such device (errno 19): there is no interface lisp7",
                "put IPv4 route 10.2.0.0/16 dev lisp0 table 10001: Network is down (errno 100): "
                    + "Device for nexthop is not up",
                "set the MTU of interface eth0 to 10: Invalid argument (errno 22): mtu less than device minimum",
                "look up the route to 203.0.113.1: Network is unreachable (errno 101)",
                "look up the route to 2001:db8:77::1: Network is unreachable (errno 101)",
                "open network namespace no-such-namespace (/run/netns/no-such-namespace): "
                    + "No such file or directory (errno 2)",
            ]
        )
    }

    @Test func `a lookup finds interface, source, gateway and MTU`() throws {
        let (plain, local, six, limited) = try Fixture.inRouter {
            let socket = try NetlinkSocket()
            try Fixture.shell("ip route add 203.0.113.0/24 via 192.0.2.253 mtu 1300")
            return (
                try socket.routeLookup(to: try Fixture.address("198.51.100.1")),
                try socket.routeLookup(to: try Fixture.address("10.1.0.1")),
                try socket.routeLookup(to: try Fixture.address("2001:db8:ffff::1")),
                try socket.routeLookup(to: try Fixture.address("203.0.113.9"))
            )
        }
        #expect(plain.source == IPAddress("192.0.2.1"))
        #expect(plain.gateway == IPAddress("192.0.2.254"))
        #expect(plain.mtu == 1500)
        #expect(plain.table == 254)
        #expect(local.isLocal)
        #expect(six.source == IPAddress("2001:db8:f::1"))
        #expect(six.interfaceIndex == plain.interfaceIndex)
        #expect(limited.mtu == 1300)
    }

    @Test func `a TUN gets its MTU and no link-local address, and moves to another namespace`() throws {
        let (shown, moved, gone) = try Fixture.inRouter {
            let socket = try NetlinkSocket()
            try socket.setLink("lisp0", makesLinkLocalAddress: false)
            try socket.setLink("lisp0", mtu: 1444)
            try socket.setLink("lisp0", up: true)
            let shown = try Fixture.shell("ip -d link show lisp0; ip addr show lisp0").joined(separator: "\n")
            let moved = try NetworkNamespace.runInFresh {
                let other = try NetworkNamespace()
                try socket.moveLink("lisp0", to: other.descriptor)
                return try NetlinkSocket().link(named: "lisp0")
            }
            return (shown, moved, try socket.link(named: "lisp0"))
        }
        #expect(shown.contains("mtu 1444"))
        #expect(shown.contains("addrgenmode none"))
        #expect(!shown.contains("inet6"))
        #expect(moved?.mtu == 1444)
        #expect(gone == nil)
    }

    @Test func `a monitor tells of addresses, links and routes that come and go`() throws {
        let (came, went, none) = try Fixture.inRouter {
            let monitor = try NetlinkMonitor()
            let none = try monitor.readEvents()
            try Fixture.shell(
                "ip addr add 10.1.9.1/24 dev eth1; ip link set eth1 mtu 1300; ip route add 10.9.0.0/16 dev eth1"
            )
            let came = try monitor.readEvents()
            try Fixture.shell("ip addr del 10.1.9.1/24 dev eth1; ip route del 10.9.0.0/16; ip link del eth1")
            return (came, try monitor.readEvents(), none)
        }
        let address = try Fixture.address("10.1.9.1")
        #expect(none.isEmpty)
        #expect(came.contains { if case .address(let new) = $0 { new.address == address } else { false } })
        #expect(
            came.contains { if case .link(let link) = $0 { link.name == "eth1" && link.mtu == 1300 } else { false } }
        )
        let prefix = try Fixture.prefix("10.9.0.0/16")
        #expect(came.contains { if case .route(let route) = $0 { route.destination == prefix } else { false } })
        #expect(went.contains { if case .addressRemoved(let old) = $0 { old.address == address } else { false } })
        #expect(went.contains { if case .routeRemoved(let old) = $0 { old.destination == prefix } else { false } })
        #expect(went.contains { if case .linkRemoved(_, "eth1") = $0 { true } else { false } })
    }

    @Test func `a monitor that was not read in time says that news is lost, and goes on`() throws {
        let (first, second) = try Fixture.inRouter {
            let monitor = try NetlinkMonitor(receiveBuffer: 2048)
            let commands = (0..<200).map { "addr add 10.1.\($0).77/24 dev eth1" }.joined(separator: "\n")
            try Fixture.shell("ip -batch - <<'END'\n\(commands)\nEND\n")
            let first = try monitor.readEvents()
            try Fixture.shell("ip addr add 10.8.0.1/24 dev eth1")
            return (first, try monitor.readEvents())
        }
        let address = try Fixture.address("10.8.0.1")
        #expect(first.contains { if case .overrun = $0 { true } else { false } })
        #expect(second.contains { if case .address(let new) = $0 { new.address == address } else { false } })
    }

    @Test func `the error of missing privileges names them`() {
        #expect(
            MissingCapabilities(missing: [.netAdmin, .sysAdmin]).description
                == "lispd needs CAP_NET_ADMIN, CAP_SYS_ADMIN to change this host's network: "
                + "start it as root, or by a service manager that grants them"
        )
        #expect(throws: Never.self) { try Capabilities.require([.netAdmin]) }
    }
}
