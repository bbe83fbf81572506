// A Map-Register that is read in place, and one that is decoded, do the same: two Map-Servers hear the same messages, one of them
// decodes them all.

import LISPTables
import LISPWire
import Testing

@testable import LISPControl

@Suite struct MapServerRefreshTests {
    private final class Pair {
        let decoding: MapServerBench
        let reading: MapServerBench
        var shortened = 0

        init(_ settings: MapServerSettings) {
            decoding = MapServerBench(settings)
            reading = MapServerBench(settings)
        }

        func pass(_ duration: Duration) {
            for bench in [decoding, reading] { bench.now = bench.now + duration }
            #expect(decoding.timeout() == reading.timeout())
        }

        func deliver(_ message: [UInt8], from source: Endpoint) throws {
            let expected = try decoding.deliver(message, from: source)
            #expect(try read(message, from: source) == expected)
        }

        private func read(_ message: [UInt8], from source: Endpoint) throws -> [MapServerAction] {
            guard let register = PlainMapRegister(message) else { return try reading.deliver(message, from: source) }
            var verifier = RegisterVerifier(message)
            let outcome = reading.server.receivedRefresh(
                register,
                raw: message,
                from: source,
                at: mapServerAddress,
                verifier: &verifier,
                now: reading.now
            )
            switch outcome {
            case .refreshed(let notify):
                shortened += 1
                return notify.map { [.send($0)] } ?? []
            case .other:
                return reading.server.receivedMapRegister(
                    try MapRegister(decoding: message),
                    raw: message,
                    from: source,
                    at: mapServerAddress,
                    verifier: verifier,
                    now: reading.now,
                    using: &reading.random
                )
            }
        }

        func compare() {
            let (a, b) = (decoding.server, reading.server)
            #expect(a.registry.registered.map(\.key) == b.registry.registered.map(\.key))
            for (one, other) in zip(a.registry.registered, b.registry.registered) {
                #expect(one.value.registrations == other.value.registrations)
                #expect(one.value.firstRegistered == other.value.firstRegistered)
            }
            #expect(a.registry.configured.map(\.value) == b.registry.configured.map(\.value))
            #expect(a.registry.nextExpiry == b.registry.nextExpiry)
            #expect(a.statistics == b.statistics)
            #expect(a.refusals == b.refusals)
            #expect(a.nonces.saved == b.nonces.saved)
            for (one, other) in zip(a.sites, b.sites) {
                #expect(one.accepted == other.accepted)
                #expect(one.lastRegistered == other.lastRegistered)
                #expect(one.refusals == other.refusals)
                #expect(one.lastFailure == other.lastFailure)
            }
        }
    }

    private static var settings: MapServerSettings {
        var settings = MapServerBench.settings
        settings.sites[0].keys.append(secret("second", id: 0))
        settings.sites[0].keys.append(secret("short", id: 1, algorithm: .hmacSHA1_96))
        settings.sites[0].eids.append(SiteEID(prefix: eidPrefix("10.1.0.0/16", instance: 7), acceptMoreSpecifics: true))
        settings.sites[1].nonceCheck = .off
        settings.sites[1].allowedLocators = [IPAddress("198.51.100.1")!, IPAddress("2001:db8::1")!]
        return settings
    }

    /// A record, nearly always one of six, so that most are refreshes.
    private static func record(_ index: Int, _ random: inout SplitMix) -> EIDRecord {
        let prefixes = [
            eidPrefix("10.1.0.0/16"), eidPrefix("10.1.2.0/24"), eidPrefix("10.1.2.0/24", instance: 7),
            eidPrefix("2001:db8:1::/48"), eidPrefix("10.2.0.0/16"), eidPrefix("172.16.0.0/12"),
        ]
        let count = rarely(&random) ? Int.random(in: 0...3, using: &random) : 1 + index % 2
        let locators = ["198.51.100.1", "2001:db8::1", "203.0.113.7"].prefix(count)
        var record = EIDRecord(
            eidPrefix: prefixes[index],
            ttlMinutes: rarely(&random) ? 0 : 1440,
            action: rarely(&random) ? .dropNoReason : .noAction,
            isAuthoritative: !rarely(&random),
            mapVersion: rarely(&random) ? 3 : 0,
            locators: locators.map {
                LocatorRecord(
                    priority: rarely(&random) ? 2 : 1,
                    weight: 100,
                    isLocal: true,
                    isProbed: rarely(&random),
                    isReachable: !rarely(&random),
                    address: .ip(IPAddress($0)!)
                )
            }
        )
        // Not as we would write it.
        if rarely(&random) { record.eid = .instance(InstanceID.default, maskLength: 0, record.eid) }
        if rarely(&random) { record.eid = .ip(IPAddress("10.1.2.3")!) }
        return record
    }

    private static func rarely(_ random: inout SplitMix) -> Bool { Int.random(in: 0..<25, using: &random) == 0 }

    @Test(arguments: 1...8) func `what is read in place does the same as what is decoded`(seed: UInt64) throws {
        let pair = Pair(Self.settings)
        var random = SplitMix(seed: seed)
        var nonce: UInt64 = 1000
        var last: [(message: [UInt8], source: Endpoint)] = []
        let keys = [secret("alpha"), secret("second"), secret("short", id: 1, algorithm: .hmacSHA1_96), secret("beta")]
        for _ in 0..<600 {
            pair.pass(Self.rarely(&random) ? .seconds(100) : .seconds(1))
            if Self.rarely(&random), let old = last.randomElement(using: &random) {
                // Once more, or by somebody else, or spoiled.
                var message = old.message
                if Self.rarely(&random) { message[Int.random(in: 16..<message.count, using: &random)] ^= 1 }
                let elsewhere = Endpoint(try #require(IPAddress("192.0.2.66")), 7)
                if (try? MapRegister(decoding: message)) == nil {
                    #expect(PlainMapRegister(message)?.nonce == nil)
                } else {
                    try pair.deliver(message, from: Self.rarely(&random) ? elsewhere : old.source)
                }
                continue
            }
            nonce += 1
            let key = Self.rarely(&random) ? keys[Int.random(in: 0..<4, using: &random)] : keys[0]
            let index = Int.random(in: 0..<6, using: &random)
            let record = Self.record(index, &random)
            let isBeta = record.eidPrefix == eidPrefix("10.2.0.0/16")
            var register = MapRegister(
                wantsProxyReply: Self.rarely(&random),
                isSecurityCapable: Self.rarely(&random),
                isEIDNotify: Self.rarely(&random),
                usesTTL: Self.rarely(&random),
                wantsMerge: (index < 2) != Self.rarely(&random),
                isMobile: Self.rarely(&random),
                wantsMapNotify: !Self.rarely(&random),
                nonce: Nonce(rawValue: Self.rarely(&random) ? nonce - 3 : nonce),
                authentication: Authentication(placeholderFor: isBeta ? keys[3] : key),
                records: Self.rarely(&random) ? [record, Self.record(1, &random)] : [record],
                xtrID: (index < 3) != Self.rarely(&random) ? XTRID(rawValue: 5) : nil,
                siteID: SiteID(rawValue: 9),
                tail: Self.rarely(&random) ? [1, 2, 3] : []
            )
            if register.xtrID == nil { register.siteID = nil }
            var message = register.encoded()
            if Self.rarely(&random) { message[1] |= 0x10 }
            if Self.rarely(&random) { message[message.count - 7] ^= 0x80 }
            if !Self.rarely(&random) { (isBeta ? keys[3] : key).sign(&message) }
            let source = Endpoint(IPAddress(Self.rarely(&random) ? "198.51.100.2" : "198.51.100.1")!, 4342)
            // What does not decode is neither.
            guard (try? MapRegister(decoding: message)) != nil else {
                #expect(PlainMapRegister(message)?.nonce == nil)
                continue
            }
            try pair.deliver(message, from: source)
            last.append((message, source))
            pair.compare()
        }
        #expect(pair.shortened > 30)
    }
}
