// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
// TTL, DSCP and ECN across the tunnel (RFC 9300 section 5.3, RFC 6040).
//
// The kernel has forwarded a packet, and lowered its TTL, before it reads it from the TUN; after decapsulation the kernel
// forwards it again. So copying the TTL out, and taking the smaller one in, makes both tunnel routers one hop each, and
// a traceroute shows both.

enum TrafficClass {
    /// Outer TOS at the ITR: DSCP copied, ECN in RFC 6040's normal mode, which copies it too.
    @inline(__always)
    static func outer(inner: UInt8) -> UInt8 { inner }

    /// Inner TTL or hop limit at the ETR.
    @inline(__always)
    static func innerTimeToLive(inner: UInt8, outer: UInt8) -> UInt8 { min(inner, outer) }

    private static let notECT: UInt8 = 0
    private static let ect1: UInt8 = 1
    private static let ect0: UInt8 = 2
    private static let ce: UInt8 = 3

    /// Inner TOS at the ETR: DSCP of the outer header (RFC 9300 5.3), ECN by the table of RFC 6040 section 4.2.
    /// `nil`: the packet is dropped, since congestion was met and the inner transport would not understand the mark.
    @inline(__always)
    static func inner(inner: UInt8, outer: UInt8) -> UInt8? {
        let innerECN = inner & 3
        let outerECN = outer & 3
        let dscp = outer & 0xfc
        if innerECN == outerECN { return dscp | innerECN }
        if innerECN == notECT { return outerECN == ce ? nil : dscp | notECT }
        if innerECN == ce || outerECN == ce { return dscp | ce }
        if innerECN == ect0, outerECN == ect1 { return dscp | ect1 }
        return dscp | innerECN
    }
}
