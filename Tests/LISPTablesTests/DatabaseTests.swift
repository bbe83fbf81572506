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
        #expect(database.answer(to: EIDPrefix(prefix), limit: 255).isEmpty)
        #expect(database.answer(to: EIDPrefix(instanceID: red, prefix), limit: 255).count == 1)
    }

    @Test func `answers for a part of a mapping that has too many more-specifics to tell them all`() throws {
        func mapping(_ prefix: String) -> DatabaseMapping {
            DatabaseMapping(eid: EIDPrefix(IPPrefix(prefix)!), ttlMinutes: 60, locators: [])
        }
        let database = Database([mapping("10.1.0.0/16")] + (0..<8).map { mapping("10.1.\($0).0/24") })
        let asked = EIDPrefix(IPPrefix("10.1.9.9/32")!)
        #expect(database.answer(to: asked, limit: 9).count == 9)
        #expect(database.answer(to: asked, limit: 8).map(\.eid.description) == ["10.1.8.0/21"])
        let inside = EIDPrefix(IPPrefix("10.1.7.0/25")!)
        #expect(database.answer(to: inside, limit: 8).map(\.eid.description) == ["10.1.7.0/24"])
        #expect(database.answer(to: EIDPrefix(IPPrefix("0.0.0.0/0")!), limit: 8).count == 8)
    }
}
