// What the data plane would do with a packet of the site at this moment, for an operator who asks. The parts that decide are those
// that workers use: the parser, the tries, the flow hash and the choice of a locator.

import ForwardingInterface
import LISPWire
import Synchronization

/// The fate of one packet, as a worker would decide it.
package enum ForwardingDecision: Hashable, Sendable {
    case encapsulate(mapping: MappingID, locator: LocatorID)
    /// Written back to the TUN.
    case forwardNatively
    /// There is no entry, or one that says to ask: the control plane gets it.
    case askControlPlane
    case drop(DataPlaneDropReason)
}

/// A locator as workers see it.
package struct LocatorUse: Hashable, Sendable {
    /// Packets may be sent there.
    package var isUsable: Bool
    /// Octets of a whole packet that fit the path; 0 when unknown.
    package var mtu: Int

    package init(isUsable: Bool, mtu: Int) {
        self.isUsable = isUsable
        self.mtu = mtu
    }
}

extension DataPlane {
    /// What becomes of a packet from the TUN of an instance; `nil` if the instance is not served.
    ///
    /// - Parameter packet: from the IP header on, as the kernel would hand it over.
    package func decision(on packet: [UInt8], in instance: InstanceID) -> ForwardingDecision? {
        guard let tables = state.instances[instance] else { return nil }
        // Safe: only this thread changes and frees what the tries refer to.
        let reader = InstanceReader(object: tables.object)
        return packet.withUnsafeBytes { bytes in
            guard let inner = InnerPacket(bytes) else { return .drop(.malformedPacket) }
            return decision(on: inner, reader)
        }
    }

    private func decision(on inner: InnerPacket, _ instance: InstanceReader) -> ForwardingDecision {
        switch inner.destinationKind {
        case .unicast: break
        case .multicast: return .drop(.multicastDestination)
        case .linkLocal: return .drop(.linkLocalDestination)
        case .invalid: return .drop(.invalidDestination)
        }
        guard inner.sourceKind == .unicast else { return .drop(.invalidSource) }
        guard inner.ttl > 0 else { return .drop(.timeToLiveExceeded) }
        guard instance.own(inner.family).longestMatch(inner.destination) == nil else { return .drop(.destinationIsOwn) }
        guard let value = instance.entries(inner.family).longestMatch(inner.destination) else {
            return .askControlPlane
        }
        let words = value.pointee.words
        switch EntryTarget.decode(words.target, instance.base) {
        case .forwardNatively: return .forwardNatively
        case .sendMapRequest: return .askControlPlane
        case .drop(let reason): return .drop(DataPlaneDropReason(action: reason))
        case .encapsulate(let set):
            guard let mapping = instance.mapping(words), let locator = locator(of: set, for: inner, instance) else {
                return .drop(.noUsableLocator)
            }
            return .encapsulate(
                mapping: MappingID(rawValue: mapping.pointee.id),
                locator: LocatorID(rawValue: locator.pointee.id)
            )
        }
    }

    private func locator(
        of set: UnsafeMutablePointer<LocatorSetCell>?,
        for inner: InnerPacket,
        _ instance: InstanceReader
    ) -> UnsafeMutablePointer<LocatorCell>? {
        guard let set, let body = UnsafeMutableRawPointer(bitPattern: set.pointee.body.load(ordering: .acquiring))
        else {
            return nil
        }
        let hash = FlowHash.hash(
            seed: shared.hashSeed,
            source: inner.source,
            destination: inner.destination,
            protocol: inner.protocol,
            ports: inner.ports
        )
        return LocatorChoice.choose(
            LocatorSetBody(body, instance.base),
            hash: UInt32(truncatingIfNeeded: hash >> 32)
        )
    }

    /// How workers see a locator; `nil` if the forwarding state does not have it.
    package func use(of locator: LocatorID) -> LocatorUse? { state.use(of: locator) }
}

extension DataPlaneDropReason {
    /// What a worker counts for an entry that says drop.
    fileprivate init(action number: UInt8) {
        switch ForwardingDropReason(rawValue: number) {
        case .policyDenied: self = .policyDenied
        case .authenticationFailure: self = .policyAuthenticationFailure
        case .attracted: self = .attracted
        case .noReason, nil: self = .policyNoReason
        }
    }
}
