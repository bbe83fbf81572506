// UDP sockets of one family each, with the options that tunnels need. Non-blocking; closed when released.

import CLinux
import Glibc
import LISPWire

/// The mark that every socket of the daemon carries, so that a policy rule can send what it sends past all others.
package let lispSocketMark: UInt32 = 0x4c49_5350

/// A non-blocking UDP socket that carries `lispSocketMark`.
package final class UDPSocket: Sendable {
    package let descriptor: Int32
    package let family: AddressFamily

    /// - Throws: `EAFNOSUPPORT` when the kernel has no such family, `EPERM` without CAP_NET_ADMIN.
    package init(family: AddressFamily, mark: UInt32? = lispSocketMark) throws(LinuxError) {
        self.family = family
        let domain = family == .ipv4 ? AF_INET : AF_INET6
        descriptor = socket(domain, clinux_sock_datagram, Int32(IPPROTO_UDP))
        guard descriptor >= 0 else { throw .last("create a UDP socket for \(family)") }
        if family == .ipv6 { try set(Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1, "IPV6_V6ONLY") }
        if let mark { try set(SOL_SOCKET, clinux_so_mark, Int32(bitPattern: mark), "SO_MARK") }
    }

    deinit { _ = Glibc.close(descriptor) }

    private func set(_ level: Int32, _ option: Int32, _ value: Int32, _ name: String) throws(LinuxError) {
        guard trySet(level, option, value) else { throw .last("set \(name) on a UDP socket for \(family)") }
    }

    private func trySet(_ level: Int32, _ option: Int32, _ value: Int32) -> Bool {
        var value = value
        return setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size)) == 0
    }

    private var level: Int32 { Int32(family == .ipv4 ? IPPROTO_IP : IPPROTO_IPV6) }

    /// Lets several sockets of this user share the port, the kernel spreading flows over them.
    package func sharePort() throws(LinuxError) {
        try set(SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT")
    }

    /// Delivers the address and interface that a datagram was sent to, or does so no more.
    package func receiveDestinations(_ wanted: Bool = true) throws(LinuxError) {
        let option = family == .ipv4 ? clinux_ip_pktinfo : clinux_ipv6_recvpktinfo
        try set(level, option, wanted ? 1 : 0, "packet info")
    }

    /// Delivers TOS or traffic class, and TTL or hop limit.
    package func receiveTrafficFields() throws(LinuxError) {
        try set(level, family == .ipv4 ? clinux_ip_recvtos : clinux_ipv6_recvtclass, 1, "reception of TOS")
        try set(level, family == .ipv4 ? clinux_ip_recvttl : clinux_ipv6_recvhoplimit, 1, "reception of TTL")
    }

    /// Takes datagrams without a UDP checksum over IPv6 too (RFC 6935); over IPv4 they always come.
    package func acceptZeroChecksums() throws(LinuxError) {
        if family == .ipv6 { try set(Int32(IPPROTO_UDP), clinux_udp_no_check6_rx, 1, "UDP_NO_CHECK6_RX") }
    }

    /// Sends without a UDP checksum.
    package func sendZeroChecksums() throws(LinuxError) {
        switch family {
        case .ipv4: try set(SOL_SOCKET, clinux_so_no_check, 1, "SO_NO_CHECK")
        case .ipv6: try set(Int32(IPPROTO_UDP), clinux_udp_no_check6_tx, 1, "UDP_NO_CHECK6_TX")
        }
    }

    /// Whether the kernel knows trains: many datagrams of one size handed over as one (UDP_SEGMENT, Linux 4.18).
    package var canSendTrains: Bool { trySet(clinux_sol_udp, clinux_udp_segment, 0) }

    /// Takes datagrams of one flow and size that the kernel has merged as they are, with the size in a control message
    /// (UDP_GRO, Linux 5.0).
    ///
    /// - Returns: whether the kernel can; if not, datagrams come singly.
    package func receiveTrains() -> Bool { trySet(clinux_sol_udp, clinux_udp_gro, 1) }

    /// Sets DF, never fragments, and leaves the path MTU to us.
    package func neverFragment() throws(LinuxError) {
        let option = family == .ipv4 ? clinux_ip_mtu_discover : clinux_ipv6_mtu_discover
        try set(level, option, clinux_ip_pmtudisc_probe, "path MTU discovery")
    }

    /// Lets routers fragment datagrams over IPv4, and has this host fragment them over IPv6 to what every path carries.
    package func allowFragments() throws(LinuxError) {
        let option = family == .ipv4 ? clinux_ip_mtu_discover : clinux_ipv6_mtu_discover
        try set(level, option, clinux_ip_pmtudisc_dont, "fragmentation")
        if family == .ipv6 { try set(level, clinux_ipv6_mtu, 1280, "IPV6_MTU") }
    }

    /// Drops all that arrives before it takes memory. What the kernel reports of sent datagrams (`reportErrors`) still has room,
    /// for some dozens of reports.
    package func receiveNothing() throws(LinuxError) {
        guard clinux_attach_drop_all(descriptor) == 0 else { throw .last("attach a drop-all filter") }
        _ = trySet(SOL_SOCKET, SO_RCVBUF, 32_768)
    }

    /// Queues what becomes known of sent datagrams, such as ICMP errors, for `ReceiveBatch.receiveErrors`.
    package func reportErrors() throws(LinuxError) {
        let option = family == .ipv4 ? clinux_ip_recverr : clinux_ipv6_recverr
        try set(level, option, 1, "the report of errors")
    }

    /// Asks for buffers of so many octets: beyond the system's limits if we may, else up to them.
    package func setBuffers(receive: Int32? = nil, send: Int32? = nil) {
        if let receive, !trySet(SOL_SOCKET, clinux_so_rcvbufforce, receive) {
            _ = trySet(SOL_SOCKET, SO_RCVBUF, receive)
        }
        if let send, !trySet(SOL_SOCKET, clinux_so_sndbufforce, send) {
            _ = trySet(SOL_SOCKET, SO_SNDBUF, send)
        }
    }

    /// The receive buffer that the kernel granted, in octets of its own bookkeeping.
    package var receiveBufferSize: Int { bufferSize(SO_RCVBUF) }

    /// The send buffer, likewise.
    package var sendBufferSize: Int { bufferSize(SO_SNDBUF) }

    private func bufferSize(_ option: Int32) -> Int {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, option, &value, &length) == 0 ? Int(value) : 0
    }

    /// - Parameter address: `nil` for every address of the host.
    /// - Throws: `portInUse` when another socket has the port.
    package func bind(to address: IPAddress? = nil, port: UInt16) throws(LinuxError) {
        let wildcard: IPAddress = family == .ipv4 ? .v4(IPv4Address(0)) : .v6(IPv6Address(0))
        let name = SocketAddress(Endpoint(address ?? wildcard, port))
        let result = name.withPointer { Glibc.bind(descriptor, $0, $1) }
        guard result == 0 else {
            let shown = address.map(\.description) ?? "any \(family) address"
            if errno == EADDRINUSE { throw .portInUse(address: shown, port: port) }
            throw .last("bind UDP port \(port) on \(shown)")
        }
    }

    /// The local port; 0 before `bind`.
    package var localPort: UInt16 {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &storage) { pointer in
            // Safe: every socket address begins like sockaddr, and `length` is the room there is.
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard result == 0 else { return 0 }
        // The port stands at octet 2 in both families.
        return withUnsafeBytes(of: &storage) { UInt16(bigEndian: $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self)) }
    }
}

/// A socket address as the kernel reads it: 16 octets for IPv4, 28 for IPv6.
package struct SocketAddress: Sendable {
    // Octets in memory order: family, port, then address. 28 are used, so IPv6 fits.
    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    package let length: Int

    package static let maximumLength = 28

    static func length(_ family: AddressFamily) -> Int { family == .ipv4 ? 16 : 28 }

    package init(_ endpoint: Endpoint) {
        switch endpoint.address {
        case .v4(let address):
            length = Self.length(.ipv4)
            withUnsafeMutableBytes(of: &words) {
                $0.storeBytes(of: UInt16(AF_INET), toByteOffset: 0, as: UInt16.self)
                $0.storeBytes(of: endpoint.port.bigEndian, toByteOffset: 2, as: UInt16.self)
                $0.storeBytes(of: address.rawValue.bigEndian, toByteOffset: 4, as: UInt32.self)
            }
        case .v6(let address):
            length = Self.length(.ipv6)
            withUnsafeMutableBytes(of: &words) {
                $0.storeBytes(of: UInt16(AF_INET6), toByteOffset: 0, as: UInt16.self)
                $0.storeBytes(of: endpoint.port.bigEndian, toByteOffset: 2, as: UInt16.self)
                $0.storeBytes(of: address.rawValue.bigEndian, toByteOffset: 8, as: UInt128.self)
            }
        }
    }

    /// Reads a socket address of either family; `nil` for another family or when it is cut short.
    package static func endpoint(_ bytes: UnsafeRawBufferPointer) -> Endpoint? {
        guard bytes.count >= 16 else { return nil }
        let port = UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        switch Int32(bytes.loadUnaligned(fromByteOffset: 0, as: UInt16.self)) {
        case AF_INET:
            let number = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
            return Endpoint(.v4(IPv4Address(number)), port)
        case AF_INET6:
            guard bytes.count >= 28 else { return nil }
            let number = UInt128(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt128.self))
            return Endpoint(.v6(IPv6Address(number)), port)
        default:
            return nil
        }
    }

    package func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        withUnsafeBytes(of: words) { body(UnsafeRawBufferPointer(rebasing: $0[..<length])) }
    }

    func withPointer<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        withUnsafeBytes(of: words) { bytes in
            // Safe: the 32 octets outlive the call and are laid out as sockaddr_in or sockaddr_in6.
            body(bytes.assumingMemoryBound(to: sockaddr.self).baseAddress.unsafelyUnwrapped, socklen_t(length))
        }
    }
}
