// The fields that tshark has for LISP, and what it must see in them.

import LISPWire

/// Collects what tshark must see, in the order of the frame.
struct TsharkExpectation {
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
        case .mapReferral(let referral): mapReferral(referral)
        case .info(let info): self.info(info)
        // tshark tells the type and no more.
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
        if let inner = try? message.decodePayload() {
            self.message(inner)
        }
    }

    private mutating func mapReferral(_ referral: MapReferral) {
        see("lisp.type", 6)
        see("lisp.records", referral.records.count)
        see("lisp.nonce", referral.nonce.rawValue)
        for record in referral.records {
            see("lisp.referral.incomplete", record.isIncomplete)
            see("lisp.referral.sigcnt", record.signatures.count)
            // Laid out as an EID-record but for these; tshark calls the action by the name of a Map-Reply's.
            self.record(
                EIDRecord(
                    eid: record.eid,
                    maskLength: record.maskLength,
                    ttlMinutes: record.ttlMinutes,
                    action: MapReplyAction(rawValue: record.action.rawValue) ?? .noAction,
                    isAuthoritative: record.isAuthoritative,
                    mapVersion: record.mapVersion,
                    locators: record.referrals
                )
            )
        }
    }

    private mutating func info(_ info: InfoMessage) {
        see("lisp.type", 7)
        see("lisp.info.r", info.isReply)
        see("lisp.nonce", info.nonce.rawValue)
        see("lisp.keyid", info.keyID)
        see("lisp.authlen", info.authenticationData.count)
        see("lisp.auth", info.authenticationData.isEmpty ? "<MISSING>" : hexadecimal(info.authenticationData))
        see("lisp.info.ttl", info.ttlMinutes)
        see("lisp.info.prefix.masklen", info.maskLength)
        // It does not look into an EID in an instance here.
        switch info.eid {
        case .ip: address(info.eid, "lisp.info.prefix")
        default: see("lisp.info.prefix.afi", afi(info.eid))
        }
        see("lisp.info.afi", afi(info.natTraversal))
        guard case .lcaf(let canonical) = info.natTraversal, case .natTraversal(let nat) = canonical.content else {
            return
        }
        see("lisp.lcaf.type", canonical.type)
        see("lisp.lcaf.natt.msport", nat.mapServerPort)
        see("lisp.lcaf.natt.etrport", nat.etrPort)
        for rloc in [nat.globalETRRLOC, nat.mapServerRLOC, nat.privateETRRLOC] + nat.rtrRLOCs {
            address(rloc, "lisp.lcaf.natt.rloc")
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
        case .mac(let address): address.isIEEE802 ? 6 : 16389
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

extension TsharkExpectation {
    /// What tshark must see in the pictures of canonical addresses; it does not look into the types that are missing here.
    static let canonical: [String: [String: [String]]] = [
        "AFI list": [
            "lisp.lcaf.afi_list.afi": ["1", "2", "0"], "lisp.lcaf.afi_list.ipv4": ["192.0.2.1"],
            "lisp.lcaf.afi_list.ipv6": ["2001:db8::1"],
        ],
        "MAC address in an AFI list": [
            "lisp.lcaf.afi_list.afi": ["16389"], "lisp.lcaf.afi_list.mac": ["00:11:22:33:44:55"],
        ],
        "instance ID of 32 bits": ["lisp.lcaf.iid": ["16778216"], "lisp.lcaf.iid.ipv4": ["192.0.2.1"]],
        "AS number": ["lisp.lcaf.asn": ["65000"], "lisp.lcaf.asn.ipv4": ["192.0.2.1"]],
        "geo-coordinates of RFC 8060": [
            "lisp.lcaf.geo.lat.deg": ["37"], "lisp.lcaf.geo.lat.min": ["11"], "lisp.lcaf.geo.lat.sec": ["41"],
            "lisp.lcaf.geo.lon.deg": ["121"], "lisp.lcaf.geo.lon.min": ["49"], "lisp.lcaf.geo.lon.sec": ["0"],
            "lisp.lcaf.geo.ipv4": ["192.0.2.1"],
        ],
        "NAT traversal": [
            "lisp.lcaf.natt.msport": ["4342"], "lisp.lcaf.natt.etrport": ["50000"],
            "lisp.lcaf.natt.rloc.afi": ["1", "2", "0", "1"],
            "lisp.lcaf.natt.rloc.ipv4": ["192.0.2.1", "192.0.2.2"], "lisp.lcaf.natt.rloc.ipv6": ["2001:db8::1"],
        ],
        "nonce locator": ["lisp.lcaf.nonce_loc": ["1193046"], "lisp.lcaf.nonce_loc.ipv4": ["192.0.2.1"]],
        "multicast info": [
            "lisp.lcaf.mcinfo_iid": ["2000"], "lisp.lcaf.mcinfo.src.masklen": ["24"],
            "lisp.lcaf.mcinfo.grp.masklen": ["8"], "lisp.lcaf.mcinfo.src.ipv4": ["192.0.2.1"],
            "lisp.lcaf.mcinfo.grp.ipv4": ["232.1.1.0"],
        ],
        "explicit locator path": [
            "lisp.lcaf.elp_hop.flags.local": ["1", "0"], "lisp.lcaf.elp_hop.flags.probe": ["0", "1"],
            "lisp.lcaf_elp_hop.flags.strict": ["1", "0"], "lisp.lcaf.elp_hop.ipv4": ["192.0.2.1"],
            "lisp.lcaf.elp_hop.ipv6": ["2001:db8::1"],
        ],
        "source/dest key": [
            "lisp.lcaf.srcdst.src.masklen": ["24"], "lisp.lcaf.srcdst.dst.masklen": ["64"],
            "lisp.lcaf.srcdst.src.ipv4": ["192.0.2.1"], "lisp.lcaf.srcdst.dst.ipv6": ["2001:db8::1"],
        ],
        "replication list": [
            "lisp.lcaf.rle_entry.level": ["0", "128"], "lisp.lcaf.rle_entry.ipv4": ["192.0.2.1", "192.0.2.2"],
        ],
        "key and value": ["lisp.lcaf.kv_key.ipv4": ["192.0.2.1"], "lisp.lcaf.kv_value.dn": ["go"]],
    ]
}
