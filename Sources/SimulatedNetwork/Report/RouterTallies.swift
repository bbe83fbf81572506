// What a router counted, under the words that its operator reads.

import LISPControl
import LISPWire

enum RouterTallies {
    /// The words for what was refused or dropped, whatever they say.
    static let refusals = Set(RegistrationRefusal.allCases.map(\.rawValue) + RouterRefusal.allCases.map(\.rawValue))
}

extension SimulatedRouter {
    /// Everything that it counted since it started and that happened at all.
    package var tallies: [String: UInt64] {
        var sums: [String: UInt64] = [:]
        func add<Kind: RawRepresentable<String> & Hashable & CaseIterable>(_ tally: Tally<Kind>?) {
            guard let tally else { return }
            for kind in Kind.allCases where tally[kind] > 0 { sums[kind.rawValue, default: 0] += tally[kind] }
        }
        add(router.refusals)
        add(router.itr?.statistics)
        add(router.etr?.statistics)
        if router.etr != nil { add(router.smrSender.statistics) }
        add(router.mapServer?.statistics)
        add(router.mapResolver?.statistics)
        // Those of EIDs of no site are among the Map-Server's own.
        for site in router.mapServer?.sites ?? [] { add(site.refusals) }
        return sums
    }

    /// Its roles, as far as they differ in what they keep.
    var roleName: String {
        switch (router.mapServer != nil, router.mapResolver != nil, router.itr != nil, router.etr != nil) {
        case (true, true, _, _): "Map-Server and Map-Resolver"
        case (true, false, _, _): "Map-Server"
        case (false, true, _, _): "Map-Resolver"
        case (false, false, true, true): "xTR"
        case (false, false, true, false): router.itr?.settings.proxyITR == nil ? "ITR" : "Proxy-ITR"
        case (false, false, false, true): "ETR"
        case (false, false, false, false): "Proxy-ETR"
        }
    }
}
