// A conceptual table, declared as its MIB module declares it: a source of rows, and columns that take their value from a row.

/// One accessible column of a table.
public struct Column<Row> {
    public let number: UInt32
    public let name: String
    /// What a SET may give it; `nil` if it is read-only.
    public let writable: Syntax?
    let value: (Row) -> VariableValue?

    /// - Parameters:
    ///   - number: its last sub-identifier.
    ///   - name: as in the MIB module.
    ///   - writable: what a SET may give it, if it is read-write or read-create.
    ///   - value: its value in a row; `nil` if this row has none (noSuchInstance).
    public init(_ number: UInt32, _ name: String, writable: Syntax? = nil, _ value: @escaping (Row) -> VariableValue?) {
        self.number = number
        self.name = name
        self.writable = writable
        self.value = value
    }
}

/// Lists the columns of a table.
@resultBuilder
public enum ColumnBuilder<Row> {
    public static func buildExpression(_ column: Column<Row>) -> [Column<Row>] { [column] }
    public static func buildExpression(_ columns: [Column<Row>]) -> [Column<Row>] { columns }
    public static func buildBlock(_ columns: [Column<Row>]...) -> [Column<Row>] { columns.flatMap { $0 } }
    public static func buildOptional(_ columns: [Column<Row>]?) -> [Column<Row>] { columns ?? [] }
    public static func buildEither(first columns: [Column<Row>]) -> [Column<Row>] { columns }
    public static func buildEither(second columns: [Column<Row>]) -> [Column<Row>] { columns }
    public static func buildArray(_ columns: [[Column<Row>]]) -> [Column<Row>] { columns.flatMap { $0 } }
}

/// A conceptual table.
///
///     Table("ifEntry", at: interfaces + [2, 1], rows: links) {
///         Column(2, "ifDescr") { .octetString($0.name) }
///         Column(5, "ifSpeed") { .gauge32($0.speed) }
///     }
public final class Table<Source: RowSource>: MIBObject {
    public typealias Row = Source.Row
    public typealias Setter = (RowChange<Row>) throws(SetFailure) -> Change

    private let rows: Source
    /// By number.
    private let columns: [Column<Row>]
    private let allowsCreation: Bool
    private let setter: Setter?
    // The last answers of the source: the columns of a row are mostly asked for one after the other. Valid until the loop is left.
    private var lastRow: (index: OID, row: Row)?
    private var lastNext: (after: OID?, found: (index: OID, row: Row)?)?
    private var outOfOrder = 0

    /// - Parameters:
    ///   - name: of the entry, as in the MIB module.
    ///   - oid: of the entry, to which column numbers are appended.
    ///   - allowsCreation: whether a SET for an index without a row reaches `set`; otherwise it is refused with noCreation.
    ///   - set: tests a change of one row, whose values have been checked against the syntax of their columns.
    ///   - columns: the accessible ones, with any numbers, each once.
    public init(
        _ name: String,
        at oid: OID,
        rows: Source,
        allowsCreation: Bool = false,
        set: Setter? = nil,
        @ColumnBuilder<Row> columns: () -> [Column<Row>]
    ) {
        self.rows = rows
        self.columns = columns().sorted { $0.number < $1.number }
        self.allowsCreation = allowsCreation
        self.setter = set
        for (column, next) in zip(self.columns, self.columns.dropFirst()) {
            precondition(column.number < next.number, "\(name) has two columns \(column.number)")
        }
        precondition(
            set != nil || self.columns.allSatisfy { $0.writable == nil },
            "\(name) has writable columns and nothing that sets them"
        )
        super.init(name, at: oid)
    }

    override var disorder: Int { outOfOrder }

    override func forgetRow() {
        lastRow = nil
        lastNext = nil
    }

    // MARK: Reading

    override func get(_ oid: OID) -> VariableValue {
        let suffix = oid.subidentifiers.dropFirst(self.oid.count)
        guard let number = suffix.first, let column = column(number) else { return .noSuchObject }
        return row(at: OID(unlimited: Array(suffix.dropFirst()))).flatMap(column.value) ?? .noSuchInstance
    }

    override func step(after position: OID?) -> Step {
        let suffix = position?.subidentifiers.dropFirst(oid.count)
        let number = suffix?.first ?? 0
        let place = columns.partition { $0.number >= number }
        guard place < columns.count else { return .end }
        let column = columns[place]
        let index = column.number == number ? suffix?.dropFirst() ?? [] : []
        let after = index.isEmpty ? nil : OID(unlimited: Array(index))
        guard let (index, row) = next(after: after) else {
            // No row in this column; where there is none at all, none of the others need be asked.
            guard after != nil, place + 1 < columns.count else { return .end }
            return .passed(self.name(columns[place + 1].number, OID()))
        }
        let found = name(column.number, index)
        guard found.count <= OID.limit, let value = column.value(row), !value.isException else { return .passed(found) }
        return .found(found, value)
    }

    private func name(_ column: UInt32, _ index: OID) -> OID {
        var all: [UInt32] = []
        all.reserveCapacity(oid.count + 1 + index.count)
        all += oid.subidentifiers
        all.append(column)
        all += index.subidentifiers
        return OID(unlimited: all)
    }

    private func column(_ number: UInt32) -> Column<Row>? {
        let place = columns.partition { $0.number >= number }
        return place < columns.count && columns[place].number == number ? columns[place] : nil
    }

    private func row(at index: OID) -> Row? {
        if let lastRow, lastRow.index == index { return lastRow.row }
        let row = rows.row(at: index)
        lastRow = row.map { (index, $0) }
        return row
    }

    private func next(after index: OID?) -> (index: OID, row: Row)? {
        if let lastNext, lastNext.after == index { return lastNext.found }
        var found = rows.next(after: index)
        if let next = found, next.index <= index ?? OID() {
            // A source that goes back, or a row without an index, would make a walk endless.
            outOfOrder += 1
            found = nil
        }
        lastNext = (index, found)
        return found
    }

    // MARK: Writing

    override func group(of oid: OID) -> OID {
        OID(unlimited: Array(oid.subidentifiers.dropFirst(self.oid.count + 1)))
    }

    /// In the order of RFC 3416 §4.2.5: whether the column can be set at all, its type, its length, its value, then the row.
    override func test(_ variables: [VarBind]) -> Result<Change, SetRefusal> {
        guard let first = variables.first else { return .failure(SetRefusal(status: .genErr, index: 0)) }
        var values: [UInt32: VariableValue] = [:]
        var places: [UInt32: Int] = [:]
        for (place, variable) in variables.enumerated() {
            let suffix = variable.name.subidentifiers.dropFirst(oid.count)
            guard let number = suffix.first, let syntax = column(number)?.writable else {
                return .failure(SetRefusal(status: .notWritable, index: place))
            }
            if let complaint = syntax.complaint(about: variable.value) {
                return .failure(SetRefusal(status: complaint, index: place))
            }
            if let other = values.updateValue(variable.value, forKey: number), other != variable.value {
                // The same variable with two values.
                return .failure(SetRefusal(status: .inconsistentValue, index: place))
            }
            places[number] = place
        }
        let index = group(of: first.name)
        // Not one that was kept: what was true in an earlier step is not good enough for what an undo goes back to.
        let row = index.isEmpty ? nil : rows.row(at: index)
        guard row != nil || (allowsCreation && !index.isEmpty) else {
            return .failure(SetRefusal(status: .noCreation, index: 0))
        }
        guard let setter else { return .failure(SetRefusal(status: .notWritable, index: 0)) }
        do throws(SetFailure) {
            return .success(try setter(RowChange(index: index, row: row, values: values)))
        } catch {
            return .failure(SetRefusal(status: error.status, index: error.column.flatMap { places[$0] } ?? 0))
        }
    }
}
