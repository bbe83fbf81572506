// Watches a run for its report. It is a check only in where it stands: it finds nothing wrong.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

package final class RunObserver: Check {
    package let name = "report"

    private var messages = MessageCounts()
    private var resolution = ResolutionTimes()
    let convergence = ConvergenceTimes()
    private var losses: [LossReason: UInt64] = [:]
    private var packets: [PacketEnd: UInt64] = [:]
    /// Of routers that ended since.
    private var past: [String: UInt64] = [:]
    private var peaks: [String: RunReport.Memory] = [:]

    package init() {}

    package func sent(_ message: SentMessage, by node: SimulatedRouter, in network: SimulatedNetwork) {
        messages.sent(message.payload, by: node.index)
    }

    package func receiving(_ message: ReceivedControlMessage, at node: SimulatedRouter, in network: SimulatedNetwork) {
        messages.received(message.payload, by: node.index)
    }

    package func received(_ message: ReceivedControlMessage, at node: SimulatedRouter, in network: SimulatedNetwork) {
        guard ControlMessageKind(payload: message.payload) == .mapRegister, convergence.isWaiting(node),
            let register = try? MapRegister(decoding: message.payload),
            let router = network.router(at: message.source.address)
        else { return }
        convergence.received(register, of: router.index, at: node, network)
    }

    package func lost(_ payload: [UInt8], _ reason: LossReason, in network: SimulatedNetwork) {
        messages.lost(payload)
        losses[reason, default: 0] += 1
    }

    package func injected(_ payload: [UInt8], in network: SimulatedNetwork) {
        messages.forged(payload)
    }

    package func ended(_ packet: SimulatedPacket, _ end: PacketEnd, count: Int, in network: SimulatedNetwork) {
        packets[end, default: 0] += UInt64(count)
    }

    package func handedOver(_ packet: SimulatedPacket, at node: SimulatedRouter, in network: SimulatedNetwork) {
        resolution.missed(packet.destination, by: node.index, now: network.now)
        // Until it comes back.
        packets[.refused, default: 0] += 1
    }

    package func released(_ packet: SimulatedPacket, at node: SimulatedRouter, in network: SimulatedNetwork) {
        // A router that releases a packet twice is for another check to find.
        if let held = packets[.refused], held > 0 { packets[.refused] = held - 1 }
    }

    package func updated(_ updates: [ForwardingUpdate], at node: SimulatedRouter, in network: SimulatedNetwork) {
        resolution.updated(updates, at: node.index, now: network.now)
        convergence.look(at: node, network)
    }

    package func reset(
        _ node: SimulatedRouter,
        restarted: Bool,
        keepingState: Bool,
        in network: SimulatedNetwork
    ) {
        convergence.reset(node, restarted: restarted, keepingState: keepingState, network)
    }

    package func stopping(_ node: SimulatedRouter, in network: SimulatedNetwork) {
        remember(node)
        resolution.stopped(node.index)
        convergence.stopping(node, network)
        past.merge(node.tallies, uniquingKeysWith: +)
    }

    package func happened(_ event: NetworkEvent, in network: SimulatedNetwork) {
        convergence.happened(event, network)
    }

    package func audit(_ node: SimulatedRouter, in network: SimulatedNetwork) {
        remember(node)
        convergence.look(at: node, network)
    }

    private func remember(_ node: SimulatedRouter) {
        let memory = NodeMemory(node)
        let role = node.roleName
        if memory.octets > peaks[role]?.octets ?? -1 {
            peaks[role] = RunReport.Memory(role: role, router: node.name, octets: memory.octets, tables: memory)
        }
    }

    /// What there is to say by now.
    package func report(_ network: SimulatedNetwork) -> RunReport {
        var report = RunReport()
        resolution.finish(now: network.now)
        report.messages = messages.lines(network.routers.map(\.name))
        report.datagramsLost = losses.map { RunReport.Count($0.key.rawValue, $0.value) }.sorted()
        report.resolution = RunReport.Resolution(
            withLocators: RunReport.Times(resolution.positive),
            negative: RunReport.Times(resolution.negative),
            abandoned: resolution.abandoned
        )
        report.convergence = ChangeKind.allCases.compactMap { kind in
            guard let result = convergence.results[kind], result.changes > 0 else { return nil }
            return RunReport.Convergence(
                change: kind,
                changes: result.changes,
                learnt: result.learnt,
                overtaken: result.overtaken,
                untilPeersAgree: RunReport.Times(result.peers),
                untilAllAgree: RunReport.Times(result.all)
            )
        }
        report.unfinishedGoals = convergence.open
        report.registeredAgain = ChangeKind.allCases.compactMap { kind in
            convergence.registeredAgain[kind].map { RunReport.Registrations(after: kind, times: RunReport.Times($0)) }
        }
        report.packets = PacketEnd.allCases.compactMap { end in
            packets[end].map { RunReport.Count(end.rawValue, $0) }
        }
        report.packetsSent = network.counts.packets
        let counts = network.counts
        report.surroundings = [
            RunReport.Count("wall clocks set", counts.clocksSet),
            RunReport.Count("MTUs of access links changed", counts.linkMTUChanges),
            RunReport.Count("ICMP errors about size, forged ones included", counts.sizeErrors),
            RunReport.Count("ICMP errors about size lost", counts.sizeErrorsLost),
            RunReport.Count("bursts of packets cut to fit a path", counts.burstsCut),
        ].filter { $0.count > 0 }
        var tallies = past
        for node in network.routers where node.isUp { tallies.merge(node.tallies, uniquingKeysWith: +) }
        report.tallies = tallies.map { RunReport.Count($0.key, $0.value) }.sorted()
        report.memory = peaks.values.sorted { $0.role < $1.role }
        return report
    }
}

/// Why a datagram or encapsulated packet did not arrive.
package enum LossReason: String, CaseIterable, Sendable {
    case path = "lost on the path"
    case partition = "the network is divided"
    case noRoute = "no route, or no address of that family"
    case nobody = "nobody has the address"
    case routerDown = "the router is down"
    case tooLarge = "larger than the path carries"
}

/// What became of a host's packet.
package enum PacketEnd: String, CaseIterable, Sendable {
    case delivered = "delivered"
    case natively = "forwarded natively"
    case noRouter = "lost: the host's own router is down"
    case refused = "lost: refused by the control plane, or waited in vain"
    case noLocator = "lost: no locator of the mapping is up"
    case drop = "lost: the mapping says to drop"
    case releasedInVain = "lost: released, and no mapping again"
    case path = "lost on the path"
    case partition = "lost: the network is divided"
    case nobody = "lost: nobody has the RLOC any more"
    case routerDown = "lost: the ETR is down"
    case tooLarge = "lost: larger than the path carries"
    case exceedsPathMTU = "lost: too large for what the ITR knows of the path, as their host is told"
    case notServed = "lost: the ETR does not have the EID any more"

    init(_ reason: LossReason) {
        self =
            switch reason {
            case .path: .path
            case .partition: .partition
            case .noRoute: .noLocator
            case .nobody: .nobody
            case .routerDown: .routerDown
            case .tooLarge: .tooLarge
            }
    }
}
