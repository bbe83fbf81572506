// The end of every command: the answer as text or as JSON on standard output, at once or bit by bit.

import FoundationEssentials
import Glibc
import ManagementAPI

extension DaemonOptions {
    /// Writes `answer` as JSON if that was asked for, else as what `text` makes of it.
    func write<Report>(_ answer: Answer<Report>, _ text: (Report) -> String) throws {
        if json {
            try writeJSON(answer)
        } else {
            try writeText(text(answer.data))
        }
    }
}

func writeJSON(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try writeText(String(decoding: try encoder.encode(value), as: UTF8.self) + "\n")
}

/// One object on a line of its own.
func writeJSONLine(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    try writeText(String(decoding: try encoder.encode(value), as: UTF8.self) + "\n")
}

/// - Parameter text: with its line ends.
func writeText(_ text: String) throws(CommandFailure) {
    var output = Output()
    try output.write(text)
    try output.flush()
}

/// Standard output for an answer of any length: written in large pieces, each failure noticed.
struct Output {
    private var buffer: [UInt8] = []

    mutating func write(_ text: String) throws(CommandFailure) {
        buffer.append(contentsOf: text.utf8)
        if buffer.count >= 64 * 1024 { try flush() }
    }

    mutating func flush() throws(CommandFailure) {
        var rest = buffer[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if written < 0 {
                if errno == EINTR { continue }
                if errno == EPIPE { endLikeOthers() }
                throw CommandFailure(.outputFailed, "cannot write the answer: \(String(cString: strerror(errno)))")
            }
            rest = rest.dropFirst(written)
        }
        buffer.removeAll(keepingCapacity: true)
    }

    /// Whoever read the answer, as `head` does, has seen enough: ends by the signal that NIO has us ignore, without a word.
    private func endLikeOthers() {
        signal(SIGPIPE, SIG_DFL)
        raise(SIGPIPE)
    }
}
