// Each fault that is put into a network is found by the check that is there for it, within a few seeds.

import SimulatedNetwork
import Testing

@Suite struct `A network with a fault` {
    private static let seeds: UInt64 = 6

    @Test(arguments: SeededFault.allCases)
    func `is found out`(fault: SeededFault) throws {
        var scenario = Scenario.attacked.brief()
        switch fault {
        case .heldPacketsUnlimited, .questionsUnlimited, .mapCacheUnlimited, .mapRequestsUnlimited,
            .registrationsUnlimited:
            scenario = Scenario.limits.brief()
        case .smrNotSent, .smrNotPaced, .smrNotHeard:
            scenario = Scenario.moving.brief()
        case .probesOff, .nonceFromWallClock, .pathMTUIgnored:
            scenario = Scenario.internet.brief(minutes: 2)
        default: break
        }
        scenario.shape.fault = fault
        for seed in Seeds.from(1, count: Self.seeds) {
            let outcome = scenario.run(seed: seed)
            guard let first = outcome.violations.first else { continue }
            // The run ends with the event that violated something.
            let found = Set(outcome.violations.map(\.check))
            #expect(!fault.foundBy.isDisjoint(with: found), "seed \(seed): \(first)")
            #expect(!first.trace.isEmpty)
            #expect(outcome.report.contains("--seed \(seed) --fault \(fault.rawValue)"))
            return
        }
        Issue.record("\(fault) was not found in \(Self.seeds) seeds")
    }
}
