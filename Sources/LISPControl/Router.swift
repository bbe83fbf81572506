// The roles of one process behind one door: messages, misses and time go in, actions come out. This is what the daemon runs
// on its control loop, and what a simulation runs on a virtual clock.

import ForwardingInterface
import LISPTables
import LISPWire

/// Decodes control messages and gives each to the role that it is for.
///
/// Does no I/O and reads no clock. The owner carries out actions in order and calls `timeout` at `deadline()`.
package struct Router: Sendable {
    package private(set) var itr: ITR?
    package private(set) var etr: ETR?
    package private(set) var mapServer: MapServer?
    package private(set) var mapResolver: MapResolver?
    /// What our packets say of our RLOCs.
    package private(set) var announcer = LocatorStatusAnnouncer()
    private var locatorStatus: LocatorStatusSettings
    private let limits: RouterLimits
    private var requestBudget: IncomingRequestBudget
    /// Messages that a limit drops are many: few of them are worth a line.
    private var limitEvents = Budget(EventRate(perSecond: 1, burst: 5))
    /// Control messages by type, those inside an Encapsulated Control Message included.
    package private(set) var received = Tally<ControlMessageKind>()
    package private(set) var sent = Tally<ControlMessageKind>()
    package private(set) var refusals = Tally<RouterRefusal>()
    /// Those that do not decode, once more.
    package private(set) var formatFaults = Tally<FormatFault>()
    package private(set) var messages = Tally<MessageCount>()
    package private(set) var serviceMessages: ServiceTally
    package internal(set) var smrPeers = SMRPeers()
    package internal(set) var smrSender = SMRSender()

    /// - Parameter nextNonce: where the ETR's nonces go on: the larger of what was saved and the wall clock in nanoseconds.
    /// - Parameter nonces: what the Map-Server remembered when it last ran.
    package init(
        _ settings: RouterSettings,
        limits: RouterLimits = .init(),
        nextNonce: UInt64,
        nonces: NonceGuard = NonceGuard(),
        now: Instant
    ) {
        self.limits = limits
        itr = settings.itr.map { ITR(settings: $0, holdLimits: limits.held, questionLimit: limits.questions) }
        etr = settings.etr.map { ETR(settings: $0, nextNonce: nextNonce, now: now) }
        mapServer = settings.mapServer.map {
            MapServer(settings: $0, limits: limits.registry, nonces: nonces, now: now)
        }
        mapResolver = settings.mapResolver.map { MapResolver(settings: $0) }
        locatorStatus = settings.locatorStatus
        serviceMessages = ServiceTally(settings.instances)
        requestBudget = IncomingRequestBudget(settings.limits)
        limit(settings.limits)
    }

    private mutating func limit(_ limits: MessageLimits) {
        requestBudget.limit(limits)
        etr?.limit(limits)
        mapServer?.limit(limits)
        mapResolver?.limit(limits)
    }

    /// What the settings give from the start. To be called once, before any event.
    package mutating func start(now: Instant) -> [RouterAction] {
        counted(Self.carry(itr?.start(now: now))) + announce(now: now)
    }

    /// Lets packets say how our RLOCs are.
    private mutating func announce(now: Instant) -> [RouterAction] {
        let updates = announcer.update(etr?.database.mappings ?? [], locatorStatus, now: now)
        return updates.isEmpty ? [] : [.forwarding(updates)]
    }

    /// Packets of another site say something new of its RLOCs.
    package mutating func heard(_ report: LocatorStatusReport, now: Instant) -> [RouterAction] {
        counted(Self.carry(itr?.heard(report, now: now)))
    }

    // MARK: Messages

    /// A datagram reached port 4342.
    ///
    /// - Parameter packetsSent: how many packets the forwarding state has encapsulated for a mapping so far.
    package mutating func received(
        _ message: ReceivedControlMessage,
        now: Instant,
        using random: inout some RandomNumberGenerator,
        packetsSent: (MappingID) -> UInt64 = { _ in 0 }
    ) -> [RouterAction] {
        let kind = ControlMessageKind(payload: message.payload)
        received.add(kind)
        guard message.source.port != 0 else { return refuse(.zeroSourcePort, message) }
        var payer: RegisterBudget.Payer?
        switch kind {
        case .mapRequest, .encapsulated:
            switch requestBudget.take(from: NetworkOfOne(message.source.address), now: now) {
            case .taken: break
            case .tooManyFromSource: return limited(.tooManyFromSource, message, now: now)
            case .tooManyInAll: return limited(.tooManyRequests, message, now: now)
            }
        case .mapRegister where mapServer != nil:
            payer = mapServer?.admission(of: message.payload, from: message.source, now: now)
            guard payer != nil else { return limited(message, now: now) }
        case .mapRegister, .mapReply, .mapNotify, .mapNotifyAck, .other: break
        }
        var verifier: RegisterVerifier?
        if case .mapRegister = kind, mapServer != nil, let register = PlainMapRegister(message.payload) {
            var looking = RegisterVerifier(message.payload)
            if let actions = receivedRefresh(register, message, chargedTo: payer, &looking, now: now) { return actions }
            verifier = looking
        }
        if case .encapsulated = kind, let actions = answeredForETR(message, now: now) { return actions }
        let decoded: ControlMessage
        do throws(WireError) {
            decoded = try Self.decode(message.payload)
        } catch {
            return refuse(error, message)
        }
        if case .encapsulated(let ecm) = decoded {
            return receivedEncapsulated(ecm, message, now: now, using: &random)
        }
        messages.add(decoded, .received)
        serviceMessages.add(decoded, .received)
        let actions: [RouterAction]
        switch decoded {
        case .mapRequest(let request):
            actions = receivedMapRequest(request, message, now: now, using: &random)
        case .mapReply(let reply):
            let learnt = itr?.receivedMapReply(
                reply,
                from: message.source,
                at: message.destination,
                now: now,
                packetsSent: packetsSent
            )
            guard let learnt else { return refuse(.notOurRole, message) }
            tellETR(of: learnt, now: now)
            actions = Self.carry(learnt)
        case .mapRegister(let register):
            guard mapServer != nil else { return refuse(.notOurRole, message) }
            actions = Self.carry(
                mapServer?.receivedMapRegister(
                    register,
                    raw: message.payload,
                    from: message.source,
                    at: message.destination,
                    chargedTo: payer,
                    verifier: verifier,
                    now: now,
                    using: &random
                )
            )
        case .mapNotify(let notify) where notify.isAcknowledgement:
            guard mapServer != nil else { return refuse(.notOurRole, message) }
            mapServer?.receivedMapNotifyAck(notify, raw: message.payload)
            actions = []
        case .mapNotify(let notify):
            guard etr != nil else { return refuse(.notOurRole, message) }
            actions = Self.carry(
                etr?.receivedMapNotify(
                    notify,
                    raw: message.payload,
                    from: message.source,
                    at: message.destination,
                    now: now
                )
            )
        case .encapsulated, .mapReferral, .info, .sharedExtension:
            return refuse(.unknownType, message)
        }
        return counted(actions)
    }

    /// Most Map-Registers: not decoded, and their Map-Notifies not encoded. `nil` if it is none of those.
    private mutating func receivedRefresh(
        _ register: PlainMapRegister,
        _ message: ReceivedControlMessage,
        chargedTo payer: RegisterBudget.Payer?,
        _ verifier: inout RegisterVerifier,
        now: Instant
    ) -> [RouterAction]? {
        let outcome = mapServer?.receivedRefresh(
            register,
            raw: message.payload,
            from: message.source,
            at: message.destination,
            chargedTo: payer,
            verifier: &verifier,
            now: now
        )
        guard case .refreshed(let notify) = outcome else { return nil }
        let family = register.eidPrefix.prefix.family
        messages.add(MessageCount(.mapRegisterRecord, .received), family)
        serviceMessages.add(.mapRegister, .received, EIDTableKey(register.eidPrefix))
        guard let notify else { return [] }
        sent.add(.mapNotify)
        messages.add(MessageCount(.mapNotifyRecord, .sent), family)
        return [.send(notify)]
    }

    /// Most Map-Requests that are answered for the ETR: not decoded. `nil` if it is none of those.
    private mutating func answeredForETR(_ message: ReceivedControlMessage, now: Instant) -> [RouterAction]? {
        guard etr == nil, mapServer?.answersForETRs == true, mapResolver?.onlyAsksHere ?? true,
            let request = PlainMapRequest(message.payload),
            case .answered(let reply, let isNegative) = mapServer?.receivedPlainMapRequest(
                request,
                at: message.destination,
                now: now
            )
        else { return nil }
        let family = request.eidPrefix.prefix.family
        received.add(.mapRequest)
        mapResolver?.passedOnHere(family)
        messages.addPlainRequest(family)
        serviceMessages.add(.mapRequest, .received, EIDTableKey(request.eidPrefix))
        guard let reply else { return [] }
        sent.add(.mapReply)
        serviceMessages.add(.mapReply, .sent, EIDTableKey(request.eidPrefix))
        messages.addReplyRecord(family, isAuthoritative: false, isNegative: isNegative, isProbe: false, .sent)
        return [.send(reply)]
    }

    /// Takes Encapsulated Control Messages without an inner UDP checksum: docs/decisions/inner-udp-checksum.md.
    private static func decode(_ payload: [UInt8]) throws(WireError) -> ControlMessage {
        try ControlMessage(decoding: payload, zeroInnerChecksum: .accept)
    }

    /// A Map-Request on its own: an RLOC-probe, an SMR, or one that found its way without the mapping system.
    private mutating func receivedMapRequest(
        _ request: MapRequest,
        _ message: ReceivedControlMessage,
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [RouterAction] {
        guard !request.isSMR else { return receivedSMR(request, message, now: now, using: &random) }
        guard etr != nil else { return refuse(request.isProbe ? .probeToMappingSystem : .notOurRole, message) }
        return askETR(
            request,
            replyPort: message.source.port,
            from: message.source.address,
            at: message.destination,
            now: now,
            using: &random
        )
    }

    private mutating func receivedSMR(
        _ request: MapRequest,
        _ message: ReceivedControlMessage,
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [RouterAction] {
        guard itr != nil else { return refuse(.notOurRole, message) }
        let actions = itr?.receivedSMR(request, from: message.source.address, now: now, using: &random)
        for case .smrReceived(let rloc, let eid) in actions ?? [] { smrPeers.received(eid, from: rloc, now: now) }
        return Self.carry(actions)
    }

    /// A Map-Request for our own ETR.
    private mutating func askETR(
        _ request: MapRequest,
        replyPort: UInt16,
        from source: IPAddress,
        at local: IPAddress,
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [RouterAction] {
        if request.isSMRInvoked { noteInvoked(request, now: now) }
        return receivedMapData(of: request, from: source, now: now, using: &random)
            + Self.carry(etr?.receivedMapRequest(request, replyPort: replyPort, at: local, now: now))
    }

    /// The mapping that the request carries of its source EID, if the request is for an EID-prefix of ours.
    private mutating func receivedMapData(
        of request: MapRequest,
        from source: IPAddress,
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [RouterAction] {
        guard let record = request.mapData, let database = etr?.database else { return [] }
        func isOwn(_ eid: EIDPrefix) -> Bool { !database.answer(to: eid, limit: 1).isEmpty }
        guard request.records.contains(where: { $0.eidPrefix.map(isOwn) ?? false }) else { return [] }
        return Self.carry(
            itr?.receivedMapData(
                record,
                of: request.sourceEID,
                from: source,
                isOwn: isOwn,
                now: now,
                using: &random
            )
        )
    }

    // MARK: Encapsulated Control Messages

    private mutating func receivedEncapsulated(
        _ ecm: EncapsulatedControlMessage,
        _ message: ReceivedControlMessage,
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [RouterAction] {
        received.add(ControlMessageKind(payload: ecm.payload))
        // Decoded once, however many roles look at it.
        let inner: ControlMessage
        do throws(WireError) {
            inner = try ecm.decodePayload()
        } catch {
            return receivedEncapsulatedOther(ecm, error, message)
        }
        guard case .mapRequest(let request) = inner else { return receivedEncapsulatedOther(ecm, nil, message) }
        count(request, .received)
        let actions: [RouterAction]
        if isForOwnETR(request) {
            guard ecm.sourcePort != 0 else { return refuse(.zeroSourcePort, message) }
            actions = askETR(
                request,
                replyPort: ecm.sourcePort,
                from: message.source.address,
                at: message.destination,
                now: now,
                using: &random
            )
        } else if mapResolver != nil {
            actions = askMapResolver(request, ecm, message, now: now, using: &random)
        } else {
            guard mapServer != nil || etr != nil else { return refuse(.notOurRole, message) }
            guard !request.isProbe else { return refuse(.probeToMappingSystem, message) }
            actions = askMapServer(request, ecm, message, now: now, using: &random)
        }
        return counted(actions, passingOn: request, in: message.payload)
    }

    /// Something else than a Map-Request is inside, or, with a fault, nothing that decodes.
    private mutating func receivedEncapsulatedOther(
        _ ecm: EncapsulatedControlMessage,
        _ fault: WireError?,
        _ message: ReceivedControlMessage
    ) -> [RouterAction] {
        guard mapResolver == nil else {
            mapResolver?.receivedEncapsulatedOther(ecm)
            return []
        }
        guard mapServer != nil || etr != nil else { return refuse(.notOurRole, message) }
        return fault.map { refuse($0, message) } ?? refuse(.encapsulatedOther, message)
    }

    private mutating func askMapResolver(
        _ request: MapRequest,
        _ ecm: EncapsulatedControlMessage,
        _ message: ReceivedControlMessage,
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [RouterAction] {
        let resolved = mapResolver?.receivedMapRequest(
            request,
            in: ecm,
            raw: message.payload,
            at: message.destination,
            now: now
        )
        var actions: [RouterAction] = []
        for action in resolved ?? [] {
            switch action {
            case .send(let datagram): actions.append(.send(datagram))
            case .resolveLocally: actions += askMapServer(request, ecm, message, now: now, using: &random)
            }
        }
        return actions
    }

    private mutating func askMapServer(
        _ request: MapRequest,
        _ ecm: EncapsulatedControlMessage,
        _ message: ReceivedControlMessage,
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [RouterAction] {
        guard mapServer != nil else { return refuse(.notOurRole, message) }
        return Self.carry(
            mapServer?.receivedMapRequest(
                request,
                in: ecm,
                raw: message.payload,
                at: message.destination,
                now: now,
                using: &random
            )
        )
    }

    /// Whether our own ETR is the one to answer a Map-Request that came encapsulated: the only role here, or the owner of the EID,
    /// and no other site has registered a more-specific of that with us.
    private func isForOwnETR(_ request: MapRequest) -> Bool {
        guard etr != nil, !request.isProbe else { return false }
        guard mapServer != nil || mapResolver != nil else { return true }
        guard let database = etr?.database, let eid = request.records.first?.eidPrefix else { return false }
        // An entry that is refreshed may be wider than what there is now: then, as at the Map-Server, its first address decides.
        let first = EIDPrefix(instanceID: eid.instanceID, IPPrefix(host: eid.prefix.address))
        guard let own = database.longestMatch(eid) ?? database.longestMatch(first) else { return false }
        let table = mapServer?.registry.registered
        guard let registered = table?.longestMatch(eid) ?? table?.longestMatch(first) else { return true }
        return registered.key.prefix.length <= own.eid.prefix.length
    }

    private mutating func refuse(_ reason: RouterRefusal, _ message: ReceivedControlMessage) -> [RouterAction] {
        refusals.add(reason)
        return [.note(.refused(reason: reason.rawValue, source: message.source))]
    }

    private mutating func refuse(_ error: WireError, _ message: ReceivedControlMessage) -> [RouterAction] {
        let reason: RouterRefusal =
            switch error.reason {
            case .unknownAFI: .unknownAFI
            case .unknownType: .unknownType
            case .truncated, .invalid, .trailingBytes, .badChecksum, .nestedTooDeep: .malformed
            }
        refusals.add(reason)
        if reason == .malformed { formatFaults.add(FormatFault(error, payload: message.payload)) }
        return [.note(.refused(reason: "\(reason.rawValue): \(error)", source: message.source))]
    }

    /// Refuses what a limit lets not pass.
    private mutating func limited(
        _ reason: RouterRefusal,
        _ message: ReceivedControlMessage,
        now: Instant
    ) -> [RouterAction] {
        refusals.add(reason)
        guard limitEvents.take(now: now) else { return [] }
        return [.note(.refused(reason: reason.rawValue, source: message.source))]
    }

    /// A Map-Register that the Map-Server does not look at, and has counted.
    private mutating func limited(_ message: ReceivedControlMessage, now: Instant) -> [RouterAction] {
        guard limitEvents.take(now: now) else { return [] }
        let reason = "Map-Register dropped unread: too many have failed"
        return [.note(.refused(reason: reason, source: message.source))]
    }

    // MARK: Packets and time

    /// A packet found no entry in the forwarding state.
    package mutating func missed(
        _ miss: ForwardingMiss,
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [RouterAction] {
        counted(Self.carry(itr?.missed(miss, now: now, using: &random)))
    }

    /// The forwarding state has heard something of the way to an RLOC.
    package mutating func noticed(_ event: ForwardingEvent, now: Instant) -> [RouterAction] {
        switch event {
        case .unreachable(let rloc):
            doubt(rloc, now: now)
            return []
        case .packetTooBig(let rloc, let mtu):
            return Self.carry(itr?.packetTooBig(rloc, mtu: mtu, now: now))
        }
    }

    /// Something says that an RLOC may be dead or back, such as an ICMP error about a control message to it.
    package mutating func doubt(_ rloc: IPAddress, now: Instant) {
        itr?.doubt(rloc, now: now)
        etr?.doubt(rloc, now: now)
    }

    /// This host did not let a control message leave.
    package mutating func sendFailed(to address: IPAddress, _ reason: String, now: Instant) {
        etr?.sendFailed(to: address, reason, now: now)
    }

    /// A link, an address or a route of this host came or went, so that packets to these destinations may take other ways, or
    /// none.
    package mutating func pathsChanged(to destinations: [IPPrefix], now: Instant) {
        itr?.pathsChanged(to: destinations, now: now)
        etr?.pathsRestored(now: now)
    }

    /// When `timeout` has work to do.
    package mutating func deadline() -> Instant? {
        let roles = Instant.earlier(Instant.earlier(itr?.deadline(), etr?.deadline()), mapServer?.deadline())
        return Instant.earlier(roles, Instant.earlier(smrSender.deadline(), announcer.deadline()))
    }

    /// Does what is due.
    ///
    /// - Parameters:
    ///   - packetsSent: how many packets the forwarding state has encapsulated for a mapping so far.
    ///   - echoes: what it has seen of echo-noncing with a locator.
    package mutating func timeout(
        now: Instant,
        using random: inout some RandomNumberGenerator,
        packetsSent: (MappingID) -> UInt64,
        echoes: (LocatorID) -> EchoCounters? = { _ in nil }
    ) -> [RouterAction] {
        let actions =
            Self.carry(itr?.timeout(now: now, using: &random, packetsSent: packetsSent, echoes: echoes))
            + Self.carry(etr?.timeout(now: now))
            + smrTimeout(now: now, using: &random)
            + Self.carry(mapServer?.timeout(now: now, using: &random))
        let announced = announcer.timeout(now: now)
        return counted(actions) + (announced.isEmpty ? [] : [.forwarding(announced)])
    }

    // MARK: The operator

    /// Takes these entries out of the map-cache.
    package mutating func clearMapCache(_ eids: [EIDPrefix]) -> (count: Int, actions: [RouterAction]) {
        guard let cleared = itr?.clear(eids) else { return (0, []) }
        return (cleared.count, Self.carry(cleared.actions))
    }

    /// Takes out what a site's ETRs have registered for these EID-prefixes.
    package mutating func clearRegistrations(
        _ prefixes: [EIDPrefix],
        of site: String,
        now: Instant
    ) -> (prefixes: Int, registrations: Int) {
        mapServer?.clear(prefixes, of: site, now: now) ?? (0, 0)
    }

    /// Forgets the nonces of a site's ETRs; returns of how many.
    package mutating func forgetNonces(of site: String) -> Int { mapServer?.forgetNonces(of: site) ?? 0 }

    /// See `MapServer.startNonceJournal`.
    package mutating func startNonceJournal() { mapServer?.startNonceJournal() }

    /// See `MapServer.takeNonceJournal`; empty without that role.
    package mutating func takeNonceJournal() -> [UInt8] {
        guard mapServer?.nonces.hasJournal == true else { return [] }
        return mapServer?.takeNonceJournal() ?? []
    }

    /// See `ETR.wallClock`.
    package mutating func wallClock(reads wall: UInt64, now: Instant) { etr?.wallClock(reads: wall, now: now) }

    /// Withdraws all registrations, at exit.
    package mutating func deregister() -> [RouterAction] {
        counted(Self.carry(etr?.deregister()))
    }

    /// Takes over changed settings. A role that stays keeps what it knows; one that goes takes its entries with it.
    package mutating func reconfigure(
        _ settings: RouterSettings,
        nextNonce: UInt64,
        nonces: () -> NonceGuard = { NonceGuard() },
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [RouterAction] {
        var actions: [RouterAction] = []
        if let new = settings.itr {
            if itr == nil { itr = ITR(settings: new, holdLimits: limits.held, questionLimit: limits.questions) }
            actions += Self.carry(itr?.reconfigure(new, now: now))
        } else {
            actions += Self.carry(itr?.clearAll(now: now))
            itr = nil
        }
        if let new = settings.etr {
            if etr == nil { etr = ETR(settings: new, nextNonce: nextNonce, now: now) }
            actions += Self.carry(etr?.reconfigure(new, now: now))
        } else {
            actions += Self.carry(etr?.deregister())
            etr = nil
            smrSender.removeAll()
        }
        if let new = settings.mapServer {
            if mapServer == nil {
                mapServer = MapServer(settings: new, limits: limits.registry, nonces: nonces(), now: now)
            }
            actions += Self.carry(mapServer?.reconfigure(new, now: now, using: &random))
        } else {
            mapServer = nil
        }
        if let new = settings.mapResolver {
            if mapResolver == nil { mapResolver = MapResolver(settings: new) }
            mapResolver?.reconfigure(new)
        } else {
            mapResolver = nil
        }
        locatorStatus = settings.locatorStatus
        serviceMessages.count(settings.instances)
        limit(settings.limits)
        return counted(actions) + announce(now: now)
    }

    // MARK: Actions

    /// What the ITR finds out of the ways to others concerns the ETR, too.
    private mutating func tellETR(of actions: [ITRAction], now: Instant) {
        let isRestored = actions.contains { action in
            switch action {
            case .locatorTurned(_, isUp: true), .mapResolverCameBack: true
            default: false
            }
        }
        if isRestored { etr?.pathsRestored(now: now) }
    }

    private static func carry(_ actions: [ITRAction]?) -> [RouterAction] {
        (actions ?? []).compactMap { action -> RouterAction? in
            switch action {
            case .send(let datagram): .send(datagram)
            case .forwarding(let updates): .forwarding(updates)
            case .release(let packets, let verdict): .release(packets, verdict)
            case .remoteEIDKnown(let eid): .remoteEIDKnown(eid)
            case .remoteEIDForgotten(let eid): .remoteEIDForgotten(eid)
            case .negativePrefixKnown(let eid): .negativePrefixKnown(eid)
            case .negativePrefixForgotten(let eid): .negativePrefixForgotten(eid)
            case .locatorTurned(let rloc, let isUp): .note(.locator(rloc, isUp: isUp))
            case .headerHint(let event): .note(.headerHint(event))
            case .mapRequestsRefused(let refusal): .note(.mapRequestsRefused(refusal))
            case .smrReceived(let rloc, let eid): .note(.smrReceived(from: rloc, eid: eid))
            case .pathMTUChanged(let rloc, let mtu): .note(.pathMTU(rloc, mtu))
            case .mapResolverCameBack: nil
            }
        }
    }

    private static func carry(_ actions: [ETRAction]?) -> [RouterAction] {
        (actions ?? []).map { action in
            switch action {
            case .send(let datagram): .send(datagram)
            case .registration(let change): .note(.registration(change))
            case .mappingsChanged(let eids): .solicit(eids)
            }
        }
    }

    private static func carry(_ actions: [MapServerAction]?) -> [RouterAction] {
        (actions ?? []).map { action in
            switch action {
            case .send(let datagram): .send(datagram)
            case .event(let event): .note(.mapServer(event))
            }
        }
    }

    mutating func counted(_ actions: [RouterAction]) -> [RouterAction] {
        for case .send(let datagram) in actions { count(datagram.payload) }
        return actions
    }

    /// - Parameter payload: what the Map-Request came in, which may be passed on as it came.
    private mutating func counted(
        _ actions: [RouterAction],
        passingOn request: MapRequest,
        in payload: [UInt8]
    ) -> [RouterAction] {
        for case .send(let datagram) in actions {
            if datagram.payload == payload {
                sent.add(.encapsulated)
                count(request, .sent)
            } else {
                count(datagram.payload)
            }
        }
        return actions
    }

    /// Counts a Map-Request inside an Encapsulated Control Message.
    private mutating func count(_ request: MapRequest, _ direction: MessageCount.Direction) {
        let eid = request.records.first?.eidPrefix
        messages.add(request, direction, isEncapsulated: true, eid?.prefix.family)
        if request.records.count == 1, let eid {
            serviceMessages.add(.mapRequest, direction, EIDTableKey(eid))
        } else {
            serviceMessages.add(request, direction)
        }
    }

    private mutating func count(_ payload: [UInt8]) {
        let kind = ControlMessageKind(payload: payload)
        sent.add(kind)
        switch kind {
        case .mapReply, .mapNotify:
            if let records = RecordOutline.list(in: payload) {
                messages.addSent(kind, payload, records)
                if case .mapReply = kind { serviceMessages.addSentReply(records) }
                return
            }
        case .mapRequest, .mapRegister, .mapNotifyAck, .encapsulated, .other: break
        }
        guard let message = try? Self.decode(payload) else { return }
        messages.add(message, .sent)
        serviceMessages.add(message, .sent)
    }
}
