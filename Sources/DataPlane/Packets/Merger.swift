// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
// Into the site: neighbours of one flow are written to the TUN as one large packet, which crosses the kernel's network stack
// once and is cut where it must be (TSO, USO). Nothing is copied; only the header of the first packet is changed.
//
//    received   ... [IP|TCP|payload 1] ... [IP|TCP|payload 2] ... [IP|TCP|payload 3]
//    written    [virtio header] [IP|TCP|payload 1] [payload 2] [payload 3]
//
// What is merged is, cut again by the kernel, what came, to the octet. So these are the rules of the kernel's tcp_gro_receive
// and udp_gro_receive, some of them stricter:
//
// - IPv4 without options that is no fragment, or IPv6 without extension headers; TCP with payload, UDP with payload and checksum.
//   Lengths fit each other, and checksums are right. Checksums that are right but that nobody would compute (0xffff where 0 is
//   meant) do not count.
// - Same addresses, ports, TOS, TTL, DF and flow label. IDs of IPv4 count up, with DF too: a cut packet's do.
// - Of TCP, sequence numbers adjoin, and acknowledgment, window, options and ECE are the same. SYN, RST, URG and reserved bits
//   never merge. CWR begins a frame; FIN or PSH ends it.
// - All payloads of a frame have the same size; a shorter one ends it.
//
// A packet that does not merge leaves as it came. Before it, what is open of its flow leaves; of its pair of addresses, if its
// flow cannot be told (fragments, other protocols, options).

import Glibc
import PacketView

/// What is written to a TUN at once. Valid while the sink looks at it.
struct MergedFrame {
    /// The virtio header, the first packet, and the payload of each further packet.
    let vectors: UnsafePointer<iovec>
    let count: Int
    /// Octets of all vectors.
    let length: Int
    /// Packets in it, and octets of those as they came.
    let packets: Int
    let octets: Int
    /// The number of the TUN.
    let queue: Int
    /// Of the first packet.
    let tag: UInt64
}

/// Takes frames: a TUN, or memory in tests.
protocol FrameSink: ~Copyable {
    mutating func write(_ frame: MergedFrame)
}

/// Merges packets. Whatever is added leaves by the next `flush` at the latest; until then its memory belongs to the merger.
struct Merger: ~Copyable {
    /// What every kernel takes, of USO too.
    static let maximumSegments = 64
    /// Octets of the largest merged packet, with its IP header. IPv6 could say more, but devices take no more.
    static let maximumLength = 65_535

    /// Vectors of a frame.
    private static let stride = maximumSegments + 1
    /// From one virtio header to the next.
    private static let headerStride = 16

    private let mergesTCP: Bool
    private let mergesUDP: Bool
    private let capacity: Int
    // Safe: all four are freed by `deinit`. There are `capacity` places, with `stride` vectors and a header each; after them one
    // more header, always zero, and two vectors for packets that go alone. `order` holds each place once.
    private let flows: UnsafeMutablePointer<Flow>
    private let vectors: UnsafeMutablePointer<iovec>
    private let headers: UnsafeMutableRawPointer
    /// The places: open ones first, from the oldest on, then free ones.
    private let order: UnsafeMutablePointer<Int>
    /// How many are open.
    private var open = 0
    /// The place that was used last.
    private var recent = 0

    /// - Parameter flows: how many may be open at a time; at least 1.
    init(flows capacity: Int = 16, mergesTCP: Bool = true, mergesUDP: Bool = true) {
        precondition(capacity > 0, "a merger needs a place")
        self.capacity = capacity
        self.mergesTCP = mergesTCP
        self.mergesUDP = mergesUDP
        let octets = (capacity + 1) * Self.headerStride
        headers = .allocate(byteCount: octets, alignment: Self.headerStride)
        headers.initializeMemory(as: UInt8.self, repeating: 0, count: octets)
        flows = .allocate(capacity: capacity)
        flows.initialize(repeating: Flow(first: headers), count: capacity)
        vectors = .allocate(capacity: capacity * Self.stride + 2)
        vectors.initialize(repeating: iovec(), count: capacity * Self.stride + 2)
        order = .allocate(capacity: capacity)
        for place in 0..<capacity { (order + place).initialize(to: place) }
        for place in 0...capacity {
            vectors[place * Self.stride] = iovec(
                iov_base: headers + place * Self.headerStride,
                iov_len: TunnelHeader.size
            )
        }
    }

    deinit {
        flows.deallocate()
        vectors.deallocate()
        headers.deallocate()
        order.deallocate()
    }

    /// Source, destination, ports and protocol; family and number of the TUN.
    private struct Key: Equatable {
        /// Queue (16) | family (8) | protocol (8) | ports (32).
        var numbers: UInt64 = 0
        var addresses: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

        private static let pairMask: UInt64 = 0xffff_ff00_0000_0000

        /// Without protocol and ports.
        @inline(__always)
        init(_ packet: UnsafeRawPointer, isIPv4: Bool, queue: Int) {
            // Safe: an instance has a number below `DataPlaneConstants.maximumInstances`.
            numbers = UInt64(truncatingIfNeeded: queue) << 48 | (isIPv4 ? 4 : 6) << 40
            if isIPv4 {
                addresses.0 = packet.loadUnaligned(fromByteOffset: 12, as: UInt64.self)
            } else {
                addresses.0 = packet.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
                addresses.1 = packet.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
                addresses.2 = packet.loadUnaligned(fromByteOffset: 24, as: UInt64.self)
                addresses.3 = packet.loadUnaligned(fromByteOffset: 32, as: UInt64.self)
            }
        }

        init() {}

        @inline(__always)
        mutating func setFlow(_ number: UInt8, ports: UInt32) {
            numbers |= UInt64(number) << 32 | UInt64(ports)
        }

        @inline(__always)
        func hasSameAddresses(_ other: Key) -> Bool {
            addresses.0 == other.addresses.0 && addresses.1 == other.addresses.1
                && addresses.2 == other.addresses.2 && addresses.3 == other.addresses.3
        }

        @inline(__always)
        func isSamePair(_ other: Key) -> Bool {
            (numbers ^ other.numbers) & Self.pairMask == 0 && hasSameAddresses(other)
        }

        @inline(__always)
        static func == (one: Key, other: Key) -> Bool {
            one.numbers == other.numbers && one.hasSameAddresses(other)
        }
    }

    /// An open flow: one packet, or several of the same size that adjoin.
    private struct Flow {
        var key = Key()
        /// Its header is as it came, until the frame leaves.
        var first: UnsafeMutableRawPointer
        var form = Form()
        /// Octets of payload in each packet.
        var segment = 0
        /// Octets of the merged packet.
        var length = 0
        /// 0: the place is free.
        var packets = 0
        var octets = 0
        /// Those that the next packet must have.
        var nextSequence: UInt32 = 0
        var nextIdentification: UInt16 = 0
        /// TCP's, of the last packet.
        var lastFlags: UInt8 = 0
        var queue = 0
        var tag: UInt64 = 0
    }

    /// What a packet consists of.
    private struct Form: Equatable {
        var isIPv4 = false
        var isTCP = false
        /// Octets of both headers.
        var headerLength = 0

        /// Where the transport header begins.
        @inline(__always)
        var transport: Int { isIPv4 ? IPv4View.minimumHeaderLength : IPv6View.headerLength }

        @inline(__always)
        var number: UInt8 { isTCP ? IPProtocol.tcp : IPProtocol.udp }

        /// Where the addresses begin, which end at the transport header.
        @inline(__always)
        var addresses: Int { isIPv4 ? 12 : 8 }

        /// Where the checksum is in the transport header.
        @inline(__always)
        var checksum: Int { isTCP ? 16 : 6 }
    }

    // MARK: Taking packets

    /// Takes a packet, and hands over what cannot grow any more.
    ///
    /// - Parameters:
    ///   - packet: its TOS and TTL are final. Stays as it is until it was written; its header may be changed then.
    ///   - length: octets of it.
    ///   - queue: the number of the TUN, below 65,536.
    ///   - tag: whatever the sink may want to know.
    @inline(__always)
    mutating func add<Sink: FrameSink & ~Copyable>(
        _ packet: UnsafeMutableRawPointer,
        length: Int,
        queue: Int,
        tag: UInt64,
        _ sink: inout Sink
    ) {
        let version = length >= IPv4View.minimumHeaderLength ? packet.load(as: UInt8.self) >> 4 : 0
        guard version == 4 || version == 6 && length >= IPv6View.headerLength else {
            return writeAlone(packet, length, queue, tag, &sink)
        }
        let isIPv4 = version == 4
        var key = Key(packet, isIPv4: isIPv4, queue: queue)
        guard let form = Self.form(packet, length, isIPv4: isIPv4) else {
            handOverPair(key, &sink)
            return writeAlone(packet, length, queue, tag, &sink)
        }
        guard form.isTCP ? mergesTCP : mergesUDP else { return writeAlone(packet, length, queue, tag, &sink) }
        key.setFlow(form.number, ports: packet.loadUnaligned(fromByteOffset: form.transport, as: UInt32.self))
        let place = find(key)
        guard Self.mayMerge(packet, length, form) else {
            if place >= 0 { handOver(place, &sink) }
            return writeAlone(packet, length, queue, tag, &sink)
        }
        if place >= 0 {
            let flow = flows + place
            // Only now is a sum worth its cost; that of the first packet, once there is a second.
            if Self.continues(flow, packet, length, form),
                flow.pointee.packets > 1 || Self.isIntact(flow.pointee.first, flow.pointee.length, form)
            {
                guard Self.isIntact(packet, length, form) else {
                    handOver(place, &sink)
                    return writeAlone(packet, length, queue, tag, &sink)
                }
                return append(place, packet, length, &sink)
            }
            handOver(place, &sink)
        }
        if form.isTCP, Self.flags(packet, form) & TCPFlags.ending != 0 {
            return writeAlone(packet, length, queue, tag, &sink)
        }
        if open == capacity { handOver(order[0], &sink) }
        begin(packet, length, form, key, queue: queue, tag: tag)
    }

    /// Hands over all that is open, the oldest first.
    mutating func flush<Sink: FrameSink & ~Copyable>(_ sink: inout Sink) {
        while open > 0 { handOver(order[0], &sink) }
    }

    // MARK: Looking at packets

    /// Flags of TCP, as they stand in its 14th octet.
    private enum TCPFlags {
        static let ack: UInt8 = 0x10
        static let ece: UInt8 = 0x40
        static let cwr: UInt8 = 0x80
        /// FIN and PSH.
        static let ending: UInt8 = 0x09
        /// SYN, RST and URG.
        static let never: UInt8 = 0x26
    }

    @inline(__always)
    private static func half(_ packet: UnsafeRawPointer, _ offset: Int) -> UInt16 {
        UInt16(bigEndian: packet.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }

    @inline(__always)
    private static func word(_ packet: UnsafeRawPointer, _ offset: Int) -> UInt32 {
        UInt32(bigEndian: packet.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    @inline(__always)
    private static func store(_ value: UInt16, _ packet: UnsafeMutableRawPointer, _ offset: Int) {
        packet.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt16.self)
    }

    @inline(__always)
    private static func flags(_ packet: UnsafeRawPointer, _ form: Form) -> UInt8 {
        packet.load(fromByteOffset: form.transport &+ 13, as: UInt8.self)
    }

    /// `nil` unless it is a whole TCP or UDP packet, with nothing between the headers, whose lengths fit each other.
    ///
    /// - Parameter length: enough for a header of IPv4 or IPv6.
    @inline(__always)
    private static func form(_ packet: UnsafeRawPointer, _ length: Int, isIPv4: Bool) -> Form? {
        var form = Form()
        form.isIPv4 = isIPv4
        let number: UInt8
        if isIPv4 {
            // DF may be set, but no other flag, and the offset is 0.
            guard packet.load(as: UInt8.self) == 0x45, Int(half(packet, 2)) == length, half(packet, 6) & 0xbfff == 0
            else { return nil }
            number = packet.load(fromByteOffset: 9, as: UInt8.self)
        } else {
            guard Int(half(packet, 4)) &+ IPv6View.headerLength == length else { return nil }
            number = packet.load(fromByteOffset: 6, as: UInt8.self)
        }
        let start = form.transport
        let rest = length &- start
        if number == IPProtocol.tcp {
            guard rest >= TCPView.minimumHeaderLength else { return nil }
            let octets = Int(packet.load(fromByteOffset: start &+ 12, as: UInt8.self) >> 4) &* 4
            guard octets >= TCPView.minimumHeaderLength, octets <= rest else { return nil }
            form.isTCP = true
            form.headerLength = start &+ octets
        } else if number == IPProtocol.udp {
            guard rest >= UDPView.headerLength, Int(half(packet, start &+ 4)) == rest else { return nil }
            form.headerLength = start &+ UDPView.headerLength
        } else {
            return nil
        }
        return form
    }

    /// Whether it could be part of a larger packet, or its beginning, if its checksums are right.
    @inline(__always)
    private static func mayMerge(_ packet: UnsafeRawPointer, _ length: Int, _ form: Form) -> Bool {
        guard length > form.headerLength, !form.isIPv4 || half(packet, 10) != 0xffff else { return false }
        let checksum = half(packet, form.transport &+ form.checksum)
        // None was computed.
        guard form.isTCP else { return checksum != 0 }
        let start = form.transport
        return checksum != 0xffff && flags(packet, form) & (TCPFlags.never | TCPFlags.ack) == TCPFlags.ack
            // Reserved bits, and the urgent pointer.
            && packet.load(fromByteOffset: start &+ 12, as: UInt8.self) & 0x0f == 0 && half(packet, start &+ 18) == 0
    }

    /// Whether it may follow what is open of its flow, if its checksums are right.
    @inline(__always)
    private static func continues(
        _ flow: UnsafeMutablePointer<Flow>,
        _ packet: UnsafeRawPointer,
        _ length: Int,
        _ form: Form
    ) -> Bool {
        let first = UnsafeRawPointer(flow.pointee.first)
        let payload = length &- form.headerLength
        guard form == flow.pointee.form, payload <= flow.pointee.segment,
            flow.pointee.length &+ payload <= maximumLength
        else { return false }
        if form.isIPv4 {
            // TOS; DF; TTL.
            guard half(packet, 4) == flow.pointee.nextIdentification, half(packet, 0) == half(first, 0),
                half(packet, 6) == half(first, 6), half(packet, 8) == half(first, 8)
            else { return false }
        } else {
            // Traffic class and flow label; hop limit.
            guard word(packet, 0) == word(first, 0), half(packet, 6) == half(first, 6) else { return false }
        }
        guard form.isTCP else { return true }
        let start = form.transport
        let flags = flags(packet, form)
        guard word(packet, start &+ 4) == flow.pointee.nextSequence,
            word(packet, start &+ 8) == word(first, start &+ 8),
            half(packet, start &+ 14) == half(first, start &+ 14), flags & TCPFlags.cwr == 0,
            (flags ^ Self.flags(first, form)) & TCPFlags.ece == 0
        else { return false }
        var offset = start &+ TCPView.minimumHeaderLength
        // Safe: a header ends at a multiple of four octets.
        while offset < form.headerLength {
            guard word(packet, offset) == word(first, offset) else { return false }
            offset &+= 4
        }
        return true
    }

    /// Whether its checksums are right.
    @inline(__always)
    private static func isIntact(_ packet: UnsafeRawPointer, _ length: Int, _ form: Form) -> Bool {
        if form.isIPv4 {
            let header = UnsafeRawBufferPointer(start: packet, count: IPv4View.minimumHeaderLength)
            guard InternetChecksum.sum(header) == 0xffff else { return false }
        }
        // The addresses of the pseudo header stand before the transport header; its other two numbers are added by hand.
        let numbers = length &- form.transport &+ Int(form.number)
        let initial = UInt16(truncatingIfNeeded: numbers & 0xffff &+ numbers >> 16)
        let summed = UnsafeRawBufferPointer(start: packet + form.addresses, count: length &- form.addresses)
        return InternetChecksum.sum(summed, initial: initial) == 0xffff
    }

    // MARK: Open flows

    /// The place of an open flow, or -1.
    @inline(__always)
    private func find(_ key: Key) -> Int {
        if flows[recent].packets > 0, flows[recent].key == key { return recent }
        var position = 0
        while position < open {
            let place = order[position]
            if flows[place].key == key { return place }
            position &+= 1
        }
        return -1
    }

    @inline(__always)
    private mutating func begin(
        _ packet: UnsafeMutableRawPointer,
        _ length: Int,
        _ form: Form,
        _ key: Key,
        queue: Int,
        tag: UInt64
    ) {
        let place = order[open]
        open &+= 1
        recent = place
        let flow = flows + place
        flow.pointee.key = key
        flow.pointee.first = packet
        flow.pointee.form = form
        flow.pointee.segment = length &- form.headerLength
        flow.pointee.length = length
        flow.pointee.packets = 1
        flow.pointee.octets = length
        flow.pointee.lastFlags = 0
        flow.pointee.queue = queue
        flow.pointee.tag = tag
        if form.isIPv4 { flow.pointee.nextIdentification = Self.half(packet, 4) &+ 1 }
        if form.isTCP {
            let size = UInt32(truncatingIfNeeded: flow.pointee.segment)
            flow.pointee.nextSequence = Self.word(packet, form.transport &+ 4) &+ size
        }
        vectors[place &* Self.stride &+ 1] = iovec(iov_base: packet, iov_len: length)
    }

    /// Adds a packet that continues the flow, and hands the flow over if nothing may follow.
    @inline(__always)
    private mutating func append<Sink: FrameSink & ~Copyable>(
        _ place: Int,
        _ packet: UnsafeMutableRawPointer,
        _ length: Int,
        _ sink: inout Sink
    ) {
        recent = place
        let flow = flows + place
        let form = flow.pointee.form
        let payload = length &- form.headerLength
        flow.pointee.packets &+= 1
        flow.pointee.octets &+= length
        flow.pointee.length &+= payload
        flow.pointee.nextIdentification &+= 1
        flow.pointee.nextSequence &+= UInt32(truncatingIfNeeded: payload)
        // Safe: a flow with `maximumSegments` packets is not open any more.
        vectors[place &* Self.stride &+ flow.pointee.packets] = iovec(
            iov_base: packet + form.headerLength,
            iov_len: payload
        )
        if form.isTCP { flow.pointee.lastFlags = Self.flags(packet, form) }
        if payload < flow.pointee.segment || flow.pointee.lastFlags & TCPFlags.ending != 0
            || flow.pointee.packets == Self.maximumSegments
        {
            handOver(place, &sink)
        }
    }

    // MARK: Handing over

    /// Hands over what is open between two addresses, the oldest first.
    private mutating func handOverPair<Sink: FrameSink & ~Copyable>(_ key: Key, _ sink: inout Sink) {
        var position = 0
        while position < open {
            let place = order[position]
            // Closes the gap, so the next is at the same position.
            if flows[place].key.isSamePair(key) { handOver(place, &sink) } else { position &+= 1 }
        }
    }

    @inline(never)
    private mutating func handOver<Sink: FrameSink & ~Copyable>(_ place: Int, _ sink: inout Sink) {
        let flow = flows + place
        let pieces = vectors + place &* Self.stride
        if flow.pointee.packets > 1 {
            pieces[0].iov_base = headers + place &* Self.headerStride
            Self.finish(flow, headers + place &* Self.headerStride)
        } else {
            pieces[0].iov_base = headers + capacity &* Self.headerStride
        }
        sink.write(
            MergedFrame(
                vectors: pieces,
                count: flow.pointee.packets &+ 1,
                length: flow.pointee.length &+ TunnelHeader.size,
                packets: flow.pointee.packets,
                octets: flow.pointee.octets,
                queue: flow.pointee.queue,
                tag: flow.pointee.tag
            )
        )
        flow.pointee.packets = 0
        var position = 0
        // Safe: an open place is among the first `open` ones.
        while order[position] != place { position &+= 1 }
        open &-= 1
        while position < open {
            order[position] = order[position &+ 1]
            position &+= 1
        }
        order[open] = place
    }

    /// Makes the header of the first packet that of the merged one, and writes the virtio header for it.
    @inline(__always)
    private static func finish(_ flow: UnsafeMutablePointer<Flow>, _ header: UnsafeMutableRawPointer) {
        let packet = flow.pointee.first
        let form = flow.pointee.form
        let start = form.transport
        // Safe: `continues` kept the length below 65,536.
        let length = UInt16(truncatingIfNeeded: flow.pointee.length)
        let rest = length &- UInt16(truncatingIfNeeded: start)
        var kind = SegmentTrain.Kind.udp
        var isECN = false
        if form.isIPv4 {
            store(InternetChecksum.updated(half(packet, 10), from: half(packet, 2), to: length), packet, 10)
            store(length, packet, 2)
        } else {
            store(rest, packet, 4)
        }
        if form.isTCP {
            let flags = flags(packet, form)
            packet.storeBytes(of: flags | flow.pointee.lastFlags, toByteOffset: start &+ 13, as: UInt8.self)
            kind = form.isIPv4 ? .tcpIPv4 : .tcpIPv6
            isECN = flags & TCPFlags.cwr != 0
        } else {
            store(rest, packet, start &+ 4)
        }
        let addresses = UnsafeRawBufferPointer(start: packet + form.addresses, count: start &- form.addresses)
        let sum = InternetChecksum.pseudoHeaderSum(addresses, protocol: form.number, length: UInt32(rest))
        store(sum, packet, start &+ form.checksum)

        TunnelHeader.write(
            SegmentTrain(kind: kind, size: UInt16(truncatingIfNeeded: flow.pointee.segment)),
            TunnelHeader.Layout(headerLength: form.headerLength, transport: start, isTCP: form.isTCP, isECN: isECN),
            to: header
        )
    }

    @inline(never)
    private func writeAlone<Sink: FrameSink & ~Copyable>(
        _ packet: UnsafeMutableRawPointer,
        _ length: Int,
        _ queue: Int,
        _ tag: UInt64,
        _ sink: inout Sink
    ) {
        let pieces = vectors + capacity &* Self.stride
        pieces[1] = iovec(iov_base: packet, iov_len: length)
        sink.write(
            MergedFrame(
                vectors: pieces,
                count: 2,
                length: length &+ TunnelHeader.size,
                packets: 1,
                octets: length,
                queue: queue,
                tag: tag
            )
        )
    }
}
