// The kernel's news: interfaces, addresses and routes that come, change and go.

import CNetlink
import Glibc
import LISPWire

/// One piece of news.
package enum NetlinkEvent: Sendable {
    /// New, or changed in some way.
    case link(NetworkLink)
    case linkRemoved(index: Int32, name: String)
    /// New, or changed in its flags: an IPv6 address is told twice, tentative and then usable.
    case address(InterfaceAddress)
    case addressRemoved(InterfaceAddress)
    case route(ListedRoute)
    /// The kernel tells this only of routes that it removes by themselves; with an interface or, in IPv4, a preferred source
    /// address that goes, it removes routes without a word.
    case routeRemoved(ListedRoute)
    /// News came faster than it was read and some is lost: read again all that matters.
    case overrun
}

/// Listens for changes in the network namespace of the thread that opened it.
package final class NetlinkMonitor {
    /// Non-blocking; readable when there is news. Owned by the monitor.
    package let descriptor: Int32
    private let buffer: UnsafeMutableRawBufferPointer

    /// - Parameter receiveBuffer: in octets; each piece of news takes about one kilobyte of it.
    package init(receiveBuffer: Int32 = 1 << 20) throws(HostError) {
        descriptor = Glibc.socket(
            AF_NETLINK,
            Int32(SOCK_RAW.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue),
            NETLINK_ROUTE
        )
        guard descriptor >= 0 else { throw HostError("open a netlink monitor", code: errno) }
        // Some kernels make messages of up to 32 KiB.
        buffer = .allocate(byteCount: 1 << 16, alignment: 16)
        var size = receiveBuffer
        let length = socklen_t(MemoryLayout<Int32>.size)
        if setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, length) != 0 {
            _ = setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, length)
        }
        // Without an address of its own, the socket would pass for the kernel and be told nothing.
        var own = sockaddr_nl()
        own.nl_family = sa_family_t(AF_NETLINK)
        let bound = withUnsafePointer(to: &own) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_nl>.size))
            }
        }
        guard bound == 0 else { throw HostError("open a netlink monitor", code: errno) }
        let groups = [
            RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
        ]
        for group in groups {
            var number = Int32(group.rawValue)
            guard setsockopt(descriptor, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &number, length) == 0 else {
                throw HostError("listen for changes of the network", code: errno)
            }
        }
    }

    deinit {
        close(descriptor)
        buffer.deallocate()
    }

    /// The news that has come, up to a few thousand pieces (the descriptor stays readable then); empty if there is none. Never
    /// waits.
    ///
    /// - Throws: only if the socket itself is broken.
    package func readEvents() throws(HostError) -> [NetlinkEvent] {
        var events: [NetlinkEvent] = []
        while events.count < 4096 {
            var sender = sockaddr_nl()
            var length = socklen_t(MemoryLayout<sockaddr_nl>.size)
            let count = withUnsafeMutablePointer(to: &sender) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_TRUNC), $0, &length)
                }
            }
            if count < 0 {
                switch errno {
                case EAGAIN: return events
                case EINTR: continue
                case ENOBUFS:
                    events.append(.overrun)
                    continue
                default: throw HostError("read changes of the network", code: errno)
                }
            }
            // Port 0 is the kernel; other programs may write to this socket too.
            guard sender.nl_pid == 0 else { continue }
            guard count <= buffer.count else {
                events.append(.overrun)
                continue
            }
            parse(UnsafeRawBufferPointer(rebasing: buffer[..<count]), into: &events)
        }
        return events
    }

    private func parse(_ datagram: UnsafeRawBufferPointer, into events: inout [NetlinkEvent]) {
        var rest = datagram
        while let message = ReceivedMessage(rest) {
            if let event = event(message) { events.append(event) }
            let length = (MemoryLayout<nlmsghdr>.size + message.payload.count + 3) & ~3
            guard length < rest.count else { return }
            rest = UnsafeRawBufferPointer(rebasing: rest[length...])
        }
    }

    private func event(_ message: ReceivedMessage) -> NetlinkEvent? {
        switch Int(message.type) {
        case RTM_NEWLINK: NetworkLink(message).map { .link($0) }
        case RTM_DELLINK: NetworkLink(message).map { .linkRemoved(index: $0.index, name: $0.name) }
        case RTM_NEWADDR: InterfaceAddress(message).map { .address($0) }
        case RTM_DELADDR: InterfaceAddress(message).map { .addressRemoved($0) }
        case RTM_NEWROUTE: ListedRoute(message).map { .route($0) }
        case RTM_DELROUTE: ListedRoute(message).map { .routeRemoved($0) }
        default: nil
        }
    }
}
