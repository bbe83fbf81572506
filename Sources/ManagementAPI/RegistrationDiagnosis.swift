// Why EID-prefixes are registered or not, as far as each end knows.

/// `lispctl diagnose registration`: one page.
package struct RegistrationDiagnosis: Codable, Sendable, Equatable {
    /// The ETR's end: its EID-prefixes in order. Absent on a router that is no ETR.
    package var ownEIDs: [OwnEIDDiagnosis]?
    /// The Map-Server's end. Absent on a router that is none.
    package var sites: SitesDiagnosis?
    /// Present if there is more: the `after` of the next page.
    package var next: String?

    package init(ownEIDs: [OwnEIDDiagnosis]?, sites: SitesDiagnosis?, next: String? = nil) {
        self.ownEIDs = ownEIDs
        self.sites = sites
        self.next = next
    }
}

/// An EID-prefix of our database.
package struct OwnEIDDiagnosis: Codable, Sendable, Equatable {
    package var instanceID: UInt32
    package var eidPrefix: String
    /// With one Map-Server at least, as far as this router can know.
    package var isRegistered: Bool
    /// The verdict, one line.
    package var summary: String
    /// In the order of the configuration.
    package var mapServers: [MapServerDiagnosis]

    package init(
        instanceID: UInt32,
        eidPrefix: String,
        isRegistered: Bool,
        summary: String,
        mapServers: [MapServerDiagnosis]
    ) {
        self.instanceID = instanceID
        self.eidPrefix = eidPrefix
        self.isRegistered = isRegistered
        self.summary = summary
        self.mapServers = mapServers
    }
}

/// How an EID-prefix of ours stands at one Map-Server.
package struct MapServerDiagnosis: Codable, Sendable, Equatable {
    package enum State: String, Codable, Sendable, CaseIterable {
        /// The last Map-Register was acknowledged, this EID-prefix included.
        case registered
        /// Sent, and no Map-Notify is wanted that would say more.
        case sent
        /// Sent a moment ago, not acknowledged yet.
        case registering
        /// Not sent: the EID-prefix has no locator with an address.
        case noLocator = "no-locator"
        /// Not sent: this host has no address of the Map-Server's family.
        case noSource = "no-source"
        /// Not sent: this host has no route to the Map-Server.
        case noRoute = "no-route"
        /// Answered, and the Map-Notify leaves this EID-prefix out.
        case refused
        /// Answered under a key that is not ours.
        case wrongAuthentication = "wrong-authentication"
        /// Not answered.
        case unanswered
    }

    package var address: String
    package var state: State
    /// One line.
    package var summary: String
    /// What to do, or to look at, one line each.
    package var advice: [String]
    /// When a Map-Notify last listed the EID-prefix.
    package var lastAcknowledged: Moment?
    package var lastSent: Moment?
    /// Map-Registers with this EID-prefix since the last Map-Notify, and when the first of them left.
    package var unanswered: Int
    package var unansweredSince: Moment?
    /// The address that messages to the Map-Server leave from.
    package var source: String?

    package init(
        address: String,
        state: State,
        summary: String,
        advice: [String] = [],
        lastAcknowledged: Moment? = nil,
        lastSent: Moment? = nil,
        unanswered: Int = 0,
        unansweredSince: Moment? = nil,
        source: String? = nil
    ) {
        self.address = address
        self.state = state
        self.summary = summary
        self.advice = advice
        self.lastAcknowledged = lastAcknowledged
        self.lastSent = lastSent
        self.unanswered = unanswered
        self.unansweredSince = unansweredSince
        self.source = source
    }
}

package struct SitesDiagnosis: Codable, Sendable, Equatable {
    /// By instance, then prefix; of one site in the order of its EID-prefixes.
    package var eids: [SiteEIDDiagnosis]
    /// EID-prefixes that somebody wanted to register, or that were asked about, and that are of no site; the last 32.
    package var ofNoSite: [EIDOfNoSite]

    package init(eids: [SiteEIDDiagnosis], ofNoSite: [EIDOfNoSite] = []) {
        self.eids = eids
        self.ofNoSite = ofNoSite
    }
}

/// An EID-prefix that a site may register.
package struct SiteEIDDiagnosis: Codable, Sendable, Equatable {
    package var site: String
    package var instanceID: UInt32
    package var eidPrefix: String
    /// The configured EID-prefix that this one is a more-specific of; absent for configured ones.
    package var moreSpecificOf: String?
    package var isRegistered: Bool
    /// The verdict, one line.
    package var summary: String
    /// What to do, or to look at, one line each.
    package var advice: [String]
    /// Those who have registered it.
    package var etrs: [RegisteringETR]
    /// How many EID-prefixes in it are registered, itself included.
    package var registeredParts: Int
    /// When the last registration came, also of one that is over, and when that ended if it did.
    package var lastRegistered: Moment?
    package var ended: Moment?
    /// Refused records for it and what lies in it, by reason, the latest first.
    package var refusals: [RefusalDiagnosis]

    package init(
        site: String,
        instanceID: UInt32,
        eidPrefix: String,
        moreSpecificOf: String? = nil,
        isRegistered: Bool,
        summary: String,
        advice: [String] = [],
        etrs: [RegisteringETR] = [],
        registeredParts: Int = 0,
        lastRegistered: Moment? = nil,
        ended: Moment? = nil,
        refusals: [RefusalDiagnosis] = []
    ) {
        self.site = site
        self.instanceID = instanceID
        self.eidPrefix = eidPrefix
        self.moreSpecificOf = moreSpecificOf
        self.isRegistered = isRegistered
        self.summary = summary
        self.advice = advice
        self.etrs = etrs
        self.registeredParts = registeredParts
        self.lastRegistered = lastRegistered
        self.ended = ended
        self.refusals = refusals
    }
}

package struct RegisteringETR: Codable, Sendable, Equatable {
    package var etr: PeerAddress
    /// 32 hexadecimal digits.
    package var xtrID: String?
    package var lastRegistered: Moment
    /// Seconds until it expires, unless it is refreshed.
    package var expiresIn: Int64

    package init(etr: PeerAddress, xtrID: String? = nil, lastRegistered: Moment, expiresIn: Int64) {
        self.etr = etr
        self.xtrID = xtrID
        self.lastRegistered = lastRegistered
        self.expiresIn = expiresIn
    }
}

/// Records refused for one reason. Of long ago only the number may be known.
package struct RefusalDiagnosis: Codable, Sendable, Equatable {
    /// As in `show site`.
    package var reason: String
    package var count: UInt64
    package var last: Moment?
    package var lastSource: PeerAddress?
    package var lastEIDPrefix: String?
    /// What to do, or to look at, one line each.
    package var advice: [String]

    package init(
        reason: String,
        count: UInt64,
        last: Moment? = nil,
        lastSource: PeerAddress? = nil,
        lastEIDPrefix: String? = nil,
        advice: [String] = []
    ) {
        self.reason = reason
        self.count = count
        self.last = last
        self.lastSource = lastSource
        self.lastEIDPrefix = lastEIDPrefix
        self.advice = advice
    }
}

/// An EID-prefix that no site has.
package struct EIDOfNoSite: Codable, Sendable, Equatable {
    package var instanceID: UInt32
    package var eidPrefix: String
    /// Records refused; 0 for one that was only asked about.
    package var count: UInt64
    package var last: Moment?
    package var lastSource: PeerAddress?
    /// The site that has the EID-prefix with the longest common prefix, and that EID-prefix.
    package var nearestSite: String?
    package var nearestEIDPrefix: String?
    /// One line.
    package var summary: String
    /// What to do, or to look at, one line each.
    package var advice: [String]

    package init(
        instanceID: UInt32,
        eidPrefix: String,
        count: UInt64,
        last: Moment? = nil,
        lastSource: PeerAddress? = nil,
        nearestSite: String? = nil,
        nearestEIDPrefix: String? = nil,
        summary: String,
        advice: [String] = []
    ) {
        self.instanceID = instanceID
        self.eidPrefix = eidPrefix
        self.count = count
        self.last = last
        self.lastSource = lastSource
        self.nearestSite = nearestSite
        self.nearestEIDPrefix = nearestEIDPrefix
        self.summary = summary
        self.advice = advice
    }
}
