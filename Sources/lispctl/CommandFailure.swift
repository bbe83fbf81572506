// Why a command failed, and the exit status that says so to scripts.

import Glibc

/// Exit statuses: those of sysexits(3), and 1 for an answer that is no answer.
enum ExitStatus: Int32 {
    /// Nothing is there, nobody answers, or the router does not play the role that is asked about.
    case nothingFound = 1
    /// The arguments cannot be right.
    case usage = 64
    /// A file is not what it should be.
    case dataError = 65
    /// A file cannot be opened.
    case noInput = 66
    /// A host name that does not resolve.
    case noHost = 68
    /// The daemon is not running.
    case unavailable = 69
    /// The daemon failed, or speaks another version.
    case software = 70
    /// The answer could not be written.
    case outputFailed = 74
    case noPermission = 77
    /// A configuration has faults.
    case configuration = 78
}

extension ExitStatus {
    /// What lispd's HTTP status means for a script.
    init(httpStatus code: UInt) {
        self =
            switch code {
            case 400: .usage
            case 404, 409: .nothingFound
            case 422: .configuration
            case 503: .unavailable
            default: .software
            }
    }
}

struct CommandFailure: Error {
    var status: ExitStatus
    /// One line that says what to do about it; then more of the same, one line each.
    var lines: [String]

    init(_ status: ExitStatus, _ line: String, details: [String] = []) {
        self.status = status
        self.lines = ["lispctl: \(line)"] + details
    }

    /// Faults that name their own place, one line each.
    init(_ status: ExitStatus, faults: [String]) {
        self.status = status
        self.lines = faults
    }

    /// What is wrong, without the name of the tool.
    var reason: String {
        let line = lines.first ?? ""
        return line.hasPrefix("lispctl: ") ? String(line.dropFirst(9)) : line
    }

    /// Writes the lines to standard error.
    func print() {
        for line in lines { printError(line) }
    }
}

/// Writes a line to standard error.
func printError(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = write(STDERR_FILENO, bytes, bytes.count)
}
