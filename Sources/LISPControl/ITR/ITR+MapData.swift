// The mapping of its source EID that a Map-Request may carry (M-bit; RFC 9301 sections 5.2 and 5.3). Nothing authenticates it.

import LISPTables
import LISPWire

/// What is done with it.
package enum MapDataPolicy: String, Hashable, Sendable, CaseIterable {
    /// It is not looked at.
    case off
    /// The mapping system is asked for the source EID; its answer is used.
    case verify
    /// It is used as it stands, for a short time: whoever can send us a Map-Request can draw traffic to itself.
    case on
}

extension ITR {
    /// How long what nobody has verified is used.
    static let mapDataLifeMinutes: UInt32 = 15
    /// Map data that is acted on: so many at once, so many a second.
    static let mapDataRate = EventRate(perSecond: 10, burst: 50)

    /// A Map-Request for an EID-prefix of ours carries a record.
    ///
    /// It counts only as the mapping of the source EID, where the map-cache knows nothing of that, and never for EIDs of ours.
    ///
    /// - Parameter isOwn: whether an EID-prefix overlaps one of our site.
    mutating func receivedMapData(
        _ record: EIDRecord,
        of sourceEID: LISPAddress,
        from source: IPAddress,
        isOwn: (EIDPrefix) -> Bool,
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [ITRAction] {
        let family = record.eidPrefix?.prefix.family
        guard settings.acceptMapData != .off else {
            statistics.add(.mapDataIgnored, family)
            return []
        }
        guard let eid = EID(sourceEID), let prefix = record.eidPrefix, !record.locators.isEmpty, record.ttlMinutes > 0
        else {
            statistics.add(.mapDataRefused, family)
            return []
        }
        let host = EIDPrefix(instanceID: eid.instanceID, IPPrefix(host: eid.address))
        guard prefix.covers(host), !isOwn(prefix) else {
            statistics.add(.mapDataRefused, family)
            return []
        }
        guard cache.longestMatch(eid) == nil, questions[host] == nil else {
            statistics.add(.mapDataKnown, family)
            return []
        }
        guard mapDataBudget.take(now: now) else {
            statistics.add(.mapDataLimited, family)
            return []
        }
        return settings.acceptMapData == .verify
            ? verify(host, now: now, using: &random)
            : install(record, for: prefix, from: source, now: now)
    }

    private mutating func verify(
        _ host: EIDPrefix,
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [ITRAction] {
        guard questions.count < questionLimit || forgetResting() else {
            statistics.add(.mapDataLimited, host.prefix.family)
            return []
        }
        statistics.add(.mapDataVerified, host.prefix.family)
        return ask(Question(target: host, sourceEID: nil, now: now), now: now, using: &random)
    }

    /// Only into empty space, so that it hides nothing that the mapping system has said, and only while there is room.
    private mutating func install(
        _ record: EIDRecord,
        for prefix: EIDPrefix,
        from source: IPAddress,
        now: Instant
    ) -> [ITRAction] {
        guard cache.first(after: nil, within: prefix) == nil, !cache.isFull else {
            statistics.add(.mapDataLimited, prefix.prefix.family)
            return []
        }
        statistics.add(.mapDataInstalled, prefix.prefix.family)
        var record = record
        record.ttlMinutes = min(record.ttlMinutes, Self.mapDataLifeMinutes)
        record.isAuthoritative = false
        // There is room: nothing is looked at.
        return learn(record, for: prefix, from: source, now: now) { _ in 0 }
    }
}
