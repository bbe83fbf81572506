// What a Map-Server remembers for `diagnose registration`, and that there is an end to it.

import LISPTables
import LISPWire
import Testing

@testable import LISPControl

@Suite struct RefusalMemoryTests {
    private static func failure(_ prefix: EIDPrefix, at second: Int64) -> RegistrationFailure {
        RegistrationFailure(
            reason: .notConfiguredEID,
            prefix: prefix,
            source: Endpoint(IPAddress("198.51.100.1")!, 4342),
            time: .zero + .seconds(second),
            keyID: 0,
            algorithm: 2,
            nonce: Nonce(rawValue: 1),
            locator: nil
        )
    }

    private static func host(_ number: Int) -> EIDPrefix {
        EIDPrefix(instanceID: .default, IPPrefix(host: .v4(IPv4Address(UInt32(0x0b00_0000 + number)))))
    }

    @Test func `keeps the last refusal of each EID-prefix and reason, with what was claimed`() throws {
        let bench = MapServerBench { $0.allowedLocators = [IPAddress("198.51.100.1")!] }
        bench.now = .zero + .seconds(5)
        try bench.register([record("10.1.5.0/24")], by: BenchETR(key: secret("guess")), nonce: 7)
        bench.now = .zero + .seconds(9)
        let other = BenchETR(source: Endpoint(IPAddress("198.51.100.9")!, 4342), key: secret("guess"))
        try bench.register([record("10.1.0.0/16")], by: other, nonce: 8)
        let memory = { bench.server.refusalMemory }
        let last = try #require(memory().last(for: eidPrefix("10.1.0.0/16"), .wrongKey))
        #expect(last.prefix == eidPrefix("10.1.0.0/16") && last.source == other.source)
        #expect(last.time == .zero + .seconds(9) && last.nonce == Nonce(rawValue: 8))
        #expect(memory().last(for: eidPrefix("10.1.5.0/24"), .wrongKey) == nil)
        #expect(memory().last(for: eidPrefix("10.2.0.0/16"), .wrongKey) == nil)

        let foreign = BenchETR(key: secret("alpha", id: 3, algorithm: .hmacSHA1_96))
        try bench.register([record("10.1.0.0/16")], by: foreign)
        let unknown = try #require(memory().last(for: eidPrefix("10.1.0.0/16"), .unknownKeyID))
        #expect(unknown.keyID == 3 && unknown.algorithm == AuthenticationAlgorithm.hmacSHA1_96.rawValue)
        #expect(unknown.locator == nil)

        try bench.register([record("10.1.0.0/16", ["198.51.100.1", "192.0.2.66"])])
        #expect(memory().last(for: eidPrefix("10.1.0.0/16"), .locatorNotAllowed)?.locator == "192.0.2.66")
        #expect(memory().ofNoSite.isEmpty)
    }

    @Test func `of no site it keeps who tries again, not each of a scan`() throws {
        var memory = RefusalMemory()
        let honest = eidPrefix("172.16.0.0/12")
        for second in 0..<10 { memory.note(Self.failure(honest, at: Int64(second * 60)), configured: nil) }
        for number in 0..<10_000 { memory.note(Self.failure(Self.host(number), at: 600), configured: nil) }
        #expect(memory.ofNoSite.count == RefusalMemory.limitOfNoSite)
        let kept = try #require(memory.ofNoSite.first { $0.prefix == honest })
        #expect(kept.count == 10)
        #expect(memory.ofNoSite.contains { $0.prefix == Self.host(9999) })
        // Whoever has given up goes.
        for number in 0..<RefusalMemory.limitOfNoSite {
            memory.note(Self.failure(Self.host(20_000 + number), at: 2000), configured: nil)
        }
        #expect(!memory.ofNoSite.contains { $0.prefix == honest })
    }

    @Test func `there is an end to what it keeps, and the latest stay`() {
        var memory = RefusalMemory(limit: 100)
        for number in 0..<1000 { memory.note(Self.failure(Self.host(number), at: 1), configured: Self.host(number)) }
        let kept = (0..<1000).filter { memory.last(for: Self.host($0), .notConfiguredEID) != nil }
        #expect(kept.count >= 100 && kept.count <= 200)
        #expect(kept == Array((1000 - kept.count)..<1000))

        var values = LatestValues<Int, Int>(limit: 4)
        for key in 0..<10 { values[key] = key }
        values[1] = 5
        values[1] = 6
        #expect(values[1] == 6 && values.count <= 8)
        values[1] = nil
        #expect(values[1] == nil)
    }

    @Test func `says how the last registration ended`() throws {
        let bench = MapServerBench()
        let (whole, part) = (eidPrefix("10.1.0.0/16"), eidPrefix("10.1.5.0/24"))
        let (first, second) = (BenchETR(xtrID: 1), BenchETR(xtrID: 2))
        #expect(bench.server.ending(of: whole) == nil)
        try bench.register([record("10.1.0.0/16"), record("10.1.5.0/24")], by: first)
        try bench.register([record("10.1.0.0/16")], by: second)
        bench.now = .zero + .seconds(20)
        try bench.register([record("10.1.0.0/16", ttl: 0), record("10.1.5.0/24", ttl: 0)], by: first)
        // The other ETR still has it.
        #expect(bench.server.ending(of: whole) == nil)
        #expect(bench.server.ending(of: part) == RegistrationEnding(cause: .withdrawn, time: bench.now))
        bench.now = .zero + .seconds(181)
        _ = bench.timeout()
        #expect(bench.server.ending(of: whole) == RegistrationEnding(cause: .expired, time: bench.now))
        try bench.register([record("10.1.0.0/16")], by: first)
        #expect(bench.server.ending(of: whole) == nil)
        _ = bench.server.clear([whole], of: "alpha", now: bench.now)
        #expect(bench.server.ending(of: whole)?.cause == .cleared)
        try bench.register([record("10.1.0.0/16")], by: first)
        var settings = MapServerBench.settings
        settings.sites[0].keys = [secret("fresh")]
        _ = bench.server.reconfigure(settings, now: bench.now, using: &bench.random)
        #expect(bench.server.ending(of: whole)?.cause == .dropped)
    }
}
