// A packet of a host, as far as it matters here.

import ForwardingInterface
import LISPWire

package struct SimulatedPacket: Hashable, Sendable {
    /// No two alike in a run.
    package let id: UInt64
    package let source: EID
    package let destination: EID

    /// What chooses the locator: the same for all packets of a flow.
    var flow: UInt64 {
        let bits = destination.address.leftAligned ^ (source.address.leftAligned << 1)
        let folded = UInt64(truncatingIfNeeded: bits >> 64) ^ UInt64(truncatingIfNeeded: bits)
        return (folded &* 0x9e37_79b9_7f4a_7c15) >> 32
    }

    /// The packet as it is handed to the control plane. Its octets hold the identity, so that it is known again.
    func miss(size: Int) -> ForwardingMiss {
        var octets = [UInt8](repeating: 0, count: max(8, size))
        for place in 0..<8 { octets[place] = UInt8(truncatingIfNeeded: id >> (8 * UInt64(place))) }
        return ForwardingMiss(source: source, destination: destination, packet: octets)
    }

    init(id: UInt64, source: EID, destination: EID) {
        self.id = id
        self.source = source
        self.destination = destination
    }

    init(_ miss: ForwardingMiss) {
        let id = miss.packet.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
        self.init(id: id, source: miss.source, destination: miss.destination)
    }
}
