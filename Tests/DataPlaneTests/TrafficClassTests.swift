// TTL, DSCP and ECN across the tunnel.

import Testing

@testable import DataPlane

@Suite struct TrafficClassTests {
    static let notECT: UInt8 = 0
    static let ect1: UInt8 = 1
    static let ect0: UInt8 = 2
    static let ce: UInt8 = 3

    /// Figure 4 of RFC 6040: rows are the inner header, columns the outer one; `nil` is a drop.
    static let table: [(inner: UInt8, outer: UInt8, result: UInt8?)] = [
        (notECT, notECT, notECT), (notECT, ect0, notECT), (notECT, ect1, notECT), (notECT, ce, nil),
        (ect0, notECT, ect0), (ect0, ect0, ect0), (ect0, ect1, ect1), (ect0, ce, ce),
        (ect1, notECT, ect1), (ect1, ect0, ect1), (ect1, ect1, ect1), (ect1, ce, ce),
        (ce, notECT, ce), (ce, ect0, ce), (ce, ect1, ce), (ce, ce, ce),
    ]

    @Test(arguments: table) func `decapsulates ECN as RFC 6040 figure 4 says`(
        inner: UInt8,
        outer: UInt8,
        result: UInt8?
    ) {
        #expect(TrafficClass.inner(inner: inner, outer: outer) == result)
        // The DSCP of the outer header counts (RFC 9300 section 5.3), whatever the inner one was.
        #expect(TrafficClass.inner(inner: 0xb8 | inner, outer: 0x28 | outer) == result.map { 0x28 | $0 })
    }

    @Test func `encapsulates in normal mode: the whole TOS is copied`() {
        for tos in UInt8.min...UInt8.max { #expect(TrafficClass.outer(inner: tos) == tos) }
    }

    @Test func `the inner TTL never rises`() {
        for (inner, outer, result) in [(63, 60, 60), (60, 63, 60), (1, 255, 1), (255, 1, 1)] as [(UInt8, UInt8, UInt8)]
        {
            #expect(TrafficClass.innerTimeToLive(inner: inner, outer: outer) == result)
        }
    }
}
