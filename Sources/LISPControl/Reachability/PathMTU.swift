// The path MTU of each RLOC, as far as it is known to be smaller than this host's own interfaces (RFC 9300 section 7.2, RFC 1191,
// RFC 8201). It only ever gets smaller by the word of others, and is forgotten after ten minutes: then a larger packet tries
// again.
//
//     unknown --packet too big--> known --a smaller one--> known
//                                   | --ten minutes since--> unknown

import LISPTables
import LISPWire

/// Does no I/O and reads no clock. The owner tells the forwarding state what comes out, and calls `timeout` at `deadline()`.
package struct PathMTU: Sendable {
    /// Ten minutes (RFC 1191 section 6.3, RFC 8201 section 4).
    package static let lifetime = Duration.seconds(600)
    /// Whatever a router says, no path is taken for narrower than this. Every IPv4 host takes datagrams of 576 octets (RFC 1122
    /// section 3.3.2), and links that carry less are not found where tunnels are.
    package static let smallestIPv4: UInt16 = 576
    /// IPv6 knows no smaller link (RFC 8200 section 5).
    package static let smallestIPv6: UInt16 = 1280
    /// The most that are looked at in one `timeout`.
    static let sliceLimit = 500

    private var known: [IPAddress: UInt16] = [:]
    private var timers = DeadlineQueue<IPAddress>()

    package init() {}

    /// Octets of the largest packet that gets to `rloc`, outer headers included; `nil` when nothing is known.
    package subscript(rloc: IPAddress) -> UInt16? { known[rloc] }

    /// When what is known of `rloc` is forgotten.
    package func expires(_ rloc: IPAddress) -> Instant? { timers[rloc] }

    /// Packets to `rloc` that have more than `mtu` octets do not get there.
    ///
    /// - Returns: what is known now; `nil` if that is as before. A router's word that IPv6 does not allow counts for nothing (RFC
    ///   8201 section 4), nor does one that is no smaller than what is known.
    package mutating func packetTooBig(_ rloc: IPAddress, mtu: UInt16, now: Instant) -> UInt16? {
        let new: UInt16
        switch rloc.family {
        case .ipv4: new = max(mtu, Self.smallestIPv4)
        case .ipv6:
            guard mtu >= Self.smallestIPv6 else { return nil }
            new = mtu
        }
        guard new < known[rloc] ?? .max else { return nil }
        known[rloc] = new
        timers.set(rloc, at: now + Self.lifetime)
        return new
    }

    /// `rloc` is in use no longer.
    package mutating func remove(_ rloc: IPAddress) {
        guard known.removeValue(forKey: rloc) != nil else { return }
        timers.remove(rloc)
    }

    package mutating func deadline() -> Instant? { timers.next }

    /// The RLOCs of which nothing is known any more, some of them if they are many: the rest is due at once.
    package mutating func timeout(now: Instant) -> [IPAddress] {
        var forgotten: [IPAddress] = []
        while forgotten.count < Self.sliceLimit, let rloc = timers.popDue(now) {
            known[rloc] = nil
            forgotten.append(rloc)
        }
        return forgotten
    }
}
