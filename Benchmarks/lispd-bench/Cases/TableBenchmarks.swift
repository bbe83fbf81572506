// The tables of the control plane at size: lookup, update and ordered walk, and what an entry takes.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

extension Benchmark {
    static let tables: [Benchmark] = [
        Benchmark("tables.prefix-table.longest-match", sizes: tableSizes) { size in
            let made = HeapUse.of { TableSamples.prefixTable(size) }
            return cycle(size, octets: made.octets) { number in
                keep(made.value.longestMatch(TableSamples.host(number))?.value)
            }
        },
        Benchmark("tables.prefix-table.update", sizes: tableSizes) { size in
            var table = TableSamples.prefixTable(size)
            return cycle(size) { number in
                table[TableSamples.prefix(number)] = nil
                table[TableSamples.prefix(number)] = UInt32(number)
            }
        },
        Benchmark("tables.prefix-table.walk", sizes: tableSizes) { size in
            let table = TableSamples.prefixTable(size)
            return walk { table.first(after: $0)?.key }
        },

        Benchmark("tables.map-cache.lookup", sizes: tableSizes) { size in
            let made = HeapUse.of { TableSamples.mapCache(size) }
            return cycle(size, octets: made.octets) { number in
                keep(made.value.longestMatch(TableSamples.host(number))?.expires)
            }
        },
        // A refresh that changes nothing but the times.
        Benchmark("tables.map-cache.update", sizes: tableSizes) { size in
            var cache = TableSamples.mapCache(size)
            var now = Instant.zero
            return cycle(size) { number in
                now = now + .milliseconds(1)
                TableSamples.put(number, of: size, into: &cache, now: now)
            }
        },
        Benchmark("tables.map-cache.walk", sizes: tableSizes) { size in
            let cache = TableSamples.mapCache(size)
            return walk { cache.first(after: $0)?.eid }
        },
        // The ITR as a whole with a full map-cache: a packet misses, is asked for, the Map-Reply is learnt, the oldest entry goes.
        // 600 octets are the goal for everything that an entry costs, 150 of them in the forwarding table.
        Benchmark(
            "tables.itr.miss-and-map-reply",
            sizes: tableSizes,
            goals: [1_000_000: Goal(octetsPerEntry: 450)]
        ) { size in
            let made = try HeapUse.of { try FullITR(size) }
            return Workload(octetsPerEntry: Double(made.octets) / Double(size)) { operations in
                for _ in 0..<operations { try made.value.learnNext() }
            }
        },

        Benchmark("tables.database.lookup", sizes: tableSizes) { size in
            let made = HeapUse.of { TableSamples.database(size) }
            return cycle(size, octets: made.octets) { number in
                keep(made.value.longestMatch(TableSamples.prefix(number))?.ttlMinutes)
            }
        },
        Benchmark("tables.database.walk", sizes: tableSizes) { size in
            let database = TableSamples.database(size)
            return walk { database.first(after: $0)?.eid }
        },

        Benchmark("tables.site-registry.lookup", sizes: tableSizes) { size in
            let made = HeapUse.of { TableSamples.siteRegistry(size) }
            let space = EIDSpace()
            return cycle(size, octets: made.octets) { number in
                keep(made.value.lookup(TableSamples.sitePrefix(number, of: size), space: space))
            }
        },
        Benchmark("tables.site-registry.refresh", sizes: tableSizes) { size in
            var registry = TableSamples.siteRegistry(size)
            var now = Instant.zero
            return cycle(size) { number in
                now = now + .milliseconds(1)
                guard TableSamples.register(number, of: size, in: &registry, now: now) == .refreshed else {
                    throw Unexpected("a registration was not known")
                }
            }
        },
        Benchmark("tables.site-registry.expire-and-register", sizes: tableSizes) { size in
            var registry = TableSamples.siteRegistry(size)
            var now = Instant.zero
            return Workload { operations in
                for _ in 0..<operations {
                    now = max(now, registry.nextDeadline() ?? now)
                    guard let ended = registry.popExpired(now), let last = ended.before.mostRecent else {
                        throw Unexpected("no registration expired")
                    }
                    TableSamples.register(again: last, for: ended.key.prefix, in: &registry, now: now)
                }
            }
        },
        Benchmark("tables.site-registry.walk", sizes: tableSizes) { size in
            let registry = TableSamples.siteRegistry(size)
            return walk { registry.first(after: $0, .byFamily)?.key }
        },
    ]

    /// Each number below `size` in turn, in an order that jumps about.
    private static func cycle(_ size: Int, octets: Int? = nil, _ each: @escaping (Int) throws -> Void) -> Workload {
        var next = 0
        return Workload(octetsPerEntry: octets.map { Double($0) / Double(size) }) { operations in
            for _ in 0..<operations {
                // A prime that divides no size: every number has its turn.
                next = (next + 7_919) % size
                try each(next)
            }
        }
    }

    /// One step from key to key, from the beginning again after the last.
    private static func walk(_ following: @escaping (EIDPrefix?) -> EIDPrefix?) -> Workload {
        var key: EIDPrefix?
        return Workload { operations in
            for _ in 0..<operations { key = following(key) }
        }
    }
}

/// An ITR whose map-cache is full.
private final class FullITR {
    private static let rloc = IPAddress.v4(IPv4Address(0xcb00_7101))
    private static let resolver = IPAddress.v4(IPv4Address(0xc000_0235))

    private var itr: ITR
    private let size: Int
    private var next = 0
    private var now = Instant.zero
    private var random = SplitMix()

    init(_ size: Int) throws {
        self.size = size
        // As many misses as there are operations.
        let rate = EventRate(perSecond: 1_000_000_000, burst: 1_000_000_000)
        let settings = ITRSettings(
            mapResolvers: [Self.resolver],
            rlocs: [Self.rloc],
            mapCacheLimit: size,
            mapRequestLimits: MapRequestLimits(
                total: rate,
                perSource: rate,
                negativeTotal: rate,
                negativePerSource: rate
            )
        )
        itr = ITR(settings: settings)
        for _ in 0..<size { try learnNext() }
        guard itr.cache.count == size else { throw Unexpected("\(itr.cache.count) entries instead of \(size)") }
    }

    /// Those learnt longest ago are no longer there when their turn comes again.
    func learnNext() throws {
        let number = next
        next = (next + 1) % (2 * size)
        now = now + .milliseconds(1)
        var randomOfRequest = random
        let nonce = Nonce(rawValue: randomOfRequest.next())
        let miss = ForwardingMiss(source: EID(Self.rloc), destination: TableSamples.host(number), packet: [])
        guard case .send = itr.missed(miss, now: now, using: &random).first else {
            throw Unexpected("a packet without a mapping led to no Map-Request")
        }
        let reply = MapReply(
            nonce: nonce,
            records: [
                EIDRecord(
                    eidPrefix: TableSamples.prefix(number),
                    ttlMinutes: 1440,
                    isAuthoritative: true,
                    locators: TableSamples.locators(number, of: size)
                )
            ]
        )
        let actions = itr.receivedMapReply(reply, from: .control(Self.resolver), at: Self.rloc, now: now)
        guard actions.contains(where: { if case .release = $0 { true } else { false } }) else {
            throw Unexpected("a Map-Reply did not release the packet that waited for it")
        }
    }
}
