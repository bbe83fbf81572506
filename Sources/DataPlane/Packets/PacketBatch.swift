// Hot path. Everything here is allocated once per worker and reused for every batch.
//
// A slot holds one packet, or a received train of datagrams of up to 64 KiB, with room in front for headers:
//
//    |<- 64 octets of headroom ->|
//    |          virtio header (10)| IP packet ...        read from, or written to, the TUN
//    |             LISP header (8)| IP packet ...        sent to, or received from, the network
//
// The inner packet begins at the same place in both directions, aligned to a cache line. In a train, each datagram follows the
// one before it without a gap, LISP header first, so its packet may begin anywhere.

/// One packet of a batch and what is known about it.
struct BatchEntry {
    /// Octets of the inner packet (behind the headroom), or of a whole train but its first LISP header.
    var length: Int = 0
    /// Octets of each datagram of a received train but the last, LISP header included; 0 for a single packet.
    var segmentSize: Int = 0
    /// A train although offloads are off, or a datagram that was cut off.
    var isIncomplete = false
    /// The next entry that goes out by the same source port, or -1.
    var next: Int = -1
    /// Of the first entry of a message that is sent: how many entries it consists of.
    var messageLength: Int = 1
    /// Outer TOS and TTL: received, or to be sent.
    var tos: UInt8 = 0
    var ttl: UInt8 = 0
    /// 0, or why the kernel refused to send it.
    var sendError: Int32 = 0
    /// Where it goes.
    var locator: UnsafeMutablePointer<LocatorBody>?
    /// For the counters, once it is sent.
    var cell: UnsafeMutablePointer<LocatorCell>?
    var mapping: UnsafeMutablePointer<MappingObject>?
    var instance: UnsafeMutablePointer<InstanceObject>?
    /// Where it came from, as far as a received datagram tells: address left-aligned, family 4 or 6.
    var source = TrieKey(high: 0, low: 0)
    var sourceFamily: UInt8 = 0
}

/// The slots and entries of a worker.
struct PacketBatch: ~Copyable {
    /// Octets in front of an inner packet.
    static let headroom = 64
    /// The largest inner packet.
    static let maximumLength = 65_535
    /// Not a multiple of 4,096, so that the slots' headers do not compete for the same lines of the cache.
    private static let stride = 66_432

    let capacity: Int
    // Safe: `capacity` slots and entries, freed by `deinit`; all indices are below `capacity`.
    private let slots: UnsafeMutableRawPointer
    let entries: UnsafeMutablePointer<BatchEntry>

    init(capacity: Int) {
        self.capacity = capacity
        slots = .allocate(byteCount: capacity * Self.stride, alignment: 64)
        entries = .allocate(capacity: capacity)
        entries.initialize(repeating: BatchEntry(), count: capacity)
    }

    deinit {
        slots.deallocate()
        entries.deallocate()
    }

    /// Where the inner packet of entry `index` begins. The headroom is before it.
    @inline(__always)
    func packet(_ index: Int) -> UnsafeMutableRawPointer {
        slots + (index &* Self.stride &+ Self.headroom)
    }
}
