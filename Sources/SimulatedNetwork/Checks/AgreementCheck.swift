// Once faults are over and what is old had time to end, everybody agrees: registrations and map-caches with the databases,
// and packets arrive.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

package final class AgreementCheck: Check {
    package let name = "agreement"

    private struct Probe {
        let packet: UInt64
        let from: Int
        let source: EID
        let to: EID
    }

    /// A packet that arrived where it should.
    package struct Arrival {
        package let source: EID
        package let destination: EID
        /// Where it was sent, and where it arrived.
        package let from: SimulatedRouter
        package let at: SimulatedRouter
    }

    private var probes: [Probe] = []
    /// Found once: roles do not change any more when this is asked.
    private var mapServers: [SimulatedRouter] = []

    package init() {}

    package func healed(_ network: SimulatedNetwork) {
        mapServers = []
        for node in network.routers where node.isUp {
            compareRegistrations(of: node, network)
            compareRegistry(of: node, network)
            compareMapCache(of: node, network)
        }
    }

    /// Whether a Map-Server had no room for the EID-prefix: as many of its site are registered as may be.
    private func hadNoRoom(_ eid: EIDPrefix, _ network: SimulatedNetwork) -> Bool {
        if mapServers.isEmpty { mapServers = network.routers.filter { $0.router.mapServer != nil } }
        return mapServers.contains { node in
            guard let registry = node.router.mapServer?.registry, registry.registered[eid] == nil,
                let configured = registry.configured.longestMatch(eid)?.key
            else { return false }
            let limit = node.limits.registry.prefixesPerConfigured
            return registry.registered.moreSpecifics(of: configured, includingItself: true, limit: limit).count == limit
        }
    }

    /// What an ETR registers stands at its Map-Servers.
    func compareRegistrations(of node: SimulatedRouter, _ network: SimulatedNetwork) {
        guard let etr = node.router.etr else { return }
        for registrar in etr.registrars {
            guard let server = network.router(at: registrar.peer.address)?.router.mapServer else { continue }
            let identity = ETRIdentity.named(etr.settings.xtrID, etr.settings.siteID)
            for mapping in etr.database.mappings where !mapping.locators.isEmpty {
                let found = server.registry.registered[mapping.eid]?.registrations.first { $0.etr == identity }
                if found?.record != mapping.record(), !hadNoRoom(mapping.eid, network) {
                    let state = found == nil ? "is not registered" : "is registered otherwise"
                    network.violate(self, node, "\(mapping.eid) \(state) at \(registrar.peer.address)")
                }
            }
            if !registrar.isUp, !registrar.registrations.isEmpty, registrar.peer.wantsMapNotify {
                network.violate(self, node, "takes \(registrar.peer.address) for down")
            }
        }
    }

    /// What stands at a Map-Server is registered by somebody.
    private func compareRegistry(of node: SimulatedRouter, _ network: SimulatedNetwork) {
        for (prefix, entry) in node.router.mapServer?.registry.registered ?? .init() {
            let claims = network.claims.of(prefix).filter { $0.until == nil }
            if entry.registrations.count != claims.count {
                network.violate(
                    self,
                    node,
                    "\(prefix) has \(entry.registrations.count) registrations, \(claims.count) ETRs have it"
                )
            }
        }
    }

    private func compareMapCache(of node: SimulatedRouter, _ network: SimulatedNetwork) {
        guard let itr = node.router.itr else { return }
        var key: EIDPrefix?
        while let entry = itr.cache.first(after: key) {
            key = entry.eid
            if let fault = fault(of: entry, network) { network.violate(self, node, fault) }
        }
    }

    /// In what an entry differs from what its site says now.
    func fault(of entry: MapCacheEntry, _ network: SimulatedNetwork) -> String? {
        guard entry.isNegative else {
            let claims = network.claims.covering(entry.eid).filter { $0.until == nil }
            let isSupported = BeliefCheck.support(entry, among: claims) != nil
            return isSupported ? nil : "the entry \(entry.eid) is not what its site says now"
        }
        let covered = network.claims.currentPrefixes(within: entry.eid).first { !hadNoRoom($0, network) }
        if let covered { return "the negative entry \(entry.eid) covers \(covered)" }
        let eid = EID(instanceID: entry.eid.instanceID, entry.eid.prefix.address)
        guard let claim = network.claims.current(for: eid).first, claim.mapping.eid.covers(entry.eid),
            !hadNoRoom(claim.mapping.eid, network)
        else { return nil }
        return "the negative entry \(entry.eid) lies in \(claim.mapping.eid)"
    }

    // MARK: Packets

    /// A packet whose arrival is expected.
    package func probe(_ destination: EID, from node: SimulatedRouter, source: EID, in network: SimulatedNetwork) {
        let packet = network.packet(at: node, from: source, to: destination, isWatched: true)
        probes.append(Probe(packet: packet, from: node.index, source: source, to: destination))
    }

    /// Whether the destination can be reached from there: somebody says where it is, and everybody involved has an address
    /// family in common.
    package func isExpected(_ destination: EID, from node: SimulatedRouter, in network: SimulatedNetwork) -> Bool {
        let claims = network.claims.current(for: destination)
        let families = Set(node.addresses.map(\.family))
        return !claims.isEmpty
            && claims.allSatisfy { claim in
                let etr = network.routers[claim.router]
                let locators = claim.mapping.locators.filter {
                    $0.priority != 255 && families.contains($0.address.family)
                }
                return !hadNoRoom(claim.mapping.eid, network) && !families.isDisjoint(with: etr.addresses.map(\.family))
                    && !locators.isEmpty
                    && locators.allSatisfy { network.router(at: $0.address)?.isUp ?? false }
            }
    }

    /// Whether all of them arrived where they should; returns those that did.
    package func finishProbes(in network: SimulatedNetwork) -> [Arrival] {
        var arrivals: [Arrival] = []
        for probe in probes {
            let owners = network.claims.current(for: probe.to).map(\.router)
            switch network.watched.removeValue(forKey: probe.packet) ?? .nowhere {
            case .delivered(let end) where owners.contains(end) || end == probe.from:
                arrivals.append(
                    Arrival(
                        source: probe.source,
                        destination: probe.to,
                        from: network.routers[probe.from],
                        at: network.routers[end]
                    )
                )
            case .delivered(let end):
                let node = network.routers[end]
                network.violate(self, node, "packet \(probe.packet) to \(probe.to) arrived at the wrong site")
            case .outside(let end):
                let node = network.routers[end]
                network.violate(self, node, "packet \(probe.packet) to \(probe.to) is sent natively")
            case .nowhere:
                let node = network.routers[probe.from]
                network.violate(self, node, "packet \(probe.packet) to \(probe.to) never arrived")
            }
        }
        probes = []
        return arrivals
    }
}
