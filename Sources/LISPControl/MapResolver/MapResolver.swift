// The Map-Resolver: takes Map-Requests out of Encapsulated Control Messages, finds the Map-Server that knows of the EID, and
// passes them on unaltered (RFC 9301 section 8.4).

import LISPTables
import LISPWire

/// A Map-Server elsewhere and the EID-prefixes that it is asked for.
package struct MapServerRoute: Hashable, Sendable {
    package var address: IPAddress
    package var eids: [EIDPrefix]

    package init(address: IPAddress, eids: [EIDPrefix]) {
        self.address = address
        self.eids = eids
    }
}

/// Map-Requests that went to one Map-Server.
package struct ForwardedRequests: Hashable, Sendable {
    package private(set) var count: UInt64 = 0
    package private(set) var last: Instant?

    package init() {}

    fileprivate mutating func note(_ now: Instant) {
        count += 1
        last = now
    }
}

package struct MapResolverSettings: Hashable, Sendable {
    package var mapServers: [MapServerRoute]
    /// Whether this router is a Map-Server too: it gets what no route matches.
    package var hasLocalMapServer: Bool
    /// The families of our own RLOCs.
    package var families: Set<AddressFamily>

    package init(
        mapServers: [MapServerRoute] = [],
        hasLocalMapServer: Bool = true,
        families: Set<AddressFamily> = Set(AddressFamily.allCases)
    ) {
        self.mapServers = mapServers
        self.hasLocalMapServer = hasLocalMapServer
        self.families = families
    }
}

/// What the Map-Resolver counts.
package enum MapResolverCount: String, Hashable, Sendable, CaseIterable {
    case requestsReceived = "Encapsulated Control Messages received"
    case passedToLocalMapServer = "Map-Requests passed to the local Map-Server"
    case forwarded = "Map-Requests forwarded to a Map-Server"
    case negativeReplies = "negative Map-Replies sent: no Map-Server for the EID"
    case probes = "dropped: RLOC-probe in an Encapsulated Control Message"
    case nested = "dropped: Encapsulated Control Message inside another"
    case otherMessages = "dropped: neither Map-Request nor anything else that belongs there"
    case malformed = "dropped: malformed Map-Request inside"
    case noEID = "dropped: no EID, or neither IPv4 nor IPv6"
    case repeated = "dropped: forwarded less than a second ago"
    case noFamily = "dropped: this host has no address of the families of the Map-Servers for the EID"
    case noRLOC = "negative Map-Reply not sent: no ITR-RLOC of a family we have"
    case negativeRepliesLimited =
        "negative Map-Reply not sent: too many in all (limits.negative-map-replies)"
    case repliesLimited = "negative Map-Reply not sent: rate limit, or none wanted"
}

package enum MapResolverAction: Hashable, Sendable {
    case send(ControlDatagram)
    /// The Map-Request is for the Map-Server of this router: `MapServer.receivedMapRequest`.
    case resolveLocally
}

/// Does no I/O, reads no clock and has no deadlines.
package struct MapResolver: Sendable {
    /// As a Map-Server's for an EID that it does not know (RFC 9301 section 8.4).
    static let negativeTTLMinutes: UInt32 = 15

    package private(set) var settings: MapResolverSettings
    package private(set) var statistics = Tally<MapResolverCount>()
    /// What went to each of the Map-Servers of `settings`.
    package private(set) var forwarded: [IPAddress: ForwardedRequests] = [:]
    private var routes = PrefixTable<[IPAddress]>()
    private var limiter: MapReplyLimiter
    private var negativeReplies = Budget(MessageLimits.rate(MessageLimits().negativeMapReplies))
    private var memory = ForwardingMemory()

    package init(settings: MapResolverSettings, limiter: MapReplyLimiter = .init()) {
        self.settings = settings
        self.limiter = limiter
        reconfigure(settings)
    }

    package mutating func reconfigure(_ new: MapResolverSettings) {
        settings = new
        let addresses = Set(new.mapServers.map(\.address))
        forwarded = forwarded.filter { addresses.contains($0.key) }
        routes = PrefixTable()
        for server in new.mapServers {
            for eid in server.eids where !(routes[eid]?.contains(server.address) ?? false) {
                routes[eid] = (routes[eid] ?? []) + [server.address]
            }
        }
    }

    /// Takes over how much is answered.
    package mutating func limit(_ limits: MessageLimits) {
        limiter.rate = MessageLimits.rate(limits.mapRepliesPerRLOC)
        negativeReplies.rate = MessageLimits.rate(limits.negativeMapReplies)
    }

    /// Whether every Map-Request goes to the local Map-Server.
    package var onlyAsksHere: Bool { settings.mapServers.isEmpty && settings.hasLocalMapServer }

    /// A Map-Request went there.
    ///
    /// - Precondition: `onlyAsksHere`.
    package mutating func passedOnHere(_ family: AddressFamily?) {
        statistics.add(.requestsReceived)
        statistics.add(.passedToLocalMapServer, family)
    }

    /// An Encapsulated Control Message arrived with anything else than a Map-Request inside.
    package mutating func receivedEncapsulatedOther(_ message: EncapsulatedControlMessage) {
        statistics.add(.requestsReceived)
        switch message.payload.first.flatMap({ MessageType(rawValue: $0 >> 4) }) {
        case .mapRequest:
            statistics.add(.malformed)
        case .encapsulatedControlMessage:
            statistics.add(.nested)
        case .mapReply, .mapRegister, .mapNotify, .mapNotifyAck, .mapReferral, .info, .sharedExtension, nil:
            statistics.add(.otherMessages)
        }
    }

    /// A Map-Request arrived in an Encapsulated Control Message.
    ///
    /// Several records in one Map-Request: the whole goes once to each Map-Server that knows of one of them. What no
    /// Map-Server is known for is answered negatively, as largely as the routes allow. An RLOC-probe does not belong there
    /// (RFC 9301 section 5.8).
    ///
    /// - Parameters:
    ///   - raw: the UDP payload that `message` was decoded from; it is what is forwarded.
    ///   - local: the address that was asked.
    package mutating func receivedMapRequest(
        _ request: MapRequest,
        in message: EncapsulatedControlMessage,
        raw: [UInt8],
        at local: IPAddress,
        now: Instant
    ) -> [MapResolverAction] {
        statistics.add(.requestsReceived)
        guard !request.isProbe else {
            statistics.add(.probes, request.family)
            return []
        }
        let questions = request.records.compactMap(\.eidPrefix)
        guard !questions.isEmpty else {
            statistics.add(.noEID)
            return []
        }
        var isLocal = false
        var targets: [IPAddress] = []
        var answer: [EIDRecord] = []
        for question in questions {
            let eid = EID(instanceID: question.instanceID, question.prefix.address)
            if let route = route(for: question) {
                let reachable = route.value.filter { settings.families.contains($0.family) }
                if reachable.isEmpty {
                    statistics.add(.noFamily, request.family)
                } else if let target = memory.next(of: reachable, for: route.key, asked: request, now: now),
                    !targets.contains(target)
                {
                    targets.append(target)
                }
            } else if settings.hasLocalMapServer {
                isLocal = true
            } else if let prefix = routes.gap(around: eid, within: nil) {
                answer.append(
                    .negative(
                        EIDPrefix(instanceID: eid.instanceID, prefix),
                        ttlMinutes: Self.negativeTTLMinutes,
                        .nativelyForward
                    )
                )
            }
        }
        var actions: [MapResolverAction] = []
        if isLocal {
            statistics.add(.passedToLocalMapServer, request.family)
            actions.append(.resolveLocally)
        }
        if !targets.isEmpty {
            if memory.isRepeated(request, now: now) {
                statistics.add(.repeated, request.family)
            } else {
                statistics.add(.forwarded, request.family, count: targets.count)
                for target in targets {
                    forwarded[target, default: ForwardedRequests()].note(now)
                    actions.append(.send(ControlDatagram(payload: raw, destination: .control(target))))
                }
            }
        }
        if !answer.isEmpty, let datagram = reply(answer, to: request, in: message, at: local, now: now) {
            actions.append(.send(datagram))
        }
        return actions
    }

    private func route(for question: EIDPrefix) -> (key: EIDPrefix, value: [IPAddress])? {
        guard !settings.mapServers.isEmpty else { return nil }
        return routes.longestMatch(question)
            ?? routes.longestMatch(EID(instanceID: question.instanceID, question.prefix.address))
    }

    private mutating func reply(
        _ records: [EIDRecord],
        to request: MapRequest,
        in message: EncapsulatedControlMessage,
        at local: IPAddress,
        now: Instant
    ) -> ControlDatagram? {
        guard let rloc = request.replyRLOC(families: settings.families, askedAt: local),
            message.sourcePort != 0, message.sourcePort != LISPPort.data
        else {
            statistics.add(.noRLOC, request.family)
            return nil
        }
        let question = request.records.first?.eidPrefix
        guard !request.dontMapReply,
            limiter.allows(to: rloc, nonce: request.nonce, eid: question, isProbe: false, now: now)
        else {
            statistics.add(.repliesLimited, request.family)
            return nil
        }
        guard negativeReplies.take(now: now) else {
            statistics.add(.negativeRepliesLimited, request.family)
            return nil
        }
        statistics.add(.negativeReplies, request.family)
        return ControlDatagram(
            payload: MapReply(nonce: request.nonce, records: Array(records.prefix(255))).encoded(),
            destination: Endpoint(rloc, message.sourcePort),
            source: rloc.family == local.family ? local : nil
        )
    }
}
