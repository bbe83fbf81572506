// Address fields: families, instance IDs, and what is kept closed.

import LISPWire
import TestRandomness
import Testing

@Suite struct LISPAddressTests {
    private static func decode(_ bytes: [UInt8]) throws(WireError) -> LISPAddress {
        try WireReader.whole(bytes) { reader throws(WireError) in try LISPAddress("EID", from: &reader) }
    }

    private static func encode(_ address: LISPAddress) -> [UInt8] {
        var writer = WireWriter()
        address.encode(into: &writer)
        return writer.bytes
    }

    private static let red = InstanceID(uncheckedRawValue: 1000)

    /// Each kind, as bytes and as a value.
    static let pictures: [([UInt8], LISPAddress)] = [
        (bytes("0000"), .none),
        (bytes("0001 0a010100"), .ip(IPAddress("10.1.1.0")!)),
        (bytes("0002 20010db8000000000000000000000001"), .ip(IPAddress("2001:db8::1")!)),
        (bytes("4005 001122334455"), .mac(MACAddress(0x0011_2233_4455))),
        (bytes("0006 001122334455"), .mac(MACAddress(0x0011_2233_4455, isIEEE802: true))),
        (bytes("0011 00"), .distinguishedName([])),
        (bytes("0011 686f737400"), .distinguishedName(Array("host".utf8))),
        (
            bytes(
                """
                4003 00 00    // AFI, Rsvd1, Flags
                02 00 000a    // instance ID, IID mask-len, length
                000003e8      // 1000
                0001 0a010100
                """
            ),
            .instance(red, maskLength: 0, .ip(IPAddress("10.1.1.0")!))
        ),
        (
            bytes("4003 0000 02 08 0006 000003e8 0000"),
            .instance(red, maskLength: 8, .none)
        ),
        (
            bytes("4003 0102 05 03 0004 deadbeef"),
            .lcaf(CanonicalAddress(type: 5, flags: 2, reserved1: 1, reserved2: 3, body: bytes("deadbeef")))
        ),
        (bytes("4003 0000 00 00 0000"), .lcaf(CanonicalAddress(type: 0, body: []))),
        // More than 24 bits: no instance of ours.
        (
            bytes("4003 0000 02 00 000a 010003e8 0001 0a010100"),
            .lcaf(CanonicalAddress(type: 2, body: bytes("010003e8 0001 0a010100")))
        ),
        // An instance inside an instance is no instance of ours.
        (
            bytes("4003 0000 02 00 000e 000003e8 4003 0000 02 00 0002 ffff"),
            .instance(red, maskLength: 0, .lcaf(CanonicalAddress(type: 2, body: [0xff, 0xff])))
        ),
    ]

    @Test(arguments: pictures)
    func `reads and writes each kind`(bytes: [UInt8], address: LISPAddress) throws {
        #expect(try Self.decode(bytes) == address)
        #expect(Self.encode(address) == bytes)
    }

    @Test(arguments: pictures)
    func `refuses each kind cut short`(bytes: [UInt8], address: LISPAddress) {
        for length in 0..<bytes.count {
            #expect(throws: WireError.self, "\(address) after \(length) octets") {
                try Self.decode(Array(bytes.prefix(length)))
            }
        }
    }

    @Test(arguments: pictures)
    func `leaves what follows alone`(bytes: [UInt8], address: LISPAddress) {
        #expect(throws: WireError(.trailingBytes(field: "message", count: 1), at: bytes.count)) {
            try Self.decode(bytes + [7])
        }
    }

    @Test func `every address round-trips`() throws {
        var random = SeededGenerator("addresses")
        for _ in 0..<5_000 {
            let address = random.address(.all)
            #expect(try Self.decode(Self.encode(address)) == address)
        }
    }

    @Test(arguments: [3, 5, 7, 16, 18, 16384, 16386, 16388, 16390, 65535] as [UInt16])
    func `refuses an unknown family`(afi: UInt16) {
        let field = [UInt8(afi >> 8), UInt8(afi & 255), 0, 0, 0, 0, 0, 0]
        #expect(throws: WireError(.unknownAFI(field: "EID", afi: afi), at: 0)) { try Self.decode(field) }
        // Also where it hides in an instance.
        let instance = bytes("4003 0000 02 00 000c 00000001") + field
        #expect(throws: WireError(.unknownAFI(field: "EID", afi: afi), at: 12)) { try Self.decode(instance) }
    }

    @Test func `an instance must use its length up, and no more`() {
        #expect(throws: WireError(.trailingBytes(field: "EID LCAF", count: 1), at: 18)) {
            try Self.decode(bytes("4003 0000 02 00 000b 000003e8 0001 0a010100 00"))
        }
        #expect(throws: WireError(.truncated(field: "EID", needed: 4, available: 3), at: 14)) {
            try Self.decode(bytes("4003 0000 02 00 0009 000003e8 0001 0a010100"))
        }
    }

    @Test func `an instance ID with reserved bits set is an instance ID, and keeps them`() throws {
        let octets = bytes("4003 ab cd 02 00 000a 000003e8 0001 0a010100")
        let address = try Self.decode(octets)
        #expect(EIDPrefix(address: address, maskLength: 24)?.description == "[1000] 10.1.1.0/24")
        #expect(address.locatorAddress == IPAddress("10.1.1.0"))
        #expect(Self.encode(address) == octets)
        #expect(throws: WireError(.truncated(field: "EID", needed: 4, available: 3), at: 14)) {
            try Self.decode(bytes("4003 ab cd 02 00 0009 000003e8 0001 0a0101"))
        }
        // More than 24 bits are no instance of ours, reserved bits or not.
        #expect(EID(try Self.decode(bytes("4003 ab cd 02 00 000a 010003e8 0001 0a010100"))) == nil)
    }

    @Test func `nesting cannot exhaust the stack`() throws {
        // 5,000 instances, each inside the other: a message of 60,000 octets.
        var nested = bytes("0000")
        while nested.count < 60_000 {
            let length = nested.count + 4
            nested = [0x40, 3, 0, 0, 2, 0, UInt8(length >> 8), UInt8(length & 255), 0, 0, 0, 1] + nested
        }
        guard case .instance(_, _, .lcaf(let inner)) = try Self.decode(nested) else {
            Issue.record("not an instance with something closed in it")
            return
        }
        #expect(inner.type == 2)
        #expect(try Self.encode(Self.decode(nested)) == nested)
    }

    @Test func `an EID of instance 0 stands plain`() throws {
        let address = try #require(IPAddress("10.1.2.3"))
        #expect(LISPAddress(eid: EID(address)) == .ip(address))
        #expect(
            LISPAddress(eid: EID(instanceID: Self.red, address)) == .instance(Self.red, maskLength: 0, .ip(address))
        )
        let prefix = EIDPrefix(instanceID: Self.red, try #require(IPPrefix("2001:db8::/32")))
        #expect(LISPAddress(eidPrefix: prefix) == .instance(Self.red, maskLength: 0, .ip(prefix.prefix.address)))
    }

    @Test func `an EID-prefix is an IPv4 or IPv6 address with a mask that fits`() throws {
        let address = LISPAddress.ip(try #require(IPAddress("10.1.2.3")))
        #expect(EIDPrefix(address: address, maskLength: 16)?.description == "10.1.0.0/16")
        #expect(
            EIDPrefix(address: .instance(Self.red, maskLength: 0, address), maskLength: 16)?.description
                == "[1000] 10.1.0.0/16"
        )
        // Instance 0 written the long way is instance 0.
        #expect(
            EIDPrefix(address: .instance(.default, maskLength: 0, address), maskLength: 8)?.description == "10.0.0.0/8"
        )
        #expect(EIDPrefix(address: address, maskLength: 33) == nil)
        #expect(EIDPrefix(address: .none, maskLength: 0) == nil)
        #expect(EIDPrefix(address: .mac(MACAddress(1)), maskLength: 0) == nil)
        #expect(EIDPrefix(address: .lcaf(CanonicalAddress(type: 2, body: [])), maskLength: 0) == nil)
        #expect(EID(.instance(Self.red, maskLength: 0, address))?.description == "[1000] 10.1.2.3")
        #expect(EID(.distinguishedName([])) == nil)
    }

    @Test func `every prefix survives its way through an address field`() {
        var random = SeededGenerator("prefix fields")
        for _ in 0..<2_000 {
            let prefix = random.eidPrefix()
            let address = LISPAddress(eidPrefix: prefix)
            #expect(EIDPrefix(address: address, maskLength: prefix.prefix.length) == prefix)
        }
    }

    @Test func `prints no control character off the wire`() {
        #expect(LISPAddress.distinguishedName(bytes("1b5b326a61c3a4")).description == "\"?[2ja??\"")
        #expect(LISPAddress.mac(MACAddress(0x000a_2233_4455)).description == "00:0a:22:33:44:55")
        #expect(LISPAddress.lcaf(CanonicalAddress(type: 99, body: [1, 2])).description == "LCAF type 99, 2 octets")
    }
}
