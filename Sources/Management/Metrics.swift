// Metrics in the text exposition format 0.0.4 of Prometheus:
//
//     # HELP lispd_encapsulated_packets_total Packets encapsulated.
//     # TYPE lispd_encapsulated_packets_total counter
//     lispd_encapsulated_packets_total{instance_id="0"} 1027
//
// https://prometheus.io/docs/instrumenting/exposition_formats/

/// One metric with all its samples.
package struct MetricFamily: Sendable, Equatable {
    package enum Kind: String, Sendable {
        /// Only grows, and starts from 0 with the daemon. Its name ends in `_total`.
        case counter
        case gauge
    }

    package struct Label: Sendable, Equatable {
        package var name: String
        package var value: String

        package init(_ name: String, _ value: some CustomStringConvertible) {
            self.name = name
            self.value = value.description
        }
    }

    package enum Value: Sendable, Equatable {
        /// Exact, also where a floating-point number is not.
        case integer(UInt64)
        case real(Double)
    }

    package struct Sample: Sendable, Equatable {
        package var labels: [Label]
        package var value: Value
    }

    package var name: String
    /// One sentence.
    package var help: String
    package var kind: Kind
    package var samples: [Sample] = []

    package init(_ kind: Kind, _ name: String, _ help: String) {
        self.kind = kind
        self.name = name
        self.help = help
    }

    /// Adds a sample. The labels of all samples have the same names in the same order.
    package mutating func add(_ value: some UnsignedInteger, _ labels: Label...) {
        samples.append(Sample(labels: labels, value: .integer(UInt64(value))))
    }

    package mutating func add(_ value: Double, _ labels: Label...) {
        samples.append(Sample(labels: labels, value: .real(value)))
    }

    /// A number of things; not below 0.
    package mutating func add(count: Int, _ labels: Label...) {
        samples.append(Sample(labels: labels, value: .integer(UInt64(max(0, count)))))
    }
}

/// The text of metrics.
package enum MetricsText {
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// Families without samples are left out.
    package static func text(of families: [MetricFamily]) -> String {
        var text = ""
        for family in families where !family.samples.isEmpty {
            text += "# HELP \(family.name) \(escaped(family.help, quotes: false))\n"
            text += "# TYPE \(family.name) \(family.kind.rawValue)\n"
            for sample in family.samples {
                text += family.name
                if !sample.labels.isEmpty {
                    let labels = sample.labels.map { "\($0.name)=\"\(escaped($0.value, quotes: true))\"" }
                    text += "{\(labels.joined(separator: ","))}"
                }
                text += " \(number(sample.value))\n"
            }
        }
        return text
    }

    private static func number(_ value: MetricFamily.Value) -> String {
        switch value {
        case .integer(let number): String(number)
        case .real(let number) where number.isNaN: "NaN"
        case .real(let number) where number.isInfinite: number > 0 ? "+Inf" : "-Inf"
        case .real(let number): String(number)
        }
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }
}
