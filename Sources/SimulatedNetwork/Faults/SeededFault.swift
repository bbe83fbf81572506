// Faults that a router may have, each put between the router and its network so that what comes out is what the faulty code
// would do, and the check that has to find it. A simulation that does not find them proves nothing.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

package enum SeededFault: String, CaseIterable, Sendable {
    /// An ITR keeps every mapping for a day.
    case ttlIgnored
    /// An ITR never hears that a mapping is over.
    case expiryOff
    /// A router does nothing of what is due, and goes on asking for its turn.
    case clockStands
    /// An ITR believes a Map-Reply whatever its nonce.
    case replyNonceUnchecked
    /// An ITR takes locators of low preference for preferred ones.
    case prioritiesMixedUp
    /// Negative answers are believed for more than they say.
    case negativeTooWide
    /// A Map-Server takes replayed Map-Registers.
    case registerNonceUnchecked
    /// A Map-Server saves no nonces, and so takes replays after a restart.
    case noncesNotSaved
    /// A Map-Server takes Map-Registers made with any key.
    case registerKeyUnchecked
    /// An ETR takes Map-Notifies made with any key.
    case notifyUnverified
    case heldPacketsUnlimited
    case questionsUnlimited
    case mapCacheUnlimited
    case mapRequestsUnlimited
    case registrationsUnlimited
    /// An ITR asks twice each time.
    case asksTwice
    /// An ETR sends each Map-Register twice.
    case registersTwice
    /// Map-Registers and Map-Notifies answer each other for ever.
    case notifiesAnswered
    /// The forwarding state is told of parents before children.
    case updatesReversed
    /// The forwarding state is never told that an entry is gone.
    case deletionsForgotten
    /// A held packet is released twice.
    case releasedTwice
    /// An ETR registers once and no more.
    case registrationNotRepeated
    /// A Map-Server's Map-Notify goes to another port than the Map-Register came from.
    case notifyToWrongPort
    /// An ETR never withdraws what it no longer has, and goes on registering it.
    case databaseStale
    /// An ETR tells nobody that its mappings have changed.
    case smrNotSent
    /// An ETR sends each SMR twice.
    case smrNotPaced
    /// An ITR does not act on SMRs.
    case smrNotHeard
    /// An ETR begins its nonces with the wall clock, even where that has been set back.
    case nonceFromWallClock
    /// An ITR hears what a path carries, and sends packets as large as before.
    case pathMTUIgnored
    /// An ITR probes no RLOC, whatever its operator wants.
    case probesOff

    /// The checks of which one has to find it.
    package var foundBy: Set<String> {
        switch self {
        case .ttlIgnored, .replyNonceUnchecked, .prioritiesMixedUp, .negativeTooWide: ["belief"]
        case .expiryOff: ["expiry"]
        case .clockStands: ["progress"]
        case .registerNonceUnchecked, .noncesNotSaved: ["registration"]
        case .registerKeyUnchecked, .notifyUnverified: ["authenticity"]
        case .heldPacketsUnlimited, .questionsUnlimited, .mapCacheUnlimited, .registrationsUnlimited: ["limit"]
        case .asksTwice, .registersTwice, .mapRequestsUnlimited: ["pace"]
        case .notifiesAnswered: ["sending", "pace"]
        case .updatesReversed, .deletionsForgotten: ["plane"]
        case .releasedTwice: ["packet"]
        case .registrationNotRepeated: ["agreement"]
        case .notifyToWrongPort: ["sending"]
        case .databaseStale: ["belief", "agreement"]
        case .smrNotSent, .smrNotHeard: ["news"]
        case .smrNotPaced: ["pace"]
        case .probesOff: ["healing"]
        case .pathMTUIgnored: ["path-mtu"]
        case .nonceFromWallClock: ["registration"]
        }
    }

    package func behaviour() -> any FaultyBehaviour {
        switch self {
        case .ttlIgnored: RecordRewriting { if !$0.locators.isEmpty { $0.ttlMinutes = 24 * 60 } }
        case .expiryOff: DeafToTime()
        case .clockStands: ClockStanding()
        case .replyNonceUnchecked: ReplyNonceUnchecked()
        case .prioritiesMixedUp:
            RecordRewriting { record in
                for index in record.locators.indices { record.locators[index].priority = 1 }
                for index in record.locators.indices { record.locators[index].weight = 1 }
            }
        case .negativeTooWide: NegativeWidening()
        case .registerNonceUnchecked:
            SettingsRewriting { settings in
                for index in settings.mapServer?.sites.indices ?? 0..<0 {
                    settings.mapServer?.sites[index].nonceCheck = .off
                }
            }
        case .noncesNotSaved: NoncesNotSaved()
        case .registerKeyUnchecked: KeyUnchecked(.mapRegister)
        case .notifyUnverified: KeyUnchecked(.mapNotify)
        case .heldPacketsUnlimited:
            LimitRewriting { $0.held = HeldPackets.Limits(packetsPerEID: .max, octets: .max) }
        case .questionsUnlimited: LimitRewriting { $0.questions = .max }
        case .mapCacheUnlimited: SettingsRewriting { $0.itr?.mapCacheLimit = .max }
        case .mapRequestsUnlimited: SettingsRewriting { $0.itr?.mapRequestLimits = MapRequestLimits() }
        case .registrationsUnlimited: LimitRewriting { $0.registry.prefixesPerConfigured = .max }
        case .asksTwice: ActionRewriting(Self.askTwice)
        case .registersTwice:
            ActionRewriting { action, _ in
                guard case .send(let datagram) = action, ControlMessageKind(payload: datagram.payload) == .mapRegister
                else { return [action] }
                return [action, action]
            }
        case .notifiesAnswered: NotifiesAnswered()
        case .updatesReversed:
            ActionRewriting { action, _ in
                guard case .forwarding(let updates) = action else { return [action] }
                return [.forwarding(updates.reversed())]
            }
        case .deletionsForgotten:
            ActionRewriting { action, _ in
                guard case .forwarding(let updates) = action else { return [action] }
                return [
                    .forwarding(
                        updates.filter { update in
                            if case .deleteEntry = update { false } else { true }
                        }
                    )
                ]
            }
        case .releasedTwice:
            ActionRewriting { action, _ in
                guard case .release = action else { return [action] }
                return [action, action]
            }
        case .registrationNotRepeated:
            ActionRewriting { action, node in
                guard case .send(let datagram) = action, ControlMessageKind(payload: datagram.payload) == .mapRegister,
                    node.router.etr?.registrars.allSatisfy({ $0.lastAcknowledged != nil }) ?? false
                else { return [action] }
                return []
            }
        case .notifyToWrongPort:
            ActionRewriting { action, _ in
                guard case .send(var datagram) = action, ControlMessageKind(payload: datagram.payload) == .mapNotify
                else { return [action] }
                datagram.destination.port = 1
                return [.send(datagram)]
            }
        case .databaseStale: DatabaseStale()
        case .smrNotSent:
            ActionRewriting { action, _ in
                if case .solicit = action { [] } else { [action] }
            }
        case .smrNotPaced:
            ActionRewriting { action, _ in
                guard case .send(let datagram) = action, isSMR(datagram.payload) else { return [action] }
                return [action, action]
            }
        case .smrNotHeard: SMRDeafness()
        case .nonceFromWallClock: NonceFromWallClock()
        case .pathMTUIgnored:
            ActionRewriting { action, _ in
                guard case .forwarding(let updates) = action else { return [action] }
                return [
                    .forwarding(
                        updates.map { update in
                            guard case .putLocator(let id, let rloc, let source, let isUp, _) = update else {
                                return update
                            }
                            return .putLocator(id, address: rloc, source: source, up: isUp, mtu: 0)
                        }
                    )
                ]
            }
        case .probesOff: SettingsRewriting { $0.itr?.rlocProbing.isEnabled = false }
        }
    }

    private static func askTwice(_ action: RouterAction, _ node: SimulatedRouter) -> [RouterAction] {
        guard case .send(let datagram) = action, node.router.mapResolver == nil, node.router.mapServer == nil,
            case .encapsulated(let ecm)? = try? ControlMessage(decoding: datagram.payload),
            let source = ecm.source, let destination = ecm.destination,
            var request = try? MapRequest(decoding: ecm.payload)
        else { return [action] }
        request.nonce = Nonce(rawValue: ~request.nonce.rawValue)
        let second = EncapsulatedControlMessage(
            source: source,
            destination: destination,
            payload: request.encoded()
        )
        let again = ControlDatagram(
            payload: second.encoded(),
            destination: datagram.destination,
            source: datagram.source
        )
        return [action, .send(again)]
    }

    package enum Role: Sendable {
        case itr
        case etr
        case mapServer
        case mapResolver
    }

    /// Whether a router with these roles can have it.
    func concerns(_ roles: Set<Role>) -> Bool {
        switch self {
        case .ttlIgnored, .replyNonceUnchecked, .prioritiesMixedUp, .negativeTooWide, .heldPacketsUnlimited,
            .questionsUnlimited, .mapCacheUnlimited, .mapRequestsUnlimited, .asksTwice, .updatesReversed,
            .deletionsForgotten, .releasedTwice, .smrNotHeard, .probesOff, .pathMTUIgnored:
            roles.contains(.itr)
        case .expiryOff:
            // Time stands still for the whole router.
            roles == [.itr]
        case .registerNonceUnchecked, .noncesNotSaved, .registerKeyUnchecked, .registrationsUnlimited,
            .notifyToWrongPort:
            roles.contains(.mapServer)
        case .notifyUnverified, .registersTwice, .notifiesAnswered, .databaseStale, .registrationNotRepeated,
            .clockStands, .smrNotSent, .smrNotPaced, .nonceFromWallClock:
            roles.contains(.etr)
        }
    }
}

/// Changes the records of Map-Replies.
final class RecordRewriting: FaultyBehaviour {
    private let change: (inout EIDRecord) -> Void

    init(_ change: @escaping (inout EIDRecord) -> Void) {
        self.change = change
    }

    func receives(_ message: ReceivedControlMessage, at node: SimulatedRouter) -> ReceivedControlMessage? {
        guard var reply = mapReply(message) else { return message }
        for index in reply.records.indices { change(&reply.records[index]) }
        var message = message
        message.payload = reply.encoded()
        return message
    }
}

private func mapReply(_ message: ReceivedControlMessage) -> MapReply? {
    guard ControlMessageKind(payload: message.payload) == .mapReply else { return nil }
    return try? MapReply(decoding: message.payload)
}

/// Negative records cover sixteen times as much.
final class NegativeWidening: FaultyBehaviour {
    func receives(_ message: ReceivedControlMessage, at node: SimulatedRouter) -> ReceivedControlMessage? {
        guard var reply = mapReply(message) else { return message }
        reply.records = reply.records.map { record in
            guard record.locators.isEmpty, let eid = record.eidPrefix, eid.prefix.length > 4 else { return record }
            let wide = IPPrefix(
                family: eid.prefix.family,
                leftAligned: eid.prefix.address.leftAligned,
                length: eid.prefix.length - 4
            )
            var wider = EIDRecord(
                eidPrefix: EIDPrefix(instanceID: eid.instanceID, wide),
                ttlMinutes: record.ttlMinutes,
                action: record.action,
                locators: []
            )
            wider.isAuthoritative = record.isAuthoritative
            return wider
        }
        var message = message
        message.payload = reply.encoded()
        return message
    }
}

private func isSMR(_ payload: [UInt8]) -> Bool {
    guard ControlMessageKind(payload: payload) == .mapRequest else { return false }
    return (try? MapRequest(decoding: payload))?.isSMR ?? false
}

/// Never hears that a mapping has changed.
final class SMRDeafness: FaultyBehaviour {
    func receives(_ message: ReceivedControlMessage, at node: SimulatedRouter) -> ReceivedControlMessage? {
        isSMR(message.payload) ? nil : message
    }
}

/// Gives every Map-Reply the nonce of an open question that it could answer, if there is one.
final class ReplyNonceUnchecked: FaultyBehaviour {
    private var open: [(nonce: Nonce, eid: EIDPrefix)] = []

    func acts(_ actions: [RouterAction], at node: SimulatedRouter) -> [RouterAction] {
        for case .send(let datagram) in actions {
            guard case .encapsulated(let ecm)? = try? ControlMessage(decoding: datagram.payload),
                let request = try? MapRequest(decoding: ecm.payload), let eid = request.records.first?.eidPrefix
            else { continue }
            open = open.suffix(31) + [(request.nonce, eid)]
        }
        return actions
    }

    func receives(_ message: ReceivedControlMessage, at node: SimulatedRouter) -> ReceivedControlMessage? {
        guard var reply = mapReply(message) else { return message }
        if open.contains(where: { $0.nonce == reply.nonce }) { return message }
        guard
            let question = open.last(where: { question in
                reply.records.contains { $0.eidPrefix?.covers(question.eid) ?? false }
            })
        else { return message }
        reply.nonce = question.nonce
        var message = message
        message.payload = reply.encoded()
        return message
    }
}

/// Signs messages of one kind anew, with a key that the router knows for them.
final class KeyUnchecked: FaultyBehaviour {
    private let kind: ControlMessageKind

    init(_ kind: ControlMessageKind) {
        self.kind = kind
    }

    func receives(_ message: ReceivedControlMessage, at node: SimulatedRouter) -> ReceivedControlMessage? {
        guard ControlMessageKind(payload: message.payload) == kind, let key = key(for: message, at: node),
            key.verifies(message.payload) != .ok
        else { return message }
        var message = message
        switch kind {
        case .mapRegister:
            guard var register = try? MapRegister(decoding: message.payload) else { return message }
            register.authentication = Authentication(placeholderFor: key)
            message.payload = register.encoded()
        default:
            guard var notify = try? MapNotify(decoding: message.payload) else { return message }
            notify.authentication = Authentication(placeholderFor: key)
            message.payload = notify.encoded()
        }
        key.sign(&message.payload)
        return message
    }

    private func key(for message: ReceivedControlMessage, at node: SimulatedRouter) -> AuthenticationKey? {
        switch kind {
        case .mapRegister:
            guard let register = try? MapRegister(decoding: message.payload),
                let eid = register.records.first?.eidPrefix,
                let site = node.router.mapServer?.registry.configured.longestMatch(eid)?.value.site
            else { return nil }
            return node.settings.mapServer?.sites.first { $0.name == site }?.keys.first
        default:
            return node.settings.etr?.mapServers.first?.keys.first
        }
    }
}

/// Never learns that its deadlines have passed.
final class DeafToTime: FaultyBehaviour {
    func hasTime(_ node: SimulatedRouter) -> Bool { false }
}

/// Takes it for the start of everything.
final class ClockStanding: FaultyBehaviour {
    func time(_ now: Instant) -> Instant { now == .zero ? now : Instant(nanoseconds: 1) }
}

/// Runs with other settings than its operator wrote.
final class SettingsRewriting: FaultyBehaviour {
    private let change: (inout RouterSettings) -> Void

    init(_ change: @escaping (inout RouterSettings) -> Void) {
        self.change = change
    }

    func configures(_ settings: RouterSettings) -> RouterSettings {
        var settings = settings
        change(&settings)
        return settings
    }
}

/// Runs with other limits than its operator set.
final class LimitRewriting: FaultyBehaviour {
    private let change: (inout RouterLimits) -> Void

    init(_ change: @escaping (inout RouterLimits) -> Void) {
        self.change = change
    }

    func limits(_ limits: RouterLimits) -> RouterLimits {
        var limits = limits
        change(&limits)
        return limits
    }
}

/// Does other things than the router decided.
final class ActionRewriting: FaultyBehaviour {
    private let change: (RouterAction, SimulatedRouter) -> [RouterAction]

    init(_ change: @escaping (RouterAction, SimulatedRouter) -> [RouterAction]) {
        self.change = change
    }

    func acts(_ actions: [RouterAction], at node: SimulatedRouter) -> [RouterAction] {
        actions.flatMap { change($0, node) }
    }
}

/// Answers each Map-Notify with its last Map-Register.
final class NotifiesAnswered: FaultyBehaviour {
    private var last: ControlDatagram?
    private var isAnswering = false

    func receives(_ message: ReceivedControlMessage, at node: SimulatedRouter) -> ReceivedControlMessage? {
        isAnswering = ControlMessageKind(payload: message.payload) == .mapNotify
        return message
    }

    func acts(_ actions: [RouterAction], at node: SimulatedRouter) -> [RouterAction] {
        for case .send(let datagram) in actions where ControlMessageKind(payload: datagram.payload) == .mapRegister {
            last = datagram
        }
        guard isAnswering, let last else { return actions }
        isAnswering = false
        return actions + [.send(last)]
    }
}

/// Forgets its nonces with each restart.
final class NoncesNotSaved: FaultyBehaviour {
    func restores(_ nonces: NonceGuard) -> NonceGuard { NonceGuard() }
}

/// Does not look at what it saved of its own nonces.
final class NonceFromWallClock: FaultyBehaviour {
    func firstNonce(saved: UInt64, wall: UInt64) -> UInt64 { wall }
}

/// Takes over no change of its database.
final class DatabaseStale: FaultyBehaviour {
    private var first: [DatabaseMapping]?

    func configures(_ settings: RouterSettings) -> RouterSettings {
        guard let mappings = settings.etr?.mappings else { return settings }
        var settings = settings
        if let first { settings.etr?.mappings = first } else { first = mappings }
        return settings
    }
}
