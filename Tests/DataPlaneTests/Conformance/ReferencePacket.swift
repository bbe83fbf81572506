// An inner packet as the reference plane reads and changes it: octet by octet, and sharing nothing with the code under test.

import LISPWire

struct ReferencePacket {
    /// As long as the packet says, without what came behind it.
    var octets: [UInt8]

    /// `nil` unless `bytes` begin with a whole IPv4 or IPv6 packet.
    init?(_ bytes: [UInt8]) {
        guard let first = bytes.first else { return nil }
        switch first >> 4 {
        case 4:
            guard bytes.count >= 20 else { return nil }
            let header = Int(first & 15) * 4
            let total = Int(bytes[2]) << 8 | Int(bytes[3])
            guard header >= 20, total >= header, bytes.count >= total else { return nil }
            octets = Array(bytes.prefix(total))
        case 6:
            guard bytes.count >= 40 else { return nil }
            let total = 40 + (Int(bytes[4]) << 8 | Int(bytes[5]))
            guard bytes.count >= total else { return nil }
            octets = Array(bytes.prefix(total))
        default:
            return nil
        }
    }

    var isIPv4: Bool { octets[0] >> 4 == 4 }
    var count: Int { octets.count }
    private var headerLength: Int { isIPv4 ? Int(octets[0] & 15) * 4 : 40 }

    var source: IPAddress { address(at: isIPv4 ? 12 : 8) }
    var destination: IPAddress { address(at: isIPv4 ? 16 : 24) }

    private func address(at offset: Int) -> IPAddress {
        let length = isIPv4 ? 4 : 16
        let number = octets[offset..<offset + length].reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
        return isIPv4 ? .v4(IPv4Address(UInt32(number))) : .v6(IPv6Address(number))
    }

    var dontFragment: Bool { octets[6] & 0x40 != 0 }
    /// Of IPv4: MF is set, or an offset.
    var isFragment: Bool { isIPv4 && (octets[6] & 0x3f, octets[7]) != (0, 0) }
    var isLaterFragment: Bool { isIPv4 && (octets[6] & 0x1f, octets[7]) != (0, 0) }
    var number: UInt8 { isIPv4 ? octets[9] : octets[6] }
    var transport: [UInt8] { Array(octets[headerLength...]) }

    /// What flows are told apart by: addresses, protocol and ports, without the ports of fragments.
    var flow: [UInt8] {
        let addresses = isIPv4 ? octets[12..<20] : octets[8..<40]
        let ports = [6, 17].contains(number) && !isFragment && transport.count >= 4 ? transport.prefix(4) : []
        return addresses + [number] + ports
    }

    /// TTL or hop limit.
    var ttl: UInt8 {
        get { isIPv4 ? octets[8] : octets[7] }
        set {
            octets[isIPv4 ? 8 : 7] = newValue
            finishHeader()
        }
    }

    /// TOS or traffic class.
    var tos: UInt8 {
        get { isIPv4 ? octets[1] : octets[0] << 4 | octets[1] >> 4 }
        set {
            if isIPv4 {
                octets[1] = newValue
            } else {
                octets[0] = 0x60 | newValue >> 4
                octets[1] = newValue << 4 | octets[1] & 15
            }
            finishHeader()
        }
    }

    private mutating func finishHeader() {
        guard isIPv4 else { return }
        octets.replaceSubrange(10..<12, with: [0, 0])
        let checksum = plainChecksum(Array(octets.prefix(headerLength)))
        octets.replaceSubrange(10..<12, with: [UInt8(checksum >> 8), UInt8(checksum & 255)])
    }

    /// Whether this is an ICMP or ICMPv6 error, or a redirect.
    var isError: Bool {
        guard let type = transport.first else { return number == 1 || number == 58 }
        return number == 1 && [3, 4, 5, 11, 12].contains(type) || number == 58 && (type < 128 || type == 137)
    }

    /// What an address may be used for.
    enum Kind { case unicast, multicast, linkLocal, invalid }

    static func kind(_ address: IPAddress) -> Kind {
        func isIn(_ prefixes: [String]) -> Bool { prefixes.contains { IPPrefix($0)?.contains(address) == true } }
        if isIn(["224.0.0.0/4", "ff00::/8"]) { return .multicast }
        if isIn(["169.254.0.0/16", "fe80::/10"]) { return .linkLocal }
        if isIn(["0.0.0.0/8", "127.0.0.0/8", "255.255.255.255/32", "::/128", "::1/128"]) { return .invalid }
        return .unicast
    }
}
