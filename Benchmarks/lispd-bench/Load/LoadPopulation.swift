// Who registers what, and who asks: sites, ETRs, EID-prefixes and ITRs, each made from its number, so that a Map-Server's
// configuration, the registrations, the questions and what the answers must be come from one place.
//
//     EID-prefixes   /28 in 10.0.0.0/8: the n-th stands at a place that a fixed permutation of 2^20 gives, so that those
//                    registered one after the other are no neighbours and all sites have their share of any number of them
//     sites          16: each has a /12 of it, and a key of its own
//     ETRs           198.18.0.0 and up: each of one site; it names itself by xTR-ID, and is the only locator of what it registers
//     ITRs           198.19.0.0 and up: where Map-Requests come from and Map-Replies go to

import LISPWire

struct LoadPopulation: Sendable {
    static let siteCount = 16
    static let placeCount = 1 << 20
    static let etrLimit = 1 << 16
    private static let prefixLength: UInt8 = 28

    /// EID-prefixes: at most `placeCount`.
    let eids: Int
    /// ETRs and ITRs, the same number of each; a multiple of `siteCount`, at most `etrLimit`.
    let routers: Int

    static let siteKeys = (0..<siteCount).map { site in
        AuthenticationKey(id: 0, algorithm: .hmacSHA256_128, secret: Array("the secret of \(siteName(site))".utf8))
    }

    static func siteName(_ site: Int) -> String { "load-\(site)" }

    static func sitePrefix(_ site: Int) -> EIDPrefix {
        let first = address(0x0a00_0000 | UInt32(site) << 20)
        return EIDPrefix(IPPrefix(family: .ipv4, leftAligned: first.leftAligned, length: 12))
    }

    /// Where EID-prefix `number` stands among the /28s of 10.0.0.0/8.
    private func place(_ number: Int) -> Int {
        // Odd, so that the multiplication permutes the numbers below a power of two.
        (number % eids &* 0x9e3b1) & (Self.placeCount - 1)
    }

    func site(of number: Int) -> Int { place(number) / (Self.placeCount / Self.siteCount) }

    func eidPrefix(_ number: Int) -> EIDPrefix {
        EIDPrefix(IPPrefix(family: .ipv4, leftAligned: eid(number).leftAligned, length: Self.prefixLength))
    }

    /// A host in EID-prefix `number`.
    func eid(_ number: Int) -> IPAddress { Self.address(0x0a00_0009 | UInt32(place(number)) << 4) }

    /// Which ETR registers EID-prefix `number`.
    func etr(of number: Int) -> Int {
        let perSite = routers / Self.siteCount
        return site(of: number) * perSite + place(number) % perSite
    }

    func etrRLOC(_ etr: Int) -> IPv4Address { IPv4Address(0xc612_0000 | UInt32(etr)) }

    func itrRLOC(_ itr: Int) -> IPv4Address { IPv4Address(0xc613_0000 | UInt32(itr % routers)) }

    func xtrID(_ etr: Int) -> XTRID { XTRID(rawValue: UInt128(0x4c49_5350) << 96 | UInt128(etr)) }

    func siteID(of number: Int) -> SiteID { SiteID(rawValue: UInt64(site(of: number)) + 1) }

    func key(of number: Int) -> AuthenticationKey { Self.siteKeys[site(of: number)] }

    /// With one locator: the RLOC of its ETR.
    func record(_ number: Int) -> EIDRecord {
        record(number, locator: etrRLOC(etr(of: number)))
    }

    func record(_ number: Int, locator: IPv4Address) -> EIDRecord {
        EIDRecord(
            eidPrefix: eidPrefix(number),
            ttlMinutes: 1440,
            isAuthoritative: true,
            locators: [
                LocatorRecord(priority: 1, weight: 100, isLocal: true, address: .ip(.v4(locator)))
            ]
        )
    }

    private static func address(_ rawValue: UInt32) -> IPAddress { .v4(IPv4Address(rawValue)) }
}

/// The part of a Map-Server's configuration that serves the population. Its JSON is what lispd reads.
struct LoadConfiguration: Codable {
    struct Key: Codable {
        var id = 0
        var algorithm = AuthenticationAlgorithm.hmacSHA256_128.name
        var key: String
    }

    struct EID: Codable {
        enum CodingKeys: String, CodingKey {
            case prefix
            case acceptsMoreSpecifics = "accept-more-specifics"
            case proxyReply = "proxy-reply"
        }

        var prefix: String
        var acceptsMoreSpecifics = true
        var proxyReply = true
    }

    struct Site: Codable {
        var name: String
        var keys: [Key]
        var eids: [EID]
    }

    enum CodingKeys: String, CodingKey {
        case eidSpace = "eid-space"
        case sites
    }

    var eidSpace = ["10.0.0.0/8"]
    var sites = (0..<LoadPopulation.siteCount).map { site in
        Site(
            name: LoadPopulation.siteName(site),
            keys: [Key(key: String(decoding: LoadPopulation.siteKeys[site].secret, as: UTF8.self))],
            eids: [EID(prefix: LoadPopulation.sitePrefix(site).description)]
        )
    }
}
