// Random values of these tests.

import TestRandomness

extension RandomNumberGenerator {
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
