// What goes into the ETR and what comes out of it.

import LISPTables
import LISPWire

/// A Map-Server that this ETR registers with.
package struct MapServerPeer: Hashable, Sendable {
    package var address: IPAddress
    /// The first signs; a Map-Notify may use any of them.
    package var keys: [AuthenticationKey]
    /// Asks the Map-Server to answer Map-Requests itself.
    package var proxyReply: Bool
    /// Asks the Map-Server to merge our locators with those of the site's other ETRs.
    package var merge: Bool
    package var wantsMapNotify: Bool

    package init(
        address: IPAddress,
        keys: [AuthenticationKey],
        proxyReply: Bool = false,
        merge: Bool = false,
        wantsMapNotify: Bool = true
    ) {
        self.address = address
        self.keys = keys
        self.proxyReply = proxyReply
        self.merge = merge
        self.wantsMapNotify = wantsMapNotify
    }
}

/// What an ETR has noticed of a Map-Server that may be why it is not registered there: the last of each kind.
package struct RegistrarTroubles: Hashable, Sendable {
    package struct WrongAuthentication: Hashable, Sendable {
        package let time: Instant
        package let source: IPAddress
    }

    package struct Unsent: Hashable, Sendable {
        package let time: Instant
        /// In the kernel's words.
        package let reason: String
    }

    /// A Map-Notify whose authentication data none of our keys makes.
    package internal(set) var wrongAuthentication: WrongAuthentication?
    /// An authentic Map-Notify with a nonce that none of our Map-Registers waits for.
    package internal(set) var unsolicited: Instant?
    /// An ICMP error about a message to it.
    package internal(set) var unreachable: Instant?
    /// A message that this host did not let leave.
    package internal(set) var unsent: Unsent?

    package init() {}
}

package struct ETRSettings: Hashable, Sendable {
    package var mappings: [DatabaseMapping]
    package var mapServers: [MapServerPeer]
    package var xtrID: XTRID
    package var siteID: SiteID
    /// The RLOCs of this router: the families that it can answer in.
    package var rlocs: [IPAddress]
    /// Whether this router echoes nonces, which Map-Replies say by their E-bit.
    package var echoNonce: Bool

    package init(
        mappings: [DatabaseMapping],
        mapServers: [MapServerPeer],
        xtrID: XTRID,
        siteID: SiteID,
        rlocs: [IPAddress],
        echoNonce: Bool = false
    ) {
        self.mappings = mappings
        self.mapServers = mapServers
        self.xtrID = xtrID
        self.siteID = siteID
        self.rlocs = rlocs
        self.echoNonce = echoNonce
    }
}

package enum ETRAction: Hashable, Sendable {
    case send(ControlDatagram)
    /// The Map-Server's view of a mapping changed, or of all of them; for the log.
    case registration(ETRRegistrationChange)
    /// Whoever uses these mappings is to be told that they have changed.
    case mappingsChanged([EIDPrefix])
}

package enum ETRRegistrationChange: Hashable, Sendable {
    case acknowledged(mapServer: IPAddress, prefixes: [EIDPrefix])
    case refused(mapServer: IPAddress, prefixes: [EIDPrefix])
    case unanswered(mapServer: IPAddress, tries: Int)
}

/// What the ETR counts.
package enum ETREvent: String, Hashable, Sendable, CaseIterable {
    case mapRegistersSent = "Map-Registers sent"
    case mapNotifiesAccepted = "Map-Notifies accepted"
    case mapNotifyUnknownServer = "Map-Notify refused: no configured Map-Server has its key and address"
    case mapNotifyWrongAuthentication = "Map-Notify refused: authentication failed"
    case mapNotifiesUnsolicited = "unsolicited Map-Notifies acknowledged"
    case mapRequestsAnswered = "Map-Requests answered"
    case probesAnswered = "RLOC-probes answered"
    case mapRequestNotOurs = "Map-Request dropped: none of our EID-prefixes matches"
    case mapRequestNoRLOC = "Map-Request dropped: none of its ITR-RLOCs can be answered to"
    case mapRequestBadPort = "Map-Request dropped: it wants the Map-Reply at the data port"
    case mapRequestWantsNoReply = "Map-Request not answered: it asks for no reply"
    case mapRepliesLimited = "Map-Requests dropped: the Map-Reply rate to their ITR-RLOC is used up"
}
