import Foundation
import Testing

@Suite struct DocumentationTests {
    @Test func `the agent of the documentation is the one that is built`() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let source = try String(
            contentsOf: root.appending(path: "Sources/agentx-example/Planets.swift"),
            encoding: .utf8
        )
        let article = try String(
            contentsOf: root.appending(path: "Sources/AgentX/AgentX.docc/AgentX.md"),
            encoding: .utf8
        )
        let code = source.split(separator: "\n", omittingEmptySubsequences: false).drop { !$0.hasPrefix("import") }
        #expect(article.contains("```swift\n" + code.joined(separator: "\n") + "```"))
    }
}
