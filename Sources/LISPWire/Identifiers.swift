// Numbers that name a question, a router and a site.

/// What a Map-Request carries and its Map-Reply returns (RFC 9301 section 5.2); what orders Map-Registers (5.6).
package struct Nonce: RawRepresentable, Hashable, Sendable {
    package var rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }
}

extension Nonce: CustomStringConvertible {
    /// `0x` and sixteen hexadecimal digits.
    package var description: String { "0x" + hexadecimal(rawValue) }
}

/// Names one xTR within a site (RFC 9301 section 5.6).
package struct XTRID: RawRepresentable, Hashable, Sendable {
    // Two halves for the reason that `IPv6Address` gives.
    private let high: UInt64
    private let low: UInt64

    package var rawValue: UInt128 { UInt128(high) << 64 | UInt128(low) }

    package init(rawValue: UInt128) {
        self.high = UInt64(truncatingIfNeeded: rawValue >> 64)
        self.low = UInt64(truncatingIfNeeded: rawValue)
    }

    /// Parses 1 to 32 hexadecimal digits, with or without `0x`; `nil` for anything else.
    package init?(_ text: some StringProtocol) {
        let digits = text.hasPrefix("0x") ? text.dropFirst(2) : text[...]
        guard (1...32).contains(digits.utf8.count), digits.first != "+",
            let value = UInt128(digits, radix: 16)
        else { return nil }
        self.init(rawValue: value)
    }
}

extension XTRID: CustomStringConvertible {
    /// Thirty-two hexadecimal digits.
    package var description: String { hexadecimal(rawValue) }
}

/// Names the site of an xTR (RFC 9301 section 5.6).
package struct SiteID: RawRepresentable, Hashable, Sendable {
    package var rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }
}

extension SiteID: CustomStringConvertible {
    package var description: String { String(rawValue) }
}

private func hexadecimal(_ value: some FixedWidthInteger & UnsignedInteger) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: value.bitWidth / 4 - digits.count) + digits
}

/// The xTR-ID and Site-ID at the end of a message (RFC 9301 section 5.6).
enum SenderIdentity {
    /// Octets on the wire.
    static let size = 24

    static func decode(from reader: inout WireReader) throws(WireError) -> (XTRID, SiteID) {
        let xtrID = XTRID(rawValue: try reader.integer("xTR-ID"))
        let siteID = SiteID(rawValue: try reader.integer("Site-ID"))
        return (xtrID, siteID)
    }

    static func encode(_ xtrID: XTRID, _ siteID: SiteID?, into writer: inout WireWriter) {
        writer.integer(xtrID.rawValue)
        writer.integer(siteID?.rawValue ?? 0)
    }
}
