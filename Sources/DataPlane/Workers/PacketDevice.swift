// What a worker reads packets from and writes them to: the kernel, or memory in tests.

import LISPWire
import LinuxNetwork
import Synchronization

/// A worker's TUN queues and sockets. Nothing here waits, and nothing throws: what cannot be done is reported per packet.
protocol PacketDevice: FrameSink, ~Copyable {
    /// Reads packets from the TUN queue of instance number `queue` until the batch is full or none is left. Puts each at
    /// `batch.packet(_:)` and sets its entry's `length`, `segmentSize` and `isIncomplete`.
    mutating func readTunnel(_ queue: Int, into batch: borrowing PacketBatch) -> Int

    /// Writes a packet to the TUN queue of instance number `queue`. Ten octets of virtio header come first.
    mutating func writeTunnel(_ queue: Int, _ frame: UnsafeRawBufferPointer) -> Bool

    /// Writes packets in one, as the merger made them.
    mutating func writeTunnel(_ frame: MergedFrame) -> Bool

    /// Where `write` counts, set by the worker.
    var tunnelCounts: TunnelCounts? { get set }

    /// Receives datagrams, or trains of them, for port 4341: the (first) LISP header at 8 octets before `batch.packet(_:)`.
    /// Sets `length` (of the inner packet; negative when not even the header is whole), `segmentSize`, `isIncomplete`, `tos`,
    /// `ttl` and `source`.
    mutating func receive(_ family: AddressFamily, into batch: borrowing PacketBatch) -> Int

    /// How many source ports there are to spread flows over.
    func sourcePortCount(_ family: AddressFamily) -> Int

    /// Sends entry `first` and those linked to it by `next`, each with its LISP header, from source port number `port`, or, in
    /// datagrams that may be fragmented, from `DataPlaneConstants.fragmentingPort`. Sets `sendError` of each.
    ///
    /// - Returns: how many trains there were among what was sent.
    mutating func send(_ family: AddressFamily, port: Int, _ batch: borrowing PacketBatch, first: Int) -> Int

    /// Takes what is known of datagrams that were sent from source port number `port`: some reports, for `pathError` to read.
    mutating func receiveErrors(_ family: AddressFamily, port: Int) -> Int

    /// Report `index` of the last `receiveErrors`. Valid until the next.
    func pathError(_ index: Int) -> PathError?

    /// Nanoseconds of a monotonic clock.
    func now() -> UInt64
}

extension PacketDevice where Self: ~Copyable {
    @inline(__always)
    mutating func write(_ frame: MergedFrame) {
        let isWritten = writeTunnel(frame)
        tunnelCounts?.note(frame, isWritten)
    }
}

/// Counts what a worker writes to TUNs.
struct TunnelCounts {
    // Safe: they live as long as the worker's memory, which outlives the worker, their only writer. Totals by instance number.
    private let counters: UnsafeMutablePointer<Atomic<UInt64>>
    private let totals: UnsafeMutablePointer<InstanceTotals>

    init(_ shared: WorkerShared) {
        counters = shared.counters
        totals = shared.totals
    }

    @inline(__always)
    func note(_ frame: MergedFrame, _ isWritten: Bool) {
        guard isWritten else {
            return (counters + Int(DataPlaneDropReason.tunnelWriteFailed.rawValue)).addAlone(frame.packets)
        }
        if frame.packets > 1 { (counters + WorkerCounter.siteTrainsGiven.index).addAlone(1) }
        let octets = UInt64(truncatingIfNeeded: frame.octets)
        totals[frame.queue].decapsulated.addAlone(packets: UInt64(truncatingIfNeeded: frame.packets), octets: octets)
    }
}
