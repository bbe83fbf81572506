// Which Map-Registers are replays (RFC 9301 section 5.6).
//
// The RFC wants every nonce greater than the last, saved over restarts. Deployed ETRs do otherwise: one sends the same nonce
// for ever, another a random one. So, for each ETR, site and key:
// - Always: the very message that was accepted last is welcome again; it refreshes what it registered.
// - strict: any other message needs a greater nonce.
// - auto: the same for an ETR whose last five nonces counted upwards; for others a message is refused only if it is one
//   of the last 64 accepted. Random nonces also go up five times in a row now and then, so an increase counts only if
//   it is less than 2^48: nonces made from a clock in nanoseconds move that far in three days, random ones nearly never
//   move so little.
//   Who has sent two different messages under one nonce does not use nonces to order them: such an ETR that returns to an
//   earlier state sends an earlier message, which is not taken for a replay, or its site would go dark.
// - off: nothing is refused.
//
// Of an ETR that counts the last message decides alone: no other is kept. How all this outlives the process: NonceJournal.swift.

import LISPTables
import LISPWire

/// Decides about each Map-Register that is authentic.
///
/// An ETR takes about 100 octets; one that does not count, 1 KiB more. Every operation but `forget` costs O(1).
package struct NonceGuard: Sendable {
    package static let remembered = 64
    static let countsUntilStrict = 5
    static let largestStep: UInt64 = 1 << 48
    /// ETRs remembered for each site: whoever holds a site's key can push out only its own. Beyond it the one that was silent
    /// longest is forgotten.
    package static let limit = 4096

    package typealias Message = NonceHistory.Message

    package enum Verdict: Hashable, Sendable {
        case new
        /// The last accepted message once more.
        case repeated
        case replayed
    }

    private struct Entry: Sendable {
        let etr: ETRIdentity
        let site: Int32
        let keyID: UInt8
        var counting: UInt8
        var isStrict: Bool
        var reusesNonces: Bool
        var last: Message
        /// Those accepted before `last`, oldest first, while they may still decide.
        var earlier: [Message]
        /// The part of the journal that has all of this.
        var journalPart: UInt32 = 0
        /// The same ETR at another site or under another key.
        var next: Int32 = absent
        /// Neighbours in the order in which the ETRs of the site were heard.
        var older: Int32 = absent
        var newer: Int32 = absent

        func verdict(on message: Message, check: NonceCheck) -> Verdict {
            if message == last { return .repeated }
            switch check {
            case .off:
                return .new
            case .auto where !isStrict:
                return !reusesNonces && earlier.contains(message) ? .replayed : .new
            case .auto, .strict:
                return message.nonce > last.nonce ? .new : .replayed
            }
        }

        mutating func accept(_ message: Message) {
            let (step, wentDown) = message.nonce.subtractingReportingOverflow(last.nonce)
            let counts = !wentDown && step > 0 && step < NonceGuard.largestStep
            counting = counts ? min(counting + 1, UInt8(NonceGuard.countsUntilStrict)) : 1
            if step == 0 { reusesNonces = true }
            if Int(counting) >= NonceGuard.countsUntilStrict { isStrict = true }
            if isStrict || reusesNonces {
                earlier = []
            } else {
                if earlier.count >= NonceGuard.remembered - 1 { earlier.removeFirst() }
                earlier.append(last)
            }
            last = message
        }
    }

    /// One site's ETRs, from the one that was silent longest to the one that was heard last.
    private struct Site: Sendable {
        let name: String
        var oldest: Int32 = absent
        var newest: Int32 = absent
        var count = 0
    }

    private static let absent: Int32 = -1

    private var entries = ChunkedArray<Entry>()
    /// Linked by `next`.
    private var firstFree = absent
    /// The first entry of each ETR.
    private var heads = HashIndex()
    /// Every entry, by all that identifies it: one ETR may be at thousands of sites.
    private var places = HashIndex()
    private var sites: [Site] = []
    private var siteNumbers: [String: Int32] = [:]
    private let limit: Int
    /// Grows with every accepted message.
    package private(set) var changes: UInt64 = 0
    /// What the owner has yet to write down; stays empty unless it wants that.
    private var journal: NonceJournalWriter?

    package init(limit: Int = Self.limit) {
        self.limit = limit
    }

    /// How many ETRs are remembered, one that registers at two sites or under two keys twice.
    package private(set) var count = 0

    /// The sites that an ETR of is remembered.
    package var knownSites: Set<String> { Set(sites.lazy.filter { $0.count > 0 }.map(\.name)) }

    /// What to do with an authentic message.
    package func verdict(
        on message: Message,
        site: String,
        etr: ETRIdentity,
        keyID: UInt8,
        check: NonceCheck
    ) -> Verdict {
        guard let number = siteNumbers[site], let slot = slot(number, etr, keyID) else { return .new }
        return entries[Int(slot)].verdict(on: message, check: check)
    }

    /// The verdict; a message that is new is accepted at once.
    package mutating func judge(
        _ message: Message,
        site: String,
        etr: ETRIdentity,
        keyID: UInt8,
        check: NonceCheck
    ) -> Verdict {
        let number = number(of: site)
        guard let slot = slot(number, etr, keyID) else {
            insert(message, number, etr, keyID)
            return .new
        }
        let verdict = entries[Int(slot)].verdict(on: message, check: check)
        if verdict == .new { accept(message, at: slot) }
        return verdict
    }

    /// The message was accepted as new.
    package mutating func accept(_ message: Message, site: String, etr: ETRIdentity, keyID: UInt8) {
        let number = number(of: site)
        if let slot = slot(number, etr, keyID) {
            accept(message, at: slot)
        } else {
            insert(message, number, etr, keyID)
        }
    }

    private mutating func accept(_ message: Message, at slot: Int32) {
        entries[Int(slot)].accept(message)
        hear(slot)
        write(slot, message)
    }

    private mutating func insert(_ message: Message, _ site: Int32, _ etr: ETRIdentity, _ keyID: UInt8) {
        let entry = Entry(
            etr: etr,
            site: site,
            keyID: keyID,
            counting: 1,
            isStrict: false,
            reusesNonces: false,
            last: message,
            earlier: []
        )
        write(insert(entry), message)
    }

    /// What a message of an ETR looks like before it is verified.
    enum Acquaintance {
        /// No message of this ETR is remembered.
        case stranger
        /// One is; this one may be anybody's.
        case known
        /// This one is the last again, or follows it closely: nobody who has not seen that one sends it by chance.
        case successor
    }

    /// How far the nonce of an ETR that counts may move and still follow the last one closely.
    static let succession: UInt64 = 1 << 20

    func acquaintance(of etr: ETRIdentity, _ message: Message) -> Acquaintance {
        var slot = head(of: etr)
        guard slot != Self.absent else { return .stranger }
        while slot != Self.absent {
            let last = entries[Int(slot)].last
            if message == last || message.nonce &- last.nonce &- 1 < Self.succession { return .successor }
            slot = entries[Int(slot)].next
        }
        return .known
    }

    // MARK: Entries

    private mutating func number(of site: String) -> Int32 {
        if let number = siteNumbers[site] { return number }
        let number = Int32(sites.count)
        sites.append(Site(name: site))
        siteNumbers[site] = number
        return number
    }

    private func head(of etr: ETRIdentity) -> Int32 {
        heads.slot(hash: etr.hashValue) { entries[Int($0)].etr == etr } ?? Self.absent
    }

    private func slot(_ site: Int32, _ etr: ETRIdentity, _ keyID: UInt8) -> Int32? {
        places.slot(hash: Self.hash(site, etr, keyID)) {
            let slot = Int($0)
            return entries[slot].site == site && entries[slot].keyID == keyID && entries[slot].etr == etr
        }
    }

    private static func hash(_ site: Int32, _ etr: ETRIdentity, _ keyID: UInt8) -> Int {
        var hasher = Hasher()
        hasher.combine(site)
        hasher.combine(etr)
        hasher.combine(keyID)
        return hasher.finalize()
    }

    /// Adds an entry as the newest of its site.
    private mutating func insert(_ entry: Entry) -> Int32 {
        let site = Int(entry.site)
        if sites[site].count >= limit { remove(sites[site].oldest) }
        let head = head(of: entry.etr)
        let slot = place(entry)
        places.insert(slot, hash: Self.hash(entry.site, entry.etr, entry.keyID))
        if head == Self.absent {
            heads.insert(slot, hash: entry.etr.hashValue)
        } else {
            entries[Int(slot)].next = entries[Int(head)].next
            entries[Int(head)].next = slot
        }
        sites[site].count += 1
        append(slot)
        return slot
    }

    private mutating func remove(_ slot: Int32) {
        unlink(slot)
        let entry = entries[Int(slot)]
        sites[Int(entry.site)].count -= 1
        places.remove(slot, hash: Self.hash(entry.site, entry.etr, entry.keyID))
        let hash = entry.etr.hashValue
        let head = head(of: entry.etr)
        if head == slot {
            heads.remove(slot, hash: hash)
            if entry.next != Self.absent { heads.insert(entry.next, hash: hash) }
        } else {
            var before = head
            while entries[Int(before)].next != slot { before = entries[Int(before)].next }
            entries[Int(before)].next = entry.next
        }
        count -= 1
        entries[Int(slot)].earlier = []
        entries[Int(slot)].next = firstFree
        firstFree = slot
    }

    private mutating func place(_ entry: Entry) -> Int32 {
        count += 1
        guard firstFree != Self.absent else {
            entries.append(entry)
            return Int32(entries.count - 1)
        }
        let slot = firstFree
        firstFree = entries[Int(slot)].next
        entries[Int(slot)] = entry
        return slot
    }

    /// The ETR was heard just now.
    private mutating func hear(_ slot: Int32) {
        changes &+= 1
        guard sites[Int(entries[Int(slot)].site)].newest != slot else { return }
        unlink(slot)
        append(slot)
    }

    private mutating func append(_ slot: Int32) {
        changes &+= 1
        let site = Int(entries[Int(slot)].site)
        let newest = sites[site].newest
        entries[Int(slot)].older = newest
        entries[Int(slot)].newer = Self.absent
        if newest == Self.absent { sites[site].oldest = slot } else { entries[Int(newest)].newer = slot }
        sites[site].newest = slot
    }

    private mutating func unlink(_ slot: Int32) {
        let (site, older, newer) = (Int(entries[Int(slot)].site), entries[Int(slot)].older, entries[Int(slot)].newer)
        if older == Self.absent { sites[site].oldest = newer } else { entries[Int(older)].newer = newer }
        if newer == Self.absent { sites[site].newest = older } else { entries[Int(newer)].older = older }
    }

    /// Calls `body` with every slot of a site, that which was silent longest first.
    private func forEachSlot(of site: Site, _ body: (Int32) -> Void) {
        var slot = site.oldest
        while slot != Self.absent {
            let next = entries[Int(slot)].newer
            body(slot)
            slot = next
        }
    }

    // MARK: What is saved

    /// Everything to be saved over a restart; at each site those that were silent longest first.
    package var saved: [NonceHistory] {
        var saved: [NonceHistory] = []
        for site in sites {
            forEachSlot(of: site) { slot in
                let entry = entries[Int(slot)]
                saved.append(
                    NonceHistory(
                        site: site.name,
                        etr: entry.etr.description,
                        keyID: entry.keyID,
                        messages: entry.earlier + [entry.last],
                        counting: Int(entry.counting),
                        isStrict: entry.isStrict,
                        reusesNonces: entry.reusesNonces
                    )
                )
            }
        }
        return saved
    }

    /// Takes back what was saved. What has no message or names no ETR is left out.
    package init(_ saved: some Sequence<NonceHistory>, limit: Int = Self.limit) {
        self.init(limit: limit)
        for history in saved {
            guard !history.messages.isEmpty, let etr = ETRIdentity(history.etr) else { continue }
            restore(
                NonceJournalState(
                    site: history.site,
                    etr: etr,
                    keyID: history.keyID,
                    counting: UInt8(clamping: min(history.counting, Self.countsUntilStrict)),
                    isStrict: history.isStrict,
                    reusesNonces: history.reusesNonces,
                    messages: Array(history.messages.suffix(Self.remembered))
                )
            )
        }
    }

    /// Forgets all of a site; returns how many ETRs that concerns.
    package mutating func forget(site: String) -> Int {
        guard let number = siteNumbers[site] else { return 0 }
        let before = count
        forget(at: Int(number)) { _ in false }
        return before - count
    }

    /// Forgets what `keeps` does not want of a site and key ID. Costs as much as is remembered.
    package mutating func forget(unless keeps: (_ site: String, _ keyID: UInt8) -> Bool) {
        for number in sites.indices {
            let name = sites[number].name
            forget(at: number) { keeps(name, $0) }
        }
    }

    private mutating func forget(at number: Int, unless keeps: (_ keyID: UInt8) -> Bool) {
        var gone: [Int32] = []
        var decided: [UInt8: Bool] = [:]
        forEachSlot(of: sites[number]) { slot in
            let keyID = entries[Int(slot)].keyID
            let stays = decided[keyID] ?? keeps(keyID)
            decided[keyID] = stays
            if !stays { gone.append(slot) }
        }
        for slot in gone { remove(slot) }
        changes &+= UInt64(gone.count)
        for (keyID, stays) in decided.sorted(by: { $0.key < $1.key }) where !stays {
            journal?.forget(site: sites[number].name, keyID: keyID)
        }
    }
}

// MARK: - The journal

extension NonceGuard {
    /// From now on what changes is kept for `takeJournal`, as a new part: it can be read without those before it.
    package mutating func startJournal() {
        journal = NonceJournalWriter(part: (journal?.part ?? 0) &+ 1)
    }

    /// What has changed since the last call, as `NonceJournal` writes it; empty if nothing has.
    package mutating func takeJournal() -> [UInt8] { journal?.take() ?? [] }

    /// Whether `takeJournal` has something to give.
    package var hasJournal: Bool { journal?.isEmpty == false }

    /// Everything, in that form; at each site those that were silent longest first.
    package func journalOfAll() -> [UInt8] {
        var writer = NonceJournalWriter(part: 1)
        writer.clear()
        for site in sites {
            forEachSlot(of: site) { writer.state(state(of: $0), at: $0) }
        }
        return writer.take()
    }

    private mutating func write(_ slot: Int32, _ message: Message) {
        guard let part = journal?.part else { return }
        if entries[Int(slot)].journalPart == part {
            journal?.accept(message, at: slot)
        } else {
            entries[Int(slot)].journalPart = part
            let state = state(of: slot)
            journal?.state(state, at: slot)
        }
    }

    private func state(of slot: Int32) -> NonceJournalState {
        let entry = entries[Int(slot)]
        return NonceJournalState(
            site: sites[Int(entry.site)].name,
            etr: entry.etr,
            keyID: entry.keyID,
            counting: entry.counting,
            isStrict: entry.isStrict,
            reusesNonces: entry.reusesNonces,
            messages: entry.earlier + [entry.last]
        )
    }

    /// Takes a state over as that of the ETR heard last.
    ///
    /// - Precondition: it has 1 to 64 messages.
    mutating func restore(_ state: NonceJournalState) {
        let number = number(of: state.site)
        let decides = !state.isStrict && !state.reusesNonces
        let entry = Entry(
            etr: state.etr,
            site: number,
            keyID: state.keyID,
            counting: state.counting,
            isStrict: state.isStrict,
            reusesNonces: state.reusesNonces,
            last: state.messages[state.messages.count - 1],
            earlier: decides ? Array(state.messages.dropLast()) : []
        )
        if let slot = slot(number, state.etr, state.keyID) { remove(slot) }
        _ = insert(entry)
    }

    mutating func removeAll() {
        self = NonceGuard(limit: limit)
    }
}
