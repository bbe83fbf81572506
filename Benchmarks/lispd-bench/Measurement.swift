// Measures one workload. Time wobbles, so there are several runs, of which the fastest and the median count; allocations do not.

import CAllocationCounter

/// What one benchmark at one size came to.
struct Measurement: Codable, Sendable {
    var name: String
    /// `nil` for a benchmark without sizes.
    var size: Int?
    /// Nanoseconds for one operation, a value for each run, in the order they ran.
    var runs: [Double]
    var minimum: Double
    var median: Double
    /// Blocks allocated for one operation.
    var allocations: Double
    /// Octets of memory for each entry, where the benchmark says it.
    var octetsPerEntry: Double?
    /// What was promised for `minimum` and `octetsPerEntry`.
    var goal: Double?
    var octetsGoal: Double?
}

/// Memory of the heap that something takes.
enum HeapUse {
    /// What `make` returns, and the octets of the heap that it keeps. What is mapped beside the heap is not seen.
    static func of<Value>(_ make: () throws -> Value) rethrows -> (value: Value, octets: Int) {
        let before = allocation_counter_live_octets()
        let value = try make()
        return (value, Int(allocation_counter_live_octets() - before))
    }
}

struct Measuring {
    /// How many runs, and how long each is to take at least.
    var runs = 7
    var runDuration: Duration = .milliseconds(50)

    func measure(_ benchmark: Benchmark, size: Int) throws -> Measurement {
        let workload = try benchmark.prepare(size)
        let operations = try calibrated(workload)
        let blocks = allocation_counter_blocks()
        try workload.run(operations)
        let allocated = allocation_counter_blocks() - blocks
        var times: [Double] = []
        for _ in 0..<runs {
            times.append(try Self.nanoseconds { try workload.run(operations) } / Double(operations))
        }
        return Measurement(
            name: benchmark.name,
            size: benchmark.sizes.isEmpty ? nil : size,
            runs: times,
            minimum: times.min() ?? 0,
            median: times.sorted()[times.count / 2],
            allocations: Double(allocated) / Double(operations),
            octetsPerEntry: workload.octetsPerEntry,
            goal: benchmark.goals[size]?.nanoseconds,
            octetsGoal: benchmark.goals[size]?.octetsPerEntry
        )
    }

    /// How many operations take `runDuration`; warms up on the way.
    private func calibrated(_ workload: Workload) throws -> Int {
        let wanted = Double(runDuration.components.attoseconds) / 1e9 + Double(runDuration.components.seconds) * 1e9
        var operations = 1
        while true {
            let spent = try Self.nanoseconds { try workload.run(operations) }
            if spent >= wanted / 4 {
                return max(1, Int((Double(operations) * wanted / spent).rounded()))
            }
            operations *= spent < wanted / 100 ? 10 : 2
        }
    }

    private static func nanoseconds(_ body: () throws -> Void) rethrows -> Double {
        let spent = try ContinuousClock().measure(body).components
        return Double(spent.seconds) * 1e9 + Double(spent.attoseconds) / 1e9
    }
}
