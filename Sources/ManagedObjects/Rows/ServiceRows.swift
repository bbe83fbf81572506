// INDEX { lispFeaturesInstanceID, lispFeaturesAddressFamily }, and either of them alone.

import AgentX
import LISPWire

struct ServiceIndex: RowIndex, Comparable {
    var instanceID: UInt32
    var family: UInt32

    init(_ key: ServiceKey) {
        instanceID = key.instanceID.rawValue
        family = key.family.number
    }

    init(from reader: inout IndexReader) {
        instanceID = reader.integer(in: 0...InstanceID.maximum)
        family = reader.integer(in: 0...65_535)
    }

    func encode(into writer: inout IndexWriter) {
        writer.integer(instanceID)
        writer.integer(family)
    }

    static func < (a: Self, b: Self) -> Bool {
        a.instanceID != b.instanceID ? a.instanceID < b.instanceID : a.family < b.family
    }
}

extension AddressFamily {
    /// In IANA-ADDRESS-FAMILY-NUMBERS-MIB.
    var number: UInt32 { self == .ipv4 ? 1 : 2 }
}

/// A small table by an index that orders itself as its suffix does. `keys` gives them in order.
func orderedRows<Index: RowIndex & Comparable, Key>(
    _ keys: @escaping () -> [Key],
    index: @escaping (Key) -> Index
) -> IndexedRows<Index, Key> {
    func first(_ isWanted: (Index) -> Bool) -> (Index, Key)? {
        for key in keys() {
            let index = index(key)
            if isWanted(index) { return (index, key) }
        }
        return nil
    }
    return IndexedRows(
        at: { wanted in first { $0 == wanted }.map(\.1) },
        next: { start in
            switch start {
            case .first: first { _ in true }
            case .atLeast(let wanted): first { $0 >= wanted }
            case .after(let wanted): first { $0 > wanted }
            }
        }
    )
}
