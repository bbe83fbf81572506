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
    /// Events of a router that are shown with what it violated.
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

        package var isClean: Bool { violations.isEmpty }

        /// What was violated, and how to see it again.
        package var report: String {
            let again = "Again: swift run -c release lispsim run \(arguments)"
            return (violations.map(\.description) + [again]).joined(separator: "\n")
        }
    }

    /// Long enough for every mapping and registration of before to end: the longest TTL, three minutes for a registration,
    /// one more for a negative answer and two for Map-Registers and questions that rest.
    private var healing: Duration {
        .seconds(60 * Int64(shape.ttlMinutes.upperBound) + 180 + 60 + 120)
    }

    package func run(seed: UInt64) -> Outcome {
        let world = World(shape, seed: seed, traceLength: traceLength)
        let network = world.network
        let observer = RunObserver()
        network.watch(observer)
        for node in network.routers { observer.reset(node, restarted: true, keepingState: false, in: network) }
        let agreement = network.watchEverything(isAttacked: shape.isAttacked)
        if onlyChanges { network.watch(NewsCheck()) }
        network.audit(every: auditInterval)
        let attacker = shape.isAttacked ? Attacker(network) : nil
        let disturbances = Disturbances(world, onlyChanges: onlyChanges)

        world.build()
        network.run(calm)
        attacker?.start(every: attackInterval)
        disturbances.start(every: disturbanceInterval)
        network.run(disturbed)
        attacker?.stop()
        disturbances.stop()
        network.run(healing)
        if !network.isOver { network.checkHealed() }
        if !network.isOver { probe(world, agreement) }
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
            observed: observed
        )
    }

    private func arguments(seed: UInt64) -> String {
        let minutes = Int(disturbed / .seconds(60))
        let fault = shape.fault.map { " --fault \($0.rawValue)" } ?? ""
        return "--scenario \(name) --minutes \(minutes) --seed \(seed)\(fault)"
    }

    /// Packets between all sites must arrive now.
    private func probe(_ world: World, _ agreement: AgreementCheck) {
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
        agreement.finishProbes(in: network)
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
    /// An internet of ten thousand sites, with proxies to the world outside and everything on.
    package static let internet = Scenario(
        "internet",
        WorldShape(
            sites: 10_000,
            proxies: 100,
            mapServers: 3,
            mapResolvers: 3,
            ttlMinutes: 1...10,
            flows: FlowShape(concurrent: 1, duration: .seconds(600)),
            startsWithin: .seconds(60)
        ),
        calm: .seconds(600),
        disturbed: .seconds(1200),
        disturbanceInterval: .seconds(5),
        attackInterval: .seconds(1),
        auditInterval: .seconds(600),
        probesPerITR: 1
    )
    /// A smaller one for a day.
    package static let day = Scenario(
        "day",
        WorldShape(
            sites: 1000,
            proxies: 10,
            mapServers: 3,
            mapResolvers: 3,
            ttlMinutes: 1...30,
            flows: FlowShape(concurrent: 1, duration: .seconds(600)),
            startsWithin: .seconds(60)
        ),
        calm: .seconds(1800),
        disturbed: .seconds(20 * 3600),
        disturbanceInterval: .seconds(30),
        attackInterval: .seconds(2),
        auditInterval: .seconds(1200),
        probesPerITR: 2
    )
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
