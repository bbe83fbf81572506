// The EID-to-RLOC database of a site: what its ETR is authoritative for (RFC 9301 section 8.2).

import LISPWire

/// One RLOC of the site.
package struct DatabaseLocator: Hashable, Sendable {
    package var address: IPAddress
    /// Lower is preferred; 255 is never used.
    package var priority: UInt8
    /// Share among locators of equal priority.
    package var weight: UInt8
    /// Whether it is an address of this router, not of another ETR of the site.
    package var isLocal: Bool

    package init(address: IPAddress, priority: UInt8, weight: UInt8, isLocal: Bool) {
        self.address = address
        self.priority = priority
        self.weight = weight
        self.isLocal = isLocal
    }
}

/// One EID-prefix of the site with its locators.
package struct DatabaseMapping: Hashable, Sendable {
    package let eid: EIDPrefix
    /// How long others may keep the mapping.
    package var ttlMinutes: UInt32
    /// In ascending order, IPv4 first, as they stand in a record (RFC 9301 section 5.4).
    package var locators: [DatabaseLocator]

    /// Puts `locators` in order.
    package init(eid: EIDPrefix, ttlMinutes: UInt32, locators: [DatabaseLocator]) {
        self.eid = eid
        self.ttlMinutes = ttlMinutes
        self.locators = locators.sorted { $0.address < $1.address }
    }

    /// The mapping as an EID-record of a Map-Register or Map-Reply.
    ///
    /// - Parameter probed: the locator whose p-bit is set, in an answer to an RLOC-probe.
    package func record(ttlMinutes: UInt32? = nil, isAuthoritative: Bool = true, probed: IPAddress? = nil) -> EIDRecord
    {
        EIDRecord(
            eidPrefix: eid,
            ttlMinutes: ttlMinutes ?? self.ttlMinutes,
            isAuthoritative: isAuthoritative,
            locators: locators.map { locator in
                LocatorRecord(
                    priority: locator.priority,
                    weight: locator.weight,
                    isLocal: locator.isLocal,
                    isProbed: locator.address == probed,
                    isReachable: true,
                    address: .ip(locator.address)
                )
            }
        )
    }
}

/// The mappings of the site.
package struct Database: Sendable {
    private var table = PrefixTable<DatabaseMapping>()

    package init(_ mappings: some Sequence<DatabaseMapping> = []) {
        var latest: [DatabaseLocator] = []
        for var mapping in mappings {
            // Mappings in a row mostly have equal locators, which are kept once.
            if mapping.locators == latest { mapping.locators = latest } else { latest = mapping.locators }
            table[mapping.eid] = mapping
        }
    }

    package var count: Int { table.count }

    package subscript(eid: EIDPrefix) -> DatabaseMapping? { table[eid] }

    /// The mapping that follows `key` in order; `nil` gives the first.
    package func first(after key: EIDPrefix?, _ order: PrefixOrder = .byInstance) -> DatabaseMapping? {
        table.first(after: key, order)?.value
    }

    /// All mappings in order.
    package var mappings: [DatabaseMapping] {
        table.map(\.value)
    }

    /// The longest of our EID-prefixes that covers `prefix`.
    package func longestMatch(_ prefix: EIDPrefix) -> DatabaseMapping? { table.longestMatch(prefix)?.value }

    /// What a Map-Reply for `prefix` must hold: the longest match and all its more-specifics, in order (RFC 9301
    /// section 5.5); without a match, what we have inside `prefix`.
    ///
    /// Where that is more than `limit` mappings, the longest match answers alone, and only for as much of it as holds the
    /// first address of `prefix` and overlaps no more-specific, so that nobody is told of a wrong mapping.
    package func answer(to prefix: EIDPrefix, limit: Int) -> [DatabaseMapping] {
        guard let (top, mapping) = table.longestMatch(prefix) else {
            return table.moreSpecifics(of: prefix, includingItself: true, limit: limit).map(\.value)
        }
        let all = table.moreSpecifics(of: top, includingItself: true, limit: limit + 1).map(\.value)
        guard all.count > limit else { return all }
        let eid = EID(instanceID: prefix.instanceID, prefix.prefix.address)
        // One bit longer at least, so that the mapping itself is left out of the question.
        guard top.prefix.length < top.prefix.family.bitWidth,
            let half = IPPrefix(eid.address, length: top.prefix.length + 1),
            let part = table.gap(around: eid, within: half)
        else { return table.longestMatch(eid).map { [$0.value] } ?? [] }
        return [
            DatabaseMapping(
                eid: EIDPrefix(instanceID: eid.instanceID, part),
                ttlMinutes: mapping.ttlMinutes,
                locators: mapping.locators
            )
        ]
    }
}
