// The headers that an Encapsulated Control Message puts around a message: IPv4 (RFC 791) or IPv6 (RFC 8200) without
// extension headers, and UDP (RFC 768). lispers.net leaves the IP header out where the EID asked for is no IP address.

/// What stands around an encapsulated message.
package enum InnerHeaders: Hashable, Sendable {
    /// Addresses of one family.
    case ip(source: Endpoint, destination: Endpoint, hopLimit: UInt8)
    /// A UDP header alone.
    case udp(sourcePort: UInt16, destinationPort: UInt16)
}

/// A UDP datagram, with its IP header as a rule.
struct InnerDatagram {
    var headers: InnerHeaders
    /// The lengths of the headers stop at 65,535: a payload that passes this with them fits no datagram anyway.
    var payload: [UInt8]
}

extension InnerDatagram {
    typealias ZeroChecksumPolicy = EncapsulatedControlMessage.ZeroChecksumPolicy

    init(from reader: inout WireReader, zeroChecksum: ZeroChecksumPolicy) throws(WireError) {
        guard let first = reader.next else {
            throw reader.fault(.truncated(field: "Inner IP Header", needed: 20, available: 0))
        }
        switch first >> 4 {
        case 4:
            try self.init(ipv4: &reader, zeroChecksum)
        case 6:
            try self.init(ipv6: &reader, zeroChecksum)
        case let version:
            guard zeroChecksum == .accept, let datagram = InnerDatagram(udp: &reader) else {
                throw reader.fault(.invalid(field: "Inner IP Version", value: UInt64(version)))
            }
            self = datagram
        }
    }

    /// A UDP header without an IP header, known by the port that it is for; its checksum would need addresses.
    private init?(udp reader: inout WireReader) {
        var ahead = reader
        guard let sourcePort: UInt16 = try? ahead.integer("Inner Source Port"),
            let destinationPort: UInt16 = try? ahead.integer("Inner Destination Port"),
            destinationPort == LISPPort.control,
            let length: UInt16 = try? ahead.integer("Inner UDP Length"), length >= 8,
            let checksum: UInt16 = try? ahead.integer("Inner UDP Checksum"), checksum == 0,
            let payload = try? ahead.bytes("Inner UDP Payload", count: Int(length) - 8)
        else { return nil }
        reader = ahead
        self.init(headers: .udp(sourcePort: sourcePort, destinationPort: destinationPort), payload: payload)
    }

    private init(ipv4 reader: inout WireReader, _ zeroChecksum: ZeroChecksumPolicy) throws(WireError) {
        let headerLength = Int((reader.next ?? 0) & 0x0f) * 4
        guard headerLength >= 20 else {
            throw reader.fault(.invalid(field: "Inner IHL", value: UInt64(headerLength / 4)))
        }
        var ahead = reader
        var checksum = InternetChecksum()
        try ahead.slice("Inner IPv4 Header", count: headerLength).withRest { checksum.add($0) }
        guard checksum.value == 0 else {
            throw WireError(.badChecksum(field: "Inner IPv4 Header Checksum"), at: reader.position + 10)
        }

        var header = try reader.slice("Inner IPv4 Header", count: headerLength)
        let _: UInt16 = try header.integer("Inner Type of Service")
        let totalLength: UInt16 = try header.integer("Inner Total Length")
        guard Int(totalLength) >= headerLength else {
            throw header.fault(.invalid(field: "Inner Total Length", value: UInt64(totalLength)), size: 2)
        }
        let _: UInt16 = try header.integer("Inner Identification")
        let fragment: UInt16 = try header.integer("Inner Fragment Offset")
        // A fragment, the first included, holds no whole message.
        guard fragment & 0x3fff == 0 else {
            throw header.fault(.invalid(field: "Inner Fragment Offset", value: UInt64(fragment & 0x3fff)), size: 2)
        }
        let hopLimit: UInt8 = try header.integer("Inner Time to Live")
        let innerProtocol: UInt8 = try header.integer("Inner Protocol")
        guard innerProtocol == InternetProtocol.udp else {
            throw header.fault(.invalid(field: "Inner Protocol", value: UInt64(innerProtocol)), size: 1)
        }
        let _: UInt16 = try header.integer("Inner Header Checksum")
        let source = IPAddress.v4(IPv4Address(try header.integer("Inner Source Address")))
        let destination = IPAddress.v4(IPv4Address(try header.integer("Inner Destination Address")))
        let segment = try reader.slice("Inner IPv4 Payload", count: Int(totalLength) - headerLength)
        try self.init(segment, source, destination, hopLimit, zeroChecksum)
    }

    private init(ipv6 reader: inout WireReader, _ zeroChecksum: ZeroChecksumPolicy) throws(WireError) {
        let _: UInt32 = try reader.integer("Inner Flow Label")
        let payloadLength: UInt16 = try reader.integer("Inner Payload Length")
        let nextHeader: UInt8 = try reader.integer("Inner Next Header")
        guard nextHeader == InternetProtocol.udp else {
            throw reader.fault(.invalid(field: "Inner Next Header", value: UInt64(nextHeader)), size: 1)
        }
        let hopLimit: UInt8 = try reader.integer("Inner Hop Limit")
        let source = IPAddress.v6(IPv6Address(try reader.integer("Inner Source Address")))
        let destination = IPAddress.v6(IPv6Address(try reader.integer("Inner Destination Address")))
        let segment = try reader.slice("Inner IPv6 Payload", count: Int(payloadLength))
        try self.init(segment, source, destination, hopLimit, zeroChecksum)
    }

    private init(
        _ segment: WireReader,
        _ source: IPAddress,
        _ destination: IPAddress,
        _ hopLimit: UInt8,
        _ zeroChecksum: ZeroChecksumPolicy
    ) throws(WireError) {
        var reader = segment
        let sourcePort: UInt16 = try reader.integer("Inner Source Port")
        let destinationPort: UInt16 = try reader.integer("Inner Destination Port")
        let length: UInt16 = try reader.integer("Inner UDP Length")
        guard Int(length) == segment.remaining else {
            throw reader.fault(.invalid(field: "Inner UDP Length", value: UInt64(length)), size: 2)
        }
        let checksum: UInt16 = try reader.integer("Inner UDP Checksum")
        if checksum != 0 || zeroChecksum == .refuse {
            let found = segment.withRest { InternetChecksum.udp($0, from: source, to: destination) }
            guard checksum != 0, found == 0 else {
                throw reader.fault(.badChecksum(field: "Inner UDP Checksum"), size: 2)
            }
        }
        self.headers = .ip(
            source: Endpoint(source, sourcePort),
            destination: Endpoint(destination, destinationPort),
            hopLimit: hopLimit
        )
        self.payload = reader.rest()
    }

    /// The headers' octets.
    func encodedHeaders() -> [UInt8] {
        let length = payload.count + 8
        var writer = WireWriter(capacity: 48)
        switch headers {
        case .udp(let sourcePort, let destinationPort):
            encodeUDP(sourcePort, destinationPort, checksum: 0, into: &writer)
        case .ip(let source, let destination, let hopLimit):
            switch (source.address, destination.address) {
            case (.v4(let source), .v4(let destination)):
                Self.encodeIPv4(from: source, to: destination, hopLimit, length: length, into: &writer)
            case (.v4, .v6), (.v6, .v4), (.v6, .v6):
                writer.integer(UInt32(6) << 28)
                writer.integer(UInt16(clamping: length))
                writer.integer(InternetProtocol.udp)
                writer.integer(hopLimit)
                writer.integer(source.address.leftAligned)
                writer.integer(destination.address.leftAligned)
            }
            var unsummed = WireWriter(capacity: 8)
            encodeUDP(source.port, destination.port, checksum: 0, into: &unsummed)
            let checksum = InternetChecksum.udp(unsummed.bytes + payload, from: source.address, to: destination.address)
            // Zero would say "no checksum"; the two zeros of ones' complement are equal.
            encodeUDP(source.port, destination.port, checksum: checksum == 0 ? 0xffff : checksum, into: &writer)
        }
        return writer.bytes
    }

    private func encodeUDP(
        _ sourcePort: UInt16,
        _ destinationPort: UInt16,
        checksum: UInt16,
        into writer: inout WireWriter
    ) {
        writer.integer(sourcePort)
        writer.integer(destinationPort)
        writer.integer(UInt16(clamping: payload.count + 8))
        writer.integer(checksum)
    }

    private static func encodeIPv4(
        from source: IPv4Address,
        to destination: IPv4Address,
        _ hopLimit: UInt8,
        length: Int,
        into writer: inout WireWriter
    ) {
        var header = WireWriter(capacity: 20)
        header.integer(UInt16(0x4500))
        header.integer(UInt16(clamping: 20 + length))
        // Identification 0 with Don't Fragment: an atomic datagram (RFC 6864).
        header.integer(UInt32(0x4000))
        header.integer(hopLimit)
        header.integer(InternetProtocol.udp)
        header.integer(UInt16(0))
        header.integer(source.rawValue)
        header.integer(destination.rawValue)
        var checksum = InternetChecksum()
        checksum.add(header.bytes)
        var bytes = header.bytes
        bytes[10] = UInt8(checksum.value >> 8)
        bytes[11] = UInt8(checksum.value & 0xff)
        writer.bytes(bytes)
    }
}
