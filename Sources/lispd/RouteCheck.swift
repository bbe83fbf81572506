// Whether this host has a route to an address, for objects that tell unreachable from down. The kernel is asked once a second for each.

import LISPTables
import LISPWire
import LinuxNetwork

/// Used by the control loop only.
final class RouteCheck {
    private static let lifetime = Duration.seconds(1)
    /// Answers that are kept.
    private static let limit = 10_000

    private var answers: [IPAddress: (isThere: Bool, at: Instant)] = [:]

    /// `true` if it cannot be found out.
    func hasRoute(to address: IPAddress, now: Instant) -> Bool {
        if let answer = answers[address], answer.at + Self.lifetime > now { return answer.isThere }
        let isThere = Self.ask(address)
        if answers.count >= Self.limit { answers.removeAll(keepingCapacity: true) }
        answers[address] = (isThere, now)
        return isThere
    }

    private static func ask(_ address: IPAddress) -> Bool {
        guard let socket = try? UDPSocket(family: address.family) else { return true }
        return (try? socket.source(towards: Endpoint(address, LISPPort.data))) != nil
    }
}
