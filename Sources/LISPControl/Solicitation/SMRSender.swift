// Tells those who use a mapping of ours that it has changed (RFC 9301 section 6.1): whom, when, and how often.
//
//     nothing --changed--> due --sent--> told --asked for, or 3 s and the repeat--> nothing
//                           ^              |
//                           +---changed----+   no sooner than 3 s after the last SMR to that RLOC
//
// docs/decisions/solicit-map-request.md says why.

import LISPTables
import LISPWire

/// What the sender of SMRs counts.
package enum SMRSenderEvent: String, Hashable, Sendable, CaseIterable {
    case sent = "Solicit-Map-Requests sent"
    case repeated = "Solicit-Map-Requests sent once more: nobody had asked for the EID-prefix"
    case invoked = "SMR-invoked Map-Requests received"
    case paced = "Solicit-Map-Requests held back: sent to this RLOC within the last 3 s"
    case tooManyRLOCs = "Solicit-Map-Requests not sent: too many RLOCs to send to"
    case tooManyPrefixes = "changed EID-prefixes not told: too many wait for the RLOC"
    case noRLOC = "Solicit-Map-Requests not sent: no RLOC of ours to ask at"
}

/// Does no I/O and reads no clock. The owner sends what `timeout` returns and calls it at `deadline()`.
package struct SMRSender: Sendable {
    /// How long ago an RLOC may have exchanged data with us to be told.
    package static let memory = Duration.seconds(60)
    /// Between two SMRs to one RLOC.
    package static let interval = Duration.seconds(3)
    static let rlocLimit = 10_000
    /// Changed EID-prefixes that wait for their turn at one RLOC.
    static let prefixLimit = 256
    /// EID-prefixes in one SMR.
    static let recordLimit = 32
    /// Up to so many EID-prefixes are repeated one by one, for receivers that read the first record only.
    static let singleLimit = 8
    /// Not all at once: so many SMRs every 10 ms. The ITRs will ask as fast as they are told to.
    static let sliceLimit = 100
    static let sliceInterval = Duration.milliseconds(10)

    /// One SMR to send.
    package struct Solicitation: Equatable {
        package let rloc: IPAddress
        /// At least one, all of one instance.
        package let eids: [EIDPrefix]
        package let isRepeat: Bool
    }

    private struct Item {
        /// The RLOC has not been told of these yet.
        var due: [EIDPrefix] = []
        /// It has been told of these, and has not asked for them.
        var told: [EIDPrefix] = []
    }

    private var items: [IPAddress: Item] = [:]
    private var timers = DeadlineQueue<IPAddress>()
    /// Nothing is sent before.
    private var nextSlice = Instant.zero
    package private(set) var statistics = Tally<SMRSenderEvent>()

    package init() {}

    /// RLOCs that are to be told, or were within the last 3 s.
    package var count: Int { items.count }

    // MARK: Events

    /// The mappings of `eids` have changed, and those at `rlocs` may use them.
    package mutating func changed(_ eids: [EIDPrefix], at rlocs: [IPAddress], now: Instant) {
        guard !eids.isEmpty else { return }
        for rloc in rlocs {
            guard items[rloc] != nil || items.count < Self.rlocLimit else {
                statistics.add(.tooManyRLOCs)
                continue
            }
            var item = items[rloc] ?? Item()
            let known = Set(item.due)
            let new = known.isEmpty ? eids : eids.filter { !known.contains($0) }
            let room = max(0, Self.prefixLimit - item.due.count)
            if new.count > room { statistics.add(.tooManyPrefixes, new.count - room) }
            item.due += new.prefix(room)
            if !item.told.isEmpty {
                let told = Set(eids)
                item.told.removeAll { told.contains($0) }
            }
            items[rloc] = item
            if timers[rloc] == nil { timers.set(rloc, at: now) } else { statistics.add(.paced) }
        }
    }

    /// An SMR-invoked Map-Request asks for `eid` and wants the answer at one of `rlocs`.
    package mutating func invoked(by rlocs: [IPAddress], eid: EIDPrefix) {
        statistics.add(.invoked, eid.prefix.family)
        for rloc in rlocs { items[rloc]?.told.removeAll { $0.overlaps(eid) } }
    }

    /// We have no RLOC to be answered at. When one appears, that is a change again.
    mutating func couldNotSend() { statistics.add(.noRLOC) }

    /// The role has gone.
    package mutating func removeAll() {
        items = [:]
        timers.removeAll()
    }

    // MARK: Time

    package mutating func deadline() -> Instant? { timers.next.map { max($0, nextSlice) } }

    /// What is to be sent now.
    package mutating func timeout(now: Instant) -> [Solicitation] {
        guard now >= nextSlice else { return [] }
        var sent: [Solicitation] = []
        while sent.count < Self.sliceLimit, let rloc = timers.popDue(now) {
            guard var item = items[rloc], let next = Self.next(&item, rloc) else {
                items[rloc] = nil
                continue
            }
            items[rloc] = item
            timers.set(rloc, at: now + Self.interval)
            statistics.add(next.isRepeat ? .repeated : .sent)
            sent.append(next)
        }
        if sent.count == Self.sliceLimit { nextSlice = now + Self.sliceInterval }
        return sent
    }

    private static func next(_ item: inout Item, _ rloc: IPAddress) -> Solicitation? {
        if let first = item.due.first {
            let eids = Array(item.due.lazy.filter { $0.instanceID == first.instanceID }.prefix(recordLimit))
            let chosen = Set(eids)
            item.due.removeAll { chosen.contains($0) }
            item.told += eids
            return Solicitation(rloc: rloc, eids: eids, isRepeat: false)
        }
        guard let first = item.told.first else { return nil }
        let limit = item.told.count <= singleLimit ? 1 : recordLimit
        let eids = Array(item.told.lazy.filter { $0.instanceID == first.instanceID }.prefix(limit))
        let chosen = Set(eids)
        item.told.removeAll { chosen.contains($0) }
        return Solicitation(rloc: rloc, eids: eids, isRepeat: true)
    }
}

extension SMRSender {
    /// The SMR itself: a Map-Request with S and D bits.
    ///
    /// - Parameters:
    ///   - itrEID: an EID-prefix of the receiver, if one is known. Open Overlay Router wants one as the record of an SMR and takes
    ///     the changed mapping from the source EID; so it gets that where only one mapping is spoken of.
    ///   - database: our mappings, among which `eids` may be or not.
    static func message(
        _ solicitation: Solicitation,
        itrEID: EIDPrefix?,
        database: Database,
        rlocs: [IPAddress],
        nonce: Nonce
    ) -> MapRequest {
        let eids = solicitation.eids
        let records = eids.count == 1 ? [itrEID ?? eids[0]] : eids
        return MapRequest(
            isSMR: true,
            dontMapReply: true,
            nonce: nonce,
            sourceEID: LISPAddress(eid: database.eid(of: eids[0])),
            itrRLOCs: rlocs.prefix(32).map(LISPAddress.ip),
            records: records.map(MapRequest.Record.init)
        )
    }
}

extension Database {
    /// How many more-specifics `eid(of:)` steps over.
    private static let stepLimit = 64

    /// An EID in `prefix` whose mapping is that of `prefix` and not of a more-specific; its first address if none is found soon.
    func eid(of prefix: EIDPrefix) -> EID {
        let first = prefix.prefix.address
        var address = first
        for _ in 0..<Self.stepLimit {
            let host = EIDPrefix(instanceID: prefix.instanceID, IPPrefix(host: address))
            guard let match = longestMatch(host)?.eid.prefix, match.length > prefix.prefix.length else {
                return EID(instanceID: prefix.instanceID, address)
            }
            // Behind the more-specific, if that is still inside.
            let size = UInt128(1) << UInt128(128 - Int(match.length))
            let (next, isOver) = match.address.leftAligned.addingReportingOverflow(size)
            address = IPAddress(family: first.family, leftAligned: next)
            guard !isOver, prefix.prefix.contains(address) else { break }
        }
        return EID(instanceID: prefix.instanceID, first)
    }
}
