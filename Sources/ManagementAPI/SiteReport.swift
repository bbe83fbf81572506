// What a Map-Server knows of its sites.

/// `lispctl show site`: one page.
package struct SiteReport: Codable, Sendable, Equatable {
    /// In the order of the configuration. A site whose prefixes fill several pages comes on each of them.
    package var sites: [Site]
    /// Messages that no site can be blamed for.
    package var unknownSite: [ReasonCount]
    /// Present if there is more: the `after` of the next page.
    package var next: String?

    package init(sites: [Site], unknownSite: [ReasonCount] = [], next: String? = nil) {
        self.sites = sites
        self.unknownSite = unknownSite
        self.next = next
    }
}

package struct Site: Codable, Sendable, Equatable {
    package var name: String
    package var description: String?
    /// `strict`, `auto` or `off`
    package var nonceCheck: String
    /// Absent: any.
    package var allowedLocators: [String]?
    /// Configured prefixes and, below them, the registered more-specifics; by instance, then prefix.
    package var eids: [SiteEID]
    /// Records that were refused, by reason.
    package var refusals: [ReasonCount]

    package init(
        name: String,
        description: String? = nil,
        nonceCheck: String = "auto",
        allowedLocators: [String]? = nil,
        eids: [SiteEID],
        refusals: [ReasonCount] = []
    ) {
        self.name = name
        self.description = description
        self.nonceCheck = nonceCheck
        self.allowedLocators = allowedLocators
        self.eids = eids
        self.refusals = refusals
    }
}

package struct SiteEID: Codable, Sendable, Equatable {
    package var instanceID: UInt32
    package var eidPrefix: String
    /// The configured prefix that this registered one is a more-specific of; absent for configured ones.
    package var moreSpecificOf: String?
    package var acceptMoreSpecifics: Bool
    package var isRegistered: Bool
    /// These three also of a registration that is over.
    package var firstRegistered: Moment?
    package var lastRegistered: Moment?
    package var lastRegisteredBy: PeerAddress?
    /// Whether this Map-Server answers for the prefix.
    package var proxyReply: Bool
    /// Whether several ETRs are merged.
    package var mergeActive: Bool
    /// Of the registered record, in seconds.
    package var ttl: Int64?
    package var authenticationFailures: UInt64
    package var allowedLocatorsMismatches: UInt64
    /// Records that were refused, by reason, the two above included.
    package var refusals: [ReasonCount]
    package var registrations: [Registration]
    /// The union that is answered, if merged.
    package var mergedLocators: [MergedLocator]

    package init(
        instanceID: UInt32,
        eidPrefix: String,
        moreSpecificOf: String? = nil,
        acceptMoreSpecifics: Bool = false,
        isRegistered: Bool,
        firstRegistered: Moment? = nil,
        lastRegistered: Moment? = nil,
        lastRegisteredBy: PeerAddress? = nil,
        proxyReply: Bool = false,
        mergeActive: Bool = false,
        ttl: Int64? = nil,
        authenticationFailures: UInt64 = 0,
        allowedLocatorsMismatches: UInt64 = 0,
        refusals: [ReasonCount] = [],
        registrations: [Registration] = [],
        mergedLocators: [MergedLocator] = []
    ) {
        self.instanceID = instanceID
        self.eidPrefix = eidPrefix
        self.moreSpecificOf = moreSpecificOf
        self.acceptMoreSpecifics = acceptMoreSpecifics
        self.isRegistered = isRegistered
        self.firstRegistered = firstRegistered
        self.lastRegistered = lastRegistered
        self.lastRegisteredBy = lastRegisteredBy
        self.proxyReply = proxyReply
        self.mergeActive = mergeActive
        self.ttl = ttl
        self.authenticationFailures = authenticationFailures
        self.allowedLocatorsMismatches = allowedLocatorsMismatches
        self.refusals = refusals
        self.registrations = registrations
        self.mergedLocators = mergedLocators
    }
}

/// One ETR's registration of one prefix.
package struct Registration: Codable, Sendable, Equatable {
    package var etr: PeerAddress
    package var lastRegistered: Moment
    package var firstRegistered: Moment?
    /// Seconds until it expires.
    package var expiresIn: Int64?
    /// 32 hexadecimal digits.
    package var xtrID: String?
    package var siteID: UInt64?
    package var ttl: Int64
    package var proxyReply: Bool
    package var merge: Bool
    package var wantMapNotify: Bool
    package var securityCapable: Bool
    package var keyID: UInt8
    /// As in the configuration: `hmac-sha-256-128`.
    package var algorithm: String
    /// Of its last Map-Register: 16 hexadecimal digits.
    package var nonce: String
    package var locators: [RegisteredLocator]

    package init(
        etr: PeerAddress,
        lastRegistered: Moment,
        firstRegistered: Moment? = nil,
        expiresIn: Int64? = nil,
        xtrID: String? = nil,
        siteID: UInt64? = nil,
        ttl: Int64,
        proxyReply: Bool = false,
        merge: Bool = false,
        wantMapNotify: Bool = false,
        securityCapable: Bool = false,
        keyID: UInt8 = 0,
        algorithm: String,
        nonce: String,
        locators: [RegisteredLocator] = []
    ) {
        self.etr = etr
        self.lastRegistered = lastRegistered
        self.firstRegistered = firstRegistered
        self.expiresIn = expiresIn
        self.xtrID = xtrID
        self.siteID = siteID
        self.ttl = ttl
        self.proxyReply = proxyReply
        self.merge = merge
        self.wantMapNotify = wantMapNotify
        self.securityCapable = securityCapable
        self.keyID = keyID
        self.algorithm = algorithm
        self.nonce = nonce
        self.locators = locators
    }
}

package struct RegisteredLocator: Codable, Sendable, Equatable {
    package var address: String
    /// The L-bit.
    package var isLocal: Bool
    /// The R-bit.
    package var isReachable: Bool
    package var priority: UInt8
    package var weight: UInt8

    package init(address: String, isLocal: Bool, isReachable: Bool, priority: UInt8, weight: UInt8) {
        self.address = address
        self.isLocal = isLocal
        self.isReachable = isReachable
        self.priority = priority
        self.weight = weight
    }
}

package struct MergedLocator: Codable, Sendable, Equatable {
    package var locator: RegisteredLocator
    package var registeredBy: PeerAddress

    package init(locator: RegisteredLocator, registeredBy: PeerAddress) {
        self.locator = locator
        self.registeredBy = registeredBy
    }
}
