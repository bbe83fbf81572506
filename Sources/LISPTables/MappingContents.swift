// What map-cache entries have in common. A site's entries, and often those of many sites behind one proxy, differ only in EID-prefix
// and times: the rest is kept once, and is one locator set in the forwarding state, too.

import ForwardingInterface
import LISPWire

/// What a Map-Reply says of an EID-prefix beside its TTL.
package struct MappingContent: Hashable, Sendable {
    /// What to do if `locators` is empty.
    package var action: MapReplyAction
    package var mapVersion: UInt16
    /// Whether the site itself answered, not a Map-Server for it.
    package var isAuthoritative: Bool
    /// Where the Map-Reply came from.
    package var source: IPAddress
    package var locators: [LocatorRecord]
    /// Whether the operator gave it: it stays until he takes it back, whatever the mapping system says.
    package var isStatic: Bool

    package init(
        action: MapReplyAction,
        mapVersion: UInt16 = 0,
        isAuthoritative: Bool = false,
        source: IPAddress,
        locators: [LocatorRecord],
        isStatic: Bool = false
    ) {
        self.action = action
        self.mapVersion = mapVersion
        self.isAuthoritative = isAuthoritative
        self.source = source
        self.locators = locators
        self.isStatic = isStatic
    }

    package init(_ record: EIDRecord, from source: IPAddress) {
        self.init(
            action: record.action,
            mapVersion: record.mapVersion,
            isAuthoritative: record.isAuthoritative,
            source: source,
            locators: record.locators
        )
    }
}

/// Contents with the number of their users. Those without any go.
struct MappingContents: Sendable {
    struct Item: Sendable {
        let content: MappingContent
        let locatorSet: LocatorSetID
        var users: Int
        /// Each locator in the forwarding state, or `nil` while it takes no part there.
        var locatorIDs: [LocatorID?]
        /// Since `locatorIDs` changed under its users, how often each did and when last. Empty before that.
        var turns: [LocatorHistory] = []
    }

    private var items = ChunkedArray<Item?>()
    private var freeIndexes = ChunkedArray<Int32>()
    private var indexes = ShardedDictionary<MappingContent, Int32>()
    private var nextSet: UInt32 = 1

    /// How many there are.
    var count: Int { indexes.count }

    /// - Precondition: somebody uses it.
    subscript(index: Int32) -> Item {
        get {
            guard let item = items[Int(index)] else { preconditionFailure("a content in use") }
            return item
        }
        set { items[Int(index)] = newValue }
    }

    /// One more user of a content. A new one takes part nowhere in the forwarding state yet.
    mutating func hold(_ content: MappingContent) -> (index: Int32, isNew: Bool) {
        if let index = indexes[content] {
            items[Int(index)]?.users += 1
            return (index, false)
        }
        let item = Item(
            content: content,
            locatorSet: LocatorSetID(rawValue: nextSet),
            users: 1,
            locatorIDs: Array(repeating: nil, count: content.locators.count)
        )
        nextSet &+= 1
        let index: Int32
        if freeIndexes.count > 0 {
            index = freeIndexes[freeIndexes.count - 1]
            freeIndexes.removeLast()
            items[Int(index)] = item
        } else {
            index = Int32(items.count)
            items.append(item)
        }
        indexes[content] = index
        return (index, true)
    }

    /// One user less; `true` if it was the last, and the content is gone.
    mutating func release(_ index: Int32) -> Bool {
        guard let item = items[Int(index)] else { return false }
        if item.users > 1 {
            items[Int(index)]?.users -= 1
            return false
        }
        indexes[item.content] = nil
        items[Int(index)] = nil
        freeIndexes.append(index)
        return true
    }

    /// Those in use, by index.
    func next(after index: Int32?) -> Int32? {
        var next = (index ?? -1) + 1
        while Int(next) < items.count {
            if items[Int(next)] != nil { return next }
            next += 1
        }
        return nil
    }
}
