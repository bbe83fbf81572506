// One message of each type as annotated bytes: every bit in its place.

import LISPWire
import Testing

@Suite struct MessagePictureTests {
    @Test func `a Map-Request`() throws {
        let picture = bytes(
            """
            14 00 01 02                   // type 1, M; IRC 1; two records
            0123456789abcdef              // nonce
            0001 0a000001                 // source EID
            0001 c0000201                 // ITR-RLOC 1
            0002 20010db8000000000000000000000001
            00 20 0001 0a020202           // record 1
            00 10 0001 0a030000           // record 2
            0000000f 00 18 3 000 0 000 0001 0a000000   // map data: TTL 15, no locator, action 1, A
            """
        )
        let message = try MapRequest(decoding: picture)
        #expect(message.hasMapData)
        #expect(message.nonce == Nonce(rawValue: 0x0123_4567_89ab_cdef))
        #expect(message.sourceEID == .ip(IPAddress("10.0.0.1")!))
        #expect(message.itrRLOCs == [.ip(IPAddress("192.0.2.1")!), .ip(IPAddress("2001:db8::1")!)])
        #expect(message.records.compactMap(\.eidPrefix?.description) == ["10.2.2.2/32", "10.3.0.0/16"])
        #expect(message.mapData?.eidPrefix?.description == "10.0.0.0/24")
        #expect(message.mapData?.action == .nativelyForward)
        #expect(message.mapData?.isAuthoritative == true)
        #expect(message.encoded() == picture)
    }

    @Test func `each flag of a Map-Request`() throws {
        let plain = MapRequest(nonce: Nonce(rawValue: 1), itrRLOCs: [.none], records: [])
        try Self.check(plain, \.isAuthoritative, 0x0800_0000)
        try Self.check(plain, \.isProbe, 0x0200_0000)
        try Self.check(plain, \.isSMR, 0x0100_0000)
        try Self.check(plain, \.isPITR, 0x0080_0000)
        try Self.check(plain, \.isSMRInvoked, 0x0040_0000)
        try Self.check(plain, \.isLocalXTR, 0x0000_4000)
        try Self.check(plain, \.dontMapReply, 0x0000_2000)
    }

    @Test func `each flag of a Map-Reply`() throws {
        let plain = MapReply(nonce: Nonce(rawValue: 1), records: [])
        try Self.check(plain, \.isProbe, 0x0800_0000)
        try Self.check(plain, \.isEchoNonceCapable, 0x0400_0000)
        try Self.check(plain, \.hasSecurity, 0x0200_0000)
    }

    @Test func `each flag of a Map-Register`() throws {
        let authentication = Authentication(keyID: 0, algorithm: 0, data: [])
        let plain = MapRegister(nonce: Nonce(rawValue: 1), authentication: authentication, records: [])
        try Self.check(plain, \.wantsProxyReply, 0x0800_0000)
        try Self.check(plain, \.isSecurityCapable, 0x0400_0000)
        try Self.check(plain, \.isEIDNotify, 0x0000_1000)
        try Self.check(plain, \.usesTTL, 0x0000_0800)
        try Self.check(plain, \.wantsMerge, 0x0000_0400)
        try Self.check(plain, \.isMobile, 0x0000_0200)
        try Self.check(plain, \.wantsMapNotify, 0x0000_0100)
    }

    private static func check<Message: ControlMessageBody>(
        _ plain: Message,
        _ flag: WritableKeyPath<Message, Bool>,
        _ bit: UInt32
    ) throws {
        var message = plain
        message[keyPath: flag] = true
        let encoded = message.encoded()
        let difference = zip(encoded, plain.encoded()).prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1.0 ^ $1.1) }
        #expect(difference == bit)
        #expect(encoded.dropFirst(4) == plain.encoded().dropFirst(4))
        #expect(try Message(decoding: encoded) == message)
    }

    @Test func `a Map-Reply`() throws {
        let picture = bytes(
            """
            2c 0000 01                    // type 2, P and E, one record
            0000000000000007              // nonce
            00000005                      // TTL
            02 18 5 000                   // two locators, /24, action 2, A
            0 abc 4003 0000 02 00 000a 000003e8 0001 0a010100   // version, EID in instance 1000
            01 64 ff 00 0005 0001 c0000201                      // locator 1: L and R
            02 32 fe 01 0002 0002 20010db8000000000000000000000001
            """
        )
        let message = try MapReply(decoding: picture)
        #expect(message.isProbe && message.isEchoNonceCapable && !message.hasSecurity)
        let record = try #require(message.records.first)
        #expect(message.records.count == 1)
        #expect(record.ttlMinutes == 5)
        #expect(record.eidPrefix?.description == "[1000] 10.1.1.0/24")
        #expect(record.action == .sendMapRequest)
        #expect(record.isAuthoritative)
        #expect(record.mapVersion == 0xabc)
        #expect(
            record.locators == [
                LocatorRecord(priority: 1, weight: 100, isLocal: true, address: .ip(IPAddress("192.0.2.1")!)),
                LocatorRecord(
                    priority: 2,
                    weight: 50,
                    multicastPriority: 254,
                    multicastWeight: 1,
                    isProbed: true,
                    isReachable: false,
                    address: .ip(IPAddress("2001:db8::1")!)
                ),
            ]
        )
        #expect(message.encoded() == picture)
    }

    @Test func `a Map-Register with xTR-ID`() throws {
        let picture = bytes(
            """
            32 00 09 00                   // type 3, I, T and M, no record
            00000000000000ff              // nonce
            07 02 0010                    // key 7, algorithm 2, 16 octets
            000102030405060708090a0b0c0d0e0f
            0000000000000000 00000000000000aa   // xTR-ID
            00000000000000bb                    // Site-ID
            cc                                  // tail
            """
        )
        let message = try MapRegister(decoding: picture)
        #expect(message.hasXTRID && message.usesTTL && message.wantsMapNotify)
        #expect(message.authentication == Authentication(keyID: 7, algorithm: 2, data: Array(0..<16)))
        #expect(message.authentication.knownAlgorithm == .hmacSHA256_128)
        #expect(message.xtrID == XTRID(rawValue: 0xaa))
        #expect(message.siteID == SiteID(rawValue: 0xbb))
        #expect(message.tail == [0xcc])
        #expect(message.encoded() == picture)
    }

    @Test(
        arguments: [(0x40, false, false), (0x48, false, true), (0x50, true, false), (0x58, true, true)]
            as [(UInt8, Bool, Bool)]
    )
    func `a Map-Notify or its Ack with xTR-ID, whatever the I-bit`(first: UInt8, isAcknowledgement: Bool, bit: Bool)
        throws
    {
        let head = [first] + bytes("0000 00 0000000000000001 00 01 0000")
        let identity = bytes("000000000000000000000000000000aa 00000000000000bb")
        let message = try MapNotify(decoding: head + identity)
        #expect(message.isAcknowledgement == isAcknowledgement)
        #expect(message.hasXTRID == bit)
        #expect(message.xtrID == XTRID(rawValue: 0xaa))
        #expect(message.siteID == SiteID(rawValue: 0xbb))
        #expect(message.tail == [])
        #expect(message.encoded() == head + identity)
    }

    @Test(arguments: [0, 1, 23, 25, 48])
    func `another tail of a Map-Notify is no xTR-ID`(length: Int) throws {
        let picture = bytes("4800 0000 0000000000000001 00 01 0000") + Array(repeating: 9, count: length)
        let message = try MapNotify(decoding: picture)
        #expect(message.xtrID == nil && message.siteID == nil)
        #expect(message.tail.count == length)
        #expect(message.encoded() == picture)
    }

    @Test func `a Map-Register that promises an xTR-ID must have it`() {
        let picture = bytes("3200 0000 0000000000000001 00 01 0000") + Array(repeating: 9, count: 23)
        #expect(throws: WireError(.truncated(field: "Site-ID", needed: 8, available: 7), at: 32)) {
            try MapRegister(decoding: picture)
        }
    }

    @Test func `24 octets behind a Map-Register without the I-bit are a tail`() throws {
        let picture = bytes("3000 0000 0000000000000001 00 01 0000") + Array(repeating: 9, count: 24)
        let message = try MapRegister(decoding: picture)
        #expect(message.xtrID == nil)
        #expect(message.tail.count == 24)
        #expect(message.encoded() == picture)
    }

    @Test func `reserved bits are ignored and not sent`() throws {
        let request = bytes("10 3f 9f 00 0000000000000001 0000 0000")
        #expect(
            try MapRequest(decoding: bytes("10 3f 80 00 0000000000000001 0000 0000")).encoded()[..<4] == [
                0x10, 0, 0, 0,
            ]
        )
        #expect(throws: WireError.self) { try MapRequest(decoding: request) }  // IRC 31: 32 ITR-RLOCs
        let reply = try MapReply(decoding: bytes("21ffff 00 0000000000000001"))
        #expect(reply.encoded() == bytes("200000 00 0000000000000001"))
        let record = try EIDRecord(whole: bytes("00000000 01 00 0fff f000 0000 01020304 fff8 0000"))
        #expect(record.encoded() == bytes("00000000 01 00 0000 0000 0000 01020304 0000 0000"))
    }

    @Test func `what the counts cannot say is not sent`() throws {
        let locator = LocatorRecord(priority: 1, weight: 1, address: .none)
        let record = EIDRecord(
            eid: .none,
            maskLength: 0,
            ttlMinutes: 1,
            locators: Array(repeating: locator, count: 300)
        )
        let short = EIDRecord(eid: .none, maskLength: 0, ttlMinutes: 1, locators: [])
        #expect(try EIDRecord(whole: record.encoded()).locators.count == 255)
        let reply = MapReply(nonce: Nonce(rawValue: 1), records: Array(repeating: short, count: 300))
        #expect(try MapReply(decoding: reply.encoded()).records.count == 255)
        let request = MapRequest(
            nonce: Nonce(rawValue: 1),
            itrRLOCs: Array(repeating: .none, count: 40),
            records: Array(repeating: MapRequest.Record(eid: .none, maskLength: 0), count: 300)
        )
        #expect(try MapRequest(decoding: request.encoded()).itrRLOCs.count == 32)
        #expect(try MapRequest(decoding: request.encoded()).records.count == 255)
        let homeless = MapRequest(nonce: Nonce(rawValue: 1), itrRLOCs: [], records: [])
        #expect(try MapRequest(decoding: homeless.encoded()).itrRLOCs == [.none])
    }

    @Test func `an unknown family anywhere refuses the message`() {
        let record = bytes("00000001 01 18 1000 0000 0001 0a010100 01640000 0001 0003 c0000201")
        #expect(throws: WireError(.unknownAFI(field: "Locator", afi: 3), at: 34)) {
            try MapReply(decoding: bytes("20000001 0000000000000001") + record)
        }
        #expect(throws: WireError(.unknownAFI(field: "Source EID", afi: 99), at: 12)) {
            try MapRequest(decoding: bytes("10000001 0000000000000001 0063 0000 00000000"))
        }
    }

    @Test(arguments: [0, 9, 10, 11, 12, 13, 14] as [UInt8])
    func `refuses types that nobody assigned`(type: UInt8) {
        #expect(throws: WireError(.unknownType(type), at: 0)) { try ControlMessage(decoding: [type << 4, 0, 0, 0]) }
    }

    @Test func `refuses an empty datagram and a message of another type`() {
        #expect(throws: WireError(.truncated(field: "Type", needed: 4, available: 0), at: 0)) {
            try ControlMessage(decoding: [])
        }
        #expect(throws: WireError(.invalid(field: "Type", value: 2), at: 0)) {
            try MapRequest(decoding: bytes("20000000 0000000000000001"))
        }
        #expect(throws: WireError(.invalid(field: "Type", value: 3), at: 0)) {
            try MapNotify(decoding: bytes("30000000 0000000000000001"))
        }
    }
}

extension EIDRecord {
    /// A record with nothing behind it.
    init(whole bytes: [UInt8]) throws(WireError) {
        self = try WireReader.whole(bytes) { reader throws(WireError) in try EIDRecord(from: &reader) }
    }

    func encoded() -> [UInt8] {
        var writer = WireWriter()
        encode(into: &writer)
        return writer.bytes
    }
}
