// INDEX { lispSiteName, ...EidLength, ...Eid } of the draft's tables, and the same with an RLOC behind it.

import AgentX
import LISPWire

/// Without an EID-prefix it is a place between rows.
struct SiteIndex: RowIndex {
    var name: [UInt8]
    var eid: AddressPart?

    init(name: [UInt8], eid: AddressPart?) {
        self.name = name
        self.eid = eid
    }

    init(from reader: inout IndexReader) {
        name = reader.string()
        eid = AddressPart(from: &reader)
    }

    func encode(into writer: inout IndexWriter) {
        writer.string(name)
        eid?.encode(into: &writer)
    }
}

struct SiteLocatorIndex: RowIndex {
    var name: [UInt8]
    var locator: LocatorIndex?

    init(name: [UInt8], locator: LocatorIndex?) {
        self.name = name
        self.locator = locator
    }

    init(from reader: inout IndexReader) {
        name = reader.string()
        locator = LocatorIndex(from: &reader)
    }

    func encode(into writer: inout IndexWriter) {
        writer.string(name)
        locator?.encode(into: &writer)
    }
}

/// The names of sites in the order of an index.
struct SiteNames {
    /// SIZE (0..63)
    private static let longest = 63

    let all: () -> [[UInt8]]
    let room: AddressRoom

    /// The name that follows `name`, which need not be that of a site; `nil` gives the first.
    func after(_ name: [UInt8]?) -> [UInt8]? {
        let all = all()
        var (low, high) = (0, all.count)
        if let name {
            while low < high {
                let middle = (low + high) / 2
                if AddressPart.precedes(name, all[middle]) { high = middle } else { low = middle + 1 }
            }
        }
        guard low < all.count else { return nil }
        guard all[low].count <= Self.longest else {
            room.omitted.note(.siteNameTooLong)
            return nil
        }
        return all[low]
    }

    func contains(_ name: [UInt8]) -> Bool {
        guard name.count <= Self.longest else { return false }
        let all = all()
        var (low, high) = (0, all.count)
        while low < high {
            let middle = (low + high) / 2
            if AddressPart.precedes(all[middle], name) { low = middle + 1 } else { high = middle }
        }
        return low < all.count && all[low] == name
    }
}

struct SiteRows {
    let names: SiteNames
    let table: ([UInt8]) -> EIDTable<SiteEID>

    func source() -> IndexedRows<SiteIndex, SiteEID?> {
        IndexedRows(
            at: { index in
                guard names.contains(index.name), let part = index.eid, case .at(let eid) = EIDPlace(part) else {
                    return nil
                }
                return table(index.name).at(eid).map { $0 }
            },
            next: next
        )
    }

    private func next(_ start: RowStart<SiteIndex>) -> (SiteIndex, SiteEID?)? {
        var name: [UInt8]?
        switch start {
        case .first:
            name = names.after(nil)
        case .atLeast(let index), .after(let index):
            if names.contains(index.name), let part = index.eid {
                let inner: RowStart<AddressPart> = if case .after = start { .after(part) } else { .atLeast(part) }
                if let (eid, row) = table(index.name).next(inner) { return found(index.name, eid, row) }
            }
            name = names.after(index.name)
        }
        guard let name else { return nil }
        // A site without EID-prefixes is a place between rows.
        guard let (eid, row) = table(name).next(.first) else { return (SiteIndex(name: name, eid: nil), nil) }
        return found(name, eid, row)
    }

    private func found(_ name: [UInt8], _ eid: EIDPrefix, _ row: SiteEID) -> (SiteIndex, SiteEID?) {
        (SiteIndex(name: name, eid: AddressPart(LispAddressType.octets(eid))), row)
    }
}

struct SiteLocatorRows {
    let names: SiteNames
    let table: ([UInt8]) -> EIDTable<RowList<SiteLocator>>

    private func rows(of name: [UInt8]) -> LocatorRows<SiteLocator> {
        LocatorRows(table: table(name), room: names.room.behind(name.count + 1))
    }

    func source() -> IndexedRows<SiteLocatorIndex, SiteLocator?> {
        IndexedRows(
            at: { index in
                guard names.contains(index.name), let locator = index.locator else { return nil }
                return rows(of: index.name).at(locator)
            },
            next: next
        )
    }

    private func next(_ start: RowStart<SiteLocatorIndex>) -> (SiteLocatorIndex, SiteLocator?)? {
        var name: [UInt8]?
        switch start {
        case .first:
            name = names.after(nil)
        case .atLeast(let index), .after(let index):
            if names.contains(index.name), let locator = index.locator {
                let inner: RowStart<LocatorIndex> =
                    if case .after = start { .after(locator) } else { .atLeast(locator) }
                if let (found, row) = rows(of: index.name).next(inner) {
                    return (SiteLocatorIndex(name: index.name, locator: found), row)
                }
            }
            name = names.after(index.name)
        }
        guard let name else { return nil }
        guard let (found, row) = rows(of: name).next(.first) else {
            return (SiteLocatorIndex(name: name, locator: nil), nil)
        }
        return (SiteLocatorIndex(name: name, locator: found), row)
    }
}
