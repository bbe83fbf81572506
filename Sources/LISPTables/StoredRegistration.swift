// How registrations are kept: a million of them at 200 octets each, what they have in common once.

import LISPWire

/// What the registrations of a site have in common as a rule.
final class RegistrationTerms: Sendable {
    let site: String
    /// The configured EID-prefix that they lie in, and its slot in the table of those.
    let configured: EIDPrefix
    let configuredSlot: Int32
    let key: AuthenticationKey
    let local: IPAddress

    init(site: String, configured: EIDPrefix, configuredSlot: Int32, key: AuthenticationKey, local: IPAddress) {
        self.site = site
        self.configured = configured
        self.configuredSlot = configuredSlot
        self.key = key
        self.local = local
    }

    func moved(to configured: EIDPrefix, slot: Int32) -> RegistrationTerms {
        RegistrationTerms(site: site, configured: configured, configuredSlot: slot, key: key, local: local)
    }

    func fit(key: AuthenticationKey, local: IPAddress, configuredSlot: Int32) -> Bool {
        self.configuredSlot == configuredSlot && self.local == local && self.key == key
    }
}

/// An `ETRRegistration` without its EID-prefix, which stands with the `RegisteredEID`.
struct StoredRegistration: Sendable {
    struct Flags: OptionSet, Sendable {
        let rawValue: UInt8
        static let wantsProxyReply = Flags(rawValue: 1)
        static let wantsMerge = Flags(rawValue: 2)
        static let wantsMapNotify = Flags(rawValue: 4)
        static let isSecurityCapable = Flags(rawValue: 8)
        static let isAuthoritative = Flags(rawValue: 16)
    }

    private enum Locators {
        /// One locator needs no array.
        case one(LocatorRecord)
        case several([LocatorRecord])
        /// The EID did not come as the EID-prefix would be written.
        indirect case withEID(LISPAddress, maskLength: UInt8, [LocatorRecord])
    }

    // In an order that leaves few gaps.
    var terms: RegistrationTerms
    private(set) var nonce: Nonce
    private(set) var firstRegistered: Instant
    private(set) var lastRegistered: Instant
    private(set) var expires: Instant
    let etr: ETRIdentity
    private(set) var source: Endpoint
    private var ttlMinutes: UInt32
    private var locators: Locators
    private var mapVersion: UInt16
    private var action: MapReplyAction
    private(set) var flags: Flags

    /// - Parameter latest: locators of somebody else; equal ones are kept once.
    init(
        _ registration: ETRRegistration,
        for prefix: EIDPrefix,
        terms: RegistrationTerms,
        latest: inout [LocatorRecord]
    ) {
        let record = registration.record
        self.terms = terms
        self.nonce = registration.nonce
        self.firstRegistered = registration.firstRegistered
        self.lastRegistered = registration.lastRegistered
        self.expires = registration.expires
        self.etr = registration.etr
        self.source = registration.source
        self.ttlMinutes = record.ttlMinutes
        self.mapVersion = record.mapVersion
        self.action = record.action
        self.flags = Self.flags(of: registration)
        if record.maskLength != prefix.prefix.length || record.eid != LISPAddress(eidPrefix: prefix) {
            self.locators = .withEID(record.eid, maskLength: record.maskLength, record.locators)
        } else if record.locators.count == 1 {
            self.locators = .one(record.locators[0])
        } else {
            if record.locators != latest { latest = record.locators }
            self.locators = .several(latest)
        }
    }

    private static func flags(of registration: ETRRegistration) -> Flags {
        var flags: Flags = []
        if registration.wantsProxyReply { flags.insert(.wantsProxyReply) }
        if registration.wantsMerge { flags.insert(.wantsMerge) }
        if registration.wantsMapNotify { flags.insert(.wantsMapNotify) }
        if registration.isSecurityCapable { flags.insert(.isSecurityCapable) }
        if registration.record.isAuthoritative { flags.insert(.isAuthoritative) }
        return flags
    }

    /// Whether `registration`, of the same ETR for the same EID-prefix, asks for the same mapping in the same way.
    func says(_ registration: ETRRegistration, for prefix: EIDPrefix) -> Bool {
        let record = registration.record
        let decisive: Flags = [.wantsProxyReply, .wantsMerge, .isAuthoritative]
        guard flags.intersection(decisive) == Self.flags(of: registration).intersection(decisive),
            ttlMinutes == record.ttlMinutes, mapVersion == record.mapVersion, action == record.action
        else { return false }
        switch locators {
        case .withEID(let eid, let maskLength, let locators):
            return record.eid == eid && record.maskLength == maskLength && record.locators == locators
        case .one(let locator):
            guard record.locators.count == 1, record.locators[0] == locator else { return false }
        case .several(let locators):
            guard record.locators == locators else { return false }
        }
        return record.maskLength == prefix.prefix.length && record.eid == LISPAddress(eidPrefix: prefix)
    }

    /// The same of a Map-Register of the same ETR for the same EID-prefix.
    func says(_ register: PlainMapRegister) -> Bool {
        guard flags.contains(.wantsProxyReply) == register.wantsProxyReply,
            flags.contains(.wantsMerge) == register.wantsMerge,
            flags.contains(.isAuthoritative) == register.isAuthoritative,
            ttlMinutes == register.ttlMinutes, mapVersion == register.mapVersion, action == register.action
        else { return false }
        switch locators {
        case .withEID: return false
        case .one(let locator): return register.otherLocators.isEmpty && locator == register.locator
        case .several(let locators):
            return locators.first == register.locator && locators.dropFirst().elementsEqual(register.otherLocators)
        }
    }

    /// Takes over what a registration that says the same has new.
    mutating func refresh(_ registration: ETRRegistration, terms: RegistrationTerms) {
        if terms !== self.terms { self.terms = terms }
        nonce = registration.nonce
        lastRegistered = registration.lastRegistered
        expires = registration.expires
        source = registration.source
        flags = Self.flags(of: registration)
    }

    /// The same of a Map-Register that says the same.
    mutating func refresh(_ register: PlainMapRegister, _ refresh: SiteRegistry.Refresh, terms: RegistrationTerms) {
        if terms !== self.terms { self.terms = terms }
        nonce = register.nonce
        lastRegistered = refresh.time
        expires = refresh.expires
        source = refresh.source
        set(.wantsMapNotify, register.wantsMapNotify)
        set(.isSecurityCapable, register.isSecurityCapable)
    }

    private mutating func set(_ flag: Flags, _ isSet: Bool) {
        if isSet { flags.insert(flag) } else { flags.remove(flag) }
    }

    /// It replaces an earlier one.
    mutating func keepFirst(_ firstRegistered: Instant) {
        self.firstRegistered = firstRegistered
    }

    func record(of prefix: EIDPrefix) -> EIDRecord {
        var record = EIDRecord(
            eidPrefix: prefix,
            ttlMinutes: ttlMinutes,
            action: action,
            isAuthoritative: flags.contains(.isAuthoritative),
            mapVersion: mapVersion,
            locators: []
        )
        switch locators {
        case .one(let locator): record.locators = [locator]
        case .several(let locators): record.locators = locators
        case .withEID(let eid, let maskLength, let locators):
            record.eid = eid
            record.maskLength = maskLength
            record.locators = locators
        }
        return record
    }

    func registration(of prefix: EIDPrefix) -> ETRRegistration {
        var registration = ETRRegistration(
            etr: etr,
            source: source,
            local: terms.local,
            record: record(of: prefix),
            wantsProxyReply: flags.contains(.wantsProxyReply),
            wantsMerge: flags.contains(.wantsMerge),
            wantsMapNotify: flags.contains(.wantsMapNotify),
            isSecurityCapable: flags.contains(.isSecurityCapable),
            nonce: nonce,
            key: terms.key,
            registered: lastRegistered,
            expires: expires
        )
        registration.firstRegistered = firstRegistered
        return registration
    }
}

/// An EID-prefix in 20 octets.
struct PackedPrefix: Hashable, Sendable {
    // Not one UInt128: see `PrefixTrie.Node`.
    private let high: UInt64
    private let low: UInt64
    /// The instance in the upper 24 bits; below it the length, counted from 129 for IPv4.
    private let instanceAndLength: UInt32

    init(_ prefix: EIDPrefix) {
        let bits = prefix.prefix.address.leftAligned
        high = UInt64(truncatingIfNeeded: bits >> 64)
        low = UInt64(truncatingIfNeeded: bits)
        let base: UInt8 = prefix.prefix.family == .ipv4 ? 129 : 0
        instanceAndLength = prefix.instanceID.rawValue << 8 | UInt32(base + prefix.prefix.length)
    }

    var prefix: EIDPrefix {
        let code = UInt8(truncatingIfNeeded: instanceAndLength)
        return EIDPrefix(
            instanceID: InstanceID(uncheckedRawValue: instanceAndLength >> 8),
            IPPrefix(
                family: code > 128 ? .ipv4 : .ipv6,
                leftAligned: UInt128(high) << 64 | UInt128(low),
                length: code > 128 ? code - 129 : code
            )
        )
    }
}
