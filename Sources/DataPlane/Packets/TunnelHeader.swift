// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
//     flags (1) | gso_type (1) | hdr_len (2) | gso_size (2) | csum_start (2) | csum_offset (2)      struct virtio_net_hdr,
//                                                                                               in the machine's order

import Glibc
import PacketView

/// Packets of one flow that the kernel hands over, or takes, as one: headers once, and payload to be cut.
struct SegmentTrain: Equatable {
    enum Kind: UInt8 {
        case none = 0
        case tcpIPv4 = 1
        case tcpIPv6 = 4
        /// UDP of either family (Linux 6.2).
        case udp = 5
    }

    var kind: Kind
    /// Octets of payload in each segment but the last.
    var size: UInt16

    static let none = SegmentTrain(kind: .none, size: 0)
}

/// The header before each packet read from, or written to, the TUN.
enum TunnelHeader {
    static let size = 10
    static let needsChecksum: UInt8 = 1
    /// Beside a kind of TCP: congestion was told of.
    private static let isECN: UInt8 = 0x80

    /// What is to be cut into segments; `nil` if it is something that nobody asked the kernel for.
    @inline(__always)
    static func segments(_ frame: UnsafeRawPointer) -> SegmentTrain? {
        let type = frame.load(fromByteOffset: 1, as: UInt8.self)
        guard type != 0 else { return SegmentTrain.none }
        let size = frame.loadUnaligned(fromByteOffset: 4, as: UInt16.self)
        guard let kind = SegmentTrain.Kind(rawValue: type & ~isECN), kind != .none, size > 0 else { return nil }
        return SegmentTrain(kind: kind, size: size)
    }

    /// Where things are in a train of segments.
    struct Layout {
        /// Octets of IP and transport header.
        var headerLength: Int
        /// Where the transport header begins.
        var transport: Int
        var isTCP: Bool
        /// The first segment has CWR.
        var isECN: Bool
    }

    /// Says that the packet behind `frame` is a train, whose checksum is that of the pseudo header alone.
    static func write(_ segments: SegmentTrain, _ layout: Layout, to frame: UnsafeMutableRawPointer) {
        func store(_ value: Int, _ offset: Int) {
            frame.storeBytes(of: UInt16(truncatingIfNeeded: value), toByteOffset: offset, as: UInt16.self)
        }
        frame.storeBytes(of: needsChecksum, as: UInt8.self)
        frame.storeBytes(of: segments.kind.rawValue | (layout.isECN ? isECN : 0), toByteOffset: 1, as: UInt8.self)
        store(layout.headerLength, 2)
        store(Int(segments.size), 4)
        store(layout.transport, 6)
        store(layout.isTCP ? 16 : 6, 8)
    }

    /// Says that the packet behind `frame` is whole.
    @inline(__always)
    static func writeEmpty(to frame: UnsafeMutableRawPointer) {
        frame.storeBytes(of: 0, as: UInt64.self)
        frame.storeBytes(of: 0, toByteOffset: 8, as: UInt16.self)
    }

    /// Computes the checksum that the kernel left undone in a packet that is no train.
    ///
    /// - Parameters:
    ///   - frame: a header and a packet behind it.
    ///   - length: octets of the packet.
    /// - Returns: whether the packet is whole now; not if its header makes no sense.
    @inline(__always)
    static func complete(_ frame: UnsafeMutableRawPointer, length: Int) -> Bool {
        guard frame.load(as: UInt8.self) & needsChecksum != 0 else { return true }
        return completeChecksum(frame, length)
    }

    @inline(never)
    private static func completeChecksum(_ frame: UnsafeMutableRawPointer, _ length: Int) -> Bool {
        let start = Int(frame.loadUnaligned(fromByteOffset: 6, as: UInt16.self))
        let field = start &+ Int(frame.loadUnaligned(fromByteOffset: 8, as: UInt16.self))
        guard field &+ 2 <= length else { return false }
        let packet = frame + size
        // The field holds the sum of the pseudo header already.
        let sum = InternetChecksum.checksum(UnsafeRawBufferPointer(start: packet + start, count: length &- start))
        packet.storeBytes(of: (sum == 0 ? 0xffff : sum).bigEndian, toByteOffset: field, as: UInt16.self)
        return true
    }
}

/// What an error number of a send means for a packet.
enum SendError {
    static func reason(_ error: Int32) -> DataPlaneDropReason {
        switch error {
        case EAGAIN, ENOBUFS, ENOMEM: .sendBufferFull
        case ENETUNREACH, EHOSTUNREACH, ENETDOWN, EHOSTDOWN, ECONNREFUSED, EACCES, EADDRNOTAVAIL, EINVAL:
            .noRouteToLocator
        case EMSGSIZE: .exceedsPathMTU
        default: .sendFailed
        }
    }
}
