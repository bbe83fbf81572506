// Snapshots for the operator.

import ForwardingInterface
import LISPWire

/// Totals over all workers since the start. Taken while they run, so numbers that belong together may differ by the packets
/// of a moment.
package struct DataPlaneStatistics: Sendable, Hashable {
    /// Octets of inner packets, without the outer headers.
    package var encapsulated = TrafficCounters()
    package var decapsulated = TrafficCounters()
    /// One element for every reason, also those that never happened.
    package var drops: [DataPlaneDropReason: UInt64] = [:]
    /// Packets handed to the control plane for want of a mapping.
    package var missesReported: UInt64 = 0
    /// Packets written back to the TUN, to be forwarded without LISP.
    package var forwardedNatively: UInt64 = 0
    /// Packets that the control plane had held and released.
    package var heldReleased: UInt64 = 0

    /// Messages of more than one datagram, both ways (`DataPlaneOptions.offload`).
    package var trainsSent: UInt64 = 0
    package var trainsReceived: UInt64 = 0
    /// Source ports that send no trains any more, since the kernel or a device refused them.
    package var portsRefusedTrains: UInt64 = 0
    /// Packets of one flow that the TUN handed over, or took, as one.
    package var siteTrainsTaken: UInt64 = 0
    package var siteTrainsGiven: UInt64 = 0

    /// Of each worker.
    package var systemCalls: [SystemCallStatistics] = []

    package var hints = HeaderHintStatistics()

    /// ICMP errors about encapsulated packets, and this host's own: those that are about what we could have sent, and others.
    package var pathErrorsBelieved: UInt64 = 0
    package var pathErrorsRefused: UInt64 = 0
    /// What was handed to the control plane of them, and of packets that could not be sent; what it was told a moment before; what
    /// found its queue full.
    package var pathEventsReported: UInt64 = 0
    package var pathEventsRepeated: UInt64 = 0
    package var pathEventsLost: UInt64 = 0

    /// ICMP errors about packets of the site: sent, left out by the rate limit, or not taken by the TUN, forbidden about such a packet, without an address
    /// to send them from.
    package var siteErrorsSent: UInt64 = 0
    package var siteErrorsLimited: UInt64 = 0
    package var siteErrorsForbidden: UInt64 = 0
    package var siteErrorsWithoutSource: UInt64 = 0

    /// IPv4 packets that were cut to fit a path MTU.
    package var fragmented: UInt64 = 0
    /// Small IPv6 packets whose datagrams may be fragmented, since they do not fit the path MTU.
    package var sentFragmentable: UInt64 = 0

    /// The forwarding table.
    package var entries = 0
    package var locators = 0
    package var locatorSets = 0
    /// Octets that the table uses, and that it has from the system.
    package var tableBytes = 0
    package var tableReservedBytes = 0
    /// Octets that were replaced and wait until no worker can read them.
    package var retiredBytes = 0
    /// Changes that wait since too much was retired; 0 unless a worker is stuck.
    package var waitingUpdates = 0
    /// Updates that referred to an unknown locator, set or instance.
    package var danglingReferences: UInt64 = 0

    package var workers = 0
    /// Source ports of all workers.
    package var sourcePorts: [AddressFamily: Int] = [:]
    /// Octets of receive buffer that the kernel granted each socket of port 4341; 0 before `start`.
    package var receiveBuffer = 0
    /// Whether port 4341 is open for the family.
    package var receivingFamilies: Set<AddressFamily> = []
}

/// How many packets go through a system call: port 4341, source ports, TUNs.
package struct SystemCallStatistics: Sendable, Hashable {
    package struct Count: Sendable, Hashable {
        /// Also those that brought nothing or were refused.
        package var calls: UInt64 = 0
        /// Datagrams, or packets of the site; the parts of a train count one by one.
        package var packets: UInt64 = 0
    }

    package var receive = Count()
    package var send = Count()
    package var tunnelRead = Count()
    package var tunnelWrite = Count()
}
