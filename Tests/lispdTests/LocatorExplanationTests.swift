// Why a locator is used, or is not.

import DataPlane
import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire
import ManagementAPI
import Testing

@testable import lispd

@Suite struct LocatorExplanationTests {
    private static let eid = EIDPrefix(IPPrefix("10.2.0.0/16")!)

    private static func locator(_ address: String, _ priority: UInt8, _ weight: UInt8) -> LISPTables.DatabaseLocator {
        LISPTables.DatabaseLocator(address: IPAddress(address)!, priority: priority, weight: weight, isLocal: false)
    }

    /// An ITR with IPv4 RLOCs that was given a mapping.
    private static func itr(
        _ locators: [LISPTables.DatabaseLocator],
        action: MapReplyAction = .noAction,
        proxyETRs: [ProxyETR] = [],
        probing: RLOCProbingSettings = .init()
    ) -> ITR {
        var itr = ITR(
            settings: ITRSettings(
                mapResolvers: [],
                rlocs: [IPAddress("198.51.100.1")!],
                rlocProbing: probing,
                proxyETRs: proxyETRs,
                staticMappings: [StaticMapping(eid: eid, locators: locators, action: action)],
                locatorStatusBits: true
            )
        )
        _ = itr.start(now: SystemClock.now)
        return itr
    }

    private static func explain(
        _ itr: ITR,
        chosen: String? = nil,
        isWholeFlow: Bool = true,
        use: @escaping (LocatorID) -> LocatorUse? = { _ in LocatorUse(isUsable: true, mtu: 0) }
    ) -> LocatorExplanation {
        let decision = chosen.flatMap { itr.locators[IPAddress($0)!] }.map {
            ForwardingDecision.encapsulate(mapping: MappingID(rawValue: 1), locator: $0)
        }
        return LocatorExplanation(
            itr.cache[eid],
            decision,
            isWholeFlow: isWholeFlow,
            LocatorExplanation.Sources(itr: itr, time: ReportTime(), tunMTU: 1464, use: use)
        )
    }

    @Test func `the best priority shares by weight, the next stands by, and 255 is never used`() {
        let itr = Self.itr([
            Self.locator("192.0.2.1", 1, 30), Self.locator("192.0.2.2", 1, 70), Self.locator("192.0.2.3", 2, 100),
            Self.locator("192.0.2.4", 255, 100), Self.locator("192.0.2.5", 1, 0),
        ])
        let result = Self.explain(itr, chosen: "192.0.2.2")
        #expect(
            result.locators.map(\.why) == [
                "takes 30 of 100 flows", "takes 70 of 100 flows", "stands by: those of priority 1 come first",
                "priority 255: not for unicast traffic", "weight 0: the others take all flows",
            ]
        )
        #expect(result.locators.map(\.isUsed) == [true, true, false, false, false])
        #expect(result.locators.map(\.isChosen) == [false, true, false, false, false])
        #expect(result.locators.map(\.state) == [.up, .up, .up, .unusable, .up])
        #expect(result.candidates == ["192.0.2.2"])
        #expect(result.largestPacket == 1464)
        // Without the flow nobody can say which of the two.
        let some = Self.explain(itr, chosen: "192.0.2.2", isWholeFlow: false)
        #expect(some.candidates == ["192.0.2.1", "192.0.2.2"])
        #expect(some.locators.map(\.isChosen) == [false, false, false, false, false])
    }

    @Test func `what the site says of its locators counts`() {
        var itr = Self.itr([Self.locator("192.0.2.1", 1, 100), Self.locator("192.0.2.2", 2, 100)])
        let report = LocatorStatusReport(source: EID(Self.eid.prefix.address), bits: 0b10, width: 32)
        #expect(!itr.heard(report, now: SystemClock.now).isEmpty)
        let result = Self.explain(itr, chosen: "192.0.2.2")
        #expect(result.locators[0].why == "packets of its site say that it is down (locator-status-bits)")
        #expect(result.locators.map(\.state) == [.down, .up])
        #expect(result.locators.map(\.isChosen) == [false, true])
    }

    @Test func `weights of zero alone share evenly, and one alone needs no flow`() {
        let even = Self.explain(Self.itr([Self.locator("192.0.2.1", 1, 0), Self.locator("192.0.2.2", 1, 0)]))
        #expect(even.locators.map(\.why) == ["takes 1 of 2 flows", "takes 1 of 2 flows"])
        let itr = Self.itr([Self.locator("192.0.2.1", 9, 0), Self.locator("2001:db8::1", 1, 100)])
        let alone = Self.explain(itr, chosen: "192.0.2.1", isWholeFlow: false)
        #expect(
            alone.locators.map(\.why) == [
                "the only one of the best priority that can be used", "this router has no IPv6 RLOC to send from",
            ]
        )
        #expect(alone.candidates == ["192.0.2.1"])
        #expect(alone.locators.map(\.isChosen) == [true, false])
    }

    @Test func `what the data plane cannot use is not used, and the path MTU counts`() {
        let itr = Self.itr([Self.locator("192.0.2.1", 1, 100), Self.locator("192.0.2.2", 2, 100)])
        let first = itr.locators[IPAddress("192.0.2.1")!]
        let result = Self.explain(itr, chosen: "192.0.2.2") { LocatorUse(isUsable: $0 != first, mtu: 1300) }
        #expect(result.locators.map(\.isUsed) == [false, true])
        #expect(result.locators.first?.why == "the data plane has no socket of its family")
        #expect(result.locators.map(\.mtu) == [1300, 1300])
        #expect(result.largestPacket == 1300 - 36)
    }

    @Test func `a dead RLOC says when it last answered`() throws {
        var itr = Self.itr(
            [Self.locator("192.0.2.1", 1, 100), Self.locator("192.0.2.2", 2, 100)],
            probing: RLOCProbingSettings(isEnabled: true, interval: .seconds(5), retries: 1)
        )
        var generator = SystemRandomNumberGenerator()
        var now = SystemClock.now
        while itr.prober.isUp(IPAddress("192.0.2.1")!) {
            let deadline = itr.deadline()
            now = max(now, try #require(deadline))
            _ = itr.timeout(now: now, using: &generator) { _ in 0 }
        }
        let result = Self.explain(itr)
        #expect(result.locators.first?.state == .down)
        #expect(result.locators.first?.why == "does not answer RLOC-probes, never answered")
        #expect(result.locators.first?.isUsed == false)
    }

    @Test func `a negative mapping goes by the Proxy-ETRs where there are some`() {
        let proxies = [
            ProxyETR(address: IPAddress("192.0.2.9")!, priority: 1, weight: 100),
            ProxyETR(address: IPAddress("2001:db8::9")!, priority: 1, weight: 100),
        ]
        let itr = Self.itr([], action: .nativelyForward, proxyETRs: proxies)
        let result = Self.explain(itr, chosen: "192.0.2.9")
        #expect(result.usesProxyETRs)
        #expect(result.locators.map(\.isChosen) == [true, false])
        #expect(result.candidates == ["192.0.2.9"])
        #expect(Self.explain(Self.itr([], action: .nativelyForward)).locators.isEmpty)
        #expect(Self.explain(Self.itr([], action: .dropPolicyDenied, proxyETRs: proxies)).locators.isEmpty)
        #expect(!Self.explain(Self.itr([], action: .dropPolicyDenied, proxyETRs: proxies)).usesProxyETRs)
    }
}

@Suite struct FlowPacketTests {
    @Test func `the data plane takes it for a packet, and its ports for those of a flow`() throws {
        for (source, destination) in [("10.1.0.1", "10.2.0.1"), ("2001:db8:1::1", "2001:db8:2::1")] {
            let from = IPAddress(source)!
            let to = IPAddress(destination)!
            let plane = try DataPlane()
            try plane.addInstance(.default, queues: Array(repeating: -1, count: plane.workerCount))
            let packet = FlowPacket.octets(from: from, to: to, protocolNumber: 17, ports: (1000, 2000))
            #expect(plane.decision(on: packet, in: .default) == .askControlPlane)
            plane.apply([.putOwnPrefix(EIDPrefix(IPPrefix(host: to)))])
            #expect(plane.decision(on: packet, in: .default) == .drop(.destinationIsOwn))
            #expect(packet.suffix(8).starts(with: [0x03, 0xe8, 0x07, 0xd0]))
        }
        #expect(FlowPacket.hasPorts(6))
        #expect(!FlowPacket.hasPorts(1))
    }
}
