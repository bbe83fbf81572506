// Proxies and given mappings, as the configuration file has them.

import LISPWire

/// An RLOC of somebody else.
package struct RemoteLocatorConfiguration: Hashable, Sendable {
    package var address: IPAddress
    /// Lower is preferred; 255 is never used.
    package var priority: UInt8
    /// Share among those of equal priority.
    package var weight: UInt8

    package init(address: IPAddress, priority: UInt8 = 1, weight: UInt8 = 100) {
        self.address = address
        self.priority = priority
        self.weight = weight
    }
}

/// The role `proxy-itr` (RFC 6832 section 5).
package struct ProxyITRConfiguration: Hashable, Sendable {
    /// What it attracts from non-LISP sites; never empty.
    package var eidSpace: [EIDPrefix]

    package init(eidSpace: [EIDPrefix]) {
        self.eidSpace = eidSpace
    }
}

/// The role `proxy-etr` (RFC 6832 section 6).
package struct ProxyETRConfiguration: Hashable, Sendable {
    /// The inner sources that it forwards for; never empty.
    package var acceptSources: [EIDPrefix]

    package init(acceptSources: [EIDPrefix]) {
        self.acceptSources = acceptSources
    }
}

/// A map-cache entry that stays whatever the mapping system says.
package struct StaticMappingConfiguration: Hashable, Sendable {
    /// What an entry without locators says (RFC 9301 section 5.4).
    package enum Action: String, Hashable, Sendable, CaseIterable {
        case nativelyForward = "natively-forward"
        case sendMapRequest = "send-map-request"
        case drop
        case dropPolicyDenied = "drop-policy-denied"
        case dropAuthFailure = "drop-auth-failure"
    }

    package enum Use: Hashable, Sendable {
        /// Never empty.
        case locators([RemoteLocatorConfiguration])
        case action(Action)
    }

    package var eidPrefix: EIDPrefix
    package var use: Use

    package init(eidPrefix: EIDPrefix, use: Use) {
        self.eidPrefix = eidPrefix
        self.use = use
    }
}
