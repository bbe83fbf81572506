// INDEX { lispSiteName, ...EidLength, ...Eid } of the draft's tables, and the same with an RLOC behind it.

import AgentX

/// A site's name, and behind it the index of one of its rows. Without that it is a place between rows.
struct SiteIndex<Inner: RowIndex>: RowIndex {
    var name: [UInt8]
    var inner: Inner?

    init(name: [UInt8], inner: Inner?) {
        self.name = name
        self.inner = inner
    }

    init(from reader: inout IndexReader) {
        name = reader.string()
        inner = Inner(from: &reader)
    }

    func encode(into writer: inout IndexWriter) {
        writer.string(name)
        inner?.encode(into: &writer)
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
        let found = first { other in name.map { AddressPart.precedes($0, other) } ?? true }
        guard let found, found.count > Self.longest else { return found }
        // As are all that follow.
        room.omitted.note(.siteNameTooLong)
        return nil
    }

    func contains(_ name: [UInt8]) -> Bool {
        name.count <= Self.longest && first { !AddressPart.precedes($0, name) } == name
    }

    /// The first name that `isLater` holds for; it holds for all after it, too.
    private func first(_ isLater: ([UInt8]) -> Bool) -> [UInt8]? {
        let all = all()
        var (low, high) = (0, all.count)
        while low < high {
            let middle = (low + high) / 2
            if isLater(all[middle]) { high = middle } else { low = middle + 1 }
        }
        return low < all.count ? all[low] : nil
    }
}

/// The rows of one site after the other.
struct SiteRows<Inner: RowIndex, Row> {
    let names: SiteNames
    /// Those of a site.
    let at: ([UInt8], Inner) -> Row?
    /// `nil` for the row is a place between rows.
    let next: ([UInt8], RowStart<Inner>) -> (Inner, Row?)?

    func source() -> IndexedRows<SiteIndex<Inner>, Row?> {
        IndexedRows(
            at: { index in
                guard names.contains(index.name), let inner = index.inner else { return nil }
                return at(index.name, inner).map { $0 }
            },
            next: next
        )
    }

    private func next(_ start: RowStart<SiteIndex<Inner>>) -> (SiteIndex<Inner>, Row?)? {
        var name: [UInt8]?
        switch start {
        case .first:
            name = names.after(nil)
        case .atLeast(let index), .after(let index):
            if names.contains(index.name), let inner = index.inner {
                let start: RowStart<Inner> = if case .after = start { .after(inner) } else { .atLeast(inner) }
                if let found = first(of: index.name, start) { return found }
            }
            name = names.after(index.name)
        }
        // A site without rows is a place between them.
        return name.map { first(of: $0, .first) ?? (SiteIndex(name: $0, inner: nil), nil) }
    }

    private func first(of name: [UInt8], _ start: RowStart<Inner>) -> (SiteIndex<Inner>, Row?)? {
        next(name, start).map { (SiteIndex(name: name, inner: $0), $1) }
    }
}
