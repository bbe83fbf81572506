// Nothing the network sends makes memory grow without bound: every store of a router stays within the limit that its operator
// set, or that the code promises.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

package final class LimitCheck: Check {
    package let name = "limit"

    /// Routers whose stores may have grown since they were last looked at.
    private var concerned: Set<Int> = []

    package init() {}

    package func handedOver(_ packet: SimulatedPacket, at node: SimulatedRouter, in network: SimulatedNetwork) {
        concerned.insert(node.index)
    }

    package func receiving(_ message: ReceivedControlMessage, at node: SimulatedRouter, in network: SimulatedNetwork) {
        // An SMR (S-bit), or map data (M-bit).
        let isMapRequest = ControlMessageKind(payload: message.payload) == .mapRequest
        if isMapRequest, message.payload[0] & 0x05 != 0 { concerned.insert(node.index) }
    }

    package func updated(_ updates: [ForwardingUpdate], at node: SimulatedRouter, in network: SimulatedNetwork) {
        for case .putEntry in updates { concerned.insert(node.index) }
    }

    package func acted(_ node: SimulatedRouter, in network: SimulatedNetwork) {
        guard !concerned.isEmpty, concerned.remove(node.index) != nil else { return }
        guard let limit = node.settings.itr?.mapCacheLimit, let open = node.router.itr?.openQuestions else { return }
        hold("map-cache entries", node.router.itr?.cache.count ?? 0, within: limit, node, network)
        hold("open questions", open.eids, within: node.limits.questions, node, network)
        hold("nonces that are believed", open.nonces, within: 3 * node.limits.questions, node, network)
        let octets = node.router.itr?.held.octets ?? 0
        hold("octets of held packets", octets, within: node.limits.held.octets, node, network)
        hold("sources", node.router.itr?.knownSources ?? 0, within: ITR.sourceLimit, node, network)
    }

    package func audit(_ node: SimulatedRouter, in network: SimulatedNetwork) {
        if let itr = node.router.itr {
            var octets = 0
            for (eid, packets) in itr.held.packets {
                let name = "packets held for \(eid)"
                hold(name, packets.count, within: node.limits.held.packetsPerEID, node, network)
                octets += packets.reduce(0) { $0 + $1.packet.count }
            }
            for (source, octets) in itr.held.octetsBySource {
                hold("octets held of \(source)", octets, within: node.limits.held.octetsPerSource, node, network)
            }
            let negative = itr.cache.negativeCounts.values.reduce(0, +)
            hold("negative entries", negative, within: itr.settings.negativeLimit, node, network)
            if octets != itr.held.octets {
                network.violate(self, node, "\(octets) octets are held, \(itr.held.octets) accounted for")
            }
        }
        if let etr = node.router.etr {
            hold("counted answers", etr.answers.count, within: etr.database.count, node, network)
        }
        if let server = node.router.mapServer { audit(server, node, network) }
    }

    private func audit(_ server: MapServer, _ node: SimulatedRouter, _ network: SimulatedNetwork) {
        let limits = node.limits.registry
        var prefixes: [EIDPrefix: Int] = [:]
        var registrations = 0
        for (prefix, entry) in server.registry.registered {
            hold("ETRs of \(prefix)", entry.registrations.count, within: limits.etrsPerPrefix, node, network)
            prefixes[entry.configured, default: 0] += 1
            registrations += entry.registrations.count
        }
        for configured in prefixes.keys.sorted() {
            let count = prefixes[configured, default: 0]
            hold("registrations in \(configured)", count, within: limits.prefixesPerConfigured, node, network)
        }
        hold("unacknowledged Map-Notifies", server.unacknowledgedNotifies, within: registrations, node, network)
        var senders: [String: Int] = [:]
        for history in server.nonces.saved {
            senders[history.site, default: 0] += 1
            let name = "nonces of \(history.etr)"
            hold(name, history.messages.count, within: NonceGuard.remembered, node, network)
        }
        for site in senders.keys.sorted() {
            hold("ETRs remembered of site \(site)", senders[site, default: 0], within: NonceGuard.limit, node, network)
        }
    }

    private func hold(
        _ store: @autoclosure () -> String,
        _ count: Int,
        within limit: Int,
        _ node: SimulatedRouter,
        _ network: SimulatedNetwork
    ) {
        if count > limit { network.violate(self, node, "\(store()): \(count), at most \(limit) are allowed") }
    }
}
