// A worker on a device of memory, and packets to feed it.

import ForwardingInterface
import Glibc
import LISPWire
import LinuxNetwork
import PacketView

@testable import DataPlane

/// What a worker sent to the network.
struct SentDatagram: Equatable {
    var family: AddressFamily
    var port: Int
    var destination: TrieKey
    var tos: UInt8
    var ttl: UInt8
    /// LISP header and inner packet.
    var payload: [UInt8]

    var inner: [UInt8] { Array(payload.dropFirst(8)) }
    var header: [UInt8] { Array(payload.prefix(8)) }
}

struct ReceivedPacket {
    var payload: [UInt8]
    var tos: UInt8 = 0
    var ttl: UInt8 = 64
    var source: IPAddress = .v4(IPv4Address(0))
    /// Of a train, whose datagrams are all in `payload`.
    var segmentSize = 0
}

/// What the kernel would report of a datagram that was sent.
struct ReportedError {
    var destination: Endpoint
    var finding: PathError.Finding
    /// LISP header and inner packet, as far as they are quoted.
    var quote: [UInt8]

    init(_ finding: PathError.Finding, to destination: String, port: UInt16 = 4341, quoting quote: [UInt8]) {
        self.destination = Endpoint(address(destination), port)
        self.finding = finding
        self.quote = quote
    }
}

/// Whether many packets cross the kernel as one.
enum Offload: CaseIterable {
    case auto
    case off

    var switchedOff: Set<OffloadState.Kind> { self == .off ? OffloadState.Kind.trains : [] }
}

/// Queues in memory; what a worker does with them can be looked at. Takes and takes apart trains as the kernel does.
struct MemoryDevice: PacketDevice, MessageSink, ~Copyable {
    var tunnelInput: [Int: [[UInt8]]] = [:]
    /// What the TUN says of the next packets read; of those beyond, that they are no trains.
    var tunnelSegments: [SegmentTrain] = []
    var tunnelOutput: [(queue: Int, packet: [UInt8])] = []
    /// The virtio headers of what was written.
    var tunnelHeaders: [[UInt8]] = []
    var tunnelCounts: TunnelCounts?
    /// Whether nothing can be written to a TUN.
    var refusesTunnelOutput = false
    var networkInput: [AddressFamily: [ReceivedPacket]] = [:]
    var sent: [SentDatagram] = []
    var clock: UInt64 = 1_000_000_000
    var ports = 8
    /// What is known of sent datagrams, by family and source port.
    var reports: [AddressFamily: [Int: [ReportedError]]] = [:]
    private var reported: [ReportedError] = []
    // Safe: 1,024 octets for the quote of the report that is looked at; lives as long as the process.
    private let quote = UnsafeMutableRawPointer.allocate(byteCount: 1_024, alignment: 8)
    /// Errors for the next messages sent, in order, 0 for none; then none.
    var sendErrors: [Int32] = []
    /// Why trains are refused; 0: they are not.
    var trainError: Int32 = 0
    /// The largest payload that fits the network.
    var largestPayload = 65_507
    /// How many datagrams each message had that was taken.
    var messageLengths: [Int] = []
    /// Trains that were handed over, refused ones too.
    var trainsTried = 0
    var permission: TrainPermission
    /// What the last list sent came to.
    var outcome = TrainSending.Outcome()
    private var messages: [[SentDatagram]] = []
    private var family = AddressFamily.ipv4
    private var port = 0

    init(offload: Offload = .auto) { permission = TrainPermission(offload == .auto) }

    mutating func readTunnel(_ queue: Int, into batch: borrowing PacketBatch) -> Int {
        let packets = tunnelInput[queue, default: []].prefix(batch.capacity)
        for (index, packet) in packets.enumerated() {
            packet.withUnsafeBytes { bytes in
                if let base = bytes.baseAddress { batch.packet(index).copyMemory(from: base, byteCount: bytes.count) }
            }
            batch.entries[index].isSingle(packet.count)
            batch.entries[index].isIncomplete = false
            if index < tunnelSegments.count { batch.entries[index].segments = tunnelSegments[index] }
        }
        tunnelSegments.removeFirst(min(packets.count, tunnelSegments.count))
        tunnelInput[queue]?.removeFirst(packets.count)
        return packets.count
    }

    mutating func writeTunnel(_ queue: Int, _ frame: UnsafeRawBufferPointer) -> Bool {
        guard !refusesTunnelOutput else { return false }
        tunnelOutput.append((queue, Array(frame.dropFirst(10))))
        tunnelHeaders.append(Array(frame.prefix(10)))
        return true
    }

    mutating func writeTunnel(_ frame: MergedFrame) -> Bool {
        let octets = (0..<frame.count).flatMap {
            Array(UnsafeRawBufferPointer(start: frame.vectors[$0].iov_base, count: frame.vectors[$0].iov_len))
        }
        return octets.withUnsafeBytes { writeTunnel(frame.queue, $0) }
    }

    mutating func receive(_ family: AddressFamily, into batch: borrowing PacketBatch) -> Int {
        let datagrams = networkInput[family, default: []].prefix(batch.capacity)
        for (index, datagram) in datagrams.enumerated() {
            datagram.payload.withUnsafeBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                (batch.packet(index) - 8).copyMemory(from: base, byteCount: min(bytes.count, 65_543))
            }
            let entry = batch.entries + index
            entry.pointee.length = datagram.payload.count - 8
            entry.pointee.isIncomplete = datagram.payload.count > 65_543
            entry.pointee.segmentSize = datagram.segmentSize
            entry.pointee.tos = datagram.tos
            entry.pointee.ttl = datagram.ttl
            entry.pointee.source = TrieKey(datagram.source.leftAligned)
            entry.pointee.sourceFamily = datagram.source.family.rawValue
        }
        networkInput[family]?.removeFirst(datagrams.count)
        return datagrams.count
    }

    func sourcePortCount(_ family: AddressFamily) -> Int { ports }

    mutating func send(_ family: AddressFamily, port: Int, _ batch: borrowing PacketBatch, first: Int) -> Int {
        self.family = family
        self.port = port
        var permission = permission
        defer { self.permission = permission }
        outcome = TrainSending.send(&self, family, batch, first: first, &permission)
        return outcome.trains
    }

    mutating func clear() { messages = [] }

    mutating func begin(_ batch: borrowing PacketBatch, _ index: Int) {
        messages.append([sent(batch, index)])
    }

    mutating func extend(_ batch: borrowing PacketBatch, _ index: Int) {
        messages[messages.count - 1].append(sent(batch, index))
    }

    private func sent(_ batch: borrowing PacketBatch, _ index: Int) -> SentDatagram {
        let entry = batch.entries[index]
        let length = entry.rest == nil ? entry.length : entry.slotLength
        let rest = entry.rest.map { Array(UnsafeRawBufferPointer(start: $0, count: entry.length - length)) }
        return SentDatagram(
            family: family,
            port: port,
            destination: entry.locator?.pointee.address ?? TrieKey(0),
            tos: entry.tos,
            ttl: entry.ttl,
            payload: Array(UnsafeRawBufferPointer(start: batch.packet(index) - 8, count: length + 8)) + (rest ?? [])
        )
    }

    mutating func transmit(from first: Int) -> Int {
        var taken = 0
        for message in messages[first...] {
            if message.count > 1 { trainsTried += 1 }
            let error = refusal(message)
            if error != 0, taken > 0 { return taken }
            if !sendErrors.isEmpty { sendErrors.removeFirst() }
            if error != 0 { return -Int(error) }
            taken += 1
            messageLengths.append(message.count)
            // As the kernel does: all octets in a row, cut by the size of the first.
            let octets = message.flatMap(\.payload)
            let size = message[0].payload.count
            for start in stride(from: 0, to: octets.count, by: size) {
                var datagram = message[0]
                datagram.payload = Array(octets[start..<min(start + size, octets.count)])
                sent.append(datagram)
            }
        }
        return taken
    }

    private func refusal(_ message: [SentDatagram]) -> Int32 {
        if let error = sendErrors.first, error != 0 { return error }
        if message.count > 1, trainError != 0 { return trainError }
        if message.count > 64 { return EINVAL }
        if message[0].payload.count > largestPayload { return EMSGSIZE }
        let octets = message.reduce(0) { $0 + $1.payload.count }
        return octets > (family == .ipv4 ? 65_507 : 65_487) ? EMSGSIZE : 0
    }

    mutating func receiveErrors(_ family: AddressFamily, port: Int) -> Int {
        reported = Array(reports[family, default: [:]][port, default: []].prefix(16))
        reports[family]?[port]?.removeFirst(reported.count)
        return reported.count
    }

    func pathError(_ index: Int) -> PathError? {
        let report = reported[index]
        report.quote.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress { quote.copyMemory(from: base, byteCount: bytes.count) }
        }
        let bytes = UnsafeRawBufferPointer(start: quote, count: report.quote.count)
        return PathError(destination: report.destination, finding: report.finding, quote: bytes)
    }

    func now() -> UInt64 { clock }
}

extension DataPlane {
    /// A plane with one worker and a fixed seed, never started.
    static func forTests(workers: Int = 1, _ change: (inout DataPlaneOptions) -> Void = { _ in }) throws -> DataPlane {
        var options = DataPlaneOptions()
        options.workers = workers
        options.families = [.ipv4, .ipv6]
        options.hashSeed = 1
        change(&options)
        return try DataPlane(options: options)
    }

    /// Worker 0 on memory, online.
    func memoryWorker(
        _ index: Int = 0,
        offload: Offload = .auto
    ) -> Worker<MemoryDevice> {
        workers[index].reader.online()
        return Worker(plane: shared, shared: workers[index], device: MemoryDevice(offload: offload))
    }

    func dropped(_ reason: DataPlaneDropReason) -> UInt64 { statistics().drops[reason] ?? 0 }

    /// All drops, by reason, that happened at all.
    var drops: [DataPlaneDropReason: UInt64] { statistics().drops.filter { $0.value > 0 } }
}

func address(_ text: String) -> IPAddress {
    guard let address = IPAddress(text) else { preconditionFailure("\(text) is an address") }
    return address
}

func prefix(_ text: String, instance: UInt32 = 0) -> EIDPrefix {
    guard let prefix = IPPrefix(text) else { preconditionFailure("\(text) is a prefix") }
    return EIDPrefix(instanceID: InstanceID(uncheckedRawValue: instance), prefix)
}

func locator(_ id: UInt32, _ text: String, up: Bool = true, mtu: UInt16 = 0) -> ForwardingUpdate {
    .putLocator(LocatorID(rawValue: id), address: address(text), source: nil, up: up, mtu: mtu)
}

func locatorSet(_ id: UInt32, _ slots: [(id: UInt32, priority: UInt8, weight: UInt8)]) -> ForwardingUpdate {
    let slots = slots.map { LocatorSlot(locator: LocatorID(rawValue: $0.id), priority: $0.priority, weight: $0.weight) }
    return .putLocatorSet(LocatorSetID(rawValue: id), slots)
}

func entry(_ text: String, instance: UInt32 = 0, mapping: UInt32 = 1, set: UInt32 = 1) -> ForwardingUpdate {
    entry(text, instance: instance, mapping: mapping, .encapsulate(LocatorSetID(rawValue: set)))
}

func entry(
    _ text: String,
    instance: UInt32 = 0,
    mapping: UInt32 = 1,
    _ action: ForwardingAction
) -> ForwardingUpdate {
    .putEntry(prefix(text, instance: instance), mapping: MappingID(rawValue: mapping), action: action)
}

/// A UDP packet of 8 octets of payload, or a fragment of one, with a right IPv4 header checksum.
func packet(
    _ source: String,
    _ destination: String,
    ports: (UInt16, UInt16) = (1_000, 2_000),
    ttl: UInt8 = 63,
    tos: UInt8 = 0,
    fragment: UInt16 = 0
) -> [UInt8] {
    func octets(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
    let payload = octets(ports.0) + octets(ports.1) + [0, 16, 0, 0] + [1, 2, 3, 4, 5, 6, 7, 8]
    switch (address(source), address(destination)) {
    case (.v4(let from), .v4(let to)):
        var header: [UInt8] = [0x45, tos, 0, 36, 0, 0] + octets(fragment) + [ttl, 17, 0, 0]
        header += octets(from.rawValue) + octets(to.rawValue)
        let checksum = header.withUnsafeBytes { InternetChecksum.checksum($0) }
        header.replaceSubrange(10..<12, with: octets(checksum))
        return header + payload
    case (.v6(let from), .v6(let to)):
        let first = octets(UInt32(6) << 28 | UInt32(tos) << 20)
        return first + [0, 16, 17, ttl] + octets(from.rawValue) + octets(to.rawValue) + payload
    default:
        preconditionFailure("two addresses of one family")
    }
}

/// A LISP header and a packet behind it.
func datagram(
    _ inner: [UInt8],
    instance: UInt32 = 0,
    tos: UInt8 = 0,
    ttl: UInt8 = 64,
    from source: String = "192.0.2.2"
) -> ReceivedPacket {
    let header = LISPHeaderWords.header(instance: instance)
    let payload = withUnsafeBytes(of: header.bigEndian) { Array($0) } + inner
    return ReceivedPacket(payload: payload, tos: tos, ttl: ttl, source: address(source))
}

/// TTL or hop limit of a packet.
func ttl(_ packet: [UInt8]) -> UInt8 { packet[0] >> 4 == 4 ? packet[8] : packet[7] }

/// TOS or traffic class.
func tos(_ packet: [UInt8]) -> UInt8 { packet[0] >> 4 == 4 ? packet[1] : packet[0] << 4 | packet[1] >> 4 }

func hasValidChecksum(_ packet: [UInt8]) -> Bool {
    packet[0] >> 4 == 6 || packet.withUnsafeBytes { IPv4View($0)?.hasValidChecksum == true }
}

/// A generator whose whole state is its seed. A test prints the seed it uses.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }

    /// From LISPD_TEST_SEED, or new.
    static func printed(_ name: String) -> SplitMix {
        let seed = ProcessSeed.value
        print("\(name): seed \(seed) (LISPD_TEST_SEED)")
        return SplitMix(seed: seed)
    }
}
