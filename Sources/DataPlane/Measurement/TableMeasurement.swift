// What lispd-bench measures of the forwarding table. The loops are here and not there, so that lookups are compiled into them
// as they are into the workers.

import Glibc
import LISPWire
import Synchronization

/// A trie of its own, without the rest of a data plane.
package final class TableMeasurement {
    private let root: UnsafeMutablePointer<Atomic<UInt32>>
    private let arena = Arena()
    private let reclaimer: Reclaimer
    private let writer: TrieWriter
    private let reader: TrieReader

    package init() {
        root = .allocate(capacity: 1)
        root.initialize(to: Atomic(0))
        reclaimer = Reclaimer(arena: arena, readers: 1)
        writer = TrieWriter(root: root, arena: arena, reclaimer: reclaimer)
        reader = TrieReader(root: root, base: arena.base)
    }

    deinit { root.deallocate() }

    package var count: Int { writer.count }
    /// Octets in nodes and buckets, values included.
    package var usedBytes: Int { arena.usedBytes }
    /// The same with what is free in slabs.
    package var reservedBytes: Int { arena.reservedBytes }

    package func put(_ prefix: IPPrefix, _ number: UInt32) {
        let words = EntryWords(target: number & 0xffff << 3, mapping: number)
        writer.put(TrieKey(prefix.address.leftAligned), length: Int(prefix.length), words)
        reclaimer.advance()
    }

    package func remove(_ prefix: IPPrefix) {
        writer.remove(TrieKey(prefix.address.leftAligned), length: Int(prefix.length))
        reclaimer.advance()
    }

    /// Addresses to look up, laid out as a worker has them.
    package struct Probes {
        fileprivate let keys: [TrieKey]

        package init(_ addresses: [IPAddress]) { keys = addresses.map { TrieKey($0.leftAligned) } }
    }

    /// Looks up one address after the other, none before the answer to the last is there.
    ///
    /// - Returns: how many were found.
    package func lookUpDependently(_ probes: Probes, from first: Int, count: Int) -> Int {
        probes.keys.withUnsafeBufferPointer { keys in
            var found = 0
            var index = first % keys.count
            for _ in 0..<count {
                var target: UInt32 = 0
                if let value = reader.longestMatch(keys[index]) {
                    target = value.pointee.words.target
                    found &+= 1
                }
                // Targets are below 2^19, so this adds nothing, but the processor does not know.
                index &+= 1 &+ Int(target &>> 20)
                if index == keys.count { index = 0 }
            }
            return found
        }
    }

    /// Looks up addresses in batches.
    ///
    /// - Returns: how many were found.
    package func lookUpBatches(of size: Int, _ probes: Probes, from first: Int, count: Int) -> Int {
        let searches = UnsafeMutablePointer<TrieSearch>.allocate(capacity: size)
        defer { searches.deallocate() }
        return probes.keys.withUnsafeBufferPointer { keys in
            guard keys.count >= size else { return 0 }
            var (found, done, index) = (0, 0, first % keys.count)
            while done < count {
                if index &+ size > keys.count { index = 0 }
                let number = min(size, count &- done)
                for offset in 0..<number {
                    (searches + offset).initialize(to: reader.search(for: keys[index &+ offset]))
                }
                TrieSearch.finish(searches, number, arena.base)
                for offset in 0..<number {
                    if let value = searches[offset].value, value.pointee.words.target != .max { found &+= 1 }
                }
                index &+= number
                done &+= number
            }
            return found
        }
    }
}

/// What memory alone takes: a chain of cache lines in random order, each read when the one before it has come.
package final class PointerChase {
    private let start: UnsafeMutableRawPointer
    private let size: Int
    private var next: UnsafeRawPointer

    /// - Parameter octets: how large the chain is; large pages are asked for as the table does.
    package init(octets: Int, random: inout some RandomNumberGenerator) {
        let count = max(2, octets / 64)
        size = count * 64
        guard let room = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), room != MAP_FAILED
        else { preconditionFailure("the system has \(octets) octets for a chain") }
        _ = madvise(room, size, MADV_HUGEPAGE)
        start = room
        next = UnsafeRawPointer(room)
        var order = Array(0..<count)
        order.shuffle(using: &random)
        for (index, line) in order.enumerated() {
            let other = order[index + 1 == count ? 0 : index + 1]
            (start + line * 64).storeBytes(of: start + other * 64, as: UnsafeMutableRawPointer.self)
        }
    }

    deinit { munmap(start, size) }

    package func follow(_ count: Int) {
        for _ in 0..<count { next = UnsafeRawPointer(next.load(as: UnsafeMutableRawPointer.self)) }
    }
}
