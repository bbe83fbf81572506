// The UDP socket of lig: an ephemeral port on the address from which the Map-Resolver is reached. It is not connected,
// because the Map-Reply may come from any address (RFC 9301 section 5.5).

import Glibc
import LISPWire

struct LigSocket: ~Copyable {
    private let descriptor: Int32
    let local: Endpoint

    /// - Throws: exit status 69 if there is no way to the Map-Resolver.
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
        self.descriptor = descriptor
        self.local = Endpoint(address, port)
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
        CommandFailure(.unavailable, "\(what): \(String(cString: strerror(errno)))")
    }

    func send(_ bytes: [UInt8], to destination: Endpoint) throws(CommandFailure) {
        let sent = withSocketAddress(destination) { sendto(descriptor, bytes, bytes.count, 0, $0, $1) }
        guard sent == bytes.count else { throw Self.failure("cannot send to \(destination)") }
    }

    /// The next datagram and its source; `nil` if none comes within `milliseconds`.
    func receive(milliseconds: Int32) -> (bytes: [UInt8], source: IPAddress)? {
        var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&wait, 1, milliseconds) > 0 else { return nil }
        var buffer = [UInt8](repeating: 0, count: 65_535)
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let count = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(descriptor, &buffer, buffer.count, 0, $0, &size)
            }
        }
        guard count >= 0, let source = endpoint(storage) else { return ([], .v4(IPv4Address(0))) }
        return (Array(buffer[..<count]), source.address)
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

/// The addresses of a host name, as the system resolves it; empty if it has none.
func addresses(ofHost name: String) -> [IPAddress] {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(name, nil, &hints, &list) == 0 else { return [] }
    defer { freeaddrinfo(list) }
    var result: [IPAddress] = []
    var next = list
    while let entry = next {
        var storage = sockaddr_storage()
        if let source = entry.pointee.ai_addr {
            withUnsafeMutableBytes(of: &storage) { target in
                let count = min(target.count, Int(entry.pointee.ai_addrlen))
                target.copyMemory(from: UnsafeRawBufferPointer(start: source, count: count))
            }
            if let address = endpoint(storage)?.address { result.append(address) }
        }
        next = entry.pointee.ai_next
    }
    return result
}
