// Packets that do not fit the path MTU of the RLOC they would go to (RFC 9300 section 7). Off the hot path, but with a small path
// MTU every large packet leads here, so nothing allocates, locks or throws.
//
//    IPv4 with DF, IPv6 of more than 1280 octets    dropped, and the sender is told what fits
//    IPv4 without DF                                cut into fragments, each encapsulated
//    IPv6 of at most 1280 octets                    encapsulated in a datagram that may be fragmented: no IPv6 link carries less,
//                                                   so the sender would not send smaller ones

import LISPWire
import PacketView

extension Worker where Device: ~Copyable {
    /// The smallest MTU that an IPv6 link may have (RFC 8200 section 5).
    private static var smallestIPv6: Int { 1_280 }

    /// Drops a packet that is too big, unless it may be sent all the same: `placeOversize` says how.
    ///
    /// - Parameter limit: octets of the largest inner packet that fits.
    /// - Returns: whether it was dropped.
    @inline(never)
    mutating func dropOversize(_ index: Int, _ inner: InnerPacket, _ instance: InstanceReader, limit: Int) -> Bool {
        if inner.family == .ipv6 {
            guard batch.entries[index].largest > Self.smallestIPv6 else { return false }
            drop(.exceedsPathMTU, index)
            answer(.packetTooBig(mtu: max(limit, Self.smallestIPv6)), about: index, inner, instance)
            return true
        }
        let packet = UnsafeRawBufferPointer(start: batch.packet(index), count: inner.length)
        if let view = IPv4View(packet), view.dontFragment {
            drop(.exceedsPathMTU, index)
            answer(.packetTooBig(mtu: limit), about: index, inner, instance)
            return true
        }
        guard IPv4Fragmenter(packet, limit: limit) == nil else { return false }
        drop(.exceedsPathMTU, index)
        return true
    }

    /// How an entry leaves that is ready to be sent, too big, and not to be dropped.
    ///
    /// - Parameters:
    ///   - limit: octets of the largest inner packet that fits.
    ///   - list: where it would be queued.
    /// - Returns: where it is to be queued after all; -1: it has been dealt with.
    @inline(never)
    mutating func placeOversize(_ index: Int, _ inner: InnerPacket, limit: Int, _ list: Int) -> Int {
        if inner.family == .ipv6 {
            shared.add(batch.entries[index].packets, to: .sentFragmentable)
            return list < Self.maximumPorts ? Self.fragmentingIPv4 : Self.fragmentingIPv6
        }
        let packet = UnsafeRawBufferPointer(start: batch.packet(index), count: inner.length)
        if batch.entries[index].segments.kind == .none {
            sendFragments(of: packet, index, limit: limit, list)
        } else if var cutter = cutter(of: index) {
            while let segment = nextWhole(&cutter) { sendFragments(of: segment, index, limit: limit, list) }
        }
        return -1
    }

    private mutating func sendFragments(of packet: UnsafeRawBufferPointer, _ index: Int, limit: Int, _ list: Int) {
        guard let fragments = IPv4Fragmenter(packet, limit: limit) else { return drop(.exceedsPathMTU) }
        // The last segment of a train may fit.
        if packet.count > limit { count(.fragmented) }
        sendFragments(fragments, of: index, list)
    }

    /// Sends the fragments of an entry, each with its LISP header, by the source port of the whole packet.
    private mutating func sendFragments(_ fragments: IPv4Fragmenter, of index: Int, _ list: Int) {
        // What came before it leaves before it.
        finishSending()
        var fragments = fragments
        let original = batch.entries + index
        let header = (batch.packet(index) - DataPlaneConstants.lispHeaderSize).loadUnaligned(as: UInt64.self)
        var run = Run()
        var made = 0
        repeat {
            made = 0
            while made < self.fragments.capacity, let length = fragments.next(to: self.fragments.packet(made)) {
                let room = self.fragments.packet(made) - DataPlaneConstants.lispHeaderSize
                room.storeBytes(of: header, as: UInt64.self)
                let entry = self.fragments.entries + made
                entry.pointee = original.pointee
                entry.pointee.length = length
                entry.pointee.next = -1
                if made > 0 { self.fragments.entries[made &- 1].next = made }
                made &+= 1
            }
            if made > 0 { send(list, .fragments, first: 0, &run) }
        } while made == self.fragments.capacity
        flushSent(&run)
    }
}
