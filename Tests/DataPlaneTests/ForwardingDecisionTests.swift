// What is said about a packet beforehand is what a worker does with it.

import ForwardingInterface
import LISPWire
import Testing

@testable import DataPlane

@Suite struct ForwardingDecisionTests {
    private func plane() throws -> DataPlane {
        let plane = try DataPlane.forTests()
        try plane.addInstance(.default, queues: [-1])
        plane.apply((1...6).map { locator($0, "192.0.2.\($0)", up: $0 != 3) })
        plane.apply([
            .putOwnPrefix(prefix("10.1.0.0/16")), .putOwnPrefix(prefix("2001:db8:1::/48")),
            locatorSet(1, [(1, 1, 10), (2, 1, 90), (4, 2, 1)]), locatorSet(2, [(3, 1, 1)]),
            locatorSet(3, [(4, 5, 0), (5, 5, 0), (6, 5, 0)]), locatorSet(4, [(3, 1, 100), (6, 2, 1)]),
            entry("10.2.0.0/16", mapping: 1, set: 1), entry("10.3.0.0/16", mapping: 2, set: 2),
            entry("2001:db8:2::/48", mapping: 3, set: 3), entry("10.2.128.0/17", mapping: 4, set: 4),
            entry("10.4.0.0/16", mapping: 5, .forwardNatively), entry("10.5.0.0/16", mapping: 6, .sendMapRequest),
            entry("10.6.0.0/16", mapping: 7, .drop(.policyDenied)),
            entry("10.7.0.0/16", mapping: 8, .drop(.authenticationFailure)),
            entry("10.8.0.0/16", mapping: 9, .drop(.noReason)), entry("10.10.0.0/16", mapping: 11, .drop(.attracted)),
            entry("10.9.0.0/16", mapping: 10, set: 99),
        ])
        return plane
    }

    private func decision(_ plane: DataPlane, _ source: String, _ destination: String) -> ForwardingDecision? {
        plane.decision(on: packet(source, destination), in: .default)
    }

    @Test func `names the fate of a packet`() throws {
        let plane = try plane()
        #expect(decision(plane, "10.1.0.1", "10.4.0.1") == .forwardNatively)
        #expect(decision(plane, "10.1.0.1", "10.5.0.1") == .askControlPlane)
        #expect(decision(plane, "10.1.0.1", "10.99.0.1") == .askControlPlane)
        #expect(decision(plane, "10.1.0.1", "10.6.0.1") == .drop(.policyDenied))
        #expect(decision(plane, "10.1.0.1", "10.7.0.1") == .drop(.policyAuthenticationFailure))
        #expect(decision(plane, "10.1.0.1", "10.8.0.1") == .drop(.policyNoReason))
        #expect(decision(plane, "10.1.0.1", "10.10.0.1") == .drop(.attracted))
        #expect(decision(plane, "10.1.0.1", "10.3.0.1") == .drop(.noUsableLocator))
        #expect(decision(plane, "10.1.0.1", "10.9.0.1") == .drop(.noUsableLocator))
        #expect(decision(plane, "10.1.0.1", "10.1.0.2") == .drop(.destinationIsOwn))
        #expect(decision(plane, "10.1.0.1", "224.0.0.1") == .drop(.multicastDestination))
        #expect(
            decision(plane, "10.1.0.1", "10.2.200.1")
                == .encapsulate(mapping: MappingID(rawValue: 4), locator: LocatorID(rawValue: 6))
        )
        #expect(plane.decision(on: packet("10.1.0.1", "10.2.0.1"), in: InstanceID(uncheckedRawValue: 7)) == nil)
        #expect(plane.decision(on: [0x45], in: .default) == .drop(.malformedPacket))
    }

    @Test func `says of a locator whether it is used and what fits`() throws {
        let plane = try plane()
        plane.apply([locator(7, "192.0.2.7", mtu: 1300)])
        #expect(plane.use(of: LocatorID(rawValue: 1)) == LocatorUse(isUsable: true, mtu: 0))
        #expect(plane.use(of: LocatorID(rawValue: 3)) == LocatorUse(isUsable: false, mtu: 0))
        #expect(plane.use(of: LocatorID(rawValue: 7)) == LocatorUse(isUsable: true, mtu: 1300))
        #expect(plane.use(of: LocatorID(rawValue: 99)) == nil)
    }

    @Test func `agrees with a worker about every packet`() throws {
        var generator = SplitMix.printed("ForwardingDecision")
        let plane = try plane()
        var worker = plane.memoryWorker()
        var seen: Set<ForwardingDecision> = []
        for _ in 0..<3_000 {
            let isIPv6 = Int.random(in: 0..<4, using: &generator) == 0
            let third = [0, 200].randomElement(using: &generator) ?? 0
            let second = Int.random(in: 1...11, using: &generator)
            let destination = isIPv6 ? "2001:db8:\(second)::1" : "10.\(second).\(third).1"
            let packet = packet(
                isIPv6 ? "2001:db8:1::1" : "10.1.0.1",
                destination,
                ports: (.random(in: 0...9, using: &generator), .random(in: .min ... .max, using: &generator)),
                ttl: Int.random(in: 0..<20, using: &generator) == 0 ? 0 : 64,
                fragment: Int.random(in: 0..<9, using: &generator) == 0 ? 0x2000 : 0
            )
            let decision = try #require(plane.decision(on: packet, in: .default))
            seen.insert(decision)
            // Misses are reported once a second for each EID.
            worker.device.clock += 10_000_000_000
            worker.device.sent = []
            worker.device.tunnelOutput = []
            let before = plane.statistics()
            worker.device.tunnelInput[0] = [packet]
            _ = worker.stepTunnel(0)
            let after = plane.statistics()
            switch decision {
            case .encapsulate(let mapping, let locator):
                #expect(worker.device.sent.map { UInt32($0.destination.high >> 32 & 0xff) } == [locator.rawValue])
                #expect(plane.counters(of: mapping, locator: locator).encapsulated.packets > 0)
            case .forwardNatively:
                #expect(worker.device.tunnelOutput.count == 1)
            case .askControlPlane:
                #expect(after.missesReported == before.missesReported + 1)
            case .drop(let reason):
                #expect(after.drops[reason, default: 0] == before.drops[reason, default: 0] + 1)
            }
            if worker.device.sent.isEmpty, case .encapsulate = decision { Issue.record("not sent: \(packet)") }
            plane.drainMisses { _ in }
        }
        // Six locators less the dead one, natively, asked for, and eight reasons to drop.
        #expect(seen.count >= 10, "\(seen)")
    }
}
