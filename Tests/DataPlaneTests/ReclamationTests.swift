// Memory of the table: given back when workers let go of it, bounded when they do not.

import ForwardingInterface
import LISPWire
import LinuxNetwork
import Synchronization
import Testing

@testable import DataPlane

@Suite struct ReclaimerTests {
    @Test func `frees at once when every worker is asleep`() {
        let arena = Arena()
        let reclaimer = Reclaimer(arena: arena, readers: 2)
        reclaimer.retire(arena.allocate(64), 64)
        reclaimer.advance()
        #expect(arena.usedBytes == 0)
        #expect(reclaimer.waitingBytes == 0)
        #expect(reclaimer.reclaimedCount == 1)
    }

    @Test func `waits for the quiet point of each worker that is awake`() {
        let arena = Arena()
        let reclaimer = Reclaimer(arena: arena, readers: 3)
        let (first, second) = (reclaimer.reader(0), reclaimer.reader(1))
        first.online()
        second.online()
        reclaimer.retire(arena.allocate(64), 64)
        reclaimer.advance()
        #expect(arena.usedBytes == 64)
        first.quiet()
        reclaimer.advance()
        #expect(arena.usedBytes == 64)
        second.quiet()
        reclaimer.advance()
        #expect(arena.usedBytes == 0)
    }

    @Test func `what was retired after a quiet point waits for the next`() {
        let arena = Arena()
        let reclaimer = Reclaimer(arena: arena, readers: 1)
        let reader = reclaimer.reader(0)
        reader.online()
        reclaimer.retire(arena.allocate(64), 64)
        reclaimer.advance()
        reader.quiet()
        reclaimer.retire(arena.allocate(64), 64)
        reclaimer.advance()
        #expect(arena.usedBytes == 64)
        reader.offline()
        reclaimer.advance()
        #expect(arena.usedBytes == 0)
        #expect(reader.isOffline)
    }
}

@Suite struct TableMemoryTests {
    /// Changes of every kind: new prefixes, other locators, removals.
    func churn(_ plane: DataPlane, count: Int, _ random: inout SplitMix, afterEach body: () -> Void = {}) {
        var updates: [ForwardingUpdate] = []
        for step in 0..<count {
            let host = UInt32.random(in: 0..<2_000, using: &random)
            let text = "10.\(host >> 8).\(host & 255).0/24"
            switch Int.random(in: 0..<4, using: &random) {
            case 0: updates.append(.deleteEntry(prefix(text)))
            case 1: updates.append(locatorSet(1 + host % 3, [(1, 1, UInt8(step & 0xff)), (2, 1, 1)]))
            default: updates.append(entry(text, mapping: host, set: 1 + host % 3))
            }
            if updates.count == 100 {
                plane.apply(updates)
                updates.removeAll(keepingCapacity: true)
                body()
            }
        }
    }

    func prepared(workers: Int, retiredLimit: Int = 1 << 20) throws -> DataPlane {
        let plane = try DataPlane.forTests(workers: workers) { $0.retiredLimit = retiredLimit }
        try plane.addInstance(.default, queues: [Int32](repeating: -1, count: workers))
        plane.apply([locator(1, "192.0.2.1"), locator(2, "192.0.2.2")])
        plane.apply((1...3).map { locatorSet($0, [(1, 1, 1)]) })
        return plane
    }

    @Test func `a million changes with one worker asleep and one awake leave memory flat`() throws {
        var random = SplitMix.printed("asleep")
        let plane = try prepared(workers: 2)
        plane.workers[0].reader.online()
        churn(plane, count: 50_000, &random) { plane.workers[0].reader.quiet() }
        let before = plane.statistics().tableReservedBytes
        churn(plane, count: 950_000, &random) { plane.workers[0].reader.quiet() }
        let after = plane.statistics()
        #expect(after.tableReservedBytes <= before + 8 * 65_536)
        #expect(after.retiredBytes < 1 << 20)
        #expect(after.waitingUpdates == 0)
    }

    @Test func `a million changes with a worker that never comes to a quiet point leave memory bounded`() throws {
        var random = SplitMix.printed("stuck")
        let plane = try prepared(workers: 1)
        plane.workers[0].reader.online()
        churn(plane, count: 1_000_000, &random)
        let stuck = plane.statistics()
        #expect(stuck.retiredBytes < 2 << 20)
        #expect(stuck.tableReservedBytes < 8 << 20)
        // No more than the objects there are: 2,000 prefixes and 3 sets.
        #expect(stuck.waitingUpdates > 0 && stuck.waitingUpdates <= 2_003)
        plane.apply([entry("10.0.7.0/24", mapping: 9_999, .forwardNatively)])
        // Once the worker moves again, the newest of each change is carried out.
        for _ in 0..<100 where plane.statistics().waitingUpdates > 0 { plane.workers[0].reader.quiet() }
        let freed = plane.statistics()
        #expect(freed.waitingUpdates == 0)
        #expect(freed.retiredBytes < 1 << 20)
        var worker = plane.memoryWorker()
        worker.device.tunnelInput[0] = [packet("10.200.0.1", "10.0.7.1")]
        _ = worker.stepTunnel(0)
        #expect(worker.device.tunnelOutput.count == 1)
    }

    @Test func `deleting everything gives all memory of the table back`() throws {
        let plane = try prepared(workers: 1)
        let before = plane.statistics().tableBytes
        let prefixes = (0..<500).map { "10.\($0 >> 8).\($0 & 255).0/24" }
        plane.apply(prefixes.enumerated().map { entry($1, mapping: UInt32($0)) })
        #expect(plane.statistics().entries == 500)
        plane.apply(prefixes.map { .deleteEntry(prefix($0)) })
        #expect(plane.statistics().entries == 0)
        #expect(plane.statistics().tableBytes == before)
    }

    @Test func `a deleted set serves its entries until they are gone`() throws {
        let plane = try prepared(workers: 1)
        plane.apply([entry("10.2.0.0/16"), .deleteLocatorSet(LocatorSetID(rawValue: 1))])
        plane.apply([.deleteLocator(LocatorID(rawValue: 1))])
        var worker = plane.memoryWorker()
        worker.device.tunnelInput[0] = [packet("10.1.0.1", "10.2.0.1")]
        _ = worker.stepTunnel(0)
        #expect(worker.device.sent.count == 1)
        worker.shared.reader.quiet()
        plane.apply([.deleteEntry(prefix("10.2.0.0/16"))])
        #expect(plane.statistics().locatorSets == 2)
        #expect(plane.statistics().locators == 1)
    }

    @Test func `an entry that names an unknown set drops, and is counted as dangling`() throws {
        let plane = try prepared(workers: 1)
        plane.apply([entry("10.2.0.0/16", set: 77), entry("10.3.0.0/16", instance: 5)])
        #expect(plane.statistics().danglingReferences == 2)
        var worker = plane.memoryWorker()
        worker.device.tunnelInput[0] = [packet("10.1.0.1", "10.2.0.1")]
        _ = worker.stepTunnel(0)
        #expect(plane.drops == [.noUsableLocator: 1])
    }

    @Test func `threads look up while the table changes`() throws {
        var random = SplitMix.printed("threads")
        let plane = try prepared(workers: 2)
        let stop = Flag()
        let lookups = Flag()
        let threads = try plane.workers.map { shared in
            let plane = plane.shared
            return try SystemThread(name: "reader") {
                var worker = Worker(plane: plane, shared: shared, device: MemoryDevice())
                var seed = SplitMix(seed: UInt64(shared.index))
                while stop.value == 0 {
                    shared.reader.online()
                    for _ in 0..<20 {
                        let batch = (0..<32).map { _ in
                            packet("10.200.0.1", "10.\(Int.random(in: 0..<8, using: &seed)).\(seed.next() & 255).9")
                        }
                        worker.device.tunnelInput[0] = batch
                        _ = worker.stepTunnel(0)
                        worker.device.sent.removeAll()
                        lookups.add(batch.count)
                        shared.reader.quiet()
                    }
                    shared.reader.offline()
                }
            }
        }
        churn(plane, count: 30_000, &random)
        stop.add(1)
        for thread in threads { thread.join() }
        plane.maintain()
        #expect(lookups.value > 0)
        #expect(plane.statistics().retiredBytes == 0)
        let sent = plane.statistics().encapsulated.packets
        let locators =
            plane.counters(of: LocatorID(rawValue: 1)).encapsulated.packets
            + plane.counters(of: LocatorID(rawValue: 2)).encapsulated.packets
        #expect(sent == locators)
    }
}

/// A number that threads share.
final class Flag: Sendable {
    private let number = Atomic<Int>(0)
    var value: Int { number.load(ordering: .acquiring) }
    func add(_ value: Int) { number.wrappingAdd(value, ordering: .acquiringAndReleasing) }
}
