// Sends datagrams of many flows at an even rate, many in a system call and each by itself: no train, so that the kernel cuts nothing.

import Glibc
import LISPWire
import LinuxNetwork

/// What was sent. `lispd-bench traffic send` prints it as JSON.
struct TrafficSent: Codable {
    var packets = 0
    /// Of payload.
    var octets = 0
    var seconds = 0.0
    /// The sender's own.
    var processorSeconds = 0.0
    /// Datagrams that the kernel refused for another reason than want of room in the socket; they are none of `packets`.
    var refused = 0
}

final class TrafficSender {
    private static let largestBatch = 64
    /// What leaves together is worth so much time of the rate at most.
    private static let batchSeconds = 250e-6
    private static let socketBuffer: Int32 = 4 << 20
    /// How often the end is said, and microseconds before each time.
    private static let endCount = 5
    private static let endInterval: UInt32 = 20_000
    /// Room of one socket address.
    private static let nameStride = 32

    private let socket: UDPSocket
    private let run: UInt32
    private let pattern: [Int]
    private var sending: SendBatch
    private let nameLength: Int
    private let flows: Int
    // Safe: `nameStride` octets for each flow, `TrafficMark.size` for each datagram of a batch, and zeros for the rest of the
    // largest; freed by `deinit`.
    private let names: UnsafeMutableRawBufferPointer
    private let marks: UnsafeMutableRawBufferPointer
    private let zeros: UnsafeMutableRawBufferPointer

    /// - Parameters:
    ///   - first: where the first flow goes; each other goes to the address that follows.
    ///   - run: what the receiver tells these datagrams from others by.
    init(to first: IPAddress, port: UInt16, flows: Int, sizes: SizeMix, run: UInt32) throws {
        socket = try UDPSocket(family: first.family, mark: nil)
        socket.setBuffers(send: Self.socketBuffer)
        self.run = run
        self.flows = flows
        pattern = sizes.pattern
        sending = SendBatch(family: first.family, capacity: Self.largestBatch)
        nameLength = SocketAddress(Endpoint(first, port)).length
        names = .allocate(byteCount: flows * Self.nameStride, alignment: 16)
        marks = .allocate(byteCount: Self.largestBatch * TrafficMark.size, alignment: 16)
        zeros = .allocate(byteCount: sizes.pattern.max() ?? 0, alignment: 16)
        zeros.initializeMemory(as: UInt8.self, repeating: 0)
        for flow in 0..<flows {
            let room = UnsafeMutableRawBufferPointer(rebasing: names[(flow * Self.nameStride)...])
            SocketAddress(Endpoint(first.advanced(by: flow), port)).withBytes { room.copyMemory(from: $0) }
        }
    }

    deinit {
        names.deallocate()
        marks.deallocate()
        zeros.deallocate()
    }

    /// Sends for so long.
    func send(rate: Double, seconds: Double) throws -> TrafficSent {
        var sent = TrafficSent()
        var pacer = Pacer(rate: rate)
        let batch = max(1, min(Self.largestBatch, Int(rate * Self.batchSeconds)))
        let clock = ContinuousClock()
        let begin = clock.now
        let beginProcessor = threadProcessorTime()
        let end = seconds * 1e9
        var number = 0
        while true {
            let now = (clock.now - begin).inSeconds * 1e9
            let delay = pacer.delay(before: batch, at: now)
            guard now + delay < end else { break }
            pause(delay)
            add(number..<number + batch)
            try flush(number, &sent)
            number += batch
        }
        // The last packets have the time until the next would leave.
        sent.seconds = max(seconds, (clock.now - begin).inSeconds)
        sent.processorSeconds = Double(threadProcessorTime() - beginProcessor) / 1e9
        sayEnd()
        return sent
    }

    /// More than once, since one may be lost, and when what was sent has had time to leave the queues.
    private func sayEnd() {
        let mark = UnsafeMutableRawBufferPointer(rebasing: marks[..<TrafficMark.size])
        TrafficMark(run: run, flow: 0, sequence: TrafficMark.end).write(to: mark)
        for _ in 0..<Self.endCount {
            usleep(Self.endInterval)
            sending.clear()
            sending.add(
                payload: UnsafeRawBufferPointer(mark),
                to: UnsafeRawBufferPointer(rebasing: names[..<nameLength]),
                tos: 0,
                ttl: 64,
                from: nil
            )
            _ = sending.send(on: socket.descriptor, from: 0)
        }
    }

    private func pause(_ nanoseconds: Double) {
        guard nanoseconds > 0 else { return }
        var time = timespec(tv_sec: Int(nanoseconds / 1e9), tv_nsec: Int(nanoseconds) % 1_000_000_000)
        nanosleep(&time, nil)
    }

    /// Octets of datagram `number`. Each flow begins elsewhere in the mix, so that all have datagrams of every size.
    private func size(_ number: Int) -> Int {
        let (sequence, flow) = number.quotientAndRemainder(dividingBy: flows)
        return pattern[(sequence + flow) % pattern.count]
    }

    private func add(_ numbers: Range<Int>) {
        sending.clear()
        for (place, number) in numbers.enumerated() {
            let (sequence, flow) = number.quotientAndRemainder(dividingBy: flows)
            let mark = UnsafeMutableRawBufferPointer(
                rebasing: marks[(place * TrafficMark.size)...].prefix(TrafficMark.size)
            )
            TrafficMark(run: run, flow: UInt32(flow), sequence: UInt32(truncatingIfNeeded: sequence)).write(to: mark)
            sending.add(
                payload: UnsafeRawBufferPointer(mark),
                UnsafeRawBufferPointer(rebasing: zeros[..<(size(number) - TrafficMark.size)]),
                to: UnsafeRawBufferPointer(rebasing: names[(flow * Self.nameStride)...].prefix(nameLength)),
                tos: 0,
                ttl: 64,
                from: nil
            )
        }
    }

    /// What was added leaves, `number` being the first; waits while the socket has no room.
    private func flush(_ number: Int, _ sent: inout TrafficSent) throws {
        var first = 0
        while first < sending.count {
            let count = sending.send(on: socket.descriptor, from: first)
            if count > 0 {
                sent.packets += count
                for index in first..<first + count { sent.octets += size(number + index) }
                first += count
            } else if errno == EAGAIN {
                usleep(100)
            } else if errno == EPERM || errno == EINVAL || errno == EMSGSIZE || errno == EAFNOSUPPORT {
                throw LinuxError.system(operation: "send traffic", errno: errno)
            } else {
                // A queue that is full or a route that is gone for a moment.
                first += 1
                sent.refused += 1
            }
        }
    }
}

extension IPAddress {
    /// The address so many further on.
    func advanced(by count: Int) -> IPAddress {
        switch self {
        case .v4(let address): .v4(IPv4Address(address.rawValue &+ UInt32(truncatingIfNeeded: count)))
        case .v6(let address): .v6(IPv6Address(address.rawValue &+ UInt128(truncatingIfNeeded: count)))
        }
    }
}
