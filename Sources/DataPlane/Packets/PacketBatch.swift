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
    /// A train of segments that makes no sense, or a datagram that was cut off.
    var isIncomplete = false
    /// What the TUN handed over as one: what it is to be cut into.
    var segments = SegmentTrain.none
    /// Packets that it is: 1, or the segments of such a train.
    var packets = 1
    /// Octets of the largest of these.
    var largest = 0
    /// Where octets of the packet lie that do not stand in the slot behind its first `slotLength`; `nil` if all do.
    var rest: UnsafeRawPointer?
    var slotLength = 0
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
    /// What its traffic is counted for at this end.
    var account: UnsafeMutablePointer<MappingObject>?
    var instance: UnsafeMutablePointer<InstanceObject>?
    /// Where it came from, as far as a received datagram tells: address left-aligned, family 4 or 6.
    var source = TrieKey(high: 0, low: 0)
    var sourceFamily: UInt8 = 0
    /// Of the same family, the address that it was sent to, where somebody wants to know.
    var hasLocal = false
    var local = TrieKey(high: 0, low: 0)
}

extension BatchEntry {
    /// A packet of its own, all in its slot.
    @inline(__always)
    mutating func isSingle(_ length: Int) {
        self.length = length
        segmentSize = 0
        segments = .none
        packets = 1
        rest = nil
    }
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
    private let stride: Int
    // Safe: `capacity` slots and entries, freed by `deinit`; all indices are below `capacity`.
    private let slots: UnsafeMutableRawPointer
    let entries: UnsafeMutablePointer<BatchEntry>

    /// - Parameter headers: octets of headers that a slot has room for, if it is to have no more; then a packet's `rest` is elsewhere.
    init(capacity: Int, headers: Int? = nil) {
        self.capacity = capacity
        stride = headers.map { ($0 + Self.headroom + 63) & ~63 } ?? Self.stride
        slots = .allocate(byteCount: capacity * stride, alignment: 64)
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
        slots + (index &* stride &+ Self.headroom)
    }
}
