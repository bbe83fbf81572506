// `show status|service|map-servers|map-resolvers|locators|interfaces`, `config show`.

import DataPlane
import ForwardingInterface
import Glibc
import LISPConfiguration
import LISPControl
import LISPTables
import LISPWire
import LinuxNetwork
import Management
import ManagementAPI

extension ControlLoop {
    func statusReport() -> StatusReport {
        let time = ReportTime()
        let statistics = plane?.statistics()
        return StatusReport(
            version: Release.version,
            processID: getpid(),
            started: time.moment(started),
            roles: configuration.roles.sorted().map(roleStatus),
            xtrID: siteETR == nil ? nil : xtrID?.description,
            siteID: siteETR == nil ? nil : configuration.siteID.rawValue,
            configurationFile: configurationFile,
            configurationLoaded: time.moment(configurationLoaded),
            reloadFailure: reloadFailure,
            instances: plane == nil
                ? []
                : configuration.instances.map {
                    InstanceStatus(
                        instanceID: $0.id.rawValue,
                        interface: HostIntegration.tun($0.id),
                        namespace: $0.namespace
                    )
                },
            workers: workerStatus(),
            sockets: socketStatus(statistics),
            offloads: plane?.offloads.map { OffloadStatus(name: $0.kind.rawValue, isOn: $0.isOn, reason: $0.reason) }
                ?? [],
            mapCacheEntries: router.itr?.cache.count,
            mapCacheLimit: router.itr?.settings.mapCacheLimit,
            databaseEntries: siteETR?.database.count,
            registeredPrefixes: router.mapServer?.registry.registered.count,
            snmp: agent?.status,
            warnings: warnings(statistics)
        )
    }

    func roleStatus(_ role: RouterRole) -> RoleStatus {
        switch role {
        case .itr, .proxyITR: itrStatus(role)
        case .etr: etrStatus()
        case .proxyETR where !configuration.locatorSets.isEmpty && resolvedHost.rlocs.isEmpty:
            RoleStatus(role: role.rawValue, health: .down, reason: "none of the locators has an address")
        case .mapServer, .mapResolver, .proxyETR: RoleStatus(role: role.rawValue, health: .up)
        }
    }

    /// The ETR of a site: that of a Proxy-ETR only answers probes.
    var siteETR: ETR? { configuration.roles.contains(.etr) ? router.etr : nil }

    private func itrStatus(_ role: RouterRole) -> RoleStatus {
        let name = role.rawValue
        guard let itr = router.itr, !resolvedHost.rlocs.isEmpty else {
            return RoleStatus(role: name, health: .down, reason: "none of the locators has an address")
        }
        let down = itr.resolvers.filter { !$0.isUp }.map(\.address.description)
        if down.isEmpty { return RoleStatus(role: name, health: .up) }
        let reason = "no answer from Map-Resolver \(down.joined(separator: ", "))"
        return RoleStatus(role: name, health: down.count == itr.resolvers.count ? .down : .degraded, reason: reason)
    }

    private func etrStatus() -> RoleStatus {
        let name = RouterRole.etr.rawValue
        guard let etr = router.etr, !resolvedHost.rlocs.isEmpty else {
            return RoleStatus(role: name, health: .down, reason: "none of the locators has an address")
        }
        let servers = etr.registrars.filter(\.peer.wantsMapNotify)
        let silent = servers.filter { !$0.isUp }.map(\.peer.address.description)
        if !silent.isEmpty {
            let reason = "not registered with Map-Server \(silent.joined(separator: ", "))"
            return RoleStatus(role: name, health: silent.count == servers.count ? .down : .degraded, reason: reason)
        }
        let refused = Set(servers.flatMap(\.refused)).sorted().map(\.description)
        if !refused.isEmpty {
            let reason = "a Map-Server refuses \(refused.prefix(5).joined(separator: ", "))"
            return RoleStatus(role: name, health: .degraded, reason: reason)
        }
        return RoleStatus(role: name, health: .up)
    }

    private func workerStatus() -> [WorkerStatus] {
        guard let plane else { return [] }
        return (0..<plane.workerCount).map { index in
            let counters = plane.counters(ofWorker: index)
            return WorkerStatus(
                index: index,
                encapsulated: Traffic(counters.encapsulated),
                decapsulated: Traffic(counters.decapsulated)
            )
        }
    }

    private func socketStatus(_ statistics: PlaneStatistics?) -> [SocketStatus] {
        var sockets = AddressFamily.allCases.filter(socket.families.contains).map { family in
            SocketStatus(
                purpose: "control",
                family: EIDFamily(family),
                port: socket.port,
                receiveBuffer: socket.receiveBufferSize(family),
                sendBuffer: socket.sendBufferSize(family)
            )
        }
        guard let statistics else { return sockets }
        for family in statistics.receivingFamilies.sorted() {
            sockets.append(
                SocketStatus(
                    purpose: "data",
                    family: EIDFamily(family),
                    port: LISPPort.data,
                    count: statistics.workers,
                    receiveBuffer: statistics.receiveBuffer
                )
            )
        }
        for (family, count) in statistics.sourcePorts.sorted(by: { $0.key < $1.key }) where count > 0 {
            sockets.append(SocketStatus(purpose: "source", family: EIDFamily(family), count: count))
        }
        return sockets
    }

    private func warnings(_ statistics: PlaneStatistics?) -> [String] {
        var lines = configuration.warnings + host.warnings(configuration, resolvedHost)
        lines += resolvedHost.unresolved.map { "locator \($0.interface): \($0.reason)" }
        if let lastHostError { lines.append("rules and routes are not up to date: \(lastHostError)") }
        if let lastSendError { lines.append("last control message that could not be sent: \(lastSendError)") }
        if let waiting = statistics?.waitingUpdates, waiting > 0 {
            lines.append("\(waiting) changes of the forwarding state wait for a worker")
        }
        return lines
    }

    func serviceReport(_ query: TableQuery) throws(ManagementError) -> ServiceReport {
        let time = ReportTime()
        let selection = try EIDSelection(query)
        let roles = configuration.roles
        let tables = eidTables(selection) { router.itr?.cache.counts[$0, default: 0] ?? 0 }
        return ServiceReport(
            services: tables.map { table in
                let own = configuration.database.filter {
                    $0.eidPrefix.instanceID.rawValue == table.instanceID
                        && $0.eidPrefix.prefix.family == table.family.addressFamily
                }
                return ServiceStatus(
                    instanceID: table.instanceID,
                    family: table.family,
                    itr: roles.contains(.itr),
                    etr: roles.contains(.etr),
                    proxyITR: roles.contains(.proxyITR),
                    proxyETR: roles.contains(.proxyETR),
                    mapServer: roles.contains(.mapServer),
                    mapResolver: roles.contains(.mapResolver),
                    proxyETRs: (router.itr?.proxyETRs ?? []).map(\.proxy.address.description),
                    mapResolvers: configuration.mapResolvers.map(\.description),
                    mapServers: (router.etr?.registrars ?? []).map { registrar in
                        ServiceMapServer(
                            address: registrar.peer.address.description,
                            acknowledged: registrar.lastAcknowledged.map(time.moment)
                        )
                    },
                    xtrID: siteETR == nil ? nil : xtrID?.description,
                    siteID: siteETR == nil ? nil : configuration.siteID.rawValue,
                    acceptMapData: configuration.acceptMapData.rawValue,
                    ttl: own.map(\.ttlMinutes).min().map { 60 * Int64($0) },
                    mapCacheEntries: table.entryCount,
                    mapCacheLimit: configuration.mapCache.limit,
                    databaseEntries: own.count,
                    rlocProbing: !roles.isDisjoint(with: [.itr, .proxyITR]) && configuration.rlocProbing.isEnabled,
                    locatorStatusBits: configuration.headerHints.contains(.locatorStatusBits),
                    solicitMapRequests: !roles.isDisjoint(with: [.itr, .proxyITR])
                )
            }
        )
    }

    func mapServersReport() throws(ManagementError) -> MapServersReport {
        guard let etr = siteETR else {
            throw ManagementError(.notOurRole, "this router is no ETR: it registers with no Map-Server")
        }
        let time = ReportTime()
        return MapServersReport(mapServers: etr.registrars.map { mapServerStatus($0, time) })
    }

    private func mapServerStatus(_ registrar: ETR.Registrar, _ time: ReportTime) -> MapServerStatus {
        let refused = registrar.refused
        let key = registrar.peer.keys[0]
        let state: MapServerStatus.State =
            if !registrar.peer.wantsMapNotify {
                registrar.lastSent == nil ? .registering : .registered
            } else if registrar.isUp {
                .registered
            } else if registrar.registrations.contains(where: { $0.unacknowledged > 3 }) {
                .unanswered
            } else {
                .registering
            }
        var problem: String?
        if registrar.registrations.isEmpty {
            problem = "nothing to register: no EID-prefix has a locator"
        } else if !refused.isEmpty {
            problem = "refuses \(refused.sorted().prefix(5).map(\.description).joined(separator: ", "))"
        } else if state == .unanswered {
            problem = "no Map-Notify: not reachable, or it refuses our key"
        }
        return MapServerStatus(
            address: registrar.peer.address.description,
            state: state,
            keyID: key.id,
            algorithm: key.algorithm.name,
            proxyReply: registrar.peer.proxyReply,
            merge: registrar.peer.merge,
            wantMapNotify: registrar.peer.wantsMapNotify,
            eidPrefixes: registrar.registrations
                .filter { $0.lastAcknowledged != nil || !registrar.peer.wantsMapNotify }
                .flatMap(\.mappings).filter { !refused.contains($0) }.sorted().map(\.description),
            lastSent: registrar.lastSent.map(time.moment),
            lastAcknowledged: registrar.lastAcknowledged.map(time.moment),
            registersSent: registrar.mapRegistersSent,
            acknowledgements: registrar.mapNotifiesAccepted,
            authenticationFailures: registrar.authenticationFailures,
            problem: problem
        )
    }

    func mapResolversReport() throws(ManagementError) -> MapResolversReport {
        guard router.itr != nil || router.mapResolver != nil else {
            throw ManagementError(.notOurRole, "this router is neither ITR nor Map-Resolver: it asks no Map-Resolver")
        }
        let time = ReportTime()
        return MapResolversReport(
            mapResolvers: (router.itr?.resolvers ?? []).map { resolver in
                MapResolverStatus(
                    address: resolver.address.description,
                    state: resolver.sent == 0 ? .unknown : resolver.isUp ? .up : .down,
                    sent: resolver.sent,
                    answered: resolver.answered,
                    lastSent: resolver.lastSent.map(time.moment),
                    lastAnswered: resolver.lastAnswered.map(time.moment),
                    roundTripMicroseconds: resolver.lastRoundTrip.map(Self.microseconds),
                    smoothedRoundTripMicroseconds: resolver.smoothedRoundTrip.map(Self.microseconds),
                    lossPerMille: Int((resolver.loss * 1000).rounded()),
                    isPreferred: resolver.address == router.itr?.mapResolvers.preferred
                )
            },
            routes: router.mapResolver.map { resolver in
                resolver.settings.mapServers.map { server in
                    let forwarded = resolver.forwarded[server.address] ?? ForwardedRequests()
                    return MapServerRouteStatus(
                        mapServer: server.address.description,
                        instanceID: server.eids.first?.instanceID.rawValue ?? 0,
                        eidPrefixes: server.eids.map(\.prefix.description),
                        forwarded: forwarded.count,
                        lastForwarded: forwarded.last.map(time.moment)
                    )
                }
            }
        )
    }

    private static func microseconds(_ duration: Duration) -> UInt64 { UInt64(max(0, duration.nanoseconds / 1000)) }

    func locatorsReport() -> LocatorsReport {
        let time = ReportTime()
        // One line for each address; two if it has another priority or weight in another set.
        var local: [LocalLocator] = []
        for locator in resolvedHost.locators.sorted(by: { $0.address < $1.address }) {
            var row = LocalLocator(
                interface: configuredInterface(of: locator),
                address: locator.address.description,
                state: locator.interface == nil ? nil : locator.isUp ? .up : .down,
                locatorSets: [],
                priority: locator.priority,
                weight: locator.weight,
                isSelf: locator.interface != nil
            )
            let same = local.firstIndex {
                var other = $0
                other.locatorSets = []
                return other == row
            }
            if let same {
                local[same].locatorSets.append(locator.locatorSet)
            } else {
                row.locatorSets = [locator.locatorSet]
                local.append(row)
            }
        }
        for missing in resolvedHost.unresolved {
            let set = configuration.locatorSet(named: missing.locatorSet)
            guard let locator = set?.locators.first(where: { $0.place == .interface(missing.interface) }) else {
                continue
            }
            local.append(
                LocalLocator(
                    interface: missing.interface,
                    state: .down,
                    locatorSets: [missing.locatorSet],
                    priority: locator.priority,
                    weight: locator.weight
                )
            )
        }
        let remote = (router.itr?.locators.locators ?? []).map { address, id, users, since -> RemoteLocator in
            let reachability = router.itr?.prober[address]
            return RemoteLocator(
                address: address.description,
                state: router.itr?.isUp(address) ?? true ? .up : .down,
                since: time.moment(reachability?.since ?? since),
                mappings: users,
                encapsulated: Traffic(plane?.counters(of: id).encapsulated ?? .init()),
                mtu: plane?.use(of: id).flatMap { $0.mtu == 0 ? nil : $0.mtu },
                stateChanges: reachability?.changes ?? 0,
                probing: reachability.flatMap { $0.probesSent > 0 ? LocatorProbing($0, time) : nil }
            )
        }
        return LocatorsReport(local: local, remote: remote)
    }

    func smrReport() throws(ManagementError) -> SMRReport {
        guard router.itr != nil || router.etr != nil else {
            throw ManagementError(.notOurRole, "this router is neither ITR nor ETR: no Solicit-Map-Request concerns it")
        }
        let time = ReportTime()
        return SMRReport(
            smrPeers: router.smrPeers.all.map { peer in
                SMRPeerStatus(
                    address: peer.rloc.description,
                    sent: peer.sent,
                    repeated: peer.repeated,
                    lastSent: peer.lastSent.map(time.moment),
                    lastSentEID: peer.lastSentEID?.description,
                    invoked: peer.invoked,
                    lastInvoked: peer.lastInvoked.map(time.moment),
                    received: peer.received,
                    lastReceived: peer.lastReceived.map(time.moment),
                    lastReceivedEID: peer.lastReceivedEID?.description
                )
            },
            forgotten: router.smrPeers.forgotten
        )
    }

    func proxyETRsReport() throws(ManagementError) -> ProxyETRsReport {
        guard let itr = router.itr else {
            throw ManagementError(.notOurRole, "this router is no ITR: it sends nothing to a Proxy-ETR")
        }
        let time = ReportTime()
        let best = itr.proxyETRs.filter { $0.id != nil && itr.isUp($0.proxy.address) }.map(\.proxy.priority)
            .min()
        return ProxyETRsReport(
            proxyETRs: itr.proxyETRs.map { proxy in
                let reachability = proxy.id.flatMap { _ in itr.prober[proxy.proxy.address] }
                let isUp = itr.isUp(proxy.proxy.address)
                let state: LocatorState = proxy.id == nil ? .unusable : isUp ? .up : .down
                return ProxyETRStatus(
                    address: proxy.proxy.address.description,
                    priority: proxy.proxy.priority,
                    weight: proxy.proxy.weight,
                    state: state,
                    isUsed: state == .up && proxy.proxy.priority == best,
                    since: reachability.map { time.moment($0.since) },
                    encapsulated: Traffic(proxy.id.flatMap { plane?.counters(of: $0).encapsulated } ?? .init()),
                    probing: reachability.flatMap { $0.probesSent > 0 ? LocatorProbing($0, time) : nil }
                )
            }
        )
    }

    /// The interface that a locator is configured by; `nil` for one that is configured by its address.
    func configuredInterface(of locator: ResolvedLocator) -> String? {
        guard let interface = locator.interface, let set = configuration.locatorSet(named: locator.locatorSet),
            set.locators.contains(where: { $0.place == .interface(interface) })
        else { return nil }
        return interface
    }

    func interfacesReport() throws(ManagementError) -> InterfacesReport {
        guard let plane else { return InterfacesReport(tunnels: [], rlocInterfaces: []) }
        do {
            let links = try host.links()
            let used = Set(resolvedHost.locators.compactMap(\.interface))
            return InterfacesReport(
                tunnels: try configuration.instances.map { instance in
                    let name = HostIntegration.tun(instance.id)
                    let link = try host.links(of: instance).first { $0.name == name }
                    let counters = plane.counters(of: instance.id)
                    return TunnelInterface(
                        name: name,
                        instanceID: instance.id.rawValue,
                        namespace: instance.namespace,
                        isUp: link?.isUp ?? false,
                        mtu: link.map { Int($0.mtu) },
                        queues: plane.workerCount,
                        encapsulated: Traffic(counters.encapsulated),
                        decapsulated: Traffic(counters.decapsulated)
                    )
                },
                rlocInterfaces: links.filter { used.contains($0.name) }.map { link in
                    RLOCInterface(
                        name: link.name,
                        isUp: link.isUp && link.hasCarrier,
                        mtu: Int(link.mtu),
                        addresses: Set(resolvedHost.locators.filter { $0.interface == link.name }.map(\.address))
                            .sorted()
                            .map(\.description)
                    )
                }
            )
        } catch {
            throw ManagementError(.unavailable, "cannot read the interfaces: \(error)")
        }
    }

    func configurationReport() -> ConfigurationReport {
        ConfigurationReport(
            file: configurationFile,
            loaded: ReportTime().moment(configurationLoaded),
            yaml: configuration.yaml,
            json: configuration.json
        )
    }
}
