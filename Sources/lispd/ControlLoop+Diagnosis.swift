// `diagnose registration`: what each end of a registration knows of why it is there or not. Made in pages, each in a bounded time
// however much is registered: docs/decisions/diagnose-registration.md.

import LISPConfiguration
import LISPControl
import LISPTables
import LISPWire
import LinuxNetwork
import Management
import ManagementAPI

extension ControlLoop {
    func registrationDiagnosis(_ query: TableQuery) throws(ManagementError) -> RegistrationDiagnosis {
        guard siteETR != nil || router.mapServer != nil else {
            throw ManagementError(
                .notOurRole,
                "this router is neither ETR nor Map-Server: it registers nothing, and nobody registers with it"
            )
        }
        if query.name != nil, router.mapServer == nil {
            throw ManagementError(
                .notOurRole,
                "sites have their names at the Map-Server, and this router is only an ETR: ask about an EID, or there"
            )
        }
        let selection = try EIDSelection(query)
        let page = try DiagnosisPage.parse(query.after)
        let time = ReportTime()
        var report = RegistrationDiagnosis(ownEIDs: nil, sites: nil)
        var room = query.limit
        if let etr = siteETR, query.name == nil {
            report.ownEIDs = []
            if page?.isOfSites != true {
                let rows = ownRows(etr, selection, after: page?.eid, limit: room + 1)
                report.ownEIDs = ownDiagnoses(etr, rows.prefix(room), time)
                if rows.count > room {
                    report.next = rows.prefix(room).last.map { DiagnosisPage(isOfSites: false, eid: $0.eid).text }
                    return report
                }
                room -= rows.count
            }
        }
        if let server = router.mapServer {
            let after = page?.isOfSites == true ? page?.eid : nil
            let rows = try SiteRows(server, selection, name: query.name, after: after, limit: max(1, room))
            var sites = SitesDiagnosis(eids: rows.found.map { siteDiagnosis($0, server, time) })
            if after == nil { sites.ofNoSite = ofNoSite(server, selection, query, asked: rows.found.isEmpty, time) }
            report.sites = sites
            report.next = rows.next.map { DiagnosisPage(isOfSites: true, eid: $0).text }
        }
        return report
    }

    // MARK: The ETR's end

    /// At most `limit` selected mappings of the database, in order.
    private func ownRows(
        _ etr: ETR,
        _ selection: EIDSelection,
        after: EIDPrefix?,
        limit: Int
    ) -> [DatabaseMapping] {
        var selected = etr.database.mappings.filter { selection.selects($0.eid) }
        if case .address = selection.target {
            // The longest match of each table only.
            let tables = Dictionary(grouping: selected) { EIDTableKey($0.eid) }
            selected = tables.compactMap { $0.value.max { $0.eid.prefix.length < $1.eid.prefix.length } }
        }
        let rest = selected.filter { mapping in after.map { $0 < mapping.eid } ?? true }
        return Array(rest.sorted { $0.eid < $1.eid }.prefix(limit))
    }

    private func ownDiagnoses(
        _ etr: ETR,
        _ mappings: some Sequence<DatabaseMapping>,
        _ time: ReportTime
    ) -> [OwnEIDDiagnosis] {
        let sets = Dictionary(configuration.database.map { ($0.eidPrefix, $0.locatorSet) }, uniquingKeysWith: { $1 })
        let down = Set(resolvedHost.locators.filter { !$0.isUp }.map(\.address))
        let servers = etr.registrars.map { registrar in
            (
                registrar: registrar, route: route(to: registrar.peer.address),
                changedKeyFiles: changedKeyFiles(
                    configuration.mapServers.first { $0.address == registrar.peer.address }?.keys ?? []
                ),
                registrations: Dictionary(
                    registrar.registrations.enumerated().flatMap { index, each in each.mappings.map { ($0, index) } },
                    uniquingKeysWith: { first, _ in first }
                )
            )
        }
        return mappings.map { mapping in
            let set = sets[mapping.eid] ?? RouterConfiguration.defaultLocatorSetName
            return OwnEIDDiagnosis(
                mapping.eid,
                servers.map { server in
                    OwnRegistration(
                        mapping: mapping,
                        registrar: server.registrar,
                        registration: server.registrations[mapping.eid].map { server.registrar.registrations[$0] },
                        route: server.route,
                        withoutAddress: resolvedHost.unresolved.filter { $0.locatorSet == set }.map {
                            "\($0.interface): \($0.reason)"
                        },
                        down: down,
                        changedKeyFiles: server.changedKeyFiles,
                        time: time
                    ).diagnosis
                }
            )
        }
    }

    /// By the kernel's word: nothing is sent.
    private func route(to server: IPAddress) -> WayToMapServer {
        guard resolvedHost.families.contains(server.family) else { return .noAddress }
        do throws(LinuxError) {
            return .from(try UDPSocket(family: server.family).source(towards: .control(server)))
        } catch {
            return .none(error.cause)
        }
    }

    /// The files among these keys that hold another secret than the one in use.
    private func changedKeyFiles(_ keys: [KeyConfiguration]) -> [String] {
        keys.compactMap { key in
            guard let file = key.file.map({ LISPConfiguration.resolve($0, besides: configurationFile) }),
                let secret = try? SecretFile(path: file).secret, secret != key.key.secret
            else { return nil }
            return file
        }
    }

    // MARK: The Map-Server's end

    private func siteDiagnosis(_ row: SiteRows.Row, _ server: MapServer, _ time: ReportTime) -> SiteEIDDiagnosis {
        let status = server.site(named: row.configured.site)
        let refusals = RegistrationRefusal.allCases.compactMap { reason -> RefusalFacts? in
            guard let status, row.isConfigured, status.refusals(for: row.eid)[reason] > 0 else { return nil }
            return RefusalFacts(
                reason: reason,
                last: server.refusalMemory.last(for: row.eid, reason),
                site: status.settings,
                configured: row.configured.eid,
                changedKeyFiles: reason == .wrongKey ? changedKeyFiles(siteKeys(row.configured.site)) : []
            )
        }
        return SiteEIDRegistration(
            eid: row.eid,
            configured: row.configured,
            registered: row.registered,
            ending: server.ending(of: row.eid),
            refusals: refusals,
            counts: status?.refusals(for: row.eid) ?? Tally(),
            started: started,
            time: time
        ).diagnosis
    }

    /// Those with files, of a site that has few sites beside it: looking one up costs as many steps as there are sites.
    private func siteKeys(_ name: String) -> [KeyConfiguration] {
        guard let sites = configuration.mapServer?.sites, sites.count <= 1000 else { return [] }
        return sites.first { $0.name == name }?.keys ?? []
    }

    /// What somebody tried to register in vain, latest first; before those, the EID that is asked about, if no site has it.
    private func ofNoSite(
        _ server: MapServer,
        _ selection: EIDSelection,
        _ query: TableQuery,
        asked isUnanswered: Bool,
        _ time: ReportTime
    ) -> [EIDOfNoSite] {
        guard query.name == nil else { return [] }
        var rows = server.refusalMemory.ofNoSite.filter { refused in
            // A reload may have given it to a site since.
            selects(refused.prefix, selection) && server.registry.configured.longestMatch(refused.prefix) == nil
        }.sorted { $0.last.time > $1.last.time }.map {
            EIDOfNoSite($0.prefix, count: $0.count, last: $0.last, server.registry, time)
        }
        let wanted: IPPrefix? =
            switch selection.target {
            case .all: nil
            case .address(let address): IPPrefix(host: address)
            case .prefix(let prefix): prefix
            }
        if isUnanswered, let wanted {
            let eid = EIDPrefix(instanceID: selection.instanceID ?? InstanceID(uncheckedRawValue: 0), wanted)
            if !rows.contains(where: { $0.eidPrefix == wanted.description && $0.instanceID == eid.instanceID.rawValue })
            {
                rows.insert(EIDOfNoSite(eid, count: 0, last: nil, server.registry, time), at: 0)
            }
        }
        return rows
    }

    /// Whoever asks about an EID wants to see what was tried around it, too.
    private func selects(_ refused: EIDPrefix, _ selection: EIDSelection) -> Bool {
        if case .prefix(let prefix) = selection.target {
            return selection.selects(EIDTableKey(refused))
                && (prefix.covers(refused.prefix) || refused.prefix.covers(prefix))
        }
        return selection.selects(refused)
    }
}

/// The EID-prefixes of sites that are asked about.
private struct SiteRows {
    struct Row {
        let eid: EIDPrefix
        let configured: ConfiguredEID
        let registered: RegisteredEID?

        var isConfigured: Bool { eid == configured.eid.prefix }
    }

    private(set) var found: [Row] = []
    /// Where the next page goes on, if there is one.
    private(set) var next: EIDPrefix?

    /// What is looked at for one page, selected or not.
    private static let steps = 5000

    private let registry: SiteRegistry
    private let selection: EIDSelection

    init(
        _ server: MapServer,
        _ selection: EIDSelection,
        name: String?,
        after: EIDPrefix?,
        limit: Int
    ) throws(ManagementError) {
        self.registry = server.registry
        self.selection = selection
        if let name {
            guard let site = server.site(named: name)?.settings else {
                throw ManagementError(.notFound, "there is no site \(name)")
            }
            // Settings have them in order.
            let start = after.map { site.eids.firstIndex(notBefore: $0) } ?? 0
            walk(site.eids[start...].lazy.map(\.prefix).filter { eid in after.map { $0 < eid } ?? true }, limit)
            return
        }
        switch selection.target {
        case .all:
            walkAll(after, limit)
        case .address(let address):
            for instance in instances(limit) { add(around: EIDPrefix(instanceID: instance, IPPrefix(host: address))) }
        case .prefix(let prefix):
            for instance in instances(limit) where after.map({ $0.instanceID <= instance }) ?? true {
                walk(
                    EIDPrefix(instanceID: instance, prefix),
                    after: after.flatMap { $0.instanceID == instance ? $0 : nil },
                    limit
                )
            }
        }
    }

    /// What `eid` lies in, then what lies in it.
    private mutating func walk(_ eid: EIDPrefix, after: EIDPrefix?, _ limit: Int) {
        guard next == nil else { return }
        guard found.count < limit else {
            next = found.last?.eid
            return
        }
        if after == nil, registry.configured[eid] == nil { add(around: eid) }
        var last = after
        while let entry = registry.configured.first(after: last, within: eid) {
            guard found.count < limit else {
                next = found.last?.eid
                return
            }
            last = entry.key
            found.append(row(entry.value))
        }
    }

    private func row(_ configured: ConfiguredEID) -> Row {
        Row(eid: configured.eid.prefix, configured: configured, registered: registry.registered[configured.eid.prefix])
    }

    private mutating func walk(_ eids: some Sequence<EIDPrefix>, _ limit: Int) {
        for eid in eids where selection.selects(eid) {
            guard found.count < limit else {
                next = found.last?.eid
                return
            }
            if let configured = registry.configured[eid] { found.append(row(configured)) }
        }
    }

    private mutating func walkAll(_ after: EIDPrefix?, _ limit: Int) {
        var last = after
        var steps = 0
        while let entry = registry.configured.first(after: last) {
            guard found.count < limit, steps < Self.steps else {
                next = last
                return
            }
            steps += 1
            last = entry.key
            if selection.selects(entry.key) { found.append(row(entry.value)) }
        }
    }

    /// What decides about an EID-prefix that may not be configured itself: a registered one, or the configured one around it.
    private mutating func add(around eid: EIDPrefix) {
        guard selection.selects(EIDTableKey(eid)), let match = registry.configured.longestMatch(eid) else { return }
        if let registered = registry.registered.longestMatch(eid), registered.value.configured == match.key,
            registered.key != match.key
        {
            found.append(Row(eid: registered.key, configured: match.value, registered: registered.value))
        }
        found.append(row(match.value))
    }

    /// The instances that there may be something in, at most `limit`.
    private func instances(_ limit: Int) -> [InstanceID] {
        selection.instanceID.map { [$0] } ?? registry.instances(limit: limit)
    }
}

extension SiteRegistry {
    /// The instances of configured EID-prefixes, in order.
    func instances(limit: Int) -> [InstanceID] {
        var found: [InstanceID] = []
        var last: EIDPrefix?
        while found.count < limit, let entry = configured.first(after: last) {
            found.append(entry.key.instanceID)
            // Beyond all that the instance can have.
            last = EIDPrefix(
                instanceID: entry.key.instanceID,
                IPPrefix(host: IPAddress(family: .ipv6, leftAligned: .max))
            )
        }
        return found
    }
}

/// Where the next page goes on.
private struct DiagnosisPage {
    let isOfSites: Bool
    let eid: EIDPrefix

    var text: String { "\(isOfSites ? "sites" : "own")@\(PageKey(eid).text)" }

    static func parse(_ text: String?) throws(ManagementError) -> DiagnosisPage? {
        guard let text else { return nil }
        let parts = text.split(separator: "@", maxSplits: 1)
        guard parts.count == 2, ["sites", "own"].contains(parts[0]), let key = PageKey(String(parts[1])) else {
            throw ManagementError(.badRequest, "after is no page of this table")
        }
        return DiagnosisPage(isOfSites: parts[0] == "sites", eid: key.eid)
    }
}
