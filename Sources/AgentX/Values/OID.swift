// Object identifiers: what names every object, instance, registration and notification.

/// An object identifier, as `1.3.6.1.2.1.1.3.0`. Ordered as SNMP orders: by the first sub-identifier that differs, a prefix first.
///
/// The null object identifier has no sub-identifiers. (The name avoids Swift's own `ObjectIdentifier`.)
public struct OID: Hashable, Sendable {
    /// The most sub-identifiers an object identifier may have. (RFC 2578 §3.5)
    public static let limit = 128

    public let subidentifiers: [UInt32]

    /// The null object identifier.
    public init() { subidentifiers = [] }

    /// - Returns: `nil` for more than ``limit`` sub-identifiers.
    public init?(_ subidentifiers: some Sequence<UInt32>) {
        let all = Array(subidentifiers)
        guard all.count <= Self.limit else { return nil }
        self.subidentifiers = all
    }

    /// May be longer than an object identifier can be: within a search, the place of an instance that has no name.
    init(unlimited subidentifiers: [UInt32]) {
        self.subidentifiers = subidentifiers
    }

    public var count: Int { subidentifiers.count }
    public var isEmpty: Bool { subidentifiers.isEmpty }

    /// Whether it begins with `prefix`. Each begins with itself.
    public func hasPrefix(_ prefix: OID) -> Bool {
        subidentifiers.starts(with: prefix.subidentifiers)
    }

    /// - Precondition: together at most ``limit`` sub-identifiers. For constants; the names of rows are made by ``Table``.
    public static func + (prefix: OID, suffix: OID) -> OID {
        let all = prefix.subidentifiers + suffix.subidentifiers
        precondition(all.count <= limit, "an OID has at most 128 sub-identifiers")
        return OID(unlimited: all)
    }
}

extension OID: Comparable {
    public static func < (left: OID, right: OID) -> Bool {
        left.subidentifiers.lexicographicallyPrecedes(right.subidentifiers)
    }
}

extension OID: ExpressibleByArrayLiteral {
    public init(arrayLiteral elements: UInt32...) {
        precondition(elements.count <= Self.limit, "an OID has at most 128 sub-identifiers")
        subidentifiers = elements
    }
}

extension OID: LosslessStringConvertible {
    /// From dotted decimal numbers, as `1.3.6.1` or `.1.3.6.1`; empty text is the null object identifier.
    public init?(_ text: String) {
        guard !text.isEmpty else {
            self.init()
            return
        }
        var all: [UInt32] = []
        for part in text.dropFirst(text.first == "." ? 1 : 0).split(separator: ".", omittingEmptySubsequences: false) {
            guard let number = UInt32(part), part.first != "+" else { return nil }
            all.append(number)
        }
        self.init(all)
    }

    public var description: String { subidentifiers.map(String.init).joined(separator: ".") }
}

extension OID: ExpressibleByStringLiteral {
    /// - Precondition: the literal is dotted decimal numbers.
    public init(stringLiteral text: String) {
        guard let oid = OID(text) else { preconditionFailure("not an OID: \(text)") }
        self = oid
    }
}
