// The packets of the hosts behind the routers.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

extension SimulatedNetwork {
    /// A host behind `node` sends a packet; returns its identity.
    ///
    /// - Parameter isWatched: `watched` tells where it ends; -1: nowhere so far.
    @discardableResult
    package func packet(
        at node: SimulatedRouter,
        from source: EID,
        to destination: EID,
        isWatched: Bool = false
    ) -> UInt64 {
        let packet = SimulatedPacket(id: nextPacket, source: source, destination: destination)
        nextPacket += 1
        if isWatched { watched[packet.id] = -1 }
        counts.packets += 1
        causes = 0
        if node.isUp, node.router.itr != nil {
            forward(packet, at: node, isHeld: false)
        } else {
            ended(packet, .noRouter)
        }
        return packet.id
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
                ended(packet, .noLocator)
                return record(node, .packet(packet, "no usable locator"))
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

    private func natively(_ packet: SimulatedPacket, at node: SimulatedRouter) {
        counts.packetsNative += 1
        ended(packet, .natively)
        record(node, .packet(packet, "forwarded natively"))
        hash.add(packet.id << 8 | 6)
        if keepsRecords { node.sentNatively.append(packet.destination.address) }
    }

    func decapsulate(_ packet: SimulatedPacket, at node: SimulatedRouter, rloc: IPAddress) {
        record(node, .packet(packet, "came to \(rloc)"))
        for check in checks { check.decapsulated(packet, at: node, rloc: rloc, in: self) }
        // An ETR delivers to its site alone; nothing that was decapsulated is encapsulated again.
        if node.serves(packet.destination) { arrived(packet, at: node) } else { ended(packet, .notServed) }
    }

    private func arrived(_ packet: SimulatedPacket, at node: SimulatedRouter) {
        counts.packetsDelivered += 1
        ended(packet, .delivered)
        hash.add(packet.id << 8 | 7)
        if keepsRecords { node.arrived.append(packet.destination.address) }
        if watched[packet.id] != nil { watched[packet.id] = node.index }
    }
}
