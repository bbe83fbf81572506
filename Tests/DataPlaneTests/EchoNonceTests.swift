// Nonces in the LISP header, asked for and echoed (RFC 9300 section 10.1).

import ForwardingInterface
import LISPWire
import Testing

@testable import DataPlane

/// A site with one worker: 10.N.0.0/16 of its own, the other's behind two RLOCs.
private final class EchoSite {
    static let first = LocatorID(rawValue: 1)
    static let second = LocatorID(rawValue: 2)

    let number: Int
    let plane: DataPlane
    var worker: Worker<MemoryDevice>

    init(_ number: Int, hints: HeaderHints = .echoNonce) throws {
        self.number = number
        let other = 3 - number
        plane = try DataPlane.forTests()
        try plane.addInstance(.default, queues: [-1])
        plane.apply([
            .setHeaderHints(hints), .putOwnPrefix(prefix("10.\(number).0.0/16")),
            locator(1, "192.0.2.\(other)1"), locator(2, "192.0.2.\(other)2"),
            locatorSet(1, [(1, 1, 100), (2, 2, 100)]),
            entry("10.\(other).0.0/16"),
        ])
        worker = plane.memoryWorker()
    }

    /// Sends packets of the site; returns their LISP headers.
    func send(_ count: Int = 1) -> [LISPDataHeader] {
        let other = 3 - number
        worker.device.tunnelInput[0] = Array(repeating: packet("10.\(number).0.1", "10.\(other).0.1"), count: count)
        worker.device.sent = []
        _ = worker.stepTunnel(0)
        return worker.device.sent.map { LISPDataHeader(rawValue: $0.header.reduce(0) { $0 << 8 | UInt64($1) }) }
    }

    /// Receives packets of the other site with these headers; returns how many came through.
    func receive(_ headers: [LISPDataHeader], from rloc: String? = nil) -> Int {
        let other = 3 - number
        let source = rloc ?? "192.0.2.\(other)1"
        worker.device.networkInput[.ipv4] = headers.map { header in
            var datagram = datagram(packet("10.\(other).0.1", "10.\(number).0.1"), from: source)
            datagram.payload.replaceSubrange(0..<8, with: withUnsafeBytes(of: header.rawValue.bigEndian, Array.init))
            return datagram
        }
        worker.device.tunnelOutput = []
        _ = worker.stepNetwork(.ipv4)
        return worker.device.tunnelOutput.count
    }

    func ask(_ nonce: UInt32?, of locator: LocatorID = first) { plane.apply([.requestEcho(locator, nonce: nonce)]) }
    func echoes(_ locator: LocatorID = first) -> EchoCounters { plane.echoes(of: locator) ?? EchoCounters() }
    var counts: HeaderHintStatistics { plane.statistics().hints }
}

private func nonce(_ value: UInt32, requestsEcho: Bool = false) -> LISPDataHeader {
    LISPDataHeader(nonceOrVersions: .nonce(value, requestsEcho: requestsEcho))
}

private let plain = LISPDataHeader(rawValue: 0)

@Suite struct EchoNonceTests {
    @Test func `the bits are those of the RFC's drawing`() {
        for (value, requestsEcho) in [(UInt32(0), true), (0xff_ffff, false), (0x12_3456, true)] {
            let bits = LISPHeaderWords.nonceBits(value, requestsEcho: requestsEcho)
            #expect(bits == nonce(value, requestsEcho: requestsEcho).rawValue)
            #expect(LISPHeaderWords.nonce(bits) == value)
        }
        #expect(LISPHeaderWords.nonceBits(0xff00_0001, requestsEcho: false) == nonce(1).rawValue)
        // N counts although V is set, too (section 5.3).
        #expect(LISPHeaderWords.nonce(LISPDataHeader(rawValue: 0x9000_0007_0000_0000).rawValue) == 7)
    }

    @Test func `two sites ask each other and echo, and then are done`() throws {
        let a = try EchoSite(1)
        let b = try EchoSite(2)
        a.ask(0xabcdef)
        let requests = a.send(3)
        #expect(requests == Array(repeating: nonce(0xabcdef, requestsEcho: true), count: 3))
        #expect(b.receive(requests) == 3)
        let echoes = b.send(2)
        #expect(echoes == [nonce(0xabcdef), nonce(0xabcdef)])
        #expect(a.receive(echoes) == 2)
        #expect(a.echoes() == EchoCounters(sent: 3, received: 2, requested: 3, matched: 2))
        #expect(b.echoes() == EchoCounters(sent: 2, received: 3, echoed: 2))
        #expect(a.counts == HeaderHintStatistics(echoesRequested: 3, echoesMatched: 2))
        #expect(b.counts == HeaderHintStatistics(echoRequestsReceived: 3, echoesSent: 2))
        a.ask(nil)
        #expect(a.send() == [plain])
        // B goes on for a while: nothing of that is taken for anything.
        #expect(a.receive(b.send()) == 1)
        #expect(a.counts.noncesNotAsked == 1)
        #expect(a.echoes().matched == 2)
        #expect(a.plane.drops == [:] && b.plane.drops == [:])
    }

    @Test func `the instance stays beside the nonce`() throws {
        let site = try EchoSite(1)
        let id = InstanceID(uncheckedRawValue: 0xabcdef)
        try site.plane.addInstance(id, queues: [-1])
        site.plane.apply([entry("10.2.0.0/16", instance: 0xabcdef, mapping: 2)])
        site.ask(0x123456)
        site.worker.device.tunnelInput[1] = [packet("10.1.0.1", "10.2.0.1")]
        _ = site.worker.stepTunnel(1)
        #expect(site.worker.device.sent.map(\.header) == [[0xa8, 0x12, 0x34, 0x56, 0xab, 0xcd, 0xef, 0]])
    }

    @Test func `a packet that is dropped as too big asks for nothing and echoes nothing`() throws {
        let site = try EchoSite(1)
        site.plane.apply([locator(1, "192.0.2.21", mtu: 700)])
        site.ask(5)
        #expect(site.receive([nonce(9, requestsEcho: true)]) == 1)
        site.worker.device.tunnelOutput = []
        let whole = large("10.1.0.1", "10.2.0.1", length: 1_400, flags: 0x4000)
        var broken = large("10.1.0.1", "10.2.0.1", length: 1_400)
        broken[10] ^= 1
        site.worker.device.tunnelInput[0] = [whole, whole, broken]
        _ = site.worker.stepTunnel(0)
        #expect(site.worker.device.sent.isEmpty)
        #expect(site.plane.drops == [.exceedsPathMTU: 3])
        #expect(site.echoes() == EchoCounters(received: 1))
        #expect(site.counts == HeaderHintStatistics(echoRequestsReceived: 1))
        // In fragments it leaves, and each says the same.
        site.worker.device.tunnelInput[0] = [large("10.1.0.1", "10.2.0.1", length: 1_400)]
        _ = site.worker.stepTunnel(0)
        let header = withUnsafeBytes(of: nonce(9).rawValue.bigEndian) { Array($0) }
        #expect(site.worker.device.sent.count > 1)
        #expect(site.worker.device.sent.allSatisfy { $0.header == header })
        #expect(site.counts.echoesSent == 1)
    }

    @Test func `an echo is owed for two seconds after the last request`() throws {
        let site = try EchoSite(1)
        #expect(site.receive([nonce(1, requestsEcho: true)]) == 1)
        site.worker.device.clock += 1_900_000_000
        #expect(site.send() == [nonce(1)])
        #expect(site.receive([nonce(2, requestsEcho: true)]) == 1)
        site.worker.device.clock += 1_999_000_000
        #expect(site.send() == [nonce(2)])
        site.worker.device.clock += 1_000_000
        #expect(site.send(2) == [plain, plain])
    }

    @Test func `the peer's request is answered at once, then echo and request take turns`() throws {
        let site = try EchoSite(1)
        site.ask(5)
        #expect(site.receive([nonce(9, requestsEcho: true)]) == 1)
        let (ours, theirs) = (nonce(5, requestsEcho: true), nonce(9))
        #expect(site.send(4) == [theirs, ours, theirs, ours])
        #expect(site.echoes() == EchoCounters(sent: 4, received: 1, requested: 2, echoed: 2))
        site.worker.device.clock += 2_000_000_000
        #expect(site.send(2) == [ours, ours])
    }

    @Test func `both may ask at once, and both get their echoes`() throws {
        let a = try EchoSite(1)
        let b = try EchoSite(2)
        a.ask(1)
        b.ask(2)
        let fromA = a.send()
        let fromB = b.send()
        #expect(a.receive(fromB) == 1)
        #expect(b.receive(fromA) == 1)
        #expect(a.receive(b.send()) == 1)
        #expect(b.receive(a.send()) == 1)
        #expect(a.echoes().matched == 1)
        #expect(b.echoes().matched == 1)
    }

    @Test func `an echo proves the RLOC whose nonce it is, whichever RLOC of the site it comes from`() throws {
        let site = try EchoSite(1)
        site.ask(5)
        site.ask(6, of: EchoSite.second)
        #expect(site.receive([nonce(6)], from: "192.0.2.21") == 1)
        #expect(site.echoes(EchoSite.second).matched == 1)
        #expect(site.echoes().matched == 0)
        #expect(site.receive([nonce(5)], from: "192.0.2.22") == 1)
        #expect(site.echoes().matched == 1)
        #expect(site.echoes().mismatched == 0)
    }

    @Test func `a request from an RLOC that the site is not sent to is echoed all the same`() throws {
        let site = try EchoSite(1)
        #expect(site.receive([nonce(7, requestsEcho: true)], from: "192.0.2.22") == 1)
        #expect(site.send() == [nonce(7)])
        // What the RLOC itself wants comes first.
        #expect(site.receive([nonce(8, requestsEcho: true)], from: "192.0.2.21") == 1)
        #expect(site.send() == [nonce(8)])
    }

    @Test func `another nonce than the one asked for is a mismatch`() throws {
        let site = try EchoSite(1)
        site.ask(5)
        #expect(site.receive([nonce(4), plain, nonce(6)]) == 3)
        #expect(site.echoes() == EchoCounters(received: 3, mismatched: 2))
        #expect(site.counts == HeaderHintStatistics(echoesMismatched: 2))
    }

    @Test func `nonces of RLOCs that are not in the mapping are ignored`() throws {
        let site = try EchoSite(1)
        site.ask(5)
        #expect(site.receive([nonce(5), nonce(9, requestsEcho: true)], from: "203.0.113.66") == 2)
        #expect(site.echoes().matched == 0)
        #expect(site.send() == [nonce(5, requestsEcho: true)])
        // Nor those from EIDs without a mapping.
        site.plane.apply([.deleteEntry(prefix("10.2.0.0/16"))])
        #expect(site.receive([nonce(5)]) == 1)
        #expect(site.counts.noncesOfStrangers == 3)
    }

    @Test func `a nonce counts although the V bit is set, versions without N do not`() throws {
        let site = try EchoSite(1)
        #expect(site.receive([LISPDataHeader(nonceOrVersions: .versions(source: 1, destination: 2))]) == 1)
        #expect(site.send() == [plain])
        // E without N means nothing.
        #expect(site.receive([LISPDataHeader(rawValue: 0x2000_0005_0000_0000)]) == 1)
        #expect(site.send() == [plain])
        #expect(site.receive([LISPDataHeader(rawValue: 0xb000_0005_0000_0000)]) == 1)
        #expect(site.send() == [nonce(5)])
    }

    @Test func `while it is off nothing is asked, owed or counted, and headers are as ever`() throws {
        let site = try EchoSite(1, hints: [])
        site.ask(5)
        #expect(site.receive([nonce(9, requestsEcho: true), nonce(5)]) == 2)
        #expect(site.send(3) == [plain, plain, plain])
        #expect(site.plane.echoes(of: EchoSite.first) == nil)
        #expect(site.counts == HeaderHintStatistics())
    }

    @Test func `switching it off forgets, switching it on begins anew, also for RLOCs that came before`() throws {
        let site = try EchoSite(1)
        site.ask(5)
        #expect(site.receive([nonce(9, requestsEcho: true)]) == 1)
        site.plane.apply([.setHeaderHints([])])
        #expect(site.send() == [plain])
        site.plane.apply([.setHeaderHints(.echoNonce)])
        #expect(site.send() == [plain])
        #expect(site.echoes() == EchoCounters(sent: 2, received: 1))
        site.ask(6)
        #expect(site.send() == [nonce(6, requestsEcho: true)])
    }

    @Test func `an RLOC that goes takes its nonces along, and memory comes back`() throws {
        let site = try EchoSite(1)
        site.plane.apply([locator(3, "192.0.2.23")])
        site.worker.shared.reader.quiet()
        let used = site.plane.statistics().tableBytes
        for round in 0..<1_000 {
            let id = LocatorID(rawValue: 10)
            site.plane.apply([
                locator(10, "192.0.2.99"), .requestEcho(id, nonce: UInt32(round)), .deleteLocator(id),
                .setHeaderHints([]), .setHeaderHints(.echoNonce),
            ])
            site.worker.shared.reader.quiet()
        }
        site.plane.maintain()
        site.worker.shared.reader.quiet()
        site.plane.maintain()
        #expect(site.plane.statistics().tableBytes <= used + 4_096)
        #expect(site.plane.statistics().danglingReferences == 0)
        site.plane.apply([.requestEcho(LocatorID(rawValue: 10), nonce: 1)])
        #expect(site.plane.statistics().danglingReferences == 1)
    }

    @Test func `packets of a train each carry the nonce`() throws {
        let site = try EchoSite(1)
        site.ask(0x10203)
        let headers = site.send(40)
        #expect(headers == Array(repeating: nonce(0x10203, requestsEcho: true), count: 40))
        #expect(site.worker.device.messageLengths == [40])
    }
}
