// Whether there is a way from this host to an address, as the kernel sees it: nothing is sent.

import Glibc
import LISPWire

extension UDPSocket {
    /// The address that a datagram to `destination` would leave from. The socket can receive from nowhere else afterwards.
    ///
    /// - Throws: `ENETUNREACH` and the like without a route, `EADDRNOTAVAIL` without an address to send from.
    package func source(towards destination: Endpoint) throws(LinuxError) -> IPAddress {
        let name = SocketAddress(destination)
        guard name.withPointer({ connect(descriptor, $0, $1) }) == 0 else {
            throw .last("find a way to \(destination.address)")
        }
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &storage) { pointer in
            // Safe: every socket address begins like sockaddr, and `length` is the room there is.
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        let local = withUnsafeBytes(of: &storage) { SocketAddress.endpoint($0) }
        guard result == 0, let local else { throw .last("find a way to \(destination.address)") }
        return local.address
    }
}
