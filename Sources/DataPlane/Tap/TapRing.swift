// Hot path while somebody listens. Runs once per packet then, so: no allocation, no existential, no lock, no log line.
//
// One worker's side of a tap: a ring of records, each what is known of a packet and then its first octets.

import LISPWire
import Synchronization

/// What is known of a packet besides its octets, as it stands in the ring.
struct TapRecord {
    var time: UInt64 = 0
    /// Left-aligned.
    var local = TrieKey(high: 0, low: 0)
    var remote = TrieKey(high: 0, low: 0)
    var instanceID: UInt32 = 0
    var length: UInt32 = 0
    var packets: UInt32 = 0
    var segmentSize: UInt32 = 0
    var isEncapsulated = false
    var isIPv4 = false
    var hasLocal = false
}

/// Safe to share: the ring is made before the flag says so, stays until the end, and has one producer and one consumer.
final class TapRing: @unchecked Sendable {
    private let isListening = Atomic<Bool>(false)
    private var ring: PacketRing?
    // Safe: room for a record and its octets, written by the worker alone.
    private let scratch: UnsafeMutableRawPointer
    private static let recordSize = MemoryLayout<TapRecord>.stride

    init() {
        scratch = .allocate(byteCount: Self.recordSize + FlowTap.headerLimit, alignment: 8)
    }

    deinit {
        ring?.deallocate()
        scratch.deallocate()
    }

    /// Control loop: begins to listen. The memory is taken once and kept.
    func open(bytes: Int) {
        if ring == nil { ring = PacketRing(bytes: bytes, packets: .max) }
        // What was left by one who listened before.
        while ring?.pop({ _, _, _ in }) == true {}
        isListening.store(true, ordering: .releasing)
    }

    func close() { isListening.store(false, ordering: .releasing) }

    /// Whether anybody ever listened.
    var hasMemory: Bool { ring != nil }

    /// Worker, once a batch.
    var isOpen: Bool { isListening.load(ordering: .acquiring) }

    /// Worker: notes a packet.
    ///
    /// - Parameters:
    ///   - headers: the beginning of the packet, however long.
    ///   - payload: what follows it elsewhere, if anything.
    /// - Returns: whether there was room.
    func push(_ record: TapRecord, _ headers: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer? = nil) -> Bool
    {
        guard let ring, let base = headers.baseAddress else { return false }
        scratch.storeBytes(of: record, as: TapRecord.self)
        var count = min(headers.count, FlowTap.headerLimit)
        // Safe: the scratch has room for a record and `headerLimit` octets.
        let room = scratch + Self.recordSize
        room.copyMemory(from: base, byteCount: count)
        if let payload, let base = payload.baseAddress {
            let more = min(payload.count, FlowTap.headerLimit &- count)
            (room + count).copyMemory(from: base, byteCount: more)
            count &+= more
        }
        return ring.push(UnsafeRawBufferPointer(start: scratch, count: Self.recordSize &+ count), tag: 0, word: 0)
    }

    /// Consumer: takes the oldest.
    ///
    /// - Returns: whether there was one.
    func pop(_ body: (TappedPacket) -> Void) -> Bool {
        guard let ring else { return false }
        return ring.pop { octets, _, _ in
            let record = octets.loadUnaligned(as: TapRecord.self)
            let family = record.isIPv4 ? AddressFamily.ipv4 : .ipv6
            body(
                TappedPacket(
                    direction: record.isEncapsulated ? .encapsulated : .decapsulated,
                    instanceID: InstanceID(uncheckedRawValue: record.instanceID),
                    time: record.time,
                    length: Int(record.length),
                    packets: Int(record.packets),
                    segmentSize: Int(record.segmentSize),
                    localRLOC: record.hasLocal ? IPAddress(family: family, leftAligned: record.local.value) : nil,
                    remoteRLOC: IPAddress(family: family, leftAligned: record.remote.value),
                    headers: UnsafeRawBufferPointer(rebasing: octets[Self.recordSize...])
                )
            )
        }
    }
}
