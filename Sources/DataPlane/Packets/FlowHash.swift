// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
// A hash of a packet's flow: addresses, protocol and ports; addresses alone for fragments, so that all fragments of a
// datagram hash alike (RFC 9300 section 12). Seeded per process, so that nobody can aim flows at one locator or port.

enum FlowHash {
    /// - Parameter ports: source port in the upper, destination port in the lower 16 bits; 0 for fragments.
    @inline(__always)
    static func hash(
        seed: UInt64,
        source: TrieKey,
        destination: TrieKey,
        protocol: UInt8,
        ports: UInt32
    ) -> UInt64 {
        // Odd constants with about as many ones as zeros, from the digits of pi.
        let upper = UInt64(`protocol`) << 32 | UInt64(ports)
        var state = mix(source.high ^ seed, destination.high ^ 0x243f_6a88_85a3_08d3)
        state = mix(state ^ source.low, destination.low ^ 0x1319_8a2e_0370_7345)
        return mix(state ^ upper, seed ^ 0xa409_3822_299f_31d1)
    }

    @inline(__always)
    static func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = (a ^ 0x082e_fa98_ec4e_6c89).multipliedFullWidth(by: b | 1)
        return product.high ^ product.low
    }
}
