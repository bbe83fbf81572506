// Randomness that repeats: all of a run comes from one printed seed.
//
//     TEST_SEED=12345 swift test --filter LISPWireTests
//
// repeats a run.

import Foundation

/// SplitMix64: small, fast, and the same everywhere.
package struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) {
        state = seed
    }

    /// Of the run's seed. `purpose` keeps the tests independent of each other's order.
    package init(_ purpose: String) {
        state = purpose.utf8.reduce(testSeed) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

/// The seed of this run, printed when first used.
private let testSeed: UInt64 = {
    let given = ProcessInfo.processInfo.environment["TEST_SEED"].flatMap { UInt64($0) }
    let seed = given ?? UInt64.random(in: 1...UInt64.max)
    print("TEST_SEED=\(seed)")
    return seed
}()

extension RandomNumberGenerator {
    package mutating func flip() -> Bool { Bool.random(using: &self) }

    package mutating func number<Number: FixedWidthInteger>(_ range: ClosedRange<Number>) -> Number {
        Number.random(in: range, using: &self)
    }
}
