// Hot path. Runs once per message from the network, so: no allocation, no existential, no lock, no log line, no `throws`.
//
// Who sent what was decapsulated, and when last. A fixed table in sets of four; in a full set the one that was heard of longest
// ago makes room. Its worker alone writes; the control loop reads whenever it likes.

import LISPWire
import Synchronization

/// One sender.
struct PeerSlot: ~Copyable {
    /// Odd while the key is being replaced.
    let version = Atomic<UInt32>(0)
    /// When it last sent; 0: the slot is empty.
    let second = Atomic<UInt32>(0)
    let instance = Atomic<UInt32>(0)
    /// 4 or 6.
    let family = Atomic<UInt32>(0)
    /// The address, left-aligned.
    let high = Atomic<UInt64>(0)
    let low = Atomic<UInt64>(0)
}

struct PeerTable {
    static let ways = 4
    static let sets = 1_024

    // Safe: `sets * ways` slots, allocated and freed by `WorkerShared`; an index is masked to below `sets`. Not touched by
    // anybody but the worker in `note` and the control loop in `forEach`, both by atomic access.
    private let slots: UnsafeMutablePointer<PeerSlot>
    private let seed: UInt64

    init(seed: UInt64) {
        slots = .allocate(capacity: Self.sets * Self.ways)
        for index in 0..<Self.sets * Self.ways { (slots + index).initialize(to: PeerSlot()) }
        self.seed = seed
    }

    func deallocate() { slots.deallocate() }

    /// The worker: `address` has sent.
    @inline(__always)
    func note(instance: UInt32, family: UInt8, address: TrieKey, second: UInt32) {
        let hash = FlowHash.mix(address.high ^ seed, address.low ^ UInt64(instance) << 40 ^ UInt64(family) << 1)
        let set = slots + (Int(truncatingIfNeeded: hash >> 32) & (Self.sets &- 1)) &* Self.ways
        var victim = set
        for way in 0..<Self.ways {
            let slot = set + way
            let last = slot.pointee.second.load(ordering: .relaxed)
            if last != 0, slot.pointee.high.load(ordering: .relaxed) == address.high,
                slot.pointee.low.load(ordering: .relaxed) == address.low,
                slot.pointee.instance.load(ordering: .relaxed) == instance,
                slot.pointee.family.load(ordering: .relaxed) == UInt32(family)
            {
                if last != second { slot.pointee.second.store(second, ordering: .relaxed) }
                return
            }
            if last < victim.pointee.second.load(ordering: .relaxed) { victim = slot }
        }
        replace(victim, instance, family, address, second)
    }

    @inline(never)
    private func replace(
        _ slot: UnsafeMutablePointer<PeerSlot>,
        _ instance: UInt32,
        _ family: UInt8,
        _ address: TrieKey,
        _ second: UInt32
    ) {
        let version = slot.pointee.version.load(ordering: .relaxed)
        slot.pointee.version.store(version &+ 1, ordering: .relaxed)
        // A reader that sees any of what follows sees the odd version, too.
        atomicMemoryFence(ordering: .releasing)
        slot.pointee.instance.store(instance, ordering: .relaxed)
        slot.pointee.family.store(UInt32(family), ordering: .relaxed)
        slot.pointee.high.store(address.high, ordering: .relaxed)
        slot.pointee.low.store(address.low, ordering: .relaxed)
        slot.pointee.second.store(second, ordering: .relaxed)
        slot.pointee.version.store(version &+ 2, ordering: .releasing)
    }

    /// The control loop: the senders since `second`. One that is being replaced at this moment is left out.
    func forEach(since second: UInt32, _ body: (_ instance: UInt32, _ rloc: IPAddress) -> Void) {
        for index in 0..<Self.sets * Self.ways {
            let slot = slots + index
            let version = slot.pointee.version.load(ordering: .acquiring)
            let last = slot.pointee.second.load(ordering: .relaxed)
            guard version & 1 == 0, last != 0, last >= second else { continue }
            let instance = slot.pointee.instance.load(ordering: .relaxed)
            let family = slot.pointee.family.load(ordering: .relaxed)
            let address = TrieKey(
                high: slot.pointee.high.load(ordering: .relaxed),
                low: slot.pointee.low.load(ordering: .relaxed)
            )
            atomicMemoryFence(ordering: .acquiring)
            guard slot.pointee.version.load(ordering: .relaxed) == version,
                let family = AddressFamily(rawValue: UInt8(truncatingIfNeeded: family))
            else { continue }
            body(instance, IPAddress(family: family, leftAligned: address.value))
        }
    }
}
