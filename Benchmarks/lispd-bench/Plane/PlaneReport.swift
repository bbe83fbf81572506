// What `lispd-bench plane` found, held against what was promised.

/// One figure: the median of its runs. `reference` is what it is compared with.
struct PlaneRow: Codable {
    var name: String
    var value: Double
    var unit: String
    var runs: [Double]
    var reference: Double?
    /// At least so many times the reference.
    var wanted: Double?
    /// At most so much.
    var limit: Double?
}

/// Series that were measured in turn.
struct PlaneReport {
    /// At full load with few entries and with many.
    var few: [PlaneSample] = []
    var many: [PlaneSample] = []
    /// At full load with many entries, without changes and with them.
    var still: [PlaneSample] = []
    var changing: [PlaneSample] = []
    /// At a rate at which nothing is lost without changes.
    var moderate: [PlaneSample] = []
    var moderateChanging: [PlaneSample] = []

    var rows: [PlaneRow] {
        var rows: [PlaneRow] = []
        func add(_ name: String, _ unit: String, _ samples: [PlaneSample], _ value: (PlaneSample) -> Double) -> Int {
            let runs = samples.map(value)
            rows.append(PlaneRow(name: "plane.\(name)", value: Self.median(runs), unit: unit, runs: runs))
            return rows.count - 1
        }
        func pair(_ names: (String, String), _ samples: ([PlaneSample], [PlaneSample]), wanted: Double) {
            let rates = (
                add("\(names.0).rate", "packets/s", samples.0) { $0.rate },
                add("\(names.1).rate", "packets/s", samples.1) { $0.rate }
            )
            let costs = (
                add("\(names.0).worker", "ns/packet", samples.0) { $0.workerNanoseconds },
                add("\(names.1).worker", "ns/packet", samples.1) { $0.workerNanoseconds }
            )
            rows[rates.1].reference = rows[rates.0].value
            rows[rates.1].wanted = wanted
            rows[costs.1].reference = rows[costs.0].value
        }
        pair(("few", "many"), (few, many), wanted: 0.8)
        pair(("still", "changing"), (still, changing), wanted: 0.9)
        _ = add("changing.changes", "changes/s", changing) { $0.changes }
        _ = add("moderate.rate", "packets/s", moderate) { $0.rate }
        _ = add("moderate.lost", "packets", moderate) { Double($0.lost) }
        let clean = zip(moderate, moderateChanging).filter { $0.0.lost == 0 }.map(\.1)
        // Where something is lost without changes as well, another program had the processor, and the run says nothing of changes.
        let lost = add("moderate.changing.lost", "packets", clean.isEmpty ? moderateChanging : clean) {
            Double($0.lost)
        }
        let all = few + many + still + changing + moderate + moderateChanging
        let wrong = add("misdelivered", "packets", all) { Double($0.misdelivered) }
        // Of these each run counts.
        for index in [lost, wrong] {
            rows[index].value = rows[index].runs.reduce(0, +)
            rows[index].limit = 0
        }
        return rows
    }

    static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return 0 }
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
}

extension PlaneRow {
    var ratio: Double? { reference.flatMap { $0 > 0 ? value / $0 : nil } }

    /// A line about what was promised; `nil` where nothing was.
    var verdict: String? {
        if let wanted {
            let mark = (ratio ?? 0) >= wanted ? "PASS " : "SHORT"
            return "\(mark) \(name): \(Decimals.text(ratio ?? 0, 3)), wanted \(wanted)"
        }
        if let limit {
            return
                "\(value <= limit ? "PASS " : "SHORT") \(name): \(Decimals.text(value, 0)) \(unit), wanted at most \(Int(limit))"
        }
        return nil
    }

    var line: String {
        let columns = [
            name.padded(to: 28), Decimals.text(value, 0).padded(to: -12), unit.padded(to: 10),
            (reference.map { Decimals.text($0, 0) } ?? "").padded(to: -12),
            (ratio.map { Decimals.text($0, 3) } ?? "").padded(to: -7),
        ]
        return columns.joined(separator: " ")
    }
}
