// The same seed gives the same run: within one process, and in another one, whose hash tables are in another order.

import Foundation
import SimulatedNetwork
import Testing

@Suite struct `A seed` {
    private static let scenario = Scenario.attacked.brief(minutes: 1)

    @Test func `repeats a run, and another seed does not`() {
        let first = Self.scenario.run(seed: 5)
        let second = Self.scenario.run(seed: 5)
        #expect(first.hash == second.hash)
        #expect(first.observed == second.observed)
        #expect(first.counts.events == second.counts.events)
        #expect(Self.scenario.run(seed: 6).hash != first.hash)
    }

    /// Swift seeds its hash tables anew in each process: what depends on their order differs between two.
    @Test func `repeats a run in another process`() throws {
        // The test bundle's directory has the executable that this target depends on.
        let directory = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        let lispsim = directory.appendingPathComponent("lispsim")
        try #require(FileManager.default.isExecutableFile(atPath: lispsim.path), "no lispsim beside the tests")
        let outputs = try (0..<2).map { _ in
            let process = Process()
            let output = Pipe()
            process.executableURL = lispsim
            process.arguments = ["run", "--scenario", "limits-brief", "--seed", "7", "--minutes", "1"]
            process.standardOutput = output
            try process.run()
            let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            #expect(process.terminationStatus == 0, "\(text)")
            return try #require(text.split(separator: " ").first { $0.hasPrefix("0x") })
        }
        #expect(outputs[0] == outputs[1])
    }
}
