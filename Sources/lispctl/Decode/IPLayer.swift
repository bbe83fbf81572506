// From an IP packet to the UDP datagram in it, with the views of PacketView.

import LISPWire
import PacketView

/// A UDP datagram and where it came from.
struct UDPDatagram {
    var source: Endpoint
    var destination: Endpoint
    /// Whole, whatever was captured of it; what was not captured is zero.
    var payload: [UInt8]
    /// Octets of `payload` that were captured.
    var capturedCount: Int
    /// Octets from the start of the frame (or of the reassembled packet) to the payload.
    var payloadOffset: Int
    var checksum: UDPChecksum
    var outer: OuterHeader
}

/// What is to say of a UDP checksum.
enum UDPChecksum: Equatable {
    case right
    /// No checksum was computed.
    case zero
    /// Only the pseudo header is summed up: the rest was left to the network card of the capturing host.
    case partial
    case wrong
    /// The capture was cut.
    case unknown
}

/// What an IP packet holds.
enum IPPayload {
    case udp(UDPDatagram)
    case fragment(Fragment)
    /// Another protocol.
    case other
}

/// A part of an IP packet.
struct Fragment {
    /// What fragments of one packet have in common.
    struct Key: Hashable {
        var source: IPAddress
        var destination: IPAddress
        var identification: UInt32
        var nextProtocol: UInt8
    }

    var key: Key
    /// Where `octets` belong in the payload of the whole packet.
    var offset: Int
    var isLast: Bool
    var octets: [UInt8]
    /// The IP header that the whole packet gets, without fragment header and options.
    var header: [UInt8]
    /// Of the first fragment of a UDP datagram.
    var ports: (source: UInt16, destination: UInt16)?
}

/// Octets of a frame or of a reassembled packet, from an IP header on.
struct IPPacketBytes {
    /// As long as the lengths in the headers may want it.
    var octets: [UInt8]
    /// Where the IP header begins.
    var offset: Int
    var capturedCount: Int
    var part: Problem.Part

    init(_ frame: CapturedFrame, from offset: Int) {
        self.octets = frame.octets
        self.offset = offset
        self.capturedCount = frame.capturedCount
        self.part = .frame
    }

    init(reassembled octets: [UInt8]) {
        self.octets = octets
        self.offset = 0
        self.capturedCount = octets.count
        self.part = .reassembledPacket
    }

    /// Looks into the packet.
    func payload() throws(Problem) -> IPPayload {
        try require(1, "the IP header")
        switch octets[offset] >> 4 {
        case 4: return try ipv4()
        case 6: return try ipv6()
        case let version:
            throw Problem(reason: "IP version \(version)", offset: offset, part: part)
        }
    }

    private func ipv4() throws(Problem) -> IPPayload {
        try require(20, "the IPv4 header")
        guard let view = octets[offset...].withUnsafeBytes({ IPv4Header($0) }) else { throw brokenIPv4() }
        try require(view.headerLength, "the IPv4 options")
        let source = IPAddress.v4(IPv4Address(view.source))
        let destination = IPAddress.v4(IPv4Address(view.destination))
        let payload = offset + view.headerLength..<offset + view.totalLength
        guard view.isFragment else {
            guard view.protocol == IPProtocol.udp else { return .other }
            let outer = OuterHeader(ttl: view.ttl, trafficClass: view.trafficClass)
            return .udp(try udp(payload, source, destination, outer))
        }
        var header = Array(octets[offset..<offset + 20])
        header[0] = 0x45
        (header[6], header[7]) = (0, 0)
        return try fragment(
            payload,
            Fragment.Key(
                source: source,
                destination: destination,
                identification: UInt32(view.identification),
                nextProtocol: view.protocol
            ),
            at: view.fragmentOffset,
            isLast: !view.moreFragments,
            header: header
        )
    }

    private func ipv6() throws(Problem) -> IPPayload {
        try require(40, "the IPv6 header")
        guard let view = octets[offset...].withUnsafeBytes({ IPv6Header($0) }) else {
            let length = Int(octets[offset + 4]) << 8 | Int(octets[offset + 5])
            throw Problem(
                reason: "IPv6 payload length \(length), \(octets.count - offset - 40) octets are there",
                offset: offset + 4,
                part: part
            )
        }
        let source = IPAddress.v6(view.source)
        let destination = IPAddress.v6(view.destination)
        let end = offset + view.totalLength
        if let place = view.fragmentHeader {
            let start = offset + place
            try require(place + 8, "the IPv6 fragment header")
            let word = UInt16(octets[start + 2]) << 8 | UInt16(octets[start + 3])
            var header = Array(octets[offset..<offset + 40])
            header[6] = octets[start]
            let key = Fragment.Key(
                source: source,
                destination: destination,
                identification: octets[start + 4..<start + 8].reduce(0) { $0 << 8 | UInt32($1) },
                nextProtocol: octets[start]
            )
            return try fragment(
                start + 8..<end,
                key,
                at: Int(word & 0xfff8),
                isLast: word & 1 == 0,
                header: header
            )
        }
        try require(view.upperLayerOffset, "the IPv6 extension headers")
        guard view.upperLayerProtocol == IPProtocol.udp else { return .other }
        let outer = OuterHeader(ttl: view.hopLimit, trafficClass: view.trafficClass)
        return .udp(try udp(offset + view.upperLayerOffset..<end, source, destination, outer))
    }

    private func udp(
        _ segment: Range<Int>,
        _ source: IPAddress,
        _ destination: IPAddress,
        _ outer: OuterHeader
    ) throws(Problem) -> UDPDatagram {
        guard segment.count >= UDPView.headerLength else {
            throw Problem(reason: "no room for the UDP header", offset: segment.lowerBound, part: part)
        }
        try require(segment.lowerBound + UDPView.headerLength - offset, "the UDP header")
        let isWhole = segment.upperBound <= capturedCount
        let found = octets[segment].withUnsafeBytes { bytes -> (UInt16, UInt16, Int, UDPChecksum)? in
            guard let view = UDPView(bytes) else { return nil }
            let checksum = Self.checksum(view, bytes, source, destination, isWhole: isWhole)
            return (view.sourcePort, view.destinationPort, view.length, checksum)
        }
        guard let (sourcePort, destinationPort, length, checksum) = found else {
            let length = Int(octets[segment.lowerBound + 4]) << 8 | Int(octets[segment.lowerBound + 5])
            throw Problem(
                reason: "UDP length \(length), \(segment.count) octets are there",
                offset: segment.lowerBound + 4,
                part: part
            )
        }
        let payload = segment.lowerBound + UDPView.headerLength..<segment.lowerBound + length
        return UDPDatagram(
            source: Endpoint(source, sourcePort),
            destination: Endpoint(destination, destinationPort),
            payload: Array(octets[payload]),
            capturedCount: min(max(capturedCount - payload.lowerBound, 0), payload.count),
            payloadOffset: payload.lowerBound,
            checksum: checksum,
            outer: outer
        )
    }

    private static func checksum(
        _ view: UDPView,
        _ bytes: UnsafeRawBufferPointer,
        _ source: IPAddress,
        _ destination: IPAddress,
        isWhole: Bool
    ) -> UDPChecksum {
        guard view.checksum != 0 else { return .zero }
        let pseudo = addresses(source, destination).withUnsafeBytes {
            InternetChecksum.pseudoHeaderSum($0, protocol: IPProtocol.udp, length: UInt32(view.length))
        }
        guard view.checksum != pseudo else { return .partial }
        guard isWhole else { return .unknown }
        let segment = UnsafeRawBufferPointer(rebasing: bytes.prefix(view.length))
        return InternetChecksum.sum(segment, initial: pseudo) == 0xffff ? .right : .wrong
    }

    /// As they stand in the header.
    private static func addresses(_ source: IPAddress, _ destination: IPAddress) -> [UInt8] {
        [source, destination].flatMap { address in
            (0..<Int(address.family.bitWidth) / 8).map {
                UInt8(truncatingIfNeeded: address.leftAligned >> UInt128(120 - 8 * $0))
            }
        }
    }

    private func fragment(
        _ range: Range<Int>,
        _ key: Fragment.Key,
        at place: Int,
        isLast: Bool,
        header: [UInt8]
    ) throws(Problem) -> IPPayload {
        guard !range.isEmpty else {
            throw Problem(reason: "a fragment without octets", offset: range.lowerBound, part: part)
        }
        guard range.upperBound <= capturedCount else {
            throw Problem(reason: "a fragment cut by the capture, not reassembled", offset: capturedCount, part: part)
        }
        guard part == .frame else {
            throw Problem(reason: "a fragment within a fragment", offset: offset, part: part)
        }
        let bytes = Array(octets[range])
        var ports: (UInt16, UInt16)?
        if place == 0, key.nextProtocol == IPProtocol.udp, bytes.count >= 4 {
            ports = (UInt16(bytes[0]) << 8 | UInt16(bytes[1]), UInt16(bytes[2]) << 8 | UInt16(bytes[3]))
        }
        return .fragment(
            Fragment(key: key, offset: place, isLast: isLast, octets: bytes, header: header, ports: ports)
        )
    }

    private func brokenIPv4() -> Problem {
        let headerLength = Int(octets[offset] & 15) * 4
        if headerLength < 20 {
            return Problem(reason: "IPv4 header length \(headerLength), at least 20", offset: offset, part: part)
        }
        let totalLength = Int(octets[offset + 2]) << 8 | Int(octets[offset + 3])
        return Problem(
            reason: totalLength < headerLength
                ? "IPv4 total length \(totalLength), the header alone has \(headerLength)"
                : "IPv4 total length \(totalLength), \(octets.count - offset) octets are there",
            offset: offset + 2,
            part: part
        )
    }

    /// Checks that the first `count` octets of the packet were captured.
    private func require(_ count: Int, _ header: String) throws(Problem) {
        guard capturedCount - offset < count else { return }
        throw Problem(
            reason: octets.count - offset >= count ? "cut by the capture within \(header)" : "ends within \(header)",
            offset: max(capturedCount, offset),
            part: part
        )
    }
}

/// What is needed of an IPv4 header, out of reach of the buffer that the view lives by.
struct IPv4Header {
    let headerLength: Int
    let totalLength: Int
    let source: UInt32
    let destination: UInt32
    let `protocol`: UInt8
    let ttl: UInt8
    let trafficClass: UInt8
    let identification: UInt16
    let isFragment: Bool
    let moreFragments: Bool
    let fragmentOffset: Int

    init?(_ bytes: UnsafeRawBufferPointer) {
        guard let view = IPv4View(bytes) else { return nil }
        self.headerLength = view.headerLength
        self.totalLength = view.totalLength
        self.source = view.source
        self.destination = view.destination
        self.protocol = view.protocol
        self.ttl = view.ttl
        self.trafficClass = view.tos
        self.identification = view.identification
        self.isFragment = view.isFragment
        self.moreFragments = view.moreFragments
        self.fragmentOffset = view.fragmentOffset
    }
}

/// The same of an IPv6 header.
struct IPv6Header {
    let totalLength: Int
    let source: IPv6Address
    let destination: IPv6Address
    let hopLimit: UInt8
    let trafficClass: UInt8
    let upperLayerProtocol: UInt8
    let upperLayerOffset: Int
    /// Where the fragment header of a packet that is a part stands, from the start of the packet.
    let fragmentHeader: Int?
    let isLaterFragment: Bool

    var isFragment: Bool { fragmentHeader != nil }

    init?(_ bytes: UnsafeRawBufferPointer) {
        guard let view = IPv6View(bytes) else { return nil }
        let upper = view.upperLayer
        self.totalLength = view.totalLength
        self.source = IPv6Address(UInt128(view.sourceHigh) << 64 | UInt128(view.sourceLow))
        self.destination = IPv6Address(UInt128(view.destinationHigh) << 64 | UInt128(view.destinationLow))
        self.hopLimit = view.hopLimit
        self.trafficClass = view.trafficClass
        self.upperLayerProtocol = upper.protocol
        self.upperLayerOffset = upper.offset
        self.isLaterFragment = upper.isLaterFragment
        self.fragmentHeader = upper.isFragment ? Self.fragmentHeader(bytes, view) : nil
    }

    /// Follows the chain as the view did, which has checked every length in it.
    private static func fragmentHeader(_ bytes: UnsafeRawBufferPointer, _ view: IPv6View) -> Int? {
        var next = view.nextHeader
        var offset = IPv6View.headerLength
        for _ in 0..<IPv6View.maximumExtensionHeaders where offset + 8 <= view.totalLength {
            if next == IPProtocol.fragment { return offset }
            let length = Int(bytes[offset + 1])
            next = bytes[offset]
            offset += next == IPProtocol.authentication ? (length + 2) * 4 : (length + 1) * 8
        }
        return nil
    }
}
