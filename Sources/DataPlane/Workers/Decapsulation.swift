// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
// Into the site: checks, TTL, DSCP and ECN, the TUN of the instance (RFC 9300 section 5.3). Only what is for an
// EID-prefix of this site passes, and at a Proxy-ETR what comes from a source that it accepts.

import LISPWire
import PacketView
import Synchronization

extension Worker where Device: ~Copyable {
    /// What is known about the last packet of this batch, since packets come in runs of one flow.
    private struct Last {
        var instanceID: UInt32?
        var instance: InstanceReader?
        /// The number of a family, 0 for none.
        var destinationFamily: UInt8 = 0
        var destination = TrieKey(high: 0, low: 0)
        var destinationIsOwn = false
        /// Of the source EID.
        var sourceFamily: UInt8 = 0
        var source = TrieKey(high: 0, low: 0)
        var sourceIsOwn = false
        var value: UnsafeMutablePointer<EntryValue>?
        /// A packet of the message was delivered.
        var isDelivered = false
        /// The sender that was noted last.
        var peerInstance: UInt32?
        var peerFamily: UInt8 = 0
        var peer = TrieKey(high: 0, low: 0)
    }

    /// Receives one batch of datagrams and writes what is for this site to the TUNs.
    ///
    /// - Returns: how many messages came, a train counting as one.
    mutating func stepNetwork(_ family: AddressFamily) -> Int {
        let count = device.receive(family, into: batch)
        lookForListeners()
        lookAhead(count)
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
                // Safe: what is decapsulated ends where the next datagram begins, and nothing is written outside of it.
                while left > size {
                    decapsulate(index, packet, size &- DataPlaneConstants.lispHeaderSize, &last, &run)
                    packet += size
                    left &-= size
                }
            }
            decapsulate(index, packet, left &- DataPlaneConstants.lispHeaderSize, &last, &run)
            if last.isDelivered { notePeer(entry, &last) }
        }
        // Before the next messages come where these are.
        merger.flush(&device)
        flushReceived(&run)
        if isWatched { flushAccount() }
        signal()
        return count
    }

    /// Looks up the sources of the first packets of all messages: what a message holds is often one flow.
    @inline(__always)
    private mutating func lookAhead(_ count: Int) {
        lookahead.begin()
        guard count > 1 else { return }
        var lastID: UInt32?
        var instance: InstanceReader?
        for index in 0..<count {
            let packet = batch.packet(index)
            let header = UInt64(bigEndian: (packet - DataPlaneConstants.lispHeaderSize).loadUnaligned(as: UInt64.self))
            let id = LISPHeaderWords.instance(header)
            if lastID != id {
                lastID = id
                instance = plane.instance(id: id)
            }
            // Safe: a message that is too short says so by a length that is negative, or has no whole address.
            let bytes = UnsafeRawBufferPointer(start: packet, count: max(0, batch.entries[index].length))
            if let instance, instance.isLarge, let (family, source) = InnerPacket.address(bytes, isSource: true) {
                lookahead.add(instance.entries(family), source)
            } else {
                lookahead.addNothing()
            }
        }
        if let instance { lookahead.finish(instance.base) } else { lookahead.begin() }
    }

    /// - Parameters:
    ///   - index: of the message.
    ///   - packet: the inner packet, its LISP header before it.
    ///   - length: octets of it; negative if not even the LISP header is whole.
    @inline(__always)
    private mutating func decapsulate(
        _ index: Int,
        _ packet: UnsafeMutableRawPointer,
        _ length: Int,
        _ last: inout Last,
        _ run: inout Run
    ) {
        let entry = batch.entries + index
        guard !entry.pointee.isIncomplete else { return drop(.datagramTruncated) }
        guard length > 0 else { return drop(.datagramTooShort) }
        let header = UInt64(bigEndian: (packet - DataPlaneConstants.lispHeaderSize).loadUnaligned(as: UInt64.self))
        guard !LISPHeaderWords.isEncrypted(header) else { return drop(.encrypted) }
        let id = LISPHeaderWords.instance(header)
        if last.instanceID != id {
            last.instanceID = id
            last.instance = plane.instance(id: id)
            last.sourceFamily = 0
            last.destinationFamily = 0
        }
        guard let instance = last.instance else { return drop(.unknownInstance) }
        guard let inner = InnerPacket(UnsafeRawBufferPointer(start: packet, count: length)) else {
            return drop(.malformedInnerPacket)
        }
        guard inner.destinationKind == .unicast else { return drop(.invalidInnerDestination) }
        guard inner.sourceKind == .unicast else { return drop(.invalidInnerSource) }
        if last.destinationFamily != inner.family.number || last.destination != inner.destination {
            last.destinationFamily = inner.family.number
            last.destination = inner.destination
            last.destinationIsOwn = instance.own(inner.family).longestMatch(inner.destination) != nil
        }
        guard last.destinationIsOwn || instance.acceptsSources else { return drop(.innerDestinationNotOwn) }
        if last.sourceFamily != inner.family.number || last.source != inner.source {
            last.sourceFamily = inner.family.number
            last.source = inner.source
            last.sourceIsOwn = instance.own(inner.family).longestMatch(inner.source) != nil
            last.value = lookahead.value(index, instance.entries(inner.family), inner.source)
        }
        // A Proxy-ETR delivers anywhere, but not for everybody, or it would be an open relay (RFC 6832 section 6.1).
        guard last.destinationIsOwn || instance.accepted(inner.family).longestMatch(inner.source) != nil else {
            return drop(.innerSourceNotAccepted)
        }
        // The TUN takes the router's own addresses as sources (accept_local), so nobody outside may use them.
        guard !last.sourceIsOwn else { return drop(.innerSourceIsOwn) }
        let ttl = TrafficClass.innerTimeToLive(inner: inner.ttl, outer: entry.pointee.ttl)
        guard ttl > 0 else { return drop(.innerTimeToLiveExceeded) }
        guard let tos = TrafficClass.inner(inner: inner.tos, outer: entry.pointee.tos) else {
            return drop(.congestionMarkNotRepresentable)
        }
        if inner.family.isIPv4 {
            HeaderEditing.setIPv4(packet, tos: tos, ttl: ttl)
        } else {
            HeaderEditing.setIPv6(packet, trafficClass: tos, hopLimit: ttl)
        }
        if isWatched { watchDecapsulated(index, inner, packet, instance) }
        let number = instance.object.pointee.index
        merger.add(packet, length: inner.length, queue: number, tag: 0, &device)

        let octets = UInt64(truncatingIfNeeded: inner.length)
        last.isDelivered = true
        guard let value = last.value else { return heedNothing(header) }
        let words = value.pointee.words
        let mapping = instance.mapping(words)
        let cell = sender(entry, words, instance.base)
        if header & LISPHeaderWords.hintFlags != 0 { heed(header, from: cell, words, inner, instance) }
        if run.mapping != mapping || run.cell != cell {
            flushReceived(&run)
            run.mapping = mapping
            run.cell = cell
        }
        run.packets &+= 1
        run.octets &+= octets
    }

    /// The locator of the source's set that sent this datagram, if it is one of them.
    @inline(__always)
    private func sender(
        _ entry: UnsafeMutablePointer<BatchEntry>,
        _ words: EntryWords,
        _ base: ArenaBase
    ) -> UnsafeMutablePointer<LocatorCell>? {
        guard case .encapsulate(let set?) = EntryTarget.decode(words.target, base),
            let body = UnsafeMutableRawPointer(bitPattern: set.pointee.body.load(ordering: .acquiring))
        else { return nil }
        let members = LocatorSetBody(body, base)
        for index in 0..<members.total {
            let cell = members.cell(index)
            let word = cell.pointee.body.load(ordering: .acquiring)
            guard let locator = UnsafeMutablePointer<LocatorBody>(bitPattern: word) else { continue }
            if locator.pointee.family.number == entry.pointee.sourceFamily,
                locator.pointee.address == entry.pointee.source
            {
                return cell
            }
        }
        return nil
    }

    /// Once per message: who sent it uses our mapping.
    @inline(__always)
    private func notePeer(_ entry: UnsafeMutablePointer<BatchEntry>, _ last: inout Last) {
        last.isDelivered = false
        let (family, source) = (entry.pointee.sourceFamily, entry.pointee.source)
        guard let id = last.instanceID, last.peerInstance != id || last.peerFamily != family || last.peer != source
        else { return }
        last.peerInstance = id
        last.peerFamily = family
        last.peer = source
        peers.note(
            instance: id,
            family: family,
            address: source,
            second: second.pointee.load(ordering: .relaxed)
        )
    }

    /// Mutating, so that the worker is not copied for it.
    private mutating func flushReceived(_ run: inout Run) {
        guard run.packets > 0 else { return }
        if let mapping = run.mapping, let block = CounterBlocks.block(of: mapping) {
            block.pointee.lastUsed.store(second.pointee.load(ordering: .relaxed), ordering: .relaxed)
            block.pointee.decapsulated.add(packets: run.packets, octets: run.octets)
            if let cell = run.cell {
                cell.pointee.decapsulated.add(packets: run.packets, octets: run.octets)
                if let locator = CounterBlocks.block(of: cell.pointee.id, in: block) {
                    locator.pointee.decapsulated.add(packets: run.packets, octets: run.octets)
                }
            }
        }
        run = Run()
    }
}
