// What the ITR is told of proxies, its own role as one included, and of mappings that the operator gives (RFC 6832).

import LISPTables
import LISPWire

/// A Proxy-ETR that traffic to non-LISP sites goes to (RFC 6832 section 6).
package struct ProxyETR: Hashable, Sendable {
    package var address: IPAddress
    /// Lower is preferred; 255 is never used.
    package var priority: UInt8
    /// Share among Proxy-ETRs of equal priority.
    package var weight: UInt8

    package init(address: IPAddress, priority: UInt8, weight: UInt8) {
        self.address = address
        self.priority = priority
        self.weight = weight
    }
}

/// The role of a Proxy-ITR (RFC 6832 section 5): encapsulates for sources that are no EIDs of ours.
package struct ProxyITRSettings: Hashable, Sendable {
    /// What it attracts from the world outside.
    package var eidSpace: [EIDPrefix]
    /// The EID-prefixes of an own site beside the role: what comes from inside is asked for with its source EID, not as a proxy.
    package var siteEIDs: [EIDPrefix]

    package init(eidSpace: [EIDPrefix], siteEIDs: [EIDPrefix] = []) {
        self.eidSpace = eidSpace
        self.siteEIDs = siteEIDs
    }
}

/// A map-cache entry that the operator gives.
package struct StaticMapping: Hashable, Sendable {
    package let eid: EIDPrefix
    package let content: MappingContent

    /// - Parameter action: counts if `locators` is empty.
    package init(eid: EIDPrefix, locators: [DatabaseLocator] = [], action: MapReplyAction = .noAction) {
        self.eid = eid
        content = MappingContent(
            action: action,
            source: IPAddress(family: .ipv4, leftAligned: 0),
            locators: locators.map { locator in
                LocatorRecord(
                    priority: locator.priority,
                    weight: locator.weight,
                    isLocal: false,
                    isProbed: false,
                    isReachable: true,
                    address: .ip(locator.address)
                )
            },
            isStatic: true
        )
    }
}

/// The space that a Proxy-ITR attracts, and the site's own, to be asked for every mapping.
struct ProxySpace: Sendable {
    private var attracted = PrefixTable<Bool>()
    private var own = PrefixTable<Bool>()

    init(_ settings: ProxyITRSettings?) {
        for prefix in settings?.eidSpace ?? [] { attracted[prefix] = true }
        for prefix in settings?.siteEIDs ?? [] { own[prefix] = true }
    }

    /// Whether some of `prefix` is attracted: natively it would come back.
    func attracts(_ prefix: EIDPrefix) -> Bool {
        attracted.longestMatch(prefix) != nil
            || !attracted.moreSpecifics(of: prefix, includingItself: false, limit: 1).isEmpty
    }

    /// As much of `prefix` as is either attracted or not, around `eid`.
    func part(of prefix: EIDPrefix, around eid: EID) -> EIDPrefix {
        guard attracted.longestMatch(prefix) == nil, attracts(prefix) else { return prefix }
        if let inside = attracted.longestMatch(eid)?.key { return inside }
        guard let outside = attracted.gap(around: eid, within: prefix.prefix) else { return prefix }
        return EIDPrefix(instanceID: prefix.instanceID, outside)
    }

    func isOwn(_ eid: EID) -> Bool { own.longestMatch(eid) != nil }
}
