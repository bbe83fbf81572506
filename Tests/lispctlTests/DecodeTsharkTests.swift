// A foreign reader of the same captures: what tshark sees, field by field, where tshark is right. And pcap-ng, which
// editcap makes.

import Foundation
import LISPWire
import Testing

@testable import lispctl

@Suite struct DecodeTsharkTests {
    /// Without Wireshark's tools these are skipped, but not where all of them were to be installed.
    static let isExpected = Tools.has("tshark") || ProcessInfo.processInfo.environment["CI"] != nil

    /// tshark's field, the kinds of message that it reads right, and where ours stands. A list stands for its members.
    private static let fields: [(name: String, kinds: Set<String>, paths: [String])] = [
        ("lisp.nonce", allControl, ["nonce"]),
        ("lisp.records", recorded.union(["map-request"]), ["recordCount"]),
        ("lisp.mreq.flags.auth", ["map-request"], ["flags.A"]),
        ("lisp.mreq.flags.mrp", ["map-request"], ["flags.M"]),
        ("lisp.mreq.flags.probe", ["map-request"], ["flags.P"]),
        ("lisp.mreq.flags.smr", ["map-request"], ["flags.S"]),
        ("lisp.mreq.flags.pitr", ["map-request"], ["flags.p"]),
        ("lisp.mreq.flags.smri", ["map-request"], ["flags.s"]),
        ("lisp.mreq.itr_rloc_ipv4", ["map-request"], ["itrRLOCs.*.address"]),
        ("lisp.mreq.record.prefix.length", ["map-request"], ["records.*.eidMaskLen"]),
        ("lisp.mrep.flags.probe", ["map-reply"], ["flags.P"]),
        ("lisp.mrep.flags.enlr", ["map-reply"], ["flags.E"]),
        ("lisp.mreg.flags.pmr", ["map-register"], ["flags.P"]),
        ("lisp.mreg.flags.xtrid", ["map-register"], ["flags.I"]),
        ("lisp.mreg.flags.wmn", ["map-register"], ["flags.M"]),
        ("lisp.authlen", authenticated, ["authentication.authenticationDataLength"]),
        ("lisp.auth", authenticated, ["authentication.authenticationData"]),
        ("lisp.xtrid", ["map-register"], ["xtrID"]),
        ("lisp.mapping.ttl", recorded, ["eidRecords.*.recordTTL", "records.*.recordTTL"]),
        ("lisp.mapping.eid.masklen", recorded, ["eidRecords.*.eidMaskLen", "records.*.eidMaskLen"]),
        ("lisp.mapping.loccnt", recorded, ["eidRecords.*.locatorCount", "records.*.referralCount"]),
        ("lisp.mapping.act", recorded, ["eidRecords.*.act", "records.*.act"]),
        ("lisp.mapping.auth", recorded, ["eidRecords.*.a", "records.*.a"]),
        ("lisp.mapping.ver", recorded, ["eidRecords.*.mapVersionNumber", "records.*.mapVersionNumber"]),
        ("lisp.referral.incomplete", ["map-referral"], ["records.*.i"]),
        ("lisp.loc.priority", recorded, ["eidRecords.*.locators.*.priority", "records.*.refs.*.priority"]),
        ("lisp.loc.weight", recorded, ["eidRecords.*.locators.*.weight", "records.*.refs.*.weight"]),
        (
            "lisp.loc.multicast_priority", recorded,
            ["eidRecords.*.locators.*.mPriority", "records.*.refs.*.mPriority"]
        ),
        ("lisp.loc.multicast_weight", recorded, ["eidRecords.*.locators.*.mWeight", "records.*.refs.*.mWeight"]),
        ("lisp.loc.flags.local", recorded, ["eidRecords.*.locators.*.flags.L", "records.*.refs.*.flags.L"]),
        ("lisp.loc.flags.probe", recorded, ["eidRecords.*.locators.*.flags.p", "records.*.refs.*.flags.p"]),
        ("lisp.loc.flags.reach", recorded, ["eidRecords.*.locators.*.flags.R", "records.*.refs.*.flags.R"]),
        ("lisp-data.flags.nonce", ["data"], ["flags.N"]), ("lisp-data.flags.lsb", ["data"], ["flags.L"]),
        ("lisp-data.flags.enr", ["data"], ["flags.E"]), ("lisp-data.flags.mv", ["data"], ["flags.V"]),
        ("lisp-data.flags.iid", ["data"], ["flags.I"]), ("lisp-data.nonce", ["data"], ["nonce"]),
        ("lisp-data.iid", ["data"], ["instanceID"]),
    ]

    private static let authenticated: Set<String> = ["map-register", "map-notify"]
    private static let recorded = authenticated.union(["map-reply", "map-referral"])
    private static let allControl = recorded.union(["map-request"])

    @Test(.enabled(if: isExpected, "tshark is not installed"), arguments: Captures.names)
    func `agrees with tshark`(name: String) throws {
        let names = Self.fields.map(\.name)
        let arguments = ["-r", Captures.path(name), "-T", "json"] + (["frame.number"] + names).flatMap { ["-e", $0] }
        let output = try JSONSerialization.jsonObject(with: Data(try Tools.run("tshark", arguments).utf8))
        let seen = try #require(output as? [[String: Any]]).compactMap {
            member($0, "_source.layers") as? [String: Any]
        }
        let frames = try Decoded(path: Captures.path(name)).json
        var compared = 0
        for frame in frames {
            let number = try #require(frame["frame"] as? Int)
            let layers = try #require(seen.first { $0["frame.number"] as? [String] == [String(number)] })
            // What an ECM holds has its fields; tshark has those of both in one list.
            let inner = member(frame, "message.encapsulatedMessage")
            // tshark wants an IP header in front of it.
            guard inner == nil || member(frame, "message.innerHeaders.version") != nil else { continue }
            let message = inner ?? frame["message"]
            let kind = try #require((inner == nil ? frame["messageKind"] : frame["innerMessageKind"]) as? String)
            for (field, kinds, paths) in Self.fields where kinds.contains(kind) {
                var ours = paths.flatMap { Self.values(message, $0[...]) }
                if field == "lisp.mreq.itr_rloc_ipv4" { ours = ours.filter { $0.contains(".") } }
                let theirs = (layers[field] as? [String] ?? []).map { Self.number($0, field) }
                #expect(ours == theirs, "\(field) of frame \(number)")
                compared += ours.count
            }
        }
        #expect(compared > frames.count * 5)
    }

    /// The members at a path with `*` for every member of a list.
    private static func values(_ object: Any?, _ path: Substring) -> [String] {
        guard !path.isEmpty else { return object.map { [text($0)] } ?? [] }
        let key = path.prefix { $0 != "." }
        let rest = path.dropFirst(key.count + 1)
        if key == "*" { return (object as? [Any] ?? []).flatMap { values($0, rest) } }
        return (object as? [String: Any])?[String(key)].map { values($0, rest) } ?? []
    }

    private static func text(_ value: Any) -> String {
        // A Bool of JSONSerialization is an NSNumber too.
        if let text = value as? String { return number(text, "") }
        return (value as? NSNumber)?.stringValue ?? "\(value)"
    }

    /// Numbers in decimal, octets in digits.
    private static func number(_ text: String, _ field: String) -> String {
        switch text {
        case "True": return "1"
        case "False": return "0"
        default: break
        }
        if text.hasPrefix("0x"), let number = UInt64(text.dropFirst(2), radix: 16) { return String(number) }
        return text.replacingOccurrences(of: ":", with: "")
    }

    @Test(.enabled(if: isExpected, "editcap is not installed"), arguments: Captures.names)
    func `reads pcap-ng as it reads pcap`(name: String) throws {
        let copy = try TemporaryFile([], name: "pcapng")
        _ = try Tools.run("editcap", ["-F", "pcapng", Captures.path(name), copy.path])
        let magic = try FileHandle(forReadingFrom: URL(filePath: copy.path)).read(upToCount: 4)
        #expect(magic == Data([0x0a, 0x0d, 0x0d, 0x0a]))
        let text = try Decoded(path: copy.path).text
        #expect(!text.isEmpty)
        #expect(try text == Decoded(path: Captures.path(name)).text)
    }

    @Test(.enabled(if: isExpected, "editcap is not installed"))
    func `reads nanoseconds, and says what a snapshot length cut`() throws {
        let copy = try TemporaryFile([], name: "nanoseconds")
        let original = Captures.path("ln-01-basic-iid1000")
        _ = try Tools.run("editcap", ["-F", "nsecpcap", "-s", "100", "-t", "0.000000001", original, copy.path])
        let decoded = try Decoded(path: copy.path)
        #expect(decoded.text.hasPrefix("Frame 1  2026-11-20 23:00:40.467269001Z  198.51.100.1:65370 > "))
        #expect(decoded.text.contains("    Cut by the capture: 100 of 206 octets of this frame are in the file\n"))
        #expect(try decoded.json[0]["time"] as? String == "2026-11-20T23:00:40.467269001Z")
        // The headers of data packets are in the first 100 octets.
        let data = decoded.dissections.filter { $0.dissection.message.kind == .data }
        #expect(data.count == 12 && data.allSatisfy { $0.dissection.message.problem == nil })
    }
}
