// What must hold in every run: an object that watches the network and says what was violated, when and at which router.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

/// Watches. Everything has an empty default; nothing may change the network.
package protocol Check: AnyObject {
    /// What it stands for, in a few words: unique among the checks of a run.
    var name: String { get }

    /// A router sent a datagram; `message` decodes it at most once for all checks.
    func sent(_ message: SentMessage, by node: SimulatedRouter, in network: SimulatedNetwork)
    /// A datagram is about to be given to a router.
    func receiving(_ message: ReceivedControlMessage, at node: SimulatedRouter, in network: SimulatedNetwork)
    /// The router has dealt with a datagram that it was given.
    func received(_ message: ReceivedControlMessage, at node: SimulatedRouter, in network: SimulatedNetwork)
    /// Updates reached the forwarding plane of a router.
    func updated(_ updates: [ForwardingUpdate], at node: SimulatedRouter, in network: SimulatedNetwork)
    func noted(_ note: RouterNote, at node: SimulatedRouter, in network: SimulatedNetwork)
    /// A packet was handed to the router's control plane, or came back from it.
    func handedOver(_ packet: SimulatedPacket, at node: SimulatedRouter, in network: SimulatedNetwork)
    func released(_ packet: SimulatedPacket, at node: SimulatedRouter, in network: SimulatedNetwork)
    /// An entry of the router's forwarding plane sent a packet somewhere.
    func forwarded(_ packet: SimulatedPacket, by eid: EIDPrefix, at node: SimulatedRouter, in network: SimulatedNetwork)
    /// A packet was decapsulated by a router that was chosen by the RLOC `rloc`.
    func decapsulated(
        _ packet: SimulatedPacket,
        at node: SimulatedRouter,
        rloc: IPAddress,
        in network: SimulatedNetwork
    )
    /// A router sends packets of so many octets, outer headers included, to an RLOC.
    func tunnelled(_ octets: Int, to rloc: IPAddress, at node: SimulatedRouter, in network: SimulatedNetwork)
    /// They did not fit the path, as those of their flow have not for a while.
    func tooLarge(
        since: Instant,
        _ packet: SimulatedPacket,
        to rloc: IPAddress,
        at node: SimulatedRouter,
        in network: SimulatedNetwork
    )
    /// A router is about to be told that the path to an RLOC carries no more octets.
    func hearing(_ mtu: UInt16, of rloc: IPAddress, at node: SimulatedRouter, in network: SimulatedNetwork)
    /// The router has dealt with something and its actions are carried out.
    func acted(_ node: SimulatedRouter, in network: SimulatedNetwork)
    /// It is about to end; what it knows is there for the last time.
    func stopping(_ node: SimulatedRouter, in network: SimulatedNetwork)
    /// A datagram did not arrive, or could not even leave.
    func lost(_ payload: [UInt8], _ reason: LossReason, in network: SimulatedNetwork)
    /// Somebody who is no router sent a datagram.
    func injected(_ payload: [UInt8], in network: SimulatedNetwork)
    /// So many packets of one host came to their end.
    func ended(_ packet: SimulatedPacket, _ end: PacketEnd, count: Int, in network: SimulatedNetwork)
    func happened(_ event: NetworkEvent, in network: SimulatedNetwork)
    /// It was started, stopped or given other settings.
    func reset(_ node: SimulatedRouter, restarted: Bool, keepingState: Bool, in network: SimulatedNetwork)
    /// Its process ended.
    func stopped(_ node: SimulatedRouter, in network: SimulatedNetwork)
    /// Its operator cleared the map-cache: what was known is asked for again.
    func cleared(_ node: SimulatedRouter, in network: SimulatedNetwork)
    /// Time for a look at everything that the router has.
    func audit(_ node: SimulatedRouter, in network: SimulatedNetwork)
    /// Faults are over and everything had time to settle.
    func healed(_ network: SimulatedNetwork)
}

extension Check {
    package func sent(_ message: SentMessage, by node: SimulatedRouter, in network: SimulatedNetwork) {}
    package func receiving(_ message: ReceivedControlMessage, at node: SimulatedRouter, in network: SimulatedNetwork) {}
    package func received(_ message: ReceivedControlMessage, at node: SimulatedRouter, in network: SimulatedNetwork) {}
    package func updated(_ updates: [ForwardingUpdate], at node: SimulatedRouter, in network: SimulatedNetwork) {}
    package func noted(_ note: RouterNote, at node: SimulatedRouter, in network: SimulatedNetwork) {}
    package func handedOver(_ packet: SimulatedPacket, at node: SimulatedRouter, in network: SimulatedNetwork) {}
    package func released(_ packet: SimulatedPacket, at node: SimulatedRouter, in network: SimulatedNetwork) {}
    package func forwarded(
        _ packet: SimulatedPacket,
        by eid: EIDPrefix,
        at node: SimulatedRouter,
        in network: SimulatedNetwork
    ) {}
    package func decapsulated(
        _ packet: SimulatedPacket,
        at node: SimulatedRouter,
        rloc: IPAddress,
        in network: SimulatedNetwork
    ) {}
    package func tunnelled(_ octets: Int, to rloc: IPAddress, at node: SimulatedRouter, in network: SimulatedNetwork) {}
    package func tooLarge(
        since: Instant,
        _ packet: SimulatedPacket,
        to rloc: IPAddress,
        at node: SimulatedRouter,
        in network: SimulatedNetwork
    ) {}
    package func hearing(_ mtu: UInt16, of rloc: IPAddress, at node: SimulatedRouter, in network: SimulatedNetwork) {}
    package func acted(_ node: SimulatedRouter, in network: SimulatedNetwork) {}
    package func reset(
        _ node: SimulatedRouter,
        restarted: Bool,
        keepingState: Bool,
        in network: SimulatedNetwork
    ) {}
    package func stopped(_ node: SimulatedRouter, in network: SimulatedNetwork) {}
    package func cleared(_ node: SimulatedRouter, in network: SimulatedNetwork) {}
    package func stopping(_ node: SimulatedRouter, in network: SimulatedNetwork) {}
    package func lost(_ payload: [UInt8], _ reason: LossReason, in network: SimulatedNetwork) {}
    package func injected(_ payload: [UInt8], in network: SimulatedNetwork) {}
    package func ended(_ packet: SimulatedPacket, _ end: PacketEnd, count: Int, in network: SimulatedNetwork) {}
    package func happened(_ event: NetworkEvent, in network: SimulatedNetwork) {}
    package func audit(_ node: SimulatedRouter, in network: SimulatedNetwork) {}
    package func healed(_ network: SimulatedNetwork) {}
}

/// A datagram that a router sent.
package final class SentMessage {
    package let payload: [UInt8]
    package let destination: Endpoint
    package let kind: ControlMessageKind
    /// `nil` if it does not decode.
    package private(set) lazy var decoded = try? ControlMessage(decoding: payload, zeroInnerChecksum: .accept)
    /// The Map-Request inside, if it is an Encapsulated Control Message with one.
    package private(set) lazy var encapsulatedRequest: MapRequest? = {
        guard case .encapsulated(let ecm)? = decoded else { return nil }
        return try? MapRequest(decoding: ecm.payload)
    }()

    init(_ datagram: ControlDatagram) {
        payload = datagram.payload
        destination = datagram.destination
        kind = ControlMessageKind(payload: datagram.payload)
    }
}

/// Something that must not happen and did.
package struct Violation: Sendable, CustomStringConvertible {
    package let check: String
    package let at: Instant
    package let router: String
    package let text: String
    /// What the router went through before.
    package let trace: [String]

    package var summary: String { "\(at.inSeconds), \(router): \(check): \(text)" }

    package var description: String {
        ([summary] + trace.map { "    \($0)" }).joined(separator: "\n")
    }
}
