// What the kernel reports of a datagram that was sent: an ICMP error about it, or why it could not leave at all (IP_RECVERR in
// ip(7), IPV6_RECVERR in ipv6(7)).

import CLinux
import Glibc
import LISPWire

/// One report from a socket's error queue. The kernel has checked that the datagram's source port is the socket's; all else is
/// the word of whoever sent the ICMP error.
package struct PathError {
    /// Where the datagram was going. What this host itself found has no port in IPv4.
    package var destination: Endpoint
    package var finding: Finding
    /// What is quoted of the datagram behind its UDP header: perhaps nothing.
    package var quote: UnsafeRawBufferPointer

    package init(destination: Endpoint, finding: Finding, quote: UnsafeRawBufferPointer) {
        self.destination = destination
        self.finding = finding
        self.quote = quote
    }

    package enum Finding: Hashable, Sendable {
        /// ICMP or ICMPv6 Destination Unreachable, of whatever code.
        case unreachable
        /// ICMP Fragmentation Needed, ICMPv6 Packet Too Big. 0: the router does not say what would fit (before RFC 1191).
        case packetTooBig(mtu: UInt32)
        /// This host's own interface takes no datagram that large.
        case exceedsInterface(mtu: UInt32)
        /// Something else, such as Time Exceeded.
        case other

        /// Octets of struct sock_extended_err:
        ///
        ///     errno (4) | origin (1) | type (1) | code (1) | padding (1) | info (4) | data (4)
        static let size = 16

        /// - Parameter report: at least `size` octets.
        init(_ report: UnsafeRawBufferPointer) {
            let errno = report.loadUnaligned(as: Int32.self)
            let (origin, type, code) = (Int32(report[4]), report[5], report[6])
            let info = report.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
            switch (origin, type, code) {
            case (clinux_error_origin_local, _, _): self = errno == EMSGSIZE ? .exceedsInterface(mtu: info) : .other
            case (clinux_error_origin_icmp, 3, 4): self = .packetTooBig(mtu: info)
            case (clinux_error_origin_icmp, 3, _): self = .unreachable
            case (clinux_error_origin_icmpv6, 2, _): self = .packetTooBig(mtu: info)
            case (clinux_error_origin_icmpv6, 1, _): self = .unreachable
            default: self = .other
            }
        }
    }

    /// Whether an error number of a send may come from an ICMP error about an earlier datagram.
    static func mayBeOfEarlierDatagram(_ error: Int32) -> Bool {
        switch error {
        case ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENONET, EACCES, EPROTO, ENOPROTOOPT, EOPNOTSUPP,
            EMSGSIZE:
            true
        default:
            false
        }
    }
}
