// INDEX { ...EidLength, ...Eid, ...EtrSenderLength, ...EtrSender, ...RlocLength, ...Rloc }: what each ETR registers.

import AgentX
import LISPWire

/// Without an ETR or an RLOC it is a place between rows.
struct RegistrationIndex: RowIndex {
    var eid: AddressPart
    var etr: AddressPart?
    var rloc: AddressPart?

    init(eid: AddressPart, etr: AddressPart?, rloc: AddressPart?) {
        self.eid = eid
        self.etr = etr
        self.rloc = rloc
    }

    init(from reader: inout IndexReader) {
        eid = AddressPart(from: &reader)
        etr = AddressPart(from: &reader)
        rloc = AddressPart(from: &reader)
    }

    func encode(into writer: inout IndexWriter) {
        eid.encode(into: &writer)
        etr?.encode(into: &writer)
        rloc?.encode(into: &writer)
    }
}

/// Works like `LocatorRows`, one level deeper.
struct RegistrationRows {
    let table: EIDTable<RegisteringETRs>
    let room: AddressRoom

    func source() -> IndexedRows<RegistrationIndex, RegisteredLocator?> {
        IndexedRows(at: at, next: next)
    }

    private func at(_ index: RegistrationIndex) -> RegisteredLocator?? {
        let room = room.behind(index.eid.octets.count + 2)
        guard case .at(let eid) = EIDPlace(index.eid), let etr = index.etr, let rloc = index.rloc,
            let etrs = table.at(eid), let registration = etrs.etrs.index(at: etr, room)
        else { return nil }
        let locators = etrs.locators(registration)
        return locators.index(at: rloc, room.behind(etr.octets.count + 2)).map(locators.row)
    }

    private func next(_ start: RowStart<RegistrationIndex>) -> (RegistrationIndex, RegisteredLocator?)? {
        var candidate: (key: EIDPrefix, value: RegisteringETRs)?
        switch start {
        case .first:
            candidate = table.after(nil)
        case .atLeast(let index), .after(let index):
            let place = EIDPlace(index.eid)
            guard case .at(let eid) = place, let etrs = table.at(eid) else {
                candidate = table.first(place, includingItself: true)
                break
            }
            if let found = first(of: eid, etrs, start) { return found }
            candidate = table.after(eid)
        }
        for _ in 0..<LocatorRows<RegisteredLocator>.patience {
            guard let (eid, etrs) = candidate else { return nil }
            if let found = first(of: eid, etrs, .first) { return found }
            candidate = table.after(eid)
            if candidate == nil { return nil }
        }
        return candidate.flatMap { eid, etrs in
            first(of: eid, etrs, .first)
                ?? (RegistrationIndex(eid: AddressPart(LispAddressType.octets(eid)), etr: nil, rloc: nil), nil)
        }
    }

    private func first(
        of eid: EIDPrefix,
        _ etrs: RegisteringETRs,
        _ start: RowStart<RegistrationIndex>
    ) -> (RegistrationIndex, RegisteredLocator?)? {
        let octets = LispAddressType.octets(eid)
        let room = room.behind(octets.count + 2)
        var etrStart = AddressStart.first
        // From where on in the ETR that the start names.
        var inner: (etr: AddressPart, start: AddressStart)?
        switch start {
        case .first: break
        case .atLeast(let index), .after(let index):
            guard let etr = index.etr else { break }
            etrStart = .atLeast(etr)
            if let rloc = index.rloc {
                if case .after = start { inner = (etr, .after(rloc)) } else { inner = (etr, .atLeast(rloc)) }
            }
        }
        while let (sender, registration) = etrs.etrs.next(etrStart, room) {
            let part = AddressPart(sender)
            let start = inner.flatMap { $0.etr == part ? $0.start : nil } ?? .first
            let locators = etrs.locators(registration)
            if let found = locators.next(start, room.behind(sender.count + 2)) {
                let index = RegistrationIndex(eid: AddressPart(octets), etr: part, rloc: AddressPart(found.address))
                return (index, locators.row(found.index))
            }
            etrStart = .after(part)
        }
        return nil
    }
}
