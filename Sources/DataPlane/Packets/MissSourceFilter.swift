// Hot path. Runs once per packet without a mapping, so: no allocation, no existential, no lock, no log line, no `throws`.
//
// Keeps one source from taking the whole queue to the control loop by sending to ever new EIDs: it may put 512 KiB of
// packets (each counts as a KiB at least) into it at once, and 10 MiB a second. A fixed table: a source that falls on another's place
// takes it over, which can only let more pass, and the queue behind has its own bound.

struct MissSourceFilter: ~Copyable {
    private struct Place {
        var tag: UInt64 = 0
        /// Nanoseconds: when what has passed would have come at the allowed rate.
        var paid: UInt64 = 0
    }

    /// KiB at once, half of the queue.
    static let burst: UInt64 = 512
    /// Nanoseconds for a KiB.
    static let interval: UInt64 = 100_000
    private static let size = 1_024

    // Safe: `size` places, freed by `deinit`; an index is masked to below `size`.
    private let places: UnsafeMutablePointer<Place>
    private let seed: UInt64

    init(seed: UInt64) {
        places = .allocate(capacity: Self.size)
        places.initialize(repeating: Place(), count: Self.size)
        self.seed = seed
    }

    deinit { places.deallocate() }

    /// Whether a packet of this source may be handed over now. Of an IPv6 address the first half counts, which a host cannot choose.
    func passes(instance: UInt32, source: TrieKey, octets: Int, now: UInt64) -> Bool {
        // The first number of `mix` counts with all its bits, the second without its last.
        let mixed = FlowHash.mix(source.high ^ seed, (UInt64(instance) &+ 1) &* 0x9e37_79b9_7f4a_7c15)
        let tag = FlowHash.mix(mixed, seed ^ 0x4528_21e6_38d0_1377) | 1
        let place = places + Int(truncatingIfNeeded: tag >> 32) & (Self.size &- 1)
        let cost = (UInt64(truncatingIfNeeded: octets) >> 10 &+ 1) &* Self.interval
        let isKnown = place.pointee.tag == tag
        let paid = (isKnown ? max(place.pointee.paid, now) : now) &+ cost
        guard paid &- now <= Self.burst &* Self.interval else { return false }
        place.pointee = Place(tag: tag, paid: paid)
        return true
    }
}
