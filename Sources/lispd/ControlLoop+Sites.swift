// `show site`: what the Map-Server knows.

import LISPControl
import LISPTables
import LISPWire
import Management
import ManagementAPI

extension ControlLoop {
    func siteReport(_ query: TableQuery) throws(ManagementError) -> SiteReport {
        guard let server = router.mapServer else {
            throw ManagementError(.notOurRole, "this router is no Map-Server: it has no sites")
        }
        let selection = try EIDSelection(query)
        if let name = query.name, server.site(named: name) == nil {
            throw ManagementError(.notFound, "there is no site \(name)")
        }
        let time = ReportTime()
        var after = try SitePage.parse(query.after)
        var report = SiteReport(sites: [], unknownSite: unknownSite(server, time))
        var room = query.limit
        var last: SitePage?
        for status in server.sites {
            guard query.name == nil || query.name == status.settings.name else { continue }
            if let page = after, page.site != status.settings.name { continue }
            var site = Site(
                name: status.settings.name,
                description: status.settings.description,
                nonceCheck: status.settings.nonceCheck.rawValue,
                allowedLocators: status.settings.allowedLocators?.map(\.description),
                eids: [],
                refusals: refusals(status, time)
            )
            let rows = selected(rows(of: status, server), selection)
            for row in rows[start(in: rows, after: after?.eid)...] {
                guard room > 0 else {
                    report.next = last?.text
                    break
                }
                site.eids.append(siteEID(row, status, time))
                last = SitePage(site: site.name, eid: row.key)
                room -= 1
            }
            after = nil
            if !site.eids.isEmpty { report.sites.append(site) }
            if report.next != nil { break }
        }
        return report
    }

    /// An EID-prefix of a site, as it is configured or as a registered part of one that is.
    private typealias Row = (key: EIDPrefix, configured: LISPTables.SiteEID, registered: RegisteredEID?)

    /// Where a page begins: behind the last row of the page before, or, if that is gone, at the next one in order.
    private func start(in rows: [Row], after key: EIDPrefix?) -> Int {
        guard let key else { return 0 }
        if let index = rows.firstIndex(where: { $0.key == key }) { return index + 1 }
        return rows.firstIndex { $0.key > key } ?? rows.count
    }

    /// With an address: the longest match of each instance alone; the registered one wins over the configured one.
    private func selected(_ rows: [Row], _ selection: EIDSelection) -> [Row] {
        let matching = rows.filter { selection.selects($0.key) }
        guard case .address = selection.target else { return matching }
        return Dictionary(grouping: matching, by: \.key.instanceID).sorted { $0.key < $1.key }.compactMap {
            $0.value.max { $0.key.prefix.length < $1.key.prefix.length }
        }
    }

    /// The configured prefixes of a site and, behind each, the registered more-specifics.
    private func rows(of status: SiteStatus, _ server: MapServer) -> [Row] {
        var rows: [Row] = []
        for configured in status.settings.eids.sorted(by: { $0.prefix < $1.prefix }) {
            rows.append((configured.prefix, configured, server.registry.registered[configured.prefix]))
            for (prefix, registered) in server.registry.registrations(in: configured) where prefix != configured.prefix
            {
                rows.append((prefix, configured, registered))
            }
        }
        return rows
    }

    private func siteEID(_ row: Row, _ status: SiteStatus, _ time: ReportTime) -> ManagementAPI.SiteEID {
        let (prefix, configured, registered) = row
        let failures = status.refusals(for: prefix)
        let latest = registered?.mostRecent
        // What is over is remembered of whole configured prefixes only.
        let past = router.mapServer?.registry.configured[prefix]?.lastRegistration
        return ManagementAPI.SiteEID(
            instanceID: prefix.instanceID.rawValue,
            eidPrefix: prefix.prefix.description,
            moreSpecificOf: prefix == configured.prefix ? nil : configured.prefix.prefix.description,
            acceptMoreSpecifics: configured.acceptMoreSpecifics,
            isRegistered: registered != nil,
            firstRegistered: (registered?.firstRegistered ?? past?.first).map(time.moment),
            lastRegistered: (latest?.lastRegistered ?? past?.time).map(time.moment),
            lastRegisteredBy: (latest?.source ?? past?.source).map(PeerAddress.init),
            proxyReply: configured.proxyReply || registered?.registrations.contains(where: \.wantsProxyReply) ?? false,
            mergeActive: registered?.mergedLocators != nil,
            ttl: latest.map { 60 * Int64($0.record.ttlMinutes) },
            authenticationFailures: failures[.wrongKey] + failures[.unknownKeyID] + failures[.badLength]
                + failures[.algorithmNotAllowed],
            allowedLocatorsMismatches: failures[.locatorNotAllowed],
            refusals: RegistrationRefusal.allCases.filter { failures[$0] > 0 }.map {
                ReasonCount(reason: $0.rawValue, count: failures[$0])
            },
            registrations: (registered?.registrations ?? []).map { registration($0, time) },
            mergedLocators: mergedLocators(registered)
        )
    }

    private func registration(_ registration: ETRRegistration, _ time: ReportTime) -> ManagementAPI.Registration {
        ManagementAPI.Registration(
            etr: PeerAddress(registration.source),
            lastRegistered: time.moment(registration.lastRegistered),
            firstRegistered: time.moment(registration.firstRegistered),
            expiresIn: time.seconds(until: registration.expires),
            xtrID: registration.xtrID?.description,
            siteID: registration.siteID?.rawValue,
            ttl: 60 * Int64(registration.record.ttlMinutes),
            proxyReply: registration.wantsProxyReply,
            merge: registration.wantsMerge,
            wantMapNotify: registration.wantsMapNotify,
            securityCapable: registration.isSecurityCapable,
            keyID: registration.key.id,
            algorithm: registration.key.algorithm.name,
            nonce: String(registration.nonce.description.dropFirst(2)),
            locators: registration.record.locators.map(RegisteredLocator.init)
        )
    }

    private func mergedLocators(_ registered: RegisteredEID?) -> [MergedLocator] {
        guard let registered, let merged = registered.mergedLocators else { return [] }
        return merged.compactMap { locator in
            let owners = registered.registrations.filter { registration in
                registration.wantsMerge && registration.record.locators.contains { $0.address == locator.address }
            }
            let owner = owners.max { $0.lastRegistered < $1.lastRegistered }
            return owner.map {
                MergedLocator(locator: RegisteredLocator(locator), registeredBy: PeerAddress($0.source))
            }
        }
    }

    private func refusals(_ status: SiteStatus, _ time: ReportTime) -> [ReasonCount] {
        RegistrationRefusal.allCases.filter { status.refusals[$0] > 0 }.map { reason in
            let last = status.lastFailure.flatMap { $0.reason == reason ? $0 : nil }
            return ReasonCount(
                reason: reason.rawValue,
                count: status.refusals[reason],
                last: last.map { time.moment($0.time) },
                lastSource: last.map { PeerAddress($0.source).text }
            )
        }
    }

    private func unknownSite(_ server: MapServer, _ time: ReportTime) -> [ReasonCount] {
        let counts: [(MapServerCount, RegistrationRefusal)] = [
            (.recordsOfNoSite, .notConfiguredEID), (.recordsUnsupported, .unsupportedEID),
        ]
        return counts.filter { server.statistics[$0.0] > 0 }.map { count, reason in
            let last = server.lastUnknown.flatMap { $0.reason == reason ? $0 : nil }
            return ReasonCount(
                reason: reason.rawValue,
                count: server.statistics[count],
                last: last.map { time.moment($0.time) },
                lastSource: last.map { PeerAddress($0.source).text }
            )
        }
    }
}

extension RegisteredLocator {
    fileprivate init(_ record: LocatorRecord) {
        self.init(
            address: record.address.description,
            isLocal: record.isLocal,
            isReachable: record.isReachable,
            priority: record.priority,
            weight: record.weight
        )
    }
}

/// Where the next page of sites goes on: after this EID-prefix of this site.
private struct SitePage {
    let site: String
    let eid: EIDPrefix

    init(site: String, eid: EIDPrefix) {
        self.site = site
        self.eid = eid
    }

    var text: String { "\(PageKey(eid).text)@\(site)" }

    static func parse(_ text: String?) throws(ManagementError) -> SitePage? {
        guard let text else { return nil }
        let parts = text.split(separator: "@", maxSplits: 2)
        guard parts.count == 3, let key = PageKey("\(parts[0])@\(parts[1])") else {
            throw ManagementError(.badRequest, "after is no page of this table")
        }
        return SitePage(site: String(parts[2]), eid: key.eid)
    }
}
