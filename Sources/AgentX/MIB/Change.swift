// What a manager's SET does. A test says whether it can be done and hands back how; then it is carried out, or not.

/// A change that has been tested and will succeed, as far as can be told. Exactly one of these sequences follows:
///
///     cleanUp                  it is not wanted any more
///     commit, cleanUp          done
///     commit, undo, cleanUp    another part of the same SET failed
public struct Change {
    let commit: () throws(SetFailure) -> Void
    let undo: () throws(SetFailure) -> Void
    let cleanUp: () -> Void

    /// - Parameters:
    ///   - commit: makes the change. If it throws, it has changed nothing.
    ///   - undo: takes a committed change back.
    ///   - cleanUp: frees what the test reserved; the last that is heard of it.
    public init(
        commit: @escaping () throws(SetFailure) -> Void,
        undo: @escaping () throws(SetFailure) -> Void,
        cleanUp: @escaping () -> Void = {}
    ) {
        self.commit = commit
        self.undo = undo
        self.cleanUp = cleanUp
    }
}

/// Why a SET is refused.
public struct SetFailure: Error, Hashable, Sendable {
    public var status: ErrorStatus
    /// The column that is at fault, if one is.
    public var column: UInt32?

    public init(_ status: ErrorStatus, column: UInt32? = nil) {
        self.status = status
        self.column = column
    }
}

/// What a manager wants of one row, all columns together.
public struct RowChange<Row> {
    public let index: OID
    /// The row as it is; `nil` if it would be created.
    public let row: Row?
    /// New values by column number, each of the column's syntax.
    public let values: [UInt32: VariableValue]
}

/// What a writable variable takes, as its SYNTAX clause says it.
public enum Syntax: Hashable, Sendable {
    case integer(ClosedRange<Int32>)
    /// An enumeration.
    case oneOf(Set<Int32>)
    /// By number of octets.
    case octetString(ClosedRange<Int>)
    case objectIdentifier
    case ipAddress
    case gauge32(ClosedRange<UInt32>)
    case timeTicks

    /// true(1) or false(2).
    public static let truthValue = Syntax.integer(1...2)

    /// Why a value is refused; `nil` if it is taken.
    func complaint(about value: VariableValue) -> ErrorStatus? {
        switch (self, value) {
        case (.integer(let range), .integer(let number)): range.contains(number) ? nil : .wrongValue
        case (.oneOf(let numbers), .integer(let number)): numbers.contains(number) ? nil : .wrongValue
        case (.octetString(let lengths), .octetString(let octets)): lengths.contains(octets.count) ? nil : .wrongLength
        case (.gauge32(let range), .gauge32(let number)): range.contains(number) ? nil : .wrongValue
        case (.objectIdentifier, .objectIdentifier), (.ipAddress, .ipAddress), (.timeTicks, .timeTicks): nil
        case (.integer, _), (.oneOf, _), (.octetString, _), (.objectIdentifier, _), (.ipAddress, _), (.gauge32, _),
            (.timeTicks, _):
            .wrongType
        }
    }
}
