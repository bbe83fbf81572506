// How long it takes after each kind of change until everybody concerned knows.
//
//     a change --> who is concerned: ITRs with an entry for the EID-prefix or with the RLOC, registrations that have to come back
//              --> each has one goal until it agrees with the truth, or ceases to be concerned
//              --> the change is over when nobody has a goal left; the last one's time is the change's
//
// Where a later change gives a router the same goal anew, the earlier change does not concern it any more: that router was overtaken.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

final class ConvergenceTimes {
    /// What one router has to come to.
    enum Goal: Hashable {
        case mapping(EIDPrefix)
        case locator(IPAddress)
        /// At a Map-Server: this ETR registers the EID-prefix again.
        case registration(EIDPrefix, router: Int)
    }

    private final class Change {
        let kind: ChangeKind
        let at: Instant
        let eid: EIDPrefix?
        var open = 0
        var openPeers = 0
        var last: Duration?
        var lastPeer: Duration?

        init(_ kind: ChangeKind, at: Instant, eid: EIDPrefix?) {
            self.kind = kind
            self.at = at
            self.eid = eid
        }
    }

    private struct Wait {
        let change: Change
        /// It exchanged data with the site in the minute before.
        let isPeer: Bool
        /// Of an RLOC.
        var isUp = false
    }

    /// What is kept of one kind.
    struct Result {
        var changes: UInt64 = 0
        /// Routers and registrations that agreed, and those that a later change overtook before they did.
        var learnt: UInt64 = 0
        var overtaken: UInt64 = 0
        /// By change: until everybody, and everybody who exchanged data lately, agreed.
        var all = LogLinearHistogram()
        var peers = LogLinearHistogram()
    }

    private(set) var results: [ChangeKind: Result] = [:]
    /// From what ended a registration, or made it doubtful, to its next Map-Register: each one.
    private(set) var registeredAgain: [ChangeKind: LogLinearHistogram] = [:]
    private var waits: [Int: [Goal: Wait]] = [:]
    private var mappings: [Int: [EIDPrefix: DatabaseMapping]] = [:]
    private var dead: Set<IPAddress> = []
    private var latest: Change?
    private static let memory = Duration.seconds(60)

    /// Goals that are still open.
    var open: Int { waits.values.reduce(0) { $0 + $1.count } }

    // MARK: Changes

    func reset(_ node: SimulatedRouter, restarted: Bool, keepingState: Bool, _ network: SimulatedNetwork) {
        changedMappings(of: node, isStart: restarted, network)
        guard restarted, node.incarnation > 1 else { return }
        for address in node.addresses { happened(.rlocBack(address), network) }
        if node.router.mapServer != nil {
            let change = Change(.mapServerRestart, at: network.now, eid: nil)
            for other in network.routers where other.isUp { register(other, at: node, for: change, network) }
            begun(change)
        }
        guard let etr = node.router.etr, !etr.registrars.isEmpty else { return }
        let change = Change(keepingState ? .siteRestart : .siteRestartStateLost, at: network.now, eid: nil)
        register(node, at: nil, for: change, network)
        begun(change)
    }

    private func changedMappings(of node: SimulatedRouter, isStart: Bool, _ network: SimulatedNetwork) {
        let etr = node.settings.etr
        let new = Dictionary((etr?.mappings ?? []).map { ($0.eid, $0) }, uniquingKeysWith: { _, last in last })
        let old = mappings.updateValue(new, forKey: node.index) ?? [:]
        // A site that starts says what it said before, or nobody has heard of it yet.
        guard !isStart, !network.isBeingBuilt, etr?.mapServers.isEmpty == false else { return }
        for eid in Set(old.keys).union(new.keys).sorted() where old[eid] != new[eid] {
            mappingChanged(eid, Self.kind(from: old[eid], to: new[eid]), of: node, network)
        }
    }

    private static func kind(from old: DatabaseMapping?, to new: DatabaseMapping?) -> ChangeKind {
        guard let old else { return .prefixAdded }
        guard let new else { return .prefixRemoved }
        let isSame = Set(old.locators.map(\.address)) == Set(new.locators.map(\.address))
        return isSame ? .preferenceChange : .rlocChange
    }

    private func mappingChanged(
        _ eid: EIDPrefix,
        _ kind: ChangeKind,
        of node: SimulatedRouter,
        _ network: SimulatedNetwork
    ) {
        // The routers of a site change at one moment: that is one change.
        let isSame = latest.map { $0.at == network.now && $0.eid == eid } ?? false
        let change: Change
        if isSame, let latest { change = latest } else { change = Change(kind, at: network.now, eid: eid) }
        latest = change
        let peers = Set(node.plane.peers(within: Self.memory, now: network.now).map(\.rloc))
        let first = EID(instanceID: eid.instanceID, eid.prefix.address)
        for other in network.routers where other !== node && other.isUp {
            guard let entry = other.router.itr?.cache.longestMatch(first), !entry.isStatic,
                entry.expires > network.time(at: other)
            else { continue }
            let isPeer = other.addresses.contains { peers.contains($0) }
            wait(other, .mapping(eid), Wait(change: change, isPeer: isPeer), network)
        }
        if !isSame { begun(change) }
    }

    func happened(_ event: NetworkEvent, _ network: SimulatedNetwork) {
        switch event {
        case .rlocDead(let rloc):
            if dead.insert(rloc).inserted { turned(rloc, isUp: false, network) }
        case .rlocBack(let rloc):
            if dead.remove(rloc) != nil { turned(rloc, isUp: true, network) }
        case .partitionHealed: healed(network)
        }
    }

    /// A router goes: what it had to learn it need not, and its RLOCs are dead.
    func stopping(_ node: SimulatedRouter, _ network: SimulatedNetwork) {
        for wait in waits.removeValue(forKey: node.index)?.values ?? [:].values { close(wait, after: nil) }
        for address in node.addresses { happened(.rlocDead(address), network) }
    }

    private func turned(_ rloc: IPAddress, isUp: Bool, _ network: SimulatedNetwork) {
        let change = Change(isUp ? .rlocBack : .rlocDead, at: network.now, eid: nil)
        for node in network.routers where node.isUp && !node.addresses.contains(rloc) {
            // The forwarding state has the same RLOCs, and is looked at without a copy of the whole ITR.
            guard node.plane.locatorIDs[rloc] != nil, let itr = node.router.itr else { continue }
            if let known = waits[node.index]?[.locator(rloc)] { overtake(.locator(rloc), known, at: node) }
            guard itr.isUp(rloc) != isUp else { continue }
            let isPeer = isPeer(node, rloc, network)
            wait(node, .locator(rloc), Wait(change: change, isPeer: isPeer, isUp: isUp), network)
        }
        begun(change)
    }

    /// Whether it exchanged data with the RLOC lately.
    private func isPeer(_ node: SimulatedRouter, _ rloc: IPAddress, _ network: SimulatedNetwork) -> Bool {
        node.plane.peers(within: Self.memory, now: network.now).contains { $0.rloc == rloc }
    }

    private func healed(_ network: SimulatedNetwork) {
        let change = Change(.partitionHealed, at: network.now, eid: nil)
        for node in network.routers where node.isUp {
            register(node, at: nil, for: change, network, onlyMissing: true)
            guard let itr = node.router.itr else { continue }
            for locator in itr.locators.locators where !itr.isUp(locator.address) {
                guard let other = network.router(at: locator.address), other.isUp,
                    other.partition == node.partition, !dead.contains(locator.address)
                else { continue }
                let isPeer = isPeer(node, locator.address, network)
                wait(node, .locator(locator.address), Wait(change: change, isPeer: isPeer, isUp: true), network)
            }
        }
        begun(change)
    }

    /// What `node` registers has to be registered once more, at `server` or wherever it does.
    private func register(
        _ node: SimulatedRouter,
        at server: SimulatedRouter?,
        for change: Change,
        _ network: SimulatedNetwork,
        onlyMissing: Bool = false
    ) {
        guard let etr = node.router.etr else { return }
        for registrar in etr.registrars {
            guard let target = network.router(at: registrar.peer.address), target.isUp, target === server ?? target
            else { continue }
            for mapping in etr.database.mappings where !mapping.locators.isEmpty {
                let goal = Goal.registration(mapping.eid, router: node.index)
                if onlyMissing, registered(mapping.eid, by: node, at: target) != nil { continue }
                wait(target, goal, Wait(change: change, isPeer: true), network)
            }
        }
    }

    private func registered(_ eid: EIDPrefix, by node: SimulatedRouter, at server: SimulatedRouter) -> Instant? {
        guard let etr = node.router.etr else { return nil }
        let identity = ETRIdentity.named(etr.settings.xtrID, etr.settings.siteID)
        let registrations = server.router.mapServer?.registry.registered[eid]?.registrations
        return registrations?.first { $0.etr == identity }?.lastRegistered
    }

    private func wait(_ node: SimulatedRouter, _ goal: Goal, _ wait: Wait, _ network: SimulatedNetwork) {
        if let known = waits[node.index]?[goal] {
            if known.change === wait.change { return }
            overtake(goal, known, at: node)
        }
        // Who agrees already is not concerned.
        guard isOver(goal, wait, at: node, network) == false else { return }
        waits[node.index, default: [:]][goal] = wait
        wait.change.open += 1
        if wait.isPeer { wait.change.openPeers += 1 }
    }

    private func overtake(_ goal: Goal, _ wait: Wait, at node: SimulatedRouter) {
        waits[node.index]?[goal] = nil
        close(wait, after: nil)
        results[wait.change.kind, default: Result()].overtaken += 1
    }

    private func begun(_ change: Change) {
        results[change.kind, default: Result()].changes += 1
        finish(change)
    }

    // MARK: Goals

    /// Whether the router has come to it; `nil`: it is not concerned any more.
    private func isOver(_ goal: Goal, _ wait: Wait, at node: SimulatedRouter, _ network: SimulatedNetwork) -> Bool? {
        switch goal {
        case .mapping(let eid):
            let first = EID(instanceID: eid.instanceID, eid.prefix.address)
            guard let entry = node.router.itr?.cache.longestMatch(first), entry.expires > network.time(at: node)
            else { return true }
            let truth = network.claims.current(for: first)
            if entry.isNegative { return truth.isEmpty }
            guard truth.first?.mapping.eid.covers(entry.eid) ?? false else { return false }
            let current = network.claims.covering(entry.eid).filter { $0.until == nil }
            return BeliefCheck.support(entry, among: current) != nil
        case .locator(let rloc):
            guard let itr = node.router.itr, itr.locators[rloc] != nil else { return nil }
            return itr.isUp(rloc) == wait.isUp
        case .registration(let eid, let index):
            let etr = network.routers[index]
            guard etr.isUp, etr.router.etr?.database[eid] != nil else { return nil }
            return registered(eid, by: etr, at: node).map { $0 >= node.clock.local(wait.change.at) } ?? false
        }
    }

    /// A Map-Register reached a Map-Server.
    func received(_ register: MapRegister, of router: Int, at node: SimulatedRouter, _ network: SimulatedNetwork) {
        guard let own = waits[node.index] else { return }
        for eid in register.records.lazy.compactMap(\.eidPrefix) {
            let goal = Goal.registration(eid, router: router)
            if let wait = own[goal], isOver(goal, wait, at: node, network) == true { reached(goal, at: node, network) }
        }
    }

    func isWaiting(_ node: SimulatedRouter) -> Bool { waits[node.index] != nil }

    /// Something at the router has changed.
    func look(at node: SimulatedRouter, _ network: SimulatedNetwork) {
        guard let own = waits[node.index] else { return }
        for (goal, wait) in own {
            switch isOver(goal, wait, at: node, network) {
            case true: reached(goal, at: node, network)
            case nil:
                waits[node.index]?[goal] = nil
                close(wait, after: nil)
            default: break
            }
        }
        if waits[node.index]?.isEmpty ?? false { waits[node.index] = nil }
    }

    private func reached(_ goal: Goal, at node: SimulatedRouter, _ network: SimulatedNetwork) {
        guard let wait = waits[node.index]?.removeValue(forKey: goal) else { return }
        let time = wait.change.at.duration(to: network.now)
        if case .registration = goal { registeredAgain[wait.change.kind, default: LogLinearHistogram()].add(time) }
        results[wait.change.kind, default: Result()].learnt += 1
        close(wait, after: time)
    }

    private func close(_ wait: Wait, after time: Duration?) {
        let change = wait.change
        change.open -= 1
        if let time { change.last = max(change.last ?? .zero, time) }
        if wait.isPeer {
            change.openPeers -= 1
            if let time { change.lastPeer = max(change.lastPeer ?? .zero, time) }
        }
        finish(change)
    }

    private func finish(_ change: Change) {
        if change.openPeers == 0, let time = change.lastPeer {
            results[change.kind, default: Result()].peers.add(time)
            change.lastPeer = nil
        }
        if change.open == 0, let time = change.last {
            results[change.kind, default: Result()].all.add(time)
            change.last = nil
        }
    }
}
