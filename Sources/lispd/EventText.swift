// What happens, as events: for the journal, `show events` and `monitor` alike.

import LISPConfiguration
import LISPControl
import LISPTables
import LISPWire
import ManagementAPI

extension Event {
    /// - Parameter proxyETRs: the Proxy-ETRs that this router uses: of those something else is to be said than of other RLOCs.
    init(_ note: RouterNote, proxyETRs: [IPAddress] = []) {
        switch note {
        case .refused(let reason, let source):
            self.init(.messageRefused, .notice, "\(reason), from \(source)", peer: "\(source.address)")
        case .registration(let change):
            self.init(change)
        case .locator(let rloc, let isUp):
            let isProxy = proxyETRs.contains(rloc)
            let name = isProxy ? "Proxy-ETR" : "RLOC"
            self.init(
                isProxy ? isUp ? .proxyETRUp : .proxyETRDown : isUp ? .locatorUp : .locatorDown,
                isUp ? .info : .warning,
                "\(name) \(rloc) "
                    + (isUp ? "answers probes again" : "does not answer probes: it is not used until it does"),
                locator: "\(rloc)"
            )
        case .headerHint(let event):
            self.init(event)
        case .mapRequestsRefused(let refusal):
            self.init(refusal)
        case .smrSent(let rloc, let eids, let isRepeat):
            let again = isRepeat ? ", once more since it has not asked" : ""
            self.init(
                .smrSent,
                .info,
                "told \(rloc) that the mapping of \(Self.list(eids)) has changed (SMR)\(again)",
                instanceID: eids.first?.instanceID.rawValue,
                eidPrefix: eids.first?.prefix.description,
                peer: "\(rloc)"
            )
        case .smrReceived(let rloc, let eid):
            self.init(
                .smrReceived,
                .info,
                "\(rloc) says that the mapping of \(eid) has changed (SMR)",
                instanceID: eid.instanceID.rawValue,
                eidPrefix: eid.prefix.description,
                peer: "\(rloc)"
            )
        case .pathMTU(let rloc, let mtu?):
            self.init(.pathMTU, .info, "path MTU to RLOC \(rloc) is \(mtu)", locator: "\(rloc)")
        case .pathMTU(let rloc, nil):
            let text = "path MTU to RLOC \(rloc) is forgotten: larger packets try again"
            self.init(.pathMTU, .info, text, locator: "\(rloc)")
        case .mapServer(let event):
            self.init(event)
        }
    }

    static func locatorsChanged(to rlocs: [IPAddress]) -> Event {
        let list = rlocs.isEmpty ? "none" : rlocs.map(\.description).joined(separator: ", ")
        return Event(.locatorsChanged, rlocs.isEmpty ? .warning : .info, "locators are now \(list)")
    }

    /// - Parameter changed: top-level keys.
    static func configurationReloaded(changed: [String]) -> Event {
        let list = changed.isEmpty ? "nothing changed" : changed.joined(separator: ", ")
        return Event(.configurationReloaded, .notice, "configuration read again: \(list)")
    }

    static func configurationRefused(_ error: any Error) -> Event {
        let faults = (error as? ConfigurationError)?.issues.map(\.description) ?? ["\(error)"]
        return Event(.configurationRefused, .error, "configuration not changed: \(faults.joined(separator: "; "))")
    }

    private init(_ change: ETRRegistrationChange) {
        switch change {
        case .acknowledged(let server, let prefixes):
            self.init(
                .registrationAcknowledged,
                .info,
                "Map-Server \(server) acknowledged \(Self.list(prefixes))",
                peer: "\(server)"
            )
        case .refused(let server, let prefixes):
            self.init(
                .registrationRefused,
                .warning,
                "Map-Server \(server) refused \(Self.list(prefixes)): not in its Map-Notify",
                peer: "\(server)"
            )
        case .unanswered(let server, let tries):
            self.init(
                .registrationUnanswered,
                .warning,
                "Map-Server \(server) has not answered \(tries) Map-Registers: not reachable, or it refuses our key",
                peer: "\(server)"
            )
        }
    }

    private static func list(_ prefixes: [EIDPrefix]) -> String {
        let shown = prefixes.prefix(5).map(\.description).joined(separator: ", ")
        return prefixes.count > 5 ? "\(shown) and \(prefixes.count - 5) more" : shown
    }

    private init(_ refusal: MapRequestRefusal) {
        let key = (refusal.isNegative ? "negative-" : "") + (refusal.isOfSource ? "per-source" : "total")
        let source = "\(refusal.source)"
        let what = refusal.isNegative ? "EIDs without a mapping" : "EIDs"
        let text =
            refusal.isOfSource
            ? "\(source) sends to more \(what) than `map-requests.\(key)` allows, as a scan does"
            : "hosts send to more \(what) than `map-requests.\(key)` allows, as scans do; \(source) is one of them"
        self.init(
            .mapRequestsLimited,
            .warning,
            "\(text): packets to EIDs that are not in the map-cache are dropped",
            instanceID: refusal.source.instanceID.rawValue,
            peer: source
        )
    }

    private init(_ event: HeaderHintEvent) {
        switch event {
        case .echoesMissing(let rloc):
            self.init(
                .locatorDown,
                .warning,
                "RLOC \(rloc) does not echo nonces although packets come from there: it is not used for a while",
                locator: "\(rloc)"
            )
        case .onTrial(let rloc):
            self.init(.locatorUp, .info, "RLOC \(rloc) is used again, to see whether it echoes", locator: "\(rloc)")
        case .saidToBeDown(let rloc, let eid):
            let text = "packets from \(eid) say that RLOC \(rloc) is down: it is not used until they say otherwise"
            self.init(.locatorDown, .warning, text, about: eid, locator: rloc)
        case .saidToBeUp(let rloc, let eid):
            self.init(.locatorUp, .info, "packets from \(eid) say that RLOC \(rloc) is up", about: eid, locator: rloc)
        }
    }

    private init(_ event: MapServerEvent) {
        switch event {
        case .registered(let site, let prefix, let etr, let source):
            let text = "site \(site): \(prefix) registered by \(etr) from \(source)"
            self.init(.siteRegistered, .info, text, about: prefix, peer: source.address, site: site)
        case .changed(let site, let prefix, let etr, let source):
            let text = "site \(site): \(prefix) changed by \(etr) from \(source)"
            self.init(.siteChanged, .info, text, about: prefix, peer: source.address, site: site)
        case .withdrawn(let site, let prefix, let etr):
            self.init(.siteWithdrawn, .info, "site \(site): \(prefix) withdrawn by \(etr)", about: prefix, site: site)
        case .expired(let site, let prefix, let etr):
            self.init(.siteExpired, .warning, "site \(site): \(prefix) of \(etr) expired", about: prefix, site: site)
        case .dropped(let prefix, let etr):
            self.init(.siteDropped, .info, "\(prefix) of \(etr) dropped: it is no longer configured", about: prefix)
        case .refused(let site, let prefix, let reason, let source):
            let text =
                "Map-Register refused: \(reason.rawValue), site \(site ?? "none"), "
                + "EID-prefix \(prefix?.description ?? "none"), from \(source)"
            self.init(.mapRegisterRefused, .warning, text, about: prefix, peer: source.address, site: site)
        case .notifyUnanswered(let prefix, let etr):
            let text = "\(etr) has not acknowledged the Map-Notify about \(prefix)"
            self.init(.mapNotifyUnanswered, .info, text, about: prefix)
        }
    }

    /// With an EID-prefix as its subject.
    private init(
        _ kind: EventKind,
        _ severity: Severity,
        _ text: String,
        about prefix: EIDPrefix?,
        locator: IPAddress? = nil,
        peer: IPAddress? = nil,
        site: String? = nil
    ) {
        self.init(
            kind,
            severity,
            text,
            instanceID: prefix?.instanceID.rawValue,
            eidPrefix: prefix?.prefix.description,
            locator: locator?.description,
            peer: peer?.description,
            site: site
        )
    }
}
