// Which of the kernel's ways to carry many packets as one are in use.

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
