// A dictionary for a million keys that grows a part at a time, so that no insertion stops to move them all.

/// Values by key, spread over many small dictionaries by the hash of the key.
struct ShardedDictionary<Key: Hashable, Value> {
    private static var shardCount: Int { 256 }

    private var shards = Array(repeating: [Key: Value](), count: Self.shardCount)
    private(set) var count = 0

    subscript(key: Key) -> Value? {
        get { shards[Self.shard(of: key)][key] }
        set {
            let shard = Self.shard(of: key)
            count -= shards[shard].count
            shards[shard][key] = newValue
            count += shards[shard].count
        }
    }

    /// The upper bits: the dictionary itself goes by the lower ones.
    private static func shard(of key: Key) -> Int {
        Int(truncatingIfNeeded: UInt(bitPattern: key.hashValue) >> (UInt.bitWidth - 8))
    }
}

extension ShardedDictionary: Sendable where Key: Sendable, Value: Sendable {}
