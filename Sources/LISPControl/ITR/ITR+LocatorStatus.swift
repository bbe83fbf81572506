// What the ITR makes of Locator-Status-Bits of the sites that it encapsulates to (RFC 9300 section 10).

import ForwardingInterface
import LISPTables
import LISPWire

extension ITR {
    /// Packets of a site say something new of its RLOCs.
    package mutating func heard(_ report: LocatorStatusReport, now: Instant) -> [ITRAction] {
        guard status.isEnabled, let entry = cache.longestMatch(report.source), !entry.isNegative else { return [] }
        let records = entry.content.locators
        let change = status.heard(
            report.bits,
            width: report.width,
            of: entry.locatorSet,
            count: records.count,
            now: now
        )
        guard let change else {
            statistics.add(.statusBitsAllDown, report.source.address.family)
            return []
        }
        guard !change.isEmpty else { return [] }
        statistics.add(.statusBitsChanged, report.source.address.family)
        guard !settings.rlocProbing.isEnabled else {
            for ordinal in change.down + change.up {
                if entry.locatorIDs[ordinal] != nil, let rloc = records[ordinal].address.locatorAddress {
                    doubt(rloc, now: now)
                }
            }
            return []
        }
        func events(_ ordinals: [Int], _ event: (IPAddress, EIDPrefix) -> HeaderHintEvent) -> [ITRAction] {
            ordinals.compactMap { ordinal in
                guard entry.locatorIDs[ordinal] != nil else { return nil }
                return records[ordinal].address.locatorAddress.map { .headerHint(event($0, entry.eid)) }
            }
        }
        let slots = slots(entry.content, entry.locatorIDs, of: entry.locatorSet)
        return [.forwarding([.putLocatorSet(entry.locatorSet, slots)])]
            + events(change.down, HeaderHintEvent.saidToBeDown) + events(change.up, HeaderHintEvent.saidToBeUp)
    }

    /// Whether packets of an entry may be sent to its locator number `ordinal`.
    package func isUp(_ ordinal: Int, of entry: MapCacheEntry) -> Bool {
        guard status.isUsed(ordinal, of: entry.locatorSet) else { return false }
        return entry.content.locators[ordinal].address.locatorAddress.map(isUp) ?? true
    }

    /// The members of a locator set for the forwarding state. A locator that its site says is down stays one, never sent to: packets
    /// still come from there, and their bits may bring it back.
    func slots(_ content: MappingContent, _ ids: [LocatorID?], of set: LocatorSetID) -> [LocatorSlot] {
        zip(content.locators, ids).enumerated().compactMap { ordinal, locator in
            let (record, id) = locator
            return id.map { id in
                LocatorSlot(
                    locator: id,
                    priority: status.isUsed(ordinal, of: set) ? record.priority : 255,
                    weight: record.weight
                )
            }
        }
    }

    /// Takes over whether bits are heeded, and how. Costs as much as there are contents if that changes the use of any.
    mutating func reconfigureStatus(_ new: ITRSettings) -> [ITRAction] {
        let concerned = status.reconfigure(isEnabled: new.locatorStatusBits, isProbed: new.rlocProbing.isEnabled)
        guard !concerned.isEmpty else { return [] }
        var updates: [ForwardingUpdate] = []
        var last: MapCache.ContentHandle?
        while let next = cache.nextContent(after: last) {
            last = next.handle
            guard concerned.contains(next.locatorSet) else { continue }
            updates.append(.putLocatorSet(next.locatorSet, slots(next.content, next.ids, of: next.locatorSet)))
        }
        return updates.isEmpty ? [] : [.forwarding(updates)]
    }
}
