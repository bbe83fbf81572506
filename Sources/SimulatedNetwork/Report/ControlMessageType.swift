// Control messages by what they are for: finer than by the type in their first four bits, as an operator tells them apart.

/// What a report counts messages by.
package enum ControlMessageType: String, CaseIterable, Codable, Sendable {
    /// In an Encapsulated Control Message, from an ITR or on its way through the mapping system.
    case mapRequest = "Map-Request"
    case solicitMapRequest = "Solicit-Map-Request"
    case probe = "RLOC-probe"
    case mapReply = "Map-Reply"
    case probeReply = "RLOC-probe reply"
    case mapRegister = "Map-Register"
    case mapNotify = "Map-Notify"
    case mapNotifyAck = "Map-Notify-Ack"
    case other = "other"

    /// By the type and the flags beside it (RFC 9301 sections 5.2 to 5.8).
    package init(payload: [UInt8]) {
        guard let first = payload.first else {
            self = .other
            return
        }
        self =
            switch first >> 4 {
            case 1: first & 0b10 != 0 ? .probe : first & 0b1 != 0 ? .solicitMapRequest : .mapRequest
            case 2: first & 0b1000 != 0 ? .probeReply : .mapReply
            case 3: .mapRegister
            case 4: .mapNotify
            case 5: .mapNotifyAck
            case 8: .mapRequest
            default: .other
            }
    }

    /// Its place among all.
    var place: Int {
        switch self {
        case .mapRequest: 0
        case .solicitMapRequest: 1
        case .probe: 2
        case .mapReply: 3
        case .probeReply: 4
        case .mapRegister: 5
        case .mapNotify: 6
        case .mapNotifyAck: 7
        case .other: 8
        }
    }
}

/// Messages of each type, by router: two numbers for each, however long a run lasts.
struct MessageCounts {
    private static let types = ControlMessageType.allCases.count

    private var sent: [UInt64] = []
    private var received: [UInt64] = []
    private var lost = Array(repeating: UInt64(0), count: Self.types)
    private var forged = Array(repeating: UInt64(0), count: Self.types)

    mutating func sent(_ payload: [UInt8], by router: Int) { Self.add(&sent, payload, router) }
    mutating func received(_ payload: [UInt8], by router: Int) { Self.add(&received, payload, router) }
    mutating func lost(_ payload: [UInt8]) { lost[ControlMessageType(payload: payload).place] += 1 }
    mutating func forged(_ payload: [UInt8]) { forged[ControlMessageType(payload: payload).place] += 1 }

    private static func add(_ counts: inout [UInt64], _ payload: [UInt8], _ router: Int) {
        let place = router * types + ControlMessageType(payload: payload).place
        if place >= counts.count { counts += Array(repeating: 0, count: (router + 1) * types - counts.count) }
        counts[place] += 1
    }

    /// - Parameter names: of all routers, by index.
    func lines(_ names: [String]) -> [RunReport.Messages] {
        ControlMessageType.allCases.compactMap { type in
            func by(_ router: Int, _ counts: [UInt64]) -> UInt64 {
                let place = router * Self.types + type.place
                return place < counts.count ? counts[place] : 0
            }
            var line = RunReport.Messages(type: type)
            for (router, name) in names.enumerated() {
                let own = by(router, sent)
                line.sent += own
                line.received += by(router, received)
                if own > line.mostByOneRouter { (line.mostByOneRouter, line.busiestRouter) = (own, name) }
            }
            line.lost = lost[type.place]
            line.byAttackers = forged[type.place]
            line.meanByRouter = names.isEmpty ? 0 : Double(line.sent) / Double(names.count)
            return line.sent + line.received + line.byAttackers > 0 ? line : nil
        }
    }
}
