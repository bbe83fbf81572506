// From the operator's file and the host's addresses to the settings of the roles.

import LISPConfiguration
import LISPControl
import LISPTables
import LISPWire

extension RouterSettings {
    /// - Parameter xtrID: of an ETR.
    init(_ configuration: RouterConfiguration, host: ResolvedHost, xtrID: XTRID?) {
        self.init()
        let roles = configuration.roles
        if roles.contains(.itr) {
            itr = ITRSettings(
                mapResolvers: configuration.mapResolvers,
                rlocs: host.rlocs,
                mapCacheLimit: configuration.mapCache.limit,
                rlocProbing: RLOCProbingSettings(configuration.rlocProbing)
            )
        }
        if roles.contains(.etr), let xtrID {
            etr = ETRSettings(
                mappings: configuration.database.map { entry in
                    DatabaseMapping(
                        eid: entry.eidPrefix,
                        ttlMinutes: entry.ttlMinutes,
                        locators: host.locators(inSet: entry.locatorSet)
                    )
                },
                mapServers: configuration.mapServers.map { peer in
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
                rlocs: host.rlocs
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
