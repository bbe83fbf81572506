// What entries of the forwarding table refer to, as it lies in memory. Written by the control loop, read by workers.
//
// A cell is what others refer to and stays where it is; its body is replaced whole. What changes in place is atomic.

import ForwardingInterface
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
    /// The second in which a packet last went there (`PlaneShared.second`); 0: none did.
    let lastUsed: Atomic<UInt32>
    let id: UInt32
    /// Sets that name it, plus 1 while the control plane knows it. Touched by the control loop only.
    let references: ReferenceCount
    /// Address of an `EchoState`, 0 while echo-nonce is not in use.
    let echo: Atomic<UInt>
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
    /// Of a `LocatorCell`, which outlives every body that names it by a grace period.
    var place: UInt32
    var priority: UInt8
    var weight: UInt8
}

/// What an entry refers to: stays while the set's members change.
struct LocatorSetCell: ~Copyable {
    /// Address of a body: the number of members to send to and of all members, 4 octets each, then the members by ascending
    /// priority.
    let body: Atomic<UInt>
    let id: UInt32
    /// Entries that use it, plus 1 while the control plane knows it. Touched by the control loop only.
    let references: ReferenceCount
    /// A `StatusBitsWord`: what packets from there said last.
    let statusBits = Atomic<UInt64>(0)
}

/// Which addresses are RLOCs of the table, for whoever knows no more of one than its address.
struct LocatorIndex: ~Copyable {
    /// Roots of tries of host prefixes.
    let ipv4: Atomic<UInt32>
    let ipv6: Atomic<UInt32>
    let base: ArenaBase

    init(base: ArenaBase) {
        ipv4 = Atomic(0)
        ipv6 = Atomic(0)
        self.base = base
    }
}

struct LocatorIndexReader {
    // Safe: as old as the table, and never freed before it.
    let object: UnsafeMutablePointer<LocatorIndex>

    /// Only whole addresses are in these.
    @inline(__always)
    func trie(_ family: AddressFamily) -> TrieReader {
        let offset = family.isIPv4 ? 0 : 4
        let word = (UnsafeMutableRawPointer(object) + offset).assumingMemoryBound(to: Atomic<UInt32>.self)
        return TrieReader(root: word, base: object.pointee.base)
    }

    func contains(_ family: AddressFamily, _ address: TrieKey) -> Bool {
        trie(family).longestMatch(address) != nil
    }
}

/// Reads the body of a set.
struct LocatorSetBody {
    static let headerSize = 8

    // Safe: made by `ForwardingState`, which writes `total` members behind the header; `count` is not above that.
    /// Members that may be sent to, the first ones.
    let count: Int
    /// All members: the others are only sources of packets.
    let total: Int
    let members: UnsafeMutablePointer<LocatorMember>
    private let base: ArenaBase

    @inline(__always)
    init(_ body: UnsafeMutableRawPointer, _ base: ArenaBase) {
        count = Int(body.load(as: UInt32.self))
        total = Int(body.load(fromByteOffset: 4, as: UInt32.self))
        members = (body + Self.headerSize).assumingMemoryBound(to: LocatorMember.self)
        self.base = base
    }

    /// The cell of member `index`.
    @inline(__always)
    func cell(_ index: Int) -> UnsafeMutablePointer<LocatorCell> {
        base[members[index].place].assumingMemoryBound(to: LocatorCell.self)
    }

    static func size(_ count: Int) -> Int { headerSize + count * MemoryLayout<LocatorMember>.stride }
}

/// What an entry's target word says.
enum EntryTarget {
    private static let encapsulateTag: UInt32 = 1
    private static let nativeTag: UInt32 = 2
    private static let requestTag: UInt32 = 3
    private static let dropTag: UInt32 = 4
    private static let ownTag: UInt32 = 5

    /// - Parameter place: of a `LocatorSetCell`; 0 for none: known, and dropped for want of a locator.
    static func encapsulate(_ place: UInt32) -> UInt32 { place << 3 | encapsulateTag }
    static let forwardNatively = nativeTag
    static let sendMapRequest = requestTag
    static func drop(_ reason: UInt8) -> UInt32 { dropTag | UInt32(reason) << 8 }
    static let own = ownTag
    /// An own prefix whose packets carry Locator-Status-Bits: those that stand in place of the mapping.
    static let ownWithStatusBits = ownTag | 1 << 3

    /// A target word taken apart.
    enum Decoded {
        case encapsulate(UnsafeMutablePointer<LocatorSetCell>?)
        case forwardNatively
        case sendMapRequest
        case drop(UInt8)
    }

    @inline(__always)
    static func decode(_ word: UInt32, _ base: ArenaBase) -> Decoded {
        switch word & 7 {
        case encapsulateTag:
            .encapsulate(word &>> 3 == 0 ? nil : base[word &>> 3].assumingMemoryBound(to: LocatorSetCell.self))
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

/// The word at `ForwardingState.hints`: `HeaderHints`, and whether there are accounts.
enum HintsWord {
    static let accounts: UInt32 = 0x8000_0000

    static func hints(_ word: UInt32) -> HeaderHints { HeaderHints(rawValue: word & ~accounts) }
}

/// One virtual network as workers see it.
struct InstanceObject: ~Copyable {
    let id: UInt32
    /// 1 when it has so many entries that caches do not hold them.
    let isLarge: Atomic<UInt32>
    /// Index of its TUN queue in every worker, and of its totals.
    let index: Int
    /// Where the blocks are that tries, entries and sets name by their places.
    let base: ArenaBase
    /// Roots of tries.
    let entriesIPv4: Atomic<UInt32>
    let entriesIPv6: Atomic<UInt32>
    let ownIPv4: Atomic<UInt32>
    let ownIPv6: Atomic<UInt32>
    /// Inner sources whose packets a Proxy-ETR delivers anywhere.
    let acceptedIPv4: Atomic<UInt32>
    let acceptedIPv6: Atomic<UInt32>
    /// Prefixes at this end that traffic is counted for.
    let accountsIPv4: Atomic<UInt32>
    let accountsIPv6: Atomic<UInt32>
    /// Addresses of `TrieKey`s: where errors to hosts come from. 0 for none.
    let errorSourceIPv4: Atomic<UInt>
    let errorSourceIPv6: Atomic<UInt>
}

/// Tries of one instance, by family.
struct InstanceReader {
    // Safe: valid until the reader's next quiet point.
    let object: UnsafeMutablePointer<InstanceObject>

    private static let entriesOffset = 24
    private static let ownOffset = 32
    private static let acceptedOffset = 40
    private static let accountsOffset = 48

    @inline(__always)
    var base: ArenaBase { object.pointee.base }

    /// Whether it pays to look up a batch together.
    @inline(__always)
    var isLarge: Bool { object.pointee.isLarge.load(ordering: .relaxed) != 0 }

    @inline(__always)
    private func root(_ offset: Int) -> TrieReader {
        let word = (UnsafeMutableRawPointer(object) + offset).assumingMemoryBound(to: Atomic<UInt32>.self)
        return TrieReader(root: word, base: base)
    }

    @inline(__always)
    func entries(_ family: AddressFamily) -> TrieReader {
        root(family.isIPv4 ? Self.entriesOffset : Self.entriesOffset &+ 4)
    }

    @inline(__always)
    func own(_ family: AddressFamily) -> TrieReader {
        root(family.isIPv4 ? Self.ownOffset : Self.ownOffset &+ 4)
    }

    /// Whether a Proxy-ETR is here for the instance.
    @inline(__always)
    var acceptsSources: Bool {
        object.pointee.acceptedIPv4.load(ordering: .relaxed) | object.pointee.acceptedIPv6.load(ordering: .relaxed) != 0
    }

    @inline(__always)
    func accepted(_ family: AddressFamily) -> TrieReader {
        root(family.isIPv4 ? Self.acceptedOffset : Self.acceptedOffset &+ 4)
    }

    func accounts(_ family: AddressFamily) -> TrieReader {
        root(family.isIPv4 ? Self.accountsOffset : Self.accountsOffset &+ 4)
    }

    /// What traffic with an address at this end is counted for.
    func account(_ family: AddressFamily, _ address: TrieKey) -> UnsafeMutablePointer<MappingObject>? {
        accounts(family).longestMatch(address).flatMap { mapping($0.pointee.words) }
    }

    /// Where errors to the instance's hosts come from.
    func errorSource(_ family: AddressFamily) -> TrieKey? {
        let word =
            family.isIPv4
            ? object.pointee.errorSourceIPv4.load(ordering: .acquiring)
            : object.pointee.errorSourceIPv6.load(ordering: .acquiring)
        // Safe: replaced whole and retired.
        return UnsafePointer<TrieKey>(bitPattern: word)?.pointee
    }

    /// What counts for an entry; `nil` for an own prefix.
    @inline(__always)
    func mapping(_ words: EntryWords) -> UnsafeMutablePointer<MappingObject>? {
        words.mapping == 0 ? nil : base[words.mapping].assumingMemoryBound(to: MappingObject.self)
    }
}
