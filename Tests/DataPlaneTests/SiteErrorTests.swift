// What hosts of the site are told of packets that are not carried: octet by octet, and when not.

import ForwardingInterface
import LISPWire
import Testing

@testable import DataPlane

/// The checksum by RFC 1071's own words, one word after another.
func plainChecksum(_ octets: [UInt8]) -> UInt16 {
    var sum: UInt32 = 0
    for index in stride(from: 0, to: octets.count, by: 2) {
        sum += UInt32(octets[index]) << 8 | (index + 1 < octets.count ? UInt32(octets[index + 1]) : 0)
    }
    while sum > 0xffff { sum = sum >> 16 + sum & 0xffff }
    return ~UInt16(sum)
}

@Suite struct SiteErrorTests {
    /// Own prefixes 10.1/16 and 2001:db8:1::/48; 10.3 to 10.6 and 2001:db8:3 to :6 are dropped for one reason each.
    func site(sources: Bool = true) throws -> DataPlane {
        let plane = try DataPlane.forTests()
        try plane.addInstance(.default, queues: [-1])
        plane.apply([
            .putOwnPrefix(prefix("10.1.0.0/16")), .putOwnPrefix(prefix("2001:db8:1::/48")),
            locator(1, "192.0.2.2", up: false), locatorSet(1, [(1, 1, 1)]),
        ])
        let actions: [ForwardingAction] = [
            .drop(.noReason), .drop(.policyDenied), .drop(.authenticationFailure),
            .encapsulate(LocatorSetID(rawValue: 1)),
        ]
        for (index, action) in actions.enumerated() {
            plane.apply([
                entry("10.\(3 + index).0.0/16", mapping: UInt32(10 + index), action),
                entry("2001:db8:\(3 + index)::/48", mapping: UInt32(20 + index), action),
            ])
        }
        if sources {
            plane.apply([
                .setErrorSource(.default, .ipv4, address("10.1.0.1")),
                .setErrorSource(.default, .ipv6, address("2001:db8:1::1")),
            ])
        }
        return plane
    }

    func answers(_ plane: DataPlane, to packets: [[UInt8]]) -> [[UInt8]] {
        var worker = plane.memoryWorker()
        worker.device.tunnelInput[0] = packets
        while worker.device.tunnelInput[0]?.isEmpty == false { _ = worker.stepTunnel(0) }
        #expect(worker.device.sent.isEmpty)
        #expect(worker.device.tunnelOutput.allSatisfy { $0.queue == 0 })
        return worker.device.tunnelOutput.map(\.packet)
    }

    static let reasons: [(network: Int, ipv4: UInt8, ipv6: UInt8)] = [
        (3, 1, 3), (4, 13, 1), (5, 13, 1), (6, 1, 3),
    ]

    @Test(arguments: reasons.indices) func `each reason has its code in IPv4`(index: Int) throws {
        let (network, code, _) = Self.reasons[index]
        let packet = packet("10.1.0.10", "10.\(network).0.1")
        let plane = try site()
        let found = answers(plane, to: [packet])
        #expect(found.count == 1)
        var header: [UInt8] = [0x45, 0xc0, 0, UInt8(28 + packet.count), 0, 1, 0, 0, 64, 1, 0, 0]
        header += [10, 1, 0, 1, 10, 1, 0, 10]
        let sum = plainChecksum(header)
        header[10] = UInt8(sum >> 8)
        header[11] = UInt8(sum & 0xff)
        var message: [UInt8] = [3, code, 0, 0, 0, 0, 0, 0] + packet
        let messageSum = plainChecksum(message)
        message[2] = UInt8(messageSum >> 8)
        message[3] = UInt8(messageSum & 0xff)
        #expect(found.first == header + message)
        #expect(plane.statistics().siteErrorsSent == 1)
        #expect(plane.drops.values.reduce(0, +) == 1)
    }

    @Test(arguments: reasons.indices) func `each reason has its code in IPv6`(index: Int) throws {
        let (network, _, code) = Self.reasons[index]
        let packet = packet("2001:db8:1::10", "2001:db8:\(network)::1")
        let found = answers(try site(), to: [packet])
        #expect(found.count == 1)
        func octets(_ text: String) -> [UInt8] {
            withUnsafeBytes(of: address(text).leftAligned.bigEndian) { Array($0) }
        }
        let addresses = octets("2001:db8:1::1") + octets("2001:db8:1::10")
        var message: [UInt8] = [1, code, 0, 0, 0, 0, 0, 0] + packet
        let length = UInt8(message.count)
        let sum = plainChecksum(addresses + [0, 0, 0, length, 0, 0, 0, 58] + message)
        message[2] = UInt8(sum >> 8)
        message[3] = UInt8(sum & 0xff)
        #expect(found.first == [0x6c, 0, 0, 0, 0, length, 58, 64] + addresses + message)
    }

    @Test func `an error that the TUN does not take is no second drop`() throws {
        let plane = try site()
        var worker = plane.memoryWorker()
        worker.device.refusesTunnelOutput = true
        worker.device.tunnelInput[0] = [packet("10.1.0.10", "10.4.0.1")]
        _ = worker.stepTunnel(0)
        #expect(plane.drops == [.policyDenied: 1])
        #expect(plane.statistics().siteErrorsSent == 0)
        #expect(plane.statistics().siteErrorsLimited == 1)
    }

    @Test func `a large packet is quoted as far as 576 or 1280 octets go`() throws {
        var large = packet("10.1.0.10", "10.3.0.1")
        large[2] = UInt8(1_400 >> 8)
        large[3] = UInt8(1_400 & 0xff)
        large += [UInt8](repeating: 9, count: 1_400 - large.count)
        var large6 = packet("2001:db8:1::10", "2001:db8:3::1")
        large6[4] = UInt8(1_360 >> 8)
        large6[5] = UInt8(1_360 & 0xff)
        large6 += [UInt8](repeating: 9, count: 1_400 - large6.count)
        let found = answers(try site(), to: [large, large6])
        #expect(found.map(\.count) == [576, 1_280])
        #expect(found[0].suffix(548) == large.prefix(548))
        #expect(found[1].suffix(1_232) == large6.prefix(1_232))
        #expect(hasValidChecksum(found[0]))
        #expect(plainChecksum(Array(found[0].dropFirst(20))) == 0)
    }

    /// An ICMP message from the site.
    static func icmp(_ type: UInt8, _ destination: String) -> [UInt8] {
        var packet = packet("10.1.0.10", destination)
        packet[9] = 1
        packet[20] = type
        return packet
    }

    static func icmpv6(_ type: UInt8, _ destination: String) -> [UInt8] {
        var packet = packet("2001:db8:1::10", destination)
        packet[6] = 58
        packet[40] = type
        return packet
    }

    /// An IPv6 fragment of this offset.
    static func fragment6(_ offset: UInt16, next: UInt8 = 17) -> [UInt8] {
        var packet = packet("2001:db8:1::10", "2001:db8:3::1")
        packet[6] = 44
        let word = offset | 1
        packet.replaceSubrange(40..<48, with: [next, 0, UInt8(word >> 8), UInt8(word & 0xff), 0, 0, 0, 1])
        return packet
    }

    static let forbidden: [(String, [UInt8])] =
        [3, 4, 5, 11, 12].map { ("ICMP type \($0)", icmp($0, "10.3.0.1")) }
        + [1, 2, 3, 4, 100, 127, 137].map { ("ICMPv6 type \($0)", icmpv6($0, "2001:db8:3::1")) }
        + [
            ("later fragment", packet("10.1.0.10", "10.3.0.1", fragment: 0x2001)),
            ("last fragment", packet("10.1.0.10", "10.3.0.1", fragment: 0x0017)),
            ("later fragment of IPv6", fragment6(0x10)),
            (
                "nothing behind IPv6",
                {
                    var packet = icmpv6(0, "2001:db8:3::1"); packet[6] = 59; return packet
                }()
            ),
        ]

    @Test(arguments: forbidden.indices) func `no error about an error or a later fragment`(index: Int) throws {
        let (what, packet) = Self.forbidden[index]
        let plane = try site()
        #expect(answers(plane, to: [packet]) == [], "\(what)")
        #expect(plane.statistics().siteErrorsForbidden == 1, "\(what)")
        #expect(plane.drops == [.policyNoReason: 1], "\(what)")
    }

    @Test func `an error about an echo, a first fragment and what is no ICMP`() throws {
        let packets = [
            Self.icmp(8, "10.3.0.1"), Self.icmp(0, "10.3.0.1"), Self.icmpv6(128, "2001:db8:3::1"),
            packet("10.1.0.10", "10.3.0.1", fragment: 0x2000), Self.fragment6(0),
        ]
        #expect(answers(try site(), to: packets).count == packets.count)
    }

    @Test func `none to or about multicast, broadcast and unspecified addresses`() throws {
        let plane = try site()
        plane.apply([entry("0.0.0.0/0", mapping: 50, .drop(.noReason)), entry("::/0", mapping: 51, .drop(.noReason))])
        let packets = [
            packet("10.1.0.10", "224.0.0.5"), packet("10.1.0.10", "255.255.255.255"), packet("0.0.0.0", "10.3.0.1"),
            packet("224.0.0.1", "10.3.0.1"), packet("127.0.0.1", "10.3.0.1"), packet("2001:db8:1::10", "ff02::1"),
            packet("::", "2001:db8:3::1"), packet("ff02::1", "2001:db8:3::1"),
        ]
        #expect(answers(plane, to: packets) == [])
        #expect(plane.statistics().siteErrorsSent == 0)
    }

    @Test func `without an address to send from, none is sent, and that is counted`() throws {
        let plane = try site(sources: false)
        let packets = [packet("10.1.0.10", "10.3.0.1"), packet("2001:db8:1::10", "2001:db8:3::1")]
        #expect(answers(plane, to: packets) == [])
        #expect(plane.statistics().siteErrorsWithoutSource == 2)
        plane.apply([.setErrorSource(.default, .ipv4, address("192.0.0.8"))])
        #expect(answers(plane, to: packets).map { Array($0[12..<16]) } == [[192, 0, 0, 8]])
        plane.apply([.setErrorSource(.default, .ipv4, nil)])
        #expect(answers(plane, to: packets) == [])
    }

    @Test func `no more than a burst and then a thousand a second; a packet too big has a limit of its own`() throws {
        let plane = try site()
        var worker = plane.memoryWorker()
        func send(_ count: Int, _ destination: String, size: Int = 36) -> Int {
            worker.device.tunnelOutput = []
            var packet = packet("10.1.0.10", destination, fragment: 0x4000)
            packet[2] = UInt8(size >> 8)
            packet[3] = UInt8(size & 0xff)
            let checksum = plainChecksum(Array(packet[0..<10] + [0, 0] + packet[12..<20]))
            packet[10] = UInt8(checksum >> 8)
            packet[11] = UInt8(checksum & 0xff)
            packet += [UInt8](repeating: 0, count: size - packet.count)
            worker.device.tunnelInput[0] = [[UInt8]](repeating: packet, count: count)
            while worker.device.tunnelInput[0]?.isEmpty == false { _ = worker.stepTunnel(0) }
            return worker.device.tunnelOutput.count
        }
        #expect(send(1_000, "10.3.0.1") == 100)
        worker.device.clock += 10_000_000
        #expect(send(1_000, "10.3.0.1") == 10)
        #expect(plane.statistics().siteErrorsLimited == 1_890)
        plane.apply([
            locator(2, "192.0.2.3", mtu: 600), locatorSet(2, [(2, 1, 1)]), entry("10.7.0.0/16", mapping: 70, set: 2),
        ])
        #expect(send(200, "10.7.0.1", size: 1_000) == 100)
        worker.device.clock += 1_000_000_000
        #expect(send(200, "10.3.0.1") == 100)
    }

    @Test func `a bucket lets its burst pass and then its rate`() {
        var bucket = TokenBucket(rate: 10, burst: 3)
        let times: [UInt64] = [1_000, 1_000, 1_000, 1_000, 1_099, 1_100, 1_100, 9_000, 9_000, 9_000, 9_000]
        let passed = times.map { bucket.take($0 * 1_000_000) }
        #expect(passed == [true, true, true, false, false, true, false, true, true, true, false])
    }
}
