// How an EID-prefix of ours stands at one Map-Server, from what the ETR has noticed: the ETR's end of `diagnose registration`.

import LISPControl
import LISPTables
import LISPWire
import ManagementAPI

/// The way from this host to a Map-Server.
enum WayToMapServer {
    case from(IPAddress)
    /// No address of its family.
    case noAddress
    /// In the kernel's words.
    case none(String)
}

struct OwnRegistration {
    let mapping: DatabaseMapping
    let registrar: ETR.Registrar
    /// The Map-Register that the EID-prefix is in; `nil` if it is in none.
    let registration: LISPControl.Registration?
    let route: WayToMapServer
    /// What keeps configured locators of the EID-prefix from having an address.
    var withoutAddress: [String] = []
    /// Locators whose interface is down.
    var down: Set<IPAddress> = []
    /// Key files of this Map-Server that hold another key than the one in use.
    var changedKeyFiles: [String] = []
    let time: ReportTime

    private var peer: MapServerPeer { registrar.peer }
    private var troubles: RegistrarTroubles { registrar.troubles }

    var diagnosis: MapServerDiagnosis {
        let state = state
        let refusal = registration?.refusals[mapping.eid]
        let lastAcknowledged = refusal.map(\.lastAcknowledged) ?? registration?.lastAcknowledged
        var source: String?
        if case .from(let address) = route { source = address.description }
        return MapServerDiagnosis(
            address: peer.address.description,
            state: state,
            summary: summary(state),
            advice: advice(state),
            lastAcknowledged: lastAcknowledged.map(time.moment),
            lastSent: registration?.lastSent.map(time.moment),
            unanswered: registration?.unacknowledged ?? 0,
            unansweredSince: registration?.unacknowledgedSince.map(time.moment),
            source: source
        )
    }

    private var state: MapServerDiagnosis.State {
        guard let registration else { return .noLocator }
        if peer.wantsMapNotify {
            if registration.lastAcknowledged != nil, registration.unacknowledged < 2 {
                return registration.refused.contains(mapping.eid) ? .refused : .registered
            }
            if let wrong = troubles.wrongAuthentication, isNews(wrong.time) { return .wrongAuthentication }
        }
        switch route {
        case .noAddress: return .noSource
        case .none: return .noRoute
        case .from: break
        }
        guard peer.wantsMapNotify else { return .sent }
        return registration.unacknowledged < 3 && registration.lastAcknowledged == nil ? .registering : .unanswered
    }

    /// Whether it happened after the last Map-Notify that we took.
    private func isNews(_ instant: Instant) -> Bool {
        registration?.lastAcknowledged.map { $0 < instant } ?? true
    }

    private func summary(_ state: MapServerDiagnosis.State) -> String {
        let lastSent = registration?.lastSent.map { "the last \(time.ago($0))" } ?? "none yet"
        switch state {
        case .registered:
            return "registered, acknowledged \(registration?.lastAcknowledged.map(time.ago) ?? "")"
        case .sent:
            return
                "Map-Registers are sent (\(lastSent)); whether they are taken nobody says, since `want-map-notify` is off"
        case .registering:
            return "not acknowledged yet: Map-Registers are under way (\(lastSent))"
        case .noLocator:
            let why = withoutAddress.isEmpty ? "" : " (\(withoutAddress.joined(separator: "; ")))"
            return "not sent: the EID-prefix has no locator with an address\(why)"
        case .noSource:
            return "not sent: this host has no \(familyName) address to send from"
        case .noRoute:
            var reason = ""
            if case .none(let words) = route { reason = " (\(words))" }
            return "not sent: this host has no route to it\(reason)"
        case .refused:
            let refusal = registration?.refusals[mapping.eid]
            let since = refusal.map { time.ago($0.since) } ?? "now"
            let before = refusal?.lastAcknowledged.map { "; before, it was registered there (\(time.ago($0)))" } ?? ""
            return "refused there: its Map-Notifies leave this EID-prefix out, the first \(since), the last "
                + (registration?.lastAcknowledged.map(time.ago) ?? "now") + before
        case .wrongAuthentication:
            let wrong = troubles.wrongAuthentication
            return
                "a Map-Notify came \(wrong.map { "\(time.ago($0.time)) from \($0.source)" } ?? "") that is not signed with "
                + "our key"
        case .unanswered:
            return unansweredSummary
        }
    }

    private var familyName: String { peer.address.family == .ipv4 ? "IPv4" : "IPv6" }

    private var unansweredSummary: String {
        guard let registration else { return "" }
        let count = registration.unacknowledged
        let since = registration.unacknowledgedSince.map { ", the first \(time.ago($0))" } ?? ""
        var text = "no answer at all: \(count) Map-Registers unanswered\(since)"
        if let unreachable = troubles.unreachable, isNews(unreachable) {
            text += "; ICMP says that it cannot be reached (last \(time.ago(unreachable)))"
        }
        if let unsent = troubles.unsent, isNews(unsent.time) {
            text += "; this host did not let one leave (\(unsent.reason), \(time.ago(unsent.time)))"
        }
        if let last = registration.lastAcknowledged {
            let left = time.seconds(until: last + .seconds(180))
            let end = left > 0 ? "its registration there ends in \(left) s" : "its registration there is over"
            text += "; the last answer came \(time.ago(last)): \(end)"
        }
        return text
    }

    private func advice(_ state: MapServerDiagnosis.State) -> [String] {
        var lines: [String] = []
        switch state {
        case .registered, .sent, .registering:
            lines = []
        case .noLocator:
            lines.append("give an interface of its locator-set an address: see `lispctl show locators`")
        case .noSource:
            lines.append(
                "give this host an \(familyName) address, or name an address of another family in `map-servers`"
            )
        case .noRoute:
            lines.append("`ip route get \(peer.address)` says the same: bring the route back")
        case .refused:
            lines.append(
                "our key is right there, so it is this EID-prefix: of no site, a more-specific that is not accepted, a locator "
                    + "that is not allowed, another site's key or a limit"
            )
            lines.append(askThere)
        case .wrongAuthentication:
            lines.append("the keys differ: compare key ID \(peer.keys[0].id) at both ends")
            lines.append(askThere)
        case .unanswered:
            lines += unansweredAdvice
        }
        if state != .noLocator, let only = allDown {
            lines.append("its only locator\(only.count == 1 ? "" : "s"), \(only.list), is on an interface that is down")
        }
        if state != .registered { lines += keyFileAdvice(changedKeyFiles) }
        return lines
    }

    private var allDown: (count: Int, list: String)? {
        let locators = mapping.locators.map(\.address)
        guard !locators.isEmpty, locators.allSatisfy(down.contains) else { return nil }
        return (locators.count, locators.map(\.description).joined(separator: ", "))
    }

    private var unansweredAdvice: [String] {
        var lines: [String] = []
        let others = registrar.registrations.contains { other in
            other.mappings != registration?.mappings
                && other.lastAcknowledged.map { $0 > (registration?.lastSent ?? $0) } ?? false
        }
        if others {
            lines.append(
                "it answers other Map-Registers of ours, so the way is open and our key is right: it refuses all of this one's "
                    + "EID-prefixes"
            )
        } else if let unreachable = troubles.unreachable, isNews(unreachable) {
            lines.append("nothing listens on UDP port 4342 there, or a router or firewall on the way refuses it")
        } else {
            lines.append(
                "a Map-Server that refuses says nothing: it may refuse our key (key ID \(peer.keys[0].id), "
                    + "\(peer.keys[0].algorithm.name)), or all of our EID-prefixes"
            )
            lines.append("or it is down, or UDP port 4342 is blocked one way or the other: try `ping \(peer.address)`")
        }
        return lines + [askThere]
    }

    private var askThere: String {
        "`lispctl diagnose registration \(mapping.eid.prefix)` on \(peer.address) tells its reason"
    }
}

extension OwnEIDDiagnosis {
    init(_ eid: EIDPrefix, _ mapServers: [MapServerDiagnosis]) {
        let good = mapServers.filter { $0.state == .registered || $0.state == .sent }
        let bad = mapServers.filter { $0.state != .registered && $0.state != .sent }
        func list(_ servers: [MapServerDiagnosis]) -> String { servers.map(\.address).joined(separator: ", ") }
        let summary: String
        if mapServers.isEmpty {
            summary = "NOT registered: no Map-Server is configured"
        } else if bad.isEmpty {
            summary =
                good.allSatisfy { $0.state == .registered } ? "registered with \(list(good))" : "sent to \(list(good))"
        } else if good.isEmpty {
            let states = Set(bad.map(\.state))
            let why = states.count == 1 ? bad[0].state.words : "see below"
            summary = "NOT registered: \(why)"
        } else {
            summary = "registered with \(list(good)), NOT with \(list(bad))"
        }
        self.init(
            instanceID: eid.instanceID.rawValue,
            eidPrefix: eid.prefix.description,
            isRegistered: !good.isEmpty,
            summary: summary,
            mapServers: mapServers
        )
    }
}

extension MapServerDiagnosis.State {
    /// In a few words, for the verdict.
    fileprivate var words: String {
        switch self {
        case .registered: "registered"
        case .sent: "sent"
        case .registering: "Map-Registers are under way, no answer yet"
        case .noLocator: "it has no locator with an address"
        case .noSource: "no address to send from"
        case .noRoute: "no route to the Map-Server"
        case .refused: "the Map-Server refuses it"
        case .wrongAuthentication: "the Map-Server signs with another key"
        case .unanswered: "the Map-Server does not answer"
        }
    }
}
