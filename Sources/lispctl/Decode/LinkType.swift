// What frames begin with: the headers of links, up to the IP packet. Numbers: https://www.tcpdump.org/linktypes.html

import CPcap

/// The link types that are decoded. The raw value is libpcap's number (DLT).
enum LinkType: Int32, CaseIterable {
    case ethernet = 1
    /// IP without anything before it: a TUN device.
    case raw = 12
    case ipv4 = 228
    case ipv6 = 229
    /// `tcpdump -i any`.
    case linuxCooked = 113
    case linuxCooked2 = 276
    /// A protocol family in the capturing host's byte order, and in network byte order.
    case bsdLoopback = 0
    case openBSDLoopback = 108

    var name: String {
        switch self {
        case .ethernet: "EN10MB (Ethernet)"
        case .raw: "RAW (IP)"
        case .ipv4: "IPV4"
        case .ipv6: "IPV6"
        case .linuxCooked: "LINUX_SLL (cooked)"
        case .linuxCooked2: "LINUX_SLL2 (cooked v2)"
        case .bsdLoopback: "NULL (BSD loopback)"
        case .openBSDLoopback: "LOOP (OpenBSD loopback)"
        }
    }
}

/// Why something does not decode, and where.
struct Problem: Error, Equatable {
    var reason: String
    /// Octets from the start of `part`.
    var offset: Int
    var part: Part

    /// What offsets count from.
    enum Part: String {
        case frame
        /// What fragments were put together to: an IP packet.
        case reassembledPacket = "reassembled packet"
        /// The UDP payload.
        case message
    }
}

/// What is behind the link header.
enum LinkPayload: Equatable {
    /// An IP packet, at this offset in the frame, behind tags of these VLANs (outermost first).
    case ip(Int, vlans: [UInt16] = [])
    /// ARP and the like.
    case other
}

extension LinkType {
    private enum EtherType {
        static let ipv4: UInt16 = 0x0800
        static let ipv6: UInt16 = 0x86dd
        /// 802.1Q, 802.1ad and the number that was used before it.
        static let vlans: Set<UInt16> = [0x8100, 0x88a8, 0x9100]
    }

    /// Finds the IP packet of a frame.
    func payload(of frame: CapturedFrame) throws(Problem) -> LinkPayload {
        switch self {
        case .raw, .ipv4, .ipv6:
            return .ip(0)
        case .ethernet:
            return try etherType(frame, at: 12, headerEnd: 14)
        case .linuxCooked:
            return try etherType(frame, at: 14, headerEnd: 16)
        case .linuxCooked2:
            return try etherType(frame, at: 0, headerEnd: 20)
        case .bsdLoopback, .openBSDLoopback:
            try Self.require(4, in: frame)
            let head = Array(frame.octets.prefix(4))
            // Both byte orders are met. IPv6 is 10 on Linux, 24, 28 and 30 on the BSDs and macOS.
            let families: Set<UInt8> = [2, 10, 24, 28, 30]
            let isIP =
                head[1] == 0 && head[2] == 0
                && (head[0] == 0 && families.contains(head[3]) || head[3] == 0 && families.contains(head[0]))
            return isIP ? .ip(4) : .other
        }
    }

    /// Follows the EtherType at `offset`; VLAN tags stand behind the header.
    private func etherType(_ frame: CapturedFrame, at offset: Int, headerEnd: Int) throws(Problem) -> LinkPayload {
        var offset = offset
        var end = headerEnd
        var vlans: [UInt16] = []
        while true {
            try Self.require(end, in: frame)
            switch UInt16(frame.octets[offset]) << 8 | UInt16(frame.octets[offset + 1]) {
            case EtherType.ipv4, EtherType.ipv6:
                return .ip(end, vlans: vlans)
            case let type where EtherType.vlans.contains(type):
                try Self.require(end + 4, in: frame)
                vlans.append(UInt16(frame.octets[end]) << 8 & 0xf00 | UInt16(frame.octets[end + 1]))
                offset = end + 2
                end += 4
            default:
                return .other
            }
        }
    }

    private static func require(_ count: Int, in frame: CapturedFrame) throws(Problem) {
        guard frame.capturedCount < count else { return }
        throw Problem(
            reason: frame.wireLength >= count ? "cut by the capture within the link header" : "ends in the link header",
            offset: frame.capturedCount,
            part: .frame
        )
    }
}
