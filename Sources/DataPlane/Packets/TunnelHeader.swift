// Hot path. Runs once per packet, so: no allocation, no existential, no lock, no log line, no `throws`.
//
//     flags (1) | gso_type (1) | hdr_len (2) | gso_size (2) | csum_start (2) | csum_offset (2)      struct virtio_net_hdr,
//                                                                                               in the machine's order

import Glibc
import PacketView

/// The header before each packet read from, or written to, the TUN.
enum TunnelHeader {
    static let size = 10
    private static let needsChecksum: UInt8 = 1

    /// Finishes what the kernel left undone.
    ///
    /// - Parameters:
    ///   - frame: a header and a packet behind it.
    ///   - length: octets of the packet.
    /// - Returns: whether the packet is whole now; not if it is a train of segments or its header makes no sense.
    @inline(__always)
    static func complete(_ frame: UnsafeMutableRawPointer, length: Int) -> Bool {
        guard frame.load(fromByteOffset: 1, as: UInt8.self) == 0 else { return false }
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
