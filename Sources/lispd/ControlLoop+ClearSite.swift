// `clear site`: a Map-Server forgets what a site's ETRs have registered.

import LISPConfiguration
import LISPControl
import LISPTables
import LISPWire
import Management
import ManagementAPI

extension ControlLoop {
    /// The sites of our Map-Server, if none of them has that name, for whom has time to read them: nothing is copied here.
    func sites(without name: String) -> [SiteSettings]? {
        router.mapServer.flatMap { $0.site(named: name) == nil ? $0.settings.sites : nil }
    }

    /// Takes out what the request selects, slice by slice: other events come in between, so that a large site does not hold them
    /// up. What an ETR registers meanwhile may stay.
    func clearSite(_ request: ClearSiteRequest) async throws(ManagementError) -> ClearSiteReport {
        guard let server = router.mapServer else {
            throw ManagementError(.notOurRole, "this router is no Map-Server: it has no sites")
        }
        guard let site = server.site(named: request.name)?.settings else {
            throw ManagementError(.notFound, "there is no site \(request.name)")
        }
        let selection = try EIDSelection(family: request.family, instanceID: request.instanceID, eid: request.eid)
        var report = ClearSiteReport(site: site.name, cleared: 0, registrations: 0, nonces: 0)
        if case .address(let address) = selection.target {
            clear(registered(of: site, holding: address, server.registry, selection), &report)
        } else {
            for scope in site.eids.compactMap({ selection.scope(within: $0.prefix) }) {
                await clear(within: scope, &report)
            }
        }
        if selection.isEverything { report.nonces = forgetNonces(of: site.name) }
        events.post(.siteCleared(report, selection))
        return report
    }

    /// EID-prefixes looked at without a break.
    private static var clearSlice: Int { 500 }

    private func clear(within scope: EIDPrefix, _ report: inout ClearSiteReport) async {
        var last: EIDPrefix?
        while true {
            var victims: [EIDPrefix] = []
            var seen = 0
            while seen < Self.clearSlice,
                let next = router.mapServer?.registry.registered.first(after: last, within: scope)
            {
                seen += 1
                last = next.key
                if next.value.site == report.site { victims.append(next.key) }
            }
            clear(victims, &report)
            guard seen == Self.clearSlice else { return }
            await Task.yield()
        }
    }

    private func clear(_ prefixes: [EIDPrefix], _ report: inout ClearSiteReport) {
        let cleared = clearRegistrations(prefixes, of: report.site)
        report.cleared += cleared.prefixes
        report.registrations += cleared.registrations
    }

    /// The longest that the site's ETRs have registered around an address, of each instance.
    private func registered(
        of site: SiteSettings,
        holding address: IPAddress,
        _ registry: SiteRegistry,
        _ selection: EIDSelection
    ) -> [EIDPrefix] {
        Set(site.eids.map(\.prefix).filter(selection.selects).map(\.instanceID)).sorted().compactMap { instance in
            guard let match = registry.registered.longestMatch(EID(instanceID: instance, address)),
                match.value.site == site.name
            else { return nil }
            return match.key
        }
    }
}

extension EIDSelection {
    /// Whether nothing is left out.
    fileprivate var isEverything: Bool {
        if case .all = target { return family == nil && instanceID == nil }
        return false
    }

    /// What is selected of an EID-prefix and its more-specifics; `nil` if nothing is.
    fileprivate func scope(within prefix: EIDPrefix) -> EIDPrefix? {
        guard selects(EIDTableKey(prefix)) else { return nil }
        guard case .prefix(let target) = target else { return prefix }
        if target.covers(prefix.prefix) { return prefix }
        return prefix.prefix.covers(target) ? EIDPrefix(instanceID: prefix.instanceID, target) : nil
    }

    /// `ipv4`, `instance 7`, `10.1.0.0/16`: what is selected, without what is left open.
    fileprivate var text: String {
        var words: [String] = []
        if let family { words.append(EIDFamily(family).rawValue) }
        if let instanceID { words.append("instance \(instanceID)") }
        switch target {
        case .all: break
        case .address(let address): words.append("\(address)")
        case .prefix(let prefix): words.append("\(prefix)")
        }
        return words.joined(separator: " ")
    }
}

extension Event {
    fileprivate static func siteCleared(_ report: ClearSiteReport, _ selection: EIDSelection) -> Event {
        let part = selection.text.isEmpty ? "" : " (\(selection.text))"
        let text =
            "site \(report.site)\(part) cleared by the operator: "
            + "\(report.registrations) registrations of \(report.cleared) EID-prefixes"
        return Event(.siteCleared, .notice, text, site: report.site)
    }
}

/// Sites among whose names one is looked for that may be meant.
private let searchedSites = 100_000

/// There is no such site; and which one may be meant. Takes a moment where there are many sites.
func unknownSite(_ name: String, among sites: [SiteSettings]) -> ManagementError {
    let meant = nearest(to: name, among: sites.prefix(searchedSites).lazy.map(\.name))
    let advice = meant.map { "did you mean \($0)?" } ?? "see `lispctl show site`"
    return ManagementError(.notFound, "there is no site \(name): \(advice)")
}
