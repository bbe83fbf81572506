import ArgumentParser
import FoundationEssentials

struct Plane: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Measures a data plane on a real TUN and real sockets: few map-cache entries and many, with changes and without.",
        discussion: """
            Sends UDP packets to random destinations through the TUN, in a network namespace of its own, and receives what \
            the worker has encapsulated. Needs root, and takes processors: one for the worker, the others for the rest. \
            What is compared is measured in turn.
            """
    )

    @Option(help: "How many entries many are: 1 to \(PlanePopulation.limit).")
    var entries = 1_000_000

    @Option(help: "How many few are.")
    var few = 10

    @Option(help: "How often each is measured.")
    var rounds = 5

    @Option(help: "How long each time.")
    var seconds = 2.0

    @Option(help: "Changes of the forwarding table a second.")
    var changes = 10_000.0

    @Option(
        help:
            "Packets a second at which none may be lost. Default: a quarter of what arrives at full load, or less if some are lost."
    )
    var rate: Double?

    @Flag(help: "Prints JSON.")
    var json = false

    func validate() throws {
        for (name, count) in [("--entries", entries), ("--few", few)] where !(1...PlanePopulation.limit).contains(count)
        {
            throw ValidationError("\(name) \(count): expected 1 to \(PlanePopulation.limit)")
        }
        guard rounds > 0, seconds > 0, changes > 0, rate ?? 1 > 0 else {
            throw ValidationError("--rounds, --seconds, --changes and --rate are more than 0")
        }
    }

    func run() throws {
        let rows = try measure().rows
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
            return print(String(decoding: try encoder.encode(rows), as: UTF8.self))
        }
        print(
            "\("name".padded(to: 28)) \("value".padded(to: -12)) \("unit".padded(to: 10)) \("reference".padded(to: -12))   ratio"
        )
        for row in rows { print(row.line) }
        for row in rows { if let verdict = row.verdict { print(verdict) } }
    }

    private func measure() throws -> PlaneReport {
        var report = PlaneReport()
        let small = try PlaneHost.inNamespace(entries: few)
        let large = try PlaneHost.inNamespace(entries: entries)
        for _ in 0..<rounds {
            report.few.append(try small.measure(seconds: seconds, rate: nil, changes: 0))
            report.many.append(try large.measure(seconds: seconds, rate: nil, changes: 0))
        }
        for _ in 0..<rounds {
            report.still.append(try large.measure(seconds: seconds, rate: nil, changes: 0))
            report.changing.append(try large.measure(seconds: seconds, rate: nil, changes: changes))
        }
        var moderate = rate ?? PlaneReport.median(report.still.map(\.rate)) / 4
        for _ in 0..<rounds {
            report.moderate.append(try large.measure(seconds: seconds, rate: moderate, changes: 0))
            // Something else took the processor: slower, so that what is lost next is lost to the changes.
            if rate == nil, report.moderate[report.moderate.count - 1].lost > 0 { moderate /= 2 }
            report.moderateChanging.append(try large.measure(seconds: seconds, rate: moderate, changes: changes))
        }
        return report
    }
}
