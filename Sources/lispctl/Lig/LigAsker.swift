// One question of lig, put to Map-Resolvers until one answers.

import LISPWire

/// What came of a question.
struct LigResult {
    enum Outcome: Int, Comparable {
        case answered
        case negative
        case mismatch
        case none
        case interrupted

        static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

        /// In JSON.
        var name: String {
            switch self {
            case .answered: "answered"
            case .negative: "negative"
            case .mismatch: "mismatch"
            case .none: "none"
            case .interrupted: "interrupted"
            }
        }

        var exitStatus: Int32 {
            switch self {
            case .answered: 0
            case .none: 1
            case .negative: 2
            case .mismatch: 3
            // 128 + SIGINT, as shells say it.
            case .interrupted: 130
            }
        }
    }

    /// The questions to one Map-Resolver.
    struct Attempt {
        var mapResolver: IPAddress
        var sent = 0
        /// Why it was given up early: one line.
        var problem: String?
    }

    var target: LigTarget
    var attempts: [Attempt] = []
    var answer: LigAnswer?
    var wasInterrupted = false
    /// How the answer compares with what this router registers.
    var verification: LigVerification?

    var outcome: Outcome {
        guard let answer else { return wasInterrupted ? .interrupted : .none }
        if let verification, !verification.matches { return .mismatch }
        return answer.records[0].locators.isEmpty ? .negative : .answered
    }
}

struct LigAsker {
    /// Before the next question (RFC 6835 section 4.2).
    static let patience = Duration.seconds(2)

    var target: LigTarget
    var sourceEID: IPAddress?
    /// How often each Map-Resolver is asked.
    var count: Int
    var interrupt: Interrupt
    /// Whether to tell of each step on standard output.
    var says: Bool

    /// - Throws: what no other Map-Resolver can do better: a failure of this host.
    func ask(_ resolvers: [IPAddress]) throws -> LigResult {
        var result = LigResult(target: target)
        var refusals = 0
        var refusal: CommandFailure?
        for resolver in resolvers where result.answer == nil && !result.wasInterrupted {
            do throws(CommandFailure) {
                try ask(resolver, &result)
            } catch {
                guard error.status == .unavailable || error.status == .noPermission else { throw error }
                refusals += 1
                refusal = refusal ?? error
                if resolvers.count > 1 { try say("*** \(error.reason) ***") }
                if result.attempts.last?.mapResolver != resolver {
                    result.attempts.append(LigResult.Attempt(mapResolver: resolver))
                }
                result.attempts[result.attempts.count - 1].problem = error.reason
            }
        }
        // No message has left: that is no answer of the mapping system.
        if refusals == resolvers.count, let refusal { throw refusal }
        return result
    }

    /// Asks up to `count` times, each time with a nonce of its own.
    private func ask(_ resolver: IPAddress, _ result: inout LigResult) throws(CommandFailure) {
        let destination = Endpoint(resolver, 4342)
        let socket = try LigSocket(towards: destination)
        result.attempts.append(LigResult.Attempt(mapResolver: resolver))
        var questions: [(question: LigQuestion, sent: ContinuousClock.Instant)] = []
        for _ in 1...count {
            let nonce = Nonce(rawValue: .random(in: .min ... .max))
            let question = LigQuestion(eid: target.eid, sourceEID: sourceEID, local: socket.local, nonce: nonce)
            try say("Send \(target.isSelf ? "loopback " : "")map-request to \(resolver) for \(target.eid) ...")
            questions.append((question, .now))
            try socket.send(question.message, to: destination)
            result.attempts[result.attempts.count - 1].sent += 1
            let deadline = ContinuousClock.now + Self.patience
            waiting: while true {
                switch socket.receive(until: deadline, interrupt) {
                case .datagram(let bytes, let source):
                    guard let answer = Self.answer(in: bytes, from: source, to: questions) else { continue waiting }
                    result.answer = answer
                    return
                case .error(let words):
                    result.attempts[result.attempts.count - 1].problem = words
                    return try say("*** \(resolver): \(words) ***")
                case .interrupted:
                    result.wasInterrupted = true
                    return
                case .nothing: break waiting
                }
            }
        }
        try say("*** No map-reply received from \(resolver) ***")
    }

    private static func answer(
        in bytes: [UInt8],
        from source: IPAddress,
        to questions: [(question: LigQuestion, sent: ContinuousClock.Instant)]
    ) -> LigAnswer? {
        for (index, entry) in questions.enumerated() {
            guard let records = entry.question.answer(in: bytes) else { continue }
            let (seconds, attoseconds) = (ContinuousClock.now - entry.sent).components
            return LigAnswer(
                records: records,
                source: source,
                roundTripMicroseconds: UInt64(seconds * 1_000_000 + attoseconds / 1_000_000_000_000),
                attempt: index + 1
            )
        }
        return nil
    }

    private func say(_ line: String) throws(CommandFailure) {
        if says { try writeText(line + "\n") }
    }
}
