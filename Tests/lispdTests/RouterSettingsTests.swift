// From the operator's file to the settings of the roles.

import LISPConfiguration
import LISPControl
import LISPWire
import Testing

@testable import lispd

@Suite struct RouterSettingsTests {
    private static let rloc = IPAddress("198.51.100.1")!
    private static let xtr = """
        database: [{eid: 10.1.0.0/16}]
        locators: [{address: 198.51.100.1}]

        """

    private static func settings(_ yaml: String) throws -> RouterSettings {
        var host = ResolvedHost()
        host.rlocs = [rloc, IPAddress("2001:db8::1")!]
        host.families = [.ipv4, .ipv6]
        let configuration = try RouterConfiguration(yaml: yaml, file: "f")
        return RouterSettings(configuration, host: host, xtrID: XTRID(rawValue: 1))
    }

    @Test func `limits are those of the file, and where it says nothing those of the router`() throws {
        let usual = try Self.settings("roles: [map-resolver, map-server]\nmap-server: " + Self.sites)
        #expect(usual.limits == MessageLimits())
        let limits = "limits: {map-requests: none, failed-map-registers-per-source: 3, map-replies-per-rloc: 7}\n"
        let changed = try Self.settings("roles: [map-resolver, map-server]\nmap-server: " + Self.sites + limits)
        var expected = MessageLimits()
        expected.mapRequests = nil
        expected.failedMapRegistersPerSource = 3
        expected.mapRepliesPerRLOC = 7
        #expect(changed.limits == expected)
    }

    private static let sites =
        "{sites: [{name: a, keys: [{algorithm: hmac-sha-1-96, key: k}], eids: [{prefix: 10.1.0.0/16}]}]}\n"

    @Test func `an ITR without map-resolvers asks the Map-Resolver beside it`() throws {
        let resolver = "map-resolver: {map-servers: [{address: 192.0.2.54, eids: [10.0.0.0/8]}]}\n"
        let beside = try Self.settings("roles: [itr, map-resolver]\n" + Self.xtr + resolver)
        #expect(beside.itr?.mapResolvers == [Self.rloc])
        let other = "map-resolvers: [192.0.2.53]\n"
        let named = try Self.settings("roles: [itr, map-resolver]\n" + Self.xtr + resolver + other)
        #expect(named.itr?.mapResolvers.map(\.description) == ["192.0.2.53"])
    }

    @Test func `a Map-Resolver gets its Map-Servers by instance, and knows whether one is beside it`() throws {
        let alone = try Self.settings(
            """
            roles: [map-resolver]
            map-resolver:
              map-servers:
                - {address: 192.0.2.54, eids: [10.0.0.0/8]}
                - {address: 192.0.2.55, eids: [10.0.0.0/8], instance-id: 7}
            """
        )
        let resolver = try #require(alone.mapResolver)
        #expect(!resolver.hasLocalMapServer)
        #expect(resolver.mapServers.map(\.address.description) == ["192.0.2.54", "192.0.2.55"])
        #expect(resolver.mapServers.flatMap(\.eids).map(\.description) == ["10.0.0.0/8", "[7] 10.0.0.0/8"])
        let both = try Self.settings(
            """
            roles: [map-resolver, map-server]
            map-server: {sites: [{name: a, keys: [{algorithm: hmac-sha-1-96, key: k}], eids: [{prefix: 10.1.0.0/16}]}]}
            """
        )
        #expect(both.mapResolver?.hasLocalMapServer == true)
    }

    @Test(arguments: [("off", MapDataPolicy.off), ("verify", .verify), ("on", .on)])
    func `the ITR is told what to do with map data`(text: String, policy: MapDataPolicy) throws {
        let servers = "map-servers: [{address: 192.0.2.53, keys: [{algorithm: hmac-sha-1-96, key: k}]}]\n"
        let rest = "map-resolvers: [192.0.2.53]\netr: {accept-map-data: \(text)}\n"
        #expect(try Self.settings("roles: [itr, etr]\n" + Self.xtr + servers + rest).itr?.acceptMapData == policy)
    }
}
