// Interworking with the world outside of LISP (RFC 6832): a Proxy-ITR asks as one, and what a host outside sends to a site is
// answered, through a Proxy-ETR where the site has some.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

package final class ProxyCheck: Check {
    package let name = "proxy"

    /// A packet from a site to a host outside.
    private struct Answer {
        let packet: UInt64
        let from: Int
        let to: EID
    }

    private var answers: [Answer] = []
    /// Packets that came back to a host outside.
    package private(set) var returned = 0

    package init() {}

    /// RFC 9301 section 5.2: the p-bit, and no source EID.
    package func sent(_ message: SentMessage, by node: SimulatedRouter, in network: SimulatedNetwork) {
        // One that is passed on is not the router's own question.
        guard network.causes == 0, message.kind == .encapsulated, let request = message.encapsulatedRequest else {
            return
        }
        let isProxy = node.settings.itr?.proxyITR != nil
        if request.isPITR != isProxy {
            network.violate(self, node, "asks \(isProxy ? "without" : "with") the p-bit: \(request.nonce)")
        }
        if isProxy, request.sourceEID != .none {
            network.violate(self, node, "asks with a source EID as a Proxy-ITR: \(request.nonce)")
        }
    }

    /// The host that got a packet from outside answers.
    package func answer(_ host: EID, from source: EID, at node: SimulatedRouter, in network: SimulatedNetwork) {
        guard node.router.itr != nil, usableProxies(of: node, network)?.isEmpty != true else { return }
        let packet = network.packet(at: node, from: source, to: host, isWatched: true)
        answers.append(Answer(packet: packet, from: node.index, to: host))
    }

    /// The Proxy-ETRs that can be used there now; `nil` if none are configured, so that packets leave natively.
    private func usableProxies(of node: SimulatedRouter, _ network: SimulatedNetwork) -> [SimulatedRouter]? {
        guard let proxies = node.settings.itr?.proxyETRs, !proxies.isEmpty else { return nil }
        let families = Set(node.addresses.map(\.family))
        return proxies.filter { families.contains($0.address.family) }.compactMap { network.router(at: $0.address) }
            .filter(\.isUp)
    }

    /// Whether all answers arrived.
    package func finish(in network: SimulatedNetwork) {
        for answer in answers {
            let node = network.routers[answer.from]
            let proxies = usableProxies(of: node, network)
            switch network.watched.removeValue(forKey: answer.packet) ?? .nowhere {
            case .outside(let end) where proxies?.contains { $0.index == end } ?? (end == answer.from):
                returned += 1
            case .outside(let end):
                let way = proxies == nil ? "natively" : "by a Proxy-ETR of its own"
                let name = network.routers[end].name
                network.violate(self, node, "packet \(answer.packet) to \(answer.to) left at \(name), not \(way)")
            case .delivered, .nowhere:
                network.violate(self, node, "packet \(answer.packet) to \(answer.to) outside never arrived")
            }
        }
        answers = []
    }
}
