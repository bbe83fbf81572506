// Hot path. Runs once per run of packets of one mapping, so: no existential, no lock, no log line, no `throws`, and no
// allocation but for the block at a mapping's first packet.
//
// One block for each mapping and for each locator it was sent to, added to atomically by all workers. Blocks come from
// malloc, not from the arena, since workers make them; the control loop frees them when the mapping goes.

import ForwardingInterface
import Glibc
import Synchronization

/// Packets and octets that any thread may add to and read.
struct AtomicTraffic: ~Copyable {
    let packets = Atomic<UInt64>(0)
    let octets = Atomic<UInt64>(0)

    @inline(__always)
    func add(packets: UInt64, octets: UInt64) {
        self.packets.wrappingAdd(packets, ordering: .relaxed)
        self.octets.wrappingAdd(octets, ordering: .relaxed)
    }

    /// For the one thread that writes: cheaper than `add`.
    @inline(__always)
    func addAlone(packets: UInt64, octets: UInt64) {
        self.packets.store(self.packets.load(ordering: .relaxed) &+ packets, ordering: .relaxed)
        self.octets.store(self.octets.load(ordering: .relaxed) &+ octets, ordering: .relaxed)
    }

    var value: TrafficCounters {
        TrafficCounters(packets: packets.load(ordering: .relaxed), octets: octets.load(ordering: .relaxed))
    }
}

/// The counters of a mapping.
struct MappingCounterBlock: ~Copyable {
    let encapsulated = AtomicTraffic()
    let decapsulated = AtomicTraffic()
    /// Address of the first `LocatorCounterBlock`, 0 at first. Blocks are only prepended while workers run.
    let locators = Atomic<UInt>(0)
    /// The second in which a packet last went either way (`PlaneShared.second`).
    let lastUsed = Atomic<UInt32>(0)
}

/// The counters of a mapping's traffic with one of its locators.
struct LocatorCounterBlock: ~Copyable {
    let encapsulated = AtomicTraffic()
    let decapsulated = AtomicTraffic()
    let id: UInt32
    let next: Atomic<UInt>

    init(id: UInt32, next: UInt) {
        self.id = id
        self.next = Atomic(next)
    }
}

/// Finds and makes counter blocks.
enum CounterBlocks {
    /// A mapping has counters for so many locators at a time; traffic with others counts for the mapping alone.
    static let maximumLocators = 64

    /// The block of `mapping`, made if this is its first packet. `nil` when the system has no memory.
    @inline(__always)
    static func block(
        of mapping: UnsafeMutablePointer<MappingObject>
    ) -> UnsafeMutablePointer<MappingCounterBlock>? {
        let word = mapping.pointee.counters.load(ordering: .acquiring)
        return word != 0 ? UnsafeMutablePointer(bitPattern: word) : makeBlock(of: mapping)
    }

    @inline(never)
    private static func makeBlock(
        of mapping: UnsafeMutablePointer<MappingObject>
    ) -> UnsafeMutablePointer<MappingCounterBlock>? {
        guard let memory = malloc(MemoryLayout<MappingCounterBlock>.size) else { return nil }
        let block = memory.bindMemory(to: MappingCounterBlock.self, capacity: 1)
        block.initialize(to: MappingCounterBlock())
        let result = mapping.pointee.counters.compareExchange(
            expected: 0,
            desired: UInt(bitPattern: block),
            ordering: .acquiringAndReleasing
        )
        if result.exchanged { return block }
        // Another worker was first.
        free(memory)
        return UnsafeMutablePointer(bitPattern: result.original)
    }

    /// The block of one locator of a mapping, made if needed. `nil` beyond the limit or without memory.
    @inline(__always)
    static func block(
        of locator: UInt32,
        in mapping: UnsafeMutablePointer<MappingCounterBlock>
    ) -> UnsafeMutablePointer<LocatorCounterBlock>? {
        find(locator, in: mapping) ?? makeBlock(of: locator, in: mapping)
    }

    @inline(__always)
    static func find(
        _ locator: UInt32,
        in mapping: UnsafeMutablePointer<MappingCounterBlock>
    ) -> UnsafeMutablePointer<LocatorCounterBlock>? {
        var word = mapping.pointee.locators.load(ordering: .acquiring)
        // Safe: blocks are freed only a grace period after they were unlinked.
        while let block = UnsafeMutablePointer<LocatorCounterBlock>(bitPattern: word) {
            if block.pointee.id == locator { return block }
            word = block.pointee.next.load(ordering: .acquiring)
        }
        return nil
    }

    @inline(never)
    private static func makeBlock(
        of locator: UInt32,
        in mapping: UnsafeMutablePointer<MappingCounterBlock>
    ) -> UnsafeMutablePointer<LocatorCounterBlock>? {
        guard let memory = malloc(MemoryLayout<LocatorCounterBlock>.size) else { return nil }
        let block = memory.bindMemory(to: LocatorCounterBlock.self, capacity: 1)
        block.initialize(to: LocatorCounterBlock(id: locator, next: 0))
        while true {
            let first = mapping.pointee.locators.load(ordering: .acquiring)
            var length = 0
            var word = first
            while let other = UnsafeMutablePointer<LocatorCounterBlock>(bitPattern: word) {
                if other.pointee.id == locator {
                    // Another worker was first.
                    free(memory)
                    return other
                }
                length += 1
                word = other.pointee.next.load(ordering: .acquiring)
            }
            guard length < maximumLocators else {
                free(memory)
                return nil
            }
            block.pointee.next.store(first, ordering: .relaxed)
            let result = mapping.pointee.locators.compareExchange(
                expected: first,
                desired: UInt(bitPattern: block),
                ordering: .acquiringAndReleasing
            )
            if result.exchanged { return block }
        }
    }

    /// Control loop: frees the counters of a mapping that no worker can reach.
    static func freeAll(of mapping: UnsafeMutablePointer<MappingObject>) {
        let word = mapping.pointee.counters.load(ordering: .acquiring)
        guard let block = UnsafeMutablePointer<MappingCounterBlock>(bitPattern: word) else { return }
        var next = block.pointee.locators.load(ordering: .acquiring)
        while let locator = UnsafeMutablePointer<LocatorCounterBlock>(bitPattern: next) {
            next = locator.pointee.next.load(ordering: .acquiring)
            free(locator)
        }
        free(block)
    }
}
