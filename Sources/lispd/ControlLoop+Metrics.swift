// `/metrics`: what a monitoring system wants to know, taken at one moment. The work does not depend on how much the router
// knows, but for an ETR's own EID-prefixes: no other table is walked, and of RLOCs only the first hundred have metrics of their
// own. docs/metrics.md lists them all.

import DataPlane
import ForwardingInterface
import LISPConfiguration
import LISPControl
import LISPTables
import LISPWire
import Management
import ManagementAPI

extension ControlLoop {
    /// Everything but what the process as a whole uses.
    func metrics() -> [MetricFamily] {
        daemonMetrics() + messageMetrics() + itrMetrics() + rlocMetrics() + etrMetrics() + mapServerMetrics()
            + (plane.map(dataPlaneMetrics) ?? []) + (agent?.metrics() ?? [])
    }

    // MARK: The daemon

    private func daemonMetrics() -> [MetricFamily] {
        var build = MetricFamily(.gauge, "lispd_build_info", "The release that runs; always 1.")
        build.add(count: 1, .init("version", Release.version))
        var uptime = MetricFamily(.gauge, "lispd_uptime_seconds", "How long the daemon has been running.")
        uptime.add(seconds(started.duration(to: SystemClock.now)))
        var health = MetricFamily(.gauge, "lispd_role_health", "1 for the state that a role is in, 0 for the others.")
        for role in configuration.roles.sorted().map(roleStatus) {
            for state in RoleStatus.Health.allCases {
                health.add(
                    count: role.health == state ? 1 : 0,
                    .init("role", role.role),
                    .init("health", state.rawValue)
                )
            }
        }
        var reload = MetricFamily(
            .gauge,
            "lispd_config_last_reload_successful",
            "Whether the configuration file was taken over when it was last read: 1 or 0."
        )
        reload.add(count: reloadFailure == nil ? 1 : 0)
        var loaded = MetricFamily(
            .gauge,
            "lispd_config_last_reload_success_timestamp_seconds",
            "When the configuration file was last taken over, in seconds since 1970."
        )
        loaded.add(Double(ReportTime().moment(configurationLoaded).epoch))
        var host = MetricFamily(
            .gauge,
            "lispd_host_up_to_date",
            "Whether rules and routes are as they should be: 1 or 0."
        )
        host.add(count: lastHostError == nil ? 1 : 0)
        var state = MetricFamily(
            .counter,
            "lispd_state_write_errors_total",
            "How often nonces could not be written to the state directory."
        )
        state.add(stateErrors)
        return [build, uptime, health, reload, loaded, host, state]
    }

    private func seconds(_ duration: Duration) -> Double { Double(duration.nanoseconds) / 1e9 }

    // MARK: Messages

    private func messageMetrics() -> [MetricFamily] {
        var messages = MetricFamily(
            .counter,
            "lispd_control_messages_total",
            "Control messages by type; what is inside an Encapsulated Control Message counts, too."
        )
        for kind in ControlMessageKind.allCases {
            messages.add(router.received[kind], .init("direction", "received"), .init("type", metricLabel(kind)))
            messages.add(router.sent[kind], .init("direction", "sent"), .init("type", metricLabel(kind)))
        }
        var unsent = MetricFamily(
            .counter,
            "lispd_control_send_errors_total",
            "Control messages that the kernel refused to send."
        )
        unsent.add(sendErrors)
        var events = MetricFamily(.counter, "lispd_control_events_total", "What the roles did, by role and event.")
        var drops = MetricFamily(
            .counter,
            "lispd_control_drops_total",
            "What the roles refused, dropped or gave up, by role and reason; `lispctl show statistics` has them in words."
        )
        count(router.refusals, "router", &events, &drops)
        count(router.itr?.statistics, RouterRole.itr.rawValue, &events, &drops)
        count(router.etr?.statistics, RouterRole.etr.rawValue, &events, &drops)
        count(router.etr == nil ? nil : router.smrSender.statistics, RouterRole.etr.rawValue, &events, &drops)
        count(router.mapServer?.statistics, RouterRole.mapServer.rawValue, &events, &drops)
        count(router.mapResolver?.statistics, RouterRole.mapResolver.rawValue, &events, &drops)
        return [messages, unsent, events, drops]
    }

    private func count<Kind: Counted>(
        _ tally: Tally<Kind>?,
        _ role: String,
        _ events: inout MetricFamily,
        _ drops: inout MetricFamily
    ) {
        guard let tally else { return }
        for kind in Kind.allCases {
            if kind.isTrouble {
                drops.add(tally[kind], .init("role", role), .init("reason", metricLabel(kind)))
            } else {
                events.add(tally[kind], .init("role", role), .init("event", metricLabel(kind)))
            }
        }
    }

    // MARK: The ITR

    private func itrMetrics() -> [MetricFamily] {
        guard let itr = router.itr else { return [] }
        var entries = MetricFamily(
            .gauge,
            "lispd_map_cache_entries",
            "Map-cache entries, with locators (positive) and without (negative)."
        )
        for instance in configuration.instances.map(\.id).sorted() {
            for family in AddressFamily.allCases {
                let key = EIDTableKey(instance, family)
                let negative = itr.cache.negativeCounts[key, default: 0]
                for (kind, count) in [
                    ("positive", itr.cache.counts[key, default: 0] - negative), ("negative", negative),
                ] {
                    entries.add(
                        count: count,
                        .init("instance_id", instance),
                        .init("family", EIDFamily(family).rawValue),
                        .init("kind", kind)
                    )
                }
            }
        }
        var limit = MetricFamily(.gauge, "lispd_map_cache_entries_limit", "The most map-cache entries that are kept.")
        limit.add(count: itr.settings.mapCacheLimit)
        var negativeLimit = MetricFamily(
            .gauge,
            "lispd_map_cache_negative_entries_limit",
            "The most of them that may be without locators."
        )
        negativeLimit.add(count: itr.settings.negativeLimit)
        var sources = MetricFamily(
            .gauge,
            "lispd_map_request_sources",
            "Sources whose Map-Requests are counted, at most \(ITR.sourceLimit)."
        )
        sources.add(count: itr.knownSources)
        var held = MetricFamily(.gauge, "lispd_held_bytes", "Octets of packets that wait for a mapping.")
        held.add(count: itr.held.octets)
        var questions = MetricFamily(.gauge, "lispd_open_questions", "EIDs that the mapping system is being asked for.")
        questions.add(count: itr.openQuestions.eids)
        return [entries, limit, negativeLimit, held, questions, sources] + mapResolverMetrics(itr)
    }

    private func mapResolverMetrics(_ itr: ITR) -> [MetricFamily] {
        var up = MetricFamily(.gauge, "lispd_map_resolver_up", "Whether the Map-Resolver answers: 1 or 0.")
        var roundTrip = MetricFamily(
            .gauge,
            "lispd_map_resolver_round_trip_seconds",
            "From Map-Request to Map-Reply, smoothed."
        )
        var loss = MetricFamily(
            .gauge,
            "lispd_map_resolver_loss_ratio",
            "The share of Map-Requests that were not answered of late, from 0 to 1."
        )
        var preferred = MetricFamily(
            .gauge,
            "lispd_map_resolver_preferred",
            "Whether questions go to the Map-Resolver first: 1 or 0."
        )
        var requests = MetricFamily(
            .counter,
            "lispd_map_resolver_requests_total",
            "Map-Requests sent to the Map-Resolver."
        )
        var replies = MetricFamily(
            .counter,
            "lispd_map_resolver_replies_total",
            "Map-Requests by way of the Map-Resolver that were answered."
        )
        for resolver in itr.resolvers {
            let label = MetricFamily.Label("map_resolver", resolver.address)
            up.add(count: resolver.isUp ? 1 : 0, label)
            requests.add(resolver.sent, label)
            replies.add(resolver.answered, label)
            loss.add(resolver.loss, label)
            preferred.add(count: resolver.address == itr.mapResolvers.preferred ? 1 : 0, label)
            if let time = resolver.smoothedRoundTrip { roundTrip.add(seconds(time), label) }
        }
        return [up, preferred, roundTrip, loss, requests, replies]
    }

    /// How many RLOCs have metrics of their own: the first in order of address.
    private static var rlocLimit: Int { 100 }

    private func rlocMetrics() -> [MetricFamily] {
        guard let itr = router.itr else { return [] }
        var inUse = MetricFamily(.gauge, "lispd_rlocs", "RLOCs of others that map-cache entries use.")
        inUse.add(count: itr.locators.count)
        var leftOut = MetricFamily(
            .gauge,
            "lispd_rlocs_without_metrics",
            "RLOCs that have no metrics of their own, since only the first \(Self.rlocLimit) have."
        )
        leftOut.add(count: max(0, itr.locators.count - Self.rlocLimit))
        var up = MetricFamily(.gauge, "lispd_rloc_up", "Whether packets may be sent to the RLOC: 1 or 0.")
        var roundTrip = MetricFamily(
            .gauge,
            "lispd_rloc_round_trip_seconds",
            "From RLOC-probe to its answer, smoothed."
        )
        var mtu = MetricFamily(
            .gauge,
            "lispd_rloc_path_mtu_bytes",
            "The path MTU, where it is known to be smaller than the interface's."
        )
        var packets = MetricFamily(.counter, "lispd_rloc_packets_total", "Packets encapsulated to the RLOC.")
        var octets = MetricFamily(.counter, "lispd_rloc_bytes_total", "Octets of these packets, without outer headers.")
        var last: IPAddress?
        for _ in 0..<Self.rlocLimit {
            guard let locator = itr.locators.first(after: last) else { break }
            last = locator.address
            let label = MetricFamily.Label("rloc", locator.address)
            up.add(count: itr.isUp(locator.address) ? 1 : 0, label)
            if let time = itr.prober[locator.address]?.roundTrip { roundTrip.add(seconds(time.smoothed), label) }
            if let known = itr.pathMTU[locator.address] { mtu.add(count: Int(known), label) }
            let sent = plane?.counters(of: locator.id).encapsulated ?? .init()
            packets.add(sent.packets, label)
            octets.add(sent.octets, label)
        }
        return [inUse, leftOut, up, roundTrip, mtu, packets, octets]
    }

    // MARK: The ETR

    private func etrMetrics() -> [MetricFamily] {
        guard let etr = router.etr else { return [] }
        var database = MetricFamily(.gauge, "lispd_database_entries", "EID-prefixes of this site.")
        database.add(count: etr.database.count)
        var up = MetricFamily(
            .gauge,
            "lispd_etr_registration_up",
            "Whether the Map-Server has acknowledged our registrations: 1 or 0; absent where none is wanted."
        )
        var refused = MetricFamily(
            .gauge,
            "lispd_etr_registrations_refused",
            "EID-prefixes that the Map-Server left out of its last Map-Notify."
        )
        var registers = MetricFamily(.counter, "lispd_etr_map_registers_total", "Map-Registers sent to the Map-Server.")
        var notifies = MetricFamily(
            .counter,
            "lispd_etr_map_notifies_total",
            "Map-Notifies of the Map-Server that were accepted."
        )
        var failures = MetricFamily(
            .counter,
            "lispd_etr_map_notify_authentication_failures_total",
            "Map-Notifies in the name of the Map-Server whose authentication failed."
        )
        for registrar in etr.registrars {
            let label = MetricFamily.Label("map_server", registrar.peer.address)
            if registrar.peer.wantsMapNotify {
                up.add(count: registrar.isUp ? 1 : 0, label)
                refused.add(count: registrar.refused.count, label)
            }
            registers.add(registrar.mapRegistersSent, label)
            notifies.add(registrar.mapNotifiesAccepted, label)
            failures.add(registrar.authenticationFailures, label)
        }
        return [database, up, refused, registers, notifies, failures]
    }

    // MARK: The Map-Server

    private func mapServerMetrics() -> [MetricFamily] {
        guard let server = router.mapServer else { return [] }
        var sites = MetricFamily(.gauge, "lispd_map_server_sites", "Sites that are configured.")
        sites.add(count: server.settings.sites.count)
        var configured = MetricFamily(.gauge, "lispd_map_server_configured_prefixes", "EID-prefixes of these sites.")
        configured.add(count: server.registry.configured.count)
        var registered = MetricFamily(
            .gauge,
            "lispd_map_server_registered_prefixes",
            "EID-prefixes that are registered."
        )
        registered.add(count: server.registry.registered.count)
        var waiting = MetricFamily(
            .gauge,
            "lispd_map_server_unacknowledged_map_notifies",
            "Unsolicited Map-Notifies that wait for their Map-Notify-Ack."
        )
        waiting.add(count: server.unacknowledgedNotifies)
        var refused = MetricFamily(
            .counter,
            "lispd_map_server_refused_records_total",
            "Records of Map-Registers that were refused."
        )
        for reason in RegistrationRefusal.allCases {
            refused.add(server.refusals[reason], .init("reason", metricLabel(reason)))
        }
        return [sites, configured, registered, waiting, refused]
    }

    // MARK: The data plane

    private func dataPlaneMetrics(_ plane: DataPlane) -> [MetricFamily] {
        let statistics = plane.statistics()
        var drops = MetricFamily(.counter, "lispd_packet_drops_total", "Packets dropped.")
        for reason in DataPlaneDropReason.allCases {
            drops.add(statistics.drops[reason, default: 0], .init("reason", metricLabel(reason)))
        }
        return instanceMetrics(plane) + lookupMetrics(statistics) + [drops, hintMetrics(statistics.hints)]
            + workerMetrics(plane, statistics)
            + pathMetrics(statistics) + tableMetrics(statistics)
    }

    /// What is heard of the ways to RLOCs, and what hosts are told.
    private func pathMetrics(_ statistics: PlaneStatistics) -> [MetricFamily] {
        func family(_ name: String, _ help: String, _ counts: KeyValuePairs<String, UInt64>) -> MetricFamily {
            var family = MetricFamily(.counter, name, help)
            for (outcome, count) in counts { family.add(count, .init("outcome", outcome)) }
            return family
        }
        let errors = family(
            "lispd_path_errors_total",
            "Errors about encapsulated packets, by ICMP and from this host itself.",
            ["believed": statistics.pathErrorsBelieved, "refused": statistics.pathErrorsRefused]
        )
        let reports = family(
            "lispd_path_reports_total",
            "RLOCs out of reach and narrow paths, told to the control plane or not.",
            [
                "told": statistics.pathEventsReported, "repeated": statistics.pathEventsRepeated,
                "lost": statistics.pathEventsLost,
            ]
        )
        let told = family(
            "lispd_site_errors_total",
            "ICMP errors to hosts about their packets, sent or not.",
            [
                "sent": statistics.siteErrorsSent, "limited": statistics.siteErrorsLimited,
                "forbidden": statistics.siteErrorsForbidden, "no_source": statistics.siteErrorsWithoutSource,
            ]
        )
        var fragmented = MetricFamily(
            .counter,
            "lispd_fragmented_packets_total",
            "IPv4 packets that were cut to fit the path MTU of their RLOC."
        )
        fragmented.add(statistics.fragmented)
        var fragmentable = MetricFamily(
            .counter,
            "lispd_fragmentable_packets_total",
            "Small IPv6 packets in datagrams that may be fragmented, since they do not fit the path MTU."
        )
        fragmentable.add(statistics.sentFragmentable)
        return [errors, reports, told, fragmented, fragmentable]
    }

    private func instanceMetrics(_ plane: DataPlane) -> [MetricFamily] {
        var families = [
            MetricFamily(.counter, "lispd_encapsulated_packets_total", "Packets encapsulated."),
            MetricFamily(.counter, "lispd_encapsulated_bytes_total", "Octets of these packets, without outer headers."),
            MetricFamily(.counter, "lispd_decapsulated_packets_total", "Packets decapsulated."),
            MetricFamily(.counter, "lispd_decapsulated_bytes_total", "Octets of these packets, without outer headers."),
        ]
        for instance in configuration.instances {
            let counters = plane.counters(of: instance.id)
            let values = [
                counters.encapsulated.packets, counters.encapsulated.octets, counters.decapsulated.packets,
                counters.decapsulated.octets,
            ]
            for (index, value) in values.enumerated() { families[index].add(value, .init("instance_id", instance.id)) }
        }
        return families
    }

    private func lookupMetrics(_ statistics: PlaneStatistics) -> [MetricFamily] {
        func dropped(_ reasons: DataPlaneDropReason...) -> UInt64 {
            reasons.reduce(0) { $0 &+ statistics.drops[$1, default: 0] }
        }
        var hits = MetricFamily(
            .counter,
            "lispd_map_cache_hits_total",
            "Packets of the site that a mapping was found for."
        )
        hits.add(
            statistics.encapsulated.packets &+ statistics.forwardedNatively
                &+ dropped(.noUsableLocator, .exceedsPathMTU, .policyNoReason, .policyDenied)
                &+ dropped(.policyAuthenticationFailure, .attracted, .noRouteToLocator, .sendBufferFull, .sendFailed)
        )
        var misses = MetricFamily(
            .counter,
            "lispd_map_cache_misses_total",
            "Packets of the site that no mapping was found for, or one that says to ask."
        )
        misses.add(
            statistics.missesReported
                &+ dropped(
                    .missRecentlyReported,
                    .missSourceLimited,
                    .missQueueFull,
                    .stillNoMapping
                )
        )
        var reported = MetricFamily(
            .counter,
            "lispd_misses_reported_total",
            "Packets handed to the control plane for want of a mapping."
        )
        reported.add(statistics.missesReported)
        var released = MetricFamily(
            .counter,
            "lispd_held_packets_released_total",
            "Packets that waited for their mapping and went on when it came."
        )
        released.add(statistics.heldReleased)
        var natively = MetricFamily(
            .counter,
            "lispd_natively_forwarded_packets_total",
            "Packets forwarded without LISP by way of the TUN."
        )
        natively.add(statistics.forwardedNatively)
        return [hits, misses, reported, released, natively]
    }

    private func hintMetrics(_ hints: HeaderHintStatistics) -> MetricFamily {
        var family = MetricFamily(
            .counter,
            "lispd_header_hints_total",
            "Packets that said something in the LISP header beside their payload, sent and received."
        )
        family.add(hints.echoesRequested, .init("hint", "echo_requested"))
        family.add(hints.echoesMatched, .init("hint", "echo_matched"))
        family.add(hints.echoesMismatched, .init("hint", "echo_mismatched"))
        family.add(hints.echoRequestsReceived, .init("hint", "echo_request_received"))
        family.add(hints.echoesSent, .init("hint", "echo_sent"))
        family.add(hints.noncesNotAsked, .init("hint", "nonce_not_asked"))
        family.add(hints.noncesOfStrangers, .init("hint", "nonce_of_stranger"))
        family.add(hints.statusBitsSent, .init("hint", "status_bits_sent"))
        family.add(hints.statusBitsReceived, .init("hint", "status_bits_received"))
        family.add(hints.statusBitsOfStrangers, .init("hint", "status_bits_of_stranger"))
        return family
    }

    private func workerMetrics(_ plane: DataPlane, _ statistics: PlaneStatistics) -> [MetricFamily] {
        var workers = MetricFamily(.gauge, "lispd_workers", "Threads that carry packets.")
        workers.add(count: statistics.workers)
        var encapsulated = MetricFamily(
            .counter,
            "lispd_worker_encapsulated_packets_total",
            "Packets encapsulated by one worker."
        )
        var decapsulated = MetricFamily(
            .counter,
            "lispd_worker_decapsulated_packets_total",
            "Packets decapsulated by one worker."
        )
        for index in 0..<plane.workerCount {
            let counters = plane.counters(ofWorker: index)
            encapsulated.add(counters.encapsulated.packets, .init("worker", index))
            decapsulated.add(counters.decapsulated.packets, .init("worker", index))
        }
        var trains = MetricFamily(
            .counter,
            "lispd_trains_total",
            "Packets that crossed the kernel together: from and to the network (UDP_SEGMENT, UDP_GRO), from and to the site (TSO, USO)."
        )
        trains.add(statistics.trainsSent, .init("direction", "sent"))
        trains.add(statistics.trainsReceived, .init("direction", "received"))
        trains.add(statistics.siteTrainsTaken, .init("direction", "from-site"))
        trains.add(statistics.siteTrainsGiven, .init("direction", "to-site"))
        var single = MetricFamily(
            .gauge,
            "lispd_source_ports_without_trains",
            "Source ports that send single datagrams, since the kernel or a device refused a train."
        )
        single.add(statistics.portsRefusedTrains)
        return [workers, encapsulated, decapsulated, trains, single] + systemCallMetrics(statistics)
    }

    private func systemCallMetrics(_ statistics: PlaneStatistics) -> [MetricFamily] {
        var calls = MetricFamily(
            .counter,
            "lispd_worker_system_calls_total",
            "System calls of one worker that carry packets, also those that brought nothing."
        )
        var packets = MetricFamily(
            .counter,
            "lispd_worker_system_call_packets_total",
            "Packets that went through them; those of a train count one by one."
        )
        for (worker, each) in statistics.systemCalls.enumerated() {
            for (call, count) in [
                ("recvmmsg", each.receive), ("sendmmsg", each.send), ("tun_read", each.tunnelRead),
                ("tun_write", each.tunnelWrite),
            ] {
                calls.add(count.calls, .init("worker", worker), .init("call", call))
                packets.add(count.packets, .init("worker", worker), .init("call", call))
            }
        }
        return [calls, packets]
    }

    private func tableMetrics(_ statistics: PlaneStatistics) -> [MetricFamily] {
        var objects = MetricFamily(.gauge, "lispd_forwarding_table_objects", "What the forwarding table holds.")
        objects.add(count: statistics.entries, .init("kind", "entry"))
        objects.add(count: statistics.locators, .init("kind", "locator"))
        objects.add(count: statistics.locatorSets, .init("kind", "locator_set"))
        var octets = MetricFamily(
            .gauge,
            "lispd_forwarding_table_bytes",
            "Memory of the forwarding table: in use, had from the system, and replaced but perhaps still being read."
        )
        octets.add(count: statistics.tableBytes, .init("state", "used"))
        octets.add(count: statistics.tableReservedBytes, .init("state", "reserved"))
        octets.add(count: statistics.retiredBytes, .init("state", "retired"))
        var waiting = MetricFamily(
            .gauge,
            "lispd_forwarding_updates_waiting",
            "Changes of the forwarding table that wait for a worker; 0 unless one is stuck."
        )
        waiting.add(count: statistics.waitingUpdates)
        var dangling = MetricFamily(
            .counter,
            "lispd_forwarding_dangling_references_total",
            "Changes that referred to what the forwarding table does not have."
        )
        dangling.add(statistics.danglingReferences)
        return [objects, octets, waiting, dangling]
    }
}
