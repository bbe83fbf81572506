// Somebody without keys who has overheard much: forges, replays and floods, from whatever source address suits.

import LISPControl
import LISPTables
import LISPWire

/// Overhears datagrams, but answers no question in time: its Map-Replies have random nonces or old ones.
package final class Attacker {
    struct Overheard {
        let payload: [UInt8]
        let source: Endpoint
        let destination: Endpoint
    }

    /// Where it wants the packets.
    package static let rlocs = [IPAddress("203.0.113.66"), IPAddress("2a02:bad::66")].compactMap(\.self)
    private static let remembered = 64

    let network: SimulatedNetwork
    var random: SeededRandom
    let accomplices: Accomplices
    private var overheard: [ControlMessageKind: [Overheard]] = [:]
    /// Whether it forges ICMP errors, too.
    private let pathsMatter: Bool
    private var isActive = false
    package internal(set) var tried: [AttackKind: UInt64] = [:]
    package var attacks: Int { tried.values.reduce(0) { $0 + Int($1) } }

    /// - Parameter world: where it has accomplices; without one it does everything from outside.
    package init(_ network: SimulatedNetwork, in world: World? = nil) {
        self.network = network
        pathsMatter = world?.shape.hasAllFeatures ?? false
        accomplices = world.map { Accomplices(itrs: $0.itrs, sites: $0.sites) } ?? Accomplices()
        random = SeededRandom(seed: network.seed, stream: 3)
        network.tap = { [unowned self] payload, source, destination in
            hear(Overheard(payload: payload, source: source, destination: destination))
        }
    }

    private func hear(_ message: Overheard) {
        let kind = ControlMessageKind(payload: message.payload)
        if overheard[kind, default: []].count < Self.remembered {
            overheard[kind, default: []].append(message)
        } else {
            overheard[kind]?[random.below(Self.remembered)] = message
        }
    }

    /// Attacks every `interval` on average until `stop`.
    package func start(every interval: Duration) {
        isActive = true
        again(interval)
    }

    package func stop() { isActive = false }

    private func again(_ interval: Duration) {
        network.after(random.duration(upTo: interval * 2)) { [weak self] in
            guard let self, isActive else { return }
            attack()
            again(interval)
        }
    }

    private func attack() {
        switch random.below(pathsMatter ? 19 : 18) {
        case 0, 1, 2: forgeMapReply()
        case 3: replay(.mapReply)
        case 4, 5: replay(.mapRegister)
        case 6: forgeMapRegister()
        case 7: damage()
        case 8: forgeMapNotify()
        case 9: replay(random.chance(perMille: 500) ? .mapNotify : .mapNotifyAck)
        case 10: replay(.encapsulated)
        case 11, 12: registerForeignEIDs()
        case 13: forgeSMR()
        case 14: forgeProbe()
        case 15: floodMapRequests()
        case 16: scan()
        case 18: forgeSizeError()
        default: garbage()
        }
    }

    func inject(_ attack: AttackKind, _ payload: [UInt8], from source: Endpoint, to destination: Endpoint) {
        tried[attack, default: 0] += 1
        network.inject(payload, from: source, to: destination)
    }

    /// What was tried, for the report of a run.
    package var report: [RunReport.Attack] {
        AttackKind.allCases.compactMap { kind in tried[kind].map { RunReport.Attack(kind: kind.rawValue, tried: $0) } }
    }

    func one(_ kind: ControlMessageKind) -> Overheard? {
        guard let known = overheard[kind], !known.isEmpty else { return nil }
        return known[random.below(known.count)]
    }

    private func replay(_ kind: ControlMessageKind) {
        guard let message = one(kind) else { return }
        if random.chance(perMille: 700) {
            inject(.replay, message.payload, from: message.source, to: message.destination)
        } else if let rloc = Self.rlocs.first(where: { $0.family == message.destination.address.family }) {
            let elsewhere = Endpoint(rloc, UInt16(1024 + random.below(60_000)))
            inject(.replayFromElsewhere, message.payload, from: elsewhere, to: message.destination)
        }
    }

    /// "What you asked for is here", with a nonce that nobody used; for a question asked just now as well as for older ones.
    private func forgeMapReply() {
        let known = overheard[.encapsulated] ?? []
        guard let message = random.chance(perMille: 500) ? known.last : one(.encapsulated),
            case .encapsulated(let ecm)? = try? ControlMessage(decoding: message.payload),
            let request = try? MapRequest(decoding: ecm.payload),
            let eid = request.records.first?.eidPrefix, let rloc = request.itrRLOCs.first?.ipAddress
        else { return }
        let length = eid.prefix.length - min(eid.prefix.length, UInt8(random.below(10)))
        let prefix = EIDPrefix(
            instanceID: eid.instanceID,
            IPPrefix(family: eid.prefix.family, leftAligned: eid.prefix.address.leftAligned, length: length)
        )
        let locators = Self.rlocs.map { LocatorRecord(priority: 1, weight: 100, address: .ip($0)) }
        let record = EIDRecord(eidPrefix: prefix, ttlMinutes: 1440, isAuthoritative: true, locators: locators)
        let guess = random.chance(perMille: 800) ? random.next() : request.nonce.rawValue ^ 1
        let reply = MapReply(nonce: Nonce(rawValue: guess), records: [record])
        inject(
            .forgedMapReply,
            reply.encoded(),
            from: .control(Self.rlocs[0]),
            to: Endpoint(rloc, ecm.sourcePort)
        )
    }

    /// A site's own message with other locators, a greater nonce, and a key that is guessed; or none.
    private func forgeMapRegister() {
        guard let message = one(.mapRegister), var register = try? MapRegister(decoding: message.payload) else {
            return
        }
        for index in register.records.indices {
            register.records[index].locators = Self.rlocs.map {
                LocatorRecord(priority: 1, weight: 100, isLocal: true, address: .ip($0))
            }
        }
        register.nonce = Nonce(rawValue: register.nonce.rawValue &+ 1 << 40)
        let key = AuthenticationKey(id: 0, algorithm: .hmacSHA256_128, secret: Array("guess".utf8))
        if random.chance(perMille: 700) {
            register.authentication = Authentication(placeholderFor: key)
            var payload = register.encoded()
            key.sign(&payload)
            inject(.forgedMapRegister, payload, from: message.source, to: message.destination)
        } else {
            register.authentication = Authentication(keyID: 0, algorithm: 0, data: [])
            inject(.forgedMapRegister, register.encoded(), from: message.source, to: message.destination)
        }
    }

    /// "You are registered", to who waits for that, with the nonce that it waits for.
    private func forgeMapNotify() {
        guard let message = overheard[.mapRegister]?.last ?? one(.mapRegister),
            let register = try? MapRegister(decoding: message.payload)
        else { return }
        let key = AuthenticationKey(id: 0, algorithm: .hmacSHA256_128, secret: Array("guess".utf8))
        let isAcknowledgement = random.chance(perMille: 300)
        var payload = MapNotify(
            isAcknowledgement: isAcknowledgement,
            nonce: random.chance(perMille: 700) ? register.nonce : Nonce(rawValue: random.next()),
            authentication: Authentication(placeholderFor: key),
            records: register.records,
            xtrID: register.xtrID,
            siteID: register.siteID
        ).encoded()
        key.sign(&payload)
        if isAcknowledgement {
            inject(.forgedMapNotify, payload, from: message.source, to: message.destination)
        } else {
            inject(.forgedMapNotify, payload, from: message.destination, to: .control(message.source.address))
        }
    }

    /// A message that was overheard, with a bit turned or its end missing.
    private func damage() {
        let kinds = ControlMessageKind.allCases
        guard let message = one(kinds[random.below(kinds.count)]), !message.payload.isEmpty else { return }
        var payload = message.payload
        if random.chance(perMille: 500) {
            // Not the nonce alone: whoever turns that makes a Map-Reply that nobody waits for, and no more.
            payload[random.below(payload.count)] ^= 1 << UInt8(random.below(8))
            guard ControlMessageKind(payload: payload) != .mapReply else { return }
        } else {
            payload.removeLast(1 + random.below(payload.count))
        }
        inject(.damagedMessage, payload, from: message.source, to: message.destination)
    }

    /// "Packets to that RLOC are too big", to a router that sends there.
    private func forgeSizeError() {
        let node = network.routers[random.below(network.routers.count)]
        let rlocs = node.plane.locatorIDs.keys.sorted()
        guard !rlocs.isEmpty else { return }
        tried[.forgedSizeError, default: 0] += 1
        let rloc = rlocs[random.below(rlocs.count)]
        network.hearTooBig(at: node, rloc, mtu: UInt16(random.below(1600)))
    }

    private func garbage() {
        guard !network.routers.isEmpty else { return }
        let node = network.routers[random.below(network.routers.count)]
        guard let address = node.addresses.first,
            let source = Self.rlocs.first(where: { $0.family == address.family })
        else { return }
        var payload = (0..<random.below(80)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        if !payload.isEmpty, random.chance(perMille: 800) { payload[0] = UInt8(random.below(9)) << 4 }
        inject(.garbage, payload, from: Endpoint(source, UInt16(random.below(65_536))), to: .control(address))
    }
}
