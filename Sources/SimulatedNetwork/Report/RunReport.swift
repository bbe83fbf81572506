// What a run shows, as values: what the text says and what `lispsim run --json` writes.

import LISPTables

/// Times are in milliseconds, sizes in octets. The same seed gives the same report, except for `process`.
package struct RunReport: Codable, Equatable, Sendable {
    /// How many there were of something that has a line of its own.
    package struct Count: Codable, Equatable, Sendable, Comparable {
        package var what: String
        package var count: UInt64

        init(_ what: String, _ count: UInt64) {
            self.what = what
            self.count = count
        }

        package static func < (a: Self, b: Self) -> Bool { (b.count, a.what) < (a.count, b.what) }
    }

    /// The control messages of one type; what the mapping system passes on counts at each router that does so, what arrives twice
    /// twice. Attackers' are among those received and lost.
    package struct Messages: Codable, Equatable, Sendable {
        package var type: ControlMessageType
        package var sent: UInt64 = 0
        package var received: UInt64 = 0
        package var lost: UInt64 = 0
        /// Made or replayed by attackers.
        package var byAttackers: UInt64 = 0
        package var meanByRouter = 0.0
        package var mostByOneRouter: UInt64 = 0
        package var busiestRouter = ""
    }

    /// Percentiles of some times. None of them: nothing was measured.
    package struct Times: Codable, Equatable, Sendable {
        package var count: UInt64
        package var p50: Double?
        package var p90: Double?
        package var p99: Double?
        package var p999: Double?
        package var max: Double?

        init(_ histogram: LogLinearHistogram) {
            func milliseconds(_ share: UInt64) -> Double? {
                histogram.percentile(perHundredThousand: share).map { Double($0.nanoseconds / 1000) / 1000 }
            }
            count = histogram.count
            p50 = milliseconds(50_000)
            p90 = milliseconds(90_000)
            p99 = milliseconds(99_000)
            p999 = milliseconds(99_900)
            max = milliseconds(100_000)
        }
    }

    /// From the first packet without a mapping to the entry for it.
    package struct Resolution: Codable, Equatable, Sendable {
        package var withLocators: Times
        package var negative: Times
        /// EIDs that nobody wanted any more before there was an answer.
        package var abandoned: UInt64
    }

    /// After one kind of change.
    package struct Convergence: Codable, Equatable, Sendable {
        package var change: ChangeKind
        package var changes: UInt64
        /// Routers, or registrations, that agreed, and those that a later change overtook before.
        package var learnt: UInt64
        package var overtaken: UInt64
        /// By change: until the last of those who exchanged data with the site in the minute before agreed.
        package var untilPeersAgree: Times
        /// Until the last of all agreed, those included that wait for a TTL to end.
        package var untilAllAgree: Times
    }

    /// From what ended registrations until each was there again.
    package struct Registrations: Codable, Equatable, Sendable {
        package var after: ChangeKind
        package var times: Times
    }

    /// The largest router of one kind, at the moment when it was largest.
    package struct Memory: Codable, Equatable, Sendable {
        package var role: String
        package var router: String
        /// Estimated.
        package var octets: Int
        package var tables: NodeMemory
    }

    /// What somebody with bad intentions tried, and what came of it.
    package struct Attack: Codable, Equatable, Sendable {
        package var kind: String
        package var tried: UInt64
    }

    /// Of the process that ran it; differs from run to run.
    package struct Process: Codable, Equatable, Sendable {
        package var wallSeconds: Double
        /// VmHWM.
        package var peakResidentOctets: UInt64?

        package init(wallSeconds: Double, peakResidentOctets: UInt64?) {
            self.wallSeconds = wallSeconds
            self.peakResidentOctets = peakResidentOctets
        }
    }

    package var schema = "lispsim/1"
    package var arguments = ""
    package var hash = ""
    package var routers = 0
    package var virtualSeconds = 0.0
    package var violations: [String] = []
    package var messages: [Messages] = []
    package var datagramsLost: [Count] = []
    package var resolution = Resolution(
        withLocators: Times(LogLinearHistogram()),
        negative: Times(LogLinearHistogram()),
        abandoned: 0
    )
    package var convergence: [Convergence] = []
    /// What routers had yet to learn when the run ended.
    package var unfinishedGoals = 0
    package var registeredAgain: [Registrations] = []
    package var packetsSent: UInt64 = 0
    package var packets: [Count] = []
    /// What happened to clocks and paths, where they are not ideal.
    package var surroundings: [Count] = []
    package var attacks: [Attack] = []
    /// What the routers counted, all together.
    package var tallies: [Count] = []
    package var memory: [Memory] = []
    package var process: Process?

    package init() {}
}
