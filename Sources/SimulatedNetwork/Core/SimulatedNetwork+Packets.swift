// The packets of the hosts behind the routers.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

extension SimulatedNetwork {
    /// A host behind `node` sends a packet; returns its identity.
    ///
    /// - Parameter isWatched: `watched` tells where it ends.
    @discardableResult
    package func packet(
        at node: SimulatedRouter,
        from source: EID,
        to destination: EID,
        isWatched: Bool = false
    ) -> UInt64 {
        let packet = SimulatedPacket(id: nextPacket, source: source, destination: destination)
        nextPacket += 1
        if isWatched { watched[packet.id] = .nowhere }
        counts.packets += 1
        causes = 0
        if node.isUp, node.router.itr != nil {
            forward(packet, at: node, isHeld: false)
        } else {
            ended(packet, .noRouter)
        }
        return packet.id
    }

    /// A host behind `node` sends some packets of one flow at once. Where the forwarding state knows the way they are there at once,
    /// too, all or none, without an event for each; else the first goes the way of `packet`.
    ///
    /// - Parameter size: of each of them, except for one that takes the long way: that has `packetSize` octets. Their host
    ///   changes it when it is told to.
    /// - Returns: what becomes of them; `.nowhere` if that takes its time.
    @discardableResult
    package func burst(
        at node: SimulatedRouter,
        from source: EID,
        to destination: EID,
        count: Int,
        size: inout PacketSize
    ) -> Fate {
        guard node.isUp, node.router.itr != nil, !node.serves(destination),
            let match = node.plane.longestMatch(destination), match.entry.action != .sendMapRequest
        else {
            size.lost = nil
            packet(at: node, from: source, to: destination)
            return node.isUp && node.serves(destination) ? .delivered(by: node.index) : .nowhere
        }
        let packet = SimulatedPacket(id: nextPacket, source: source, destination: destination)
        nextPacket += UInt64(count)
        counts.packets += UInt64(count)
        causes = 0
        for check in checks { check.forwarded(packet, by: match.eid, at: node, in: self) }
        switch match.entry.action {
        case .encapsulate(let set):
            guard let rloc = node.plane.locator(of: set, flow: packet.flow) else {
                strand(packet, at: node, count: count)
                return .nowhere
            }
            let octets = fit(&size, packet, at: node, to: rloc)
            node.plane.count(match.entry.mapping, count)
            record(node, .packet(packet, "encapsulated to \(rloc)"))
            hash.add(packet.id << 8 | 5)
            return tunnel(packet, count, of: octets, &size, from: node, to: rloc)
        case .forwardNatively:
            natively(packet, at: node, count: count)
            return .outside(by: node.index)
        case .drop, .sendMapRequest:
            ended(packet, .drop, count: count)
            return .nowhere
        }
    }

    /// The same with packets that fit everywhere.
    @discardableResult
    package func burst(at node: SimulatedRouter, from source: EID, to destination: EID, count: Int) -> Fate {
        var size = PacketSize(octets: packetSize)
        return burst(at: node, from: source, to: destination, count: count, size: &size)
    }

    /// Takes encapsulated packets to an RLOC, with the Locator-Status-Bits of their LISP header.
    private func tunnel(
        _ packet: SimulatedPacket,
        _ count: Int,
        of octets: Int,
        _ size: inout PacketSize,
        from node: SimulatedRouter,
        to rloc: IPAddress
    ) -> Fate {
        node.plane.exchanged(with: rloc, now: now)
        node.plane.sent(to: rloc, UInt64(count))
        func lost(_ end: PacketEnd) -> Fate {
            counts.datagramsLost += 1
            ended(packet, end, count: count)
            return .nowhere
        }
        guard let source = node.address(of: rloc.family), !node.deadAddresses.contains(source) else {
            return lost(.noLocator)
        }
        guard let target = router(at: rloc) else { return lost(.nobody) }
        guard target.isUp else { return lost(.routerDown) }
        guard let path = path(from: node, to: target, rloc) else { return lost(.partition) }
        for check in checks { check.tunnelled(octets, to: rloc, at: node, in: self) }
        let carried = pathMTU(node, target, rloc.family)
        guard octets <= carried else {
            let goesOn = size.lost.map { $0.to == rloc && $0.last.duration(to: now) <= Self.flowMemory } ?? false
            let since = goesOn ? size.lost?.since ?? now : now
            size.lost = (rloc, since, now)
            refuse(from: node, rloc, mtu: carried, path)
            for check in checks { check.tooLarge(since: since, packet, to: rloc, at: node, in: self) }
            return lost(.tooLarge)
        }
        size.lost = nil
        guard !linkRandom.chance(perMille: path.loss) else { return lost(.path) }
        target.plane.exchanged(with: source, now: now)
        target.plane.received(from: source, UInt64(count))
        hear(
            of: packet.source,
            from: source,
            bits: node.plane.statusBits.longestMatch(packet.source)?.value,
            at: target
        )
        record(target, .packet(packet, "came to \(rloc)"))
        for check in checks { check.decapsulated(packet, at: target, rloc: rloc, in: self) }
        if target.serves(packet.destination) {
            arrived(packet, at: target, count: count)
            return .delivered(by: target.index)
        }
        guard target.accepts(from: packet.source) else {
            ended(packet, .notServed, count: count)
            return .nowhere
        }
        natively(packet, at: target, count: count)
        return .outside(by: target.index)
    }

    /// So long after a burst its flow goes on.
    private static let flowMemory = Duration.seconds(25)
    /// Packets of the flows there in a round-trip time.
    private static let echoPackets: UInt64 = 5

    /// Packets to a locator ask for a nonce from now on: those of the flows between two bursts, if there are flows. What comes of it
    /// is there after a round-trip time.
    func askForEcho(at node: SimulatedRouter, _ id: LocatorID, _ nonce: UInt32) {
        guard let rloc = node.plane.locators[id], let last = node.plane.lastExchange(id),
            last.duration(to: now) <= Self.flowMemory
        else { return }
        let there = router(at: rloc).flatMap { path(from: node, to: $0, rloc) }
        let delay = (there ?? conditions).delay * 2 + .milliseconds(1)
        queue.plan(.arrival, flights.put(.echo(node: node.index, id, nonce)), at: now + delay)
    }

    func echo(at node: SimulatedRouter, _ id: LocatorID, _ nonce: UInt32) {
        guard node.isUp, let rloc = node.plane.locators[id] else { return }
        var isHeard = false
        var answers: UInt64 = 0
        if let source = node.address(of: rloc.family), !node.deadAddresses.contains(source),
            let target = router(at: rloc), target.isUp, let there = path(from: node, to: target, rloc),
            let back = path(from: target, to: node, source)
        {
            isHeard = !linkRandom.chance(perMille: there.loss)
            answers = linkRandom.chance(perMille: back.loss) ? 0 : Self.echoPackets
            isHeard = isHeard && answers > 0 && target.settings.etr?.echoNonce ?? false
        }
        hash.add(UInt64(nonce) << 9 | (isHeard ? 256 : 0) | 8)
        node.plane.asked(id, Self.echoPackets, answers: answers, nonce: nonce, isEchoed: isHeard)
    }

    /// Locator-Status-Bits came from an RLOC of the mapping that covers the source, and are others than before, or the first.
    private func hear(of source: EID, from rloc: IPAddress, bits: UInt32?, at node: SimulatedRouter) {
        guard let bits, node.settings.itr?.locatorStatusBits ?? false,
            case .encapsulate(let set)? = node.plane.longestMatch(source)?.entry.action,
            node.plane.heardStatusBits[set] != bits, let id = node.plane.locatorIDs[rloc],
            node.plane.sets[set]?.contains(where: { $0.locator == id }) ?? false
        else { return }
        node.plane.heardStatusBits[set] = bits
        let report = LocatorStatusReport(source: source, bits: bits, width: source.instanceID.rawValue == 0 ? 32 : 8)
        act(node) { router, now, _ in router.heard(report, now: now) }
    }

    /// Lets the hosts behind `node` send: `schedule` does it and says when it wants to be called again, `nil`: never.
    package func hosts(behind node: SimulatedRouter, after delay: Duration, _ schedule: @escaping () -> Duration?) {
        hostSchedules[node.index] = schedule
        queue.plan(.host, node.index, at: now + delay)
    }

    func host(_ index: Int) {
        guard let schedule = hostSchedules[index], let pause = schedule() else {
            hostSchedules[index] = nil
            return
        }
        queue.plan(.host, index, at: now + pause)
    }

    private func forward(_ packet: SimulatedPacket, at node: SimulatedRouter, isHeld: Bool) {
        if node.serves(packet.destination) {
            arrived(packet, at: node)
            return
        }
        guard let match = node.plane.longestMatch(packet.destination) else {
            return handOver(packet, at: node, isHeld: isHeld)
        }
        for check in checks { check.forwarded(packet, by: match.eid, at: node, in: self) }
        switch match.entry.action {
        case .encapsulate(let set):
            guard let rloc = node.plane.locator(of: set, flow: packet.id) else {
                return strand(packet, at: node)
            }
            node.plane.count(match.entry.mapping)
            record(node, .packet(packet, "encapsulated to \(rloc)"))
            hash.add(packet.id << 8 | 5)
            node.plane.exchanged(with: rloc, now: now)
            carry(.packet(packet, source: node.address(of: rloc.family), rloc: rloc), from: node, to: rloc)
        case .forwardNatively:
            natively(packet, at: node)
        case .drop:
            ended(packet, .drop)
            record(node, .packet(packet, "dropped by its mapping"))
        case .sendMapRequest:
            handOver(packet, at: node, isHeld: isHeld)
        }
    }

    /// A packet whose mapping has no locator that is up is dropped, and the control plane is told.
    private func strand(_ packet: SimulatedPacket, at node: SimulatedRouter, count: Int = 1) {
        record(node, .packet(packet, "no usable locator"))
        ended(packet, .noLocator, count: count)
        var miss = packet.miss(size: packetSize)
        miss.isStranded = true
        act(node) { router, now, random in router.missed(miss, now: now, using: &random) }
    }

    /// A packet that was held and finds no entry again is dropped.
    private func handOver(_ packet: SimulatedPacket, at node: SimulatedRouter, isHeld: Bool) {
        guard !isHeld else {
            ended(packet, .releasedInVain)
            return record(node, .packet(packet, "released in vain"))
        }
        record(node, .packet(packet, "a miss"))
        for check in checks { check.handedOver(packet, at: node, in: self) }
        let miss = packet.miss(size: packetSize)
        act(node) { router, now, random in router.missed(miss, now: now, using: &random) }
    }

    func release(_ misses: [ForwardingMiss], _ verdict: HeldPacketVerdict, at node: SimulatedRouter) {
        for miss in misses {
            let packet = SimulatedPacket(miss)
            for check in checks { check.released(packet, at: node, in: self) }
            switch verdict {
            case .forward: forward(packet, at: node, isHeld: true)
            case .forwardNatively: natively(packet, at: node)
            }
        }
    }

    private func natively(_ packet: SimulatedPacket, at node: SimulatedRouter, count: Int = 1) {
        counts.packetsNative += UInt64(count)
        ended(packet, .natively, count: count)
        record(node, .packet(packet, "forwarded natively"))
        if watched[packet.id] != nil { watched[packet.id] = .outside(by: node.index) }
        hash.add(packet.id << 8 | 6)
        if keepsRecords { node.sentNatively.append(packet.destination.address) }
    }

    func decapsulate(_ packet: SimulatedPacket, at node: SimulatedRouter, rloc: IPAddress) {
        record(node, .packet(packet, "came to \(rloc)"))
        for check in checks { check.decapsulated(packet, at: node, rloc: rloc, in: self) }
        // An ETR delivers to its site alone, a Proxy-ETR to the world outside; nothing that was decapsulated is encapsulated again.
        if node.serves(packet.destination) {
            arrived(packet, at: node)
        } else if node.accepts(from: packet.source) {
            natively(packet, at: node)
        } else {
            ended(packet, .notServed)
        }
    }

    private func arrived(_ packet: SimulatedPacket, at node: SimulatedRouter, count: Int = 1) {
        counts.packetsDelivered += UInt64(count)
        ended(packet, .delivered, count: count)
        hash.add(packet.id << 8 | 7)
        if keepsRecords { node.arrived.append(packet.destination.address) }
        if watched[packet.id] != nil { watched[packet.id] = .delivered(by: node.index) }
    }
}
