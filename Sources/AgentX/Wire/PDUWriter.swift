// The counterpart of PDUReader.

/// Writes a PDU from front to back.
struct PDUWriter {
    private(set) var octets: [UInt8] = []
    let order: ByteOrder

    init(order: ByteOrder) { self.order = order }

    var count: Int { octets.count }

    /// Takes back what was written after `count` octets.
    mutating func truncate(to count: Int) {
        octets.removeLast(octets.count - count)
    }

    mutating func number<Number: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(_ value: Number) {
        withUnsafeBytes(of: order == .network ? value.bigEndian : value.littleEndian) { octets += $0 }
    }

    /// Overwrites what stands at `position`.
    mutating func number(_ value: UInt32, at position: Int) {
        let ordered = order == .network ? value.bigEndian : value.littleEndian
        octets.withUnsafeMutableBytes { $0.storeBytes(of: ordered, toByteOffset: position, as: UInt32.self) }
    }

    mutating func zeros(_ count: Int) {
        for _ in 0..<count { octets.append(0) }
    }

    mutating func oid(_ oid: OID, includes: Bool = false) {
        // An owner's index may be longer than an OID can be, and be given as a value.
        let all = oid.subidentifiers.prefix(OID.limit)
        let isInternet =
            all.count >= 5 && all[0] == 1 && all[1] == 3 && all[2] == 6 && all[3] == 1 && (1...255).contains(all[4])
        let rest = isInternet ? all[5...] : all[...]
        number(UInt8(rest.count))
        number(isInternet ? UInt8(all[4]) : 0)
        number(includes ? 1 : 0 as UInt8)
        zeros(1)
        for subidentifier in rest { number(subidentifier) }
    }

    mutating func octetString(_ octets: some Collection<UInt8>) {
        number(UInt32(octets.count))
        self.octets += octets
        zeros(-octets.count & 3)
    }

    mutating func searchRanges(_ ranges: [SearchRange]) {
        for range in ranges {
            oid(range.start, includes: range.includesStart)
            oid(range.end)
        }
    }

    mutating func variables(_ variables: [VarBind]) {
        for variable in variables { self.variable(variable.name, variable.value) }
    }

    mutating func variable(_ name: OID, _ value: VariableValue) {
        number(value.type.rawValue)
        zeros(2)
        oid(name)
        switch value {
        case .integer(let number): self.number(UInt32(bitPattern: number))
        case .octetString(let octets), .opaque(let octets): octetString(octets)
        case .objectIdentifier(let value): oid(value)
        case .ipAddress(let address): octetString(withUnsafeBytes(of: address.bigEndian, Array.init))
        case .counter32(let number), .gauge32(let number), .timeTicks(let number): self.number(number)
        case .counter64(let number): self.number(number)
        case .null, .noSuchObject, .noSuchInstance, .endOfMibView: break
        }
    }
}

extension VariableValue {
    var type: VariableType {
        switch self {
        case .integer: .integer
        case .octetString: .octetString
        case .null: .null
        case .objectIdentifier: .objectIdentifier
        case .ipAddress: .ipAddress
        case .counter32: .counter32
        case .gauge32: .gauge32
        case .timeTicks: .timeTicks
        case .opaque: .opaque
        case .counter64: .counter64
        case .noSuchObject: .noSuchObject
        case .noSuchInstance: .noSuchInstance
        case .endOfMibView: .endOfMibView
        }
    }
}
