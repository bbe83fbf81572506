// Random messages, valid by construction.

import LISPWire
import TestRandomness

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

    /// One in four makes no sense or is of no known type.
    mutating func canonicalAddress(depth: Int = 0) -> CanonicalAddress {
        guard number(0...3) == 0 else { return CanonicalAddress(content(depth: depth), flags: number()) }
        guard number(0...4) == 0 else {
            return CanonicalAddress(
                type: (number() as UInt8) | 4,
                flags: number(),
                reserved1: number(),
                reserved2: number(),
                body: octets(number(0...40))
            )
        }
        // An instance ID of more than 24 bits.
        return CanonicalAddress(type: 2, body: [number(1...255)] + octets(number(3...20)))
    }

    /// What a canonical address of any type can hold.
    private mutating func content(depth: Int) -> any CanonicalContent {
        // No instance directly inside: that would be one of ours.
        let part = { (generator: inout Self) -> LISPAddress in
            depth < 3 && generator.number(0...3) == 0
                ? .lcaf(generator.canonicalAddress(depth: depth + 1)) : generator.plainAddress()
        }
        switch number(0...16) {
        case 0:
            return InstanceAddress(instanceID: number(0x0100_0000...UInt32.max), address: part(&self))
        case 1:
            return ASNumber(number(), address: part(&self))
        case 2:
            return ApplicationData(
                flow: number(0...0xff_ffff),
                ipProtocol: number(),
                localPorts: .init(number(), number()),
                remotePorts: .init(number(), number()),
                address: part(&self)
            )
        case 3:
            return GeoCoordinates(
                latitude: angle(90, unit: 1000),
                longitude: angle(180, unit: 1000),
                altitude: flip() ? Int32(number(-12_000...9_000)) : nil,
                address: part(&self)
            )
        case 4:
            return GeoLocation(
                latitude: angle(90, unit: 1),
                longitude: angle(180, unit: 1),
                uncertainty: flip() ? number() : nil,
                altitude: flip() ? .init(Int32(bitPattern: number()), isInMetres: flip()) : nil,
                radius: flip() ? .init(number(), isInKilometres: flip()) : nil,
                address: part(&self)
            )
        case 5:
            return OpaqueKey(fieldNumber: number(0...15), wildcardFields: number(), key: octets(number(0...30)))
        case 6:
            return NATTraversal(
                mapServerPort: number(),
                etrPort: number(),
                globalETRRLOC: part(&self),
                mapServerRLOC: part(&self),
                privateETRRLOC: part(&self),
                rtrRLOCs: list(0...3, part)
            )
        case 7:
            return NonceLocator(nonce: number(0...0xff_ffff), address: part(&self))
        case 8:
            return MulticastInfo(
                instanceID: number(),
                source: part(&self),
                sourceMaskLength: number(),
                group: part(&self),
                groupMaskLength: number()
            )
        case 9:
            return ExplicitLocatorPath(
                hops: list(0...3) {
                    .init(isLookup: $0.flip(), isProbed: $0.flip(), isStrict: $0.flip(), address: part(&$0))
                }
            )
        case 10:
            return SecurityKey(
                algorithm: number(),
                isRevoked: flip(),
                keys: list(0...3) { $0.octets($0.number(0...20)) },
                locator: part(&self)
            )
        case 11:
            return SourceDestinationKey(
                source: part(&self),
                sourceMaskLength: number(),
                destination: part(&self),
                destinationMaskLength: number()
            )
        case 12:
            return ReplicationList(entries: list(0...3) { .init(level: $0.number(), address: part(&$0)) })
        case 13:
            return JSONDataModel(
                isBinary: flip(),
                json: octets(number(0...30)),
                address: flip() ? part(&self) : nil
            )
        case 14:
            return KeyValueAddress(key: part(&self), value: part(&self))
        case 15:
            return EncapsulationFormat(.init(rawValue: number()), address: part(&self))
        default:
            return AFIList(list(0...4, part))
        }
    }

    private mutating func angle(_ limit: UInt16, unit: UInt32) -> GeoAngle {
        GeoAngle(isPositive: flip(), degrees: number(0...limit), milliseconds: number(0...3_599_999) / unit * unit)
    }

    /// No canonical one.
    private mutating func plainAddress() -> LISPAddress {
        switch number(0...5) {
        case 0: LISPAddress.none
        case 1: .mac(MACAddress(number(), isIEEE802: flip()))
        case 2: .distinguishedName(list(0...20) { $0.number(1...255) })
        default: .ip(ipAddress())
        }
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

    mutating func mapReferral(_ kinds: AddressKinds) -> MapReferral {
        MapReferral(
            nonce: Nonce(rawValue: number()),
            records: list(0...3) { generator in
                ReferralRecord(
                    eid: generator.address(kinds),
                    maskLength: generator.number(),
                    ttlMinutes: generator.number(),
                    action: ReferralAction.allCases[generator.number(0...(kinds == .all ? 7 : 5))],
                    isAuthoritative: generator.flip(),
                    isIncomplete: generator.flip(),
                    mapVersion: generator.number(0...0xfff),
                    referrals: generator.list(0...3) { $0.locator(kinds) },
                    signatures: generator.list(0...(kinds == .all ? 3 : 0)) {
                        .init(
                            originalTTLMinutes: $0.number(),
                            expiration: $0.number(),
                            inception: $0.number(),
                            keyTag: $0.number(),
                            algorithm: $0.number(),
                            octets: $0.octets($0.number(0...40))
                        )
                    }
                )
            },
            tail: kinds == .all && flip() ? octets(number(0...30)) : []
        )
    }

    mutating func info(_ kinds: AddressKinds) -> InfoMessage {
        let isReply = flip()
        let traversal = NATTraversal(
            mapServerPort: number(),
            etrPort: number(),
            globalETRRLOC: .ip(ipAddress()),
            mapServerRLOC: .ip(ipAddress()),
            privateETRRLOC: flip() ? .ip(ipAddress()) : .none,
            rtrRLOCs: list(1...3) { .ip($0.ipAddress()) }
        )
        return InfoMessage(
            isReply: isReply,
            nonce: Nonce(rawValue: number()),
            keyID: number(),
            authenticationData: octets(number(0...32)),
            ttlMinutes: number(),
            eid: address(kinds),
            maskLength: number(),
            natTraversal: isReply ? .lcaf(CanonicalAddress(traversal)) : .none,
            tail: kinds == .all && flip() ? octets(number(0...30)) : []
        )
    }

    /// A message of any kind.
    mutating func controlMessage(_ kinds: AddressKinds = .all) -> ControlMessage {
        switch number(0...8) {
        case 6: .mapReferral(mapReferral(kinds))
        case 7: .info(info(kinds))
        case 8: .sharedExtension(SharedExtension(subType: number(0...0xfff), contents: octets(number(0...40))))
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
