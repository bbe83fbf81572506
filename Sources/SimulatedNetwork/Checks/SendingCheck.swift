// What is sent is fit to be sent: it decodes, comes from an address of the router and from port 4342, goes to whom it answers,
// fits the path, and no message goes round.

import LISPControl
import LISPTables
import LISPWire

package final class SendingCheck: Check {
    package let name = "sending"

    package init() {}

    package func sent(_ message: SentMessage, by node: SimulatedRouter, in network: SimulatedNetwork) {
        if let fault = fault(of: message, by: node, network) {
            network.violate(self, node, "\(message.kind.rawValue) to \(message.destination): \(fault)")
        }
    }

    private func fault(of message: SentMessage, by node: SimulatedRouter, _ network: SimulatedNetwork) -> String? {
        guard let decoded = message.decoded else { return "it does not decode" }
        guard message.destination.port != 0, !message.destination.address.isUnspecified else { return "to nowhere" }
        if network.causes > SimulatedNetwork.longestChain { return "the \(network.causes). message of a chain" }
        switch decoded {
        case .mapRegister:
            let room = message.destination.address.family == .ipv4 ? 576 - 28 : 1280 - 48
            // A record that alone is larger travels alone.
            guard case .mapRegister(let register) = decoded, register.records.count > 1 else { return nil }
            return message.payload.count > room ? "\(message.payload.count) octets do not fit every path" : nil
        case .mapNotify(let notify) where !notify.isAcknowledgement:
            guard let cause = network.cause, case .mapRegister(let register)? = network.causeMessage,
                register.nonce == notify.nonce
            else { return nil }
            return message.destination == cause.source ? nil : "its Map-Register came from \(cause.source)"
        case .mapReply(let reply):
            guard let request = network.causeRequest else { return "nobody asks" }
            guard request.nonce == reply.nonce else { return "another nonce than was asked with" }
            return request.itrRLOCs.contains(.ip(message.destination.address))
                ? nil : "that is no ITR-RLOC of its Map-Request"
        default: return nil
        }
    }
}
