// docs/show-json.md is a contract: it names every field, and no other.

import FoundationEssentials
import ManagementAPI
import Testing

@testable import lispctl

@Suite struct DocumentationTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    private static func text(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(filePath: "\(root)/\(path)")), as: UTF8.self)
    }

    /// Identifiers in the code spans of docs/show-json.md.
    private static func documented() throws -> Set<Substring> {
        let spans = try text("docs/show-json.md").split(separator: "`", omittingEmptySubsequences: false).enumerated()
        return Set(
            spans.filter { $0.offset % 2 == 1 }.flatMap { span in
                span.element.split { !$0.isLetter && !$0.isNumber && $0 != "-" }
            }
        )
    }

    private static let reports = [
        "MappingReports", "PeerReports", "SiteReport", "StatisticsReport", "StatusReport", "EventReports",
        "ExplainReport", "RegistrationDiagnosis", "Schema",
    ]

    /// The stored properties of the reports, as JSON has them.
    private static func fields() throws -> Set<Substring> {
        var fields: Set<Substring> = []
        for file in reports {
            for line in try text("Sources/ManagementAPI/\(file).swift").split(separator: "\n") {
                guard line.hasPrefix("    package var "), !line.hasSuffix("}"), let colon = line.firstIndex(of: ":")
                else {
                    continue
                }
                fields.insert(line[..<colon].dropFirst(16))
            }
        }
        return fields
    }

    @Test func `names every field of every report`() throws {
        let fields = try Self.fields()
        #expect(fields.count > 100)
        // Pages are put together by lispctl.
        let missing = fields.subtracting(try Self.documented()).subtracting(["next"])
        #expect(missing.isEmpty, "not in docs/show-json.md: \(missing.sorted())")
    }

    @Test func `names no field that is none`() throws {
        // Of what is in camelCase only fields are.
        let words = try Self.documented().filter { word in
            word.first?.isLowercase == true && word.contains(where: \.isUppercase)
        }
        let lig = try Self.text("Sources/lispctl/Lig/LigText.swift").split { !$0.isLetter }
        let unknown = words.subtracting(try Self.fields()).subtracting(lig)
        #expect(unknown.isEmpty, "in docs/show-json.md: \(unknown.sorted())")
    }

    @Test(arguments: EventKind.allCases) func `names every kind of event`(kind: EventKind) throws {
        #expect(try Self.text("docs/show-json.md").contains("`\(kind.rawValue)`"))
    }

    @Test func `docs/metrics.md names every metric, and no other`() throws {
        let pattern = /"((?:lispd|process)_[a-z_]+)"/
        var metrics: Set<Substring> = []
        for file in ["lispd/ControlLoop+Metrics", "lispd/SNMPAgent", "lispd/ProcessMetrics", "Management/EventHub"] {
            metrics.formUnion(try Self.text("Sources/\(file).swift").matches(of: pattern).map(\.output.1))
        }
        #expect(metrics.count > 50)
        let documented = try Self.text("docs/metrics.md").matches(of: /`((?:lispd|process)_[a-z_]+)`/).map(\.output.1)
        #expect(metrics == Set(documented), "\(metrics.symmetricDifference(documented).sorted())")
    }

    @Test func `names the schema in use`() throws {
        #expect(try Self.text("docs/show-json.md").contains("{\"schema\": \"\(ManagementSchema.current)\", \"time\":"))
    }
}
