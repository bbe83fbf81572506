// What passes the tunnels, for whoever watches flows: headers, true length, segment size, instance, RLOCs, direction and time.
//
//    worker --> ring of its own, bounded --> drain
//
// While nobody listens a worker asks once a batch whether somebody does, and a packet costs one branch. What finds no room in a
// ring is counted, not waited for.

import LISPWire
import LinuxNetwork
import Synchronization

/// A packet that was encapsulated or decapsulated, or a train of TCP that passed as one.
///
/// Trains of UDP come segment by segment, each with its own headers, since what stands behind them (RTP) is each one's own.
package struct TappedPacket {
    package enum Direction: Sendable {
        /// From the site.
        case encapsulated
        /// To the site.
        case decapsulated
    }

    package let direction: Direction
    package let instanceID: InstanceID
    /// When the worker took the batch it came with, in nanoseconds of CLOCK_MONOTONIC.
    package let time: UInt64
    /// Octets of the inner packet by its own account; of a train, those of its one header and all payload.
    package let length: Int
    /// How many packets it was on the wire: 1, or the segments of a train.
    package let packets: Int
    /// Octets of payload of each segment of a train but the last, which may be shorter; 0 for one packet.
    package let segmentSize: Int
    /// The RLOC of this router, where it is known: a locator without a source address leaves the choice to the kernel.
    package let localRLOC: IPAddress?
    package let remoteRLOC: IPAddress
    /// The first octets of the inner packet, at most `FlowTap.headerLimit`; valid within the call.
    package let headers: UnsafeRawBufferPointer
}

/// Listens at all workers of a data plane (`DataPlane.openTap`). Threads may share it; one at a time drains.
package final class FlowTap: Sendable {
    /// Octets of headers that come with each packet: IPv6 with some extension headers, UDP and RTP, or TCP with all options.
    package static let headerLimit = 128

    private let workers: [WorkerShared]
    private let sockets: [UDPSocket]

    init(_ workers: [WorkerShared], _ sockets: [UDPSocket], bytes: Int) throws(LinuxError) {
        self.workers = workers
        self.sockets = sockets
        for socket in sockets { try socket.receiveDestinations() }
        for worker in workers { worker.tap.open(bytes: bytes) }
    }

    /// Hands over what waits, oldest first for each worker, at most `limit` of each.
    ///
    /// - Returns: how many there were.
    @discardableResult
    package func drain(limit: Int = .max, _ body: (TappedPacket) -> Void) -> Int {
        var count = 0
        for worker in workers {
            var left = limit
            while left > 0, worker.tap.pop(body) { left -= 1 }
            count += limit - left
        }
        return count
    }

    /// Packets, or trains, that found no room since the data plane began.
    package var lost: UInt64 { workers.reduce(0) { $0 + $1.value(.tapLost) } }

    /// Stops listening. What waits is gone.
    package func close() {
        for worker in workers { worker.tap.close() }
        // Nobody minds where it is refused: what comes is not looked at any more.
        for socket in sockets { try? socket.receiveDestinations(false) }
    }
}
