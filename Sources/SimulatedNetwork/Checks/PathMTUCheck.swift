// What an ITR knows of the paths to RLOCs is the smallest that it was told since it last knew nothing, for ten minutes (RFC 1191 section
// 6.3, RFC 8201 section 4) and never below what its address family lets anybody say; it sends nothing larger; and so no flow
// is lost in a narrow path for long.
//
// A genuine ICMP error says what the path carried at that moment: all that is known to be less was forged, within the floors.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

package final class PathMTUCheck: Check {
    package let name = "path-mtu"

    /// What a router has to know, and since when by its own clock.
    private struct Told {
        let mtu: Int
        let at: Instant
    }

    /// RFC 791: what every host takes. RFC 8200: what every link carries.
    private static let floors: [AddressFamily: Int] = [.ipv4: 576, .ipv6: 1280]
    private static let lifetime = Duration.seconds(600)

    private var told: [Int: [IPAddress: Told]] = [:]
    /// When a router had to begin anew with an RLOC, in network time.
    private var forgotten: [Int: [IPAddress: Instant]] = [:]
    /// Between two bursts of a flow, at most.
    private let pause: Duration
    /// No ICMP error is lost, since when; `nil`: some are.
    private var calmSince: Instant?

    package init(pause: Duration) {
        self.pause = pause
    }

    /// From now on nothing goes wrong, or something does.
    package func setCalm(_ isCalm: Bool, now: Instant) {
        calmSince = isCalm ? calmSince ?? now : nil
    }

    private func expected(_ rloc: IPAddress, _ node: SimulatedRouter, _ network: SimulatedNetwork) -> Int? {
        guard let told = told[node.index]?[rloc] else { return nil }
        guard told.at.duration(to: network.time(at: node)) < Self.lifetime else {
            self.told[node.index]?[rloc] = nil
            return nil
        }
        return told.mtu
    }

    package func hearing(_ mtu: UInt16, of rloc: IPAddress, at node: SimulatedRouter, in network: SimulatedNetwork) {
        let floor = Self.floors[rloc.family, default: 0]
        guard rloc.family == .ipv4 || mtu >= floor else { return }
        let mtu = max(Int(mtu), floor)
        guard mtu < expected(rloc, node, network) ?? .max else { return }
        told[node.index, default: [:]][rloc] = Told(mtu: mtu, at: network.time(at: node))
    }

    package func tunnelled(_ octets: Int, to rloc: IPAddress, at node: SimulatedRouter, in network: SimulatedNetwork) {
        guard told[node.index] != nil, let mtu = expected(rloc, node, network), octets > mtu else { return }
        network.violate(self, node, "sends \(octets) octets to \(rloc), where \(mtu) get through")
    }

    package func tooLarge(
        since: Instant,
        _ packet: SimulatedPacket,
        to rloc: IPAddress,
        at node: SimulatedRouter,
        in network: SimulatedNetwork
    ) {
        // A burst finds out and the next one fits, or the one after that, if the ITR had to begin anew meanwhile.
        let patience = pause * 2 + network.longestTransit
        let anew = forgotten[node.index]?[rloc] ?? .zero
        guard let calmSince, max(since, calmSince, anew).duration(to: network.now) > patience else { return }
        let way = "from \(packet.source) to \(packet.destination)"
        let text = "packets \(way) are lost for their size since \(since.inSeconds)"
        network.violate(self, node, text)
    }

    /// An RLOC that is in use no longer is forgotten.
    package func updated(_ updates: [ForwardingUpdate], at node: SimulatedRouter, in network: SimulatedNetwork) {
        guard let known = told[node.index] else { return }
        for case .deleteLocator in updates {
            for rloc in known.keys where node.plane.locatorIDs[rloc] == nil {
                told[node.index]?[rloc] = nil
                forgotten[node.index, default: [:]][rloc] = network.now
            }
            return
        }
    }

    package func reset(
        _ node: SimulatedRouter,
        restarted: Bool,
        keepingState: Bool,
        in network: SimulatedNetwork
    ) {
        guard restarted else { return }
        for rloc in (told.removeValue(forKey: node.index) ?? [:]).keys {
            forgotten[node.index, default: [:]][rloc] = network.now
        }
    }

    package func audit(_ node: SimulatedRouter, in network: SimulatedNetwork) {
        for rloc in node.plane.locatorIDs.keys.sorted() {
            let known = node.router.itr?.pathMTU[rloc]
            if known != node.plane.mtu(of: rloc) {
                network.violate(self, node, "packets to \(rloc) go by another path MTU than is known")
            }
            // What is due at this moment may not be done yet.
            guard node.router.itr?.pathMTU.expires(rloc).map({ $0 > network.time(at: node) }) ?? true else { continue }
            let expected = expected(rloc, node, network)
            guard known.map(Int.init) != expected else { continue }
            let words = [known.map(Int.init), expected].map { $0.map(String.init) ?? "nothing" }
            network.violate(self, node, "knows \(words[0]) of the path to \(rloc), was told \(words[1])")
        }
    }
}
