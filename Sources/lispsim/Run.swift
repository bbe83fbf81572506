// `lispsim run`.

import Foundation
import LISPTables
import SimulatedNetwork

/// Says what is wrong with the command line and ends.
func fail(_ text: String, status: Int32 = 64) -> Never {
    let line = "lispsim: \(text)\n".utf8
    FileHandle.standardError.write(Data(line))
    exit(status)
}

struct Run {
    private var scenario = Scenario.small
    private var seed: UInt64 = 1
    private var seeds: UInt64 = 1
    private var traceLength: Int?
    private var minutes: UInt64?
    /// Where the reports go as JSON.
    private var json: String?
    private var budget = Budget()
    /// Minutes of virtual time between two lines of progress.
    private var progress: Int?

    /// A hundred years: what the virtual clock counts, nanoseconds in 63 bits, ends after 292.
    private static let longest: UInt64 = 100 * 365 * 24 * 60

    init(_ arguments: ArraySlice<String>) {
        var arguments = arguments
        while let option = arguments.popFirst() {
            guard let value = arguments.popFirst() else { fail("\(option) needs a value") }
            switch option {
            case "--scenario":
                guard let named = Scenario(named: value) else {
                    fail("no scenario \(value): \(Scenario.all.map(\.name).joined(separator: ", "))")
                }
                let fault = scenario.shape.fault
                scenario = named
                scenario.shape.fault = fault
            case "--seed": seed = number(value, of: option)
            case "--minutes": minutes = number(value, of: option, upTo: Self.longest)
            case "--json": json = value
            case "--trace": traceLength = Int(clamping: number(value, of: option))
            case "--progress": progress = Int(clamping: number(value, of: option, upTo: Self.longest))
            case "--cpu-seconds": budget.seconds = Double(number(value, of: option))
            case "--memory-mib": budget.mebibytes = number(value, of: option, upTo: 1 << 40)
            case "--seeds": seeds = number(value, of: option)
            case "--fault":
                guard let fault = SeededFault(rawValue: value) else { fail("no fault \(value): see lispsim list") }
                scenario.shape.fault = fault
            default: fail("unknown option \(option)")
            }
        }
    }

    private func number(_ text: String, of option: String, upTo limit: UInt64 = .max) -> UInt64 {
        guard let number = UInt64(text) else { fail("\(option) \(text): a number was expected") }
        guard number <= limit else { fail("\(option) \(text): at most \(limit)") }
        return number
    }

    func start() -> Never {
        var failed = 0
        var reports: [RunReport] = []
        var scenario = scenario
        if let traceLength { scenario.traceLength = traceLength }
        if let minutes { scenario.disturbed = .seconds(60 * Int64(clamping: minutes)) }
        for step in 0..<max(seeds, 1) {
            let seed = seed &+ step
            let clock = ContinuousClock()
            let start = clock.now
            let before = Usage.now
            let outcome = scenario.run(seed: seed, progress: progress.map { every in reporter(every, start) })
            let usage = Usage.now
            let wall = start.duration(to: clock.now) / .seconds(1)
            let virtual = outcome.virtualTime / .seconds(3600)
            print(
                "\(scenario.name) seed \(seed): \(outcome.isClean ? "ok" : "VIOLATED"), trace \(outcome.hash),",
                "\(outcome.routers) routers, \(rounded(virtual)) h in \(rounded(wall)) s:",
                "\(rounded(Double(outcome.routers) * virtual / wall)) router hours a second,",
                "\(outcome.counts.events) events, \(outcome.counts.datagrams) datagrams,",
                "\(outcome.counts.packetsDelivered) of \(outcome.counts.packets) packets delivered,",
                "\(outcome.attacks) attacks"
            )
            var report = outcome.observed
            report.process = RunReport.Process(wallSeconds: wall, peakResidentOctets: Self.peakResidentOctets)
            if seeds <= 1 { print(report.text) }
            if json != nil { reports.append(report) }
            print("  \(rounded(usage.seconds - before.seconds)) s of CPU, at most \(usage.mebibytes) MiB of memory")
            if let excess = budget.excess(before, usage) {
                failed += 1
                print("  \(excess)")
            }
            if let healing = outcome.healing { print(text(of: healing, moves: outcome.moves)) }
            if !outcome.isClean {
                failed += 1
                print(outcome.report)
            }
        }
        if let json { write(reports, to: json) }
        print("\(max(seeds, 1)) seeds, \(failed) failed")
        exit(failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE)
    }

    private func write(_ reports: [RunReport], to path: String) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        do {
            try encoder.encode(["runs": reports]).write(to: URL(fileURLWithPath: path))
        } catch {
            fail("\(path) cannot be written: \(error.localizedDescription)", status: 73)
        }
    }

    /// The most memory that this process had at a time, as the kernel counts it.
    private static var peakResidentOctets: UInt64? {
        guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") })
        else { return nil }
        let words = line.split { $0 == " " || $0 == "\t" }
        return words.dropFirst().first.flatMap { UInt64($0) }.map { $0 << 10 }
    }

    /// Prints how far a run is.
    private func reporter(_ every: Int, _ start: ContinuousClock.Instant) -> (SimulatedNetwork) -> Void {
        var steps = 0
        return { [self] network in
            steps += 1
            guard every > 0, steps % every == 0 else { return }
            let virtual = Instant.zero.duration(to: network.now) / .seconds(60)
            let wall = start.duration(to: .now) / .seconds(1)
            let usage = Usage.now
            print(
                "  \(rounded(virtual)) min: \(network.routers.count) routers, \(network.counts.events) events,",
                "\(network.counts.datagrams) datagrams; \(rounded(wall)) s, \(rounded(usage.seconds)) s of CPU,",
                "\(usage.mebibytes) MiB"
            )
            fflush(nil)
        }
    }

    private func text(of healing: HealingCheck.Summary, moves: Int) -> String {
        func share(_ share: HealingCheck.Share) -> String { "\(share.late) of \(share.all)" }
        return [
            "  \(moves) RLOCs moved while nothing went wrong; after 75 s \(share(healing.entriesOfChanges)) of all entries"
                + " for changed mappings wait for their TTL",
            "  dead RLOCs still used after the probe interval and 4 s: \(share(healing.deadLocators));"
                + " after healing RLOCs taken for what they are not: \(share(healing.healedLocators))",
            "  registrations not there after 75 s: \(share(healing.registrations))",
            "  after healing: 5 s later \(share(healing.healedPeers)) of the entries of peers are old,"
                + " 75 s later \(share(healing.rest)) of all: \(rounded(healing.rest.percent)) %",
        ].joined(separator: "\n")
    }

    private func rounded(_ value: Double) -> String { String((value * 100).rounded() / 100) }
}
