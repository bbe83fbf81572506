// The map-cache of an ITR: what it knows of other sites, and for how long (RFC 9300 section 6, RFC 9301 section 5.4).

import ForwardingInterface
import LISPWire

/// One locator of a map-cache entry, as the Map-Reply gave it.
package struct MapCacheLocator: Hashable, Sendable {
    package var record: LocatorRecord
    /// The address that packets can be sent to, or `nil` where the record holds something else (an LCAF of unknown use).
    package var address: IPAddress? { record.address.ipAddress }
    /// The locator in the forwarding state, or `nil` while it takes no part there.
    package var id: LocatorID?
    /// Since when it takes part in the forwarding state, or does not, and how often that has changed.
    package private(set) var since: Instant
    package private(set) var stateChanges: UInt64 = 0

    package init(record: LocatorRecord, since: Instant, id: LocatorID? = nil) {
        self.record = record
        self.since = since
        self.id = id
    }

    /// Takes over the history of the same locator from before the entry changed.
    package mutating func follow(_ before: MapCacheLocator, now: Instant) {
        let isSame = (before.id == nil) == (id == nil) && before.record.isReachable == record.isReachable
        since = isSame ? before.since : now
        stateChanges = before.stateChanges + (isSame ? 0 : 1)
    }
}

/// What is known of one EID-prefix.
package struct MapCacheEntry: Sendable {
    package let eid: EIDPrefix
    /// Names the entry's counters in the forwarding state. Stays over refreshes.
    package let mapping: MappingID
    /// Names the entry's locators in the forwarding state.
    package let locatorSet: LocatorSetID
    /// What to do if `locators` is empty.
    package var action: MapReplyAction
    package var locators: [MapCacheLocator]
    package var mapVersion: UInt16
    /// Whether the site itself answered, not a Map-Server for it.
    package var isAuthoritative: Bool
    /// Where the Map-Reply came from.
    package var source: IPAddress
    /// When the prefix was first learnt. A refresh keeps it.
    package let installed: Instant
    /// When the last Map-Reply for it came.
    package var refreshed: Instant
    package var expires: Instant
    /// When to see whether the entry is in use and so worth refreshing.
    package var refreshDue: Instant
    /// The packets sent by the entry when its refresh was last considered; `nil` before that.
    package var packetsAtRefreshCheck: UInt64?

    package init(
        eid: EIDPrefix,
        mapping: MappingID,
        locatorSet: LocatorSetID,
        action: MapReplyAction,
        locators: [MapCacheLocator],
        mapVersion: UInt16,
        isAuthoritative: Bool,
        source: IPAddress,
        installed: Instant,
        refreshed: Instant,
        expires: Instant,
        refreshDue: Instant,
        packetsAtRefreshCheck: UInt64?
    ) {
        self.eid = eid
        self.mapping = mapping
        self.locatorSet = locatorSet
        self.action = action
        self.locators = locators
        self.mapVersion = mapVersion
        self.isAuthoritative = isAuthoritative
        self.source = source
        self.installed = installed
        self.refreshed = refreshed
        self.expires = expires
        self.refreshDue = refreshDue
        self.packetsAtRefreshCheck = packetsAtRefreshCheck
    }

    /// An entry without locators says what to do with packets instead.
    package var isNegative: Bool { locators.isEmpty }
}

/// One family of one instance.
package struct EIDTableKey: Hashable, Sendable, Comparable {
    package let instanceID: InstanceID
    package let family: AddressFamily

    package init(_ instanceID: InstanceID, _ family: AddressFamily) {
        self.instanceID = instanceID
        self.family = family
    }

    package init(_ eid: EIDPrefix) {
        self.init(eid.instanceID, eid.prefix.family)
    }

    package static func < (a: Self, b: Self) -> Bool {
        a.instanceID != b.instanceID ? a.instanceID < b.instanceID : a.family < b.family
    }
}

/// The table of entries and the order in which they end.
package struct MapCache: Sendable {
    private var table = PrefixTable<MapCacheEntry>()
    private var expiry = DeadlineQueue<EIDPrefix>()
    /// How many entries there are for each family of each instance.
    package private(set) var counts: [EIDTableKey: Int] = [:]
    /// The most entries it may hold.
    package let limit: Int

    package init(limit: Int) {
        self.limit = limit
    }

    package var count: Int { table.count }
    package var isFull: Bool { table.count >= limit }

    package subscript(eid: EIDPrefix) -> MapCacheEntry? { table[eid] }

    package func longestMatch(_ eid: EID) -> MapCacheEntry? { table.longestMatch(eid)?.value }

    /// The entries in order, from the first after `key`; all of them if that is `nil`.
    package func first(after key: EIDPrefix?) -> MapCacheEntry? { table.first(after: key)?.value }

    /// The same among the entries that `scope` covers. Costs no more than the depth of the table, however many others there are.
    package func first(after key: EIDPrefix?, within scope: EIDPrefix) -> MapCacheEntry? {
        guard let key, key >= scope else { return table[scope] ?? first(after: scope, within: scope) }
        guard let next = table.first(after: key), scope.covers(next.key) else { return nil }
        return next.value
    }

    /// Adds or replaces. The owner keeps `count` within `limit` by `oldest()` and `remove`.
    package mutating func put(_ entry: MapCacheEntry) {
        if table[entry.eid] == nil { counts[EIDTableKey(entry.eid), default: 0] += 1 }
        table[entry.eid] = entry
        expiry.set(entry.eid, at: entry.expires)
    }

    @discardableResult
    package mutating func remove(_ eid: EIDPrefix) -> MapCacheEntry? {
        guard let entry = table[eid] else { return nil }
        table[eid] = nil
        counts[EIDTableKey(eid), default: 0] -= 1
        expiry.remove(eid)
        return entry
    }

    /// The entry that ends first.
    package mutating func oldest() -> EIDPrefix? { expiry.earliest()?.key }

    /// When the next entry ends.
    package mutating func deadline() -> Instant? { expiry.earliest()?.deadline }

    /// Takes out one entry whose time is over, if there is one.
    package mutating func popExpired(_ now: Instant) -> MapCacheEntry? {
        guard let eid = expiry.popDue(now), let entry = table[eid] else { return nil }
        table[eid] = nil
        counts[EIDTableKey(eid), default: 0] -= 1
        return entry
    }
}
