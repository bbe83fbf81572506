// The daemon's answers to lispctl: each is made on the control loop, so it shows one moment; what takes long, as reading the
// host's routes, is done before and elsewhere.

import LISPConfiguration
import LISPWire
import Management
import ManagementAPI

/// Hands every question to the control loop.
struct ManagementService: ManagementProvider {
    let loop: ControlLoop
    let events: EventHub
    let routes = RouteSurvey()

    func status() async throws(ManagementError) -> StatusReport { await loop.statusReport() }

    func services(_ query: TableQuery) async throws(ManagementError) -> ServiceReport {
        try await loop.serviceReport(query)
    }

    func mapCache(_ query: TableQuery) async throws(ManagementError) -> MapCacheReport {
        try await loop.mapCacheReport(query)
    }

    func clearMapCache(_ request: ClearMapCacheRequest) async throws(ManagementError) -> ClearReport {
        try await loop.clearMapCache(request)
    }

    func database(_ query: TableQuery) async throws(ManagementError) -> DatabaseReport {
        let routed: Set<EIDPrefix>
        do {
            routed = try await routes.routed(await loop.routeQuestion())
        } catch {
            throw ManagementError(.unavailable, "cannot read this host's routes: \(error)")
        }
        return try await loop.databaseReport(query, routed: routed)
    }

    func sites(_ query: TableQuery) async throws(ManagementError) -> SiteReport {
        if let name = query.name, let sites = await loop.sites(without: name) { throw unknownSite(name, among: sites) }
        return try await loop.siteReport(query)
    }

    func clearSite(_ request: ClearSiteRequest) async throws(ManagementError) -> ClearSiteReport {
        if let sites = await loop.sites(without: request.name) { throw unknownSite(request.name, among: sites) }
        return try await loop.clearSite(request)
    }

    func clearStatistics() async throws(ManagementError) -> ClearStatisticsReport { await loop.clearStatistics() }

    func statistics(_ query: TableQuery) async throws(ManagementError) -> StatisticsReport {
        await loop.statisticsReport(query)
    }

    func mapServers() async throws(ManagementError) -> MapServersReport { try await loop.mapServersReport() }

    func mapResolvers() async throws(ManagementError) -> MapResolversReport { try await loop.mapResolversReport() }

    func proxyETRs() async throws(ManagementError) -> ProxyETRsReport { try await loop.proxyETRsReport() }

    func smr() async throws(ManagementError) -> SMRReport { try await loop.smrReport() }

    func locators() async throws(ManagementError) -> LocatorsReport { await loop.locatorsReport() }

    func interfaces() async throws(ManagementError) -> InterfacesReport { try await loop.interfacesReport() }

    func explain(_ query: ExplainQuery) async throws(ManagementError) -> ExplainReport {
        let packet = try await loop.explainedPacket(query)
        let destination = EIDPrefix(instanceID: packet.instance, IPPrefix(host: packet.destination))
        let hasRoute: Bool
        do {
            hasRoute = try await !routes.routed([packet.space: [destination]]).isEmpty
        } catch {
            throw ManagementError(.unavailable, "cannot read this host's routes: \(error)")
        }
        return await loop.explain(packet, hasRoute: hasRoute)
    }

    func diagnoseRegistration(_ query: TableQuery) async throws(ManagementError) -> RegistrationDiagnosis {
        if let name = query.name, let sites = await loop.sites(without: name) { throw unknownSite(name, among: sites) }
        return try await loop.registrationDiagnosis(query)
    }

    func events(_ query: EventQuery) async throws(ManagementError) -> EventsReport { try await events.report(query) }

    func metrics() async throws(ManagementError) -> [MetricFamily] {
        await loop.metrics() + events.metrics() + processMetrics()
    }

    func configuration() async throws(ManagementError) -> ConfigurationReport { await loop.configurationReport() }

    func reload() async throws(ManagementError) -> ReloadReport {
        do {
            return try await loop.reload()
        } catch let error as ConfigurationError {
            throw ManagementError(
                .refused,
                "the configuration file has faults; the running configuration stays",
                details: error.issues.map(\.description)
            )
        } catch {
            throw ManagementError(.refused, "\(error)")
        }
    }
}
