// Negative prefixes against brute force, in the corner 10.1.1.0/24 and above it.

import LISPTables
import LISPWire
import Testing

@Suite struct NegativePrefixTests {
    private static func prefix(_ text: String) -> EIDPrefix { EIDPrefix(IPPrefix(text)!) }
    private static func eid(_ text: String) -> EID { EID(IPAddress(text)!) }

    /// 0...`count` prefixes under 10.1.1.0/24.
    private static func corner(_ count: Int, _ generator: inout SeededGenerator) -> [EIDPrefix] {
        (0..<Int.random(in: 0...count, using: &generator)).map { _ in
            let low = UInt128(UInt8.random(in: .min ... .max, using: &generator))
            let length = UInt8.random(in: 24...32, using: &generator)
            return EIDPrefix(IPPrefix(family: .ipv4, leftAligned: (0x0a01_0100 | low) << 96, length: length))
        }
    }

    private static func table(_ prefixes: [EIDPrefix]) -> PrefixTable<Bool> {
        var table = PrefixTable<Bool>()
        for prefix in prefixes { table[prefix] = true }
        return table
    }

    /// The shortest of the 33 prefixes of `eid` that is acceptable.
    private static func bruteForce(_ eid: EID, _ isAcceptable: (IPPrefix) -> Bool) -> IPPrefix? {
        (0...32).compactMap { IPPrefix(eid.address, length: $0) }.first(where: isAcceptable)
    }

    @Test func `an unconfigured EID gets the least specific prefix that overlaps nothing and stays in its space`() {
        var generator = SeededGenerator.printed("NegativePrefix unconfigured")
        for _ in 0..<3000 {
            let configured = Self.corner(4, &generator)
            let registered = Self.corner(3, &generator)
            let space = Self.corner(4, &generator)
            let low = UInt32(UInt8.random(in: .min ... .max, using: &generator))
            let eid = EID(.v4(IPv4Address(0x0a01_0100 | low)))
            let addresses = space.flatMap { Self.hosts(of: $0.prefix) }
            let inSpace = Set(addresses)
            let expected = Self.bruteForce(eid) { candidate in
                guard !(configured + registered).contains(where: { $0.prefix.overlaps(candidate) }) else {
                    return false
                }
                guard inSpace.contains(low) else { return true }
                return candidate.length >= 24 && Self.hosts(of: candidate).allSatisfy(inSpace.contains)
            }
            let found = NegativePrefix.unconfigured(
                around: eid,
                space: EIDSpace(space),
                configured: Self.table(configured),
                registered: Self.table(registered)
            )
            #expect(found == expected, "\(eid) space \(space) configured \(configured) registered \(registered)")
        }
    }

    /// The last octets of the addresses of a prefix in the corner.
    private static func hosts(of prefix: IPPrefix) -> [UInt32] {
        (0..<256).filter { prefix.contains(.v4(IPv4Address(0x0a01_0100 | $0))) }
    }

    @Test func `an unregistered EID gets all around it that is configured and overlaps no registration`() {
        var generator = SeededGenerator.printed("NegativePrefix unregistered")
        for _ in 0..<3000 {
            guard let configured = Self.corner(1, &generator).first else { continue }
            let registered = Self.corner(6, &generator) + [Self.prefix("10.0.0.0/8")]
            let inside = Self.hosts(of: configured.prefix)
            let eid = EID(.v4(IPv4Address(0x0a01_0100 | inside.randomElement(using: &generator)!)))
            let expected = Self.bruteForce(eid) { candidate in
                configured.prefix.covers(candidate)
                    && !registered.contains { configured.covers($0) && $0.prefix.overlaps(candidate) }
            }
            let found = NegativePrefix.unregistered(
                around: eid,
                within: configured.prefix,
                registered: Self.table(registered)
            )
            #expect(found == expected, "\(eid) configured \(configured) registered \(registered)")
        }
    }

    @Test func `with nothing configured the whole family is one hole, or the space is`() {
        let none = PrefixTable<Bool>()
        func hole(_ space: [String]) -> IPPrefix? {
            NegativePrefix.unconfigured(
                around: Self.eid("10.1.2.3"),
                space: EIDSpace(space.map(Self.prefix)),
                configured: none,
                registered: none
            )
        }
        #expect(hole([]) == IPPrefix("0.0.0.0/0"))
        #expect(hole(["10.0.0.0/8"]) == IPPrefix("10.0.0.0/8"))
        #expect(hole(["11.0.0.0/8"]) == IPPrefix("0.0.0.0/0"))
        #expect(hole(["10.0.0.0/9", "10.128.0.0/9", "10.3.0.0/16"]) == IPPrefix("10.0.0.0/8"))
    }

    @Test func `an EID that is configured has no hole`() {
        let found = NegativePrefix.unconfigured(
            around: Self.eid("10.1.2.3"),
            space: EIDSpace(),
            configured: Self.table([Self.prefix("10.1.0.0/16")]),
            registered: PrefixTable<Bool>()
        )
        #expect(found == nil)
    }

    @Test func `a space is held as the fewest prefixes`() {
        let parts = ["10.1.0.0/17", "10.1.5.0/24", "10.0.0.0/16", "10.1.128.0/17", "2001:db8::/32"]
        let space = EIDSpace(parts.map(Self.prefix))
        #expect(space.prefixes == ["10.0.0.0/15", "2001:db8::/32"].map(Self.prefix))
    }

    @Test func `IPv6 holes reach from the default route to the host`() {
        let configured = Self.table([Self.prefix("2001:db8::/32"), Self.prefix("::/128")])
        func hole(_ text: String) -> IPPrefix? {
            NegativePrefix.unconfigured(
                around: Self.eid(text),
                space: EIDSpace(),
                configured: configured,
                registered: PrefixTable<Bool>()
            )
        }
        #expect(hole("8000::") == IPPrefix("8000::/1"))
        #expect(hole("::1") == IPPrefix("::1/128"))
        #expect(hole("2001:db9::") == IPPrefix("2001:db9::/32"))
        #expect(hole("2001:db8::1") == nil)
    }
}
