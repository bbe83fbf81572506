// Running tshark over a capture file, and what it may complain about (Interop/tshark-exceptions).

import Foundation
import LISPWire
import TestCaptures

/// What tshark saw in one frame: the values of each field in the order of the frame.
struct DissectedFrame: Decodable {
    private struct Source: Decodable { var layers: [String: [String]] }
    private enum CodingKeys: String, CodingKey { case source = "_source" }

    let fields: [String: [String]]

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        fields = try container.decode(Source.self, forKey: .source).layers
    }

    /// The values of a field in one spelling: numbers decimal, flags 0 or 1, addresses as we print them.
    func values(_ field: String) -> [String] {
        (fields[field] ?? []).map { value in
            if let address = IPAddress(value) { return address.description }
            if value.hasPrefix("0x"), let number = UInt64(value.dropFirst(2), radix: 16) { return String(number) }
            switch value {
            case "True": return "1"
            case "False": return "0"
            default: return value
            }
        }
    }

    /// Complaints of at least "warning" severity, and the mark of a malformed frame.
    var complaints: [String] {
        let severities = values("_ws.expert.severity").map { Int($0) ?? .max }
        let experts = zip(values("_ws.expert.message"), severities).filter { $0.1 >= 0x60_0000 }.map(\.0)
        let malformed = fields["_ws.malformed"] ?? []
        return experts + (malformed.isEmpty || !experts.isEmpty ? [] : ["Malformed Packet"])
    }
}

enum Tshark {
    /// Where tshark is installed.
    static let executable: URL? = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        .map { URL(filePath: String($0)).appending(path: "tshark") }
        .first { FileManager.default.isExecutableFile(atPath: $0.path) }

    /// Where tshark is missing the tests are skipped, but not in CI: there they fail.
    static let isExpected = executable != nil || ProcessInfo.processInfo.environment["CI"] != nil

    struct Failure: Error { var description: String }

    /// Dissects a capture, one answer a frame.
    static func dissect(_ capture: Data, fields: [String]) throws -> [DissectedFrame] {
        guard let executable else { throw Failure(description: "tshark is not installed") }
        let folder = FileManager.default.temporaryDirectory.appending(path: "lispd-tshark-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let pcap = folder.appending(path: "frames.pcap")
        let json = folder.appending(path: "frames.json")
        try capture.write(to: pcap)
        guard FileManager.default.createFile(atPath: json.path, contents: nil) else {
            throw Failure(description: "\(json.path) cannot be made")
        }
        let process = Process()
        process.executableURL = executable
        process.arguments =
            ["-n", "-r", pcap.path, "-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-T", "json"]
            + (fields + ["_ws.expert.message", "_ws.expert.severity", "_ws.malformed"]).flatMap { ["-e", $0] }
        process.standardOutput = try FileHandle(forWritingTo: json)
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure(description: "tshark ended with status \(process.terminationStatus)")
        }
        return try JSONDecoder().decode([DissectedFrame].self, from: Data(contentsOf: json))
    }
}

/// One line of Interop/tshark-exceptions.
struct TsharkException: Hashable {
    var kind: String
    var message: String
    var reason: String

    static func all() throws -> Set<TsharkException> {
        let file = Interop.folder.appending(path: "tshark-exceptions")
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").filter { !$0.hasPrefix("#") }
        return Set(
            try lines.map { line in
                let parts = line.components(separatedBy: " | ").map { $0.trimmingCharacters(in: .whitespaces) }
                guard parts.count == 3, parts[2].contains("RFC ") else {
                    throw Tshark.Failure(description: "not an exception: \(line)")
                }
                return TsharkException(kind: parts[0], message: parts[1], reason: parts[2])
            }
        )
    }
}
