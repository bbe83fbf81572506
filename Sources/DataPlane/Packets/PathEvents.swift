// From a worker to the control loop: what is heard of the ways to RLOCs. Nothing here allocates or waits, and all is bounded:
// ICMP errors come as fast as somebody wants to send them.

import ForwardingInterface
import LISPWire

/// What an event says, without its RLOC.
enum PathEventKind: UInt32 {
    case unreachable
    case packetTooBig
}

/// The queue of one worker. One producer, one consumer, like the ring that it is.
struct PathEvents {
    /// Events that may wait.
    static let capacity = 1_024

    private let ring = PacketRing(bytes: 0, packets: capacity)

    func deallocate() { ring.deallocate() }

    /// Producer. `false` when it does not fit.
    func push(_ kind: PathEventKind, _ family: AddressFamily, _ address: TrieKey, mtu: UInt16) -> Bool {
        withUnsafeBytes(of: address) {
            ring.push($0, tag: kind.rawValue, word: UInt64(family.rawValue) << 16 | UInt64(mtu))
        }
    }

    /// Consumer: hands over the oldest. `false` when there is none.
    func pop(_ body: (ForwardingEvent) -> Void) -> Bool {
        ring.pop { octets, tag, word in
            let key = octets.loadUnaligned(as: TrieKey.self)
            guard let kind = PathEventKind(rawValue: tag),
                let family = AddressFamily(rawValue: UInt8(truncatingIfNeeded: word >> 16))
            else { return }
            let address = IPAddress(family: family, leftAligned: key.value)
            switch kind {
            case .unreachable: body(.unreachable(address))
            case .packetTooBig: body(.packetTooBig(address, mtu: UInt16(truncatingIfNeeded: word)))
            }
        }
    }
}

/// Keeps one RLOC from filling the queue: the same is told of it once a second, and a path MTU at once if it is smaller
/// than the last, as far as `decreases` goes. A fixed table: an RLOC that falls on another's place takes it over, which can
/// only let more pass.
struct PathEventFilter: ~Copyable {
    private struct Place {
        var tag: UInt64 = 0
        /// Nanoseconds: when it was last told.
        var passed: UInt64 = 0
        var mtu: UInt16 = 0
        /// How many smaller path MTUs were told since the last pause of `interval`.
        var decreases: UInt8 = 0
    }

    static let interval: UInt64 = 1_000_000_000
    /// Smaller path MTUs in a row that are told at once: a way seldom has more links, each narrower than the one before.
    static let decreases: UInt8 = 4
    private static let size = 512

    // Safe: `size` places, freed by `deinit`; an index is masked to below `size`.
    private let places: UnsafeMutablePointer<Place>
    private let seed: UInt64

    init(seed: UInt64) {
        places = .allocate(capacity: Self.size)
        places.initialize(repeating: Place(), count: Self.size)
        self.seed = seed
    }

    deinit { places.deallocate() }

    /// Whether it may be told now.
    func passes(_ kind: PathEventKind, _ family: AddressFamily, _ address: TrieKey, mtu: UInt16, now: UInt64) -> Bool {
        let tag = self.tag(kind, family, address)
        let place = self.place(tag)
        var decreases: UInt8 = 0
        if place.pointee.tag == tag, now &- place.pointee.passed < Self.interval {
            guard mtu < place.pointee.mtu, place.pointee.decreases < Self.decreases else { return false }
            decreases = place.pointee.decreases &+ 1
        }
        place.pointee = Place(tag: tag, passed: now, mtu: mtu, decreases: decreases)
        return true
    }

    /// What passed last was not told after all, so the next may be.
    func forget(_ kind: PathEventKind, _ family: AddressFamily, _ address: TrieKey) {
        let tag = self.tag(kind, family, address)
        let place = self.place(tag)
        if place.pointee.tag == tag { place.pointee = Place() }
    }

    /// Never 0, which is the tag of a free place.
    private func tag(_ kind: PathEventKind, _ family: AddressFamily, _ address: TrieKey) -> UInt64 {
        let mixed = FlowHash.mix(
            address.high ^ seed,
            address.low ^ UInt64(kind.rawValue) << 40 ^ UInt64(family.rawValue)
        )
        return FlowHash.mix(mixed ^ address.low, seed ^ 0x4528_21e6_38d0_1377) | 1
    }

    private func place(_ tag: UInt64) -> UnsafeMutablePointer<Place> {
        places + Int(truncatingIfNeeded: tag >> 32) & (Self.size &- 1)
    }
}
