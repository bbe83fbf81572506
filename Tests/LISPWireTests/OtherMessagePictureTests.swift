// Map-Referral, Info-Request, Info-Reply, shared extension messages and LISP-SEC data as annotated bytes.

import LISPWire
import Testing

@Suite struct OtherMessagePictureTests {
    static let mapReferral = bytes(
        """
        60 0000 01                    // type 6, one record
        0123456789abcdef              // nonce
        000005a0                      // TTL 1440
        02 18 3 8 00                  // two referrals, /24, action 1, A 1, I 1
        2 abc                         // two signatures, version
        0001 0a020200                 // XEID-prefix
        01 64 ff 00 0001 0001 c0000201
        02 32 fe 01 0001 4003 0000 0b 00 000e 01 00 02 00 0002 abcd 0001 c0000202
        00000001 65000000 64000000 abcd 0003 02 00 0000 010203
        00000002 65000001 64000001 0000 0000 01 00 0000
        ee                            // tail
        """
    )

    @Test func `a Map-Referral`() throws {
        guard case .mapReferral(let message) = try ControlMessage(decoding: Self.mapReferral) else {
            Issue.record("not a Map-Referral")
            return
        }
        #expect(message.nonce == Nonce(rawValue: 0x0123_4567_89ab_cdef))
        #expect(message.tail == [0xee])
        let record = try #require(message.records.first)
        #expect(message.records.count == 1)
        #expect(record.ttlMinutes == 1440 && record.mapVersion == 0xabc)
        #expect(record.action == .mapServerReferral && record.isAuthoritative && record.isIncomplete)
        #expect(record.eidPrefix?.description == "10.2.2.0/24")
        let key = SecurityKey(algorithm: 2, keys: [[0xab, 0xcd]], locator: .ip(IPAddress("192.0.2.2")!))
        #expect(
            record.referrals == [
                LocatorRecord(priority: 1, weight: 100, address: .ip(IPAddress("192.0.2.1")!)),
                LocatorRecord(
                    priority: 2,
                    weight: 50,
                    multicastPriority: 254,
                    multicastWeight: 1,
                    address: .lcaf(CanonicalAddress(key))
                ),
            ]
        )
        #expect(
            record.signatures == [
                .init(
                    originalTTLMinutes: 1,
                    expiration: 0x6500_0000,
                    inception: 0x6400_0000,
                    keyTag: 0xabcd,
                    algorithm: 2,
                    octets: [1, 2, 3]
                ),
                .init(
                    originalTTLMinutes: 2,
                    expiration: 0x6500_0001,
                    inception: 0x6400_0001,
                    keyTag: 0,
                    algorithm: 1,
                    octets: []
                ),
            ]
        )
        #expect(message.encoded() == Self.mapReferral)
    }

    @Test(arguments: ReferralAction.allCases)
    func `each action of a Map-Referral`(action: ReferralAction) throws {
        let record = ReferralRecord(eid: .none, maskLength: 0, ttlMinutes: 0, action: action, referrals: [])
        let encoded = MapReferral(nonce: Nonce(rawValue: 1), records: [record]).encoded()
        #expect(encoded[18] == action.rawValue << 5)
        #expect(try MapReferral(decoding: encoded).records == [record])
    }

    @Test func `the actions have the names of RFC 8111`() {
        #expect(
            ReferralAction.allCases.map(\.name) == [
                "NODE-REFERRAL", "MS-REFERRAL", "MS-ACK", "MS-NOT-REGISTERED", "DELEGATION-HOLE", "NOT-AUTHORITATIVE",
                "unassigned 6", "unassigned 7",
            ]
        )
    }

    static let infoReply = bytes(
        """
        78 000000                     // type 7, R
        0123456789abcdef              // nonce
        0102 0003 aabbcc              // key 258, authentication data
        000005a0                      // TTL
        00 20 0001 0a010101           // EID 10.1.1.1/32
        4003 0000 07 00 0018          // NAT traversal
        10f6 c350                     // ports 4342 and 50000
        0001 cb007101                 // global ETR RLOC
        0001 c0000235                 // MS RLOC
        0000                          // private ETR RLOC
        0001 c0000209                 // RTR RLOC
        """
    )

    static let infoRequest = bytes(
        """
        70 000000
        0123456789abcdef
        0000 0000                     // no authentication
        00000000
        00 00 0011 786d6c00           // the name that lispers.net sends for an EID
        0000                          // AFI 0
        """
    )

    @Test func `an Info-Reply`() throws {
        guard case .info(let message) = try ControlMessage(decoding: Self.infoReply) else {
            Issue.record("not an Info message")
            return
        }
        #expect(message.isReply && message.nonce == Nonce(rawValue: 0x0123_4567_89ab_cdef))
        #expect(message.keyID == 258 && message.authenticationData == [0xaa, 0xbb, 0xcc])
        #expect(message.ttlMinutes == 1440)
        #expect(message.eid == .ip(IPAddress("10.1.1.1")!) && message.maskLength == 32)
        let traversal = NATTraversal(
            mapServerPort: 4342,
            etrPort: 50_000,
            globalETRRLOC: .ip(IPAddress("203.0.113.1")!),
            mapServerRLOC: .ip(IPAddress("192.0.2.53")!),
            privateETRRLOC: .none,
            rtrRLOCs: [.ip(IPAddress("192.0.2.9")!)]
        )
        #expect(message.natTraversal == .lcaf(CanonicalAddress(traversal)))
        #expect(message.tail.isEmpty)
        #expect(message.encoded() == Self.infoReply)
    }

    @Test func `an Info-Request`() throws {
        guard case .info(let message) = try ControlMessage(decoding: Self.infoRequest) else {
            Issue.record("not an Info message")
            return
        }
        #expect(!message.isReply && message.keyID == 0 && message.authenticationData.isEmpty)
        #expect(message.eid == .distinguishedName(Array("xml".utf8)))
        #expect(message.natTraversal == LISPAddress.none)
        #expect(message.encoded() == Self.infoRequest)
    }

    @Test func `a shared extension message`() throws {
        let picture = bytes("f 401 aabb ccdd")
        guard case .sharedExtension(let message) = try ControlMessage(decoding: picture) else {
            Issue.record("not a shared extension")
            return
        }
        #expect(message.subType == 1025)
        #expect(message.contents == bytes("aabbccdd"))
        #expect(message.encoded() == picture)
        #expect(try SharedExtension(decoding: [0xf0, 1]).contents.isEmpty)
        #expect(throws: WireError(.truncated(field: "Type", needed: 2, available: 1), at: 0)) {
            try ControlMessage(decoding: [0xf0])
        }
        #expect(throws: WireError(.invalid(field: "Type", value: 7), at: 0)) {
            try SharedExtension(decoding: [0x70, 1])
        }
    }

    @Test(arguments: [mapReferral.dropLast(), infoReply[...], infoRequest[...]])
    func `refuses each cut short`(picture: ArraySlice<UInt8>) {
        for length in 0..<picture.count {
            #expect(throws: WireError.self, "\(length) octets") { try ControlMessage(decoding: picture.prefix(length)) }
        }
    }

    @Test(arguments: [mapReferral, infoReply, infoRequest])
    func `keeps what follows`(picture: [UInt8]) throws {
        #expect(try ControlMessage(decoding: picture + [7, 8]).encoded() == picture + [7, 8])
    }

    @Test func `what the counts cannot say is not sent`() throws {
        let signature = ReferralRecord.Signature(
            originalTTLMinutes: 1,
            expiration: 2,
            inception: 3,
            keyTag: 4,
            algorithm: 2,
            octets: []
        )
        let record = ReferralRecord(
            eid: .none,
            maskLength: 0,
            ttlMinutes: 1,
            action: .nodeReferral,
            referrals: Array(repeating: LocatorRecord(priority: 1, weight: 1, address: .none), count: 300),
            signatures: Array(repeating: signature, count: 20)
        )
        let message = MapReferral(nonce: Nonce(rawValue: 1), records: Array(repeating: record, count: 300))
        let decoded = try MapReferral(decoding: message.encoded())
        #expect(decoded.records.count == 255)
        #expect(decoded.records.allSatisfy { $0.referrals.count == 255 && $0.signatures.count == 15 })
    }

    @Test func `an error inside an encapsulated message counts from the start of the outer one`() throws {
        let message = EncapsulatedControlMessage(
            source: Endpoint(IPAddress("10.0.0.1")!, 50_000),
            destination: Endpoint(IPAddress("10.2.2.2")!, 4342),
            payload: bytes("10000001 0000000000000001 0063 0000")
        )
        let encoded = message.encoded()
        guard case .encapsulated(let decoded) = try ControlMessage(decoding: encoded) else {
            Issue.record("not encapsulated")
            return
        }
        #expect(decoded.payloadOffset == 32)
        #expect(throws: WireError(.unknownAFI(field: "Source EID", afi: 99), at: 44)) { try decoded.decodePayload() }
        #expect(Array(encoded[44..<46]) == [0, 0x63])
    }
}
