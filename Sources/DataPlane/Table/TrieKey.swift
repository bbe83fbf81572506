// Keys of the forwarding table. Arithmetic on two 64-bit halves: docs/decisions/wide-integers.md.

/// An address or prefix, left-aligned in 128 bits, or what is left of one behind its first bits.
struct TrieKey: Equatable {
    var high: UInt64
    var low: UInt64

    @inline(__always)
    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    init(_ value: UInt128) {
        high = UInt64(truncatingIfNeeded: value >> 64)
        low = UInt64(truncatingIfNeeded: value)
    }

    var value: UInt128 { UInt128(high) << 64 | UInt128(low) }

    /// Bits that both have in common from the top: 0 to 128.
    @inline(__always)
    func commonLength(_ other: TrieKey) -> Int {
        let difference = high ^ other.high
        return difference != 0 ? difference.leadingZeroBitCount : 64 &+ (low ^ other.low).leadingZeroBitCount
    }

    /// 64 bits from bit `depth` on, zeros beyond the end.
    ///
    /// - Precondition: `depth` is 0 to 127.
    @inline(__always)
    func window(_ depth: UInt64) -> UInt64 {
        // Safe: shift counts are 0...63; the low word is shifted by 64 - depth in two steps, since depth may be 0.
        if depth < 64 { return (high &<< depth) | ((low &>> 1) &>> (63 &- depth)) }
        return low &<< (depth &- 64)
    }

    /// The key behind its first `count` bits (0 to 128).
    @inline(__always)
    func dropping(_ count: Int) -> TrieKey {
        if count >= 128 { return TrieKey(high: 0, low: 0) }
        return TrieKey(high: window(UInt64(count)), low: count < 64 ? low << UInt64(count) : 0)
    }

    /// The key with its first `count` bits (0 to 128) only.
    func prefix(_ count: Int) -> TrieKey {
        TrieKey(
            high: count >= 64 ? high : high & ~(UInt64.max >> UInt64(count)),
            low: count >= 128 ? low : count <= 64 ? 0 : low & ~(UInt64.max >> UInt64(count - 64))
        )
    }

    /// The first `count` bits (0 to 128) of this key with `rest` behind them.
    func prefix(_ count: Int, followedBy rest: TrieKey) -> TrieKey {
        var key = prefix(count)
        if count < 64 {
            key.high |= rest.high >> UInt64(count)
            key.low = rest.low >> UInt64(count) | rest.high << UInt64(64 - count)
        } else if count < 128 {
            key.low |= rest.high >> UInt64(count - 64)
        }
        return key
    }
}
