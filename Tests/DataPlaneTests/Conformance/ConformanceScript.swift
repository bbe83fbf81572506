// Random sequences of updates and packets. All that is random comes from one seed, and what a script does depends on no plane, so the
// same seed makes the same script. Updates keep the rules of the interface; addresses lie close together and prefixes overlap, so that
// lookups have something to get wrong.

import ForwardingInterface
import LISPWire

@testable import DataPlane

enum ConformanceStep {
    case update([ForwardingUpdate])
    case site(InstanceID, [SiteInput])
    case network([NetworkInput])
    case release([ForwardingMiss], HeldPacketVerdict)
}

struct ConformanceScript {
    static let locatorNumbers: ClosedRange<UInt32> = 1...6
    static let setNumbers: ClosedRange<UInt32> = 1...5
    static let mappingNumbers: ClosedRange<UInt32> = 1...8
    /// Of entries that are only there to be many.
    static let crowdMapping = MappingID(rawValue: 1_000)
    static let instances = [0, 101, 0xff_fffe].map { InstanceID(uncheckedRawValue: $0) }
    private static let locatorAddresses = (1...5).flatMap { ["192.0.2.\($0)", "2001:db8:ffff::\($0)"] }.map(address)
    /// With the smallest, IPv6 packets of 1,280 octets do not fit; at the others there are packets of just that size.
    private static let mtus: [UInt16] = [0, 0, 0, 600, 1_316, 1_336, 1_400]
    private static let bases = ["10.2.4.0", "10.2.5.192", "10.1.0.0", "172.16.3.1", "2001:db8:2::", "2001:db8:2:5::9"]
        .map(address)

    private var random: SplitMix
    /// What is there, so that updates refer to it and packets go there.
    private var known = ReferencePlane(instances: instances)
    private var places: [InstanceID: (own: [EIDPrefix], others: [EIDPrefix])] = [:]
    private var serial: UInt32 = 0
    private var unanswered: [ForwardingMiss] = []

    /// - Parameter crowd: entries of the first instance that are put before everything else.
    static func steps(seed: UInt64, count: Int, crowd: Int = 0, trains: Bool = false) -> [ConformanceStep] {
        var script = ConformanceScript(random: SplitMix(seed: seed))
        var steps = [script.setUp()]
        if crowd > 0 { steps.append(script.crowd(crowd)) }
        while steps.count < count { steps.append(script.step(trains: trains)) }
        return steps
    }

    private init(random: SplitMix) { self.random = random }

    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
    private mutating func pick<Element>(_ elements: some Collection<Element>) -> Element {
        guard let element = elements.randomElement(using: &random) else {
            preconditionFailure("something to pick from")
        }
        return element
    }

    // MARK: Steps

    private mutating func step(trains: Bool) -> ConformanceStep {
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<3: return .update((0..<Int.random(in: 1...6, using: &random)).flatMap { _ in updates() })
        case 3..<7: return siteStep(trains: trains)
        case 7..<9: return .network((0..<Int.random(in: 1...90, using: &random)).map { _ in datagram() })
        default: return releaseStep(trains: trains)
        }
    }

    private mutating func siteStep(trains: Bool) -> ConformanceStep {
        let instance = pick(Self.instances)
        let count = Int.random(in: 1...(trains ? 12 : 90), using: &random)
        let inputs = (0..<count).map { _ in
            trains && chance(50) ? train(instance) : SiteInput.packet(sitePacket(instance))
        }
        for packet in inputs.flatMap(\.packets) where known.fate(of: packet, in: instance) == .ask {
            guard let parsed = ReferencePacket(packet) else { continue }
            let source = EID(instanceID: instance, parsed.source)
            let destination = EID(instanceID: instance, parsed.destination)
            unanswered.append(ForwardingMiss(source: source, destination: destination, packet: parsed.octets))
        }
        return .site(instance, inputs)
    }

    private mutating func releaseStep(trains: Bool) -> ConformanceStep {
        guard let first = unanswered.last?.destination.instanceID else { return siteStep(trains: trains) }
        let released = unanswered.filter { $0.destination.instanceID == first }.suffix(80)
        unanswered = []
        return .release(Array(released), chance(75) ? .forward : .forwardNatively)
    }

    // MARK: Updates

    private mutating func keep(_ update: ForwardingUpdate) -> ForwardingUpdate {
        precondition(known.apply(update), "a script keeps the rules of the interface")
        places = [:]
        return update
    }

    /// Enough for something to be encapsulated from the start.
    private mutating func setUp() -> ConformanceStep {
        var updates: [ForwardingUpdate] = []
        for instance in Self.instances {
            let id = instance.rawValue
            updates += [
                .putOwnPrefix(prefix("10.1.0.0/16", instance: id)),
                .putOwnPrefix(prefix("2001:db8:1::/48", instance: id)),
                .setErrorSource(instance, .ipv4, address("10.1.0.254")),
                .setErrorSource(instance, .ipv6, address("2001:db8:1::fe")),
            ]
        }
        updates += [
            locator(1, "192.0.2.1"), locator(2, "2001:db8:ffff::1"), locatorSet(1, [(1, 1, 1), (2, 1, 3)]),
            entry("10.2.0.0/16", instance: 101), entry("2001:db8:2::/48", mapping: 2),
        ]
        return .update(updates.map { keep($0) })
    }

    /// Many entries beside each other.
    private mutating func crowd(_ count: Int) -> ConformanceStep {
        let updates = (0..<count).map { number -> ForwardingUpdate in
            let isIPv4 = number % 2 == 0
            let base = address(isIPv4 ? "10.2.0.0" : "2001:db8:2::").leftAligned
            let host = UInt128(UInt64.random(in: 0...UInt64.max, using: &random)) << (isIPv4 ? 48 : 32)
            let length = UInt8.random(in: isIPv4 ? 24...32 : 60...96, using: &random)
            let mask = IPPrefix.mask(isIPv4 ? 15 : 44)
            let place = IPPrefix(
                family: isIPv4 ? .ipv4 : .ipv6,
                leftAligned: base & mask | host & ~mask,
                length: length
            )
            return .putEntry(
                EIDPrefix(place),
                mapping: Self.crowdMapping,
                action: chance(50) ? .encapsulate(LocatorSetID(rawValue: 1)) : .drop(.policyDenied)
            )
        }
        return .update(updates.map { keep($0) })
    }

    /// One change, at times twice in a row.
    private mutating func updates() -> [ForwardingUpdate] {
        guard let update = update() else { return [] }
        return [ForwardingUpdate](repeating: keep(update), count: chance(15) ? 2 : 1)
    }

    private mutating func update() -> ForwardingUpdate? {
        let instance = pick(Self.instances)
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<5: return putLocator()
        case 5..<8: return putLocatorSet()
        case 8..<13: return putEntry(instance)
        case 13, 14:
            let entries = known.entries.filter { $0.value.mapping != Self.crowdMapping }.keys.sorted()
            return entries.isEmpty || chance(5) ? .deleteEntry(somePrefix(instance)) : .deleteEntry(pick(entries))
        case 15:
            let id = LocatorSetID(rawValue: pick(Self.setNumbers))
            let isUsed = known.entries.values.contains { $0.action == .encapsulate(id) }
            return isUsed ? nil : .deleteLocatorSet(id)
        case 16:
            let id = LocatorID(rawValue: pick(Self.locatorNumbers))
            let isUsed = known.sets.values.contains { $0.contains { $0.locator == id } }
            return isUsed ? nil : .deleteLocator(id)
        case 17:
            let prefixes = known.ownPrefixes.sorted()
            return chance(50) || prefixes.count < 4
                ? .putOwnPrefix(somePrefix(instance, atLeast: 14)) : .deleteOwnPrefix(pick(prefixes))
        case 18:
            let prefixes = known.acceptedSources.sorted()
            return chance(40) || prefixes.isEmpty
                ? .putAcceptedSource(somePrefix(instance)) : .deleteAcceptedSource(pick(prefixes))
        default:
            let family = pick(AddressFamily.allCases)
            let source = address(family == .ipv4 ? "10.1.0.254" : "2001:db8:1::fe")
            return .setErrorSource(instance, family, chance(70) ? source : nil)
        }
    }

    /// Of a random length, around one of a few addresses.
    private mutating func somePrefix(_ instance: InstanceID, atLeast least: UInt8 = 0) -> EIDPrefix {
        let base = pick(Self.bases)
        let width = base.family.bitWidth
        let length = chance(20) ? width : .random(in: least...width, using: &random)
        let noise = chance(50) ? UInt128(random.next() & 0xffff) << (128 - UInt128(width)) : 0
        return EIDPrefix(
            instanceID: instance,
            IPPrefix(family: base.family, leftAligned: base.leftAligned ^ noise, length: length)
        )
    }

    /// No two locators have one address, so that a datagram says whom it is for.
    private mutating func putLocator() -> ForwardingUpdate {
        let id = LocatorID(rawValue: pick(Self.locatorNumbers))
        let before = known.locators[id]
        let taken = known.locators.values.map(\.address)
        let free = Self.locatorAddresses.filter { !taken.contains($0) }
        let keeps = chance(80)
        return .putLocator(
            id,
            address: keeps ? before?.address ?? pick(free) : pick(free),
            source: nil,
            up: chance(75),
            mtu: chance(60) ? UInt16(before?.mtu ?? 0) : pick(Self.mtus)
        )
    }

    private mutating func putLocatorSet() -> ForwardingUpdate {
        let members = known.locators.keys.sorted().shuffled(using: &random).prefix(
            Int.random(in: 0...4, using: &random)
        )
        let slots = members.map {
            LocatorSlot(locator: $0, priority: pick([1, 1, 1, 2, 255]), weight: pick([0, 1, 50, 100]))
        }
        return .putLocatorSet(LocatorSetID(rawValue: pick(Self.setNumbers)), slots)
    }

    private mutating func putEntry(_ instance: InstanceID) -> ForwardingUpdate? {
        let sets = known.sets.keys.sorted()
        var action = ForwardingAction.drop(pick(ForwardingDropReason.allCases))
        if chance(65), !sets.isEmpty {
            action = .encapsulate(pick(sets))
        } else if chance(50) {
            action = chance(50) ? .forwardNatively : .sendMapRequest
        }
        let others = known.entries.filter { $0.value.mapping != Self.crowdMapping }.keys.sorted()
        let place = chance(30) && !others.isEmpty ? pick(others) : somePrefix(instance)
        return .putEntry(place, mapping: MappingID(rawValue: pick(Self.mappingNumbers)), action: action)
    }

    // MARK: Packets

    /// Prefixes that are there now.
    private mutating func placesOf(_ instance: InstanceID) -> (own: [EIDPrefix], others: [EIDPrefix]) {
        if let found = places[instance] { return found }
        let others = (Array(known.entries.keys) + known.acceptedSources).filter { $0.instanceID == instance }.sorted()
        let found = (known.ownPrefixes.filter { $0.instanceID == instance }.sorted(), others)
        places[instance] = found
        return found
    }

    /// In, at the edge of, or beside something that is there.
    private mutating func host(_ instance: InstanceID, own: Int) -> IPAddress {
        let places = placesOf(instance)
        let prefixes = chance(own) ? places.own : places.others
        guard !prefixes.isEmpty else { return pick(Self.bases) }
        let prefix = pick(prefixes).prefix
        let width = UInt128(prefix.family.bitWidth)
        let one = UInt128(1) << (128 - width)
        let first = prefix.address.leftAligned
        let last = first | ~IPPrefix.mask(prefix.length)
        let number =
            switch Int.random(in: 0..<8, using: &random) {
            case 0: first
            case 1: last
            case 2: first &- one
            case 3: last &+ one
            default: first | UInt128(random.next() & 3) << (128 - width)
            }
        return IPAddress(family: prefix.family, leftAligned: number)
    }

    private mutating func other(than address: IPAddress, _ instance: InstanceID, own: Int) -> IPAddress {
        for _ in 0..<20 {
            let found = host(instance, own: own)
            if found.family == address.family { return found }
        }
        return IPAddress(family: address.family, leftAligned: address.leftAligned ^ (UInt128(1) << 100))
    }

    private static let strange = [
        "224.0.0.5", "169.254.1.1", "127.0.0.1", "0.0.0.0", "255.255.255.255", "ff02::1", "fe80::1", "::", "::1",
    ].map(address)

    private mutating func sitePacket(_ instance: InstanceID) -> [UInt8] {
        let destination = chance(4) ? pick(Self.strange) : host(instance, own: 6)
        let source = chance(4) ? pick(Self.strange) : other(than: destination, instance, own: 90)
        guard source.family == destination.family else { return sitePacket(instance) }
        return mangled(packet(source, destination))
    }

    /// At times no whole packet, or more than one.
    private mutating func mangled(_ packet: [UInt8]) -> [UInt8] {
        switch Int.random(in: 0..<40, using: &random) {
        case 0: return Array(packet.prefix(Int.random(in: 1..<packet.count, using: &random)))
        // Other versions, and an IPv4 header that is too short.
        case 1: return [pick([0, 0x15, 0x44, 0x40, 0x50, 0x75, 0xf5])] + packet.dropFirst()
        case 2: return packet + [1, 2, 3]
        default: return packet
        }
    }

    private mutating func length() -> Int {
        switch Int.random(in: 0..<10, using: &random) {
        case 0...5: .random(in: 60...200, using: &random)
        case 6: .random(in: 60...1_500, using: &random)
        // At the edge of what fits the MTUs, or an IPv6 link.
        default: pick([544, 564, 1_260, 1_280, 1_300, 1_344, 1_364]) + Int.random(in: -1...1, using: &random)
        }
    }

    private mutating func packet(_ source: IPAddress, _ destination: IPAddress) -> [UInt8] {
        func octets(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
        serial += 1
        let isIPv4 = source.family == .ipv4
        let total = length()
        // A few ports, so that flows come again.
        let ports = octets(UInt16(4_000 + random.next() % 4)) + octets(UInt16(5_000 + random.next() % 4))
        let size = total - (isIPv4 ? 20 : 40)
        var number: UInt8 = 17
        var transport = ports + octets(UInt16(size)) + [0, 0]
        switch Int.random(in: 0..<8, using: &random) {
        case 0: (number, transport) = (6, ports + [0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 9, 9, 0, 0])
        case 1: (number, transport) = (isIPv4 ? 1 : 58, [isIPv4 ? 8 : 128, 0, 0, 0])
        case 2: (number, transport) = (isIPv4 ? 1 : 58, [isIPv4 ? 3 : 1, 1, 0, 0, 0, 0, 0, 0])
        default: break
        }
        transport += octets(serial)
        transport += (transport.count..<max(size, transport.count)).map { UInt8(truncatingIfNeeded: $0) }
        let (ttl, tos) = (pick([0, 1, 2, 63, 64, 255, 63, 63]) as UInt8, UInt8.random(in: 0...255, using: &random))
        guard isIPv4 else {
            let header = octets(UInt32(6) << 28 | UInt32(tos) << 20 | serial & 0xfffff)
            let rest = octets(UInt16(transport.count)) + [number, ttl]
            return header + rest + octets(source.leftAligned) + octets(destination.leftAligned) + transport
        }
        var fragment: UInt16 = chance(50) ? 0x4000 : 0
        if total < 300, chance(10) { fragment = pick([0x2000, 0x2010, 0x0010]) }
        let options: [UInt8] = chance(5) ? [148, 4, 0, 0] : []
        var header = [0x45 + UInt8(options.count / 4), tos] + octets(UInt16(20 + options.count + transport.count))
        header += octets(UInt16(truncatingIfNeeded: serial)) + octets(fragment) + [ttl, number, 0, 0]
        header += octets(UInt32(truncatingIfNeeded: source.leftAligned >> 96))
        header += octets(UInt32(truncatingIfNeeded: destination.leftAligned >> 96)) + options
        header.replaceSubrange(10..<12, with: octets(plainChecksum(header)))
        return header + transport
    }

    private mutating func train(_ instance: InstanceID) -> SiteInput {
        let (transport, size) = transport(host(instance, own: 6), instance, own: 90)
        return transport.payload.count > size ? .train(transport, size: size) : .packet(transport.packet())
    }

    private mutating func transport(
        _ destination: IPAddress,
        _ instance: InstanceID,
        own: Int
    ) -> (PlainTransport, size: Int) {
        var (transport, _) = SegmentTests.random(&random, octets: 1...6_000)
        transport.source = other(than: destination, instance, own: own).description
        transport.destination = destination.description
        // The kernel makes trains of neither.
        transport.ipOptions = []
        transport.hasExtension = false
        serial += 40
        transport.identification = UInt16(truncatingIfNeeded: serial)
        return (transport, pick([100, 524, 1_228, 1_248, 1_400]))
    }

    private mutating func datagram() -> NetworkInput {
        let instance = pick(Self.instances)
        let locators = known.locators.values.map(\.address).sorted()
        let from = chance(70) && !locators.isEmpty ? pick(locators) : pick(Self.locatorAddresses)
        var packets: [[UInt8]] = []
        let destination = chance(4) ? pick(Self.strange) : host(instance, own: 75)
        if chance(20), ReferencePacket.kind(destination) == .unicast {
            let (transport, size) = transport(destination, instance, own: 6)
            packets = transport.cut(size)
        } else {
            var source = chance(4) ? pick(Self.strange) : other(than: destination, instance, own: 6)
            if source.family != destination.family { source = other(than: destination, instance, own: 6) }
            packets = [mangled(packet(source, destination))]
        }
        let header = header(instance)
        return NetworkInput(
            source: from,
            tos: .random(in: 0...255, using: &random),
            ttl: pick([0, 1, 2, 62, 63, 64, 255]),
            payloads: packets.map { header + $0 }
        ).shortened(chance(2) ? Int.random(in: 0...20, using: &random) : nil)
    }

    /// With flags and nonces that mean nothing here, and now and then an instance that is not there.
    private mutating func header(_ instance: InstanceID) -> [UInt8] {
        var header = ReferencePlane.header(instance)
        if chance(3) { header = ReferencePlane.header(InstanceID(uncheckedRawValue: 77)) }
        if instance.rawValue == 0, chance(20) { header[0] |= 8 }
        if chance(30) {
            header[0] |= pick([0x80, 0x40, 0xf4, 0x10])
            header.replaceSubrange(1..<4, with: [1, 2, 3])
            header[7] = 0xff
        }
        if chance(2) { header[0] |= pick([1, 2, 3]) }
        return header
    }
}

extension NetworkInput {
    /// The last datagram with so many octets only.
    fileprivate func shortened(_ count: Int?) -> NetworkInput {
        guard let count, let last = payloads.last else { return self }
        var shortened = self
        shortened.payloads[payloads.count - 1] = Array(last.prefix(payloads.count > 1 ? max(1, count) : count))
        return shortened
    }
}
