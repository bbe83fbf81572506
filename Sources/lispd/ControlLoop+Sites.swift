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
            // One more than there is room for tells whether there is another page.
            let rows = rows(of: status, server, selection, after: after, limit: room + 1)
            after = nil
            if !rows.isEmpty, room > 0 {
                report.sites.append(site(status, rows.prefix(room), time))
                last = rows.prefix(room).last.map { SitePage(status.settings.name, $0) }
            }
            if rows.count > room {
                report.next = last?.text
                break
            }
            room -= rows.count
        }
        guard after == nil else {
            throw ManagementError(.unavailable, "the sites changed while they were read: ask again")
        }
        return report
    }

    private func site(_ status: SiteStatus, _ rows: some Sequence<Row>, _ time: ReportTime) -> Site {
        Site(
            name: status.settings.name,
            description: status.settings.description,
            nonceCheck: status.settings.nonceCheck.rawValue,
            allowedLocators: status.settings.allowedLocators?.map(\.description),
            eids: rows.map { siteEID($0, status, time) },
            refusals: refusals(status, time)
        )
    }

    /// At most `limit` selected EID-prefixes of a site: each configured one and, behind it, the registered more-specifics. What
    /// lies before the page is not looked at, so that a page of a large site is soon made.
    private func rows(
        of status: SiteStatus,
        _ server: MapServer,
        _ selection: EIDSelection,
        after page: SitePage?,
        limit: Int
    ) -> [Row] {
        let eids = status.settings.eids
        if case .address(let address) = selection.target {
            let matches = rows(eids.filter { selection.selects($0.prefix) }, of: address, server)
            return Array(matches.filter { row in page.map { $0.eid < row.key } ?? true }.prefix(limit))
        }
        var rows: [Row] = []
        var page = page
        // Settings have them in order.
        for configured in eids[(page.map { eids.firstIndex(notBefore: $0.configured) } ?? 0)...] {
            // Whatever follows is of no interest once there is a page.
            guard rows.count < limit else { break }
            // A configured prefix that a reload took away left no place to go on at but the next one.
            let start = page.flatMap { $0.configured == configured.prefix ? $0.eid : nil }
            page = nil
            if start == nil, selection.selects(configured.prefix) {
                rows.append(Row(configured.prefix, configured, server.registry.registered[configured.prefix]))
            }
            var key = start ?? configured.prefix
            while rows.count < limit,
                let next = server.registry.first(after: key, registeredIn: configured.prefix)
            {
                key = next.key
                if selection.selects(key) { rows.append(Row(key, configured, next.value)) }
            }
        }
        return rows
    }

    /// The longest match of each instance; the registered one wins over the configured one.
    private func rows(_ eids: [LISPTables.SiteEID], of address: IPAddress, _ server: MapServer) -> [Row] {
        var rows: [InstanceID: Row] = [:]
        for configured in eids {
            let instance = configured.prefix.instanceID
            for length in configured.prefix.prefix.length...address.family.bitWidth {
                guard let prefix = IPPrefix(address, length: length) else { continue }
                let key = EIDPrefix(instanceID: instance, prefix)
                let registered = server.registry.registered[key]
                guard key == configured.prefix || registered?.configured == configured.prefix else { continue }
                guard length >= rows[instance]?.key.prefix.length ?? 0 else { continue }
                rows[instance] = Row(key, configured, registered)
            }
        }
        return rows.sorted { $0.key < $1.key }.map(\.value)
    }

    private func siteEID(_ row: Row, _ status: SiteStatus, _ time: ReportTime) -> ManagementAPI.SiteEID {
        let (prefix, configured, registered) = (row.key, row.configured, row.registered)
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
            address: record.address.locatorAddress?.description ?? record.address.description,
            isLocal: record.isLocal,
            isReachable: record.isReachable,
            priority: record.priority,
            weight: record.weight
        )
    }
}

/// An EID-prefix of a site, as it is configured or as a registered part of one that is.
private struct Row {
    let key: EIDPrefix
    let configured: LISPTables.SiteEID
    let registered: RegisteredEID?

    init(_ key: EIDPrefix, _ configured: LISPTables.SiteEID, _ registered: RegisteredEID?) {
        self.key = key
        self.configured = configured
        self.registered = registered
    }
}

extension [LISPTables.SiteEID] {
    /// Of a list in order of the prefixes.
    func firstIndex(notBefore prefix: EIDPrefix) -> Int {
        var (low, high) = (startIndex, endIndex)
        while low < high {
            let middle = (low + high) / 2
            if self[middle].prefix < prefix { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// Where the next page of sites goes on: after this EID-prefix, which is or lies in this configured one of this site.
private struct SitePage {
    let site: String
    let configured: EIDPrefix
    let eid: EIDPrefix

    init(_ site: String, _ row: Row) {
        self.site = site
        configured = row.configured.prefix
        eid = row.key
    }

    private init(site: String, configured: EIDPrefix, eid: EIDPrefix) {
        self.site = site
        self.configured = configured
        self.eid = eid
    }

    var text: String { "\(PageKey(configured).text)@\(PageKey(eid).text)@\(site)" }

    static func parse(_ text: String?) throws(ManagementError) -> SitePage? {
        guard let text else { return nil }
        let parts = text.split(separator: "@", maxSplits: 4, omittingEmptySubsequences: false)
        guard parts.count == 5, let configured = PageKey("\(parts[0])@\(parts[1])"),
            let eid = PageKey("\(parts[2])@\(parts[3])")
        else { throw ManagementError(.badRequest, "after is no page of this table") }
        return SitePage(site: String(parts[4]), configured: configured.eid, eid: eid.eid)
    }
}
