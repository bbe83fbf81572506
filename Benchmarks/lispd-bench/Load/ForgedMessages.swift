// Messages of an attacker who does not see the traffic: he knows addresses, EID-prefixes and, of one site, the key, but no nonce
// and no other key.

import LISPWire

/// Makes the forged messages of a flood, one by one.
protocol Forger {
    /// How many kinds of forgery it goes through in turn, and what they are called.
    var kinds: [String] { get }

    /// A message of kind `kinds[kind]`, and the address it claims to come from.
    mutating func message(_ number: Int, kind: Int) -> (payload: [UInt8], source: IPv4Address)
}

/// Map-Registers that would give EID-prefixes of the population to the attacker's RLOC.
struct RegisterForger: Forger {
    /// What is wrong with each.
    enum Kind: String, CaseIterable {
        /// Signed with a secret that no site has.
        case wrongKey = "wrong key"
        /// Names the site's algorithm, and has no authentication data.
        case noKey = "no key"
        /// The right MAC, cut to eight octets.
        case truncatedMAC = "truncated MAC"
        /// Algorithm 0.
        case noAlgorithm = "algorithm 0"
        /// Signed with the right key a long time ago.
        case replayed = "replayed"
        /// Signed with the key of another site.
        case otherSite = "key of another site"
    }

    let population: LoadPopulation
    let attacker: IPv4Address

    var kinds: [String] { Kind.allCases.map(\.rawValue) }

    func message(_ number: Int, kind: Int) -> (payload: [UInt8], source: IPv4Address) {
        // Each EID-prefix in each way.
        let number = number / Kind.allCases.count
        let etr = population.etr(of: number)
        let siteKey = population.key(of: number)
        let record = population.record(number, locator: attacker)
        // Above every nonce of the population, but for those replayed.
        let nonce = UInt64.max / 2 + UInt64(number)
        let source = population.etrRLOC(etr)
        // Who captured a message knows the xTR-ID; else it is a guess at 128 bits.
        let isCaptured = Kind.allCases[kind] == .replayed
        let xtrID = isCaptured ? population.xtrID(etr) : XTRID(rawValue: UInt128(number) << 64 | 1)
        func register(_ key: AuthenticationKey, nonce: UInt64, data: [UInt8]? = nil) -> MapRegister {
            var authentication = Authentication(placeholderFor: key)
            if let data { authentication.data = data }
            return MapRegister(
                wantsMapNotify: true,
                nonce: Nonce(rawValue: nonce),
                authentication: authentication,
                records: [record],
                xtrID: xtrID,
                siteID: population.siteID(of: number)
            )
        }
        func signed(_ key: AuthenticationKey, nonce: UInt64) -> [UInt8] {
            var payload = register(key, nonce: nonce).encoded()
            key.sign(&payload)
            return payload
        }
        switch Kind.allCases[kind] {
        case .wrongKey:
            let guess = AuthenticationKey(id: 0, algorithm: .hmacSHA256_128, secret: Array("guess \(number)".utf8))
            return (signed(guess, nonce: nonce), source)
        case .noKey:
            return (register(siteKey, nonce: nonce, data: []).encoded(), source)
        case .truncatedMAC:
            // Signed as a whole; an attacker may have guessed so much.
            let mac = Array(signed(siteKey, nonce: nonce)[16..<24])
            return (register(siteKey, nonce: nonce, data: mac).encoded(), source)
        case .noAlgorithm:
            let none = AuthenticationKey(id: 0, algorithm: .none, secret: [])
            return (register(none, nonce: nonce).encoded(), source)
        case .replayed:
            return (signed(siteKey, nonce: UInt64(number) + 1), source)
        case .otherSite:
            let other = LoadPopulation.siteKeys[(population.site(of: number) + 1) % LoadPopulation.siteCount]
            return (signed(other, nonce: nonce), source)
        }
    }
}

/// What an off-path attacker sends to an xTR: answers to nothing, and questions that are to change something.
struct RouterForger: Forger {
    enum Kind: String, CaseIterable {
        case mapReply = "map-reply"
        case mapNotify = "map-notify"
        case smr = "smr"
        case probe = "probe"
        case probeReply = "probe-reply"
    }

    let kind: Kind
    /// Whom the messages claim to come from.
    let sources: [IPv4Address]
    /// What the attacker wants to have: EID-prefixes of other sites.
    let prefixes: [EIDPrefix]
    /// EID-prefixes of the xTR's own site.
    let ownPrefixes: [EIDPrefix]
    let attacker: IPv4Address
    var generator = SplitMix(seed: 7)

    var kinds: [String] { [kind.rawValue] }

    mutating func message(_ number: Int, kind _: Int) -> (payload: [UInt8], source: IPv4Address) {
        let nonce = Nonce(rawValue: generator.next())
        let source = sources[number % sources.count]
        let prefix = prefixes[number % prefixes.count]
        let own = ownPrefixes[number % ownPrefixes.count]
        return (payload(nonce, prefix: prefix, own: own, from: source), source)
    }

    private mutating func payload(
        _ nonce: Nonce,
        prefix: EIDPrefix,
        own: EIDPrefix,
        from source: IPv4Address
    ) -> [UInt8] {
        switch kind {
        case .mapReply:
            return MapReply(nonce: nonce, records: [claim(prefix)]).encoded()
        case .probeReply:
            var record = claim(prefix)
            // What it says of the true RLOC: not reachable.
            record.locators.append(
                LocatorRecord(priority: 1, weight: 100, isProbed: true, isReachable: false, address: .ip(.v4(source)))
            )
            return MapReply(isProbe: true, nonce: nonce, records: [record]).encoded()
        case .mapNotify:
            let key = AuthenticationKey(id: 0, algorithm: .hmacSHA256_128, secret: Array("guess".utf8))
            var payload = MapNotify(
                nonce: nonce,
                authentication: Authentication(placeholderFor: key),
                records: [claim(own)]
            ).encoded()
            key.sign(&payload)
            return payload
        case .smr:
            return MapRequest(
                isSMR: true,
                nonce: nonce,
                sourceEID: .ip(host(prefix)),
                itrRLOCs: [.ip(.v4(source))],
                records: [MapRequest.Record(own)],
                mapData: claim(prefix)
            ).encoded()
        case .probe:
            return MapRequest(
                isProbe: true,
                nonce: nonce,
                sourceEID: .ip(host(prefix)),
                itrRLOCs: [.ip(.v4(source))],
                records: [MapRequest.Record(own)],
                mapData: claim(prefix)
            ).encoded()
        }
    }

    /// The mapping that the attacker would like to have believed: of the whole, or of one host.
    private mutating func claim(_ prefix: EIDPrefix) -> EIDRecord {
        let isWhole = generator.next() & 1 == 0
        return EIDRecord(
            eidPrefix: isWhole ? prefix : EIDPrefix(instanceID: prefix.instanceID, IPPrefix(host: host(prefix))),
            ttlMinutes: 1440,
            isAuthoritative: true,
            locators: [LocatorRecord(priority: 0, weight: 100, isLocal: true, address: .ip(.v4(attacker)))]
        )
    }

    /// Any address in `prefix`.
    private mutating func host(_ prefix: EIDPrefix) -> IPAddress {
        let prefix = prefix.prefix
        let random = UInt128(generator.next()) << 64 | UInt128(generator.next())
        return IPAddress(
            family: prefix.family,
            leftAligned: prefix.address.leftAligned | random >> UInt128(prefix.length)
        )
    }
}
