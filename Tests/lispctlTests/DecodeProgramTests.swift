// The program itself: exit statuses, standard input and error, and many frames in little memory.

import Foundation
import Testing

@testable import lispctl

@Suite struct DecodeProgramTests {
    /// It stands beside the test's own executable.
    private static let program = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().appending(path: "lispctl")

    private struct Ran {
        var status: Int32
        var output: String
        var errors: String
    }

    private static func run(_ arguments: [String], input: String? = nil) throws -> Ran {
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        let errors = try TemporaryFile([], name: "errors")
        process.standardError = try FileHandle(forWritingTo: URL(filePath: errors.path))
        process.standardInput = try input.map { try FileHandle(forReadingFrom: URL(filePath: $0)) } ?? .nullDevice
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return Ran(
            status: process.terminationStatus,
            output: text,
            errors: try String(contentsOfFile: errors.path, encoding: .utf8)
        )
    }

    @Test func `reads a file, and the same from standard input`() throws {
        let path = Captures.path("ln-01-basic-iid1000")
        let file = try Self.run(["decode", path, "--key", "lab-key-1", "--key", "lab-key-2"])
        #expect(file.status == 0 && file.errors.isEmpty)
        #expect(file.output.hasPrefix("Frame 1  ") && file.output.hasSuffix("6 verified, 0 FAILED, 0 unverified\n"))
        let piped = try Self.run(["decode", "-", "--key", "lab-key-1", "--key", "lab-key-2"], input: path)
        #expect(piped.status == 0 && piped.output == file.output)
    }

    @Test func `a file that breaks off ends with what is wrong and exit status 65`() throws {
        let bytes = try Array(Data(contentsOf: URL(filePath: Captures.path("ln-01-basic-iid1000"))))
        let cut = try TemporaryFile(Array(bytes.dropLast(10)))
        let ran = try Self.run(["decode", cut.path])
        #expect(ran.status == 65)
        #expect(ran.output.contains("\nFrame 43  ") && ran.output.hasSuffix("\nThe capture file breaks off here.\n"))
        #expect(ran.errors.hasPrefix("lispctl: \(cut.path) cannot be read behind frame 43: truncated dump file"))
        #expect(ran.errors.split(separator: "\n").count == 1)
        let json = try Self.run(["decode", cut.path, "--json"])
        let last = try JSON.object(String(try #require(json.output.split(separator: "\n").last)))
        #expect(json.status == 65 && (last["failure"] as? String)?.contains("truncated dump file") == true)
    }

    @Test func `what cannot be opened, and what is no capture, differ in their exit status`() throws {
        let garbage = try TemporaryFile(Array("no capture, whatever it is".utf8))
        for (arguments, status) in [
            (["decode", "/nonexistent"], Int32(66)), (["decode", garbage.path], 65), (["decode", "-"], 65),
            (["decode", garbage.path, "--key-file", "/nonexistent"], 66), (["decode", garbage.path, "--key", ""], 64),
        ] {
            let ran = try Self.run(arguments)
            #expect(ran.status == status && ran.output.isEmpty, "\(arguments)")
            #expect(ran.errors.hasPrefix("lispctl: ") && ran.errors.split(separator: "\n").count == 1, "\(ran.errors)")
        }
    }

    @Test func `what nobody reads is no error`() throws {
        let shell = Process()
        shell.executableURL = URL(filePath: "/bin/sh")
        let path = Captures.path("ln-01-basic-iid1000")
        shell.arguments = [
            "-c", "\"$0\" decode \"$1\" 2>&1 | head -n 1", Self.program.path(percentEncoded: false), path,
        ]
        let output = Pipe()
        shell.standardOutput = output
        try shell.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        shell.waitUntilExit()
        #expect(text.hasPrefix("Frame 1  ") && text.split(separator: "\n").count == 1)
    }
}
