import ArgumentParser
import CAllocationCounter

/// Callgrind, started with `--instr-atstart=no`, counts exactly the operations asked for:
///
///     SWIFT_DETERMINISTIC_HASHING=1 valgrind --tool=callgrind --instr-atstart=no --callgrind-out-file=FILE \
///         lispd-bench instructions NAME SIZE N
///
/// The `totals:` line of FILE, divided by N, is instructions per operation.
struct Instructions: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs exactly N operations for callgrind to count, after as many to warm up.",
        discussion: "Prints the allocations of the N operations. Benchmarks/check runs this; see there how."
    )

    @Argument(help: "A benchmark's whole name.")
    var name: String

    @Argument(help: "Its size; 0 for one without sizes.")
    var size: Int

    @Argument(help: "Operations.")
    var operations: Int

    @Flag(help: "Run without valgrind, too: then only allocations are counted.")
    var withoutValgrind = false

    func validate() throws {
        guard let benchmark = Catalogue.named(name) else {
            throw ValidationError("no benchmark is named `\(name)`; see lispd-bench list")
        }
        guard benchmark.runSizes.contains(size) else {
            throw ValidationError("\(name) has no size \(size), only \(benchmark.runSizes)")
        }
        guard operations > 0 else { throw ValidationError("\(operations) operations: expected 1 or more") }
    }

    func run() throws {
        guard withoutValgrind || callgrind_is_there() else {
            throw ValidationError("not under valgrind, or built without its headers; see --without-valgrind")
        }
        guard let benchmark = Catalogue.named(name) else { return }
        let workload = try benchmark.prepare(size)
        try workload.run(operations)
        let before = allocation_counter_blocks()
        callgrind_start_counting()
        try workload.run(operations)
        callgrind_stop_counting()
        let allocated = allocation_counter_blocks() - before
        print(allocated)
    }
}
