// IP fragments back to packets (RFC 791, RFC 8200 section 4.5), within bounds: a capture cannot make memory grow.

/// Collects fragments. What does not come together is dropped, the oldest first, and counted.
struct Reassembly {
    private struct Pending {
        /// Of each part. Repeated fragments are counted alone, so they cost no memory.
        var frames: [Int] = []
        /// Without overlaps, ordered by place.
        var parts: [(offset: Int, octets: [UInt8])] = []
        /// Octets in `parts`.
        var received = 0
        /// Fragments, repeated ones included.
        var count = 0
        var header: [UInt8]?
        /// Octets in all; known with the last fragment.
        var length: Int?
        var isLISP = false

        /// Where the last part ends.
        var end: Int { parts.last.map { $0.offset + $0.octets.count } ?? 0 }
    }

    enum Outcome {
        /// A whole packet, and the frames that its parts came in.
        case whole([UInt8], frames: [Int])
        /// More are needed. `isLISP`: the first fragment has shown a LISP port.
        case waiting(isLISP: Bool)
        /// It overlaps with another in other words, or the whole would be too long.
        case contradictory
    }

    /// Packets that are waited for at a time, each of at most 64 KiB.
    private let limit: Int
    private var pending: [Fragment.Key: Pending] = [:]
    private var order: [Fragment.Key] = []
    /// Fragments of packets that were given up.
    private var dropped = 0

    init(limit: Int = 64) {
        self.limit = limit
    }

    /// Packets that are waited for now.
    var waiting: Int { pending.count }

    /// Fragments, up to now, of which no packet was made.
    var leftover: Int { dropped + pending.values.reduce(0) { $0 + $1.count } }

    mutating func add(_ fragment: Fragment, frame: Int, isLISP: (UInt16, UInt16) -> Bool) -> Outcome {
        if pending[fragment.key] == nil { makeRoom(for: fragment.key) }
        // Taken out while it changes: a packet with many parts is not copied for each.
        var packet = pending.removeValue(forKey: fragment.key) ?? Pending()
        let end = fragment.offset + fragment.octets.count
        guard end + fragment.header.count <= 65_535, fragment.isLast || fragment.octets.count % 8 == 0,
            packet.length.map({ end <= $0 && (!fragment.isLast || end == $0) }) ?? true,
            !fragment.isLast || packet.end <= end
        else { return giveUp(fragment.key, packet) }
        // Most fragments come in order: the place is looked for from the end.
        let place = packet.parts.lastIndex { $0.offset < fragment.offset }.map { $0 + 1 } ?? 0
        let isRepeated = place < packet.parts.count && packet.parts[place] == (fragment.offset, fragment.octets)
        if !isRepeated {
            let overlapsNext = place < packet.parts.count && packet.parts[place].offset < end
            let overlapsLast =
                place > 0 && packet.parts[place - 1].offset + packet.parts[place - 1].octets.count > fragment.offset
            guard !overlapsNext, !overlapsLast else { return giveUp(fragment.key, packet) }
            packet.parts.insert((fragment.offset, fragment.octets), at: place)
            packet.frames.append(frame)
            packet.received += fragment.octets.count
        }
        packet.count += 1
        if fragment.offset == 0 { packet.header = fragment.header }
        if fragment.isLast { packet.length = end }
        if let ports = fragment.ports { packet.isLISP = isLISP(ports.source, ports.destination) }
        guard let header = packet.header, packet.received == packet.length else {
            pending[fragment.key] = packet
            return .waiting(isLISP: packet.isLISP)
        }
        forget(fragment.key)
        return .whole(Self.packet(header, packet.parts.flatMap(\.octets)), frames: packet.frames)
    }

    /// The header with the length of the whole.
    private static func packet(_ header: [UInt8], _ payload: [UInt8]) -> [UInt8] {
        var packet = header
        let isIPv4 = header[0] >> 4 == 4
        let length = isIPv4 ? header.count + payload.count : payload.count
        packet[isIPv4 ? 2 : 4] = UInt8(length >> 8)
        packet[isIPv4 ? 3 : 5] = UInt8(length & 0xff)
        return packet + payload
    }

    private mutating func makeRoom(for key: Fragment.Key) {
        if order.count >= limit, let oldest = order.first {
            dropped += pending[oldest]?.count ?? 0
            forget(oldest)
        }
        order.append(key)
        pending[key] = Pending()
    }

    private mutating func giveUp(_ key: Fragment.Key, _ packet: Pending) -> Outcome {
        dropped += packet.count + 1
        forget(key)
        return .contradictory
    }

    private mutating func forget(_ key: Fragment.Key) {
        pending[key] = nil
        order.removeAll { $0 == key }
    }
}
