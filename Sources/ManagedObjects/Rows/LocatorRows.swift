// INDEX { ...EidLength, ...Eid, ...RlocLength, ...Rloc }: the locators of each EID-prefix of a table.

import AgentX
import LISPWire

/// Without an RLOC it is a place between rows, of an EID-prefix that has none to show.
struct LocatorIndex: RowIndex {
    var eid: AddressPart
    var rloc: AddressPart?

    init(eid: AddressPart, rloc: AddressPart?) {
        self.eid = eid
        self.rloc = rloc
    }

    init(from reader: inout IndexReader) {
        eid = AddressPart(from: &reader)
        rloc = AddressPart(from: &reader)
    }

    func encode(into writer: inout IndexWriter) {
        eid.encode(into: &writer)
        rloc?.encode(into: &writer)
    }
}

/// A table has very many negative entries, maybe one after the other. So that nothing takes long, a search that has passed some of
/// them ends at a place with a row without values, from where the agent goes on when it has seen to other things.
struct LocatorRows<Row> {
    /// EID-prefixes without locators that one question passes by.
    static var patience: Int { 32 }

    let table: EIDTable<RowList<Row>>
    let room: AddressRoom

    func source() -> IndexedRows<LocatorIndex, Row?> {
        IndexedRows(at: at, next: next)
    }

    func at(_ index: LocatorIndex) -> Row?? {
        guard case .at(let eid) = EIDPlace(index.eid), let part = index.rloc, let list = table.at(eid),
            let position = list.index(at: part, room.behind(index.eid.octets.count + 2))
        else { return nil }
        return list.row(position)
    }

    func next(_ start: RowStart<LocatorIndex>) -> (LocatorIndex, Row?)? {
        var candidate: (key: EIDPrefix, value: RowList<Row>)?
        switch start {
        case .first:
            candidate = table.after(nil)
        case .atLeast(let index), .after(let index):
            let place = EIDPlace(index.eid)
            guard case .at(let eid) = place, let list = table.at(eid) else {
                candidate = table.first(place, includingItself: true)
                break
            }
            if let found = first(of: eid, list, inner(start, index.rloc)) { return found }
            candidate = table.after(eid)
        }
        for _ in 0..<Self.patience {
            guard let (eid, list) = candidate else { return nil }
            if let found = first(of: eid, list, .first) { return found }
            candidate = table.after(eid)
            if candidate == nil { return nil }
        }
        return candidate.flatMap { eid, list in
            first(of: eid, list, .first)
                ?? (LocatorIndex(eid: AddressPart(LispAddressType.octets(eid)), rloc: nil), nil)
        }
    }

    private func inner(_ start: RowStart<LocatorIndex>, _ part: AddressPart?) -> AddressStart {
        guard let part else { return .first }
        if case .after = start { return .after(part) }
        return .atLeast(part)
    }

    private func first(of eid: EIDPrefix, _ list: RowList<Row>, _ start: AddressStart) -> (LocatorIndex, Row?)? {
        let octets = LispAddressType.octets(eid)
        return list.next(start, room.behind(octets.count + 2)).map { found in
            (LocatorIndex(eid: AddressPart(octets), rloc: AddressPart(found.address)), list.row(found.index))
        }
    }
}
