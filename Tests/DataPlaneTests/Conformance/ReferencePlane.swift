// The data plane as a specification: dictionaries, one packet at a time, and no thought of speed. What it decides is what any plane
// behind `ForwardingInterface` has to decide. It leaves open only which of several locators a flow takes.
//
// Standards: RFC 9300 sections 5 (encapsulation), 7 (packets too large) and 9 (locators); RFC 6040 section 4 (ECN); RFC 6832 (Proxy-ETR).
// Nonces and Locator-Status-Bits are not in it: none are in use unless `setHeaderHints` says so.

import ForwardingInterface
import LISPWire

@testable import DataPlane

struct ReferencePlane {
    struct Locator: Equatable {
        var address: IPAddress
        var isUp: Bool
        var mtu: Int
    }

    struct Entry: Equatable {
        var mapping: MappingID
        var action: ForwardingAction
    }

    struct ErrorSource: Hashable {
        var instance: InstanceID
        var family: AddressFamily
    }

    struct Place: Hashable {
        var mapping: MappingID
        var locator: LocatorID
    }

    let instances: [InstanceID]
    private(set) var locators: [LocatorID: Locator] = [:]
    private(set) var sets: [LocatorSetID: [LocatorSlot]] = [:]
    private(set) var entries: [EIDPrefix: Entry] = [:]
    /// How many entries each mapping has.
    private var entryCounts: [MappingID: Int] = [:]
    private(set) var ownPrefixes: Set<EIDPrefix> = []
    private(set) var acceptedSources: Set<EIDPrefix> = []
    private(set) var errorSources: [ErrorSource: IPAddress] = [:]

    private(set) var mappingCounters: [MappingID: MappingCounters] = [:]
    private(set) var placeCounters: [Place: MappingCounters] = [:]
    private(set) var locatorCounters: [LocatorID: MappingCounters] = [:]
    private(set) var instanceCounters: [InstanceID: MappingCounters] = [:]
    private(set) var drops: [DataPlaneDropReason: UInt64] = [:]

    init(instances: [InstanceID]) { self.instances = instances }

    // MARK: Updates

    /// - Returns: whether the caller keeps the rule: children come before parents, and are deleted behind them.
    mutating func apply(_ update: ForwardingUpdate) -> Bool {
        switch update {
        case .putLocator(let id, let address, _, let up, let mtu):
            locators[id] = Locator(address: address, isUp: up, mtu: Int(mtu))
        case .deleteLocator(let id):
            if sets.values.contains(where: { $0.contains { $0.locator == id } }) { return false }
            locators[id] = nil
            locatorCounters[id] = nil
        case .putLocatorSet(let id, let slots):
            if !slots.allSatisfy({ locators[$0.locator] != nil }) { return false }
            sets[id] = slots
        case .deleteLocatorSet(let id):
            if entries.values.contains(where: { $0.action == .encapsulate(id) }) { return false }
            sets[id] = nil
        case .putEntry(let prefix, let mapping, let action):
            if case .encapsulate(let set) = action, sets[set] == nil { return false }
            entryCounts[mapping, default: 0] += 1
            forgetMapping(entries.updateValue(Entry(mapping: mapping, action: action), forKey: prefix)?.mapping)
        case .deleteEntry(let prefix):
            forgetMapping(entries.removeValue(forKey: prefix)?.mapping)
        case .putOwnPrefix(let prefix): ownPrefixes.insert(prefix)
        case .deleteOwnPrefix(let prefix): ownPrefixes.remove(prefix)
        case .putAcceptedSource(let prefix): acceptedSources.insert(prefix)
        case .deleteAcceptedSource(let prefix): acceptedSources.remove(prefix)
        case .setErrorSource(let instance, let family, let address):
            errorSources[ErrorSource(instance: instance, family: family)] = address
        case .setHeaderHints, .requestEcho, .putStatusBits, .putAccount, .deleteAccount:
            return false
        }
        return true
    }

    /// The counters of a mapping go with its last entry.
    private mutating func forgetMapping(_ mapping: MappingID?) {
        guard let mapping, let count = entryCounts[mapping] else { return }
        entryCounts[mapping] = count - 1
        guard count == 1 else { return }
        mappingCounters[mapping] = nil
        placeCounters = placeCounters.filter { $0.key.mapping != mapping }
    }

    /// The longest of these prefixes that covers the address.
    private func longestMatch(_ eid: EID, _ isThere: (EIDPrefix) -> Bool) -> EIDPrefix? {
        for length in stride(from: Int(eid.address.family.bitWidth), through: 0, by: -1) {
            guard let prefix = IPPrefix(eid.address, length: UInt8(length)) else { continue }
            let candidate = EIDPrefix(instanceID: eid.instanceID, prefix)
            if isThere(candidate) { return candidate }
        }
        return nil
    }

    private func entry(_ eid: EID) -> Entry? {
        longestMatch(eid) { entries[$0] != nil }.flatMap { entries[$0] }
    }
    private func isOwn(_ eid: EID) -> Bool { longestMatch(eid, ownPrefixes.contains) != nil }
    private func isAccepted(_ eid: EID) -> Bool { longestMatch(eid, acceptedSources.contains) != nil }

    // MARK: Out of the site

    /// What is told to the sender of a packet.
    struct SiteAnswer: Equatable {
        var from: IPAddress
        var to: IPAddress
        var type: UInt8
        var code: UInt8
        var mtu = 0
    }

    /// What becomes of a packet of the site.
    enum Fate: Equatable {
        case drop(DataPlaneDropReason, SiteAnswer?)
        /// The mapping has no locator that can be used: dropped, and the control plane is told.
        case strand(SiteAnswer?)
        case ask
        case forwardNatively([UInt8])
        /// One of these ways, and all packets of the flow the same while these are the choices.
        case encapsulate([Way])
    }

    /// How a packet would leave by one locator.
    struct Way: Equatable {
        enum Form: Equatable {
            case whole
            /// In a datagram that routers may fragment.
            case fragmentable
            /// Cut into fragments of at most so many octets, each in a datagram of its own.
            case cut(limit: Int)
            case tooBig(SiteAnswer?)
        }

        var mapping: MappingID
        var locator: LocatorID
        var address: IPAddress
        var form: Form
    }

    /// - Parameter isHeld: it had no mapping before, and was released.
    func fate(of bytes: [UInt8], in instance: InstanceID, isHeld: Bool = false) -> Fate {
        guard let packet = ReferencePacket(bytes) else { return .drop(.malformedPacket, nil) }
        switch ReferencePacket.kind(packet.destination) {
        case .multicast: return .drop(.multicastDestination, nil)
        case .linkLocal: return .drop(.linkLocalDestination, nil)
        case .invalid: return .drop(.invalidDestination, nil)
        case .unicast: break
        }
        if ReferencePacket.kind(packet.source) != .unicast { return .drop(.invalidSource, nil) }
        if packet.ttl == 0 { return .drop(.timeToLiveExceeded, nil) }
        let destination = EID(instanceID: instance, packet.destination)
        if isOwn(destination) { return .drop(.destinationIsOwn, nil) }
        let missing: Fate = isHeld ? .drop(.stillNoMapping, nil) : .ask
        guard let entry = entry(destination) else { return missing }
        switch entry.action {
        case .sendMapRequest: return missing
        case .forwardNatively: return .forwardNatively(Self.raised(packet))
        case .drop(let reason): return drop(reason, packet, instance)
        case .encapsulate(let set):
            let ways = ways(entry.mapping, set, packet, instance)
            return ways.isEmpty ? .strand(unreachable(packet, instance)) : .encapsulate(ways)
        }
    }

    /// The kernel lowers the TTL a second time.
    static func raised(_ packet: ReferencePacket) -> [UInt8] {
        var raised = packet
        raised.ttl = packet.ttl == 255 ? 255 : packet.ttl + 1
        return raised.octets
    }

    private func drop(_ reason: ForwardingDropReason, _ packet: ReferencePacket, _ instance: InstanceID) -> Fate {
        let prohibited = answer(packet, instance, ipv4: (3, 13), ipv6: (1, 1))
        return switch reason {
        case .noReason: .drop(.policyNoReason, unreachable(packet, instance))
        case .policyDenied: .drop(.policyDenied, prohibited)
        case .authenticationFailure: .drop(.policyAuthenticationFailure, prohibited)
        case .attracted: .drop(.attracted, unreachable(packet, instance))
        }
    }

    /// Those that are up, of the best priority that any of them has: all that have a weight, or all if none has.
    private func ways(
        _ mapping: MappingID,
        _ set: LocatorSetID,
        _ packet: ReferencePacket,
        _ instance: InstanceID
    ) -> [Way] {
        let usable = (sets[set] ?? []).filter { $0.priority != 255 && locators[$0.locator]?.isUp == true }
        let best = usable.filter { slot in usable.allSatisfy { slot.priority <= $0.priority } }
        let weighted = best.filter { $0.weight > 0 }
        return (weighted.isEmpty ? best : weighted).compactMap { slot in
            guard let locator = locators[slot.locator] else { return nil }
            let form = form(packet, locator, instance)
            return Way(mapping: mapping, locator: slot.locator, address: locator.address, form: form)
        }
    }

    /// What an EID is encapsulated to; `nil` if it is not.
    func slots(for eid: EID) -> [LocatorSlot]? {
        guard case .encapsulate(let set)? = entry(eid)?.action else { return nil }
        return sets[set]
    }

    private func form(_ packet: ReferencePacket, _ locator: Locator, _ instance: InstanceID) -> Way.Form {
        // IP, UDP and LISP headers.
        let limit = locator.mtu - (locator.address.family == .ipv4 ? 20 : 40) - 8 - 8
        if locator.mtu == 0 || packet.count <= limit { return .whole }
        if packet.isIPv4 {
            if !packet.dontFragment { return .cut(limit: limit) }
            return .tooBig(answer(packet, instance, ipv4: (3, 4), ipv6: (2, 0), mtu: limit))
        }
        if packet.count <= 1_280 { return .fragmentable }
        return .tooBig(answer(packet, instance, ipv4: (3, 4), ipv6: (2, 0), mtu: max(limit, 1_280)))
    }

    private func unreachable(_ packet: ReferencePacket, _ instance: InstanceID) -> SiteAnswer? {
        answer(packet, instance, ipv4: (3, 1), ipv6: (1, 3))
    }

    /// `nil` if there is no address to answer from, or nobody may be answered.
    private func answer(
        _ packet: ReferencePacket,
        _ instance: InstanceID,
        ipv4: (UInt8, UInt8),
        ipv6: (UInt8, UInt8),
        mtu: Int = 0
    ) -> SiteAnswer? {
        let family = packet.source.family
        guard let source = errorSources[ErrorSource(instance: instance, family: family)], !packet.isLaterFragment,
            !packet.isError
        else { return nil }
        let (type, code) = family == .ipv4 ? ipv4 : ipv6
        return SiteAnswer(from: source, to: packet.source, type: type, code: code, mtu: mtu)
    }

    /// The eight octets before the inner packet.
    static func header(_ instance: InstanceID) -> [UInt8] {
        let id = instance.rawValue
        guard id != 0 else { return [0, 0, 0, 0, 0, 0, 0, 0] }
        return [0x08, 0, 0, 0, UInt8(id >> 16), UInt8(id >> 8 & 255), UInt8(id & 255), 0]
    }

    // MARK: Into the site

    /// What becomes of a datagram.
    enum Delivery: Equatable {
        case drop(DataPlaneDropReason)
        case deliver(WrittenOctets)
    }

    struct WrittenOctets: Hashable {
        var instance: InstanceID
        var octets: [UInt8]
    }

    /// Counts it, too.
    mutating func deliver(_ payload: [UInt8], from rloc: IPAddress, tos: UInt8, ttl: UInt8) -> Delivery {
        guard payload.count > 8 else { return drop(.datagramTooShort) }
        if payload[0] & 3 != 0 { return drop(.encrypted) }
        let hasID = payload[0] & 8 != 0
        let id = hasID ? payload[4..<7].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } : 0
        let instance = InstanceID(uncheckedRawValue: id)
        guard instances.contains(instance) else { return drop(.unknownInstance) }
        guard var packet = ReferencePacket(Array(payload.dropFirst(8))) else { return drop(.malformedInnerPacket) }
        if ReferencePacket.kind(packet.destination) != .unicast { return drop(.invalidInnerDestination) }
        if ReferencePacket.kind(packet.source) != .unicast { return drop(.invalidInnerSource) }
        let source = EID(instanceID: instance, packet.source)
        if !isOwn(EID(instanceID: instance, packet.destination)) {
            let isProxy = acceptedSources.contains { $0.instanceID == instance }
            if !isProxy { return drop(.innerDestinationNotOwn) }
            if !isAccepted(source) { return drop(.innerSourceNotAccepted) }
        }
        if isOwn(source) { return drop(.innerSourceIsOwn) }
        let left = min(packet.ttl, ttl)
        if left == 0 { return drop(.innerTimeToLiveExceeded) }
        guard let mark = Self.congestion(inner: packet.tos & 3, outer: tos & 3) else {
            return drop(.congestionMarkNotRepresentable)
        }
        packet.ttl = left
        packet.tos = tos & 0xfc | mark
        count(decapsulated: packet, from: rloc, source)
        return .deliver(WrittenOctets(instance: instance, octets: packet.octets))
    }

    /// The table of RFC 6040 section 4.2; `nil`: drop. 0 is Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE.
    private static func congestion(inner: UInt8, outer: UInt8) -> UInt8? {
        let table: [[UInt8?]] = [[0, 0, 0, nil], [1, 1, 1, 3], [2, 1, 2, 3], [3, 3, 3, 3]]
        return table[Int(inner)][Int(outer)]
    }

    // MARK: Counting

    mutating func count(_ reason: DataPlaneDropReason, _ number: Int = 1) {
        if number > 0 { drops[reason, default: 0] += UInt64(number) }
    }

    private mutating func drop(_ reason: DataPlaneDropReason) -> Delivery {
        count(reason)
        return .drop(reason)
    }

    /// A datagram with so many octets of inner packet left for the locator.
    mutating func count(encapsulated octets: Int, _ mapping: MappingID, _ locator: LocatorID, _ instance: InstanceID) {
        let one = TrafficCounters(packets: 1, octets: UInt64(octets))
        mappingCounters[mapping, default: MappingCounters()].encapsulated += one
        placeCounters[Place(mapping: mapping, locator: locator), default: MappingCounters()].encapsulated += one
        locatorCounters[locator, default: MappingCounters()].encapsulated += one
        instanceCounters[instance, default: MappingCounters()].encapsulated += one
    }

    /// It counts for the mapping of its source, and for the locator it came from if that is one of the mapping's.
    private mutating func count(decapsulated packet: ReferencePacket, from rloc: IPAddress, _ source: EID) {
        let one = TrafficCounters(packets: 1, octets: UInt64(packet.count))
        instanceCounters[source.instanceID, default: MappingCounters()].decapsulated += one
        guard let entry = entry(source) else { return }
        mappingCounters[entry.mapping, default: MappingCounters()].decapsulated += one
        guard case .encapsulate(let set) = entry.action,
            let slot = sets[set]?.first(where: { locators[$0.locator]?.address == rloc })
        else { return }
        let place = Place(mapping: entry.mapping, locator: slot.locator)
        placeCounters[place, default: MappingCounters()].decapsulated += one
        locatorCounters[slot.locator, default: MappingCounters()].decapsulated += one
    }
}
