/// Why octets of a master were refused. `position` counts octets from the start of the PDU.
public enum WireError: Error, Hashable, Sendable {
    /// `field` needs `needed` octets and only `available` are left.
    case truncated(field: String, needed: Int, available: Int, position: Int)
    /// `field` holds a value the RFC gives no meaning to.
    case invalid(field: String, value: UInt64, position: Int)
    /// The PDU was complete, yet `count` octets follow it.
    case trailing(count: Int, position: Int)
}

extension WireError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .truncated(let field, let needed, let available, let position):
            "\(field) needs \(needed) octets and \(available) are left at octet \(position)"
        case .invalid(let field, let value, let position):
            "\(field) cannot be \(value) at octet \(position)"
        case .trailing(let count, let position):
            "\(count) octets too many at octet \(position)"
        }
    }
}
