import AgentX
import LISPWire
import Testing

@testable import ManagedObjects

@Suite struct `Rows without a name` {
    private static let eid = EIDPrefix(IPPrefix("10.1.0.0/16")!)
    private static let locator = CachedLocator(preference: RandomModel.preference, state: .up, age: .zero, traffic: nil)

    private static func walk(_ module: MIBModule, _ root: OID) -> [OID] {
        let tree = MIBTree([module])
        var found: [OID] = []
        var range = SearchRange(root)
        while let next = tree.next(range), next.name.hasPrefix(root) {
            found.append(next.name)
            range.start = next.name
        }
        return found
    }

    @Test func `of an address that is too long are left out where it is, and counted`() {
        var router = RandomModel(seed: 1, size: 0)
        router.cache[Self.eid] = [
            (.distinguishedName(Array(repeating: 65, count: 60)), Self.locator),
            (.ip(IPAddress("192.0.2.1")!), Self.locator),
        ]
        let omitted = OmittedRows()
        let column = LISPMIB.root + [1, 7, 1, 3]
        #expect(Self.walk(LISPMIB(router.model, omitted: omitted).module(), column).count == 1)
        #expect(Array(omitted.counts.keys) == [.addressTooLong])
        let draft = LISPDraftMIB(router.model, omitted: omitted).module()
        let before = omitted.counts
        #expect(Self.walk(draft, LISPDraftMIB.defaultRoot + [5, 1, 5]).count == 2)
        #expect(omitted.counts == before)
    }

    @Test func `of more than 128 numbers are left out, and counted`() {
        var router = RandomModel(seed: 1, size: 0)
        // With 98 octets it would just fit.
        let name = Array(repeating: UInt8(65), count: 99)
        router.cache[Self.eid] = [
            (.distinguishedName(name), Self.locator), (.ip(IPAddress("192.0.2.1")!), Self.locator),
        ]
        let omitted = OmittedRows()
        let found = Self.walk(
            LISPDraftMIB(router.model, omitted: omitted).module(),
            LISPDraftMIB.defaultRoot + [5, 1, 5]
        )
        #expect(found.count == 1)
        #expect(Array(omitted.counts.keys) == [.nameTooLong])
    }

    @Test func `of sites with a long name are left out of the draft's tables, and counted`() {
        var router = RandomModel(seed: 1, size: 0)
        router.sites = [
            "short": [Self.eid: []], String(repeating: "l", count: 64): [EIDPrefix(IPPrefix("10.2.0.0/16")!): []],
        ]
        let omitted = OmittedRows()
        let draft = LISPDraftMIB(router.model, omitted: omitted).module()
        #expect(Self.walk(draft, LISPDraftMIB.defaultRoot + [6, 1, 4]).count == 1)
        #expect(Array(omitted.counts.keys) == [.siteNameTooLong])
        #expect(Self.walk(LISPMIB(router.model, omitted: omitted).module(), LISPMIB.root + [1, 9, 1, 5]).count == 2)
    }

    @Test func `of two with one address the first counts`() {
        var router = RandomModel(seed: 1, size: 0)
        var second = Self.locator
        second.preference.priority = 200
        router.cache[Self.eid] = [Self.locator, second].map { (.ip(IPAddress("192.0.2.1")!), $0) }
        let omitted = OmittedRows()
        let module = LISPMIB(router.model, omitted: omitted).module()
        let found = Self.walk(module, LISPMIB.root + [1, 7, 1, 3])
        #expect(found.count == 1)
        #expect(MIBTree([module]).get(found[0]) == .integer(1))
        #expect(Array(omitted.counts.keys) == [.sameAddress])
    }

    /// However many entries without locators stand in a row.
    @Test func `of entries without locators do not end a walk, and none is looked for too long at a time`() {
        var router = RandomModel(seed: 1, size: 0)
        for number in 0..<500 as Range<UInt32> {
            router.cache[EIDPrefix(IPPrefix(host: .v4(IPv4Address(0x0a00_0000 + number))))] = []
        }
        router.cache[EIDPrefix(IPPrefix("11.0.0.0/8")!)] = [(.ip(IPAddress("192.0.2.1")!), Self.locator)]
        var asked = 0
        var model = router.model
        let table = model.mapCacheLocators
        model.mapCacheLocators = EIDTable(at: table.at) { key in
            asked += 1
            return table.after(key)
        }
        let rows = LocatorRows(table: model.mapCacheLocators, room: LISPMIB(model, omitted: OmittedRows()).room)
            .source()
        var position: OID?
        var steps = 0
        while let next = rows.next(after: position) {
            #expect(position.map { $0 < next.index } ?? true)
            #expect(asked <= LocatorRows<CachedLocator>.patience + 1)
            asked = 0
            steps += 1
            position = next.index
        }
        #expect(steps >= 500 / 33)
        #expect(Self.walk(LISPMIB(model, omitted: OmittedRows()).module(), LISPMIB.root + [1, 7, 1, 3]).count == 1)
    }
}
