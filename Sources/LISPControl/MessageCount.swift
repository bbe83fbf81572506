// Control messages and their records, counted by kind, direction and EID family, as `show statistics` lists them.

import LISPWire

/// One thing that messages or records are counted as.
package struct MessageCount: Hashable, Sendable {
    package enum Direction: Hashable, Sendable {
        case received
        case sent
    }

    package enum Kind: Hashable, Sendable {
        case mapRequest
        /// Among those: inside an Encapsulated Control Message.
        case encapsulatedMapRequest
        case probe
        case solicitMapRequest
        case mapReplyRecord
        /// Among those.
        case authoritativeRecord
        case nonAuthoritativeRecord
        case negativeRecord
        case probeReplyRecord
        case mapRegisterRecord
        case mapNotifyRecord
        case mapNotifyAck
    }

    package var kind: Kind
    package var direction: Direction

    package init(_ kind: Kind, _ direction: Direction) {
        self.kind = kind
        self.direction = direction
    }
}

extension Tally where Kind == MessageCount {
    /// Counts a message that decodes; what is inside an Encapsulated Control Message counts, too.
    mutating func add(_ message: ControlMessage, _ direction: MessageCount.Direction) {
        switch message {
        case .mapRequest(let request): add(request, direction, isEncapsulated: false)
        case .mapReply(let reply):
            for record in reply.records {
                let family = record.eidPrefix?.prefix.family
                add(MessageCount(.mapReplyRecord, direction), family)
                add(
                    MessageCount(record.isAuthoritative ? .authoritativeRecord : .nonAuthoritativeRecord, direction),
                    family
                )
                if record.locators.isEmpty { add(MessageCount(.negativeRecord, direction), family) }
                if reply.isProbe { add(MessageCount(.probeReplyRecord, direction), family) }
            }
        case .mapRegister(let register):
            for record in register.records {
                add(MessageCount(.mapRegisterRecord, direction), record.eidPrefix?.prefix.family)
            }
        case .mapNotify(let notify) where notify.isAcknowledgement:
            add(MessageCount(.mapNotifyAck, direction), notify.records.first?.eidPrefix?.prefix.family)
        case .mapNotify(let notify):
            for record in notify.records {
                add(MessageCount(.mapNotifyRecord, direction), record.eidPrefix?.prefix.family)
            }
        case .encapsulated(let ecm):
            guard case .mapRequest(let request) = try? ecm.decodePayload() else { return }
            add(request, direction, isEncapsulated: true)
        case .mapReferral, .info, .sharedExtension: break
        }
    }

    private mutating func add(_ request: MapRequest, _ direction: MessageCount.Direction, isEncapsulated: Bool) {
        let family = request.family
        add(MessageCount(.mapRequest, direction), family)
        if isEncapsulated { add(MessageCount(.encapsulatedMapRequest, direction), family) }
        if request.isProbe { add(MessageCount(.probe, direction), family) }
        if request.isSMR { add(MessageCount(.solicitMapRequest, direction), family) }
    }
}
