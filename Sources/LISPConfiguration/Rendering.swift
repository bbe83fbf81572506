// The configuration in effect, written out in full: every default spelled, keys in the order of the documentation,
// secrets hidden. What `lispctl config show` prints.

import LISPWire

/// A value of a YAML or JSON document whose keys keep their order.
package indirect enum ConfigurationValue: Hashable, Sendable {
    case text(String)
    case number(UInt64)
    case bool(Bool)
    case list([ConfigurationValue])
    case mapping([Pair])

    package struct Pair: Hashable, Sendable {
        package var key: String
        package var value: ConfigurationValue
    }
}

extension RouterConfiguration {
    /// What stands in place of a secret.
    package static let hiddenSecret = "<hidden>"

    /// The whole configuration, secrets hidden. Reading it back as a file gives the same router, but for the secrets.
    package var document: ConfigurationValue {
        var result = Pairs()
        result.add("roles", .list(roles.sorted().map { .text($0.rawValue) }))
        switch xtrID {
        case .automatic: result.add("xtr-id", .text("auto"))
        case .fixed(let id): result.add("xtr-id", .text(id.description))
        }
        result.add("site-id", .number(siteID.rawValue))
        result.add("instances", .list(instances.map(\.document)))
        result.add("when-down", .text(whenDown.rawValue))
        let defaultSet = locatorSet(named: Self.defaultLocatorSetName)
        if let defaultSet { result.add("locators", .list(defaultSet.locators.map(\.document))) }
        let others = locatorSets.filter { $0.name != Self.defaultLocatorSetName }
        result.addList("locator-sets", others.map(\.document))
        result.addList("database", database.map(\.document))
        result.addList("map-resolvers", mapResolvers.map { .text($0.description) })
        result.addList("map-servers", mapServers.map(\.document))
        if roles.contains(.etr) {
            result.add("etr", .mapping([.init(key: "accept-map-data", value: .text(acceptMapData.rawValue))]))
        }
        result.addList("proxy-etrs", proxyETRs.map(\.document))
        result.add("map-cache", mapCache.document)
        result.add("map-requests", mapRequests.document)
        result.add("rloc-probing", rlocProbing.document)
        result.add("echo-nonce", .mapping([.init(key: "enabled", value: .bool(echoNonce))]))
        result.add("locator-status-bits", .mapping([.init(key: "enabled", value: .bool(locatorStatusBits))]))
        if let proxyITR {
            result.add("proxy-itr", .mapping([.init(key: "eid-space", value: proxyITR.eidSpace.document)]))
        }
        if let proxyETR {
            result.add("proxy-etr", .mapping([.init(key: "accept-sources", value: proxyETR.acceptSources.document)]))
        }
        if let mapServer { result.add("map-server", mapServer.document) }
        if let mapResolver { result.add("map-resolver", mapResolver.document) }
        result.add("limits", limits.document)
        result.add("data-plane", dataPlane.document)
        result.add("management", management.document)
        if let snmp { result.add("snmp", snmp.document) }
        return .mapping(result.pairs)
    }

    /// `document` as YAML, ending with a line end.
    package var yaml: String { document.yaml }

    /// `document` as JSON, two spaces a level, ending with a line end.
    package var json: String { document.json }
}

extension MessageLimitsConfiguration {
    fileprivate var document: ConfigurationValue {
        var result = Pairs()
        for key in Key.allCases {
            guard let value = values[key] else { continue }
            result.add(key.rawValue, value.map { .number(UInt64($0)) } ?? .text("none"))
        }
        return .mapping(result.pairs)
    }
}

extension ManagementConfiguration {
    fileprivate var document: ConfigurationValue {
        var result = Pairs()
        result.add("socket", .text(socket))
        if let http { result.add("http", .text(http.description)) }
        return .mapping(result.pairs)
    }
}

extension SNMPConfiguration {
    fileprivate var document: ConfigurationValue {
        var result = Pairs()
        result.add("agentx", .text(master.description))
        result.add("draft-mib-base", .text(draftMIBBase.map(String.init).joined(separator: ".")))
        return .mapping(result.pairs)
    }
}

private struct Pairs {
    var pairs: [ConfigurationValue.Pair] = []

    mutating func add(_ key: String, _ value: ConfigurationValue) {
        pairs.append(.init(key: key, value: value))
    }

    /// Leaves an empty list out.
    mutating func addList(_ key: String, _ members: [ConfigurationValue]) {
        if !members.isEmpty { add(key, .list(members)) }
    }
}

extension MapCacheConfiguration {
    fileprivate var document: ConfigurationValue {
        var result = Pairs()
        result.add("limit", .number(UInt64(limit)))
        result.add("negative-limit", .number(UInt64(negativeLimit)))
        result.addList("static", staticMappings.map(\.document))
        return .mapping(result.pairs)
    }
}

extension MapRequestsConfiguration {
    fileprivate var document: ConfigurationValue {
        func value(_ limit: Limit) -> ConfigurationValue {
            .mapping([
                .init(key: "rate", value: .number(UInt64(limit.rate))),
                .init(key: "burst", value: .number(UInt64(limit.burst))),
            ])
        }
        var result = Pairs()
        result.add("total", value(total))
        result.add("per-source", value(perSource))
        result.add("negative-total", value(negativeTotal))
        result.add("negative-per-source", value(negativePerSource))
        return .mapping(result.pairs)
    }
}

extension StaticMappingConfiguration {
    fileprivate var document: ConfigurationValue {
        var result = Pairs()
        result.add("eid", .text(eidPrefix.prefix.description))
        result.add("instance-id", .number(UInt64(eidPrefix.instanceID.rawValue)))
        switch use {
        case .locators(let locators): result.add("locators", .list(locators.map(\.document)))
        case .action(let action): result.add("action", .text(action.rawValue))
        }
        return .mapping(result.pairs)
    }
}

extension RemoteLocatorConfiguration {
    fileprivate var document: ConfigurationValue {
        var result = Pairs()
        result.add("address", .text(address.description))
        result.add("priority", .number(UInt64(priority)))
        result.add("weight", .number(UInt64(weight)))
        return .mapping(result.pairs)
    }
}

extension [EIDPrefix] {
    /// Those of instance 0 as text.
    fileprivate var document: ConfigurationValue {
        .list(
            map { eid in
                guard eid.instanceID != .default else { return .text(eid.prefix.description) }
                return .mapping([
                    .init(key: "prefix", value: .text(eid.prefix.description)),
                    .init(key: "instance-id", value: .number(UInt64(eid.instanceID.rawValue))),
                ])
            }
        )
    }
}

extension MapResolverConfiguration {
    fileprivate var document: ConfigurationValue {
        var result = Pairs()
        result.addList("map-servers", mapServers.map(\.document))
        return .mapping(result.pairs)
    }
}

extension MapServerReferenceConfiguration {
    fileprivate var document: ConfigurationValue {
        var result = Pairs()
        result.add("address", .text(address.description))
        result.add("eids", .list(eids.map { .text($0.prefix.description) }))
        if let instance = eids.first?.instanceID { result.add("instance-id", .number(UInt64(instance.rawValue))) }
        return .mapping(result.pairs)
    }
}

extension RLOCProbingConfiguration {
    fileprivate var document: ConfigurationValue {
        var result = Pairs()
        result.add("enabled", .bool(isEnabled))
        result.add("interval", .text(durationText(intervalSeconds)))
        result.add("retries", .number(UInt64(retries)))
        result.add("retry-interval", .text(durationText(retryIntervalSeconds)))
        return .mapping(result.pairs)
    }
}

extension InstanceConfiguration {
    fileprivate var document: ConfigurationValue {
        var result = Pairs()
        result.add("id", .number(UInt64(id.rawValue)))
        if let namespace { result.add("namespace", .text(namespace)) }
        return .mapping(result.pairs)
    }
}

extension LocatorSetConfiguration {
    fileprivate var document: ConfigurationValue {
        var result = Pairs()
        result.add("name", .text(name))
        result.add("locators", .list(locators.map(\.document)))
        return .mapping(result.pairs)
    }
}

extension LocatorConfiguration {
    fileprivate var document: ConfigurationValue {
        var result = Pairs()
        switch place {
        case .interface(let name): result.add("interface", .text(name))
        case .address(let address): result.add("address", .text(address.description))
        }
        result.add("priority", .number(UInt64(priority)))
        result.add("weight", .number(UInt64(weight)))
        return .mapping(result.pairs)
    }
}

extension DatabaseEntryConfiguration {
    fileprivate var document: ConfigurationValue {
        var result = Pairs()
        result.add("eid", .text(eidPrefix.prefix.description))
        result.add("instance-id", .number(UInt64(eidPrefix.instanceID.rawValue)))
        result.add("locator-set", .text(locatorSet))
        result.add("ttl", .text(durationText(UInt64(ttlMinutes) * 60)))
        return .mapping(result.pairs)
    }
}

extension KeyConfiguration {
    fileprivate var document: ConfigurationValue {
        var result = Pairs()
        result.add("id", .number(UInt64(key.id)))
        result.add("algorithm", .text(key.algorithm.name))
        if let file {
            result.add("key-file", .text(file))
        } else {
            result.add("key", .text(RouterConfiguration.hiddenSecret))
        }
        return .mapping(result.pairs)
    }
}

extension MapServerPeerConfiguration {
    fileprivate var document: ConfigurationValue {
        var result = Pairs()
        result.add("address", .text(address.description))
        result.add("keys", .list(keys.map(\.document)))
        result.add("proxy-reply", .bool(proxyReply))
        result.add("merge", .bool(merge))
        result.add("want-map-notify", .bool(wantMapNotify))
        return .mapping(result.pairs)
    }
}

extension MapServerConfiguration {
    fileprivate var document: ConfigurationValue {
        var result = Pairs()
        result.addList("eid-space", eidSpace.map { .text($0.description) })
        result.add("sites", .list(sites.map(\.document)))
        return .mapping(result.pairs)
    }
}

extension SiteConfiguration {
    fileprivate var document: ConfigurationValue {
        var result = Pairs()
        result.add("name", .text(name))
        if let description { result.add("description", .text(description)) }
        result.add("keys", .list(keys.map(\.document)))
        result.add("nonce-check", .text(nonceCheck.rawValue))
        result.add("eids", .list(eids.map(\.document)))
        if let allowedLocators {
            result.add("allowed-locators", .list(allowedLocators.sorted().map { .text($0.description) }))
        }
        return .mapping(result.pairs)
    }
}

extension SiteEIDConfiguration {
    fileprivate var document: ConfigurationValue {
        var result = Pairs()
        result.add("prefix", .text(eidPrefix.prefix.description))
        result.add("instance-id", .number(UInt64(eidPrefix.instanceID.rawValue)))
        result.add("accept-more-specifics", .bool(acceptMoreSpecifics))
        if acceptMoreSpecifics { result.add("max-registrations", .number(UInt64(maxRegistrations))) }
        result.add("proxy-reply", .bool(proxyReply))
        result.add("action", .text(action.rawValue))
        return .mapping(result.pairs)
    }
}

extension DataPlaneConfiguration {
    private var offload: ConfigurationValue {
        if withoutOffloads.isEmpty { return .text("auto") }
        if withoutOffloads == Offload.trains { return .text("off") }
        var result = Pairs()
        for offload in Offload.allCases where withoutOffloads.contains(offload) {
            result.add(offload.rawValue, .text("off"))
        }
        return .mapping(result.pairs)
    }

    fileprivate var document: ConfigurationValue {
        var result = Pairs()
        switch workers {
        case .automatic: result.add("workers", .text("auto"))
        case .count(let count): result.add("workers", .number(UInt64(count)))
        }
        if !cpus.isEmpty { result.add("cpus", .list(cpus.map { .number(UInt64($0)) })) }
        result.add("offload", offload)
        result.add("udp-checksum", .text(udpChecksum.rawValue))
        return .mapping(result.pairs)
    }
}
