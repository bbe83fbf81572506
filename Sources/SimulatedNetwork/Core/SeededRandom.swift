// All randomness of a simulation: every generator comes from the one seed, so that a run repeats from it.

/// SplitMix64. Generators of different streams are independent, so that a change in what one part draws leaves the others.
package struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64, stream: UInt64 = 0) {
        state = seed &+ stream &* 0xd134_2543_de82_ef95
        if stream != 0 { state = next() }
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    /// One of 0..<`count`.
    package mutating func below(_ count: Int) -> Int {
        Int.random(in: 0..<count, using: &self)
    }

    /// True `perMille` times of a thousand.
    package mutating func chance(perMille: Int) -> Bool {
        perMille > 0 && below(1000) < perMille
    }

    /// Up to and including `longest`.
    package mutating func duration(upTo longest: Duration) -> Duration {
        longest > .zero ? .nanoseconds(Int64.random(in: 0...Int64(longest / .nanoseconds(1)), using: &self)) : .zero
    }
}
