import AgentX
import LISPWire
import Testing

@testable import ManagedObjects

/// Generated tables against lists that are searched from end to end.
@Suite struct `Walks` {
    /// The names that a table's column must have, made without any of the code under test but the form of addresses.
    private static func names(_ router: RandomModel) -> [OID] {
        var names: [[UInt32]] = []
        let root: [UInt32] = [1, 3, 6, 1, 2, 1, 220, 1]
        let draft: [UInt32] = [1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 6830]
        func part(_ octets: [UInt8]) -> [UInt32] {
            [UInt32(octets.count), UInt32(octets.count)] + octets.map(UInt32.init)
        }
        func fits(_ address: LISPAddress) -> Bool { (LispAddressType.octets(address)?.count ?? 99) <= 39 }
        func rloc(_ address: LISPAddress) -> [UInt32] { part(LispAddressType.octets(address) ?? []) }
        func add(_ name: [UInt32]) { if name.count <= 128 { names.append(name) } }
        for (eid, locators) in router.cache {
            let eid = part(LispAddressType.octets(eid))
            add(root + [6, 1, 3] + eid)
            add(draft + [4, 1, 3] + eid)
            for locator in locators.map(\.0) {
                if fits(locator) { add(root + [7, 1, 3] + eid + rloc(locator)) }
                if LispAddressType.octets(locator) != nil { add(draft + [5, 1, 5] + eid + rloc(locator)) }
            }
        }
        for (eid, locators) in router.own {
            let eid = part(LispAddressType.octets(eid))
            add(root + [4, 1, 3] + eid)
            for locator in locators.map(\.0) where fits(locator) { add(root + [5, 1, 10] + eid + rloc(locator)) }
        }
        for (site, eids) in router.sites {
            let site = [UInt32(site.utf8.count)] + site.utf8.map(UInt32.init)
            for (eid, etrs) in eids {
                let eid = part(LispAddressType.octets(eid))
                add(root + [9, 1, 3] + eid)
                add(draft + [6, 1, 4] + site + eid)
                for (sender, locators) in etrs {
                    add(root + [10, 1, 3] + eid + part(LispAddressType.octets(sender)))
                    for locator in locators where fits(locator) {
                        add(root + [11, 1, 3] + eid + part(LispAddressType.octets(sender)) + rloc(locator))
                    }
                }
                for locator in Set(etrs.flatMap(\.1)) { add(draft + [7, 1, 6] + site + eid + rloc(locator)) }
            }
        }
        return names.compactMap { OID($0) }.sorted()
    }

    /// Columns that `names` has.
    private static let columns: [OID] =
        [
            [6, 1, 3], [7, 1, 3], [4, 1, 3], [5, 1, 10], [9, 1, 3], [10, 1, 3], [11, 1, 3],
        ].map { LISPMIB.root + [1] + $0 }
        + [[4, 1, 3], [5, 1, 5], [6, 1, 4], [7, 1, 6]].map { LISPDraftMIB.defaultRoot + $0 }

    private static func tree(_ router: RandomModel) -> MIBTree {
        let omitted = OmittedRows()
        let model = router.model
        return MIBTree([LISPMIB(model, omitted: omitted).module(), LISPDraftMIB(model, omitted: omitted).module()])
    }

    private static func walk(_ tree: MIBTree) -> [VarBind] {
        var found: [VarBind] = []
        var range = SearchRange(OID())
        while let next = tree.next(range) {
            found.append(next)
            range.start = next.name
        }
        return found
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
    func `show every row once, in order`(seed: UInt64) {
        let router = RandomModel(seed: seed, size: 60)
        let tree = Self.tree(router)
        let found = Self.walk(tree)
        for (variable, next) in zip(found, found.dropFirst()) { #expect(variable.name < next.name) }
        for variable in found { #expect(tree.get(variable.name) == variable.value) }
        let names = found.map(\.name).filter { name in Self.columns.contains { name.hasPrefix($0) } }
        #expect(names == Self.names(router), "seed \(seed)")
    }

    /// From any place: names of rows with numbers changed, cut off and added.
    @Test(arguments: [11, 12, 13] as [UInt64])
    func `go on from any numbers`(seed: UInt64) {
        var router = RandomModel(seed: seed, size: 40)
        let tree = Self.tree(router)
        let all = Self.walk(tree)
        for _ in 0..<3000 {
            var numbers = all.randomElement(using: &router.generator)!.name.subidentifiers
            for _ in 0..<Int.random(in: 1...3, using: &router.generator) {
                let place = Int.random(in: 8..<numbers.count, using: &router.generator)
                switch Int.random(in: 0...5, using: &router.generator) {
                case 0: numbers[place] = numbers[place] &+ 1
                case 1: numbers[place] = numbers[place] == 0 ? 0 : numbers[place] - 1
                case 2: numbers[place] = [0, 1, 255, 256, .max].randomElement(using: &router.generator)!
                case 3: numbers.removeLast(numbers.count - place)
                case 4: numbers.append(UInt32.random(in: 0...300, using: &router.generator))
                default: numbers.insert(UInt32.random(in: 0...40, using: &router.generator), at: place)
                }
                if numbers.count < 10 { numbers += [1, 1] }
            }
            guard let start = OID(numbers.prefix(128)) else { continue }
            let expected = all.first { $0.name > start }
            #expect(tree.next(SearchRange(start)) == expected, "seed \(seed), after \(start)")
        }
    }
}
