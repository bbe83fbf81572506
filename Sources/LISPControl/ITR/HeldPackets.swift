// Packets that wait for the mapping of their destination. Bounded per EID, per source and in all; what does not fit is counted.

import ForwardingInterface
import LISPWire

/// The waiting packets, by the EID that was asked for, in order of arrival.
package struct HeldPackets: Sendable {
    package struct Limits: Hashable, Sendable {
        package var packetsPerEID: Int
        package var octets: Int
        /// Of the packets of one source, so that none takes the place of all others.
        package var octetsPerSource: Int

        /// - Parameter octetsPerSource: `nil`: an eighth of `octets`.
        package init(packetsPerEID: Int = 16, octets: Int = 8 << 20, octetsPerSource: Int? = nil) {
            self.packetsPerEID = packetsPerEID
            self.octets = octets
            self.octetsPerSource = octetsPerSource ?? octets / 8
        }
    }

    /// Why a packet is not kept.
    package enum Refusal: Hashable, Sendable {
        case full
        case sourceFull
    }

    package let limits: Limits
    package private(set) var packets: [EID: [ForwardingMiss]] = [:]
    /// Octets of all waiting packets.
    package private(set) var octets = 0
    /// The same of each source that has any.
    package private(set) var octetsBySource: [MissSource: Int] = [:]

    package init(limits: Limits = Limits()) {
        self.limits = limits
    }

    package var isEmpty: Bool { packets.isEmpty }

    /// Keeps the packet, unless that would pass a limit: then it is the caller's to drop and count.
    package mutating func hold(_ miss: ForwardingMiss) -> Refusal? {
        let size = miss.packet.count
        guard octets + size <= limits.octets else { return .full }
        guard packets[miss.destination, default: []].count < limits.packetsPerEID else { return .full }
        let source = MissSource(miss.source)
        guard octetsBySource[source, default: 0] + size <= limits.octetsPerSource else { return .sourceFull }
        packets[miss.destination, default: []].append(miss)
        octets += size
        octetsBySource[source, default: 0] += size
        return nil
    }

    /// Takes out what waits for `eid`.
    package mutating func take(_ eid: EID) -> [ForwardingMiss] {
        guard let taken = packets.removeValue(forKey: eid) else { return [] }
        for miss in taken {
            let source = MissSource(miss.source)
            octets -= miss.packet.count
            let left = octetsBySource[source, default: 0] - miss.packet.count
            octetsBySource[source] = left > 0 ? left : nil
        }
        return taken
    }
}
