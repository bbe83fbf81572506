// UDP over loopback, in a namespace of its own: addresses, traffic fields, checksums, ports in use.

import Glibc
import LISPWire
import LinuxNetwork
import Testing

@Suite(.enabled(if: NetlinkFixture.canRun, NetlinkFixture.reason)) struct UDPSocketTests {
    /// A namespace whose loopback has an address beside the usual ones, in both families.
    func inLoopback(_ body: () throws -> Void) throws {
        try NetworkNamespace.runInFresh {
            try NetlinkFixture.shell(
                """
                ip link set lo up && ip address add 192.0.2.1/32 dev lo \
                && ip address add 2001:db8::1/128 dev lo nodad
                """
            )
            try body()
        }
    }

    func waitFor(_ receiver: borrowing ControlSocket.Receiver, count: Int = 1) -> [ReceivedDatagram] {
        var datagrams: [ReceivedDatagram] = []
        for _ in 0..<200 where datagrams.count < count {
            datagrams += receiver.receive()
            if datagrams.count < count { usleep(5_000) }
        }
        return datagrams
    }

    @Test func `a datagram tells where it came from and what address it was sent to`() throws {
        try inLoopback {
            let server = try ControlSocket(port: 4342)
            let client = try ControlSocket(port: 0)
            let receiver = ControlSocket.Receiver(server)
            for (from, to) in [("127.0.0.1", "192.0.2.1"), ("2001:db8::1", "::1"), ("192.0.2.1", "127.0.0.1")] {
                let source = try #require(IPAddress(from))
                let destination = try #require(IPAddress(to))
                try client.send([1, 2, 3], to: Endpoint(destination, 4342), from: source)
                let expected = ReceivedDatagram(
                    payload: [1, 2, 3],
                    source: Endpoint(source, client.port),
                    destination: destination
                )
                #expect(waitFor(receiver) == [expected])
            }
        }
    }

    @Test func `what a sender collects leaves in order, from the addresses given, and a failure holds up nothing else`()
        throws
    {
        try inLoopback {
            let server = try ControlSocket(port: 4342)
            let client = try ControlSocket(port: 0)
            let receiver = ControlSocket.Receiver(server)
            var sender = ControlSocket.Sender(client, batchSize: 4)
            let local = try #require(IPAddress("192.0.2.1"))
            let local6 = try #require(IPAddress("2001:db8::1"))
            let foreign = try #require(IPAddress("203.0.113.1"))
            var failures: [ControlSocket.Sender.Failure] = []
            for number: UInt8 in 0..<11 {
                failures += sender.add([number], to: Endpoint(local, 4342), from: number == 5 ? foreign : local)
                failures += sender.add([100 + number], to: Endpoint(local6, 4342), from: number == 6 ? local : local6)
            }
            failures += sender.flush()
            let received = waitFor(receiver, count: 20)
            #expect(
                received.filter { $0.source.address == local }.map(\.payload)
                    == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10].map { [$0] }
            )
            #expect(
                received.filter { $0.source.address == local6 }.map(\.payload)
                    == [100, 101, 102, 103, 104, 105, 107, 108, 109, 110].map { [$0] }
            )
            #expect(failures.map(\.destination.address.family).sorted() == [.ipv4, .ipv6])
            #expect(sender.flush().isEmpty)
        }
    }

    @Test func `a sender takes the largest datagram there is`() throws {
        try inLoopback {
            let server = try ControlSocket(port: 4342)
            let client = try ControlSocket(port: 0)
            let receiver = ControlSocket.Receiver(server)
            var sender = ControlSocket.Sender(client)
            let large = [UInt8](repeating: 7, count: 65_507)
            let to = Endpoint(try #require(IPAddress("192.0.2.1")), 4342)
            for payload in [[1], large, large, [2]] { #expect(sender.add(payload, to: to).isEmpty) }
            #expect(sender.flush().isEmpty)
            #expect(waitFor(receiver, count: 4).map(\.payload.count) == [1, 65_507, 65_507, 1])
            #expect(sender.add([UInt8](repeating: 7, count: 200_000), to: to).count == 1)
        }
    }

    @Test(arguments: AddressFamily.allCases)
    func `many messages of a sender for one peer leave as trains, a few singly, each in its order`(
        family: AddressFamily
    ) throws {
        try inLoopback {
            let merging = try UDPSocket(family: family)
            #expect(merging.receiveTrains())
            try merging.receiveTrafficFields()
            try merging.bind(port: 4343)
            let server = try ControlSocket(port: 4342)
            let client = try ControlSocket(port: 0)
            let receiver = ControlSocket.Receiver(server)
            var sender = ControlSocket.Sender(client)
            let local = try #require(IPAddress(family == .ipv4 ? "192.0.2.1" : "2001:db8::1"))
            let other = try #require(IPAddress(family == .ipv4 ? "127.0.0.1" : "::1"))
            // In turn to a socket that shows trains as they come, and to another port and from another address.
            let trains = Array(repeating: 100, count: 8) + [30, 40, 50, 50, 0, 0, 7]
            for (number, count) in trains.enumerated() {
                let payload = [UInt8](repeating: UInt8(number), count: count)
                #expect(sender.add(payload, to: Endpoint(local, 4343), from: local).isEmpty)
                #expect(sender.add(payload, to: Endpoint(local, 4342), from: local).isEmpty)
                #expect(sender.add([UInt8(number)], to: Endpoint(local, 4342), from: other).isEmpty)
            }
            #expect(sender.flush().isEmpty)
            let received = ReceiveBatch(capacity: 16)
            let buffers = UnsafeMutableRawBufferPointer.allocate(byteCount: 16 * 1_024, alignment: 8)
            defer { buffers.deallocate() }
            for index in 0..<16 {
                let room = buffers[index * 1_024..<index * 1_024 + 1_024]
                received.setBuffer(index, UnsafeMutableRawBufferPointer(rebasing: room))
            }
            let count = received.receive(from: merging.descriptor)
            #expect((0..<count).map { received.length($0) } == [830, 40, 50, 50, 0, 0, 7])
            #expect((0..<count).map { received.trafficFields($0).segmentSize } == [100, 0, 0, 0, 0, 0, 0])
            let first: [UInt8] = trains[..<9].enumerated().flatMap { [UInt8](repeating: UInt8($0), count: $1) }
            #expect(buffers[..<830].elementsEqual(first))
            let singly = waitFor(receiver, count: 2 * trains.count)
            #expect(singly.filter { $0.source.address == local }.map(\.payload.count) == trains)
            #expect(singly.filter { $0.source.address == other }.map(\.payload) == trains.indices.map { [UInt8($0)] })
        }
    }

    @Test(arguments: AddressFamily.allCases)
    func `more than a train takes goes in several, and what no train takes goes singly`(family: AddressFamily) throws {
        try inLoopback {
            try NetlinkFixture.shell("ip link set lo mtu 1500")
            let server = try ControlSocket(port: 4342)
            let client = try ControlSocket(port: 0)
            let receiver = ControlSocket.Receiver(server, batchSize: 256)
            var sender = ControlSocket.Sender(client, batchSize: 128)
            let to = Endpoint(try #require(IPAddress(family == .ipv4 ? "192.0.2.1" : "2001:db8::1")), 4342)
            // Larger than the interface takes at once, then many small ones, then more octets than a packet has.
            let sizes =
                Array(repeating: 2000, count: 8) + [1900] + Array(repeating: 60, count: 100)
                + Array(repeating: 1400, count: 24)
            for _ in 0..<5 {
                for size in sizes { #expect(sender.add([UInt8](repeating: 1, count: size), to: to).isEmpty) }
                #expect(sender.flush().isEmpty)
                #expect(waitFor(receiver, count: sizes.count).map(\.payload.count) == sizes)
            }
            // Nobody is there: of each it is said.
            let away = Endpoint(try #require(IPAddress(family == .ipv4 ? "203.0.113.1" : "2001:db8:1::1")), 4342)
            for _ in 0..<3 { #expect(sender.add([1, 2], to: away).isEmpty) }
            #expect(sender.add([3], to: to).isEmpty)
            #expect(sender.flush().map(\.destination) == [away, away, away])
            #expect(waitFor(receiver).map(\.payload) == [[3]])
        }
    }

    @Test func `buffers are as the kernel granted them`() throws {
        try inLoopback {
            let socket = try UDPSocket(family: .ipv4)
            socket.setBuffers(receive: 65_536, send: 32_768)
            // The kernel doubles what is asked for (socket(7)).
            #expect(socket.receiveBufferSize == 131_072)
            #expect(socket.sendBufferSize == 65_536)
            let control = try ControlSocket(port: 0, address: IPAddress("127.0.0.1"))
            #expect(try #require(control.sendBufferSize(.ipv4)) > 0)
            #expect(control.receiveBufferSize(.ipv6) == nil)
        }
    }

    @Test func `many datagrams and large ones arrive whole`() throws {
        try inLoopback {
            let server = try ControlSocket(port: 4342)
            let client = try ControlSocket(port: 0)
            let receiver = ControlSocket.Receiver(server, batchSize: 8)
            let destination = Endpoint(.v6(IPv6Address(1)), 4342)
            for size in 0..<50 { try client.send([UInt8](repeating: 7, count: size * 1_000), to: destination) }
            #expect(waitFor(receiver, count: 50).map(\.payload.count) == (0..<50).map { $0 * 1_000 })
            #expect(receiver.receive().isEmpty)
        }
    }

    @Test func `a port in use is an error of its own that names the port`() throws {
        try inLoopback {
            let holder = try ControlSocket(port: 4342)
            #expect(holder.port == 4342)
            #expect(throws: LinuxError.portInUse(address: "any IPv4 address", port: 4342)) {
                try ControlSocket(port: 4342)
            }
            // Also when only IPv6 is taken.
            let onlyIPv6 = try UDPSocket(family: .ipv6)
            try onlyIPv6.bind(port: 4343)
            #expect(throws: LinuxError.portInUse(address: "any IPv6 address", port: 4343)) {
                try ControlSocket(port: 4343)
            }
        }
    }

    @Test func `a source that is no local address, or of the other family, is refused`() throws {
        try inLoopback {
            let client = try ControlSocket(port: 0)
            let loopback = Endpoint(.v4(IPv4Address(0x7f00_0001)), 9)
            #expect(throws: LinuxError.self) { try client.send([1], to: loopback, from: IPAddress("198.51.100.1")) }
            #expect(throws: LinuxError.self) { try client.send([1], to: loopback, from: IPAddress("::1")) }
        }
    }

    @Test(arguments: AddressFamily.allCases) func `TOS and TTL travel with each datagram`(family: AddressFamily) throws
    {
        try inLoopback {
            let receiving = try UDPSocket(family: family)
            try receiving.receiveTrafficFields()
            try receiving.receiveDestinations()
            try receiving.bind(port: 4341)
            let sending = try UDPSocket(family: family)
            try sending.neverFragment()
            let loopback: IPAddress = family == .ipv4 ? .v4(IPv4Address(0x7f00_0001)) : .v6(IPv6Address(1))
            let name = SocketAddress(Endpoint(loopback, 4341))
            var batch = SendBatch(family: family, capacity: 8)
            let payload: [UInt8] = [1, 2, 3, 4]
            let fields: [(tos: UInt8, ttl: UInt8)] = [(0, 1), (0xb9, 255), (3, 64), (0xfc, 17)]
            let sent = payload.withUnsafeBytes { payload in
                name.withBytes { name in
                    for (tos, ttl) in fields { batch.add(payload: payload, to: name, tos: tos, ttl: ttl, from: nil) }
                    return batch.send(on: sending.descriptor, from: 0)
                }
            }
            #expect(sent == 4)
            let received = ReceiveBatch(capacity: 8)
            let buffers = UnsafeMutableRawBufferPointer.allocate(byteCount: 8 * 64, alignment: 8)
            defer { buffers.deallocate() }
            for index in 0..<8 {
                received.setBuffer(
                    index,
                    UnsafeMutableRawBufferPointer(rebasing: buffers[index * 64..<index * 64 + 64])
                )
            }
            #expect(received.receive(from: receiving.descriptor) == 4)
            for (index, field) in fields.enumerated() {
                #expect(received.length(index) == 4)
                #expect(received.trafficFields(index).tos == field.tos)
                #expect(received.trafficFields(index).ttl == field.ttl)
                #expect(received.destination(index) == loopback)
                #expect(SocketAddress.endpoint(received.source(index))?.address == loopback)
            }
            #expect(received.receive(from: receiving.descriptor) == 0)
        }
    }

    @Test(arguments: AddressFamily.allCases) func `a train arrives as one, or datagram by datagram where not asked for`(
        family: AddressFamily
    ) throws {
        try inLoopback {
            let merging = try UDPSocket(family: family)
            try merging.receiveTrafficFields()
            try merging.receiveDestinations()
            #expect(merging.receiveTrains())
            try merging.bind(port: 4341)
            let plain = try UDPSocket(family: family)
            try plain.receiveTrafficFields()
            try plain.bind(port: 4343)
            let sending = try UDPSocket(family: family)
            #expect(sending.canSendTrains)
            try sending.neverFragment()
            let loopback: IPAddress = family == .ipv4 ? .v4(IPv4Address(0x7f00_0001)) : .v6(IPv6Address(1))
            let source = loopback.family == .ipv4 ? [127, 0, 0, 1] : [UInt8](repeating: 0, count: 15) + [1]
            let octets = (0..<250).map { UInt8($0) }
            let buffers = UnsafeMutableRawBufferPointer.allocate(byteCount: 8 * 512, alignment: 8)
            defer { buffers.deallocate() }
            func slot(_ index: Int) -> UnsafeMutableRawBufferPointer {
                UnsafeMutableRawBufferPointer(rebasing: buffers[index * 512..<index * 512 + 512])
            }
            let received = ReceiveBatch(capacity: 8)
            for index in 0..<8 { received.setBuffer(index, slot(index)) }
            var batch = SendBatch(family: family, capacity: 8)
            for (port, lengths) in [(4341, [10, 250, 20]), (4343, [10, 100, 100, 50, 20])] as [(UInt16, [Int])] {
                let name = SocketAddress(Endpoint(loopback, port))
                batch.clear()
                octets.withUnsafeBytes { octets in
                    name.withBytes { name in
                        source.withUnsafeBytes { source in
                            func part(_ range: Range<Int>) -> UnsafeRawBufferPointer { .init(rebasing: octets[range]) }
                            batch.add(payload: part(0..<10), to: name, tos: 0, ttl: 9, from: nil)
                            batch.add(payload: part(0..<100), to: name, tos: 0xb8, ttl: 7, from: source.baseAddress)
                            batch.extendLast(payload: part(100..<200))
                            batch.extendLast(payload: part(200..<250))
                            batch.add(payload: part(0..<20), to: name, tos: 4, ttl: 8, from: nil)
                            #expect(batch.count == 3)
                            #expect(batch.send(on: sending.descriptor, from: 0) == 3)
                        }
                    }
                }
                let descriptor = port == 4341 ? merging.descriptor : plain.descriptor
                #expect(received.receive(from: descriptor, limit: 1) == 1)
                #expect(received.length(0) == 10)
                #expect(received.receive(from: descriptor) == lengths.count - 1)
                let found = (0..<lengths.count - 1).map { received.length($0) }
                #expect(found == Array(lengths.dropFirst()))
                var whole: [UInt8] = []
                for index in 0..<lengths.count - 2 {
                    let fields = received.trafficFields(index)
                    #expect(fields.tos == 0xb8 && fields.ttl == 7)
                    #expect(fields.segmentSize == (port == 4341 ? 100 : 0))
                    whole += slot(index)[..<received.length(index)]
                    if port == 4341 { #expect(received.destination(index) == loopback) }
                }
                #expect(whole == octets)
                #expect(received.trafficFields(lengths.count - 2).segmentSize == 0)
                #expect(received.trafficFields(lengths.count - 2).tos == 4)
            }
        }
    }

    @Test func `zero checksums over IPv6 reach port 4341 and not port 4342`() throws {
        try inLoopback {
            let data = try UDPSocket(family: .ipv6)
            try data.acceptZeroChecksums()
            try data.bind(port: 4341)
            let control = try ControlSocket(port: 4342)
            let receiver = ControlSocket.Receiver(control)
            let sending = try UDPSocket(family: .ipv6)
            try sending.sendZeroChecksums()
            let destination = IPAddress.v6(IPv6Address(1))
            for port in [4341, 4342] as [UInt16] {
                let name = SocketAddress(Endpoint(destination, port))
                var batch = SendBatch(family: .ipv6, capacity: 1)
                let payload: [UInt8] = [9]
                payload.withUnsafeBytes { payload in
                    name.withBytes { name in
                        batch.add(payload: payload, to: name, tos: 0, ttl: 64, from: nil)
                        #expect(batch.send(on: sending.descriptor, from: 0) == 1)
                    }
                }
            }
            try ControlSocket(port: 0).send([8], to: Endpoint(destination, 4342))
            #expect(waitFor(receiver).map(\.payload) == [[8]])
            var octet: UInt8 = 0
            #expect(recv(data.descriptor, &octet, 1, 0) == 1)
            #expect(octet == 9)
        }
    }

    @Test func `a socket that receives nothing keeps nothing`() throws {
        try inLoopback {
            let deaf = try UDPSocket(family: .ipv4)
            try deaf.bind(port: 50_000)
            try deaf.receiveNothing()
            try ControlSocket(port: 0).send([1], to: Endpoint(.v4(IPv4Address(0x7f00_0001)), 50_000))
            usleep(20_000)
            var octet: UInt8 = 0
            #expect(recv(deaf.descriptor, &octet, 1, 0) == -1)
            #expect(errno == EAGAIN)
        }
    }

    @Test func `every socket carries the mark`() throws {
        try inLoopback {
            let socket = try UDPSocket(family: .ipv4)
            var mark: UInt32 = 0
            var length = socklen_t(4)
            #expect(getsockopt(socket.descriptor, SOL_SOCKET, 36, &mark, &length) == 0)
            #expect(mark == 0x4c49_5350)
        }
    }

    @Test func `errors say what was attempted and why it failed`() {
        let error = LinuxError.system(operation: "bind UDP port 7", errno: EACCES)
        #expect(error.description == "bind UDP port 7: Permission denied")
        #expect(LinuxError.portInUse(address: "192.0.2.1", port: 4341).description.contains("4341"))
    }
}
