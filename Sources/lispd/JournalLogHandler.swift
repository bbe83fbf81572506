// Log lines on standard error as journald reads them: a priority in angle brackets, then the message (sd-daemon(3)).

import Glibc
import Logging

/// Writes `<6>message key=value` lines; without the prefix where a person reads along on a terminal.
struct JournalLogHandler: LogHandler {
    var logLevel: Logger.Level = .info
    var metadata: Logger.Metadata = [:]

    /// Whether standard error goes to a terminal; then the level is spelled out instead.
    private static let isTerminal = isatty(STDERR_FILENO) == 1

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var line = Self.isTerminal ? "\(event.level): " : "<\(Self.priority(event.level))>"
        line += event.message.description.replacing("\n", with: " ")
        let fields = metadata.merging(event.metadata ?? [:]) { $1 }
        for (key, value) in fields.sorted(by: { $0.key < $1.key }) { line += " \(key)=\(value)" }
        line += "\n"
        // One write a line, so that lines of several threads do not mix.
        line.withUTF8 { bytes in
            _ = write(STDERR_FILENO, bytes.baseAddress, bytes.count)
        }
    }

    /// syslog(3) priorities.
    private static func priority(_ level: Logger.Level) -> Int {
        switch level {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}
