// A frame of a capture to the LISP message in it. UDP ports 4341 (data) and 4342 (control) make it LISP, wherever they
// stand: Map-Replies and Map-Notifies go from 4342 to whatever port the question came from.

import LISPWire

struct FrameDissector {
    let linkType: LinkType
    let keys: KeyRing
    private var reassembly = Reassembly()

    init(linkType: LinkType, keys: KeyRing) {
        self.linkType = linkType
        self.keys = keys
    }

    /// Fragments, up to now, of which no packet was made.
    var leftoverFragments: Int { reassembly.leftover }

    mutating func dissect(_ frame: CapturedFrame) -> FrameOutcome {
        do throws(Problem) {
            guard case .ip(let offset, let vlans) = try linkType.payload(of: frame) else { return .other }
            let outcome = try dissect(packet: offset, of: frame)
            return vlans.isEmpty ? outcome : outcome.tagged(vlans)
        } catch {
            return .lisp(FrameDissection(message: MessageDissection(kind: .undecoded, problem: error)))
        }
    }

    private mutating func dissect(packet offset: Int, of frame: CapturedFrame) throws(Problem) -> FrameOutcome {
        switch try IPPacketBytes(frame, from: offset).payload() {
        case .other: .other
        case .udp(let datagram): dissect(datagram, frame, reassembledFrom: [])
        case .fragment(let fragment): try dissect(fragment, frame)
        }
    }

    private mutating func dissect(_ fragment: Fragment, _ frame: CapturedFrame) throws(Problem) -> FrameOutcome {
        switch reassembly.add(fragment, frame: frame.number, isLISP: { Self.isLISP($0, $1) }) {
        case .whole(let packet, let frames):
            guard case .udp(let datagram) = try IPPacketBytes(reassembled: packet).payload() else { return .other }
            return dissect(datagram, frame, reassembledFrom: frames)
        case .waiting(isLISP: false):
            return .other
        case .waiting(isLISP: true):
            return .fragment(part(fragment, "waiting for the other fragments"))
        case .contradictory:
            return .fragment(part(fragment, "contradicts fragments before it, not reassembled"))
        }
    }

    private func part(_ fragment: Fragment, _ reason: String) -> FrameDissection {
        var message = MessageDissection(kind: .undecoded)
        message.fields = [
            Field(
                "Fragment",
                .group(
                    [
                        .told("Fragment Offset", .number(UInt64(fragment.offset))),
                        .told("More Fragments", .bool(!fragment.isLast)),
                        .told("Identification", .number(UInt64(fragment.key.identification))),
                        .told("Octets", .number(UInt64(fragment.octets.count))),
                    ],
                    line: "octets \(fragment.offset) to \(fragment.offset + fragment.octets.count - 1) of packet "
                        + "\(fragment.key.identification) from \(fragment.key.source) to \(fragment.key.destination)"
                ),
                note: reason
            )
        ]
        return FrameDissection(
            source: fragment.ports.map { Endpoint(fragment.key.source, $0.source) },
            destination: fragment.ports.map { Endpoint(fragment.key.destination, $0.destination) },
            message: message
        )
    }

    private static func isLISP(_ source: UInt16, _ destination: UInt16) -> Bool {
        [source, destination].contains { $0 == LISPPort.data || $0 == LISPPort.control }
    }

    private func dissect(_ datagram: UDPDatagram, _ frame: CapturedFrame, reassembledFrom frames: [Int]) -> FrameOutcome
    {
        let (source, destination) = (datagram.source.port, datagram.destination.port)
        guard Self.isLISP(source, destination) else { return .other }
        // The destination decides; a source port alone says it of answers.
        let isData = destination == LISPPort.data || (destination != LISPPort.control && source == LISPPort.data)
        let message =
            isData
            ? DataDissector.dissect(datagram.payload, captured: datagram.capturedCount)
            : ControlDissector.dissect(datagram.payload, captured: datagram.capturedCount, keys: keys)
        return .lisp(
            FrameDissection(
                source: datagram.source,
                destination: datagram.destination,
                outer: datagram.outer,
                isData: isData,
                checksum: datagram.checksum,
                reassembledFrom: frames,
                payloadLength: datagram.payload.count,
                capturedPayload: datagram.capturedCount,
                payloadOffset: frames.isEmpty ? datagram.payloadOffset : nil,
                message: message
            )
        )
    }
}

extension FrameOutcome {
    /// The same of a frame with these VLAN tags.
    fileprivate func tagged(_ vlans: [UInt16]) -> FrameOutcome {
        switch self {
        case .lisp(var dissection):
            dissection.vlans = vlans
            return .lisp(dissection)
        case .fragment(var dissection):
            dissection.vlans = vlans
            return .fragment(dissection)
        case .other:
            return .other
        }
    }
}
