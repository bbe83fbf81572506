// Messages and prefixes that the cases are made of. All from fixed numbers, so every run measures the same.

import LISPWire

enum Samples {
    static let mapServer = ipv4(0xc000_0235)
    /// Where an ITR sends from, and one of its hosts.
    static let itr = ipv4(0xcb00_7101)
    static let askingHost = ipv4(0x0aff_0001)
    static let key = AuthenticationKey(id: 0, algorithm: .hmacSHA256_128, secret: Array("the secret of site-a".utf8))

    /// 10.0.0.0/24, 10.0.1.0/24 and so on: the n-th of up to 65,536.
    static func sitePrefix(_ number: Int) -> EIDPrefix {
        EIDPrefix(IPPrefix(family: .ipv4, leftAligned: host(number).leftAligned, length: 24))
    }

    /// The RLOC of the n-th site.
    static func rloc(_ number: Int) -> IPAddress {
        ipv4(0xc633_0000 | UInt32(number))
    }

    /// With two locators.
    static func record(_ number: Int) -> EIDRecord {
        EIDRecord(
            eidPrefix: sitePrefix(number),
            ttlMinutes: 1440,
            isAuthoritative: true,
            locators: [
                LocatorRecord(priority: 1, weight: 50, isLocal: true, address: .ip(rloc(number))),
                LocatorRecord(priority: 1, weight: 50, isLocal: false, address: .ip(rloc(number + 1))),
            ]
        )
    }

    static func records(_ count: Int) -> [EIDRecord] { (0..<count).map(record) }

    static func mapRegister(_ records: [EIDRecord], nonce: UInt64, key: AuthenticationKey = key) -> MapRegister {
        MapRegister(
            usesTTL: true,
            wantsMapNotify: true,
            nonce: Nonce(rawValue: nonce),
            authentication: Authentication(placeholderFor: key),
            records: records,
            xtrID: XTRID(rawValue: 0x1234),
            siteID: SiteID(rawValue: 1)
        )
    }

    /// Encoded and with its authentication data.
    static func signedMapRegister(_ records: [EIDRecord], nonce: UInt64, key: AuthenticationKey = key) -> [UInt8] {
        var message = mapRegister(records, nonce: nonce, key: key).encoded()
        key.sign(&message)
        return message
    }

    static func mapNotify(nonce: UInt64) -> MapNotify {
        MapNotify(
            nonce: Nonce(rawValue: nonce),
            authentication: Authentication(placeholderFor: key),
            records: records(1)
        )
    }

    /// To two children.
    static func mapReferral(nonce: UInt64) -> MapReferral {
        let record = record(0)
        return MapReferral(
            nonce: Nonce(rawValue: nonce),
            records: [
                ReferralRecord(
                    eid: record.eid,
                    maskLength: record.maskLength,
                    ttlMinutes: 1440,
                    action: .nodeReferral,
                    referrals: record.locators
                )
            ]
        )
    }

    static func infoRequest(nonce: UInt64) -> InfoMessage {
        let record = record(0)
        return InfoMessage(
            isReply: false,
            nonce: Nonce(rawValue: nonce),
            ttlMinutes: 1440,
            eid: record.eid,
            maskLength: record.maskLength
        )
    }

    /// Asks for one host of the n-th site.
    static func mapRequest(_ number: Int, nonce: UInt64) -> MapRequest {
        MapRequest(
            nonce: Nonce(rawValue: nonce),
            sourceEID: .ip(askingHost),
            itrRLOCs: [.ip(itr)],
            records: [MapRequest.Record(EIDPrefix(IPPrefix(host: host(number))))]
        )
    }

    /// A host within the n-th site's prefix.
    static func host(_ number: Int) -> IPAddress {
        ipv4(0x0a00_0009 | UInt32(number) << 8)
    }

    static func encapsulated(_ request: MapRequest, about number: Int) -> EncapsulatedControlMessage {
        EncapsulatedControlMessage(
            source: Endpoint(askingHost, LISPPort.control),
            destination: Endpoint(host(number), LISPPort.control),
            payload: request.encoded()
        )
    }

    private static func ipv4(_ rawValue: UInt32) -> IPAddress { .v4(IPv4Address(rawValue)) }
}
