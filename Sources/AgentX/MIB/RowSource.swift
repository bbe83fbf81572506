// Where a table's rows come from: the owner's own ordered structure, asked for one row at a time. No copy of a table is made, so
// rows may come and go between any two questions.

/// The rows of a table in the order of their indices.
///
/// Both questions should cost no more than O(log n). They are asked on the event loop that the client runs on.
public protocol RowSource<Row> {
    associatedtype Row

    /// The row with exactly this index; `nil` if there is none.
    func row(at index: OID) -> Row?

    /// The first row whose index comes after `index`, which need not be the index of any row, nor one that a row could have.
    /// After `nil`, the first of all. `nil` if there is none.
    func next(after index: OID?) -> (index: OID, row: Row)?
}

/// Rows whose index is a value of the owner's. It has to order its rows as their suffixes are ordered.
public struct IndexedRows<Index: RowIndex, Row>: RowSource {
    private let at: (Index) -> Row?
    private let next: (RowStart<Index>) -> (Index, Row)?

    public init(at: @escaping (Index) -> Row?, next: @escaping (RowStart<Index>) -> (Index, Row)?) {
        self.at = at
        self.next = next
    }

    public func row(at index: OID) -> Row? {
        Index(suffix: index).flatMap(at)
    }

    public func next(after index: OID?) -> (index: OID, row: Row)? {
        next(RowStart(after: index)).map { ($0.suffix, $1) }
    }
}

/// A table's rows in memory, in an array. For some thousands at most, since an insertion moves what comes after it.
public final class SortedRows<Index: RowIndex, Row>: RowSource {
    private var entries: [(suffix: OID, row: Row)] = []

    public init() {}

    public var count: Int { entries.count }

    /// The row with this index. Setting it adds or replaces the row; setting `nil` removes it.
    public subscript(index: Index) -> Row? {
        get { row(at: index.suffix) }
        set {
            let suffix = index.suffix
            let position = position(of: suffix)
            let isThere = position < entries.count && entries[position].suffix == suffix
            switch newValue {
            case let row? where isThere: entries[position].row = row
            case let row?: entries.insert((suffix, row), at: position)
            case nil where isThere: entries.remove(at: position)
            case nil: break
            }
        }
    }

    public func row(at index: OID) -> Row? {
        let position = position(of: index)
        guard position < entries.count, entries[position].suffix == index else { return nil }
        return entries[position].row
    }

    public func next(after index: OID?) -> (index: OID, row: Row)? {
        var position = 0
        if let index {
            position = self.position(of: index)
            if position < entries.count, entries[position].suffix == index { position += 1 }
        }
        return position < entries.count ? (entries[position].suffix, entries[position].row) : nil
    }

    /// Of the first row whose suffix is not before `suffix`.
    private func position(of suffix: OID) -> Int {
        entries.partition { $0.suffix >= suffix }
    }
}

extension Array {
    /// The position of the first element that `isLater` holds for; it holds for all after it, too.
    func partition(_ isLater: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = low + (high - low) / 2
            if isLater(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
