// What our own packets say of the RLOCs of our site: the Locator-Status-Bits of each EID-prefix (RFC 9300 sections 5.3, 10 and 13.1).
//
//     announced --a locator added or removed--> quiet --`useLSB`, five minutes--> announced
//
// Others number the locators by the mapping that they hold. Until all of them can be expected to hold the new one, no bits are sent.

import ForwardingInterface
import LISPTables
import LISPWire

/// What there is to know of the RLOCs of our site.
package struct LocatorStatusSettings: Hashable, Sendable {
    package var isEnabled: Bool
    /// RLOCs of ours that cannot be reached: their link is down. Those of other ETRs of the site are taken for up.
    package var down: Set<IPAddress>

    package init(isEnabled: Bool = false, down: Set<IPAddress> = []) {
        self.isEnabled = isEnabled
        self.down = down
    }
}

/// Does no I/O and reads no clock. The owner hands the updates to the forwarding state and calls `timeout` at `deadline()`.
package struct LocatorStatusAnnouncer: Sendable {
    private struct Item {
        /// In the order of the record.
        var rlocs: [IPAddress]
        /// The set has changed, so nothing is said before this.
        var quietUntil: Instant?
        /// What packets say; `nil`: nothing.
        var announced: UInt32?
    }

    /// The use-LSB timer: how long others may take to hold a changed mapping (section 13.1).
    package static let useLSB = Duration.seconds(300)
    /// As many locators as there are bits.
    private static let width = 32

    private var settings = LocatorStatusSettings()
    private var items: [EIDPrefix: Item] = [:]
    private var timers = DeadlineQueue<EIDPrefix>()

    package init() {}

    /// What packets from an EID-prefix say; `nil`: nothing.
    package func announced(_ eid: EIDPrefix) -> UInt32? { items[eid]?.announced }

    /// The mappings of the site, or the state of its RLOCs, may have changed. Mappings are followed while nothing is announced, too, so
    /// that bits switched on right after a change stay quiet.
    package mutating func update(
        _ mappings: some Sequence<DatabaseMapping>,
        _ settings: LocatorStatusSettings,
        now: Instant
    ) -> [ForwardingUpdate] {
        self.settings = settings
        var updates: [ForwardingUpdate] = []
        var gone = Set(items.keys)
        for mapping in mappings {
            gone.remove(mapping.eid)
            let rlocs = mapping.locators.map(\.address)
            if let known = items[mapping.eid], known.rlocs != rlocs {
                items[mapping.eid]?.rlocs = rlocs
                items[mapping.eid]?.quietUntil = now + Self.useLSB
                timers.set(mapping.eid, at: now + Self.useLSB)
            } else if items[mapping.eid] == nil {
                items[mapping.eid] = Item(rlocs: rlocs)
            }
            updates += announce(mapping.eid)
        }
        // Their EID-prefixes have gone from the forwarding state, and the bits with them.
        for eid in gone {
            items[eid] = nil
            timers.remove(eid)
        }
        return updates
    }

    private mutating func announce(_ eid: EIDPrefix) -> [ForwardingUpdate] {
        guard let item = items[eid] else { return [] }
        let isQuiet = !settings.isEnabled || item.quietUntil != nil || item.rlocs.isEmpty
        let bits = isQuiet ? nil : bits(of: item.rlocs)
        guard bits != item.announced else { return [] }
        items[eid]?.announced = bits
        return [.putStatusBits(eid, bits)]
    }

    private func bits(of rlocs: [IPAddress]) -> UInt32 {
        rlocs.prefix(Self.width).enumerated().reduce(0) { bits, rloc in
            settings.down.contains(rloc.element) ? bits : bits | 1 << UInt32(rloc.offset)
        }
    }

    package mutating func deadline() -> Instant? { timers.next }

    /// Ends the silence of mappings that have been as they are for long enough.
    package mutating func timeout(now: Instant) -> [ForwardingUpdate] {
        var updates: [ForwardingUpdate] = []
        while let eid = timers.popDue(now) {
            items[eid]?.quietUntil = nil
            updates += announce(eid)
        }
        return updates
    }
}
