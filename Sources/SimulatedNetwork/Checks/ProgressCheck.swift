// Time goes on: no router is busy with one moment for ever, asking to be called at a deadline that never moves.

import LISPTables

package final class ProgressCheck: Check {
    package let name = "progress"

    /// How often a router may be called at one moment. What is due together is done in slices of some hundred.
    private static let limit = 5000

    private var calls: [Int: (at: Instant, count: Int)] = [:]

    package init() {}

    package func acted(_ node: SimulatedRouter, in network: SimulatedNetwork) {
        guard let known = calls[node.index], known.at == network.now else {
            calls[node.index] = (network.now, 1)
            return
        }
        calls[node.index]?.count += 1
        if known.count == Self.limit {
            network.violate(self, node, "called \(known.count) times at this moment, and wants to be called again")
        }
    }
}
