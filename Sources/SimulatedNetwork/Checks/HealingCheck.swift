// How soon everybody knows of a change where nothing is lost, and after faults are over, by who it is:
//
// - whoever exchanged data with the site in the last minute: within 5 s (`NewsCheck`, for each change)
// - an RLOC that died is used by nobody after the interval of RLOC-probing and 4 s, and one that lives by everybody
// - a Map-Server has the registration within 75 s
// - the rest learns of it when the TTL ends (`AgreementCheck`): at most 5 % of all entries meanwhile
//
// Where routers have clocks of their own each of these is what the slowest of them takes for it.
//
// A whole look at all map-caches costs seconds in a large network, so it is taken once after healing. What one change concerns is
// looked up in each map-cache.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

package final class HealingCheck: Check {
    package let name = "healing"

    /// Things compared, and those of them that were not as they are to be.
    package struct Share: Hashable, Sendable {
        package fileprivate(set) var all = 0
        package fileprivate(set) var late = 0

        package var percent: Double { all == 0 ? 0 : 100 * Double(late) / Double(all) }

        fileprivate mutating func add(late isLate: Bool) {
            all += 1
            if isLate { late += 1 }
        }
    }

    /// What was compared in a run.
    package struct Summary: Sendable {
        /// RLOCs that died, at each router that used them.
        package fileprivate(set) var deadLocators = Share()
        /// RLOCs at each router that used them, after healing.
        package fileprivate(set) var healedLocators = Share()
        package fileprivate(set) var registrations = Share()
        /// Entries of peers of the last minute, 5 s after healing: of changes while much was lost.
        package fileprivate(set) var healedPeers = Share()
        /// All entries after healing, when all but the rest must know.
        package fileprivate(set) var rest = Share()
        /// Entries for a mapping that changed, 75 s later.
        package fileprivate(set) var entriesOfChanges = Share()
    }

    package static let peerPatience = Duration.seconds(5)
    /// Beyond the interval: the probe and its three retries.
    package static let probePatience = Duration.seconds(4)
    package static let registrationPatience = Duration.seconds(75)
    /// Longer than an RLOC that is new to a router takes to be found dead.
    private static let firstProbes = Duration.seconds(6)

    package private(set) var summary = Summary()
    /// Nothing goes wrong: every change counts.
    package var isCalm = false
    private let agreement: AgreementCheck
    private let probeInterval: Duration
    private let largestRest: Double
    private var deaths: [IPAddress: Instant] = [:]
    private var addresses: [Int: Set<IPAddress>] = [:]
    private var mappings: [Int: [EIDPrefix: DatabaseMapping]] = [:]

    /// - Parameters:
    ///   - probeInterval: the longest of all routers.
    ///   - largestRest: of all entries, in percent.
    package init(_ agreement: AgreementCheck, probeInterval: Duration, largestRest: Double = 5) {
        self.agreement = agreement
        self.probeInterval = probeInterval
        self.largestRest = largestRest
    }

    // MARK: Changes

    package func reset(
        _ node: SimulatedRouter,
        restarted: Bool,
        keepingState: Bool,
        in network: SimulatedNetwork
    ) {
        live(node, at: Set(node.addresses).subtracting(node.deadAddresses), network)
        let etr = node.settings.etr?.mappings ?? []
        let new = Dictionary(etr.map { ($0.eid, $0) }, uniquingKeysWith: { _, last in last })
        let old = mappings.updateValue(new, forKey: node.index) ?? [:]
        let changed = Set(old.keys).union(new.keys).filter { old[$0] != new[$0] }
        guard isCalm, !changed.isEmpty else { return }
        let configured = node.configured
        network.after(network.longest(Self.registrationPatience)) { [weak self, unowned network] in
            guard let self, isCalm, node.isUp, node.configured == configured else { return }
            compareRegistrations(of: node, network)
            for eid in changed.sorted() { countEntries(of: eid, network) }
        }
    }

    package func stopped(_ node: SimulatedRouter, in network: SimulatedNetwork) {
        live(node, at: [], network)
    }

    /// From now on the router can be reached at `new` alone.
    private func live(_ node: SimulatedRouter, at new: Set<IPAddress>, _ network: SimulatedNetwork) {
        let old = addresses.updateValue(new, forKey: node.index) ?? []
        for address in new { deaths[address] = nil }
        for address in old.subtracting(new).sorted() {
            let at = network.now
            deaths[address] = at
            network.after(network.longest(probeInterval + Self.probePatience)) { [weak self, unowned network] in
                guard let self, deaths[address] == at else { return }
                compare(dead: address, network)
            }
        }
    }

    private func compare(dead address: IPAddress, _ network: SimulatedNetwork) {
        for node in network.routers where node.isUp {
            guard let isUsed = uses(address, node, network) else { continue }
            summary.deadLocators.add(late: isUsed)
            guard isUsed else { continue }
            let death = deaths[address]?.inSeconds ?? "?"
            network.violate(self, node, "still sends to \(address), which is dead since \(death)")
        }
    }

    /// Whether a router sends to an RLOC that is in its map-cache; `nil` if that is not to be asked: it is not there, it has just come, or
    /// nobody probes it.
    private func uses(_ address: IPAddress, _ node: SimulatedRouter, _ network: SimulatedNetwork) -> Bool? {
        // What its operator wants counts, not what it does.
        guard let id = node.plane.locatorIDs[address], node.settings.itr?.rlocProbing.isEnabled ?? false,
            let state = node.router.itr?.prober[address],
            !state.isUp || state.since + Self.firstProbes <= network.time(at: node)
        else { return nil }
        return !node.plane.downLocators.contains(id)
    }

    private func compareRegistrations(of node: SimulatedRouter, _ network: SimulatedNetwork) {
        let before = network.violations.count
        agreement.compareRegistrations(of: node, network)
        summary.registrations.add(late: network.violations.count > before)
    }

    private func countEntries(of eid: EIDPrefix, _ network: SimulatedNetwork) {
        let first = EID(instanceID: eid.instanceID, eid.prefix.address)
        for node in network.routers where node.isUp {
            guard let entry = node.router.itr?.cache.longestMatch(first) else { continue }
            summary.entriesOfChanges.add(late: agreement.fault(of: entry, network) != nil)
        }
    }

    // MARK: Healing

    /// Faults are over: what must be right by when. To be called once, with nothing changed until all of that is looked at.
    package func heal(_ network: SimulatedNetwork) {
        let now = network.now
        network.after(Self.peerPatience) { [weak self, unowned network] in self?.comparePeers(since: now, network) }
        network.after(network.longest(probeInterval + Self.probePatience)) { [weak self, unowned network] in
            self?.compareLocators(since: now, network)
        }
        network.after(network.longest(Self.registrationPatience)) { [weak self, unowned network] in
            guard let self else { return }
            for node in network.routers where node.isUp { compareRegistrations(of: node, network) }
            compareAll(network)
        }
    }

    private func comparePeers(since healed: Instant, _ network: SimulatedNetwork) {
        for node in network.routers where node.isUp {
            var key: EIDPrefix?
            while let entry = node.router.itr?.cache.first(after: key) {
                key = entry.eid
                let sites = network.claims.current(for: EID(instanceID: entry.eid.instanceID, entry.eid.prefix.address))
                let isPeer = sites.contains { site in
                    node.addresses.contains { address in
                        network.routers[site.router].plane.exchanged(
                            with: address,
                            since: healed.advanced(by: .zero - .seconds(60))
                        )
                    }
                }
                if isPeer { summary.healedPeers.add(late: agreement.fault(of: entry, network) != nil) }
            }
        }
    }

    private func compareLocators(since healed: Instant, _ network: SimulatedNetwork) {
        for node in network.routers where node.isUp && node.configured < healed {
            let families = Set(node.addresses.map(\.family))
            for address in node.plane.locatorIDs.keys.sorted() where families.contains(address.family) {
                guard let isUsed = uses(address, node, network) else { continue }
                let owner = network.router(at: address)
                let isAlive = owner.map { $0.isUp && !$0.deadAddresses.contains(address) } ?? false
                // One that came or went since is another matter.
                if let owner, owner.configured >= healed { continue }
                summary.healedLocators.add(late: isUsed != isAlive)
                guard isUsed != isAlive else { continue }
                network.violate(self, node, "\(address) is \(isAlive ? "alive and not used" : "dead and used")")
            }
        }
    }

    /// The rest, which has to wait for the TTL.
    private func compareAll(_ network: SimulatedNetwork) {
        for node in network.routers where node.isUp {
            var key: EIDPrefix?
            while let entry = node.router.itr?.cache.first(after: key) {
                key = entry.eid
                summary.rest.add(late: agreement.fault(of: entry, network) != nil)
            }
        }
        let rest = summary.rest
        if rest.percent > largestRest {
            let text = "\(rest.late) of \(rest.all) entries have to wait for their TTL: more than \(largestRest) %"
            network.violate(self, nil, text)
        }
    }
}
