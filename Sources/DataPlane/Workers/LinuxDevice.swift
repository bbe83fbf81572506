// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
// A worker's device on Linux: TUN queues by read and write, sockets by recvmmsg and sendmmsg, several datagrams a message.

import CLinux
import Glibc
import LISPWire
import LinuxNetwork
import Synchronization

/// The sockets of one worker, opened before its thread starts.
struct WorkerSockets: Sendable {
    /// Port 4341, shared with the other workers.
    var receiving: [AddressFamily: UDPSocket] = [:]
    /// Source ports.
    var sending: [AddressFamily: [UDPSocket]] = [:]
    /// For datagrams that may be fragmented.
    var fragmenting: [AddressFamily: UDPSocket] = [:]
    /// Whether trains may be sent, and whether they are received, in every family.
    var sendsTrains = true
    var receivesTrains = true
}

struct LinuxDevice: PacketDevice, ~Copyable {
    // Keeps the descriptors below open.
    private let sockets: WorkerSockets
    private let shared: WorkerShared
    private let receivingIPv4: Int32
    private let receivingIPv6: Int32
    private let portCountIPv4: Int
    private let portCountIPv6: Int
    // Safe: source ports, as many as the counts say, IPv4 first; then the two that may fragment. Freed by `deinit`.
    private let ports: UnsafeMutablePointer<Port>
    private let receiveBatch: ReceiveBatch
    private let errorBatch: ReceiveBatch
    // Safe: `errorsPerTurn` quotes of `quoteSize` octets, freed by `deinit`.
    private let quotes: UnsafeMutableRawPointer
    private var sendIPv4: SocketSink
    private var sendIPv6: SocketSink
    var tunnelCounts: TunnelCounts?
    private var isReceiveBatchReady = false
    /// How many messages to receive next: fewer while they are trains.
    private var receiveLimit = DataPlaneConstants.batchSize

    private struct Port {
        var descriptor: Int32
        var permission: TrainPermission
    }

    init(sockets: WorkerSockets, shared: WorkerShared) {
        self.sockets = sockets
        self.shared = shared
        receivingIPv4 = sockets.receiving[.ipv4]?.descriptor ?? -1
        receivingIPv6 = sockets.receiving[.ipv6]?.descriptor ?? -1
        let v4 = sockets.sending[.ipv4] ?? []
        let v6 = sockets.sending[.ipv6] ?? []
        portCountIPv4 = v4.count
        portCountIPv6 = v6.count
        ports = .allocate(capacity: v4.count + v6.count + 2)
        for (index, socket) in (v4 + v6).enumerated() {
            let permission = TrainPermission(sockets.sendsTrains)
            (ports + index).initialize(to: Port(descriptor: socket.descriptor, permission: permission))
        }
        for (index, family) in [AddressFamily.ipv4, .ipv6].enumerated() {
            let descriptor = sockets.fragmenting[family]?.descriptor ?? -1
            (ports + (v4.count + v6.count + index)).initialize(
                to: Port(descriptor: descriptor, permission: TrainPermission(false))
            )
        }
        receiveBatch = ReceiveBatch(capacity: DataPlaneConstants.batchSize)
        errorBatch = ReceiveBatch(capacity: DataPlaneConstants.errorsPerTurn)
        let quoteSize = DataPlaneConstants.quoteSize
        quotes = .allocate(byteCount: DataPlaneConstants.errorsPerTurn * quoteSize, alignment: 8)
        for index in 0..<DataPlaneConstants.errorsPerTurn {
            let room = UnsafeMutableRawBufferPointer(start: quotes + index * quoteSize, count: quoteSize)
            errorBatch.setBuffer(index, room)
        }
        sendIPv4 = SocketSink(.ipv4)
        sendIPv6 = SocketSink(.ipv6)
    }

    deinit {
        ports.deallocate()
        quotes.deallocate()
    }

    func readTunnel(_ queue: Int, into batch: borrowing PacketBatch) -> Int {
        let descriptor = shared.tunnels[queue].load(ordering: .relaxed)
        guard descriptor >= 0 else { return 0 }
        var calls = 0
        var count = 0
        var octets = 0
        while count < batch.capacity, octets < DataPlaneConstants.tunnelOctetsPerTurn {
            let frame = batch.packet(count) - TunnelHeader.size
            // Safe: the slot has room for the largest packet behind its headroom.
            let length = Glibc.read(descriptor, frame, PacketBatch.maximumLength &+ TunnelHeader.size)
            calls &+= 1
            guard length > TunnelHeader.size else { break }
            let entry = batch.entries + count
            entry.pointee.isSingle(length &- TunnelHeader.size)
            if let segments = TunnelHeader.segments(frame) {
                entry.pointee.segments = segments
                entry.pointee.isIncomplete =
                    segments == .none && !TunnelHeader.complete(frame, length: length &- TunnelHeader.size)
            } else {
                entry.pointee.isIncomplete = true
            }
            count &+= 1
            octets &+= length
        }
        shared.add(calls, to: .tunnelReads)
        shared.add(count, to: .packetsRead)
        return count
    }

    func writeTunnel(_ queue: Int, _ frame: UnsafeRawBufferPointer) -> Bool {
        let descriptor = shared.tunnels[queue].load(ordering: .relaxed)
        return counted(1, Glibc.write(descriptor, frame.baseAddress, frame.count) == frame.count)
    }

    func writeTunnel(_ frame: MergedFrame) -> Bool {
        let descriptor = shared.tunnels[frame.queue].load(ordering: .relaxed)
        let written = Glibc.writev(descriptor, frame.vectors, Int32(truncatingIfNeeded: frame.count))
        return counted(frame.packets, written == frame.length)
    }

    /// Counts a write of so many packets to a TUN.
    @inline(__always)
    private func counted(_ packets: Int, _ isWritten: Bool) -> Bool {
        shared.add(1, to: .tunnelWrites)
        if isWritten { shared.add(packets, to: .packetsWritten) }
        return isWritten
    }

    mutating func receive(_ family: AddressFamily, into batch: borrowing PacketBatch) -> Int {
        if !isReceiveBatchReady {
            isReceiveBatchReady = true
            for index in 0..<receiveBatch.capacity {
                let start = batch.packet(index) - DataPlaneConstants.lispHeaderSize
                let size = PacketBatch.maximumLength + DataPlaneConstants.lispHeaderSize
                receiveBatch.setBuffer(index, UnsafeMutableRawBufferPointer(start: start, count: size))
            }
        }
        let count = receiveBatch.receive(from: family.isIPv4 ? receivingIPv4 : receivingIPv6, limit: receiveLimit)
        receiveLimit = receiveBatch.capacity
        var datagrams = count
        for index in 0..<count {
            let entry = batch.entries + index
            entry.pointee.length = receiveBatch.length(index) &- DataPlaneConstants.lispHeaderSize
            entry.pointee.isIncomplete = receiveBatch.isTruncated(index)
            let fields = receiveBatch.trafficFields(index)
            entry.pointee.segmentSize = fields.segmentSize
            if fields.segmentSize > 0 {
                receiveLimit = DataPlaneConstants.trainsPerTurn
                datagrams &+= max(0, receiveBatch.length(index) &- 1) / fields.segmentSize
            }
            entry.pointee.tos = fields.tos
            entry.pointee.ttl = fields.ttl
            entry.pointee.hasLocal = fields.destination != nil
            if let local = fields.destination { entry.pointee.local = TrieKey(high: local.high, low: local.low) }
            entry.pointee.sourceFamily = family.rawValue
            let source = receiveBatch.source(index)
            // Safe: the kernel wrote a whole socket address of the socket's family; a batch has 32 octets for each.
            if family.isIPv4, source.count >= 8, let base = source.baseAddress {
                let number = UInt32(bigEndian: base.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
                entry.pointee.source = TrieKey(high: UInt64(number) &<< 32, low: 0)
            } else if source.count >= 24, let base = source.baseAddress {
                entry.pointee.source = TrieKey(
                    high: UInt64(bigEndian: base.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                    low: UInt64(bigEndian: base.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
                )
            }
        }
        shared.add(1, to: .receiveCalls)
        shared.add(datagrams, to: .datagramsReceived)
        return count
    }

    func sourcePortCount(_ family: AddressFamily) -> Int {
        family.isIPv4 ? portCountIPv4 : portCountIPv6
    }

    /// Where a source port stands in `ports`.
    @inline(__always)
    private func place(_ family: AddressFamily, _ port: Int) -> Int {
        if port == DataPlaneConstants.fragmentingPort {
            return portCountIPv4 &+ portCountIPv6 &+ (family.isIPv4 ? 0 : 1)
        }
        return family.isIPv4 ? port : portCountIPv4 &+ port
    }

    mutating func send(_ family: AddressFamily, port: Int, _ batch: borrowing PacketBatch, first: Int) -> Int {
        let port = ports + place(family, port)
        let wasGranted = port.pointee.permission.isGranted
        let outcome: TrainSending.Outcome
        if family.isIPv4 {
            sendIPv4.descriptor = port.pointee.descriptor
            outcome = TrainSending.send(&sendIPv4, .ipv4, batch, first: first, &port.pointee.permission)
        } else {
            sendIPv6.descriptor = port.pointee.descriptor
            outcome = TrainSending.send(&sendIPv6, .ipv6, batch, first: first, &port.pointee.permission)
        }
        if wasGranted, !port.pointee.permission.isGranted { shared.add(1, to: .portsRefusedTrains) }
        shared.add(outcome.calls, to: .sendCalls)
        shared.add(outcome.datagrams, to: .datagramsSent)
        return outcome.trains
    }

    func receiveErrors(_ family: AddressFamily, port: Int) -> Int {
        errorBatch.receiveErrors(from: ports[place(family, port)].descriptor)
    }

    func pathError(_ index: Int) -> PathError? {
        guard let error = errorBatch.pathError(index) else { return nil }
        return PathError(
            destination: error.destination,
            finding: error.finding,
            quote: UnsafeRawBufferPointer(rebasing: error.quote.prefix(DataPlaneConstants.quoteSize))
        )
    }

    func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(truncatingIfNeeded: time.tv_sec) &* 1_000_000_000 &+ UInt64(truncatingIfNeeded: time.tv_nsec)
    }
}

/// Messages to the kernel, from whatever socket `descriptor` is.
private struct SocketSink: MessageSink, ~Copyable {
    var descriptor: Int32 = -1
    private var messages: SendBatch

    init(_ family: AddressFamily) {
        messages = SendBatch(
            family: family,
            capacity: max(DataPlaneConstants.batchSize, DataPlaneConstants.segmentsAtOnce)
        )
    }

    /// The LISP header, and what follows it in the slot.
    @inline(__always)
    private func payload(_ batch: borrowing PacketBatch, _ index: Int) -> UnsafeRawBufferPointer {
        let entry = batch.entries + index
        let length = entry.pointee.rest == nil ? entry.pointee.length : entry.pointee.slotLength
        return UnsafeRawBufferPointer(
            start: batch.packet(index) - DataPlaneConstants.lispHeaderSize,
            count: length &+ DataPlaneConstants.lispHeaderSize
        )
    }

    @inline(__always)
    private func rest(_ batch: borrowing PacketBatch, _ index: Int) -> UnsafeRawBufferPointer? {
        let entry = batch.entries + index
        return entry.pointee.rest.map {
            UnsafeRawBufferPointer(start: $0, count: entry.pointee.length &- entry.pointee.slotLength)
        }
    }

    mutating func clear() { messages.clear() }

    @inline(__always)
    mutating func begin(_ batch: borrowing PacketBatch, _ index: Int) {
        let entry = batch.entries + index
        // Safe: an entry that is sent has a locator, whose body stays until the next quiet point. Name and source
        // stand at the beginning of their fields.
        let locator = UnsafeMutableRawPointer(entry.pointee.locator.unsafelyUnwrapped)
        let body = entry.pointee.locator.unsafelyUnwrapped
        messages.add(
            payload: payload(batch, index),
            rest(batch, index),
            to: UnsafeRawBufferPointer(start: locator, count: body.pointee.nameLength),
            tos: entry.pointee.tos,
            ttl: entry.pointee.ttl,
            from: body.pointee.hasSource ? UnsafeRawPointer(locator + LocatorBody.sourceOffset) : nil
        )
    }

    @inline(__always)
    mutating func extend(_ batch: borrowing PacketBatch, _ index: Int) {
        messages.extendLast(payload: payload(batch, index), rest(batch, index))
    }

    mutating func transmit(from first: Int) -> Int {
        let result = messages.send(on: descriptor, from: first)
        return result > 0 ? result : -Int(errno)
    }
}
