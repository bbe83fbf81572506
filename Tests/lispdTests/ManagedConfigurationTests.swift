import LISPConfiguration
import LISPTables
import LISPWire
import ManagedObjects
import Testing

@testable import lispd

@Suite struct `Times of the configuration` {
    private static let eid = EIDPrefix(IPPrefix("10.1.0.0/16")!)
    private static let rloc = IPAddress("192.0.2.1")!
    private static let other = IPAddress("192.0.2.2")!

    private static func configuration(set: String = "default", instances: [UInt32] = [0]) -> RouterConfiguration {
        var configuration = RouterConfiguration()
        configuration.instances = instances.map { InstanceConfiguration(id: InstanceID(uncheckedRawValue: $0)) }
        configuration.database = [DatabaseEntryConfiguration(eidPrefix: eid, locatorSet: set, ttlMinutes: 60)]
        return configuration
    }

    private static func host(_ rlocs: [IPAddress]) -> ResolvedHost {
        var host = ResolvedHost()
        host.locators = rlocs.map {
            ResolvedLocator(address: $0, priority: 1, weight: 1, interface: "eth0", locatorSet: "default")
        }
        return host
    }

    private func at(_ seconds: Int64) -> Instant { .zero + .seconds(seconds) }

    @Test func `stay with what stays`() {
        var managed = ManagedConfiguration()
        managed.update(Self.configuration(), Self.host([Self.rloc]), now: at(1))
        managed.update(Self.configuration(instances: [0, 7]), Self.host([Self.rloc, Self.other]), now: at(2))
        #expect(managed.own[Self.eid]?.since == at(1))
        #expect(managed.own[Self.eid]?.setSince == at(1))
        #expect(managed.locators == [Self.rloc: at(1), Self.other: at(2)])
        #expect(managed.setLocators["default"] == [Self.rloc: at(1), Self.other: at(2)])
        #expect(managed.serviceSince[ServiceKey(.default, .ipv4)] == at(1))
        #expect(managed.serviceSince[ServiceKey(InstanceID(uncheckedRawValue: 7), .ipv6)] == at(2))
        #expect(managed.services == managed.services.sorted() && managed.services.count == 4)
        #expect(managed.ttlMinutes == [ServiceKey(.default, .ipv4): 60])
    }

    @Test func `begin anew for what went and came back, or has another set`() {
        var managed = ManagedConfiguration()
        managed.update(Self.configuration(), Self.host([Self.rloc]), now: at(1))
        managed.update(Self.configuration(set: "backup"), Self.host([]), now: at(2))
        managed.update(Self.configuration(set: "backup"), Self.host([Self.rloc]), now: at(3))
        #expect(managed.own[Self.eid]?.since == at(1))
        #expect(managed.own[Self.eid]?.setSince == at(2))
        #expect(managed.locators == [Self.rloc: at(3)])
    }
}
