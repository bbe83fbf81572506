// Counters by reason or kind, which every role keeps and every `show` reads.

import LISPWire

/// How often each thing happened, in all and to EIDs of each family. What never happened counts 0 and takes no room.
package struct Tally<Kind: Hashable & Sendable>: Hashable, Sendable {
    private struct Key: Hashable {
        let kind: Kind
        /// `nil` where no EID is concerned.
        let family: AddressFamily?
    }

    private var counts: [Key: UInt64] = [:]

    package init() {}

    /// In all.
    package subscript(kind: Kind) -> UInt64 {
        self[kind, nil] &+ self[kind, .ipv4] &+ self[kind, .ipv6]
    }

    /// To EIDs of `family`; where that is `nil`, with no EID concerned.
    package subscript(kind: Kind, family: AddressFamily?) -> UInt64 {
        counts[Key(kind: kind, family: family), default: 0]
    }

    package mutating func add(_ kind: Kind, _ family: AddressFamily? = nil, count: Int = 1) {
        counts[Key(kind: kind, family: family), default: 0] &+= UInt64(count)
    }

    package mutating func add(_ kind: Kind, _ count: Int) {
        add(kind, nil, count: count)
    }

    /// The sum over all kinds.
    package var total: UInt64 { counts.values.reduce(0, &+) }
}
