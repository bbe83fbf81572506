// The seed of this run's randomness.

import Glibc

enum ProcessSeed {
    static let value: UInt64 = {
        if let text = getenv("LISPD_TEST_SEED"), let seed = UInt64(String(cString: text)) { return seed }
        return UInt64.random(in: 1...UInt64(Int64.max))
    }()
}
