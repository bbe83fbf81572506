// Where the packets of `lispd-bench plane` come from: an ordinary UDP socket whose route leads to the TUN.

import Glibc
import LISPWire
import LinuxNetwork
import Synchronization

/// Sends datagrams to random addresses of a population. The next is known beforehand, so it costs the same for few and for many.
final class PlaneSender: Sendable {
    /// Octets of a datagram: what stands first is read by `PlaneReceiver`.
    static let payloadSize = 64
    private static let batchSize = 64
    /// Destinations that come round and round; as many as the largest table has entries.
    private static let targetCount = 1 << 20
    /// Datagrams that are sent at once when there is a rate.
    private static let burst = 16

    private struct Target {
        var number: UInt32
        var address: UInt32
        var port: UInt16
    }

    private let socket: UDPSocket
    private let targets: [Target]
    private let isStopped = Atomic(false)
    private let count = Atomic<Int>(0)

    /// Datagrams that the kernel took.
    var sent: Int { count.load(ordering: .relaxed) }

    init(_ population: PlanePopulation, random: inout some RandomNumberGenerator) throws {
        socket = try UDPSocket(family: .ipv4, mark: nil)
        socket.setBuffers(send: 4 << 20)
        targets = (0..<Self.targetCount).map { _ in
            let number = Int.random(in: 0..<population.count, using: &random)
            // Any port, so that there are as many flows for few entries as for many.
            let port = UInt16.random(in: 1_024...65_535, using: &random)
            return Target(number: UInt32(number), address: population.hosts[number], port: port)
        }
    }

    /// Runs `body` while a thread sends.
    ///
    /// - Parameter rate: datagrams a second; `nil`: as many as it can.
    func whileSending<Result>(rate: Double?, _ body: () throws -> Result) throws -> Result {
        isStopped.store(false, ordering: .relaxed)
        let thread = try SystemThread(name: "sender") {
            PlaneProcessors.forOthers()
            self.send(rate: rate)
        }
        defer {
            isStopped.store(true, ordering: .relaxed)
            thread.join()
        }
        return try body()
    }

    private func send(rate: Double?) {
        var batch = SendBatch(family: .ipv4, capacity: Self.batchSize)
        // Safe: room for each datagram's payload and for as many socket addresses; both end with this call.
        let payloads = UnsafeMutableRawPointer.allocate(byteCount: Self.batchSize * Self.payloadSize, alignment: 64)
        let names = UnsafeMutablePointer<sockaddr_in>.allocate(capacity: Self.batchSize)
        defer {
            payloads.deallocate()
            names.deallocate()
        }
        payloads.initializeMemory(as: UInt8.self, repeating: 0x55, count: Self.batchSize * Self.payloadSize)
        names.initialize(repeating: sockaddr_in(), count: Self.batchSize)
        let clock = ContinuousClock()
        let begin = clock.now
        var position = Int.random(in: 0..<targets.count)
        var done = 0
        while !isStopped.load(ordering: .relaxed) {
            var size = Self.batchSize
            if let rate {
                let due = Int((clock.now - begin).inSeconds * rate)
                guard due >= done + Self.burst else {
                    usleep(50)
                    continue
                }
                size = min(size, due - done)
            }
            batch.clear()
            for index in 0..<size {
                let target = targets[position]
                position = position + 1 == targets.count ? 0 : position + 1
                let payload = payloads + index * Self.payloadSize
                payload.storeBytes(of: target.number, as: UInt32.self)
                payload.storeBytes(of: target.address.bigEndian, toByteOffset: 4, as: UInt32.self)
                names[index].sin_family = sa_family_t(AF_INET)
                names[index].sin_port = target.port.bigEndian
                names[index].sin_addr = in_addr(s_addr: target.address.bigEndian)
                batch.add(
                    payload: UnsafeRawBufferPointer(start: payload, count: Self.payloadSize),
                    to: UnsafeRawBufferPointer(start: names + index, count: MemoryLayout<sockaddr_in>.size),
                    tos: 0,
                    ttl: 64,
                    from: nil
                )
            }
            var taken = 0
            while taken < size {
                // A datagram that is refused is not counted.
                let number = batch.send(on: socket.descriptor, from: taken)
                if number > 0 { count.add(number, ordering: .relaxed) }
                taken += max(1, number)
            }
            done += size
        }
    }
}

/// Keeps the worker's processor for itself where there is more than one.
enum PlaneProcessors {
    static func forWorker(_ thread: pid_t) {
        if SystemThread.processors.count > 1 { SystemThread.bind(thread, to: Array(SystemThread.processors.suffix(1))) }
    }

    /// Of the calling thread.
    static func forOthers() {
        if SystemThread.processors.count > 1 { SystemThread.bind(to: Array(SystemThread.processors.dropLast())) }
    }
}
