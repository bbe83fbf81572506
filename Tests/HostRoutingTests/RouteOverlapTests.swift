// Asked of a table of routes: does any overlap this prefix?

import LISPWire
import Testing

@testable import HostRouting

@Suite struct RouteOverlapTests {
    @Test func `finds routes that cover a prefix, that equal it and that lie within it`() {
        let routes = RouteOverlap(["10.1.0.0/16", "10.2.3.0/24", "2001:db8:a::/48"].compactMap { IPPrefix($0) })
        for (text, isThere) in [
            ("10.1.0.0/16", true), ("10.1.2.0/24", true), ("10.0.0.0/8", true), ("10.2.0.0/16", true),
            ("10.2.3.4/32", true), ("10.2.2.0/24", false), ("10.2.4.0/24", false), ("11.0.0.0/8", false),
            ("2001:db8:a:1::/64", true), ("2001:db8::/32", true), ("2001:db8:b::/48", false), ("a00::/8", false),
        ] {
            #expect(IPPrefix(text).map(routes.contains) == isThere, "\(text)")
        }
        #expect(!RouteOverlap([]).contains(IPPrefix(family: .ipv4, leftAligned: 0, length: 0)))
    }

    @Test func `agrees with a look at every route`() {
        var seed: UInt64 = 0x9e37_79b9_7f4a_7c15
        func random(_ bound: UInt64) -> UInt64 {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (seed >> 33) % bound
        }
        // Few bits, so that much overlaps and much does not.
        func prefix() -> IPPrefix {
            let length = UInt8(4 + random(9))
            let family: AddressFamily = random(2) == 0 ? .ipv4 : .ipv6
            return IPPrefix(family: family, leftAligned: UInt128(random(1 << 12)) << 116, length: length)
        }
        var found = 0
        for _ in 0..<50 {
            let list = (0..<12).map { _ in prefix() }
            let routes = RouteOverlap(list)
            for _ in 0..<50 {
                let asked = prefix()
                let expected = list.contains { $0.overlaps(asked) }
                #expect(routes.contains(asked) == expected, "\(asked) among \(list)")
                found += expected ? 1 : 0
            }
        }
        #expect((250..<2250).contains(found))
    }
}
