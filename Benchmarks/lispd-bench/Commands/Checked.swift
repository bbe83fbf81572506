import ArgumentParser

struct Checked: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Names what Benchmarks/check compares: a line with name, size and operations for each."
    )

    @Argument(help: "Only those whose name contains these words.")
    var words: [String] = []

    func run() {
        for benchmark in Catalogue.matching(words) {
            for size in benchmark.checkedSizes {
                print(benchmark.name, size, benchmark.checked.operations)
            }
        }
    }
}
