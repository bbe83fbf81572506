// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
// Out of the site: checks, lookup, locator, LISP header, source port (RFC 9300 sections 5 and 9). The outer headers are the
// kernel's; TOS and TTL go along with each datagram.

import ForwardingInterface
import LISPWire
import PacketView
import Synchronization

extension Worker where Device: ~Copyable {
    /// Reads one batch from the TUN of instance number `queue` and sends what is to be sent.
    ///
    /// - Returns: how many packets were read; a full batch means that there may be more.
    mutating func stepTunnel(_ queue: Int) -> Int {
        guard let instance = plane.instance(number: queue) else { return 0 }
        let count = device.readTunnel(queue, into: batch)
        lookForListeners()
        lookAhead(count, instance)
        var lookup = LastLookup()
        for index in 0..<count {
            let entry = batch.entries + index
            guard !entry.pointee.isIncomplete else {
                drop(.unfinishedOffload)
                continue
            }
            let bytes = UnsafeRawBufferPointer(start: batch.packet(index), count: entry.pointee.length)
            guard let inner = InnerPacket(bytes) else {
                drop(.malformedPacket)
                continue
            }
            entry.pointee.length = inner.length
            entry.pointee.largest = inner.length
            if entry.pointee.segments.kind != .none, !isTrain(entry, bytes) {
                drop(.unfinishedOffload)
                continue
            }
            decide(index, inner, instance, isHeld: false, &lookup)
        }
        finishSending()
        return count
    }

    /// Looks up the destinations of the batch.
    @inline(__always)
    private mutating func lookAhead(_ count: Int, _ instance: InstanceReader) {
        lookahead.begin()
        guard count > 1, instance.isLarge else { return }
        for index in 0..<count {
            let bytes = UnsafeRawBufferPointer(start: batch.packet(index), count: batch.entries[index].length)
            if let (family, destination) = InnerPacket.address(bytes, isSource: false) {
                lookahead.add(instance.entries(family), destination)
            } else {
                lookahead.addNothing()
            }
        }
        lookahead.finish(instance.base)
    }

    /// What becomes of one packet of the site. If it is to be sent, it is queued at its source port.
    @inline(__always)
    mutating func decide(
        _ index: Int,
        _ inner: InnerPacket,
        _ instance: InstanceReader,
        isHeld: Bool,
        _ lookup: inout LastLookup
    ) {
        switch inner.destinationKind {
        case .unicast: break
        case .multicast: return drop(.multicastDestination, index)
        case .linkLocal: return drop(.linkLocalDestination, index)
        case .invalid: return drop(.invalidDestination, index)
        }
        guard inner.sourceKind == .unicast else { return drop(.invalidSource, index) }
        guard inner.ttl > 0 else { return drop(.timeToLiveExceeded, index) }
        if lookup.family != inner.family.number || lookup.key != inner.destination {
            lookup.family = inner.family.number
            lookup.key = inner.destination
            lookup.isOwn = instance.own(inner.family).longestMatch(inner.destination) != nil
            lookup.value =
                lookup.isOwn ? nil : lookahead.value(index, instance.entries(inner.family), inner.destination)
        }
        guard !lookup.isOwn else { return drop(.destinationIsOwn, index) }
        guard let value = lookup.value else { return miss(index, inner, instance, isHeld: isHeld) }
        let words = value.pointee.words
        switch EntryTarget.decode(words.target, instance.base) {
        case .encapsulate(let set):
            encapsulate(index, inner, instance, set, instance.mapping(words))
        case .forwardNatively:
            forwardNatively(index, inner, queue: instance.object.pointee.index)
        case .sendMapRequest:
            miss(index, inner, instance, isHeld: isHeld)
        case .drop(let reason):
            dropByAction(index, inner, instance, reason)
        }
    }

    @inline(__always)
    private mutating func encapsulate(
        _ index: Int,
        _ inner: InnerPacket,
        _ instance: InstanceReader,
        _ set: UnsafeMutablePointer<LocatorSetCell>?,
        _ mapping: UnsafeMutablePointer<MappingObject>?
    ) {
        guard let set, let setBody = UnsafeMutableRawPointer(bitPattern: set.pointee.body.load(ordering: .acquiring))
        else {
            return strand(index, inner, instance)
        }
        let hash = FlowHash.hash(
            seed: hashSeed,
            source: inner.source,
            destination: inner.destination,
            protocol: inner.protocol,
            ports: inner.ports
        )
        // Locator and source port are chosen by different halves of the hash, so that one says nothing about the other.
        guard
            let cell = LocatorChoice.choose(
                LocatorSetBody(setBody, instance.base),
                hash: UInt32(truncatingIfNeeded: hash >> 32)
            ),
            let locator = UnsafeMutablePointer<LocatorBody>(bitPattern: cell.pointee.body.load(ordering: .acquiring))
        else { return strand(index, inner, instance) }
        let family = locator.pointee.family
        let mtu = Int(cell.pointee.mtu.load(ordering: .relaxed))
        let overhead = family.isIPv4 ? DataPlaneConstants.overheadIPv4 : DataPlaneConstants.overheadIPv6
        let portCount = family.isIPv4 ? portCountIPv4 : portCountIPv6
        guard portCount > 0 else { return strand(index, inner, instance) }

        let isOversize = mtu != 0 && batch.entries[index].largest &+ overhead > mtu
        // Before the hints: a nonce counts as asked for once it is in a header, so the packet has to leave then.
        if isOversize, dropOversize(index, inner, instance, limit: mtu &- overhead) { return }
        var header = LISPHeaderWords.header(instance: instance.object.pointee.id)
        var account: UnsafeMutablePointer<MappingObject>?
        if hints.pointee.load(ordering: .relaxed) != 0 {
            header |= hintBits(to: cell, of: LocatorSetBody(setBody, instance.base), inner, instance)
            account = self.account(of: inner, instance)
        }
        // Safe: the headroom of a slot is larger than the LISP header.
        (batch.packet(index) - DataPlaneConstants.lispHeaderSize).storeBytes(of: header.bigEndian, as: UInt64.self)
        let entry = batch.entries + index
        entry.pointee.length = inner.length
        entry.pointee.tos = TrafficClass.outer(inner: inner.tos)
        entry.pointee.ttl = inner.ttl
        entry.pointee.locator = locator
        entry.pointee.cell = cell
        entry.pointee.mapping = mapping
        entry.pointee.account = account
        entry.pointee.instance = instance.object
        entry.pointee.next = -1
        if isTapped { tapEncapsulated(index, inner, instance, locator) }

        // Safe: the product of two numbers below 2^32 and 2^7; the quotient is below `portCount`.
        var port = Int(((hash & 0xffff_ffff) &* UInt64(portCount)) &>> 32) &+ (family.isIPv4 ? 0 : Self.maximumPorts)
        if isOversize {
            port = placeOversize(index, inner, limit: mtu &- overhead, port)
            guard port >= 0 else { return }
        }
        if entry.pointee.segments.kind != .none { return queueSegments(of: index, port) }
        // Flows keep their order.
        if port == segmentPort { sendSegments() }
        let list = ports + port
        if list.pointee.first < 0 {
            list.pointee.first = index
            usedPorts[usedPortCount] = port
            usedPortCount &+= 1
        } else {
            batch.entries[list.pointee.last].next = index
        }
        list.pointee.last = index
    }

    /// Sends what `decide` has queued and counts it.
    mutating func finishSending() {
        sendSegments()
        var run = Run()
        for used in 0..<usedPortCount {
            let port = usedPorts[used]
            let first = ports[port].first
            ports[port] = PortList()
            send(port, .packets, first: first, &run)
        }
        usedPortCount = 0
        ownStatus.family = nil
        lastAccount.family = nil
        flushSent(&run)
        signal()
    }

    /// Where packets are that are sent.
    enum Outgoing {
        case packets
        case fragments
        case segments
    }

    /// Sends entry `first` and those linked to it by the source port of list `port`.
    @inline(__always)
    mutating func send(_ port: Int, _ outgoing: Outgoing, first: Int, _ run: inout Run) {
        let entries =
            switch outgoing {
            case .packets: batch.entries
            case .fragments: fragments.entries
            case .segments: segments.entries
            }
        let isIPv4 = port < Self.maximumPorts || port == Self.fragmentingIPv4
        let number =
            port >= Self.fragmentingIPv4
            ? DataPlaneConstants.fragmentingPort : isIPv4 ? port : port &- Self.maximumPorts
        let family = isIPv4 ? AddressFamily.ipv4 : .ipv6
        let trains =
            switch outgoing {
            case .packets: device.send(family, port: number, batch, first: first)
            case .fragments: device.send(family, port: number, fragments, first: first)
            case .segments: device.send(family, port: number, segments, first: first)
            }
        if trains > 0 { shared.add(trains, to: .trainsSent) }
        var index = first
        while index >= 0 {
            let entry = entries + index
            index = entry.pointee.next
            guard entry.pointee.sendError == 0 else {
                dropUnsent(entry)
                continue
            }
            countSent(entry, &run)
        }
    }

    @inline(__always)
    private func countSent(_ entry: UnsafeMutablePointer<BatchEntry>, _ run: inout Run) {
        let octets = UInt64(truncatingIfNeeded: entry.pointee.length)
        if run.mapping != entry.pointee.mapping || run.cell != entry.pointee.cell
            || run.account != entry.pointee.account
        {
            flushSent(&run)
            run.mapping = entry.pointee.mapping
            run.cell = entry.pointee.cell
            run.account = entry.pointee.account
        }
        run.packets &+= 1
        run.octets &+= octets
        if let instance = entry.pointee.instance {
            totals[instance.pointee.index].encapsulated.addAlone(packets: 1, octets: octets)
        }
    }

    func flushSent(_ run: inout Run) {
        guard run.packets > 0 else { return }
        if let cell = run.cell {
            cell.pointee.encapsulated.add(packets: run.packets, octets: run.octets)
            let now = second.pointee.load(ordering: .relaxed)
            cell.pointee.lastUsed.store(now, ordering: .relaxed)
            if let account = run.account,
                let locator = UnsafeMutablePointer<LocatorBody>(
                    bitPattern: cell.pointee.body.load(ordering: .acquiring)
                )
            {
                countSent(run, account, over: locator.pointee.family)
            }
            if let mapping = run.mapping, let block = CounterBlocks.block(of: mapping) {
                block.pointee.lastUsed.store(now, ordering: .relaxed)
                block.pointee.encapsulated.add(packets: run.packets, octets: run.octets)
                if let locator = CounterBlocks.block(of: cell.pointee.id, in: block) {
                    locator.pointee.encapsulated.add(packets: run.packets, octets: run.octets)
                }
            }
        }
        run = Run()
    }

    /// Hands a packet without a mapping to the control loop, as far as filter and queue allow.
    @inline(never)
    private mutating func miss(_ index: Int, _ inner: InnerPacket, _ instance: InstanceReader, isHeld: Bool) {
        guard !isHeld else { return drop(.stillNoMapping, index) }
        let now = device.now()
        if batch.entries[index].segments.kind == .none {
            let packet = UnsafeRawBufferPointer(start: batch.packet(index), count: inner.length)
            return miss(packet, inner, instance, now: now)
        }
        // The control plane holds packets, not trains.
        guard var cutter = cutter(of: index) else { return drop(.unfinishedOffload, index) }
        while let packet = nextWhole(&cutter) { miss(packet, inner, instance, now: now) }
    }

    private mutating func miss(
        _ packet: UnsafeRawBufferPointer,
        _ inner: InnerPacket,
        _ instance: InstanceReader,
        now: UInt64
    ) {
        let id = instance.object.pointee.id
        guard filter.passes(instance: id, destination: inner.destination, now: now) else {
            return drop(.missRecentlyReported)
        }
        guard sourceFilter.passes(instance: id, source: inner.source, octets: packet.count, now: now) else {
            return drop(.missSourceLimited)
        }
        guard shared.misses.push(packet, tag: MissTag.unmapped, word: UInt64(id)) else { return drop(.missQueueFull) }
        hasNews = true
        count(.missesReported)
    }

    /// Drops a packet whose mapping has no locator to send it to, tells its sender, and lets the control loop see whether the mapping is
    /// still true.
    @inline(never)
    private mutating func strand(_ index: Int, _ inner: InnerPacket, _ instance: InstanceReader) {
        dropForWantOfLocator(index, inner, instance)
        let id = instance.object.pointee.id
        let now = device.now()
        var packet = UnsafeRawBufferPointer(start: batch.packet(index), count: inner.length)
        if batch.entries[index].segments.kind != .none {
            guard var cutter = cutter(of: index), let first = nextWhole(&cutter) else { return }
            packet = first
        }
        guard filter.passes(instance: id, destination: inner.destination, now: now),
            sourceFilter.passes(instance: id, source: inner.source, octets: packet.count, now: now),
            shared.misses.push(packet, tag: MissTag.stranded, word: UInt64(id))
        else { return }
        hasNews = true
    }

    /// Writes a packet back to the TUN it came from, whose policy rule forwards it natively. The kernel lowers the TTL a
    /// second time then, so it is raised by one first.
    @inline(never)
    mutating func forwardNatively(_ index: Int, _ inner: InnerPacket, queue: Int) {
        let packet = batch.packet(index)
        let ttl = inner.ttl == 255 ? 255 : inner.ttl &+ 1
        if inner.family.isIPv4 {
            HeaderEditing.setIPv4(packet, tos: inner.tos, ttl: ttl)
        } else {
            HeaderEditing.setIPv6(packet, trafficClass: inner.tos, hopLimit: ttl)
        }
        let segments = batch.entries[index].segments
        let isWritten: Bool
        if segments.kind == .none {
            isWritten = writeTunnel(queue, packet, inner.length)
        } else if let cutter = cutter(of: index) {
            // Safe: the headroom of a slot is larger than the virtio header.
            let frame = packet - TunnelHeader.size
            TunnelHeader.write(segments, cutter.layout, to: frame)
            isWritten = device.writeTunnel(
                queue,
                UnsafeRawBufferPointer(start: frame, count: inner.length &+ TunnelHeader.size)
            )
        } else {
            isWritten = false
        }
        if isWritten {
            shared.add(batch.entries[index].packets, to: .forwardedNatively)
        } else {
            drop(.tunnelWriteFailed, index)
        }
    }

    /// Writes the packet with an empty virtio header before it.
    @inline(__always)
    mutating func writeTunnel(_ queue: Int, _ packet: UnsafeMutableRawPointer, _ length: Int) -> Bool {
        // Safe: the headroom of a slot is larger than the virtio header.
        let frame = packet - TunnelHeader.size
        TunnelHeader.writeEmpty(to: frame)
        return device.writeTunnel(queue, UnsafeRawBufferPointer(start: frame, count: length &+ TunnelHeader.size))
    }

    @inline(never)
    private mutating func dropUnsent(_ entry: UnsafeMutablePointer<BatchEntry>) {
        let reason = SendError.reason(entry.pointee.sendError)
        drop(reason)
        guard reason == .noRouteToLocator, let locator = entry.pointee.locator else { return }
        report(.unreachable, locator.pointee.family, locator.pointee.address)
    }
}
