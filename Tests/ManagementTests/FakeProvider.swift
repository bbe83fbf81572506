// A router that is not there: answers with fixed values, so that what comes out of the socket can be compared.

import Management
import ManagementAPI
import Synchronization

final class FakeProvider: ManagementProvider {
    let queries = Mutex<[TableQuery]>([])
    let explained = Mutex<[ExplainQuery]>([])
    let eventQueries = Mutex<[EventQuery]>([])
    let clears = Mutex<[ClearMapCacheRequest]>([])
    let siteClears = Mutex<[ClearSiteRequest]>([])
    let statisticsClears = Mutex(0)
    let reloadFailure: ManagementError?
    /// While it is set, who asks for locators waits.
    let holdsLocators = Mutex(false)
    let waitingForLocators = Mutex(0)

    init(reloadFailure: ManagementError? = nil) {
        self.reloadFailure = reloadFailure
    }

    static let moment = Moment(now: 1_767_225_600, secondsAgo: 83)

    static let status = StatusReport(
        version: "0.1.0",
        processID: 42,
        started: moment,
        roles: [
            RoleStatus(role: "itr", health: .up), RoleStatus(role: "etr", health: .degraded, reason: "no Map-Notify"),
        ],
        xtrID: "0123456789abcdef0123456789abcdef",
        configurationFile: "/etc/lispd/lispd.yaml",
        configurationLoaded: moment,
        warnings: ["a \"quoted\" warning / with a slash"]
    )

    static let entry = MapCacheEntry(
        instanceID: 101,
        eidPrefix: "2001:db8:2::/48",
        created: moment,
        lastModified: moment,
        expiresIn: 86317,
        source: "map-reply",
        state: .complete,
        isAuthoritative: true,
        locators: [
            MapCacheLocator(
                address: "192.0.2.2",
                state: .up,
                since: moment,
                priority: 1,
                weight: 100,
                encapsulated: Traffic(packets: .max, octets: 7)
            )
        ]
    )

    func status() async throws(ManagementError) -> StatusReport { Self.status }

    func services(_ query: TableQuery) async throws(ManagementError) -> ServiceReport {
        remember(query)
        return ServiceReport(services: [])
    }

    func mapCache(_ query: TableQuery) async throws(ManagementError) -> MapCacheReport {
        remember(query)
        if query.eid == "10.9.9.9" { throw ManagementError(.notFound, "no entry covers 10.9.9.9") }
        let table = EIDTable(instanceID: 101, family: .ipv6, entryCount: 1)
        return MapCacheReport(tables: [table], entries: [Self.entry], next: "opaque & odd")
    }

    func clearMapCache(_ request: ClearMapCacheRequest) async throws(ManagementError) -> ClearReport {
        clears.withLock { $0.append(request) }
        return ClearReport(cleared: 3)
    }

    func database(_ query: TableQuery) async throws(ManagementError) -> DatabaseReport {
        remember(query)
        return DatabaseReport(tables: [], entries: [])
    }

    func sites(_ query: TableQuery) async throws(ManagementError) -> SiteReport {
        remember(query)
        return SiteReport(sites: [Site(name: "site1", eids: [])])
    }

    func clearSite(_ request: ClearSiteRequest) async throws(ManagementError) -> ClearSiteReport {
        guard request.name == "site1" else { throw ManagementError(.notFound, "there is no site \(request.name)") }
        siteClears.withLock { $0.append(request) }
        return ClearSiteReport(site: request.name, cleared: 2, registrations: 3, nonces: 1)
    }

    func clearStatistics() async throws(ManagementError) -> ClearStatisticsReport {
        statisticsClears.withLock { $0 += 1 }
        return ClearStatisticsReport(before: Self.moment)
    }

    func statistics(_ query: TableQuery) async throws(ManagementError) -> StatisticsReport {
        remember(query)
        return StatisticsReport(control: [ControlStatistics(family: .ipv4)], dataPlane: DataPlaneStatistics())
    }

    func mapServers() async throws(ManagementError) -> MapServersReport { MapServersReport(mapServers: []) }
    func mapResolvers() async throws(ManagementError) -> MapResolversReport { MapResolversReport(mapResolvers: []) }
    func proxyETRs() async throws(ManagementError) -> ProxyETRsReport { ProxyETRsReport(proxyETRs: []) }
    func smr() async throws(ManagementError) -> SMRReport { SMRReport(smrPeers: [], forgotten: 0) }

    func locators() async throws(ManagementError) -> LocatorsReport {
        waitingForLocators.withLock { $0 += 1 }
        while holdsLocators.withLock({ $0 }) { try? await Task.sleep(for: .milliseconds(5)) }
        waitingForLocators.withLock { $0 -= 1 }
        return LocatorsReport(local: [], remote: [])
    }

    func interfaces() async throws(ManagementError) -> InterfacesReport {
        InterfacesReport(tunnels: [], rlocInterfaces: [])
    }

    func explain(_ query: ExplainQuery) async throws(ManagementError) -> ExplainReport {
        explained.withLock { $0.append(query) }
        return ExplainReport(
            source: query.source,
            destination: query.destination,
            instanceID: query.instanceID ?? 0,
            outcome: .encapsulated,
            summary: "to 192.0.2.2",
            host: ExplainedHost(interface: "lisp0", steps: [], text: ""),
            wayBack: ""
        )
    }

    func diagnoseRegistration(_ query: TableQuery) async throws(ManagementError) -> RegistrationDiagnosis {
        remember(query)
        return RegistrationDiagnosis(ownEIDs: [], sites: nil)
    }

    func events(_ query: EventQuery) async throws(ManagementError) -> EventsReport {
        eventQueries.withLock { $0.append(query) }
        return EventsReport(events: [Event(.locatorDown, .warning, "RLOC 192.0.2.2 is \"down\"")], latest: 1)
    }

    func metrics() async throws(ManagementError) -> [MetricFamily] {
        var family = MetricFamily(.counter, "lispd_encapsulated_packets_total", "Packets encapsulated.")
        family.add(UInt64.max, .init("instance_id", 101))
        return [family]
    }

    func configuration() async throws(ManagementError) -> ConfigurationReport {
        ConfigurationReport(file: "f", loaded: Self.moment, yaml: "roles: [itr]\n", json: "{}\n")
    }

    func reload() async throws(ManagementError) -> ReloadReport {
        if let reloadFailure { throw reloadFailure }
        return ReloadReport(file: "f", changed: ["database"])
    }

    private func remember(_ query: TableQuery) {
        queries.withLock { $0.append(query) }
    }
}
