// What the roles count, as statistics and metrics show it. Both go through every case, so that a reason which is new shows up in
// either by itself.

import DataPlane
import LISPControl
import ManagementAPI

/// One of the things that a role counts. Its raw value is a line for the operator.
protocol Counted: Hashable, Sendable, CaseIterable, RawRepresentable where RawValue == String {
    /// Whether something was refused, dropped or given up.
    var isTrouble: Bool { get }
}

extension Counted {
    /// Those of trouble that have happened, in the order of their kinds.
    static func troubles(in tally: Tally<Self>?) -> [ReasonCount] {
        guard let tally else { return [] }
        return allCases.filter { $0.isTrouble && tally[$0] > 0 }.map {
            ReasonCount(reason: $0.rawValue, count: tally[$0])
        }
    }
}

extension RouterRefusal: Counted {
    var isTrouble: Bool { true }
}

extension RegistrationRefusal: Counted {
    var isTrouble: Bool { true }
}

extension ITREvent: Counted {
    var isTrouble: Bool {
        switch self {
        case .mapRequestsSent, .mapRepliesAccepted, .negativeMapReplies, .packetsHeld, .packetsReleased, .expirations,
            .refreshes, .entriesCreated, .entriesDeleted, .probesSent, .probeRepliesAccepted, .locatorsWentDown,
            .locatorsCameBack, .echoesSeen, .echoesMissed, .locatorsWithoutEchoes, .smrsReceived, .smrInvokedRequests,
            .mapDataIgnored, .mapDataVerified, .mapDataInstalled, .mapDataKnown, .pathMTULowered, .pathMTUForgotten,
            .statusBitsChanged, .statusBitsAllDown, .strandedRequests:
            false
        default: true
        }
    }
}

extension ETREvent: Counted {
    var isTrouble: Bool {
        switch self {
        case .mapRegistersSent, .mapNotifiesAccepted, .mapNotifiesUnsolicited, .mapRequestsAnswered, .probesAnswered:
            false
        default: true
        }
    }
}

extension SMRSenderEvent: Counted {
    var isTrouble: Bool {
        switch self {
        case .sent, .repeated, .invoked, .paced: false
        case .tooManyRLOCs, .tooManyPrefixes, .noRLOC: true
        }
    }
}

extension MapServerCount: Counted {
    var isTrouble: Bool {
        switch self {
        case .mapRegistersReceived, .mapRegistersAccepted, .mapRegistersRepeated, .mapNotifiesSent,
            .mapNotifiesUnsolicited, .mapNotifyAcksAccepted, .mapNotifyAcksUnasked, .registrationsExpired,
            .registrationsWithdrawn, .registrationsCleared, .mapRequestsReceived, .mapRequestsForwarded,
            .proxyRepliesSent,
            .negativeRepliesSent:
            false
        // Refused records are counted by their reason, too.
        case .recordsOfNoSite, .recordsUnsupported: false
        default: true
        }
    }
}

extension MapResolverCount: Counted {
    var isTrouble: Bool {
        switch self {
        case .requestsReceived, .passedToLocalMapServer, .forwarded, .negativeReplies: false
        default: true
        }
    }
}

/// The name of an enumeration's case as the value of a metric's label: `noUsableLocator` becomes `no_usable_locator`.
func metricLabel(_ value: some Hashable) -> String {
    var label = ""
    var follows = false
    for character in String(describing: value) {
        // A run of capitals, as in `noRLOC`, is one word.
        if character.isUppercase, follows { label += "_" }
        follows = character.isLowercase || character.isNumber
        label += character.lowercased()
    }
    return label
}
