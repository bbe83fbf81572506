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
        /// An entry that came to use it; it may have gone since.
        var lastUser: EIDPrefix?
    }

    /// By the host prefix of the RLOC.
    private var items = PrefixTable<Item>()
    private var nextID: UInt32 = 1

    package init() {}

    package typealias Locator = (address: IPAddress, id: LocatorID, users: Int, since: Instant)

    package var count: Int { items.count }

    /// The RLOCs in use with their ids and since when they are, in order of address.
    package var locators: [Locator] {
        items.map { ($0.key.prefix.address, $0.value.id, $0.value.users, $0.value.since) }
    }

    /// The one that follows `address` in that order; `nil` gives the first. Costs O(log n).
    package func first(after address: IPAddress?) -> Locator? {
        items.first(after: address.map(Self.key)).map {
            ($0.key.prefix.address, $0.value.id, $0.value.users, $0.value.since)
        }
    }

    /// The RLOCs in use inside `prefix`.
    package func addresses(within prefix: IPPrefix) -> [IPAddress] {
        items.moreSpecifics(of: EIDPrefix(prefix), includingItself: true).map { $0.key.prefix.address }
    }

    package subscript(address: IPAddress) -> LocatorID? { items[Self.key(address)]?.id }

    package func lastUser(of address: IPAddress) -> EIDPrefix? { items[Self.key(address)]?.lastUser }

    /// Notes an entry that uses `address`.
    package mutating func used(_ address: IPAddress, by eid: EIDPrefix) {
        items[Self.key(address)]?.lastUser = eid
    }

    private static func key(_ address: IPAddress) -> EIDPrefix { EIDPrefix(IPPrefix(host: address)) }

    /// More users of `address`. The update, if any, has to reach the forwarding state before the id is used.
    package mutating func acquire(
        _ address: IPAddress,
        users: Int = 1,
        now: Instant
    ) -> (id: LocatorID, update: ForwardingUpdate?) {
        let key = Self.key(address)
        if let item = items[key] {
            items[key]?.users += users
            return (item.id, nil)
        }
        let id = LocatorID(rawValue: nextID)
        nextID &+= 1
        items[key] = Item(id: id, users: users, since: now)
        return (id, .putLocator(id, address: address, source: nil, up: true, mtu: 0))
    }

    /// As many users less. The update, if any, goes to the forwarding state after whatever used the id is gone from it.
    package mutating func release(_ address: IPAddress, users: Int = 1) -> ForwardingUpdate? {
        let key = Self.key(address)
        guard let item = items[key] else { return nil }
        if item.users > users {
            items[key]?.users -= users
            return nil
        }
        items[key] = nil
        return .deleteLocator(item.id)
    }
}
