// The SNMP subagent: connects the managed objects to the AgentX master that `snmp` names.

import AgentX
import LISPConfiguration
import LISPWire
import ManagedObjects
import Management
import ManagementAPI
import NIOCore

/// Made and used on the control loop.
final class SNMPAgent {
    private let client: AgentXClient
    private let omitted: OmittedRows
    private let master: String

    /// - Parameter model: made of the function that tells the master's sysUpTime so long ago.
    init(
        _ configuration: SNMPConfiguration,
        eventLoop: any EventLoop,
        events: EventHub,
        model: (@escaping (Duration) -> UInt32) -> LISPModel
    ) {
        let omitted = OmittedRows()
        let clock = MasterTime()
        let model = model { clock.client?.sysUpTime(ago: $0) ?? 0 }
        // LISPD-CAPABILITIES-MIB stands below it.
        let draftBase = OID(configuration.draftMIBBase) ?? LISPDraftMIB.defaultRoot
        var settings = AgentXSettings(description: "lispd \(Release.version)")
        settings.id = LISPMIB.root
        client = AgentXClient(
            master: MasterAddress(configuration.master),
            settings: settings,
            modules: [
                LISPMIB(model, omitted: omitted).module(capabilities: draftBase + [12, 1]),
                LISPDraftMIB(model, at: draftBase, omitted: omitted).module(capabilities: draftBase + [12, 2]),
            ],
            eventLoop: eventLoop,
            onEvent: { event in events.post(Event(event)) }
        )
        clock.client = client
        self.omitted = omitted
        master = configuration.master.description
    }

    func start() { client.start() }

    func stop() { client.stop() }

    var status: SNMPStatus {
        let statistics = client.statistics
        let state: SNMPStatus.State =
            switch statistics.state {
            case .open: .open
            case .opening: .opening
            case .stopped, .waiting, .connecting: .connecting
            }
        return SNMPStatus(
            master: master,
            state: state,
            lastError: statistics.lastError,
            regionsRegistered: statistics.regionsRegistered,
            regionsWanted: statistics.regionsWanted,
            sessionsOpened: statistics.sessionsOpened,
            requests: statistics.requests,
            variables: statistics.variables,
            rowsLeftOut: OmittedRows.Reason.allCases.compactMap { reason in
                omitted.counts[reason].map { ReasonCount(reason: reason.rawValue, count: $0) }
            }
        )
    }

    func metrics() -> [MetricFamily] {
        let statistics = client.statistics
        var up = MetricFamily(.gauge, "lispd_snmp_session_open", "Whether the AgentX master has accepted us: 1 or 0.")
        up.add(count: statistics.state == .open ? 1 : 0)
        var opened = MetricFamily(.counter, "lispd_snmp_sessions_total", "AgentX sessions that were opened.")
        opened.add(statistics.sessionsOpened)
        var requests = MetricFamily(.counter, "lispd_snmp_requests_total", "Requests of the AgentX master.")
        requests.add(statistics.gets, .init("type", "get"))
        requests.add(statistics.getNexts, .init("type", "get_next"))
        requests.add(statistics.getBulks, .init("type", "get_bulk"))
        requests.add(statistics.testSets, .init("type", "test_set"))
        var variables = MetricFamily(.counter, "lispd_snmp_variables_total", "Variables in answers to them.")
        variables.add(statistics.variables)
        var slice = MetricFamily(
            .gauge,
            "lispd_snmp_longest_slice_seconds",
            "The longest time that the control loop spent on requests at a time."
        )
        slice.add(client.longestSlice / .seconds(1))
        var left = MetricFamily(
            .counter,
            "lispd_snmp_rows_left_out_total",
            "Rows that have no name which SNMP allows, each time that a manager came by."
        )
        for reason in OmittedRows.Reason.allCases {
            left.add(omitted.counts[reason] ?? 0, .init("reason", metricLabel(reason)))
        }
        return [up, opened, requests, variables, slice, left]
    }
}

/// The model needs the clock of a client that needs the model.
private final class MasterTime {
    weak var client: AgentXClient?
}

extension AgentXStatistics {
    /// Of any kind.
    fileprivate var requests: UInt64 {
        gets + getNexts + getBulks + testSets + commitSets + undoSets + cleanupSets
    }
}

extension MasterAddress {
    fileprivate init(_ configured: SNMPConfiguration.Master) {
        switch configured {
        case .path(let path): self = .unix(path)
        case .tcp(let endpoint): self = .tcp(host: endpoint.address.description, port: endpoint.port)
        }
    }
}

extension Event {
    fileprivate init(_ event: AgentXEvent) {
        self.init(event.isError ? .agentXDown : .agentXUp, event.isError ? .warning : .notice, "\(event)")
    }
}

// MARK: Routes

/// Which of our EID-prefixes the host has a route into, as far as that is known. Reading a large table takes long, so it is done
/// elsewhere, and only when somebody asks.
struct RoutedPrefixes {
    static let lifetime = Duration.seconds(5)

    let survey = RouteSurvey()
    var known: Set<EIDPrefix>?
    var asked: ContinuousClock.Instant?
}

extension ControlLoop {
    func makeAgent() -> SNMPAgent? {
        guard let snmp = configuration.snmp else { return nil }
        _ = knownRoutedPrefixes()
        return SNMPAgent(snmp, eventLoop: eventLoop, events: events) { lispModel(timeStamp: $0) }
    }

    /// `nil` before the routes have been read first. Has them read again if that was some seconds ago.
    func knownRoutedPrefixes() -> Set<EIDPrefix>? {
        let now = ContinuousClock.now
        if routedPrefixes.asked.map({ $0 + RoutedPrefixes.lifetime < now }) ?? true {
            routedPrefixes.asked = now
            let (survey, question) = (routedPrefixes.survey, routeQuestion())
            Task {
                // Without an answer the last one stands.
                if let answer = try? await survey.routed(question) { self.noteRouted(answer) }
            }
        }
        return routedPrefixes.known
    }

    private func noteRouted(_ prefixes: Set<EIDPrefix>) {
        routedPrefixes.known = prefixes
    }
}
