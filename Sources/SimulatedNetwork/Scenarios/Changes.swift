// What changes at sites while nothing goes wrong: RLOCs that move, and RLOCs that die for a while.

import LISPControl
import LISPTables
import LISPWire

/// Draws sites, each at most once, so that what follows from a change is not mixed up with the next.
final class Changes {
    private let world: World
    private var network: SimulatedNetwork { world.network }
    private var random: SeededRandom
    private var changed: Set<Int> = []
    /// RLOCs that moved.
    private(set) var moves = 0
    /// How long an RLOC is dead: long enough to be found dead, and not so long that a registration ends.
    private static let death = Duration.seconds(100)

    init(_ world: World) {
        self.world = world
        random = SeededRandom(seed: world.network.seed, stream: 6)
    }

    /// Moves an RLOC of so many sites, evenly spread over a time that begins now; of one in five another, an RLOC dies for a while
    /// beside.
    func plan(_ count: Int, within time: Duration) {
        for number in 0..<count {
            network.after(time / count * number) { [weak self] in
                self?.move()
                if number % 5 == 0 { self?.die() }
            }
        }
    }

    /// A site that has not changed so far and whose routers all run.
    private func nextSite() -> Site? {
        for _ in 0..<100 {
            let site = world.sites[random.below(world.sites.count)]
            guard site.members.allSatisfy({ $0.isUp && $0.deadAddresses.isEmpty }),
                changed.insert(site.index).inserted
            else { continue }
            return site
        }
        return nil
    }

    private func move() {
        guard let site = nextSite() else { return }
        moves += 1
        world.move(site.members[random.below(site.members.count)], of: site)
    }

    /// A router crashes, or one of its two interfaces goes down.
    private func die() {
        guard let site = nextSite() else { return }
        let node = site.members[random.below(site.members.count)]
        if node.addresses.count > 1, random.chance(perMille: 500) {
            let address = node.addresses[random.below(node.addresses.count)]
            network.setInterface(node, address, isUp: false)
            network.after(Self.death) { [network] in network.setInterface(node, address, isUp: true) }
        } else {
            network.stop(node)
            network.after(Self.death) { [network] in network.start(node) }
        }
    }
}
