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

import LISPTables
import LISPWire

/// The nonces of one ETR at one site under one key, in the form that is saved.
package struct NonceHistory: Hashable, Sendable, Codable {
    package struct Message: Hashable, Sendable, Codable {
        package let nonce: UInt64
        /// The first 64 bits of the authentication data: what stands for the whole message.
        package let mac: UInt64
    }

    package let site: String
    /// `ETRIdentity.description`.
    package let etr: String
    package let keyID: UInt8
    /// Oldest first; the last one accepted stands at the end, alone if `isStrict`.
    package var messages: [Message]
    /// Nonces at the end of the history that counted upwards, up to five.
    package var counting: Int
    package var isStrict: Bool
    package var reusesNonces: Bool
}

/// Decides about each Map-Register that is authentic.
package struct NonceGuard: Sendable {
    package static let remembered = 64
    static let countsUntilStrict = 5
    static let largestStep: UInt64 = 1 << 48
    /// ETRs remembered for each site: whoever holds a site's key can push out only its own. Beyond it those that were
    /// silent longest are forgotten.
    package static let limit = 4096

    package enum Verdict: Hashable, Sendable {
        case new
        /// The last accepted message once more.
        case repeated
        case replayed
    }

    fileprivate struct Sender: Hashable {
        /// Index of `sites`.
        let site: Int32
        let keyID: UInt8
        let etr: ETRIdentity
    }

    /// One sender's history. What an ETR that counts sent before its last message decides nothing, and is not kept.
    fileprivate struct Entry {
        let sender: Sender
        var last: NonceHistory.Message
        /// Oldest first.
        var earlier: [NonceHistory.Message] = []
        var heard: UInt64
        /// Up to `countsUntilStrict`.
        var counting: UInt8
        var isStrict: Bool
        var reusesNonces: Bool
        /// The entries before and after it of the same site; -1 for none. `next` links free entries, too.
        var previous: Int32 = -1
        var next: Int32 = -1
    }

    private struct Site {
        let name: String
        /// Its senders, linked.
        var first: Int32 = -1
        var count = 0
    }

    private var sites: [Site] = []
    private var siteIndexes: [String: Int32] = [:]
    private var entries = ChunkedArray<Entry>()
    private var index = HashIndex()
    private var firstFree: Int32 = -1
    /// Grows with every accepted message: tells who was silent longest, and whether there is something to save.
    package private(set) var changes: UInt64 = 0
    private let limit: Int

    package init(limit: Int = Self.limit) {
        self.limit = limit
    }

    /// What to do with an authentic message.
    package func verdict(
        on message: NonceHistory.Message,
        site: String,
        etr: ETRIdentity,
        keyID: UInt8,
        check: NonceCheck
    ) -> Verdict {
        guard let site = siteIndexes[site] else { return .new }
        let sender = Sender(site: site, keyID: keyID, etr: etr)
        guard let entry = entry(of: sender, hash: sender.hashValue) else { return .new }
        return entries[Int(entry)].verdict(on: message, check: check)
    }

    /// The message was accepted as new.
    package mutating func accept(_ message: NonceHistory.Message, site: String, etr: ETRIdentity, keyID: UInt8) {
        let sender = Sender(site: siteIndex(of: site), keyID: keyID, etr: etr)
        accept(message, from: sender, hash: sender.hashValue)
    }

    /// The verdict; a message that is new is accepted at once.
    package mutating func judge(
        _ message: NonceHistory.Message,
        site: String,
        etr: ETRIdentity,
        keyID: UInt8,
        check: NonceCheck
    ) -> Verdict {
        let sender = Sender(site: siteIndex(of: site), keyID: keyID, etr: etr)
        let hash = sender.hashValue
        guard let entry = entry(of: sender, hash: hash) else {
            accept(message, from: sender, hash: hash)
            return .new
        }
        let verdict = entries[Int(entry)].verdict(on: message, check: check)
        if verdict == .new {
            changes &+= 1
            entries[Int(entry)].append(message, heard: changes)
        }
        return verdict
    }

    private mutating func accept(_ message: NonceHistory.Message, from sender: Sender, hash: Int) {
        changes &+= 1
        if let entry = entry(of: sender, hash: hash) {
            entries[Int(entry)].append(message, heard: changes)
        } else {
            insert(Entry(sender, message, heard: changes), hash: hash)
        }
    }

    // MARK: Entries

    private func entry(of sender: Sender, hash: Int) -> Int32? {
        index.slot(hash: hash) { entries[Int($0)].sender == sender }
    }

    private mutating func siteIndex(of name: String) -> Int32 {
        if let known = siteIndexes[name] { return known }
        let new = Int32(sites.count)
        siteIndexes[name] = new
        sites.append(Site(name: name))
        return new
    }

    private mutating func insert(_ entry: Entry, hash: Int) {
        let site = Int(entry.sender.site)
        makeRoom(at: site)
        var entry = entry
        entry.next = sites[site].first
        let slot: Int32
        if firstFree >= 0 {
            slot = firstFree
            firstFree = entries[Int(slot)].next
            entries[Int(slot)] = entry
        } else {
            slot = Int32(entries.count)
            entries.append(entry)
        }
        if entry.next >= 0 { entries[Int(entry.next)].previous = slot }
        sites[site].first = slot
        sites[site].count += 1
        index.insert(slot, hash: hash)
    }

    private mutating func remove(_ slot: Int32) {
        let entry = entries[Int(slot)]
        let site = Int(entry.sender.site)
        if entry.previous >= 0 {
            entries[Int(entry.previous)].next = entry.next
        } else {
            sites[site].first = entry.next
        }
        if entry.next >= 0 { entries[Int(entry.next)].previous = entry.previous }
        sites[site].count -= 1
        index.remove(slot, hash: entry.sender.hashValue)
        entries[Int(slot)].earlier = []
        entries[Int(slot)].next = firstFree
        firstFree = slot
    }

    private mutating func makeRoom(at site: Int) {
        guard sites[site].count >= limit else { return }
        // A sixteenth at once, so that the search is not repeated for every newcomer.
        let silent = slots(of: site).sorted { entries[Int($0)].heard < entries[Int($1)].heard }
        for slot in silent.prefix(max(1, limit / 16)) { remove(slot) }
    }

    private func slots(of site: Int) -> [Int32] {
        var slots: [Int32] = []
        var slot = sites[site].first
        while slot >= 0 {
            slots.append(slot)
            slot = entries[Int(slot)].next
        }
        return slots
    }

    // MARK: What is saved

    /// Everything to be saved over a restart, those that were silent longest first.
    package var saved: [NonceHistory] {
        sites.indices.flatMap(slots).map { entries[Int($0)] }.sorted { $0.heard < $1.heard }
            .map { NonceHistory($0, site: sites[Int($0.sender.site)].name) }
    }

    /// Takes back what was saved.
    package mutating func restore(_ saved: some Sequence<NonceHistory>) {
        for history in saved {
            guard let etr = ETRIdentity(history.etr), let last = history.messages.last else { continue }
            changes &+= 1
            let sender = Sender(site: siteIndex(of: history.site), keyID: history.keyID, etr: etr)
            let hash = sender.hashValue
            if let known = entry(of: sender, hash: hash) { remove(known) }
            insert(Entry(sender, history, last: last, heard: changes), hash: hash)
        }
    }

    /// Forgets all of a site; returns how many ETRs that concerns.
    package mutating func forget(site: String) -> Int {
        guard let site = siteIndexes[site].map(Int.init) else { return 0 }
        let known = slots(of: site)
        for slot in known { remove(slot) }
        changes &+= UInt64(known.count)
        return known.count
    }

    /// Forgets what `keeps` does not want of a site and key ID.
    package mutating func forget(unless keeps: (_ site: String, _ keyID: UInt8) -> Bool) {
        for site in sites.indices {
            let name = sites[site].name
            for slot in slots(of: site) where !keeps(name, entries[Int(slot)].sender.keyID) {
                remove(slot)
                changes &+= 1
            }
        }
    }
}

extension NonceGuard.Entry {
    /// The first message of a sender.
    fileprivate init(_ sender: NonceGuard.Sender, _ message: NonceHistory.Message, heard: UInt64) {
        self.init(
            sender: sender,
            last: message,
            heard: heard,
            counting: 1,
            isStrict: false,
            reusesNonces: false
        )
    }

    /// What was saved.
    fileprivate init(
        _ sender: NonceGuard.Sender,
        _ history: NonceHistory,
        last: NonceHistory.Message,
        heard: UInt64
    ) {
        self.init(
            sender: sender,
            last: last,
            earlier: history.isStrict ? [] : history.messages.dropLast().suffix(NonceGuard.remembered - 1),
            heard: heard,
            counting: UInt8(clamping: min(history.counting, NonceGuard.countsUntilStrict)),
            isStrict: history.isStrict,
            reusesNonces: history.reusesNonces
        )
    }

    fileprivate func verdict(on message: NonceHistory.Message, check: NonceCheck) -> NonceGuard.Verdict {
        if message == last { return .repeated }
        switch check {
        case .off:
            return .new
        case .auto where !isStrict:
            return earlier.contains(message) && !reusesNonces ? .replayed : .new
        case .auto, .strict:
            return message.nonce > last.nonce ? .new : .replayed
        }
    }

    fileprivate mutating func append(_ message: NonceHistory.Message, heard: UInt64) {
        self.heard = heard
        let (step, wentDown) = message.nonce.subtractingReportingOverflow(last.nonce)
        let counts = !wentDown && step > 0 && step < NonceGuard.largestStep
        counting = counts ? min(counting + 1, UInt8(NonceGuard.countsUntilStrict)) : 1
        if step == 0 { reusesNonces = true }
        if !isStrict {
            if Int(counting) >= NonceGuard.countsUntilStrict {
                isStrict = true
                earlier = []
            } else {
                if earlier.count == NonceGuard.remembered - 1 { earlier.removeFirst() }
                earlier.append(last)
            }
        }
        last = message
    }
}

extension NonceHistory {
    fileprivate init(_ entry: NonceGuard.Entry, site: String) {
        self.init(
            site: site,
            etr: entry.sender.etr.description,
            keyID: entry.sender.keyID,
            messages: entry.earlier + [entry.last],
            counting: Int(entry.counting),
            isStrict: entry.isStrict,
            reusesNonces: entry.reusesNonces
        )
    }
}
