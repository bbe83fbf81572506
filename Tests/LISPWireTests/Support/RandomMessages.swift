// Random messages, valid by construction.

import LISPWire

/// Which addresses a random message holds.
enum AddressKinds {
    /// Everything that LISPAddress can hold.
    case all
    /// IPv4, IPv6, and these in an instance: what a router without extras sends.
    case internet
}

extension RandomNumberGenerator {
    mutating func ipv4() -> IPAddress { .v4(IPv4Address(number())) }

    mutating func ipv6() -> IPAddress {
        // Half of them with a run of zeros, to exercise text and not only bits.
        .v6(IPv6Address(number() & (flip() ? .max : 0xffff_ffff_ffff_0000_0000_0000_0000_ffff)))
    }

    mutating func ipAddress() -> IPAddress { flip() ? ipv4() : ipv6() }

    mutating func instanceID() -> InstanceID { InstanceID(uncheckedRawValue: number()) }

    mutating func eid() -> LISPAddress {
        LISPAddress(eid: EID(instanceID: flip() ? .default : instanceID(), ipAddress()))
    }

    mutating func eidPrefix() -> EIDPrefix {
        let address = ipAddress()
        let length = number(0...address.family.bitWidth)
        let prefix = IPPrefix(family: address.family, leftAligned: address.leftAligned, length: length)
        return EIDPrefix(instanceID: flip() ? .default : instanceID(), prefix)
    }

    /// A canonical address that decoding keeps closed.
    mutating func canonicalAddress() -> CanonicalAddress {
        guard number(0...4) == 0 else {
            let type = (number() as UInt8) | 4
            return CanonicalAddress(
                type: type,
                flags: number(),
                reserved1: number(),
                reserved2: number(),
                body: octets(number(0...40))
            )
        }
        // An instance ID of more than 24 bits.
        return CanonicalAddress(type: 2, body: [number(1...255)] + octets(number(3...20)))
    }

    mutating func address(_ kinds: AddressKinds) -> LISPAddress {
        switch kinds {
        case .internet:
            eid()
        case .all:
            switch number(0...7) {
            case 0: LISPAddress.none
            case 1: .mac(MACAddress(number(), isIEEE802: flip()))
            case 2: .distinguishedName(list(0...20) { $0.number(1...255) })
            case 3: .lcaf(canonicalAddress())
            case 4: .instance(instanceID(), maskLength: number(), instanceContents())
            default: eid()
            }
        }
    }

    private mutating func instanceContents() -> LISPAddress {
        switch number(0...4) {
        case 0: LISPAddress.none
        case 1: .mac(MACAddress(number()))
        case 2: .distinguishedName([0x61, 0x62])
        case 3: .lcaf(flip() ? canonicalAddress() : CanonicalAddress(type: 2, body: octets(number(0...9))))
        default: .ip(ipAddress())
        }
    }

    mutating func locator(_ kinds: AddressKinds) -> LocatorRecord {
        LocatorRecord(
            priority: number(),
            weight: number(),
            multicastPriority: number(),
            multicastWeight: number(),
            isLocal: flip(),
            isProbed: flip(),
            isReachable: flip(),
            address: kinds == .all && flip() ? address(.all) : .ip(ipAddress())
        )
    }

    mutating func record(_ kinds: AddressKinds) -> EIDRecord {
        let locators = list(0...4) { $0.locator(kinds) }
        if kinds == .all, flip() {
            return EIDRecord(
                eid: address(.all),
                maskLength: number(),
                ttlMinutes: number(),
                action: MapReplyAction.allCases[number(0...7)],
                isAuthoritative: flip(),
                mapVersion: number(0...0xfff),
                locators: locators
            )
        }
        return EIDRecord(
            eidPrefix: eidPrefix(),
            ttlMinutes: number(),
            action: MapReplyAction.allCases[number(0...5)],
            isAuthoritative: flip(),
            mapVersion: number(0...0xfff),
            locators: locators
        )
    }

    mutating func mapRequest(_ kinds: AddressKinds) -> MapRequest {
        MapRequest(
            isAuthoritative: flip(),
            isProbe: flip(),
            isSMR: flip(),
            isPITR: flip(),
            isSMRInvoked: flip(),
            isLocalXTR: flip(),
            dontMapReply: flip(),
            nonce: Nonce(rawValue: number()),
            sourceEID: number(0...3) == 0 ? LISPAddress.none : address(kinds),
            itrRLOCs: list(1...(flip() ? 3 : 32)) {
                kinds == .all && $0.flip() ? $0.address(.all) : .ip($0.ipAddress())
            },
            records: list(kinds == .all ? 0...3 : 1...3) {
                kinds == .all && $0.flip()
                    ? MapRequest.Record(eid: $0.address(.all), maskLength: $0.number())
                    : MapRequest.Record($0.eidPrefix())
            },
            mapData: flip() ? record(kinds) : nil,
            tail: kinds == .all && flip() ? octets(number(0...30)) : []
        )
    }

    mutating func mapReply(_ kinds: AddressKinds) -> MapReply {
        MapReply(
            isProbe: flip(),
            isEchoNonceCapable: flip(),
            hasSecurity: kinds == .all && flip(),
            nonce: Nonce(rawValue: number()),
            records: list(0...4) { $0.record(kinds) },
            tail: kinds == .all && flip() ? octets(number(0...30)) : []
        )
    }

    mutating func key() -> AuthenticationKey {
        AuthenticationKey(
            id: number(),
            algorithm: [.hmacSHA1_96, .hmacSHA256_128, .hmacSHA256_128_HKDF][number(0...2)],
            secret: octets(number(0...80))
        )
    }

    mutating func authentication(_ kinds: AddressKinds) -> Authentication {
        switch kinds {
        case .all: Authentication(keyID: number(), algorithm: number(), data: octets(number(0...40)))
        case .internet:
            Authentication(keyID: number(), algorithm: number(1...3), data: octets([12, 16, 20, 32][number(0...3)]))
        }
    }

    mutating func mapRegister(_ kinds: AddressKinds) -> MapRegister {
        let identified = flip()
        return MapRegister(
            wantsProxyReply: flip(),
            isSecurityCapable: flip(),
            isEIDNotify: flip(),
            usesTTL: flip(),
            wantsMerge: flip(),
            isMobile: flip(),
            wantsMapNotify: flip(),
            nonce: Nonce(rawValue: number()),
            authentication: authentication(kinds),
            records: list(kinds == .all ? 0...3 : 1...3) { $0.record(kinds) },
            xtrID: identified ? XTRID(rawValue: number()) : nil,
            siteID: identified ? SiteID(rawValue: number()) : nil,
            tail: kinds == .all && flip() ? octets(number(0...30)) : []
        )
    }

    mutating func mapNotify(_ kinds: AddressKinds, isAcknowledgement: Bool? = nil) -> MapNotify {
        let identified = flip()
        return MapNotify(
            isAcknowledgement: isAcknowledgement ?? flip(),
            hasXTRID: kinds == .all ? flip() : identified,
            nonce: Nonce(rawValue: number()),
            authentication: authentication(kinds),
            records: list(0...3) { $0.record(kinds) },
            xtrID: identified ? XTRID(rawValue: number()) : nil,
            siteID: identified ? SiteID(rawValue: number()) : nil,
            // 24 octets would be xTR-ID and Site-ID; with these in front, any tail makes the whole opaque.
            tail: kinds == .all && !identified && flip() ? octets(number(0...23)) : []
        )
    }

    /// Around `payload`, or around a random Map-Request.
    mutating func encapsulated(_ kinds: AddressKinds, payload: [UInt8]? = nil) -> EncapsulatedControlMessage {
        let isIPv4 = flip()
        return EncapsulatedControlMessage(
            isDDT: flip(),
            securityData: kinds == .all && flip() ? securityData() : [],
            // A foreign reader takes the lower port for the service.
            source: Endpoint(isIPv4 ? ipv4() : ipv6(), number((kinds == .all ? 0 : 50_000)...UInt16.max)),
            destination: Endpoint(isIPv4 ? ipv4() : ipv6(), LISPPort.control),
            hopLimit: number(),
            payload: payload ?? mapRequest(kinds).encoded(),
            tail: kinds == .all && flip() ? octets(number(0...30)) : []
        )
    }

    /// Authentication data of RFC 9303 section 6.1 with random contents.
    private mutating func securityData() -> [UInt8] {
        let key = octets(number(0...40))
        let eid = octets(number(2...40))
        return [1, 0, 0, 2, 0, UInt8(key.count), 7, 1] + key + [0, UInt8(eid.count + 2)] + eid
    }

    /// A message of any kind.
    mutating func controlMessage(_ kinds: AddressKinds = .all) -> ControlMessage {
        switch number(0...5) {
        case 0: .mapRequest(mapRequest(kinds))
        case 1: .mapReply(mapReply(kinds))
        case 2: .mapRegister(mapRegister(kinds))
        case 3, 4: .mapNotify(mapNotify(kinds))
        default: .encapsulated(encapsulated(kinds))
        }
    }

    mutating func dataHeader() -> LISPDataHeader {
        let content: LISPDataHeader.NonceOrVersions =
            switch number(0...2) {
            case 0: .none
            case 1: .nonce(number(0...0xff_ffff), requestsEcho: flip())
            default: .versions(source: number(0...0xfff), destination: number(0...0xfff))
            }
        let instanceID = flip() ? self.instanceID() : nil
        return LISPDataHeader(
            instanceID: instanceID,
            locatorStatusBits: flip() ? (instanceID == nil ? number() : number(0...255)) : nil,
            nonceOrVersions: content
        )
    }
}
