// The trie against a linear list, on random prefixes that crowd into small corners so that they nest and part often.

import LISPWire
import Testing

@testable import LISPTables

/// Randomness that repeats from its seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    /// A new seed, printed so that a failure can be repeated by writing it here.
    static func printed(_ test: String, seed: UInt64 = .random(in: .min ... .max)) -> SeededGenerator {
        print("\(test): seed \(seed)")
        return SeededGenerator(seed: seed)
    }
}

/// A random prefix: often in the last octet of 10.1.1.0 or of 2001:db8::, sometimes anywhere.
func randomPrefix(_ generator: inout SeededGenerator) -> EIDPrefix {
    let instance = InstanceID(uncheckedRawValue: [0, 0, 0, 7, 0xff_ffff].randomElement(using: &generator)!)
    let family: AddressFamily = Bool.random(using: &generator) ? .ipv4 : .ipv6
    let low = UInt128(UInt8.random(in: .min ... .max, using: &generator))
    let corner: UInt128 =
        family == .ipv4 ? (0x0a01_0100 << 96) | low << 96 : (0x2001_0db8 << 96) | low
    let anywhere = Int.random(in: 0..<20, using: &generator) == 0
    let length = anywhere ? UInt8.random(in: 0...24, using: &generator) : UInt8.random(in: 24...32, using: &generator)
    return EIDPrefix(
        instanceID: instance,
        IPPrefix(family: family, leftAligned: corner, length: family == .ipv4 || anywhere ? length : length + 96)
    )
}

func randomEID(_ generator: inout SeededGenerator) -> EID {
    var prefix = randomPrefix(&generator)
    while prefix.prefix.length < prefix.prefix.family.bitWidth - 8 { prefix = randomPrefix(&generator) }
    let low = UInt128(UInt8.random(in: .min ... .max, using: &generator))
    let shift: UInt128 = prefix.prefix.family == .ipv4 ? 96 : 0
    return EID(
        instanceID: prefix.instanceID,
        IPAddress(
            family: prefix.prefix.family,
            leftAligned: prefix.prefix.address.leftAligned & ~(0xff << shift) | low << shift
        )
    )
}

/// The index of the row of an EID-prefix in a table of LISP-MIB, as sub-identifiers: the octets of the LispAddressType, then the string
/// with its own length. An address in an instance is a canonical one: type 2, instance ID, AFI, address (RFC 7052, RFC 8060).
private func mibIndex(_ eid: EIDPrefix) -> [UInt32] {
    func octets(_ value: some FixedWidthInteger) -> [UInt32] {
        (0..<value.bitWidth / 8).reversed().map { UInt32(truncatingIfNeeded: value >> ($0 * 8)) & 0xff }
    }
    let afi: UInt16
    let plain: [UInt32]
    switch eid.prefix.address {
    case .v4(let address): (afi, plain) = (1, octets(address.rawValue))
    case .v6(let address): (afi, plain) = (2, octets(address.rawValue))
    }
    let isPlain = eid.instanceID == .default
    let address = isPlain ? plain : [2] + octets(eid.instanceID.rawValue) + octets(afi) + plain
    let text = octets(isPlain ? afi : 16387) + [UInt32(address.count)] + address + [UInt32(eid.prefix.length)]
    return [UInt32(text.count), UInt32(text.count)] + text
}

private func host(_ eid: EID) -> EIDPrefix {
    EIDPrefix(instanceID: eid.instanceID, IPPrefix(host: eid.address))
}

@Suite struct PrefixTableTests {
    @Test func `agrees with a linear list about every question, while entries come and go`() {
        var generator = SeededGenerator.printed("PrefixTable")
        var table = PrefixTable<Int>()
        var list: [EIDPrefix: Int] = [:]
        for step in 0..<6000 {
            let key = randomPrefix(&generator)
            // Grows to some hundreds, then shrinks, by turns.
            if Int.random(in: 0..<10, using: &generator) < (step / 1000 % 2 == 0 ? 8 : 2) {
                table[key] = step
                list[key] = step
            } else {
                let victim = Bool.random(using: &generator) ? list.keys.min() ?? key : key
                table[victim] = nil
                list[victim] = nil
            }
            #expect(table.count == list.count)
            if step % 7 == 0 { compare(table, list, &generator) }
            if step % 50 == 0 { compareByFamily(table, list, after: randomPrefix(&generator)) }
            if step % 500 == 0 {
                #expect(table.map(\.key) == list.keys.sorted())
                #expect(table.map(\.value) == list.sorted { $0.key < $1.key }.map(\.value))
            }
        }
    }

    private func compare(_ table: PrefixTable<Int>, _ list: [EIDPrefix: Int], _ generator: inout SeededGenerator) {
        let key = randomPrefix(&generator)
        #expect(table[key] == list[key])

        let eid = randomEID(&generator)
        let covering = list.keys.filter { $0.covers(host(eid)) }.max { $0.prefix.length < $1.prefix.length }
        #expect(table.longestMatch(eid)?.key == covering)
        #expect(table.longestMatch(eid)?.value == covering.flatMap { list[$0] })
        #expect(table.longestMatch(key)?.key == list.keys.filter { $0.covers(key) }.max())

        let below = list.keys.filter { key.covers($0) }.sorted()
        #expect(table.moreSpecifics(of: key, includingItself: true).map(\.key) == below)
        #expect(table.moreSpecifics(of: key, includingItself: false).map(\.key) == below.filter { $0 != key })
        #expect(table.moreSpecifics(of: key, includingItself: true, limit: 2).map(\.key) == Array(below.prefix(2)))
        #expect(table.hasEntry(within: key) == !below.isEmpty)
        #expect(table.hasEntry(below: key) == below.contains { $0 != key })
        #expect(table.hasEntry(overlapping: key) == list.keys.contains { $0.overlaps(key) })

        #expect(table.first(after: key)?.key == list.keys.filter { $0 > key }.min())
        if let some = list.keys.randomElement(using: &generator) {
            #expect(table.first(after: some)?.key == list.keys.filter { $0 > some }.min())
        }
        #expect(table.first(after: nil)?.key == list.keys.min())
        let within = below.first { $0 > key }
        #expect(table.first(after: key, within: key)?.key == within)
        #expect(table.first(after: nil, within: key)?.key == below.first)
    }

    /// Of all that has a greater index in a table of LISP-MIB, what has the least.
    private func compareByFamily(_ table: PrefixTable<Int>, _ list: [EIDPrefix: Int], after key: EIDPrefix) {
        let index = mibIndex(key)
        let beyond = list.keys.filter { index.lexicographicallyPrecedes(mibIndex($0)) }
        #expect(
            table.first(after: key, .byFamily)?.key
                == beyond.min { mibIndex($0).lexicographicallyPrecedes(mibIndex($1)) }
        )
        #expect(
            table.first(after: nil, .byFamily)?.key
                == list.keys.min { mibIndex($0).lexicographicallyPrecedes(mibIndex($1)) }
        )
    }

    @Test func `is walked in steps, with changes in between, past everything that stays and nothing twice`() {
        var generator = SeededGenerator.printed("PrefixTable walk")
        for order in [PrefixOrder.byInstance, .byFamily] {
            var table = PrefixTable<Bool>()
            let keys = Set((0..<400).map { _ in randomPrefix(&generator) })
            for key in keys { table[key] = true }
            var untouched = keys
            var seen: [EIDPrefix] = []
            while let (key, _) = table.first(after: seen.last, order) {
                seen.append(key)
                for _ in 0..<2 {
                    let other = randomPrefix(&generator)
                    table[other] = Bool.random(using: &generator) ? true : nil
                    untouched.remove(other)
                }
                // Also what the walk stands on may go.
                if Bool.random(using: &generator) { table[key] = nil }
            }
            #expect(untouched.isSubset(of: seen))
            #expect(zip(seen, seen.dropFirst()).allSatisfy { order.precedes($0, $1) })
        }
    }

    @Test func `changes a value in place`() throws {
        var table = PrefixTable<[Int]>()
        let key = EIDPrefix(try #require(IPPrefix("10.0.0.0/8")))
        table[key] = [1]
        table[key]?.append(2)
        #expect(table[key] == [1, 2])
        table[key] = nil
        table[key]?.append(3)
        #expect(table.isEmpty)
    }

    @Test func `keeps the default route, host routes and what lies between apart`() throws {
        var table = PrefixTable<String>()
        for text in ["0.0.0.0/0", "128.0.0.0/1", "255.255.255.255/32", "255.255.255.254/31", "::/0", "::1/128"] {
            table[EIDPrefix(try #require(IPPrefix(text)))] = text
        }
        func match(_ text: String) -> String? { table.longestMatch(EID(IPAddress(text)!))?.value }
        #expect(match("1.2.3.4") == "0.0.0.0/0")
        #expect(match("129.2.3.4") == "128.0.0.0/1")
        #expect(match("255.255.255.254") == "255.255.255.254/31")
        #expect(match("255.255.255.255") == "255.255.255.255/32")
        #expect(match("::1") == "::1/128")
        #expect(match("::2") == "::/0")
        #expect(table.longestMatch(EID(instanceID: .init(uncheckedRawValue: 1), IPAddress("::1")!)) == nil)
    }

    @Test func `gives the room of removed entries to new ones`() {
        var generator = SeededGenerator.printed("PrefixTable reuse")
        var table = PrefixTable<Int>()
        for _ in 0..<50 {
            let keys = Set((0..<200).map { _ in randomPrefix(&generator) })
            for key in keys { table[key] = 1 }
            #expect(table.count == keys.count)
            for key in keys { table[key] = nil }
            #expect(table.isEmpty)
            #expect(table.first(after: nil) == nil)
        }
    }

    @Test func `the nearest entry shares as many bits as any`() {
        var generator = SeededGenerator.printed("nearest")
        for _ in 0..<200 {
            var table = PrefixTable<Int>()
            var list: [EIDPrefix] = []
            for index in 0..<Int.random(in: 0...30, using: &generator) {
                let prefix = randomPrefix(&generator)
                table[prefix] = index
                if !list.contains(prefix) { list.append(prefix) }
            }
            for _ in 0..<20 {
                let wanted = randomPrefix(&generator)
                let shared = list.filter {
                    $0.instanceID == wanted.instanceID && $0.prefix.family == wanted.prefix.family
                }
                .map { Self.commonLength($0.prefix, wanted.prefix) }
                let found = table.nearest(to: wanted)
                let best = shared.max() ?? 0
                if let found {
                    #expect(list.contains(found.key) && table[found.key] == found.value)
                    #expect(
                        found.key.instanceID == wanted.instanceID && found.key.prefix.family == wanted.prefix.family
                    )
                    #expect(Self.commonLength(found.key.prefix, wanted.prefix) == best, "\(wanted) of \(list)")
                } else {
                    #expect(best == 0, "\(wanted) of \(list)")
                }
            }
        }
    }

    private static func commonLength(_ a: IPPrefix, _ b: IPPrefix) -> Int {
        let bits = (a.address.leftAligned ^ b.address.leftAligned).leadingZeroBitCount
        return min(bits, Int(a.length), Int(b.length))
    }
}
