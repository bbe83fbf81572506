// What real kernels report of sent datagrams: closed ports, interfaces and paths that are too small.
//
//      first namespace                    second namespace
//      far 192.0.2.1  ------- veth ------ near 192.0.2.2      small 198.51.100.1, MTU 1300, behind it nobody
//      2001:db8:f::1                      2001:db8:f::2             2001:db8:5::1

import Glibc
import LISPWire
import LinuxNetwork
import Testing

@Suite(.enabled(if: NetlinkFixture.canRun, NetlinkFixture.reason)) struct ErrorQueueTests {
    /// A socket that reports errors, one to receive with, and what both are told.
    final class Probe {
        let socket: UDPSocket
        private let reports = ReceiveBatch(capacity: 8)
        private let quotes = UnsafeMutableRawBufferPointer.allocate(byteCount: 8 * 128, alignment: 8)

        struct Report: Equatable {
            var destination: Endpoint
            var finding: PathError.Finding
            var quote: [UInt8]
        }

        init(_ family: AddressFamily) throws {
            socket = try UDPSocket(family: family)
            try socket.bind(port: 50_000)
            try socket.receiveNothing()
            try socket.reportErrors()
            try socket.neverFragment()
            for index in 0..<8 {
                reports.setBuffer(
                    index,
                    UnsafeMutableRawBufferPointer(rebasing: quotes[index * 128..<index * 128 + 128])
                )
            }
        }

        deinit { quotes.deallocate() }

        /// Sends datagrams of these lengths; returns how many were taken in one call, or the negative error number.
        func send(_ lengths: Int..., to destination: Endpoint) -> Int {
            let payload = [UInt8](repeating: 7, count: lengths.max() ?? 0)
            var batch = SendBatch(family: socket.family, capacity: 8)
            return payload.withUnsafeBytes { payload in
                SocketAddress(destination).withBytes { name in
                    for length in lengths {
                        let part = UnsafeRawBufferPointer(rebasing: payload.prefix(length))
                        batch.add(payload: part, to: name, tos: 0, ttl: 64, from: nil)
                    }
                    let sent = batch.send(on: socket.descriptor, from: 0)
                    return sent < 0 ? -Int(errno) : sent
                }
            }
        }

        /// All reports that come within a second, if any do.
        func read(count: Int = 1) -> [Report] {
            var found: [Report] = []
            for _ in 0..<200 where found.count < count {
                for index in 0..<reports.receiveErrors(from: socket.descriptor) {
                    guard let error = reports.pathError(index) else { continue }
                    found.append(
                        Report(
                            destination: error.destination,
                            finding: error.finding,
                            quote: Array(error.quote.prefix(128))
                        )
                    )
                }
                if found.count < count { usleep(5_000) }
            }
            return found
        }
    }

    static let loopbacks: [IPAddress] = [.v4(IPv4Address(0x7f00_0001)), .v6(IPv6Address(1))]

    @Test(arguments: loopbacks) func `a closed port is reported with where it was and what was sent`(
        loopback: IPAddress
    )
        throws
    {
        try NetworkNamespace.runInFresh {
            try NetlinkFixture.shell(
                "ip link set lo up; sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0"
            )
            let probe = try Probe(loopback.family)
            let closed = Endpoint(loopback, 4_341)
            #expect(probe.send(20, to: closed) == 1)
            let expected = Probe.Report(
                destination: closed,
                finding: .unreachable,
                quote: [UInt8](repeating: 7, count: 20)
            )
            #expect(probe.read() == [expected])
            #expect(probe.read() == [])
        }
    }

    @Test(arguments: loopbacks) func `an error about one datagram does not stop the next`(loopback: IPAddress) throws {
        try NetworkNamespace.runInFresh {
            try NetlinkFixture.shell(
                "ip link set lo up; sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0"
            )
            let open = try ControlSocket(port: 4_342, mark: nil)
            let receiver = ControlSocket.Receiver(open)
            let probe = try Probe(loopback.family)
            for _ in 0..<10 {
                #expect(probe.send(20, to: Endpoint(loopback, 4_341)) == 1)
                // Over loopback the error is there at once.
                #expect(probe.send(30, to: Endpoint(loopback, 4_342)) == 1)
            }
            #expect(probe.send(20, to: Endpoint(loopback, 4_341)) == 1)
            #expect(probe.send(30, 31, 32, to: Endpoint(loopback, 4_342)) == 3)
            var lengths: [Int] = []
            for _ in 0..<100 where lengths.count < 13 {
                lengths += receiver.receive().map(\.payload.count)
                usleep(2_000)
            }
            #expect(lengths == [Int](repeating: 30, count: 10) + [30, 31, 32])
            #expect(probe.read(count: 11).count == 11)
        }
    }

    @Test func `the control socket tells of messages that did not arrive, and goes on`() throws {
        try NetworkNamespace.runInFresh {
            try NetlinkFixture.shell(
                """
                ip link set lo up && ip address add 192.0.2.1/32 dev lo && ip address add 192.0.2.9/32 dev lo
                sysctl -qw net.ipv4.icmp_ratelimit=0
                """
            )
            // Only one of the two addresses has the port.
            let socket = try ControlSocket(port: 4_342, address: IPAddress("192.0.2.1"), mark: nil)
            let receiver = ControlSocket.Receiver(socket)
            let (own, closed) = (try #require(IPAddress("192.0.2.1")), try #require(IPAddress("192.0.2.9")))
            for _ in 0..<5 {
                try socket.send([1], to: Endpoint(closed, 4_342))
                try socket.send([2], to: Endpoint(closed, 4_343))
                try socket.send([3], to: Endpoint(own, 4_342))
            }
            var datagrams: [ReceivedDatagram] = []
            var unreachable: Set<IPAddress> = []
            for _ in 0..<100 where datagrams.count < 5 || unreachable.isEmpty {
                datagrams += receiver.receive()
                unreachable.formUnion(receiver.receiveUnreachable(port: 4_342))
                usleep(2_000)
            }
            #expect(datagrams.map(\.payload) == [[UInt8]](repeating: [3], count: 5))
            #expect(unreachable == [closed])
            #expect(receiver.receiveUnreachable(port: 4_342) == [])
        }
    }

    static let far: [(next: String, target: String)] = [
        ("192.0.2.2", "198.51.100.2"), ("2001:db8:f::2", "2001:db8:5::2"),
    ]

    @Test(arguments: far) func `a smaller interface and a smaller path are reported with their MTU`(
        next: String,
        target: String
    ) throws {
        try NetworkNamespace.runInFresh {
            let first = try NetworkNamespace()
            try NetlinkFixture.shell("ip link add far type veth peer name near")
            try NetworkNamespace.runInFresh {
                let second = try NetworkNamespace()
                let path = "/proc/\(getpid())/fd/\(second.descriptor)"
                _ = try first.run { try NetlinkFixture.shell("ip link set near netns \(path)") }
                try NetlinkFixture.shell(
                    """
                    sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
                    ip link add small type veth peer name other; ip link set other up; ip link set small mtu 1300 up
                    ip address add 192.0.2.2/24 dev near; ip address add 2001:db8:f::2/64 dev near nodad
                    ip address add 198.51.100.1/24 dev small; ip address add 2001:db8:5::1/64 dev small nodad
                    ip link set near up
                    ip neigh add 198.51.100.2 lladdr 02:00:00:00:00:02 dev small
                    ip neigh add 2001:db8:5::2 lladdr 02:00:00:00:00:02 dev small
                    """
                )
                let found = try first.run {
                    try NetlinkFixture.shell(
                        """
                        ip link set lo up; ip link set far up mtu 1500
                        ip address add 192.0.2.1/24 dev far; ip address add 2001:db8:f::1/64 dev far nodad
                        ip route add 198.51.100.0/24 via 192.0.2.2; ip route add 2001:db8:5::/64 via 2001:db8:f::2
                        """
                    )
                    let destination = Endpoint(try #require(IPAddress(target)), 4_341)
                    let probe = try Probe(destination.address.family)
                    let headers = destination.address.family == .ipv4 ? 28 : 48
                    // The way may take a moment to open.
                    var path: [Probe.Report] = []
                    for _ in 0..<50 where path.isEmpty {
                        _ = probe.send(1_301 - headers, to: destination)
                        usleep(20_000)
                        path = probe.read().filter { $0.finding != .unreachable }
                    }
                    let interface = probe.send(1_501 - headers, to: destination)
                    return (path.first, interface, probe.read())
                }
                let (report, sent, local) = found
                #expect(report?.finding == .packetTooBig(mtu: 1_300))
                #expect(report?.destination == Endpoint(try #require(IPAddress(target)), 4_341))
                #expect(report?.quote.allSatisfy { $0 == 7 } == true)
                #expect(sent == -Int(EMSGSIZE))
                // It was tried again, since it might have been an error about an earlier datagram.
                #expect(local.count > 1 && local.count <= 8)
                #expect(local.allSatisfy { $0.finding == .exceedsInterface(mtu: 1_500) })
                #expect(local.first?.destination.address == IPAddress(target))
            }
        }
    }
}

/// What becomes of the kernel's news.
@Suite(.enabled(if: NetlinkFixture.canRun, NetlinkFixture.reason)) struct HostNewsTests {
    @Test func `links, addresses and routes change ways; our own routes and repetitions do not`() throws {
        try NetlinkFixture.inRouter {
            let monitor = try NetlinkMonitor()
            var reader = HostNewsReader()
            func news(_ command: String) throws -> HostNews {
                try NetlinkFixture.shell(command)
                var events: [NetlinkEvent] = []
                for _ in 0..<20 {
                    events += try monitor.readEvents()
                    usleep(2_000)
                }
                return reader.read(events)
            }
            let all = HostNewsReader.everything
            #expect(try news("ip link set eth0 down").changedPaths == all)
            #expect(try news("ip link set eth0 up && ip route replace default via 192.0.2.254").changedPaths == all)
            // News of the link, but nothing that matters to ways.
            let renamed = try news("ip link set eth0 alias core")
            #expect(renamed.concernsHost)
            #expect(renamed.changedPaths == [])
            #expect(
                try news("ip route add 198.51.100.0/24 via 192.0.2.254").changedPaths
                    == [try NetlinkFixture.prefix("198.51.100.0/24")]
            )
            #expect(
                try news("ip route del 198.51.100.0/24").changedPaths == [try NetlinkFixture.prefix("198.51.100.0/24")]
            )
            #expect(try news("ip route add 198.51.100.0/24 via 192.0.2.254 proto 216").isEmpty)
            #expect(try news("ip address add 192.0.2.77/24 dev eth0").changedPaths == all)
            #expect(
                try news("ip address change 192.0.2.77/24 dev eth0 valid_lft 500 preferred_lft 400").changedPaths == []
            )
            #expect(try news("ip address del 192.0.2.77/24 dev eth0").changedPaths == all)
            #expect(try news("ip link del eth1").changedPaths == all)
        }
    }

    @Test func `after an overrun, what was known before is news`() throws {
        try NetlinkFixture.inRouter {
            let monitor = try NetlinkMonitor()
            try NetlinkFixture.shell("ip address add 192.0.2.77/24 dev eth0; ip link set eth0 alias core")
            var events: [NetlinkEvent] = []
            for _ in 0..<20 {
                events += try monitor.readEvents()
                usleep(2_000)
            }
            // One alone: the carrier may have come and gone meanwhile.
            let links = Array(events.filter { if case .link = $0 { true } else { false } }.suffix(1))
            let addresses = events.filter { if case .address = $0 { true } else { false } }
            for known in [links, addresses] {
                #expect(!known.isEmpty)
                var reader = HostNewsReader()
                let first = reader.read(known)
                let repeated = reader.read(known)
                let overrun = reader.read([.overrun])
                let afterwards = reader.read(known)
                #expect(first.changedPaths == HostNewsReader.everything)
                #expect(repeated.changedPaths == [])
                #expect(overrun.concernsHost)
                #expect(overrun.changedPaths == HostNewsReader.everything)
                #expect(afterwards.changedPaths == HostNewsReader.everything)
            }
        }
    }
}
