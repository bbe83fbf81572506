// What an IP packet inside another says of itself: addresses, protocol, ports, length, hops, DSCP and ECN.

import LISPWire
import PacketView

struct InnerPacket {
    /// Octets, header included.
    var length: Int { packet.length }
    var field: Field { packet.field }
    private let packet: Summary

    /// - Parameter octets: at full length; the first `captured` of them are known.
    init(_ octets: [UInt8], from offset: Int, captured: Int) throws(Problem) {
        func check(_ count: Int, _ header: String) throws(Problem) {
            guard captured < offset + count else { return }
            let isCut = octets.count >= offset + count
            let reason = isCut ? "cut by the capture within \(header)" : "ends within \(header)"
            throw Problem(reason: reason, offset: max(captured, offset), part: .message)
        }
        try check(1, "the inner IP header")
        var packet: Summary
        switch octets[offset] >> 4 {
        case 4:
            try check(20, "the inner IPv4 header")
            guard let view = octets[offset...].withUnsafeBytes({ IPv4Header($0) }) else {
                throw Problem(
                    reason: "inner IPv4 packet with header length \(Int(octets[offset] & 15) * 4) and total length "
                        + "\(Int(octets[offset + 2]) << 8 | Int(octets[offset + 3])), \(octets.count - offset) octets are there",
                    offset: offset,
                    part: .message
                )
            }
            packet = Summary(view)
        case 6:
            try check(40, "the inner IPv6 header")
            guard let view = octets[offset...].withUnsafeBytes({ IPv6Header($0) }) else {
                throw Problem(
                    reason: "inner IPv6 packet with payload length "
                        + "\(Int(octets[offset + 4]) << 8 | Int(octets[offset + 5])), "
                        + "\(octets.count - offset - 40) octets are there",
                    offset: offset + 4,
                    part: .message
                )
            }
            packet = Summary(view)
        case let version:
            throw Problem(reason: "inner packet of IP version \(version)", offset: offset, part: .message)
        }
        // Before anything behind the headers is believed: what was not captured reads as zero.
        try check(packet.upperLayerOffset, packet.version == 4 ? "the inner IPv4 options" : "the inner IPv6 headers")
        let upper = offset + packet.upperLayerOffset..<min(offset + packet.length, captured)
        if !packet.isLaterFragment, !upper.isEmpty { octets[upper].withUnsafeBytes { packet.look(into: $0) } }
        self.packet = packet
    }
}

/// What is told of the packet.
private struct Summary {
    let version: UInt8
    let source: IPAddress
    let destination: IPAddress
    let number: UInt8
    let length: Int
    let ttl: UInt8
    let trafficClass: UInt8
    let upperLayerOffset: Int
    let isFragment: Bool
    let isLaterFragment: Bool
    private var ports: (UInt16, UInt16)?
    /// Flags of TCP, type of ICMP.
    private var detail = ""

    init(_ view: IPv4Header) {
        self.version = 4
        self.source = .v4(IPv4Address(view.source))
        self.destination = .v4(IPv4Address(view.destination))
        self.number = view.protocol
        self.length = view.totalLength
        self.ttl = view.ttl
        self.trafficClass = view.trafficClass
        self.upperLayerOffset = view.headerLength
        self.isFragment = view.isFragment
        self.isLaterFragment = view.fragmentOffset > 0
    }

    init(_ view: IPv6Header) {
        self.version = 6
        self.source = .v6(view.source)
        self.destination = .v6(view.destination)
        self.number = view.upperLayerProtocol
        self.length = view.totalLength
        self.ttl = view.hopLimit
        self.trafficClass = view.trafficClass
        self.upperLayerOffset = view.upperLayerOffset
        self.isFragment = view.isFragment
        self.isLaterFragment = view.isLaterFragment
    }

    /// Reads ports or an ICMP type from what was captured behind the IP header.
    mutating func look(into bytes: UnsafeRawBufferPointer) {
        switch number {
        case IPProtocol.udp, IPProtocol.sctp:
            // Ports stand first in all of these, and a cut capture may have no more.
            guard bytes.count >= 4 else { return }
            ports = (Self.half(bytes, 0), Self.half(bytes, 2))
        case IPProtocol.tcp:
            guard bytes.count >= 4 else { return }
            ports = (Self.half(bytes, 0), Self.half(bytes, 2))
            if let view = TCPView(bytes) { detail = Self.words(view.flags) }
        case IPProtocol.icmp, IPProtocol.icmpv6:
            guard let view = ICMPView(bytes) else { return }
            detail = Self.icmp(view, isIPv6: number == IPProtocol.icmpv6)
        default:
            break
        }
    }

    private static func half(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt16 {
        UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1])
    }

    private static func words(_ flags: TCPView.Flags) -> String {
        let names: [(TCPView.Flags, String)] = [
            (.syn, "SYN"), (.fin, "FIN"), (.rst, "RST"), (.psh, "PSH"), (.ack, "ACK"), (.urg, "URG"), (.ece, "ECE"),
            (.cwr, "CWR"),
        ]
        return names.filter { flags.contains($0.0) }.map(\.1).joined(separator: " ")
    }

    private static func icmp(_ view: ICMPView, isIPv6: Bool) -> String {
        switch (view.type, isIPv6) {
        case (8, false), (128, true): "echo request, id \(view.identifier)"
        case (0, false), (129, true): "echo reply, id \(view.identifier)"
        case (3, false): "destination unreachable, code \(view.code)"
        case (1, true): "destination unreachable, code \(view.code)"
        case (2, true): "packet too big, MTU \(view.mtu)"
        case (11, false), (3, true): "time exceeded, code \(view.code)"
        default: "type \(view.type), code \(view.code)"
        }
    }

    private var protocolName: String {
        switch number {
        case IPProtocol.icmp: "ICMP"
        case IPProtocol.tcp: "TCP"
        case IPProtocol.udp: "UDP"
        case IPProtocol.esp: "ESP"
        case IPProtocol.authentication: "AH"
        case IPProtocol.icmpv6: "ICMPv6"
        case IPProtocol.sctp: "SCTP"
        case IPProtocol.noNextHeader: "no next header"
        case 2: "IGMP"
        case 4: "IPv4 in IP"
        case 41: "IPv6 in IP"
        case 47: "GRE"
        case 89: "OSPF"
        case 103: "PIM"
        default: "protocol \(number)"
        }
    }

    var field: Field {
        var line = "IPv\(version) \(source) > \(destination), \(protocolName)"
        if let ports { line += " \(ports.0) > \(ports.1)" }
        if !detail.isEmpty { line += number == IPProtocol.tcp ? " [\(detail)]" : " \(detail)" }
        if isFragment { line += isLaterFragment ? ", later fragment" : ", first fragment" }
        line += ", \(counted(length, "octet")), \(version == 4 ? "TTL" : "Hop Limit") \(ttl)"
        line += ", DSCP \(trafficClass >> 2), ECN \(ecnName(trafficClass))"
        var fields: [Field] = [
            .told("Version", .number(UInt64(version))), .told("Source Address", .text(source.description)),
            .told("Destination Address", .text(destination.description)),
            .told("Protocol", .named(UInt64(number), protocolName)),
        ]
        if let ports {
            fields.append(.told("Source Port", .number(UInt64(ports.0))))
            fields.append(.told("Destination Port", .number(UInt64(ports.1))))
        }
        if !detail.isEmpty { fields.append(.told("Detail", .text(detail))) }
        if isFragment { fields.append(.told("Fragment", .text(isLaterFragment ? "later" : "first"))) }
        fields.append(.told("Length", .number(UInt64(length))))
        fields.append(.told(version == 4 ? "TTL" : "Hop Limit", .number(UInt64(ttl))))
        fields.append(.told("DSCP", .number(UInt64(trafficClass >> 2))))
        fields.append(.told("ECN", .named(UInt64(trafficClass & 3), ecnName(trafficClass))))
        return Field("Inner packet", .group(fields, line: line))
    }
}

/// The ECN field of a traffic class, in the words of RFC 3168.
func ecnName(_ trafficClass: UInt8) -> String {
    ["Not-ECT", "ECT(1)", "ECT(0)", "CE"][Int(trafficClass & 3)]
}
