// Nothing that attackers made is anywhere: not in a map-cache, a forwarding state or a registry, and no packet goes to them.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

package final class InnocenceCheck: Check {
    package let name = "innocence"

    private let attackers = Set(Attacker.rlocs)
    /// Before the message that is being dealt with.
    private var repeated: UInt64 = 0
    private var sources: [ETRIdentity: IPAddress] = [:]

    package init() {}

    package func updated(_ updates: [ForwardingUpdate], at node: SimulatedRouter, in network: SimulatedNetwork) {
        for case .putLocator(_, let address, _, _, _) in updates where attackers.contains(address) {
            network.violate(self, node, "packets would go to the attacker's \(address)")
        }
    }

    package func receiving(_ message: ReceivedControlMessage, at node: SimulatedRouter, in network: SimulatedNetwork) {
        guard isForeignRegister(message), let server = node.router.mapServer else { return }
        repeated = server.statistics[.mapRegistersRepeated]
        sources = Dictionary(
            Self.registrations(of: message, at: server).map { ($0.etr, $0.source.address) },
            uniquingKeysWith: { first, _ in first }
        )
    }

    package func received(_ message: ReceivedControlMessage, at node: SimulatedRouter, in network: SimulatedNetwork) {
        guard isForeignRegister(message), let server = node.router.mapServer else { return }
        let registrations = Self.registrations(of: message, at: server)
        for registration in registrations {
            let locators = registration.record.locators.compactMap(\.address.ipAddress)
            if locators.contains(where: attackers.contains) {
                network.violate(self, node, "\(registration.etr) is registered at the attacker's RLOC")
            }
        }
        // One that is the last accepted again may keep its registrations alive, no more: what the Map-Server sends the ETR must not
        // go to the attacker from then on.
        guard server.statistics[.mapRegistersRepeated] != repeated else { return }
        for registration in registrations where attackers.contains(registration.source.address) {
            guard let before = sources[registration.etr], !attackers.contains(before) else { continue }
            network.violate(self, node, "a repeated Map-Register takes Map-Notifies to \(message.source)")
        }
    }

    private func isForeignRegister(_ message: ReceivedControlMessage) -> Bool {
        attackers.contains(message.source.address) && ControlMessageKind(payload: message.payload) == .mapRegister
    }

    /// Those of the EID-prefixes in a Map-Register.
    private static func registrations(of message: ReceivedControlMessage, at server: MapServer) -> [ETRRegistration] {
        guard let register = try? MapRegister(decoding: message.payload) else { return [] }
        return register.records.compactMap(\.eidPrefix).flatMap { server.registry.entry(for: $0)?.registrations ?? [] }
    }

    package func audit(_ node: SimulatedRouter, in network: SimulatedNetwork) {
        if let rloc = node.plane.locators.values.first(where: attackers.contains) {
            network.violate(self, node, "the forwarding state has the attacker's \(rloc)")
        }
        guard let itr = node.router.itr else { return }
        for rloc in attackers where itr.locators[rloc] != nil {
            network.violate(self, node, "the map-cache has the attacker's \(rloc)")
        }
    }
}
