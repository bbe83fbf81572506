// What can be measured: a name, how to make ready, and a body that does a number of operations.
//
// To add cases: write `extension Benchmark { static let myThings: [Benchmark] = [...] }` in a file of its own under Cases and name it
// in Catalogue.swift. A name's dots go from the whole to the part: "forwarding.lookup.ipv4.batch32".

/// One thing to measure, perhaps at several sizes.
struct Benchmark: Sendable {
    /// The usual sizes of a table: entries in it.
    static let tableSizes = [1_000, 100_000, 1_000_000]

    let name: String
    /// Entries that the workload is made with. Empty: it has no size, and `prepare` gets 0.
    let sizes: [Int]
    /// What `make bench-check` compares with the committed thresholds; part of `make test`, so keep it small.
    let checked: Check
    /// What was promised, by size (0 for a benchmark without): shown beside what was measured, and no more than that.
    let goals: [Int: Goal]
    let prepare: @Sendable (_ size: Int) throws -> Workload

    struct Check: Sendable {
        /// Of `sizes`. A benchmark without sizes is checked always.
        var sizes: [Int] = [1_000]
        /// Operations that are counted, as many before to warm up. Enough for growth of buffers and the like to even out.
        var operations = 1_000
    }

    struct Goal: Sendable {
        /// At most this many nanoseconds for one operation.
        var nanoseconds: Double?
        /// At most this many octets for each entry.
        var octetsPerEntry: Double?
    }

    init(
        _ name: String,
        sizes: [Int] = [],
        checked: Check = Check(),
        goals: [Int: Goal] = [:],
        prepare: @escaping @Sendable (_ size: Int) throws -> Workload
    ) {
        self.name = name
        self.sizes = sizes
        self.checked = checked
        self.goals = goals
        self.prepare = prepare
    }

    /// The sizes to go through; `[0]` for a benchmark without.
    var runSizes: [Int] { sizes.isEmpty ? [0] : sizes }
    var checkedSizes: [Int] { sizes.isEmpty ? [0] : sizes.filter(checked.sizes.contains) }
}

/// What `prepare` made, ready to be measured.
struct Workload {
    /// Octets of memory for each entry, if that is worth stating. See `HeapUse`.
    var octetsPerEntry: Double?
    /// Does this many operations, going on where the last call stopped. Called many times.
    let run: (_ operations: Int) throws -> Void

    init(octetsPerEntry: Double? = nil, run: @escaping (_ operations: Int) throws -> Void) {
        self.octetsPerEntry = octetsPerEntry
        self.run = run
    }
}

/// Takes a result, so that the optimizer cannot leave out what makes it. For the packet path, where even this call counts: add
/// results up and give it the sum.
@inline(never)
@_optimize(none)
func keep(_ value: some Any) {}

/// SplitMix64: the same cases every time.
struct SplitMix: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64 = 1) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// What was measured did something else than it was to do, so its figures mean nothing.
struct Unexpected: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
