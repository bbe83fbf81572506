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
    /// Oldest first; the last one accepted stands at the end.
    package var messages: [Message]
    /// Nonces at the end of the history that counted upwards.
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

    private struct Sender: Hashable {
        let etr: String
        let keyID: UInt8
    }

    private struct Entry {
        var history: NonceHistory
        var heard: UInt64
    }

    /// By site.
    private var entries: [String: [Sender: Entry]] = [:]
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
        guard let history = entries[site]?[Sender(etr: etr.description, keyID: keyID)]?.history,
            let last = history.messages.last
        else { return .new }
        if message == last { return .repeated }
        switch check {
        case .off:
            return .new
        case .auto where !history.isStrict:
            return history.messages.contains(message) && !history.reusesNonces ? .replayed : .new
        case .auto, .strict:
            return message.nonce > last.nonce ? .new : .replayed
        }
    }

    /// The message was accepted as new.
    package mutating func accept(_ message: NonceHistory.Message, site: String, etr: ETRIdentity, keyID: UInt8) {
        let sender = Sender(etr: etr.description, keyID: keyID)
        changes &+= 1
        if entries[site]?[sender] == nil {
            makeRoom(at: site)
            let history = NonceHistory(
                site: site,
                etr: sender.etr,
                keyID: keyID,
                messages: [],
                counting: 0,
                isStrict: false,
                reusesNonces: false
            )
            entries[site, default: [:]][sender] = Entry(history: history, heard: changes)
        }
        entries[site]?[sender]?.heard = changes
        entries[site]?[sender]?.history.append(message)
    }

    private mutating func makeRoom(at site: String) {
        guard let known = entries[site], known.count >= limit else { return }
        // A sixteenth at once, so that the search is not repeated for every newcomer.
        let silent = known.sorted { $0.value.heard < $1.value.heard }.prefix(max(1, limit / 16))
        for (sender, _) in silent { entries[site]?[sender] = nil }
    }

    // MARK: What is saved

    /// Everything to be saved over a restart, those that were silent longest first.
    package var saved: [NonceHistory] {
        entries.values.flatMap(\.values).sorted { $0.heard < $1.heard }.map(\.history)
    }

    /// Takes back what was saved.
    package mutating func restore(_ saved: some Sequence<NonceHistory>) {
        for history in saved {
            changes &+= 1
            makeRoom(at: history.site)
            var history = history
            history.messages = history.messages.suffix(Self.remembered)
            let sender = Sender(etr: history.etr, keyID: history.keyID)
            entries[history.site, default: [:]][sender] = Entry(history: history, heard: changes)
        }
    }

    /// Forgets what `keeps` does not want of a site and key ID.
    package mutating func forget(unless keeps: (_ site: String, _ keyID: UInt8) -> Bool) {
        for (site, known) in entries {
            let kept = known.filter { keeps(site, $0.key.keyID) }
            guard kept.count < known.count else { continue }
            entries[site] = kept.isEmpty ? nil : kept
            changes &+= 1
        }
    }
}

extension NonceHistory {
    fileprivate mutating func append(_ message: Message) {
        if let last = messages.last {
            let (step, wentDown) = message.nonce.subtractingReportingOverflow(last.nonce)
            counting = !wentDown && step > 0 && step < NonceGuard.largestStep ? counting + 1 : 1
            if step == 0 { reusesNonces = true }
        } else {
            counting = 1
        }
        if counting >= NonceGuard.countsUntilStrict { isStrict = true }
        messages.append(message)
        if messages.count > NonceGuard.remembered { messages.removeFirst() }
    }
}
