// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
// A worker's device on Linux: TUN queues by read and write, sockets by recvmmsg and sendmmsg.

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
}

struct LinuxDevice: PacketDevice, ~Copyable {
    // Keeps the descriptors below open.
    private let sockets: WorkerSockets
    private let shared: WorkerShared
    private let receivingIPv4: Int32
    private let receivingIPv6: Int32
    private let portCountIPv4: Int
    private let portCountIPv6: Int
    // Safe: descriptors of source ports, as many as the counts say; IPv4 first. Freed by `deinit`.
    private let portDescriptors: UnsafeMutablePointer<Int32>
    private let receiveBatch: ReceiveBatch
    private var sendIPv4: SendBatch
    private var sendIPv6: SendBatch
    private var isReceiveBatchReady = false
    private let order: UnsafeMutablePointer<Int>

    init(sockets: WorkerSockets, shared: WorkerShared) {
        self.sockets = sockets
        self.shared = shared
        receivingIPv4 = sockets.receiving[.ipv4]?.descriptor ?? -1
        receivingIPv6 = sockets.receiving[.ipv6]?.descriptor ?? -1
        let v4 = sockets.sending[.ipv4] ?? []
        let v6 = sockets.sending[.ipv6] ?? []
        portCountIPv4 = v4.count
        portCountIPv6 = v6.count
        portDescriptors = .allocate(capacity: v4.count + v6.count + 1)
        for (index, socket) in (v4 + v6).enumerated() { (portDescriptors + index).initialize(to: socket.descriptor) }
        receiveBatch = ReceiveBatch(capacity: DataPlaneConstants.batchSize)
        sendIPv4 = SendBatch(family: .ipv4, capacity: DataPlaneConstants.batchSize)
        sendIPv6 = SendBatch(family: .ipv6, capacity: DataPlaneConstants.batchSize)
        order = .allocate(capacity: DataPlaneConstants.batchSize)
        order.initialize(repeating: 0, count: DataPlaneConstants.batchSize)
    }

    deinit {
        portDescriptors.deallocate()
        order.deallocate()
    }

    func readTunnel(_ queue: Int, into batch: borrowing PacketBatch) -> Int {
        let descriptor = shared.tunnels[queue].load(ordering: .relaxed)
        guard descriptor >= 0 else { return 0 }
        var count = 0
        while count < batch.capacity {
            let frame = batch.packet(count) - TunnelHeader.size
            // Safe: the slot has room for the largest packet behind its headroom.
            let length = Glibc.read(descriptor, frame, PacketBatch.maximumLength &+ TunnelHeader.size)
            guard length > TunnelHeader.size else { break }
            let entry = batch.entries + count
            entry.pointee.length = length &- TunnelHeader.size
            entry.pointee.segmentSize = 0
            entry.pointee.isIncomplete = !TunnelHeader.complete(frame, length: length &- TunnelHeader.size)
            count &+= 1
        }
        return count
    }

    func writeTunnel(_ queue: Int, _ frame: UnsafeRawBufferPointer) -> Bool {
        let descriptor = shared.tunnels[queue].load(ordering: .relaxed)
        return Glibc.write(descriptor, frame.baseAddress, frame.count) == frame.count
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
        let count = receiveBatch.receive(from: family == .ipv4 ? receivingIPv4 : receivingIPv6)
        for index in 0..<count {
            let entry = batch.entries + index
            entry.pointee.length = receiveBatch.length(index) &- DataPlaneConstants.lispHeaderSize
            entry.pointee.segmentSize = 0
            entry.pointee.isIncomplete = receiveBatch.isTruncated(index)
            let fields = receiveBatch.trafficFields(index)
            entry.pointee.tos = fields.tos
            entry.pointee.ttl = fields.ttl
            entry.pointee.sourceFamily = family.rawValue
            let source = receiveBatch.source(index)
            // Safe: the kernel wrote a whole socket address of the socket's family; a batch has 32 octets for each.
            if family == .ipv4, source.count >= 8, let base = source.baseAddress {
                let number = UInt32(bigEndian: base.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
                entry.pointee.source = TrieKey(high: UInt64(number) &<< 32, low: 0)
            } else if source.count >= 24, let base = source.baseAddress {
                entry.pointee.source = TrieKey(
                    high: UInt64(bigEndian: base.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                    low: UInt64(bigEndian: base.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
                )
            }
        }
        return count
    }

    func sourcePortCount(_ family: AddressFamily) -> Int {
        family == .ipv4 ? portCountIPv4 : portCountIPv6
    }

    mutating func send(_ family: AddressFamily, port: Int, _ batch: borrowing PacketBatch, first: Int) {
        if family == .ipv4 {
            Self.send(&sendIPv4, portDescriptors[port], batch, first, order)
        } else {
            Self.send(&sendIPv6, portDescriptors[portCountIPv4 &+ port], batch, first, order)
        }
    }

    @inline(__always)
    private static func send(
        _ messages: inout SendBatch,
        _ descriptor: Int32,
        _ batch: borrowing PacketBatch,
        _ first: Int,
        _ order: UnsafeMutablePointer<Int>
    ) {
        messages.clear()
        var index = first
        while index >= 0 {
            let entry = batch.entries + index
            entry.pointee.sendError = 0
            // Safe: an entry that is sent has a locator, whose body stays until the next quiet point. Name and source
            // stand at the beginning of their fields.
            let locator = UnsafeMutableRawPointer(entry.pointee.locator.unsafelyUnwrapped)
            let body = entry.pointee.locator.unsafelyUnwrapped
            let payload = UnsafeRawBufferPointer(
                start: batch.packet(index) - DataPlaneConstants.lispHeaderSize,
                count: entry.pointee.length &+ DataPlaneConstants.lispHeaderSize
            )
            order[messages.count] = index
            messages.add(
                payload: payload,
                to: UnsafeRawBufferPointer(start: locator, count: body.pointee.nameLength),
                tos: entry.pointee.tos,
                ttl: entry.pointee.ttl,
                from: body.pointee.hasSource ? UnsafeRawPointer(locator + LocatorBody.sourceOffset) : nil
            )
            index = entry.pointee.next
        }
        var sent = 0
        while sent < messages.count {
            let result = messages.send(on: descriptor, from: sent)
            if result > 0 {
                sent &+= result
                continue
            }
            let error = errno
            if error == EINTR { continue }
            // The first of the rest is refused; if for want of room, so would be the others.
            let refused = error == EAGAIN || error == ENOBUFS ? messages.count : sent &+ 1
            while sent < refused {
                batch.entries[order[sent]].sendError = error
                sent &+= 1
            }
        }
    }

    func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(truncatingIfNeeded: time.tv_sec) &* 1_000_000_000 &+ UInt64(truncatingIfNeeded: time.tv_nsec)
    }
}
