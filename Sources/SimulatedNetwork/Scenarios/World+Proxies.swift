// The proxies of a world and what is behind them: a world outside of LISP (RFC 6832).
//
// - Every Proxy-ITR attracts the whole EID space, in both instances, from a network of its own: 9.0.p.0/24 and 2001:db9:p::/48.
// - Every Proxy-ETR takes packets from the whole EID space, for anywhere outside.
// - Of four proxies two are both, one is a Proxy-ITR alone, one a Proxy-ETR alone.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

extension World {
    /// All EIDs there may be.
    static let eidSpace: [EIDPrefix] = [UInt32(0), 101].flatMap { instance in
        let instanceID = InstanceID(uncheckedRawValue: instance)
        return [
            EIDPrefix(
                instanceID: instanceID,
                IPPrefix(family: .ipv4, leftAligned: UInt128(0x0a00_0000) << 96, length: 8)
            ),
            EIDPrefix(
                instanceID: instanceID,
                IPPrefix(family: .ipv6, leftAligned: UInt128(0x2001_0db8) << 96, length: 32)
            ),
        ]
    }

    func buildProxies() {
        for number in 0..<shape.proxies {
            let isITR = number % 4 != 3
            let isETR = number % 4 != 2
            let rlocs = newRLOCs()
            var settings = RouterSettings()
            var roles: Set<SeededFault.Role> = []
            if isITR {
                var traits = Site.Traits()
                traits.probing = RLOCProbingSettings(isEnabled: true, interval: shape.probeInterval)
                settings.itr = itrSettings(rlocs, traits)
                settings.itr?.proxyITR = ProxyITRSettings(eidSpace: Self.eidSpace)
                roles.insert(.itr)
            }
            if isETR {
                // It answers RLOC-probes as an ETR without a site does.
                settings.etr = ETRSettings(
                    mappings: [],
                    mapServers: [],
                    xtrID: XTRID(rawValue: UInt128(1_000_000 + number)),
                    siteID: SiteID(rawValue: 0),
                    rlocs: rlocs
                )
                roles.insert(.etr)
            }
            let accepted = isETR ? Self.eidSpace : []
            let node = add("proxy\(number)", rlocs, settings, as: roles, acceptedSources: accepted)
            if isITR {
                proxyITRs.append(node)
                itrs.append(node)
            }
            if isETR { proxyETRs.append(node) }
        }
    }

    /// Two Proxy-ETRs for a site, one of them preferred.
    func someProxyETRs() -> [ProxyETR] {
        guard !proxyETRs.isEmpty else { return [] }
        let first = random.below(proxyETRs.count)
        var addresses: [IPAddress] = []
        var proxies: [ProxyETR] = []
        for (priority, node) in [(UInt8(1), proxyETRs[first]), (2, proxyETRs[(first + 1) % proxyETRs.count])] {
            for address in node.addresses where !addresses.contains(address) {
                addresses.append(address)
                proxies.append(ProxyETR(address: address, priority: priority, weight: 50))
            }
        }
        return proxies
    }

    /// A host of the world outside, and the Proxy-ITR through which it reaches EIDs; `nil` if there is none.
    func outsideHost(
        _ family: AddressFamily,
        _ instanceID: InstanceID,
        using random: inout SeededRandom
    ) -> (eid: EID, proxy: SimulatedRouter)? {
        guard !proxyITRs.isEmpty else { return nil }
        let number = random.below(proxyITRs.count)
        let host = outsideHost(family, instanceID, behind: number, 1 + random.below(200))
        return (host, proxyITRs[number])
    }

    private func outsideHost(_ family: AddressFamily, _ instanceID: InstanceID, behind number: Int, _ host: Int) -> EID
    {
        let bits =
            family == .ipv4
            ? UInt128(0x0900_0000 + number << 8 + host) << 96
            : UInt128(0x2001_0db9) << 96 | UInt128(number) << 80 | UInt128(host)
        return EID(instanceID: instanceID, IPAddress(family: family, leftAligned: bits))
    }

    /// A host behind a Proxy-ITR that sends to `destination`; `nil` if `node` is none.
    func outsideSource(at node: SimulatedRouter, _ destination: EID) -> EID? {
        guard shape.proxies > 0, let number = proxyITRs.firstIndex(where: { $0 === node }) else { return nil }
        return outsideHost(destination.address.family, destination.instanceID, behind: number, 201)
    }
}
