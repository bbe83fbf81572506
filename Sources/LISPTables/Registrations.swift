// What the site registry holds: EID-prefixes that a site may register, and what its ETRs have registered.

import LISPWire

/// What the Map-Server answers for an EID of a site while no ETR has registered it.
package enum UnregisteredAction: Hashable, Sendable {
    case nativelyForward
    /// The ITR drops: policy-denied.
    case drop
}

/// An EID-prefix that a site may register.
package struct SiteEID: Hashable, Sendable {
    package var prefix: EIDPrefix
    /// Whether its ETRs may register parts of it.
    package var acceptMoreSpecifics: Bool
    /// How many EID-prefixes in it may be registered at a time; `nil`: as many as the limits of the registry say.
    package var maxRegistrations: Int?
    /// The Map-Server answers for the ETRs, whether or not they ask for that.
    package var proxyReply: Bool
    package var action: UnregisteredAction

    package init(
        prefix: EIDPrefix,
        acceptMoreSpecifics: Bool = false,
        maxRegistrations: Int? = nil,
        proxyReply: Bool = false,
        action: UnregisteredAction = .nativelyForward
    ) {
        self.prefix = prefix
        self.acceptMoreSpecifics = acceptMoreSpecifics
        self.maxRegistrations = maxRegistrations
        self.proxyReply = proxyReply
        self.action = action
    }
}

/// Who registers: an ETR that names itself, or else whatever sends from an RLOC.
package enum ETRIdentity: Hashable, Sendable {
    case named(XTRID, SiteID)
    case source(IPAddress)
}

extension ETRIdentity: LosslessStringConvertible {
    package var description: String {
        switch self {
        case .named(let xtrID, let siteID): "xtr-id \(xtrID) site-id \(siteID)"
        case .source(let address): "rloc \(address)"
        }
    }

    /// Parses what `description` makes.
    package init?(_ description: String) {
        let words = description.split(separator: " ")
        switch (words.first, words.count) {
        case ("xtr-id", 4):
            guard let xtrID = XTRID(words[1]), words[2] == "site-id", let siteID = UInt64(words[3]) else { return nil }
            self = .named(xtrID, SiteID(rawValue: siteID))
        case ("rloc", 2):
            guard let address = IPAddress(words[1]) else { return nil }
            self = .source(address)
        default:
            return nil
        }
    }
}

/// What one ETR last registered for one EID-prefix.
package struct ETRRegistration: Hashable, Sendable {
    package var etr: ETRIdentity
    /// Where the Map-Register came from, and the local address that it came to.
    package var source: Endpoint
    package var local: IPAddress
    /// The record as it came.
    package var record: EIDRecord
    package var wantsProxyReply: Bool
    package var wantsMerge: Bool
    package var wantsMapNotify: Bool
    /// The S-bit and the nonce of its last Map-Register.
    package var isSecurityCapable: Bool
    package var nonce: Nonce
    /// The key that authenticated it.
    package var key: AuthenticationKey
    package var firstRegistered: Instant
    package var lastRegistered: Instant
    /// From this moment on it does not count any more.
    package var expires: Instant

    package init(
        etr: ETRIdentity,
        source: Endpoint,
        local: IPAddress,
        record: EIDRecord,
        wantsProxyReply: Bool,
        wantsMerge: Bool,
        wantsMapNotify: Bool,
        isSecurityCapable: Bool = false,
        nonce: Nonce,
        key: AuthenticationKey,
        registered now: Instant,
        expires: Instant
    ) {
        self.etr = etr
        self.source = source
        self.local = local
        self.record = record
        self.wantsProxyReply = wantsProxyReply
        self.wantsMerge = wantsMerge
        self.wantsMapNotify = wantsMapNotify
        self.isSecurityCapable = isSecurityCapable
        self.nonce = nonce
        self.key = key
        self.firstRegistered = now
        self.lastRegistered = now
        self.expires = expires
    }

    package var xtrID: XTRID? {
        switch etr {
        case .named(let xtrID, _): xtrID
        case .source: nil
        }
    }

    package var siteID: SiteID? {
        switch etr {
        case .named(_, let siteID): siteID
        case .source: nil
        }
    }
}

/// A registered EID-prefix with those who registered it.
package struct RegisteredEID: Sendable {
    private var first: StoredRegistration
    private var others: [StoredRegistration]
    /// When somebody registered it while nobody had.
    package let firstRegistered: Instant
    private let packed: PackedPrefix

    init(_ prefix: EIDPrefix, _ registration: StoredRegistration) {
        self.first = registration
        self.others = []
        self.firstRegistered = registration.firstRegistered
        self.packed = PackedPrefix(prefix)
    }

    /// The site's name, and the configured EID-prefix that this one lies in.
    package var site: String { first.terms.site }
    package var configured: EIDPrefix { first.terms.configured }

    var terms: RegistrationTerms { first.terms }

    func isFor(_ prefix: PackedPrefix) -> Bool { packed == prefix }

    /// In the order in which they came first. Never empty.
    package var registrations: [ETRRegistration] {
        let prefix = packed.prefix
        return (0..<count).map { stored($0).registration(of: prefix) }
    }

    /// The same by the address of the ETR: the order of the rows of lispEidRegistrationEtrTable (RFC 7052).
    package var registrationsBySource: [ETRRegistration] {
        registrations.sorted { $0.source.address < $1.source.address }
    }

    package var mostRecent: ETRRegistration? { registrations.max { $0.lastRegistered < $1.lastRegistered } }

    package var wantsProxyReply: Bool { has(.wantsProxyReply) }

    /// Whether any of them asks for merging.
    package var wantsMerge: Bool { has(.wantsMerge) }

    private func has(_ flag: StoredRegistration.Flags) -> Bool {
        first.flags.contains(flag) || others.contains { $0.flags.contains(flag) }
    }

    /// The mapping that the registrations make together: with the merge bit the locators of all that ask for merging, no
    /// RLOC twice (the latest counts), otherwise what came last. Locators in ascending order.
    package var mapping: EIDRecord? {
        if others.isEmpty {
            var record = first.record(of: packed.prefix)
            if record.locators.count > 1 { record.locators.sort(by: LocatorRecord.precedes) }
            return record
        }
        let registrations = registrations
        let merging = registrations.filter(\.wantsMerge).sorted { $0.lastRegistered > $1.lastRegistered }
        guard
            var record = merging.first?.record
                ?? registrations.max(by: { $0.lastRegistered < $1.lastRegistered })?.record
        else { return nil }
        var known = Set(record.locators.map(\.address))
        for other in merging.dropFirst() {
            record.ttlMinutes = min(record.ttlMinutes, other.record.ttlMinutes)
            for locator in other.record.locators where known.insert(locator.address).inserted {
                record.locators.append(locator)
            }
        }
        record.locators.sort(by: LocatorRecord.precedes)
        return record
    }

    /// The locators of `mapping` if any registration asks for merging.
    package var mergedLocators: [LocatorRecord]? { wantsMerge ? mapping?.locators : nil }

    // MARK: For the registry

    var count: Int { 1 + others.count }

    func stored(_ index: Int) -> StoredRegistration { index == 0 ? first : others[index - 1] }

    func index(of etr: ETRIdentity) -> Int? {
        if first.etr == etr { return 0 }
        return others.firstIndex { $0.etr == etr }.map { $0 + 1 }
    }

    /// Whether a Map-Register of `etr` says what the only registration says, which has not expired.
    func isRefreshed(by register: PlainMapRegister, of etr: ETRIdentity, now: Instant) -> Bool {
        isSole(now: now) && first.etr == etr && first.says(register)
    }

    /// - Precondition: `isRefreshed` by it.
    mutating func refresh(_ register: PlainMapRegister, _ refresh: SiteRegistry.Refresh, terms: RegistrationTerms) {
        first.refresh(register, refresh, terms: terms)
    }

    /// Where the Map-Notifies of the first registration go, and from where.
    var firstEndpoints: (source: Endpoint, local: IPAddress) { (first.source, first.terms.local) }

    /// Whether there is a single registration, which has not expired.
    func isSole(now: Instant) -> Bool { others.isEmpty && first.expires > now }

    /// When the first of the registrations expires.
    var firstExpiry: Instant { others.isEmpty ? first.expires : others.reduce(first.expires) { min($0, $1.expires) } }

    mutating func replace(_ index: Int, _ registration: StoredRegistration) {
        if index == 0 { first = registration } else { others[index - 1] = registration }
    }

    mutating func append(_ registration: StoredRegistration) {
        others.append(registration)
    }

    /// - Precondition: there is another one.
    mutating func remove(_ index: Int) {
        if index == 0 { first = others.removeFirst() } else { others.remove(at: index - 1) }
    }

    /// It lies in another configured EID-prefix now.
    mutating func move(to configured: EIDPrefix, slot: Int32) {
        first.terms = first.terms.moved(to: configured, slot: slot)
        for index in others.indices { others[index].terms = others[index].terms.moved(to: configured, slot: slot) }
    }
}

extension LocatorRecord {
    /// Ascending addresses, IPv4 before IPv6, before whatever is neither (RFC 9301 section 5.4).
    package static func precedes(_ a: LocatorRecord, _ b: LocatorRecord) -> Bool {
        switch (a.address.ipAddress, b.address.ipAddress) {
        case (let a?, let b?): a < b
        case (_?, nil): true
        case (nil, _?), (nil, nil): false
        }
    }
}

/// A configured EID-prefix with its site's name.
package struct ConfiguredEID: Hashable, Sendable {
    package let site: String
    package let eid: SiteEID
    /// How many EID-prefixes are registered in it, those in a longer configured one left out.
    package internal(set) var registeredCount = 0
    /// The last registration of the whole prefix, also when it is over.
    package internal(set) var lastRegistration: LastRegistration?

    package struct LastRegistration: Hashable, Sendable {
        /// When somebody registered the prefix while nobody had.
        package let first: Instant
        package let time: Instant
        package let source: Endpoint

        package init(first: Instant, time: Instant, source: Endpoint) {
            self.first = first
            self.time = time
            self.source = source
        }
    }
}
