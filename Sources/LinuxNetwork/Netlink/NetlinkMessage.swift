// One netlink message on its way out, and the attributes of one that came in.
//
//    +----------+------------------+-----------------------------------------+
//    | nlmsghdr | rtmsg, ifinfomsg | attributes: length, type, value, padding |
//    |          | and the like     |                                         |
//    +----------+------------------+-----------------------------------------+

import CNetlink
import Glibc
import LISPWire

/// A request under construction.
struct NetlinkMessage: ~Copyable {
    let raw: OpaquePointer

    init(type: Int, flags: Int32 = 0) {
        guard let raw = nlmsg_alloc_simple(Int32(type), flags) else {
            preconditionFailure("memory for a netlink message of one page")
        }
        self.raw = raw
    }

    /// A request that repeats the body and attributes of a message received earlier.
    init(type: Int, flags: Int32 = 0, payload: [UInt8]) {
        self.init(type: type, flags: flags)
        payload.withUnsafeBytes { append($0, padding: Int32(NLMSG_ALIGNTO)) }
    }

    deinit { nlmsg_free(raw) }

    /// Appends the fixed structure that follows the header.
    func body(_ value: some BitwiseCopyable) {
        withUnsafeBytes(of: value) { append($0, padding: Int32(NLMSG_ALIGNTO)) }
    }

    private func append(_ bytes: UnsafeRawBufferPointer, padding: Int32) {
        // Safe: libnl copies the bytes and does not write to them, though its signature does not say so.
        let pointer = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
        check(nlmsg_append(raw, pointer, bytes.count, padding))
    }

    func attribute(_ type: some BinaryInteger, _ value: some FixedWidthInteger & BitwiseCopyable) {
        withUnsafeBytes(of: value) { check(nla_put(raw, Int32(type), Int32($0.count), $0.baseAddress)) }
    }

    func attribute(_ type: some BinaryInteger, _ address: IPAddress) {
        switch address {
        case .v4(let address): attribute(type, address.rawValue.bigEndian)
        case .v6(let address): attribute(type, address.rawValue.bigEndian)
        }
    }

    /// A string with its NUL.
    func attribute(_ type: some BinaryInteger, _ text: String) {
        check(nla_put_string(raw, Int32(type), text))
    }

    func nested(_ type: some BinaryInteger, _ body: () -> Void) {
        let start = nla_nest_start(raw, Int32(type))
        precondition(start != nil, "a netlink message of ours fits one page")
        body()
        nla_nest_end(raw, start)
    }

    private func check(_ status: Int32) {
        precondition(status >= 0, "a netlink message of ours fits one page")
    }
}

/// The type, fixed structure and attributes of a received message. Valid only while its buffer is.
struct ReceivedMessage {
    let type: UInt16
    /// Everything behind the header.
    let payload: UnsafeRawBufferPointer

    /// - Parameter bytes: the whole message, header included.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= MemoryLayout<nlmsghdr>.size else { return nil }
        let header = bytes.loadUnaligned(as: nlmsghdr.self)
        guard header.nlmsg_len >= MemoryLayout<nlmsghdr>.size, header.nlmsg_len <= bytes.count else { return nil }
        type = header.nlmsg_type
        payload = UnsafeRawBufferPointer(rebasing: bytes[MemoryLayout<nlmsghdr>.size..<Int(header.nlmsg_len)])
    }

    /// The fixed structure, or `nil` if the message is too short for it.
    func body<T: BitwiseCopyable>(as type: T.Type) -> T? {
        payload.count >= MemoryLayout<T>.size ? payload.loadUnaligned(as: T.self) : nil
    }

    /// The attributes behind a fixed structure of this type.
    func attributes<T: BitwiseCopyable>(after type: T.Type) -> NetlinkAttributes {
        let offset = (MemoryLayout<T>.size + 3) & ~3
        guard payload.count > offset else { return NetlinkAttributes(UnsafeRawBufferPointer(start: nil, count: 0)) }
        return NetlinkAttributes(UnsafeRawBufferPointer(rebasing: payload[offset...]))
    }
}

/// A run of attributes, looked through for each question; they are few.
struct NetlinkAttributes {
    private let bytes: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// The value of the first attribute of the type.
    subscript(_ type: some BinaryInteger) -> UnsafeRawBufferPointer? {
        var offset = 0
        while bytes.count - offset >= 4 {
            let length = Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
            // The top two bits say "nested" and "big-endian".
            let found = bytes.loadUnaligned(fromByteOffset: offset + 2, as: UInt16.self) & 0x3fff
            guard length >= 4, length <= bytes.count - offset else { return nil }
            if Int(found) == Int(type) {
                return UnsafeRawBufferPointer(rebasing: bytes[offset + 4..<offset + length])
            }
            offset += (length + 3) & ~3
        }
        return nil
    }

    func integer<T: FixedWidthInteger & BitwiseCopyable>(_ type: some BinaryInteger, as _: T.Type = T.self) -> T? {
        guard let value = self[type], value.count >= MemoryLayout<T>.size else { return nil }
        return value.loadUnaligned(as: T.self)
    }

    func string(_ type: some BinaryInteger) -> String? {
        guard let value = self[type] else { return nil }
        return String(decoding: value.prefix { $0 != 0 }, as: UTF8.self)
    }

    func address(_ type: some BinaryInteger, _ family: AddressFamily) -> IPAddress? {
        switch family {
        case .ipv4: integer(type, as: UInt32.self).map { .v4(IPv4Address($0.bigEndian)) }
        case .ipv6: integer(type, as: UInt128.self).map { .v6(IPv6Address($0.bigEndian)) }
        }
    }

    func nested(_ type: some BinaryInteger) -> NetlinkAttributes? {
        self[type].map(NetlinkAttributes.init)
    }
}

extension AddressFamily {
    /// AF_INET or AF_INET6 as the kernel writes it into a byte.
    var netlinkValue: UInt8 { UInt8(self == .ipv4 ? AF_INET : AF_INET6) }

    init?(netlinkValue: UInt8) {
        switch Int32(netlinkValue) {
        case AF_INET: self = .ipv4
        case AF_INET6: self = .ipv6
        default: return nil
        }
    }
}
