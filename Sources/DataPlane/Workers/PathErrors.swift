// What the network says of packets that were sent: ICMP errors, read from the error queues of the source ports. Off the hot path,
// but nothing here allocates, locks or waits: a flood of ICMP must cost little.
//
// Anybody can send an ICMP error. One is believed if it quotes a datagram that we could have sent: from our source port (the
// kernel compares it) to port 4341 of an RLOC of the table; then, as far as the quote goes, a LISP header of an instance that we
// serve, and an inner packet that may leave the site. Even so it is a hint and no more: see `ForwardingEvent`.

import LISPWire
import LinuxNetwork
import PacketView

extension Worker where Device: ~Copyable {
    /// Reads some of what is known of datagrams sent from a source port. What is left makes the port ready again at once.
    mutating func stepErrors(_ family: AddressFamily, port: Int) {
        let reports = device.receiveErrors(family, port: port)
        for index in 0..<reports {
            if let error = device.pathError(index), note(error) {
                count(.pathErrorsBelieved)
            } else {
                count(.pathErrorsRefused)
            }
        }
        signal()
    }

    /// - Returns: whether it is believed.
    private mutating func note(_ error: PathError) -> Bool {
        let address = error.destination.address
        let (family, key) = (address.family, TrieKey(address.leftAligned))
        guard plane.locators.contains(family, key) else { return false }
        if case .exceedsInterface(let mtu) = error.finding {
            guard mtu > 0, mtu <= UInt16.max else { return false }
            return reportTooBig(family, key, mtu: UInt16(mtu))
        }
        guard error.destination.port == DataPlaneConstants.dataPort,
            let quote = QuotedDatagram(error.quote, plane), quote.isDetailed || family == .ipv4
        else { return false }
        switch error.finding {
        case .unreachable:
            report(.unreachable, family, key)
            return true
        case .packetTooBig(let mtu):
            guard let mtu = quote.pathMTU(family, claimed: mtu) else { return false }
            return reportTooBig(family, key, mtu: mtu)
        case .exceedsInterface, .other:
            return false
        }
    }

    /// Tells of a path MTU what the control loop would make of it: IPv4 paths are taken for no narrower than 576 octets,
    /// and of IPv6 paths nobody can say that they carry less than 1280 (RFC 8201 section 4).
    ///
    /// - Returns: whether it is believed.
    private mutating func reportTooBig(_ family: AddressFamily, _ address: TrieKey, mtu: UInt16) -> Bool {
        guard family == .ipv4 || mtu >= 1_280 else { return false }
        report(.packetTooBig, family, address, mtu: max(mtu, 576))
        return true
    }

    /// Tells the control loop, unless it has just been told.
    mutating func report(_ kind: PathEventKind, _ family: AddressFamily, _ address: TrieKey, mtu: UInt16 = 0) {
        guard eventFilter.passes(kind, family, address, mtu: mtu, now: device.now()) else {
            return count(.pathEventsRepeated)
        }
        guard shared.events.push(kind, family, address, mtu: mtu) else {
            eventFilter.forget(kind, family, address)
            return count(.pathEventsLost)
        }
        count(.pathEventsReported)
        hasNews = true
    }
}

/// What an ICMP error quotes of a datagram of ours, behind its UDP header.
struct QuotedDatagram {
    /// Octets of the inner packet by its own account; `nil` if the quote ends before that.
    private let innerLength: Int?
    /// It goes as far as the inner addresses. An ICMP error need not quote more than the UDP header (RFC 792); one of ICMPv6 quotes
    /// all that there is room for (RFC 4443 section 3).
    let isDetailed: Bool

    /// `nil` if it is none that we could have sent, as far as it goes.
    init?(_ quote: UnsafeRawBufferPointer, _ plane: PlaneShared) {
        innerLength = Self.innerLength(quote)
        let inner = UnsafeRawBufferPointer(rebasing: quote.dropFirst(DataPlaneConstants.lispHeaderSize))
        let addresses = Self.addresses(inner)
        isDetailed = addresses != nil
        guard quote.count >= DataPlaneConstants.lispHeaderSize else { return }
        let header = UInt64(bigEndian: quote.loadUnaligned(as: UInt64.self))
        guard !LISPHeaderWords.isEncrypted(header), let instance = plane.instance(id: LISPHeaderWords.instance(header))
        else { return nil }
        guard let first = inner.first else { return }
        guard first >> 4 == 4 && first & 15 >= 5 || first >> 4 == 6 else { return nil }
        guard let (family, source, destination) = addresses else { return }
        guard InnerPacket.kind(family, source) == .unicast, InnerPacket.kind(family, destination) == .unicast,
            instance.own(family).longestMatch(destination) == nil
        else { return nil }
    }

    private static func addresses(
        _ inner: UnsafeRawBufferPointer
    ) -> (family: AddressFamily, source: TrieKey, destination: TrieKey)? {
        guard let (family, source) = InnerPacket.address(inner, isSource: true),
            let (_, destination) = InnerPacket.address(inner, isSource: false)
        else { return nil }
        return (family, source, destination)
    }

    private static func innerLength(_ quote: UnsafeRawBufferPointer) -> Int? {
        let inner = quote.dropFirst(DataPlaneConstants.lispHeaderSize)
        guard inner.count >= 6, let first = inner.first else { return nil }
        let isIPv4 = first >> 4 == 4
        let offset = DataPlaneConstants.lispHeaderSize + (isIPv4 ? 2 : 4)
        let length = Int(UInt16(bigEndian: quote.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
        return isIPv4 ? length : IPv6View.headerLength + length
    }

    /// The path MTU that follows from the word of a router; `nil` if it makes no sense: a datagram that was too big was bigger
    /// than what fits.
    ///
    /// - Parameter claimed: 0 from a router that does not say; then it is the next smaller of the usual ones.
    func pathMTU(_ family: AddressFamily, claimed: UInt32) -> UInt16? {
        let overhead = family == .ipv4 ? DataPlaneConstants.overheadIPv4 : DataPlaneConstants.overheadIPv6
        let size = innerLength.map { $0 + overhead }
        if claimed > 0 {
            guard claimed <= UInt16.max, size.map({ $0 > claimed }) ?? true else { return nil }
            return UInt16(claimed)
        }
        guard family == .ipv4, let size else { return nil }
        return Self.plateaus.first { Int($0) < size }
    }

    /// Usual MTUs (RFC 1191 section 7.1).
    private static let plateaus: [UInt16] = [32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006, 508, 68]
}
