// Which seeds the tests run: the same ones every time, or the one that is asked for.

import Glibc
import SimulatedNetwork
import Testing

enum Seeds {
    /// `LISPD_SEED` in the environment, to see one run again.
    static let chosen = getenv("LISPD_SEED").flatMap { UInt64(String(cString: $0)) }

    static func from(_ first: UInt64, count: UInt64) -> [UInt64] {
        chosen.map { [$0] } ?? Array(first..<first + count)
    }
}

/// Runs a scenario, and if it fails says how to see that again.
@discardableResult
func run(_ scenario: Scenario, seed: UInt64) -> Scenario.Outcome {
    let outcome = scenario.run(seed: seed)
    if !outcome.isClean {
        print(outcome.report)
        print("again: LISPD_SEED=\(seed) swift test --filter SimulatedNetworkTests")
    }
    return outcome
}
