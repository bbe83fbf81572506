// What the sites really said, and when: the truth that caches and registrations are compared with.

import LISPControl
import LISPTables
import LISPWire

/// One ETR's database entry for as long as it stood unchanged while the ETR ran.
package struct Claim {
    package let router: Int
    package let mapping: DatabaseMapping
    package let from: Instant
    package fileprivate(set) var until: Instant?

    package func stood(between earliest: Instant, and latest: Instant) -> Bool {
        from <= latest && (until.map { $0 >= earliest } ?? true)
    }
}

/// Every database entry of every ETR, those of the past included.
package struct Claims {
    /// Old claims kept for each EID-prefix.
    private static let remembered = 64

    private var table = PrefixTable<[Claim]>()
    private var current: [Int: [EIDPrefix: DatabaseMapping]] = [:]

    package init() {}

    /// What `router` says from now on.
    package mutating func set(_ mappings: [DatabaseMapping], of router: Int, now: Instant) {
        let old = current[router] ?? [:]
        let new = Dictionary(mappings.map { ($0.eid, $0) }, uniquingKeysWith: { _, last in last })
        for eid in old.keys.sorted() where new[eid] != old[eid] {
            guard var claims = table[eid] else { continue }
            for index in claims.indices where claims[index].router == router && claims[index].until == nil {
                claims[index].until = now
            }
            table[eid] = claims
        }
        for mapping in mappings where old[mapping.eid] != mapping {
            var claims = table[mapping.eid] ?? []
            claims.append(Claim(router: router, mapping: mapping, from: now, until: nil))
            if claims.count > Self.remembered, let past = claims.firstIndex(where: { $0.until != nil }) {
                claims.remove(at: past)
            }
            table[mapping.eid] = claims
        }
        current[router] = new
    }

    /// Everything ever said of exactly `eid`.
    package func of(_ eid: EIDPrefix) -> [Claim] { table[eid] ?? [] }

    /// Everything ever said of `eid` or of a prefix that covers it, the longest first.
    package func covering(_ eid: EIDPrefix) -> [Claim] {
        var claims: [Claim] = []
        var prefix: EIDPrefix? = eid
        while let here = prefix {
            guard let found = table.longestMatch(here) else { break }
            claims += found.value
            prefix = found.key.shortened
        }
        return claims
    }

    /// What is said now of the longest prefix that covers `eid`, by each ETR that says something of it.
    package func current(for eid: EID) -> [Claim] {
        var prefix: EIDPrefix? = EIDPrefix(instanceID: eid.instanceID, IPPrefix(host: eid.address))
        while let here = prefix {
            guard let found = table.longestMatch(here) else { return [] }
            let open = found.value.filter { $0.until == nil }
            if !open.isEmpty { return open }
            prefix = found.key.shortened
        }
        return []
    }

    /// EID-prefixes that some ETR says something of now, within `scope`.
    package func currentPrefixes(within scope: EIDPrefix) -> [EIDPrefix] {
        table.moreSpecifics(of: scope, includingItself: true)
            .filter { $0.value.contains { $0.until == nil } }.map(\.key)
    }
}

extension EIDPrefix {
    /// One bit shorter, `nil` at the root.
    fileprivate var shortened: EIDPrefix? {
        guard prefix.length > 0 else { return nil }
        return EIDPrefix(
            instanceID: instanceID,
            IPPrefix(family: prefix.family, leftAligned: prefix.address.leftAligned, length: prefix.length - 1)
        )
    }
}
