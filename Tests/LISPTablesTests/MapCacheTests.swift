// The map-cache as a table: against a plain dictionary, what a walk of it sees, what entries share.

import ForwardingInterface
import LISPWire
import Testing

@testable import LISPTables

@Suite struct `The map-cache` {
    private static func eid(_ text: String, _ instance: UInt32 = 0) -> EIDPrefix {
        EIDPrefix(instanceID: InstanceID(rawValue: instance)!, IPPrefix(text)!)
    }

    private static func put(_ eid: EIDPrefix, in cache: inout MapCache) {
        let content = MappingContent(
            action: .noAction,
            mapVersion: 0,
            isAuthoritative: true,
            source: IPAddress("198.51.100.2")!,
            locators: []
        )
        let replaced = cache.put(
            eid,
            mapping: MappingID(rawValue: 1),
            content: cache.hold(content).handle,
            now: .zero,
            expires: .zero + .seconds(60),
            refreshDue: nil
        )
        #expect(replaced?.entry.eid == nil)
    }

    @Test(arguments: [
        ("0.0.0.0/0", 0, ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.2.0.0/16"]),
        ("10.1.0.0/16", 0, ["10.1.0.0/16", "10.1.2.0/24"]),
        ("10.1.0.0/20", 0, ["10.1.2.0/24"]),
        ("11.0.0.0/8", 0, []),
        ("::/0", 0, ["2001:db8::/32"]),
        ("0.0.0.0/0", 7, ["10.9.0.0/16"]),
        ("0.0.0.0/0", 8, []),
    ])
    func `walks what a prefix covers and nothing else, in order and from any point`(
        scope: String,
        instance: UInt32,
        expected: [String]
    ) {
        var cache = MapCache(limit: 100)
        for text in ["10.2.0.0/16", "10.1.2.0/24", "0.0.0.0/0", "10.0.0.0/8", "2001:db8::/32", "10.1.0.0/16"] {
            Self.put(Self.eid(text), in: &cache)
        }
        Self.put(Self.eid("10.9.0.0/16", 7), in: &cache)
        var found: [EIDPrefix] = []
        while let next = cache.first(after: found.last, within: Self.eid(scope, instance)) { found.append(next.eid) }
        #expect(found.map(\.prefix.description) == expected)
        // A key from before the scope starts at its beginning, one from behind finds nothing.
        let before = cache.first(after: Self.eid("0.0.0.0/0"), within: Self.eid("10.1.0.0/16"))
        #expect(before?.eid == Self.eid("10.1.0.0/16"))
        #expect(cache.first(after: Self.eid("10.2.0.0/16"), within: Self.eid("10.1.0.0/16")) == nil)
    }

    /// An entry as a plain dictionary has it.
    private struct Model {
        var mapping: MappingID
        var content: MappingContent
        var installed: Instant
        var expires: Instant
        var refreshDue: Instant?
    }

    private static func content(_ number: Int) -> MappingContent {
        let locators = (0..<number % 3).map { index in
            LocatorRecord(
                priority: UInt8(number),
                weight: 1,
                address: .ip(.v4(IPv4Address(0xc633_6400 + UInt32(index))))
            )
        }
        return MappingContent(
            action: .nativelyForward,
            mapVersion: UInt16(number),
            isAuthoritative: true,
            source: IPAddress("198.51.100.2")!,
            locators: locators
        )
    }

    @Test func `agrees with a dictionary, while entries come, change, go and end`() {
        var generator = SeededGenerator.printed("MapCache")
        var cache = MapCache(limit: 1000)
        var model: [EIDPrefix: Model] = [:]
        var sets: [MappingContent: LocatorSetID] = [:]
        var now = Instant.zero
        for step in 0..<8000 {
            now = now + .seconds(1)
            let eid = randomPrefix(&generator)
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<6:
                let content = Self.content(Int.random(in: 0..<12, using: &generator))
                let life = Duration.seconds(Int.random(in: 1...600, using: &generator))
                let due = content.locators.isEmpty ? nil : now + life * 9 / 10
                let held = cache.hold(content)
                #expect(held.isNew == (sets[content] == nil))
                if let known = sets[content] { #expect(held.locatorSet == known) }
                #expect(!sets.contains { $0.key != content && $0.value == held.locatorSet })
                sets[content] = held.locatorSet
                let mapping = model[eid]?.mapping ?? MappingID(rawValue: UInt32(step))
                let old = cache.put(
                    eid,
                    mapping: mapping,
                    content: held.handle,
                    now: now,
                    expires: now + life,
                    refreshDue: due
                )
                #expect(old?.entry.content == model[eid]?.content)
                let installed = model[eid]?.installed ?? now
                let before = model[eid]?.content
                model[eid] = Model(
                    mapping: mapping,
                    content: content,
                    installed: installed,
                    expires: now + life,
                    refreshDue: due
                )
                if let before { Self.checkLast(old, before, model, &sets) }
            case 6:
                let old = cache.remove(eid)
                #expect(old?.entry.content == model[eid]?.content)
                if let gone = model.removeValue(forKey: eid) { Self.checkLast(old, gone.content, model, &sets) }
            case 7:
                while let entry = cache.popRefresh(now) {
                    #expect(model[entry.eid]?.refreshDue.map { $0 <= now } == true)
                    let again = now + .seconds(50)
                    cache.refreshConsidered(entry.eid, packetsSent: 9, again: again)
                    model[entry.eid]?.refreshDue = again
                    #expect(cache[entry.eid]?.packetsAtRefreshCheck == 9)
                }
            default:
                if Int.random(in: 0..<4, using: &generator) > 0 { break }
                var last = Instant(nanoseconds: .min)
                while let gone = cache.popExpired(now) {
                    let eid = gone.entry.eid
                    #expect(gone.entry.expires >= last)
                    last = gone.entry.expires
                    #expect(model[eid]?.expires == gone.entry.expires)
                    guard let content = model.removeValue(forKey: eid)?.content else { break }
                    Self.checkLast(gone, content, model, &sets)
                }
                #expect(!model.values.contains { $0.expires <= now })
            }
            #expect(cache.count == model.count)
            #expect(cache.contentCount == sets.count)
            if step % 9 == 0 { Self.compare(cache, model, &generator) }
        }
    }

    /// The last user of a content takes it along.
    private static func checkLast(
        _ removed: MapCache.Removed?,
        _ content: MappingContent,
        _ model: [EIDPrefix: Model],
        _ sets: inout [MappingContent: LocatorSetID]
    ) {
        let isLast = !model.values.contains { $0.content == content }
        #expect(removed?.wasLastOfContent == isLast)
        if isLast { sets[content] = nil }
    }

    private static func compare(_ cache: MapCache, _ model: [EIDPrefix: Model], _ generator: inout SeededGenerator) {
        let key = randomPrefix(&generator)
        let entry = cache[key]
        #expect(entry?.content == model[key]?.content)
        #expect(entry?.mapping == model[key]?.mapping)
        #expect(entry?.installed == model[key]?.installed)
        #expect(entry?.expires == model[key]?.expires)
        let eid = EID(instanceID: key.instanceID, key.prefix.address)
        let host = EIDPrefix(instanceID: key.instanceID, IPPrefix(host: key.prefix.address))
        let longest = model.keys.filter { $0.covers(host) }.max { $0.prefix.length < $1.prefix.length }
        #expect(cache.longestMatch(eid)?.eid == longest)
        #expect(cache.first(after: key)?.eid == model.keys.filter { $0 > key }.min())
        #expect(
            cache.first(after: key, .byFamily)?.eid
                == model.keys.filter { PrefixOrder.byFamily.precedes(key, $0) }
                .min { PrefixOrder.byFamily.precedes($0, $1) }
        )
        #expect(cache.oldest.flatMap { model[$0]?.expires } == model.values.map(\.expires).min())
        let deadlines = model.values.flatMap { [$0.expires, $0.refreshDue].compactMap(\.self) }
        #expect(cache.deadline == deadlines.min())
        for (table, count) in cache.counts { #expect(count == model.keys.count { EIDTableKey($0) == table }) }
        let negative = model.filter { $0.value.content.locators.isEmpty }
        #expect(cache.negativeCounts.values.reduce(0, +) == negative.count)
        for (table, count) in cache.negativeCounts {
            #expect(count == negative.keys.count { EIDTableKey($0) == table })
        }
    }

    @Test func `tells how often each locator went in or out, whatever its content went through before`() {
        var cache = MapCache(limit: 10)
        var content = Self.content(2)
        content.locators[1].isReachable = false
        let up = LocatorID(rawValue: 1)
        func put(_ text: String, _ content: MappingContent, at seconds: Int64) {
            let handle = cache.hold(content).handle
            _ = cache.put(
                Self.eid(text),
                mapping: MappingID(rawValue: 1),
                content: handle,
                now: .zero + .seconds(seconds),
                expires: .zero + .seconds(1000),
                refreshDue: nil
            )
        }
        func locators(_ text: String) -> [[Int64]] {
            (cache[Self.eid(text)]?.locators ?? []).map {
                [$0.since.nanoseconds / 1_000_000_000, Int64($0.stateChanges)]
            }
        }
        put("10.1.0.0/16", content, at: 1)
        guard let next = cache.nextContent(after: nil) else {
            Issue.record("no content")
            return
        }
        cache.setLocators([up, nil], of: next.handle)
        #expect(locators("10.1.0.0/16") == [[1, 0], [1, 0]])
        // Both users see a change of the content itself.
        put("10.2.0.0/16", content, at: 2)
        cache.changeLocators([nil, nil], of: next.handle, now: .zero + .seconds(3))
        #expect(locators("10.1.0.0/16") == [[3, 1], [1, 0]])
        #expect(locators("10.2.0.0/16") == [[3, 1], [2, 0]])
        // Who comes after it does not.
        put("10.3.0.0/16", content, at: 4)
        #expect(locators("10.3.0.0/16") == [[4, 0], [4, 0]])
        cache.changeLocators([up, nil], of: next.handle, now: .zero + .seconds(5))
        #expect(locators("10.1.0.0/16") == [[5, 2], [1, 0]])
        #expect(locators("10.3.0.0/16") == [[5, 1], [4, 0]])
        // A refresh with the same content changes nothing; one with another content goes on counting.
        put("10.3.0.0/16", content, at: 6)
        #expect(locators("10.3.0.0/16") == [[5, 1], [4, 0]])
        content.locators[0].weight = 7
        put("10.3.0.0/16", content, at: 7)
        #expect(locators("10.3.0.0/16") == [[7, 2], [4, 0]])
    }

    @Test func `tells when each locator came and when its priorities and weights last changed`() {
        var cache = MapCache(limit: 10)
        func put(_ content: MappingContent, at seconds: Int64) {
            _ = cache.put(
                Self.eid("10.1.0.0/16"),
                mapping: MappingID(rawValue: 1),
                content: cache.hold(content).handle,
                now: .zero + .seconds(seconds),
                expires: .zero + .seconds(1000),
                refreshDue: nil
            )
        }
        func seconds(_ instant: Instant?) -> Int64? { instant.map { $0.nanoseconds / 1_000_000_000 } }
        func locators() -> [[Int64?]] {
            (cache[Self.eid("10.1.0.0/16")]?.locators ?? []).map { locator in
                let changes = locator.preferenceChanges
                return [
                    seconds(locator.learnt), seconds(changes.priority), seconds(changes.weight),
                    seconds(changes.multicastPriority), seconds(changes.multicastWeight),
                ]
            }
        }
        var content = Self.content(2)
        put(content, at: 1)
        #expect(locators() == [[1, nil, nil, nil, nil], [1, nil, nil, nil, nil]])
        content.locators[0].priority = 9
        content.locators[1].multicastWeight = 9
        put(content, at: 2)
        #expect(locators() == [[1, 2, nil, nil, nil], [1, nil, nil, nil, 2]])
        put(content, at: 3)
        content.locators[0].weight = 77
        content.locators[0].multicastPriority = 1
        put(content, at: 4)
        #expect(locators() == [[1, 2, 4, 4, nil], [1, nil, nil, nil, 2]])
        // Another RLOC has a past of its own.
        content.locators[1].address = .ip(IPAddress("203.0.113.77")!)
        put(content, at: 5)
        #expect(locators() == [[1, 2, 4, 4, nil], [5, nil, nil, nil, nil]])
    }
}
