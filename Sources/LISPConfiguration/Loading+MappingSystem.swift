// Map-Servers and Map-Resolvers: those this router speaks to, and the two roles themselves.

import LISPWire
import Yams

extension Loader {
    func mapResolvers(_ root: ConfigurationMapping) -> [IPAddress] {
        var result: [IPAddress] = []
        for member in root["map-resolvers"]?.list("a list of addresses") ?? [] {
            guard let address = member.ipAddress("the address of a Map-Resolver") else { continue }
            if result.contains(address) {
                member.report(found: "Map-Resolver \(address) a second time", expected: "each address once")
            } else {
                result.append(address)
            }
        }
        return result
    }

    func mapServers(_ root: ConfigurationMapping) -> [MapServerPeerConfiguration] {
        var result: [MapServerPeerConfiguration] = []
        for member in root["map-servers"]?.list("a list of Map-Servers") ?? [] {
            let expected = "a Map-Server such as {address: 192.0.2.53, keys: [...]}"
            let names = ["address", "keys", "proxy-reply", "merge", "want-map-notify"]
            guard let entry = member.mapping(names, expected) else { continue }
            let address = entry.required("address")?.ipAddress("the address of a Map-Server")
            let keys = entry.required("keys").flatMap(self.keys)
            let proxyReply = entry["proxy-reply"].map { $0.bool() } ?? false
            let merge = entry["merge"].map { $0.bool() } ?? false
            let wantMapNotify = entry["want-map-notify"].map { $0.bool() } ?? true
            guard let address, let keys, let proxyReply, let merge, let wantMapNotify else { continue }
            if result.contains(where: { $0.address == address }) {
                entry["address"]?.report(found: "Map-Server \(address) a second time", expected: "each address once")
                continue
            }
            if merge, !wantMapNotify {
                findings.warn(
                    entry.mark(of: "merge"),
                    "`merge` without `want-map-notify`: this ETR does not learn the merged locators"
                )
            }
            result.append(
                MapServerPeerConfiguration(
                    address: address,
                    keys: keys,
                    proxyReply: proxyReply,
                    merge: merge,
                    wantMapNotify: wantMapNotify
                )
            )
        }
        return result
    }

    /// A list of keys with their secrets; `nil` if any of them is at fault.
    func keys(_ node: ConfigurationNode) -> [KeyConfiguration]? {
        var node = node
        node.isSecret = true
        guard let members = node.list("a list of keys") else { return nil }
        var result: [KeyConfiguration] = []
        var complete = true
        for member in members {
            guard let entry = member.mapping(["id", "algorithm", "key", "key-file"], "a key"), let key = key(entry)
            else {
                complete = false
                continue
            }
            if result.contains(where: { $0.key.id == key.key.id }) {
                findings.report(
                    entry["id"]?.mark ?? member.mark,
                    found: "key id \(key.key.id) a second time",
                    expected: "each id once"
                )
                complete = false
            } else {
                result.append(key)
            }
        }
        return complete ? result : nil
    }

    private func key(_ entry: ConfigurationMapping) -> KeyConfiguration? {
        let id = entry["id"].map { $0.integer(UInt8.min...UInt8.max) } ?? 0
        let algorithm = entry.required("algorithm")?.choice(AuthenticationAlgorithm.configurable)
        let secret = self.secret(entry)
        guard let id, let algorithm, let secret else { return nil }
        let key = AuthenticationKey(id: id, algorithm: algorithm, secret: secret.bytes)
        return KeyConfiguration(key: key, file: secret.file)
    }

    private func secret(_ entry: ConfigurationMapping) -> (bytes: [UInt8], file: String?)? {
        switch (entry["key"], entry["key-file"]) {
        case (let key?, nil):
            guard let text = key.text("the key's text") else { return nil }
            if isWorldReadable {
                let advice = "use mode 0640 or `key-file`"
                findings.warn(key.mark, "a key in a file that everyone on this host can read: \(advice)")
            }
            return (Array(text.utf8), nil)
        case (nil, let file?):
            return file.text("the path of a file with the key").flatMap { readSecret($0, file) }
        case (_?, let file?):
            findings.report(file.mark, found: "`key-file` beside `key`", expected: "one of the two")
            return nil
        case (nil, nil):
            findings.report(entry.mark, found: "neither `key` nor `key-file`", expected: "one of the two")
            return nil
        }
    }

    private func readSecret(_ path: String, _ node: ConfigurationNode) -> (bytes: [UInt8], file: String?)? {
        let resolved = resolve(path, besides: file)
        let key: SecretFile
        do throws(SecretFileProblem) {
            key = try SecretFile(path: resolved)
        } catch {
            switch error {
            case .unreadable:
                node.report(found: "key file \(resolved), which \(error)", expected: "a readable file")
            case .empty:
                node.report(found: "key file \(resolved), which is empty", expected: "a key in it")
            }
            return nil
        }
        if key.isWorldReadable {
            findings.warn(node.mark, "key file \(resolved) can be read by everyone on this host: use mode 0600")
        }
        return (key.secret, path)
    }

    func acceptMapData(_ root: ConfigurationMapping, _ result: inout RouterConfiguration) {
        guard let section = root["etr"]?.mapping(["accept-map-data"]),
            let policy = section["accept-map-data"]?.choice(AcceptMapData.self)
        else { return }
        result.acceptMapData = policy
        let mark = section.mark(of: "accept-map-data")
        if policy == .on {
            findings.warn(
                mark,
                "`accept-map-data: on` believes whoever can send a Map-Request; `verify` asks the mapping system first"
            )
        }
        if policy != .off, result.roles.isDisjoint(with: [.itr, .proxyITR]) {
            findings.warn(mark, "`accept-map-data` has no effect without role itr or proxy-itr")
        }
    }

    func mapServerRole(_ root: ConfigurationMapping, _ result: inout RouterConfiguration) {
        guard let section = root["map-server"]?.mapping(["eid-space", "sites"]) else { return }
        guard result.roles.contains(.mapServer) else {
            return refuseWithoutRole(root, "map-server", result.roles)
        }
        var space: [IPPrefix] = []
        for member in section["eid-space"]?.list("a list of prefixes", allowsEmpty: true) ?? [] {
            guard let prefix = member.ipPrefix() else { continue }
            if space.contains(prefix) {
                member.report(found: "\(prefix) a second time", expected: "each prefix once")
            } else {
                space.append(prefix)
            }
        }
        var sites: [SiteConfiguration] = []
        var owners: [EIDPrefix: String] = [:]
        for member in section.required("sites", "in `map-server`")?.list("a list of sites") ?? [] {
            guard let (site, mark) = site(member, &owners) else { continue }
            if sites.contains(where: { $0.name == site.name }) {
                findings.report(mark, found: "site \(quoted(site.name)) a second time", expected: "each name once")
            } else {
                sites.append(site)
            }
        }
        result.mapServer = MapServerConfiguration(eidSpace: space, sites: sites)
        warnOutside(space, sites, section.mark(of: "eid-space"))
    }

    private func warnOutside(_ space: [IPPrefix], _ sites: [SiteConfiguration], _ mark: FilePosition?) {
        guard !space.isEmpty else { return }
        for site in sites {
            for eid in site.eids where !space.contains(where: { $0.covers(eid.eidPrefix.prefix) }) {
                findings.warn(mark, "EID-prefix \(eid.eidPrefix) of site \(quoted(site.name)) lies outside `eid-space`")
            }
        }
    }

    private func site(
        _ node: ConfigurationNode,
        _ owners: inout [EIDPrefix: String]
    ) -> (site: SiteConfiguration, mark: FilePosition?)? {
        let names = ["name", "description", "keys", "nonce-check", "eids", "allowed-locators"]
        let expected = "a site such as {name: site1, keys: [...], eids: [...]}"
        guard let entry = node.mapping(names, expected) else { return nil }
        let name = entry.required("name")?.text("the name of a site")
        let description = entry["description"]?.text("a description")
        let keys = entry.required("keys").flatMap(self.keys)
        let nonceCheck = entry["nonce-check"].map { $0.choice(SiteConfiguration.NonceCheck.self) } ?? .auto
        let eids = self.eids(entry, name ?? "", &owners)
        var locators: Set<IPAddress>?
        if let members = entry["allowed-locators"]?.list("a list of addresses") {
            locators = Set(members.compactMap { $0.ipAddress() })
        }
        guard let name, let keys, let nonceCheck else { return nil }
        let site = SiteConfiguration(
            name: name,
            description: description,
            keys: keys,
            nonceCheck: nonceCheck,
            eids: eids,
            allowedLocators: locators
        )
        return (site, entry["name"]?.mark)
    }

    private func eids(
        _ site: ConfigurationMapping,
        _ name: String,
        _ owners: inout [EIDPrefix: String]
    ) -> [SiteEIDConfiguration] {
        var result: [SiteEIDConfiguration] = []
        for member in site.required("eids")?.list("a list of EID-prefixes") ?? [] {
            let names = [
                "prefix", "instance-id", "accept-more-specifics", "max-registrations", "proxy-reply", "action",
            ]
            guard let entry = member.mapping(names, "an EID-prefix such as {prefix: 10.1.0.0/16}") else { continue }
            let prefix = entry.required("prefix")?.eidPrefix()
            let instance = entry["instance-id"].map { $0.instanceID() } ?? .default
            let moreSpecifics = entry["accept-more-specifics"].map { $0.bool() } ?? false
            let limit =
                entry["max-registrations"].map { $0.integer(1...2_000_000) }
                ?? SiteEIDConfiguration.defaultMaxRegistrations
            let proxyReply = entry["proxy-reply"].map { $0.bool() } ?? false
            let action =
                entry["action"].map { $0.choice(SiteEIDConfiguration.UnregisteredAction.self) } ?? .nativelyForward
            guard let prefix, let instance, let moreSpecifics, let limit, let proxyReply, let action else { continue }
            let eidPrefix = EIDPrefix(instanceID: instance, prefix)
            if !moreSpecifics {
                entry["max-registrations"]?.report(
                    found: "max-registrations of EID-prefix \(eidPrefix), which is registered as a whole or not at all",
                    expected: "accept-more-specifics: true beside it"
                )
            }
            if let owner = owners.updateValue(name, forKey: eidPrefix) {
                entry["prefix"]?.report(
                    found: "EID-prefix \(eidPrefix) a second time (first: site \(quoted(owner)))",
                    expected: "each EID-prefix once"
                )
                continue
            }
            result.append(
                SiteEIDConfiguration(
                    eidPrefix: eidPrefix,
                    acceptMoreSpecifics: moreSpecifics,
                    maxRegistrations: limit,
                    proxyReply: proxyReply,
                    action: action
                )
            )
        }
        return result
    }

    func mapResolverRole(_ root: ConfigurationMapping, _ result: inout RouterConfiguration) {
        if result.roles.contains(.mapResolver) { result.mapResolver = MapResolverConfiguration() }
        guard let section = root["map-resolver"]?.mapping(["map-servers"]) else { return }
        guard result.roles.contains(.mapResolver) else { return refuseWithoutRole(root, "map-resolver", result.roles) }
        var servers: [MapServerReferenceConfiguration] = []
        let members = section["map-servers"]?.list("a list of Map-Servers", allowsEmpty: true) ?? []
        for member in members {
            let expected = "a Map-Server such as {address: 192.0.2.54, eids: [10.0.0.0/8]}"
            guard let entry = member.mapping(["address", "eids", "instance-id"], expected) else { continue }
            let address = entry.required("address")?.ipAddress("the address of a Map-Server")
            let instance = entry["instance-id"].map { $0.instanceID() } ?? .default
            let eids = entry.required("eids")?.list("a list of prefixes") ?? []
            let prefixes = eids.map { ($0, $0.ipPrefix()) }
            guard let address, let instance else { continue }
            var known = Set(servers.filter { $0.address == address }.flatMap(\.eids))
            var server = MapServerReferenceConfiguration(address: address, eids: [])
            for case (let node, let prefix?) in prefixes {
                let eid = EIDPrefix(instanceID: instance, prefix)
                if known.insert(eid).inserted {
                    server.eids.append(eid)
                } else {
                    node.report(
                        found: "\(eid) a second time for Map-Server \(address)",
                        expected: "each prefix once for each Map-Server"
                    )
                }
            }
            servers.append(server)
        }
        guard !servers.isEmpty || members.isEmpty else {
            // Not one that could be used: that is the fault to speak of, not that there is none.
            result.mapResolver = nil
            return
        }
        result.mapResolver = MapResolverConfiguration(mapServers: servers)
    }

    func refuseWithoutRole(_ root: ConfigurationMapping, _ key: String, _ roles: Set<RouterRole>) {
        // With no role known, that is the fault to speak of.
        guard !roles.isEmpty else { return }
        findings.report(
            root.mark(of: key),
            found: "`\(key)` without role \(key)",
            expected: "the role among `roles`, or the key left out"
        )
    }

    /// What a role cannot do without.
    func requiredByRoles(_ root: ConfigurationMapping, _ result: RouterConfiguration) {
        for role in result.roles.sorted() {
            switch role {
            case .itr, .etr:
                _ = root.required("database", "with role \(role.rawValue)")
                if root["locators"] == nil, root["locator-sets"] == nil {
                    _ = root.required("locators", "with role \(role.rawValue)")
                }
                if role == .etr {
                    _ = root.required("map-servers", "with role etr")
                } else if !result.roles.contains(.mapResolver) {
                    _ = root.required("map-resolvers", "with role itr (or role map-resolver beside it)")
                }
            case .mapServer:
                _ = root.required("map-server", "with role map-server")
            case .mapResolver:
                if !result.roles.contains(.mapServer), result.mapResolver?.mapServers.isEmpty == true {
                    findings.report(
                        root.mark(of: "roles"),
                        found: "role map-resolver without a Map-Server to ask",
                        expected: "`map-servers` in `map-resolver`, or role map-server beside it"
                    )
                }
            case .proxyITR:
                _ = root.required("proxy-itr", "with role proxy-itr")
                if root["locators"] == nil, root["locator-sets"] == nil {
                    _ = root.required("locators", "with role proxy-itr")
                }
                if !result.roles.contains(.mapResolver) {
                    _ = root.required("map-resolvers", "with role proxy-itr (or role map-resolver beside it)")
                }
            case .proxyETR:
                _ = root.required("proxy-etr", "with role proxy-etr")
            }
        }
        withoutEffect(root, result.roles)
    }

    /// Warns of keys that none of the roles looks at.
    private func withoutEffect(_ root: ConfigurationMapping, _ roles: Set<RouterRole>) {
        let readers: [(roles: [RouterRole], keys: [String])] = [
            ([.itr, .etr], ["database"]),
            ([.itr, .etr, .proxyITR], ["when-down"]),
            ([.itr, .etr, .proxyITR, .proxyETR], ["instances", "locators", "locator-sets", "data-plane"]),
            ([.itr, .proxyITR], ["map-resolvers", "map-cache", "map-requests", "rloc-probing", "proxy-etrs"]),
            ([.etr], ["xtr-id", "site-id", "map-servers", "etr"]),
        ]
        for (readers, keys) in readers where roles.isDisjoint(with: readers) {
            let names = readers.map(\.rawValue).joined(separator: " or ")
            for key in keys where root[key] != nil {
                findings.warn(root.mark(of: key), "`\(key)` has no effect without role \(names)")
            }
        }
    }
}
