// What the tests of `decode` share: the captures of the repository, frames made by hand, and runs of the whole command.

import Foundation
import LISPWire
import Testing

@testable import lispctl

enum Captures {
    static let folder = URL(filePath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Interop/captures")

    static let names = [
        "ln-01-basic-iid1000", "ln-02-basic-iid0", "ln-03-rloc-probe", "ln-05-ddt", "ln-07-lcaf", "ln-09-rloc-v6",
        "ln-16-go-data-plane", "oor-01-xtrs-probe-smr-lispers-ms", "oor-02-smr",
    ]

    /// Those that captures/README.md names.
    static let keys = ["lab-key-1", "lab-key-2", "lab-key-3", "lab-key-any"]

    static func path(_ name: String) -> String {
        folder.appending(path: name + ".pcap").path(percentEncoded: false)
    }

    static func frames(_ name: String) throws -> [CapturedFrame] {
        let file = try CaptureFile(path: path(name))
        var frames: [CapturedFrame] = []
        while let frame = try file.next() { frames.append(frame) }
        return frames
    }

    static func frame(_ name: String, _ number: Int) throws -> CapturedFrame {
        try #require(try frames(name).first { $0.number == number })
    }
}

/// A capture as `lispctl decode` takes it in.
struct Decoded {
    var dissections: [(frame: CapturedFrame, dissection: FrameDissection)] = []
    var summary = DecodeSummary()

    init(path: String, keys: [String] = Captures.keys, types: Set<MessageKind> = [], limit: Int? = nil) throws {
        let ring = try KeyRing(secrets: keys, files: []) { _ in }
        var run = DecodeRun(capture: try CaptureFile(path: path), keys: ring, types: types, limit: limit)
        while let (frame, dissection) = try run.next() { dissections.append((frame, dissection)) }
        summary = run.summary
    }

    var text: String { dissections.map { TextReport().frame($0.frame, $0.dissection) }.joined() }

    var json: [[String: Any]] {
        get throws {
            var report = JSONReport()
            return try dissections.map { try JSON.object(report.frame($0.frame, $0.dissection)) }
        }
    }
}

enum JSON {
    static func object(_ line: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }
}

/// Reads into an object by keys: `message.eidRecords.0.recordTTL`.
func member(_ object: Any?, _ path: String) -> Any? {
    path.split(separator: ".").reduce(object) { value, key in
        if let index = Int(key), let list = value as? [Any] { return index < list.count ? list[index] : nil }
        return (value as? [String: Any])?[String(key)]
    }
}

enum Frames {
    static let ethernet = hex("0200000000020200000000010800")

    static func hex(_ text: String) -> [UInt8] {
        let digits = Array(text.utf8.filter { $0 != 0x20 })
        return stride(from: 0, to: digits.count, by: 2).compactMap {
            UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
        }
    }

    /// An IP packet with a UDP datagram and a right checksum, or with the one given.
    static func packet(
        _ payload: [UInt8],
        from source: Endpoint = Endpoint(.v4(IPv4Address(0xc633_6401)), 4342),
        to destination: Endpoint = Endpoint(.v4(IPv4Address(0xc633_6402)), 4342),
        checksum: UInt16? = nil
    ) -> [UInt8] {
        // An Encapsulated Control Message holds just such a packet behind four octets.
        let message = EncapsulatedControlMessage(source: source, destination: destination, payload: payload)
        var packet = Array(message.encoded().dropFirst(4))
        if let checksum {
            let offset = packet.count - payload.count - 2
            packet[offset] = UInt8(checksum >> 8)
            packet[offset + 1] = UInt8(checksum & 0xff)
        }
        return packet
    }

    /// The same on Ethernet.
    static func frame(_ packet: [UInt8], number: Int = 1, wireLength: Int? = nil) -> CapturedFrame {
        let type: [UInt8] = packet.first.map { $0 >> 4 } == 6 ? [0x86, 0xdd] : [0x08, 0x00]
        let octets = Array(ethernet.dropLast(2)) + type + packet
        return CapturedFrame(number: number, captured: octets, wireLength: wireLength ?? octets.count)
    }

    /// Any message that decodes.
    static let mapRequest = MapRequest(
        nonce: Nonce(rawValue: 0x0123_4567_89ab_cdef),
        itrRLOCs: [.ip(.v4(IPv4Address(0xc633_6401)))],
        records: [MapRequest.Record(EIDPrefix(IPPrefix(host: .v4(IPv4Address(0x0a02_0001)))))]
    ).encoded()

    /// A pcap file of microseconds.
    static func pcap(_ frames: [[UInt8]], linkType: UInt32 = 1, snapshotLength: Int = 65_535) -> [UInt8] {
        var file = WireWriter()
        file.integer(UInt32(0xa1b2_c3d4))
        file.integer(UInt32(0x0002_0004))
        file.integer(UInt64(0))
        file.integer(UInt32(262_144))
        file.integer(linkType)
        for (index, frame) in frames.enumerated() {
            file.integer(UInt32(1_700_000_000 + index))
            file.integer(UInt32(123_456))
            file.integer(UInt32(min(frame.count, snapshotLength)))
            file.integer(UInt32(frame.count))
            file.bytes(frame.prefix(snapshotLength))
        }
        return file.bytes
    }
}

extension FrameDissector {
    /// One that knows the lab's keys.
    static func lab(_ linkType: LinkType = .ethernet) throws -> FrameDissector {
        FrameDissector(linkType: linkType, keys: try KeyRing(secrets: Captures.keys, files: []) { _ in })
    }
}

extension FrameOutcome {
    var lisp: FrameDissection? {
        if case .lisp(let dissection) = self { dissection } else { nil }
    }

    var fragment: FrameDissection? {
        if case .fragment(let dissection) = self { dissection } else { nil }
    }

    var isOther: Bool {
        if case .other = self { true } else { false }
    }
}

/// A file that goes when the test ends.
final class TemporaryFile {
    let path: String

    init(_ bytes: [UInt8], name: String = "capture") throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "lispctl-\(name)-\(UUID().uuidString)")
        try Data(bytes).write(to: url)
        self.path = url.path(percentEncoded: false)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }
}

enum Tools {
    /// Whether a tool of Wireshark is there. `make test` installs them and says that they are to be expected.
    static func has(_ tool: String) -> Bool { path(tool) != nil }

    private static func path(_ tool: String) -> String? {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin").split(separator: ":")
        return folders.map { "\($0)/\(tool)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// Runs a tool to its end; its standard output.
    static func run(_ tool: String, _ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: try #require(path(tool), "\(tool) is not installed"))
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(tool) \(arguments)")
        return text
    }
}
