// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
// Cutting what the kernel hands over as one packet (TSO, USO) into the packets that it stands for, as the kernel itself or a network
// card would do:
//
//     IPv4    total length; the ID counts up; header checksum
//     IPv6    payload length
//     TCP     the sequence number goes on; FIN and PSH with the last alone, CWR with the first alone; checksum
//     UDP     length, checksum
//
// Only headers are written, into memory of the caller's: payload stays where it is.

import PacketView

/// Hands out the headers of the segments of one train, in order.
struct SegmentCutter {
    // Not sets of options: their algebra is generic code of another module.
    private static let finAndPush: UInt8 = 0x09
    private static let congestionWindowReduced: UInt8 = 0x80

    private let packet: UnsafeRawPointer
    private let isIPv4: Bool
    private let isTCP: Bool
    /// Where the transport header begins.
    private let transport: Int
    /// Octets of all headers.
    let headerLength: Int
    private let length: Int
    /// Octets of payload in each segment but the last.
    private let size: Int
    /// The sum of the pseudo header but for the length.
    private let pseudoSum: UInt16
    /// Octets of payload in the segments so far, and how many those are.
    private var done = 0
    private var number = 0

    /// What a virtio header says of the packet.
    var layout: TunnelHeader.Layout {
        let isECN =
            isTCP && packet.load(fromByteOffset: transport &+ 13, as: UInt8.self) & Self.congestionWindowReduced != 0
        return TunnelHeader.Layout(headerLength: headerLength, transport: transport, isTCP: isTCP, isECN: isECN)
    }

    /// How many segments there are.
    let count: Int
    /// Octets of the largest, headers included.
    var largest: Int { headerLength &+ min(size, length &- headerLength) }

    /// `nil` if the packet is not what the train says that it is: the kernel's word is not taken for lengths.
    ///
    /// - Parameters:
    ///   - packet: has to stay while segments are made.
    ///   - segments: not `none`.
    init?(_ packet: UnsafeRawBufferPointer, _ segments: SegmentTrain) {
        guard let base = packet.baseAddress else { return nil }
        let number: UInt8
        let addresses: UnsafeRawBufferPointer
        if let view = IPv4View(packet) {
            guard !view.isFragment, segments.kind != .tcpIPv6 else { return nil }
            isIPv4 = true
            number = view.protocol
            transport = view.headerLength
            length = view.totalLength
            addresses = UnsafeRawBufferPointer(start: base + 12, count: 8)
        } else if let view = IPv6View(packet) {
            let upper = view.upperLayer
            guard !upper.isFragment, segments.kind != .tcpIPv4 else { return nil }
            isIPv4 = false
            number = upper.protocol
            transport = upper.offset
            length = view.totalLength
            addresses = UnsafeRawBufferPointer(start: base + 8, count: 32)
        } else {
            return nil
        }
        isTCP = segments.kind != .udp
        guard number == (isTCP ? IPProtocol.tcp : IPProtocol.udp) else { return nil }
        let upper = UnsafeRawBufferPointer(rebasing: packet[transport..<length])
        if isTCP {
            guard let view = TCPView(upper) else { return nil }
            headerLength = transport &+ view.headerLength
        } else {
            guard upper.count >= UDPView.headerLength else { return nil }
            headerLength = transport &+ UDPView.headerLength
        }
        size = Int(segments.size)
        let payload = length &- headerLength
        guard size > 0, payload > 0, headerLength <= DataPlaneConstants.largestHeaders else { return nil }
        count = (payload &+ size &- 1) / size
        pseudoSum = InternetChecksum.pseudoHeaderSum(addresses, protocol: number, length: 0)
        self.packet = base
    }

    /// Writes the headers of the next segment.
    ///
    /// - Parameter room: has `headerLength` octets.
    /// - Returns: its payload; `nil` when there is no segment left.
    @inline(__always)
    mutating func next(to room: UnsafeMutableRawPointer) -> UnsafeRawBufferPointer? {
        guard number < count else { return nil }
        let isLast = number &+ 1 == count
        let octets = isLast ? length &- headerLength &- done : size
        let payload = UnsafeRawBufferPointer(start: packet + (headerLength &+ done), count: octets)
        room.copyMemory(from: packet, byteCount: headerLength)
        let total = headerLength &+ octets
        // Safe: not longer than the packet, whose length has 16 bits.
        if isIPv4 {
            Self.store(UInt16(truncatingIfNeeded: total), room, 2)
            let id = UInt16(bigEndian: packet.loadUnaligned(fromByteOffset: 4, as: UInt16.self))
            Self.store(id &+ UInt16(truncatingIfNeeded: number), room, 4)
            Self.store(0, room, 10)
            Self.store(InternetChecksum.checksum(UnsafeRawBufferPointer(start: room, count: transport)), room, 10)
        } else {
            Self.store(UInt16(truncatingIfNeeded: total &- IPv6View.headerLength), room, 4)
        }
        let field = transport &+ (isTCP ? 16 : 6)
        if isTCP {
            let sequence = UInt32(bigEndian: packet.loadUnaligned(fromByteOffset: transport &+ 4, as: UInt32.self))
            room.storeBytes(
                of: (sequence &+ UInt32(truncatingIfNeeded: done)).bigEndian,
                toByteOffset: transport &+ 4,
                as: UInt32.self
            )
            var flags = packet.load(fromByteOffset: transport &+ 13, as: UInt8.self)
            if !isLast { flags &= ~Self.finAndPush }
            if number > 0 { flags &= ~Self.congestionWindowReduced }
            room.storeBytes(of: flags, toByteOffset: transport &+ 13, as: UInt8.self)
        } else {
            Self.store(UInt16(truncatingIfNeeded: total &- transport), room, transport &+ 4)
        }
        Self.store(0, room, field)
        let lengthSum = InternetChecksum.sum(
            UnsafeRawBufferPointer(start: room + transport, count: headerLength &- transport),
            initial: Self.added(pseudoSum, UInt16(truncatingIfNeeded: total &- transport))
        )
        let checksum = InternetChecksum.checksum(payload, initial: lengthSum)
        // In UDP, 0 says that there is none.
        Self.store(checksum == 0 && !isTCP ? 0xffff : checksum, room, field)
        done &+= octets
        number &+= 1
        return payload
    }

    /// The one's complement sum of two.
    @inline(__always)
    private static func added(_ a: UInt16, _ b: UInt16) -> UInt16 {
        let (sum, carry) = a.addingReportingOverflow(b)
        return carry ? sum &+ 1 : sum
    }

    @inline(__always)
    private static func store(_ value: UInt16, _ room: UnsafeMutableRawPointer, _ offset: Int) {
        room.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt16.self)
    }
}
