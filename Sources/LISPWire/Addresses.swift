// The addresses that LISP tables are keyed by: IPv4, IPv6, prefixes of both, and EID-prefixes inside an instance.
// What can stand in an address field of a message beyond these is `LISPAddress`.

/// An IPv4 address.
package struct IPv4Address: Hashable, Sendable, Comparable {
    /// The address as a number, first octet most significant.
    package var rawValue: UInt32

    package init(_ rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Parses dotted decimal with exactly four parts, no leading zeros; `nil` for anything else.
    package init?(_ text: some StringProtocol) {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard let octet = Self.octet(part) else { return nil }
            value = value << 8 | UInt32(octet)
        }
        self.rawValue = value
    }

    private static func octet(_ digits: some Collection<UInt8>) -> UInt8? {
        guard (1...3).contains(digits.count), digits.count == 1 || digits.first != UInt8(ascii: "0") else { return nil }
        var value: UInt16 = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            value = value * 10 + UInt16(digit - UInt8(ascii: "0"))
        }
        return UInt8(exactly: value)
    }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

extension IPv4Address: CustomStringConvertible {
    package var description: String {
        "\(rawValue >> 24).\(rawValue >> 16 & 255).\(rawValue >> 8 & 255).\(rawValue & 255)"
    }
}

/// An IPv6 address.
package struct IPv6Address: Hashable, Sendable, Comparable {
    // Two halves, not a UInt128: values with 16-octet alignment crash when optionals of them are captured by closures
    // (docs/decisions/wide-integers.md).
    private var high: UInt64
    private var low: UInt64

    /// The address as a number, first octet most significant.
    package var rawValue: UInt128 { UInt128(high) << 64 | UInt128(low) }

    package init(_ rawValue: UInt128) {
        self.high = UInt64(truncatingIfNeeded: rawValue >> 64)
        self.low = UInt64(truncatingIfNeeded: rawValue)
    }

    /// Parses RFC 4291 text, with `::` and with a dotted IPv4 tail; no zone, no brackets. `nil` for anything else.
    package init?(_ text: some StringProtocol) {
        let text = String(text)
        guard !text.isEmpty else { return nil }
        var head: [UInt16] = []
        var tail: [UInt16] = []
        if let gap = text.firstRange(of: "::") {
            guard
                let before = Self.groups(text[..<gap.lowerBound], endsAddress: false),
                let after = Self.groups(text[gap.upperBound...], endsAddress: true)
            else { return nil }
            head = before
            tail = after
            guard head.count + tail.count <= 7 else { return nil }
        } else {
            guard let all = Self.groups(text[...], endsAddress: true), all.count == 8 else { return nil }
            head = all
        }
        var value: UInt128 = 0
        for group in head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail {
            value = value << 16 | UInt128(group)
        }
        self.init(value)
    }

    /// A dotted IPv4 address may stand only where the whole address ends.
    private static func groups(_ text: Substring, endsAddress: Bool) -> [UInt16]? {
        guard !text.isEmpty else { return [] }
        var groups: [UInt16] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if endsAddress, index == parts.count - 1, part.contains(".") {
                guard let v4 = IPv4Address(part) else { return nil }
                groups.append(UInt16(v4.rawValue >> 16))
                groups.append(UInt16(v4.rawValue & 0xffff))
            } else {
                guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy({ Self.isHexDigit($0) }),
                    let group = UInt16(part, radix: 16)
                else { return nil }
                groups.append(group)
            }
        }
        return groups
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default:
            false
        }
    }

    package static func < (a: Self, b: Self) -> Bool { (a.high, a.low) < (b.high, b.low) }
}

extension IPv6Address: CustomStringConvertible {
    /// The canonical text of RFC 5952: lower case, the longest run of two or more zero groups shortened.
    package var description: String {
        let groups = (0..<8).map { UInt16(truncatingIfNeeded: rawValue >> (112 - 16 * $0)) }
        var best = 0..<0
        var start = 0
        while start < 8 {
            guard groups[start] == 0 else {
                start += 1
                continue
            }
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start > max(best.count, 1) { best = start..<end }
            start = end
        }
        func text(_ range: Range<Int>) -> String {
            range.map { String(groups[$0], radix: 16) }.joined(separator: ":")
        }
        return best.isEmpty ? text(0..<8) : text(0..<best.lowerBound) + "::" + text(best.upperBound..<8)
    }
}

/// The two address families that packets are forwarded in.
package enum AddressFamily: UInt8, Hashable, Sendable, Comparable, CaseIterable {
    case ipv4 = 4
    case ipv6 = 6

    /// 32 or 128.
    package var bitWidth: UInt8 { self == .ipv4 ? 32 : 128 }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

extension AddressFamily: CustomStringConvertible {
    package var description: String { self == .ipv4 ? "IPv4" : "IPv6" }
}

/// An IPv4 or IPv6 address. Ordered IPv4 first, then by number, which is the order of locators in a record.
package enum IPAddress: Hashable, Sendable, Comparable {
    case v4(IPv4Address)
    case v6(IPv6Address)

    package init?(_ text: some StringProtocol) {
        if let v4 = IPv4Address(text) {
            self = .v4(v4)
        } else if let v6 = IPv6Address(text) {
            self = .v6(v6)
        } else {
            return nil
        }
    }

    package var family: AddressFamily {
        switch self {
        case .v4: .ipv4
        case .v6: .ipv6
        }
    }

    /// The address left-aligned in 128 bits: an IPv4 address fills the top 32, so prefixes of both families compare alike.
    package var leftAligned: UInt128 {
        switch self {
        case .v4(let address): UInt128(address.rawValue) << 96
        case .v6(let address): address.rawValue
        }
    }

    /// The inverse of `leftAligned`. For IPv4 the lower 96 bits are ignored.
    package init(family: AddressFamily, leftAligned: UInt128) {
        switch family {
        case .ipv4: self = .v4(IPv4Address(UInt32(truncatingIfNeeded: leftAligned >> 96)))
        case .ipv6: self = .v6(IPv6Address(leftAligned))
        }
    }

    /// 0.0.0.0 or ::
    package var isUnspecified: Bool { leftAligned == 0 }

    package static func < (a: Self, b: Self) -> Bool {
        a.family != b.family ? a.family < b.family : a.leftAligned < b.leftAligned
    }
}

extension IPAddress: CustomStringConvertible {
    package var description: String {
        switch self {
        case .v4(let address): address.description
        case .v6(let address): address.description
        }
    }
}

/// An IPv4 or IPv6 prefix. The bits beyond its length are always zero.
///
/// Ordered by family, address, then length: a covering prefix directly precedes what it covers.
package struct IPPrefix: Hashable, Sendable, Comparable {
    /// The network address; bits beyond `length` are zero.
    package let address: IPAddress
    /// 0...32 or 0...128.
    package let length: UInt8

    /// Clears the bits of `address` beyond `length`. `nil` if `length` exceeds the family's width.
    package init?(_ address: IPAddress, length: UInt8) {
        guard length <= address.family.bitWidth else { return nil }
        self.init(family: address.family, leftAligned: address.leftAligned, length: length)
    }

    /// - Precondition: `length` is at most the family's width.
    package init(family: AddressFamily, leftAligned: UInt128, length: UInt8) {
        precondition(length <= family.bitWidth, "a prefix length within its family's width")
        self.address = IPAddress(family: family, leftAligned: leftAligned & Self.mask(length))
        self.length = length
    }

    /// The /32 or /128 of one address.
    package init(host address: IPAddress) {
        self.address = address
        self.length = address.family.bitWidth
    }

    /// Parses `address/length`. `nil` if it does not parse or has bits set beyond its length.
    package init?(_ text: some StringProtocol) {
        guard let slash = text.firstIndex(of: "/"), let address = IPAddress(text[..<slash]) else { return nil }
        let digits = text[text.index(after: slash)...]
        guard (1...3).contains(digits.utf8.count), digits.utf8.allSatisfy({ (48...57).contains($0) }),
            let length = UInt8(digits), let prefix = IPPrefix(address, length: length), prefix.address == address
        else { return nil }
        self = prefix
    }

    package var family: AddressFamily { address.family }

    /// The top `length` bits set.
    package static func mask(_ length: UInt8) -> UInt128 {
        length == 0 ? 0 : UInt128.max << (128 - UInt128(length))
    }

    package func contains(_ address: IPAddress) -> Bool {
        address.family == family && address.leftAligned & Self.mask(length) == self.address.leftAligned
    }

    /// Whether `other` is this prefix or one of its more-specifics.
    package func covers(_ other: IPPrefix) -> Bool {
        length <= other.length && contains(other.address)
    }

    /// Whether the two share any address: one covers the other.
    package func overlaps(_ other: IPPrefix) -> Bool {
        covers(other) || other.covers(self)
    }

    package static func < (a: Self, b: Self) -> Bool {
        a.address != b.address ? a.address < b.address : a.length < b.length
    }
}

extension IPPrefix: CustomStringConvertible {
    package var description: String { "\(address)/\(length)" }
}

/// Identifies a virtual network: 24 bits (RFC 9300 section 8).
package struct InstanceID: RawRepresentable, Hashable, Sendable, Comparable {
    package let rawValue: UInt32

    package static let `default` = InstanceID(uncheckedRawValue: 0)
    package static let maximum: UInt32 = 0xff_ffff

    /// `nil` above 0xffffff.
    package init?(rawValue: UInt32) {
        guard rawValue <= Self.maximum else { return nil }
        self.rawValue = rawValue
    }

    /// Keeps the low 24 bits.
    package init(uncheckedRawValue: UInt32) {
        self.rawValue = uncheckedRawValue & Self.maximum
    }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

extension InstanceID: CustomStringConvertible {
    package var description: String { String(rawValue) }
}

/// An EID-prefix inside its instance: the key of the map-cache, the database and the site registry.
///
/// Ordered by instance, family, address, length.
package struct EIDPrefix: Hashable, Sendable, Comparable {
    package let instanceID: InstanceID
    package let prefix: IPPrefix

    package init(instanceID: InstanceID = .default, _ prefix: IPPrefix) {
        self.instanceID = instanceID
        self.prefix = prefix
    }

    package func covers(_ other: EIDPrefix) -> Bool {
        instanceID == other.instanceID && prefix.covers(other.prefix)
    }

    package func overlaps(_ other: EIDPrefix) -> Bool {
        instanceID == other.instanceID && prefix.overlaps(other.prefix)
    }

    package static func < (a: Self, b: Self) -> Bool {
        a.instanceID != b.instanceID ? a.instanceID < b.instanceID : a.prefix < b.prefix
    }
}

extension EIDPrefix: CustomStringConvertible {
    /// `[101] 10.1.0.0/16`; without the bracket in instance 0.
    package var description: String {
        instanceID == .default ? prefix.description : "[\(instanceID)] \(prefix)"
    }
}

/// One address inside an instance: what a packet is sent to, and what a Map-Request asks for.
package struct EID: Hashable, Sendable {
    package let instanceID: InstanceID
    package let address: IPAddress

    package init(instanceID: InstanceID = .default, _ address: IPAddress) {
        self.instanceID = instanceID
        self.address = address
    }
}

extension EID: CustomStringConvertible {
    package var description: String {
        instanceID == .default ? address.description : "[\(instanceID)] \(address)"
    }
}

/// An RLOC and a UDP port: where a control message comes from or goes to.
package struct Endpoint: Hashable, Sendable {
    package var address: IPAddress
    package var port: UInt16

    package init(_ address: IPAddress, _ port: UInt16) {
        self.address = address
        self.port = port
    }
}

extension Endpoint: CustomStringConvertible {
    package var description: String {
        switch address {
        case .v4(let address): "\(address):\(port)"
        case .v6(let address): "[\(address)]:\(port)"
        }
    }
}
