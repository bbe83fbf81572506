// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
// Into the site: checks, TTL, DSCP and ECN, the TUN of the instance (RFC 9300 section 5.3). Only what is for an
// EID-prefix of this site passes.

import LISPWire
import PacketView
import Synchronization

extension Worker where Device: ~Copyable {
    /// What is known about the last packet of this batch, since packets come in runs of one flow.
    private struct Last {
        var instanceID: UInt32?
        var instance: InstanceReader?
        /// Of the source EID.
        var sourceFamily: AddressFamily?
        var source = TrieKey(high: 0, low: 0)
        var sourceIsOwn = false
        var value: UnsafeMutablePointer<EntryValue>?
    }

    /// Receives one batch of datagrams and writes what is for this site to the TUNs.
    ///
    /// - Returns: how many messages came, a train counting as one.
    mutating func stepNetwork(_ family: AddressFamily) -> Int {
        let count = device.receive(family, into: batch)
        var last = Last()
        var run = Run()
        for index in 0..<count {
            let entry = batch.entries + index
            let size = entry.pointee.segmentSize
            // Up to the end of the last datagram; with the LISP header, since sizes of segments are with it.
            var left = entry.pointee.length &+ DataPlaneConstants.lispHeaderSize
            var packet = batch.packet(index)
            if size > 0, left > size {
                shared.add(1, to: .trainsReceived)
                // Safe: what is decapsulated ends where the next datagram begins. Its TUN header overwrites the end of the
                // datagram before it, which has been written to the TUN by then.
                while left > size {
                    decapsulate(entry, packet, size &- DataPlaneConstants.lispHeaderSize, &last, &run)
                    packet += size
                    left &-= size
                }
            }
            decapsulate(entry, packet, left &- DataPlaneConstants.lispHeaderSize, &last, &run)
        }
        flushReceived(&run)
        return count
    }

    /// - Parameters:
    ///   - entry: what is known about the message.
    ///   - packet: the inner packet, its LISP header before it.
    ///   - length: octets of it; negative if not even the LISP header is whole.
    @inline(__always)
    private mutating func decapsulate(
        _ entry: UnsafeMutablePointer<BatchEntry>,
        _ packet: UnsafeMutableRawPointer,
        _ length: Int,
        _ last: inout Last,
        _ run: inout Run
    ) {
        guard !entry.pointee.isIncomplete else { return drop(.datagramTruncated) }
        guard length > 0 else { return drop(.datagramTooShort) }
        let header = UInt64(bigEndian: (packet - DataPlaneConstants.lispHeaderSize).loadUnaligned(as: UInt64.self))
        guard !LISPHeaderWords.isEncrypted(header) else { return drop(.encrypted) }
        let id = LISPHeaderWords.instance(header)
        if last.instanceID != id {
            last.instanceID = id
            last.instance = plane.instance(id: id)
            last.sourceFamily = nil
        }
        guard let instance = last.instance else { return drop(.unknownInstance) }
        guard let inner = InnerPacket(UnsafeRawBufferPointer(start: packet, count: length)) else {
            return drop(.malformedInnerPacket)
        }
        guard inner.destinationKind == .unicast else { return drop(.invalidInnerDestination) }
        guard inner.sourceKind == .unicast else { return drop(.invalidInnerSource) }
        guard instance.own(inner.family).longestMatch(inner.destination) != nil else {
            return drop(.innerDestinationNotOwn)
        }
        if last.sourceFamily != inner.family || last.source != inner.source {
            last.sourceFamily = inner.family
            last.source = inner.source
            last.sourceIsOwn = instance.own(inner.family).longestMatch(inner.source) != nil
            last.value = instance.entries(inner.family).longestMatch(inner.source)
        }
        // The TUN takes the router's own addresses as sources (accept_local), so nobody outside may use them.
        guard !last.sourceIsOwn else { return drop(.innerSourceIsOwn) }
        let ttl = TrafficClass.innerTimeToLive(inner: inner.ttl, outer: entry.pointee.ttl)
        guard ttl > 0 else { return drop(.innerTimeToLiveExceeded) }
        guard let tos = TrafficClass.inner(inner: inner.tos, outer: entry.pointee.tos) else {
            return drop(.congestionMarkNotRepresentable)
        }
        if inner.family == .ipv4 {
            HeaderEditing.setIPv4(packet, tos: tos, ttl: ttl)
        } else {
            HeaderEditing.setIPv6(packet, trafficClass: tos, hopLimit: ttl)
        }
        let number = instance.object.pointee.index
        guard writeTunnel(number, packet, inner.length) else { return drop(.tunnelWriteFailed) }

        let octets = UInt64(truncatingIfNeeded: inner.length)
        totals[number].decapsulated.addAlone(packets: 1, octets: octets)
        guard let value = last.value else { return }
        let mapping = UnsafeMutablePointer<MappingObject>(
            bitPattern: value.pointee.mapping.load(ordering: .acquiring)
        )
        let member = sender(entry, value)
        if run.mapping != mapping || run.member != member {
            flushReceived(&run)
            run.mapping = mapping
            run.member = member
        }
        run.packets &+= 1
        run.octets &+= octets
    }

    /// The member of the source's locator set that sent this datagram, if it is one.
    @inline(__always)
    private func sender(
        _ entry: UnsafeMutablePointer<BatchEntry>,
        _ value: UnsafeMutablePointer<EntryValue>
    ) -> UnsafeMutablePointer<LocatorMember>? {
        guard case .encapsulate(let set?) = EntryTarget.decode(value.pointee.target.load(ordering: .acquiring)),
            let body = UnsafeMutableRawPointer(bitPattern: set.pointee.body.load(ordering: .acquiring))
        else { return nil }
        let members = LocatorSetBody(body)
        for index in 0..<members.count {
            let member = members.members + index
            let word = member.pointee.cell.pointee.body.load(ordering: .acquiring)
            guard let locator = UnsafeMutablePointer<LocatorBody>(bitPattern: word) else { continue }
            if locator.pointee.family.rawValue == entry.pointee.sourceFamily,
                locator.pointee.address == entry.pointee.source
            {
                return member
            }
        }
        return nil
    }

    private func flushReceived(_ run: inout Run) {
        guard run.packets > 0 else { return }
        if let mapping = run.mapping, let block = CounterBlocks.block(of: mapping) {
            block.pointee.decapsulated.add(packets: run.packets, octets: run.octets)
            if let member = run.member {
                member.pointee.cell.pointee.decapsulated.add(packets: run.packets, octets: run.octets)
                if let locator = CounterBlocks.block(of: member.pointee.id, in: block) {
                    locator.pointee.decapsulated.add(packets: run.packets, octets: run.octets)
                }
            }
        }
        run = Run()
    }
}
