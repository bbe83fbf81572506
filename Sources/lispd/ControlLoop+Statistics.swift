// `show statistics`.

import DataPlane
import ForwardingInterface
import LISPConfiguration
import LISPControl
import LISPTables
import LISPWire
import Management
import ManagementAPI

extension ControlLoop {
    /// Since they were last cleared.
    func statisticsReport(_ query: TableQuery) -> StatisticsReport {
        let report = rawStatistics(query)
        guard let baseline = statisticsBaseline else { return report }
        var since = baseline.since(report)
        since.lastCleared = ReportTime().moment(baseline.taken)
        return since
    }

    /// Since the start of the daemon.
    func rawStatistics(_ query: TableQuery) -> StatisticsReport {
        let families = AddressFamily.allCases.filter { query.family == nil || query.family?.addressFamily == $0 }
        return StatisticsReport(
            control: families.map(controlStatistics),
            controlDrops: controlDrops(),
            formatErrors: formatErrors(),
            dataPlane: plane.map { dataPlaneStatistics($0, query) }
        )
    }

    private func formatErrors() -> FormatErrors {
        FormatErrors(
            mapRequests: router.formatFaults[.mapRequest] + (router.mapResolver?.statistics[.malformed] ?? 0),
            mapReplies: router.formatFaults[.mapReply],
            otherMessages: router.formatFaults[.otherMessage],
            checksums: router.formatFaults[.checksum],
            unsupportedTypes: router.refusals[.unknownType]
        )
    }

    private func controlStatistics(_ family: AddressFamily) -> ControlStatistics {
        let messages = router.messages
        func both(_ kind: MessageCount.Kind) -> InOut {
            InOut(
                incoming: messages[MessageCount(kind, .received), family],
                outgoing: messages[MessageCount(kind, .sent), family]
            )
        }
        func recent(_ kind: MessageCount.Kind) -> RecentCount {
            let counts = [1, 12, 60].map {
                messageHistory.recent(MessageCount(kind, .received), family, periods: $0)
            }
            return RecentCount(fiveSeconds: counts[0], oneMinute: counts[1], fiveMinutes: counts[2])
        }
        func itr(_ event: ITREvent) -> UInt64 { router.itr?.statistics[event, family] ?? 0 }
        let server = router.mapServer
        func refused(_ reasons: [RegistrationRefusal]) -> UInt64 {
            server?.sites.reduce(0) { sum, site in sum + reasons.reduce(0) { $0 + site.refusals[$1, family] } } ?? 0
        }
        let authentication: [RegistrationRefusal] = [.wrongKey, .unknownKeyID, .badLength, .algorithmNotAllowed]
        let unknownEID: [RegistrationRefusal] = [.notConfiguredEID, .moreSpecificEID]
        let other = RegistrationRefusal.allCases.filter {
            !authentication.contains($0) && !unknownEID.contains($0) && $0 != .locatorNotAllowed
        }
        return ControlStatistics(
            family: EIDFamily(family),
            mapRequests: both(.mapRequest),
            recentMapRequests: recent(.mapRequest),
            encapsulatedMapRequests: both(.encapsulatedMapRequest),
            probeMapRequests: both(.probe),
            solicitMapRequests: both(.solicitMapRequest),
            mapRequestsExpired: itr(.unansweredQuestions),
            mapResolverForwarded: router.mapResolver?.statistics[.forwarded, family] ?? 0,
            mapServerForwarded: server?.statistics[.mapRequestsForwarded, family] ?? 0,
            mapReplyRecords: both(.mapReplyRecord),
            authoritativeRecords: both(.authoritativeRecord),
            nonAuthoritativeRecords: both(.nonAuthoritativeRecord),
            negativeRecords: both(.negativeRecord),
            probeRecords: both(.probeReplyRecord),
            proxyReplyRecords: server?.statistics[.proxyRepliesSent, family] ?? 0,
            mapRegisterRecords: both(.mapRegisterRecord),
            recentMapRegisterRecords: recent(.mapRegisterRecord),
            registerUnknownEID: refused(unknownEID) + (server?.statistics[.recordsOfNoSite, family] ?? 0),
            registerAuthenticationFailures: refused(authentication),
            registerDisallowedLocators: refused([.locatorNotAllowed]),
            registerOtherFailures: refused(other),
            mapNotifyRecords: both(.mapNotifyRecord),
            mapNotifyAcknowledgements: both(.mapNotifyAck),
            mapNotifyAuthenticationFailures: router.etr?.statistics[.mapNotifyWrongAuthentication, family] ?? 0,
            mapCacheCreated: itr(.entriesCreated),
            mapCacheDeleted: itr(.entriesDeleted),
            mapCacheEvicted: ITREvent.evictions.reduce(0) { $0 + itr($1) },
            dataSignals: itr(.packetsHeld),
            dataSignalsDropped: ITREvent.packetsDropped.reduce(0) { $0 + itr($1) },
            repliesLimited: (router.etr?.statistics[.mapRepliesLimited, family] ?? 0)
                + (server?.statistics[.mapRepliesLimited, family] ?? 0)
        )
    }

    /// Every reason for which a control message or a packet that waits for one was dropped, with its count, in the words of
    /// whoever dropped it.
    private func controlDrops() -> [ReasonCount] {
        var counts = RouterRefusal.troubles(in: router.refusals)
        counts += ITREvent.troubles(in: router.itr?.statistics)
        counts += ETREvent.troubles(in: router.etr?.statistics)
        counts += MapServerCount.troubles(in: router.mapServer?.statistics)
        counts += RegistrationRefusal.troubles(in: router.mapServer?.refusals).map {
            ReasonCount(reason: "record of a Map-Register refused: \($0.reason)", count: $0.count)
        }
        counts += SMRSenderEvent.troubles(in: router.smrSender.statistics)
        counts += MapResolverCount.troubles(in: router.mapResolver?.statistics)
        if sendErrors > 0 {
            counts.append(
                ReasonCount(reason: "control message not sent: the kernel refused it", count: sendErrors)
            )
        }
        if stateErrors > 0 {
            counts.append(
                ReasonCount(reason: "nonces not saved: the state directory refused them", count: stateErrors)
            )
        }
        return counts
    }

    private func dataPlaneStatistics(
        _ plane: DataPlane,
        _ query: TableQuery
    ) -> ManagementAPI.DataPlaneStatistics {
        let statistics = plane.statistics()
        let instances = configuration.instances.map(\.id).filter {
            query.instanceID == nil || query.instanceID == $0.rawValue
        }
        return ManagementAPI.DataPlaneStatistics(
            instances: instances.map { instance in
                let counters = plane.counters(of: instance)
                return InstanceTraffic(
                    instanceID: instance.rawValue,
                    encapsulated: Traffic(counters.encapsulated),
                    decapsulated: Traffic(counters.decapsulated)
                )
            },
            drops: DataPlaneDropReason.allCases.filter { statistics.drops[$0, default: 0] > 0 }.map {
                ReasonCount(reason: $0.text, count: statistics.drops[$0, default: 0])
            },
            misses: statistics.missesReported,
            heldReleased: statistics.heldReleased,
            heldDropped: (router.itr?.statistics[.heldPacketsUnanswered] ?? 0)
                + (router.itr?.statistics[.heldPacketsRefused] ?? 0),
            nativelyForwarded: statistics.forwardedNatively,
            trainsSent: statistics.trainsSent,
            trainsReceived: statistics.trainsReceived,
            siteTrainsTaken: statistics.siteTrainsTaken,
            siteTrainsGiven: statistics.siteTrainsGiven,
            portsWithoutTrains: statistics.portsRefusedTrains,
            systemCalls: statistics.systemCalls.enumerated().map { SystemCallCounts(worker: $0, $1) },
            headerHints: headerHintCounts(statistics.hints),
            paths: PathStatistics(
                errorsBelieved: statistics.pathErrorsBelieved,
                errorsRefused: statistics.pathErrorsRefused,
                reports: statistics.pathEventsReported,
                reportsRepeated: statistics.pathEventsRepeated,
                reportsLost: statistics.pathEventsLost
            ),
            siteErrors: SiteErrorStatistics(
                sent: statistics.siteErrorsSent,
                limited: statistics.siteErrorsLimited,
                forbidden: statistics.siteErrorsForbidden,
                withoutSource: statistics.siteErrorsWithoutSource
            ),
            fragmented: statistics.fragmented,
            sentFragmentable: statistics.sentFragmentable
        )
    }

    private func headerHintCounts(_ hints: HeaderHintStatistics) -> HeaderHintCounts? {
        guard !configuration.headerHints.isEmpty || !hints.isEmpty else { return nil }
        let reasons: [(String, UInt64)] = [
            ("nonce: the source RLOC is none of the mapping of the source EID", hints.noncesOfStrangers),
            ("nonce: another was asked for", hints.echoesMismatched),
            ("nonce: none is asked for at the moment", hints.noncesNotAsked),
            (
                "locator-status-bits: the source RLOC is none of the mapping of the source EID",
                hints.statusBitsOfStrangers
            ),
            ("locator-status-bits: too many changes at a time", hints.statusBitsLost),
            (
                "locator-status-bits: they say that every RLOC of the site is down",
                router.itr?.statistics[.statusBitsAllDown] ?? 0
            ),
        ]
        return HeaderHintCounts(
            echoesRequested: hints.echoesRequested,
            echoesMatched: hints.echoesMatched,
            echoRequestsReceived: hints.echoRequestsReceived,
            echoesSent: hints.echoesSent,
            statusBitsSent: hints.statusBitsSent,
            statusBitsReceived: hints.statusBitsReceived,
            statusBitsChanged: router.itr?.statistics[.statusBitsChanged] ?? 0,
            ignored: reasons.filter { $0.1 > 0 }.map { ReasonCount(reason: $0.0, count: $0.1) }
        )
    }
}

extension SystemCallCounts {
    init(worker: Int, _ statistics: SystemCallStatistics) {
        func count(_ each: SystemCallStatistics.Count) -> Count { Count(calls: each.calls, packets: each.packets) }
        self.init(
            worker: worker,
            receive: count(statistics.receive),
            send: count(statistics.send),
            tunnelRead: count(statistics.tunnelRead),
            tunnelWrite: count(statistics.tunnelWrite)
        )
    }
}
