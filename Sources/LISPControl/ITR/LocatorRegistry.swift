// The RLOCs that entries of the map-cache share: one object each in the forwarding state, however many entries use it.

import ForwardingInterface
import LISPTables
import LISPWire

/// Hands out locator ids and counts who uses them.
package struct LocatorRegistry: Sendable {
    private struct Item {
        let id: LocatorID
        var users: Int
        /// When the first of them came.
        let since: Instant
    }

    private var items: [IPAddress: Item] = [:]
    private var nextID: UInt32 = 1

    package init() {}

    /// The RLOCs in use with their ids and since when they are, in order of address.
    package var locators: [(address: IPAddress, id: LocatorID, users: Int, since: Instant)] {
        items.map { ($0.key, $0.value.id, $0.value.users, $0.value.since) }.sorted { $0.0 < $1.0 }
    }

    package subscript(address: IPAddress) -> LocatorID? { items[address]?.id }

    /// One more user of `address`. The update, if any, has to reach the forwarding state before the id is used.
    package mutating func acquire(_ address: IPAddress, now: Instant) -> (id: LocatorID, update: ForwardingUpdate?) {
        if let item = items[address] {
            items[address]?.users += 1
            return (item.id, nil)
        }
        let id = LocatorID(rawValue: nextID)
        nextID &+= 1
        items[address] = Item(id: id, users: 1, since: now)
        return (id, .putLocator(id, address: address, source: nil, up: true, mtu: 0))
    }

    /// One user less. The update, if any, goes to the forwarding state after whatever used the id is gone from it.
    package mutating func release(_ address: IPAddress) -> ForwardingUpdate? {
        guard let item = items[address] else { return nil }
        if item.users > 1 {
            items[address]?.users -= 1
            return nil
        }
        items[address] = nil
        return .deleteLocator(item.id)
    }
}
