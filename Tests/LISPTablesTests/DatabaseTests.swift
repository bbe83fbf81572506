import LISPTables
import LISPWire
import Testing

@Suite struct `The database` {
    @Test func `keeps locators in ascending order, IPv4 first`() {
        let addresses = ["2001:db8::2", "198.51.100.9", "2001:db8::1", "198.51.100.1"].map { IPAddress($0)! }
        let mapping = DatabaseMapping(
            eid: EIDPrefix(IPPrefix("10.1.0.0/16")!),
            ttlMinutes: 60,
            locators: addresses.map { DatabaseLocator(address: $0, priority: 1, weight: 50, isLocal: true) }
        )
        let order = ["198.51.100.1", "198.51.100.9", "2001:db8::1", "2001:db8::2"]
        #expect(mapping.locators.map(\.address.description) == order)
        #expect(mapping.record().locators.map(\.address.ipAddress?.description) == order)
    }

    @Test func `keeps instances apart`() {
        let prefix = IPPrefix("10.1.0.0/16")!
        let red = InstanceID(rawValue: 101)!
        let database = Database([
            DatabaseMapping(eid: EIDPrefix(instanceID: red, prefix), ttlMinutes: 60, locators: [])
        ])
        #expect(database.answer(to: EIDPrefix(prefix)).isEmpty)
        #expect(database.answer(to: EIDPrefix(instanceID: red, prefix)).count == 1)
    }
}
