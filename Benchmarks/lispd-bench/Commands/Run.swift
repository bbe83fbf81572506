import ArgumentParser
import FoundationEssentials

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures time, allocations and memory.",
        discussion: "Times are nanoseconds for one operation: the fastest of several runs, and the median."
    )

    @Argument(help: "Only those whose name contains these words.")
    var words: [String] = []

    @Option(help: "Only these sizes.")
    var size: [Int] = []

    @Option(help: "How many runs of each.")
    var runs = 7

    @Flag(help: "JSON, one list of objects, instead of a table.")
    var json = false

    func validate() throws {
        guard runs > 0 else { throw ValidationError("--runs \(runs): expected 1 or more") }
    }

    func run() throws {
        let chosen = Catalogue.matching(words)
        guard !chosen.isEmpty else {
            throw ValidationError("no benchmark is named like `\(words.joined(separator: " "))`; see lispd-bench list")
        }
        let measuring = Measuring(runs: runs)
        var results: [Measurement] = []
        if !json { print(Self.row("benchmark", "size", "min ns", "median ns", "allocations", "octets/entry")) }
        for benchmark in chosen {
            for each in benchmark.runSizes where size.isEmpty || benchmark.sizes.isEmpty || size.contains(each) {
                let result = try measuring.measure(benchmark, size: each)
                results.append(result)
                if !json { print(Self.row(result)) }
            }
        }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            print(String(decoding: try encoder.encode(results), as: UTF8.self))
        }
    }

    private static func row(_ result: Measurement) -> String {
        row(
            result.name,
            result.size.map(String.init) ?? "",
            Decimals.text(result.minimum, 1),
            Decimals.text(result.median, 1),
            Decimals.text(result.allocations, 2),
            result.octetsPerEntry.map { Decimals.text($0, 0) } ?? ""
        )
    }

    private static func row(_ name: String, _ columns: String...) -> String {
        columns.reduce(name.padded(to: 44)) { $0 + " " + $1.padded(to: -12) }
    }
}
