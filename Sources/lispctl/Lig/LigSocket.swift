// The UDP socket of lig: an ephemeral port on the address from which the Map-Resolver is reached. It is not connected,
// because the Map-Reply may come from any address (RFC 9301 section 5.5).

import Glibc
import LISPWire

struct LigSocket: ~Copyable {
    private let descriptor: Int32
    let local: Endpoint

    /// What there is to receive.
    enum Reception {
        case datagram([UInt8], source: IPAddress)
        /// The word of an ICMP error, or of the kernel, about what was sent.
        case error(String)
        case interrupted
        case nothing
    }

    /// - Throws: exit status 69 if there is no way to the Map-Resolver, 77 if we may not send.
    init(towards resolver: Endpoint) throws(CommandFailure) {
        let domain = resolver.address.family == .ipv4 ? AF_INET : AF_INET6
        let address = try Self.localAddress(towards: resolver, domain)
        let descriptor = socket(domain, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Self.failure("cannot open a UDP socket") }
        var port: UInt16 = 0
        let bound = withSocketAddress(Endpoint(address, 0)) { bind(descriptor, $0, $1) }
        if bound == 0 { port = Self.name(of: descriptor)?.port ?? 0 }
        guard port != 0 else {
            let failure = Self.failure("cannot bind a UDP socket to \(address)")
            close(descriptor)
            throw failure
        }
        var on: Int32 = 1
        let (level, option) = Self.errorOption(domain)
        _ = setsockopt(descriptor, level, option, &on, socklen_t(MemoryLayout<Int32>.size))
        self.descriptor = descriptor
        self.local = Endpoint(address, port)
    }

    /// Has errors about what was sent reported (ip(7), ipv6(7)): a socket that is not connected hears of none otherwise.
    private static func errorOption(_ domain: Int32) -> (level: Int32, option: Int32) {
        domain == AF_INET ? (Int32(IPPROTO_IP), IP_RECVERR) : (Int32(IPPROTO_IPV6), IPV6_RECVERR)
    }

    deinit {
        close(descriptor)
    }

    /// The address that the kernel would send from: that of a socket connected there.
    private static func localAddress(towards resolver: Endpoint, _ domain: Int32) throws(CommandFailure) -> IPAddress {
        let probe = socket(domain, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard probe >= 0 else { throw failure("cannot open a UDP socket") }
        defer { close(probe) }
        let connected = withSocketAddress(resolver) { connect(probe, $0, $1) }
        guard connected == 0, let name = name(of: probe) else {
            throw failure("there is no way to the Map-Resolver \(resolver.address)")
        }
        return name.address
    }

    private static func failure(_ what: String) -> CommandFailure {
        let code = errno
        let isForbidden = code == EPERM || code == EACCES
        return CommandFailure(
            isForbidden ? .noPermission : .unavailable,
            "\(what): \(String(cString: strerror(code)))" + (isForbidden ? " (a firewall or policy of this host?)" : "")
        )
    }

    func send(_ bytes: [UInt8], to destination: Endpoint) throws(CommandFailure) {
        // An error about an earlier datagram may be reported instead of sending; it is in the queue, too.
        for attempt in 0..<2 {
            let sent = withSocketAddress(destination) { sendto(descriptor, bytes, bytes.count, 0, $0, $1) }
            if sent == bytes.count { return }
            let isOfEarlier = [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH].contains(errno)
            guard attempt == 0, isOfEarlier else { throw Self.failure("cannot send to \(destination.address)") }
        }
    }

    /// The next datagram, or whatever comes before one.
    func receive(until deadline: ContinuousClock.Instant, _ interrupt: Interrupt) -> Reception {
        while true {
            let left = (deadline - .now).components
            let milliseconds = Int32(max(0, left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000))
            var waits = [
                pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: interrupt.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            let ready = poll(&waits, 2, milliseconds)
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else { return .nothing }
            // What has arrived counts for more than that nobody wants to wait any longer.
            if waits[0].revents & Int16(POLLIN) != 0, let received = receive() { return received }
            if waits[0].revents & Int16(POLLERR) != 0, let words = queuedError() { return .error(words) }
            if waits[1].revents & Int16(POLLIN) != 0 { return .interrupted }
        }
    }

    private func receive() -> Reception? {
        var buffer = [UInt8](repeating: 0, count: 65_535)
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let count = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT), $0, &size)
            }
        }
        guard count >= 0, let source = endpoint(storage) else { return nil }
        return .datagram(Array(buffer[..<count]), source: source.address)
    }

    /// The next report of the error queue, in words; `nil` if there is none that concerns us.
    private func queuedError() -> String? {
        var control = [UInt8](repeating: 0, count: 512)
        var octet: UInt8 = 0
        let count = control.withUnsafeMutableBytes { control in
            withUnsafeMutablePointer(to: &octet) { octet in
                var piece = iovec(iov_base: octet, iov_len: 1)
                return withUnsafeMutablePointer(to: &piece) { piece in
                    var message = msghdr()
                    message.msg_iov = piece
                    message.msg_iovlen = 1
                    message.msg_control = control.baseAddress
                    message.msg_controllen = control.count
                    let result = recvmsg(
                        descriptor,
                        &message,
                        Int32(MSG_ERRQUEUE) | Int32(MSG_DONTWAIT)
                    )
                    return result < 0 ? 0 : Int(message.msg_controllen)
                }
            }
        }
        // The report that recv(2) would have given is the same.
        var pending: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        _ = getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &pending, &size)
        return SocketErrorReport(control[..<count])?.words
    }

    private static func name(of descriptor: Int32) -> Endpoint? {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        return result == 0 ? endpoint(storage) : nil
    }
}

private func withSocketAddress<Result>(
    _ endpoint: Endpoint,
    _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
) -> Result {
    switch endpoint.address {
    case .v4(let address):
        var value = sockaddr_in()
        value.sin_family = sa_family_t(AF_INET)
        value.sin_port = endpoint.port.bigEndian
        value.sin_addr.s_addr = address.rawValue.bigEndian
        return withUnsafePointer(to: &value) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    case .v6(let address):
        var value = sockaddr_in6()
        value.sin6_family = sa_family_t(AF_INET6)
        value.sin6_port = endpoint.port.bigEndian
        withUnsafeMutableBytes(of: &value.sin6_addr) { $0.storeBytes(of: address.rawValue.bigEndian, as: UInt128.self) }
        return withUnsafePointer(to: &value) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
            }
        }
    }
}

private func endpoint(_ storage: sockaddr_storage) -> Endpoint? {
    withUnsafePointer(to: storage) { pointer in
        switch Int32(storage.ss_family) {
        case AF_INET:
            pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                Endpoint(
                    .v4(IPv4Address(UInt32(bigEndian: $0.pointee.sin_addr.s_addr))),
                    UInt16(bigEndian: $0.pointee.sin_port)
                )
            }
        case AF_INET6:
            pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { address in
                let raw = withUnsafeBytes(of: address.pointee.sin6_addr) { $0.loadUnaligned(as: UInt128.self) }
                return Endpoint(.v6(IPv6Address(UInt128(bigEndian: raw))), UInt16(bigEndian: address.pointee.sin6_port))
            }
        default: nil
        }
    }
}
