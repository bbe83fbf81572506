import Glibc
import LISPWire
import LinuxNetwork
import Testing

@Suite struct OtherProcessTests {
    private let itself = OtherProcess(pid: getpid())

    @Test func `sees processor time pass while this process works, and this thread's`() throws {
        let before = try #require(itself.processorTime)
        let threadBefore = threadProcessorTime()
        var sum: UInt64 = 0
        while threadProcessorTime() - threadBefore < 20_000_000 { sum &+= 1 }
        let after = try #require(itself.processorTime)
        #expect(sum > 0)
        #expect(after.nanoseconds - before.nanoseconds >= 20_000_000)
        #expect(after.userTicks >= before.userTicks && after.systemTicks >= before.systemTicks)
    }

    @Test func `sees memory in use`() throws {
        #expect(try #require(itself.residentOctets) > 1 << 20)
    }

    @Test func `sees what waits in a socket, and what found no room`() throws {
        let socket = try UDPSocket(family: .ipv4, mark: nil)
        socket.setBuffers(receive: 4096)
        try socket.bind(to: .v4(IPv4Address(0x7f00_0001)), port: 0)
        #expect(itself.udpQueue(port: socket.localPort) == OtherProcess.UDPQueue())
        let sender = try UDPSocket(family: .ipv4, mark: nil)
        let name = SocketAddress(Endpoint(.v4(IPv4Address(0x7f00_0001)), socket.localPort)).withBytes { Array($0) }
        let payload: [UInt8] = Array(repeating: 1, count: 1000)
        for _ in 0..<100 {
            var batch = SendBatch(family: .ipv4, capacity: 1)
            payload.withUnsafeBytes { payload in
                name.withUnsafeBytes { name in
                    batch.add(payload: payload, to: name, tos: 0, ttl: 64, from: nil)
                    #expect(batch.send(on: sender.descriptor, from: 0) == 1)
                }
            }
        }
        let queue = try #require(itself.udpQueue(port: socket.localPort))
        #expect(queue.waiting > 1000)
        #expect(queue.drops > 0 && queue.drops < 100)
    }

    @Test func `knows nothing of a process that is not there`() {
        let nobody = OtherProcess(pid: 0x3fff_ffff)
        #expect(nobody.processorTime == nil)
        #expect(nobody.residentOctets == nil)
        #expect(nobody.udpQueue(port: 4342) == nil)
    }
}
