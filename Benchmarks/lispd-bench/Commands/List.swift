import ArgumentParser

struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Names the benchmarks and their sizes.")

    @Argument(help: "Only those whose name contains these words.")
    var words: [String] = []

    func run() {
        for benchmark in Catalogue.matching(words) {
            print(([benchmark.name] + benchmark.sizes.map(String.init)).joined(separator: " "))
        }
    }
}
