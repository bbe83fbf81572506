// Every benchmark, in the order of the table.

enum Catalogue {
    static let all: [Benchmark] =
        Benchmark.wire + Benchmark.authentication + Benchmark.router + Benchmark.mapServer + Benchmark.forwarding
        + Benchmark.tables

    /// Those whose name contains every word.
    static func matching(_ words: [String]) -> [Benchmark] {
        all.filter { benchmark in words.allSatisfy(benchmark.name.contains) }
    }

    static func named(_ name: String) -> Benchmark? {
        all.first { $0.name == name }
    }
}
