// Hot path. Runs once per packet without a mapping, so: no allocation, no existential, no lock, no log line, no `throws`.
//
// Keeps one EID from flooding the control loop: the first four packets pass, then one in 10 ms. After a second without
// a packet for it the count begins anew. A fixed table: an EID that falls on another's place takes it over, which can only
// let more pass, and the queue behind has its own bound.

struct MissFilter: ~Copyable {
    private struct Place {
        var tag: UInt64 = 0
        /// Nanoseconds: when a packet last came, and when one last passed.
        var seen: UInt64 = 0
        var passed: UInt64 = 0
        var count: Int = 0
    }

    static let burst = 4
    static let interval: UInt64 = 10_000_000
    static let memory: UInt64 = 1_000_000_000
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

    /// Whether a packet for this EID may be handed over now.
    func passes(instance: UInt32, destination: TrieKey, now: UInt64) -> Bool {
        // Both numbers are seeded: a second one of nothing but ones would let the first not count, and there are EIDs that end so.
        let mixed = FlowHash.mix(destination.high ^ seed, destination.low ^ seed.byteSwapped ^ UInt64(instance) << 40)
        // The low half once more: `mix` does not look at the last bit of its second number.
        let tag = FlowHash.mix(mixed ^ destination.low, seed ^ 0x4528_21e6_38d0_1377) | 1
        let place = places + Int(truncatingIfNeeded: tag >> 32) & (Self.size &- 1)
        if place.pointee.tag != tag || now &- place.pointee.seen > Self.memory {
            place.pointee = Place(tag: tag, seen: now, passed: now, count: 1)
            return true
        }
        place.pointee.seen = now
        if place.pointee.count < Self.burst {
            place.pointee.count &+= 1
            place.pointee.passed = now
            return true
        }
        guard now &- place.pointee.passed >= Self.interval else { return false }
        place.pointee.passed = now
        return true
    }
}
