// Finds the slot of an entry by the hash of its key. Keys stand with the entries, wherever those are: here are eight octets for each
// bucket, so that an index of a million entries is small and a search in it touches one line of memory as a rule.

/// Slots by hash. Several slots may have equal hashes: the caller knows its own by its key.
///
/// Spread over many parts that grow one at a time, so that no insertion stops to move them all.
package struct HashIndex: Sendable {
    private static let shardBits = 8

    /// Buckets that are tried one after another. The lower half of a bucket is the slot plus one, 0 if it is free; the upper half
    /// are the lower 32 bits of the hash.
    fileprivate struct Shard: Sendable {
        var buckets: [UInt64] = []
        var count = 0
    }

    private var shards = Array(repeating: Shard(), count: 1 << Self.shardBits)
    package private(set) var count = 0

    package init() {}

    /// The first slot with this hash that `matches`.
    @inline(__always)
    package func slot(hash: Int, where matches: (Int32) -> Bool) -> Int32? {
        let shard = Self.shard(of: hash)
        let tag = UInt32(truncatingIfNeeded: hash)
        return shards[shard].buckets.withUnsafeBufferPointer { buckets in
            guard !buckets.isEmpty else { return nil }
            let mask = buckets.count &- 1
            var index = Int(tag) & mask
            // Safe: `index` is masked to the size, a power of two. A shard is never full, so a free bucket ends the search.
            while true {
                let bucket = buckets[index]
                guard bucket != 0 else { return nil }
                if UInt32(truncatingIfNeeded: bucket >> 32) == tag {
                    let slot = Self.slot(in: bucket)
                    if matches(slot) { return slot }
                }
                index = (index &+ 1) & mask
            }
        }
    }

    /// - Precondition: the slot is not in the index yet.
    package mutating func insert(_ slot: Int32, hash: Int) {
        count += 1
        shards[Self.shard(of: hash)].insert(Self.bucket(slot, hash))
    }

    /// - Precondition: the slot was inserted with this hash.
    package mutating func remove(_ slot: Int32, hash: Int) {
        count -= 1
        shards[Self.shard(of: hash)].remove(Self.bucket(slot, hash))
    }

    private static func shard(of hash: Int) -> Int {
        Int(truncatingIfNeeded: UInt(bitPattern: hash) >> UInt(UInt.bitWidth - shardBits))
    }

    private static func bucket(_ slot: Int32, _ hash: Int) -> UInt64 {
        UInt64(UInt32(truncatingIfNeeded: hash)) << 32 | UInt64(UInt32(bitPattern: slot) &+ 1)
    }

    private static func slot(in bucket: UInt64) -> Int32 {
        Int32(bitPattern: UInt32(truncatingIfNeeded: bucket) &- 1)
    }
}

extension HashIndex.Shard {
    private func home(of bucket: UInt64) -> Int { Int(bucket >> 32) & (buckets.count - 1) }

    fileprivate mutating func insert(_ bucket: UInt64) {
        // At most three quarters full.
        if (count + 1) * 4 > buckets.count * 3 { grow() }
        count += 1
        place(bucket)
    }

    private mutating func place(_ bucket: UInt64) {
        var index = home(of: bucket)
        while buckets[index] != 0 { index = (index + 1) & (buckets.count - 1) }
        buckets[index] = bucket
    }

    private mutating func grow() {
        let old = buckets
        buckets = Array(repeating: 0, count: max(8, old.count * 2))
        for bucket in old where bucket != 0 { place(bucket) }
    }

    fileprivate mutating func remove(_ bucket: UInt64) {
        let mask = buckets.count - 1
        var hole = home(of: bucket)
        while buckets[hole] != bucket { hole = (hole + 1) & mask }
        count -= 1
        // What follows moves up as far as its search would find it there.
        var index = hole
        while true {
            index = (index + 1) & mask
            guard buckets[index] != 0 else { break }
            let home = home(of: buckets[index])
            if (index - home) & mask >= (index - hole) & mask {
                buckets[hole] = buckets[index]
                hole = index
            }
        }
        buckets[hole] = 0
        if count == 0 { buckets = [] }
    }
}
