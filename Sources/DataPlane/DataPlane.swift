// The data plane: carries packets between the TUN interfaces of the instances and UDP port 4341.
//
//    control loop                                  workers (lispd-w0, lispd-w1, ...)
//    ------------                                  ---------------------------------
//    apply(updates) --> ForwardingState ========>  lookups, without a lock
//                         (Reclaimer    <--------  quiet points)
//    drainMisses    <-- misses, one ring each <--  packets without a mapping
//    drainEvents    <-- events, one ring each <--  what is heard of the ways to RLOCs
//    release        --> held, one ring each ---->  packets whose mapping came
//    statistics     <-- counters <---------------  additions
//
// The control loop is the only caller of everything here. Each worker has its own queue of every TUN, its own sockets in the
// group of port 4341, and its own source ports; it waits in epoll and declares itself offline while it does.
//
// Standards: RFC 9300 sections 5 (encapsulation) and 9 (locator choice), RFC 6040 (ECN), RFC 6935 (zero UDP checksums).

import CLinux
import ForwardingInterface
import Glibc
import LISPWire
import LinuxNetwork
import Synchronization

/// See the top of this file. Not Sendable: one thread, or one actor, owns it.
package final class DataPlane {
    let options: DataPlaneOptions
    let shared: PlaneShared
    let workers: [WorkerShared]
    let state: ForwardingState
    private let families: Set<AddressFamily>
    private var backlog = UpdateBacklog()
    private var instanceNumbers: [InstanceID: Int] = [:]
    private var runtimes: [WorkerRuntime] = []
    private var undelivered: UInt64 = 0
    private var firstDrained = 0
    private var receiveBuffer = 0
    /// What every TUN is allowed.
    var tunnelOffloads: TUNDevice.Offloads = [.checksum, .tcp, .udp]
    /// Whether the sockets of all workers send and receive trains.
    var socketTrains = (sent: false, received: false)
    /// Why steering programs are not in use, or not everywhere.
    var tunSteeringRefusal: String?
    var udpSteeringRefusal: String?

    /// - Throws: when the system refuses descriptors.
    package init(options: DataPlaneOptions = DataPlaneOptions()) throws(LinuxError) {
        self.options = options
        let count = Self.workerCount(options)
        families = options.families ?? WorkerRuntime.availableFamilies()
        let state = ForwardingState(readers: count, families: families)
        self.state = state
        shared = try PlaneShared(
            hashSeed: options.hashSeed ?? UInt64.random(in: .min ... .max),
            hints: state.hints,
            locators: state.locatorIndex
        )
        workers = (0..<count).map { WorkerShared(index: $0, reader: state.reclaimer.reader($0), options: options) }
        setClock(Self.second)
    }

    deinit { stop() }

    private static func workerCount(_ options: DataPlaneOptions) -> Int {
        guard options.uses(.multiQueue), TUNDevice.knowsQueues else { return 1 }
        let automatic = options.processors.isEmpty ? SystemThread.processorCount - 1 : options.processors.count
        return max(1, options.workers ?? automatic)
    }

    /// What is wanted of every TUN.
    package var wantedTunnelOffloads: TUNDevice.Offloads {
        var wanted: TUNDevice.Offloads = []
        if options.uses(.tso) { wanted.formUnion([.checksum, .tcp]) }
        if options.uses(.uso) { wanted.formUnion([.checksum, .udp]) }
        return wanted
    }

    /// How many TUN queues an instance needs.
    package var workerCount: Int { workers.count }

    // MARK: Instances

    /// Serves an instance, now or, before `start`, from then on. The descriptors stay the caller's to close, after
    /// `removeInstance` or `stop`.
    ///
    /// - Parameters:
    ///   - queues: one non-blocking TUN descriptor for each worker, as `TUNDevice.open` makes them.
    ///   - offloads: what the TUN is allowed (`TUNDevice.allowOffloads`); to be known before `start`.
    /// - Throws: what epoll answers; `ENOSPC` when there are too many instances.
    package func addInstance(
        _ id: InstanceID,
        queues: [Int32],
        offloads: TUNDevice.Offloads = [.checksum, .tcp, .udp]
    ) throws(LinuxError) {
        precondition(queues.count == workers.count, "one TUN queue for each worker")
        precondition(instanceNumbers[id] == nil, "an instance is added once")
        let taken = Set(instanceNumbers.values)
        guard let number = (0..<DataPlaneConstants.maximumInstances).first(where: { !taken.contains($0) }) else {
            throw .system(operation: "add instance \(id)", errno: ENOSPC)
        }
        let object = state.addInstance(id, index: number)
        instanceNumbers[id] = number
        for (worker, descriptor) in zip(workers, queues) {
            worker.tunnels[number].store(descriptor, ordering: .releasing)
        }
        shared.instances[number].store(UInt(bitPattern: object), ordering: .releasing)
        steer(tunnel: queues[0])
        tunnelOffloads.formIntersection(offloads)
        if !offloads.contains(.udp) { shared.refusesUDPTrains.pointee.store(1, ordering: .relaxed) }
        publishInstances()
        for runtime in runtimes { try runtime.watchTunnel(number) }
    }

    /// Stops serving an instance and forgets its entries. Waits for the workers to finish their batch; the descriptors can be
    /// closed afterwards.
    package func removeInstance(_ id: InstanceID) {
        guard let number = instanceNumbers.removeValue(forKey: id) else { return }
        for runtime in runtimes { runtime.unwatchTunnel(number) }
        shared.instances[number].store(0, ordering: .releasing)
        publishInstances()
        state.reclaimer.startGracePeriod()
        for _ in 0..<1_000 where !state.reclaimer.isQuiescent { usleep(1_000) }
        for worker in workers { worker.tunnels[number].store(-1, ordering: .releasing) }
        state.removeInstance(id)
        state.reclaimer.advance()
    }

    private func publishInstances() {
        let table = InstanceTable.make(
            state.instances.map { id, tables in (id.rawValue, tables.object) }.filter {
                instanceNumbers[InstanceID(uncheckedRawValue: $0.0)] != nil
            }
        )
        let old = shared.instanceTable.pointee.exchange(table, ordering: .acquiringAndReleasing)
        if let old = UnsafeMutableRawPointer(bitPattern: old) { state.reclaimer.retireMalloc(old) }
        state.reclaimer.advance()
    }

    // MARK: Life

    /// Opens the sockets and starts the workers. Needs CAP_NET_ADMIN.
    ///
    /// - Throws: `portInUse` when another process has UDP port 4341.
    package func start() throws(LinuxError) {
        precondition(runtimes.isEmpty, "the data plane is started once")
        for processor in options.processors where !SystemThread.mayRun(onProcessor: processor) {
            throw .system(operation: "run a worker on processor \(processor) (data-plane.cpus)", errno: EINVAL)
        }
        let sockets = try WorkerRuntime.openSockets(workers: workers.count, families: families, options)
        receiveBuffer = sockets.first?.receiving.values.first?.receiveBufferSize ?? 0
        socketTrains = (sockets.allSatisfy(\.sendsTrains), sockets.allSatisfy(\.receivesTrains))
        steer(sockets)
        do throws(LinuxError) {
            for (worker, sockets) in zip(workers, sockets) {
                let runtime = try WorkerRuntime(plane: shared, worker: worker, sockets: sockets)
                runtimes.append(runtime)
                for number in instanceNumbers.values { try runtime.watchTunnel(number) }
                let processors = options.processors
                try runtime.start(onProcessor: processors.isEmpty ? nil : processors[worker.index % processors.count])
            }
        } catch {
            stop()
            throw error
        }
    }

    /// Stops the workers and closes the sockets. Returns when the last worker has ended.
    package func stop() {
        guard !runtimes.isEmpty else { return }
        shared.stopRequested.pointee.store(1, ordering: .releasing)
        for runtime in runtimes { runtime.wake() }
        for runtime in runtimes { runtime.join() }
        runtimes = []
        shared.stopRequested.pointee.store(0, ordering: .releasing)
        state.reclaimer.advance()
    }

    // MARK: Forwarding state

    /// Carries out changes, in order. Each costs in proportion to itself. Workers see each at once, not all at the same time.
    ///
    /// If a worker does not come to a quiet point for so long that too much replaced memory waits for it, changes wait as
    /// well (the newest for each object) until it does: they are taken up by any later call of `apply`, `drainMisses`,
    /// `maintain` or `statistics`.
    package func apply(_ updates: [ForwardingUpdate]) {
        maintain()
        var sinceAdvance = 0
        for update in updates {
            if !backlog.isEmpty || state.reclaimer.waitingBytes > options.retiredLimit {
                state.reclaimer.advance()
                drainBacklog()
                if !backlog.isEmpty || state.reclaimer.waitingBytes > options.retiredLimit {
                    backlog.append(update)
                    continue
                }
            }
            state.apply(update)
            sinceAdvance += 1
            if sinceAdvance == 64 {
                sinceAdvance = 0
                state.reclaimer.advance()
            }
        }
        state.reclaimer.advance()
    }

    private func drainBacklog() {
        while state.reclaimer.waitingBytes <= options.retiredLimit, let update = backlog.popFirst() {
            state.apply(update)
        }
    }

    /// Frees what workers have let go of, and takes up waiting changes. Cheap; worth calling a few times a second.
    package func maintain() {
        setClock(Self.second)
        state.reclaimer.advance()
        guard !backlog.isEmpty else { return }
        drainBacklog()
        state.reclaimer.advance()
    }

    // MARK: Packets without a mapping

    /// Readable when there are misses or events to drain: first `drainMisses`, then `drainEvents`.
    package var missEventDescriptor: Int32 { shared.missEvent.descriptor }

    /// Hands over the packets that wait, oldest first for each worker, at most `limit` of them (more make the descriptor
    /// readable again at once).
    package func drainMisses(limit: Int = 1_024, _ body: (ForwardingMiss) -> Void) {
        shared.missEvent.clear()
        // An exchange, so that what a worker queued before it found the signal given is seen below.
        _ = shared.isMissSignalled.pointee.exchange(0, ordering: .acquiringAndReleasing)
        var left = limit
        // Each time another worker comes first, so that a flood through one does not keep the others' waiting.
        firstDrained = (firstDrained + 1) % workers.count
        for offset in workers.indices {
            let worker = workers[(firstDrained + offset) % workers.count]
            while left > 0 {
                let found = worker.misses.pop { packet, tag, word in
                    guard var miss = Self.miss(packet, InstanceID(uncheckedRawValue: UInt32(word)), worker.index)
                    else { return }
                    miss.isStranded = tag == MissTag.stranded
                    body(miss)
                }
                guard found else { break }
                left -= 1
            }
        }
        if left == 0 { shared.signalMiss() }
        maintain()
    }

    private static func miss(_ packet: UnsafeRawBufferPointer, _ id: InstanceID, _ queue: Int) -> ForwardingMiss? {
        guard let inner = InnerPacket(packet) else { return nil }
        func eid(_ key: TrieKey) -> EID { EID(instanceID: id, IPAddress(family: inner.family, leftAligned: key.value)) }
        return ForwardingMiss(
            source: eid(inner.source),
            destination: eid(inner.destination),
            packet: Array(packet),
            queue: UInt16(truncatingIfNeeded: queue)
        )
    }

    /// Hands over the events that wait. To be called after `drainMisses`, which answers the signal for both.
    package func drainEvents(_ body: (ForwardingEvent) -> Void) {
        for worker in workers {
            // As many as there is room for: more come in the next turn.
            for _ in 0..<PathEvents.capacity {
                guard worker.events.pop(body) else { break }
            }
        }
    }

    /// Hands over what packets newly said of the RLOCs of their sites, in the order in which each worker heard it. To be called after
    /// `drainMisses`, which answers the signal for these, too.
    package func drainStatusReports(_ body: (LocatorStatusReport) -> Void) {
        for worker in workers {
            // As many as there is room for: more come in the next turn.
            for _ in 0..<StatusReports.capacity {
                guard worker.statusReports.pop(body) else { break }
            }
        }
    }

    /// Gives held packets back to the workers they came from, in this order. Install the mapping first. What finds no room is
    /// dropped and counted (`heldQueueFull`).
    package func release(_ packets: [ForwardingMiss], verdict: HeldPacketVerdict) {
        var woken: Set<Int> = []
        for packet in packets {
            let worker = workers[Int(packet.queue) < workers.count ? Int(packet.queue) : 0]
            let tag = verdict == .forward ? HeldTag.forward : HeldTag.forwardNatively
            let isQueued = packet.packet.withUnsafeBytes {
                worker.held.push($0, tag: tag, word: UInt64(packet.destination.instanceID.rawValue))
            }
            if isQueued { woken.insert(worker.index) } else { undelivered += 1 }
        }
        for runtime in runtimes where woken.contains(runtime.index) { runtime.wake() }
    }

    // MARK: Watching

    /// Begins to note what passes the tunnels, from the next batch of each worker on. To be called after `start`; one tap at a time.
    ///
    /// - Parameter bytes: of each worker's ring, rounded up to a power of two. A packet takes 80 octets and its headers, at most 208.
    /// - Throws: what the sockets of port 4341 answer.
    package func openTap(bytes: Int = 4 << 20) throws(LinuxError) -> FlowTap {
        try FlowTap(workers, runtimes.flatMap(\.receivingSockets), bytes: bytes)
    }

    // MARK: Peers

    /// The routers that packets were encapsulated to, or that sent packets that were decapsulated, in the last `time`, none
    /// twice. Those that many have sent since may be missing: each worker remembers about 4,000.
    package func peers(within time: Duration) -> [ForwardingPeer] {
        let now = Self.second
        setClock(now)
        let ago = UInt32(clamping: time.components.seconds)
        return peers(since: now > ago ? now - ago : 1)
    }

    func peers(since: UInt32) -> [ForwardingPeer] {
        var peers: Set<ForwardingPeer> = []
        // A locator is shared by instances; with one of them alone it is that one's.
        let only = instanceNumbers.count == 1 ? instanceNumbers.keys.first : nil
        state.forEachLocator(usedSince: since) { peers.insert(ForwardingPeer(instanceID: only, rloc: $0)) }
        for worker in workers {
            worker.peers.forEach(since: since) { instance, rloc in
                peers.insert(ForwardingPeer(instanceID: InstanceID(uncheckedRawValue: instance), rloc: rloc))
            }
        }
        return Array(peers)
    }

    /// Tells the workers the time.
    func setClock(_ second: UInt32) {
        shared.second.pointee.store(second, ordering: .relaxed)
    }

    /// Of a clock that goes on while the machine sleeps; never 0.
    private static var second: UInt32 {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return UInt32(truncatingIfNeeded: time.tv_sec) &+ 1
    }

    // MARK: Counters

    /// A mapping's traffic since its first entry; zero once it has none.
    package func counters(of mapping: MappingID) -> MappingCounters {
        state.counters(of: mapping)
    }

    /// How many seconds ago a packet last went either way by a mapping; `nil` if none has.
    package func secondsSinceUse(of mapping: MappingID) -> UInt32? {
        state.lastUsed(mapping).map { last in
            let now = Self.second
            return now > last ? now - last : 0
        }
    }

    /// The part of it that went to, or came from, one locator.
    package func counters(of mapping: MappingID, locator: LocatorID) -> MappingCounters {
        state.counters(of: mapping, locator: locator)
    }

    /// A locator's traffic over all mappings; zero when it is unknown.
    package func counters(of locator: LocatorID) -> MappingCounters {
        state.traffic(of: locator)
    }

    /// What was seen of echo-noncing with a locator; `nil` when it is unknown or echo-nonce is not in use.
    package func echoes(of locator: LocatorID) -> EchoCounters? {
        state.echoes(of: locator)
    }

    /// An instance's traffic since it was added first; its number may have served another before.
    package func counters(of instance: InstanceID) -> MappingCounters {
        guard let number = instanceNumbers[instance] else { return MappingCounters() }
        return totals(number)
    }

    /// What one worker carried, over all instances.
    ///
    /// - Precondition: `index` is less than `workerCount`.
    package func counters(ofWorker index: Int) -> MappingCounters {
        var sum = MappingCounters()
        for number in 0..<DataPlaneConstants.maximumInstances {
            sum.encapsulated += workers[index].totals[number].encapsulated.value
            sum.decapsulated += workers[index].totals[number].decapsulated.value
        }
        return sum
    }

    private func totals(_ number: Int) -> MappingCounters {
        var sum = MappingCounters()
        for worker in workers {
            let encapsulated = worker.totals[number].encapsulated.value
            let decapsulated = worker.totals[number].decapsulated.value
            sum.encapsulated.packets += encapsulated.packets
            sum.encapsulated.octets += encapsulated.octets
            sum.decapsulated.packets += decapsulated.packets
            sum.decapsulated.octets += decapsulated.octets
        }
        return sum
    }

    /// Everything at once, for `show` and for metrics.
    package func statistics() -> DataPlaneStatistics {
        maintain()
        var statistics = DataPlaneStatistics()
        for number in 0..<DataPlaneConstants.maximumInstances {
            let sum = totals(number)
            statistics.encapsulated.packets += sum.encapsulated.packets
            statistics.encapsulated.octets += sum.encapsulated.octets
            statistics.decapsulated.packets += sum.decapsulated.packets
            statistics.decapsulated.octets += sum.decapsulated.octets
        }
        for reason in DataPlaneDropReason.allCases {
            statistics.drops[reason] = workers.reduce(0) { $0 + $1.dropped(reason) }
        }
        statistics.drops[.heldQueueFull, default: 0] += undelivered
        statistics.missesReported = workers.reduce(0) { $0 + $1.value(.missesReported) }
        statistics.forwardedNatively = workers.reduce(0) { $0 + $1.value(.forwardedNatively) }
        statistics.heldReleased = workers.reduce(0) { $0 + $1.value(.heldReleased) }
        statistics.trainsSent = workers.reduce(0) { $0 + $1.value(.trainsSent) }
        statistics.trainsReceived = workers.reduce(0) { $0 + $1.value(.trainsReceived) }
        statistics.portsRefusedTrains = workers.reduce(0) { $0 + $1.value(.portsRefusedTrains) }
        statistics.siteTrainsTaken = workers.reduce(0) { $0 + $1.value(.siteTrainsTaken) }
        statistics.siteTrainsGiven = workers.reduce(0) { $0 + $1.value(.siteTrainsGiven) }
        statistics.systemCalls = workers.map(\.systemCalls)
        statistics.hints = hintStatistics()
        statistics.pathErrorsBelieved = workers.reduce(0) { $0 + $1.value(.pathErrorsBelieved) }
        statistics.pathErrorsRefused = workers.reduce(0) { $0 + $1.value(.pathErrorsRefused) }
        statistics.pathEventsReported = workers.reduce(0) { $0 + $1.value(.pathEventsReported) }
        statistics.pathEventsRepeated = workers.reduce(0) { $0 + $1.value(.pathEventsRepeated) }
        statistics.pathEventsLost = workers.reduce(0) { $0 + $1.value(.pathEventsLost) }
        statistics.siteErrorsSent = workers.reduce(0) { $0 + $1.value(.siteErrorsSent) }
        statistics.siteErrorsLimited = workers.reduce(0) { $0 + $1.value(.siteErrorsLimited) }
        statistics.siteErrorsForbidden = workers.reduce(0) { $0 + $1.value(.siteErrorsForbidden) }
        statistics.siteErrorsWithoutSource = workers.reduce(0) { $0 + $1.value(.siteErrorsWithoutSource) }
        statistics.fragmented = workers.reduce(0) { $0 + $1.value(.fragmented) }
        statistics.sentFragmentable = workers.reduce(0) { $0 + $1.value(.sentFragmentable) }
        statistics.entries = state.entryCount
        statistics.locators = state.locatorCount
        statistics.locatorSets = state.locatorSetCount
        statistics.tableBytes = state.arena.usedBytes
        statistics.tableReservedBytes = state.arena.reservedBytes
        statistics.retiredBytes = state.reclaimer.waitingBytes
        statistics.waitingUpdates = backlog.count
        statistics.danglingReferences = state.danglingReferences + state.unknownInstances
        statistics.workers = workers.count
        for runtime in runtimes {
            for family in AddressFamily.allCases {
                statistics.sourcePorts[family, default: 0] += runtime.sourcePortCount(family)
                if runtime.isReceiving(family) { statistics.receivingFamilies.insert(family) }
            }
        }
        statistics.receiveBuffer = receiveBuffer
        return statistics
    }
}
