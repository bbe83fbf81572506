// A forwarding plane that does by the book what a data plane does, and notes what it should never have been told.

import ForwardingInterface
import LISPTables
import LISPWire

/// The forwarding state of one router. Every update costs what its own size costs.
package final class ReferencePlane {
    package struct Entry: Hashable {
        package let mapping: MappingID
        package let action: ForwardingAction
    }

    package private(set) var locators: [LocatorID: IPAddress] = [:]
    /// The same by address.
    package private(set) var locatorIDs: [IPAddress: LocatorID] = [:]
    /// What the paths to them carry, where that is known to be less than the interfaces do.
    private var mtus: [LocatorID: UInt16] = [:]
    /// Those that packets are not sent to.
    package private(set) var downLocators: Set<LocatorID> = []
    package private(set) var sets: [LocatorSetID: [LocatorSlot]] = [:]
    package private(set) var entries = PrefixTable<Entry>()
    /// Updates that came in the wrong order, in words.
    package private(set) var faults: [String] = []
    /// Packets encapsulated by each mapping, while it has an entry.
    package private(set) var packetsSent: [MappingID: UInt64] = [:]
    /// How many sets name a locator, how many entries a set.
    private var locatorUsers: [LocatorID: Int] = [:]
    private var setUsers: [LocatorSetID: Int] = [:]

    /// What there is to know of echo-nonce with one locator.
    struct Echo {
        var counters = EchoCounters()
        /// The nonce that packets there ask for.
        var asked: UInt32?
    }

    /// Whether packets ask for echoes, and echo, at all.
    var echoesNonces = false
    private var echoes: [LocatorID: Echo] = [:]
    /// What packets from an own EID-prefix say of its RLOCs.
    private(set) var statusBits = PrefixTable<UInt32>()
    /// What packets from the sites of a locator set said last.
    var heardStatusBits: [LocatorSetID: UInt32] = [:]

    /// When a packet last went to, or came from, an RLOC.
    private var exchanges: [IPAddress: Instant] = [:]
    /// How many exchanges there may be before those that are past are forgotten.
    private var exchangeLimit = 64
    private static let exchangeMemory = Duration.seconds(60)

    package init() {}

    package var isEmpty: Bool { locators.isEmpty && sets.isEmpty && entries.isEmpty }

    package func apply(_ updates: [ForwardingUpdate]) {
        for update in updates { apply(update) }
    }

    private func apply(_ update: ForwardingUpdate) {
        switch update {
        case .putLocator(let id, let address, _, let isUp, let mtu):
            locators[id] = address
            mtus[id] = mtu > 0 ? mtu : nil
            locatorIDs[address] = id
            if isUp { downLocators.remove(id) } else { downLocators.insert(id) }
        case .deleteLocator(let id):
            if locatorUsers[id, default: 0] > 0 { note("a set still names the locator", update) }
            if let address = locators.removeValue(forKey: id) { locatorIDs[address] = nil }
            downLocators.remove(id)
            mtus[id] = nil
            echoes[id] = nil
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
            heardStatusBits[id] = nil
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
        case .requestEcho(let id, let nonce):
            if locators[id] == nil { note("there is no locator \(id.rawValue)", update) }
            echoes[id, default: Echo()].asked = nonce
        case .putStatusBits(let eid, let bits):
            statusBits[eid] = bits
        case .putOwnPrefix, .deleteOwnPrefix, .putAcceptedSource, .deleteAcceptedSource, .setHeaderHints,
            .setErrorSource, .putAccount, .deleteAccount:
            break
        }
    }

    private func leave(_ slots: [LocatorSlot]?) {
        for slot in slots ?? [] {
            guard let users = locatorUsers[slot.locator] else { continue }
            locatorUsers[slot.locator] = users > 1 ? users - 1 : nil
        }
    }

    private func leave(_ entry: Entry?) {
        guard case .encapsulate(let set)? = entry?.action, let users = setUsers[set] else { return }
        setUsers[set] = users > 1 ? users - 1 : nil
    }

    private func note(_ fault: String, _ update: ForwardingUpdate) {
        guard faults.count < 16 else { return }
        faults.append("\(fault): \(update)")
    }

    /// Takes what was noted.
    package func takeFaults() -> [String] {
        defer { faults = [] }
        return faults
    }

    package func longestMatch(_ eid: EID) -> (eid: EIDPrefix, entry: Entry)? {
        entries.longestMatch(eid).map { ($0.key, $0.value) }
    }

    /// The locator for a packet: of the best priority among those that are up, by weight and flow. `nil` if the set has none.
    package func locator(of set: LocatorSetID, flow: UInt64) -> IPAddress? {
        guard let slots = sets[set] else { return nil }
        var best: UInt8 = 255
        for slot in slots where slot.priority < best && !downLocators.contains(slot.locator) { best = slot.priority }
        guard best != 255 else { return nil }
        func isCandidate(_ slot: LocatorSlot) -> Bool {
            slot.priority == best && !downLocators.contains(slot.locator)
        }
        var total: UInt64 = 0
        var count: UInt64 = 0
        for slot in slots where isCandidate(slot) {
            total += UInt64(slot.weight)
            count += 1
        }
        // If all weights are 0, they share evenly.
        var place = flow % (total > 0 ? total : count)
        for slot in slots where isCandidate(slot) {
            let share = total > 0 ? UInt64(slot.weight) : 1
            if place < share { return locators[slot.locator] }
            place -= share
        }
        return nil
    }

    /// Octets of the largest packet that gets to an RLOC, outer headers included; `nil`: as many as the interfaces take.
    func mtu(of rloc: IPAddress) -> UInt16? {
        mtus.isEmpty ? nil : locatorIDs[rloc].flatMap { mtus[$0] }
    }

    /// A packet went to `rloc` or came from there.
    func exchanged(with rloc: IPAddress, now: Instant) {
        if exchanges.count >= exchangeLimit, exchanges[rloc] == nil {
            exchanges = exchanges.filter { $0.value.duration(to: now) <= Self.exchangeMemory }
            exchangeLimit = max(64, 2 * exchanges.count)
        }
        exchanges[rloc] = now
    }

    /// Whether a packet went to `rloc`, or came from there, at `moment` or later.
    func exchanged(with rloc: IPAddress, since moment: Instant) -> Bool {
        exchanges[rloc].map { $0 >= moment } ?? false
    }

    /// With whom packets were exchanged lately, in order.
    func peers(within time: Duration, now: Instant) -> [ForwardingPeer] {
        exchanges.filter { $0.value.duration(to: now) <= time }.keys.sorted().map { ForwardingPeer(rloc: $0) }
    }

    // MARK: Echo-nonce

    /// Packets went to `rloc`.
    func sent(to rloc: IPAddress, _ packets: UInt64) {
        guard echoesNonces, let id = locatorIDs[rloc] else { return }
        echoes[id, default: Echo()].counters.sent += packets
    }

    /// Packets came from `rloc`.
    func received(from rloc: IPAddress, _ packets: UInt64) {
        guard echoesNonces, let id = locatorIDs[rloc] else { return }
        echoes[id, default: Echo()].counters.received += packets
    }

    /// Packets went there and asked for the nonce; some that came back brought it.
    func asked(_ id: LocatorID, _ packets: UInt64, answers: UInt64, nonce: UInt32, isEchoed: Bool) {
        guard var echo = echoes[id] else { return }
        echo.counters.sent += packets
        echo.counters.received += answers
        if echo.asked == nonce {
            echo.counters.requested += packets
            if isEchoed { echo.counters.matched += 1 }
        } else if isEchoed {
            echo.counters.mismatched += 1
        }
        echoes[id] = echo
    }

    /// When a packet last went to a locator, or came from there.
    func lastExchange(_ id: LocatorID) -> Instant? { locators[id].flatMap { exchanges[$0] } }

    func echoCounters(_ id: LocatorID) -> EchoCounters? {
        locators[id] == nil ? nil : echoes[id]?.counters ?? EchoCounters()
    }

    package func count(_ mapping: MappingID, _ packets: Int = 1) {
        packetsSent[mapping, default: 0] += UInt64(packets)
    }
}
