// Counters by reason or kind, which every role keeps and every `show` reads.

import LISPWire

/// How often each thing happened, in all and to EIDs of each family. What never happened counts 0 and takes no room.
///
/// A count is found by looking at each from the front: kinds are dozens at most, what happens often has happened early, and to compare
/// is much less than to hash, above all where a kind's raw value is a text.
package struct Tally<Kind: Hashable & Sendable>: Sendable {
    /// An `AddressFamily`, or `none` where no EID is concerned; compared without a call into another module.
    private enum Family {
        case none
        case ipv4
        case ipv6

        init(_ family: AddressFamily?) {
            switch family {
            case nil: self = .none
            case .ipv4: self = .ipv4
            case .ipv6: self = .ipv6
            }
        }
    }

    private struct Count {
        let kind: Kind
        let family: Family
        var value: UInt64
    }

    private var counts: [Count] = []

    package init() {}

    /// In all.
    package subscript(kind: Kind) -> UInt64 {
        counts.reduce(0) { $1.kind == kind ? $0 &+ $1.value : $0 }
    }

    /// To EIDs of `family`; where that is `nil`, with no EID concerned.
    package subscript(kind: Kind, family: AddressFamily?) -> UInt64 {
        index(of: kind, Family(family)).map { counts[$0].value } ?? 0
    }

    package mutating func add(_ kind: Kind, _ family: AddressFamily? = nil, count: Int = 1) {
        let family = Family(family)
        if let index = index(of: kind, family) {
            counts[index].value &+= UInt64(count)
        } else if count > 0 {
            counts.append(Count(kind: kind, family: family, value: UInt64(count)))
        }
    }

    package mutating func add(_ kind: Kind, _ count: Int) {
        add(kind, nil, count: count)
    }

    /// The sum over all kinds.
    package var total: UInt64 { counts.reduce(0) { $0 &+ $1.value } }

    private func index(of kind: Kind, _ family: Family) -> Int? {
        counts.firstIndex { $0.kind == kind && $0.family == family }
    }
}

extension Tally: Hashable {
    /// The same counts, in whatever order they came up.
    package static func == (a: Self, b: Self) -> Bool {
        a.counts.count == b.counts.count
            && a.counts.allSatisfy { count in
                b.index(of: count.kind, count.family).map { b.counts[$0].value } == count.value
            }
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(total)
    }
}
