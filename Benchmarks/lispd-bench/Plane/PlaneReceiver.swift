// Where the packets of `lispd-bench plane` go: a plain socket at each locator, which looks whether what comes belongs there.

import LISPWire
import LinuxNetwork
import Synchronization

final class PlaneReceiver: Sendable {
    /// Of the LISP, inner IPv4 and inner UDP headers.
    private static let headerSize = 8 + 20 + 8
    /// Where the inner destination stands.
    private static let destinationOffset = 8 + 16

    private let sockets: [UDPSocket]
    private let isStopped = Atomic(false)
    private let count = Atomic<Int>(0)
    private let wrongCount = Atomic<Int>(0)

    /// Datagrams that came, and those of them that belong to another locator or hold another packet than was sent.
    var received: Int { count.load(ordering: .relaxed) }
    var misdelivered: Int { wrongCount.load(ordering: .relaxed) }

    /// To be made behind the data plane, which would find port 4341 in use.
    init() throws {
        sockets = try (0..<PlanePopulation.locatorCount).map { number in
            let socket = try UDPSocket(family: .ipv4, mark: nil)
            try socket.sharePort()
            socket.setBuffers(receive: 16 << 20)
            try socket.bind(to: .v4(PlanePopulation.locator(number)), port: 4_341)
            return socket
        }
    }

    /// Runs `body` while a thread receives.
    func whileReceiving<Result>(_ body: () throws -> Result) throws -> Result {
        isStopped.store(false, ordering: .relaxed)
        let thread = try SystemThread(name: "receiver") {
            PlaneProcessors.forOthers()
            self.receive()
        }
        defer {
            isStopped.store(true, ordering: .relaxed)
            thread.join()
        }
        return try body()
    }

    private func receive() {
        guard let readiness = try? ReadinessSet() else { return }
        for (number, socket) in sockets.enumerated() {
            guard (try? readiness.add(socket.descriptor, tag: UInt64(number))) != nil else { return }
        }
        let buffers = DatagramBuffers()
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: sockets.count) { tags in
            while !isStopped.load(ordering: .relaxed) {
                for index in 0..<readiness.wait(tags, timeout: 20) { take(Int(tags[index]), buffers) }
            }
        }
    }

    /// Takes a batch of what came for a locator.
    private func take(_ locator: Int, _ buffers: DatagramBuffers) {
        let taken = buffers.batch.receive(from: sockets[locator].descriptor)
        var wrong = 0
        for index in 0..<taken where !Self.isRight(buffers[index], locator) { wrong += 1 }
        count.add(taken, ordering: .relaxed)
        if wrong > 0 { wrongCount.add(wrong, ordering: .relaxed) }
    }

    private static func isRight(_ datagram: UnsafeRawBufferPointer, _ locator: Int) -> Bool {
        guard datagram.count == headerSize + PlaneSender.payloadSize else { return false }
        let number = datagram.loadUnaligned(fromByteOffset: headerSize, as: UInt32.self)
        let destination = datagram.loadUnaligned(fromByteOffset: destinationOffset, as: UInt32.self)
        return destination == datagram.loadUnaligned(fromByteOffset: headerSize + 4, as: UInt32.self)
            && PlanePopulation.isRight(locator: locator, for: Int(number))
    }
}
