// What an answer says of the request. The numbers of SNMP's error-status and AgentX's own share one field.

/// The error of a response. (RFC 2741 §6.2.16, RFC 3416 §3)
///
/// A struct, since a master may send numbers that have no name here.
public struct ErrorStatus: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt16

    public init(rawValue: UInt16) { self.rawValue = rawValue }

    // SNMP
    public static let noError = ErrorStatus(rawValue: 0)
    public static let tooBig = ErrorStatus(rawValue: 1)
    public static let genErr = ErrorStatus(rawValue: 5)
    public static let noAccess = ErrorStatus(rawValue: 6)
    public static let wrongType = ErrorStatus(rawValue: 7)
    public static let wrongLength = ErrorStatus(rawValue: 8)
    public static let wrongEncoding = ErrorStatus(rawValue: 9)
    public static let wrongValue = ErrorStatus(rawValue: 10)
    public static let noCreation = ErrorStatus(rawValue: 11)
    public static let inconsistentValue = ErrorStatus(rawValue: 12)
    public static let resourceUnavailable = ErrorStatus(rawValue: 13)
    public static let commitFailed = ErrorStatus(rawValue: 14)
    public static let undoFailed = ErrorStatus(rawValue: 15)
    public static let notWritable = ErrorStatus(rawValue: 17)
    public static let inconsistentName = ErrorStatus(rawValue: 18)

    // AgentX
    public static let openFailed = ErrorStatus(rawValue: 256)
    public static let notOpen = ErrorStatus(rawValue: 257)
    public static let indexWrongType = ErrorStatus(rawValue: 258)
    public static let indexAlreadyAllocated = ErrorStatus(rawValue: 259)
    public static let indexNoneAvailable = ErrorStatus(rawValue: 260)
    public static let indexNotAllocated = ErrorStatus(rawValue: 261)
    public static let unsupportedContext = ErrorStatus(rawValue: 262)
    public static let duplicateRegistration = ErrorStatus(rawValue: 263)
    public static let unknownRegistration = ErrorStatus(rawValue: 264)
    public static let unknownAgentCaps = ErrorStatus(rawValue: 265)
    public static let parseError = ErrorStatus(rawValue: 266)
    public static let requestDenied = ErrorStatus(rawValue: 267)
    public static let processingError = ErrorStatus(rawValue: 268)

    private static let names: [UInt16: String] = [
        0: "noError", 1: "tooBig", 5: "genErr", 6: "noAccess", 7: "wrongType", 8: "wrongLength", 9: "wrongEncoding",
        10: "wrongValue", 11: "noCreation", 12: "inconsistentValue", 13: "resourceUnavailable", 14: "commitFailed",
        15: "undoFailed", 17: "notWritable", 18: "inconsistentName",
        256: "openFailed", 257: "notOpen", 258: "indexWrongType", 259: "indexAlreadyAllocated",
        260: "indexNoneAvailable", 261: "indexNotAllocated", 262: "unsupportedContext", 263: "duplicateRegistration",
        264: "unknownRegistration", 265: "unknownAgentCaps", 266: "parseError", 267: "requestDenied",
        268: "processingError",
    ]
}

extension ErrorStatus: CustomStringConvertible {
    /// The name in the RFC, or the number.
    public var description: String { Self.names[rawValue] ?? "error \(rawValue)" }
}
