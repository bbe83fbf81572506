// Rows made from those of another source.

import AgentX

extension IndexedRows {
    func map<Other>(_ transform: @escaping (Row) -> Other) -> MappedRows<Self, Other> {
        MappedRows(base: self, transform: transform)
    }
}

struct MappedRows<Base: RowSource, Row>: RowSource {
    let base: Base
    let transform: (Base.Row) -> Row

    func row(at index: OID) -> Row? { base.row(at: index).map(transform) }

    func next(after index: OID?) -> (index: OID, row: Row)? {
        base.next(after: index).map { ($0.index, transform($0.row)) }
    }
}
