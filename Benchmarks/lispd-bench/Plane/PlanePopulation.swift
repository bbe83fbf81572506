// The map-cache entries of `lispd-bench plane`, and what is changed about them while packets flow.

import ForwardingInterface
import LISPWire

/// So many entries: prefixes of 24 to 32 bits, each in a /24 of its own, so that an address belongs to one of them. Entry n uses one
/// of two locators, whose numbers are `2 * (n % 2)` and the one behind it; changes move it between those two and never further, so a
/// packet that arrives elsewhere was misdelivered whatever was changed meanwhile.
struct PlanePopulation {
    static let locatorCount = 4
    /// First octets that hold nothing but ordinary hosts. Those of the sender's own prefix and of locators are not among them.
    private static let octets: ClosedRange<UInt32> = 16...99
    /// As many as there are /24s.
    static let limit = octets.count << 16

    /// An address of each entry.
    let hosts: [UInt32]
    private let lengths: [UInt8]

    init(count: Int, random: inout some RandomNumberGenerator) {
        precondition((1...Self.limit).contains(count), "1 to \(Self.limit) entries")
        var hosts: [UInt32] = []
        hosts.reserveCapacity(count)
        var number: UInt32 = 0
        while hosts.count < count {
            // An odd factor maps 24 bits one to one.
            let network = number &* 0x9e_3779 & 0xff_ffff
            number += 1
            if Self.octets.contains(network >> 16) { hosts.append(network << 8 | .random(in: 0...255, using: &random)) }
        }
        self.hosts = hosts
        lengths = hosts.map { _ in .random(in: 24...32, using: &random) }
    }

    var count: Int { hosts.count }

    static func locator(_ number: Int) -> IPv4Address { IPv4Address(0xc000_0201 + UInt32(number)) }

    /// Whether entry `number` may be sent to this locator.
    static func isRight(locator: Int, for number: Int) -> Bool { locator / 2 == number % 2 }

    func prefix(_ number: Int) -> EIDPrefix {
        let host = IPAddress.v4(IPv4Address(hosts[number]))
        return EIDPrefix(IPPrefix(family: .ipv4, leftAligned: host.leftAligned, length: lengths[number]))
    }

    /// Set n, n below 4, is locator n alone; 4 and 5 are the pairs.
    private static func set(_ number: Int) -> LocatorSetID { LocatorSetID(rawValue: UInt32(number + 1)) }
    private static func id(_ locator: Int) -> LocatorID { LocatorID(rawValue: UInt32(locator + 1)) }

    private static func putPair(_ pair: Int, weights: (UInt8, UInt8)) -> ForwardingUpdate {
        .putLocatorSet(
            set(locatorCount + pair),
            [
                LocatorSlot(locator: id(2 * pair), priority: 1, weight: weights.0),
                LocatorSlot(locator: id(2 * pair + 1), priority: 1, weight: weights.1),
            ]
        )
    }

    private func put(_ number: Int, set: Int) -> ForwardingUpdate {
        let mapping = MappingID(rawValue: UInt32(number + 1))
        return .putEntry(prefix(number), mapping: mapping, action: .encapsulate(Self.set(set)))
    }

    /// Everything, children first.
    func updates() -> [ForwardingUpdate] {
        var updates: [ForwardingUpdate] = []
        for number in 0..<Self.locatorCount {
            let address = IPAddress.v4(Self.locator(number))
            updates.append(.putLocator(Self.id(number), address: address, source: nil, up: true, mtu: 0))
            let slot = LocatorSlot(locator: Self.id(number), priority: 1, weight: 1)
            updates.append(.putLocatorSet(Self.set(number), [slot]))
        }
        updates += [Self.putPair(0, weights: (1, 1)), Self.putPair(1, weights: (1, 1))]
        updates += hosts.indices.map { put($0, set: Self.locatorCount + $0 % 2) }
        return updates
    }

    /// Changes without end: half of them replace entries that traffic goes to, the others replace sets, and add and remove entries
    /// beside.
    struct Changes {
        private let population: PlanePopulation
        private var random: SystemRandomNumberGenerator
        private var added: [EIDPrefix] = []

        init(of population: PlanePopulation) {
            self.population = population
            random = SystemRandomNumberGenerator()
        }

        mutating func next() -> ForwardingUpdate {
            let number = Int.random(in: 0..<population.count, using: &random)
            let pair = number % 2
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                let set = [2 * pair, 2 * pair + 1, locatorCount + pair].randomElement(using: &random) ?? 0
                return population.put(number, set: set)
            case 5:
                let weights = (UInt8.random(in: 0...100, using: &random), UInt8.random(in: 0...100, using: &random))
                return PlanePopulation.putPair(pair, weights: weights)
            case 6, 7: return added.isEmpty ? add(pair) : .deleteEntry(added.removeLast())
            default: return add(pair)
            }
        }

        /// A host route where no traffic goes, or removes one if there are many.
        private mutating func add(_ pair: Int) -> ForwardingUpdate {
            if added.count >= 10_000 { return .deleteEntry(added.removeLast()) }
            let host = IPAddress.v4(IPv4Address(0x6500_0000 | .random(in: 0...0xff_ffff, using: &random)))
            added.append(EIDPrefix(IPPrefix(host: host)))
            return .putEntry(
                added[added.count - 1],
                mapping: MappingID(rawValue: UInt32(population.count + 1)),
                action: .encapsulate(PlanePopulation.set(pair))
            )
        }

        /// Removes what was added.
        mutating func undo() -> [ForwardingUpdate] {
            defer { added = [] }
            return added.map { .deleteEntry($0) }
        }
    }
}

private let locatorCount = PlanePopulation.locatorCount
