// Counters by reason or kind, which every role keeps and every `show` reads.

/// How often each thing happened. What never happened counts 0 and takes no room.
package struct Tally<Kind: Hashable & Sendable>: Hashable, Sendable {
    private var counts: [Kind: UInt64] = [:]

    package init() {}

    package subscript(kind: Kind) -> UInt64 { counts[kind, default: 0] }

    package mutating func add(_ kind: Kind, _ count: Int = 1) {
        counts[kind, default: 0] &+= UInt64(count)
    }

    /// The sum over all kinds.
    package var total: UInt64 { counts.values.reduce(0, &+) }
}
