// No mapping is used past its time (RFC 9301 section 5.4), by the clock of the router that uses it.

import LISPControl
import LISPTables
import LISPWire

package final class ExpiryCheck: Check {
    package let name = "expiry"

    package init() {}

    package func forwarded(
        _ packet: SimulatedPacket,
        by eid: EIDPrefix,
        at node: SimulatedRouter,
        in network: SimulatedNetwork
    ) {
        guard let entry = node.router.itr?.cache[eid], entry.expires < network.time(at: node) else { return }
        network.violate(self, node, "a packet went by \(eid), which was over at \(entry.expires.inSeconds)")
    }

    package func audit(_ node: SimulatedRouter, in network: SimulatedNetwork) {
        guard let itr = node.router.itr else { return }
        var key: EIDPrefix?
        while let entry = itr.cache.first(after: key) {
            key = entry.eid
            if entry.expires < network.time(at: node) {
                network.violate(self, node, "\(entry.eid) is kept, and was over at \(entry.expires.inSeconds)")
            }
        }
    }
}
