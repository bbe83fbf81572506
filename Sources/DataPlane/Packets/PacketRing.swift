// A bounded queue of packets from one thread to another, without a lock: misses from a worker to the control loop, released
// packets back. What does not fit is refused, so a flood costs no memory.
//
//    record:  length (4) | tag (4) | word (8) | packet, padded to 8 octets
//
// A record never wraps: when the end of the memory is too near, a filler record (tag of all ones) leads to its start.

import Synchronization

/// One producer, one consumer. Copies share the memory, which `deallocate` frees once both are done.
struct PacketRing {
    private struct Positions: ~Copyable {
        let head = Atomic<Int>(0)
        // Keeps producer and consumer off one cache line.
        let padding: (Int, Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0, 0)
        let tail = Atomic<Int>(0)
        let packets = Atomic<Int>(0)
    }

    private static let headerSize = 16
    private static let filler = UInt32.max

    // Safe: `size` octets; positions only grow, an octet is at position & (size - 1), tail - head is at most `size`.
    private let memory: UnsafeMutableRawPointer
    private let positions: UnsafeMutablePointer<Positions>
    private let size: Int
    private let maximumPackets: Int

    /// - Parameters:
    ///   - bytes: room, rounded up to a power of two and to at least two of the largest packets.
    ///   - packets: how many may wait.
    init(bytes: Int, packets: Int) {
        var size = 262_144
        while size < bytes { size *= 2 }
        self.size = size
        maximumPackets = packets
        memory = .allocate(byteCount: size, alignment: 64)
        positions = .allocate(capacity: 1)
        positions.initialize(to: Positions())
    }

    func deallocate() {
        memory.deallocate()
        positions.deallocate()
    }

    private static func recordSize(_ length: Int) -> Int { headerSize &+ ((length &+ 7) & ~7) }

    /// Packets that wait.
    var count: Int { positions.pointee.packets.load(ordering: .relaxed) }

    /// Producer: appends a packet of at most 65,535 octets. `false` when it does not fit.
    func push(_ packet: UnsafeRawBufferPointer, tag: UInt32, word: UInt64) -> Bool {
        guard packet.count <= PacketBatch.maximumLength,
            positions.pointee.packets.load(ordering: .relaxed) < maximumPackets
        else { return false }
        let needed = Self.recordSize(packet.count)
        var tail = positions.pointee.tail.load(ordering: .relaxed)
        let head = positions.pointee.head.load(ordering: .acquiring)
        let untilEnd = size &- (tail & (size &- 1))
        let total = untilEnd < needed ? untilEnd &+ needed : needed
        guard tail &- head &+ total <= size else { return false }
        if untilEnd < needed {
            // Records are multiples of 8 octets, so there is room for length and tag.
            store(tail, length: untilEnd, tag: Self.filler)
            tail = tail &+ untilEnd
        }
        store(tail, length: packet.count, tag: tag)
        let record = memory + (tail & (size &- 1))
        record.storeBytes(of: word, toByteOffset: 8, as: UInt64.self)
        UnsafeMutableRawBufferPointer(start: record + Self.headerSize, count: packet.count).copyMemory(from: packet)
        positions.pointee.packets.wrappingAdd(1, ordering: .relaxed)
        positions.pointee.tail.store(tail &+ needed, ordering: .releasing)
        return true
    }

    private func store(_ position: Int, length: Int, tag: UInt32) {
        let record = memory + (position & (size &- 1))
        record.storeBytes(of: UInt32(truncatingIfNeeded: length), as: UInt32.self)
        record.storeBytes(of: tag, toByteOffset: 4, as: UInt32.self)
    }

    /// Consumer: hands over the oldest packet, whose memory is the producer's again afterwards. `false` when empty.
    func pop(_ body: (_ packet: UnsafeRawBufferPointer, _ tag: UInt32, _ word: UInt64) -> Void) -> Bool {
        var head = positions.pointee.head.load(ordering: .relaxed)
        while head != positions.pointee.tail.load(ordering: .acquiring) {
            let record = memory + (head & (size &- 1))
            let length = Int(record.load(as: UInt32.self))
            let tag = record.load(fromByteOffset: 4, as: UInt32.self)
            if tag == Self.filler {
                head = head &+ length
                continue
            }
            let word = record.load(fromByteOffset: 8, as: UInt64.self)
            body(UnsafeRawBufferPointer(start: record + Self.headerSize, count: length), tag, word)
            positions.pointee.packets.wrappingSubtract(1, ordering: .relaxed)
            positions.pointee.head.store(head &+ Self.recordSize(length), ordering: .releasing)
            return true
        }
        return false
    }
}
