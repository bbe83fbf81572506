// Views of packets: fields where they belong, refusal of what is cut short, and checksums against RFC 1071's rules.

import PacketView
import Testing

/// Runs `body` on the octets.
func view<R>(_ octets: [UInt8], _ body: (UnsafeRawBufferPointer) -> R) -> R {
    octets.withUnsafeBytes { body($0) }
}

/// An echo request from 10.1.0.2 to 10.2.0.2, TTL 64, with the checksum that Linux computed.
let echoRequest: [UInt8] = [
    0x45, 0xb9, 0x00, 0x1c,  // version, IHL, TOS (DSCP 46, ECN 1), total length 28
    0x12, 0x34, 0x40, 0x00,  // identification, DF
    0x40, 0x01, 0x00, 0x00,  // TTL, ICMP, checksum (below)
    10, 1, 0, 2,
    10, 2, 0, 2,
    8, 0, 0xf7, 0xfa, 0, 1, 0, 4,  // echo, identifier 1, sequence 4
]

@Suite struct IPv4ViewTests {
    @Test func `reads every field`() {
        view(echoRequest + [0xff]) { bytes in
            let packet = IPv4View(bytes)
            #expect(packet?.headerLength == 20)
            #expect(packet?.totalLength == 28)
            #expect(packet?.tos == 0xb9)
            #expect(packet?.identification == 0x1234)
            #expect(packet?.dontFragment == true)
            #expect(packet?.isFragment == false)
            #expect(packet?.ttl == 64)
            #expect(packet?.protocol == IPProtocol.icmp)
            #expect(packet?.source == 0x0a01_0002)
            #expect(packet?.destination == 0x0a02_0002)
            #expect(packet?.payload.count == 8)
            #expect(packet.flatMap { ICMPView($0.payload) }?.type == 8)
        }
    }

    @Test(arguments: 0..<28) func `refuses a packet cut short`(length: Int) {
        view(Array(echoRequest.prefix(length))) { #expect(IPv4View($0) == nil) }
    }

    @Test func `refuses a header shorter than 20 octets, longer than the packet, and other versions`() {
        for first: UInt8 in [0x44, 0x4f, 0x65, 0x05] {
            var packet = echoRequest
            packet[0] = first
            view(packet) { #expect(IPv4View($0) == nil) }
        }
        var packet = echoRequest
        packet[3] = 19
        view(packet) { #expect(IPv4View($0) == nil) }
    }

    @Test(arguments: [(0x20, 0, true), (0x00, 1, true), (0x40, 0, false), (0x00, 0, false), (0x1f, 0xff, true)])
    func `knows fragments`(high: UInt8, low: UInt8, expected: Bool) {
        var packet = echoRequest
        packet[6] = high
        packet[7] = low
        view(packet) { #expect(IPv4View($0)?.isFragment == expected) }
    }

    @Test func `changes of TOS and TTL keep the checksum right`() {
        var packet = echoRequest
        let checksum = view(Array(packet.prefix(20))) { InternetChecksum.checksum($0) }
        packet[10] = UInt8(checksum >> 8)
        packet[11] = UInt8(checksum & 0xff)
        view(packet) { #expect(IPv4View($0)?.hasValidChecksum == true) }
        for tos: UInt8 in [0, 1, 0xb9, 0xff] {
            for ttl: UInt8 in [0, 1, 63, 64, 255] {
                packet.withUnsafeMutableBytes { bytes in
                    guard let base = bytes.baseAddress else { return }
                    HeaderEditing.setIPv4(base, tos: tos, ttl: ttl)
                }
                view(packet) { bytes in
                    #expect(IPv4View(bytes)?.hasValidChecksum == true)
                    #expect(IPv4View(bytes)?.tos == tos)
                    #expect(IPv4View(bytes)?.ttl == ttl)
                }
            }
        }
    }
}

@Suite struct IPv6ViewTests {
    /// A packet with these extension headers and payload behind a fixed header.
    func packet(next: UInt8, _ rest: [UInt8]) -> [UInt8] {
        let length = UInt16(rest.count)
        return [0x6a, 0xb1, 0x23, 0x45, UInt8(length >> 8), UInt8(length & 0xff), next, 63]
            + [0x20, 1, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [1]
            + [0x20, 1, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [2] + rest
    }

    let udp: [UInt8] = [0x30, 0x39, 0x00, 0x35, 0, 8, 0xab, 0xcd]

    @Test func `reads every field`() {
        view(packet(next: 17, udp)) { bytes in
            let packet = IPv6View(bytes)
            #expect(packet?.trafficClass == 0xab)
            #expect(packet?.flowLabel == 0x12345)
            #expect(packet?.nextHeader == 17)
            #expect(packet?.hopLimit == 63)
            #expect(packet?.totalLength == 48)
            #expect(packet?.sourceHigh == 0x2001_0db8_0000_0000)
            #expect(packet?.sourceLow == 1)
            #expect(packet?.destinationLow == 2)
            #expect(packet.flatMap { UDPView($0.payload) }?.destinationPort == 53)
        }
    }

    @Test(arguments: 0..<48) func `refuses a packet cut short`(length: Int) {
        view(Array(packet(next: 17, udp).prefix(length))) { #expect(IPv6View($0) == nil) }
    }

    @Test func `walks extension headers to the upper layer`() {
        let hopByHop: [UInt8] = [60, 0, 1, 4, 0, 0, 0, 0]
        let destination: [UInt8] = [51, 1] + [UInt8](repeating: 0, count: 14)
        let authentication: [UInt8] = [17, 1] + [UInt8](repeating: 0, count: 10)
        view(packet(next: 0, hopByHop + destination + authentication + udp)) { bytes in
            let upper = IPv6View(bytes)?.upperLayer
            #expect(upper?.protocol == 17)
            #expect(upper?.offset == 40 + 8 + 16 + 12)
            #expect(upper?.isFragment == false)
        }
    }

    @Test func `tells fragments from atomic ones`() {
        func upper(_ word: UInt16) -> IPv6View.UpperLayer? {
            let fragment: [UInt8] = [17, 0, UInt8(word >> 8), UInt8(word & 0xff), 0, 0, 0, 1]
            return view(packet(next: 44, fragment + udp)) { IPv6View($0)?.upperLayer }
        }
        #expect(upper(0)?.isFragment == false)
        #expect(upper(1)?.isFragment == true)
        #expect(upper(1)?.isLaterFragment == false)
        #expect(upper(8)?.isLaterFragment == true)
    }

    @Test func `a broken or endless chain has no upper layer`() {
        let endless = (0..<20).flatMap { _ in [60, 0, 1, 4, 0, 0, 0, 0] as [UInt8] }
        view(packet(next: 60, endless)) { #expect(IPv6View($0)?.upperLayer.protocol == IPProtocol.noNextHeader) }
        view(packet(next: 0, [17, 200, 0, 0, 0, 0, 0, 0])) {
            #expect(IPv6View($0)?.upperLayer.protocol == IPProtocol.noNextHeader)
        }
        view(packet(next: 0, [17])) { #expect(IPv6View($0)?.upperLayer.protocol == IPProtocol.noNextHeader) }
    }

    @Test func `sets traffic class and hop limit, and nothing else`() {
        var octets = packet(next: 17, udp)
        octets.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            HeaderEditing.setIPv6(base, trafficClass: 0x5c, hopLimit: 9)
        }
        view(octets) { bytes in
            #expect(IPv6View(bytes)?.trafficClass == 0x5c)
            #expect(IPv6View(bytes)?.hopLimit == 9)
            #expect(IPv6View(bytes)?.flowLabel == 0x12345)
            #expect(IPv6View(bytes)?.totalLength == 48)
        }
    }
}

@Suite struct TransportViewTests {
    @Test func `UDP needs a length that fits`() {
        view([0, 1, 0, 2, 0, 9, 0, 0]) { #expect(UDPView($0) == nil) }
        view([0, 1, 0, 2, 0, 7, 0, 0]) { #expect(UDPView($0) == nil) }
        view([0, 1, 0, 2, 0, 8, 0, 0, 99]) { #expect(UDPView($0)?.payload.count == 0) }
        view([0, 1, 0, 2, 0, 8, 0]) { #expect(UDPView($0) == nil) }
    }

    @Test func `TCP knows its options and flags`() {
        let header: [UInt8] =
            [0x1f, 0x90, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x60, 0x12, 0xff, 0xff, 0xaa, 0xbb, 0, 0] + [2, 4, 5, 0xb4] + [
                1, 2,
            ]
        view(header) { bytes in
            let segment = TCPView(bytes)
            #expect(segment?.sourcePort == 8080)
            #expect(segment?.destinationPort == 80)
            #expect(segment?.sequenceNumber == 1)
            #expect(segment?.acknowledgment == 2)
            #expect(segment?.flags == [.syn, .ack])
            #expect(segment?.headerLength == 24)
            #expect(segment?.payload.count == 2)
        }
        for length in 0..<24 {
            view(Array(header.prefix(length))) { #expect(TCPView($0) == nil) }
        }
    }
}

@Suite struct ChecksumTests {
    /// The sum word by word, as RFC 1071 section 1 words it.
    func plainSum(_ octets: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: octets.count, by: 2) {
            sum += UInt32(octets[index]) << 8 + (index + 1 < octets.count ? UInt32(octets[index + 1]) : 0)
        }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        return UInt16(sum)
    }

    @Test func `agrees with the plain sum for every length`() {
        var random = SplitMix(seed: 1_071)
        for length in 0..<200 {
            let octets = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
            #expect(view(octets) { InternetChecksum.sum($0) } == plainSum(octets))
        }
        #expect(view([UInt8](repeating: 0xff, count: 65_535)) { InternetChecksum.sum($0) } != 0)
    }

    @Test func `a sum can be continued from a pseudo header`() {
        // The datagram of RFC 768 from 10.0.0.1 to 10.0.0.2, computed by hand.
        let addresses: [UInt8] = [10, 0, 0, 1, 10, 0, 0, 2]
        let datagram: [UInt8] = [0, 53, 0, 53, 0, 10, 0, 0, 0xab, 0xcd]
        let pseudo = view(addresses) { InternetChecksum.pseudoHeaderSum($0, protocol: 17, length: 10) }
        let whole = plainSum(addresses + [0, 17, 0, 10] + datagram)
        #expect(view(datagram) { InternetChecksum.sum($0, initial: pseudo) } == whole)
    }

    @Test func `an update equals a new sum`() {
        var random = SplitMix(seed: 1_624)
        for _ in 0..<10_000 {
            var octets = (0..<20).map { _ in UInt8.random(in: 0...255, using: &random) }
            let before = view(octets) { InternetChecksum.checksum($0) }
            let old = UInt16(octets[4]) << 8 | UInt16(octets[5])
            let new = UInt16.random(in: 0...0xffff, using: &random)
            octets[4] = UInt8(new >> 8)
            octets[5] = UInt8(new & 0xff)
            let after = view(octets) { InternetChecksum.checksum($0) }
            let updated = InternetChecksum.updated(before, from: old, to: new)
            // 0 and 0xffff are one number in one's complement.
            #expect(updated == after || (updated == 0xffff && after == 0) || (updated == 0 && after == 0xffff))
        }
    }
}

/// A generator whose whole state is its seed.
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
}
