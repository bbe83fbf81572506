// A packet's way through our rules and routes.

import HostRouting
import LISPWire
import Testing

@Suite struct HostJourneyTests {
    private static func prefix(_ text: String) -> IPPrefix { IPPrefix(text)! }
    private static func address(_ text: String) -> IPAddress { IPAddress(text)! }

    private static func space(_ change: (inout InstanceIntent) -> Void = { _ in }, tenant: String? = nil) -> SpaceState
    {
        var instance = InstanceIntent(
            tun: "lisp0",
            space: tenant.map(HostSpace.tenant) ?? .main,
            ownPrefixes: [prefix("10.1.0.0/16"), prefix("2001:db8:1::/48")],
            ownAddresses: [address("10.1.0.1"), address("2001:db8:1::1")],
            knownRemoteEIDs: [prefix("192.0.2.0/25")],
            negativePrefixes: [prefix("192.0.0.0/9"), prefix("2001:db8:8000::/33")]
        )
        change(&instance)
        let plan = HostPlan(HostIntent(roles: [.itr, .etr], instances: [instance]))
        return plan.state[instance.space] ?? SpaceState()
    }

    private static func journey(
        _ source: String,
        _ destination: String,
        isOurs: Bool = false,
        hasRoute: Bool = false,
        in space: SpaceState = space()
    ) -> HostJourney {
        space.journey(
            of: HostPacket(
                source: address(source),
                destination: address(destination),
                isOurs: isOurs,
                hasRoute: hasRoute
            )
        )
    }

    @Test func `what the site sends goes into the TUN`() {
        #expect(
            Self.journey("10.1.0.10", "10.2.0.10")
                == HostJourney(
                    end: .interface("lisp0"),
                    steps: ["10030: from 10.1.0.0/16 lookup 10001", "default dev lisp0 table 10001"]
                )
        )
        #expect(Self.journey("2001:db8:1::a", "2001:db8:2::a").end == .interface("lisp0"))
        // A source that is bound makes the router's own packet one of the site.
        #expect(Self.journey("2001:db8:1::1", "2001:db8:2::a", isOurs: true).end == .interface("lisp0"))
    }

    @Test func `what is for the site stays there, or is refused if the site has no route`() {
        let local = Self.journey("10.2.0.10", "10.1.0.10", hasRoute: true)
        #expect(local.end == .specificRoute)
        #expect(local.steps == ["10010: from all to 10.1.0.0/16 lookup main suppress_prefixlength 0"])
        let unrouted = Self.journey("10.1.0.10", "10.1.77.77")
        #expect(unrouted.end == .unreachable)
        #expect(unrouted.steps == ["10011: from all to 10.1.0.0/16 unreachable"])
    }

    @Test func `what is no LISP site is thrown, and a site below it is not`() {
        let thrown = Self.journey("10.1.0.10", "192.1.0.1")
        #expect(thrown.end == .hostRouting)
        #expect(thrown.steps == ["10030: from 10.1.0.0/16 lookup 10001", "throw 192.0.0.0/9 table 10001"])
        let below = Self.journey("10.1.0.10", "192.0.2.1")
        #expect(below.end == .interface("lisp0"))
        #expect(below.steps.last == "192.0.2.0/25 dev lisp0 table 10001")
        #expect(Self.journey("2001:db8:1::a", "2001:db8:8000::1").end == .hostRouting)
    }

    @Test func `a stranger's packet is none of ours`() {
        #expect(Self.journey("203.0.113.1", "10.2.0.10") == HostJourney(end: .hostRouting, steps: []))
        // The router's own, bound to an address that is no EID.
        #expect(Self.journey("203.0.113.1", "10.2.0.10", isOurs: true).end == .hostRouting)
        let bound = Self.journey("2001:db8:f::1", "2001:db8:2::a", isOurs: true)
        #expect(bound.end == .hostRouting)
        #expect(bound.steps == ["10031: from ::/1 iif lo goto 10099"])
    }

    @Test func `a tenant's own routes come first, its default route last`() {
        let space = Self.space(tenant: "red")
        let routed = Self.journey("10.1.0.10", "10.2.0.10", hasRoute: true, in: space)
        #expect(routed.end == .specificRoute)
        #expect(routed.steps.last == "10021: from all lookup main suppress_prefixlength 0")
        #expect(Self.journey("10.1.0.10", "10.2.0.10", in: space).end == .interface("lisp0"))
    }

    @Test func `without the role there is no way into the TUN`() {
        let plan = HostPlan(
            HostIntent(
                roles: [.etr],
                instances: [InstanceIntent(tun: "lisp0", ownPrefixes: [Self.prefix("10.1.0.0/16")])]
            )
        )
        let space = plan.state[.main] ?? SpaceState()
        #expect(Self.journey("10.1.0.10", "10.2.0.10", in: space).end == .hostRouting)
        #expect(Self.journey("10.2.0.10", "10.1.0.10", in: space).end == .unreachable)
    }
}
