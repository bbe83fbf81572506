// Replays of Map-Registers, and ETRs whose nonces do not count: RFC 9301 section 5.6.

import LISPTables
import LISPWire
import Testing

@testable import LISPControl

@Suite struct MapServerNonceTests {
    /// An ETR whose Map-Registers can be sent again octet by octet.
    private struct Recorder {
        let bench: MapServerBench
        var etr = BenchETR(xtrID: 1)

        func message(_ nonce: UInt64, _ locator: String = "198.51.100.1") -> [UInt8] {
            bench.signed(etr.register([record("10.1.0.0/16", [locator])], nonce: nonce), by: etr.key)
        }

        /// Whether a Map-Notify came back.
        func isAccepted(_ message: [UInt8]) throws -> Bool {
            try !bench.deliver(message, from: etr.source).datagrams.isEmpty
        }
    }

    private static func recorder(_ check: NonceCheck, nonces: NonceGuard = NonceGuard()) -> Recorder {
        var settings = MapServerBench.settings
        settings.sites[0].nonceCheck = check
        return Recorder(bench: MapServerBench(settings, nonces: nonces))
    }

    @Test(arguments: NonceCheck.allCases)
    func `the same message again is answered again and refreshes the registration`(check: NonceCheck) throws {
        let etr = Self.recorder(check)
        let message = etr.message(5)
        #expect(try etr.isAccepted(message))
        etr.bench.now = .zero + .seconds(100)
        #expect(try etr.isAccepted(message))
        #expect(etr.bench.server.deadline() == .zero + .seconds(280))
        #expect(etr.bench.server.statistics[.mapRegistersRepeated] == 1)
    }

    @Test func `the same message again from elsewhere does not take the ETR's Map-Notifies there`() throws {
        let etr = Self.recorder(.auto)
        let message = etr.message(5)
        #expect(try etr.isAccepted(message))
        let before = try #require(etr.bench.registrations("10.1.0.0/16").first)
        etr.bench.now = .zero + .seconds(100)
        let elsewhere = Endpoint(IPAddress("203.0.113.66")!, 5000)
        #expect(try !etr.bench.deliver(message, from: elsewhere).datagrams.isEmpty)
        let after = try #require(etr.bench.registrations("10.1.0.0/16").first)
        #expect(after.source == before.source && after.source == etr.etr.source)
        #expect(after.lastRegistered == etr.bench.now)
        // An ETR that has really moved makes a new one.
        #expect(try !etr.bench.deliver(etr.message(6), from: elsewhere).datagrams.isEmpty)
        #expect(etr.bench.registrations("10.1.0.0/16").first?.source == elsewhere)
    }

    @Test func `strict refuses any other message whose nonce is not greater`() throws {
        let etr = Self.recorder(.strict)
        #expect(try etr.isAccepted(etr.message(5)))
        #expect(try !etr.isAccepted(etr.message(5, "198.51.100.2")))
        #expect(try !etr.isAccepted(etr.message(4)))
        #expect(etr.bench.refusals() == [.replayedNonce: 2])
        #expect(etr.bench.registrations("10.1.0.0/16").first?.record == record("10.1.0.0/16"))
        #expect(try etr.isAccepted(etr.message(.max)))
    }

    @Test func `auto becomes strict after five nonces that count upwards`() throws {
        let etr = Self.recorder(.auto)
        for nonce: UInt64 in 1...4 { #expect(try etr.isAccepted(etr.message(nonce * 10))) }
        #expect(try etr.isAccepted(etr.message(15)))
        for nonce: UInt64 in 2...5 { #expect(try etr.isAccepted(etr.message(nonce * 100))) }
        #expect(try !etr.isAccepted(etr.message(499)))
        #expect(try etr.isAccepted(etr.message(501)))
    }

    @Test func `of an ETR that counts only the last message is kept, of another sixty-four`() throws {
        let etr = Self.recorder(.auto)
        for nonce: UInt64 in 1...4 { #expect(try etr.isAccepted(etr.message(nonce))) }
        #expect(etr.bench.server.nonces.saved.first?.messages.map(\.nonce) == [1, 2, 3, 4])
        #expect(try etr.isAccepted(etr.message(5)))
        #expect(etr.bench.server.nonces.saved.first?.messages.map(\.nonce) == [5])

        let other = Self.recorder(.auto)
        for nonce: UInt64 in 1...100 { #expect(try other.isAccepted(other.message(1000 - nonce))) }
        #expect(other.bench.server.nonces.saved.first?.messages.map(\.nonce) == (1...64).reversed().map { 899 + $0 })
    }

    @Test func `auto refuses replays of what it accepted before`() throws {
        let etr = Self.recorder(.auto)
        let old = etr.message(900, "198.51.100.9")
        #expect(try etr.isAccepted(old))
        #expect(try etr.isAccepted(etr.message(30)))
        #expect(try !etr.isAccepted(old))
        #expect(etr.bench.refusals() == [.replayedNonce: 1])
        #expect(etr.bench.registrations("10.1.0.0/16").first?.record == record("10.1.0.0/16"))
        // Also with the authentication data cut to the other length that the algorithm allows.
        var cut = try MapRegister(decoding: old)
        cut.authentication.data.removeLast(16)
        #expect(try !etr.isAccepted(cut.encoded()))
    }

    @Test func `off refuses nothing`() throws {
        let etr = Self.recorder(.off)
        let messages = (1...10).map { etr.message(UInt64($0)) }
        for message in messages + messages { #expect(try etr.isAccepted(message)) }
    }

    @Test func `an ETR with one nonce for ever stays registered under auto, also when it returns to an earlier state`()
        throws
    {
        let etr = Self.recorder(.auto)
        for minute: Int64 in 0..<200 {
            etr.bench.now = .zero + .seconds(60 * minute)
            #expect(etr.bench.timeout().isEmpty)
            let locator = minute / 10 % 2 == 0 ? "198.51.100.1" : "198.51.100.2"
            #expect(try etr.isAccepted(etr.message(0x1234, locator)))
        }
    }

    @Test func `an ETR with random nonces stays registered under auto`() throws {
        var random = SplitMix(seed: 77)
        let etr = Self.recorder(.auto)
        for minute: Int64 in 0..<20_000 {
            etr.bench.now = .zero + .seconds(60 * minute)
            guard try etr.isAccepted(etr.message(random.next())) else {
                Issue.record("refused in minute \(minute)")
                return
            }
        }
        #expect(etr.bench.server.statistics[.registrationsExpired] == 0)
    }

    @Test func `ETRs, sites and key IDs have histories of their own`() throws {
        var settings = MapServerBench.settings
        settings.sites[0].nonceCheck = .strict
        settings.sites[1].nonceCheck = .strict
        settings.sites[0].keys.append(secret("second", id: 1))
        let bench = MapServerBench(settings)
        #expect(try !bench.register([record("10.1.0.0/16")], by: BenchETR(xtrID: 1), nonce: 100).datagrams.isEmpty)
        #expect(try bench.register([record("10.1.0.0/16")], by: BenchETR(xtrID: 1), nonce: 50).datagrams.isEmpty)
        #expect(try !bench.register([record("10.1.0.0/16")], by: BenchETR(xtrID: 2), nonce: 50).datagrams.isEmpty)
        let second = BenchETR(xtrID: 1, key: secret("second", id: 1))
        #expect(try !bench.register([record("10.1.0.0/16")], by: second, nonce: 50).datagrams.isEmpty)
        // Beta's key and alpha's xTR-ID: beta cannot push alpha's nonces up.
        let forger = BenchETR(xtrID: 1, key: secret("beta"))
        #expect(try !bench.register([record("10.2.0.0/16")], by: forger, nonce: .max).datagrams.isEmpty)
        #expect(try !bench.register([record("10.1.0.0/16")], by: BenchETR(xtrID: 1), nonce: 101).datagrams.isEmpty)
    }

    @Test func `a message that does not verify changes no nonce`() throws {
        let etr = Self.recorder(.strict)
        #expect(try etr.isAccepted(etr.message(5)))
        try etr.bench.register([record("10.1.0.0/16")], by: BenchETR(xtrID: 1, key: secret("guess")), nonce: .max)
        #expect(try etr.isAccepted(etr.message(6)))
    }

    @Test func `saved nonces refuse old messages after a restart`() throws {
        let before = Self.recorder(.strict)
        let version = before.bench.server.nonces.changes
        let messages = [5, 6, 7].map { before.message($0) }
        for message in messages { #expect(try before.isAccepted(message)) }
        #expect(before.bench.server.nonces.changes != version)

        let after = Self.recorder(.strict, nonces: before.bench.server.nonces)
        #expect(after.bench.server.nonces.saved == before.bench.server.nonces.saved)
        let elsewhere = MapServer(
            settings: MapServerSettings(sites: [MapServerBench.beta]),
            nonces: before.bench.server.nonces
        )
        #expect(elsewhere.nonces.count == 0)
        #expect(try !after.isAccepted(messages[0]))
        #expect(try after.isAccepted(messages[2]))
        #expect(try after.isAccepted(after.message(8)))
    }

    @Test func `a new secret under the same key ID starts afresh, and so does a cleared site`() throws {
        let etr = Self.recorder(.strict)
        #expect(try etr.isAccepted(etr.message(100)))
        var settings = etr.bench.server.settings
        _ = etr.bench.server.reconfigure(settings, now: .zero, using: &etr.bench.random)
        #expect(try !etr.isAccepted(etr.message(50)))
        settings.sites[0].keys = [secret("fresh")]
        _ = etr.bench.server.reconfigure(settings, now: .zero, using: &etr.bench.random)
        let fresh = BenchETR(xtrID: 1, key: secret("fresh"))
        #expect(try !etr.bench.register([record("10.1.0.0/16")], by: fresh, nonce: 50).datagrams.isEmpty)
        #expect(etr.bench.server.clear([eidPrefix("10.1.0.0/16")], of: "alpha", now: .zero) == (1, 1))
        #expect(etr.bench.server.forgetNonces(of: "alpha") == 1)
        #expect(!etr.bench.isRegistered("10.1.0.0/16"))
        #expect(try !etr.bench.register([record("10.1.0.0/16")], by: fresh, nonce: 10).datagrams.isEmpty)
    }

    @Test func `beyond the limit the ETR that was silent longest is forgotten, at its own site only`() {
        var nonces = NonceGuard(limit: 16)
        func etr(_ number: Int) -> ETRIdentity { .named(XTRID(rawValue: UInt128(number)), SiteID(rawValue: 0)) }
        let message = NonceHistory.Message(nonce: 9, mac: 9)
        nonces.accept(message, site: "beta", etr: etr(0), keyID: 0)
        for number in 0..<17 { nonces.accept(message, site: "alpha", etr: etr(number), keyID: 0) }
        func verdict(_ number: Int, _ site: String = "alpha") -> NonceGuard.Verdict {
            nonces.verdict(on: message, site: site, etr: etr(number), keyID: 0, check: .strict)
        }
        #expect(verdict(0) == .new)
        #expect(verdict(1) == .repeated)
        #expect(verdict(16) == .repeated)
        #expect(verdict(0, "beta") == .repeated)
        #expect(nonces.saved.count == 17)
    }
}
