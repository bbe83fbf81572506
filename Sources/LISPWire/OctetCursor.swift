// Reads octets of a message in place, for what is asked of a message without making it.

/// Goes through octets from front to back; `nil` where they end too early.
struct OctetCursor {
    private let bytes: UnsafeRawBufferPointer
    private(set) var index = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    var remaining: Int { bytes.count - index }

    mutating func skip(_ count: Int) -> Bool {
        guard count <= remaining else { return false }
        index += count
        return true
    }

    /// The next octet, left where it is.
    var next: UInt8? { remaining > 0 ? bytes[index] : nil }

    mutating func octets(_ count: Int) -> UnsafeRawBufferPointer? {
        let start = index
        return skip(count) ? UnsafeRawBufferPointer(rebasing: bytes[start..<index]) : nil
    }

    mutating func header() -> MessageHeader? { (integer() as UInt32?).flatMap { MessageHeader($0) } }

    mutating func integer<Number: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>() -> Number? {
        let start = index
        guard skip(MemoryLayout<Number>.size) else { return nil }
        return Number(bigEndian: bytes.loadUnaligned(fromByteOffset: start, as: Number.self))
    }

    /// An IPv4 or IPv6 address, plain or in an instance.
    struct Address {
        var instanceID = InstanceID.default
        let ip: IPAddress
        /// Whether it is as we would write it: in an instance only where that is not 0, without a mask of instances.
        var isUsual = true
    }

    /// `nil` for every other address, too.
    mutating func address() -> Address? {
        guard let afi: UInt16 = integer() else { return nil }
        guard afi == AddressFamilyIdentifier.lcaf else { return ipAddress(afi).map { Address(ip: $0) } }
        // Reserved bits 0, type 2, any length that fits, instance ID of 24 bits.
        guard let reserved: UInt16 = integer(), reserved == 0, let type: UInt8 = integer(),
            type == LCAFType.instanceID.rawValue, let maskLength: UInt8 = integer(), let length: UInt16 = integer(),
            let instance: UInt32 = integer(), let instanceID = InstanceID(rawValue: instance),
            let inner: UInt16 = integer(), let ip = ipAddress(inner), length == (ip.family == .ipv4 ? 10 : 22)
        else { return nil }
        return Address(instanceID: instanceID, ip: ip, isUsual: maskLength == 0 && instanceID != .default)
    }

    private mutating func ipAddress(_ afi: UInt16) -> IPAddress? {
        switch afi {
        case AddressFamilyIdentifier.ipv4: (integer() as UInt32?).map { .v4(IPv4Address($0)) }
        case AddressFamilyIdentifier.ipv6: (integer() as UInt128?).map { .v6(IPv6Address($0)) }
        default: nil
        }
    }
}
