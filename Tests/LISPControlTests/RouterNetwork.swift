// Routers in one process: a virtual clock, messages delivered by RLOC with or without loss, a plain forwarding table each.

import ForwardingInterface
import LISPTables
import LISPWire
import Testing

@testable import LISPControl

/// What a data plane does with forwarding updates, as a reference: it notes every update that comes in the wrong order.
struct ReferencePlane {
    private(set) var locators: [LocatorID: IPAddress] = [:]
    private(set) var sets: [LocatorSetID: [LocatorSlot]] = [:]
    private(set) var entries: [EIDPrefix: (mapping: MappingID, action: ForwardingAction)] = [:]
    private(set) var faults: [String] = []
    var packetsSent: [MappingID: UInt64] = [:]

    var isEmpty: Bool { locators.isEmpty && sets.isEmpty && entries.isEmpty }

    mutating func apply(_ updates: [ForwardingUpdate]) {
        for update in updates {
            apply(update)
            if let fault { faults.append("\(fault) after \(update)") }
        }
    }

    private mutating func apply(_ update: ForwardingUpdate) {
        switch update {
        case .putLocator(let id, let address, _, _, _): locators[id] = address
        case .deleteLocator(let id): locators[id] = nil
        case .putLocatorSet(let id, let slots): sets[id] = slots
        case .deleteLocatorSet(let id): sets[id] = nil
        case .putEntry(let eid, let mapping, let action): entries[eid] = (mapping, action)
        case .deleteEntry(let eid): entries[eid] = nil
        case .putOwnPrefix, .deleteOwnPrefix: break
        }
    }

    /// Something that refers to what is not there.
    private var fault: String? {
        for (eid, entry) in entries {
            if case .encapsulate(let set) = entry.action, sets[set] == nil { return "\(eid) names no set" }
        }
        for slot in sets.values.joined() where locators[slot.locator] == nil { return "a set names no locator" }
        return nil
    }

    func longestMatch(_ eid: EID) -> (mapping: MappingID, action: ForwardingAction)? {
        let host = EIDPrefix(instanceID: eid.instanceID, IPPrefix(host: eid.address))
        return entries.filter { $0.key.covers(host) }.max { $0.key.prefix.length < $1.key.prefix.length }?.value
    }

    func bestLocator(of set: LocatorSetID) -> IPAddress? {
        sets[set]?.min { $0.priority < $1.priority }.flatMap { locators[$0.locator] }
    }
}

final class RouterNetwork {
    struct Node {
        var router: Router
        var addresses: [IPAddress]
        var plane = ReferencePlane()
        /// Inner destinations of the packets that were encapsulated to this router, in order of arrival.
        var arrived: [IPAddress] = []
        var sentNatively: [IPAddress] = []
        var notes: [RouterNote] = []
        /// Control messages that it received.
        var heard: [[UInt8]] = []
    }

    private struct Delivery {
        let due: Instant
        let message: ReceivedControlMessage
    }

    static let delay = Duration.milliseconds(10)

    private(set) var now = Instant.zero
    private(set) var nodes: [String: Node] = [:]
    var random: SplitMix
    /// Of a hundred messages, how many are lost.
    var lossPercent = 0
    private(set) var lost = 0
    /// In order of arrival.
    private var queue: [Delivery] = []

    init(seed: UInt64 = 1) {
        random = SplitMix(seed: seed)
    }

    func add(_ name: String, _ addresses: [String], _ settings: RouterSettings, nonces: [NonceHistory] = []) {
        let nonce = UInt64(now.nanoseconds) + 1_000_000
        nodes[name] = Node(
            router: Router(settings, nextNonce: nonce, nonces: nonces, now: now),
            addresses: addresses.map { IPAddress($0)! }
        )
    }

    /// Takes a router away, and what is on its way to it.
    @discardableResult
    func remove(_ name: String) -> Node? { nodes.removeValue(forKey: name) }

    func reconfigure(_ name: String, _ settings: RouterSettings) {
        act(name) { router, now, random in
            router.reconfigure(settings, nextNonce: UInt64(now.nanoseconds) + 1_000_000, now: now, using: &random)
        }
    }

    func clearMapCache(_ name: String) {
        var eids: [EIDPrefix] = []
        while let entry = nodes[name]?.router.itr?.cache.first(after: eids.last) { eids.append(entry.eid) }
        act(name) { router, _, _ in router.clearMapCache(eids).actions }
    }

    /// A host behind `name` sends a packet.
    func packet(at name: String, from source: String, to destination: String) {
        let miss = ForwardingMiss(
            source: EID(IPAddress(source)!),
            destination: EID(IPAddress(destination)!),
            packet: Array(repeating: 0, count: 100)
        )
        forward(miss, at: name, isHeld: false)
    }

    private func forward(_ miss: ForwardingMiss, at name: String, isHeld: Bool) {
        let match = nodes[name]?.plane.longestMatch(miss.destination)
        switch match?.action {
        case .encapsulate(let set):
            guard let match, let rloc = nodes[name]?.plane.bestLocator(of: set) else { return }
            nodes[name]?.plane.packetsSent[match.mapping, default: 0] += 1
            for (other, node) in nodes where node.addresses.contains(rloc) {
                nodes[other]?.arrived.append(miss.destination.address)
            }
        case .forwardNatively: nodes[name]?.sentNatively.append(miss.destination.address)
        case .drop: break
        case .sendMapRequest, nil:
            guard !isHeld else { return }
            act(name) { router, now, random in router.missed(miss, now: now, using: &random) }
        }
    }

    /// A datagram from somewhere reaches `name` now.
    func deliver(_ payload: [UInt8], to name: String, from source: Endpoint) {
        guard let address = nodes[name]?.addresses.first(where: { $0.family == source.address.family }) else { return }
        receive(ReceivedControlMessage(payload: payload, source: source, destination: address), at: name)
    }

    private func receive(_ message: ReceivedControlMessage, at name: String) {
        nodes[name]?.heard.append(message.payload)
        act(name) { router, now, random in router.received(message, now: now, using: &random) }
    }

    private func act(_ name: String, _ event: (inout Router, Instant, inout SplitMix) -> [RouterAction]) {
        guard let addresses = nodes[name]?.addresses else { return }
        let actions = event(&nodes[name]!.router, now, &random)
        for action in actions {
            switch action {
            case .send(let datagram): send(datagram, from: addresses)
            case .forwarding(let updates): nodes[name]?.plane.apply(updates)
            case .release(let packets, .forward):
                for packet in packets { forward(packet, at: name, isHeld: true) }
            case .release(let packets, .forwardNatively):
                nodes[name]?.sentNatively += packets.map(\.destination.address)
            case .remoteEIDKnown, .remoteEIDForgotten: break
            case .note(let note): nodes[name]?.notes.append(note)
            }
        }
    }

    private func send(_ datagram: ControlDatagram, from addresses: [IPAddress]) {
        guard Int.random(in: 0..<100, using: &random) >= lossPercent else {
            lost += 1
            return
        }
        let family = datagram.destination.address.family
        guard let source = datagram.source ?? addresses.first(where: { $0.family == family }) else { return }
        queue.append(
            Delivery(
                due: now + Self.delay,
                message: ReceivedControlMessage(
                    payload: datagram.payload,
                    source: .control(source),
                    destination: datagram.destination.address
                )
            )
        )
    }

    /// Lets time pass, from event to event.
    func run(_ duration: Duration) {
        let end = now + duration
        while true {
            var next: (name: String?, at: Instant)? = queue.first.map { (nil, $0.due) }
            for name in nodes.keys.sorted() {
                if let due = nodes[name]?.router.deadline(), due < next?.at ?? Instant(nanoseconds: .max) {
                    next = (name, due)
                }
            }
            guard let next, next.at <= end else { break }
            now = max(now, next.at)
            if let name = next.name {
                let sent = nodes[name]?.plane.packetsSent ?? [:]
                act(name) { router, now, random in router.timeout(now: now, using: &random) { sent[$0, default: 0] } }
            } else {
                let message = queue.removeFirst().message
                let name = nodes.keys.sorted().first { nodes[$0]?.addresses.contains(message.destination) ?? false }
                if let name { receive(message, at: name) }
            }
        }
        now = end
    }

    func isRegistered(_ prefix: String, at name: String) -> Bool {
        nodes[name]?.router.mapServer?.registry.registered[eidPrefix(prefix)] != nil
    }
}

/// Settings of the routers of these tests.
enum Roles {
    static let key = secret("shared")

    static func itr(_ rloc: String, limit: Int = 1000) -> ITRSettings {
        ITRSettings(mapResolvers: [mapServerAddress], rlocs: [IPAddress(rloc)!], mapCacheLimit: limit)
    }

    static func etr(_ rloc: String, _ prefixes: [String], id: UInt128, proxyReply: Bool = false, ttl: UInt32 = 1440)
        -> ETRSettings
    {
        ETRSettings(
            mappings: prefixes.map { prefix in
                DatabaseMapping(
                    eid: eidPrefix(prefix),
                    ttlMinutes: ttl,
                    locators: [DatabaseLocator(address: IPAddress(rloc)!, priority: 1, weight: 100, isLocal: true)]
                )
            },
            mapServers: [MapServerPeer(address: mapServerAddress, keys: [key], proxyReply: proxyReply)],
            xtrID: XTRID(rawValue: id),
            siteID: SiteID(rawValue: 0),
            rlocs: [IPAddress(rloc)!]
        )
    }

    static func xtr(_ rloc: String, _ prefixes: [String], id: UInt128, proxyReply: Bool = false, ttl: UInt32 = 1440)
        -> RouterSettings
    {
        RouterSettings(itr: itr(rloc), etr: etr(rloc, prefixes, id: id, proxyReply: proxyReply, ttl: ttl))
    }

    static let mapServer = MapServerSettings(
        eidSpace: [eidPrefix("10.0.0.0/8")],
        sites: [
            SiteSettings(
                name: "one",
                keys: [key],
                eids: [SiteEID(prefix: eidPrefix("10.1.0.0/16"), acceptMoreSpecifics: true)]
            ),
            SiteSettings(
                name: "two",
                keys: [key],
                eids: [SiteEID(prefix: eidPrefix("10.2.0.0/16"), acceptMoreSpecifics: true)]
            ),
            SiteSettings(name: "unused", keys: [key], eids: [SiteEID(prefix: eidPrefix("10.3.0.0/16"))]),
        ]
    )
    static let mappingSystem = RouterSettings(mapServer: mapServer, mapResolver: MapResolverSettings())

    static var all: RouterSettings {
        var settings = xtr("192.0.2.53", ["10.1.0.0/16"], id: 1)
        settings.mapServer = mapServer
        settings.mapResolver = MapResolverSettings()
        return settings
    }

    /// Two sites and a Map-Server/Map-Resolver, registered.
    static func twoSites(seed: UInt64 = 1, proxyReply: Bool = false, ttl: UInt32 = 1440) -> RouterNetwork {
        let network = RouterNetwork(seed: seed)
        network.add("ms", ["192.0.2.53"], mappingSystem)
        network.add(
            "one",
            ["198.51.100.1"],
            xtr("198.51.100.1", ["10.1.0.0/16"], id: 1, proxyReply: proxyReply, ttl: ttl)
        )
        network.add(
            "two",
            ["198.51.100.2"],
            xtr("198.51.100.2", ["10.2.0.0/16"], id: 2, proxyReply: proxyReply, ttl: ttl)
        )
        network.run(.seconds(1))
        return network
    }
}
