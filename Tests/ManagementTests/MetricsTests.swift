// The text of metrics, read back by a parser that was written from the description of the format alone.

import Management
import Testing

/// https://prometheus.io/docs/instrumenting/exposition_formats/, text-based format, version 0.0.4.
struct Exposition {
    struct Sample: Equatable {
        var name: String
        var labels: [String: String]
        var value: Double
    }

    struct Fault: Error, Equatable {
        var line: String
        var reason: String
    }

    var help: [String: String] = [:]
    var types: [String: String] = [:]
    var samples: [Sample] = []

    init(_ text: String) throws(Fault) {
        guard text.isEmpty || text.hasSuffix("\n") else { throw Fault(line: text, reason: "no line feed at the end") }
        var finished: Set<String> = []
        var current: String?
        for line in text.split(separator: "\n", omittingEmptySubsequences: true) {
            var rest = Substring(line)
            func fault(_ reason: String) -> Fault { Fault(line: String(line), reason: reason) }
            let name: String
            if rest.hasPrefix("# HELP ") || rest.hasPrefix("# TYPE ") {
                let isHelp = rest.hasPrefix("# HELP ")
                rest = rest.dropFirst(7)
                name = Self.name(&rest, colons: true)
                guard !name.isEmpty, rest.first == " " else { throw fault("no metric name") }
                rest = rest.dropFirst()
                if isHelp {
                    guard help[name] == nil else { throw fault("a second HELP") }
                    guard let text = Self.unescaped(rest, ["\\": "\\", "n": "\n"]) else { throw fault("escape") }
                    help[name] = text
                } else {
                    guard types[name] == nil else { throw fault("a second TYPE") }
                    guard !samples.contains(where: { $0.name == name }) else { throw fault("TYPE behind a sample") }
                    guard ["counter", "gauge", "histogram", "summary", "untyped"].contains(rest) else {
                        throw fault("no such type")
                    }
                    types[name] = String(rest)
                }
            } else if rest.hasPrefix("#") {
                continue
            } else {
                let sample = try Self.sample(rest, fault)
                guard !samples.contains(where: { $0.name == sample.name && $0.labels == sample.labels }) else {
                    throw fault("twice")
                }
                samples.append(sample)
                name = sample.name
            }
            if name != current {
                if let current { finished.insert(current) }
                guard !finished.contains(name) else { throw fault("not in one group") }
                current = name
            }
        }
    }

    private static func sample(_ line: Substring, _ fault: (String) -> Fault) throws(Fault) -> Sample {
        var rest = line
        var sample = Sample(name: name(&rest, colons: true), labels: [:], value: 0)
        guard !sample.name.isEmpty else { throw fault("no metric name") }
        if rest.first == "{" {
            rest = rest.dropFirst()
            while rest.first != "}" {
                let label = name(&rest, colons: false)
                guard !label.isEmpty, !label.hasPrefix("__"), rest.hasPrefix("=\"") else { throw fault("no label") }
                rest = rest.dropFirst(2)
                var escaped = ""
                while let character = rest.first, character != "\"" {
                    escaped.append(character)
                    rest = rest.dropFirst()
                    if character == "\\", let next = rest.first {
                        escaped.append(next)
                        rest = rest.dropFirst()
                    }
                }
                guard rest.first == "\"", let value = unescaped(escaped[...], ["\\": "\\", "n": "\n", "\"": "\""]),
                    sample.labels.updateValue(value, forKey: label) == nil
                else { throw fault("a label's value") }
                rest = rest.dropFirst()
                if rest.first == "," { rest = rest.dropFirst() } else if rest.first != "}" { throw fault("labels") }
            }
            rest = rest.dropFirst()
        }
        let words = rest.split(separator: " ")
        guard rest.first == " ", words.count == 1 else { throw fault("no value") }
        switch words[0] {
        case "+Inf": sample.value = .infinity
        case "-Inf": sample.value = -.infinity
        case "NaN": sample.value = .nan
        default:
            guard let value = Double(words[0]) else { throw fault("no number") }
            sample.value = value
        }
        return sample
    }

    private static func name(_ rest: inout Substring, colons: Bool) -> String {
        let name = rest.prefix { character in
            character.isASCII && (character.isLetter || character.isNumber || character == "_")
                || colons && character == ":"
        }
        guard name.first?.isNumber != true else { return "" }
        rest = rest[name.endIndex...]
        return String(name)
    }

    private static func unescaped(_ text: Substring, _ escapes: [Character: Character]) -> String? {
        var result = ""
        var isEscaped = false
        for character in text {
            if isEscaped {
                guard let meant = escapes[character] else { return nil }
                result.append(meant)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else {
                result.append(character)
            }
        }
        return isEscaped ? nil : result
    }
}

@Suite struct MetricsTests {
    @Test func `writes what the format asks for, letter by letter`() {
        var drops = MetricFamily(.counter, "lispd_packet_drops_total", "Packets dropped.")
        drops.add(UInt64.max, .init("reason", "noMapping"), .init("worker", 3))
        drops.add(0 as UInt, .init("reason", "a \"b\" \\ c\nd"), .init("worker", 4))
        var uptime = MetricFamily(.gauge, "lispd_uptime_seconds", "Says \"how long\" \\ in\nseconds.")
        uptime.add(0.25)
        #expect(
            MetricsText.text(of: [drops, uptime]) == #"""
                # HELP lispd_packet_drops_total Packets dropped.
                # TYPE lispd_packet_drops_total counter
                lispd_packet_drops_total{reason="noMapping",worker="3"} 18446744073709551615
                lispd_packet_drops_total{reason="a \"b\" \\ c\nd",worker="4"} 0
                # HELP lispd_uptime_seconds Says "how long" \\ in\nseconds.
                # TYPE lispd_uptime_seconds gauge
                lispd_uptime_seconds 0.25

                """#
        )
    }

    @Test func `leaves a metric without a sample out`() {
        #expect(MetricsText.text(of: [MetricFamily(.gauge, "lispd_rloc_up", "")]).isEmpty)
    }

    @Test func `odd numbers have their names`() {
        var family = MetricFamily(.gauge, "x", "")
        for (index, value) in [Double.nan, .infinity, -.infinity, 1e300, -0.5].enumerated() {
            family.add(value, .init("n", index))
        }
        let values = MetricsText.text(of: [family]).split(separator: "\n").dropFirst(2).map {
            $0.split(separator: " ")[1]
        }
        #expect(values == ["NaN", "+Inf", "-Inf", "1e+300", "-0.5"])
    }

    @Test func `another's parser reads back what was meant`() throws {
        let odd = ["", "plain", "with \"quotes\"", "back\\slash", "line\nfeed", "\\n", "ü→{}=,#", "\\\"\n"]
        var family = MetricFamily(.gauge, "lispd_test", odd.joined(separator: "|"))
        for (index, value) in odd.enumerated() { family.add(count: index, .init("a", value), .init("b", index)) }
        var other = MetricFamily(.counter, "lispd_other_total", "")
        other.add(7 as UInt64)
        let read = try Exposition(MetricsText.text(of: [family, other]))
        #expect(read.help["lispd_test"] == odd.joined(separator: "|"))
        #expect(read.types == ["lispd_test": "gauge", "lispd_other_total": "counter"])
        let expected = odd.enumerated().map { index, value in
            Exposition.Sample(name: "lispd_test", labels: ["a": value, "b": "\(index)"], value: Double(index))
        }
        #expect(read.samples == expected + [Exposition.Sample(name: "lispd_other_total", labels: [:], value: 7)])
    }

    @Test(arguments: [
        "x 1", "x{a=\"b} 1\n", "x{a=\"b\"\n", "1x 1\n", "x one\n", "# TYPE x thing\n", "x 1\nx 2\n",
        "x 1\ny 1\nx{a=\"b\"} 1\n", "x 1\n# TYPE x gauge\n", "x{a=\"\\t\"} 1\n",
    ])
    func `that parser refuses what is wrong`(text: String) {
        #expect(throws: Exposition.Fault.self) { try Exposition(text) }
    }
}
