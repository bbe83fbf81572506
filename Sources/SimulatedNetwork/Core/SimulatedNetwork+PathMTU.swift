// Packets have sizes and access links an MTU, where a world wants that.
//
//     host --octets--> ITR, by the path MTU it knows: --fits--> path --fits--> ETR
//       ^               |  |                                     |
//       +-- too big <---+  +-- cut, or fragmentable, past all    +--too big: lost, and with luck an ICMP error to the ITR
//
// What the ITR does is what lispd's data plane does (docs/decisions/path-mtu.md). A host that is told sends smaller packets at once.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

/// How large the packets of a flow are, in one direction.
package struct PacketSize: Sendable {
    package var octets: Int
    /// IPv4 without DF.
    package var mayBeCut = false
    /// Since when they have been lost for their size on the path to an RLOC, burst after burst, and when the last was.
    package internal(set) var lost: (to: IPAddress, since: Instant, last: Instant)?

    package init(octets: Int, mayBeCut: Bool = false) {
        self.octets = octets
        self.mayBeCut = mayBeCut
    }
}

extension SimulatedNetwork {
    /// Of every router's own interfaces.
    package static let interfaceMTU = 1500
    private static let smallestIPv6 = 1280

    /// IP, UDP and LISP.
    package static func outerHeaders(_ family: AddressFamily) -> Int { family == .ipv4 ? 36 : 56 }

    /// The largest packet of a host that the TUN of a router takes.
    package static func tunMTU(of node: SimulatedRouter) -> Int {
        interfaceMTU - outerHeaders(node.addresses.contains { $0.family == .ipv6 } ? .ipv6 : .ipv4)
    }

    /// Octets of the largest packet, outer headers included, that gets from one router to the other.
    package func pathMTU(_ node: SimulatedRouter, _ target: SimulatedRouter, _ family: AddressFamily) -> Int {
        let narrowest = min(node.linkMTU, target.linkMTU)
        return family == .ipv4 ? narrowest : max(narrowest, Self.smallestIPv6)
    }

    /// The access link of a router carries as much from now on.
    package func setLinkMTU(_ mtu: Int, of node: SimulatedRouter) {
        guard node.linkMTU != mtu else { return }
        node.linkMTU = mtu
        counts.linkMTUChanges += 1
        record(node, .life("its link carries \(mtu) octets"))
    }

    /// Tells a host, if need be, that its packets are too big for what the ITR knows of the path, until they fit.
    ///
    /// - Returns: octets of what is sent on the path, outer headers included.
    func fit(_ size: inout PacketSize, _ packet: SimulatedPacket, at node: SimulatedRouter, to rloc: IPAddress) -> Int {
        let outer = Self.outerHeaders(rloc.family)
        guard let known = node.plane.mtu(of: rloc).map(Int.init), size.octets + outer > known else {
            return size.octets + outer
        }
        let isIPv6 = packet.destination.address.family == .ipv6
        if !size.mayBeCut, !isIPv6 || size.octets > Self.smallestIPv6 {
            counts.packets += 1
            ended(packet, .exceedsPathMTU)
            size.octets = isIPv6 ? max(known - outer, Self.smallestIPv6) : known - outer
            record(node, .packet(packet, "too big for \(rloc): its host is told \(size.octets)"))
        }
        guard size.octets + outer > known else { return size.octets + outer }
        // In fragments, each of which fits whatever there is on the path: of the inner packet, or where that is IPv6 of the outer one.
        counts.burstsCut += 1
        return min(known, rloc.family == .ipv4 ? 576 : Self.smallestIPv6)
    }

    /// Something on the path does not carry a packet, and tells its sender.
    func refuse(from node: SimulatedRouter, _ rloc: IPAddress, mtu: Int, _ path: LinkConditions) {
        guard !linkRandom.chance(perMille: max(path.loss, sizeErrorLoss)) else {
            counts.sizeErrorsLost += 1
            return
        }
        let flight = Flight.tooBig(node: node.index, rloc, UInt16(clamping: mtu))
        queue.plan(.arrival, flights.put(flight), at: now + path.delay)
    }

    /// An ICMP error says what the path to an RLOC carries. Nobody vouches for it.
    func hearTooBig(at node: SimulatedRouter, _ rloc: IPAddress, mtu: UInt16) {
        guard node.isUp, node.plane.locatorIDs[rloc] != nil else { return }
        counts.sizeErrors += 1
        hash.add(UInt64(node.index) << 32 | UInt64(mtu) << 8 | 9)
        record(node, .life("hears that the path to \(rloc) carries \(mtu) octets"))
        for check in checks { check.hearing(mtu, of: rloc, at: node, in: self) }
        act(node) { router, now, _ in router.noticed(.packetTooBig(rloc, mtu: mtu), now: now) }
    }
}
