// Why a configuration file was refused: every fault found, each one line with its place in the file.

/// One fault of a configuration file.
package struct ConfigurationIssue: Hashable, Sendable, Comparable {
    package var file: String
    /// Both count from 1; the column counts Unicode scalars.
    package var line: Int
    package var column: Int
    /// `found X, expected Y`, one line; never contains a secret.
    package var message: String

    package init(file: String, line: Int, column: Int, message: String) {
        self.file = file
        self.line = line
        self.column = column
        self.message = message
    }

    /// In the order of the file.
    package static func < (a: Self, b: Self) -> Bool {
        (a.file, a.line, a.column, a.message) < (b.file, b.line, b.column, b.message)
    }
}

extension ConfigurationIssue: CustomStringConvertible {
    /// `FILE:LINE:COLUMN: found X, expected Y`
    package var description: String { "\(file):\(line):\(column): \(message)" }
}

/// All faults of a configuration file, in the order of the file; never empty.
package struct ConfigurationError: Error, Hashable, Sendable {
    package let issues: [ConfigurationIssue]

    init(_ issues: [ConfigurationIssue]) {
        precondition(!issues.isEmpty, "a refusal names at least one fault")
        var seen: Set<ConfigurationIssue> = []
        self.issues = issues.sorted().filter { seen.insert($0).inserted }
    }
}

extension ConfigurationError: CustomStringConvertible {
    /// One line a fault.
    package var description: String { issues.map(\.description).joined(separator: "\n") }
}
