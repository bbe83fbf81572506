// Freeing memory that workers may still be reading, without a lock.
//
// The control loop unlinks a block, tags it with the current epoch and raises the epoch. A worker states the epoch that it
// has seen whenever it holds no pointer into the table: once a batch (a quiet point), and "offline" while it sleeps. A
// block is free when every worker that is not offline has stated a later epoch than its tag.
//
// Publication is by release and acquire on atomics; going online is a sequentially consistent store that is confirmed by
// a second read of the epoch, so that either the control loop sees the worker or the worker sees the unlinking.

import Glibc
import Synchronization

/// A worker's side: three words that it alone writes or reads. Copies share them.
struct EpochReader {
    static let offlineEpoch = UInt64.max

    // Safe: both live as long as the reclaimer, which outlives every worker.
    fileprivate let stated: UnsafeMutablePointer<Atomic<UInt64>>
    fileprivate let epoch: UnsafeMutablePointer<Atomic<UInt64>>

    /// Before the first read of the table after `offline`.
    func online() {
        var seen = epoch.pointee.load(ordering: .sequentiallyConsistent)
        while true {
            stated.pointee.store(seen, ordering: .sequentiallyConsistent)
            let again = epoch.pointee.load(ordering: .sequentiallyConsistent)
            if again == seen { return }
            seen = again
        }
    }

    /// No pointer into the table is held at this moment.
    @inline(__always)
    func quiet() {
        stated.pointee.store(epoch.pointee.load(ordering: .acquiring), ordering: .releasing)
    }

    /// No pointer into the table is held, nor will be before `online`.
    func offline() {
        stated.pointee.store(Self.offlineEpoch, ordering: .releasing)
    }

    var isOffline: Bool { stated.pointee.load(ordering: .relaxed) == Self.offlineEpoch }
}

/// The control loop's side.
final class Reclaimer {
    private enum Origin {
        case arena(size: Int)
        case malloc
        /// A `MappingObject` of the arena. Its counters go with it and not before, since a worker may make them until the end.
        case mapping
    }

    private struct Retired {
        var block: UnsafeMutableRawPointer
        var origin: Origin
        var epoch: UInt64

        /// Octets that it holds, this note of it included (about, for what comes from malloc).
        var cost: Int {
            switch origin {
            case .arena(let size): size + MemoryLayout<Retired>.stride
            case .malloc, .mapping: 128
            }
        }
    }

    private static let stride = 128

    private let arena: Arena
    // Safe: cache lines of their own, freed by `deinit`; workers are joined before.
    private let memory: UnsafeMutableRawPointer
    private let readerCount: Int
    private var queue: [Retired] = []
    private var head = 0
    private var retiredSinceAdvance = false

    /// Octets waiting until every worker has passed a quiet point, bookkeeping included.
    private(set) var waitingBytes = 0
    /// Blocks waiting.
    var waitingCount: Int { queue.count - head }
    /// Blocks that have been freed since the start.
    private(set) var reclaimedCount: UInt64 = 0

    init(arena: Arena, readers: Int) {
        self.arena = arena
        readerCount = readers
        memory = .allocate(byteCount: Self.stride * (readers + 1), alignment: Self.stride)
        for index in 0...readers {
            let word = (memory + index * Self.stride).bindMemory(to: Atomic<UInt64>.self, capacity: 1)
            word.initialize(to: Atomic(index == 0 ? 1 : EpochReader.offlineEpoch))
        }
    }

    deinit {
        for index in head..<queue.count { release(queue[index]) }
        memory.deallocate()
    }

    private func word(_ index: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
        (memory + index * Self.stride).assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    /// The words of worker `index`; offline at first.
    func reader(_ index: Int) -> EpochReader {
        precondition(index < readerCount, "a worker's index")
        return EpochReader(stated: word(index + 1), epoch: word(0))
    }

    /// Frees `block`, which no new reader can reach any more, once no old one does.
    func retire(_ block: UnsafeMutableRawPointer, _ size: Int) {
        retire(block, .arena(size: size))
    }

    /// Like `retire`, for a block from malloc.
    func retireMalloc(_ block: UnsafeMutableRawPointer) {
        retire(block, .malloc)
    }

    /// Like `retire`, for a mapping and its counters.
    func retire(_ mapping: UnsafeMutablePointer<MappingObject>) {
        retire(mapping, .mapping)
    }

    private func retire(_ block: UnsafeMutableRawPointer, _ origin: Origin) {
        let retired = Retired(block: block, origin: origin, epoch: word(0).pointee.load(ordering: .relaxed))
        queue.append(retired)
        waitingBytes += retired.cost
        retiredSinceAdvance = true
    }

    /// Ends a group of changes: what was retired can be freed after the workers' next quiet points. Frees what already can.
    func advance() {
        if retiredSinceAdvance {
            retiredSinceAdvance = false
            word(0).pointee.add(1, ordering: .sequentiallyConsistent)
        }
        guard head < queue.count else { return }
        var oldest = UInt64.max
        for index in 1..<(readerCount + 1) {
            oldest = min(oldest, word(index).pointee.load(ordering: .sequentiallyConsistent))
        }
        let current = word(0).pointee.load(ordering: .relaxed)
        while head < queue.count, queue[head].epoch < min(oldest, current) {
            release(queue[head])
            head += 1
        }
        if head > 1_024, head > queue.count / 2 {
            queue.removeFirst(head)
            head = 0
        } else if head == queue.count {
            queue.removeAll(keepingCapacity: true)
            head = 0
        }
    }

    private func release(_ retired: Retired) {
        waitingBytes -= retired.cost
        reclaimedCount += 1
        switch retired.origin {
        case .arena(let size):
            arena.free(retired.block, size)
        case .malloc:
            Glibc.free(retired.block)
        case .mapping:
            CounterBlocks.freeAll(of: retired.block.assumingMemoryBound(to: MappingObject.self))
            arena.free(retired.block, MemoryLayout<MappingObject>.size)
        }
    }

    /// Whether every worker has passed a quiet point (or is offline) since the last `advance`.
    var isQuiescent: Bool {
        let current = word(0).pointee.load(ordering: .relaxed)
        return (1..<(readerCount + 1)).allSatisfy {
            word($0).pointee.load(ordering: .sequentiallyConsistent) >= current
        }
    }

    /// Raises the epoch although nothing was retired, so that `isQuiescent` tells about this moment.
    func startGracePeriod() {
        retiredSinceAdvance = true
        advance()
    }
}
