// The router as LISP-MIB and the draft's tables see it: each value is taken from the daemon's own tables when it is asked for.

import DataPlane
import ForwardingInterface
import LISPConfiguration
import LISPControl
import LISPTables
import LISPWire
import ManagedObjects

extension ControlLoop {
    /// An entry of the map-cache is active if a packet has used it so lately.
    private static var activeTime: UInt32 { 60 }

    /// - Parameter timeStamp: the master's sysUpTime so long ago.
    func lispModel(timeStamp: @escaping (Duration) -> UInt32) -> LISPModel {
        LISPModel(
            timeStamp: timeStamp,
            services: { self.managed.services },
            service: { self.service($0) },
            messages: { self.messageCounts($0) },
            vrfs: { self.vrfs() },
            database: ownTable { self.ownMapping($0) },
            databaseLocators: ownTable { self.ownLocators($0) },
            mapCache: cacheTable { self.cachedMapping($0) },
            mapCacheLocators: cacheTable { self.cachedLocators($0) },
            configuredLocators: { self.configuredLocators() },
            registrations: registrationTable { self.siteRow($0, $1, $2) },
            registeringETRs: registrationTable { _, _, registered in self.registeringETRs(registered) },
            siteNames: { self.managed.siteNames },
            siteEIDs: { name in self.siteTable(name) { self.siteRow($0, $1, $2) } },
            siteLocators: { name in self.siteTable(name) { _, _, registered in self.siteLocators(registered) } },
            mapServers: { self.usedMapServers() },
            mapResolvers: { self.usedMapResolvers() },
            proxyETRs: { self.usedProxyETRs() }
        )
    }

    private func age(_ instant: Instant) -> Duration {
        max(.zero, instant.duration(to: SystemClock.now))
    }

    private func hasRoute(_ address: IPAddress) -> Bool {
        routeCheck.hasRoute(to: address, now: SystemClock.now)
    }

    // MARK: Services

    private func service(_ key: ServiceKey) -> Service {
        let roles = configuration.roles
        var service = Service()
        service.isITR = roles.contains(.itr)
        service.isETR = roles.contains(.etr)
        service.isProxyITR = roles.contains(.proxyITR)
        service.isProxyETR = roles.contains(.proxyETR)
        service.isMapServer = roles.contains(.mapServer)
        service.isMapResolver = roles.contains(.mapResolver)
        if let itr = router.itr {
            service.mapCacheEntries = itr.cache.counts[EIDTableKey(key.instanceID, key.family), default: 0]
            service.mapCacheLimit = itr.settings.mapCacheLimit
            service.probesRLOCs = itr.settings.rlocProbing.isEnabled
        }
        if service.isETR {
            service.ttlMinutes = managed.ttlMinutes[key]
            service.acceptsMapData = configuration.acceptMapData != .off
            service.verifiesMapData = configuration.acceptMapData == .verify
        }
        service.age = age(managed.serviceSince[key] ?? started)
        return service
    }

    private func messageCounts(_ key: ServiceKey) -> MessageCounts {
        let messages = router.serviceMessages[EIDTableKey(key.instanceID, key.family)]
        var counts = MessageCounts()
        counts.mapRequestsIn = messages[.mapRequest, .received]
        counts.mapRequestsOut = messages[.mapRequest, .sent]
        counts.mapRepliesIn = messages[.mapReply, .received]
        counts.mapRepliesOut = messages[.mapReply, .sent]
        counts.mapRegistersIn = messages[.mapRegister, .received]
        counts.mapRegistersOut = messages[.mapRegister, .sent]
        return counts
    }

    private func vrfs() -> [(instanceID: UInt32, name: String)] {
        configuration.instances.sorted { $0.id < $1.id }.compactMap { instance in
            instance.namespace.map { (instance.id.rawValue, $0) }
        }
    }

    // MARK: The site's own

    private func ownTable<Row>(_ row: @escaping (DatabaseMapping) -> Row) -> EIDTable<Row> {
        EIDTable(
            at: { self.siteETR?.database[$0].map(row) },
            after: { self.siteETR?.database.first(after: $0, .byFamily).map { ($0.eid, row($0)) } }
        )
    }

    private func ownMapping(_ mapping: DatabaseMapping) -> OwnMapping {
        let bits = mapping.locators.prefix(32).enumerated().reduce(UInt32(0)) { bits, locator in
            isUp(locator.element.address) ? bits | 1 << UInt32(locator.offset) : bits
        }
        return OwnMapping(
            statusBits: bits,
            isPartitioned: knownRoutedPrefixes().map { !$0.contains(mapping.eid) },
            age: age(managed.own[mapping.eid]?.since ?? started),
            traffic: siteTraffic(of: mapping.eid)
        )
    }

    /// `nil` while nobody counts it.
    func siteTraffic(of eid: EIDPrefix) -> MappingCounters? {
        accounts.ids[eid].flatMap { plane?.counters(of: $0) }
    }

    /// What came to an RLOC and left from there, as far as that is known: packets are told apart by the family of their outer headers.
    /// To RLOCs of other routers none come.
    private func traffic(
        of rloc: IPAddress,
        isSelf: Bool,
        _ counters: (DataPlane, LocatorID) -> MappingCounters?
    ) -> MappingCounters? {
        guard isSelf else { return MappingCounters() }
        guard resolvedHost.rlocs.count(where: { $0.family == rloc.family }) == 1 else { return nil }
        return plane.flatMap { counters($0, SiteAccounts.part(rloc.family)) }
    }

    /// Whether the link of an RLOC of the site is up; so for those of other routers.
    private func isUp(_ rloc: IPAddress) -> Bool {
        resolvedHost.locators.first { $0.address == rloc }?.isUp ?? true
    }

    private func ownState(_ rloc: IPAddress, isSelf: Bool) -> Reachability {
        guard isUp(rloc) else { return .down }
        return isSelf || hasRoute(rloc) ? .up : .unreachable
    }

    private func ownLocators(_ mapping: DatabaseMapping) -> RowList<OwnLocator> {
        RowList(mapping.locators.map { .ip($0.address) }) { index in
            let locator = mapping.locators[index]
            let own = self.managed.own[mapping.eid]
            let inSet = own.flatMap { self.managed.setLocators[$0.locatorSet]?[locator.address] }
            return OwnLocator(
                // Records have the multicast priority and weight of a site without multicast.
                preference: Preference(priority: locator.priority, weight: locator.weight),
                state: self.ownState(locator.address, isSelf: locator.isLocal),
                isSelf: locator.isLocal,
                age: self.age([own?.setSince, inSet].compactMap(\.self).max() ?? self.started),
                traffic: self.traffic(of: locator.address, isSelf: locator.isLocal) { plane, part in
                    self.accounts.ids[mapping.eid].map { plane.counters(of: $0, locator: part) }
                }
            )
        }
    }

    /// Of all EID-prefixes together; half a second old at most where there are many.
    private func siteTotal(_ plane: DataPlane, _ part: LocatorID) -> MappingCounters? {
        guard !accounts.ids.isEmpty else { return nil }
        let now = SystemClock.now
        if accounts.ids.count > 64, let known = siteTotals[part], known.at + .milliseconds(500) > now {
            return known.counters
        }
        let total = accounts.ids.values.reduce(into: MappingCounters()) { $0 += plane.counters(of: $1, locator: part) }
        siteTotals[part] = (total, now)
        return total
    }

    private func configuredLocators() -> RowList<ConfiguredLocator> {
        var seen: Set<IPAddress> = []
        let locators = resolvedHost.locators.filter { seen.insert($0.address).inserted }
        return RowList(locators.map { .ip($0.address) }) { index in
            let locator = locators[index]
            return ConfiguredLocator(
                state: self.ownState(locator.address, isSelf: locator.interface != nil),
                isSelf: locator.interface != nil,
                age: self.age(self.managed.locators[locator.address] ?? self.started),
                traffic: self.traffic(of: locator.address, isSelf: locator.interface != nil) { plane, part in
                    self.siteTotal(plane, part)
                }
            )
        }
    }

    // MARK: The map-cache

    private func cacheTable<Row>(_ row: @escaping (MapCacheEntry) -> Row) -> EIDTable<Row> {
        EIDTable(
            at: { self.router.itr?.cache[$0].map(row) },
            after: { self.router.itr?.cache.first(after: $0, .byFamily).map { ($0.eid, row($0)) } }
        )
    }

    private func cachedMapping(_ entry: MapCacheEntry) -> CachedMapping {
        CachedMapping(
            age: age(entry.installed),
            remaining: entry.isStatic ? nil : max(.zero, SystemClock.now.duration(to: entry.expires)),
            isActive: plane.map { plane in
                plane.secondsSinceUse(of: entry.mapping).map { $0 < Self.activeTime } ?? false
            },
            isAuthoritative: entry.isAuthoritative,
            traffic: plane?.counters(of: entry.mapping)
        )
    }

    private func cachedLocators(_ entry: MapCacheEntry) -> RowList<CachedLocator> {
        let records = entry.content.locators
        return RowList(records.map(\.shownAddress)) { index in
            self.cachedLocator(entry.locators[index], index, of: entry)
        }
    }

    private func cachedLocator(_ locator: MapCacheLocator, _ ordinal: Int, of entry: MapCacheEntry) -> CachedLocator {
        let status = locatorStatus(locator)
        let changes = locator.preferenceChanges
        return CachedLocator(
            preference: Preference(locator.record),
            state: state(of: locator, ordinal, in: entry),
            age: age(locator.learnt),
            priorityAge: changes.priority.map(age),
            weightAge: changes.weight.map(age),
            multicastPriorityAge: changes.multicastPriority.map(age),
            multicastWeightAge: changes.multicastWeight.map(age),
            stateAge: status.changes > 0 ? age(status.since) : nil,
            roundTrip: status.reachability?.roundTrip?.last,
            traffic: plane.map { plane in
                locator.id.map { plane.counters(of: entry.mapping, locator: $0) } ?? MappingCounters()
            }
        )
    }

    /// `nil` for an address of a kind that says nothing of how to get there.
    private func state(of locator: MapCacheLocator, _ ordinal: Int, in entry: MapCacheEntry) -> Reachability? {
        guard let address = locator.address else { return nil }
        guard hasRoute(address) else { return .unreachable }
        guard locator.record.isReachable else { return .down }
        return locator.id == nil || router.itr?.isUp(ordinal, of: entry) ?? true ? .up : .down
    }

    // MARK: Sites

    private typealias SiteRow<Row> = (EIDPrefix, ConfiguredEID?, RegisteredEID?) -> Row

    private func registrationTable<Row>(_ row: @escaping SiteRow<Row>) -> EIDTable<Row> {
        EIDTable(
            at: { eid in
                guard let registry = self.router.mapServer?.registry else { return nil }
                let (configured, registered) = (registry.configured[eid], registry.registered[eid])
                return configured == nil && registered == nil ? nil : row(eid, configured, registered)
            },
            after: { key in
                self.router.mapServer?.registry.first(after: key, .byFamily).map {
                    ($0.key, row($0.key, $0.configured, $0.registered))
                }
            }
        )
    }

    private func siteTable<Row>(_ name: [UInt8], _ row: @escaping SiteRow<Row>) -> EIDTable<Row> {
        let site = String(decoding: name, as: UTF8.self)
        let eids = managed.siteEIDs[name] ?? []
        func found(_ eid: EIDPrefix) -> Row? {
            guard let registry = router.mapServer?.registry else { return nil }
            let configured = registry.configured[eid].flatMap { $0.site == site ? $0 : nil }
            let registered = registry.registered[eid].flatMap { $0.site == site ? $0 : nil }
            return configured == nil && registered == nil ? nil : row(eid, configured, registered)
        }
        return EIDTable(
            at: found,
            after: { key in
                guard let next = self.router.mapServer?.registry.first(after: key, of: site, configured: eids) else {
                    return nil
                }
                return found(next).map { (next, $0) }
            }
        )
    }

    private func siteRow(
        _ eid: EIDPrefix,
        _ configured: ConfiguredEID?,
        _ registered: RegisteredEID?
    ) -> ManagedObjects.SiteEID {
        let name = registered?.site ?? configured?.site ?? ""
        let status = router.mapServer?.site(named: name)
        let failures = status?.refusals(for: eid) ?? Tally()
        let latest = registered?.mostRecent
        let past = configured?.lastRegistration
        let errors: [RegistrationRefusal] = [.wrongKey, .unknownKeyID, .badLength, .algorithmNotAllowed]
        return ManagedObjects.SiteEID(
            site: name,
            description: status?.settings.description,
            isRegistered: registered != nil,
            firstRegisterAge: (registered?.firstRegistered ?? past?.first).map(age),
            lastRegisterAge: (latest?.lastRegistered ?? past?.time).map(age),
            lastSender: (latest?.source ?? past?.source)?.address,
            authenticationErrors: errors.reduce(0) { $0 + failures[$1] },
            locatorMismatches: failures[.locatorNotAllowed]
        )
    }

    /// The latest first: it counts where two come from one address.
    private func latestFirst(_ registered: RegisteredEID?) -> [ETRRegistration] {
        (registered?.registrations ?? []).sorted { $0.lastRegistered > $1.lastRegistered }
    }

    private func registeringETRs(_ registered: RegisteredEID?) -> RegisteringETRs {
        let registrations = latestFirst(registered)
        let etrs = RowList(registrations.map { .ip($0.source.address) }) { index in
            let registration = registrations[index]
            return RegisteringETR(
                lastRegisterAge: self.age(registration.lastRegistered),
                ttlMinutes: registration.record.ttlMinutes,
                wantsProxyReply: registration.wantsProxyReply,
                wantsMapNotify: registration.wantsMapNotify
            )
        }
        return RegisteringETRs(etrs) { index in
            let locators = registrations[index].record.locators
            return RowList(locators.map(\.shownAddress)) { ManagedObjects.RegisteredLocator(locators[$0]) }
        }
    }

    private func siteLocators(_ registered: RegisteredEID?) -> RowList<SiteLocator> {
        var seen: Set<LISPAddress> = []
        var rows: [(registration: ETRRegistration, locator: LocatorRecord)] = []
        for registration in latestFirst(registered) {
            for locator in registration.record.locators where seen.insert(locator.shownAddress).inserted {
                rows.append((registration, locator))
            }
        }
        return RowList(rows.map(\.locator.shownAddress)) { index in
            let (registration, locator) = rows[index]
            return SiteLocator(
                locator: ManagedObjects.RegisteredLocator(locator),
                firstRegisterAge: self.age(registration.firstRegistered),
                lastRegisterAge: self.age(registration.lastRegistered),
                sender: registration.source.address,
                wantsProxyReply: registration.wantsProxyReply
            )
        }
    }

    // MARK: Others that this router uses

    private func usedMapServers() -> RowList<MapServerState> {
        let registrars = siteETR?.registrars ?? []
        return RowList(registrars.map { .ip($0.peer.address) }) { index in
            let registrar = registrars[index]
            guard self.hasRoute(registrar.peer.address) else { return MapServerState(state: .unreachable) }
            // Without Map-Notifies nobody knows.
            guard registrar.peer.wantsMapNotify else { return MapServerState(state: nil) }
            return MapServerState(state: registrar.isUp ? .up : .down)
        }
    }

    private func usedMapResolvers() -> RowList<ManagedObjects.MapResolverState> {
        let resolvers = router.itr?.resolvers ?? []
        return RowList(resolvers.map { .ip($0.address) }) { index in
            ManagedObjects.MapResolverState(isUp: resolvers[index].sent == 0 ? nil : resolvers[index].isUp)
        }
    }

    private func usedProxyETRs() -> RowList<ManagedObjects.ProxyETR> {
        let proxies = router.itr?.proxyETRs ?? []
        return RowList(proxies.map { .ip($0.proxy.address) }) { index in
            let proxy = proxies[index]
            let isUp = proxy.id != nil && self.router.itr?.isUp(proxy.proxy.address) ?? false
            return ManagedObjects.ProxyETR(
                preference: Preference(priority: proxy.proxy.priority, weight: proxy.proxy.weight),
                isUp: isUp && self.hasRoute(proxy.proxy.address)
            )
        }
    }
}

extension LocatorRecord {
    /// What the locator is known by: where packets go, or the whole of an address that does not say that.
    fileprivate var shownAddress: LISPAddress { address.locatorAddress.map(LISPAddress.ip) ?? address }
}

extension Preference {
    fileprivate init(_ record: LocatorRecord) {
        self.init(
            priority: record.priority,
            weight: record.weight,
            multicastPriority: record.multicastPriority,
            multicastWeight: record.multicastWeight
        )
    }
}

extension ManagedObjects.RegisteredLocator {
    fileprivate init(_ record: LocatorRecord) {
        self.init(isReachable: record.isReachable, isLocal: record.isLocal, preference: Preference(record))
    }
}
