// What the daemon has to tell and to do for its operator: the one seam between the HTTP service and the router.

import ManagementAPI

/// Answers for the service. Called from any task, several at once; each call should be short, and a long table is
/// answered in pages.
package protocol ManagementProvider: Sendable {
    func status() async throws(ManagementError) -> StatusReport
    func services(_ query: TableQuery) async throws(ManagementError) -> ServiceReport
    func mapCache(_ query: TableQuery) async throws(ManagementError) -> MapCacheReport
    func clearMapCache(_ request: ClearMapCacheRequest) async throws(ManagementError) -> ClearReport
    func database(_ query: TableQuery) async throws(ManagementError) -> DatabaseReport
    func sites(_ query: TableQuery) async throws(ManagementError) -> SiteReport
    func clearSite(_ request: ClearSiteRequest) async throws(ManagementError) -> ClearSiteReport
    func statistics(_ query: TableQuery) async throws(ManagementError) -> StatisticsReport
    /// Counters of `statistics` start afresh, those of `metrics` go on.
    func clearStatistics() async throws(ManagementError) -> ClearStatisticsReport
    func mapServers() async throws(ManagementError) -> MapServersReport
    func mapResolvers() async throws(ManagementError) -> MapResolversReport
    func proxyETRs() async throws(ManagementError) -> ProxyETRsReport
    func smr() async throws(ManagementError) -> SMRReport
    func locators() async throws(ManagementError) -> LocatorsReport
    func interfaces() async throws(ManagementError) -> InterfacesReport
    func explain(_ query: ExplainQuery) async throws(ManagementError) -> ExplainReport
    func diagnoseRegistration(_ query: TableQuery) async throws(ManagementError) -> RegistrationDiagnosis
    func events(_ query: EventQuery) async throws(ManagementError) -> EventsReport
    func metrics() async throws(ManagementError) -> [MetricFamily]
    func configuration() async throws(ManagementError) -> ConfigurationReport
    /// Reads the configuration file again. A refusal leaves everything as it was.
    func reload() async throws(ManagementError) -> ReloadReport
}

/// Why a request failed.
package struct ManagementError: Error, Equatable {
    package enum Kind: Sendable {
        /// The request itself is at fault (400).
        case badRequest
        /// What it names does not exist (404).
        case notFound
        /// It is about a role that this router does not play (409).
        case notOurRole
        /// It is well-formed, and the daemon refuses what it asks (422): a configuration with faults.
        case refused
        /// Not now (503).
        case unavailable
    }

    package var kind: Kind
    /// One line, for the operator.
    package var message: String
    /// More of the same, one line each.
    package var details: [String]

    package init(_ kind: Kind, _ message: String, details: [String] = []) {
        self.kind = kind
        self.message = message
        self.details = details
    }
}
