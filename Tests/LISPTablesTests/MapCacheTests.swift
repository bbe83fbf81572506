// The map-cache as a table: what a walk of it sees.

import ForwardingInterface
import LISPTables
import LISPWire
import Testing

@Suite struct `The map-cache` {
    private static func eid(_ text: String, _ instance: UInt32 = 0) -> EIDPrefix {
        EIDPrefix(instanceID: InstanceID(rawValue: instance)!, IPPrefix(text)!)
    }

    private static func entry(_ eid: EIDPrefix) -> MapCacheEntry {
        MapCacheEntry(
            eid: eid,
            mapping: MappingID(rawValue: 1),
            locatorSet: LocatorSetID(rawValue: 1),
            action: .noAction,
            locators: [],
            mapVersion: 0,
            isAuthoritative: true,
            source: IPAddress("198.51.100.2")!,
            installed: .zero,
            refreshed: .zero,
            expires: .zero + .seconds(60),
            refreshDue: .zero + .seconds(54),
            packetsAtRefreshCheck: nil
        )
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
            cache.put(Self.entry(Self.eid(text)))
        }
        cache.put(Self.entry(Self.eid("10.9.0.0/16", 7)))
        var found: [EIDPrefix] = []
        while let next = cache.first(after: found.last, within: Self.eid(scope, instance)) { found.append(next.eid) }
        #expect(found.map(\.prefix.description) == expected)
        // A key from before the scope starts at its beginning, one from behind finds nothing.
        let before = cache.first(after: Self.eid("0.0.0.0/0"), within: Self.eid("10.1.0.0/16"))
        #expect(before?.eid == Self.eid("10.1.0.0/16"))
        #expect(cache.first(after: Self.eid("10.2.0.0/16"), within: Self.eid("10.1.0.0/16")) == nil)
    }
}
