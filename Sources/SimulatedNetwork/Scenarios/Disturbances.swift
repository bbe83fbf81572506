// What goes wrong in a world while it is disturbed, and what its operators change meanwhile.

import LISPControl
import LISPTables
import LISPWire

/// Draws disturbances one after another until it is stopped, and then puts everything right.
final class Disturbances {
    private let world: World
    private var network: SimulatedNetwork { world.network }
    private var random: SeededRandom
    private var isActive = true
    private var partitions = 0
    /// Operators change what they change, and nothing goes wrong.
    private let onlyChanges: Bool

    init(_ world: World, onlyChanges: Bool) {
        self.world = world
        self.onlyChanges = onlyChanges
        random = SeededRandom(seed: world.network.seed, stream: 5)
    }

    /// One every `interval` on average.
    func start(every interval: Duration) {
        if !onlyChanges { network.sizeErrorLoss = 300 }
        network.after(random.duration(upTo: interval * 2)) { [weak self] in
            guard let self, isActive else { return }
            disturb()
            start(every: interval)
        }
    }

    /// From now on nothing is lost or separated, everybody runs.
    func stop() {
        isActive = false
        network.conditions = LinkConditions()
        network.sizeErrorLoss = 0
        for (index, mtu) in world.linkMTUs { network.setLinkMTU(mtu, of: network.routers[index]) }
        network.heal()
        for node in network.routers {
            node.link = LinkConditions(delay: node.link.delay)
            network.start(node)
        }
    }

    private func anyRouter() -> SimulatedRouter { network.routers[random.below(network.routers.count)] }
    private func anySite() -> Site { world.sites[random.below(world.sites.count)] }

    private func disturb() {
        switch onlyChanges ? 7 + random.below(5) : random.below(world.shape.hasAllFeatures ? 15 : 13) {
        case 0, 1: weather()
        case 2: flap(anyRouter())
        case 3: separate()
        case 4, 5: restart(anyRouter())
        case 6: restart(world.mapServers[random.below(world.mapServers.count)])
        case 7, 8: moveLocator()
        case 9, 10: changePrefixes()
        case 11: changePreferences()
        case 13: setClocks()
        case 14: narrow(anyRouter())
        default: network.clearMapCache(anyRouter())
        }
    }

    /// The conditions everywhere, for a while.
    private func weather() {
        var conditions = LinkConditions(delay: .milliseconds(1 + random.below(60)))
        conditions.jitter = random.duration(upTo: .milliseconds(random.chance(perMille: 300) ? 200 : 5))
        conditions.loss = random.chance(perMille: 500) ? random.below(400) : 0
        conditions.duplication = random.chance(perMille: 300) ? random.below(200) : 0
        conditions.reordering = random.chance(perMille: 300) ? random.below(200) : 0
        network.conditions = conditions
    }

    /// One router's access link.
    private func flap(_ node: SimulatedRouter) {
        let before = node.link
        node.link.loss = 200 + random.below(801)
        network.after(random.duration(upTo: .seconds(90))) { node.link = LinkConditions(delay: before.delay) }
    }

    private func separate() {
        partitions += 1
        let number = partitions
        let members = network.routers.filter { _ in random.chance(perMille: 300) }
        network.separate(members, as: number)
        network.after(random.duration(upTo: .seconds(240))) { [network] in
            for node in members where node.partition == number { node.partition = 0 }
            network.tell(.partitionHealed)
        }
    }

    private func restart(_ node: SimulatedRouter) {
        guard node.isUp else { return }
        network.stop(node, gracefully: random.chance(perMille: 300))
        let keepsState = random.chance(perMille: 600)
        network.after(random.duration(upTo: .seconds(random.chance(perMille: 500) ? 2 : 300))) { [network] in
            network.start(node, keepingState: keepsState)
        }
    }

    /// A router's interface gets another address; its site says so at once.
    private func moveLocator() {
        let site = anySite()
        let node = site.members[random.below(site.members.count)]
        guard node.router.mapServer == nil else { return }
        world.move(node, of: site)
    }

    /// A part of the site's block gets a mapping of its own, or loses it; or the block itself goes or comes.
    private func changePrefixes() {
        let site = anySite()
        let eid = random.chance(perMille: 250) ? site.block : site.part(random.below(4))
        if site.prefixes.contains(where: { $0.eid == eid }) {
            site.prefixes.removeAll { $0.eid == eid }
        } else {
            site.prefixes.append((eid, world.ttl()))
        }
        world.apply(site)
    }

    /// The access link of a router carries less, or more, for a while.
    private func narrow(_ node: SimulatedRouter) {
        let usual = world.linkMTUs[node.index] ?? SimulatedNetwork.interfaceMTU
        network.setLinkMTU(World.linkMTU(using: &random), of: node)
        network.after(random.duration(upTo: .seconds(240))) { [network] in network.setLinkMTU(usual, of: node) }
    }

    /// A time server comes back, or was wrong: many wall clocks are set.
    private func setClocks() {
        for node in network.routers where random.chance(perMille: 300) {
            network.setWallClock(of: node, using: &random)
        }
    }

    private func changePreferences() {
        let site = anySite()
        site.preferences = site.preferences.map { _ in (UInt8(1 + random.below(2)), UInt8(random.below(3) * 50)) }
        world.apply(site)
    }
}
