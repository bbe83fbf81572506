// What lispd-bench measures of the packet path: a worker on a device that has the same packets again and again and keeps
// nothing. Everything the worker runs is the product's; only the kernel is not there.

import ForwardingInterface
import LISPWire
import LinuxNetwork

/// Packets that come round and round, and go nowhere. Allocates nothing after `init`.
struct CyclingDevice: PacketDevice, ~Copyable {
    // Safe: `count` frames of `frameSize` octets, freed by `deinit`; `position` is below `count`.
    private let frames: UnsafeMutableRawPointer
    private let lengths: UnsafeMutablePointer<Int>
    private let frameSize: Int
    private let count: Int
    private var position = 0
    var tunnelCounts: TunnelCounts?
    /// How many packets a batch has.
    private let batchSize: Int
    private let headroom: Int
    private let source: (family: AddressFamily, address: TrieKey)
    /// What the TUN says of every packet.
    private let segments: SegmentTrain
    /// Octets of each datagram of a train from the network, 0 for single ones.
    private let datagramSize: Int

    /// - Parameters:
    ///   - frames: at least one packet; with its LISP header in front if it is to come from the network.
    ///   - source: where those from the network come from.
    ///   - payload: octets of each segment, if the frames are trains: TCP over IPv4 from the TUN, of datagrams from the network.
    init(frames: [[UInt8]], batchSize: Int, isFromNetwork: Bool, source: IPAddress, payload: Int?) {
        segments =
            isFromNetwork
            ? .none : payload.map { SegmentTrain(kind: .tcpIPv4, size: UInt16(clamping: $0)) } ?? .none
        datagramSize =
            isFromNetwork ? payload.map { $0 + PathMeasurement.headers + DataPlaneConstants.lispHeaderSize } ?? 0 : 0
        frameSize = frames.reduce(0) { max($0, $1.count) }
        count = frames.count
        self.batchSize = batchSize
        headroom = isFromNetwork ? DataPlaneConstants.lispHeaderSize : 0
        self.source = (source.family, TrieKey(source.leftAligned))
        self.frames = .allocate(byteCount: frameSize * count, alignment: 64)
        lengths = .allocate(capacity: count)
        for (index, frame) in frames.enumerated() {
            let room = UnsafeMutableRawBufferPointer(start: self.frames + index * frameSize, count: frame.count)
            room.copyBytes(from: frame)
            (lengths + index).initialize(to: frame.count)
        }
    }

    deinit {
        frames.deallocate()
        lengths.deallocate()
    }

    @inline(__always)
    private mutating func fill(_ batch: borrowing PacketBatch) -> Int {
        for index in 0..<batchSize {
            let entry = batch.entries + index
            let length = lengths[position]
            (batch.packet(index) - headroom).copyMemory(from: frames + position &* frameSize, byteCount: length)
            entry.pointee.isSingle(length &- headroom)
            entry.pointee.segments = segments
            entry.pointee.segmentSize = datagramSize
            entry.pointee.isIncomplete = false
            entry.pointee.tos = 0
            entry.pointee.ttl = 64
            entry.pointee.source = source.address
            entry.pointee.sourceFamily = source.family.rawValue
            position &+= 1
            if position == count { position = 0 }
        }
        return batchSize
    }

    mutating func readTunnel(_ queue: Int, into batch: borrowing PacketBatch) -> Int { fill(batch) }
    func writeTunnel(_ queue: Int, _ frame: UnsafeRawBufferPointer) -> Bool { true }
    func writeTunnel(_ frame: MergedFrame) -> Bool { true }
    mutating func receive(_ family: AddressFamily, into batch: borrowing PacketBatch) -> Int { fill(batch) }
    func sourcePortCount(_ family: AddressFamily) -> Int { 16 }

    func receiveErrors(_ family: AddressFamily, port: Int) -> Int { 0 }
    func pathError(_ index: Int) -> PathError? { nil }

    mutating func send(_ family: AddressFamily, port: Int, _ batch: borrowing PacketBatch, first: Int) -> Int {
        var index = first
        while index >= 0 {
            batch.entries[index].sendError = 0
            index = batch.entries[index].next
        }
        return 0
    }

    func now() -> UInt64 { 1 }
}

/// A data plane whose worker carries packets from memory. Carries them on the caller's thread.
package final class PathMeasurement {
    package enum Direction: Sendable {
        /// Packets of the site, from the TUN.
        case encapsulation
        /// Datagrams, LISP header first, from the network.
        case decapsulation
    }

    /// Octets of the headers of what `train` makes.
    static let headers = 40

    private let plane: DataPlane
    private var worker: Worker<CyclingDevice>
    private let direction: Direction

    /// - Parameters:
    ///   - updates: applied to the default instance's tables, before anything is carried.
    ///   - frames: what is carried, again and again.
    ///   - batchSize: packets that come together, at most 64.
    ///   - source: the locator that what is decapsulated comes from.
    ///   - payload: octets of each segment, if the frames are trains as `train` makes them.
    package init(
        _ direction: Direction,
        updates: [ForwardingUpdate],
        frames: [[UInt8]],
        batchSize: Int = 64,
        source: IPAddress,
        payload: Int? = nil
    ) throws(LinuxError) {
        precondition(!frames.isEmpty && (1...DataPlaneConstants.batchSize).contains(batchSize), "packets in batches")
        var options = DataPlaneOptions()
        options.workers = 1
        options.families = [.ipv4, .ipv6]
        options.hashSeed = 1
        plane = try DataPlane(options: options)
        try plane.addInstance(.default, queues: [-1])
        plane.apply(updates)
        self.direction = direction
        let device = CyclingDevice(
            frames: frames,
            batchSize: batchSize,
            isFromNetwork: direction == .decapsulation,
            source: source,
            payload: payload
        )
        plane.workers[0].reader.online()
        worker = Worker(plane: plane.shared, shared: plane.workers[0], device: device)
    }

    /// A train of TCP as the TUN hands it over or, in the other direction, as a train of datagrams, each with its LISP header.
    package static func train(
        _ direction: Direction,
        from source: IPv4Address,
        to destination: IPv4Address,
        segments: Int,
        payload: Int
    ) -> [UInt8] {
        func octets(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
        let size = segments * payload
        var whole: [UInt8] = [0x45, 0] + octets(UInt16(headers + size)) + [0, 1, 0x40, 0, 63, 6, 0, 0]
        whole += octets(source.rawValue) + octets(destination.rawValue) + octets(UInt16(4_000)) + octets(UInt16(4_001))
        whole += octets(UInt32(1)) + octets(UInt32(1)) + [0x50, 0x10] + octets(UInt16(500)) + [0, 0, 0, 0]
        whole += [UInt8](repeating: 0x55, count: size)
        guard direction == .decapsulation else { return whole }
        var datagrams: [UInt8] = []
        whole.withUnsafeBytes { bytes in
            let train = SegmentTrain(kind: .tcpIPv4, size: UInt16(clamping: payload))
            guard var cutter = SegmentCutter(bytes, train) else { return }
            var room = [UInt8](repeating: 0, count: headers)
            while let part = room.withUnsafeMutableBytes({ $0.baseAddress.flatMap { cutter.next(to: $0) } }) {
                datagrams += [8, 0, 0, 0, 0, 0, 0, 0] + room + part
            }
        }
        return datagrams
    }

    /// Carries at least `count` packets, or trains, in whole batches.
    package func carry(_ count: Int) {
        let reader = plane.workers[0].reader
        var left = count
        while left > 0 {
            left &-= direction == .encapsulation ? worker.stepTunnel(0) : worker.stepNetwork(.ipv4)
            reader.quiet()
        }
    }

    /// Packets that were dropped so far, for whatever reason.
    package var dropped: UInt64 {
        var sum: UInt64 = 0
        for reason in DataPlaneDropReason.allCases { sum += plane.workers[0].dropped(reason) }
        return sum
    }

    /// What was carried, and what the tables take.
    package func statistics() -> DataPlaneStatistics { plane.statistics() }
}
