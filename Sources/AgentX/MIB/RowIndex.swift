// How the INDEX of a table becomes the last part of an instance's name, and back. (RFC 2578 §7.7)
//
//     INTEGER, Unsigned32, TimeTicks      the number
//     string of fixed length              each octet
//     string of variable length           the length, then each octet
//     string of variable length, IMPLIED  each octet; only as the last object
//     OBJECT IDENTIFIER                   as a string of variable length, with sub-identifiers for octets
//     IpAddress                           four octets
//
// A manager may ask for what follows any sequence of numbers, whether or not a row could have that index. The reader finds the
// least index that is not before the sequence, so that an owner's ordered structure is asked in its own terms:
//
//     where the sequence ends early    what is missing is as small as can be; that index itself will do
//     where a number is too small      it and all after it are as small as can be; that index itself will do
//     where a number is too large      it and all after it are as large as can be; the row wanted comes after that
//     where numbers are left over      the row wanted comes after the index that was read

/// The INDEX of a table's rows. It reads and writes the same objects in the same order.
///
///     struct TunnelIndex: RowIndex {
///         var local: UInt32
///         var name: [UInt8]
///
///         init(from reader: inout IndexReader) {
///             local = reader.ipAddress()
///             name = reader.string()
///         }
///
///         func encode(into writer: inout IndexWriter) {
///             writer.ipAddress(local)
///             writer.string(name)
///         }
///     }
public protocol RowIndex {
    init(from reader: inout IndexReader)
    func encode(into writer: inout IndexWriter)
}

extension RowIndex {
    /// The index as the last part of a name.
    public var suffix: OID {
        var writer = IndexWriter()
        encode(into: &writer)
        return OID(unlimited: writer.subidentifiers)
    }

    /// The index that has exactly this suffix; `nil` if there is none.
    public init?(suffix: OID) {
        var reader = IndexReader(suffix, isExact: true)
        self.init(from: &reader)
        guard reader.isWhole else { return nil }
    }
}

/// From where on the next row is wanted.
public enum RowStart<Index> {
    /// The first row of all.
    case first
    /// The first row whose index is not before this one.
    case atLeast(Index)
    /// The first row whose index comes after this one.
    case after(Index)
}

extension RowStart where Index: RowIndex {
    /// What comes after `suffix`, which may be any sequence of numbers.
    init(after suffix: OID?) {
        guard let suffix else {
            self = .first
            return
        }
        var reader = IndexReader(suffix, isExact: false)
        let index = Index(from: &reader)
        self = reader.isIncluded ? .atLeast(index) : .after(index)
    }
}

extension RowStart: Sendable where Index: Sendable {}
extension RowStart: Equatable where Index: Equatable {}

/// Takes an index apart. It never fails: what has no sense is noted, and stands for the nearest index that has.
public struct IndexReader {
    private enum State {
        /// All read so far is as given.
        case following
        /// An exact index was wanted, and this is none.
        case refused
        /// All that is still to be read is as small as can be.
        case least
        /// All that is still to be read is as large as can be.
        case greatest
    }

    private let subidentifiers: [UInt32]
    private let isExact: Bool
    private var position = 0
    private var state = State.following

    init(_ suffix: OID, isExact: Bool) {
        self.subidentifiers = suffix.subidentifiers
        self.isExact = isExact
    }

    /// Whether the sequence was an index, and nothing but.
    var isWhole: Bool {
        if case .following = state { return position == subidentifiers.count }
        return false
    }

    /// Whether the index that was read is itself after the sequence.
    var isIncluded: Bool {
        if case .least = state { return true }
        return false
    }

    /// Room for sub-identifiers in what is left of an OID.
    private var room: Int { max(0, OID.limit - position) }

    private mutating func next(in range: ClosedRange<UInt32>) -> UInt32 {
        defer { position += 1 }
        guard case .following = state else { return extreme(of: range) }
        if position >= subidentifiers.count || subidentifiers[position] < range.lowerBound {
            state = isExact ? .refused : .least
        } else if subidentifiers[position] > range.upperBound {
            state = isExact ? .refused : .greatest
        } else {
            return subidentifiers[position]
        }
        return extreme(of: range)
    }

    private func extreme(of range: ClosedRange<UInt32>) -> UInt32 {
        if case .greatest = state { return range.upperBound }
        return range.lowerBound
    }

    private mutating func several(_ count: Int, upTo largest: UInt32) -> [UInt32] {
        var all: [UInt32] = []
        all.reserveCapacity(count)
        for _ in 0..<count { all.append(next(in: 0...largest)) }
        return all
    }

    private mutating func octets(_ count: Int) -> [UInt8] {
        several(count, upTo: 255).map { UInt8($0) }
    }

    /// An INTEGER or Unsigned32 in the range its SYNTAX gives.
    public mutating func integer(in range: ClosedRange<UInt32> = 0...UInt32.max) -> UInt32 {
        next(in: range)
    }

    /// An OCTET STRING of fixed length.
    public mutating func fixedString(_ count: Int) -> [UInt8] {
        octets(count)
    }

    /// An OCTET STRING of variable length, with the length in front.
    public mutating func string(_ lengths: ClosedRange<Int> = 0...OID.limit) -> [UInt8] {
        octets(length(lengths))
    }

    /// An OCTET STRING that takes the rest, as the last object of an INDEX that is IMPLIED.
    public mutating func impliedString() -> [UInt8] {
        var all: [UInt8] = []
        while goesOn { all.append(UInt8(next(in: 0...255))) }
        return all
    }

    /// An OBJECT IDENTIFIER, with the count in front.
    public mutating func oid() -> OID {
        OID(unlimited: several(length(0...OID.limit), upTo: UInt32.max))
    }

    /// An OBJECT IDENTIFIER that takes the rest, as the last object of an INDEX that is IMPLIED.
    public mutating func impliedOID() -> OID {
        var all: [UInt32] = []
        while goesOn { all.append(next(in: 0...UInt32.max)) }
        return OID(unlimited: all)
    }

    /// An IpAddress as a number, first octet most significant.
    public mutating func ipAddress() -> UInt32 {
        octets(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// An InetAddressType and the InetAddress that follows it. (RFC 4001 §4)
    public mutating func inetAddress() -> InetAddressIndex {
        let type = integer(in: 0...UInt32(Int32.max))
        return InetAddressIndex(type: type, octets: string(0...255))
    }

    private mutating func length(_ lengths: ClosedRange<Int>) -> Int {
        let longest = min(lengths.upperBound, max(room - 1, lengths.lowerBound))
        return Int(next(in: UInt32(lengths.lowerBound)...UInt32(longest)))
    }

    /// Whether an object that takes the rest has more. At its largest it fills what an OID has room for.
    private var goesOn: Bool {
        switch state {
        case .following: position < subidentifiers.count
        case .refused, .least: false
        case .greatest: position < OID.limit
        }
    }
}

/// Puts an index together.
public struct IndexWriter {
    private(set) var subidentifiers: [UInt32] = []

    public mutating func integer(_ value: UInt32) { subidentifiers.append(value) }

    public mutating func fixedString(_ octets: some Sequence<UInt8>) {
        for octet in octets { subidentifiers.append(UInt32(octet)) }
    }

    public mutating func string(_ octets: some Collection<UInt8>) {
        subidentifiers.append(UInt32(octets.count))
        fixedString(octets)
    }

    public mutating func impliedString(_ octets: some Sequence<UInt8>) { fixedString(octets) }

    public mutating func oid(_ oid: OID) {
        subidentifiers.append(UInt32(oid.count))
        subidentifiers += oid.subidentifiers
    }

    public mutating func impliedOID(_ oid: OID) { subidentifiers += oid.subidentifiers }

    public mutating func ipAddress(_ address: UInt32) {
        fixedString(stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: address >> $0) })
    }

    public mutating func inetAddress(_ address: InetAddressIndex) {
        integer(address.type)
        string(address.octets)
    }
}

/// An InetAddressType with its InetAddress. (RFC 4001)
public struct InetAddressIndex: Hashable, Sendable {
    /// 1 for IPv4, 2 for IPv6.
    public var type: UInt32
    public var octets: [UInt8]

    public init(type: UInt32, octets: [UInt8]) {
        self.type = type
        self.octets = octets
    }
}

extension UInt32: RowIndex {
    /// A table with one INTEGER or Unsigned32 as its INDEX.
    public init(from reader: inout IndexReader) { self = reader.integer() }
    public func encode(into writer: inout IndexWriter) { writer.integer(self) }
}

extension OID: RowIndex {
    /// The index as it is, whatever its objects.
    public init(from reader: inout IndexReader) { self = reader.impliedOID() }
    public func encode(into writer: inout IndexWriter) { writer.impliedOID(self) }
}
