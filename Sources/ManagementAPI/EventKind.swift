// The kinds of events, and who can cause each.

/// What can happen.
package enum EventKind: String, Sendable, CaseIterable {
    // The daemon and its host.
    case started
    case ending
    case configurationReloaded = "configuration-reloaded"
    case configurationRefused = "configuration-refused"
    case locatorsChanged = "locators-changed"
    case hostFailed = "host-failed"
    case hostRecovered = "host-recovered"
    case stateNotSaved = "state-not-saved"
    case sendFailed = "send-failed"
    case siteCleared = "site-cleared"
    case statisticsCleared = "statistics-cleared"
    case agentXUp = "agentx-up"
    case agentXDown = "agentx-down"

    // The ITR.
    case locatorUp = "locator-up"
    case locatorDown = "locator-down"
    case proxyETRUp = "proxy-etr-up"
    case proxyETRDown = "proxy-etr-down"
    case pathMTU = "path-mtu"

    // The ETR.
    case registrationAcknowledged = "registration-acknowledged"
    case registrationRefused = "registration-refused"
    case registrationUnanswered = "registration-unanswered"

    // The Map-Server.
    case siteRegistered = "site-registered"
    case siteChanged = "site-changed"
    case siteWithdrawn = "site-withdrawn"
    case siteExpired = "site-expired"
    case siteDropped = "site-dropped"
    case mapRegisterRefused = "map-register-refused"
    case mapNotifyUnanswered = "map-notify-unanswered"

    // Anybody on the network; whoever sends us data is told of changes.
    case smrSent = "smr-sent"
    case smrReceived = "smr-received"
    case messageRefused = "message-refused"
    case mapRequestsLimited = "map-requests-limited"

    /// Who can cause it, from the least to the most trusted.
    package enum Cause: Sendable, CaseIterable {
        /// Whoever can send a datagram.
        case anybody
        /// A site that holds a key of the Map-Server.
        case sites
        /// Whoever is at the RLOCs of mappings that packets were sent to, and what lies between.
        case paths
        /// This router, its host, its operator, and those that it has chosen to speak to.
        case router
    }

    package var cause: Cause {
        switch self {
        case .messageRefused, .mapRequestsLimited, .mapRegisterRefused, .sendFailed, .smrSent, .smrReceived, .pathMTU:
            .anybody
        case .siteRegistered, .siteChanged, .siteWithdrawn, .siteExpired, .siteDropped, .mapNotifyUnanswered: .sites
        case .locatorUp, .locatorDown, .proxyETRUp, .proxyETRDown: .paths
        case .started, .ending, .configurationReloaded, .configurationRefused, .locatorsChanged, .hostFailed,
            .hostRecovered, .stateNotSaved, .siteCleared,
            .statisticsCleared, .agentXUp, .agentXDown, .registrationAcknowledged, .registrationRefused,
            .registrationUnanswered:
            .router
        }
    }
}
