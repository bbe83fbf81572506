// What is broken: frames cut short, mangled frames, files that are no captures. Nothing of it may crash, and each says what
// is wrong and where.

import Foundation
import LISPWire
import Testing

@testable import lispctl

@Suite struct DecodeMalformedTests {
    @Test(arguments: [
        ("ln-01-basic-iid1000", 1), ("ln-01-basic-iid1000", 9), ("ln-01-basic-iid1000", 11), ("ln-01-basic-iid1000", 7),
        ("ln-07-lcaf", 7), ("ln-05-ddt", 9), ("ln-09-rloc-v6", 3),
    ])
    func `a frame that ends too early says where`(name: String, number: Int) throws {
        let whole = try Captures.frame(name, number)
        let linkEnd = 14
        for length in 0..<whole.octets.count {
            var dissector = try FrameDissector.lab()
            let frame = CapturedFrame(number: 1, captured: whole.octets.prefix(length), wireLength: length)
            let dissection = try #require(dissector.dissect(frame).lisp, "\(length)")
            let problem = try #require(dissection.message.problem, "\(length)")
            #expect(dissection.message.kind == .undecoded)
            #expect(!problem.reason.isEmpty && problem.part == .frame)
            let places = length < linkEnd ? length...length : linkEnd...length
            #expect(places.contains(problem.offset), "\(length)")
            let line = "Problem: \(problem.reason) (octet \(problem.offset) of the frame)"
            #expect(TextReport().frame(frame, dissection).contains(line))
        }
    }

    @Test(arguments: [
        ("ln-01-basic-iid1000", 1), ("ln-01-basic-iid1000", 9), ("ln-01-basic-iid1000", 10), ("ln-07-lcaf", 7),
        ("ln-05-ddt", 9),
    ])
    func `a message that ends too early says where`(name: String, number: Int) throws {
        var dissector = try FrameDissector.lab()
        let whole = try #require(dissector.dissect(try Captures.frame(name, number)).lisp)
        let offset = try #require(whole.payloadOffset)
        let message = try Captures.frame(name, number).octets.dropFirst(offset)
        for length in 0..<message.count {
            let cut = try #require(dissector.dissect(Frames.frame(Frames.packet(Array(message.prefix(length))))).lisp)
            guard let problem = cut.message.problem else {
                // xTR-ID and Site-ID of a Map-Register may be missing only if the I-bit says so: nothing else may.
                Issue.record("\(length) of \(message.count) octets decode")
                continue
            }
            #expect(problem.part == .message && (0...length).contains(problem.offset), "\(length): \(problem)")
        }
    }

    @Test(arguments: [
        // IPv4 with eight octets of options, and IPv6 with a hop-by-hop header, before the ports of UDP.
        ("47000024 00000000 40110000 0a010001 0a020001 0101010101010101 00350036 00080000", 20, "header", "options"),
        (
            "60000000 00100040 20010db8000000000000000000000001 20010db8000000000000000000000002"
                + "1100010400000000 00350036 00080000", 40, "header", "headers"
        ),
    ])
    func `a data packet cut by the capture says where`(hex: String, fixed: Int, first: String, second: String) throws {
        let inner = Frames.hex(hex)
        let data = Endpoint(.v4(IPv4Address(0xc633_6402)), LISPPort.data)
        let octets = Frames.frame(Frames.packet(Frames.hex("0800000000000000") + inner, to: data)).octets
        for missing in 0...inner.count {
            var dissector = try FrameDissector.lab()
            let captured = octets.dropLast(missing)
            let frame = CapturedFrame(number: 1, captured: captured, wireLength: octets.count)
            let message = try #require(dissector.dissect(frame).lisp, "\(missing)").message
            if missing > 8 {
                let name = inner.count - missing < fixed ? first : second
                #expect(message.problem?.reason.hasPrefix("cut by the capture within the inner IP") == true)
                #expect(message.problem?.reason.hasSuffix(" \(name)") == true, "\(missing): \(message)")
            } else {
                #expect(message.problem == nil)
                let text = TextReport().frame(frame, try #require(dissector.dissect(frame).lisp))
                // UDP has four octets behind its ports.
                #expect(text.contains("UDP 53 > 54") == (missing <= 4), "\(missing): \(text)")
            }
        }
    }

    @Test func `fifty thousand mangled frames do no harm`() throws {
        var random = SplitMix64(seed: 0x6c69_7370)
        print("seed 0x6c697370")
        let frames = try Captures.names.flatMap(Captures.frames)
        var dissector = try FrameDissector.lab()
        var (decoded, problems, longest) = (0, 0, 0)
        for number in 1...50_000 {
            let original = frames[Int.random(in: 0..<frames.count, using: &random)]
            var octets = original.octets
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                // Most of them behind the headers of link, IP and UDP, whose checks would keep all else out.
                let start = Bool.random(using: &random) || octets.count <= 42 ? 0 : 42
                octets[Int.random(in: start..<octets.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if Int.random(in: 0..<4, using: &random) == 0 {
                octets.removeLast(Int.random(in: 0..<octets.count, using: &random))
            }
            let wireLength = Bool.random(using: &random) ? original.octets.count : octets.count
            let frame = CapturedFrame(number: number, captured: octets, wireLength: wireLength)
            switch dissector.dissect(frame) {
            case .other: continue
            case .fragment(let dissection), .lisp(let dissection):
                decoded += 1
                if let problem = dissection.message.problem {
                    problems += 1
                    #expect(problem.offset >= 0 && problem.offset <= frame.octets.count)
                }
                // One in ten is written too; both renderers take long compared with the dissector.
                guard number % 10 == 0 else { continue }
                let text = TextReport().frame(frame, dissection)
                #expect(text.utf8.allSatisfy { $0 == 10 || (0x20...0x7e).contains($0) })
                var report = JSONReport()
                longest = max(longest, report.frame(frame, dissection).utf8.count)
            }
        }
        #expect(decoded > 20_000 && problems > 10_000 && decoded - problems > 1000)
        // No frame of at most a thousand octets makes a report without bounds.
        #expect(longest < 200_000)
    }

    @Test func `names and JSON off the wire drive no terminal`() throws {
        let name: [UInt8] = Array("a\u{1b}[31m\\\u{7f}".utf8) + [0xff]
        let json = JSONDataModel(json: Array("{\"\u{1b}]0;x\u{07}\": \"\u{e9}\"}".utf8), address: nil)
        let reply = MapReply(
            nonce: Nonce(rawValue: 1),
            records: [
                EIDRecord(
                    eid: .distinguishedName(name),
                    maskLength: 0,
                    ttlMinutes: 1,
                    locators: [LocatorRecord(priority: 1, weight: 1, address: .lcaf(CanonicalAddress(json)))]
                )
            ]
        )
        var dissector = try FrameDissector.lab()
        let frame = Frames.frame(Frames.packet(reply.encoded()))
        let dissection = try #require(dissector.dissect(frame).lisp)
        let text = TextReport().frame(frame, dissection)
        #expect(text.contains("EID-Prefix \"a\\x1b[31m\\\\\\x7f\\xff\""))
        #expect(text.contains("JSON: {\"\\x1b]0;x\\x07\": \"\\xc3\\xa9\"}"))
        #expect(text.utf8.allSatisfy { $0 == 10 || (0x20...0x7e).contains($0) })
        var report = JSONReport()
        let line = report.frame(frame, dissection)
        #expect(line.utf8.allSatisfy { $0 == 10 || (0x20...0x7e).contains($0) })
        let prefix = member(try JSON.object(line), "message.eidRecords.0.eidPrefix") as? String
        #expect(prefix == "\"a\\x1b[31m\\\\\\x7f\\xff\"")
    }

    @Test func `strings of JSON are escaped as RFC 8259 wants it`() throws {
        for value in ["", "plain", "\"\\/\u{08}\n\u{1f}", "\u{7f}\u{80}\u{2028}", "Z\u{fc}rich \u{1f600}"] {
            var line = "{\"value\":"
            JSONRenderer.write(value, into: &line)
            #expect(line.utf8.allSatisfy { (0x20...0x7e).contains($0) })
            #expect(member(try JSON.object(line + "}"), "value") as? String == value)
        }
    }

    // MARK: - Files

    private static func failure(_ path: String) -> CommandFailure? {
        do throws(CommandFailure) {
            let file = try CaptureFile(path: path)
            while try file.next() != nil {}
            return nil
        } catch {
            return error
        }
    }

    @Test func `a file that is no capture, or none that can be opened, is said to be so in one line`() throws {
        let garbage = try TemporaryFile(Array("This is no capture file, but long enough to be taken for one.".utf8))
        let empty = try TemporaryFile([])
        for file in [garbage, empty] {
            let failure = try #require(Self.failure(file.path))
            #expect(failure.status.rawValue == 65 && failure.lines.count == 1)
            #expect(failure.lines[0].hasPrefix("lispctl: \(file.path) is no capture file that can be read: "))
        }
        let missing = try #require(Self.failure("/nonexistent/capture.pcap"))
        #expect(missing.status.rawValue == 66)
        #expect(missing.lines == ["lispctl: /nonexistent/capture.pcap: No such file or directory"])
        let folder = try #require(Self.failure("/tmp"))
        #expect(folder.status.rawValue == 66 && folder.lines == ["lispctl: /tmp: Is a directory"])
    }

    @Test func `a link type that is not decoded is named`() throws {
        let file = try TemporaryFile(Frames.pcap([[0, 1, 2]], linkType: 105))
        let failure = try #require(Self.failure(file.path))
        #expect(failure.status.rawValue == 65)
        #expect(failure.lines.count == 1)
        let line = "lispctl: \(file.path) has frames of link type IEEE802_11 (105): decoded are EN10MB (Ethernet), "
        #expect(failure.lines[0].hasPrefix(line))
    }

    @Test func `a file that breaks off shows what stands before`() throws {
        let bytes = try Array(Data(contentsOf: URL(filePath: Captures.path("ln-01-basic-iid1000"))))
        for length in [25, 30, 60, 262, bytes.count - 1] {
            let file = try TemporaryFile(Array(bytes.prefix(length)))
            let keys = try KeyRing(secrets: [], files: []) { _ in }
            var run = DecodeRun(capture: try CaptureFile(path: file.path), keys: keys)
            var shown = 0
            var failure: CommandFailure?
            do throws(CommandFailure) {
                while try run.next() != nil { shown += 1 }
            } catch {
                failure = error
            }
            #expect(shown == (length < 262 ? 0 : length == 262 ? 1 : 43), "\(length)")
            #expect(failure?.status.rawValue == 65)
            let place = shown == 0 ? "" : " behind frame \(shown)"
            #expect(failure?.lines.first?.contains(" cannot be read\(place): truncated dump file") == true)
        }
    }
}

/// A sequence that its seed determines.
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        self.state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}
