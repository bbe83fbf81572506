// What a Map-Server is told to do.

import LISPTables
import LISPWire

/// How much the nonces of a site's Map-Registers are trusted (RFC 9301 section 5.6).
package enum NonceCheck: String, Hashable, Sendable, CaseIterable {
    /// Each must be greater than the one before.
    case strict
    /// Strict for an ETR that has shown that it counts; for others only replays of known messages are refused.
    case auto
    case off
}

/// One LISP site.
package struct SiteSettings: Hashable, Sendable {
    /// Unique.
    package var name: String
    package var description: String?
    /// Any of them authenticates, by key ID; more than one during a rollover.
    package var keys: [AuthenticationKey]
    package var nonceCheck: NonceCheck
    package var eids: [SiteEID]
    /// The only RLOCs that may be registered. `nil`: any.
    package var allowedLocators: [IPAddress]?

    package init(
        name: String,
        description: String? = nil,
        keys: [AuthenticationKey],
        nonceCheck: NonceCheck = .auto,
        eids: [SiteEID],
        allowedLocators: [IPAddress]? = nil
    ) {
        self.name = name
        self.description = description
        self.keys = keys
        self.nonceCheck = nonceCheck
        self.eids = eids
        self.allowedLocators = allowedLocators
    }
}

package struct MapServerSettings: Hashable, Sendable {
    /// The aggregates that it speaks for: a negative reply about an EID inside stays inside.
    package var eidSpace: [EIDPrefix]
    /// No EID-prefix twice.
    package var sites: [SiteSettings]
    /// The families of our own RLOCs, which Map-Replies and forwarded Map-Requests can be sent over.
    package var families: Set<AddressFamily>

    package init(
        eidSpace: [EIDPrefix] = [],
        sites: [SiteSettings],
        families: Set<AddressFamily> = Set(AddressFamily.allCases)
    ) {
        self.eidSpace = eidSpace
        self.sites = sites
        self.families = families
    }
}
