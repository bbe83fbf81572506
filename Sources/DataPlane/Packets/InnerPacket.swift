// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
// What the data plane needs to know about an inner packet, and which addresses never cross a tunnel.

import LISPWire
import PacketView

extension AddressFamily {
    /// 4 or 6. As `rawValue`, but neither this nor what compares it is a call into another module.
    @inline(__always)
    var number: UInt8 {
        switch self {
        case .ipv4: 4
        case .ipv6: 6
        }
    }

    @inline(__always)
    var isIPv4: Bool { number == 4 }
}

/// The fields of an inner packet that decisions rest on.
struct InnerPacket {
    var family: AddressFamily
    /// Octets by its own account; what follows is not part of it.
    var length: Int
    var tos: UInt8
    var ttl: UInt8
    var source: TrieKey
    var destination: TrieKey
    /// Next header behind IPv6 extension headers.
    var `protocol`: UInt8
    /// Source port in the upper, destination port in the lower 16 bits; 0 where there are none or the packet is a fragment.
    var ports: UInt32

    /// `nil` if `bytes` do not begin with a whole IPv4 or IPv6 packet.
    @inline(__always)
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard let first = bytes.first else { return nil }
        if first >> 4 == 4 {
            guard let view = IPv4View(bytes) else { return nil }
            family = .ipv4
            length = view.totalLength
            tos = view.tos
            ttl = view.ttl
            source = TrieKey(high: UInt64(view.source) << 32, low: 0)
            destination = TrieKey(high: UInt64(view.destination) << 32, low: 0)
            `protocol` = view.protocol
            ports = view.isFragment ? 0 : Self.ports(view.protocol, view.payload)
        } else {
            guard let view = IPv6View(bytes) else { return nil }
            family = .ipv6
            length = view.totalLength
            tos = view.trafficClass
            ttl = view.hopLimit
            source = TrieKey(high: view.sourceHigh, low: view.sourceLow)
            destination = TrieKey(high: view.destinationHigh, low: view.destinationLow)
            let upper = view.upperLayer
            if upper.isFragment {
                // The protocol of a later fragment is not known for certain, so it must not count for the first either.
                `protocol` = IPProtocol.fragment
                ports = 0
            } else {
                `protocol` = upper.protocol
                ports = Self.ports(
                    upper.protocol,
                    UnsafeRawBufferPointer(rebasing: bytes[upper.offset..<view.totalLength])
                )
            }
        }
    }

    /// The source or destination address that a packet which begins with `bytes` has, if it is one; nothing else is checked.
    @inline(__always)
    static func address(_ bytes: UnsafeRawBufferPointer, isSource: Bool) -> (family: AddressFamily, key: TrieKey)? {
        guard bytes.count >= IPv4View.minimumHeaderLength, let base = bytes.baseAddress else { return nil }
        if base.load(as: UInt8.self) >> 4 == 4 {
            let address = base.loadUnaligned(fromByteOffset: isSource ? 12 : 16, as: UInt32.self)
            return (.ipv4, TrieKey(high: UInt64(UInt32(bigEndian: address)) << 32, low: 0))
        }
        guard bytes.count >= IPv6View.headerLength else { return nil }
        let offset = isSource ? 8 : 24
        return (
            .ipv6,
            TrieKey(
                high: UInt64(bigEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt64.self)),
                low: UInt64(bigEndian: base.loadUnaligned(fromByteOffset: offset &+ 8, as: UInt64.self))
            )
        )
    }

    @inline(__always)
    private static func ports(_ number: UInt8, _ payload: UnsafeRawBufferPointer) -> UInt32 {
        guard number == IPProtocol.tcp || number == IPProtocol.udp || number == IPProtocol.sctp, payload.count >= 4
        else { return 0 }
        return UInt32(bigEndian: payload.loadUnaligned(as: UInt32.self))
    }

    /// Kinds of addresses that never cross a tunnel as a destination, or never are a source.
    enum AddressKind {
        case unicast, multicast, linkLocal, invalid
    }

    var sourceKind: AddressKind { Self.kind(family, source) }
    var destinationKind: AddressKind { Self.kind(family, destination) }

    @inline(__always)
    static func kind(_ family: AddressFamily, _ address: TrieKey) -> AddressKind {
        if family.isIPv4 {
            let number = UInt32(truncatingIfNeeded: address.high >> 32)
            switch number >> 24 {
            case 0, 127: return .invalid
            case 169: return number >> 16 & 0xff == 254 ? .linkLocal : .unicast
            case 224...239: return .multicast
            case 255: return number == .max ? .invalid : .unicast
            default: return .unicast
            }
        }
        if address.high >> 56 == 0xff { return .multicast }
        if address.high >> 54 == 0xfe80 >> 6 { return .linkLocal }
        if address.high == 0, address.low <= 1 { return .invalid }
        return .unicast
    }
}
