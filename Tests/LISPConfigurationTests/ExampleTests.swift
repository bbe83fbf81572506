// The examples that ship with the project, and what is written out again.

import Foundation
import LISPConfiguration
import LISPWire
import Testing

private let examples = ["xtr", "map-server", "all-in-one", "proxy"]

private func path(ofExample name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("configs/\(name).yaml").path
}

@Suite struct ExampleTests {
    @Test(arguments: examples)
    func `every example loads`(name: String) throws {
        let configuration = try RouterConfiguration(
            yaml: String(contentsOfFile: path(ofExample: name), encoding: .utf8),
            file: name
        )
        #expect(configuration.warnings.isEmpty)
    }

    @Test func `every file in configs is an example`() throws {
        let directory = URL(fileURLWithPath: path(ofExample: "xtr")).deletingLastPathComponent().path
        let files = try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.hasSuffix(".yaml") }
        #expect(Set(files) == Set(examples.map { "\($0).yaml" }))
    }

    /// Written out and read back, a configuration asks for the same router.
    @Test(arguments: examples)
    func `what is written out can be read again`(name: String) throws {
        let text = try String(contentsOfFile: path(ofExample: name), encoding: .utf8)
        let configuration = try RouterConfiguration(yaml: text, file: name)
        let again = try RouterConfiguration(yaml: configuration.yaml, file: name)
        #expect(again.document == configuration.document)
        #expect(withoutSecrets(again) == withoutSecrets(configuration))
        let json = try JSONSerialization.jsonObject(with: Data(configuration.json.utf8))
        #expect(json is [String: Any])
        #expect(try RouterConfiguration(yaml: configuration.json, file: name).document == configuration.document)
    }

    private func withoutSecrets(_ configuration: RouterConfiguration) -> RouterConfiguration {
        func hide(_ key: KeyConfiguration) -> KeyConfiguration {
            KeyConfiguration(
                key: AuthenticationKey(id: key.key.id, algorithm: key.key.algorithm, secret: []),
                file: key.file
            )
        }
        var result = configuration
        result.warnings = []
        for index in result.mapServers.indices {
            result.mapServers[index].keys = result.mapServers[index].keys.map(hide)
        }
        if var mapServer = result.mapServer {
            for index in mapServer.sites.indices { mapServer.sites[index].keys = mapServer.sites[index].keys.map(hide) }
            result.mapServer = mapServer
        }
        return result
    }

    @Test(arguments: examples)
    func `no output shows a secret`(name: String) throws {
        let text = try String(contentsOfFile: path(ofExample: name), encoding: .utf8)
        let configuration = try RouterConfiguration(yaml: text, file: name)
        var dumped = ""
        dump(configuration, to: &dumped)
        for output in [
            configuration.yaml, configuration.json, "\(configuration)", String(reflecting: configuration), dumped,
        ] {
            #expect(!output.contains("change-this"))
        }
    }

    @Test func `the example of a router holds what it says`() throws {
        let text = try String(contentsOfFile: path(ofExample: "xtr"), encoding: .utf8)
        let configuration = try RouterConfiguration(yaml: text, file: "xtr.yaml")
        #expect(configuration.roles == [.itr, .etr])
        #expect(configuration.xtrID == .automatic)
        let locator = LocatorConfiguration(place: .interface("eth0"), priority: 1, weight: 100)
        #expect(configuration.locatorSets == [LocatorSetConfiguration(name: "default", locators: [locator])])
        #expect(configuration.database.map(\.eidPrefix.description) == ["10.1.0.0/16", "2001:db8:1::/48"])
        #expect(configuration.database.map(\.ttlMinutes) == [1440, 1440])
        #expect(configuration.mapResolvers.map(\.description) == ["192.0.2.53"])
        #expect(configuration.mapServers.first?.authenticationKeys.first?.secret == Array("change-this-secret".utf8))
        #expect(configuration.mapServer == nil)
        #expect(configuration.dataPlane.workers == .automatic)
        #expect(configuration.management.socket == "/run/lispd/lispd.sock")
    }

    @Test(arguments: ["off", "verify", "on"]) func `what is done with map data reads back`(policy: String) throws {
        let yaml = """
            roles: [itr, etr]
            locators: [{address: 192.0.2.1}]
            database: [{eid: 10.1.0.0/16}]
            map-resolvers: [192.0.2.53]
            map-servers: [{address: 192.0.2.53, keys: [{algorithm: hmac-sha-1-96, key: a}]}]
            etr: {accept-map-data: \(policy)}
            """
        let configuration = try RouterConfiguration(yaml: yaml, file: "f")
        #expect(configuration.acceptMapData.rawValue == policy)
        #expect(configuration.warnings.contains { $0.contains("accept-map-data: on") } == (policy == "on"))
        #expect(try RouterConfiguration(yaml: configuration.yaml, file: "f").acceptMapData.rawValue == policy)
    }

    @Test func `a Map-Resolver's Map-Servers keep their instances`() throws {
        let yaml = """
            roles: [map-resolver]
            map-resolver:
              map-servers:
                - {address: 192.0.2.54, eids: [10.0.0.0/8, "2001:db8::/32"]}
                - {address: 192.0.2.54, eids: [10.0.0.0/8], instance-id: 7}
            """
        let configuration = try RouterConfiguration(yaml: yaml, file: "f")
        let servers = try #require(configuration.mapResolver).mapServers
        #expect(servers.map(\.address.description) == ["192.0.2.54", "192.0.2.54"])
        #expect(servers.map { $0.eids.map(\.description) } == [["10.0.0.0/8", "2001:db8::/32"], ["[7] 10.0.0.0/8"]])
        let again = try RouterConfiguration(yaml: configuration.yaml, file: "f")
        #expect(again.mapResolver == configuration.mapResolver)
    }

    @Test func `writes out every default`() throws {
        let yaml = """
            roles: [itr, etr]
            locators: [{address: 192.0.2.1}]
            database: [{eid: 10.1.0.0/16}]
            map-resolvers: [192.0.2.53]
            map-servers: [{address: "2001:db8::53", keys: [{algorithm: hmac-sha-1-96, key: "se\\"cret"}]}]
            """
        let configuration = try RouterConfiguration(yaml: yaml, file: "f")
        #expect(
            configuration.yaml == """
                roles: [itr, etr]
                xtr-id: auto
                site-id: 0
                instances:
                  - {id: 0}
                when-down: unreachable
                locators:
                  - {address: 192.0.2.1, priority: 1, weight: 100}
                database:
                  - {eid: 10.1.0.0/16, instance-id: 0, locator-set: default, ttl: 1d}
                map-resolvers: [192.0.2.53]
                map-servers:
                  - address: "2001:db8::53"
                    keys:
                      - {id: 0, algorithm: hmac-sha-1-96, key: "<hidden>"}
                    proxy-reply: false
                    merge: false
                    want-map-notify: true
                etr:
                  accept-map-data: off
                map-cache:
                  limit: 100000
                  negative-limit: 10000
                map-requests:
                  total:
                    rate: 5000
                    burst: 20000
                  per-source:
                    rate: 200
                    burst: 2000
                  negative-total:
                    rate: 1000
                    burst: 5000
                  negative-per-source:
                    rate: 50
                    burst: 500
                rloc-probing:
                  enabled: true
                  interval: 1m
                  retries: 3
                  retry-interval: 1s
                echo-nonce:
                  enabled: false
                locator-status-bits:
                  enabled: false
                limits:
                  map-requests-per-source: 10000
                  map-requests: 100000
                  map-requests-per-etr: 1000
                  map-replies-per-rloc: 1000
                  negative-map-replies: 10000
                  failed-map-registers-per-source: 20
                  failed-map-registers: 10000
                  map-registers-per-site: 10000
                data-plane:
                  workers: auto
                  offload: auto
                  udp-checksum: compute
                management:
                  socket: /run/lispd/lispd.sock

                """
        )
    }
}
