// Only what was signed with the shared key counts: every Map-Register, Map-Notify and Map-Notify-Ack that a router accepts was
// made by a router, octet for octet (RFC 9301 sections 5.6, 5.7 and 9).

import LISPControl
import LISPTables
import LISPWire

package final class AuthenticityCheck: Check {
    package let name = "authenticity"

    /// Messages made in this period and in the one before, by digest.
    private var recent: Set<UInt64> = []
    private var older: Set<UInt64> = []
    private var turned = Instant.zero
    private static let period = Duration.seconds(12 * 3600)
    private var accepted: (register: UInt64, notify: UInt64, acknowledgement: UInt64) = (0, 0, 0)

    package init() {}

    private static func isSigned(_ kind: ControlMessageKind) -> Bool {
        switch kind {
        case .mapRegister, .mapNotify, .mapNotifyAck: true
        case .mapRequest, .mapReply, .encapsulated, .other: false
        }
    }

    private static func digest(_ payload: [UInt8]) -> UInt64 {
        var hash = TraceHash()
        hash.add(payload)
        return hash.value
    }

    private static func counts(_ node: SimulatedRouter) -> (register: UInt64, notify: UInt64, acknowledgement: UInt64) {
        let server = node.router.mapServer?.statistics
        let etr = node.router.etr?.statistics
        return (
            server?[.mapRegistersAccepted] ?? 0,
            (etr?[.mapNotifiesAccepted] ?? 0) + (etr?[.mapNotifiesUnsolicited] ?? 0),
            server?[.mapNotifyAcksAccepted] ?? 0
        )
    }

    package func sent(_ message: SentMessage, by node: SimulatedRouter, in network: SimulatedNetwork) {
        guard Self.isSigned(message.kind) else { return }
        if turned.duration(to: network.now) > Self.period {
            older = recent
            recent = []
            turned = network.now
        }
        recent.insert(Self.digest(message.payload))
    }

    package func receiving(_ message: ReceivedControlMessage, at node: SimulatedRouter, in network: SimulatedNetwork) {
        guard Self.isSigned(ControlMessageKind(payload: message.payload)) else { return }
        accepted = Self.counts(node)
    }

    package func received(_ message: ReceivedControlMessage, at node: SimulatedRouter, in network: SimulatedNetwork) {
        let kind = ControlMessageKind(payload: message.payload)
        guard Self.isSigned(kind), Self.counts(node) != accepted else { return }
        let digest = Self.digest(message.payload)
        if !recent.contains(digest), !older.contains(digest) {
            network.violate(self, node, "accepts a \(kind.rawValue) from \(message.source) that no router made")
        }
    }
}
