// Packets that wait for the mapping of their destination. Bounded per EID and in all; what does not fit is counted.

import ForwardingInterface
import LISPWire

/// The waiting packets, by the EID that was asked for, in order of arrival.
package struct HeldPackets: Sendable {
    package struct Limits: Hashable, Sendable {
        package var packetsPerEID: Int
        package var octets: Int

        package init(packetsPerEID: Int = 16, octets: Int = 8 << 20) {
            self.packetsPerEID = packetsPerEID
            self.octets = octets
        }
    }

    package let limits: Limits
    package private(set) var packets: [EID: [ForwardingMiss]] = [:]
    /// Octets of all waiting packets.
    package private(set) var octets = 0

    package init(limits: Limits = Limits()) {
        self.limits = limits
    }

    package var isEmpty: Bool { packets.isEmpty }

    /// Keeps the packet; `false` if that would pass a limit, and then it is the caller's to drop and count.
    package mutating func hold(_ miss: ForwardingMiss) -> Bool {
        guard octets + miss.packet.count <= limits.octets else { return false }
        guard packets[miss.destination, default: []].count < limits.packetsPerEID else { return false }
        packets[miss.destination, default: []].append(miss)
        octets += miss.packet.count
        return true
    }

    /// Takes out what waits for `eid`.
    package mutating func take(_ eid: EID) -> [ForwardingMiss] {
        guard let taken = packets.removeValue(forKey: eid) else { return [] }
        octets -= taken.reduce(0) { $0 + $1.packet.count }
        return taken
    }
}
