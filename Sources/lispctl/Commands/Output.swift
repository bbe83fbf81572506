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
            print(text(answer.data), terminator: "")
        }
    }
}

func writeJSON(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    print(String(decoding: try encoder.encode(value), as: UTF8.self))
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
                throw CommandFailure(.outputFailed, "cannot write the answer: \(String(cString: strerror(errno)))")
            }
            rest = rest.dropFirst(written)
        }
        buffer.removeAll(keepingCapacity: true)
    }
}
