// Sends prepared messages and collects what comes back, many in a system call, with no more of them outstanding than a window
// allows: as fast as the other side takes them, and never faster than its socket has room for.

import Glibc
import LISPWire
import LinuxNetwork

/// A socket that sends from any local address to one destination.
final class LoadExchange {
    /// What one call of `run` came to.
    struct Outcome {
        var sent = 0
        var seconds = 0.0
        /// Processor time of this thread.
        var processorSeconds = 0.0
    }

    /// Silence after which what is outstanding counts as lost.
    private static let patience = Duration.seconds(3)
    /// Octets of each socket buffer: room for thousands of messages.
    private static let socketBuffer: Int32 = 16 << 20

    private let socket: UDPSocket
    private let destination: [UInt8]
    private let readiness: ReadinessSet
    private let buffers = DatagramBuffers()
    private var sending = SendBatch(family: .ipv4, capacity: DatagramBuffers.count)

    /// - Parameter port: to send from; 0 for any free one.
    init(to destination: Endpoint, port: UInt16 = 0) throws {
        socket = try UDPSocket(family: .ipv4, mark: nil)
        socket.setBuffers(receive: Self.socketBuffer, send: Self.socketBuffer)
        try socket.bind(port: port)
        self.destination = SocketAddress(destination).withBytes { Array($0) }
        readiness = try ReadinessSet()
        try readiness.add(socket.descriptor, tag: 0)
    }

    var port: UInt16 { socket.localPort }

    /// Sends all messages and waits for the answers.
    ///
    /// - Parameters:
    ///   - window: the most messages without an answer at any time.
    ///   - rate: messages a second at most; `nil` for no limit but the window.
    func run(
        _ messages: PreparedMessages,
        into answers: inout CollectedAnswers,
        window: Int,
        rate: Double?
    ) throws -> Outcome {
        var outcome = Outcome()
        var lost = 0
        let clock = ContinuousClock()
        let begin = clock.now
        let beginProcessor = threadProcessorTime()
        var heard = begin
        // Sending one by one as answers trickle in would cost a system call each.
        let worthwhile = min(DatagramBuffers.count / 2, window)
        while true {
            let left = messages.count - outcome.sent
            let outstanding = outcome.sent - answers.answered - lost
            if left == 0, outstanding <= 0 { break }
            var room = min(left, window - outstanding, DatagramBuffers.count)
            if let rate {
                room = min(room, Int((clock.now - begin).inSeconds * rate) - outcome.sent)
            }
            let sends = room > 0 && room >= min(worthwhile, left)
            if sends {
                try send(messages, outcome.sent..<outcome.sent + room)
                outcome.sent += room
            }
            if receive(into: &answers, sent: outcome.sent) {
                heard = clock.now
            } else if !sends {
                wait()
                if outstanding == 0 {
                    heard = clock.now
                } else if clock.now - heard > Self.patience {
                    lost = outcome.sent - answers.answered
                    heard = clock.now
                }
            }
        }
        outcome.seconds = (clock.now - begin).inSeconds
        outcome.processorSeconds = Double(threadProcessorTime() - beginProcessor) / 1e9
        return outcome
    }

    /// Sends without a window.
    func sendAll(_ messages: PreparedMessages) throws {
        var start = 0
        while start < messages.count {
            let end = min(start + DatagramBuffers.count, messages.count)
            try send(messages, start..<end)
            start = end
        }
    }

    /// Reads away what has come, and tells how many datagrams that were.
    func discard() -> Int {
        var count = 0
        while true {
            let received = buffers.batch.receive(from: socket.descriptor)
            guard received > 0 else { return count }
            count += received
        }
    }

    private func send(_ messages: PreparedMessages, _ range: Range<Int>) throws {
        try messages.octets.withUnsafeBytes { octets in
            try messages.sources.withUnsafeBufferPointer { sources in
                try destination.withUnsafeBytes { destination in
                    sending.clear()
                    for index in range {
                        let payload = octets[messages.bounds[index]..<messages.bounds[index + 1]]
                        sending.add(
                            payload: UnsafeRawBufferPointer(rebasing: payload),
                            to: destination,
                            tos: 0,
                            ttl: 64,
                            from: sources.baseAddress.map { UnsafeRawPointer($0 + index) }
                        )
                    }
                    try flush()
                }
            }
        }
    }

    /// What was added leaves; waits while the kernel has no room.
    private func flush() throws {
        var sent = 0
        while sent < sending.count {
            let count = sending.send(on: socket.descriptor, from: sent)
            if count >= 0 {
                sent += count
            } else if errno == EAGAIN || errno == ENOBUFS {
                usleep(100)
            } else {
                throw LinuxError.system(
                    operation: "send (are the population's addresses local? ip route add local 198.18.0.0/15 dev lo)",
                    errno: errno
                )
            }
        }
    }

    /// Whether anything came.
    private func receive(into answers: inout CollectedAnswers, sent: Int) -> Bool {
        let count = buffers.batch.receive(from: socket.descriptor)
        for index in 0..<count {
            answers.take(buffers[index], sent: sent)
        }
        return count > 0
    }

    private func wait() {
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 1) { tags in
            _ = readiness.wait(tags, timeout: 1)
        }
    }
}

extension Duration {
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
