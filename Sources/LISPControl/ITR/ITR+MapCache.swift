// What the ITR's map-cache takes in and lets go of, and what the forwarding state hears of it: entries, the locator sets that they
// share, and the RLOCs that those share.

import ForwardingInterface
import LISPTables
import LISPWire

extension ITR {
    // MARK: Entries

    /// Puts one record into the cache and the forwarding state; one with TTL 0 takes the entry out.
    mutating func learn(
        _ record: EIDRecord,
        for eid: EIDPrefix,
        from source: IPAddress,
        now: Instant,
        packetsSent: (MappingID) -> UInt64
    ) -> [ITRAction] {
        guard staticMappings[eid] == nil else {
            statistics.add(.recordOfStaticMapping, eid.prefix.family)
            return []
        }
        guard record.ttlMinutes > 0 else {
            return cache.remove(eid).map { removed($0) } ?? []
        }
        var actions: [ITRAction] = []
        let old = cache[eid]
        let isNegative = record.locators.isEmpty
        if old?.isNegative != isNegative {
            // An entry of this second stays: if it went, its packets would ask for it again within the second.
            let mayGo = now.advanced(by: .zero - Question.interval)
            let room = cache.makeRoom(
                isNegative: isNegative,
                isNew: old == nil,
                refreshedBy: mayGo,
                now: now,
                packetsSent: packetsSent
            )
            switch room {
            case .free: break
            case .insteadOf(let victim, let reason): actions += evict(victim, reason)
            case .none:
                statistics.add(.mapCacheFull, eid.prefix.family)
                return cache.remove(eid).map { removed($0) } ?? []
            }
        }
        if isNegative { statistics.add(.negativeMapReplies, eid.prefix.family) }
        let life = record.ttlMinutes == .max ? Self.ownChoiceOfTTL : .seconds(60 * Int64(record.ttlMinutes))
        return actions + install(MappingContent(record, from: source), for: eid, life: life, now: now)
    }

    /// Puts a mapping into the cache and the forwarding state.
    ///
    /// - Parameter life: `nil` for a static one.
    mutating func install(_ content: MappingContent, for eid: EIDPrefix, life: Duration?, now: Instant) -> [ITRAction] {
        let old = cache[eid]
        let (handle, locatorSet, isNew) = cache.hold(content)
        var (ids, updates) = acquireLocators(of: content, now: now)
        if isNew {
            cache.setLocators(ids, of: handle)
            if !content.locators.isEmpty {
                updates.append(.putLocatorSet(locatorSet, slots(content, ids, of: locatorSet)))
            }
            for (record, id) in zip(content.locators, ids) where id != nil {
                record.address.locatorAddress.map { locators.used($0, by: eid) }
            }
        }
        let mapping = old?.mapping ?? newMapping()
        let replaced = cache.put(
            eid,
            mapping: mapping,
            content: handle,
            now: now,
            expires: life.map { now + $0 } ?? .never,
            // Negative entries are asked for again when a packet comes after their end.
            refreshDue: content.locators.isEmpty ? nil : life.map { now + $0 * 9 / 10 }
        )
        let forwarding = forwardingAction(content, locatorSet, of: eid)
        updates.append(.putEntry(eid, mapping: mapping, action: forwarding))
        if let replaced { updates += released(replaced) }
        if old == nil { statistics.add(.entriesCreated, eid.prefix.family) }
        let hint = old.map { hostHint($0.content, of: eid) } ?? .nothing
        return [.forwarding(updates)] + tellHost(of: eid, was: hint, is: hostHint(content, of: eid))
    }

    mutating func evict(_ victim: EIDPrefix, _ reason: EvictionReason) -> [ITRAction] {
        guard let evicted = cache.remove(victim) else { return [] }
        statistics.add(ITREvent(reason), victim.prefix.family)
        return removed(evicted)
    }

    private mutating func newMapping() -> MappingID {
        defer { nextMapping &+= 1 }
        return MappingID(rawValue: nextMapping)
    }

    /// Takes what an entry needed out of the forwarding state, after the entry itself.
    private mutating func released(_ gone: MapCache.Removed) -> [ForwardingUpdate] {
        let entry = gone.entry
        let isSetUnused = gone.wasLastOfContent && !entry.isNegative
        if isSetUnused { status.remove(entry.locatorSet) }
        return (isSetUnused ? [.deleteLocatorSet(entry.locatorSet)] : [])
            + releaseLocators(of: entry.content, entry.locatorIDs)
    }

    /// Takes an entry that has left the cache out of the forwarding state, too.
    mutating func removed(_ gone: MapCache.Removed) -> [ITRAction] {
        let eid = gone.entry.eid
        statistics.add(.entriesDeleted, eid.prefix.family)
        return [.forwarding([.deleteEntry(eid)] + released(gone))]
            + tellHost(of: eid, was: hostHint(gone.entry.content, of: eid), is: .nothing)
    }

    /// Takes these entries out, where they exist and were learnt. Static ones stay.
    package mutating func clear(_ eids: [EIDPrefix]) -> (count: Int, actions: [ITRAction]) {
        let gone = eids.filter { staticMappings[$0] == nil }.compactMap { cache.remove($0) }
        return (gone.count, gone.flatMap { removed($0) })
    }

    /// Takes everything out of the cache and the forwarding state, before the role goes.
    package mutating func clearAll(now: Instant) -> [ITRAction] {
        settings.proxyETRs = []
        settings.staticMappings = []
        var eids: [EIDPrefix] = []
        let given = start(now: now)
        while let next = cache.first(after: eids.last) { eids.append(next.eid) }
        return given + clear(eids).actions
    }

    // MARK: Locators

    /// The usable locators of a content, each with `users` users more, and what the forwarding state has to know of them.
    private mutating func acquireLocators(
        of content: MappingContent,
        users: Int = 1,
        now: Instant
    ) -> (ids: [LocatorID?], updates: [ForwardingUpdate]) {
        var updates: [ForwardingUpdate] = []
        let ids = content.locators.map { record -> LocatorID? in
            guard let address = record.address.locatorAddress, isUsable(record, at: address) else { return nil }
            let (id, update) = locators.acquire(address, users: users, now: now)
            if let update {
                updates.append(update)
                beginWatching(address, now: now)
            }
            return id
        }
        return (ids, updates)
    }

    /// An RLOC has its first user.
    mutating func beginWatching(_ rloc: IPAddress, now: Instant) {
        prober.add(rloc, now: now)
        noncer.add(rloc)
    }

    /// An RLOC has lost its last user.
    mutating func endWatching(_ rloc: IPAddress) {
        prober.remove(rloc)
        noncer.remove(rloc)
        pathMTU.remove(rloc)
    }

    private mutating func releaseLocators(
        of content: MappingContent,
        _ ids: [LocatorID?],
        users: Int = 1
    ) -> [ForwardingUpdate] {
        zip(content.locators, ids).compactMap { record, id in
            guard id != nil, let address = record.address.locatorAddress else { return nil }
            let update = locators.release(address, users: users)
            if update != nil { endWatching(address) }
            return update
        }
    }

    /// Whether packets may be sent to the locator: reachable by its site's word, offered for unicast, of a family we have.
    private func isUsable(_ record: LocatorRecord, at address: IPAddress) -> Bool {
        record.isReachable && record.priority != 255 && canReach(address)
    }

    func canReach(_ address: IPAddress) -> Bool {
        address.canBeRLOC && settings.rlocs.contains { $0.family == address.family }
    }

    /// Decides of each content which of its locators can be used, and tells the forwarding state where that has changed. Costs as
    /// much as there are contents, not entries.
    mutating func chooseLocatorsAnew(now: Instant) -> [ITRAction] {
        var updates: [ForwardingUpdate] = []
        var last: MapCache.ContentHandle?
        while let next = cache.nextContent(after: last) {
            last = next.handle
            guard !next.content.locators.isEmpty else { continue }
            let (ids, added) = acquireLocators(of: next.content, users: next.users, now: now)
            if ids != next.ids {
                cache.changeLocators(ids, of: next.handle, now: now)
                updates += added + [.putLocatorSet(next.locatorSet, slots(next.content, ids, of: next.locatorSet))]
            }
            updates += releaseLocators(of: next.content, next.ids, users: next.users)
        }
        return updates.isEmpty ? [] : [.forwarding(updates)]
    }
}
