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
                addReplyRecord(
                    record.eidPrefix?.prefix.family,
                    isAuthoritative: record.isAuthoritative,
                    isNegative: record.locators.isEmpty,
                    isProbe: reply.isProbe,
                    direction
                )
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

    /// Counts an encoded Map-Reply or Map-Notify of ours by its outline.
    mutating func addSent(_ kind: ControlMessageKind, _ payload: [UInt8], _ records: [RecordOutline]) {
        switch kind {
        case .mapReply:
            for record in records {
                addReplyRecord(
                    record.family,
                    isAuthoritative: record.isAuthoritative,
                    isNegative: record.locatorCount == 0,
                    isProbe: payload[0] & 8 != 0,
                    .sent
                )
            }
        case .mapNotify:
            for record in records { add(MessageCount(.mapNotifyRecord, .sent), record.family) }
        case .mapRequest, .mapRegister, .mapNotifyAck, .encapsulated, .other: break
        }
    }

    mutating func addReplyRecord(
        _ family: AddressFamily?,
        isAuthoritative: Bool,
        isNegative: Bool,
        isProbe: Bool,
        _ direction: MessageCount.Direction
    ) {
        add(MessageCount(.mapReplyRecord, direction), family)
        add(MessageCount(isAuthoritative ? .authoritativeRecord : .nonAuthoritativeRecord, direction), family)
        if isNegative { add(MessageCount(.negativeRecord, direction), family) }
        if isProbe { add(MessageCount(.probeReplyRecord, direction), family) }
    }

    /// Counts a received `PlainMapRequest`.
    mutating func addPlainRequest(_ family: AddressFamily) {
        add(MessageCount(.mapRequest, .received), family)
        add(MessageCount(.encapsulatedMapRequest, .received), family)
    }

    mutating func add(_ request: MapRequest, _ direction: MessageCount.Direction, isEncapsulated: Bool) {
        add(request, direction, isEncapsulated: isEncapsulated, request.family)
    }

    /// - Parameter family: of the EID that is asked for first.
    mutating func add(
        _ request: MapRequest,
        _ direction: MessageCount.Direction,
        isEncapsulated: Bool,
        _ family: AddressFamily?
    ) {
        add(MessageCount(.mapRequest, direction), family)
        if isEncapsulated { add(MessageCount(.encapsulatedMapRequest, direction), family) }
        if request.isProbe { add(MessageCount(.probe, direction), family) }
        if request.isSMR { add(MessageCount(.solicitMapRequest, direction), family) }
    }
}
