// Habits of lispers.net and Open Overlay Router that Interop/captures/README.md lists, as far as they show in messages. What
// the roles make of them is tested with LISPControl.

import LISPWire
import TestCaptures
import Testing

@Suite struct PeerHabitTests {
    /// All control messages of the captures that decode, those of frames sent twice included.
    private static func messages(
        where isWanted: (CapturedDatagram) -> Bool = { _ in true }
    ) throws -> [(datagram: CapturedDatagram, message: ControlMessage)] {
        try CaptureTests.datagrams.get().filter { $0.isControl && isWanted($0) }.compactMap { datagram in
            (try? ControlMessage(decoding: datagram.payload, zeroInnerChecksum: .accept)).map { (datagram, $0) }
        }
    }

    private static func message(_ pcap: String, _ frame: Int) throws -> ControlMessage {
        try #require(try messages { $0.pcap == pcap && $0.frame == frame }.first).message
    }

    private static func requests() throws -> [(datagram: CapturedDatagram, request: MapRequest, replyPort: UInt16)] {
        try messages().compactMap { datagram, message in
            switch message {
            case .mapRequest(let request): (datagram, request, datagram.source.port)
            case .encapsulated(let outer):
                if case .mapRequest(let request) = try outer.decodePayload() {
                    (datagram, request, outer.sourcePort)
                } else {
                    nil
                }
            default: nil
            }
        }
    }

    @Test func `SHA-256 authentication fields carry all 32 octets of the HMAC`() throws {
        var lengths: [UInt8: Set<Int>] = [:]
        for datagram in try CaptureTests.datagrams.get() where datagram.isAuthenticated {
            var reader = WireReader(Array(datagram.payload[12...]))
            let authentication = try Authentication(from: &reader)
            lengths[authentication.algorithm, default: []].insert(authentication.data.count)
        }
        #expect(lengths == [1: [20], 2: [32]])
        #expect(AuthenticationAlgorithm.hmacSHA256_128.sentLength == 32)
    }

    @Test func `xTR-ID and Site-ID follow the records of a Map-Register, and the Map-Notify-Ack's`() throws {
        var registers: Set<XTRID> = []
        var acknowledgements: [XTRID] = []
        for (datagram, message) in try Self.messages(where: { $0.pcap.hasPrefix("ln-") }) {
            switch message {
            case .mapRegister(let register):
                registers.insert(try #require(register.xtrID))
                #expect(register.siteID == SiteID(rawValue: 0))
            case .mapNotify(let notify) where notify.isAcknowledgement:
                acknowledgements.append(try #require(notify.xtrID))
                // lispers.net says nothing of them in the header.
                #expect(!notify.hasXTRID && datagram.payload[0] == 0x50)
            default: break
            }
        }
        #expect(acknowledgements.count == 11)
        // ln-07's Map-Register does not decode.
        #expect(Set(acknowledgements).subtracting(registers).count == 1)
    }

    @Test func `a Map-Notify-Ack carries no record`() throws {
        let acknowledgements = try Self.messages().compactMap { _, message -> MapNotify? in
            if case .mapNotify(let notify) = message, notify.isAcknowledgement { notify } else { nil }
        }
        #expect(acknowledgements.count == 11)
        #expect(acknowledgements.allSatisfy { $0.records.isEmpty && $0.tail.isEmpty })
    }

    @Test func `a Map-Notify goes back to the source port of the Map-Register`() throws {
        var sources: [String: [Endpoint]] = [:]
        var notifies = 0
        for (datagram, message) in try Self.messages() {
            switch message {
            case .mapRegister: sources[datagram.pcap, default: []].append(datagram.source)
            case .mapNotify(let notify) where !notify.isAcknowledgement:
                notifies += 1
                #expect(sources[datagram.pcap]?.contains(datagram.destination) == true, "\(datagram.description)")
            default: break
            }
        }
        #expect(notifies == 24)
    }

    @Test func `the port for the Map-Reply is the inner UDP source port`() throws {
        let requests = try Self.requests()
        var answered = 0
        for (datagram, message) in try Self.messages() {
            guard case .mapReply(let reply) = message else { continue }
            let asked = requests.filter { $0.datagram.pcap == datagram.pcap && $0.request.nonce == reply.nonce }
            guard !asked.isEmpty else { continue }
            #expect(asked.contains { $0.replyPort == datagram.destination.port }, "\(datagram.description)")
            answered += 1
        }
        #expect(answered == 71)
        // It is not the outer one.
        let encapsulated = requests.filter { $0.datagram.payload[0] >> 4 == 8 && $0.datagram.pcap.hasPrefix("ln-01") }
        #expect(encapsulated.contains { $0.replyPort != $0.datagram.source.port })
    }

    @Test func `a new RLOC is probed with a record of AFI 0 and mask 0, even when probing is off`() throws {
        let probes = try Self.requests().filter {
            $0.request.isProbe && $0.request.records.first?.eid == LISPAddress.none
        }
        // Only ln-03 and the captures of Open Overlay Router have probing on.
        #expect(
            Set(probes.map { String($0.datagram.pcap.prefix(5)) }) == [
                "ln-01", "ln-02", "ln-03", "ln-05", "ln-09", "ln-16",
            ]
        )
        #expect(probes.allSatisfy { $0.request.records == [.init(eid: .none, maskLength: 0)] })
        #expect(probes.count == 19)
    }

    @Test func `ITR-RLOC lists hold both families`() throws {
        let both = try Self.requests().filter { _, request, _ in
            Set(request.itrRLOCs.compactMap(\.locatorAddress?.family)) == [.ipv4, .ipv6]
        }
        #expect(both.contains { $0.datagram.source.address.family == .ipv4 })
        #expect(both.contains { $0.datagram.source.address.family == .ipv6 })
        #expect(both.count == 44)
    }

    @Test func `lig sends source EID AFI 0`() throws {
        let lig = try Self.requests().filter { $0.datagram.source.address == IPAddress("198.51.100.99") }
        #expect(lig.count == 21)
        #expect(lig.allSatisfy { $0.request.sourceEID == LISPAddress.none })
    }

    @Test func `an encapsulated Map-Request for an EID that is no IP address has no inner IP header`() throws {
        guard case .encapsulated(let outer) = try Self.message("ln-07-lcaf.pcap", 20) else {
            Issue.record("not encapsulated")
            return
        }
        #expect(outer.headers == .udp(sourcePort: 4342, destinationPort: 4342))
        #expect(outer.source == nil && outer.destination == nil && outer.sourcePort == 4342)
        #expect(outer.payloadOffset == 12 && outer.tail.isEmpty)
        guard case .mapRequest(let request) = try outer.decodePayload() else {
            Issue.record("no Map-Request inside")
            return
        }
        let red = try #require(InstanceID(rawValue: 2000))
        let name = LISPAddress.instance(red, maskLength: 0, .distinguishedName(Array("ln-host-name".utf8)))
        #expect(request.records == [.init(eid: name, maskLength: 0)])
        #expect(request.records[0].eidPrefix == nil)
        // Not by the standard: taken only where a zero inner checksum is.
        #expect(throws: WireError(.invalid(field: "Inner IP Version", value: 1), at: 4)) {
            try ControlMessage(decoding: outer.encoded())
        }
    }

    /// The only record of a Map-Reply of ln-07, its only locator, and what the list there holds.
    private static func list(_ frame: Int) throws -> (LocatorRecord, AFIList) {
        struct NoList: Error {}
        guard case .mapReply(let reply) = try message("ln-07-lcaf.pcap", frame), reply.records.count == 1,
            let locator = reply.records[0].locators.first, reply.records[0].locators.count == 1,
            case .lcaf(let canonical) = locator.address, case .afiList(let list) = canonical.content
        else { throw NoList() }
        return (locator, list)
    }

    @Test func `RLOCs with extras are AFI lists, used by their address`() throws {
        let address = IPAddress("198.51.100.1")!
        let (named, list) = try Self.list(15)
        #expect(list == AFIList([.ip(address), .distinguishedName(Array("west-coast".utf8))]))
        #expect(named.address.locatorAddress == address)
        // All of them at once, the last one with a length of its own making.
        let (all, extras) = try Self.list(17)
        #expect(all.address.locatorAddress == address)
        #expect(extras.addresses.count == 4 && extras.fault != nil)
        #expect(extras.addresses[1] == .distinguishedName(Array("all-of-them".utf8)))
        // A path or a replication list alone is no address.
        let hops = [
            ExplicitLocatorPath.Hop(address: .ip(IPAddress("198.51.100.20")!)),
            .init(address: .ip(IPAddress("2001:db8:100::1")!)),
        ]
        let (path, hopList) = try Self.list(11)
        guard case .lcaf(let canonical)? = hopList.addresses.last,
            case .explicitLocatorPath(let found) = canonical.content
        else {
            Issue.record("no path: \(hopList)")
            return
        }
        #expect(found.hops.map(\.address) == hops.map(\.address))
        #expect(path.address.locatorAddress == nil)
        let (replication, entryList) = try Self.list(13)
        guard case .lcaf(let canonical)? = entryList.addresses.last,
            case .replicationList(let entries) = canonical.content
        else {
            Issue.record("no replication list: \(entryList)")
            return
        }
        #expect(entries.entries.map(\.level) == [0, 128])
        #expect(replication.address.locatorAddress == nil)
    }

    @Test func `Geo is the 22-octet layout`() throws {
        let (locator, list) = try Self.list(7)
        #expect(locator.address.locatorAddress == IPAddress("198.51.100.1"))
        guard case .lcaf(let canonical)? = list.addresses.last, case .geoLocation(let place) = canonical.content else {
            Issue.record("no place: \(list)")
            return
        }
        #expect(canonical.type == LCAFType.geoCoordinates.rawValue && canonical.body.count == 22)
        #expect(place.latitude.description == "37.1947222" && place.longitude.description == "-121.8166667")
        #expect(place.altitude == .init(50, isInMetres: false))
        #expect(place.radius == nil && place.uncertainty == nil && place.address == .none)
    }

    @Test func `the length of a JSON address that stands alone does not count its AFI 0`() throws {
        let (locator, list) = try Self.list(9)
        #expect(locator.address.locatorAddress == nil)
        // The AFI 0 is the last address of the list by its length, and no part of the JSON address.
        #expect(list.addresses.count == 3 && list.addresses.first == LISPAddress.none)
        #expect(list.addresses.last == LISPAddress.none && list.fault == nil)
        guard case .lcaf(let canonical) = list.addresses[1], case .json(let model) = canonical.content else {
            Issue.record("no JSON: \(list)")
            return
        }
        #expect(model.address == nil && !model.isBinary)
        let text = #"{ "type" : "sensor", "unit" : "kelvin", "value" : "294" }"#
        #expect(String(decoding: model.json, as: UTF8.self) == text)
    }

    /// The records of ln-07's Map-Register in front of its contradiction.
    private static func registered() throws -> [EIDRecord] {
        let datagram = try #require(try CaptureTests.datagrams.get().first { $0.description == "ln-07-lcaf.pcap 1" })
        var payload = datagram.payload
        payload[3] = 8
        return try MapRegister(decoding: payload).records
    }

    @Test func `a MAC address comes as AFI 6 with its octet pairs swapped`() throws {
        let record = try Self.registered()[7]
        let red = try #require(InstanceID(rawValue: 2000))
        // 00:11:22:33:44:55 was configured. What comes is kept: nothing in it tells that it was swapped.
        let address = MACAddress(0x1100_3322_5544, isIEEE802: true)
        #expect(record.eid == .instance(red, maskLength: 0, .mac(address)) && record.maskLength == 48)
        #expect(address.description == "11:00:33:22:55:44")
    }

    @Test func `a distinguished name is an EID with a mask length`() throws {
        let record = try Self.registered()[6]
        let red = try #require(InstanceID(rawValue: 2000))
        #expect(record.eid == .instance(red, maskLength: 0, .distinguishedName(Array("ln-host-name".utf8))))
        // RFC 9735 would have 104 here: bits, the NUL counted.
        #expect(record.maskLength == 0 && record.eidPrefix == nil)
    }

    @Test func `multicast info has two octets of padding that its length does not count`() throws {
        guard case .mapReply(let reply) = try Self.message("ln-09-rloc-v6.pcap", 29),
            case .lcaf(let canonical)? = reply.records.first?.eid, case .multicastInfo(let info) = canonical.content
        else {
            Issue.record("no multicast info")
            return
        }
        #expect(canonical.isPadded && canonical.body.count == 44 && reply.tail.isEmpty)
        #expect(info.instanceID == 1000 && info.sourceMaskLength == 128 && info.groupMaskLength == 128)
        #expect(info.source == .ip(IPAddress("fd00:1::2")!))
        #expect(info.group == .ip(IPAddress("ff02::1:ff00:1")!))
        // Inside other addresses it is not looked for, and a body that makes sense is never taken for padding.
        let straight = CanonicalAddress(type: canonical.type, body: canonical.body)
        #expect(straight.content == canonical.content && !straight.isPadded)
    }

    @Test func `lispers.net answers negatively for host prefixes`() throws {
        let negative = try Self.messages { $0.pcap.hasPrefix("ln-01") }.flatMap { _, message -> [EIDRecord] in
            guard case .mapReply(let reply) = message else { return [] }
            return reply.records.filter(\.locators.isEmpty)
        }
        #expect(negative.count == 2)
        #expect(negative.allSatisfy { $0.maskLength == 32 && $0.action == .nativelyForward })
    }

    @Test func `one nonce serves every Map-Register of lispers.net, Open Overlay Router draws each`() throws {
        var nonces: [String: Set<UInt64>] = [:]
        for (datagram, message) in try Self.messages() {
            guard case .mapRegister(let register) = message else { continue }
            nonces[String(datagram.pcap.prefix(2)), default: []].insert(register.nonce.rawValue)
        }
        #expect(nonces["ln"] == [0x01df_dfdf_ddcc_bbaa])
        #expect(nonces["oo"]?.count ?? 0 > 4)
    }
}
