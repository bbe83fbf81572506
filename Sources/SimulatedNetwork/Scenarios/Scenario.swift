// One run from a seed: a world that lives, is disturbed, heals, and is compared with the truth.

import LISPControl
import LISPTables
import LISPWire

package struct Scenario: Sendable {
    package var name: String
    package var shape: WorldShape
    /// Nothing is wrong at first.
    package var calm: Duration
    package var disturbed: Duration
    /// The mean time between two disturbances.
    package var disturbanceInterval: Duration
    package var attackInterval: Duration
    package var auditInterval: Duration
    /// Destinations that each ITR tries in the end.
    package var probesPerITR: Int
    /// Sites change and nothing goes wrong: then everybody concerned hears of it at once.
    package var onlyChanges = false
    /// Sites of which an RLOC moves before and after the disturbances, while nothing goes wrong: in thousandths. What follows has its
    /// deadlines, and healing, too (`HealingCheck`).
    package var movedSites = 0
    /// Entries that may have to wait for their TTL after healing, in percent of all.
    package var largestRest = 5.0
    /// After the disturbances: nothing goes wrong, and sites change.
    package var settled = Duration.zero
    /// Events of a router that are shown with what it violated: none in large worlds, which are repeated to see them.
    package var traceLength = 40

    package init(
        _ name: String,
        _ shape: WorldShape,
        calm: Duration = .seconds(30),
        disturbed: Duration = .seconds(600),
        disturbanceInterval: Duration = .seconds(8),
        attackInterval: Duration = .milliseconds(400),
        auditInterval: Duration = .seconds(5),
        probesPerITR: Int = 4
    ) {
        self.name = name
        self.shape = shape
        self.calm = calm
        self.disturbed = disturbed
        self.disturbanceInterval = disturbanceInterval
        self.attackInterval = attackInterval
        self.auditInterval = auditInterval
        self.probesPerITR = probesPerITR
    }

    /// What is left of a run.
    package struct Outcome: Sendable {
        /// The arguments of `lispsim run` that repeat it.
        package let arguments: String
        package let violations: [Violation]
        package let hash: TraceHash
        package let counts: SimulatedNetwork.Counts
        package let routers: Int
        package let attacks: Int
        package let virtualTime: Duration
        /// What the routers counted, by its name: to see that what was to be tried was tried.
        package let tallies: [String: UInt64]
        package let observed: RunReport
        /// What was compared after changes and after healing, if the scenario has deadlines for that.
        package let healing: HealingCheck.Summary?
        /// RLOCs that moved while nothing went wrong.
        package let moves: Int
        /// Packets that came back to hosts outside of LISP, in the end.
        package let returned: Int

        package var isClean: Bool { violations.isEmpty }

        /// What was violated, and how to see it again.
        package var report: String {
            let isTraced = violations.contains { !$0.trace.isEmpty }
            let again = "Again: swift run -c release lispsim run \(arguments)\(isTraced ? "" : " --trace 40")"
            return (violations.map(\.description) + [again]).joined(separator: "\n")
        }
    }

    /// Long enough for every mapping and registration of before to end: the longest TTL, three minutes for a registration,
    /// one more for a negative answer and two for Map-Registers and questions that rest.
    private var healing: Duration {
        .seconds(60 * Int64(shape.ttlMinutes.upperBound) + 180 + 60 + 120)
    }

    /// Long enough for all that follows from a change, its deadlines included: an RLOC that is dead for 100 s is back after that.
    private var aftermath: Duration { shape.probeInterval + .seconds(120) }

    /// - Parameter progress: called after every minute of virtual time.
    package func run(seed: UInt64, progress: ((SimulatedNetwork) -> Void)? = nil) -> Outcome {
        let world = World(shape, seed: seed, traceLength: traceLength)
        let network = world.network
        let observer = RunObserver()
        network.watch(observer)
        let agreement = network.watchEverything(isAttacked: shape.isAttacked)
        let hasDeadlines = movedSites > 0
        let news = NewsCheck(patience: hasDeadlines ? HealingCheck.peerPatience : .seconds(12))
        if onlyChanges || hasDeadlines { network.watch(news) }
        let proxies = ProxyCheck()
        if shape.proxies > 0 { network.watch(proxies) }
        let healingCheck = HealingCheck(
            agreement,
            probeInterval: shape.probeInterval,
            largestRest: largestRest
        )
        if hasDeadlines { network.watch(healingCheck) }
        let pathMTUs = PathMTUCheck(pause: (shape.flows?.interval ?? .zero) * 5 / 4)
        if shape.hasAllFeatures { network.watch(pathMTUs) }
        func setCalm(_ isCalm: Bool) {
            guard hasDeadlines else { return }
            news.isCalm = isCalm
            healingCheck.isCalm = isCalm
            pathMTUs.setCalm(isCalm, now: network.now)
        }
        network.audit(every: auditInterval)
        let attacker = shape.isAttacked ? Attacker(network, in: world) : nil
        let disturbances = Disturbances(world, onlyChanges: onlyChanges)
        let changes = Changes(world)
        let moves = (world.sites.count * movedSites + 1999) / 2000

        func advance(_ time: Duration) {
            var left = time
            while left > .zero {
                let step = min(left, .seconds(60))
                network.run(step)
                left -= step
                progress?(network)
            }
        }
        setCalm(false)
        world.build()
        // Mappings are learnt and registered before any of them changes.
        advance(calm / 2)
        setCalm(true)
        if hasDeadlines { changes.plan(moves, within: calm / 2 - aftermath) }
        advance(calm / 2)
        setCalm(false)
        attacker?.start(every: attackInterval)
        disturbances.start(every: disturbanceInterval)
        advance(disturbed)
        disturbances.stop()
        if hasDeadlines {
            healingCheck.heal(network)
            advance(aftermath)
            setCalm(true)
            changes.plan(moves, within: settled - aftermath)
            advance(settled)
        }
        attacker?.stop()
        advance(healing)
        setCalm(false)
        if !network.isOver { network.checkHealed() }
        if !network.isOver { probe(world, agreement, proxies) }
        var observed = observer.report(network)
        observed.arguments = arguments(seed: seed)
        observed.hash = network.hash.description
        observed.routers = network.routers.count
        observed.virtualSeconds = Instant.zero.duration(to: network.now) / .seconds(1)
        observed.violations = network.violations.map(\.summary)
        observed.attacks = attacker?.report ?? []
        return Outcome(
            arguments: arguments(seed: seed),
            violations: network.violations,
            hash: network.hash,
            counts: network.counts,
            routers: network.routers.count,
            attacks: attacker?.attacks ?? 0,
            virtualTime: Instant.zero.duration(to: network.now),
            tallies: Dictionary(
                observed.tallies.map { ($0.what, $0.count) },
                uniquingKeysWith: +
            ),
            observed: observed,
            healing: hasDeadlines ? healingCheck.summary : nil,
            moves: changes.moves,
            returned: proxies.returned
        )
    }

    private func arguments(seed: UInt64) -> String {
        let minutes = Int(disturbed / .seconds(60))
        let fault = shape.fault.map { " --fault \($0.rawValue)" } ?? ""
        return "--scenario \(name) --minutes \(minutes) --seed \(seed)\(fault)"
    }

    /// Packets between all sites must arrive now; what came from outside is answered.
    private func probe(_ world: World, _ agreement: AgreementCheck, _ proxies: ProxyCheck) {
        let network = world.network
        world.silenceHosts()
        network.run(.seconds(60))
        for _ in 0..<probesPerITR {
            for node in world.itrs where node.isUp {
                let site = world.sites[world.random.below(world.sites.count)]
                let destination = site.host(using: &world.random)
                guard agreement.isExpected(destination, from: node, in: network) else { continue }
                agreement.probe(destination, from: node, source: world.source(at: node, destination), in: network)
            }
            network.run(.seconds(3))
        }
        for arrival in agreement.finishProbes(in: network) where arrival.from.settings.itr?.proxyITR != nil {
            proxies.answer(arrival.source, from: arrival.destination, at: arrival.at, in: network)
        }
        network.run(.seconds(5))
        proxies.finish(in: network)
    }
}

extension Scenario {
    /// The scenarios by name.
    package static let all: [Scenario] = [small, attacked, limits, moving, city, country, soak, internet, day]

    /// A shorter one that runs within a second or so without optimization: TTLs and packets fewer, disturbances closer.
    package func brief(minutes: Int64 = 3) -> Scenario {
        var brief = self
        brief.name = "\(name)-brief"
        brief.disturbed = .seconds(60 * minutes)
        brief.disturbanceInterval = .seconds(5)
        brief.shape.ttlMinutes = 1...2
        brief.shape.packetInterval = max(shape.packetInterval, .milliseconds(500))
        if shape.sites != nil {
            brief.shape.sites = 24
            brief.shape.proxies = 4
            brief.shape.startsWithin = .seconds(10)
            brief.shape.flows = FlowShape(concurrent: 2, duration: .seconds(120))
            brief.attackInterval = .milliseconds(400)
            brief.auditInterval = .seconds(10)
            brief.probesPerITR = 2
            brief.traceLength = 40
            brief.movedSites = 250
            // Few sites, each of which is hit the more often.
            brief.disturbanceInterval = .seconds(15)
            brief.shape.probeInterval = .seconds(60)
            brief.calm = .seconds(480)
            brief.settled = .seconds(240)
        }
        return brief
    }

    /// The scenario called `name`, or `name` without `-brief` in brief.
    package init?(named name: String) {
        let suffix = "-brief"
        let isBrief = name.hasSuffix(suffix)
        let plain = isBrief ? String(name.dropLast(suffix.count)) : name
        guard let found = Self.all.first(where: { $0.name == plain }) else { return nil }
        self = isBrief ? found.brief() : found
    }

    /// Few routers, everything that can go wrong except malice.
    package static let small = Scenario("small", WorldShape(routers: 8, isAttacked: false))
    package static let attacked = Scenario("attacked", WorldShape(routers: 8))
    /// Stores so small that they are always full.
    package static let limits = Scenario(
        "limits",
        WorldShape(routers: 8, hasSmallLimits: true, packetInterval: .milliseconds(200))
    )
    /// Sites whose RLOCs, preferences and EID-prefixes change all the time, while nothing is lost.
    package static var moving: Scenario {
        var moving = Scenario("moving", WorldShape(routers: 12, isAttacked: false))
        moving.onlyChanges = true
        moving.calm = .seconds(90)
        return moving
    }
    /// Several Map-Servers and Map-Resolvers.
    package static let city = Scenario("city", WorldShape(routers: 30, mapServers: 3, mapResolvers: 2))
    /// Many sites, each with little traffic: to see what size costs.
    package static let country = Scenario(
        "country",
        WorldShape(
            routers: 1000,
            mapServers: 4,
            mapResolvers: 4,
            ttlMinutes: 1...20,
            packetInterval: .seconds(30)
        ),
        disturbed: .seconds(1800),
        disturbanceInterval: .seconds(10),
        attackInterval: .seconds(1),
        auditInterval: .seconds(120)
    )
    /// An internet of ten thousand sites for an hour, with proxies to the world outside and everything on. One site in a hundred
    /// moves an RLOC while nothing else goes wrong, and others while much does.
    package static var internet: Scenario {
        var internet = Scenario(
            "internet",
            WorldShape(
                sites: 10_000,
                proxies: 100,
                mapServers: 3,
                mapResolvers: 3,
                ttlMinutes: 1...10,
                flows: FlowShape(concurrent: 0.35, duration: .seconds(600)),
                startsWithin: .seconds(60)
            ),
            calm: .seconds(720),
            disturbed: .seconds(1140),
            disturbanceInterval: .seconds(5),
            attackInterval: .seconds(1),
            auditInterval: .seconds(600),
            probesPerITR: 1
        )
        internet.traceLength = 0
        internet.movedSites = 10
        internet.settled = .seconds(480)
        return internet
    }
    /// A smaller one for a day.
    package static var day: Scenario {
        var day = Scenario(
            "day",
            WorldShape(
                sites: 1000,
                proxies: 10,
                mapServers: 3,
                mapResolvers: 3,
                ttlMinutes: 1...20,
                flows: FlowShape(concurrent: 0.3, duration: .seconds(900)),
                startsWithin: .seconds(60)
            ),
            calm: .seconds(2 * 3600),
            disturbed: .seconds(19 * 3600),
            disturbanceInterval: .seconds(60),
            attackInterval: .seconds(5),
            auditInterval: .seconds(1200),
            probesPerITR: 2
        )
        // Of an hour's world it is 24 times as much that has to be seen: an RLOC is probed every three minutes.
        day.shape.probeInterval = .seconds(180)
        day.traceLength = 0
        day.movedSites = 50
        day.settled = .seconds(2 * 3600)
        return day
    }
    /// Hours of everything.
    package static let soak = Scenario(
        "soak",
        WorldShape(routers: 100, mapServers: 4, mapResolvers: 3, ttlMinutes: 1...20),
        disturbed: .seconds(4 * 3600),
        disturbanceInterval: .seconds(10),
        attackInterval: .milliseconds(250),
        auditInterval: .seconds(20),
        probesPerITR: 20
    )
}
