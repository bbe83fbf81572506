// What a Map-Server hands back, counts, and remembers for its operator.

import LISPTables
import LISPWire

package enum MapServerAction: Hashable, Sendable {
    case send(ControlDatagram)
    /// For the log and the event list.
    case event(MapServerEvent)
}

/// Something an operator may want to know. Refusals come at a limited rate; the counters have them all.
package enum MapServerEvent: Hashable, Sendable {
    case registered(site: String, prefix: EIDPrefix, etr: ETRIdentity, source: Endpoint)
    /// With other locators or flags than before.
    case changed(site: String, prefix: EIDPrefix, etr: ETRIdentity, source: Endpoint)
    /// By the ETR, with a TTL of 0.
    case withdrawn(site: String, prefix: EIDPrefix, etr: ETRIdentity)
    case expired(site: String, prefix: EIDPrefix, etr: ETRIdentity)
    /// The configuration does not have it any more.
    case dropped(prefix: EIDPrefix, etr: ETRIdentity)
    /// `site` is `nil` if the EID-prefix is of no site; `prefix` if it is none.
    case refused(site: String?, prefix: EIDPrefix?, reason: RegistrationRefusal, source: Endpoint)
    /// No Map-Notify-Ack came.
    case notifyUnanswered(prefix: EIDPrefix, etr: ETRIdentity)
}

/// Why a record of a Map-Register was refused. The text is for operators.
package enum RegistrationRefusal: String, Error, Hashable, Sendable, CaseIterable {
    case notConfiguredEID = "EID-prefix is of no configured site"
    case moreSpecificEID = "more-specific EID-prefix, and the site does not accept more-specifics"
    case unsupportedEID = "EID is neither IPv4 nor IPv6"
    case unknownKeyID = "key ID is not configured for the site"
    case algorithmNotAllowed = "authentication algorithm is not the one configured for the key"
    case badLength = "authentication data length does not fit the algorithm"
    case wrongKey = "authentication failed: wrong key"
    case tooManyKeys = "message spans too many sites with different keys"
    case replayedNonce = "nonce too old, or message replayed"
    case locatorNotAllowed = "locator is not among the site's allowed locators"
    case tooManyOfSite = "too many Map-Registers of the site: limits.map-registers-per-site"
    case limitReached = "too many registrations for the EID-prefix"
}

/// One site with its counters.
package struct SiteStatus: Sendable {
    package internal(set) var settings: SiteSettings
    /// Records refused, by reason.
    package internal(set) var refusals = Tally<RegistrationRefusal>()
    /// The same by configured EID-prefix, the longest that covers the refused one, and by registered part of it.
    var refusalsByEID: [EIDPrefix: Tally<RegistrationRefusal>] = [:]
    /// Records accepted, refreshes and withdrawals included.
    package internal(set) var accepted: UInt64 = 0
    package internal(set) var lastFailure: RegistrationFailure?
    package internal(set) var lastRegistered: Instant?

    /// Records refused for a configured EID-prefix and what lies in it, or for a part of it since that is registered.
    package func refusals(for eid: EIDPrefix) -> Tally<RegistrationRefusal> {
        refusalsByEID[eid] ?? Tally()
    }
}

/// What a Map-Server counts.
package enum MapServerCount: String, Hashable, Sendable, CaseIterable {
    case mapRegistersReceived = "Map-Registers received"
    case mapRegistersAccepted = "Map-Registers with a record accepted"
    case mapRegistersRefused = "Map-Registers with no record accepted"
    case mapRegistersLimitedAtSource =
        "Map-Registers dropped unread: too many from their source failed (limits.failed-map-registers-per-source)"
    case mapRegistersLimitedInAll =
        "Map-Registers dropped unread: too many of strangers failed (limits.failed-map-registers)"
    case mapRegistersRepeated = "Map-Registers received again unchanged"
    case recordsOfNoSite = "records refused: EID-prefix of no configured site"
    case recordsUnsupported = "records refused: EID neither IPv4 nor IPv6"
    case mapNotifiesSent = "Map-Notifies sent in answer"
    case mapNotifiesUnsolicited = "unsolicited Map-Notifies sent, repeats included"
    case mapNotifiesWithheld = "unsolicited Map-Notifies not sent: too many wait for their Map-Notify-Acks"
    case mapNotifiesUnanswered = "unsolicited Map-Notifies given up"
    case mapNotifyAcksAccepted = "Map-Notify-Acks accepted"
    case mapNotifyAcksUnasked = "Map-Notify-Acks that nobody waited for"
    case mapNotifyAcksRefused = "Map-Notify-Acks refused: authentication failed"
    case registrationsExpired = "registrations expired"
    case registrationsWithdrawn = "registrations withdrawn"
    case registrationsCleared = "registrations cleared by the operator"
    case mapRequestsReceived = "Map-Requests received"
    case mapRequestsForwarded = "Map-Requests forwarded to an ETR"
    case mapRequestsUnforwardable = "Map-Requests dropped: no RLOC of an ETR is of a family we have"
    case mapRequestsRepeated = "Map-Requests dropped: forwarded less than a second ago"
    case mapRequestsLimitedAtETR =
        "Map-Requests dropped: too many for one ETR (limits.map-requests-per-etr)"
    case mapRequestProbes = "Map-Requests dropped: RLOC-probe"
    case mapRequestsTooEarly =
        "Map-Requests not answered: nothing is registered, just after a restart, for a site that was there before"
    case mapRequestsUnsupported = "Map-Requests dropped: no EID, or neither IPv4 nor IPv6"
    case mapRequestsNoRLOC = "Map-Requests dropped: no ITR-RLOC of a family we have"
    case mapRequestsBadPort = "Map-Requests dropped: the Map-Reply would go to port 0 or 4341"
    case mapRequestsWantNoReply = "Map-Requests not answered: they ask for no reply"
    case proxyRepliesSent = "Map-Replies sent for an ETR"
    case negativeRepliesSent = "negative Map-Replies sent"
    case mapRepliesLimited = "Map-Replies withheld: rate limit"
    case negativeRepliesLimited =
        "negative Map-Replies withheld: too many in all (limits.negative-map-replies)"
}
