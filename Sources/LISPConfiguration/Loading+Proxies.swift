// The roles of proxies, the Proxy-ETRs of others, and mappings that the operator gives.

import LISPWire
import Yams

extension Loader {
    func proxyITR(_ root: ConfigurationMapping, _ result: inout RouterConfiguration) {
        guard let section = root["proxy-itr"]?.mapping(["eid-space"]) else { return }
        guard result.roles.contains(.proxyITR) else { return refuseWithoutRole(root, "proxy-itr", result.roles) }
        let space = prefixes(section, "eid-space", &result)
        for prefix in space where prefix.prefix.length == 0 {
            section["eid-space"]?.report(
                found: "EID-prefix \(prefix), which is everything",
                expected: "prefixes of EIDs: this host's own packets to RLOCs would be attracted, too"
            )
        }
        oneTable(space, section["eid-space"], result)
        result.proxyITR = ProxyITRConfiguration(eidSpace: space)
    }

    func proxyETR(_ root: ConfigurationMapping, _ result: inout RouterConfiguration) {
        guard let section = root["proxy-etr"]?.mapping(["accept-sources"]) else { return }
        guard result.roles.contains(.proxyETR) else { return refuseWithoutRole(root, "proxy-etr", result.roles) }
        let sources = prefixes(section, "accept-sources", &result)
        for prefix in sources where prefix.prefix.length == 0 {
            findings.warn(
                section.mark(of: "accept-sources"),
                "`accept-sources` holds \(prefix): whoever reaches this Proxy-ETR can send with any source through it"
            )
        }
        result.proxyETR = ProxyETRConfiguration(acceptSources: sources)
    }

    /// A required list of EID-prefixes, each as text (instance 0) or as `{prefix, instance-id}`.
    private func prefixes(
        _ section: ConfigurationMapping,
        _ key: String,
        _ result: inout RouterConfiguration
    ) -> [EIDPrefix] {
        var prefixes: [EIDPrefix] = []
        for member in section.required(key)?.list("a list of prefixes") ?? [] {
            var node = member
            var instance: InstanceID? = .default
            if case .mapping = member.node {
                guard let entry = member.mapping(["prefix", "instance-id"], "a prefix such as {prefix: 10.0.0.0/8}"),
                    let prefix = entry.required("prefix")
                else { continue }
                node = prefix
                instance = entry["instance-id"].map { $0.instanceID() } ?? .default
            }
            guard let prefix = node.eidPrefix(), let instance, knows(instance, node, &result) else { continue }
            let eid = EIDPrefix(instanceID: instance, prefix)
            if prefixes.contains(eid) {
                node.report(found: "\(eid) a second time", expected: "each prefix once")
            } else {
                prefixes.append(eid)
            }
        }
        return prefixes
    }

    /// Two instances whose TUNs stand in the same routing table cannot attract the same addresses.
    private func oneTable(_ space: [EIDPrefix], _ node: ConfigurationNode?, _ result: RouterConfiguration) {
        func namespace(_ eid: EIDPrefix) -> String? { result.instances.first { $0.id == eid.instanceID }?.namespace }
        for (index, prefix) in space.enumerated() {
            let other = space[..<index].first {
                $0.instanceID != prefix.instanceID && $0.prefix.overlaps(prefix.prefix)
                    && namespace($0) == namespace(prefix)
            }
            guard let other else { continue }
            node?.report(
                found: "\(prefix), which overlaps \(other) in the same routing table",
                expected: "a `namespace` for one of the two instances"
            )
        }
    }

    /// Whether the instance is one of `instances`; instance 0 in the main table needs no mention.
    func knows(_ instance: InstanceID, _ node: ConfigurationNode, _ result: inout RouterConfiguration) -> Bool {
        if instance == .default, !result.instances.contains(where: { $0.id == .default }) {
            result.instances.insert(InstanceConfiguration(id: .default), at: 0)
        }
        if result.instances.contains(where: { $0.id == instance }) { return true }
        let known = result.instances.map { String($0.id.rawValue) }.joined(separator: ", ")
        node.report(
            found: "instance \(instance), which `instances` does not list",
            expected: result.instances.count == 1 ? known : "one of \(known)"
        )
        return false
    }

    func proxyETRs(_ root: ConfigurationMapping, _ result: inout RouterConfiguration) {
        guard let node = root["proxy-etrs"] else { return }
        result.proxyETRs = remoteLocators(node, "Proxy-ETR", allowsEmpty: true)
    }

    /// Addresses with priority and weight.
    private func remoteLocators(
        _ node: ConfigurationNode,
        _ what: String,
        allowsEmpty: Bool = false
    ) -> [RemoteLocatorConfiguration] {
        var locators: [RemoteLocatorConfiguration] = []
        for member in node.list("a list of \(what)s", allowsEmpty: allowsEmpty) ?? [] {
            let expected = "a \(what) such as {address: 192.0.2.9, priority: 1, weight: 100}"
            guard let entry = member.mapping(["address", "priority", "weight"], expected) else { continue }
            let address = entry.required("address")?.ipAddress("the address of a \(what)")
            let priority = entry["priority"].map { $0.integer(UInt8.min...UInt8.max) } ?? 1
            let weight = entry["weight"].map { $0.integer(UInt8.min...UInt8.max) } ?? 100
            guard let address, let priority, let weight else { continue }
            if locators.contains(where: { $0.address == address }) {
                entry["address"]?.report(found: "\(what) \(address) a second time", expected: "each address once")
                continue
            }
            locators.append(RemoteLocatorConfiguration(address: address, priority: priority, weight: weight))
        }
        return locators
    }

    func staticMappings(_ section: ConfigurationMapping, _ result: inout RouterConfiguration) {
        var seen: [EIDPrefix: FilePosition?] = [:]
        for member in section["static"]?.list("a list of static mappings", allowsEmpty: true) ?? [] {
            let expected = "a mapping such as {eid: 10.9.0.0/16, locators: [{address: 192.0.2.7}]}"
            guard let entry = member.mapping(["eid", "instance-id", "locators", "action"], expected) else { continue }
            let prefix = entry.required("eid")?.eidPrefix()
            let instance = entry["instance-id"].map { $0.instanceID() } ?? .default
            guard let use = use(entry), let prefix, let instance,
                knows(instance, entry["instance-id"] ?? member, &result)
            else { continue }
            let eid = EIDPrefix(instanceID: instance, prefix)
            if let first = seen[eid] {
                entry["eid"]?.report(
                    found: "EID-prefix \(eid) a second time (first: line \(first?.line ?? 1))",
                    expected: "each EID-prefix once"
                )
                continue
            }
            seen[eid] = entry["eid"]?.mark
            if result.database.contains(where: { $0.eidPrefix.covers(eid) }) {
                findings.warn(
                    entry.mark(of: "eid"),
                    "static mapping \(eid) lies inside an EID-prefix of `database`: it has no effect"
                )
            }
            result.mapCache.staticMappings.append(StaticMappingConfiguration(eidPrefix: eid, use: use))
        }
    }

    private func use(_ entry: ConfigurationMapping) -> StaticMappingConfiguration.Use? {
        switch (entry["locators"], entry["action"]) {
        case (let locators?, nil):
            let members = remoteLocators(locators, "locator")
            return members.isEmpty ? nil : .locators(members)
        case (nil, let action?):
            return action.choice(StaticMappingConfiguration.Action.self).map { .action($0) }
        case (_?, let action?):
            action.report(found: "`action` beside `locators`", expected: "one of the two")
            return nil
        case (nil, nil):
            findings.report(entry.mark, found: "neither `locators` nor `action`", expected: "one of the two")
            return nil
        }
    }
}
