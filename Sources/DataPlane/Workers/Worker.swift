// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
// One worker: takes a batch from its device, decides on each packet by the forwarding table, hands the batch on. It reads
// the table and adds to counters, nothing else. `Encapsulation` and `Decapsulation` hold the two directions.

import ForwardingInterface
import LISPWire
import LinuxNetwork
import PacketView
import Synchronization

/// Not a class, so that no exclusivity check and no reference count stand in the way; lives on its thread's stack.
struct Worker<Device: PacketDevice & ~Copyable>: ~Copyable {
    /// Entries that go out by one source port.
    struct PortList {
        var first = -1
        var last = -1
    }

    /// Counts of a run of packets that go to the same counters, not yet added to them.
    struct Run {
        var mapping: UnsafeMutablePointer<MappingObject>?
        var cell: UnsafeMutablePointer<LocatorCell>?
        var account: UnsafeMutablePointer<MappingObject>?
        var packets: UInt64 = 0
        var octets: UInt64 = 0
    }

    static var maximumPorts: Int { 64 }
    /// The lists of the ports whose datagrams may be fragmented, behind those of all others.
    static var fragmentingIPv4: Int { 2 * maximumPorts }
    static var fragmentingIPv6: Int { 2 * maximumPorts + 1 }
    private static var listCount: Int { 2 * maximumPorts + 2 }

    var device: Device
    let plane: PlaneShared
    let shared: WorkerShared
    let batch: PacketBatch
    /// Where inner fragments are made.
    let fragments: PacketBatch
    /// Where headers of segments are made.
    let segments: PacketBatch
    /// Segments that are to be sent, all by the source port of list `segmentPort`.
    var segmentCount = 0
    var segmentPort = -1
    /// Where a segment is made whole that does not leave with its train.
    let whole: PacketBatch
    var lookahead: Lookahead
    var merger: Merger
    var filter: MissFilter
    var sourceFilter: MissSourceFilter
    // Safe: `listCount` lists and as many places in `usedPorts`, freed by `deinit`. IPv4 first.
    let ports: UnsafeMutablePointer<PortList>
    let usedPorts: UnsafeMutablePointer<Int>
    var usedPortCount = 0
    let portCountIPv4: Int
    let portCountIPv6: Int
    // Copies of what `plane` and `shared` hold, so that the hot path follows one pointer less.
    let hashSeed: UInt64
    let counters: UnsafeMutablePointer<Atomic<UInt64>>
    let totals: UnsafeMutablePointer<InstanceTotals>
    let hints: UnsafeMutablePointer<Atomic<UInt32>>
    let second: UnsafeMutablePointer<Atomic<UInt32>>
    let peers: PeerTable
    var eventFilter: PathEventFilter
    var siteErrors = SiteErrorMaker()
    var ownStatus = OwnStatus()
    var lastAccount = LastAccount()
    var accountRun = AccountRun()
    /// Somebody watches the flows of this batch, whose time this is.
    var isTapped = false
    /// That, or traffic is counted for EID-prefixes at this end.
    var isWatched = false
    var tapTime: UInt64 = 0
    /// The control loop is to be told of a miss or an event.
    var hasNews = false

    init(plane: PlaneShared, shared: WorkerShared, device: consuming Device) {
        self.plane = plane
        self.shared = shared
        portCountIPv4 = min(device.sourcePortCount(.ipv4), Self.maximumPorts)
        portCountIPv6 = min(device.sourcePortCount(.ipv6), Self.maximumPorts)
        var device = device
        device.tunnelCounts = TunnelCounts(shared)
        self.device = device
        merger = Merger(
            mergesTCP: shared.merges,
            mergesUDP: shared.merges && plane.refusesUDPTrains.pointee.load(ordering: .relaxed) == 0
        )
        batch = PacketBatch(capacity: DataPlaneConstants.batchSize)
        fragments = PacketBatch(capacity: DataPlaneConstants.batchSize)
        segments = PacketBatch(
            capacity: DataPlaneConstants.segmentsAtOnce,
            headers: DataPlaneConstants.largestHeaders
        )
        whole = PacketBatch(capacity: 1)
        lookahead = Lookahead(capacity: DataPlaneConstants.batchSize)
        filter = MissFilter(seed: plane.hashSeed)
        sourceFilter = MissSourceFilter(seed: plane.hashSeed)
        eventFilter = PathEventFilter(seed: plane.hashSeed)
        ports = .allocate(capacity: Self.listCount)
        ports.initialize(repeating: PortList(), count: Self.listCount)
        usedPorts = .allocate(capacity: Self.listCount)
        usedPorts.initialize(repeating: 0, count: Self.listCount)
        hashSeed = plane.hashSeed
        counters = shared.counters
        totals = shared.totals
        hints = plane.hints
        second = plane.second
        peers = shared.peers
    }

    deinit {
        ports.deallocate()
        usedPorts.deallocate()
    }

    // MARK: Counting

    @inline(__always)
    func drop(_ reason: DataPlaneDropReason) {
        count(Int(reason.rawValue))
    }

    /// Drops entry `index` of the batch: all of its segments, if it is a train.
    @inline(__always)
    func drop(_ reason: DataPlaneDropReason, _ index: Int) {
        count(Int(reason.rawValue), batch.entries[index].packets)
    }

    @inline(__always)
    func count(_ counter: WorkerCounter) {
        count(counter.index)
    }

    @inline(__always)
    private func count(_ index: Int, _ number: Int = 1) {
        (counters + index).addAlone(number)
    }

    /// Wakes the control loop if there is something for it.
    @inline(__always)
    mutating func signal() {
        guard hasNews else { return }
        hasNews = false
        plane.signalMiss()
    }

    // MARK: Released packets

    /// Takes packets that the control loop released, at most one batch.
    ///
    /// - Returns: how many there were.
    mutating func stepHeld() -> Int {
        var taken = 0
        lookForListeners()
        lookahead.begin()
        while taken < batch.capacity {
            var verdict = HeldTag.forward
            var instanceID: UInt32 = 0
            let index = taken
            let room = batch.packet(index)
            let entry = batch.entries + index
            let found = shared.held.pop { packet, tag, word in
                if let base = packet.baseAddress { room.copyMemory(from: base, byteCount: packet.count) }
                entry.pointee.isSingle(packet.count)
                verdict = tag
                instanceID = UInt32(truncatingIfNeeded: word)
            }
            guard found else { break }
            taken &+= 1
            entry.pointee.isIncomplete = false
            count(.heldReleased)
            guard let instance = plane.instance(id: instanceID) else {
                drop(.unknownInstance)
                continue
            }
            guard let inner = InnerPacket(UnsafeRawBufferPointer(start: room, count: entry.pointee.length)) else {
                drop(.malformedPacket)
                continue
            }
            entry.pointee.largest = inner.length
            if verdict == HeldTag.forwardNatively {
                forwardNatively(index, inner, queue: instance.object.pointee.index)
            } else {
                var lookup = LastLookup()
                decide(index, inner, instance, isHeld: true, &lookup)
            }
        }
        finishSending()
        return taken
    }
}

extension Worker where Device: ~Copyable {
    /// The answer to the last lookup of this batch: packets often come in runs to one destination.
    struct LastLookup {
        var key = TrieKey(high: 0, low: 0)
        /// The number of its family, 0: nothing was looked up yet.
        var family: UInt8 = 0
        var value: UnsafeMutablePointer<EntryValue>?
        var isOwn = false
    }
}
