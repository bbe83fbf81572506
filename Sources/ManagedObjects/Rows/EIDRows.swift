// INDEX { ...EidLength, ...Eid }

import AgentX
import LISPWire

extension EIDTable {
    /// The entries as rows, in the same order.
    func rows() -> IndexedRows<AddressPart, Value> {
        IndexedRows(at: row(at:), next: row(from:))
    }

    func row(at part: AddressPart) -> Value? {
        guard case .at(let eid) = EIDPlace(part) else { return nil }
        return at(eid)
    }

    func row(from start: RowStart<AddressPart>) -> (AddressPart, Value)? {
        next(start).map { (AddressPart(LispAddressType.octets($0.key)), $0.value) }
    }

    func next(_ start: RowStart<AddressPart>) -> (key: EIDPrefix, value: Value)? {
        switch start {
        case .first: after(nil)
        case .atLeast(let part): first(EIDPlace(part), includingItself: true)
        case .after(let part): first(EIDPlace(part), includingItself: false)
        }
    }

    func first(_ place: EIDPlace, includingItself: Bool) -> (key: EIDPrefix, value: Value)? {
        switch place {
        case .at(let eid) where !includingItself, .after(let eid):
            return after(eid)
        case .at(let eid), .before(let eid):
            if let value = at(eid) { return (eid, value) }
            return after(eid)
        case .end:
            return nil
        }
    }
}
