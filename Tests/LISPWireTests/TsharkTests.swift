// A foreign reader: random valid messages of each kind, over IPv4 and IPv6, and tshark must see in them what was encoded
// and have nothing to complain about but what Interop/tshark-exceptions lists.

import Foundation
import LISPWire
import TestCaptures
import TestRandomness
import Testing

/// A frame, and what tshark must see in it.
private struct SentFrame {
    var kind: String
    var packet: [UInt8]
    /// By field, in the order of the frame.
    var expected: [String: [String]]

    /// Whether a field that is not expected must not be seen. tshark 4.0 reads no more of a Map-Notify-Ack than its type,
    /// and a later one may read on.
    var isReadToTheEnd: Bool { kind != "Map-Notify-Ack" }
}

@Suite struct TsharkTests {
    @Test(.enabled(if: Tshark.isExpected, "tshark is not installed: nobody but us has read what we write"))
    func `tshark sees what was encoded`() throws {
        var random = SeededGenerator("tshark")
        var frames: [SentFrame] = []
        for _ in 0..<250 {
            frames.append(Self.control("Map-Request", .mapRequest(random.mapRequest(.internet)), &random))
            frames.append(Self.control("Map-Reply", .mapReply(random.mapReply(.internet)), &random))
            frames.append(Self.control("Map-Register", .mapRegister(random.mapRegister(.internet)), &random))
            var notify = random.mapNotify(.internet, isAcknowledgement: false)
            // RFC 9301 has no I-bit in a Map-Notify: what we send has the xTR-ID and not the bit.
            if random.flip() { notify.hasXTRID = false }
            frames.append(Self.control("Map-Notify", .mapNotify(notify), &random))
            let acknowledgement = random.mapNotify(.internet, isAcknowledgement: true)
            frames.append(Self.control("Map-Notify-Ack", .mapNotify(acknowledgement), &random))
            frames.append(Self.control("ECM", .encapsulated(random.encapsulated(.internet)), &random))
            frames.append(Self.control("Map-Referral", .mapReferral(random.mapReferral(.internet)), &random))
            frames.append(Self.control("Info", .info(random.info(.internet)), &random))
            frames.append(Self.data(&random))
        }
        let fields = Set(frames.flatMap(\.expected.keys)).sorted()
        let seen = try Tshark.dissect(Pcap.file(frames.map(\.packet)), fields: fields)
        #expect(seen.count == frames.count)

        let exceptions = try TsharkException.all()
        var occurred: Set<TsharkException> = []
        for (sent, seen) in zip(frames, seen) {
            for field in fields where sent.isReadToTheEnd || sent.expected[field] != nil {
                let expected = sent.expected[field] ?? []
                #expect(seen.values(field) == expected, "\(field) of \(sent.kind)")
            }
            for complaint in seen.complaints {
                if let known = exceptions.first(where: { $0.kind == sent.kind && $0.message == complaint }) {
                    occurred.insert(known)
                } else {
                    Issue.record("\(sent.kind): \(complaint) about \(sent.packet.map { String($0, radix: 16) })")
                }
            }
        }
        for exception in exceptions.subtracting(occurred) {
            print("tshark no longer says \"\(exception.message)\" of a \(exception.kind): the exception can go")
        }
    }

    /// Packets of the captures, and canonical addresses of each kind that tshark reads as RFC 8060 has it.
    @Test(.enabled(if: Tshark.isExpected, "tshark is not installed: nobody but us has read what we write"))
    func `tshark sees in the captures, and in each canonical address, what we see`() throws {
        var frames: [SentFrame] = []
        for datagram in try CaptureTests.datagrams.get() where datagram.isControl {
            // It misreads lispers.net's canonical addresses: geo and multicast info by RFC 8060, and lists with them.
            guard let message = try? ControlMessage(decoding: datagram.payload, zeroInnerChecksum: .accept),
                message.addresses.allSatisfy({ if case .lcaf = $0 { false } else { true } })
            else { continue }
            var expectation = TsharkExpectation()
            expectation.message(message)
            if case .encapsulated(let outer) = message, outer.source == nil { continue }
            frames.append(
                SentFrame(
                    kind: "capture \(datagram.description)",
                    packet: Pcap.packet(datagram.payload, from: datagram.source, to: datagram.destination),
                    expected: expectation.fields.filter { $0.key.hasPrefix("lisp.") }
                )
            )
        }
        #expect(frames.count > 250)
        for picture in CanonicalAddressTests.pictures {
            guard let fields = TsharkExpectation.canonical[picture.name] else { continue }
            let reply = bytes("20000001 0000000000000001 00000005 01 18 1000 0000 0001 0a010100 0164ff00 0001")
            frames.append(
                SentFrame(
                    kind: picture.name,
                    packet: Pcap.packet(
                        reply + picture.octets,
                        from: .init(IPAddress("192.0.2.1")!, 4342),
                        to: .init(IPAddress("192.0.2.2")!, 4342)
                    ),
                    expected: fields.merging(["lisp.lcaf.type": [String(picture.octets[4])]]) { $1 }
                )
            )
        }
        let fields = Set(frames.flatMap(\.expected.keys)).sorted()
        let seen = try Tshark.dissect(Pcap.file(frames.map(\.packet)), fields: fields)
        #expect(seen.count == frames.count)
        for (sent, seen) in zip(frames, seen) {
            for (field, expected) in sent.expected {
                #expect(seen.values(field) == expected, "\(field) of \(sent.kind)")
            }
        }
    }

    private static func control(
        _ kind: String,
        _ message: ControlMessage,
        _ random: inout SeededGenerator
    ) -> SentFrame {
        let isIPv4 = random.flip()
        let source = Endpoint(isIPv4 ? random.ipv4() : random.ipv6(), 50_000)
        let destination = Endpoint(isIPv4 ? random.ipv4() : random.ipv6(), LISPPort.control)
        var expectation = TsharkExpectation()
        expectation.datagram(source, destination, hasChecksum: true)
        expectation.message(message)
        return SentFrame(
            kind: kind,
            packet: Pcap.packet(message.encoded(), from: source, to: destination),
            expected: expectation.fields
        )
    }

    private static func data(_ random: inout SeededGenerator) -> SentFrame {
        let isIPv4 = random.flip()
        let source = Endpoint(isIPv4 ? random.ipv4() : random.ipv6(), 50_000)
        let destination = Endpoint(isIPv4 ? random.ipv4() : random.ipv6(), LISPPort.data)
        // Port 9 discards, and dissectors that guess by contents find no contents.
        let isInnerIPv4 = random.flip()
        let innerSource = Endpoint(isInnerIPv4 ? random.ipv4() : random.ipv6(), 50_001)
        let innerDestination = Endpoint(isInnerIPv4 ? random.ipv4() : random.ipv6(), 9)
        let header = random.dataHeader()
        var writer = WireWriter()
        header.encode(into: &writer)
        writer.bytes(
            Pcap.packet(Array(repeating: 0x2e, count: random.number(0...30)), from: innerSource, to: innerDestination)
        )
        let hasChecksum = random.flip()
        var expectation = TsharkExpectation()
        expectation.datagram(source, destination, hasChecksum: hasChecksum)
        expectation.datagram(innerSource, innerDestination, hasChecksum: true)
        expectation.dataHeader(header)
        return SentFrame(
            kind: "Data",
            packet: Pcap.packet(writer.bytes, from: source, to: destination, checksum: hasChecksum),
            expected: expectation.fields
        )
    }
}
