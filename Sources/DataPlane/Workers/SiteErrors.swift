// What a worker tells hosts of the site whose packets it does not carry. Off the hot path, but a flood of packets leads here, so
// nothing allocates, locks or throws.
//
// An error comes from an address that the control plane names (`setErrorSource`), goes into the TUN of the instance, and the host
// routes it like any packet. How many is limited; packets that are too big have a limit of their own, so that a flood of
// others cannot keep a connection from finding its path MTU.

import ForwardingInterface
import LISPWire
import PacketView
import Synchronization

/// What a worker needs to make errors.
struct SiteErrorMaker: ~Copyable {
    // Safe: headroom for the TUN's header and room for the largest error, freed by `deinit`.
    private let memory: UnsafeMutableRawPointer
    private var unreachable: TokenBucket
    private var tooBig: TokenBucket
    private var identification: UInt16 = 0

    init() {
        memory = .allocate(byteCount: PacketBatch.headroom + SiteError.maximumLength, alignment: 64)
        unreachable = TokenBucket(rate: DataPlaneConstants.siteErrorRate, burst: DataPlaneConstants.siteErrorBurst)
        tooBig = unreachable
    }

    deinit { memory.deallocate() }

    /// Where an error is written, behind headroom.
    var room: UnsafeMutableRawPointer { memory + PacketBatch.headroom }

    mutating func allows(_ error: SiteError, now: UInt64) -> Bool {
        if case .packetTooBig = error { tooBig.take(now) } else { unreachable.take(now) }
    }

    mutating func nextIdentification() -> UInt16 {
        identification &+= 1
        return identification
    }
}

extension Worker where Device: ~Copyable {
    /// Drops a packet as the mapping system says, and tells its sender.
    @inline(never)
    mutating func dropByAction(_ index: Int, _ inner: InnerPacket, _ instance: InstanceReader, _ reason: UInt8) {
        switch reason {
        case ForwardingDropReason.policyDenied.rawValue:
            drop(.policyDenied, index)
            answer(.prohibited, about: index, inner, instance)
        case ForwardingDropReason.authenticationFailure.rawValue:
            drop(.policyAuthenticationFailure, index)
            answer(.prohibited, about: index, inner, instance)
        case ForwardingDropReason.attracted.rawValue:
            drop(.attracted, index)
            answer(.unreachable, about: index, inner, instance)
        default:
            drop(.policyNoReason, index)
            answer(.unreachable, about: index, inner, instance)
        }
    }

    /// Drops a packet whose mapping has no locator to send it to, and tells its sender.
    @inline(never)
    mutating func dropForWantOfLocator(_ index: Int, _ inner: InnerPacket, _ instance: InstanceReader) {
        drop(.noUsableLocator, index)
        answer(.unreachable, about: index, inner, instance)
    }

    /// Sends an error about the packet of entry `index` to its source, as far as rules, addresses and the limit allow.
    mutating func answer(_ error: SiteError, about index: Int, _ inner: InnerPacket, _ instance: InstanceReader) {
        let packet = UnsafeRawBufferPointer(start: batch.packet(index), count: inner.length)
        guard SiteError.isAllowed(about: packet, inner) else { return count(.siteErrorsForbidden) }
        guard let source = instance.errorSource(inner.family) else { return count(.siteErrorsWithoutSource) }
        guard siteErrors.allows(error, now: device.now()) else { return count(.siteErrorsLimited) }
        let length = error.write(
            about: packet,
            inner,
            from: source,
            identification: siteErrors.nextIdentification(),
            to: siteErrors.room
        )
        if writeTunnel(instance.object.pointee.index, siteErrors.room, length) {
            count(.siteErrorsSent)
        } else {
            // No drop: the packet that it is about has been counted as one. The TUN's queue is a limit, too.
            count(.siteErrorsLimited)
        }
    }
}
