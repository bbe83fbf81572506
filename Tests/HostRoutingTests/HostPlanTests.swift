// What the host is to look like for one site, line by line.

import HostRouting
import LISPWire
import Testing

struct HostPlanTests {
    static func prefix(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }
    static func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    static func site(_ change: (inout InstanceIntent) throws -> Void = { _ in }) throws -> InstanceIntent {
        var instance = InstanceIntent(
            tun: "lisp0",
            mtu: 1464,
            ownPrefixes: [try prefix("10.1.0.0/16")],
            ownAddresses: [try address("10.1.0.1")],
            knownRemoteEIDs: [try prefix("10.2.0.0/16")]
        )
        try change(&instance)
        return instance
    }

    static func plan(
        _ instances: InstanceIntent...,
        roles: HostRoles = [.itr, .etr],
        whenDown: WhenDown = .unreachable
    )
        -> HostPlan
    {
        HostPlan(HostIntent(roles: roles, whenDown: whenDown, instances: instances))
    }

    static func rules(_ plan: HostPlan, _ family: AddressFamily, in space: HostSpace = .main) -> [String] {
        (plan.state[space]?.rules ?? []).filter { $0.family == family }.sorted().map(\.description)
    }

    static func routes(_ plan: HostPlan, in space: HostSpace = .main) -> [String] {
        (plan.state[space]?.routes ?? []).sorted().map(\.description)
    }

    @Test func `an IPv4 site gets these rules and routes`() throws {
        let plan = Self.plan(try Self.site())
        #expect(
            Self.rules(plan, .ipv4) == [
                "10000: from all fwmark 0x4c495350 goto 10099",
                "10010: from all to 10.1.0.0/16 lookup main suppress_prefixlength 0",
                "10011: from all to 10.1.0.0/16 unreachable",
                "10020: from all iif lisp0 goto 10099",
                "10030: from 10.1.0.0/16 lookup 10001",
                "10031: from 0.0.0.0/32 iif lo lookup 10002",
                "10099: from all nop",
            ]
        )
        #expect(Self.rules(plan, .ipv6).isEmpty)
        #expect(
            Self.routes(plan) == [
                "default dev lisp0 table 10001",
                "unreachable default table 10001 metric 1000000",
                "10.2.0.0/16 dev lisp0 src 10.1.0.1 table 10002",
            ]
        )
        let main = try #require(plan.state[.main])
        let link = LinkSettings(mtu: 1464, isUp: true, makesLinkLocalAddress: false, hasDummyAddress: true)
        #expect(main.links == ["lisp0": link])
        #expect(
            main.sysctls == [
                SysctlPath(rawValue: "net/ipv4/conf/lisp0/rp_filter"): "2",
                SysctlPath(rawValue: "net/ipv4/conf/lisp0/accept_local"): "1",
            ]
        )
        #expect(plan.notes.isEmpty)
    }

    @Test func `in IPv6 what is bound passes the rule for unbound traffic by`() throws {
        let plan = Self.plan(
            try Self.site {
                $0.ownPrefixes = [try Self.prefix("2001:db8:1::/48")]
                $0.ownAddresses = [try Self.address("2001:db8:1::1")]
                $0.knownRemoteEIDs = [try Self.prefix("2001:db8:2::/48")]
            }
        )
        #expect(Self.rules(plan, .ipv4).isEmpty)
        #expect(
            Self.rules(plan, .ipv6) == [
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
        #expect(
            Self.routes(plan) == [
                "default dev lisp0 table 10001 metric 1024",
                "unreachable default table 10001 metric 1000000",
                "2001:db8:2::/48 dev lisp0 src 2001:db8:1::1 table 10002 metric 1024",
            ]
        )
    }

    @Test func `protection of the site precedes what attracts its traffic`() throws {
        let operations = Self.plan(try Self.site()).installation.map(\.description)
        #expect(
            operations == [
                "sysctl net/ipv4/conf/lisp0/accept_local = 1",
                "sysctl net/ipv4/conf/lisp0/rp_filter = 2",
                "link lisp0 up mtu 1464",
                "add IPv4 rule 10099: from all nop",
                "put route default dev lisp0 table 10001",
                "put route 10.2.0.0/16 dev lisp0 src 10.1.0.1 table 10002",
                "put route unreachable default table 10001 metric 1000000",
                "add IPv4 rule 10000: from all fwmark 0x4c495350 goto 10099",
                "add IPv4 rule 10010: from all to 10.1.0.0/16 lookup main suppress_prefixlength 0",
                "add IPv4 rule 10011: from all to 10.1.0.0/16 unreachable",
                "add IPv4 rule 10020: from all iif lisp0 goto 10099",
                "add IPv4 rule 10030: from 10.1.0.0/16 lookup 10001",
                "add IPv4 rule 10031: from 0.0.0.0/32 iif lo lookup 10002",
            ]
        )
    }

    @Test func `when-down native leaves nothing unreachable`() throws {
        let plan = Self.plan(try Self.site(), whenDown: .native)
        #expect(!Self.routes(plan).contains { $0.hasPrefix("unreachable") })
    }

    @Test func `an ETR alone delivers and attracts nothing`() throws {
        let plan = Self.plan(try Self.site(), roles: .etr)
        #expect(
            Self.rules(plan, .ipv4) == [
                "10010: from all to 10.1.0.0/16 lookup main suppress_prefixlength 0",
                "10011: from all to 10.1.0.0/16 unreachable",
            ]
        )
        #expect(Self.routes(plan).isEmpty)
    }

    @Test func `without an own EID address the router's own traffic stays native and the status says so`() throws {
        let plan = Self.plan(try Self.site { $0.ownAddresses = [] })
        #expect(plan.notes == [.noOwnAddress(.default, .ipv4)])
        #expect(!Self.rules(plan, .ipv4).contains { $0.hasPrefix("10031") })
        #expect(!Self.routes(plan).contains { $0.contains("10002") })
    }

    @Test func `a positive prefix below a negative one keeps the TUN`() throws {
        let plan = Self.plan(
            try Self.site {
                $0.negativePrefixes = [
                    try Self.prefix("10.0.0.0/8"), try Self.prefix("192.0.2.0/24"), try Self.prefix("10.2.0.0/16"),
                ]
                $0.knownRemoteEIDs.append(try Self.prefix("198.51.100.0/24"))
            }
        )
        #expect(
            Self.routes(plan).filter { $0.contains("10001") } == [
                "default dev lisp0 table 10001",
                "unreachable default table 10001 metric 1000000",
                "throw 10.0.0.0/8 table 10001",
                "10.2.0.0/16 dev lisp0 table 10001",
                "throw 192.0.2.0/24 table 10001",
            ]
        )
        let operations = plan.installation.map(\.description)
        let positive = try #require(operations.firstIndex(of: "put route 10.2.0.0/16 dev lisp0 table 10001"))
        let negative = try #require(operations.firstIndex(of: "put route throw 10.0.0.0/8 table 10001"))
        #expect(positive < negative)
    }

    @Test func `a default mapping does not take the router's own traffic`() throws {
        let plan = Self.plan(try Self.site { $0.knownRemoteEIDs = [try Self.prefix("0.0.0.0/0")] })
        #expect(!Self.routes(plan).contains { $0.contains("10002") })
    }

    @Test func `a tenant's namespace gets the same without a default route in its main table`() throws {
        let tenant = HostSpace.tenant("red")
        let plan = Self.plan(
            try Self.site(),
            try Self.site {
                $0.instanceID = InstanceID(uncheckedRawValue: 101)
                $0.tun = "lisp101"
                $0.space = tenant
            }
        )
        #expect(
            Self.rules(plan, .ipv4, in: tenant) == [
                "10010: from all to 10.1.0.0/16 lookup main suppress_prefixlength 0",
                "10011: from all to 10.1.0.0/16 unreachable",
                "10020: from all iif lisp101 goto 10099",
                "10021: from all lookup main suppress_prefixlength 0",
                "10030: from 10.1.0.0/16 lookup 20101",
                "10031: from 0.0.0.0/32 iif lo lookup 10002",
                "10099: from all nop",
            ]
        )
        #expect(
            Self.routes(plan, in: tenant) == [
                "default dev lisp101 src 10.1.0.1 table 10002",
                "default dev lisp101 table 20101",
                "unreachable default table 20101 metric 1000000",
            ]
        )
        #expect(Self.rules(plan, .ipv4).count == 7, "the main namespace is as if the tenant were not there")
    }

    @Test func `too many negative prefixes are counted, not installed`() throws {
        let plan = Self.plan(
            try Self.site { site in
                site.negativePrefixes = (0..<HostNumbers.negativeRouteLimit + 3).map {
                    IPPrefix(family: .ipv4, leftAligned: UInt128(0xc000_0000 + UInt32($0)) << 96, length: 32)
                }
            }
        )
        #expect(plan.notes == [.negativePrefixesBeyondLimit(.default, count: 3)])
        #expect(Self.routes(plan).filter { $0.hasPrefix("throw") }.count == HostNumbers.negativeRouteLimit)
    }

    @Test func `known remote EIDs beyond the limit get no route and are told of, listed or not`() throws {
        let plan = Self.plan(
            try Self.site { site in
                site.knownRemoteEIDs = (0..<HostNumbers.knownRouteLimit + 3).map {
                    IPPrefix(family: .ipv4, leftAligned: UInt128(0xc000_0000 + UInt32($0)) << 96, length: 32)
                }
                site.unlistedRemoteEIDs = [.ipv4: 4, .ipv6: 5]
            }
        )
        #expect(plan.notes == [.knownPrefixesBeyondLimit(.default, count: 7)])
        #expect(Self.routes(plan).filter { $0.contains("/32 ") }.count == HostNumbers.knownRouteLimit)
    }

    @Test func `the own EID address is the first usable one of the lowest interface`() throws {
        let candidates = [
            HostAddress(try Self.address("10.1.0.9"), interface: "eth2", interfaceIndex: 4),
            HostAddress(try Self.address("10.1.7.1"), interface: "eth1", interfaceIndex: 3),
            HostAddress(try Self.address("192.0.2.1"), interface: "eth0", interfaceIndex: 2),
            HostAddress(try Self.address("10.1.0.2"), interface: "eth0", interfaceIndex: 2, isUsable: false),
        ]
        let chosen = ownAddresses(among: candidates, in: [try Self.prefix("10.1.0.0/16")])
        #expect(chosen == [try Self.address("10.1.7.1"), try Self.address("10.1.0.9")])
    }
}
