// INDEX { ...AddressLength, ...Address }, of tables with a few rows. The inner part of larger tables works alike.

import AgentX
import LISPWire

/// Which addresses can be shown.
struct AddressRoom {
    /// Octets of a LispAddressType.
    let longest: Int
    /// Sub-identifiers that an instance's name may have after the column and what stands before the address.
    let subidentifiers: Int
    let omitted: OmittedRows

    /// With so many sub-identifiers more before the address.
    func behind(_ count: Int) -> AddressRoom {
        AddressRoom(longest: longest, subidentifiers: subidentifiers - count, omitted: omitted)
    }

    /// Why an address does not fit.
    func refusal(of octets: [UInt8]?) -> OmittedRows.Reason? {
        guard let octets, octets.count <= longest else { return .addressTooLong }
        return octets.count + 2 > subidentifiers ? .nameTooLong : nil
    }
}

extension RowList {
    /// Its first row from `start` on, by the order of addresses. Those that are left out are counted where a walk comes in.
    func next(_ start: AddressStart, _ room: AddressRoom) -> (address: [UInt8], index: Int)? {
        var best: (address: [UInt8], index: Int)?
        var seen: Set<LISPAddress> = []
        var isBeginning = false
        if case .first = start { isBeginning = true }
        for (index, address) in addresses.enumerated() {
            let octets = LispAddressType.octets(address)
            if let refusal = room.refusal(of: octets) {
                if isBeginning { room.omitted.note(refusal) }
                continue
            }
            if isBeginning, addresses.count > 1, !seen.insert(address).inserted { room.omitted.note(.sameAddress) }
            guard let octets, start.allows(octets) else { continue }
            if let best, !AddressPart.precedes(octets, best.address) { continue }
            best = (octets, index)
        }
        return best
    }

    /// The row with exactly this address.
    func index(at part: AddressPart, _ room: AddressRoom) -> Int? {
        guard Int(part.length) == part.octets.count, room.refusal(of: part.octets) == nil else { return nil }
        return addresses.firstIndex { LispAddressType.octets($0) == part.octets }
    }
}

/// A table of a few rows, made anew at every question.
func addressRows<Row>(
    _ room: AddressRoom,
    _ list: @escaping () -> RowList<Row>
) -> IndexedRows<AddressPart, Row> {
    IndexedRows(
        at: { part in
            let list = list()
            return list.index(at: part, room).map(list.row)
        },
        next: { start in
            let list = list()
            let inner: AddressStart =
                switch start {
                case .first: .first
                case .atLeast(let part): .atLeast(part)
                case .after(let part): .after(part)
                }
            return list.next(inner, room).map { (AddressPart($0.address), list.row($0.index)) }
        }
    )
}
