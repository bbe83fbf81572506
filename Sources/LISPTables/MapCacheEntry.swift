// One entry of the map-cache, as it is shown and decided about.

import ForwardingInterface
import LISPWire

/// One locator of a map-cache entry, as the Map-Reply gave it.
package struct MapCacheLocator: Hashable, Sendable {
    package let record: LocatorRecord
    /// The address that packets can be sent to, or `nil` where the record holds something else (an LCAF of unknown use).
    package var address: IPAddress? { record.address.locatorAddress }
    /// The locator in the forwarding state, or `nil` while it takes no part there.
    package let id: LocatorID?
    /// Since when it takes part in the forwarding state, or does not, and how often that has changed.
    package let since: Instant
    package let stateChanges: UInt64
    /// Since when the entry has had it.
    package let learnt: Instant
    /// When the entry last came to have others of these; `nil` before the first time.
    package let preferenceChanges: PreferenceChanges
}

/// When the priority and weight of an entry's locator last changed.
package struct PreferenceChanges: Hashable, Sendable {
    package var priority: Instant?
    package var weight: Instant?
    package var multicastPriority: Instant?
    package var multicastWeight: Instant?

    package init() {}

    /// Notes in what `new` differs.
    mutating func note(from old: LocatorRecord, to new: LocatorRecord, now: Instant) {
        if old.priority != new.priority { priority = now }
        if old.weight != new.weight { weight = now }
        if old.multicastPriority != new.multicastPriority { multicastPriority = now }
        if old.multicastWeight != new.multicastWeight { multicastWeight = now }
    }
}

/// When a locator last went into or out of the forwarding state, and how often it has.
struct LocatorHistory: Hashable, Sendable {
    var since: Instant
    var changes: UInt64
}

/// The past of an entry's locator, kept for entries whose locators have one.
struct LocatorPast: Hashable, Sendable {
    var state: LocatorHistory
    var learnt: Instant
    var preferenceChanges = PreferenceChanges()
}

/// What is known of one EID-prefix. A value made from what the map-cache stores more densely.
package struct MapCacheEntry: Sendable {
    package let eid: EIDPrefix
    /// Names the entry's counters in the forwarding state. Stays over refreshes.
    package let mapping: MappingID
    /// When the prefix was first learnt. A refresh keeps it.
    package let installed: Instant
    /// When the last Map-Reply for it came.
    package let refreshed: Instant
    /// `Instant.never` for a static one.
    package let expires: Instant
    /// The packets sent by the entry when its refresh was last considered; `nil` before that.
    package let packetsAtRefreshCheck: UInt64?
    private let item: MappingContents.Item
    private let past: [LocatorPast]

    init(_ eid: EIDPrefix, _ row: MapCache.Row, _ item: MappingContents.Item) {
        self.eid = eid
        self.mapping = row.mapping
        self.installed = row.installed
        self.refreshed = row.refreshed
        self.expires = row.expires
        self.packetsAtRefreshCheck = row.exceptions?.packetsAtRefreshCheck
        self.item = item
        self.past = row.exceptions?.locators ?? []
    }

    package var content: MappingContent { item.content }
    /// Names the entry's locators in the forwarding state, which other entries may share.
    package var locatorSet: LocatorSetID { item.locatorSet }
    /// What to do if there are no locators.
    package var action: MapReplyAction { item.content.action }
    package var mapVersion: UInt16 { item.content.mapVersion }
    package var isAuthoritative: Bool { item.content.isAuthoritative }
    package var source: IPAddress { item.content.source }
    package var isStatic: Bool { item.content.isStatic }
    /// An entry without locators says what to do with packets instead.
    package var isNegative: Bool { item.content.locators.isEmpty }

    /// Each locator of `content` in the forwarding state.
    package var locatorIDs: [LocatorID?] { item.locatorIDs }

    package var locators: [MapCacheLocator] {
        item.content.locators.indices.map { index in
            let history = history(of: index)
            return MapCacheLocator(
                record: item.content.locators[index],
                id: item.locatorIDs[index],
                since: history.since,
                stateChanges: history.changes,
                learnt: past.isEmpty ? installed : past[index].learnt,
                preferenceChanges: past.isEmpty ? PreferenceChanges() : past[index].preferenceChanges
            )
        }
    }

    private func history(of index: Int) -> LocatorHistory {
        var sum = past.isEmpty ? LocatorHistory(since: installed, changes: 0) : past[index].state
        if !item.turns.isEmpty {
            sum.since = max(sum.since, item.turns[index].since)
            // Wraps: what the content went through before the entry came to it was subtracted then.
            sum.changes &+= item.turns[index].changes
        }
        return sum
    }
}
