// Why bytes are no message, and where that shows.

/// Why a received message was refused. Thrown by every decoder of this module; the failure reaches the whole message.
package struct WireError: Error, Hashable, Sendable {
    package enum Reason: Hashable, Sendable {
        /// `field` needs `needed` octets and only `available` are left.
        case truncated(field: String, needed: Int, available: Int)
        /// `field` holds a value its RFC gives no meaning to.
        case invalid(field: String, value: UInt64)
        /// `field` holds an address of a family we do not know: the message must be dropped (RFC 9301 section 5.1).
        case unknownAFI(field: String, afi: UInt16)
        /// The message type is none that RFC 9301 section 5.1 assigns.
        case unknownType(UInt8)
        /// The value was complete, yet `count` octets follow it within its length.
        case trailingBytes(field: String, count: Int)
        /// `field` is a checksum, and it is wrong, or zero where it must not be.
        case badChecksum(field: String)
        /// `field` is a canonical address inside more others than we look into.
        case nestedTooDeep(field: String, limit: Int)
    }

    package let reason: Reason
    /// Where the field begins that the reason names (of octets that follow, the first of these): octets from the start of
    /// what was decoded, a UDP payload as a rule.
    package let offset: Int

    package init(_ reason: Reason, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }
}

extension WireError: CustomStringConvertible {
    package var description: String { "\(reason), at octet \(offset)" }
}

extension WireError.Reason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .truncated(let field, let needed, let available):
            "\(field) needs \(needed) octets, \(available) are left"
        case .invalid(let field, let value):
            "\(field) has the meaningless value \(value)"
        case .unknownAFI(let field, let afi):
            "\(field) has the unknown address family \(afi)"
        case .unknownType(let type):
            "message type \(type) is not assigned"
        case .trailingBytes(let field, let count):
            "\(count) octets follow \(field) within its length"
        case .badChecksum(let field):
            "\(field) is wrong"
        case .nestedTooDeep(let field, let limit):
            "\(field) is nested deeper than \(limit) canonical addresses"
        }
    }
}
