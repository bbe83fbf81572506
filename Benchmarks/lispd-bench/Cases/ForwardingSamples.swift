// Prefixes, addresses and packets for the benchmarks of the forwarding table.

import DataPlane
import ForwardingInterface
import LISPWire

enum ForwardingSamples {
    /// Which prefixes a table has. All are uniformly random in what they leave open.
    enum Kind: String, CaseIterable {
        /// Over 1.0.0.0 to 223.255.255.255: six of ten are /24, two /32, two anything from /8 to /31.
        case ipv4
        /// Within 2000::/3: eight of ten are /32 to /64, two /128.
        case ipv6
        /// The same within 2001::/16, as one registry's sites would be.
        case ipv6Narrow = "ipv6-narrow"
    }

    /// The first `count` prefixes, all different, in random order; always the same.
    static func prefixes(_ kind: Kind, _ count: Int) -> [IPPrefix] {
        var random = SplitMix(seed: 1)
        var seen: Set<IPPrefix> = []
        var prefixes: [IPPrefix] = []
        prefixes.reserveCapacity(count)
        while prefixes.count < count {
            let prefix = prefix(kind, &random)
            if seen.insert(prefix).inserted { prefixes.append(prefix) }
        }
        return prefixes
    }

    private static func prefix(_ kind: Kind, _ random: inout SplitMix) -> IPPrefix {
        let share = Int.random(in: 0..<10, using: &random)
        if kind == .ipv4 {
            let length: UInt8 = share < 6 ? 24 : share < 8 ? 32 : UInt8.random(in: 8...31, using: &random)
            let number = UInt32.random(in: 1 << 24..<224 << 24, using: &random)
            return masked(.v4(IPv4Address(number)), length)
        }
        let length: UInt8 = share < 8 ? UInt8.random(in: 32...64, using: &random) : 128
        let high =
            kind == .ipv6Narrow
            ? 0x2001 << 48 | UInt128(random.next() >> 16) : 0x2000 << 48 | UInt128(random.next() >> 3)
        return masked(.v6(IPv6Address(high << 64 | UInt128(random.next()))), length)
    }

    private static func masked(_ address: IPAddress, _ length: UInt8) -> IPPrefix {
        IPPrefix(family: address.family, leftAligned: address.leftAligned, length: length)
    }

    /// A table of such prefixes, and addresses inside them.
    static func table(_ kind: Kind, _ size: Int) -> (TableMeasurement, TableMeasurement.Probes) {
        let prefixes = prefixes(kind, size)
        let table = TableMeasurement()
        for (index, prefix) in prefixes.enumerated() { table.put(prefix, UInt32(index & 0xffff)) }
        var random = SplitMix(seed: 2)
        let addresses = (0..<1 << 20).map { _ in address(in: prefixes.randomElement(using: &random)!, &random) }
        return (table, TableMeasurement.Probes(addresses))
    }

    private static func address(in prefix: IPPrefix, _ random: inout SplitMix) -> IPAddress {
        switch prefix.address {
        case .v4(let address):
            let host = prefix.length == 32 ? 0 : UInt32(truncatingIfNeeded: random.next()) >> UInt32(prefix.length)
            return .v4(IPv4Address(address.rawValue | host))
        case .v6(let address):
            let noise = UInt128(random.next()) << 64 | UInt128(random.next())
            return .v6(IPv6Address(address.rawValue | (prefix.length == 128 ? 0 : noise >> UInt128(prefix.length))))
        }
    }

    // MARK: Packets

    /// Packets that come round: more destinations than caches hold.
    static let frameCount = 1 << 17

    private static let locatorCount: UInt32 = 16
    private static let ownAddress = IPv4Address(0x0a00_0001)

    /// A data plane with `size` entries, /24 each, with a set of one locator and a mapping of their own, and packets to or from
    /// random ones of them.
    static func path(_ direction: PathMeasurement.Direction, _ size: Int) throws -> PathMeasurement {
        var random = SplitMix(seed: 4)
        var seen: Set<UInt32> = []
        while seen.count < size { seen.insert(UInt32.random(in: 11 << 16..<127 << 16, using: &random) << 8) }
        let networks = seen.sorted().shuffled(using: &random)
        let frames = (0..<min(frameCount, max(64, size * 8))).map { _ in
            let host = IPv4Address(networks.randomElement(using: &random)! | UInt32.random(in: 1...254, using: &random))
            switch direction {
            case .encapsulation: return packet(from: ownAddress, to: host)
            case .decapsulation: return [8, 0, 0, 0, 0, 0, 0, 0] + packet(from: host, to: ownAddress)
            }
        }
        return try PathMeasurement(direction, updates: updates(networks), frames: frames, source: .v4(rloc(1)))
    }

    /// Trains of 45 segments to or from one host, as large as a packet can be; one at a time.
    static func trains(_ direction: PathMeasurement.Direction) throws -> PathMeasurement {
        let payload = 1_388
        let host = IPv4Address(0x0b00_0001)
        let frame = PathMeasurement.train(
            direction,
            from: direction == .encapsulation ? ownAddress : host,
            to: direction == .encapsulation ? host : ownAddress,
            segments: 45,
            payload: payload
        )
        return try PathMeasurement(
            direction,
            updates: updates([host.rawValue & 0xffff_ff00]),
            frames: [frame],
            batchSize: 1,
            source: .v4(rloc(1)),
            payload: payload
        )
    }

    private static func rloc(_ number: UInt32) -> IPv4Address { IPv4Address(0xc000_0200 + number) }

    private static func updates(_ networks: [UInt32]) -> [ForwardingUpdate] {
        func prefix(_ number: UInt32, _ length: UInt8) -> EIDPrefix {
            EIDPrefix(instanceID: .default, masked(.v4(IPv4Address(number)), length))
        }
        var updates: [ForwardingUpdate] = (1...locatorCount).map {
            .putLocator(LocatorID(rawValue: $0), address: .v4(rloc($0)), source: nil, up: true, mtu: 0)
        }
        updates.append(.putOwnPrefix(prefix(ownAddress.rawValue, 8)))
        for (index, network) in networks.enumerated() {
            let number = UInt32(index + 1)
            let locator = LocatorID(rawValue: 1 + number % locatorCount)
            let set = LocatorSetID(rawValue: number)
            updates.append(.putLocatorSet(set, [LocatorSlot(locator: locator, priority: 1, weight: 100)]))
            updates.append(
                .putEntry(prefix(network, 24), mapping: MappingID(rawValue: number), action: .encapsulate(set))
            )
        }
        return updates
    }

    /// A UDP packet of 36 octets; its checksums are not looked at on the way.
    private static func packet(from source: IPv4Address, to destination: IPv4Address) -> [UInt8] {
        func octets(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
        return [0x45, 0, 0, 36, 0, 0, 0, 0, 63, 17, 0, 0] + octets(source.rawValue) + octets(destination.rawValue)
            + octets(UInt16(4_000)) + octets(UInt16(4_001)) + octets(UInt16(16)) + octets(UInt16(0))
            + [UInt8](repeating: 0x55, count: 8)
    }
}
