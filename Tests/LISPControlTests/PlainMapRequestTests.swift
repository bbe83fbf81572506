// A Map-Request that is read in place, and one that is decoded, are answered alike: two routers hear the same questions, for one of them
// with an octet behind the message, which means nothing but is a reason to decode it.

import LISPTables
import LISPWire
import Testing

@testable import LISPControl

@Suite struct PlainMapRequestTests {
    private final class Pair {
        var reading: Router
        var decoding: Router
        var now = Instant.zero
        private var randoms = (SplitMix(seed: 7), SplitMix(seed: 7))

        init() {
            var server = MapServerBench.settings
            server.sites[0].eids += [
                SiteEID(prefix: eidPrefix("10.3.0.0/16"), acceptMoreSpecifics: true, proxyReply: true),
                SiteEID(prefix: eidPrefix("10.3.9.0/24")),
                SiteEID(prefix: eidPrefix("10.3.0.0/16", instance: 7), proxyReply: true),
            ]
            let settings = RouterSettings(mapServer: server, mapResolver: MapResolverSettings())
            reading = Router(settings, nextNonce: 1, now: .zero)
            decoding = Router(settings, nextNonce: 1, now: .zero)
        }

        func receive(
            _ message: [UInt8],
            from source: Endpoint,
            appending tail: [UInt8] = []
        ) -> ([RouterAction], [RouterAction]) {
            func received(_ payload: [UInt8]) -> ReceivedControlMessage {
                ReceivedControlMessage(payload: payload, source: source, destination: mapServerAddress)
            }
            return (
                reading.received(received(message), now: now, using: &randoms.0),
                decoding.received(received(message + tail), now: now, using: &randoms.1)
            )
        }

        func timeout() {
            #expect(
                reading.timeout(now: now, using: &randoms.0) { _ in 0 }
                    == decoding.timeout(now: now, using: &randoms.1) { _ in 0 }
            )
        }
    }

    private static func rarely(_ random: inout SplitMix) -> Bool { Int.random(in: 0..<20, using: &random) == 0 }

    private static func register(_ random: inout SplitMix, nonce: UInt64) -> (message: [UInt8], source: Endpoint) {
        let prefixes = ["10.1.0.0/16", "10.1.2.0/24", "10.3.0.0/16", "10.3.4.0/24", "10.3.4.128/25", "2001:db8:1::/48"]
        let etr = BenchETR(xtrID: rarely(&random) ? 6 : 5)
        let locators = ["198.51.100.1", "2001:db8::1", "192.0.2.9"].prefix(Int.random(in: 0...3, using: &random))
        let prefix = prefixes[Int.random(in: 0..<prefixes.count, using: &random)]
        var record = record(prefix, Array(locators), ttl: rarely(&random) ? 0 : 60)
        if prefix == "10.3.0.0/16", Bool.random(using: &random) {
            record.eid = LISPAddress(eidPrefix: eidPrefix(prefix, instance: 7))
        }
        record.mapVersion = 5
        record.action = .dropNoReason
        for index in record.locators.indices { record.locators[index].isProbed = rarely(&random) }
        var message = etr.register([record], nonce: nonce, proxy: Bool.random(using: &random), merge: rarely(&random))
            .encoded()
        etr.key.sign(&message)
        return (message, etr.source)
    }

    private static func question(_ random: inout SplitMix, nonce: UInt64) -> [UInt8] {
        let eids = [
            eidPrefix("10.1.2.3/32"), eidPrefix("10.1.9.9/32"), eidPrefix("10.3.4.5/32"), eidPrefix("10.3.4.200/32"),
            eidPrefix("10.3.9.1/32"), eidPrefix("10.3.0.0/16"), eidPrefix("10.3.7.7/32", instance: 7),
            eidPrefix("2001:db8:1::1/128"), eidPrefix("10.2.0.1/32"), eidPrefix("192.0.2.0/24"),
        ]
        let eid = eids[Int.random(in: 0..<eids.count, using: &random)]
        let rlocs = ["203.0.113.1", "2001:db8:f::1", "127.0.0.1"].shuffled(using: &random)
        let request = MapRequest(
            isAuthoritative: rarely(&random),
            isProbe: rarely(&random),
            isSMRInvoked: rarely(&random),
            dontMapReply: rarely(&random),
            nonce: Nonce(rawValue: rarely(&random) ? nonce - 1 : nonce),
            sourceEID: rarely(&random) ? .none : .ip(IPAddress("10.1.1.1")!),
            itrRLOCs: rlocs.prefix(rarely(&random) ? 3 : 2).map { .ip(IPAddress($0)!) },
            records: Array(repeating: MapRequest.Record(eid), count: rarely(&random) ? 2 : 1),
            mapData: rarely(&random) ? record("10.1.0.0/16") : nil
        )
        let isIPv4 = Bool.random(using: &random)
        var message = EncapsulatedControlMessage(
            source: Endpoint(IPAddress(isIPv4 ? "10.9.9.9" : "2001:db8::9")!, rarely(&random) ? 0 : 4342),
            destination: .control(IPAddress(isIPv4 ? "10.1.1.1" : "2001:db8::8")!),
            payload: request.encoded()
        ).encoded()
        // Inner UDP checksum: none.
        let checksum = isIPv4 ? 30 : 50
        if rarely(&random) { message.replaceSubrange(checksum..<checksum + 2, with: [0, 0]) }
        if rarely(&random) { message[Int.random(in: 4..<message.count, using: &random)] ^= 1 }
        return message
    }

    /// Without the octet where the message is passed on, and without what is said of one that does not decode.
    private static func plain(_ action: RouterAction, _ message: [UInt8]) -> RouterAction {
        switch action {
        case .send(let datagram) where datagram.payload == message + [0]:
            .send(ControlDatagram(payload: message, destination: datagram.destination, source: datagram.source))
        case .note(.refused(_, let source)): .note(.refused(reason: "", source: source))
        default: action
        }
    }

    @Test(arguments: 1...6) func `what is read in place is answered as what is decoded`(seed: UInt64) {
        let pair = Pair()
        var random = SplitMix(seed: seed)
        var plain = 0
        for number: UInt64 in 1...1500 {
            pair.now = pair.now + (Self.rarely(&random) ? .seconds(50) : .milliseconds(300))
            pair.timeout()
            if Int.random(in: 0..<4, using: &random) == 0 {
                let (message, source) = Self.register(&random, nonce: number)
                let (a, b) = pair.receive(message, from: source)
                #expect(a == b)
                continue
            }
            let message = Self.question(&random, nonce: number)
            let source = Endpoint(IPAddress("203.0.113.1")!, 4342)
            #expect(PlainMapRequest(message + [0])?.nonce == nil)
            if PlainMapRequest(message) != nil { plain += 1 }
            let (a, b) = pair.receive(message, from: source, appending: [0])
            #expect(a.map { Self.plain($0, message) } == b.map { Self.plain($0, message) })
            #expect(pair.reading.received == pair.decoding.received)
            #expect(pair.reading.sent == pair.decoding.sent)
            #expect(pair.reading.messages == pair.decoding.messages)
            #expect(pair.reading.refusals == pair.decoding.refusals)
            #expect(pair.reading.mapServer?.statistics == pair.decoding.mapServer?.statistics)
            #expect(pair.reading.mapResolver?.statistics == pair.decoding.mapResolver?.statistics)
        }
        #expect(plain > 500)
        #expect(pair.reading.mapServer?.statistics[.proxyRepliesSent] ?? 0 > 100)
    }
}
