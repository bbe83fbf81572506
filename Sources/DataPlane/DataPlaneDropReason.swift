// Why the data plane dropped a packet: one counter each, and what to tell the operator.

/// A reason, in the order of a packet's way: out of the site, into the site, then our own limits.
package enum DataPlaneDropReason: UInt8, CaseIterable, Sendable, Hashable {
    // From the TUN.
    case malformedPacket
    case unfinishedOffload
    case invalidSource
    case multicastDestination
    case linkLocalDestination
    case invalidDestination
    case timeToLiveExceeded
    case destinationIsOwn
    case noUsableLocator
    case exceedsPathMTU
    case policyNoReason
    case policyDenied
    case policyAuthenticationFailure
    case attracted
    case missRecentlyReported
    case missSourceLimited
    case missQueueFull
    case stillNoMapping
    case heldQueueFull
    case noRouteToLocator
    case sendBufferFull
    case sendFailed

    // From the network.
    case datagramTooShort
    case datagramTruncated
    case encrypted
    case unknownInstance
    case malformedInnerPacket
    case innerDestinationNotOwn
    case innerSourceNotAccepted
    case invalidInnerSource
    case innerSourceIsOwn
    case invalidInnerDestination
    case innerTimeToLiveExceeded
    case congestionMarkNotRepresentable
    case tunnelWriteFailed

    static let count = DataPlaneDropReason.allCases.count

    /// One line for the operator.
    package var text: String {
        switch self {
        case .malformedPacket: "packet from the site is not valid IPv4 or IPv6"
        case .unfinishedOffload: "packet from the site came as a train of segments that makes no sense"
        case .invalidSource: "source of a packet from the site is multicast, loopback, link-local or unspecified"
        case .multicastDestination: "destination is multicast"
        case .linkLocalDestination: "destination is link-local"
        case .invalidDestination: "destination is broadcast, loopback or unspecified"
        case .timeToLiveExceeded: "TTL or hop limit of a packet from the site is 0"
        case .destinationIsOwn: "destination is in an EID-prefix of this site, so it must not be encapsulated"
        case .noUsableLocator: "mapping has no locator that is up and of a family this host can send"
        case .exceedsPathMTU: "packet with its outer headers exceeds the path MTU to the locator"
        case .policyNoReason: "mapping says drop, without a reason"
        case .policyDenied: "mapping says drop: denied by policy"
        case .policyAuthenticationFailure: "mapping says drop: authentication failure"
        case .attracted: "no mapping inside the EID space that this Proxy-ITR attracts, and no Proxy-ETR to send it to"
        case .missRecentlyReported: "no mapping yet, and this EID was reported moments ago"
        case .missSourceLimited: "no mapping yet, and its source sends to too many EIDs without one"
        case .missQueueFull: "no mapping yet, and the queue to the control plane is full"
        case .stillNoMapping: "held packet was released, yet there is no mapping for it"
        case .heldQueueFull: "held packet was released, yet the queue to its worker is full"
        case .noRouteToLocator: "this host has no route to the locator, or not from the source RLOC"
        case .sendBufferFull: "send buffer is full"
        case .sendFailed: "the kernel refused to send"
        case .datagramTooShort: "datagram is too short for a LISP header and a packet"
        case .datagramTruncated: "datagram is longer than the receive buffer"
        case .encrypted: "payload is encrypted (KK bits), which is not supported"
        case .unknownInstance: "instance ID is not configured here"
        case .malformedInnerPacket: "inner packet is not valid IPv4 or IPv6"
        case .innerDestinationNotOwn: "inner destination is in no EID-prefix of this site"
        case .innerSourceNotAccepted:
            "inner destination is not in this site, and the inner source not in `accept-sources` of this Proxy-ETR"
        case .invalidInnerSource: "inner source is multicast, loopback, link-local or unspecified"
        case .innerSourceIsOwn: "inner source is in an EID-prefix of this site, yet the packet came from outside"
        case .invalidInnerDestination: "inner destination is multicast, broadcast, link-local, loopback or unspecified"
        case .innerTimeToLiveExceeded: "TTL or hop limit is 0 after decapsulation"
        case .congestionMarkNotRepresentable:
            "congestion was marked outside, and the inner packet knows no ECN (RFC 6040)"
        case .tunnelWriteFailed: "the kernel refused a packet written to the TUN"
        }
    }
}
