// Takes what a traffic generator sends, many datagrams in a system call, and says what came of it.

import Glibc
import LISPWire
import LinuxNetwork

/// What came. `lispd-bench traffic receive` prints it as JSON.
struct TrafficReceived: Codable {
    /// Datagrams, each counted once, and their payload.
    var packets = 0
    var octets = 0
    /// From the first to the last.
    var seconds = 0.0
    /// The receiver's own.
    var processorSeconds = 0.0
    var flows = 0
    /// Datagrams that came again, and those that came after a later one of their flow.
    var duplicates = 0
    var outOfOrder = 0
    /// Datagrams of another run, or of nobody's.
    var strangers = 0
    /// Octets of the receive buffer, by the kernel's bookkeeping.
    var receiveBuffer = 0
}

final class TrafficReceiver {
    private static let socketBuffer: Int32 = 64 << 20
    /// Before the buffer is looked into again, microseconds: it has room for far more, and to be woken for each datagram takes time
    /// from what is measured.
    private static let pause: UInt32 = 1_000
    /// After the sender has said that this was all, and nothing came for so many seconds, nothing will.
    private static let quietAfterEnd = 0.1

    private let socket: UDPSocket
    private let readiness: ReadinessSet
    private let buffers = DatagramBuffers()

    /// At a port of every address of the family.
    init(_ family: AddressFamily, port: UInt16) throws {
        socket = try UDPSocket(family: family, mark: nil)
        socket.setBuffers(receive: Self.socketBuffer)
        try socket.bind(port: port)
        readiness = try ReadinessSet()
        try readiness.add(socket.descriptor, tag: 0)
    }

    /// Receives until the sender has said that this was all; or, where that was lost, until nothing of the run has come for `quiet`
    /// seconds, or nothing at all for `patience`.
    func receive(run: UInt32, quiet: Double, patience: Double) -> TrafficReceived {
        var account = TrafficAccount(run: run)
        let clock = ContinuousClock()
        let begin = clock.now
        let beginProcessor = threadProcessorTime()
        var first: ContinuousClock.Instant?
        var last = begin
        while true {
            // Before the buffer is looked into: what was in it by then is not missed if this thread is held up.
            let now = clock.now
            let before = account.packets + account.duplicates
            while true {
                let count = buffers.batch.receive(from: socket.descriptor)
                for index in 0..<count { account.note(buffers[index]) }
                guard count > 0 else { break }
            }
            if account.packets + account.duplicates > before {
                first = first ?? now
                last = now
            } else if (now - last).inSeconds
                > (account.hasEnded ? Self.quietAfterEnd : first == nil ? patience : quiet)
            {
                break
            }
            withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 1) { tags in
                _ = readiness.wait(tags, timeout: 20)
            }
            usleep(Self.pause)
        }
        return TrafficReceived(
            packets: account.packets,
            octets: account.octets,
            seconds: first.map { (last - $0).inSeconds } ?? 0,
            processorSeconds: Double(threadProcessorTime() - beginProcessor) / 1e9,
            flows: account.flowCount,
            duplicates: account.duplicates,
            outOfOrder: account.outOfOrder,
            strangers: account.strangers,
            receiveBuffer: socket.receiveBufferSize
        )
    }
}
