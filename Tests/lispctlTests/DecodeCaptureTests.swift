// `decode` over the captures of other implementations: what each frame is (captures/README.md), every MAC, and the texts.

import Foundation
import LISPWire
import Testing

@testable import lispctl

@Suite struct DecodeCaptureTests {
    @Test(arguments: Captures.names)
    func `sees what captures README says is there`(name: String) throws {
        let expected = try Self.table(name)
        #expect(!expected.isEmpty)
        var found: [String: Int] = [:]
        for frame in try Decoded(path: Captures.path(name)).json {
            found[try Self.words(frame), default: 0] += 1
        }
        #expect(found == expected)
    }

    /// The last column of the capture's table with its counts, without what is said of addresses.
    private static func table(_ name: String) throws -> [String: Int] {
        let readme = try String(contentsOf: Captures.folder.appending(path: "README.md"), encoding: .utf8)
        let sections = readme.components(separatedBy: "\n### ")
        let section = try #require(sections.first { $0.hasPrefix(name + ".pcap") })
        var counts: [String: Int] = [:]
        for line in section.split(separator: "\n") {
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 5, let count = Int(cells[1]), !cells[4].hasPrefix("UDP other") else { continue }
            var words = cells[4].replacingOccurrences(of: ",EID AFI 0", with: "").split(separator: " ").map(String.init)
            words.removeAll { $0 == "iid" || $0.hasPrefix("lcaf:") }
            counts[words.joined(separator: " "), default: 0] += count
        }
        return counts
    }

    /// The same words from the JSON of a frame.
    private static func words(_ frame: [String: Any]) throws -> String {
        let kind = try #require(member(frame, "messageKind") as? String)
        func flag(_ letter: String, _ path: String = "message.flags") -> Bool {
            member(frame, "\(path).\(letter)") as? Bool ?? false
        }
        func number(_ path: String) -> Int { member(frame, path) as? Int ?? -1 }
        func join(_ words: [(Bool, String)]) -> String {
            words.filter(\.0).map { $0.1 }.joined(separator: ",")
        }
        switch kind {
        case "data":
            let letters = ["N", "L", "E", "V", "I", "R"].filter { flag($0) }.joined()
            return "Data flags \(letters.isEmpty ? "-" : letters) inner IPv\(number("message.innerPacket.version"))"
        case "ecm":
            let inner = "message.encapsulatedMessage.flags"
            let remark = join([
                (flag("S", inner), "SMR"), (flag("s", inner), "SMR-invoked"), (flag("D", inner), "D(dont-map-reply)"),
            ])
            let hasHeader = member(frame, "message.innerHeaders.sourceAddress") != nil
            let encapsulation = ["ECM", flag("D") ? "D(DDT)" : "", ">", hasHeader ? "" : "(no inner IP header)"]
            return (encapsulation + ["Map-Request", remark]).filter { !$0.isEmpty }.joined(separator: " ")
        case "map-request":
            return "Map-Request " + join([(flag("P"), "probe"), (flag("S"), "SMR"), (flag("s"), "SMR-invoked")])
        case "map-reply":
            let isNegative = number("message.eidRecords.0.locatorCount") == 0
            let action = "action \(number("message.eidRecords.0.act"))"
            let remark = join([(flag("P"), "probe-reply"), (isNegative, "negative,\(action)")])
            return remark.isEmpty ? "Map-Reply" : "Map-Reply \(remark)"
        case "map-referral":
            return "Map-Referral \(member(frame, "message.records.0.actName") as? String ?? "")"
        default:
            break
        }
        // What is authenticated, decoded to its end or not.
        let type = try #require(member(frame, "message.typeName") as? String)
        let authentication =
            "alg \(number("message.authentication.algorithmID")) key-id \(number("message.authentication.keyID"))"
        guard type == "Map-Register" else {
            let count = kind == "undecoded" ? 12 : number("message.recordCount")
            return "\(type) \(authentication) records \(count)"
        }
        guard kind != "undecoded" else { return "\(type) \(authentication) proxy,xtr-id,use-ttl,want-notify" }
        let remark = join([
            (flag("P"), "proxy"), (flag("I"), "xtr-id"), (flag("T"), "use-ttl"), (flag("M"), "want-notify"),
        ])
        return "\(type) \(authentication) \(remark)"
    }

    @Test(arguments: Captures.names)
    func `verifies every message with the lab's keys and none with another`(name: String) throws {
        let right = try Decoded(path: Captures.path(name)).summary
        #expect(right.failed == 0 && right.unverified == 0)
        #expect(right.verified > 0)
        let wrong = try Decoded(path: Captures.path(name), keys: ["lab-key-0"]).summary
        #expect(wrong.failed == right.verified && wrong.verified == 0 && wrong.unverified == 0)
        let none = try Decoded(path: Captures.path(name), keys: []).summary
        #expect(none.unverified == right.verified && none.failed == 0 && none.verified == 0)
    }

    @Test func `a registration reads so`() throws {
        let decoded = try Decoded(path: Captures.path("ln-01-basic-iid1000"), limit: 1)
        #expect(
            decoded.text == """
                Frame 1  2026-11-20 23:00:40.467269Z  198.51.100.1:65370 > 198.51.100.10:4342  Map-Register, 164 octets
                    Flags: I (xTR-ID present), T (use TTL for timeout), M (want Map-Notify)
                    Nonce: 0x01dfdfdfddccbbaa
                    Authentication: Key ID 0, Algorithm ID 2 (hmac-sha-256-128), verified with --key 1
                        Authentication Data: 2b0f3e143f278a865503d40b372f3ee6812152730d14db39918989cee760074f
                    EID-Record 1 of 2: EID-Prefix [1000] 10.1.1.0/24, Record TTL 3 minutes, 1 locator, A (authoritative)
                        Locator 1 of 1: 198.51.100.1, Priority 1, Weight 100, M Priority 255, M Weight 0, L (local), R (reachable)
                    EID-Record 2 of 2: EID-Prefix [1000] fd00:1::/64, Record TTL 3 minutes, 1 locator, A (authoritative)
                        Locator 1 of 1: 198.51.100.1, Priority 1, Weight 100, M Priority 255, M Weight 0, L (local), R (reachable)
                    xTR-ID: 00000000000000008382361ead8e9f28
                    Site-ID: 0


                """
        )
    }

    @Test func `a question on its way through the mapping system reads so`() throws {
        let decoded = try Decoded(path: Captures.path("ln-01-basic-iid1000"), types: [.encapsulated], limit: 1)
        #expect(
            decoded.text == """
                Frame 7  2026-11-20 23:00:45.992580Z  198.51.100.1:40360 > 198.51.100.10:4342  ECM > Map-Request, 106 octets
                    Flags: none set
                    Inner headers: IPv4 10.1.1.2 > 10.2.2.2, UDP 55579 > 4342, TTL 128
                    Inner UDP Checksum: zero, against RFC 9301 section 5.8
                    Encapsulated message: Map-Request
                        Flags: none set
                        Nonce: 0x0e237a1276745f83
                        Source EID: [1000] 10.1.1.2
                        ITR-RLOC 1 of 2: 198.51.100.1
                        ITR-RLOC 2 of 2: 2001:db8:100::1
                        Record 1 of 1: EID-Prefix [1000] 10.2.2.2/32


                """
        )
    }

    @Test func `a data packet reads so`() throws {
        let decoded = try Decoded(path: Captures.path("ln-01-basic-iid1000"), types: [.data], limit: 1)
        #expect(
            decoded.text == """
                Frame 11  2026-11-20 23:00:47.091816Z  198.51.100.1:62210 > 198.51.100.2:4341  Data, 92 octets
                    Flags: N (nonce present), I (Instance ID present)
                    Nonce: 0x86307b
                    Instance ID: 1000
                    Inner packet: IPv4 10.1.1.2 > 10.2.2.2, ICMP echo request, id 28599, 84 octets, TTL 63, DSCP 0, ECN Not-ECT


                """
        )
    }

    @Test func `a referral reads so`() throws {
        let decoded = try Decoded(path: Captures.path("ln-05-ddt"), types: [.mapReferral], limit: 1)
        #expect(
            decoded.text == """
                Frame 9  2026-11-20 23:05:57.058035Z  198.51.100.30:4342 > 198.51.100.31:4342  Map-Referral (MS-REFERRAL), 52 octets
                    Nonce: 0xeecbd90308fd7890
                    Record 1 of 1: EID-Prefix [1000] 10.2.0.0/16, Record TTL 1440 minutes, ACT 1 (MS-REFERRAL), 1 referral, A (authoritative)
                        Ref 1 of 1: 198.51.100.10, Priority 1, Weight 100, M Priority 255, M Weight 0, R (reachable)


                """
        )
    }

    @Test func `a locator with extras shows each of them`() throws {
        let text = try Decoded(path: Captures.path("ln-07-lcaf"), types: [.mapReply]).text
        for line in [
            "Address 2 of 2: Geo-Location (37.1947222, -121.8166667)", "Latitude: 37.1947222 degrees",
            "Altitude: 50 centimetres", "JSON: { \"type\" : \"sensor\", \"unit\" : \"kelvin\", \"value\" : \"294\" }",
            "Reencap Hop 2 of 2: 2001:db8:100::1, P (RLOC-probe), S (strict)",
            "RTR/ETR 2 of 2: 198.51.100.2, Level Value 128",
            "Address 2 of 2: \"west-coast\"", "EID-Prefix [2000] \"ln-host-name\"",
            "EID-Prefix [2000] 11:00:33:22:55:44/48",
        ] {
            #expect(text.contains(line), "\(line)")
        }
    }

    @Test func `a message that breaks off in the middle shows what stands before, where and why`() throws {
        let decoded = try Decoded(path: Captures.path("ln-07-lcaf"), limit: 1)
        let message = try #require(decoded.dissections.first?.dissection.message)
        let reason = "EID-Prefix LCAF needs 22 octets, 19 are left"
        #expect(message.problem == Problem(reason: reason, offset: 613, part: .message))
        #expect(message.verdict == .verified(key: "--key 4"))
        #expect(decoded.text.contains("Records decoded: 8 of 12, the next has the fault\n"))
        let octets = "46000000250ab248792cdc60000000000064000000000164ff0000050001c633"
        #expect(decoded.text.contains("Undecoded octets: \(octets), and 359 more\n"))
        #expect(decoded.text.contains("(octet 613 of the message, octet 655 of the frame)"))
    }

    @Test func `only types that are asked for are shown, all are counted`() throws {
        let decoded = try Decoded(path: Captures.path("ln-01-basic-iid1000"), types: [.mapRequest])
        #expect(decoded.dissections.count == 18)
        #expect(decoded.dissections.filter { $0.dissection.message.kind == .encapsulated }.count == 14)
        #expect(decoded.summary.frames == 44)
        let report = TextReport()
        #expect(
            report.end(decoded.summary, failure: nil) == """
                44 frames: 44 of LISP, 0 of other protocols
                        12  Data
                         4  Map-Request
                         8  Map-Reply
                         2  Map-Register
                         2  Map-Notify
                         2  Map-Notify-Ack
                        14  ECM > Map-Request
                Authentication: 6 verified, 0 FAILED, 0 unverified

                """
        )
    }

    @Test func `a stop after some messages counts no further`() throws {
        let decoded = try Decoded(path: Captures.path("ln-01-basic-iid1000"), limit: 3)
        #expect(decoded.dissections.map(\.frame.number) == [1, 2, 3])
        #expect(decoded.summary.frames == 3)
    }
}
