// What an xTR's site consists of: instances, locators, EID-prefixes.

import LISPWire
import Yams

extension Loader {
    func instances(_ root: ConfigurationMapping) -> [InstanceConfiguration] {
        guard let members = root["instances"]?.list("a list of instances") else {
            return [InstanceConfiguration(id: .default)]
        }
        var result: [InstanceConfiguration] = []
        for member in members {
            guard let entry = member.mapping(["id", "namespace", "vrf"], "an instance such as {id: 101}"),
                let node = entry.required("id"), let id = node.instanceID()
            else { continue }
            if result.contains(where: { $0.id == id }) {
                node.report(found: "instance \(id) a second time", expected: "each instance once")
                continue
            }
            let namespace = entry["namespace"]?.kernelName("the name of a network namespace", length: 255)
            if let namespace, let other = result.first(where: { $0.namespace == namespace }) {
                entry["namespace"]?.report(
                    found: "namespace \(quoted(namespace)), which instance \(other.id) has",
                    expected: "a namespace for each instance"
                )
            }
            if entry["vrf"]?.kernelName("the name of a VRF", length: 15) != nil { entry.refuseNotSupported("vrf") }
            result.append(InstanceConfiguration(id: id, namespace: namespace))
        }
        return result
    }

    func locatorSets(_ root: ConfigurationMapping) -> [LocatorSetConfiguration] {
        var result: [(set: LocatorSetConfiguration, mark: FilePosition?)] = []
        let defaultName = RouterConfiguration.defaultLocatorSetName
        if let node = root["locators"] {
            let locators = self.locators(node)
            result.append((LocatorSetConfiguration(name: defaultName, locators: locators), node.mark))
        }
        for member in root["locator-sets"]?.list("a list of locator sets") ?? [] {
            guard let entry = member.mapping(["name", "locators"]) else { continue }
            let name = entry.required("name")?.text("the name of a locator set")
            let locators = entry.required("locators").map(self.locators) ?? []
            guard let name else { continue }
            if let other = result.first(where: { $0.set.name == name }) {
                let isShort = name == defaultName && root["locators"] != nil
                let place = isShort ? "`locators`" : "line \(other.mark?.line ?? 1)"
                entry["name"]?.report(
                    found: "locator set \(quoted(name)) a second time (first: \(place))",
                    expected: "each name once"
                )
                continue
            }
            result.append((LocatorSetConfiguration(name: name, locators: locators), entry["name"]?.mark))
        }
        return result.map(\.set)
    }

    private func locators(_ node: ConfigurationNode) -> [LocatorConfiguration] {
        var result: [LocatorConfiguration] = []
        for member in node.list("a list of locators") ?? [] {
            let expected = "a locator such as {interface: eth0, priority: 1, weight: 100}"
            guard let entry = member.mapping(["interface", "address", "priority", "weight"], expected) else { continue }
            let priority = entry["priority"].map { $0.integer(UInt8.min...UInt8.max) } ?? 1
            let weight = entry["weight"].map { $0.integer(UInt8.min...UInt8.max) } ?? 100
            guard let place = place(entry), let priority, let weight else { continue }
            if result.contains(where: { $0.place == place }) {
                member.report(found: "the same locator a second time", expected: "each locator once in its set")
                continue
            }
            result.append(LocatorConfiguration(place: place, priority: priority, weight: weight))
        }
        return result
    }

    private func place(_ entry: ConfigurationMapping) -> LocatorConfiguration.Place? {
        switch (entry["interface"], entry["address"]) {
        case (let interface?, nil):
            return interface.kernelName("an interface name of at most 15 characters", length: 15)
                .map { .interface($0) }
        case (nil, let address?):
            return address.ipAddress().map { .address($0) }
        case (_?, let address?):
            address.report(found: "`address` beside `interface`", expected: "one of the two")
            return nil
        case (nil, nil):
            findings.report(entry.mark, found: "neither `interface` nor `address`", expected: "one of the two")
            return nil
        }
    }

    func database(_ root: ConfigurationMapping, _ result: inout RouterConfiguration) {
        var seen: [EIDPrefix: FilePosition?] = [:]
        for member in root["database"]?.list("a list of EID-prefixes") ?? [] {
            let keys = ["eid", "instance-id", "locator-set", "ttl"]
            guard let entry = member.mapping(keys, "an entry such as {eid: 10.1.0.0/16}") else { continue }
            let prefix = entry.required("eid")?.eidPrefix()
            let instance = entry["instance-id"].map { $0.instanceID() } ?? .default
            let set = locatorSet(of: entry, result)
            let ttl = entry["ttl"].map { $0.seconds(60...31_536_000, step: 60) } ?? 86400
            guard let prefix, let instance, let set, let ttl else { continue }
            guard knows(instance, entry["instance-id"] ?? member, &result) else { continue }
            let eidPrefix = EIDPrefix(instanceID: instance, prefix)
            if let first = seen[eidPrefix] {
                entry["eid"]?.report(
                    found: "EID-prefix \(eidPrefix) a second time (first: line \(first?.line ?? 1))",
                    expected: "each EID-prefix once"
                )
                continue
            }
            seen[eidPrefix] = entry["eid"]?.mark
            overlaps(eidPrefix, entry, result)
            result.database.append(
                DatabaseEntryConfiguration(eidPrefix: eidPrefix, locatorSet: set, ttlMinutes: UInt32(ttl / 60))
            )
        }
        ownAddresses(root, result)
        if result.database.count > 16 {
            findings.warn(
                root.mark(of: "database"),
                "\(result.database.count) EID-prefixes: every packet of this host passes three policy rules for each"
            )
        }
    }

    private func locatorSet(of entry: ConfigurationMapping, _ result: RouterConfiguration) -> String? {
        let names = result.locatorSets.map(\.name)
        guard let node = entry["locator-set"] else {
            let name = RouterConfiguration.defaultLocatorSetName
            if !names.isEmpty, !names.contains(name) {
                findings.report(
                    entry.mark,
                    found: "no `locator-set` although there is no set named \"default\"",
                    expected: "one of " + names.joined(separator: ", ")
                )
                return nil
            }
            return name
        }
        guard let name = node.text("the name of a locator set") else { return nil }
        guard names.contains(name) else {
            let all = names.isEmpty ? "a set that is defined" : "one of " + names.joined(separator: ", ")
            let expected = nearest(to: name, among: names).map { "`\($0)`" } ?? all
            node.report(found: "undefined locator set \(quoted(name))", expected: expected)
            return nil
        }
        return name
    }

    /// Two instances whose TUNs stand in the same routing table cannot share addresses.
    private func overlaps(_ prefix: EIDPrefix, _ entry: ConfigurationMapping, _ result: RouterConfiguration) {
        func namespace(_ id: InstanceID) -> String? { result.instances.first { $0.id == id }?.namespace }
        let other = result.database.first {
            $0.eidPrefix.instanceID != prefix.instanceID && $0.eidPrefix.prefix.overlaps(prefix.prefix)
                && namespace($0.eidPrefix.instanceID) == namespace(prefix.instanceID)
        }
        guard let other else { return }
        entry["eid"]?.report(
            found: "EID-prefix \(prefix), which overlaps \(other.eidPrefix) in the same routing table",
            expected: "a `namespace` for one of the two instances"
        )
    }

    /// Warns of RLOCs inside the site's own EID space, whose packets would never leave.
    private func ownAddresses(_ root: ConfigurationMapping, _ result: RouterConfiguration) {
        for set in result.locatorSets {
            for case .address(let address) in set.locators.map(\.place) {
                guard let entry = result.database.first(where: { covers($0.eidPrefix, address, result) }) else {
                    continue
                }
                findings.warn(
                    root.mark(of: "database"),
                    "locator \(address) lies inside EID-prefix \(entry.eidPrefix): packets to it stay in the site"
                )
            }
        }
    }

    private func covers(_ prefix: EIDPrefix, _ address: IPAddress, _ result: RouterConfiguration) -> Bool {
        prefix.prefix.contains(address)
            && result.instances.contains { $0.id == prefix.instanceID && $0.namespace == nil }
    }
}
