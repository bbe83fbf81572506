// A Map-Server at size: what a whole Router does with one message, from its octets to the octets of the answer, while up to a million
// EID-prefixes are registered, each by an ETR of its own with one locator of its own. A hundred /24 for each site.

import LISPControl
import LISPTables
import LISPWire

extension Benchmark {
    static let mapServer: [Benchmark] = [
        Benchmark("map-server.register.refresh", sizes: tableSizes, goals: registrationGoal) { size in
            let made = try HeapUse.of { try RegisteredSites(size) }
            // Two for each, in turn: none is the one that its ETR sent last, which would be a replay.
            let messages = (1...2).flatMap { round in
                RegisteredSites.numbers(size).map { RegisteredSites.register([$0], of: size, nonce: round) }
            }
            return cycle(messages, octets: made.octets, size) { try made.value.register($0) }
        },
        // Withdrawn and registered again: two messages.
        Benchmark("map-server.register.withdraw-and-new", sizes: tableSizes) { size in
            let sites = try RegisteredSites(size)
            let messages = RegisteredSites.numbers(size).flatMap { number in
                [0, 1440].map { RegisteredSites.register([number], of: size, ttl: $0, nonce: UInt64($0)) }
            }
            return cycle(messages) { try sites.register($0) }
        },
        // Twenty-five EID-prefixes of one ETR in a message.
        Benchmark("map-server.register.refresh-25-records", sizes: tableSizes) { size in
            let sites = try RegisteredSites(size, recordsPerMessage: 25)
            let messages = (1...2).flatMap { round in
                RegisteredSites.numbers(size / 25).map {
                    let records = RegisteredSites.group($0, of: size, records: 25)
                    return RegisteredSites.register(records, of: size, nonce: UInt64(round))
                }
            }
            return cycle(messages) { try sites.register($0) }
        },
        Benchmark("map-server.request.proxy-reply", sizes: tableSizes) { size in
            try asking(RegisteredSites(size, proxyReply: true)) { TableSamples.sitePrefix($0, of: size) }
        },
        Benchmark("map-server.request.forwarded", sizes: tableSizes) { size in
            try asking(RegisteredSites(size)) { TableSamples.sitePrefix($0, of: size) }
        },
        // Parts of the sites that nobody has registered.
        Benchmark("map-server.request.negative", sizes: tableSizes) { size in
            try asking(RegisteredSites(size)) { number in
                let part = TableSamples.sitePrefix(number, of: size).prefix
                let beyond = part.address.leftAligned | UInt128(0x80) << 104
                return EIDPrefix(IPPrefix(family: .ipv4, leftAligned: beyond, length: 24))
            }
        },
    ]

    /// All that a registration costs: in the registry, in the queue of deadlines, in what is known of nonces.
    private static let registrationGoal: [Int: Goal] = [1_000_000: Goal(octetsPerEntry: 400)]

    private static func asking(_ sites: RegisteredSites, _ prefix: (Int) -> EIDPrefix) -> Workload {
        let messages = RegisteredSites.numbers(sites.size).enumerated().map { index, number in
            RegisteredSites.request(prefix(number), nonce: UInt64(index))
        }
        return cycle(messages) { try sites.ask($0) }
    }

    private static func cycle(
        _ messages: [[UInt8]],
        octets: Int? = nil,
        _ size: Int = 1,
        _ each: @escaping ([UInt8]) throws -> Void
    ) -> Workload {
        var next = 0
        return Workload(octetsPerEntry: octets.map { Double($0) / Double(size) }) { operations in
            for _ in 0..<operations {
                try each(messages[next])
                next = next + 1 == messages.count ? 0 : next + 1
            }
        }
    }
}

/// A Map-Server and Map-Resolver whose clock moves a millisecond with each message.
private final class RegisteredSites {
    private static let key = AuthenticationKey(id: 0, algorithm: .hmacSHA256_128, secret: Array("the sites' key".utf8))

    let size: Int
    private var router: Router
    private var now = Instant.zero
    private var random = SplitMix()

    init(_ size: Int, recordsPerMessage: Int = 1, proxyReply: Bool = false) throws {
        self.size = size
        let sites = (0..<max(1, (size + 99) / 100)).map { site in
            SiteSettings(
                name: "site-\(site)",
                keys: [Self.key],
                nonceCheck: .off,
                eids: [
                    SiteEID(
                        prefix: EIDPrefix(
                            IPPrefix(family: .ipv4, leftAligned: UInt128(site) << 112, length: 16)
                        ),
                        acceptMoreSpecifics: true,
                        proxyReply: proxyReply
                    )
                ]
            )
        }
        let settings = RouterSettings(
            mapServer: MapServerSettings(sites: sites),
            mapResolver: MapResolverSettings()
        )
        router = Router(settings, nextNonce: 1, now: now)
        for group in 0..<(size / recordsPerMessage) {
            let records = Self.group(group, of: size, records: recordsPerMessage)
            try receive(Self.register(records, of: size), from: Self.source, step: .zero)
        }
        guard router.mapServer?.registry.registered.count == size else {
            throw Unexpected("\(router.mapServer?.registry.registered.count ?? 0) registrations instead of \(size)")
        }
    }

    /// So many as do not fit a processor's cache, all over the table, each once.
    static func numbers(_ size: Int) -> [Int] {
        (0..<min(size, 50_000)).map { $0 * 7_919 % size }
    }

    /// The `number`-th `records` EID-prefixes of one site.
    static func group(_ number: Int, of size: Int, records: Int) -> [Int] {
        guard records > 1 else { return [number] }
        let sites = max(1, (size + 99) / 100)
        return (0..<records).map { number % sites + (number / sites * records + $0) * sites }
    }

    private static let source = Endpoint(.v4(IPv4Address(0xc612_0001)), LISPPort.control)
    private static let local = IPAddress.v4(IPv4Address(0xc000_0235))

    /// A signed Map-Register of an ETR that the first of the EID-prefixes names.
    static func register(_ numbers: [Int], of size: Int, ttl: UInt32 = 1440, nonce: UInt64 = 3) -> [UInt8] {
        var message = MapRegister(
            usesTTL: true,
            wantsMapNotify: true,
            nonce: Nonce(rawValue: nonce),
            authentication: Authentication(placeholderFor: key),
            records: numbers.map { number in
                EIDRecord(
                    eidPrefix: TableSamples.sitePrefix(number, of: size),
                    ttlMinutes: ttl,
                    isAuthoritative: true,
                    locators: [
                        LocatorRecord(
                            priority: 1,
                            weight: 100,
                            isLocal: true,
                            address: .ip(.v4(IPv4Address(0xc700_0000 | UInt32(numbers[0]))))
                        )
                    ]
                )
            },
            xtrID: XTRID(rawValue: UInt128(numbers[0])),
            siteID: SiteID(rawValue: 1)
        ).encoded()
        key.sign(&message)
        return message
    }

    static func request(_ prefix: EIDPrefix, nonce: UInt64) -> [UInt8] {
        let host = IPPrefix(host: prefix.prefix.address)
        let request = MapRequest(
            nonce: Nonce(rawValue: nonce),
            sourceEID: .ip(Samples.askingHost),
            itrRLOCs: [.ip(Samples.itr)],
            records: [MapRequest.Record(EIDPrefix(host))]
        )
        return EncapsulatedControlMessage(
            source: Endpoint(Samples.askingHost, LISPPort.control),
            destination: Endpoint(prefix.prefix.address, LISPPort.control),
            payload: request.encoded()
        ).encoded()
    }

    func register(_ message: [UInt8]) throws {
        try receive(message, from: Self.source)
    }

    func ask(_ message: [UInt8]) throws {
        try receive(message, from: Endpoint(Samples.itr, LISPPort.control))
    }

    /// Every message here has an answer: a Map-Notify, a Map-Reply, or a Map-Request passed on.
    private func receive(
        _ payload: [UInt8],
        from source: Endpoint,
        step: Duration = .milliseconds(1)
    ) throws {
        now = now + step
        let message = ReceivedControlMessage(payload: payload, source: source, destination: Self.local)
        let actions = router.received(message, now: now, using: &random)
        let isAnswered = actions.contains { if case .send = $0 { true } else { false } }
        guard isAnswered else { throw Unexpected("a message was not answered but led to \(actions)") }
    }
}
