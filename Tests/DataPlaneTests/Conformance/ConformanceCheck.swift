// Compares what came out of a plane with what the reference says: what leaves, to whom, its headers and octets; what is dropped
// and why; misses, ICMP errors and counters. What the reference leaves open, the choice of a locator, is read from the output, held
// against the choices that there are, and remembered: the same flow, given the same choices, takes the same.

import ForwardingInterface
import LISPWire

@testable import DataPlane

struct Difference: Error, CustomStringConvertible {
    var description: String
}

struct ConformanceCheck {
    /// What decides where a flow goes: the locators it may take, as they are in the set and in what state.
    private struct Choice: Hashable {
        var flow: [UInt8]
        var instance: InstanceID
        var slots: [LocatorSlot]
        var up: [Bool]
    }

    private struct PortOfFlow: Hashable {
        var flow: [UInt8]
        var family: AddressFamily
    }

    let plane: any PlaneUnderTest
    private(set) var reference: ReferencePlane
    private var chosen: [Choice: LocatorID] = [:]
    private var ports: [PortOfFlow: Int] = [:]

    init(_ plane: any PlaneUnderTest, instances: [InstanceID]) {
        self.plane = plane
        reference = ReferencePlane(instances: instances)
    }

    /// - Returns: whether the updates keep the rules of the interface; if not, nothing more is to be asked.
    mutating func apply(_ updates: [ForwardingUpdate]) throws -> Bool {
        for update in updates where !reference.apply(update) { return false }
        plane.apply(updates)
        try compareCounters()
        return true
    }

    // MARK: Out of the site

    /// A packet with its fate, as far as the reference knows it.
    private struct Expected {
        /// Its place among all packets, and that of what it came in.
        var number = 0
        var input: Int
        var packet: [UInt8]
        var flow: [UInt8]
        var fate: ReferencePlane.Fate
        var isTrain: Bool
    }

    mutating func site(_ inputs: [SiteInput], _ instance: InstanceID) throws {
        let expected = inputs.enumerated().flatMap { number, input in
            input.packets.map { expectation($0, number, instance, isTrain: input.isTrain, isHeld: false) }
        }
        try compare(try plane.carry(fromSite: inputs, of: instance), expected, instance)
    }

    mutating func release(_ packets: [ForwardingMiss], _ verdict: HeldPacketVerdict) throws {
        let output = try plane.release(packets, verdict)
        guard let instance = packets.first?.destination.instanceID else { return }
        let expected = packets.enumerated().map { number, miss in
            var expected = expectation(miss.packet, number, instance, isTrain: false, isHeld: true)
            if verdict == .forwardNatively, let packet = ReferencePacket(miss.packet) {
                expected.fate = .forwardNatively(ReferencePlane.raised(packet))
            }
            return expected
        }
        try compare(output, expected, instance)
    }

    private func expectation(
        _ packet: [UInt8],
        _ input: Int,
        _ instance: InstanceID,
        isTrain: Bool,
        isHeld: Bool
    ) -> Expected {
        let parsed = ReferencePacket(packet)
        return Expected(
            input: input,
            packet: parsed?.octets ?? packet,
            flow: parsed?.flow ?? [],
            fate: reference.fate(of: packet, in: instance, isHeld: isHeld),
            isTrain: isTrain
        )
    }

    private mutating func compare(_ output: PlaneOutput, _ expected: [Expected], _ instance: InstanceID) throws {
        var found = FoundDatagrams(output.sent)
        var answers: [ExpectedAnswer] = []
        var natively: [ReferencePlane.WrittenOctets] = []
        var asked: [Expected] = []
        var stranded: [Expected] = []
        let oversize = trainsThatAreTooBig(expected)
        for (number, each) in expected.enumerated() {
            var each = each
            each.number = number
            func answer(_ one: ReferencePlane.SiteAnswer?) { answer(oneOf: one.map { [$0] } ?? []) }
            func answer(oneOf answer: [ReferencePlane.SiteAnswer]) {
                guard !answer.isEmpty else { return }
                answers.append(
                    ExpectedAnswer(oneOf: answer, packet: each.packet, train: each.isTrain ? each.input : nil)
                )
            }
            switch each.fate {
            case .drop(let reason, let told):
                reference.count(reason)
                answer(told)
            case .strand(let told):
                reference.count(.noUsableLocator)
                answer(told)
                stranded.append(each)
            case .ask: asked.append(each)
            case .forwardNatively(let octets): natively.append(.init(instance: instance, octets: octets))
            case .encapsulate(let ways):
                let dropped = try sent(each, ways, instance, &found, isWithOversize: oversize.contains(each.input))
                answer(oneOf: dropped)
            }
        }
        try found.checkNothingIsLeft()
        try compareMisses(output.misses, asked, stranded, instance)
        let errors = try compareWritten(output.written, natively, mayHaveOthers: true)
        try ExpectedAnswer.compare(errors, answers, instance)
        try compareCounters()
    }

    /// Trains of which a segment fits no way: such a train may be dropped as a whole, since its sender sends it again in smaller ones.
    private func trainsThatAreTooBig(_ expected: [Expected]) -> Set<Int> {
        Set(
            expected.filter { each in
                guard each.isTrain, case .encapsulate(let ways) = each.fate else { return false }
                return ways.contains {
                    switch $0.form {
                    case .tooBig, .fragmentable: true
                    case .whole, .cut: false
                    }
                }
            }.map(\.input)
        )
    }

    /// Finds what became of a packet that may leave by these ways.
    ///
    /// - Returns: what its sender is told if it was too big, one of these.
    private mutating func sent(
        _ each: Expected,
        _ ways: [ReferencePlane.Way],
        _ instance: InstanceID,
        _ found: inout FoundDatagrams,
        isWithOversize: Bool
    ) throws -> [ReferencePlane.SiteAnswer] {
        let text = "\(Self.name(each.packet)) in instance \(instance)"
        let choice = choice(each, instance)
        let before = choice.flatMap { chosen[$0] }
        let ways = before == nil ? ways : ways.filter { $0.locator == before }
        guard let (way, datagrams) = try found.take(each.packet, each.number, ways) else {
            let answers = ways.compactMap { way in
                if case .tooBig(let told) = way.form { told.map { [$0] } ?? [] } else { nil }
            }
            try Self.require(isWithOversize || !answers.isEmpty, "\(text) does not leave by any of \(ways)")
            reference.count(.exceedsPathMTU)
            return answers.flatMap { $0 }
        }
        let packet = ReferencePacket(each.packet)
        for datagram in datagrams {
            try Self.require(datagram.header == ReferencePlane.header(instance), "\(text): header \(datagram.header)")
            try Self.require(datagram.ttl == packet?.ttl, "\(text): outer TTL \(datagram.ttl)")
            try Self.require(datagram.tos == packet?.tos, "\(text): outer TOS \(datagram.tos)")
            if way.form == .fragmentable || !isWithOversize {
                let isRight = datagram.mayBeFragmented == (way.form == .fragmentable)
                try Self.require(isRight, "\(text): may it be fragmented? \(datagram.mayBeFragmented)")
            }
            if !datagram.mayBeFragmented {
                let key = PortOfFlow(flow: each.flow, family: datagram.destination.family)
                let port = ports[key] ?? datagram.sourcePort
                try Self.require(port == datagram.sourcePort, "\(text): another source port than its flow's")
                ports[key] = port
            }
            reference.count(encapsulated: datagram.inner.count, way.mapping, way.locator, instance)
        }
        if let choice { chosen[choice] = way.locator }
        return []
    }

    private func choice(_ each: Expected, _ instance: InstanceID) -> Choice? {
        guard let destination = ReferencePacket(each.packet)?.destination,
            let slots = reference.slots(for: EID(instanceID: instance, destination))
        else { return nil }
        let up = slots.map { reference.locators[$0.locator]?.isUp == true }
        return Choice(flow: each.flow, instance: instance, slots: slots, up: up)
    }

    /// Of each EID the first four packets are handed over, and the first that is stranded; whether more are is the plane's choice.
    private mutating func compareMisses(
        _ misses: [ForwardingMiss],
        _ asked: [Expected],
        _ stranded: [Expected],
        _ instance: InstanceID
    ) throws {
        for (expected, isStranded, least) in [(asked, false, 4), (stranded, true, 1)] {
            let reported = misses.filter { $0.isStranded == isStranded }
            var held = Dictionary(grouping: reported, by: \.destination)
            let wanted = Dictionary(grouping: expected) { each in
                EID(instanceID: instance, ReferencePacket(each.packet)?.destination ?? .v4(IPv4Address(0)))
            }
            for (eid, packets) in wanted {
                let found = held.removeValue(forKey: eid) ?? []
                var rest = packets[...]
                for (number, miss) in found.enumerated() {
                    guard let place = rest.firstIndex(where: { $0.packet == miss.packet }),
                        number >= least || place == rest.startIndex
                    else { throw Difference(description: "miss for \(eid), number \(number), of another packet") }
                    let source = ReferencePacket(miss.packet)?.source
                    try Self.require(miss.source.address == source, "miss for \(eid) with source \(miss.source)")
                    try Self.require(miss.source.instanceID == instance, "miss for \(eid) with source \(miss.source)")
                    rest = rest[(place + 1)...]
                }
                let enough = min(least, packets.count)
                try Self.require(found.count >= enough, "\(found.count) of \(packets.count) misses for \(eid)")
                if !isStranded { reference.count(.missRecentlyReported, packets.count - found.count) }
            }
            if let (eid, others) = held.first {
                throw Difference(description: "\(others.count) misses for \(eid), stranded \(isStranded)")
            }
        }
    }

    // MARK: Into the site

    mutating func network(_ inputs: [NetworkInput]) throws {
        let output = try plane.carry(fromNetwork: inputs)
        var wanted: [ReferencePlane.WrittenOctets] = []
        for input in inputs.filter({ $0.source.family == .ipv4 }) + inputs.filter({ $0.source.family == .ipv6 }) {
            for payload in input.payloads {
                let delivery = reference.deliver(payload, from: input.source, tos: input.tos, ttl: input.ttl)
                if case .deliver(let octets) = delivery { wanted.append(octets) }
            }
        }
        try Self.require(output.sent.isEmpty, "\(output.sent.count) datagrams leave for what came from the network")
        try Self.require(output.misses.isEmpty, "\(output.misses.count) misses for what came from the network")
        _ = try compareWritten(output.written, wanted, mayHaveOthers: false)
        try compareCounters()
    }

    /// Each flow in order, and nothing twice.
    ///
    /// - Returns: what else there is.
    private func compareWritten(
        _ written: [WrittenPacket],
        _ wanted: [ReferencePlane.WrittenOctets],
        mayHaveOthers: Bool
    ) throws -> [WrittenPacket] {
        var places = Dictionary(grouping: wanted.indices, by: { wanted[$0] })
        var last: [[UInt8]: Int] = [:]
        var others: [WrittenPacket] = []
        for packet in written {
            let key = ReferencePlane.WrittenOctets(instance: packet.instance, octets: packet.octets)
            guard let place = places[key]?.first else {
                others.append(packet)
                continue
            }
            places[key]?.removeFirst()
            let flow = ReferencePacket(packet.octets)?.flow ?? []
            let before = last.updateValue(place, forKey: flow + [UInt8(packet.instance.rawValue & 255)]) ?? -1
            try Self.require(place > before, "\(Self.name(packet.octets)) is written out of order")
        }
        if let missing = places.first(where: { !$0.value.isEmpty })?.key {
            let near = others.first { $0.octets.suffix(8) == missing.octets.suffix(8) }?.octets ?? []
            let name = Self.name(missing.octets)
            throw Difference(description: "\(name) is not written to \(missing.instance); instead \(near.prefix(48))")
        }
        if !mayHaveOthers, let other = others.first {
            throw Difference(description: "\(Self.name(other.octets)) is written to \(other.instance)")
        }
        return others
    }

    // MARK: Counters

    private func compareCounters() throws {
        let drops = plane.drops
        try Self.require(drops == reference.drops, "drops \(drops), not \(reference.drops)")
        for instance in reference.instances {
            let (found, wanted) = (plane.counters(of: instance), reference.instanceCounters[instance] ?? .init())
            try Self.require(found == wanted, "instance \(instance): \(found), not \(wanted)")
        }
        for number in ConformanceScript.locatorNumbers {
            let id = LocatorID(rawValue: number)
            let (found, wanted) = (plane.counters(of: id), reference.locatorCounters[id] ?? .init())
            try Self.require(found == wanted, "locator \(number): \(found), not \(wanted)")
        }
        for mapping in ConformanceScript.mappingNumbers.map(MappingID.init(rawValue:)) {
            let (found, wanted) = (plane.counters(of: mapping), reference.mappingCounters[mapping] ?? .init())
            try Self.require(found == wanted, "mapping \(mapping.rawValue): \(found), not \(wanted)")
            for locator in ConformanceScript.locatorNumbers.map(LocatorID.init(rawValue:)) {
                let place = ReferencePlane.Place(mapping: mapping, locator: locator)
                let found = plane.counters(of: mapping, locator: locator)
                let wanted = reference.placeCounters[place] ?? .init()
                let text = "mapping \(mapping.rawValue) by locator \(locator.rawValue): \(found), not \(wanted)"
                try Self.require(found == wanted, text)
            }
        }
    }

    static func require(_ condition: Bool, _ text: @autoclosure () -> String) throws {
        if !condition { throw Difference(description: text()) }
    }

    static func name(_ octets: [UInt8]) -> String {
        guard let packet = ReferencePacket(octets) else { return "\(octets.count) octets that are no packet" }
        let addresses = "from \(packet.source) to \(packet.destination)"
        return "a packet of \(packet.count) octets, protocol \(packet.number), \(addresses)"
    }
}
