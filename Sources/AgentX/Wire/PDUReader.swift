// The only code that takes received octets apart. Every length is compared with what is there before anything is made of it.

/// Reads a PDU from front to back.
struct PDUReader {
    private let octets: [UInt8]
    private(set) var position: Int
    private let end: Int
    let order: ByteOrder

    init(_ octets: [UInt8], in range: Range<Int>, order: ByteOrder) {
        self.octets = octets
        self.position = range.lowerBound
        self.end = range.upperBound
        self.order = order
    }

    var isAtEnd: Bool { position == end }

    func finish() throws(WireError) {
        guard position == end else { throw .trailing(count: end - position, position: position) }
    }

    private mutating func take(_ count: Int, _ field: StaticString) throws(WireError) -> Int {
        guard count <= end - position else {
            throw .truncated(field: "\(field)", needed: count, available: end - position, position: position)
        }
        defer { position += count }
        return position
    }

    mutating func number<Number: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ field: StaticString,
        as type: Number.Type = Number.self
    ) throws(WireError) -> Number {
        let start = try take(MemoryLayout<Number>.size, field)
        let raw = octets.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: start, as: Number.self) }
        return order == .network ? Number(bigEndian: raw) : Number(littleEndian: raw)
    }

    mutating func skip(_ count: Int, _ field: StaticString) throws(WireError) {
        _ = try take(count, field)
    }

    // Object Identifier, RFC 2741 §5.1. `prefix` x stands for 1.3.6.1.x in front.
    //
    //    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    //    |  n_subid      |  prefix       |  include      |  <reserved>   |
    //    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    //    |             sub-identifier #1                                 |
    //    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    //    ...

    mutating func oid(_ field: StaticString) throws(WireError) -> (oid: OID, includes: Bool) {
        let start = position
        let count = Int(try number(field, as: UInt8.self))
        let prefix = try number(field, as: UInt8.self)
        let includes = try number(field, as: UInt8.self) != 0
        try skip(1, field)
        let total = count + (prefix == 0 ? 0 : 5)
        guard total <= OID.limit else { throw .invalid(field: "\(field)", value: UInt64(total), position: start) }
        var all: [UInt32] = []
        if prefix != 0 || count != 0 { all.reserveCapacity(total) }
        if prefix != 0 { all += [1, 3, 6, 1, UInt32(prefix)] }
        for _ in 0..<count { all.append(try number(field)) }
        return (OID(unlimited: all), includes)
    }

    // Octet String, RFC 2741 §5.3: the length in four octets, the octets, zeros up to a multiple of four.

    mutating func octetString(_ field: StaticString) throws(WireError) -> [UInt8] {
        let length = Int(try number(field, as: UInt32.self))
        let start = try take(length, field)
        try skip(-length & 3, field)
        return Array(octets[start..<start + length])
    }

    mutating func searchRanges() throws(WireError) -> [SearchRange] {
        var all: [SearchRange] = []
        while !isAtEnd {
            let (start, includes) = try oid("SearchRange start")
            all.append(SearchRange(start, includesStart: includes, end: try oid("SearchRange end").oid))
        }
        return all
    }

    mutating func variables() throws(WireError) -> [VarBind] {
        var all: [VarBind] = []
        while !isAtEnd { all.append(try variable()) }
        return all
    }

    // VarBind, RFC 2741 §5.4: the type in two octets, two reserved ones, the name, the value.

    private mutating func variable() throws(WireError) -> VarBind {
        let start = position
        let type = try number("v.type", as: UInt16.self)
        try skip(2, "v.reserved")
        let name = try oid("v.name").oid
        let value: VariableValue
        switch VariableType(rawValue: type) {
        case .integer: value = .integer(Int32(bitPattern: try number("v.data")))
        case .octetString: value = .octetString(try octetString("v.data"))
        case .null: value = .null
        case .objectIdentifier: value = .objectIdentifier(try oid("v.data").oid)
        case .ipAddress:
            let octets = try octetString("v.data")
            guard octets.count == 4 else {
                throw .invalid(field: "length of IpAddress", value: UInt64(octets.count), position: start)
            }
            value = .ipAddress(octets.reduce(0) { $0 << 8 | UInt32($1) })
        case .counter32: value = .counter32(try number("v.data"))
        case .gauge32: value = .gauge32(try number("v.data"))
        case .timeTicks: value = .timeTicks(try number("v.data"))
        case .opaque: value = .opaque(try octetString("v.data"))
        case .counter64: value = .counter64(try number("v.data"))
        case .noSuchObject: value = .noSuchObject
        case .noSuchInstance: value = .noSuchInstance
        case .endOfMibView: value = .endOfMibView
        case nil: throw .invalid(field: "v.type", value: UInt64(type), position: start)
        }
        return VarBind(name, value)
    }
}

/// v.type of RFC 2741 §5.4.
enum VariableType: UInt16 {
    case integer = 2
    case octetString = 4
    case null = 5
    case objectIdentifier = 6
    case ipAddress = 64
    case counter32 = 65
    case gauge32 = 66
    case timeTicks = 67
    case opaque = 68
    case counter64 = 70
    case noSuchObject = 128
    case noSuchInstance = 129
    case endOfMibView = 130
}
