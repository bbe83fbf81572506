// Map-Registers with TTL 0, repeated until the Map-Server acknowledges them (RFC 9301 sections 5.7 and 8.2).

import LISPTables
import LISPWire

/// EID-prefixes that a Map-Server is to forget after a change of settings, under the identity that registered them.
///
/// Sent at once; without an answer again after 1 s, doubling, six times in all. Without that a lost message would leave them
/// registered for three minutes, while ITRs are told that they have changed.
struct Withdrawal: Sendable {
    static let tries = 6

    let peer: MapServerPeer
    let identity: ETRName
    private(set) var records: [EIDRecord]
    /// Those that a Map-Notify may carry.
    private(set) var nonces: [Nonce] = []
    private(set) var due: Instant
    private var pause = Registration.firstRetransmission

    init(of records: [EIDRecord], from peer: MapServerPeer, as identity: ETRName, now: Instant) {
        self.peer = peer
        self.identity = identity
        self.records = records
        self.due = now
    }

    var eids: [EIDPrefix] { records.compactMap(\.eidPrefix) }

    /// Nothing is left to withdraw, or it has been tried often enough.
    var isOver: Bool { records.isEmpty || nonces.count >= Self.tries }

    /// The Map-Register leaves now.
    mutating func sent(_ nonce: Nonce, now: Instant) {
        nonces.append(nonce)
        due = now + pause
        pause *= 2
    }

    /// These are registered again.
    mutating func keep(_ isRegistered: (EIDPrefix) -> Bool) {
        records.removeAll { $0.eidPrefix.map(isRegistered) ?? false }
    }
}

/// Who an ETR is by its own Map-Registers.
struct ETRName: Hashable, Sendable {
    let xtrID: XTRID
    let siteID: SiteID

    init(_ settings: ETRSettings) {
        xtrID = settings.xtrID
        siteID = settings.siteID
    }
}
