// Which of the kernel's ways to carry many packets as one, and to share them out among the workers, are in use.

/// One of them, and why it is not, or not wholly, in use.
package struct OffloadState: Sendable, Hashable {
    package enum Kind: String, Sendable, CaseIterable {
        /// TCP of the site comes in trains from the TUN (TUN_F_TSO4, TUN_F_TSO6).
        case tso
        /// UDP of the site does (TUN_F_USO4, TUN_F_USO6).
        case uso
        /// Neighbours of a flow are given to the TUN as one.
        case merge
        /// Encapsulated packets leave in trains (UDP_SEGMENT).
        case udpSegment = "udp-segment"
        /// They come in trains (UDP_GRO).
        case udpGRO = "udp-gro"
        /// Each worker has a queue of every TUN (IFF_MULTI_QUEUE). Without it there is one worker.
        case multiQueue = "multi-queue"
        /// A program keeps each flow of the site at one worker (TUNSETSTEERINGEBPF). Without it the kernel chooses, and moves a flow
        /// when its other direction changes its worker.
        case tunSteering = "tun-steering"
        /// A program shares out encapsulated packets by the flow inside (SO_ATTACH_REUSEPORT_CBPF). Without it the kernel does, by
        /// the ports outside: all flows of a router that always sends from one port are one worker's.
        case udpSteering = "udp-steering"

        /// Those that carry many packets as one.
        package static let trains: Set<Kind> = [.tso, .uso, .merge, .udpSegment, .udpGRO]
    }

    package let kind: Kind
    package let isOn: Bool
    package var reason: String?

    init(_ kind: Kind, isOn: Bool, _ reason: String?) {
        self.kind = kind
        self.isOn = isOn
        self.reason = reason
    }
}
