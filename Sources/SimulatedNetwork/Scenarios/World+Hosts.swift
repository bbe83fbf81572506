// What the hosts of a world send.
//
// Either single packets at random, each an event; or, where there are too many for that, flows that go both ways: a burst of
// packets now and then, which is there at once if the forwarding state knows the way (`SimulatedNetwork.burst`).

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

extension World {
    func startHosts() {
        for node in itrs {
            if let flows = shape.flows {
                startFlows(at: node, flows)
            } else {
                startPackets(at: node)
            }
        }
    }

    // MARK: Packets

    /// Every ITR's hosts send to a few favourites most of the time, now and then to any EID of any site, and to what is no
    /// site at all.
    private func startPackets(at node: SimulatedRouter) {
        var favourites: [EID] = []
        network.hosts(behind: node, after: .seconds(2) + hostRandom.duration(upTo: .seconds(3))) { [unowned self] in
            guard !hostsAreSilent else { return nil }
            if favourites.count < 4 || hostRandom.chance(perMille: 5) {
                favourites = favourites.suffix(3) + [anySite().host(using: &hostRandom)]
            }
            let destination =
                switch hostRandom.below(100) {
                case 0..<75: favourites[hostRandom.below(favourites.count)]
                case 75..<93: anySite().host(using: &hostRandom)
                default: stranger()
                }
            for _ in 0..<(1 + hostRandom.below(3)) {
                network.packet(at: node, from: source(at: node, destination), to: destination)
            }
            return hostRandom.duration(upTo: shape.packetInterval * 2)
        }
    }

    private func anySite() -> Site { sites[hostRandom.below(sites.count)] }

    /// An EID of the space that no site has, or outside of it.
    private func stranger() -> EID {
        let inside = hostRandom.chance(perMille: 500)
        let address = (inside ? 0x0aff_0000 : 0x0808_0000) + UInt32(hostRandom.below(2000))
        return EID(.v4(IPv4Address(address)))
    }

    /// A host behind `node` that sends to `destination`.
    func source(at node: SimulatedRouter, _ destination: EID) -> EID {
        if let outside = outsideSource(at: node, destination) { return outside }
        let site = site(of: node)?.index ?? 0x3f00
        let host: UInt128 =
            destination.address.family == .ipv4
            ? UInt128(0x0a00_0001 + site << 10) << 96
            : UInt128(0x2001_0db8) << 96 | UInt128(site) << 80 | 1
        return EID(
            instanceID: destination.instanceID,
            IPAddress(family: destination.address.family, leftAligned: host)
        )
    }

    // MARK: Flows

    private struct Flow {
        let source: EID
        let destination: EID
        /// Through which Proxy-ITR the other side answers, if that is outside of LISP.
        let proxy: SimulatedRouter?
        let end: Instant
        /// What goes there, and what comes back.
        var size = PacketSize(octets: 100)
        var answerSize = PacketSize(octets: 100)
    }

    /// Sites that everybody talks to.
    private static let popularSites = 4
    /// The world outside is larger than a site.
    private static let flowsOfProxies = 8.0

    private func startFlows(at node: SimulatedRouter, _ shape: FlowShape) {
        var flows: [Flow] = []
        let isProxy = site(of: node) == nil
        let concurrent = shape.concurrent * (isProxy ? Self.flowsOfProxies : 1)
        // Begun in each interval, on average.
        var births = concurrent
        network.hosts(behind: node, after: hostRandom.duration(upTo: shape.interval)) { [unowned self] in
            guard !hostsAreSilent else { return nil }
            flows.removeAll { $0.end <= network.now }
            var perMille = Int(births * 1000)
            births = concurrent * (shape.interval / shape.duration)
            while perMille > 0 {
                if hostRandom.chance(perMille: perMille), var flow = newFlow(at: node, shape) {
                    flow.size = packetSize(flow.destination.address.family, at: node)
                    flow.answerSize = packetSize(flow.destination.address.family, at: node)
                    flows.append(flow)
                }
                perMille -= 1000
            }
            for index in flows.indices { send(&flows[index], at: node) }
            return shape.interval * 3 / 4 + hostRandom.duration(upTo: shape.interval / 2)
        }
    }

    private func newFlow(at node: SimulatedRouter, _ shape: FlowShape) -> Flow? {
        let own = site(of: node)
        let kind = hostRandom.below(100)
        let end = network.now + hostRandom.duration(upTo: shape.duration * 2)
        if kind < 4 {
            let destination = stranger()
            return Flow(source: source(at: node, destination), destination: destination, proxy: nil, end: network.now)
        }
        let instanceID = own?.instanceID ?? InstanceID(uncheckedRawValue: kind % 5 == 0 ? 101 : 0)
        let isIPv6 = (own?.hasIPv6 ?? true) && hostRandom.chance(perMille: 300)
        if let own, kind < 20 {
            let family: AddressFamily = isIPv6 ? .ipv6 : .ipv4
            guard let host = outsideHost(family, instanceID, using: &hostRandom) else { return nil }
            let source = own.host(family, using: &hostRandom)
            return Flow(source: source, destination: host.eid, proxy: host.proxy, end: end)
        }
        guard let others = sitesOfInstance[instanceID], !others.isEmpty else { return nil }
        let isPopular = kind >= 90
        let other = others[hostRandom.below(isPopular ? min(Self.popularSites, others.count) : others.count)]
        guard other !== own else { return nil }
        let family: AddressFamily = isIPv6 && other.hasIPv6 ? .ipv6 : .ipv4
        let destination = other.host(family, using: &hostRandom)
        let source = own?.host(family, using: &hostRandom) ?? source(at: node, destination)
        return Flow(source: source, destination: destination, proxy: nil, end: end)
    }

    /// A burst there, and one back if that arrives.
    private func send(_ flow: inout Flow, at node: SimulatedRouter) {
        let count = 5 + hostRandom.below(20)
        let (source, destination) = (flow.source, flow.destination)
        switch network.burst(at: node, from: source, to: destination, count: count, size: &flow.size) {
        case .delivered(let index):
            guard index != node.index else { return }
            answer(&flow, at: network.routers[index], count)
        case .outside:
            guard let proxy = flow.proxy else { return }
            answer(&flow, at: proxy, count)
        case .nowhere: break
        }
    }

    private func answer(_ flow: inout Flow, at node: SimulatedRouter, _ count: Int) {
        let (source, destination) = (flow.source, flow.destination)
        network.burst(at: node, from: destination, to: source, count: count, size: &flow.answerSize)
    }

    /// As large as they can be where much is sent, else small; of IPv4 one flow in five without DF.
    private func packetSize(_ family: AddressFamily, at node: SimulatedRouter) -> PacketSize {
        let isLarge = hostRandom.chance(perMille: 500)
        let mayBeCut = family == .ipv4 && hostRandom.chance(perMille: 200)
        let octets = isLarge ? SimulatedNetwork.tunMTU(of: node) : 40 + hostRandom.below(400)
        return PacketSize(octets: octets, mayBeCut: mayBeCut)
    }
}
