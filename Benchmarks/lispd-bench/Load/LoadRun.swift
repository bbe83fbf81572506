// One run of the load generator: rounds of making, sending and checking messages, of which only the sending is measured.

import Glibc
import LinuxNetwork

/// What a run came to. `lispd-bench load` prints it as JSON; absent fields could not be known.
struct LoadReport: Codable {
    var eids = 0
    var routers = 0
    var sent = 0
    var answered = 0
    /// Answers with something wrong, and what was wrong with the first of them.
    var wrong = 0
    var fault: String?
    /// Messages without an answer.
    var lost = 0
    /// Datagrams that answered nothing, or something a second time.
    var unexpected = 0
    /// While messages were sent and answered.
    var seconds = 0.0
    /// Answers a second.
    var rate = 0.0
    /// The sending thread's processor time.
    var ownSeconds = 0.0
    var server: Server?

    /// The process that answers.
    struct Server: Codable {
        /// Processor time of all its threads meanwhile, by their clocks, and its parts by the kernel's ticks.
        var seconds = 0.0
        var userSeconds: Double?
        var systemSeconds: Double?
        /// Microseconds of it for each message.
        var perMessage = 0.0
        /// Memory in use before and after.
        var residentBefore: Int?
        var residentAfter: Int?
        /// Datagrams that found no room in its socket.
        var drops: UInt64?
    }
}

struct LoadRun {
    /// Messages made at a time; bounds the memory that they and their answers take.
    static let roundSize = 250_000

    let population: LoadPopulation
    var count: Int
    var window: Int
    var rate: Double?
    var server: OtherProcess?
    var port: UInt16
    /// Of the run's first message; the others follow.
    var firstNonce: UInt64

    func run(_ conversation: some LoadConversation, over exchange: LoadExchange) throws -> LoadReport {
        var report = LoadReport(eids: population.eids, routers: population.routers)
        var used = OtherProcess.ProcessorTime()
        let residentBefore = server?.residentOctets
        let drops = server?.udpQueue(port: port)?.drops
        var start = 0
        while start < count {
            let numbers = start..<min(start + Self.roundSize, count)
            let firstNonce = self.firstNonce + UInt64(start)
            var messages = PreparedMessages()
            for number in numbers {
                let (payload, source) = conversation.message(number, nonce: firstNonce + UInt64(number - start))
                messages.append(payload, from: source)
            }
            var answers = CollectedAnswers(count: numbers.count, firstNonce: firstNonce)
            let before = try processorTime()
            let outcome = try exchange.run(messages, into: &answers, window: window, rate: rate)
            let after = try processorTime()
            used = used + (after - before)
            report.add(outcome, answers)
            for number in numbers {
                guard let answer = answers[number - start],
                    let fault = conversation.fault(
                        of: answer,
                        number: number,
                        nonce: firstNonce + UInt64(number - start)
                    )
                else { continue }
                report.wrong += 1
                report.fault = report.fault ?? fault
            }
            start = numbers.upperBound
        }
        report.rate = report.seconds > 0 ? Double(report.answered) / report.seconds : 0
        if let server {
            let dropsAfter = server.udpQueue(port: port)?.drops
            report.server = LoadReport.Server(
                used,
                messages: report.sent,
                residentBefore: residentBefore,
                residentAfter: server.residentOctets,
                drops: drops.flatMap { before in dropsAfter.map { $0 - before } }
            )
        }
        return report
    }

    private func processorTime() throws -> OtherProcess.ProcessorTime {
        guard let server else { return OtherProcess.ProcessorTime() }
        guard let time = server.processorTime else { throw Unexpected("there is no process \(server.pid)") }
        return time
    }

    /// Nanoseconds since 1970: greater than every nonce of every run before, so that each Map-Register is new.
    static func nonceOfNow() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

extension LoadReport {
    fileprivate mutating func add(_ outcome: LoadExchange.Outcome, _ answers: CollectedAnswers) {
        sent += outcome.sent
        answered += answers.answered
        lost += outcome.sent - answers.answered
        unexpected += answers.unexpected
        seconds += outcome.seconds
        ownSeconds += outcome.processorSeconds
    }
}

extension OtherProcess.ProcessorTime {
    static func + (a: Self, b: Self) -> Self {
        var sum = a
        sum.nanoseconds += b.nanoseconds
        sum.userTicks += b.userTicks
        sum.systemTicks += b.systemTicks
        return sum
    }

    /// What was used since `earlier`.
    static func - (later: Self, earlier: Self) -> Self {
        var difference = later
        difference.nanoseconds -= earlier.nanoseconds
        difference.userTicks -= min(later.userTicks, earlier.userTicks)
        difference.systemTicks -= min(later.systemTicks, earlier.systemTicks)
        return difference
    }
}

extension LoadReport.Server {
    init(
        _ used: OtherProcess.ProcessorTime,
        messages: Int,
        residentBefore: Int?,
        residentAfter: Int?,
        drops: UInt64?
    ) {
        seconds = Double(used.nanoseconds) / 1e9
        perMessage = messages > 0 ? seconds * 1e6 / Double(messages) : 0
        let ticks = used.userTicks + used.systemTicks
        if ticks > 0 {
            // The kernel's own sums are right, only when they are read is as coarse as a tick.
            userSeconds = seconds * Double(used.userTicks) / Double(ticks)
            systemSeconds = seconds * Double(used.systemTicks) / Double(ticks)
        }
        self.residentBefore = residentBefore
        self.residentAfter = residentAfter
        self.drops = drops
    }
}
