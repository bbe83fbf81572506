// The forwarding plane is told in the right order, and holds what the map-cache holds and nothing else.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

package final class PlaneCheck: Check {
    package let name = "plane"

    package init() {}

    package func updated(_ updates: [ForwardingUpdate], at node: SimulatedRouter, in network: SimulatedNetwork) {
        for fault in node.plane.takeFaults() { network.violate(self, node, fault) }
    }

    package func forwarded(
        _ packet: SimulatedPacket,
        by eid: EIDPrefix,
        at node: SimulatedRouter,
        in network: SimulatedNetwork
    ) {
        if node.router.itr?.cache[eid] == nil {
            network.violate(self, node, "a packet went by \(eid), which the map-cache does not have")
        }
    }

    package func audit(_ node: SimulatedRouter, in network: SimulatedNetwork) {
        guard let itr = node.router.itr else {
            if !node.plane.isEmpty { network.violate(self, node, "forwarding state without an ITR") }
            return
        }
        let plane = node.plane
        // Entries whose locators are the same may share a set.
        var sets: Set<LocatorSetID> = []
        var used = Set(itr.proxyETRs.compactMap(\.id))
        if !itr.proxyETRs.isEmpty { sets.insert(ITR.proxyETRSet) }
        var key: EIDPrefix?
        while let entry = itr.cache.first(after: key) {
            key = entry.eid
            let expected = ReferencePlane.Entry(mapping: entry.mapping, action: itr.forwardingAction(entry))
            guard let here = plane.entries[entry.eid] else {
                network.violate(self, node, "\(entry.eid) is not in the forwarding state")
                continue
            }
            if here != expected { network.violate(self, node, "\(entry.eid) is \(here) there, not \(expected)") }
            guard !entry.isNegative else { continue }
            sets.insert(entry.locatorSet)
            let slots = plane.sets[entry.locatorSet] ?? []
            used.formUnion(slots.map(\.locator))
            let addresses = slots.map { Slot(plane.locators[$0.locator], $0.priority, $0.weight) }
            let usable = Self.usable(entry, itr.settings)
            if addresses != usable {
                network.violate(self, node, "\(entry.eid) uses \(addresses), its mapping has \(usable)")
            }
        }
        if plane.entries.count != itr.cache.count {
            network.violate(self, node, "\(plane.entries.count) entries for \(itr.cache.count) of the map-cache")
        }
        if plane.sets.count != sets.count {
            network.violate(self, node, "\(plane.sets.count) locator sets, of which \(sets.count) are used")
        }
        if plane.locators.count != used.count {
            network.violate(self, node, "\(plane.locators.count) locators, of which \(used.count) are used")
        }
    }

    private struct Slot: Equatable, CustomStringConvertible {
        let address: IPAddress?
        let priority: UInt8
        let weight: UInt8

        init(_ address: IPAddress?, _ priority: UInt8, _ weight: UInt8) {
            self.address = address
            self.priority = priority
            self.weight = weight
        }

        var description: String { "\(address.map(\.description) ?? "nothing")/\(priority)/\(weight)" }
    }

    private static func usable(_ entry: MapCacheEntry, _ settings: ITRSettings) -> [Slot] {
        let families = Set(settings.rlocs.map(\.family))
        return entry.locators.compactMap { locator in
            let record = locator.record
            guard let address = locator.address, record.isReachable, record.priority != 255,
                families.contains(address.family), address.canBeRLOC
            else { return nil }
            return Slot(address, record.priority, record.weight)
        }
    }
}
