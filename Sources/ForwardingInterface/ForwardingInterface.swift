// What stands between the control plane and any data plane: values and integer ids, never a pointer, closure or class,
// so that a plane in the kernel can stand behind the same interface as the one in user space.
//
// Updates are batched and idempotent. Children come before parents: a locator before the set that names it, a set
// before the entry that uses it; deletions the other way round.

import LISPWire

/// Names one RLOC that entries share. Chosen by the control plane, never reused while anything refers to it.
package struct LocatorID: RawRepresentable, Hashable, Sendable, Comparable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// Names one ordered set of weighted locators.
package struct LocatorSetID: RawRepresentable, Hashable, Sendable, Comparable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// Names the counters of one mapping. Survives a change of the mapping's locators.
package struct MappingID: RawRepresentable, Hashable, Sendable, Comparable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// One member of a locator set.
package struct LocatorSlot: Hashable, Sendable {
    package var locator: LocatorID
    /// Lower is preferred; 255 is never sent to, but packets from there are the set's all the same.
    package var priority: UInt8
    /// Share among usable locators of the best priority. If all of those are 0, they share evenly.
    package var weight: UInt8

    package init(locator: LocatorID, priority: UInt8, weight: UInt8) {
        self.locator = locator
        self.priority = priority
        self.weight = weight
    }
}

/// Why a packet is dropped on purpose. Where a Map-Reply without locators says so, the number is its action (RFC 9301
/// section 5.4).
package enum ForwardingDropReason: UInt8, Hashable, Sendable, CaseIterable {
    case noReason = 3
    case policyDenied = 4
    case authenticationFailure = 5
    /// There is no mapping, and natively it would come back: a Proxy-ITR here attracts the destination (RFC 6832 section 5).
    case attracted = 255
}

/// What happens to a packet whose destination an entry covers.
package enum ForwardingAction: Hashable, Sendable {
    /// Encapsulate to a locator of the set. Drops, counted, when no locator of the set is usable.
    case encapsulate(LocatorSetID)
    /// Write it back to the TUN, whose rule forwards it natively; its TTL is raised by one first.
    case forwardNatively
    /// Hand it over, like a miss: the control plane asks for the mapping.
    case sendMapRequest
    /// Drop and count by reason.
    case drop(ForwardingDropReason)
}

/// One change of the forwarding state.
package enum ForwardingUpdate: Hashable, Sendable {
    /// Adds the locator or changes it in place: every entry that uses it follows at once.
    /// `source` is the outer source address (nil: the kernel chooses); `mtu` is the path MTU towards it, 0 when unknown.
    case putLocator(LocatorID, address: IPAddress, source: IPAddress?, up: Bool, mtu: UInt16)
    case deleteLocator(LocatorID)
    case putLocatorSet(LocatorSetID, [LocatorSlot])
    case deleteLocatorSet(LocatorSetID)
    /// Adds or replaces the entry for the prefix. Counters of `mapping` go on if it had any.
    case putEntry(EIDPrefix, mapping: MappingID, action: ForwardingAction)
    case deleteEntry(EIDPrefix)
    /// An EID-prefix of this site: the ETR delivers to it, the ITR never encapsulates to it.
    case putOwnPrefix(EIDPrefix)
    case deleteOwnPrefix(EIDPrefix)
    /// A Proxy-ETR delivers what comes from a source in here, wherever it goes (RFC 6832 section 6.1).
    case putAcceptedSource(EIDPrefix)
    case deleteAcceptedSource(EIDPrefix)
    /// Which hints of the LISP header are sent and heeded; none from the start.
    case setHeaderHints(HeaderHints)
    /// Packets to the locator ask for this nonce (24 bits) to be echoed; `nil`: they ask no more. Without effect while echo-nonce is
    /// not in use.
    case requestEcho(LocatorID, nonce: UInt32?)
    /// Where ICMP errors to the hosts of an instance come from; `nil`: none are sent.
    case setErrorSource(InstanceID, AddressFamily, IPAddress?)
    /// Packets from an own EID-prefix say that these of its locators are up: bit n is the n-th of its record; `nil`: they say nothing.
    /// Without effect while locator-status-bits are not in use.
    case putStatusBits(EIDPrefix, UInt32?)
    /// Counts what is encapsulated from sources in the prefix, and what is decapsulated for destinations there, the longest such
    /// prefix alone: for the mapping, and of that what went over each family for its locators 4 and 6. The id is that of no entry.
    case putAccount(EIDPrefix, mapping: MappingID)
    case deleteAccount(EIDPrefix)
}

/// A packet that no entry covers, or whose entry asks for a Map-Request or has no RLOC to send to, handed to the control plane.
package struct ForwardingMiss: Hashable, Sendable {
    package var source: EID
    package var destination: EID
    /// The whole inner packet, from its IP header on.
    package var packet: [UInt8]
    /// The data plane's own mark of where the packet came from; given back with it, so that a flow stays in order.
    package var queue: UInt16
    /// Its entry had no RLOC to send to, so it was dropped and its sender told: the control plane is to see whether the mapping
    /// is still true.
    package var isStranded: Bool

    package init(source: EID, destination: EID, packet: [UInt8], queue: UInt16 = 0, isStranded: Bool = false) {
        self.source = source
        self.destination = destination
        self.packet = packet
        self.queue = queue
        self.isStranded = isStranded
    }
}

/// A router that we exchanged data with: encapsulated to it, or decapsulated what it sent.
package struct ForwardingPeer: Hashable, Sendable {
    /// `nil` where the data plane does not know, since it sends to an RLOC for all instances.
    package var instanceID: InstanceID?
    package var rloc: IPAddress

    package init(instanceID: InstanceID? = nil, rloc: IPAddress) {
        self.instanceID = instanceID
        self.rloc = rloc
    }
}

/// What the forwarding state hears of the way to an RLOC. Nobody vouches for it: an ICMP error can be forged, so it is a reason
/// to ask, or to be careful, and no more.
package enum ForwardingEvent: Hashable, Sendable {
    /// Packets do not get there: an ICMP error says so, or the host has no way to send them.
    case unreachable(IPAddress)
    /// Packets of more octets than `mtu`, outer headers included, do not get there.
    case packetTooBig(IPAddress, mtu: UInt16)
}

/// What becomes of a held packet.
package enum HeldPacketVerdict: Hashable, Sendable {
    /// Look the destination up again and treat it like a new packet; a second miss drops it, counted.
    case forward
    /// Write it back to the TUN of its instance, TTL raised by one, to be forwarded natively.
    case forwardNatively
}

/// Octets and packets, both directions separately. Counters only grow; they start from 0 with the daemon.
package struct TrafficCounters: Hashable, Sendable {
    package var packets: UInt64
    package var octets: UInt64

    package init(packets: UInt64 = 0, octets: UInt64 = 0) {
        self.packets = packets
        self.octets = octets
    }

    package static func += (sum: inout Self, more: Self) {
        sum.packets &+= more.packets
        sum.octets &+= more.octets
    }
}

/// What the forwarding state counts for a mapping: sent towards it, received from sources inside it.
package struct MappingCounters: Hashable, Sendable {
    package var encapsulated: TrafficCounters
    package var decapsulated: TrafficCounters

    package init(encapsulated: TrafficCounters = .init(), decapsulated: TrafficCounters = .init()) {
        self.encapsulated = encapsulated
        self.decapsulated = decapsulated
    }
}
