// From the operator's file and the host's addresses to the settings of the roles.

import ForwardingInterface
import LISPConfiguration
import LISPControl
import LISPTables
import LISPWire

extension RouterSettings {
    /// - Parameter xtrID: of an ETR.
    init(_ configuration: RouterConfiguration, host: ResolvedHost, xtrID: XTRID?) {
        self.init()
        limits = MessageLimits(configuration.limits)
        let roles = configuration.roles
        instances = configuration.servedInstances
        locatorStatus = LocatorStatusSettings(
            isEnabled: configuration.headerHints.contains(.locatorStatusBits),
            down: Set(host.locators.filter { !$0.isUp }.map(\.address))
        )
        if !roles.isDisjoint(with: [.itr, .proxyITR]) {
            itr = ITRSettings(
                // Without any, the Map-Resolver beside us is meant, which listens at each of our addresses.
                mapResolvers: configuration.mapResolvers.isEmpty
                    ? Array(host.rlocs.prefix(1)) : configuration.mapResolvers,
                rlocs: host.rlocs,
                mapCacheLimit: configuration.mapCache.limit,
                negativeLimit: configuration.mapCache.negativeLimit,
                mapRequestLimits: MapRequestLimits(configuration.mapRequests),
                rlocProbing: RLOCProbingSettings(configuration.rlocProbing),
                proxyITR: configuration.proxyITR.map { proxy in
                    ProxyITRSettings(
                        eidSpace: proxy.eidSpace,
                        siteEIDs: roles.contains(.itr) ? configuration.database.map(\.eidPrefix) : []
                    )
                },
                // One that is this router would send to itself.
                proxyETRs: configuration.proxyETRs.filter { !host.rlocs.contains($0.address) }.map { proxy in
                    ProxyETR(address: proxy.address, priority: proxy.priority, weight: proxy.weight)
                },
                staticMappings: configuration.mapCache.staticMappings.map(StaticMapping.init),
                echoNonce: configuration.headerHints.contains(.echoNonce),
                acceptMapData: roles.contains(.etr) ? MapDataPolicy(configuration.acceptMapData) : .off,
                locatorStatusBits: configuration.headerHints.contains(.locatorStatusBits)
            )
        }
        // A Proxy-ETR answers RLOC-probes as an ETR without a site does.
        if !roles.isDisjoint(with: [.etr, .proxyETR]), let xtrID {
            let isSiteETR = roles.contains(.etr)
            etr = ETRSettings(
                mappings: (isSiteETR ? configuration.database : []).map { entry in
                    DatabaseMapping(
                        eid: entry.eidPrefix,
                        ttlMinutes: entry.ttlMinutes,
                        locators: host.locators(inSet: entry.locatorSet)
                    )
                },
                mapServers: (isSiteETR ? configuration.mapServers : []).map { peer in
                    MapServerPeer(
                        address: peer.address,
                        keys: peer.authenticationKeys,
                        proxyReply: peer.proxyReply,
                        merge: peer.merge,
                        wantsMapNotify: peer.wantMapNotify
                    )
                },
                xtrID: xtrID,
                siteID: configuration.siteID,
                rlocs: host.rlocs,
                echoNonce: configuration.headerHints.contains(.echoNonce)
            )
        }
        if roles.contains(.mapServer), let mapServer = configuration.mapServer {
            self.mapServer = MapServerSettings(mapServer, families: host.families)
        }
        if roles.contains(.mapResolver) {
            mapResolver = MapResolverSettings(
                mapServers: (configuration.mapResolver?.mapServers ?? []).map {
                    MapServerRoute(address: $0.address, eids: $0.eids)
                },
                hasLocalMapServer: mapServer != nil,
                families: host.families
            )
        }
    }
}

extension StaticMapping {
    fileprivate init(_ configuration: StaticMappingConfiguration) {
        switch configuration.use {
        case .locators(let locators):
            self.init(
                eid: configuration.eidPrefix,
                locators: locators.map { locator in
                    DatabaseLocator(
                        address: locator.address,
                        priority: locator.priority,
                        weight: locator.weight,
                        isLocal: false
                    )
                }
            )
        case .action(let action):
            self.init(eid: configuration.eidPrefix, action: MapReplyAction(action))
        }
    }
}

extension MapReplyAction {
    fileprivate init(_ configured: StaticMappingConfiguration.Action) {
        switch configured {
        case .nativelyForward: self = .nativelyForward
        case .sendMapRequest: self = .sendMapRequest
        case .drop: self = .dropNoReason
        case .dropPolicyDenied: self = .dropPolicyDenied
        case .dropAuthFailure: self = .dropAuthFailure
        }
    }
}

extension RouterConfiguration {
    /// The hints of the LISP header that this router sends and heeds: all are between routers that are ITR and ETR at once.
    var headerHints: HeaderHints {
        var hints: HeaderHints = []
        guard roles.isSuperset(of: [.itr, .etr]) else { return hints }
        if echoNonce { hints.insert(.echoNonce) }
        if locatorStatusBits { hints.insert(.locatorStatusBits) }
        return hints
    }
}

extension MapRequestLimits {
    fileprivate init(_ configuration: MapRequestsConfiguration) {
        func limit(_ limit: MapRequestsConfiguration.Limit) -> EventRate {
            EventRate(perSecond: limit.rate, burst: limit.burst)
        }
        self.init(
            total: limit(configuration.total),
            perSource: limit(configuration.perSource),
            negativeTotal: limit(configuration.negativeTotal),
            negativePerSource: limit(configuration.negativePerSource)
        )
    }
}

extension MapDataPolicy {
    fileprivate init(_ configured: AcceptMapData) {
        switch configured {
        case .off: self = .off
        case .verify: self = .verify
        case .on: self = .on
        }
    }
}

extension RLOCProbingSettings {
    fileprivate init(_ configuration: RLOCProbingConfiguration) {
        self.init(
            isEnabled: configuration.isEnabled,
            interval: .seconds(Int64(configuration.intervalSeconds)),
            retries: configuration.retries,
            retryInterval: .seconds(Int64(configuration.retryIntervalSeconds))
        )
    }
}

extension MessageLimits {
    fileprivate init(_ configuration: MessageLimitsConfiguration) {
        self.init()
        for (key, value) in configuration.values {
            switch key {
            case .mapRequestsPerSource: mapRequestsPerSource = value
            case .mapRequests: mapRequests = value
            case .mapRequestsPerETR: mapRequestsPerETR = value
            case .mapRepliesPerRLOC: mapRepliesPerRLOC = value
            case .negativeMapReplies: negativeMapReplies = value
            case .failedMapRegistersPerSource: failedMapRegistersPerSource = value
            case .failedMapRegisters: failedMapRegisters = value
            case .mapRegistersPerSite: mapRegistersPerSite = value
            }
        }
    }
}

extension MapServerSettings {
    fileprivate init(_ configuration: MapServerConfiguration, families: Set<AddressFamily>) {
        let instances = Set(configuration.sites.flatMap { $0.eids.map(\.eidPrefix.instanceID) })
        self.init(
            eidSpace: instances.sorted().flatMap { instance in
                configuration.eidSpace.map { EIDPrefix(instanceID: instance, $0) }
            },
            sites: configuration.sites.map { site in
                SiteSettings(
                    name: site.name,
                    description: site.description,
                    keys: site.authenticationKeys,
                    nonceCheck: NonceCheck(site.nonceCheck),
                    eids: site.eids.sorted { $0.eidPrefix < $1.eidPrefix }.map { eid in
                        SiteEID(
                            prefix: eid.eidPrefix,
                            acceptMoreSpecifics: eid.acceptMoreSpecifics,
                            maxRegistrations: eid.maxRegistrations,
                            proxyReply: eid.proxyReply,
                            action: eid.action == .drop ? .drop : .nativelyForward
                        )
                    },
                    allowedLocators: site.allowedLocators?.sorted()
                )
            },
            families: families
        )
    }
}

extension NonceCheck {
    fileprivate init(_ configured: SiteConfiguration.NonceCheck) {
        switch configured {
        case .strict: self = .strict
        case .auto: self = .auto
        case .off: self = .off
        }
    }
}
