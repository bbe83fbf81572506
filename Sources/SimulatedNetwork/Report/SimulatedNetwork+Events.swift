// What a network tells its checks beside what its routers do: what was lost and why, where packets ended, what happened outside.

import LISPWire

extension SimulatedNetwork {
    /// A datagram, or a packet in its tunnel, does not arrive.
    func lost(_ flight: Flight, _ reason: LossReason) {
        counts.datagramsLost += 1
        switch flight {
        case .datagram(let payload, _, _, _):
            for check in checks { check.lost(payload, reason, in: self) }
        case .packet(let packet, _, _):
            ended(packet, PacketEnd(reason))
        case .echo, .tooBig:
            break
        }
    }

    /// So many packets of a host ended there.
    func ended(_ packet: SimulatedPacket, _ end: PacketEnd, count: Int = 1) {
        for check in checks { check.ended(packet, end, count: count, in: self) }
    }

    /// Something happened outside of all routers.
    package func tell(_ event: NetworkEvent) {
        for check in checks { check.happened(event, in: self) }
    }
}
