// A forwarding plane that does by the book what a data plane does, and notes what it should never have been told.

import ForwardingInterface
import LISPTables
import LISPWire

/// The forwarding state of one router. Every update costs what its own size costs.
package struct ReferencePlane {
    package struct Entry: Hashable {
        package let mapping: MappingID
        package let action: ForwardingAction
    }

    package private(set) var locators: [LocatorID: IPAddress] = [:]
    package private(set) var sets: [LocatorSetID: [LocatorSlot]] = [:]
    package private(set) var entries = PrefixTable<Entry>()
    /// Updates that came in the wrong order, in words.
    package private(set) var faults: [String] = []
    /// Packets encapsulated by each mapping, while it has an entry.
    package private(set) var packetsSent: [MappingID: UInt64] = [:]
    /// How many sets name a locator, how many entries a set.
    private var locatorUsers: [LocatorID: Int] = [:]
    private var setUsers: [LocatorSetID: Int] = [:]

    /// When a packet last went to, or came from, an RLOC.
    private var exchanges: [IPAddress: Instant] = [:]
    private static let exchangeLimit = 1_000
    private static let exchangeMemory = Duration.seconds(60)

    package init() {}

    package var isEmpty: Bool { locators.isEmpty && sets.isEmpty && entries.isEmpty }

    package mutating func apply(_ updates: [ForwardingUpdate]) {
        for update in updates { apply(update) }
    }

    private mutating func apply(_ update: ForwardingUpdate) {
        switch update {
        case .putLocator(let id, let address, _, _, _):
            locators[id] = address
        case .deleteLocator(let id):
            if locatorUsers[id, default: 0] > 0 { note("a set still names the locator", update) }
            locators[id] = nil
        case .putLocatorSet(let id, let slots):
            for slot in slots {
                if locators[slot.locator] == nil { note("there is no locator \(slot.locator.rawValue)", update) }
                locatorUsers[slot.locator, default: 0] += 1
            }
            leave(sets[id])
            sets[id] = slots
        case .deleteLocatorSet(let id):
            if setUsers[id, default: 0] > 0 { note("an entry still names the set", update) }
            leave(sets[id])
            sets[id] = nil
        case .putEntry(let eid, let mapping, let action):
            if case .encapsulate(let set) = action {
                if sets[set] == nil { note("there is no set \(set.rawValue)", update) }
                setUsers[set, default: 0] += 1
            }
            leave(entries[eid])
            entries[eid] = Entry(mapping: mapping, action: action)
        case .deleteEntry(let eid):
            if let mapping = entries[eid]?.mapping { packetsSent[mapping] = nil }
            leave(entries[eid])
            entries[eid] = nil
        case .requestEcho(let id, _):
            if locators[id] == nil { note("there is no locator \(id.rawValue)", update) }
        case .putOwnPrefix, .deleteOwnPrefix, .putAcceptedSource, .deleteAcceptedSource, .setHeaderHints,
            .setErrorSource, .putStatusBits:
            break
        }
    }

    private mutating func leave(_ slots: [LocatorSlot]?) {
        for slot in slots ?? [] {
            guard let users = locatorUsers[slot.locator] else { continue }
            locatorUsers[slot.locator] = users > 1 ? users - 1 : nil
        }
    }

    private mutating func leave(_ entry: Entry?) {
        guard case .encapsulate(let set)? = entry?.action, let users = setUsers[set] else { return }
        setUsers[set] = users > 1 ? users - 1 : nil
    }

    private mutating func note(_ fault: String, _ update: ForwardingUpdate) {
        guard faults.count < 16 else { return }
        faults.append("\(fault): \(update)")
    }

    /// Takes what was noted.
    package mutating func takeFaults() -> [String] {
        defer { faults = [] }
        return faults
    }

    package func longestMatch(_ eid: EID) -> (eid: EIDPrefix, entry: Entry)? {
        entries.longestMatch(eid).map { ($0.key, $0.value) }
    }

    /// The locator for a packet: of the best priority, by weight and flow. `nil` if the set has none.
    package func locator(of set: LocatorSetID, flow: UInt64) -> IPAddress? {
        guard let slots = sets[set], let best = slots.lazy.map(\.priority).min(), best != 255 else { return nil }
        let candidates = slots.filter { $0.priority == best }
        let weights = candidates.map { UInt64($0.weight) }
        let total = weights.reduce(0, +)
        guard total > 0 else { return locators[candidates[Int(flow % UInt64(candidates.count))].locator] }
        var place = flow % total
        for (slot, weight) in zip(candidates, weights) {
            if place < weight { return locators[slot.locator] }
            place -= weight
        }
        return nil
    }

    /// A packet went to `rloc` or came from there.
    mutating func exchanged(with rloc: IPAddress, now: Instant) {
        if exchanges.count >= Self.exchangeLimit, exchanges[rloc] == nil {
            exchanges = exchanges.filter { $0.value.duration(to: now) <= Self.exchangeMemory }
        }
        exchanges[rloc] = now
    }

    /// With whom packets were exchanged lately, in order.
    func peers(within time: Duration, now: Instant) -> [ForwardingPeer] {
        exchanges.filter { $0.value.duration(to: now) <= time }.keys.sorted().map { ForwardingPeer(rloc: $0) }
    }

    package mutating func count(_ mapping: MappingID) {
        packetsSent[mapping, default: 0] += 1
    }
}
