// `clear statistics`: what `show statistics` counts from. The counters themselves go on, for SNMP and the metrics.

import FoundationEssentials
import LISPTables
import ManagementAPI

/// The statistics as they stood when the operator cleared them.
///
/// Reports are compared number by number in their JSON form, so that a counter which is new is cleared like all others. What is
/// no counter is named here.
struct StatisticsBaseline {
    let taken: Instant
    private let numbers: JSONValue

    /// Fields that are no counters: names of rows, and what is of this moment.
    private static let notCounted: Set<String> = [
        "family", "instanceID", "reason", "worker", "recentMapRequests", "recentMapRegisterRecords",
        "portsWithoutTrains", "last",
    ]

    /// - Parameter report: of everything.
    init(_ report: StatisticsReport, taken: Instant) {
        self.taken = taken
        self.numbers = JSONValue(report)
    }

    /// What was counted since.
    func since(_ report: StatisticsReport) -> StatisticsReport {
        guard var since = JSONValue(report).subtracting(numbers).decoded(as: StatisticsReport.self) else {
            preconditionFailure("a report less a report is a report")
        }
        // Reasons that have not come up since are not listed, as those that never did.
        since.controlDrops.removeAll { $0.count == 0 }
        since.dataPlane?.drops.removeAll { $0.count == 0 }
        since.dataPlane?.headerHints?.ignored.removeAll { $0.count == 0 }
        return since
    }

    /// JSON as far as reports have it.
    private enum JSONValue: Codable {
        case number(UInt64)
        case text(String)
        case list([JSONValue])
        case object([String: JSONValue])

        init(_ value: some Encodable) {
            guard let data = try? JSONEncoder().encode(value),
                let parsed = try? JSONDecoder().decode(JSONValue.self, from: data)
            else { preconditionFailure("a report is numbers, texts, lists and objects") }
            self = parsed
        }

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(UInt64.self) {
                self = .number(number)
            } else if let text = try? container.decode(String.self) {
                self = .text(text)
            } else if let list = try? container.decode([JSONValue].self) {
                self = .list(list)
            } else {
                self = .object(try container.decode([String: JSONValue].self))
            }
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .number(let number): try container.encode(number)
            case .text(let text): try container.encode(text)
            case .list(let list): try container.encode(list)
            case .object(let object): try container.encode(object)
            }
        }

        func decoded<Value: Decodable>(as type: Value.Type) -> Value? {
            guard let data = try? JSONEncoder().encode(self) else { return nil }
            return try? JSONDecoder().decode(type, from: data)
        }

        func subtracting(_ other: JSONValue) -> JSONValue {
            switch (self, other) {
            // A counter that is less than it was began afresh, with its role.
            case (.number(let new), .number(let old)): .number(new >= old ? new - old : new)
            case (.list(let new), .list(let old)):
                .list(new.map { row in old.first { $0.name == row.name }.map(row.subtracting) ?? row })
            case (.object(let new), .object(let old)):
                .object(
                    Dictionary(
                        uniqueKeysWithValues: new.map { key, value in
                            guard let before = old[key], !StatisticsBaseline.notCounted.contains(key) else {
                                return (key, value)
                            }
                            return (key, value.subtracting(before))
                        }
                    )
                )
            default: self
            }
        }

        /// What tells a row of a list from the others.
        private var name: String {
            guard case .object(let row) = self else { return "" }
            return ["family", "instanceID", "reason", "worker"].compactMap { row[$0] }.map { value in
                switch value {
                case .text(let text): text
                case .number(let number): String(number)
                case .list, .object: ""
                }
            }.joined(separator: " ")
        }
    }
}
