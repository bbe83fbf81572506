// What goes into the router as a whole and what comes out of it.

import ForwardingInterface
import LISPTables
import LISPWire

/// The roles of one process, each with its settings; `nil` is a role that it does not have.
package struct RouterSettings: Sendable {
    package var itr: ITRSettings?
    package var etr: ETRSettings?
    package var mapServer: MapServerSettings?
    package var mapResolver: MapResolverSettings?
    /// What packets of the ETR's mappings say of its RLOCs.
    package var locatorStatus = LocatorStatusSettings()
    package var limits = MessageLimits()
    /// Those that control messages are counted of.
    package var instances: Set<InstanceID> = [.default]

    package init(
        itr: ITRSettings? = nil,
        etr: ETRSettings? = nil,
        mapServer: MapServerSettings? = nil,
        mapResolver: MapResolverSettings? = nil
    ) {
        self.itr = itr
        self.etr = etr
        self.mapServer = mapServer
        self.mapResolver = mapResolver
    }
}

/// How much a router keeps of what the network makes it keep. What is beyond is refused and counted.
package struct RouterLimits: Hashable, Sendable {
    /// Packets that wait for a mapping.
    package var held: HeldPackets.Limits
    /// EIDs that are asked for at a time.
    package var questions: Int
    /// Registrations at the Map-Server.
    package var registry: SiteRegistry.Limits

    package static let questions = 10_000

    package init(
        held: HeldPackets.Limits = .init(),
        questions: Int = Self.questions,
        registry: SiteRegistry.Limits = .init()
    ) {
        self.held = held
        self.questions = questions
        self.registry = registry
    }
}

/// A datagram that reached port 4342.
package struct ReceivedControlMessage: Hashable, Sendable {
    package var payload: [UInt8]
    package var source: Endpoint
    /// The local address that it was sent to.
    package var destination: IPAddress

    package init(payload: [UInt8], source: Endpoint, destination: IPAddress) {
        self.payload = payload
        self.source = source
        self.destination = destination
    }
}

package enum RouterAction: Hashable, Sendable {
    case send(ControlDatagram)
    /// Changes of the forwarding state, in this order.
    case forwarding([ForwardingUpdate])
    /// What becomes of packets that were held.
    case release([ForwardingMiss], HeldPacketVerdict)
    /// Hosts can be reached over LISP in this EID-prefix, so the router's own packets may go there that way.
    case remoteEIDKnown(EIDPrefix)
    case remoteEIDForgotten(EIDPrefix)
    /// There is nothing to encapsulate to in this EID-prefix: the kernel may forward natively by itself, or, inside the space
    /// that a Proxy-ITR attracts, refuse.
    case negativePrefixKnown(EIDPrefix)
    case negativePrefixForgotten(EIDPrefix)
    /// Mappings of ours have changed: the owner calls `Router.solicit` with those who exchanged data with us lately.
    case solicit([EIDPrefix])
    /// For the log.
    case note(RouterNote)
}

/// What an operator wants to read about.
package enum RouterNote: Hashable, Sendable {
    case registration(ETRRegistrationChange)
    case mapServer(MapServerEvent)
    /// An RLOC that we encapsulate to stopped answering probes, or answers again.
    case locator(IPAddress, isUp: Bool)
    /// What the hints of LISP headers made the ITR do.
    case headerHint(HeaderHintEvent)
    /// Somebody's packets to unknown EIDs are dropped: they have caused too many Map-Requests.
    case mapRequestsRefused(MapRequestRefusal)
    /// A Solicit-Map-Request for mappings of ours went to an RLOC.
    case smrSent(to: IPAddress, eids: [EIDPrefix], isRepeat: Bool)
    /// A Solicit-Map-Request that concerns an entry of the map-cache came from an RLOC.
    case smrReceived(from: IPAddress, eid: EIDPrefix)
    /// The largest packet that gets to an RLOC has become known, or `nil`: is no longer known.
    case pathMTU(IPAddress, UInt16?)
    /// A control message was refused. Attackers can cause many: the owner limits the rate of such lines.
    case refused(reason: String, source: Endpoint)
}

/// The control messages by type (RFC 9301 section 12.2).
package enum ControlMessageKind: String, Hashable, Sendable, CaseIterable {
    case mapRequest = "Map-Request"
    case mapReply = "Map-Reply"
    case mapRegister = "Map-Register"
    case mapNotify = "Map-Notify"
    case mapNotifyAck = "Map-Notify-Ack"
    case encapsulated = "Encapsulated Control Message"
    case other = "other"

    /// By the type in the first four bits.
    package init(payload: [UInt8]) {
        self =
            switch payload.first.map({ $0 >> 4 }) {
            case 1: .mapRequest
            case 2: .mapReply
            case 3: .mapRegister
            case 4: .mapNotify
            case 5: .mapNotifyAck
            case 8: .encapsulated
            default: .other
            }
    }
}

/// What is wrong with control messages that do not decode.
package enum FormatFault: Hashable, Sendable, CaseIterable {
    /// A Map-Request, in an Encapsulated Control Message or not.
    case mapRequest
    case mapReply
    case otherMessage
    /// A checksum inside an Encapsulated Control Message.
    case checksum

    init(_ error: WireError, payload: [UInt8]) {
        if case .badChecksum = error.reason {
            self = .checksum
            return
        }
        self =
            switch ControlMessageKind(payload: payload) {
            case .mapRequest, .encapsulated: .mapRequest
            case .mapReply: .mapReply
            case .mapRegister, .mapNotify, .mapNotifyAck, .other: .otherMessage
            }
    }
}

/// Why the router as a whole dropped a control message, before any role saw it.
package enum RouterRefusal: String, Hashable, Sendable, CaseIterable {
    case malformed = "control message dropped: it does not decode"
    case unknownAFI = "control message dropped: an address family that is not known"
    case unknownType = "control message dropped: a type this router has no use for"
    case notOurRole = "control message dropped: it is for a role that this router does not have"
    case probeToMappingSystem = "Map-Request dropped: an RLOC-probe that came through the mapping system"
    case encapsulatedOther = "Encapsulated Control Message dropped: what is inside is no Map-Request"
    case zeroSourcePort = "control message dropped: it came from UDP port 0"
    case tooManyFromSource =
        "Map-Request dropped unread: too many from its source (limits.map-requests-per-source)"
    case tooManyRequests = "Map-Request dropped unread: too many in all (limits.map-requests)"
}
