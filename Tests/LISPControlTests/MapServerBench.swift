// A Map-Server, its clock, and ETRs that sign what they are told to.

import LISPTables
import LISPWire
import Testing

@testable import LISPControl

let mapServerAddress = IPAddress("192.0.2.53")!

func eidPrefix(_ text: String, instance: UInt32 = 0) -> EIDPrefix {
    EIDPrefix(instanceID: InstanceID(uncheckedRawValue: instance), IPPrefix(text)!)
}

func secret(_ text: String, id: UInt8 = 0, algorithm: AuthenticationAlgorithm = .hmacSHA256_128) -> AuthenticationKey {
    AuthenticationKey(id: id, algorithm: algorithm, secret: Array(text.utf8))
}

/// A record as an ETR registers it: its own locators.
func record(_ prefix: String, _ locators: [String] = ["198.51.100.1"], ttl: UInt32 = 1440) -> EIDRecord {
    EIDRecord(
        eidPrefix: eidPrefix(prefix),
        ttlMinutes: ttl,
        isAuthoritative: true,
        locators: locators.map {
            LocatorRecord(priority: 1, weight: 100, isLocal: true, address: .ip(IPAddress($0)!))
        }
    )
}

/// One ETR: how it names itself and where it sends from.
struct BenchETR {
    var xtrID: UInt128?
    var source = Endpoint(IPAddress("198.51.100.1")!, 40_000)
    var key = secret("alpha")

    func register(
        _ records: [EIDRecord],
        nonce: UInt64,
        proxy: Bool = false,
        ttlCounts: Bool = false,
        merge: Bool = false,
        notify: Bool = true
    ) -> MapRegister {
        MapRegister(
            wantsProxyReply: proxy,
            usesTTL: ttlCounts,
            wantsMerge: merge,
            wantsMapNotify: notify,
            nonce: Nonce(rawValue: nonce),
            authentication: Authentication(placeholderFor: key),
            records: records,
            xtrID: xtrID.map { XTRID(rawValue: $0) },
            siteID: xtrID.map { _ in SiteID(rawValue: 9) }
        )
    }
}

final class MapServerBench {
    static let alpha = SiteSettings(
        name: "alpha",
        keys: [secret("alpha")],
        eids: [
            SiteEID(prefix: eidPrefix("10.1.0.0/16"), acceptMoreSpecifics: true),
            SiteEID(prefix: eidPrefix("2001:db8:1::/48")),
        ]
    )
    static let beta = SiteSettings(
        name: "beta",
        keys: [secret("beta")],
        eids: [SiteEID(prefix: eidPrefix("10.2.0.0/16"), action: .drop)]
    )
    static let settings = MapServerSettings(eidSpace: [eidPrefix("10.0.0.0/8")], sites: [alpha, beta])

    var server: MapServer
    var now = Instant.zero
    var random = SplitMix(seed: 1)
    private var nonce: UInt64 = 1_000_000

    init(
        _ settings: MapServerSettings = MapServerBench.settings,
        limits: SiteRegistry.Limits = .init(),
        limiter: MapReplyLimiter = .init(),
        nonces: NonceGuard = NonceGuard()
    ) {
        server = MapServer(settings: settings, limits: limits, limiter: limiter, nonces: nonces)
    }

    /// With site alpha changed.
    convenience init(alpha change: (inout SiteSettings) -> Void) {
        var settings = Self.settings
        change(&settings.sites[0])
        self.init(settings)
    }

    // MARK: Registering

    @discardableResult
    func deliver(_ bytes: [UInt8], from source: Endpoint) throws -> [MapServerAction] {
        server.receivedMapRegister(
            try MapRegister(decoding: bytes),
            raw: bytes,
            from: source,
            at: mapServerAddress,
            now: now,
            using: &random
        )
    }

    func signed(_ register: MapRegister, by key: AuthenticationKey) -> [UInt8] {
        var bytes = register.encoded()
        key.sign(&bytes)
        return bytes
    }

    @discardableResult
    func register(
        _ records: [EIDRecord],
        by etr: BenchETR = BenchETR(),
        nonce: UInt64? = nil,
        proxy: Bool = false,
        ttlCounts: Bool = false,
        merge: Bool = false,
        notify: Bool = true
    ) throws -> [MapServerAction] {
        self.nonce += 1
        let message = etr.register(
            records,
            nonce: nonce ?? self.nonce,
            proxy: proxy,
            ttlCounts: ttlCounts,
            merge: merge,
            notify: notify
        )
        return try deliver(signed(message, by: etr.key), from: etr.source)
    }

    func timeout() -> [MapServerAction] { server.timeout(now: now, using: &random) }

    func registrations(_ prefix: String) -> [ETRRegistration] {
        server.registry.registered[eidPrefix(prefix)]?.registrations ?? []
    }

    func isRegistered(_ prefix: String) -> Bool { !registrations(prefix).isEmpty }

    func refusals(_ site: String = "alpha") -> [RegistrationRefusal: UInt64] {
        var counts: [RegistrationRefusal: UInt64] = [:]
        for reason in RegistrationRefusal.allCases {
            if let count = server.site(named: site)?.refusals[reason], count > 0 { counts[reason] = count }
        }
        return counts
    }

    // MARK: Asking

    func ask(
        _ eids: [String],
        from itr: String = "203.0.113.1",
        port: UInt16 = 4342,
        nonce: UInt64? = nil,
        _ change: (inout MapRequest) -> Void = { _ in }
    ) -> (raw: [UInt8], actions: [MapServerAction]) {
        self.nonce += 1
        var request = MapRequest(
            nonce: Nonce(rawValue: nonce ?? self.nonce),
            itrRLOCs: [.ip(IPAddress(itr)!)],
            records: eids.map { text in
                text.contains("/")
                    ? .init(eidPrefix(text)) : .init(EIDPrefix(IPPrefix(host: IPAddress(text)!)))
            }
        )
        change(&request)
        let message = EncapsulatedControlMessage(
            source: Endpoint(IPAddress("10.9.9.9")!, port),
            destination: .control(IPAddress("10.1.1.1")!),
            payload: request.encoded()
        )
        let raw = message.encoded()
        let actions = server.receivedMapRequest(
            request,
            in: message,
            raw: raw,
            at: mapServerAddress,
            now: now,
            using: &random
        )
        return (raw, actions)
    }

    /// The records of the only Map-Reply.
    func answer(_ eids: String...) throws -> [EIDRecord] {
        let datagrams = ask(eids).actions.datagrams
        #expect(datagrams.count == 1)
        return try MapReply(decoding: try #require(datagrams.first).payload).records
    }

    /// Where the request for `eid` is forwarded to; empty if nowhere.
    func targets(_ eid: String, from itr: String = "203.0.113.1") -> [String] {
        let (raw, actions) = ask([eid], from: itr)
        return actions.datagrams.filter { $0.payload == raw }.map { $0.destination.description }
    }
}

extension [MapServerAction] {
    var datagrams: [ControlDatagram] {
        compactMap {
            switch $0 {
            case .send(let datagram): datagram
            case .event: nil
            }
        }
    }

    var events: [MapServerEvent] {
        compactMap {
            switch $0 {
            case .send: nil
            case .event(let event): event
            }
        }
    }

    /// The Map-Notifies among the datagrams.
    func notifies() throws -> [MapNotify] {
        try datagrams.map { try MapNotify(decoding: $0.payload) }
    }
}

/// `10.1.0.0/16 1 natively` and the like, locators in brackets.
func text(_ records: [EIDRecord]) -> [String] {
    records.map { record in
        let locators = record.locators.map { "\($0.address.ipAddress.map(\.description) ?? "?")" }
        return "\(record.eidPrefix.map(\.description) ?? "?") \(record.ttlMinutes)min "
            + (record.locators.isEmpty ? "\(record.action)" : "\(locators)")
    }
}
