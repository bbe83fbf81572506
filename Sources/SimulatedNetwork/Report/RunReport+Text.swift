// The report as an operator reads it.

extension RunReport {
    package var text: String {
        var lines: [String] = []
        for (title, rows) in sections where rows.count > 1 { lines += ["", title] + Self.aligned(rows) }
        return lines.joined(separator: "\n") + outcome
    }

    /// Each with a line of headings, which may be empty.
    private var sections: [(title: String, rows: [[String]])] {
        [
            ("Control messages", messageRows),
            ("Control messages lost", [[]] + datagramsLost.map(Self.row)),
            ("Resolution: from a packet without a mapping to the entry", resolutionRows),
            ("Convergence: from a change until everybody concerned agrees", convergenceRows),
            (
                "Registered again, each registration",
                [Self.times("")] + registeredAgain.map { Self.times("after: \($0.after.rawValue)", $0.times) }
            ),
            ("Packets of hosts", packetRows),
            ("Clocks and paths", [[]] + surroundings.map(Self.row)),
            ("Attacks", [["", "tried"]] + attacks.map { [$0.kind, "\($0.tried)"] }),
            ("Refused and dropped by the routers", [[]] + refusals.map(Self.row)),
            ("Largest routers, estimated from their tables", memoryRows),
        ]
    }

    private var messageRows: [[String]] {
        var rows = [["", "sent", "received", "lost", "attackers'", "mean by router", "most", "by"]]
        for line in messages {
            var row = [line.type.rawValue, "\(line.sent)", "\(line.received)", "\(line.lost)", "\(line.byAttackers)"]
            row += [Self.rounded(line.meanByRouter), "\(line.mostByOneRouter)", line.busiestRouter]
            rows.append(row)
        }
        return rows
    }

    private var resolutionRows: [[String]] {
        [
            Self.times(""), Self.times("answer with locators", resolution.withLocators),
            Self.times("negative answer", resolution.negative), ["given up by the host", "\(resolution.abandoned)"],
        ]
    }

    private var convergenceRows: [[String]] {
        var rows = [["", "changes", "learnt by", "overtaken"] + Self.percentiles]
        for line in convergence {
            let counts = [line.change.rawValue, "\(line.changes)", "\(line.learnt)", "\(line.overtaken)"]
            rows.append(counts + Self.values(line.untilAllAgree))
            if line.untilPeersAgree != line.untilAllAgree, line.untilPeersAgree.count > 0 {
                rows.append(["  data in the last minute", "", "", ""] + Self.values(line.untilPeersAgree))
            }
        }
        if unfinishedGoals > 0 { rows.append(["not yet known at the end", "\(unfinishedGoals)"]) }
        return rows
    }

    private var packetRows: [[String]] {
        var rows = [[], ["sent", "\(packetsSent)"]]
        for line in packets {
            let share = packetsSent == 0 ? 0 : Double(line.count) * 100 / Double(packetsSent)
            rows.append([line.what, "\(line.count)", Self.rounded(share) + "%"])
        }
        return rows
    }

    private var memoryRows: [[String]] {
        var rows = [["", "", "KiB", "map-cache", "RLOCs", "questions", "held", "registrations", "nonces"]]
        for line in memory {
            let tables = line.tables
            var row = [line.role, line.router, "\((line.octets + 1023) / 1024)", "\(tables.mapCacheEntries)"]
            row += ["\(tables.locators)", "\(tables.openQuestions)", "\(tables.heldPacketOctets)"]
            row += ["\(tables.registrations)", "\(tables.nonceHistories)"]
            rows.append(row)
        }
        return rows
    }

    private var outcome: String {
        var text = "\n\n"
        if !attacks.isEmpty {
            let tried = attacks.reduce(0) { $0 + $1.tried }
            text += "\(tried) attacks, \(violations.isEmpty ? "none with an effect" : "see what was violated"). "
        }
        text += violations.isEmpty ? "No check was violated." : "\(violations.count) violations."
        if let process {
            let memory = process.peakResidentOctets.map { ", \($0 >> 20) MiB at most" } ?? ""
            text += "\n\(Self.rounded(virtualSeconds / 3600)) h in \(Self.rounded(process.wallSeconds)) s\(memory)."
        }
        return text
    }

    /// What the routers did not do, and why; the other tallies say what they did.
    package var refusals: [Count] {
        let words = ["refused", "dropped", "ignored", "withheld", "not believed", "not sent", "not kept"]
        let reasons = RouterTallies.refusals
        return tallies.filter { line in reasons.contains(line.what) || words.contains { line.what.contains($0) } }
    }

    // MARK: Tables

    private static let percentiles = ["p50", "p90", "p99", "p99.9", "max"]

    private static func times(_ name: String, _ times: Times? = nil) -> [String] {
        guard let times else { return [name, "count"] + percentiles }
        return [name, "\(times.count)"] + values(times)
    }

    private static func values(_ times: Times) -> [String] {
        [times.p50, times.p90, times.p99, times.p999, times.max].map { $0.map(duration) ?? "-" }
    }

    /// Three digits or so, with a unit.
    private static func duration(_ milliseconds: Double) -> String {
        switch milliseconds {
        case ..<1000: "\(rounded(milliseconds)) ms"
        case ..<120_000: "\(rounded(milliseconds / 1000)) s"
        default: "\(rounded(milliseconds / 60_000)) min"
        }
    }

    private static func rounded(_ value: Double) -> String {
        value >= 100 ? "\(Int(value.rounded()))" : "\((value * 10).rounded() / 10)"
    }

    private static func row(_ line: Count) -> [String] { [line.what, "\(line.count)"] }

    /// Names to the left, numbers to the right.
    private static func aligned(_ rows: [[String]]) -> [String] {
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], cell.count)
            }
        }
        return rows.filter { !$0.isEmpty }.map { row in
            let cells = row.enumerated().map { column, cell in
                let room = String(repeating: " ", count: widths[column] - cell.count)
                return column == 0 ? cell + room : room + cell
            }
            var line = "  " + cells.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}
