// What the conformance suite asks of a data plane, whatever that is made of: updates and packets go in; datagrams, packets, misses
// and counters come out. A plane that is to stand behind `ForwardingInterface` conforms to this in its tests and is handed to
// `ConformanceRun`, as `WorkerPlane` is.

import ForwardingInterface
import LISPWire

@testable import DataPlane

/// What the kernel hands over from the site.
enum SiteInput {
    /// From the IP header on.
    case packet([UInt8])
    /// A packet to be cut into segments of so many octets of payload.
    case train(PlainTransport, size: Int)

    /// The same one by one, as a plane gets them that knows no trains.
    var packets: [[UInt8]] {
        switch self {
        case .packet(let octets): [octets]
        case .train(let transport, let size): transport.cut(size)
        }
    }

    var isTrain: Bool {
        if case .train = self { true } else { false }
    }
}

/// One datagram for port 4341, or several of one size (the last may be shorter) that came as one.
struct NetworkInput {
    var source: IPAddress
    var tos: UInt8
    var ttl: UInt8
    /// Of each datagram: LISP header and inner packet.
    var payloads: [[UInt8]]
}

/// What a plane sent to the network.
struct OuterDatagram {
    var destination: IPAddress
    /// Tells UDP source ports of one outer family apart.
    var sourcePort: Int
    var mayBeFragmented: Bool
    var tos: UInt8
    var ttl: UInt8
    /// LISP header and inner packet.
    var payload: [UInt8]

    var header: [UInt8] { Array(payload.prefix(8)) }
    var inner: [UInt8] { Array(payload.dropFirst(8)) }
}

/// What a plane gave to the kernel at an instance's interface: delivered, to be forwarded natively, or an ICMP error.
struct WrittenPacket {
    var instance: InstanceID
    var octets: [UInt8]
}

/// What came of some packets, in the order in which it did.
struct PlaneOutput {
    var sent: [OuterDatagram] = []
    var written: [WrittenPacket] = []
    var misses: [ForwardingMiss] = []
}

/// A data plane with some instances and nothing else, which sends over both families.
protocol PlaneUnderTest: AnyObject {
    func apply(_ updates: [ForwardingUpdate])

    /// Each of these carries some packets to their end. Limits by time know nothing of the packets of an earlier call.
    func carry(fromSite packets: [SiteInput], of instance: InstanceID) throws -> PlaneOutput
    func carry(fromNetwork datagrams: [NetworkInput]) throws -> PlaneOutput
    func release(_ packets: [ForwardingMiss], _ verdict: HeldPacketVerdict) throws -> PlaneOutput

    func counters(of mapping: MappingID) -> MappingCounters
    func counters(of mapping: MappingID, locator: LocatorID) -> MappingCounters
    func counters(of locator: LocatorID) -> MappingCounters
    func counters(of instance: InstanceID) -> MappingCounters

    /// Since the start, by reason; none that never happened.
    var drops: [DataPlaneDropReason: UInt64] { get }
}
