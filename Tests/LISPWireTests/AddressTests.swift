// Text of addresses and prefixes, and their order.

import Foundation
import LISPWire
import TestRandomness
import Testing

@Suite struct AddressTests {
    @Test(arguments: [
        "0.0.0.0", "255.255.255.255", "10.1.0.7", "::", "::1", "1::", "2001:db8::1", "2001:db8:0:1:1:1:1:1",
        "2001:0:0:1::1", "fe80::1:2:3:4", "::ffff:c000:201", "1:2:3:4:5:6:7:8",
    ])
    func `prints what it parsed`(text: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.description == text)
    }

    /// The rules of RFC 5952 section 4, by its own examples.
    @Test(arguments: [
        ("2001:0db8::0001", "2001:db8::1"),
        ("2001:db8:0:0:0:0:2:1", "2001:db8::2:1"),
        ("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:DB8::ABCD", "2001:db8::abcd"),
        ("::192.0.2.1", "::c000:201"),
        ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
        ("0:0:0:0:0:0:0:0", "::"),
    ])
    func `prints IPv6 in its canonical form`(text: String, canonical: String) throws {
        let address = try #require(IPv6Address(text))
        #expect(address.description == canonical)
    }

    @Test(arguments: [
        "", " ", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.04", "01.2.3.4", "1..2.3", ".1.2.3", "1.2.3.4 ",
        "+1.2.3.4",
        "1.2.3.-4", "1.2.3.1e", ":", ":::", "1:::2", "::1::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8",
        "12345::", "g::", "::1.2.3", "1.2.3.4::", "1.2.3.4::1", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4", "fe80::1%eth0",
        "[::1]",
        "::+1", "-1::", "::１", "١.1.1.1", ":1", "1:", "1:2:3:4:5:6:7:",
    ])
    func `refuses what is no address`(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test func `agrees with the C library on mutated addresses`() {
        var random = SeededGenerator("inet_pton")
        let alphabet = Array("0123456789abcdefABF:.:.g/")
        for _ in 0..<20_000 {
            var text = Array(random.ipAddress().description)
            if random.flip() { text = Array("::" + random.ipv4().description) }
            for _ in 0..<random.number(0...3) {
                let position = random.number(0...text.count)
                switch random.number(0...2) {
                case 0 where position < text.count: text.remove(at: position)
                case 1 where position < text.count: text[position] = alphabet[random.number(0...alphabet.count - 1)]
                default: text.insert(alphabet[random.number(0...alphabet.count - 1)], at: position)
                }
            }
            let mutated = String(text)
            #expect(IPAddress(mutated) == Self.parsedByC(mutated), "\(mutated)")
        }
    }

    private static func parsedByC(_ text: String) -> IPAddress? {
        var octets = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &octets) == 1 {
            return .v4(IPv4Address(octets[..<4].reduce(0) { $0 << 8 | UInt32($1) }))
        }
        guard inet_pton(AF_INET6, text, &octets) == 1 else { return nil }
        return .v6(IPv6Address(octets.reduce(0) { $0 << 8 | UInt128($1) }))
    }

    @Test func `every address survives its text`() {
        var random = SeededGenerator("address text")
        for _ in 0..<2_000 {
            let address = random.ipAddress()
            #expect(IPAddress(address.description) == address)
            let prefix = random.eidPrefix().prefix
            #expect(IPPrefix(prefix.description) == prefix)
            #expect(IPAddress(family: address.family, leftAligned: address.leftAligned) == address)
        }
    }

    @Test(arguments: [
        "10.1.0.0", "10.1.0.0/", "/8", "10.1.0.0/33", "10.1.0.0/8", "10.0.0.0/08a", "10.0.0.0/-8", "10.0.0.0/+8",
        "::/129",
        "::1/127", "10.0.0.0/8/8", "10.0.0.0/0008", "10.0.0.0/ 8",
    ])
    func `refuses what is no prefix`(text: String) {
        #expect(IPPrefix(text) == nil)
    }

    @Test func `a prefix has no host bits and knows what it covers`() throws {
        let site = try #require(IPPrefix(IPv4Address("10.1.2.3").map(IPAddress.v4)!, length: 16))
        #expect(site.description == "10.1.0.0/16")
        #expect(site.contains(try #require(IPAddress("10.1.255.255"))))
        #expect(!site.contains(try #require(IPAddress("10.2.0.0"))))
        #expect(!site.contains(try #require(IPAddress("::"))))
        #expect(site.covers(try #require(IPPrefix("10.1.128.0/17"))))
        #expect(!site.covers(try #require(IPPrefix("10.0.0.0/8"))))
        #expect(site.overlaps(try #require(IPPrefix("10.0.0.0/8"))))
        #expect(try #require(IPPrefix("0.0.0.0/0")).covers(site))
        #expect(try !#require(IPPrefix("::/0")).covers(site))
        #expect(IPPrefix(site.address, length: 33) == nil)
    }

    @Test func `covering agrees with comparing bit by bit`() {
        var random = SeededGenerator("covers")
        for _ in 0..<5_000 {
            let wide = random.eidPrefix().prefix
            let address = random.flip() ? random.ipAddress() : wide.address
            let flipped = IPAddress(
                family: address.family,
                leftAligned: address.leftAligned ^ (UInt128(1) << random.number(0...127))
            )
            for candidate in [address, flipped] {
                let expected =
                    candidate.family == wide.family
                    && (0..<Int(wide.length)).allSatisfy { bit in
                        (candidate.leftAligned ^ wide.address.leftAligned) >> (127 - bit) & 1 == 0
                    }
                #expect(wide.contains(candidate) == expected)
            }
        }
    }

    @Test func `addresses are ordered as locators in a record are`() throws {
        let texts = ["9.0.0.0", "10.0.0.0", "192.0.2.1", "::1", "2001:db8::", "fe80::1"]
        let addresses = texts.compactMap { IPAddress($0) }
        #expect(addresses.sorted() == addresses)
        #expect(addresses.reversed().sorted() == addresses)
    }

    @Test func `an EID is printed with its instance unless that is 0`() throws {
        let prefix = try #require(IPPrefix("10.1.0.0/16"))
        let red = try #require(InstanceID(rawValue: 101))
        #expect(EIDPrefix(prefix).description == "10.1.0.0/16")
        #expect(EIDPrefix(instanceID: red, prefix).description == "[101] 10.1.0.0/16")
        #expect(EID(instanceID: red, prefix.address).description == "[101] 10.1.0.0")
        #expect(InstanceID(rawValue: 0x100_0000) == nil)
        #expect(try Endpoint(#require(IPAddress("2001:db8::1")), 4342).description == "[2001:db8::1]:4342")
        #expect(Endpoint(prefix.address, 4341).description == "10.1.0.0:4341")
    }
}
