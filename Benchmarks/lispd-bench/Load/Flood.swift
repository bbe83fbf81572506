// Sends forged messages as fast as the other side reads them: what waits in its socket is looked at, so that none is lost for
// want of room and every one is judged.

import Glibc
import LISPWire
import LinuxNetwork

/// What a flood came to. `lispd-bench load forge` prints it as JSON.
struct FloodReport: Codable {
    /// Messages of each kind.
    var sent: [String: Int] = [:]
    /// Datagrams that came back.
    var received = 0
    var seconds = 0.0
    /// Messages a second.
    var rate = 0.0
    var server: LoadReport.Server?
}

struct Flood {
    /// Octets, by the kernel's bookkeeping, that may wait in the other side's socket: some hundreds of messages.
    private static let queueLimit = 512 << 10
    private static let burst = 256
    /// The other side reads nothing for so long: it hangs, or is gone.
    private static let patience = Duration.seconds(10)

    let count: Int
    let server: OtherProcess
    let port: UInt16

    func run(_ forger: some Forger, over exchange: LoadExchange) throws -> FloodReport {
        var forger = forger
        let kinds = forger.kinds
        var sent = Array(repeating: 0, count: kinds.count)
        var report = FloodReport()
        guard let before = server.processorTime, let dropsBefore = server.udpQueue(port: port)?.drops else {
            throw Unexpected("there is no process \(server.pid) with a socket on UDP port \(port)")
        }
        let residentBefore = server.residentOctets
        let clock = ContinuousClock()
        let begin = clock.now
        var number = 0
        while number < count {
            let end = min(number + Self.burst, count)
            var messages = PreparedMessages()
            while number < end {
                let kind = number % kinds.count
                let (payload, source) = forger.message(number, kind: kind)
                messages.append(payload, from: source)
                sent[kind] += 1
                number += 1
            }
            try waitForRoom(Self.queueLimit, clock)
            try exchange.sendAll(messages)
            report.received += exchange.discard()
        }
        try waitForRoom(0, clock)
        report.seconds = (clock.now - begin).inSeconds
        // What is read last may still be answered.
        usleep(50_000)
        report.received += exchange.discard()
        guard let after = server.processorTime, let dropsAfter = server.udpQueue(port: port)?.drops else {
            throw Unexpected("process \(server.pid) has ended")
        }
        report.sent = Dictionary(uniqueKeysWithValues: zip(kinds, sent))
        report.rate = Double(count) / report.seconds
        report.server = LoadReport.Server(
            after - before,
            messages: count,
            residentBefore: residentBefore,
            residentAfter: server.residentOctets,
            drops: dropsAfter - dropsBefore
        )
        return report
    }

    /// Waits until no more than `limit` octets wait in the other side's socket.
    private func waitForRoom(_ limit: Int, _ clock: ContinuousClock) throws {
        let begin = clock.now
        while let queue = server.udpQueue(port: port), queue.waiting > limit {
            guard clock.now - begin < Self.patience else {
                throw Unexpected("process \(server.pid) reads nothing from UDP port \(port)")
            }
            usleep(500)
        }
    }
}
