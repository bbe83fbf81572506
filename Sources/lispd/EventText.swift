// Control-plane events as lines of the log.

import LISPControl
import LISPTables
import LISPWire

extension ETRRegistrationChange {
    var text: String {
        switch self {
        case .acknowledged(let server, let prefixes):
            "Map-Server \(server) acknowledged \(Self.list(prefixes))"
        case .refused(let server, let prefixes):
            "Map-Server \(server) refused \(Self.list(prefixes)): not in its Map-Notify"
        case .unanswered(let server, let tries):
            "Map-Server \(server) has not answered \(tries) Map-Registers: not reachable, or it refuses our key"
        }
    }

    private static func list(_ prefixes: [EIDPrefix]) -> String {
        let shown = prefixes.prefix(5).map(\.description).joined(separator: ", ")
        return prefixes.count > 5 ? "\(shown) and \(prefixes.count - 5) more" : shown
    }
}

extension MapServerEvent {
    var isRefusal: Bool {
        if case .refused = self { true } else { false }
    }

    var text: String {
        switch self {
        case .registered(let site, let prefix, let etr, let source):
            "site \(site): \(prefix) registered by \(etr) from \(source)"
        case .changed(let site, let prefix, let etr, let source):
            "site \(site): \(prefix) changed by \(etr) from \(source)"
        case .withdrawn(let site, let prefix, let etr):
            "site \(site): \(prefix) withdrawn by \(etr)"
        case .expired(let site, let prefix, let etr):
            "site \(site): \(prefix) of \(etr) expired"
        case .dropped(let prefix, let etr):
            "\(prefix) of \(etr) dropped: it is no longer configured"
        case .refused(let site, let prefix, let reason, let source):
            "Map-Register refused: \(reason.rawValue), site \(site ?? "none"), "
                + "EID-prefix \(prefix?.description ?? "none"), from \(source)"
        case .notifyUnanswered(let prefix, let etr):
            "\(etr) has not acknowledged the Map-Notify about \(prefix)"
        }
    }
}
