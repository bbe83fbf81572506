// The forwarding table and the packet path through it: lookups, changes, and what a worker does with a packet between two
// devices of memory. What is 0 in the thresholds here, allocations and reference counting, is meant to stay 0.

import DataPlane
import ForwardingInterface
import LISPWire

extension Benchmark {
    static let forwarding: [Benchmark] =
        ForwardingSamples.Kind.allCases.flatMap { kind in
            [
                Benchmark(
                    "forwarding.lookup.\(kind.rawValue).single",
                    sizes: tableSizes,
                    goals: [1_000_000: Goal(nanoseconds: kind == .ipv4 ? 120 : 200)]
                ) { size in
                    let (table, probes) = ForwardingSamples.table(kind, size)
                    return lookups(table) { table.lookUpDependently(probes, from: $0, count: $1) }
                },
                Benchmark(
                    "forwarding.lookup.\(kind.rawValue).batch32",
                    sizes: tableSizes,
                    goals: [1_000_000: Goal(nanoseconds: 50)]
                ) { size in
                    let (table, probes) = ForwardingSamples.table(kind, size)
                    return lookups(table) { table.lookUpBatches(of: 32, probes, from: $0, count: $1) }
                },
                // What memory alone takes, over as many octets as the table has: to be compared with the single lookup.
                Benchmark("forwarding.memory.\(kind.rawValue)", sizes: tableSizes, checked: Check(sizes: [])) { size in
                    let (table, _) = ForwardingSamples.table(kind, size)
                    var random = SplitMix(seed: 3)
                    let chase = PointerChase(octets: table.usedBytes, random: &random)
                    return Workload { chase.follow($0) }
                },
                Benchmark("forwarding.change.\(kind.rawValue)", sizes: tableSizes) { size in
                    let (table, _) = ForwardingSamples.table(kind, size)
                    return changes(table, ForwardingSamples.prefixes(kind, size))
                },
            ]
        } + [
            Benchmark(
                "forwarding.path.encapsulate",
                sizes: pathSizes,
                checked: pathCheck,
                goals: [1_000_000: Goal(octetsPerEntry: 150)]
            ) { size in
                try carrying(.encapsulation, size)
            },
            Benchmark("forwarding.path.decapsulate", sizes: pathSizes, checked: pathCheck) { size in
                try carrying(.decapsulation, size)
            },
            // Of 45 segments, 62,460 octets, checksums included.
            Benchmark("forwarding.train.cut") { _ in try carryingTrains(.encapsulation) },
            Benchmark("forwarding.train.merge") { _ in try carryingTrains(.decapsulation) },
        ]

    private static let pathSizes = [1, 1_000, 100_000, 1_000_000]
    /// From the last size on, batches are looked up together.
    private static let pathCheck = Check(sizes: [1, 1_000, 100_000], operations: 10_000)

    /// Every address is inside a prefix, so each lookup has to find something.
    private static func lookups(_ table: TableMeasurement, _ body: @escaping (Int, Int) -> Int) -> Workload {
        var next = 0
        return Workload(octetsPerEntry: Double(table.usedBytes) / Double(table.count)) { operations in
            let found = body(next, operations)
            guard found == operations else { throw Unexpected("\(found) of \(operations) addresses were found") }
            next += operations
        }
    }

    /// Takes entries out and puts them back in, each a change.
    private static func changes(_ table: TableMeasurement, _ prefixes: [IPPrefix]) -> Workload {
        var next = 0
        return Workload(octetsPerEntry: Double(table.usedBytes) / Double(table.count)) { operations in
            for _ in 0..<operations {
                let prefix = prefixes[next / 2 % prefixes.count]
                if next % 2 == 0 { table.remove(prefix) } else { table.put(prefix, UInt32(next & 0xffff)) }
                next += 1
            }
            let missing = next % 2
            guard table.count == prefixes.count - missing else { throw Unexpected("\(table.count) entries are left") }
        }
    }

    private static func carryingTrains(_ direction: PathMeasurement.Direction) throws -> Workload {
        let path = try ForwardingSamples.trains(direction)
        path.carry(1)
        let statistics = path.statistics()
        guard statistics.siteTrainsTaken + statistics.siteTrainsGiven == 1 else { throw Unexpected("no train") }
        return Workload { operations in
            path.carry(operations)
            guard path.dropped == 0 else { throw Unexpected("\(path.dropped) packets were dropped") }
        }
    }

    private static func carrying(_ direction: PathMeasurement.Direction, _ size: Int) throws -> Workload {
        let path = try ForwardingSamples.path(direction, size)
        // Once round: a mapping's first packet allocates its counters.
        path.carry(ForwardingSamples.frameCount)
        return Workload(octetsPerEntry: Double(path.statistics().tableBytes) / Double(size)) { operations in
            path.carry(operations)
            guard path.dropped == 0 else { throw Unexpected("\(path.dropped) packets were dropped") }
        }
    }
}
