// A data packet (RFC 9300 section 5): the LISP header, and what the packet in it says of itself.

import LISPWire
import PacketView

enum DataDissector {
    /// - Parameter payload: the UDP payload at its full length, of which the first `captured` octets are known.
    static func dissect(_ payload: [UInt8], captured: Int) -> MessageDissection {
        var result = MessageDissection(kind: .data)
        guard captured >= LISPDataHeader.size else {
            let isWhole = captured == payload.count
            let reason = (isWhole ? "ends" : "cut by the capture") + " within the LISP header"
            return MessageDissection(
                kind: .undecoded,
                problem: Problem(reason: reason, offset: captured, part: .message)
            )
        }
        let header = payload.withUnsafeBytes { LISPDataHeader(from: $0) }
        result.fields = fields(of: header)
        guard header.keyID == 0 else {
            result.fields.append(
                Field("Inner packet", .text("encrypted (RFC 8061) with key \(header.keyID), not looked into"))
            )
            return result
        }
        do throws(Problem) {
            let inner = try InnerPacket(payload, from: LISPDataHeader.size, captured: captured)
            result.fields.append(inner.field)
            describeRest(of: payload, behind: inner, captured: captured, &result)
        } catch {
            result.kind = .undecoded
            result.problem = error
        }
        return result
    }

    private static func fields(of header: LISPDataHeader) -> [Field] {
        let bits = UInt8(truncatingIfNeeded: header.rawValue >> 56)
        let names = [
            ("N", "nonce present"), ("L", "Locator-Status-Bits enabled"), ("E", "echo-nonce-request"),
            ("V", "Map-Version present"), ("I", "Instance ID present"), ("R", "reserved"),
        ]
        let flags = names.enumerated().map { index, name in FlagBit(name.0, name.1, bits << index & 0x80 != 0) }
        var fields = [Field("Flags", .flags(flags)), Field("Key ID", .number(UInt64(header.keyID)))]
        // The K bits are 0 on almost every packet: the text says them when not.
        fields[1].isToldAbove = header.keyID == 0
        if header.isAmbiguous {
            fields[0].note = "N and V exclude each other: Nonce/Map-Version has no meaning"
        } else if flags[2].isSet, !header.hasNonce {
            fields[0].note = "E means nothing without N"
        }
        if let nonce = header.nonce { fields.append(Field("Nonce", .text(hexadecimal24(nonce)))) }
        if let source = header.sourceMapVersion, let destination = header.destinationMapVersion {
            fields.append(Field("Source Map-Version Number", .number(UInt64(source))))
            fields.append(Field("Dest Map-Version Number", .number(UInt64(destination))))
        }
        if header.hasInstanceID { fields.append(Field("Instance ID", .number(UInt64(header.instanceID.rawValue)))) }
        if let status = header.locatorStatusBits {
            let up = (0..<32).filter { status >> UInt32($0) & 1 != 0 }.map(String.init).joined(separator: ", ")
            fields.append(
                Field(
                    "Locator-Status-Bits",
                    .text("0x" + hexadecimal(withUnsafeBytes(of: status.bigEndian, Array.init))),
                    note: up.isEmpty ? "no locator up" : "up: \(up)"
                )
            )
        }
        return fields
    }

    private static func hexadecimal24(_ value: UInt32) -> String {
        "0x" + hexadecimal(withUnsafeBytes(of: value.bigEndian, Array.init).dropFirst())
    }

    /// A host that leaves segmentation to its network card captures many packets as one datagram: each as long as the
    /// first, with a LISP header of its own, the last perhaps shorter.
    private static func describeRest(
        of payload: [UInt8],
        behind inner: InnerPacket,
        captured: Int,
        _ result: inout MessageDissection
    ) {
        let size = LISPDataHeader.size + inner.length
        guard payload.count > size else { return }
        var count = 1
        var offset = size
        while offset + LISPDataHeader.size <= min(captured, payload.count) {
            let next = try? InnerPacket(payload, from: offset + LISPDataHeader.size, captured: captured)
            let isLast = payload.count - offset <= size
            guard let next, next.length == (isLast ? payload.count - offset : size) - LISPDataHeader.size else { break }
            count += 1
            offset += size
        }
        if offset >= payload.count {
            result.packetCount = count
            let field = Field("Packets in this frame", .number(UInt64(count)))
            result.fields.append(field)
            result.fields[result.fields.count - 1].note =
                "the first is shown; the capturing host leaves it to its network card to send them one by one"
        } else {
            result.fields.append(Field("Octets behind the inner packet", .number(UInt64(payload.count - size))))
        }
    }
}
