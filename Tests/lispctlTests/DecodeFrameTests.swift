// Frames made by hand: links, VLANs, extension headers, fragments, cut captures, checksums, data headers.

import LISPWire
import PacketView
import Testing

@testable import lispctl

@Suite struct DecodeFrameTests {
    private static let packet = Frames.packet(Frames.mapRequest)
    private static let source6 = Endpoint(.v6(IPv6Address("2001:db8::1")!), 4342)
    private static let destination6 = Endpoint(.v6(IPv6Address("2001:db8::2")!), 50_000)
    private static let packet6 = Frames.packet(Frames.mapRequest, from: source6, to: destination6)

    private static func capture(_ octets: [UInt8], wireLength: Int? = nil) -> CapturedFrame {
        CapturedFrame(number: 1, captured: octets, wireLength: wireLength ?? octets.count)
    }

    @Test(arguments: [
        (LinkType.ethernet, "020000000002020000000001", "0800"),
        (.ethernet, "020000000002020000000001 8100 0064", "0800"),
        (.ethernet, "020000000002020000000001 88a8 0064 8100 0065", "0800"), (.raw, "", ""), (.ipv4, "", ""),
        (.linuxCooked, "0000 0001 0006 020000000001 0000", "0800"),
        (.linuxCooked, "0000 0001 0006 020000000001 0000 8100 0064", "0800"),
        (.linuxCooked2, "0800 0000 00000002 0001 00 06 0200000000010000", ""),
        (.linuxCooked2, "8100 0000 00000002 0001 00 06 0200000000010000 0064", "0800"), (.bsdLoopback, "02000000", ""),
        (.bsdLoopback, "00000002", ""), (.openBSDLoopback, "00000002", ""),
    ])
    func `finds the packet behind every link header`(link: LinkType, header: String, type: String) throws {
        var dissector = try FrameDissector.lab(link)
        let frame = Self.capture(Frames.hex(header + type) + Self.packet)
        let dissection = try #require(dissector.dissect(frame).lisp)
        #expect(dissection.message.kind == .mapRequest)
        #expect(dissection.payloadOffset == frame.octets.count - Frames.mapRequest.count)
        for length in 0..<Frames.hex(header + type).count {
            let problem = dissector.dissect(Self.capture(Array(frame.octets.prefix(length)))).lisp?.message.problem
            #expect(problem?.offset == length && problem?.reason == "ends in the link header", "\(length)")
        }
    }

    @Test func `IPv6 is found too`() throws {
        for (link, header) in [
            (LinkType.ethernet, "020000000002020000000001 86dd"), (.ipv6, ""), (.bsdLoopback, "1c000000"),
            (.bsdLoopback, "0000001e"), (.linuxCooked2, "86dd 0000 00000002 0001 00 06 0200000000010000"),
        ] {
            var dissector = try FrameDissector.lab(link)
            let dissection = try #require(dissector.dissect(Self.capture(Frames.hex(header) + Self.packet6)).lisp)
            #expect(dissection.source == Self.source6 && dissection.destination == Self.destination6)
            #expect(dissection.checksum == .right)
        }
    }

    @Test func `VLAN tags are told, outermost first`() throws {
        var dissector = try FrameDissector.lab()
        let frame = Self.capture(Frames.hex("020000000002020000000001 88a8 e064 8100 0fff 0800") + Self.packet)
        let dissection = try #require(dissector.dissect(frame).lisp)
        #expect(TextReport().frame(frame, dissection).contains("octets\n    VLAN: 100, 4095\n"))
        var report = JSONReport()
        #expect(member(try JSON.object(report.frame(frame, dissection)), "vlans") as? [Int] == [100, 4095])
    }

    @Test func `what is not LISP is passed over`() throws {
        var dissector = try FrameDissector.lab()
        let web = Endpoint(.v4(IPv4Address(1)), 443)
        #expect(dissector.dissect(Frames.frame(Frames.packet([1, 2, 3], from: web, to: web))).isOther)
        #expect(dissector.dissect(Self.capture(Frames.hex("020000000002020000000001 0806 0001"))).isOther)
        var tcp = Self.packet
        tcp[9] = IPProtocol.tcp
        #expect(dissector.dissect(Frames.frame(tcp)).isOther)
    }

    @Test func `the destination port tells data from control`() throws {
        var dissector = try FrameDissector.lab()
        func kind(_ source: UInt16, _ destination: UInt16) -> MessageKind? {
            let a = Endpoint(.v4(IPv4Address(1)), source)
            let b = Endpoint(.v4(IPv4Address(2)), destination)
            return dissector.dissect(Frames.frame(Frames.packet(Frames.mapRequest, from: a, to: b))).lisp?.message.kind
        }
        #expect(kind(4342, 50_000) == .mapRequest)
        #expect(kind(50_000, 4342) == .mapRequest)
        #expect(kind(4341, 4342) == .mapRequest)
        // Its first octets make a data header; behind it there is no packet.
        #expect(kind(4341, 50_000) == .undecoded)
        #expect(kind(4342, 4341) == .undecoded)
        #expect(kind(62_736, 50_000) == nil)
    }

    @Test func `IPv4 options and IPv6 extension headers are passed over`() throws {
        var options = Self.packet
        options[0] = 0x47
        options.insert(contentsOf: [1, 1, 1, 1, 1, 1, 1, 0], at: 20)
        options[3] += 8
        var extended = Self.packet6
        extended[6] = IPProtocol.hopByHop
        extended.insert(contentsOf: [IPProtocol.destinationOptions, 0, 1, 4, 0, 0, 0, 0], at: 40)
        extended.insert(contentsOf: [IPProtocol.udp, 0, 1, 4, 0, 0, 0, 0], at: 48)
        extended[5] += 16
        var dissector = try FrameDissector.lab()
        for packet in [options, extended] {
            let dissection = try #require(dissector.dissect(Frames.frame(packet)).lisp)
            #expect(dissection.message.kind == .mapRequest && dissection.checksum == .right)
        }
    }

    @Test func `checksums are told apart`() throws {
        var dissector = try FrameDissector.lab()
        func checksum(_ value: UInt16?) throws -> (UDPChecksum?, String) {
            let frame = Frames.frame(Frames.packet(Frames.mapRequest, checksum: value))
            let dissection = try #require(dissector.dissect(frame).lisp)
            return (dissection.checksum, TextReport().frame(frame, dissection))
        }
        let right = try checksum(nil)
        #expect(right.0 == .right && !right.1.contains("Checksum"))
        let zero = try checksum(0)
        #expect(zero.0 == .zero && zero.1.contains("UDP Checksum: zero, which is to say none\n"))
        let wrong = try checksum(0x1234)
        #expect(wrong.0 == .wrong && wrong.1.contains("UDP Checksum: WRONG\n"))
        var summary = DecodeSummary()
        for packet in [Frames.packet(Frames.mapRequest, checksum: 0), Self.data([(LISPDataHeader(), [0x55])])] {
            summary.add(try #require(dissector.dissect(Frames.frame(packet)).lisp))
        }
        // The data packet, which does not decode, is no control message.
        #expect(summary.checksums == [.zero: 1] && summary.undecoded == 1)
        // What a host leaves for its network card: the sum of the pseudo header alone, not complemented.
        let length = UInt32(Frames.mapRequest.count + 8)
        let words: [UInt32] = [0xc633, 0x6401, 0xc633, 0x6402, 17, length]
        let sum = words.reduce(0, +)
        let partial = try checksum(UInt16(sum & 0xffff) + UInt16(sum >> 16))
        #expect(partial.0 == .partial && partial.1.contains("leaves it to its network card"))
    }

    // MARK: - Cut captures

    @Test func `a cut control message says that the capture cut it`() throws {
        var dissector = try FrameDissector.lab()
        let whole = Frames.frame(Self.packet)
        for length in 0..<whole.octets.count {
            let frame = Self.capture(Array(whole.octets.prefix(length)), wireLength: whole.octets.count)
            let message = try #require(dissector.dissect(frame).lisp?.message, "\(length)")
            #expect(message.problem?.reason.hasPrefix("cut by the capture") == true, "\(length)")
            #expect(message.kind == .undecoded)
        }
    }

    @Test func `of a cut message nobody can say who made it`() throws {
        let whole = try Captures.frame("ln-01-basic-iid1000", 1)
        var dissector = try FrameDissector.lab()
        for length in [42 + 48, 42 + 100, whole.octets.count - 1] {
            let frame = Self.capture(Array(whole.octets.prefix(length)), wireLength: whole.octets.count)
            let message = try #require(dissector.dissect(frame).lisp?.message)
            #expect(message.verdict == .unverifiable("the capture cut the message"))
            let cut = "cut by the capture after \(length - 42) of 164 octets: "
            #expect(message.problem?.reason.hasPrefix(cut) == true)
        }
    }

    @Test func `a cut data packet shows the headers that are there`() throws {
        let inner = Frames.packet(Array(repeating: 7, count: 400))
        let header = LISPDataHeader(instanceID: InstanceID(rawValue: 7))
        let frame = Frames.frame(Self.data([(header, inner)]))
        var dissector = try FrameDissector.lab()
        let cut = Self.capture(Array(frame.octets.prefix(14 + 28 + 8 + 24)), wireLength: frame.octets.count)
        let dissection = try #require(dissector.dissect(cut).lisp)
        #expect(dissection.message.kind == .data && dissection.message.problem == nil)
        let text = TextReport().frame(cut, dissection)
        #expect(text.contains("Cut by the capture: 74 of 478 octets of this frame are in the file\n"))
        #expect(text.contains("IPv4 198.51.100.1 > 198.51.100.2, UDP 4342 > 4342, 428 octets, TTL 64"))
    }

    // MARK: - Data packets

    private static func data(_ packets: [(LISPDataHeader, [UInt8])]) -> [UInt8] {
        var payload = WireWriter()
        for (header, inner) in packets {
            header.encode(into: &payload)
            payload.bytes(inner)
        }
        let source = Endpoint(.v4(IPv4Address(0xc633_6401)), 50_000)
        let destination = Endpoint(.v4(IPv4Address(0xc633_6402)), 4341)
        return Frames.packet(payload.bytes, from: source, to: destination, checksum: 0)
    }

    private static func text(_ header: LISPDataHeader, _ inner: [UInt8] = packet) throws -> String {
        var dissector = try FrameDissector.lab()
        let frame = Frames.frame(data([(header, inner)]))
        return TextReport().frame(frame, try #require(dissector.dissect(frame).lisp))
    }

    @Test func `each bit of the LISP header has its name`() throws {
        let echo = LISPDataHeader(
            instanceID: InstanceID(rawValue: 0xff_ffff),
            locatorStatusBits: 0b101,
            nonceOrVersions: .nonce(0xab_cdef, requestsEcho: true)
        )
        let text = try Self.text(echo)
        #expect(text.contains("Flags: N (nonce present), L (Locator-Status-Bits enabled), E (echo-nonce-request), I ("))
        #expect(text.contains("Nonce: 0xabcdef\n"))
        #expect(text.contains("Instance ID: 16777215\n"))
        #expect(text.contains("Locator-Status-Bits: 0x00000005, up: 0, 2\n"))
        let versions = try Self.text(LISPDataHeader(nonceOrVersions: .versions(source: 0x123, destination: 0xfff)))
        #expect(versions.contains("Source Map-Version Number: 291\n    Dest Map-Version Number: 4095\n"))
        #expect(try Self.text(LISPDataHeader(rawValue: 0x9000_0000_0000_0000)).contains("N and V exclude each other"))
        #expect(try Self.text(LISPDataHeader(rawValue: 0x2000_0000_0000_0000)).contains("E means nothing without N"))
        #expect(try Self.text(LISPDataHeader(rawValue: 0x0400_0000_0000_0000)).contains("R (reserved)"))
        #expect(try Self.text(LISPDataHeader(keyID: 2)).contains("encrypted (RFC 8061) with key 2, not looked into"))
    }

    @Test func `the inner packet tells protocol, ECN and fragments`() throws {
        var inner = Self.packet
        inner[1] = 0xb9 + 2
        #expect(try Self.text(LISPDataHeader(), inner).contains("TTL 64, DSCP 46, ECN CE\n"))
        inner[6] = 0x20
        #expect(try Self.text(LISPDataHeader(), inner).contains("UDP 4342 > 4342, first fragment, "))
        inner[7] = 4
        #expect(try Self.text(LISPDataHeader(), inner).contains("UDP, later fragment, "))
        let ipv6 = try Self.text(LISPDataHeader(), Self.packet6)
        #expect(ipv6.contains("IPv6 2001:db8::1 > 2001:db8::2, UDP 4342 > 50000, "))
        let version = try Self.text(LISPDataHeader(), [0x55, 1, 2])
        #expect(
            version.contains("Problem: inner packet of IP version 5 (octet 8 of the message, octet 50 of the frame)")
        )
        // That a data packet has no checksum is nothing odd, whatever is in it.
        #expect(!version.contains("UDP Checksum"))
        let short = try Self.text(LISPDataHeader(), Array(inner.dropLast()))
        #expect(
            short.contains("Problem: inner IPv4 packet with header length 20 and total length 56, 55 octets are there")
        )
    }

    @Test func `many packets that a host sends as one are counted each`() throws {
        let long = Frames.packet(Array(repeating: 1, count: 100))
        let short = Frames.packet(Array(repeating: 1, count: 30))
        let header = LISPDataHeader(instanceID: .default)
        func count(_ packets: [[UInt8]]) throws -> Int? {
            var dissector = try FrameDissector.lab()
            let frame = Frames.frame(Self.data(packets.map { (header, $0) }))
            return dissector.dissect(frame).lisp?.message.packetCount
        }
        #expect(try count([long]) == 1)
        #expect(try count([long, long, long]) == 3)
        #expect(try count([long, long, short]) == 3)
        // No train: a short one is the last.
        #expect(try count([long, short, long]) == 1)
        #expect(try Self.text(header, long + [1, 2, 3]).contains("Octets behind the inner packet: 3\n"))
    }
}
