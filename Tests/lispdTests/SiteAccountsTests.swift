import ForwardingInterface
import LISPConfiguration
import LISPWire
import Testing

@testable import lispd

@Suite struct `Accounts of the site` {
    private static func configuration(_ prefixes: [String], snmp: Bool) -> RouterConfiguration {
        var configuration = RouterConfiguration()
        configuration.roles = [.itr, .etr]
        configuration.database = prefixes.map {
            DatabaseEntryConfiguration(eidPrefix: EIDPrefix(IPPrefix($0)!), locatorSet: "default", ttlMinutes: 60)
        }
        if snmp { configuration.snmp = SNMPConfiguration(master: .path("/var/agentx/master")) }
        return configuration
    }

    @Test func `are kept for what is configured, and for the rest, while somebody looks`() {
        var accounts = SiteAccounts()
        let none = accounts.update(Self.configuration(["10.1.0.0/16"], snmp: false))
        #expect(none == [])
        let first = accounts.update(Self.configuration(["10.1.0.0/16"], snmp: true))
        #expect(first.count == 3)
        #expect(Set(accounts.ids.keys) == Set(["10.1.0.0/16", "0.0.0.0/0", "::/0"].map { EIDPrefix(IPPrefix($0)!) }))
        let kept = accounts.ids[EIDPrefix(IPPrefix("10.1.0.0/16")!)]
        let second = accounts.update(Self.configuration(["10.1.0.0/16", "10.2.0.0/16"], snmp: true))
        #expect(second.count == 1)
        #expect(accounts.ids[EIDPrefix(IPPrefix("10.1.0.0/16")!)] == kept)
        #expect(Set(accounts.ids.values).count == accounts.ids.count)
        let third = accounts.update(Self.configuration(["10.2.0.0/16"], snmp: true))
        #expect(third == [.deleteAccount(EIDPrefix(IPPrefix("10.1.0.0/16")!))])
        let last = accounts.update(Self.configuration(["10.2.0.0/16"], snmp: false))
        #expect(last.count == 3)
        #expect(accounts.ids.isEmpty)
    }
}
