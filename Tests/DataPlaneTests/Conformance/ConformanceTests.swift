// Any data plane against the plain reference: random scripts, compared after every step. A script that shows a difference is made
// shorter until nothing more can be left out, and printed.

import ForwardingInterface
import LISPWire
import Testing

@testable import DataPlane

/// Runs scripts through planes of one kind.
struct ConformanceRun: Sendable {
    var makePlane: @Sendable ([InstanceID]) throws -> any PlaneUnderTest

    /// The number of the first step after which plane and reference differ, and in what; `nil` if they never do, or if the script
    /// breaks the rules of the interface.
    func difference(_ steps: [ConformanceStep]) throws -> (step: Int, difference: Difference)? {
        var check = ConformanceCheck(try makePlane(ConformanceScript.instances), instances: ConformanceScript.instances)
        for (number, step) in steps.enumerated() {
            do {
                switch step {
                case .update(let updates): guard try check.apply(updates) else { return nil }
                case .site(let instance, let inputs): try check.site(inputs, instance)
                case .network(let inputs): try check.network(inputs)
                case .release(let packets, let verdict): try check.release(packets, verdict)
                }
            } catch let difference as Difference {
                return (number, difference)
            }
        }
        return nil
    }

    /// A script without most of what the difference does not need.
    ///
    /// - Parameter steps: shows a difference.
    /// - Parameter tries: how many shorter scripts are tried at most.
    func shrunk(_ steps: [ConformanceStep], tries: Int = 400) throws -> [ConformanceStep] {
        var shortest = steps
        var left = tries
        func isEnough(_ shorter: [ConformanceStep]) throws -> Bool {
            left -= 1
            return left >= 0 ? try difference(shorter) != nil : false
        }
        if let found = try difference(shortest) { shortest = Array(shortest.prefix(found.step + 1)) }
        // Whole steps first, then halves of what is left of each.
        for index in shortest.indices.reversed() where shortest.count > 1 {
            var shorter = shortest
            shorter.remove(at: index)
            if try isEnough(shorter) { shortest = shorter }
        }
        for index in shortest.indices {
            var size = shortest[index].count / 2
            while size > 0 {
                var start = 0
                while start < shortest[index].count {
                    var shorter = shortest
                    shorter[index] = shortest[index].without(start..<min(start + size, shortest[index].count))
                    if try isEnough(shorter) { shortest = shorter } else { start += size }
                }
                size /= 2
            }
        }
        return shortest
    }

    /// What to print of a script that fails; `nil` if it does not.
    func report(seed: UInt64, _ steps: [ConformanceStep]) throws -> String? {
        guard let first = try difference(steps) else { return nil }
        print("seed \(seed), step \(first.step): \(first.difference)")
        let shortest = try shrunk(steps)
        let left = try difference(shortest)?.difference ?? first.difference
        let text = shortest.map { "  \($0.text)" }.joined(separator: "\n")
        return "seed \(seed), step \(first.step): \(first.difference)\nshortest: \(left)\n\(text)"
    }
}

extension ConformanceStep {
    fileprivate var count: Int {
        switch self {
        case .update(let updates): updates.count
        case .site(_, let inputs): inputs.count
        case .network(let inputs): inputs.count
        case .release(let packets, _): packets.count
        }
    }

    fileprivate func without(_ range: Range<Int>) -> ConformanceStep {
        func rest<Element>(_ elements: [Element]) -> [Element] {
            Array(elements[..<range.lowerBound] + elements[range.upperBound...])
        }
        return switch self {
        case .update(let updates): .update(rest(updates))
        case .site(let instance, let inputs): .site(instance, rest(inputs))
        case .network(let inputs): .network(rest(inputs))
        case .release(let packets, let verdict): .release(rest(packets), verdict)
        }
    }

    fileprivate var text: String {
        switch self {
        case .update(let updates): "update \(updates)"
        case .site(let instance, let inputs):
            "site, instance \(instance): \(inputs.map { $0.packets.map { $0.prefix(48) } })"
        case .network(let inputs): "network: \(inputs.map { "\($0.source) \($0.payloads.map { $0.prefix(56) })" })"
        case .release(let packets, let verdict): "release \(packets.map(\.destination)) \(verdict)"
        }
    }
}

@Suite struct ConformanceTests {
    static let worker = ConformanceRun { try WorkerPlane(instances: $0) }

    private func check(_ name: String, rounds: UInt64, steps: Int, crowd: Int = 0, trains: Bool = false) throws {
        let seed = ProcessSeed.value
        print("\(name): seed \(seed) (LISPD_TEST_SEED)")
        for round in 0..<rounds {
            let script = ConformanceScript.steps(seed: seed &+ round, count: steps, crowd: crowd, trains: trains)
            guard let report = try Self.worker.report(seed: seed &+ round, script) else { continue }
            Issue.record("\(report)")
            return
        }
    }

    @Test func `the workers do what the reference does`() throws {
        try check("conformance", rounds: 8, steps: 60)
    }

    @Test func `they do it among many entries, whose lookups are made ahead`() throws {
        try check("conformance, large table", rounds: 2, steps: 40, crowd: 2 * DataPlaneConstants.largeTable)
    }

    @Test func `trains of the site are what the packets are that they would be cut into`() throws {
        try check("conformance, trains", rounds: 5, steps: 40, trains: true)
    }
}
