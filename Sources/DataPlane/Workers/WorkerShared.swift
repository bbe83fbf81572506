// What the control loop and the workers both touch: rings, counters, and the tables of instances.

import ForwardingInterface
import Glibc
import LISPWire
import LinuxNetwork
import Synchronization

/// Words of one worker that it alone adds to.
enum WorkerCounter: Int, CaseIterable {
    case missesReported
    case forwardedNatively
    case heldReleased
    case trainsSent
    case trainsReceived
    case portsRefusedTrains
    case siteTrainsTaken
    case siteTrainsGiven
    case echoesRequested
    case echoesMatched
    case echoesMismatched
    case echoRequestsReceived
    case echoesSent
    case noncesNotAsked
    case noncesOfStrangers
    case pathErrorsBelieved
    case pathErrorsRefused
    case pathEventsReported
    case pathEventsRepeated
    case pathEventsLost
    case siteErrorsSent
    case siteErrorsLimited
    case siteErrorsForbidden
    case siteErrorsWithoutSource
    case fragmented
    case sentFragmentable
    case statusBitsSent
    case statusBitsReceived
    case statusBitsReported
    case statusBitsLost
    case statusBitsOfStrangers
    case tapLost
    // System calls, also those that brought nothing, and what went through them; the parts of a train count one by one.
    case receiveCalls
    case datagramsReceived
    case sendCalls
    case datagramsSent
    case tunnelReads
    case packetsRead
    case tunnelWrites
    case packetsWritten

    /// They stand behind the drop counters.
    var index: Int { DataPlaneDropReason.count + rawValue }
    static let total = DataPlaneDropReason.count + WorkerCounter.allCases.count
}

extension UnsafeMutablePointer<Atomic<UInt64>> {
    /// Adds to a word that has no other writer, so that load and store lose nothing.
    @inline(__always)
    func addAlone(_ number: Int) {
        let sum = pointee.load(ordering: .relaxed) &+ UInt64(truncatingIfNeeded: number)
        pointee.store(sum, ordering: .relaxed)
    }
}

/// Octets and packets of one instance at one worker.
struct InstanceTotals: ~Copyable {
    let encapsulated = AtomicTraffic()
    let decapsulated = AtomicTraffic()
}

/// One worker's memory. Outlives its thread.
///
/// Safe to share: `counters` and `totals` have one writer (the worker) and are atomic; the rings have one producer and one
/// consumer each; the rest is atomic.
final class WorkerShared: @unchecked Sendable {
    let index: Int
    let reader: EpochReader
    let counters: UnsafeMutablePointer<Atomic<UInt64>>
    let totals: UnsafeMutablePointer<InstanceTotals>
    /// TUN descriptors by instance number, -1 where there is none.
    let tunnels: UnsafeMutablePointer<Atomic<Int32>>
    /// From the worker to the control loop. The word is the instance ID.
    let misses: PacketRing
    /// From the worker to the control loop.
    let events: PathEvents
    /// From the worker to the control loop.
    let statusReports: StatusReports
    /// From the control loop to the worker. The tag is a `HeldTag`, the word the instance ID.
    let held: PacketRing
    /// Who sent what this worker decapsulated.
    let peers: PeerTable
    /// From the worker to whoever watches flows.
    let tap = TapRing()
    /// Whether neighbours of a flow are written to a TUN as one.
    let merges: Bool

    init(index: Int, reader: EpochReader, options: DataPlaneOptions) {
        self.index = index
        self.reader = reader
        merges = options.uses(.merge)
        counters = .allocate(capacity: WorkerCounter.total)
        for counter in 0..<WorkerCounter.total { (counters + counter).initialize(to: Atomic(0)) }
        totals = .allocate(capacity: DataPlaneConstants.maximumInstances)
        tunnels = .allocate(capacity: DataPlaneConstants.maximumInstances)
        for instance in 0..<DataPlaneConstants.maximumInstances {
            (totals + instance).initialize(to: InstanceTotals())
            (tunnels + instance).initialize(to: Atomic(-1))
        }
        misses = PacketRing(bytes: options.missQueueBytes, packets: options.missQueuePackets)
        events = PathEvents()
        statusReports = StatusReports()
        held = PacketRing(bytes: options.heldQueueBytes, packets: options.heldQueuePackets)
        peers = PeerTable(seed: options.hashSeed ?? UInt64.random(in: .min ... .max))
    }

    deinit {
        counters.deallocate()
        totals.deallocate()
        tunnels.deallocate()
        misses.deallocate()
        events.deallocate()
        statusReports.deallocate()
        held.deallocate()
        peers.deallocate()
    }

    func dropped(_ reason: DataPlaneDropReason) -> UInt64 {
        counters[Int(reason.rawValue)].load(ordering: .relaxed)
    }

    /// For the worker's thread alone.
    @inline(__always)
    func add(_ number: Int, to counter: WorkerCounter) {
        (counters + counter.index).addAlone(number)
    }

    func value(_ counter: WorkerCounter) -> UInt64 {
        counters[counter.index].load(ordering: .relaxed)
    }

    var systemCalls: SystemCallStatistics {
        SystemCallStatistics(
            receive: .init(calls: value(.receiveCalls), packets: value(.datagramsReceived)),
            send: .init(calls: value(.sendCalls), packets: value(.datagramsSent)),
            tunnelRead: .init(calls: value(.tunnelReads), packets: value(.packetsRead)),
            tunnelWrite: .init(calls: value(.tunnelWrites), packets: value(.packetsWritten))
        )
    }
}

/// Why a packet is handed to the control loop.
enum MissTag {
    static let unmapped: UInt32 = 0
    static let stranded: UInt32 = 1
}

/// How a released packet is to be treated.
enum HeldTag {
    static let forward: UInt32 = 0
    static let forwardNatively: UInt32 = 1
}

/// What all workers share.
///
/// Safe to share: everything in it is atomic or constant.
final class PlaneShared: @unchecked Sendable {
    let hashSeed: UInt64
    /// Address of an `InstanceTable`.
    let instanceTable: UnsafeMutablePointer<Atomic<UInt>>
    /// Addresses of `InstanceObject`s by number, 0 where there is none.
    let instances: UnsafeMutablePointer<Atomic<UInt>>
    /// 1 while the control loop has been told of misses or events and has not yet come for them.
    let isMissSignalled: UnsafeMutablePointer<Atomic<UInt32>>
    let stopRequested: UnsafeMutablePointer<Atomic<UInt32>>
    /// The `HeaderHints` in use.
    let hints: UnsafeMutablePointer<Atomic<UInt32>>
    /// Seconds on the control loop's clock, never 0. The control loop sets it a few times a second, so that workers need not ask
    /// the kernel.
    let second: UnsafeMutablePointer<Atomic<UInt32>>
    /// 1 if a kernel's TUN takes no trains of UDP.
    let refusesUDPTrains: UnsafeMutablePointer<Atomic<UInt32>>
    let locators: LocatorIndexReader
    let missEvent: EventDescriptor

    init(
        hashSeed: UInt64,
        hints: UnsafeMutablePointer<Atomic<UInt32>>,
        locators: LocatorIndexReader
    ) throws(LinuxError) {
        self.hashSeed = hashSeed
        self.hints = hints
        self.locators = locators
        missEvent = try EventDescriptor()
        instanceTable = .allocate(capacity: 1)
        instanceTable.initialize(to: Atomic(0))
        instances = .allocate(capacity: DataPlaneConstants.maximumInstances)
        for index in 0..<DataPlaneConstants.maximumInstances { (instances + index).initialize(to: Atomic(0)) }
        isMissSignalled = .allocate(capacity: 1)
        isMissSignalled.initialize(to: Atomic(0))
        stopRequested = .allocate(capacity: 1)
        stopRequested.initialize(to: Atomic(0))
        second = .allocate(capacity: 1)
        second.initialize(to: Atomic(1))
        refusesUDPTrains = .allocate(capacity: 1)
        refusesUDPTrains.initialize(to: Atomic(0))
    }

    deinit {
        if let table = UnsafeMutableRawPointer(bitPattern: instanceTable.pointee.load(ordering: .relaxed)) {
            free(table)
        }
        instanceTable.deallocate()
        instances.deallocate()
        isMissSignalled.deallocate()
        stopRequested.deallocate()
        second.deallocate()
        refusesUDPTrains.deallocate()
    }

    /// Wakes the control loop, once for however many misses and events.
    func signalMiss() {
        if isMissSignalled.pointee.exchange(1, ordering: .acquiringAndReleasing) == 0 { missEvent.signal() }
    }

    @inline(__always)
    func instance(number: Int) -> InstanceReader? {
        let word = instances[number].load(ordering: .acquiring)
        return UnsafeMutablePointer<InstanceObject>(bitPattern: word).map { InstanceReader(object: $0) }
    }

    @inline(__always)
    func instance(id: UInt32) -> InstanceReader? {
        let word = instanceTable.pointee.load(ordering: .acquiring)
        // Safe: the table is replaced whole and retired.
        guard let table = UnsafeRawPointer(bitPattern: word) else { return nil }
        return InstanceTable.find(id, in: table)
    }
}

/// Instances by ID, for packets from the network: a hash table that is replaced whole.
///
///     mask (8) | places: instance ID + 1 (8), address of the object (8) ...
enum InstanceTable {
    /// A block from malloc.
    static func make(_ instances: [(id: UInt32, object: UnsafeMutablePointer<InstanceObject>)]) -> UInt {
        var size = 4
        while size < instances.count * 2 { size *= 2 }
        guard let block = calloc(1, 8 + size * 16) else { return 0 }
        block.storeBytes(of: size - 1, as: Int.self)
        for (id, object) in instances {
            var place = slot(id) & (size - 1)
            while block.load(fromByteOffset: 8 + place * 16, as: Int.self) != 0 { place = (place + 1) & (size - 1) }
            block.storeBytes(of: Int(id) + 1, toByteOffset: 8 + place * 16, as: Int.self)
            block.storeBytes(of: UInt(bitPattern: object), toByteOffset: 16 + place * 16, as: UInt.self)
        }
        return UInt(bitPattern: block)
    }

    @inline(__always)
    private static func slot(_ id: UInt32) -> Int {
        Int(truncatingIfNeeded: (UInt64(id) &* 0x9e37_79b9_7f4a_7c15) &>> 32)
    }

    @inline(__always)
    static func find(_ id: UInt32, in table: UnsafeRawPointer) -> InstanceReader? {
        let mask = table.load(as: Int.self)
        var place = slot(id) & mask
        while true {
            // Safe: at most half of the places are taken, so an empty one is met.
            let key = table.load(fromByteOffset: 8 &+ place &* 16, as: Int.self)
            if key == 0 { return nil }
            if key == Int(id) &+ 1 {
                let word = table.load(fromByteOffset: 16 &+ place &* 16, as: UInt.self)
                return UnsafeMutablePointer<InstanceObject>(bitPattern: word).map { InstanceReader(object: $0) }
            }
            place = (place &+ 1) & mask
        }
    }
}
