// Who sent us Solicit-Map-Requests, and whom we sent some; for `show smr`.

import LISPTables
import LISPWire

/// What has passed between us and one RLOC.
package struct SMRPeer: Hashable, Sendable {
    package let rloc: IPAddress
    package fileprivate(set) var sent: UInt64 = 0
    package fileprivate(set) var lastSent: Instant?
    /// The EID-prefix that the last one named.
    package fileprivate(set) var lastSentEID: EIDPrefix?
    /// Among those sent: repeated since nobody had asked.
    package fileprivate(set) var repeated: UInt64 = 0
    /// SMR-invoked Map-Requests that came from there.
    package fileprivate(set) var invoked: UInt64 = 0
    package fileprivate(set) var lastInvoked: Instant?
    /// Those that concern our map-cache; others are counted, but not by their sender, who may be anybody.
    package fileprivate(set) var received: UInt64 = 0
    package fileprivate(set) var lastReceived: Instant?
    package fileprivate(set) var lastReceivedEID: EIDPrefix?

    fileprivate init(rloc: IPAddress) {
        self.rloc = rloc
    }
}

/// The last RLOCs with which SMRs were exchanged. When it is full, the one that was heard of longest ago makes room.
package struct SMRPeers: Sendable {
    package static let limit = 1024

    private var peers: [IPAddress: SMRPeer] = [:]
    /// By when something last happened.
    private var order = DeadlineQueue<IPAddress>()
    /// How many made room for others.
    package private(set) var forgotten: UInt64 = 0

    package init() {}

    package var count: Int { peers.count }

    package subscript(rloc: IPAddress) -> SMRPeer? { peers[rloc] }

    /// In order of address.
    package var all: [SMRPeer] { peers.values.sorted { $0.rloc < $1.rloc } }

    mutating func sent(_ eid: EIDPrefix, to rloc: IPAddress, isRepeat: Bool, now: Instant) {
        note(rloc, now) { peer in
            peer.sent += 1
            if isRepeat { peer.repeated += 1 }
            peer.lastSent = now
            peer.lastSentEID = eid
        }
    }

    mutating func received(_ eid: EIDPrefix, from rloc: IPAddress, now: Instant) {
        note(rloc, now) { peer in
            peer.received += 1
            peer.lastReceived = now
            peer.lastReceivedEID = eid
        }
    }

    /// An SMR-invoked Map-Request came that names `rloc` as an ITR-RLOC. One that was never sent to is not noted.
    mutating func invoked(by rloc: IPAddress, now: Instant) {
        guard peers[rloc]?.lastSent != nil else { return }
        note(rloc, now) { peer in
            peer.invoked += 1
            peer.lastInvoked = now
        }
    }

    private mutating func note(_ rloc: IPAddress, _ now: Instant, _ change: (inout SMRPeer) -> Void) {
        if peers[rloc] == nil, peers.count >= Self.limit, let oldest = order.earliest()?.key {
            peers[oldest] = nil
            order.remove(oldest)
            forgotten += 1
        }
        change(&peers[rloc, default: SMRPeer(rloc: rloc)])
        order.set(rloc, at: now)
    }
}
