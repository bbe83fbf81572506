// Packets go where they belong: a held packet comes back at most once and unchanged, and a packet that is encapsulated reaches
// a router of which somebody said that the destination is there.

import LISPControl
import LISPTables
import LISPWire

package final class PacketCheck: Check {
    package let name = "packet"

    /// Packets handed to control planes in this minute and the one before, with the router's index.
    private var recent: [SimulatedPacket: Int] = [:]
    private var older: [SimulatedPacket: Int] = [:]
    private var turned = Instant.zero

    package init() {}

    package func handedOver(_ packet: SimulatedPacket, at node: SimulatedRouter, in network: SimulatedNetwork) {
        if turned.duration(to: network.now) > .seconds(60) {
            older = recent
            recent = [:]
            turned = network.now
        }
        recent[packet] = node.index
    }

    package func released(_ packet: SimulatedPacket, at node: SimulatedRouter, in network: SimulatedNetwork) {
        let holder = recent.removeValue(forKey: packet) ?? older.removeValue(forKey: packet)
        if holder != node.index {
            network.violate(self, node, "releases packet \(packet.id) to \(packet.destination), which it does not hold")
        }
    }

    package func decapsulated(
        _ packet: SimulatedPacket,
        at node: SimulatedRouter,
        rloc: IPAddress,
        in network: SimulatedNetwork
    ) {
        guard !node.serves(packet.destination), !node.accepts(from: packet.source) else { return }
        let host = EIDPrefix(
            instanceID: packet.destination.instanceID,
            IPPrefix(host: packet.destination.address)
        )
        // The site may have moved or the prefix gone since; but it was there.
        let wasThere = network.claims.covering(host).contains { claim in
            claim.mapping.locators.contains { $0.address == rloc }
        }
        if !wasThere {
            network.violate(self, node, "a packet to \(packet.destination) comes to \(rloc), where it never was")
        }
    }
}
