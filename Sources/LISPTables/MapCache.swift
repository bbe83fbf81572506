// The map-cache of an ITR: what it knows of other sites, and for how long (RFC 9300 section 6, RFC 9301 section 5.4).

import ForwardingInterface
import LISPWire

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

/// The table of entries, the order in which they end, and when to see whether each is still wanted.
///
/// An entry whose content others share costs about 170 octets, its place in the trie and its two deadlines included; a content
/// of one locator about 250 more. Every operation costs O(log n).
package struct MapCache: Sendable {
    /// What is stored for an entry.
    struct Row: Sendable {
        let mapping: MappingID
        let content: Int32
        let installed: Instant
        let refreshed: Instant
        let expires: Instant
        /// What few entries have.
        var exceptions: Exceptions?
    }

    /// A class for its size: a pointer, mostly `nil`. Never changed, so it may be shared.
    final class Exceptions: Sendable {
        let packetsAtRefreshCheck: UInt64?
        /// For each locator, if one of them came or has changed since the entry was installed; states without what its content
        /// adds. Empty otherwise.
        let locators: [LocatorPast]

        init?(packetsAtRefreshCheck: UInt64?, locators: [LocatorPast]) {
            guard packetsAtRefreshCheck != nil || !locators.isEmpty else { return nil }
            self.packetsAtRefreshCheck = packetsAtRefreshCheck
            self.locators = locators
        }
    }

    /// A content as the cache knows it. Valid while it is held.
    package struct ContentHandle: Hashable, Sendable {
        fileprivate let index: Int32
    }

    /// An entry that is no longer there, and whether nothing else has its content, so that its locator set goes too.
    package struct Removed: Sendable {
        package let entry: MapCacheEntry
        package let wasLastOfContent: Bool
    }

    private var table = PrefixTable<Row>()
    private var contents = MappingContents()
    private var expiry = SlotDeadlines()
    private var refreshes = SlotDeadlines()
    /// Of those that were learnt.
    private var evictionOrder = EvictionOrder()
    /// How many entries there are for each family of each instance.
    package private(set) var counts: [EIDTableKey: Int] = [:]
    /// How many of the entries are static. They end only by `remove`, and the limit is not for them.
    package private(set) var staticCount = 0
    /// How many of them have no locators.
    package private(set) var negativeCounts: [EIDTableKey: Int] = [:]
    /// The most learnt entries it is to hold, and how many of these may have no locators. Its owner sees to that by `makeRoom`,
    /// `surplus` and `remove`.
    package var limit: Int
    package var negativeLimit: Int

    /// - Parameter negativeLimit: at most `limit`; `nil`: a tenth of that.
    package init(limit: Int, negativeLimit: Int? = nil) {
        self.limit = limit
        self.negativeLimit = negativeLimit ?? Self.defaultNegativeLimit(of: limit)
    }

    package static func defaultNegativeLimit(of limit: Int) -> Int { max(1, limit / 10) }

    package var count: Int { table.count }
    package var isFull: Bool { table.count - staticCount >= limit }
    /// Whether learnt entries have to go.
    package var isOverfull: Bool { table.count - staticCount > limit || learntNegatives > negativeLimit }
    private var learntNegatives: Int { evictionOrder.count(.negative) }
    package var contentCount: Int { contents.count }

    // MARK: Reading

    package subscript(eid: EIDPrefix) -> MapCacheEntry? { entry(table.slot(of: eid)) }

    package func longestMatch(_ eid: EID) -> MapCacheEntry? {
        entry(table.longestMatchSlot(EIDPrefix(instanceID: eid.instanceID, IPPrefix(host: eid.address))))
    }

    /// The entries in order, from the first after `key`; all of them if that is `nil`.
    package func first(after key: EIDPrefix?, _ order: PrefixOrder = .byInstance) -> MapCacheEntry? {
        guard let (eid, row) = table.first(after: key, order) else { return nil }
        return MapCacheEntry(eid, row, contents[row.content])
    }

    /// The same among the entries that `scope` covers. Costs no more than the depth of the table, however many others there are.
    package func first(after key: EIDPrefix?, within scope: EIDPrefix) -> MapCacheEntry? {
        guard let (eid, row) = table.first(after: key, within: scope) else { return nil }
        return MapCacheEntry(eid, row, contents[row.content])
    }

    private func entry(_ slot: Int32?) -> MapCacheEntry? {
        guard let slot else { return nil }
        return entry(at: slot)
    }

    private func entry(at slot: Int32) -> MapCacheEntry {
        let row = table[slot: slot]
        return MapCacheEntry(table.key(at: slot), row, contents[row.content])
    }

    // MARK: Contents

    /// Holds a content for an entry that is about to be `put`. A new one has a locator set that the forwarding state does not
    /// know yet, with no locator in it.
    package mutating func hold(
        _ content: MappingContent
    ) -> (handle: ContentHandle, locatorSet: LocatorSetID, isNew: Bool) {
        let (index, isNew) = contents.hold(content)
        return (ContentHandle(index: index), contents[index].locatorSet, isNew)
    }

    /// Says which locators of a new content take part in the forwarding state.
    package mutating func setLocators(_ ids: [LocatorID?], of handle: ContentHandle) {
        contents[handle.index].locatorIDs = ids
    }

    /// Says that other locators of a content take part from now on.
    package mutating func changeLocators(_ ids: [LocatorID?], of handle: ContentHandle, now: Instant) {
        var item = contents[handle.index]
        if item.turns.isEmpty {
            item.turns = Array(repeating: LocatorHistory(since: .init(nanoseconds: .min), changes: 0), count: ids.count)
        }
        for index in ids.indices where (ids[index] == nil) != (item.locatorIDs[index] == nil) {
            item.turns[index] = LocatorHistory(since: now, changes: item.turns[index].changes + 1)
        }
        item.locatorIDs = ids
        contents[handle.index] = item
    }

    /// The contents in no particular order, each with its locator set, its locators in the forwarding state, and how many
    /// entries have it.
    package func nextContent(
        after handle: ContentHandle?
    ) -> (handle: ContentHandle, content: MappingContent, locatorSet: LocatorSetID, ids: [LocatorID?], users: Int)? {
        guard let index = contents.next(after: handle?.index) else { return nil }
        let item = contents[index]
        return (ContentHandle(index: index), item.content, item.locatorSet, item.locatorIDs, item.users)
    }

    // MARK: Changing

    /// Adds or replaces an entry; the replaced one is returned. The cache takes `handle` over from its holder.
    ///
    /// - Parameter expires: without effect for static contents, which do not end.
    /// - Parameter refreshDue: when to see whether the entry is in use and so worth refreshing; `nil`: never.
    package mutating func put(
        _ eid: EIDPrefix,
        mapping: MappingID,
        content handle: ContentHandle,
        now: Instant,
        expires: Instant,
        refreshDue: Instant?
    ) -> Removed? {
        let known = table.slot(of: eid)
        let old = entry(known)
        let item = contents[handle.index]
        let isStatic = item.content.isStatic
        let row = Row(
            mapping: mapping,
            content: handle.index,
            installed: old?.installed ?? now,
            refreshed: now,
            expires: isStatic ? .never : expires,
            exceptions: Exceptions(
                packetsAtRefreshCheck: nil,
                locators: old.map { past(of: item, following: $0, now: now) } ?? past(ofNewUserOf: item, now: now)
            )
        )
        var removed: Removed?
        let slot: Int32
        if let known, let old {
            slot = known
            removed = Removed(entry: old, wasLastOfContent: contents.release(table[slot: slot].content))
            table[slot: slot] = row
        } else {
            slot = table.insert(row, for: eid)
            counts[EIDTableKey(eid), default: 0] += 1
        }
        countNegative(eid, (item.content.locators.isEmpty ? 1 : 0) - (old?.isNegative == true ? 1 : 0))
        staticCount += (isStatic ? 1 : 0) - (old?.isStatic == true ? 1 : 0)
        if isStatic { expiry.remove(slot) } else { expiry.set(slot, at: expires) }
        if isStatic {
            evictionOrder.remove(slot)
        } else {
            evictionOrder.learnt(slot, item.content.locators.isEmpty ? .negative : .positive)
        }
        if !isStatic, let refreshDue { refreshes.set(slot, at: refreshDue) } else { refreshes.remove(slot) }
        return removed
    }

    private mutating func countNegative(_ eid: EIDPrefix, _ change: Int) {
        if change != 0 { negativeCounts[EIDTableKey(eid), default: 0] += change }
    }

    /// What an entry that changes to `item` keeps of its locators' past; empty if that is nothing.
    private func past(
        of item: MappingContents.Item,
        following old: MapCacheEntry,
        now: Instant
    ) -> [LocatorPast] {
        let before = old.locators
        let plain = LocatorPast(state: LocatorHistory(since: old.installed, changes: 0), learnt: old.installed)
        var isPlain = item.turns.isEmpty
        let past = item.content.locators.indices.map { index in
            let record = item.content.locators[index]
            var past = LocatorPast(state: LocatorHistory(since: now, changes: 0), learnt: now)
            if let same = before.first(where: { $0.record.address == record.address }) {
                let isUnchanged =
                    (same.id == nil) == (item.locatorIDs[index] == nil)
                    && same.record.isReachable == record.isReachable
                if isUnchanged { past.state.since = same.since }
                past.state.changes = same.stateChanges &+ (isUnchanged ? 0 : 1)
                past.learnt = same.learnt
                past.preferenceChanges = same.preferenceChanges
                past.preferenceChanges.note(from: same.record, to: record, now: now)
            }
            if past != plain { isPlain = false }
            if !item.turns.isEmpty { past.state.changes &-= item.turns[index].changes }
            return past
        }
        return isPlain ? [] : past
    }

    private func past(ofNewUserOf item: MappingContents.Item, now: Instant) -> [LocatorPast] {
        item.turns.map { LocatorPast(state: LocatorHistory(since: now, changes: 0 &- $0.changes), learnt: now) }
    }

    /// Notes what the entry had sent when its refresh was considered, and when that will be again.
    package mutating func refreshConsidered(_ eid: EIDPrefix, packetsSent: UInt64, again: Instant) {
        guard let slot = table.slot(of: eid) else { return }
        let locators = table[slot: slot].exceptions?.locators ?? []
        table[slot: slot].exceptions = Exceptions(packetsAtRefreshCheck: packetsSent, locators: locators)
        refreshes.set(slot, at: again)
    }

    @discardableResult
    package mutating func remove(_ eid: EIDPrefix) -> Removed? {
        guard let slot = table.slot(of: eid) else { return nil }
        return remove(slot: slot)
    }

    private mutating func remove(slot: Int32) -> Removed {
        let entry = entry(at: slot)
        let isLast = contents.release(table[slot: slot].content)
        table.remove(slot)
        counts[EIDTableKey(entry.eid), default: 0] -= 1
        countNegative(entry.eid, entry.isNegative ? -1 : 0)
        if entry.isStatic { staticCount -= 1 }
        expiry.remove(slot)
        refreshes.remove(slot)
        evictionOrder.remove(slot)
        return Removed(entry: entry, wasLastOfContent: isLast)
    }

    // MARK: Room

    /// What there is for one entry more.
    package enum Room: Hashable, Sendable {
        case free
        /// This one has to go first.
        case insteadOf(EIDPrefix, EvictionReason)
        /// Those that could go are too new.
        case none
    }

    /// Room for an entry that was learnt.
    ///
    /// Entries without locators have `negativeLimit` for themselves, which the others may use as long as it is free. Which entry
    /// makes room: `EvictionOrder`.
    ///
    /// - Parameters:
    ///   - isNew: otherwise it replaces one of the other kind.
    ///   - mayGo: since when an entry must have been as it is.
    ///   - packetsSent: how many packets were forwarded by a mapping so far.
    package mutating func makeRoom(
        isNegative: Bool,
        isNew: Bool,
        refreshedBy mayGo: Instant,
        now: Instant,
        packetsSent: (MappingID) -> UInt64
    ) -> Room {
        let kind: EvictionOrder.Kind
        if isNegative, learntNegatives >= negativeLimit {
            kind = .negative
        } else if isNew, isFull {
            kind = evictionOrder.count(.positive) > 0 ? .positive : .negative
        } else {
            return .free
        }
        guard let (eid, reason) = victim(kind, refreshedBy: mayGo, now: now, packetsSent: packetsSent) else {
            return .none
        }
        return .insteadOf(eid, reason)
    }

    /// An entry that has to go since there are more than the limits allow; `nil` also if too many were looked at, as long as
    /// `isOverfull` holds.
    package mutating func surplus(
        now: Instant,
        packetsSent: (MappingID) -> UInt64
    ) -> (eid: EIDPrefix, reason: EvictionReason)? {
        guard isOverfull else { return nil }
        let isNegative = learntNegatives > negativeLimit || evictionOrder.count(.positive) == 0
        return victim(isNegative ? .negative : .positive, refreshedBy: .never, now: now, packetsSent: packetsSent)
    }

    private mutating func victim(
        _ kind: EvictionOrder.Kind,
        refreshedBy mayGo: Instant,
        now: Instant,
        packetsSent: (MappingID) -> UInt64
    ) -> (eid: EIDPrefix, reason: EvictionReason)? {
        let share = kind == .negative ? negativeLimit : limit - negativeLimit
        let table = table
        let found = evictionOrder.victim(kind, share: share, now: now) { slot in
            let row = table[slot: slot]
            return EvictionOrder.Facts(
                packets: packetsSent(row.mapping),
                installed: row.installed,
                isYoung: row.refreshed > mayGo
            )
        }
        return found.map { (table.key(at: $0.slot), $0.reason) }
    }

    /// So many packets waited for the entry and will be forwarded by it now: no sign that it will be used again.
    package mutating func expect(_ packets: Int, by eid: EIDPrefix) {
        guard let slot = table.slot(of: eid) else { return }
        evictionOrder.expect(packets, by: slot)
    }

    // MARK: Time

    /// The entry that ends first; a static one never does.
    var oldest: EIDPrefix? {
        guard let (slot, _) = expiry.earliest else { return nil }
        return table.key(at: slot)
    }

    /// When the next entry ends, is to be considered for its refresh, or has to go since the cache holds too many.
    package var deadline: Instant? {
        if isOverfull { return Instant(nanoseconds: .min) }
        return [expiry.earliest?.deadline, refreshes.earliest?.deadline].compactMap(\.self).min()
    }

    /// An entry whose refresh is to be considered now; the owner answers by `refreshConsidered`, `put` or `remove`, or else it
    /// will not be asked again.
    package mutating func popRefresh(_ now: Instant) -> MapCacheEntry? {
        guard let (slot, deadline) = refreshes.earliest, deadline <= now else { return nil }
        refreshes.remove(slot)
        return entry(at: slot)
    }

    /// Takes out one entry whose time is over, if there is one.
    package mutating func popExpired(_ now: Instant) -> Removed? {
        guard let (slot, deadline) = expiry.earliest, deadline <= now else { return nil }
        return remove(slot: slot)
    }
}
