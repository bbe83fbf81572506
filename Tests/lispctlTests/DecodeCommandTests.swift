// The command as it is typed: arguments, key files, and what goes to standard output.

import ArgumentParser
import Foundation
import Testing

@testable import lispctl

@Suite struct DecodeCommandTests {
    @Test(arguments: [
        ["decode", "f"], ["decode", "-", "--json"], ["decode", "f", "--key", "a", "--key", "b", "--key-file", "/k"],
        ["decode", "f", "--type", "map-request", "--type", "undecoded", "--count", "1"],
    ])
    func `parses`(arguments: [String]) throws {
        #expect(try Lispctl.parseAsRoot(arguments) is Decode)
    }

    @Test(arguments: [
        ["decode"], ["decode", "f", "--count", "0"], ["decode", "f", "--type", "map-answer"], ["decode", "f", "--key"],
    ])
    func `refuses what cannot be right`(arguments: [String]) {
        #expect(throws: (any Error).self) { try Lispctl.parseAsRoot(arguments) }
    }

    @Test func `the help says what is taken for LISP, and the exit statuses`() {
        let help = Decode.helpMessage(columns: 100)
        for words in ["UDP port 4341", "4342", "VLAN", "raw IP", "--key-file", "Exit status", "65", "66"] {
            #expect(help.contains(words), "\(words)")
        }
    }

    @Test func `the shells complete it`() {
        for shell in [CompletionShell.bash, .zsh, .fish] {
            #expect(Lispctl.completionScript(for: shell).contains("decode"))
        }
    }

    // MARK: - Keys

    @Test func `a key may stand in a file, with or without a line end`() throws {
        for end in ["", "\n", "\r\n"] {
            let file = try TemporaryFile(Array("lab-key-1\(end)".utf8), name: "key")
            let ring = try KeyRing(secrets: ["other"], files: [file.path]) { _ in }
            var run = DecodeRun(capture: try CaptureFile(path: Captures.path("ln-01-basic-iid1000")), keys: ring)
            let (frame, dissection) = try #require(try run.next())
            #expect(dissection.message.verdict == .verified(key: "--key-file \(file.path)"))
            #expect(!TextReport().frame(frame, dissection).contains("lab-key"))
            var report = JSONReport()
            let line = report.frame(frame, dissection)
            #expect(!line.contains("lab-key"))
            #expect(member(try JSON.object(line), "message.authentication.verdict") as? String == "verified")
        }
    }

    @Test func `a key may begin with a dash`() throws {
        let command = try #require(try Lispctl.parseAsRoot(["decode", "f", "--key", "-secret", "--json"]) as? Decode)
        #expect(command.key == ["-secret"] && command.json)
    }

    @Test func `a key that everyone may read is warned of`() throws {
        let file = try TemporaryFile(Array("lab-key-1".utf8), name: "key")
        chmod(file.path, 0o644)
        var warnings: [String] = []
        _ = try KeyRing(secrets: [], files: [file.path]) { warnings.append($0) }
        #expect(warnings == ["lispctl: key file \(file.path) can be read by everyone on this host: use mode 0600"])
        chmod(file.path, 0o600)
        warnings = []
        _ = try KeyRing(secrets: [], files: [file.path]) { warnings.append($0) }
        #expect(warnings.isEmpty)
    }

    @Test func `a key that is none is refused`() throws {
        func failure(_ secrets: [String], _ files: [String]) -> CommandFailure? {
            do throws(CommandFailure) {
                _ = try KeyRing(secrets: secrets, files: files) { _ in }
                return nil
            } catch {
                return error
            }
        }
        let empty = try TemporaryFile([10], name: "key")
        #expect(failure([""], [])?.status == .usage)
        #expect(failure([], [empty.path])?.status.rawValue == 65)
        #expect(failure([], ["/nonexistent/key"])?.status.rawValue == 66)
        #expect(
            failure([], ["/nonexistent/key"])?.lines
                == ["lispctl: --key-file /nonexistent/key: cannot be read (No such file or directory)"]
        )
    }

    // MARK: - JSON

    @Test func `every line is an object; the first and the last frame the rest`() throws {
        let path = Captures.path("oor-01-xtrs-probe-smr-lispers-ms")
        let decoded = try Decoded(path: path)
        var report = JSONReport()
        let first = try JSON.object(report.begin(file: path, linkType: .ethernet))
        #expect(first["schema"] as? String == "lispctl-decode/1")
        #expect(first["kind"] as? String == "capture" && first["file"] as? String == path)
        #expect(first["linkType"] as? Int == 1)
        let last = try JSON.object(report.end(decoded.summary, failure: "it broke off"))
        #expect(last["kind"] as? String == "summary")
        #expect(last["frames"] as? Int == 86 && last["otherFrames"] as? Int == 4)
        #expect(last["verified"] as? Int == 12 && last["failed"] as? Int == 0 && last["undecoded"] as? Int == 0)
        #expect(last["failure"] as? String == "it broke off")
        #expect(member(last, "messages.0.messageKind") as? String == "data")
        #expect(member(last, "messages.0.count") as? Int == 28)
        #expect(try decoded.json.allSatisfy { $0["kind"] as? String == "frame" })
    }

    @Test func `offsets in JSON are those of the octets in the message`() throws {
        let decoded = try Decoded(path: Captures.path("ln-01-basic-iid1000"))
        let frame = try #require(decoded.dissections.first)
        let json = try JSON.object(
            {
                var report = JSONReport(); return report.frame(frame.frame, frame.dissection)
            }()
        )
        let payload = Array(frame.frame.octets.dropFirst(42))
        let record = try #require(member(json, "message.eidRecords.1.offset") as? Int)
        // Record TTL 3, one locator, mask length 64.
        #expect(Array(payload[record..<record + 6]) == [0, 0, 0, 3, 1, 64])
        let locator = try #require(member(json, "message.eidRecords.1.locators.0.offset") as? Int)
        #expect(Array(payload[locator..<locator + 4]) == [1, 100, 255, 0])
        let authentication = try #require(member(json, "message.authentication.offset") as? Int)
        #expect(Array(payload[authentication..<authentication + 4]) == [0, 2, 0, 32])
        let request = try #require(try decoded.json.first { $0["messageKind"] as? String == "ecm" })
        let octets = Array(decoded.dissections[6].frame.octets.dropFirst(42))
        let place = try #require(member(request, "message.encapsulatedMessage.records.0.offset") as? Int)
        #expect(octets[place + 1] == 32 && octets[place + 2] == 0x40)
    }

    @Test func `keys of JSON are made of the RFC's names`() {
        for (name, key) in [
            ("Record TTL", "recordTTL"), ("EID mask-len", "eidMaskLen"), ("xTR-ID", "xtrID"), ("A", "a"),
            ("ITR-RLOCs", "itrRLOCs"), ("M Priority", "mPriority"), ("Instance ID", "instanceID"),
            ("Source/Subnet Address", "sourceSubnetAddress"),
        ] {
            #expect(jsonKey(name) == key)
        }
    }
}
