// The end of every command: the answer as text or as JSON on standard output.

import FoundationEssentials
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
