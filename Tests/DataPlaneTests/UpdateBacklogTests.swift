import ForwardingInterface
import LISPWire
import Testing

@testable import DataPlane

@Suite struct UpdateBacklogTests {
    private let locator = LocatorID(rawValue: 1)
    private let set = LocatorSetID(rawValue: 1)
    private let eid = EIDPrefix(IPPrefix("10.2.0.0/16")!)

    private func drained(_ updates: [ForwardingUpdate]) -> [ForwardingUpdate] {
        var backlog = UpdateBacklog()
        for update in updates { backlog.append(update) }
        var result: [ForwardingUpdate] = []
        while let update = backlog.popFirst() { result.append(update) }
        return result
    }

    private func putLocator(up: Bool) -> ForwardingUpdate {
        .putLocator(locator, address: .v4(IPv4Address(1)), source: nil, up: up, mtu: 0)
    }

    @Test func `a child that changes later still comes before its parents`() {
        let slots = ForwardingUpdate.putLocatorSet(set, [LocatorSlot(locator: locator, priority: 1, weight: 1)])
        let entry = ForwardingUpdate.putEntry(eid, mapping: MappingID(rawValue: 1), action: .encapsulate(set))
        #expect(
            drained([putLocator(up: true), slots, entry, slots, putLocator(up: false)]) == [
                putLocator(up: false), slots, entry,
            ]
        )
    }

    @Test func `deletions come parents first, and only the newest of each object counts`() {
        let entry = ForwardingUpdate.putEntry(eid, mapping: MappingID(rawValue: 1), action: .forwardNatively)
        #expect(
            drained([entry, .deleteLocator(locator), .deleteLocatorSet(set), .deleteEntry(eid)]) == [
                .deleteEntry(eid), .deleteLocatorSet(set), .deleteLocator(locator),
            ]
        )
    }

    @Test func `a thousand changes of one object wait as one`() {
        var backlog = UpdateBacklog()
        for number in 0..<1000 { backlog.append(putLocator(up: number % 2 == 0)) }
        #expect(backlog.count == 1)
        #expect(backlog.popFirst() == putLocator(up: false))
        #expect(backlog.isEmpty)
    }
}
