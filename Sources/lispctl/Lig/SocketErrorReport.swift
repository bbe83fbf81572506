// What the kernel's error queue says of a datagram that was sent: struct sock_extended_err of ip(7), behind a control message header.

import Glibc
import LISPWire

/// One report, in words.
struct SocketErrorReport: Equatable {
    let words: String

    /// - Parameter control: the ancillary data of a message of the error queue.
    ///
    ///     cmsghdr: length (8) | level (4) | type (4)
    ///     errno (4) | origin (1) | type (1) | code (1) | padding (1) | info (4) | data (4)
    ///     the address of who complains, as struct sockaddr_in or sockaddr_in6
    init?(_ control: ArraySlice<UInt8>) {
        let bytes = Array(control)
        guard bytes.count >= 32 else { return nil }
        let (code, origin, type, subtype) = bytes.withUnsafeBytes {
            ($0.loadUnaligned(fromByteOffset: 16, as: Int32.self), $0[20], $0[21], $0[22])
        }
        let complainer = Self.address(bytes.dropFirst(32)).map { " (says \($0))" } ?? ""
        switch origin {
        case 2: words = "ICMP \(Self.icmp(type, subtype))\(complainer)"
        case 3: words = "ICMPv6 \(Self.icmpv6(type, subtype))\(complainer)"
        // Of this host itself; that a datagram is too long for the path is nothing to give up for.
        case 1 where code != EMSGSIZE: words = String(cString: strerror(code))
        default: return nil
        }
    }

    private static func icmp(_ type: UInt8, _ code: UInt8) -> String {
        switch (type, code) {
        case (3, 0), (3, 6): "network unreachable"
        case (3, 1), (3, 7): "host unreachable"
        case (3, 3): "port unreachable: no Map-Resolver there"
        case (3, 9), (3, 10), (3, 13): "administratively prohibited"
        case (3, _): "destination unreachable, code \(code)"
        case (11, _): "time exceeded: a routing loop?"
        default: "type \(type), code \(code)"
        }
    }

    private static func icmpv6(_ type: UInt8, _ code: UInt8) -> String {
        switch (type, code) {
        case (1, 0): "no route to destination"
        case (1, 1): "administratively prohibited"
        case (1, 3): "address unreachable"
        case (1, 4): "port unreachable: no Map-Resolver there"
        case (1, _): "destination unreachable, code \(code)"
        case (3, _): "time exceeded: a routing loop?"
        default: "type \(type), code \(code)"
        }
    }

    private static func address(_ bytes: ArraySlice<UInt8>) -> IPAddress? {
        let bytes = Array(bytes)
        guard bytes.count >= 8 else { return nil }
        switch Int32(bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt16.self) }) {
        case AF_INET:
            return .v4(IPv4Address(bytes[4..<8].reduce(0) { $0 << 8 | UInt32($1) }))
        case AF_INET6 where bytes.count >= 24:
            return .v6(IPv6Address(bytes[8..<24].reduce(0) { $0 << 8 | UInt128($1) }))
        default:
            return nil
        }
    }
}
