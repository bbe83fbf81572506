// What takes more than one message, a host behind a router, or a key of its own.

import LISPControl
import LISPTables
import LISPWire

extension Attacker {
    /// Hosts of the attacker, and a site whose operator is one.
    struct Accomplices {
        var itrs: [SimulatedRouter] = []
        var sites: [Site] = []
    }

    /// Messages, or packets, at one moment.
    private static let floodSize = 25

    /// A host behind an ITR tries EIDs that nobody has, and some that somebody has.
    func scan() {
        guard !accomplices.itrs.isEmpty, !accomplices.sites.isEmpty else { return }
        let node = accomplices.itrs[random.below(accomplices.itrs.count)]
        guard node.isUp else { return }
        let source = EID(.v4(IPv4Address(0x0a3f_fc01)))
        var next = UInt32(truncatingIfNeeded: random.next())
        for _ in 0..<Self.floodSize {
            // One after the other, in a tenth of them within the space of the sites.
            next &+= 1
            let isInside = random.chance(perMille: 100)
            let site = accomplices.sites[random.below(accomplices.sites.count)]
            let destination =
                isInside ? site.host(using: &random) : EID(.v4(IPv4Address(0x0a80_0000 | next & 0x007f_ffff)))
            guard !node.serves(destination) else { continue }
            tried[.scan, default: 0] += 1
            network.packet(at: node, from: source, to: destination)
        }
    }

    /// Map-Requests to the mapping system, answers to which would go to somebody else.
    func floodMapRequests() {
        guard let message = one(.encapsulated), let victim = anyAddress(of: message.destination.address.family) else {
            return
        }
        guard case .encapsulated(let ecm)? = try? ControlMessage(decoding: message.payload),
            var request = try? MapRequest(decoding: ecm.payload), let source = ecm.source,
            let destination = ecm.destination
        else { return }
        request.itrRLOCs = [.ip(victim)]
        for _ in 0..<Self.floodSize {
            request.nonce = Nonce(rawValue: random.next())
            if !accomplices.sites.isEmpty {
                let site = accomplices.sites[random.below(accomplices.sites.count)]
                let eid = site.host(using: &random)
                request.records = [
                    MapRequest.Record(EIDPrefix(instanceID: eid.instanceID, IPPrefix(host: eid.address)))
                ]
            }
            let flood = EncapsulatedControlMessage(
                source: source,
                destination: destination,
                payload: request.encoded()
            )
            inject(.mapRequestFlood, flood.encoded(), from: .control(victim), to: message.destination)
        }
    }

    /// The key of a site is good for its own EIDs, and no others: tried with one of another site, a part of it, and what covers it.
    func registerForeignEIDs() {
        guard let message = one(.mapRegister), var register = try? MapRegister(decoding: message.payload),
            let eid = register.records.first?.eidPrefix, !accomplices.sites.isEmpty
        else { return }
        let site = accomplices.sites[random.below(accomplices.sites.count)]
        let own = [site.block, site.block6]
        let wanted = Self.variant(of: eid, by: random.below(3))
        guard !own.contains(where: { $0.covers(wanted) || wanted.covers($0) }) else { return }
        register.records = [
            EIDRecord(
                eidPrefix: wanted,
                ttlMinutes: 1440,
                isAuthoritative: true,
                locators: Self.rlocs.map { LocatorRecord(priority: 1, weight: 100, isLocal: true, address: .ip($0)) }
            )
        ]
        register.nonce = Nonce(rawValue: register.nonce.rawValue &+ 1 << 20)
        if random.chance(perMille: 500) { register.xtrID = XTRID(rawValue: UInt128(random.next())) }
        register.authentication = Authentication(placeholderFor: site.key)
        var payload = register.encoded()
        site.key.sign(&payload)
        inject(.foreignMapRegister, payload, from: .control(Self.rlocs[0]), to: message.destination)
    }

    private static func variant(of eid: EIDPrefix, by number: Int) -> EIDPrefix {
        let length = eid.prefix.length
        let other =
            number == 0 ? length : number == 1 ? min(length + 2, length < 32 ? 32 : 128) : length - min(length, 4)
        return EIDPrefix(
            instanceID: eid.instanceID,
            IPPrefix(family: eid.prefix.family, leftAligned: eid.prefix.address.leftAligned, length: other)
        )
    }

    /// "My mapping has changed", from an RLOC that somebody exchanges data with.
    func forgeSMR() {
        guard let message = one(.encapsulated),
            case .encapsulated(let ecm)? = try? ControlMessage(decoding: message.payload),
            let asked = try? MapRequest(decoding: ecm.payload), let eid = asked.records.first?.eidPrefix,
            let rloc = asked.itrRLOCs.first?.ipAddress, let spoofed = anyAddress(of: rloc.family)
        else { return }
        let request = MapRequest(
            isSMR: true,
            nonce: Nonce(rawValue: random.next()),
            sourceEID: LISPAddress(eid: EID(instanceID: eid.instanceID, eid.prefix.address)),
            itrRLOCs: [.ip(spoofed)],
            records: [MapRequest.Record(eid)]
        )
        inject(.forgedSMR, request.encoded(), from: .control(spoofed), to: .control(rloc))
    }

    /// A probe whose answer goes to somebody else, or an answer that nobody waits for.
    func forgeProbe() {
        guard let message = one(.mapReply), let reply = try? MapReply(decoding: message.payload),
            let eid = reply.records.first?.eidPrefix,
            let rloc = reply.records.lazy.flatMap(\.locators).compactMap(\.address.ipAddress).first,
            let victim = anyAddress(of: rloc.family)
        else { return }
        if random.chance(perMille: 500) {
            let probe = MapRequest(
                isProbe: true,
                nonce: Nonce(rawValue: random.next()),
                itrRLOCs: [.ip(victim)],
                records: [MapRequest.Record(eid)]
            )
            inject(.forgedProbe, probe.encoded(), from: .control(victim), to: .control(rloc))
        } else {
            var locator = LocatorRecord(priority: 1, weight: 100, isLocal: true, address: .ip(rloc))
            locator.isProbed = true
            let record = EIDRecord(eidPrefix: eid, ttlMinutes: 1440, isAuthoritative: true, locators: [locator])
            let answer = MapReply(isProbe: true, nonce: Nonce(rawValue: random.next()), records: [record])
            inject(.forgedProbeReply, answer.encoded(), from: .control(rloc), to: .control(victim))
        }
    }

    func anyAddress(of family: AddressFamily) -> IPAddress? {
        let node = network.routers[random.below(network.routers.count)]
        return node.address(of: family)
    }
}
