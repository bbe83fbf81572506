// Whoever exchanged data with a site in the last minute hears within seconds that its mappings have changed (RFC 9301
// section 6.1). For networks in which nothing is lost: a lost SMR may leave its receiver with the old mapping until the TTL ends.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

package final class NewsCheck: Check {
    package let name = "news"
    /// How soon they have heard. Where a site changes again and again it is longer than an SMR waits for its turn at an RLOC, its
    /// receiver for its turn to ask, and the answer takes.
    private let patience: Duration
    /// Less than the ETR's memory, so that nobody is expected to be told at its very end.
    private static let memory = Duration.seconds(55)

    private struct Change {
        let router: Int
        let eid: EIDPrefix
        let at: Instant
        let peers: Set<IPAddress>
    }

    private var mappings: [Int: [EIDPrefix: DatabaseMapping]] = [:]
    private var addresses: [Int: (all: [IPAddress], since: Instant)] = [:]
    /// The oldest first.
    private var changes: [Change] = []

    /// Whether changes count now: nothing is lost.
    package var isCalm = true {
        didSet { if !isCalm { changes = [] } }
    }

    package init(patience: Duration = .seconds(12)) {
        self.patience = patience
    }

    package func reset(
        _ node: SimulatedRouter,
        restarted: Bool,
        keepingState: Bool,
        in network: SimulatedNetwork
    ) {
        if addresses[node.index]?.all != node.addresses { addresses[node.index] = (node.addresses, network.now) }
        let etr = node.settings.etr
        let new = Dictionary((etr?.mappings ?? []).map { ($0.eid, $0) }, uniquingKeysWith: { _, last in last })
        let old = mappings.updateValue(new, forKey: node.index) ?? [:]
        let changed = Set(old.keys).union(new.keys).filter { old[$0] != new[$0] }
        let pending = changes.filter { $0.router == node.index && (restarted || changed.contains($0.eid)) }
        changes.removeAll { $0.router == node.index && (restarted || changed.contains($0.eid)) }
        guard isCalm, !restarted, !changed.isEmpty, let servers = etr?.mapServers, !servers.isEmpty else { return }
        let peers = node.plane.peers(within: Self.memory, now: network.now).map(\.rloc)
        // Whom it has no address for any more it cannot tell.
        let families = Set(node.addresses.map(\.family))
        for eid in changed.sorted() {
            // Who has not been told of the change before is told of this one instead.
            let untold = pending.filter { $0.eid == eid && $0.at + SMRSender.interval > network.now }
            let all = untold.reduce(into: Set(peers)) { $0.formUnion($1.peers) }
            let told = all.filter { families.contains($0.family) && !node.addresses.contains($0) }
            changes.append(Change(router: node.index, eid: eid, at: network.now, peers: told))
        }
    }

    package func acted(_ node: SimulatedRouter, in network: SimulatedNetwork) {
        while let change = changes.first, change.at + network.longest(patience) <= network.now {
            changes.removeFirst()
            for peer in change.peers.sorted() {
                if let node = network.router(at: peer) { compare(node, with: change, in: network) }
            }
        }
    }

    private func compare(_ node: SimulatedRouter, with change: Change, in network: SimulatedNetwork) {
        // One that had another address when the data passed cannot be reached there, nor at one whose interface is down.
        guard node.isUp, node.deadAddresses.isEmpty, let itr = node.router.itr,
            let since = addresses[node.index]?.since,
            since < change.at.advanced(by: .zero - .seconds(61))
        else { return }
        let eid = change.eid
        let first = EID(instanceID: eid.instanceID, eid.prefix.address)
        guard let entry = itr.cache.longestMatch(first), entry.expires > network.time(at: node) else { return }
        // What another router of the site, or another site, has changed since is looked at in its turn.
        let host = EIDPrefix(instanceID: eid.instanceID, IPPrefix(host: first.address))
        let isOvertaken = network.claims.covering(host).contains { claim in
            claim.from > change.at || claim.until.map { $0 > change.at } ?? false
        }
        guard !isOvertaken else { return }
        let truth = network.claims.current(for: first)
        if let fault = Self.fault(of: entry, truth, network) {
            let site = network.routers[change.router].name
            network.violate(self, node, "\(patience) after \(eid) of \(site) changed \(entry.eid) \(fault)")
        }
    }

    private static func fault(of entry: MapCacheEntry, _ truth: [Claim], _ network: SimulatedNetwork) -> String? {
        if entry.isNegative { return truth.isEmpty ? nil : "is still negative" }
        guard let eid = truth.first?.mapping.eid, eid.covers(entry.eid) else { return "covers what it should not" }
        let current = network.claims.covering(entry.eid).filter { $0.until == nil }
        return BeliefCheck.support(entry, among: current) == nil ? "has the old locators" : nil
    }
}
