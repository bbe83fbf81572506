// The pair of INDEX objects that every address is: the number of its octets, and a LispAddressType, whose own length comes once more
// in an instance's name. A manager may ask after any numbers, so the two lengths need not agree, nor the octets mean anything.

import AgentX

struct AddressPart: RowIndex, Hashable {
    var length: UInt32
    var octets: [UInt8]

    init(_ octets: [UInt8]) {
        length = UInt32(octets.count)
        self.octets = octets
    }

    init(from reader: inout IndexReader) {
        length = reader.integer()
        octets = reader.string()
    }

    func encode(into writer: inout IndexWriter) {
        writer.integer(length)
        writer.string(octets)
    }
}

enum Order {
    case before
    case same
    case after
}

extension AddressPart {
    /// Where an address of a row stands, seen from this.
    func order(of address: [UInt8]) -> Order {
        if UInt64(address.count) != UInt64(length) { return UInt64(address.count) < UInt64(length) ? .before : .after }
        if address.count != octets.count { return address.count < octets.count ? .before : .after }
        if address == octets { return .same }
        return address.lexicographicallyPrecedes(octets) ? .before : .after
    }

    /// Which of two addresses of rows comes first.
    static func precedes(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        a.count != b.count ? a.count < b.count : a.lexicographicallyPrecedes(b)
    }
}

/// From where on an address is wanted, among others that stand under the same numbers.
enum AddressStart {
    case first
    case atLeast(AddressPart)
    case after(AddressPart)

    func allows(_ address: [UInt8]) -> Bool {
        switch self {
        case .first: true
        case .atLeast(let part): part.order(of: address) != .before
        case .after(let part): part.order(of: address) == .after
        }
    }
}
