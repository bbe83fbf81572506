// From the text of a file to a checked RouterConfiguration: the top level, the order of the checks, and the keys whose
// features are not built yet. The sections have files of their own (Loading+...).

import LISPWire
import Yams

extension RouterConfiguration {
    /// The longest configuration file that is read, in octets.
    static let fileLimit = 16 * 1024 * 1024

    /// Reads the file at `path` and the key files it names.
    package static func load(path: String) throws(ConfigurationError) -> RouterConfiguration {
        func refusal(_ found: String, _ expected: String) -> ConfigurationError {
            ConfigurationError([
                ConfigurationIssue(file: path, line: 1, column: 1, message: "found \(found), expected \(expected)")
            ])
        }
        let text: FileText
        do {
            text = try readFile(path, limit: fileLimit)
        } catch {
            throw refusal("a file that cannot be read (\(error.text))", "a readable configuration file")
        }
        guard let yaml = String(validating: text.bytes, as: UTF8.self) else {
            throw refusal("octets that are not UTF-8", "a text in UTF-8")
        }
        return try RouterConfiguration(yaml: yaml, file: path, isWorldReadable: text.isWorldReadable)
    }

    /// Checks `yaml` and reads the key files it names; those with a relative path are looked for beside `file`.
    ///
    /// - Throws: every fault that was found. Faults of the YAML syntax itself come alone.
    package init(yaml: String, file: String) throws(ConfigurationError) {
        try self.init(yaml: yaml, file: file, isWorldReadable: false)
    }

    private init(yaml: String, file: String, isWorldReadable: Bool) throws(ConfigurationError) {
        let findings = Findings(file: file)
        let loader = Loader(findings: findings, file: file, isWorldReadable: isWorldReadable)
        var result = RouterConfiguration()
        if let root = parse(yaml, findings) {
            if let mapping = ConfigurationNode(node: root, findings: findings, isSecret: true)
                .mapping(Loader.keys, "a mapping with `roles` and the keys of these roles")
            {
                result = loader.load(mapping.withSecrecy(false))
            }
        }
        guard findings.issues.isEmpty else { throw ConfigurationError(findings.issues) }
        result.warnings = findings.warnings
        self = result
    }
}

/// The tree of a YAML text of one document; `nil` with its fault reported.
private func parse(_ yaml: String, _ findings: Findings) -> Node? {
    do {
        if let node = try Yams.compose(yaml: yaml) { return node }
        findings.report(nil, found: "an empty file", expected: "a mapping with `roles`")
    } catch let error as YamlError {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            findings.report(
                FilePosition(mark),
                found: "a fault in the YAML syntax (\(problem))",
                expected: "well-formed YAML"
            )
        case .reader(let problem, let offset, _, let yaml):
            let mark = offset.map { position(of: $0, in: yaml) }
            findings.report(mark, found: "a character that YAML forbids (\(problem))", expected: "well-formed YAML")
        case .duplicatedKeysInMapping(let duplicates, let context):
            let names = duplicates.sorted().map { quoted(String($0.prefix { $0 != ":" })) }.joined(separator: ", ")
            findings.report(FilePosition(context.mark), found: "\(names) more than once", expected: "each key once")
        case .no, .memory, .writer, .emitter, .representer, .dataCouldNotBeDecoded:
            findings.report(nil, found: "a text that cannot be parsed", expected: "well-formed YAML")
        }
    } catch {
        findings.report(nil, found: "a text that cannot be parsed", expected: "well-formed YAML")
    }
    return nil
}

private func position(of offset: Int, in text: String) -> FilePosition {
    let before = text.prefix(offset)
    let line = before.split(separator: "\n", omittingEmptySubsequences: false)
    return FilePosition(line: max(1, line.count), column: (line.last?.unicodeScalars.count ?? 0) + 1)
}

/// One run over one file.
struct Loader {
    static let keys = [
        "roles", "xtr-id", "site-id", "instances", "site-interfaces", "when-down", "locators", "locator-sets",
        "database", "map-resolvers", "map-servers", "etr", "proxy-etrs", "map-cache", "map-requests", "rloc-probing",
        "echo-nonce", "locator-status-bits", "proxy-itr", "proxy-etr", "map-server", "map-resolver", "limits",
        "data-plane", "management", "snmp", "flow-monitors", "ike-monitor",
    ]

    let findings: Findings
    let file: String
    let isWorldReadable: Bool

    /// Reads every section, then checks what must hold between them.
    func load(_ root: ConfigurationMapping) -> RouterConfiguration {
        var result = RouterConfiguration()
        if let roles = self.roles(root) { result.roles = roles }
        identity(root, &result)
        result.instances = instances(root)
        result.locatorSets = locatorSets(root)
        database(root, &result)
        result.mapResolvers = mapResolvers(root)
        result.mapServers = mapServers(root)
        proxyITR(root, &result)
        proxyETR(root, &result)
        proxyETRs(root, &result)
        mapCache(root, &result)
        mapRequests(root, &result)
        rlocProbing(root, &result)
        headerHints(root, &result)
        acceptMapData(root, &result)
        mapServerRole(root, &result)
        mapResolverRole(root, &result)
        messageLimits(root, &result)
        dataPlane(root, &result)
        management(root, &result)
        snmp(root, &result)
        laterFeatures(root)
        requiredByRoles(root, result)
        return result
    }

    private func roles(_ root: ConfigurationMapping) -> Set<RouterRole>? {
        let expected = "a list of roles, any of " + RouterRole.allCases.map(\.rawValue).joined(separator: ", ")
        guard let members = root.required("roles", "at the top of the file")?.list(expected) else { return nil }
        var roles: Set<RouterRole> = []
        for member in members {
            guard let role = member.choice(RouterRole.self) else { continue }
            if !roles.insert(role).inserted {
                member.report(found: "role \(role.rawValue) a second time", expected: "each role once")
            }
        }
        return roles
    }

    private func identity(_ root: ConfigurationMapping, _ result: inout RouterConfiguration) {
        let expected = "auto or 32 hexadecimal digits"
        if let node = root["xtr-id"], let text = node.text(expected), text != "auto" {
            let digits = text.hasPrefix("0x") ? text.dropFirst(2) : text[...]
            if digits.utf8.count == 32, digits.first != "+", let value = UInt128(digits, radix: 16) {
                result.xtrID = .fixed(XTRID(rawValue: value))
            } else {
                node.report(expected: expected)
            }
        }
        if let value = root["site-id"]?.integer(0...UInt64.max) { result.siteID = SiteID(rawValue: value) }
        if let value = root["when-down"]?.choice(WhenDown.self) { result.whenDown = value }
    }

    private func mapCache(_ root: ConfigurationMapping, _ result: inout RouterConfiguration) {
        guard let section = root["map-cache"]?.mapping(["limit", "negative-limit", "static"]) else { return }
        if let limit = section["limit"]?.integer(1...10_000_000) { result.mapCache.limit = limit }
        result.mapCache.negativeLimit = max(1, result.mapCache.limit / 10)
        if let limit = section["negative-limit"]?.integer(1...result.mapCache.limit) {
            result.mapCache.negativeLimit = limit
        }
        staticMappings(section, &result)
    }

    private func mapRequests(_ root: ConfigurationMapping, _ result: inout RouterConfiguration) {
        let keys = ["total", "per-source", "negative-total", "negative-per-source"]
        guard let section = root["map-requests"]?.mapping(keys) else { return }
        func read(_ key: String, _ limit: inout MapRequestsConfiguration.Limit) {
            guard let pair = section[key]?.mapping(["rate", "burst"], "a limit such as {rate: 200, burst: 2000}")
            else { return }
            if let rate = pair["rate"]?.integer(1...1_000_000) { limit.rate = rate }
            if let burst = pair["burst"]?.integer(1...1_000_000) { limit.burst = burst }
        }
        read("total", &result.mapRequests.total)
        read("per-source", &result.mapRequests.perSource)
        read("negative-total", &result.mapRequests.negativeTotal)
        read("negative-per-source", &result.mapRequests.negativePerSource)
    }

    private func rlocProbing(_ root: ConfigurationMapping, _ result: inout RouterConfiguration) {
        let keys = ["enabled", "interval", "retries", "retry-interval"]
        guard let section = root["rloc-probing"]?.mapping(keys) else { return }
        if let value = section["enabled"]?.bool() { result.rlocProbing.isEnabled = value }
        if let value = section["interval"]?.seconds(1...86400) { result.rlocProbing.intervalSeconds = value }
        if let value = section["retries"]?.integer(0...100) { result.rlocProbing.retries = value }
        if let value = section["retry-interval"]?.seconds(1...3600) { result.rlocProbing.retryIntervalSeconds = value }
    }

    /// What packets may say in the LISP header.
    private func headerHints(_ root: ConfigurationMapping, _ result: inout RouterConfiguration) {
        result.echoNonce = hint(root, "echo-nonce", result.roles)
        result.locatorStatusBits = hint(root, "locator-status-bits", result.roles)
        if result.locatorStatusBits, result.mapServers.contains(where: \.merge) {
            findings.warn(
                root.mark(of: "locator-status-bits"),
                "with `merge: true` locator-status-bits are right only if the locators of all ETRs of the site are configured here"
            )
        }
    }

    /// Whether a hint is switched on. It works between routers that are ITR and ETR at once, and anybody could forge it.
    private func hint(_ root: ConfigurationMapping, _ key: String, _ roles: Set<RouterRole>) -> Bool {
        guard root[key]?.mapping(["enabled"])?["enabled"]?.bool() == true else { return false }
        let mark = root.mark(of: key)
        guard roles.isSuperset(of: [.itr, .etr]) else {
            findings.warn(mark, "`\(key)` has no effect without roles itr and etr")
            return true
        }
        findings.warn(
            mark,
            "`\(key)` believes what packets say, which must not be done across the public Internet (RFC 9300)"
        )
        return true
    }

    private func dataPlane(_ root: ConfigurationMapping, _ result: inout RouterConfiguration) {
        let keys = ["workers", "cpus", "offload", "udp-checksum", "source-rloc-check"]
        guard let section = root["data-plane"]?.mapping(keys) else { return }
        if let node = section["workers"] {
            if case .scalar(let scalar) = node.node, scalar.string == "auto" {
                result.dataPlane.workers = .automatic
            } else if let count = node.integer(1...64, or: "auto") {
                result.dataPlane.workers = .count(count)
            }
        }
        if let node = section["cpus"] { result.dataPlane.cpus = cpus(node) }
        if let node = section["offload"] { result.dataPlane.withoutOffloads = withoutOffloads(node) }
        if let value = section["udp-checksum"]?.choice(DataPlaneConfiguration.UDPChecksum.self) {
            result.dataPlane.udpChecksum = value
        }
        refuseUnlessOff(section, "source-rloc-check", ["off", "on"])
    }

    /// Members such as `2` and `4-7`.
    private func cpus(_ node: ConfigurationNode) -> [Int] {
        let expected = "a processor's number or a range such as 4-7"
        var cpus: [Int] = []
        for member in node.list("a list of processors, such as [0, 2, 4-7]") ?? [] {
            guard let text = member.text(expected) else { continue }
            let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { end in
                end.utf8.allSatisfy { (48...57).contains($0) } ? Int(end) : nil
            }
            guard ends.count <= 2, let first = ends.first ?? nil, let last = ends.last ?? nil, first <= last,
                last <= DataPlaneConfiguration.largestCPU
            else {
                member.report(expected: expected)
                continue
            }
            for cpu in first...last {
                if cpus.contains(cpu) {
                    member.report(found: "processor \(cpu) a second time", expected: "each processor once")
                    break
                }
                cpus.append(cpu)
            }
        }
        return cpus
    }

    /// `auto`, `off`, or a mapping of single ones to either.
    private func withoutOffloads(_ node: ConfigurationNode) -> Set<DataPlaneConfiguration.Offload> {
        if node.isWord("auto") { return [] }
        if node.isWord("off") { return DataPlaneConfiguration.Offload.trains }
        let names = DataPlaneConfiguration.Offload.allCases.map(\.rawValue)
        guard let section = node.mapping(names, "auto, off, or a mapping such as {udp-gro: off}") else { return [] }
        return Set(
            DataPlaneConfiguration.Offload.allCases.filter { offload in
                section[offload.rawValue]?.choice([("auto", false), ("off", true)]) ?? false
            }
        )
    }

    private func management(_ root: ConfigurationMapping, _ result: inout RouterConfiguration) {
        guard let section = root["management"]?.mapping(["socket", "http"]) else { return }
        // sockaddr_un holds 107 octets and a NUL; the daemon needs room for a suffix.
        if let path = section["socket"]?.path("the path of a UNIX socket", length: 100) {
            result.management.socket = path
        }
        result.management.http = section["http"]?.listener()
    }

    /// Refuses a switch of the form `off | ...` that is anything but off.
    func refuseUnlessOff(_ section: ConfigurationMapping, _ key: String, _ choices: [String]) {
        guard let value = section[key]?.choice(choices.map { (name: $0, value: $0) }), value != "off" else { return }
        section.refuseNotSupported(key, value)
    }
}
