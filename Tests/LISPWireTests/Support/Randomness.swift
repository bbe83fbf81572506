// All randomness of these tests comes from one printed seed.
//
//     LISP_TEST_SEED=12345 swift test --filter LISPWireTests
//
// repeats a run.

import Foundation

/// SplitMix64: small, fast, and the same everywhere.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    /// `purpose` keeps the tests independent of each other's order.
    init(_ purpose: String) {
        state = purpose.utf8.reduce(testSeed) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

/// The seed of this run, printed when first used.
let testSeed: UInt64 = {
    let given = ProcessInfo.processInfo.environment["LISP_TEST_SEED"].flatMap { UInt64($0) }
    let seed = given ?? UInt64.random(in: 1...UInt64.max)
    print("LISP_TEST_SEED=\(seed)")
    return seed
}()

extension RandomNumberGenerator {
    mutating func flip() -> Bool { Bool.random(using: &self) }

    mutating func number<Number: FixedWidthInteger>(_ range: ClosedRange<Number>) -> Number {
        Number.random(in: range, using: &self)
    }

    mutating func number<Number: FixedWidthInteger & UnsignedInteger>() -> Number {
        Number.random(in: .min ... .max, using: &self)
    }

    mutating func octets(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) }
    }

    /// Up to `limit` values.
    mutating func list<Value>(_ range: ClosedRange<Int>, _ make: (inout Self) -> Value) -> [Value] {
        (0..<number(range)).map { _ in make(&self) }
    }
}
