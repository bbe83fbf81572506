// A subagent for the interoperability tests: rows that refuse a SET, fail to commit it or to undo it as its value says, a table as
// long as wanted, and notifications. Several of them can share the first table, each with rows of its own.
//
//     .1.1   testEntry     INDEX { testIndex }
//              2 testNumber   INTEGER (0..100)               read-write
//              3 testText     OCTET STRING (SIZE (0..32))    read-write; see `Behaviour`
//              4 testChanges  Counter32                      read-only
//     .2.1   longEntry     INDEX { longIndex }, --long rows
//              1 longSquare   Counter64
//              2 longName     OCTET STRING
//              3 longOdd      TruthValue; in odd rows only
//     .3     testLimit     Gauge32 (1..1000), read-write
//     .4     testUpTime    TimeStamp: the master's sysUpTime when this process began
//     .0.1   testTick      notification with testTicks
//     .5     testTicks     Counter32

import AgentX
import ArgumentParser
import Foundation
import NIOCore
import NIOPosix

/// What a testText does when it is set.
private enum Behaviour: String {
    /// The test fails.
    case refuse
    /// The commit fails.
    case fail
    /// The undo fails.
    case stay
}

@main
struct TestAgent: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agentx-test-agent",
        abstract: "A subagent that does what tests of masters and managers need."
    )

    @Option(help: "Where the master listens: a path, or tcp:HOST:PORT.")
    var master = MasterAddress.standard

    @Option(help: "The rows of the first table, as FIRST-LAST.")
    var rows = RowRange(first: 1, last: 3)

    @Option(help: "The rows of the second table.")
    var long: UInt32 = 0

    @Option(help: "Milliseconds between notifications; 0 for none.")
    var tick: Int64 = 0

    @Option(help: "The context that everything is in.")
    var context: String?

    @Option(help: "What the master knows it by.")
    var name = "agentx-test-agent"

    @Option(help: "Seconds that the master may be silent, and take to answer.")
    var patience: Int64?

    @Option(help: "Indices of longEntry to have the master allocate in the first session.")
    var allocate = 0

    @Flag(help: "Sends numbers in the other byte order than this host's.")
    var swapped = false

    @Flag(help: "Registers each row of the first table by itself, and nothing else.")
    var rowsOnly = false

    @Flag(help: "Lists what it can do in the master's sysORTable.")
    var capabilities = false

    @Flag(help: "Prints its statistics every second.")
    var report = false

    func run() async throws {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let agent = try await eventLoop.submit {
            let agent = Agent(self, eventLoop)
            agent.client.start()
            agent.schedule(eventLoop)
            return NIOLoopBound(agent, eventLoop: eventLoop)
        }.get()
        signal(SIGTERM, SIG_IGN)
        let signals = DispatchSource.makeSignalSource(signal: SIGTERM)
        let terminated = AsyncStream<Void> { continuation in
            signals.setEventHandler { continuation.finish() }
            signals.resume()
        }
        for await _ in terminated {}
        let stopped = eventLoop.makePromise(of: Void.self)
        eventLoop.execute { agent.value.client.stop(promise: stopped) }
        try await stopped.futureResult.get()
    }
}

/// A line of `--report`.
private struct Report: Encodable {
    var statistics: AgentXStatistics
    var longestSliceMicroseconds: Double
}

/// The rows and what is done to them. Everything happens on the event loop.
private final class Agent {
    static let root: OID = "1.3.6.1.4.1.8072.9999.9999.2741"
    private static let entry = root + [1, 1]

    struct Row {
        var number: Int32
        var text: [UInt8]
        var changes: UInt32
    }

    private let options: TestAgent
    private let rows = SortedRows<UInt32, Row>()
    private var limit: UInt32 = 100
    private var ticks: UInt32 = 0
    private var hasAllocated = false
    private let started = ContinuousClock.now
    private(set) var client: AgentXClient!

    init(_ options: TestAgent, _ eventLoop: any EventLoop) {
        self.options = options
        for row in options.rows.first...options.rows.last { rows[row] = Row(number: 0, text: [], changes: 0) }
        var settings = AgentXSettings(description: options.name)
        settings.id = Self.root
        if options.swapped { settings.byteOrder = ByteOrder.host == .network ? .littleEndian : .network }
        if let patience = options.patience {
            settings.pingInterval = .seconds(patience)
            settings.responseTimeout = .seconds(patience)
        }
        client = AgentXClient(master: options.master, settings: settings, modules: [module], eventLoop: eventLoop) {
            event in
            say("\(event)")
            if event == .opened { self.allocate() }
        }
    }

    private var module: MIBModule {
        let count = options.long
        let long = IndexedRows<UInt32, UInt32>(
            at: { $0 >= 1 && $0 <= count ? $0 : nil },
            next: { start in
                let next: UInt32 =
                    switch start {
                    case .first: 1
                    case .atLeast(let index): max(index, 1)
                    case .after(let index): index < count ? index + 1 : UInt32.max
                    }
                return next <= count ? (next, next) : nil
            }
        )
        let ownRows = (options.rows.first...options.rows.last).map { row in
            // Columns 2 to 4 of one row.
            Registration(
                Self.entry + [2, row],
                range: Registration.Range(position: UInt8(Self.entry.count + 1), upperBound: 4)
            )
        }
        return MIBModule(
            "AGENTX-TEST-MIB",
            at: Self.root,
            context: options.context.map { Array($0.utf8) },
            registrations: options.rowsOnly ? ownRows : nil,
            capabilities: options.capabilities ? [AgentCapabilities(Self.root + [6], "what tests need")] : []
        ) {
            Table("testEntry", at: Self.entry, rows: rows, set: set) {
                Column(2, "testNumber", writable: .integer(0...100)) { .integer($0.number) }
                Column(3, "testText", writable: .octetString(0...32)) { .octetString($0.text) }
                Column(4, "testChanges") { .counter32($0.changes) }
            }
            Table("longEntry", at: Self.root + [2, 1], rows: long) {
                Column(1, "longSquare") { .counter64(UInt64($0) * UInt64($0)) }
                Column(2, "longName") { .octetString("row \($0)") }
                Column(3, "longOdd") { $0 % 2 == 1 ? .truth(true) : nil }
            }
            Scalar("testLimit", at: Self.root + [3], writable: .gauge32(1...1000), set: setLimit) {
                .gauge32(self.limit)
            }
            Scalar("testUpTime", at: Self.root + [4]) { .timeTicks(self.client.sysUpTime(ago: .now - self.started)) }
            Scalar("testTicks", at: Self.root + [5]) { .counter32(self.ticks) }
        }
    }

    private func set(_ change: RowChange<Row>) throws(SetFailure) -> Change {
        guard let index = UInt32(suffix: change.index), let old = change.row else { throw SetFailure(.noCreation) }
        var new = old
        new.changes += 1
        if case .integer(let number)? = change.values[2] { new.number = number }
        if case .octetString(let text)? = change.values[3] { new.text = text }
        let behaviour = Behaviour(rawValue: String(decoding: new.text, as: UTF8.self))
        if behaviour == .refuse { throw SetFailure(.inconsistentValue, column: 3) }
        return Change(
            commit: { () throws(SetFailure) in
                if behaviour == .fail { throw SetFailure(.commitFailed) }
                self.rows[index] = new
            },
            undo: { () throws(SetFailure) in
                if behaviour == .stay { throw SetFailure(.undoFailed) }
                self.rows[index] = old
            }
        )
    }

    private func setLimit(_ value: VariableValue) throws(SetFailure) -> Change {
        guard case .gauge32(let new) = value else { throw SetFailure(.wrongType) }
        let old = limit
        return Change(commit: { self.limit = new }, undo: { self.limit = old })
    }

    func schedule(_ eventLoop: any EventLoop) {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        if options.tick > 0 {
            eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(options.tick)) { _ in
                bound.value.notify()
            }
        }
        if options.report {
            eventLoop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in
                bound.value.printReport()
            }
        }
    }

    /// Once: what was allocated is asked for again by itself.
    private func allocate() {
        guard !hasAllocated else { return }
        hasAllocated = true
        for _ in 0..<options.allocate {
            client.allocate(.new, [VarBind(Self.root + [2, 1, 9], .integer(0))]) { say("allocated \($0)") }
        }
    }

    private func notify() {
        ticks += 1
        client.notify(Self.root + [0, 1], [VarBind(Self.root + [5, 0], .counter32(ticks))])
    }

    private func printReport() {
        let report = Report(
            statistics: client.statistics,
            longestSliceMicroseconds: client.longestSlice / .microseconds(1)
        )
        if let json = try? JSONEncoder().encode(report) { say("report " + String(decoding: json, as: UTF8.self)) }
    }
}

/// At once, so that whoever reads a log reads it whole.
private func say(_ line: String) {
    FileHandle.standardOutput.write(Data((line + "\n").utf8))
}

extension MasterAddress: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
    public var defaultValueDescription: String { description }
}

/// Rows, as `1-3`.
struct RowRange: ExpressibleByArgument {
    var first: UInt32
    var last: UInt32

    init(first: UInt32, last: UInt32) {
        self.first = first
        self.last = last
    }

    init?(argument: String) {
        let parts = argument.split(separator: "-").compactMap { UInt32($0) }
        guard parts.count == 2, parts[0] <= parts[1], parts[1] - parts[0] < 10_000 else { return nil }
        self.init(first: parts[0], last: parts[1])
    }

    var defaultValueDescription: String { "\(first)-\(last)" }
}
