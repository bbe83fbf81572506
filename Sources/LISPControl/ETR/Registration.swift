// One Map-Register with its timers: sent until acknowledged, then again and again (RFC 9301 sections 5.7 and 8.2).

import LISPTables
import LISPWire

/// A group of EID-records that travel in one Map-Register to one Map-Server.
///
/// The first goes out at once; without an answer again after 1 s, doubling up to 60 s. Once acknowledged it is repeated
/// every 20 s until five minutes after the start or a change, then every 60 s. Where no Map-Notify is wanted, nothing is
/// waited for. What is not acknowledged goes out at once where something says that the way there is free again.
package struct Registration: Sendable {
    static let firstRetransmission = Duration.seconds(1)
    static let longestRetransmission = Duration.seconds(60)
    /// Between two Map-Registers, the second of which is sent since the way may be free again.
    static let hurriedInterval = Duration.seconds(5)
    static let earlyInterval = Duration.seconds(20)
    static let interval = Duration.seconds(60)
    static let earlyPhase = Duration.seconds(300)

    package let mappings: [EIDPrefix]
    private let changed: Instant
    private var retransmission = Self.firstRetransmission
    /// The nonces that a Map-Notify may carry: those of the Map-Registers since the last acknowledgement.
    private(set) var outstanding: [Nonce] = []
    package private(set) var due: Instant
    package private(set) var lastSent: Instant?
    package private(set) var lastAcknowledged: Instant?
    /// Map-Registers since the last acknowledgement.
    package private(set) var unacknowledged = 0
    /// When the first of those left.
    package private(set) var unacknowledgedSince: Instant?
    /// The EID-prefixes that the last Map-Notify did not list: the Map-Server refused them.
    package private(set) var refused: Set<EIDPrefix> = []
    /// Of each of those since when, and when a Map-Notify last listed it; `nil`: none ever did.
    package private(set) var refusals: [EIDPrefix: Refusal] = [:]

    package struct Refusal: Hashable, Sendable {
        package let since: Instant
        package let lastAcknowledged: Instant?
    }

    package init(mappings: [EIDPrefix], now: Instant) {
        self.mappings = mappings
        self.changed = now
        self.due = now
    }

    /// The Map-Register leaves now.
    package mutating func sent(_ nonce: Nonce, wantsMapNotify: Bool, now: Instant) {
        lastSent = now
        guard wantsMapNotify else {
            due = now + interval(at: now)
            return
        }
        if unacknowledged == 0 { unacknowledgedSince = now }
        outstanding.append(nonce)
        if outstanding.count > 4 { outstanding.removeFirst() }
        unacknowledged += 1
        due = now + retransmission
        retransmission = min(retransmission * 2, Self.longestRetransmission)
    }

    /// The way to the Map-Server may be free again: what it has not acknowledged does not wait for its backoff. Returns whether that
    /// changes anything.
    package mutating func hurry(now: Instant) -> Bool {
        guard unacknowledged > 0, let lastSent else { return false }
        let sooner = max(now, lastSent + Self.hurriedInterval)
        guard sooner < due else { return false }
        due = sooner
        return true
    }

    /// Whether the Map-Server may have forgotten it, for want of a Map-Register that came there.
    package func hasLapsed(now: Instant) -> Bool {
        lastAcknowledged.map { $0 + MapServer.registrationLife <= now } ?? false
    }

    /// An authenticated Map-Notify with an outstanding nonce arrived.
    package mutating func acknowledged(_ accepted: Set<EIDPrefix>, now: Instant) {
        outstanding = []
        unacknowledged = 0
        unacknowledgedSince = nil
        retransmission = Self.firstRetransmission
        refused = Set(mappings).subtracting(accepted)
        refusals = Dictionary(
            uniqueKeysWithValues: refused.map { eid in
                (eid, refusals[eid] ?? Refusal(since: now, lastAcknowledged: lastAcknowledged))
            }
        )
        lastAcknowledged = now
        due = now + interval(at: now)
    }

    private func interval(at now: Instant) -> Duration {
        changed.duration(to: now) < Self.earlyPhase ? Self.earlyInterval : Self.interval
    }
}
