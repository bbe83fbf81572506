// `show map-cache`, `show database`, `clear map-cache`.

import DataPlane
import ForwardingInterface
import HostRouting
import LISPConfiguration
import LISPControl
import LISPTables
import LISPWire
import Management
import ManagementAPI

extension ControlLoop {
    func mapCacheReport(_ query: TableQuery) throws(ManagementError) -> MapCacheReport {
        guard let itr = router.itr else {
            throw ManagementError(.notOurRole, "this router is no ITR: it has no map-cache")
        }
        let selection = try EIDSelection(query)
        let time = ReportTime()
        var report = MapCacheReport(tables: eidTables(selection) { itr.cache.counts[$0, default: 0] }, entries: [])
        if case .address(let address) = selection.target {
            for table in report.tables where table.family.addressFamily == address.family {
                let eid = EID(instanceID: InstanceID(uncheckedRawValue: table.instanceID), address)
                guard let entry = itr.cache.longestMatch(eid) else { continue }
                report.entries.append(mapCacheEntry(entry, time))
            }
            return report
        }
        let after = try PageKey.parse(query.after)
        for scope in scopes(selection) {
            var key = after
            while let entry = itr.cache.first(after: key, within: scope) {
                key = entry.eid
                guard report.entries.count < query.limit else {
                    report.next = report.entries.last.flatMap(pageKey)
                    return report
                }
                report.entries.append(mapCacheEntry(entry, time))
            }
        }
        return report
    }

    private func pageKey(_ entry: ManagementAPI.MapCacheEntry) -> String? {
        IPPrefix(entry.eidPrefix).map {
            PageKey(EIDPrefix(instanceID: InstanceID(uncheckedRawValue: entry.instanceID), $0)).text
        }
    }

    /// What a selection covers in each of those tables, in order.
    private func scopes(_ selection: EIDSelection) -> [EIDPrefix] {
        configuration.instances.map(\.id).sorted().flatMap { instance in
            AddressFamily.allCases.map { EIDTableKey(instance, $0) }.filter(selection.selects).map(selection.scope)
        }
    }

    /// The tables that a selection touches, of configured instances.
    func eidTables(_ selection: EIDSelection, count: (EIDTableKey) -> Int) -> [EIDTable] {
        configuration.instances.sorted { $0.id < $1.id }.flatMap { instance in
            AddressFamily.allCases.map { EIDTableKey(instance.id, $0) }.filter(selection.selects).map { key in
                EIDTable(
                    instanceID: key.instanceID.rawValue,
                    family: EIDFamily(key.family),
                    namespace: instance.namespace,
                    entryCount: count(key)
                )
            }
        }
    }

    func mapCacheEntry(_ entry: LISPTables.MapCacheEntry, _ time: ReportTime) -> ManagementAPI.MapCacheEntry {
        let counters = plane?.counters(of: entry.mapping) ?? MappingCounters()
        return ManagementAPI.MapCacheEntry(
            instanceID: entry.eid.instanceID.rawValue,
            eidPrefix: entry.eid.prefix.description,
            created: time.moment(entry.installed),
            lastModified: time.moment(entry.refreshed),
            expiresIn: entry.isStatic ? nil : time.seconds(until: entry.expires),
            source: entry.isStatic ? "static" : "map-reply",
            state: router.itr?.isRefreshing(entry.eid) ?? false ? .refreshing : .complete,
            action: entry.isNegative ? entry.action.text : nil,
            forwarding: router.itr.map { forwarding($0.forwardingAction(entry)) },
            isAuthoritative: entry.isAuthoritative,
            answeredBy: entry.isStatic ? nil : entry.source.description,
            locators: entry.locators.enumerated().map { ordinal, locator in
                mapCacheLocator(locator, ordinal, of: entry, time)
            },
            statusBits: statusBits(of: entry, time),
            encapsulated: Traffic(counters.encapsulated),
            decapsulated: Traffic(counters.decapsulated),
            lastUsed: plane?.secondsSinceUse(of: entry.mapping).map {
                Moment(now: time.wallClock, secondsAgo: Int64($0))
            }
        )
    }

    private func forwarding(_ action: ForwardingAction) -> ManagementAPI.MapCacheEntry.Forwarding {
        switch action {
        case .encapsulate(ITR.proxyETRSet): .proxyETR
        case .encapsulate: .encapsulate
        case .forwardNatively: .native
        case .sendMapRequest: .mapRequest
        case .drop: .drop
        }
    }

    private func statusBits(of entry: LISPTables.MapCacheEntry, _ time: ReportTime) -> StatusBits? {
        router.itr?.status[entry.locatorSet].map { status in
            let count = entry.content.locators.count
            return StatusBits(
                bits: count >= 32 ? status.bits : status.bits & (1 << UInt32(count) - 1),
                changed: time.moment(status.changed)
            )
        }
    }

    private func mapCacheLocator(
        _ locator: LISPTables.MapCacheLocator,
        _ ordinal: Int,
        of entry: LISPTables.MapCacheEntry,
        _ time: ReportTime
    ) -> ManagementAPI.MapCacheLocator {
        let sent = locator.id.map { plane?.counters(of: entry.mapping, locator: $0).encapsulated ?? .init() } ?? .init()
        let status = locatorStatus(locator)
        let (reachability, echo) = (status.reachability, status.echo)
        let state: LocatorState =
            if locator.id != nil {
                router.itr?.isUp(ordinal, of: entry) ?? true ? .up : .down
            } else if !locator.record.isReachable {
                .unreachable
            } else {
                .unusable
            }
        return ManagementAPI.MapCacheLocator(
            address: locator.address?.description ?? locator.record.address.description,
            state: state,
            since: time.moment(status.since),
            priority: locator.record.priority,
            weight: locator.record.weight,
            multicastPriority: locator.record.multicastPriority,
            multicastWeight: locator.record.multicastWeight,
            isSelf: locator.address.map { resolvedHost.rlocs.contains($0) } ?? false,
            encapsulated: Traffic(sent),
            stateChanges: status.changes,
            probing: reachability.flatMap { $0.probesSent > 0 ? LocatorProbing($0, time) : nil },
            echoes: echo.map { LocatorEchoes($0, locator.id.flatMap { plane?.echoes(of: $0) }, time) },
            mtu: locator.id.flatMap { _ in locator.address.flatMap { router.itr?.pathMTU[$0] } }.map(Int.init)
        )
    }

    /// What has been found out of a locator, since when it is as it is, and how often that has changed.
    struct LocatorStatus {
        var reachability: RLOCReachability?
        var echo: EchoReachability?
        var since: Instant
        var changes: UInt64
    }

    func locatorStatus(_ locator: LISPTables.MapCacheLocator) -> LocatorStatus {
        let reachability = locator.id == nil ? nil : locator.address.flatMap { router.itr?.prober[$0] }
        let echo = locator.id == nil ? nil : locator.address.flatMap { router.itr?.noncer[$0] }
        return LocatorStatus(
            reachability: reachability,
            echo: echo,
            since: max(
                reachability.map { $0.changes > 0 ? max($0.since, locator.since) : locator.since } ?? locator.since,
                echo?.since ?? locator.since
            ),
            changes: locator.stateChanges + (reachability?.changes ?? 0) + (echo?.changes ?? 0)
        )
    }

    /// Takes out what the request selects, slice by slice: other events come in between, so that a large map-cache does not hold
    /// them up.
    func clearMapCache(_ request: ClearMapCacheRequest) async throws(ManagementError) -> ClearReport {
        guard let itr = router.itr else {
            throw ManagementError(.notOurRole, "this router is no ITR: it has no map-cache")
        }
        let selection = try EIDSelection(family: request.family, instanceID: request.instanceID, eid: request.eid)
        if case .address(let address) = selection.target {
            let victims = configuration.instances.map(\.id)
                .filter { selection.selects(EIDTableKey($0, address.family)) }
                .compactMap { itr.cache.longestMatch(EID(instanceID: $0, address))?.eid }
            return ClearReport(cleared: clearMapCache(victims))
        }
        var cleared = 0
        for scope in scopes(selection) {
            var slice: [EIDPrefix] = []
            repeat {
                var last = slice.last
                slice = []
                while slice.count < Self.clearSlice, let entry = router.itr?.cache.first(after: last, within: scope) {
                    slice.append(entry.eid)
                    last = entry.eid
                }
                cleared += clearMapCache(slice)
                await Task.yield()
            } while slice.count == Self.clearSlice
        }
        return ClearReport(cleared: cleared)
    }

    /// Entries cleared without a break.
    private static var clearSlice: Int { 500 }

    /// What has to be known of the host's routes before `databaseReport`.
    func routeQuestion() -> RouteSurvey.Question {
        var question: RouteSurvey.Question = [:]
        let prefixes = Dictionary(grouping: configuration.database.map(\.eidPrefix), by: \.instanceID)
        for instance in configuration.instances {
            question[HostIntegration.space(instance), default: []].formUnion(prefixes[instance.id] ?? [])
        }
        return question
    }

    /// - Parameter routed: those of our EID-prefixes that the host has a route into.
    func databaseReport(
        _ query: TableQuery,
        routed: Set<EIDPrefix>
    ) throws(ManagementError) -> DatabaseReport {
        guard let etr = siteETR else {
            throw ManagementError(.notOurRole, "this router is no ETR: it has no database")
        }
        let selection = try EIDSelection(query)
        let all = etr.database.mappings
        var selected = all.filter { selection.selects($0.eid) }
        if case .address = selection.target {
            // The longest match of each table only.
            let tables = Dictionary(grouping: selected) { EIDTableKey($0.eid) }
            selected = tables.sorted { $0.key < $1.key }.compactMap {
                $0.value.max { $0.eid.prefix.length < $1.eid.prefix.length }
            }
        }
        let sets = Dictionary(configuration.database.map { ($0.eidPrefix, $0.locatorSet) }, uniquingKeysWith: { $1 })
        return DatabaseReport(
            tables: eidTables(selection) { key in all.count { EIDTableKey($0.eid) == key } }.filter {
                $0.entryCount > 0
            },
            entries: selected.map { mapping in
                let set = sets[mapping.eid] ?? RouterConfiguration.defaultLocatorSetName
                return DatabaseEntry(
                    instanceID: mapping.eid.instanceID.rawValue,
                    eidPrefix: mapping.eid.prefix.description,
                    locatorSet: set,
                    ttl: 60 * Int64(mapping.ttlMinutes),
                    hasRoute: routed.contains(mapping.eid),
                    sourceAddress: resolvedHost.ownAddresses[mapping.eid.instanceID, default: []]
                        .first { mapping.eid.prefix.contains($0) }?.description,
                    locators: mapping.locators.map { locator in
                        ManagementAPI.DatabaseLocator(
                            address: locator.address.description,
                            priority: locator.priority,
                            weight: locator.weight,
                            interface: resolvedHost.locators
                                .first { $0.address == locator.address && $0.locatorSet == set }.flatMap(
                                    configuredInterface
                                ),
                            isSelf: locator.isLocal,
                            isReachable: true
                        )
                    },
                    statusBits: router.announcer.announced(mapping.eid),
                    answers: etr.answers[mapping.eid] ?? 0,
                    encapsulated: siteTraffic(of: mapping.eid).map { Traffic($0.encapsulated) },
                    decapsulated: siteTraffic(of: mapping.eid).map { Traffic($0.decapsulated) }
                )
            }
        )
    }
}

extension MapReplyAction {
    /// As in configuration files and reports (RFC 9301 section 5.4).
    var text: String {
        switch self {
        case .noAction: "no-action"
        case .nativelyForward: "natively-forward"
        case .sendMapRequest: "send-map-request"
        case .dropPolicyDenied: "drop-policy-denied"
        case .dropAuthFailure: "drop-auth-failure"
        case .dropNoReason, .unassigned6, .unassigned7: "drop"
        }
    }
}

extension LocatorProbing {
    init(_ reachability: RLOCReachability, _ time: ReportTime) {
        func milliseconds(_ duration: Duration) -> Double { Double(duration.nanoseconds / 1_000) / 1_000 }
        self.init(
            probesSent: reachability.probesSent,
            probesAnswered: reachability.probesAnswered,
            lastAnswered: reachability.lastAnswered.map(time.moment),
            roundTrip: reachability.roundTrip.map {
                RoundTrip(
                    last: milliseconds($0.last),
                    smallest: milliseconds($0.smallest),
                    largest: milliseconds($0.largest),
                    smoothed: milliseconds($0.smoothed)
                )
            }
        )
    }
}

extension LocatorEchoes {
    fileprivate init(_ echo: EchoReachability, _ counters: EchoCounters?, _ time: ReportTime) {
        let state: State =
            switch echo.state {
            case .notCapable: .notCapable
            case .resting: .resting
            case .asking: .asking
            case .down: .down
            }
        self.init(
            state: state,
            requested: counters?.requested ?? 0,
            matched: counters?.matched ?? 0,
            mismatched: counters?.mismatched ?? 0,
            echoed: counters?.echoed ?? 0,
            lastEchoed: echo.lastEchoed.map(time.moment),
            failures: echo.failures
        )
    }
}
