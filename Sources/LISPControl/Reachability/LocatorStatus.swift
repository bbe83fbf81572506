// What packets of other sites say of the RLOCs of these sites: Locator-Status-Bits that were received (RFC 9300 sections 10 and 16).
// docs/decisions/header-hints.md has the reasons.
//
//     a bit turns 0:   with RLOC-probing the RLOC is doubted, and a probe decides
//                      without it, packets to this locator set leave the RLOC alone until
//     a bit turns 1:   it is used again; with RLOC-probing it is asked whether it is back

import ForwardingInterface
import LISPTables
import LISPWire

/// What a site said last of its locators.
package struct LocatorStatusBits: Hashable, Sendable {
    /// Bit n is the n-th locator of the record; 1: up. Those of locators that it could not name are 1.
    package fileprivate(set) var bits: UInt32
    /// When they last changed, else when they were first heard.
    package fileprivate(set) var changed: Instant
}

/// Does no I/O and reads no clock. Keeps what was said for as long as the locator set is in use.
package struct LocatorStatus: Sendable {
    /// What a report changes: ordinals of locators.
    package struct Change: Hashable, Sendable {
        package var down: [Int] = []
        package var up: [Int] = []

        package var isEmpty: Bool { down.isEmpty && up.isEmpty }
    }

    package private(set) var isEnabled: Bool
    /// Whether RLOC-probing has the verdict.
    private var isProbed: Bool
    private var sets: [LocatorSetID: LocatorStatusBits] = [:]

    package init(isEnabled: Bool = false, isProbed: Bool = true) {
        self.isEnabled = isEnabled
        self.isProbed = isProbed
    }

    package subscript(set: LocatorSetID) -> LocatorStatusBits? { sets[set] }

    /// Whether packets of the set may be sent to its locator number `ordinal` as far as bits tell.
    package func isUsed(_ ordinal: Int, of set: LocatorSetID) -> Bool {
        guard !isProbed, ordinal < 32, let status = sets[set] else { return true }
        return status.bits & 1 << UInt32(ordinal) != 0
    }

    /// Sets in which packets leave a locator alone.
    package var narrowedSets: Set<LocatorSetID> {
        isProbed ? [] : Set(sets.filter { $0.value.bits != .max }.keys)
    }

    /// Packets from a site say this of the `count` locators of its set. `nil`: it cannot be so, and is ignored.
    ///
    /// Bits beyond `count` mean nothing, and locators beyond `width` have none. A site all of whose RLOCs are down could not be heard of, nor
    /// is there anything better to do than to go on.
    package mutating func heard(
        _ bits: UInt32,
        width: Int,
        of set: LocatorSetID,
        count: Int,
        now: Instant
    ) -> Change? {
        guard isEnabled else { return Change() }
        let known = min(count, width)
        let named: UInt32 = known >= 32 ? .max : (1 << UInt32(known)) - 1
        guard bits & named != 0 else { return nil }
        let new = bits & named | ~named
        let old = sets[set]?.bits ?? .max
        if old != new || sets[set] == nil { sets[set] = LocatorStatusBits(bits: new, changed: now) }
        func ordinals(_ mask: UInt32) -> [Int] { (0..<known).filter { mask & 1 << UInt32($0) != 0 } }
        return Change(down: ordinals(old & ~new), up: ordinals(~old & new))
    }

    /// The set is in use no longer.
    package mutating func remove(_ set: LocatorSetID) { sets[set] = nil }

    /// Takes over changed settings. The sets are returned whose use of locators may change by that.
    package mutating func reconfigure(isEnabled: Bool, isProbed: Bool) -> Set<LocatorSetID> {
        let before = narrowedSets
        self.isEnabled = isEnabled
        self.isProbed = isProbed
        if !isEnabled { sets = [:] }
        return before.symmetricDifference(narrowedSets)
    }
}
