// What a whole Router does with one message, from its octets to the octets of the answer: as a Map-Server and Map-Resolver
// of 10,000 sites, all registered.

import LISPControl
import LISPTables
import LISPWire

extension Benchmark {
    static let router: [Benchmark] = [
        Benchmark("router.map-register", sizes: [siteCount], checked: Check(sizes: [siteCount])) { sites in
            let mappingSystem = try MappingSystem(sites: sites)
            // Two for each site, in turn: none is the one that the site sent last, which would be a mere refresh.
            let messages = (0..<2).flatMap { round in
                (0..<sites).map { site in
                    Samples.signedMapRegister([Samples.record(site)], nonce: UInt64(round), key: siteKey(site))
                }
            }
            return cycle(messages) { message, number in
                try mappingSystem.register(message, site: number % sites)
            }
        },
        Benchmark("router.map-register.refresh", sizes: [siteCount], checked: Check(sizes: [siteCount])) { sites in
            let mappingSystem = try MappingSystem(sites: sites)
            let messages = (0..<sites).map(MappingSystem.registration)
            return cycle(messages) { message, number in
                try mappingSystem.register(message, site: number)
            }
        },
        Benchmark("router.map-request.forwarded", sizes: [siteCount], checked: Check(sizes: [siteCount])) { sites in
            try answering(MappingSystem(sites: sites))
        },
        Benchmark("router.map-request.proxy-reply", sizes: [siteCount], checked: Check(sizes: [siteCount])) { sites in
            try answering(MappingSystem(sites: sites, proxyReply: true))
        },
        Benchmark("router.map-request.negative", sizes: [siteCount], checked: Check(sizes: [siteCount])) { sites in
            try answering(MappingSystem(sites: sites), firstSite: sites)
        },
    ]

    private static let siteCount = 10_000
    /// Requests in turn; the same comes again after more than the second in which it would be taken for a repetition.
    private static let requestCount = 1_000

    fileprivate static func siteKey(_ number: Int) -> AuthenticationKey {
        AuthenticationKey(id: 0, algorithm: .hmacSHA256_128, secret: Array("the secret of site \(number)".utf8))
    }

    /// Map-Requests about sites all over the table, from `firstSite` on.
    private static func answering(_ mappingSystem: MappingSystem, firstSite: Int = 0) -> Workload {
        let messages = (0..<requestCount).map { number in
            let site = firstSite + number * 7919 % siteCount
            return Samples.encapsulated(Samples.mapRequest(site, nonce: UInt64(number)), about: site).encoded()
        }
        return cycle(messages) { message, _ in try mappingSystem.ask(message) }
    }

    private static func cycle(_ messages: [[UInt8]], _ each: @escaping ([UInt8], Int) throws -> Void) -> Workload {
        var next = 0
        return Workload { operations in
            for _ in 0..<operations {
                try each(messages[next], next)
                next = next + 1 == messages.count ? 0 : next + 1
            }
        }
    }
}

/// A Map-Server and Map-Resolver with a /24 for each site, and a clock that moves two milliseconds with each message: slow
/// enough for the rate limit of Map-Replies, and a day, the registrations' TTL, is more than any run takes.
private final class MappingSystem {
    private var router: Router
    private var now = Instant.zero
    private var random = SplitMix()

    init(sites: Int, proxyReply: Bool = false) throws {
        let settings = RouterSettings(
            mapServer: MapServerSettings(
                eidSpace: [EIDPrefix(IPPrefix(family: .ipv4, leftAligned: Samples.host(0).leftAligned, length: 8))],
                sites: (0..<sites).map { number in
                    SiteSettings(
                        name: "site-\(number)",
                        keys: [Benchmark.siteKey(number)],
                        nonceCheck: .off,
                        eids: [SiteEID(prefix: Samples.sitePrefix(number), proxyReply: proxyReply)]
                    )
                }
            ),
            mapResolver: MapResolverSettings()
        )
        router = Router(settings, nextNonce: 1, now: now)
        for number in 0..<sites {
            try register(Self.registration(number), site: number)
        }
    }

    /// What site `number` has registered first.
    static func registration(_ number: Int) -> [UInt8] {
        Samples.signedMapRegister([Samples.record(number)], nonce: 1_000, key: Benchmark.siteKey(number))
    }

    func register(_ message: [UInt8], site: Int) throws {
        try receive(message, from: Endpoint(Samples.rloc(site), LISPPort.control))
    }

    func ask(_ message: [UInt8]) throws {
        try receive(message, from: Endpoint(Samples.itr, LISPPort.control))
    }

    /// Every message here has an answer: a Map-Notify, a Map-Reply, or a Map-Request passed on.
    private func receive(_ payload: [UInt8], from source: Endpoint) throws {
        now = now + .milliseconds(2)
        let message = ReceivedControlMessage(payload: payload, source: source, destination: Samples.mapServer)
        let actions = router.received(message, now: now, using: &random)
        let isAnswered = actions.contains { if case .send = $0 { true } else { false } }
        guard isAnswered else { throw Unexpected("a message was not answered but led to \(actions)") }
    }
}
