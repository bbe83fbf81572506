// What entries of the forwarding table refer to, as it lies in memory. Written by the control loop, read by workers.
//
// A cell is what others refer to and stays where it is; its body is replaced whole. What changes in place is atomic.

import LISPWire
import LinuxNetwork
import Synchronization

/// How many refer to a cell. Only the control loop counts; atomic so that no access to the cell as a whole, whose other words
/// workers read, is ever exclusive.
struct ReferenceCount: ~Copyable {
    private let count: Atomic<UInt32>

    init(_ count: UInt32) { self.count = Atomic(count) }

    func retain() { count.store(count.load(ordering: .relaxed) + 1, ordering: .relaxed) }

    /// Whether nothing refers to it any more.
    func release() -> Bool {
        let left = count.load(ordering: .relaxed) - 1
        count.store(left, ordering: .relaxed)
        return left == 0
    }
}

/// One RLOC, shared by every set that names it.
struct LocatorCell: ~Copyable {
    /// Address of a `LocatorBody`.
    let body: Atomic<UInt>
    /// 1 when traffic may be sent to it: up, and we have a socket of its family.
    let usable: Atomic<UInt32>
    /// Path MTU towards it, 0 when unknown.
    let mtu: Atomic<UInt32>
    let id: UInt32
    /// Sets that name it, plus 1 while the control plane knows it. Touched by the control loop only.
    let references: ReferenceCount
    /// Sum over all mappings, both directions; octets of inner packets.
    let encapsulated: AtomicTraffic
    let decapsulated: AtomicTraffic
}

/// An RLOC's socket address and the address to send from.
struct LocatorBody: ~Copyable {
    /// Octets as `SocketAddress` lays them out, port 4341.
    var name: (UInt64, UInt64, UInt64, UInt64)
    var nameLength: Int
    var family: AddressFamily
    var hasSource: Bool
    /// In network order; IPv4 in the first four octets.
    var source: (UInt64, UInt64)
    /// The address, left-aligned, to compare with senders.
    let address: TrieKey

    /// Where `source` stands. `name` is at the beginning.
    static let sourceOffset = 48

    init(address: IPAddress, source: IPAddress?, name: SocketAddress) {
        self.name = (0, 0, 0, 0)
        self.source = (0, 0)
        nameLength = name.length
        self.address = TrieKey(address.leftAligned)
        family = address.family
        hasSource = source != nil && source?.family == address.family
        withUnsafeMutableBytes(of: &self.name) { room in
            name.withBytes { room.copyMemory(from: $0) }
        }
        guard let source, hasSource else { return }
        withUnsafeMutableBytes(of: &self.source) { room in
            room.storeBytes(of: source.leftAligned.bigEndian, as: UInt128.self)
        }
    }
}

/// One member of a set as workers see it.
struct LocatorMember {
    // Safe: a cell outlives every body that names it by a grace period.
    var cell: UnsafeMutablePointer<LocatorCell>
    var id: UInt32
    var priority: UInt8
    var weight: UInt8
}

/// What an entry refers to: stays while the set's members change.
struct LocatorSetCell: ~Copyable {
    /// Address of a body: the number of members in 16 octets, then the members by ascending priority.
    let body: Atomic<UInt>
    let id: UInt32
    /// Entries that use it, plus 1 while the control plane knows it. Touched by the control loop only.
    let references: ReferenceCount
}

/// Reads the body of a set.
struct LocatorSetBody {
    static let headerSize = 16

    // Safe: made by `ForwardingState`, which writes `count` members behind the header.
    let count: Int
    let members: UnsafeMutablePointer<LocatorMember>

    @inline(__always)
    init(_ body: UnsafeMutableRawPointer) {
        count = body.load(as: Int.self)
        members = (body + Self.headerSize).assumingMemoryBound(to: LocatorMember.self)
    }

    static func size(_ count: Int) -> Int { headerSize + count * MemoryLayout<LocatorMember>.stride }
}

/// What an entry's target word says.
enum EntryTarget {
    private static let encapsulateTag: UInt = 1
    private static let nativeTag: UInt = 2
    private static let requestTag: UInt = 3
    private static let dropTag: UInt = 4
    private static let ownTag: UInt = 5

    /// Without a set: known, and dropped for want of a locator.
    static func encapsulate(_ cell: UnsafeMutablePointer<LocatorSetCell>?) -> UInt {
        UInt(bitPattern: cell) | encapsulateTag
    }
    static let forwardNatively = nativeTag
    static let sendMapRequest = requestTag
    static func drop(_ reason: UInt8) -> UInt { dropTag | UInt(reason) << 8 }
    static let own = ownTag

    /// A target word taken apart.
    enum Decoded {
        case encapsulate(UnsafeMutablePointer<LocatorSetCell>?)
        case forwardNatively
        case sendMapRequest
        case drop(UInt8)
    }

    @inline(__always)
    static func decode(_ word: UInt) -> Decoded {
        switch word & 7 {
        case encapsulateTag: .encapsulate(UnsafeMutablePointer(bitPattern: word & ~7))
        case nativeTag: .forwardNatively
        case dropTag: .drop(UInt8(truncatingIfNeeded: word >> 8))
        default: .sendMapRequest
        }
    }
}

/// Names the counters of a mapping; every entry of the mapping refers to it.
struct MappingObject: ~Copyable {
    /// Address of a `MappingCounterBlock`, 0 before the first packet.
    let counters: Atomic<UInt>
    let id: UInt32
    /// Entries that refer to it. Touched by the control loop only.
    let references: ReferenceCount
}

/// One virtual network as workers see it.
struct InstanceObject: ~Copyable {
    let id: UInt32
    /// Index of its TUN queue in every worker, and of its totals.
    let index: Int
    /// Roots of tries.
    let entriesIPv4: Atomic<UInt>
    let entriesIPv6: Atomic<UInt>
    let ownIPv4: Atomic<UInt>
    let ownIPv6: Atomic<UInt>
}

/// Tries of one instance, by family.
struct InstanceReader {
    // Safe: valid until the reader's next quiet point.
    let object: UnsafeMutablePointer<InstanceObject>

    private static let entriesOffset = 16
    private static let ownOffset = 32

    @inline(__always)
    private func root(_ offset: Int) -> TrieReader {
        let word = (UnsafeMutableRawPointer(object) + offset).assumingMemoryBound(to: Atomic<UInt>.self)
        return TrieReader(root: word)
    }

    @inline(__always)
    func entries(_ family: AddressFamily) -> TrieReader {
        root(family == .ipv4 ? Self.entriesOffset : Self.entriesOffset &+ 8)
    }

    @inline(__always)
    func own(_ family: AddressFamily) -> TrieReader {
        root(family == .ipv4 ? Self.ownOffset : Self.ownOffset &+ 8)
    }
}
