// A foreign reader: random valid messages of each kind, over IPv4 and IPv6, and tshark must see in them what was encoded
// and have nothing to complain about but what Interop/tshark-exceptions lists.

import Foundation
import LISPWire
import Testing

/// A frame, and what tshark must see in it.
private struct SentFrame {
    var kind: String
    var packet: [UInt8]
    /// By field, in the order of the frame.
    var expected: [String: [String]]

    /// Whether a field that is not expected must not be seen. tshark 4.0 reads no more of a Map-Notify-Ack than its type,
    /// and a later one may read on.
    var isReadToTheEnd: Bool { kind != "Map-Notify-Ack" }
}

@Suite struct TsharkTests {
    @Test(.enabled(if: Tshark.isExpected, "tshark is not installed: nobody but us has read what we write"))
    func `tshark sees what was encoded`() throws {
        var random = SeededGenerator("tshark")
        var frames: [SentFrame] = []
        for _ in 0..<300 {
            frames.append(Self.control("Map-Request", .mapRequest(random.mapRequest(.internet)), &random))
            frames.append(Self.control("Map-Reply", .mapReply(random.mapReply(.internet)), &random))
            frames.append(Self.control("Map-Register", .mapRegister(random.mapRegister(.internet)), &random))
            var notify = random.mapNotify(.internet, isAcknowledgement: false)
            // RFC 9301 has no I-bit in a Map-Notify: what we send has the xTR-ID and not the bit.
            if random.flip() { notify.hasXTRID = false }
            frames.append(Self.control("Map-Notify", .mapNotify(notify), &random))
            let acknowledgement = random.mapNotify(.internet, isAcknowledgement: true)
            frames.append(Self.control("Map-Notify-Ack", .mapNotify(acknowledgement), &random))
            frames.append(Self.control("ECM", .encapsulated(random.encapsulated(.internet)), &random))
            frames.append(Self.data(&random))
        }
        let fields = Set(frames.flatMap(\.expected.keys)).sorted()
        let seen = try Tshark.dissect(Pcap.file(frames.map(\.packet)), fields: fields)
        #expect(seen.count == frames.count)

        let exceptions = try TsharkException.all()
        var occurred: Set<TsharkException> = []
        for (sent, seen) in zip(frames, seen) {
            for field in fields where sent.isReadToTheEnd || sent.expected[field] != nil {
                let expected = sent.expected[field] ?? []
                #expect(seen.values(field) == expected, "\(field) of \(sent.kind)")
            }
            for complaint in seen.complaints {
                if let known = exceptions.first(where: { $0.kind == sent.kind && $0.message == complaint }) {
                    occurred.insert(known)
                } else {
                    Issue.record("\(sent.kind): \(complaint) about \(sent.packet.map { String($0, radix: 16) })")
                }
            }
        }
        for exception in exceptions.subtracting(occurred) {
            print("tshark no longer says \"\(exception.message)\" of a \(exception.kind): the exception can go")
        }
    }

    private static func control(
        _ kind: String,
        _ message: ControlMessage,
        _ random: inout SeededGenerator
    ) -> SentFrame {
        let isIPv4 = random.flip()
        let source = Endpoint(isIPv4 ? random.ipv4() : random.ipv6(), 50_000)
        let destination = Endpoint(isIPv4 ? random.ipv4() : random.ipv6(), LISPPort.control)
        var expectation = Expectation()
        expectation.datagram(source, destination, hasChecksum: true)
        expectation.message(message)
        return SentFrame(
            kind: kind,
            packet: Pcap.packet(message.encoded(), from: source, to: destination),
            expected: expectation.fields
        )
    }

    private static func data(_ random: inout SeededGenerator) -> SentFrame {
        let isIPv4 = random.flip()
        let source = Endpoint(isIPv4 ? random.ipv4() : random.ipv6(), 50_000)
        let destination = Endpoint(isIPv4 ? random.ipv4() : random.ipv6(), LISPPort.data)
        // Port 9 discards, and dissectors that guess by contents find no contents.
        let isInnerIPv4 = random.flip()
        let innerSource = Endpoint(isInnerIPv4 ? random.ipv4() : random.ipv6(), 50_001)
        let innerDestination = Endpoint(isInnerIPv4 ? random.ipv4() : random.ipv6(), 9)
        let header = random.dataHeader()
        var writer = WireWriter()
        header.encode(into: &writer)
        writer.bytes(
            Pcap.packet(Array(repeating: 0x2e, count: random.number(0...30)), from: innerSource, to: innerDestination)
        )
        let hasChecksum = random.flip()
        var expectation = Expectation()
        expectation.datagram(source, destination, hasChecksum: hasChecksum)
        expectation.datagram(innerSource, innerDestination, hasChecksum: true)
        expectation.dataHeader(header)
        return SentFrame(
            kind: "Data",
            packet: Pcap.packet(writer.bytes, from: source, to: destination, checksum: hasChecksum),
            expected: expectation.fields
        )
    }
}

/// Collects what tshark must see, in the order of the frame.
private struct Expectation {
    private(set) var fields: [String: [String]] = [:]

    private mutating func see(_ field: String, _ value: some CustomStringConvertible) {
        fields[field, default: []].append(value.description)
    }

    private mutating func see(_ field: String, _ flag: Bool) {
        see(field, flag ? 1 : 0)
    }

    /// Headers of a UDP datagram, the outer or an inner one.
    mutating func datagram(_ source: Endpoint, _ destination: Endpoint, hopLimit: UInt8 = 64, hasChecksum: Bool) {
        let family = source.address.family == .ipv4 ? "ip" : "ipv6"
        see("\(family).src", source.address)
        see("\(family).dst", destination.address)
        see(family == "ip" ? "ip.ttl" : "ipv6.hlim", hopLimit)
        see("udp.srcport", source.port)
        see("udp.dstport", destination.port)
        if family == "ip" { see("ip.checksum.status", 1) }
        // 1: good; 3: not present; 4: zero, where tshark would not have it.
        see("udp.checksum.status", hasChecksum ? 1 : family == "ip" ? 3 : 4)
    }

    mutating func message(_ message: ControlMessage) {
        switch message {
        case .mapRequest(let request): mapRequest(request)
        case .mapReply(let reply): mapReply(reply)
        case .mapRegister(let register): mapRegister(register)
        case .mapNotify(let notify): mapNotify(notify)
        case .encapsulated(let message): encapsulated(message)
        case .mapReferral: see("lisp.type", 6)
        case .info: see("lisp.type", 7)
        case .sharedExtension: see("lisp.type", 15)
        }
    }

    private mutating func mapRequest(_ request: MapRequest) {
        see("lisp.type", 1)
        see("lisp.mreq.flags.auth", request.isAuthoritative)
        see("lisp.mreq.flags.mrp", request.hasMapData)
        see("lisp.mreq.flags.probe", request.isProbe)
        see("lisp.mreq.flags.smr", request.isSMR)
        see("lisp.mreq.flags.pitr", request.isPITR)
        see("lisp.mreq.flags.smri", request.isSMRInvoked)
        // L and D, which tshark calls reserved.
        see("lisp.mreq.res", (request.isLocalXTR ? 2 : 0) | (request.dontMapReply ? 1 : 0))
        see("lisp.irc", request.itrRLOCs.count - 1)
        see("lisp.records", request.records.count)
        see("lisp.nonce", request.nonce.rawValue)
        see("lisp.mreq.srceid.afi", afi(request.sourceEID))
        switch request.sourceEID {
        case .ip(.v4(let address)): see("lisp.mreq.srceid.ipv4", address)
        case .ip(.v6(let address)): see("lisp.mreq.srceid_ipv6", address)
        default: instance(request.sourceEID)
        }
        for rloc in request.itrRLOCs {
            see("lisp.mreq.itr_rloc.afi", afi(rloc))
            switch rloc.ipAddress {
            case .v4(let address): see("lisp.mreq.itr_rloc_ipv4", address)
            case .v6(let address): see("lisp.mreq.itr_rloc_ipv6", address)
            case nil: break
            }
        }
        for record in request.records {
            see("lisp.mreq.record.prefix.length", record.maskLength)
            address(record.eid, "lisp.mreq.record.prefix")
        }
        if let mapData = request.mapData {
            self.record(mapData)
        }
    }

    private mutating func mapReply(_ reply: MapReply) {
        see("lisp.type", 2)
        see("lisp.mrep.flags.probe", reply.isProbe)
        see("lisp.mrep.flags.enlr", reply.isEchoNonceCapable)
        see("lisp.mrep.flags.sec", reply.hasSecurity)
        see("lisp.records", reply.records.count)
        see("lisp.nonce", reply.nonce.rawValue)
        for record in reply.records {
            self.record(record)
        }
    }

    private mutating func mapRegister(_ register: MapRegister) {
        see("lisp.type", 3)
        see("lisp.mreg.flags.pmr", register.wantsProxyReply)
        see("lisp.mreg.flags.sec", register.isSecurityCapable)
        see("lisp.mreg.flags.xtrid", register.hasXTRID)
        see("lisp.mreg.flags.wmn", register.wantsMapNotify)
        // E, T, a and R, which tshark calls reserved.
        let reserved = [register.isEIDNotify, register.usesTTL, register.wantsMerge, register.isMobile]
        see("lisp.mreg.res", reserved.reduce(0) { $0 << 1 | ($1 ? 1 : 0) })
        authenticated(register.nonce, register.authentication, register.records)
        if let xtrID = register.xtrID, let siteID = register.siteID {
            identity(xtrID, siteID)
        }
    }

    private mutating func mapNotify(_ notify: MapNotify) {
        see("lisp.type", notify.isAcknowledgement ? 5 : 4)
        // tshark does not look into a Map-Notify-Ack.
        guard !notify.isAcknowledgement else { return }
        see("lisp.mnot.flags.xtrid", notify.hasXTRID)
        authenticated(notify.nonce, notify.authentication, notify.records)
        if let xtrID = notify.xtrID, let siteID = notify.siteID, notify.hasXTRID {
            identity(xtrID, siteID)
        }
    }

    private mutating func authenticated(_ nonce: Nonce, _ authentication: Authentication, _ records: [EIDRecord]) {
        see("lisp.records", records.count)
        see("lisp.nonce", nonce.rawValue)
        // tshark reads key ID and algorithm as one number.
        see("lisp.keyid", UInt16(authentication.keyID) << 8 | UInt16(authentication.algorithm))
        see("lisp.authlen", authentication.data.count)
        see("lisp.auth", hexadecimal(authentication.data))
        for record in records {
            self.record(record)
        }
    }

    private mutating func identity(_ xtrID: XTRID, _ siteID: SiteID) {
        see("lisp.xtrid", xtrID)
        see("lisp.siteid", hexadecimal((0..<8).map { UInt8(truncatingIfNeeded: siteID.rawValue >> (56 - 8 * $0)) }))
    }

    private mutating func encapsulated(_ message: EncapsulatedControlMessage) {
        see("lisp.type", 8)
        see("lisp.ecm.flags.sec", message.hasSecurity)
        see("lisp.ecm.flags.ddt", message.isDDT)
        if case .ip(let source, let destination, let hopLimit) = message.headers {
            datagram(source, destination, hopLimit: hopLimit, hasChecksum: true)
        }
        if let inner = try? ControlMessage(decoding: message.payload) {
            self.message(inner)
        }
    }

    private mutating func record(_ record: EIDRecord) {
        see("lisp.mapping.ttl", record.ttlMinutes)
        see("lisp.mapping.loccnt", record.locators.count)
        see("lisp.mapping.eid.masklen", record.maskLength)
        see("lisp.mapping.act", record.action.rawValue)
        see("lisp.mapping.auth", record.isAuthoritative)
        see("lisp.mapping.ver", record.mapVersion)
        address(record.eid, "lisp.mapping.eid")
        for locator in record.locators {
            see("lisp.loc.priority", locator.priority)
            see("lisp.loc.weight", locator.weight)
            see("lisp.loc.multicast_priority", locator.multicastPriority)
            see("lisp.loc.multicast_weight", locator.multicastWeight)
            see("lisp.loc.flags.local", locator.isLocal)
            see("lisp.loc.flags.probe", locator.isProbed)
            see("lisp.loc.flags.reach", locator.isReachable)
            see("lisp.loc.afi", afi(locator.address))
            see("lisp.loc.locator", locator.address)
        }
    }

    /// An address whose fields start with `field`.
    private mutating func address(_ address: LISPAddress, _ field: String) {
        see("\(field).afi", afi(address))
        switch address {
        case .ip(.v4(let address)): see("\(field).ipv4", address)
        case .ip(.v6(let address)): see("\(field).ipv6", address)
        default: instance(address)
        }
    }

    private mutating func instance(_ address: LISPAddress) {
        guard case .instance(let instanceID, _, let inner) = address else { return }
        see("lisp.lcaf.type", LCAFType.instanceID.rawValue)
        see("lisp.lcaf.iid", instanceID)
        self.address(inner, "lisp.lcaf.iid")
    }

    private func afi(_ address: LISPAddress) -> UInt16 {
        switch address {
        case .none: 0
        case .ip(.v4): 1
        case .ip(.v6): 2
        case .mac: 16389
        case .distinguishedName: 17
        case .instance, .lcaf: 16387
        }
    }

    mutating func dataHeader(_ header: LISPDataHeader) {
        see("lisp-data.flags.nonce", header.hasNonce)
        see("lisp-data.flags.lsb", header.hasLocatorStatusBits)
        see("lisp-data.flags.enr", header.requestsEcho)
        see("lisp-data.flags.mv", header.hasMapVersions)
        see("lisp-data.flags.iid", header.hasInstanceID)
        see("lisp-data.flags.res", header.keyID)
        if let source = header.sourceMapVersion, let destination = header.destinationMapVersion {
            see("lisp-data.srcmapver", source)
            see("lisp-data.dstmapver", destination)
        }
        if let nonce = header.nonce {
            see("lisp-data.nonce", nonce)
        }
        if header.hasInstanceID {
            see("lisp-data.iid", header.instanceID)
        }
        if let bits = header.locatorStatusBits {
            see(header.hasInstanceID ? "lisp-data.lsb8" : "lisp-data.lsb", bits)
        }
    }

    private func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
