// The parts that a large world needs: flows without an event a packet, and deadlines after a change.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire
import Testing

@testable import SimulatedNetwork

/// An ITR that knows one mapping, and the ETR that it is of.
private struct Pair {
    static let eid = EIDPrefix(IPPrefix("10.2.0.0/16")!)
    static let source = EID(IPAddress("10.1.0.1")!)
    let network = SimulatedNetwork()
    let itr: SimulatedRouter
    let etr: SimulatedRouter
    let healing: HealingCheck

    init(fault: (any FaultyBehaviour)? = nil) {
        let agreement = AgreementCheck()
        healing = HealingCheck(agreement, probeInterval: .seconds(60))
        network.stopsAtViolation = false
        network.watch(healing)
        let rlocs = [IPAddress("192.0.2.1")!, IPAddress("192.0.2.2")!]
        func locator(isLocal: Bool) -> DatabaseLocator {
            DatabaseLocator(address: rlocs[1], priority: 1, weight: 1, isLocal: isLocal)
        }
        var settings = ITRSettings(mapResolvers: [IPAddress("192.0.2.9")!], rlocs: [rlocs[0]])
        settings.rlocProbing.isEnabled = true
        settings.staticMappings = [StaticMapping(eid: Self.eid, locators: [locator(isLocal: false)])]
        itr = network.add("itr", [rlocs[0]], RouterSettings(itr: settings), fault: fault)
        let mapping = DatabaseMapping(eid: Self.eid, ttlMinutes: 1440, locators: [locator(isLocal: true)])
        let etrSettings = ETRSettings(
            mappings: [mapping],
            mapServers: [],
            xtrID: XTRID(rawValue: 1),
            siteID: SiteID(rawValue: 1),
            rlocs: [rlocs[1]]
        )
        etr = network.add("etr", [rlocs[1]], RouterSettings(etr: etrSettings))
    }

    func burst(_ destination: String) -> SimulatedNetwork.Fate {
        network.burst(at: itr, from: Self.source, to: EID(IPAddress(destination)!), count: 10)
    }
}

@Suite struct `A burst of packets` {
    @Test func `is there at once where the way is known, and counts at both ends`() throws {
        let pair = Pair()
        #expect(pair.burst("10.2.0.1") == .delivered(by: pair.etr.index))
        #expect(pair.network.counts.packetsDelivered == 10)
        let mapping = try #require(pair.itr.plane.longestMatch(EID(IPAddress("10.2.0.1")!))?.entry.mapping)
        #expect(pair.itr.plane.packetsSent[mapping] == 10)
        let peers = pair.etr.plane.peers(within: .seconds(60), now: pair.network.now)
        #expect(peers.map(\.rloc) == pair.itr.addresses)
    }

    @Test func `asks for the mapping where the way is not known`() {
        let pair = Pair()
        #expect(pair.burst("10.3.0.1") == .nowhere)
        #expect(pair.itr.router.itr?.statistics[.mapRequestsSent] == 1)
        #expect(pair.network.counts.packets == 1)
    }

    @Test func `is lost where the RLOC is dead, and ends with the locator once that is known`() {
        let pair = Pair()
        pair.network.run(.seconds(10))
        pair.network.stop(pair.etr)
        #expect(pair.burst("10.2.0.1") == .nowhere)
        #expect(pair.network.counts.datagramsLost == 1)
        pair.network.run(.seconds(64))
        let lost = pair.network.counts.datagramsLost
        #expect(pair.burst("10.2.0.1") == .nowhere)
        #expect(pair.network.counts.datagramsLost == lost)
    }
}

@Suite struct `A path that carries less` {
    private static let large = 1464

    private func burst(_ pair: Pair, _ size: inout PacketSize) -> SimulatedNetwork.Fate {
        let destination = EID(IPAddress("10.2.0.1")!)
        return pair.network.burst(at: pair.itr, from: Pair.source, to: destination, count: 10, size: &size)
    }

    @Test func `loses what finds out, and then hosts send what fits`() {
        let pair = Pair()
        let check = PathMTUCheck(pause: .seconds(25))
        pair.network.watch(check)
        check.setCalm(true, now: pair.network.now)
        pair.network.setLinkMTU(1400, of: pair.etr)
        var size = PacketSize(octets: Self.large)
        #expect(burst(pair, &size) == .nowhere)
        #expect(size.octets == Self.large)
        pair.network.run(.seconds(1))
        #expect(pair.itr.router.itr?.pathMTU[pair.etr.addresses[0]] == 1400)
        #expect(burst(pair, &size) == .delivered(by: pair.etr.index))
        #expect(size.octets == 1400 - 36)
        // IPv4 without DF is cut.
        var uncut = PacketSize(octets: Self.large, mayBeCut: true)
        #expect(burst(pair, &uncut) == .delivered(by: pair.etr.index))
        #expect(uncut.octets == Self.large && pair.network.counts.burstsCut == 1)
        // After ten minutes larger packets try again.
        pair.network.setLinkMTU(1500, of: pair.etr)
        pair.network.run(.seconds(601))
        var later = PacketSize(octets: Self.large)
        #expect(burst(pair, &later) == .delivered(by: pair.etr.index))
        #expect(later.octets == Self.large)
        pair.network.checkHealed()
        #expect(pair.network.violations.map(\.summary) == [])
    }

    @Test func `is found where the ITR does not mind it, and where nobody tells it`() {
        let pair = Pair(fault: SeededFault.pathMTUIgnored.behaviour())
        let check = PathMTUCheck(pause: .seconds(25))
        pair.network.watch(check)
        pair.network.setLinkMTU(1400, of: pair.etr)
        var size = PacketSize(octets: Self.large)
        _ = burst(pair, &size)
        pair.network.run(.seconds(1))
        _ = burst(pair, &size)
        #expect(pair.network.violations.map(\.check) == ["path-mtu"])

        let untold = Pair()
        let patience = PathMTUCheck(pause: .seconds(25))
        untold.network.watch(patience)
        untold.network.sizeErrorLoss = 1000
        untold.network.setLinkMTU(1400, of: untold.etr)
        patience.setCalm(true, now: untold.network.now)
        size = PacketSize(octets: Self.large)
        for _ in 0..<4 {
            _ = burst(untold, &size)
            untold.network.run(.seconds(20))
        }
        #expect(untold.network.violations.map(\.check) == ["path-mtu"])
    }
}

@Suite struct `An RLOC that died` {
    @Test func `is out of use within the probe interval and 4 s`() {
        let pair = Pair()
        pair.network.run(.seconds(10))
        pair.network.stop(pair.etr)
        pair.network.run(.seconds(70))
        #expect(pair.network.violations.map(\.summary) == [])
        #expect(pair.healing.summary.deadLocators.all == 1)
    }

    @Test func `and is used on, is found`() {
        let pair = Pair(fault: SettingsRewriting { $0.itr?.rlocProbing.isEnabled = false })
        pair.network.run(.seconds(10))
        pair.network.stop(pair.etr)
        pair.network.run(.seconds(70))
        #expect(pair.network.violations.map(\.check) == ["healing"])
        #expect(pair.healing.summary.deadLocators.late == 1)
    }
}
