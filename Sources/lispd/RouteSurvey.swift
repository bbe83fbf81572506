// Which of our EID-prefixes does the host have a route into? Its main table may hold a million routes, so it is read off the
// control loop, and seldom.

import HostRouting
import LISPTables
import LISPWire
import LinuxNetwork
import NIOPosix

/// Reads the hosts' main tables, one question at a time. An answer serves everyone who asks the same within a second.
actor RouteSurvey {
    /// EID-prefixes by the network namespace that their hosts are in.
    typealias Question = [HostSpace: Set<EIDPrefix>]

    private struct Reading {
        let question: Question
        let answer: Task<Set<EIDPrefix>, any Error>
        var ended: Instant?
    }

    /// Why a question is not taken; one line.
    struct Overload: Error, CustomStringConvertible {
        var description: String { "\(RouteSurvey.pendingLimit) readings are pending: try again later" }
    }

    private static let lifetime = 1_000_000_000
    /// Readings under way or waiting for their turn: each may take seconds, and goes on although nobody waits for it.
    private static let pendingLimit = 8
    private var last: Reading?
    private var pending = 0

    /// Those that a route other than ours and other than a default route overlaps.
    ///
    /// - Throws: `Overload`, or what the kernel says.
    func routed(_ question: Question) async throws -> Set<EIDPrefix> {
        if let last, last.question == question,
            last.ended.map({ $0.duration(to: SystemClock.now).nanoseconds < Self.lifetime }) ?? true
        {
            return try await last.answer.value
        }
        guard pending < Self.pendingLimit else { throw Overload() }
        pending += 1
        defer { pending -= 1 }
        let before = last?.answer
        let answer = Task {
            _ = try? await before?.value
            return try await NIOThreadPool.singleton.runIfActive { try Self.read(question) }
        }
        last = Reading(question: question, answer: answer)
        defer { if last?.answer == answer { last?.ended = SystemClock.now } }
        return try await answer.value
    }

    private static func read(_ question: Question) throws -> Set<EIDPrefix> {
        var routed: Set<EIDPrefix> = []
        for (space, prefixes) in question where !prefixes.isEmpty {
            let routes = RouteOverlap(try destinations(in: space))
            routed.formUnion(prefixes.filter { routes.contains($0.prefix) })
        }
        return routed
    }

    private static func destinations(in space: HostSpace) throws -> [IPPrefix] {
        let socket: NetlinkSocket =
            switch space {
            case .main: try NetlinkSocket()
            case .tenant(let name): try withNetworkNamespace(name) { try NetlinkSocket() }
            }
        return try socket.destinations(table: HostNumbers.Table.main)
    }
}
