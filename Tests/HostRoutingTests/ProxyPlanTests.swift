// What the host is to look like for proxies, line by line.

import HostRouting
import LISPWire
import Testing

@Suite struct ProxyPlanTests {
    private static func prefixes(_ texts: String...) throws -> [IPPrefix] {
        try texts.map { try HostPlanTests.prefix($0) }
    }

    private static func proxyITR(_ change: (inout InstanceIntent) throws -> Void = { _ in }) throws -> InstanceIntent {
        var instance = InstanceIntent(
            tun: "lisp0",
            ownPrefixes: [],
            attractedSpace: try prefixes("10.0.0.0/8"),
            attractedSources: [try HostPlanTests.address("192.0.2.9")]
        )
        try change(&instance)
        return instance
    }

    @Test func `a Proxy-ITR attracts its EID space from everywhere but the TUN`() throws {
        let plan = HostPlanTests.plan(try Self.proxyITR(), roles: .proxyITR)
        #expect(
            HostPlanTests.rules(plan, .ipv4) == [
                "10000: from all fwmark 0x4c495350 goto 10099",
                "10020: from all iif lisp0 goto 10099",
                "10040: from all lookup 10003",
                "10099: from all nop",
            ]
        )
        #expect(HostPlanTests.rules(plan, .ipv6).isEmpty)
        #expect(
            HostPlanTests.routes(plan) == [
                "10.0.0.0/8 dev lisp0 src 192.0.2.9 table 10003",
                "unreachable 10.0.0.0/8 table 10003 metric 1000000",
            ]
        )
        #expect(plan.state[.main]?.links["lisp0"]?.hasDummyAddress == true)
    }

    @Test func `what is negative in there is refused, and what is positive below that is not`() throws {
        let plan = HostPlanTests.plan(
            try Self.proxyITR {
                $0.negativePrefixes = try Self.prefixes("10.128.0.0/9", "192.168.0.0/16")
                $0.knownRemoteEIDs = try Self.prefixes("10.2.0.0/16", "10.130.0.0/16")
            },
            roles: .proxyITR,
            whenDown: .native
        )
        #expect(
            HostPlanTests.routes(plan) == [
                "10.0.0.0/8 dev lisp0 src 192.0.2.9 table 10003",
                "unreachable 10.128.0.0/9 table 10003",
                "10.130.0.0/16 dev lisp0 src 192.0.2.9 table 10003",
            ]
        )
    }

    @Test func `a negative prefix larger than the EID space refuses no more than that`() throws {
        let plan = HostPlanTests.plan(
            try Self.proxyITR { $0.negativePrefixes = try Self.prefixes("8.0.0.0/5") },
            roles: .proxyITR,
            whenDown: .native
        )
        #expect(HostPlanTests.routes(plan) == ["unreachable 10.0.0.0/8 table 10003"])
    }

    @Test func `all in one: the union without the router's own traffic of an xTR`() throws {
        let plan = HostPlanTests.plan(
            try HostPlanTests.site {
                $0.attractedSpace = try Self.prefixes("10.0.0.0/8")
                $0.attractedSources = [try HostPlanTests.address("192.0.2.9")]
                $0.acceptedSources = try Self.prefixes("10.0.0.0/8")
                $0.negativePrefixes = try Self.prefixes("10.5.0.0/16")
            },
            roles: [.itr, .etr, .proxyITR, .proxyETR]
        )
        #expect(
            HostPlanTests.rules(plan, .ipv4) == [
                "10000: from all fwmark 0x4c495350 goto 10099",
                "10010: from all to 10.1.0.0/16 lookup main suppress_prefixlength 0",
                "10011: from all to 10.1.0.0/16 unreachable",
                "10020: from all iif lisp0 goto 10099",
                "10030: from 10.1.0.0/16 lookup 10001",
                "10040: from all lookup 10003",
                "10099: from all nop",
            ]
        )
        #expect(
            HostPlanTests.routes(plan) == [
                "default dev lisp0 table 10001",
                "unreachable default table 10001 metric 1000000",
                "throw 10.5.0.0/16 table 10001",
                "10.0.0.0/8 dev lisp0 src 10.1.0.1 table 10003",
                "unreachable 10.0.0.0/8 table 10003 metric 1000000",
                "unreachable 10.5.0.0/16 table 10003",
            ]
        )
    }

    @Test(arguments: ["10.0.0.0/8", "2001:db8::/32"])
    func `a Proxy-ETR alone needs its TUN and no rule`(source: String) throws {
        let instance = InstanceIntent(tun: "lisp0", ownPrefixes: [], acceptedSources: try Self.prefixes(source))
        let plan = HostPlanTests.plan(instance, roles: .proxyETR)
        let space = try #require(plan.state[.main])
        #expect(space.rules.isEmpty)
        #expect(space.routes.isEmpty)
        #expect(space.links["lisp0"]?.isUp == true)
        #expect(space.links["lisp0"]?.hasDummyAddress == source.hasPrefix("10"))
        #expect(space.sysctls[.interface(.ipv4, "lisp0", "rp_filter")] == "2")
        let ipv6 = space.sysctls[.interface(.ipv6, "lisp0", "disable_ipv6")]
        #expect(ipv6 == (source.hasPrefix("10") ? nil : "0"))
    }

    @Test func `tells of negative prefixes without a route, also of those that are not listed`() throws {
        let plan = HostPlanTests.plan(try HostPlanTests.site { $0.unlistedNegativePrefixes = [.ipv4: 7] })
        #expect(plan.notes == [.negativePrefixesBeyondLimit(.default, count: 7)])
    }
}
