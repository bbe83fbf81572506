// Does a table of routes say anything about a prefix?

import LISPWire

/// Destinations, to be asked what they overlap. Made in O(n log n); a question costs O(log n) and a look at each shorter length.
package struct RouteOverlap {
    private let sorted: [IPPrefix]
    private let all: Set<IPPrefix>

    package init(_ destinations: [IPPrefix]) {
        sorted = destinations.sorted()
        all = Set(destinations)
    }

    /// Whether any covers `prefix` or lies within it.
    package func contains(_ prefix: IPPrefix) -> Bool {
        if (0...prefix.length).contains(where: { IPPrefix(prefix.address, length: $0).map(all.contains) ?? false }) {
            return true
        }
        // In the order of prefixes, what lies within one follows it.
        var (low, high) = (0, sorted.count)
        while low < high {
            let middle = (low + high) / 2
            if sorted[middle] < prefix { low = middle + 1 } else { high = middle }
        }
        return low < sorted.count && prefix.covers(sorted[low])
    }
}
