// What a router went through lately, for whoever reads why a check failed.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

/// One event at one router.
package struct TraceEntry: Sendable {
    package enum Event: Sendable {
        case received([UInt8], from: Endpoint, to: IPAddress)
        case sent([UInt8], from: IPAddress?, to: Endpoint)
        case forwarding(ForwardingUpdate)
        case packet(SimulatedPacket, String)
        case note(RouterNote)
        case life(String)
    }

    package let at: Instant
    package let event: Event
}

extension TraceEntry: CustomStringConvertible {
    package var description: String { "\(at.inSeconds)  \(text)" }

    private var text: String {
        switch event {
        case .received(let payload, let source, let local):
            "<- \(source) at \(local): \(Self.summary(of: payload))"
        case .sent(let payload, let source, let destination):
            "-> \(destination) from \(source.map(\.description) ?? "?"): \(Self.summary(of: payload))"
        case .forwarding(let update): Self.summary(of: update)
        case .packet(let packet, let fate): "packet \(packet.id) \(packet.source) to \(packet.destination): \(fate)"
        case .note(let note): "note: \(note)"
        case .life(let text): text
        }
    }

    private static func summary(of update: ForwardingUpdate) -> String {
        switch update {
        case .putLocator(let id, let address, _, let isUp, _):
            "put locator \(id.rawValue): \(address)\(isUp ? "" : " down")"
        case .deleteLocator(let id): "delete locator \(id.rawValue)"
        case .putLocatorSet(let id, let slots):
            "put set \(id.rawValue): "
                + slots.map { "\($0.locator.rawValue)/\($0.priority)/\($0.weight)" }.joined(separator: " ")
        case .deleteLocatorSet(let id): "delete set \(id.rawValue)"
        case .putEntry(let eid, let mapping, let action): "put entry \(eid), mapping \(mapping.rawValue): \(action)"
        case .deleteEntry(let eid): "delete entry \(eid)"
        case .putOwnPrefix(let eid): "put own prefix \(eid)"
        case .deleteOwnPrefix(let eid): "delete own prefix \(eid)"
        case .putAcceptedSource(let eid): "accept source \(eid)"
        case .deleteAcceptedSource(let eid): "accept source \(eid) no more"
        case .putAccount(let eid, let mapping): "count the traffic of \(eid) for mapping \(mapping.rawValue)"
        case .deleteAccount(let eid): "count the traffic of \(eid) no more"
        case .setHeaderHints(let hints): "set header hints \(hints.rawValue)"
        case .putStatusBits(let eid, let bits):
            "status bits of \(eid): \(bits.map { String($0, radix: 2) } ?? "none")"
        case .requestEcho(let id, let nonce):
            nonce.map { "ask locator \(id.rawValue) to echo \($0)" } ?? "ask locator \(id.rawValue) no more"
        case .setErrorSource(let instance, let family, let address):
            "set the source of \(family) errors of instance \(instance): \(address.map(\.description) ?? "none")"
        }
    }

    /// A control message in one line.
    package static func summary(of payload: [UInt8]) -> String {
        let kind = ControlMessageKind(payload: payload).rawValue
        guard let message = try? ControlMessage(decoding: payload, zeroInnerChecksum: .accept) else {
            return "\(kind) of \(payload.count) octets that does not decode"
        }
        switch message {
        case .mapRequest(let request):
            let eids = request.records.map { $0.eidPrefix.map(\.description) ?? "?" }.joined(separator: " ")
            let flags = (request.isProbe ? " probe" : "") + (request.isSMR ? " SMR" : "")
            return "\(kind)\(flags) \(request.nonce) for \(eids)"
        case .mapReply(let reply): return "\(kind) \(reply.nonce) \(summary(of: reply.records))"
        case .mapRegister(let register): return "\(kind) \(register.nonce) \(summary(of: register.records))"
        case .mapNotify(let notify): return "\(kind) \(notify.nonce) \(summary(of: notify.records))"
        case .encapsulated(let ecm): return "ECM: \(summary(of: ecm.payload))"
        case .mapReferral, .info, .sharedExtension: return kind
        }
    }

    private static func summary(of records: [EIDRecord]) -> String {
        records.map { record in
            let eid = record.eidPrefix.map(\.description) ?? "?"
            let locators = record.locators.map { locator in
                let address = locator.address.ipAddress.map(\.description) ?? "?"
                return "\(address)/\(locator.priority)/\(locator.weight)\(locator.isReachable ? "" : " down")"
            }
            let rlocs = locators.isEmpty ? "\(record.action)" : locators.joined(separator: ",")
            return "[\(eid) ttl \(record.ttlMinutes)\(record.isAuthoritative ? " A" : ""): \(rlocs)]"
        }.joined(separator: " ")
    }
}

extension Instant {
    /// As `12.345678 s` since the start of the run.
    package var inSeconds: String {
        let micros = nanoseconds / 1000
        let digits = String(micros % 1_000_000)
        return "\(micros / 1_000_000).\(String(repeating: "0", count: 6 - digits.count))\(digits) s"
    }
}

/// The last events, oldest first.
package struct TraceRing: Sendable {
    private var entries: [TraceEntry] = []
    private var next = 0
    private let limit: Int

    package init(limit: Int) {
        self.limit = limit
    }

    package mutating func add(_ entry: TraceEntry) {
        if entries.count < limit {
            entries.append(entry)
        } else if limit > 0 {
            entries[next] = entry
            next = (next + 1) % limit
        }
    }

    package var all: [TraceEntry] { Array(entries[next...] + entries[..<next]) }
}
