// What sends back what it gets in the place of a Map-Server. As a thread of the load generator it shows that one's ceiling; as a process
// of its own, what the system calls alone cost.

import LISPWire
import LinuxNetwork
import Synchronization

/// Answers on a port until it is stopped.
final class EchoThread: Sendable {
    let endpoint: Endpoint
    private let socket: UDPSocket
    private let skipped: Int
    private let isStopped = Atomic(false)

    /// - Parameters:
    ///   - skipped: octets at the start of each message that the answer leaves out: an encapsulation.
    ///   - address: the local address.
    ///   - port: 0 for any.
    init(skipping skipped: Int, at address: IPv4Address = IPv4Address(0x7f00_0001), port: UInt16 = 0) throws {
        socket = try UDPSocket(family: .ipv4, mark: nil)
        socket.setBuffers(receive: 4 << 20, send: 4 << 20)
        try socket.bind(to: .v4(address), port: port)
        endpoint = Endpoint(.v4(address), socket.localPort)
        self.skipped = skipped
    }

    /// Runs `body` while the thread answers.
    func whileRunning<Result>(_ body: () throws -> Result) throws -> Result {
        let thread = try SystemThread(name: "echo") { self.answer() }
        defer {
            isStopped.store(true, ordering: .relaxed)
            thread.join()
        }
        return try body()
    }

    func answer() {
        guard let readiness = try? ReadinessSet(), (try? readiness.add(socket.descriptor, tag: 0)) != nil
        else { return }
        let buffers = DatagramBuffers()
        var sending = SendBatch(family: .ipv4, capacity: DatagramBuffers.count)
        while !isStopped.load(ordering: .relaxed) {
            let count = buffers.batch.receive(from: socket.descriptor)
            guard count > 0 else {
                withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 1) { tags in
                    _ = readiness.wait(tags, timeout: 20)
                }
                continue
            }
            sending.clear()
            for index in 0..<count {
                let payload = buffers[index]
                sending.add(
                    payload: UnsafeRawBufferPointer(rebasing: payload[min(skipped, payload.count)...]),
                    to: buffers.batch.source(index),
                    tos: 0,
                    ttl: 64,
                    from: nil
                )
            }
            var sent = 0
            while sent < count {
                let taken = sending.send(on: socket.descriptor, from: sent)
                guard taken > 0 else { break }
                sent += taken
            }
        }
    }
}
