// Datagrams of several sizes in fixed proportions, as `64:7,576:4,1400:1` says: the sizes of a simple Internet mix.

import ArgumentParser

/// Octets of payload of one datagram after the other.
struct SizeMix: ExpressibleByArgument {
    static let allowed = TrafficMark.size...65_507
    private static let largestWeight = 100

    /// One round of the mix: each size as often as its weight says, spread evenly.
    let pattern: [Int]

    init?(argument: String) {
        var shares: [(size: Int, weight: Int)] = []
        for word in argument.split(separator: ",", omittingEmptySubsequences: false) {
            let numbers = word.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
            guard (1...2).contains(numbers.count), let size = numbers[0], Self.allowed.contains(size),
                let weight = numbers.count == 2 ? numbers[1] : 1, (1...Self.largestWeight).contains(weight)
            else { return nil }
            shares.append((size, weight))
        }
        pattern = Self.spread(shares)
    }

    /// By turns: whoever is owed most comes next, and pays for all.
    private static func spread(_ shares: [(size: Int, weight: Int)]) -> [Int] {
        let total = shares.reduce(0) { $0 + $1.weight }
        var owed = shares.map { _ in 0 }
        return (0..<total).map { _ in
            for index in shares.indices { owed[index] += shares[index].weight }
            let next = shares.indices.max { owed[$0] < owed[$1] } ?? 0
            owed[next] -= total
            return shares[next].size
        }
    }
}
