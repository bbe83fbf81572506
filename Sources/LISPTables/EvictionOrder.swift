// Which entries of a full map-cache make room for new ones, so that a scan of addresses pushes out nothing that is in use
// (RFC 7835 section 5; docs/decisions/map-cache-eviction.md).
//
//     learnt --> probation --in use, room--> protected --idle--> gone
//                 |  |   ^                     |   ^
//                 |  '---' in use, no room     '---' in use, or resting
//                 '--not in use--> gone
//
// Nothing is noted when a packet is forwarded: whether an entry is in use is read from its packet counter when its turn comes.

/// Why an entry of a full map-cache went.
package enum EvictionReason: Hashable, Sendable, CaseIterable {
    /// It was not used again after it was learnt.
    case probation
    /// It was in use once, and has not been for as long as it was, or for a minute.
    case idle
    /// Everything is in use that may go.
    case inUse
}

/// The entries of one table by slot, each kind in two queues: those on probation and those that are protected.
///
/// Every change costs O(1), 20 octets an entry. Where an entry has to go, each look either finds it or moves another entry to
/// where it is not looked at again before all others; `lookLimit` bounds those of one call.
struct EvictionOrder: Sendable {
    /// Looks of one call, so that it takes no longer than a fraction of a millisecond.
    static let lookLimit = 1_000
    /// How long an entry may rest once it has been in use for as long or longer.
    static let longestRest = Duration.seconds(60)
    static let shortestRest = Duration.seconds(1)
    /// Of ten entries, so many may be protected: the rest is left to those that are new.
    static let protectedTenths = 9

    /// Entries of different kinds never make room for each other.
    enum Kind: Int, Sendable {
        case positive
        case negative
    }

    /// What has to be known of an entry to judge it.
    struct Facts {
        /// Packets sent by it so far.
        let packets: UInt64
        let installed: Instant
        /// Nobody may ask for it again yet, so it has to stay.
        let isYoung: Bool
    }

    private enum Rank: Int {
        case probation
        case protected
    }

    private struct Place {
        var previous: Int32 = -1
        var next: Int32 = -1
        /// What it had sent when it was last looked at; the low half is enough to see a change.
        var packets: UInt32 = 0
        /// When it was last seen to have been in use, in tenths of a second; 0 if never.
        var used: UInt32 = 0
        /// Index of its queue; -1 for none.
        var queue: Int8 = -1
    }

    private struct Queue {
        var first: Int32 = -1
        var last: Int32 = -1
        var count = 0
    }

    private var places = ChunkedArray<Place>()
    private var queues = [Queue](repeating: Queue(), count: 4)
    /// Entries on probation of each kind that were found in use, one after the other, and could not be protected.
    private var inUse = [0, 0]

    private static func index(_ kind: Kind, _ rank: Rank) -> Int { 2 * kind.rawValue + rank.rawValue }

    func count(_ kind: Kind) -> Int {
        queues[Self.index(kind, .probation)].count + queues[Self.index(kind, .protected)].count
    }

    func protectedCount(_ kind: Kind) -> Int { queues[Self.index(kind, .protected)].count }

    // MARK: Changes

    /// An entry was learnt, or learnt anew. One that is protected stays so; one on probation is the newest there.
    mutating func learnt(_ slot: Int32, _ kind: Kind) {
        while places.count <= Int(slot) { places.append(Place()) }
        let queue = Int(places[Int(slot)].queue)
        if queue == Self.index(kind, .protected) { return }
        if queue >= 0 { unlink(slot) } else { places[Int(slot)] = Place() }
        append(slot, to: Self.index(kind, .probation))
    }

    mutating func remove(_ slot: Int32) {
        guard Int(slot) < places.count, places[Int(slot)].queue >= 0 else { return }
        unlink(slot)
        places[Int(slot)].queue = -1
    }

    /// So many packets that waited for the entry are on their way: they do not count as its use.
    mutating func expect(_ packets: Int, by slot: Int32) {
        guard Int(slot) < places.count, places[Int(slot)].queue >= 0 else { return }
        places[Int(slot)].packets &+= UInt32(truncatingIfNeeded: packets)
    }

    private mutating func unlink(_ slot: Int32) {
        let place = places[Int(slot)]
        let queue = Int(place.queue)
        if place.previous >= 0 {
            places[Int(place.previous)].next = place.next
        } else {
            queues[queue].first = place.next
        }
        if place.next >= 0 {
            places[Int(place.next)].previous = place.previous
        } else {
            queues[queue].last = place.previous
        }
        queues[queue].count -= 1
    }

    private mutating func append(_ slot: Int32, to queue: Int) {
        let last = queues[queue].last
        places[Int(slot)].previous = last
        places[Int(slot)].next = -1
        places[Int(slot)].queue = Int8(queue)
        if last >= 0 { places[Int(last)].next = slot } else { queues[queue].first = slot }
        queues[queue].last = slot
        queues[queue].count += 1
    }

    private mutating func move(_ slot: Int32, to queue: Int) {
        unlink(slot)
        append(slot, to: queue)
    }

    // MARK: Who goes

    /// The entry of a kind that is to go; `nil` if none is found, since those that could are younger than a second, or too many
    /// were looked at (then the next call goes on from there).
    ///
    /// - Parameters:
    ///   - share: how many entries of the kind there are room for.
    ///   - facts: of the entry in a slot.
    mutating func victim(
        _ kind: Kind,
        share: Int,
        now: Instant,
        facts: (Int32) -> Facts
    ) -> (slot: Int32, reason: EvictionReason)? {
        let probation = Self.index(kind, .probation)
        let protected = Self.index(kind, .protected)
        let protectedShare = share * Self.protectedTenths / 10
        for _ in 0..<Self.lookLimit {
            let slot = queues[probation].first
            guard slot >= 0 else { return protectedVictim(protected, now: now, facts: facts) }
            let known = facts(slot)
            guard !known.isYoung else { return nil }
            guard look(slot, known, now) || mayRest(slot, known, now) else {
                inUse[kind.rawValue] = 0
                return (slot, places[Int(slot)].used == 0 ? .probation : .idle)
            }
            if queues[protected].count < protectedShare {
                move(slot, to: protected)
                continue
            }
            let other = queues[protected].first
            if other >= 0 {
                let known = facts(other)
                if !look(other, known, now), !known.isYoung, !mayRest(other, known, now) {
                    move(slot, to: protected)
                    return (other, .idle)
                }
                move(other, to: protected)
            }
            move(slot, to: probation)
            inUse[kind.rawValue] += 1
            if inUse[kind.rawValue] > queues[probation].count { return (slot, .inUse) }
        }
        return nil
    }

    /// Where nothing is on probation, since there is room for fewer entries than before.
    private mutating func protectedVictim(
        _ queue: Int,
        now: Instant,
        facts: (Int32) -> Facts
    ) -> (slot: Int32, reason: EvictionReason)? {
        for _ in 0..<min(Self.lookLimit, queues[queue].count) {
            let slot = queues[queue].first
            let known = facts(slot)
            if !look(slot, known, now), !known.isYoung, !mayRest(slot, known, now) { return (slot, .idle) }
            move(slot, to: queue)
        }
        let first = queues[queue].first
        return first >= 0 ? (first, .inUse) : nil
    }

    /// Whether the entry has sent anything since the last look.
    private mutating func look(_ slot: Int32, _ known: Facts, _ now: Instant) -> Bool {
        let packets = UInt32(truncatingIfNeeded: known.packets)
        // The difference is negative while packets are on their way that waited for the entry.
        guard Int32(bitPattern: packets &- places[Int(slot)].packets) > 0 else { return false }
        places[Int(slot)].packets = packets
        places[Int(slot)].used = Self.tenths(now)
        return true
    }

    /// What was in use for long may rest for long.
    private func mayRest(_ slot: Int32, _ known: Facts, _ now: Instant) -> Bool {
        let used = places[Int(slot)].used
        guard used > 0 else { return false }
        let inUse = Int64(used) - Int64(Self.tenths(known.installed))
        let rest = min(max(inUse, Self.tenths(Self.shortestRest)), Self.tenths(Self.longestRest))
        return Int64(Self.tenths(now)) - Int64(used) <= rest
    }

    private static func tenths(_ duration: Duration) -> Int64 { duration.nanoseconds / 100_000_000 }

    /// Never 0.
    private static func tenths(_ instant: Instant) -> UInt32 { UInt32(clamping: instant.nanoseconds / 100_000_000 + 1) }
}
