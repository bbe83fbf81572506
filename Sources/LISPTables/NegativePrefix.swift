// How large a hole a Map-Server may report around an EID that nobody serves (RFC 9301 sections 8.3 and 8.4): the least
// specific prefix, to keep the caches of ITRs small, that wrongs no site.
//
// Walks down the tries along the EID: the cost follows the prefix length, not the number of entries.

import LISPWire

/// The part of the EID space that a Map-Server speaks for, as the fewest prefixes: none covers another, and no two make
/// up a larger one.
package struct EIDSpace: Sendable {
    private var table = PrefixTable<Bool>()

    package init(_ prefixes: some Sequence<EIDPrefix> = []) {
        for prefix in prefixes { insert(prefix) }
    }

    /// In order.
    package var prefixes: [EIDPrefix] { table.map(\.key) }

    /// The largest prefix of the space that holds `eid`.
    package func prefix(holding eid: EID) -> IPPrefix? { table.longestMatch(eid)?.key.prefix }

    private mutating func insert(_ prefix: EIDPrefix) {
        guard table.longestMatch(prefix) == nil else { return }
        for covered in table.moreSpecifics(of: prefix, includingItself: false) { table[covered.key] = nil }
        guard let sibling = prefix.sibling, let parent = prefix.parent, table[sibling] != nil else {
            table[prefix] = true
            return
        }
        table[sibling] = nil
        insert(parent)
    }
}

extension EIDPrefix {
    /// The prefix one bit shorter.
    var parent: EIDPrefix? {
        guard prefix.length > 0 else { return nil }
        return EIDPrefix(
            instanceID: instanceID,
            IPPrefix(family: prefix.family, leftAligned: prefix.address.leftAligned, length: prefix.length - 1)
        )
    }

    /// The other half of the parent.
    var sibling: EIDPrefix? {
        guard prefix.length > 0 else { return nil }
        let bit = UInt128(1) << (128 - UInt128(prefix.length))
        return EIDPrefix(
            instanceID: instanceID,
            IPPrefix(family: prefix.family, leftAligned: prefix.address.leftAligned ^ bit, length: prefix.length)
        )
    }
}

/// What a negative Map-Reply covers.
package enum NegativePrefix {
    /// No configured EID-prefix holds `eid`: the least specific prefix that holds it, lies within `space` if it does, and
    /// overlaps nothing configured and nothing registered.
    ///
    /// `nil` if something configured or registered holds `eid` after all.
    package static func unconfigured<Configured, Registered>(
        around eid: EID,
        space: EIDSpace,
        configured: PrefixTable<Configured>,
        registered: PrefixTable<Registered>
    ) -> IPPrefix? {
        let bound = space.prefix(holding: eid)
        guard configured.longestMatch(eid) == nil, registered.longestMatch(eid) == nil,
            let beyondConfigured = configured.gap(around: eid, within: bound),
            let beyondRegistered = registered.gap(around: eid, within: bound)
        else { return nil }
        return beyondConfigured.length > beyondRegistered.length ? beyondConfigured : beyondRegistered
    }

    /// `configured` holds `eid`, and no registration inside it does: the least specific prefix that holds `eid`, lies
    /// within `configured` and overlaps no registration inside it.
    ///
    /// `nil` if a registration inside `configured` holds `eid` after all, or `configured` does not.
    package static func unregistered<Registered>(
        around eid: EID,
        within configured: IPPrefix,
        registered: PrefixTable<Registered>
    ) -> IPPrefix? {
        registered.gap(around: eid, within: configured)
    }
}
