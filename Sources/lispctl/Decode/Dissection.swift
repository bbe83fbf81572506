// What is made of one frame, before anybody renders it.

import ArgumentParser
import LISPWire

/// What a LISP packet is, for counting and for `--type`.
enum MessageKind: String, CaseIterable, Comparable {
    case data
    case mapRequest = "map-request"
    case mapReply = "map-reply"
    case mapRegister = "map-register"
    case mapNotify = "map-notify"
    case mapNotifyAck = "map-notify-ack"
    case mapReferral = "map-referral"
    case infoRequest = "info-request"
    case infoReply = "info-reply"
    case encapsulated = "ecm"
    case sharedExtension = "shared-extension"
    /// What does not decode, and fragments that no packet was made of.
    case undecoded

    /// As the RFC writes it.
    var name: String {
        switch self {
        case .data: "Data"
        case .mapRequest: MessageType.mapRequest.name
        case .mapReply: MessageType.mapReply.name
        case .mapRegister: MessageType.mapRegister.name
        case .mapNotify: MessageType.mapNotify.name
        case .mapNotifyAck: MessageType.mapNotifyAck.name
        case .mapReferral: MessageType.mapReferral.name
        case .infoRequest: "Info-Request"
        case .infoReply: "Info-Reply"
        case .encapsulated: MessageType.encapsulatedControlMessage.name
        case .sharedExtension: MessageType.sharedExtension.name
        case .undecoded: "Not decoded"
        }
    }

    static func < (a: Self, b: Self) -> Bool {
        (allCases.firstIndex(of: a) ?? 0) < (allCases.firstIndex(of: b) ?? 0)
    }
}

extension MessageKind: ExpressibleByArgument {}

extension MessageType {
    /// As the RFC writes it; type 7 is two messages.
    var name: String {
        switch self {
        case .mapRequest: "Map-Request"
        case .mapReply: "Map-Reply"
        case .mapRegister: "Map-Register"
        case .mapNotify: "Map-Notify"
        case .mapNotifyAck: "Map-Notify-Ack"
        case .mapReferral: "Map-Referral"
        case .info: "Info"
        case .encapsulatedControlMessage: "ECM"
        case .sharedExtension: "Shared extension"
        }
    }
}

/// A control message or a data packet, taken apart as far as it could be.
struct MessageDissection {
    var kind: MessageKind
    /// What the message is for, if its flags say so: `RLOC-probe`, `negative`.
    var purpose: [String] = []
    var fields: [Field] = []
    /// What an Encapsulated Control Message holds.
    var inner: MessageKind?
    /// Of the message or of the one it holds.
    var verdict: KeyRing.Verdict?
    var problem: Problem?
    /// Packets that one frame holds: more than 1 if the capturing host was about to cut it up.
    var packetCount = 1
}

/// One frame of a capture that has to do with LISP.
struct FrameDissection {
    /// Of its tags, outermost first.
    var vlans: [UInt16] = []
    /// Who sent it to whom; `nil` if it does not decode so far.
    var source: Endpoint?
    var destination: Endpoint?
    /// Hops left, DSCP and ECN of the outer IP header.
    var outer: OuterHeader?
    /// A data packet by its ports, decoded or not.
    var isData = false
    var checksum: UDPChecksum?
    /// The frames that the fragments of this packet came in.
    var reassembledFrom: [Int] = []
    /// Octets of UDP payload on the wire, and how many of them the capture has.
    var payloadLength: Int?
    var capturedPayload: Int?
    /// From the start of the frame to the UDP payload; `nil` for a reassembled packet.
    var payloadOffset: Int?
    var message: MessageDissection
}

struct OuterHeader: Equatable {
    var ttl: UInt8
    var trafficClass: UInt8
}

/// What a frame is.
enum FrameOutcome {
    case lisp(FrameDissection)
    /// A part of a packet with LISP ports, or a part that contradicts others.
    case fragment(FrameDissection)
    /// Nothing of ours.
    case other
}
