// The IP packet with a UDP datagram that an Encapsulated Control Message holds: IPv4 (RFC 791) or IPv6 (RFC 8200)
// without extension headers, and UDP (RFC 768).

/// A UDP datagram with its IP header.
struct InnerDatagram {
    var source: Endpoint
    /// Of the same family as `source`.
    var destination: Endpoint
    var hopLimit: UInt8
    /// The lengths of the headers stop at 65,535: a payload that passes this with them fits no datagram anyway.
    var payload: [UInt8]
}

extension InnerDatagram {
    init(
        from reader: inout WireReader,
        zeroChecksum: EncapsulatedControlMessage.ZeroChecksumPolicy
    ) throws(WireError) {
        guard let first = reader.next else {
            throw .truncated(field: "Inner IP Header", needed: 20, available: 0)
        }
        switch first >> 4 {
        case 4: try self.init(ipv4: &reader, zeroChecksum)
        case 6: try self.init(ipv6: &reader, zeroChecksum)
        case let version: throw .invalid(field: "Inner IP Version", value: UInt64(version))
        }
    }

    private init(
        ipv4 reader: inout WireReader,
        _ zeroChecksum: EncapsulatedControlMessage.ZeroChecksumPolicy
    ) throws(WireError) {
        let headerLength = Int((reader.next ?? 0) & 0x0f) * 4
        guard headerLength >= 20 else { throw .invalid(field: "Inner IHL", value: UInt64(headerLength / 4)) }
        var ahead = reader
        var checksum = InternetChecksum()
        checksum.add(try ahead.bytes("Inner IPv4 Header", count: headerLength))
        guard checksum.value == 0 else { throw .badChecksum(field: "Inner IPv4 Header Checksum") }

        var header = try reader.slice("Inner IPv4 Header", count: headerLength)
        let _: UInt16 = try header.integer("Inner Type of Service")
        let totalLength: UInt16 = try header.integer("Inner Total Length")
        let _: UInt16 = try header.integer("Inner Identification")
        let fragment: UInt16 = try header.integer("Inner Fragment Offset")
        // A fragment, the first included, holds no whole message.
        guard fragment & 0x3fff == 0 else {
            throw .invalid(field: "Inner Fragment Offset", value: UInt64(fragment & 0x3fff))
        }
        let hopLimit: UInt8 = try header.integer("Inner Time to Live")
        let innerProtocol: UInt8 = try header.integer("Inner Protocol")
        let _: UInt16 = try header.integer("Inner Header Checksum")
        let source = IPAddress.v4(IPv4Address(try header.integer("Inner Source Address")))
        let destination = IPAddress.v4(IPv4Address(try header.integer("Inner Destination Address")))
        guard Int(totalLength) >= headerLength else {
            throw .invalid(field: "Inner Total Length", value: UInt64(totalLength))
        }
        let segment = try reader.slice("Inner IPv4 Payload", count: Int(totalLength) - headerLength)
        try self.init(innerProtocol, segment, source, destination, hopLimit, zeroChecksum)
    }

    private init(
        ipv6 reader: inout WireReader,
        _ zeroChecksum: EncapsulatedControlMessage.ZeroChecksumPolicy
    ) throws(WireError) {
        let _: UInt32 = try reader.integer("Inner Flow Label")
        let payloadLength: UInt16 = try reader.integer("Inner Payload Length")
        let nextHeader: UInt8 = try reader.integer("Inner Next Header")
        let hopLimit: UInt8 = try reader.integer("Inner Hop Limit")
        let source = IPAddress.v6(IPv6Address(try reader.integer("Inner Source Address")))
        let destination = IPAddress.v6(IPv6Address(try reader.integer("Inner Destination Address")))
        let segment = try reader.slice("Inner IPv6 Payload", count: Int(payloadLength))
        try self.init(nextHeader, segment, source, destination, hopLimit, zeroChecksum)
    }

    private init(
        _ innerProtocol: UInt8,
        _ segment: WireReader,
        _ source: IPAddress,
        _ destination: IPAddress,
        _ hopLimit: UInt8,
        _ zeroChecksum: EncapsulatedControlMessage.ZeroChecksumPolicy
    ) throws(WireError) {
        guard innerProtocol == InternetProtocol.udp else {
            throw .invalid(field: "Inner Protocol", value: UInt64(innerProtocol))
        }
        var reader = segment
        let sourcePort: UInt16 = try reader.integer("Inner Source Port")
        let destinationPort: UInt16 = try reader.integer("Inner Destination Port")
        let length: UInt16 = try reader.integer("Inner UDP Length")
        let checksum: UInt16 = try reader.integer("Inner UDP Checksum")
        guard Int(length) == segment.remaining else {
            throw .invalid(field: "Inner UDP Length", value: UInt64(length))
        }
        if checksum != 0 || zeroChecksum == .refuse {
            var whole = segment
            guard checksum != 0, InternetChecksum.udp(whole.rest(), from: source, to: destination) == 0 else {
                throw .badChecksum(field: "Inner UDP Checksum")
            }
        }
        self.source = Endpoint(source, sourcePort)
        self.destination = Endpoint(destination, destinationPort)
        self.hopLimit = hopLimit
        self.payload = reader.rest()
    }

    func encode(into writer: inout WireWriter) {
        let length = payload.count + 8
        switch (source.address, destination.address) {
        case (.v4(let source), .v4(let destination)):
            encodeHeader(from: source, to: destination, length: length, into: &writer)
        case (.v4, .v6), (.v6, .v4), (.v6, .v6):
            writer.integer(UInt32(6) << 28)
            writer.integer(UInt16(clamping: length))
            writer.integer(InternetProtocol.udp)
            writer.integer(hopLimit)
            writer.integer(source.address.leftAligned)
            writer.integer(destination.address.leftAligned)
        }
        var segment = WireWriter(capacity: length)
        segment.integer(source.port)
        segment.integer(destination.port)
        segment.integer(UInt16(clamping: length))
        segment.integer(UInt16(0))
        segment.bytes(payload)
        let checksum = InternetChecksum.udp(segment.bytes, from: source.address, to: destination.address)
        var bytes = segment.bytes
        // Zero would say "no checksum"; the two zeros of ones' complement are equal.
        let sent = checksum == 0 ? 0xffff : checksum
        bytes[6] = UInt8(sent >> 8)
        bytes[7] = UInt8(sent & 0xff)
        writer.bytes(bytes)
    }

    private func encodeHeader(
        from source: IPv4Address,
        to destination: IPv4Address,
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
