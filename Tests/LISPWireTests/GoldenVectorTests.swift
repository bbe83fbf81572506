// Packets that lispers.net and Open Overlay Router sent each other (Interop/captures): decoded, looked at, encoded again
// byte for byte, and every MAC verified.

import Foundation
import LISPWire
import TestCaptures
import Testing

/// One packet of Interop/captures/vectors.jsonl.
struct GoldenVector: Decodable, Hashable, Sendable, CustomTestStringConvertible {
    var pcap: String
    var frame: Int
    var kind: String
    var src: String
    var dst: String
    var udp_payload: String

    var payload: [UInt8] { bytes(udp_payload) }
    var testDescription: String { "\(pcap) \(frame): \(kind)" }

    /// The words of `kind` behind the message's name, up to the list of canonical addresses: `proxy`, `use-ttl`, `iid`, ...
    var remarks: Set<String> {
        Set(kind.components(separatedBy: " ").flatMap { $0.components(separatedBy: ",") })
    }

    static func all(where isWanted: (GoldenVector) -> Bool) -> [GoldenVector] {
        do {
            let file = Interop.folder.appending(path: "captures/vectors.jsonl")
            return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map { line in
                try JSONDecoder().decode(GoldenVector.self, from: Data(line.utf8))
            }.filter(isWanted)
        } catch {
            Issue.record(error, "the vectors cannot be read")
            return []
        }
    }
}

@Suite struct GoldenVectorTests {
    static let control = GoldenVector.all { !$0.kind.hasPrefix("Data") && !$0.kind.hasPrefix("UDP") }
    static let data = GoldenVector.all { $0.kind.hasPrefix("Data") }
    /// An Encapsulated Control Message for an EID that is no IP address has no inner IP header there: not RFC 9301 5.8.
    static let headless = control.filter { $0.kind.contains("no inner IP header") }
    /// Twelve records, one with an instance-ID address longer than its length says by 3 octets, one with multicast info
    /// longer by 2: where the next record starts cannot be known.
    static let mislabelled = control.filter { $0.pcap.hasPrefix("ln-07") && [1, 2].contains($0.frame) }
    static let regular = control.filter { !(headless + mislabelled).contains($0) }
    static let authenticated = control.filter { $0.kind.contains("alg ") }

    @Test func `the vectors are all there`() {
        #expect(Self.control.count == 89)
        #expect(Self.data.count == 12)
        #expect(Self.authenticated.count == 36)
        #expect(Self.headless.count == 1)
        #expect(Self.mislabelled.count == 2)
    }

    @Test(arguments: regular)
    func `is what its description says`(vector: GoldenVector) throws {
        let message = try ControlMessage(decoding: vector.payload, zeroInnerChecksum: .accept)
        let remarks = vector.remarks
        switch message {
        case .mapRequest(let request):
            check(request, remarks, vector)
        case .mapReply(let reply):
            #expect(vector.kind.hasPrefix("Map-Reply"))
            #expect(reply.isProbe == remarks.contains("probe-reply"))
            #expect(!reply.isEchoNonceCapable && !reply.hasSecurity)
            #expect(reply.records.count == 1)
            #expect(reply.records.allSatisfy(\.locators.isEmpty) == remarks.contains("negative"))
            if remarks.contains("negative") {
                #expect(vector.kind.contains("action \(reply.records[0].action.rawValue)"))
            }
            check(reply.records, remarks)
            #expect(reply.tail.isEmpty)
        case .mapRegister(let register):
            #expect(vector.kind.hasPrefix("Map-Register"))
            check(register.authentication, vector)
            #expect(register.wantsProxyReply == remarks.contains("proxy"))
            #expect(register.hasXTRID == remarks.contains("xtr-id"))
            #expect(register.usesTTL == remarks.contains("use-ttl"))
            #expect(register.wantsMapNotify == remarks.contains("want-notify"))
            #expect(!register.wantsMerge && !register.isMobile && !register.isEIDNotify && !register.isSecurityCapable)
            #expect(!register.records.isEmpty && register.tail.isEmpty)
            check(register.records, remarks)
        case .mapNotify(let notify):
            #expect(vector.kind.hasPrefix(notify.isAcknowledgement ? "Map-Notify-Ack" : "Map-Notify alg"))
            check(notify.authentication, vector)
            #expect(vector.kind.contains("records \(notify.records.count)"))
            // Open Overlay Router registers without an xTR-ID and gets none back.
            #expect((notify.xtrID != nil) == vector.pcap.hasPrefix("ln-"))
            #expect(notify.tail.isEmpty)
            check(notify.records, remarks)
        case .encapsulated(let message):
            #expect(vector.kind.hasPrefix(message.isDDT ? "ECM D(DDT) >" : "ECM >"))
            #expect(!message.hasSecurity && message.tail.isEmpty)
            let request = try MapRequest(decoding: message.payload)
            check(request, remarks, vector)
            if let eid = request.records.first?.eidPrefix, vector.frame != 27 {
                #expect(message.destination == Endpoint(eid.prefix.address, 4342))
            }
        case .mapReferral(let referral):
            #expect(vector.kind.hasPrefix("Map-Referral \(referral.records.first?.action.name ?? "")"))
        case .info, .sharedExtension:
            Issue.record("there are none")
        }
    }

    private func check(_ request: MapRequest, _ remarks: Set<String>, _ vector: GoldenVector) {
        #expect(vector.kind.contains("Map-Request"))
        #expect(request.isProbe == remarks.contains("probe"))
        #expect(request.isSMR == remarks.contains("SMR"))
        #expect(request.isSMRInvoked == remarks.contains("SMR-invoked"))
        #expect(request.dontMapReply == remarks.contains("D(dont-map-reply)"))
        #expect(!request.isAuthoritative && !request.isPITR && !request.isLocalXTR && !request.hasMapData)
        #expect(request.records.count == 1)
        #expect(!request.itrRLOCs.isEmpty && request.itrRLOCs.allSatisfy { $0.ipAddress != nil })
        #expect(request.tail.isEmpty)
        let isInInstance = request.records.contains { Self.isInstance($0.eid) } || Self.isInstance(request.sourceEID)
        #expect(isInInstance == remarks.contains("iid"))
        // The probe of a new RLOC asks for AFI 0.
        #expect((request.records.first?.eid == LISPAddress.none) == vector.kind.contains("EID AFI 0"))
    }

    private func check(_ records: [EIDRecord], _ remarks: Set<String>) {
        guard !records.isEmpty else { return }
        #expect(records.contains { Self.isInstance($0.eid) } == remarks.contains("iid"))
        let closed = records.contains { record in
            Self.isClosed(record.eid) || record.locators.contains { Self.isClosed($0.address) }
        }
        #expect(closed == remarks.contains { $0.hasPrefix("lcaf:") })
    }

    private func check(_ authentication: Authentication, _ vector: GoldenVector) {
        #expect(vector.kind.contains("alg \(authentication.algorithm) key-id \(authentication.keyID)"))
    }

    private static func isInstance(_ address: LISPAddress) -> Bool {
        if case .instance = address { true } else { false }
    }

    private static func isClosed(_ address: LISPAddress) -> Bool {
        switch address {
        case .lcaf, .instance(_, _, .lcaf): true
        case .none, .ip, .mac, .distinguishedName, .instance: false
        }
    }

    @Test(arguments: regular)
    func `encodes to the bytes it came from`(vector: GoldenVector) throws {
        let message = try ControlMessage(decoding: vector.payload, zeroInnerChecksum: .accept)
        if case .encapsulated(let outer) = message {
            #expect(try outer.decodePayload().encoded() == outer.payload)
            #expect(Array(vector.payload[outer.payloadOffset...]) == outer.payload)
        }
        var expected = vector.payload
        if vector.kind.contains("probe-reply") {
            // lispers.net writes a hop count there; RFC 9301 5.4 has the bits reserved.
            expected[2] = 0
        }
        #expect(message.encoded() == expected)
    }

    /// lispers.net leaves the inner UDP checksum zero, which RFC 9301 5.8 forbids; Open Overlay Router sets it.
    @Test(arguments: regular.filter { $0.kind.hasPrefix("ECM") })
    func `a zero inner checksum is found`(vector: GoldenVector) {
        let offset = vector.payload[4] >> 4 == 4 ? 30 : 50
        if vector.payload[offset..<offset + 2].allSatisfy({ $0 == 0 }) {
            #expect(throws: WireError(.badChecksum(field: "Inner UDP Checksum"), at: offset)) {
                try ControlMessage(decoding: vector.payload)
            }
        } else {
            #expect(throws: Never.self) { try ControlMessage(decoding: vector.payload) }
        }
    }

    @Test(arguments: headless)
    func `refuses an encapsulated message without inner header`(vector: GoldenVector) {
        #expect(throws: WireError(.invalid(field: "Inner IP Version", value: 1), at: 4)) {
            try ControlMessage(decoding: vector.payload)
        }
    }

    @Test(arguments: mislabelled)
    func `refuses lengths that contradict each other`(vector: GoldenVector) {
        #expect(throws: WireError(.truncated(field: "EID-Prefix LCAF", needed: 22, available: 19), at: 613)) {
            try ControlMessage(decoding: vector.payload)
        }
    }

    @Test(arguments: authenticated)
    func `its MAC verifies under its site's key and no other`(vector: GoldenVector) throws {
        let algorithm = try #require(
            vector.kind.contains("alg 1") ? .hmacSHA1_96 : AuthenticationAlgorithm.hmacSHA256_128
        )
        let names = ["lab-key-1", "lab-key-2", "lab-key-3", "lab-key-any"]
        let verifying = names.filter { name in
            AuthenticationKey(id: 0, algorithm: algorithm, secret: Array(name.utf8)).verifies(vector.payload) == .ok
        }
        // The site is the end that is not the Map-Server, address ...10 in each family.
        let site = vector.src.contains("10:4342") && !vector.kind.hasPrefix("Map-Register") ? vector.dst : vector.src
        let expected =
            if vector.pcap.hasPrefix("ln-07") {
                "lab-key-any"
            } else {
                site.hasPrefix("198.51.100.1:") || site.hasPrefix("2001:db8:100::1:") ? "lab-key-1" : "lab-key-2"
            }
        #expect(verifying == [expected])
        // Signed anew it is the same message.
        let key = AuthenticationKey(id: 0, algorithm: algorithm, secret: Array(expected.utf8))
        var message = vector.payload
        for index in 16..<16 + algorithm.sentLength {
            message[index] = 0
        }
        key.sign(&message)
        #expect(message == vector.payload)
    }

    @Test(arguments: data)
    func `a data header has its flags and an inner packet behind it`(vector: GoldenVector) throws {
        let header = vector.payload.withUnsafeBytes { LISPDataHeader(from: $0) }
        let flags = try #require(vector.kind.components(separatedBy: " ").dropFirst(2).first)
        #expect(header.hasNonce == flags.contains("N"))
        #expect(header.hasInstanceID == flags.contains("I"))
        #expect(!header.hasLocatorStatusBits && !header.requestsEcho && !header.hasMapVersions && header.keyID == 0)
        #expect((header.nonce != nil) == flags.contains("N"))
        #expect(header.instanceID.rawValue == (flags.contains("I") ? 1000 : 0))
        #expect(vector.payload[LISPDataHeader.size] >> 4 == (vector.kind.hasSuffix("IPv4") ? 4 : 6))
    }

    @Test func `one Map-Register, field by field`() throws {
        let vector = try #require(Self.control.first { $0.pcap.hasPrefix("ln-01") && $0.frame == 1 })
        guard case .mapRegister(let register) = try ControlMessage(decoding: vector.payload) else {
            Issue.record("not a Map-Register")
            return
        }
        #expect(register.nonce == Nonce(rawValue: 0xdfdf_dfdd_ccbb_aa00 >> 8 | 0x01 << 56))
        #expect(register.authentication.data.count == 32)
        #expect(register.xtrID?.description == "00000000000000008382361ead8e9f28")
        #expect(register.siteID == SiteID(rawValue: 0))
        #expect(register.records.compactMap(\.eidPrefix?.description) == ["[1000] 10.1.1.0/24", "[1000] fd00:1::/64"])
        #expect(register.records.map(\.ttlMinutes) == [3, 3])
        #expect(register.records.allSatisfy { $0.isAuthoritative && $0.action == .noAction && $0.mapVersion == 0 })
        let locator = LocatorRecord(
            priority: 1,
            weight: 100,
            isLocal: true,
            isReachable: true,
            address: .ip(try #require(IPAddress("198.51.100.1")))
        )
        #expect(register.records.map(\.locators) == [[locator], [locator]])
    }

    @Test(arguments: regular.filter { $0.pcap.hasPrefix("ln-07") && $0.kind.contains("lcaf:AFI-list") })
    func `a canonical address is kept byte for byte`(vector: GoldenVector) throws {
        let reply = try MapReply(decoding: vector.payload)
        let record = try #require(reply.records.first)
        #expect(record.eidPrefix?.instanceID.rawValue == 2000)
        guard case .lcaf(let list)? = record.locators.first?.address else {
            Issue.record("the locator is no canonical address")
            return
        }
        #expect(list.type == 1 && list.flags == 0 && list.reserved1 == 0 && list.reserved2 == 0)
        #expect(record.locators.count == 1)
        #expect(Array(vector.payload.suffix(list.body.count)) == list.body)
    }
}
