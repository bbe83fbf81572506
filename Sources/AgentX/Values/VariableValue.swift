// What a variable can hold, and its name beside it.

/// The value of one variable, or the reason that there is none. (RFC 2741 §5.4)
public enum VariableValue: Hashable, Sendable {
    case integer(Int32)
    case octetString([UInt8])
    case null
    case objectIdentifier(OID)
    /// An IPv4 address as a number, first octet most significant.
    case ipAddress(UInt32)
    case counter32(UInt32)
    /// Also Unsigned32, which is the same on the wire.
    case gauge32(UInt32)
    /// Hundredths of a second.
    case timeTicks(UInt32)
    case opaque([UInt8])
    case counter64(UInt64)
    case noSuchObject
    case noSuchInstance
    case endOfMibView

    /// The octets of the text in UTF-8.
    public static func octetString(_ text: String) -> VariableValue { .octetString(Array(text.utf8)) }

    /// TruthValue of RFC 2579: true(1), false(2).
    public static func truth(_ value: Bool) -> VariableValue { .integer(value ? 1 : 2) }

    /// Whether it stands for a value that is not there.
    public var isException: Bool {
        switch self {
        case .noSuchObject, .noSuchInstance, .endOfMibView: true
        case .integer, .octetString, .null, .objectIdentifier, .ipAddress, .counter32, .gauge32, .timeTicks, .opaque,
            .counter64:
            false
        }
    }
}

/// A variable: its name and its value.
public struct VarBind: Hashable, Sendable {
    public var name: OID
    public var value: VariableValue

    public init(_ name: OID, _ value: VariableValue) {
        self.name = name
        self.value = value
    }
}

/// Where a variable is looked for. (RFC 2741 §5.2)
public struct SearchRange: Hashable, Sendable {
    public var start: OID
    /// Whether `start` itself will do. Otherwise what is looked for comes after it.
    public var includesStart: Bool
    /// What is looked for comes before it. Null for no end.
    public var end: OID

    public init(_ start: OID, includesStart: Bool = false, end: OID = OID()) {
        self.start = start
        self.includesStart = includesStart
        self.end = end
    }
}
