// What goes into the ITR and what comes out of it.

import ForwardingInterface
import LISPTables
import LISPWire

package struct ITRSettings: Hashable, Sendable {
    /// Where Map-Requests go: the first of them as long as nothing is known of their round-trip times and losses.
    package var mapResolvers: [IPAddress]
    /// The RLOCs of this router, which a Map-Reply may be sent to. An address family without one has no usable locators.
    package var rlocs: [IPAddress]
    /// The most map-cache entries to hold, and how many of these may be without locators.
    package var mapCacheLimit: Int
    package var negativeLimit: Int
    package var mapRequestLimits: MapRequestLimits
    package var rlocProbing: RLOCProbingSettings
    /// Present with the role of a Proxy-ITR.
    package var proxyITR: ProxyITRSettings?
    /// Where packets to non-LISP sites go; each address once. Empty: natively.
    package var proxyETRs: [ProxyETR]
    package var staticMappings: [StaticMapping]
    /// Whether RLOCs whose sites can echo nonces are asked to.
    package var echoNonce: Bool
    package var acceptMapData: MapDataPolicy
    /// Whether Locator-Status-Bits of other sites are heeded.
    package var locatorStatusBits: Bool

    package init(
        mapResolvers: [IPAddress],
        rlocs: [IPAddress],
        mapCacheLimit: Int = 100_000,
        negativeLimit: Int? = nil,
        mapRequestLimits: MapRequestLimits = .init(),
        rlocProbing: RLOCProbingSettings = .init(),
        proxyITR: ProxyITRSettings? = nil,
        proxyETRs: [ProxyETR] = [],
        staticMappings: [StaticMapping] = [],
        echoNonce: Bool = false,
        acceptMapData: MapDataPolicy = .off,
        locatorStatusBits: Bool = false
    ) {
        self.mapResolvers = mapResolvers
        self.rlocs = rlocs
        self.mapCacheLimit = mapCacheLimit
        self.negativeLimit = negativeLimit ?? MapCache.defaultNegativeLimit(of: mapCacheLimit)
        self.mapRequestLimits = mapRequestLimits
        self.rlocProbing = rlocProbing
        self.proxyITR = proxyITR
        self.proxyETRs = proxyETRs
        self.staticMappings = staticMappings
        self.echoNonce = echoNonce
        self.acceptMapData = acceptMapData
        self.locatorStatusBits = locatorStatusBits
    }
}

package enum ITRAction: Hashable, Sendable {
    case send(ControlDatagram)
    /// Changes of the forwarding state, in this order.
    case forwarding([ForwardingUpdate])
    /// What becomes of packets that were held. Comes after the `forwarding` that it relies on.
    case release([ForwardingMiss], HeldPacketVerdict)
    /// Hosts can be reached over LISP in this EID-prefix, so the router's own packets may go there that way.
    case remoteEIDKnown(EIDPrefix)
    case remoteEIDForgotten(EIDPrefix)
    /// There is nothing to encapsulate to in this EID-prefix, so the kernel may see to its packets itself.
    case negativePrefixKnown(EIDPrefix)
    case negativePrefixForgotten(EIDPrefix)
    /// An RLOC stopped answering probes, or answers again.
    case locatorTurned(IPAddress, isUp: Bool)
    /// A Map-Resolver that had left three Map-Requests in a row unanswered answers again.
    case mapResolverCameBack
    /// An RLOC says that the mapping of `eid`, which the map-cache holds, has changed.
    case smrReceived(from: IPAddress, eid: EIDPrefix)
    /// Somebody's packets to unknown EIDs are dropped, since they have caused too many Map-Requests. Once a minute for each.
    case mapRequestsRefused(MapRequestRefusal)
    /// The hints of LISP headers have decided something.
    case headerHint(HeaderHintEvent)
    /// Packets to an RLOC may have so many octets, outer headers included; `nil`: nothing is known any more.
    case pathMTUChanged(IPAddress, UInt16?)
}

/// What the hints of LISP headers made the ITR do (RFC 9300 section 10).
package enum HeaderHintEvent: Hashable, Sendable {
    /// The RLOC is not used any more: packets come back from there, yet without the nonces that they should echo.
    case echoesMissing(IPAddress)
    /// It is used again, to see whether it echoes.
    case onTrial(IPAddress)
    /// Packets from the EID-prefix say that its RLOC is down, so none are sent there; or that it is up.
    case saidToBeDown(IPAddress, EIDPrefix)
    case saidToBeUp(IPAddress, EIDPrefix)
}

/// What the ITR counts.
package enum ITREvent: String, Hashable, Sendable, CaseIterable {
    case mapRequestsSent = "Map-Requests sent"
    case mapRepliesAccepted = "Map-Replies accepted"
    case negativeMapReplies = "negative Map-Replies accepted"
    case mapReplyUnsolicited = "Map-Reply refused: no Map-Request with its nonce is outstanding"
    case mapReplyWrongAddress = "Map-Reply refused: it did not come to an ITR-RLOC of the Map-Request"
    case mapReplyWrongRecords = "Map-Reply refused: not exactly one record covers the EID that was asked for"
    case recordOfStaticMapping = "record of a Map-Reply not used: the mapping is static"
    case recordNotMoreSpecific = "record of a Map-Reply refused: not inside the record that covers the EID"
    case unansweredQuestions = "EIDs given up after ten Map-Requests without an answer"
    case packetsHeld = "packets held for a mapping"
    case packetsReleased = "held packets forwarded"
    case heldPacketsUnanswered = "held packets dropped: the mapping system did not answer"
    case heldPacketsRefused = "held packets dropped: the answer leaves no way to forward them"
    case holdLimit = "packets dropped: too many wait for a mapping"
    case holdLimitOfSource = "packets dropped: too many of their source wait for a mapping"
    case sourceLimited = "packets dropped: their source asks for too many EIDs"
    case negativesOfSourceLimited = "packets dropped: too much that their source asks for has no mapping"
    case requestsLimited = "packets dropped: too many EIDs are asked for, over all sources"
    case negativesLimited = "packets dropped: too much that is asked for has no mapping, over all sources"
    case repeatsLimited = "Map-Requests not sent once more: too many for their source, or over all"
    case resting = "packets dropped: the mapping system has not answered for this EID, silence for 30 s"
    case paced = "packets dropped: asked for this EID within the last second"
    case questionLimit = "packets dropped: too many EIDs are being asked for"
    case restCutShort = "EIDs whose silence ended early: too many EIDs are being asked for"
    case noMapResolver = "packets dropped: no Map-Resolver can be reached"
    case strandedRequests = "Map-Requests for entries of which no RLOC is up"
    case entriesCreated = "map-cache entries created"
    case entriesDeleted = "map-cache entries deleted"
    case evictedOnProbation = "map-cache entries evicted at the limit: not used again since they were learnt"
    case evictedIdle = "map-cache entries evicted at the limit: not in use any more"
    case evictedInUse = "map-cache entries evicted at the limit: in use, as all are that could have gone"
    case mapCacheFull = "mappings not kept: the map-cache is full, and what could go is less than a second old"
    case expirations = "map-cache entries expired"
    case refreshes = "map-cache entries refreshed before expiry"
    case smrsReceived = "Solicit-Map-Requests received"
    case smrsOfUnknownEIDs = "Solicit-Map-Requests ignored: no map-cache entry for their EIDs"
    case smrsPaced = "SMR-invoked Map-Requests held back: asked for this EID-prefix within the last 3 s"
    case smrsLimited = "SMR-invoked Map-Requests not sent: too many at a time"
    case smrInvokedRequests = "SMR-invoked Map-Requests sent"
    case mapDataIgnored = "map data of Map-Requests ignored: accept-map-data is off"
    case mapDataVerified = "map data of Map-Requests put to the mapping system"
    case mapDataInstalled = "map data of Map-Requests used unverified"
    case mapDataKnown = "map data of Map-Requests ignored: the map-cache has the EID, or it is being asked for"
    case mapDataRefused = "map data of Map-Requests refused: not a mapping of the source EID, or of ours"
    case mapDataLimited = "map data of Map-Requests ignored: too much at a time, or no empty space in the map-cache"
    case probesSent = "RLOC-probes sent"
    case probeRepliesAccepted = "RLOC-probe replies accepted"
    case probeReplyUnsolicited = "RLOC-probe reply refused: no probe with its nonce is outstanding"
    case probeReplyNotAuthoritative = "RLOC-probe reply refused: a record without the A-bit"
    case probeReplyOtherLocator = "RLOC-probe reply refused: its p-bit is not at the RLOC that was probed"
    case locatorsWentDown = "RLOCs that stopped answering probes"
    case locatorsCameBack = "RLOCs that answer probes again"
    case echoesSeen = "nonces echoed"
    case echoesMissed = "RLOCs doubted: packets came back without the nonce that was asked for"
    case statusBitsChanged = "changes of Locator-Status-Bits heeded"
    case statusBitsAllDown = "Locator-Status-Bits ignored: they say that every RLOC of the site is down"
    case locatorsWithoutEchoes = "RLOCs taken out of use: packets came back without the nonce that was asked for"
    case pathMTULowered = "path MTUs of RLOCs lowered"
    case pathMTUForgotten = "path MTUs of RLOCs forgotten after ten minutes"
    case pathMTUIgnored = "path MTU of an RLOC not believed: no smaller than what is known, or smaller than IPv6 allows"
}

extension ITREvent {
    package static let evictions: [ITREvent] = [.evictedOnProbation, .evictedIdle, .evictedInUse]
    /// Packets without a mapping that did not get to wait for one.
    package static let packetsDropped: [ITREvent] = [
        .holdLimit, .holdLimitOfSource, .sourceLimited, .negativesOfSourceLimited, .requestsLimited, .negativesLimited,
        .resting, .paced, .questionLimit, .noMapResolver,
    ]

    init(_ reason: EvictionReason) {
        switch reason {
        case .probation: self = .evictedOnProbation
        case .idle: self = .evictedIdle
        case .inUse: self = .evictedInUse
        }
    }
}
