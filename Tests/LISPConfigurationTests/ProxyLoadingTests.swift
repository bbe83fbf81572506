// Proxies in the configuration file.

import LISPConfiguration
import LISPWire
import Testing

@Suite struct ProxyLoadingTests {
    private static let proxy = """
        roles: [proxy-itr, proxy-etr]
        instances: [{id: 0}, {id: 101, namespace: red}]
        locators: [{interface: eth0}]
        map-resolvers: [192.0.2.53]
        proxy-itr: {eid-space: [10.0.0.0/8, {prefix: 10.0.0.0/8, instance-id: 101}]}
        proxy-etr: {accept-sources: [10.0.0.0/8, "2001:db8::/32"]}
        proxy-etrs: [{address: 192.0.2.9}, {address: "2001:db8:f::9", priority: 2, weight: 50}]
        map-cache: {static: [{eid: 10.9.0.0/16, locators: [{address: 192.0.2.7}]}, {eid: 10.8.0.0/16, action: drop}]}
        """

    private static func load(_ yaml: String) throws -> RouterConfiguration {
        try RouterConfiguration(yaml: yaml, file: "f")
    }

    /// The lines with which the file is refused after `old` in it has become `new`.
    private static func refusal(_ old: String, _ new: String) -> [String] {
        do {
            _ = try RouterConfiguration(yaml: proxy.replacing(old, with: new), file: "f")
            return []
        } catch {
            return error.issues.map(\.description)
        }
    }

    @Test func `everything of proxies is read, with its defaults, and written out again`() throws {
        let configuration = try Self.load(Self.proxy)
        #expect(configuration.warnings.isEmpty)
        #expect(configuration.isTunnelRouter)
        let ten = try #require(IPPrefix("10.0.0.0/8"))
        let red = try #require(InstanceID(rawValue: 101))
        #expect(configuration.proxyITR?.eidSpace == [EIDPrefix(ten), EIDPrefix(instanceID: red, ten)])
        #expect(configuration.proxyETR?.acceptSources.count == 2)
        #expect(configuration.proxyETRs.map(\.priority) == [1, 2])
        #expect(configuration.proxyETRs.map(\.weight) == [100, 50])
        #expect(configuration.mapCache.staticMappings.map(\.eidPrefix.description) == ["10.9.0.0/16", "10.8.0.0/16"])
        #expect(configuration.mapCache.staticMappings.last?.use == .action(.drop))
        var again = try Self.load(configuration.yaml)
        // It spells out keys that these roles do not look at.
        again.warnings = []
        #expect(again == configuration)
    }

    @Test func `what a proxy cannot do without is asked for`() {
        #expect(
            Self.refusal("map-resolvers: [192.0.2.53]", "site-id: 0")
                == ["f:1:1: found no `map-resolvers`, expected it with role proxy-itr (or role map-resolver beside it)"]
        )
        #expect(
            Self.refusal("accept-sources: [10.0.0.0/8, \"2001:db8::/32\"]", "")
                == ["f:6:12: found no `accept-sources`, expected it here"]
        )
    }

    @Test func `a Proxy-ITR for everything is refused: it would attract the packets that it sends`() {
        #expect(
            Self.refusal("eid-space: [10.0.0.0/8,", "eid-space: [0.0.0.0/0,").first
                == "f:5:24: found EID-prefix 0.0.0.0/0, which is everything, expected prefixes of EIDs: "
                + "this host's own packets to RLOCs would be attracted, too"
        )
    }

    @Test func `instances that stand in one table cannot attract the same space`() {
        let line = Self.refusal("namespace: red", "").first
        #expect(
            line == "f:5:24: found [101] 10.0.0.0/8, which overlaps 10.0.0.0/8 in the same routing table, "
                + "expected a `namespace` for one of the two instances"
        )
    }

    @Test func `an open relay is allowed and warned of`() throws {
        let yaml = Self.proxy.replacing("accept-sources: [10.0.0.0/8,", with: "accept-sources: [0.0.0.0/0,")
        let configuration = try Self.load(yaml)
        #expect(configuration.warnings.count == 1)
        #expect(configuration.warnings.first?.contains("can send with any source through it") == true)
    }

    @Test func `a static mapping inside the own site is warned of`() throws {
        let yaml = """
            roles: [itr]
            locators: [{interface: eth0}]
            database: [{eid: 10.1.0.0/16}]
            map-resolvers: [192.0.2.53]
            map-cache: {static: [{eid: 10.1.5.0/24, action: drop}]}
            """
        let warnings = try Self.load(yaml).warnings
        #expect(warnings.count == 1)
        #expect(warnings.first?.contains("static mapping 10.1.5.0/24 lies inside") == true)
    }
}
