// The client on a real event loop, with a master that is a socket and does as it is told.

import Foundation
import NIOCore
import NIOPosix
import TestRandomness
import Testing

@testable import AgentX

/// A master on a UNIX socket. It accepts every session and registration, and keeps everything that comes.
private final class SocketMaster: Sendable {
    let path: String
    let group: MultiThreadedEventLoopGroup
    private let eventLoop: any EventLoop
    private let state: NIOLoopBoundBox<State>

    struct State {
        var server: (any Channel)?
        var channels: [any Channel] = []
        var received: [PDU] = []
        var malformed = 0
        /// Whether it answers, and reads.
        var answers = true
        var reads = true
    }

    init(_ group: MultiThreadedEventLoopGroup) {
        self.group = group
        eventLoop = group.next()
        state = NIOLoopBoundBox.makeBoxSendingValue(State(), eventLoop: eventLoop)
        path = "/tmp/agentx-test-\(UInt64.random(in: 0 ... .max))"
    }

    func listen() async throws {
        let state = state
        let server = try await ServerBootstrap(group: eventLoop)
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    state.value.channels.append(channel)
                    try channel.pipeline.syncOperations.addHandler(Handler(state))
                }
            }
            .bind(unixDomainSocketPath: path).get()
        try await eventLoop.submit { state.value.server = server }.get()
    }

    /// Ends every connection, and listens no more.
    func end() async throws {
        let state = state
        let channels = try await eventLoop.submit {
            defer {
                state.value.channels = []
                state.value.server = nil
            }
            return state.value.channels + [state.value.server].compactMap { $0 }
        }.get()
        for channel in channels { try? await channel.close().get() }
        try? FileManager.default.removeItem(atPath: path)
    }

    func change(_ change: @escaping @Sendable (inout State) -> Void) async throws {
        let state = state
        try await eventLoop.submit {
            change(&state.value)
            if state.value.reads { for channel in state.value.channels { channel.read() } }
        }.get()
    }

    func received() async throws -> [PDU] {
        let state = state
        return try await eventLoop.submit { state.value.received }.get()
    }

    /// Sends to the newest connection.
    func send(_ octets: [UInt8]) async throws {
        let state = state
        try await eventLoop.submit {
            guard let channel = state.value.channels.last else { return }
            channel.writeAndFlush(channel.allocator.buffer(bytes: octets), promise: nil)
        }.get()
    }

    /// Waits until what was received is as wanted.
    func wait(_ what: String, _ condition: ([PDU]) -> Bool) async throws {
        for _ in 0..<1000 {
            if condition(try await received()) { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("waited in vain until \(what)")
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let state: NIOLoopBoundBox<State>
        private var octets: [UInt8] = []

        init(_ state: NIOLoopBoundBox<State>) { self.state = state }

        func channelActive(context: ChannelHandlerContext) { context.read() }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            octets += Array(unwrapInboundIn(data).readableBytesView)
            var start = 0
            while octets.count - start >= 20 {
                guard let header = try? PDUHeader(octets, at: start) else {
                    state.value.malformed += 1
                    return context.close(promise: nil)
                }
                let end = start + 20 + header.payloadLength
                guard end <= octets.count else { break }
                guard let pdu = try? PDU(Array(octets[start..<end])) else {
                    state.value.malformed += 1
                    return context.close(promise: nil)
                }
                start = end
                state.value.received.append(pdu)
                if case .response = pdu.body { continue }
                guard state.value.answers else { continue }
                let answer = PDU(
                    .response(PDU.Response(sysUpTime: 1)),
                    sessionID: 3,
                    packetID: pdu.packetID,
                    order: pdu.order
                )
                context.writeAndFlush(NIOAny(context.channel.allocator.buffer(bytes: answer.octets)), promise: nil)
            }
            octets.removeFirst(start)
        }

        func channelReadComplete(context: ChannelHandlerContext) {
            if state.value.reads { context.read() }
        }
    }
}

@Suite(.serialized) struct AgentXClientTests {
    static let entry: OID = "1.3.6.1.4.1.8072.9999.1.1.1"

    /// A table that is computed, of any number of rows.
    static func module(rows count: UInt32, value: @escaping @Sendable (UInt32) -> VariableValue = { .gauge32($0) })
        -> MIBModule
    {
        let rows = IndexedRows<UInt32, UInt32>(
            at: { $0 < count ? $0 : nil },
            next: { start in
                let next: UInt32 =
                    switch start {
                    case .first: 0
                    case .atLeast(let index): index
                    case .after(let index): index &+ 1
                    }
                return next < count ? (next, next) : nil
            }
        )
        return MIBModule("TEST-MIB", at: "1.3.6.1.4.1.8072.9999.1") {
            Table("entry", at: entry, rows: rows) {
                for column in 1...4 as ClosedRange<UInt32> { Column(column, "c\(column)") { value($0) } }
            }
        }
    }

    /// A client on a loop of its own, for the time of a test.
    private static func withClient(
        rows: UInt32 = 100,
        value: @escaping @Sendable (UInt32) -> VariableValue = { .gauge32($0) },
        settings change: @escaping @Sendable (inout AgentXSettings) -> Void = { _ in },
        _ body: (SocketMaster, any EventLoop, NIOLoopBound<AgentXClient>) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let eventLoop = group.next()
        let master = SocketMaster(group)
        let client = try await eventLoop.submit {
            var settings = AgentXSettings(description: "test")
            settings.firstRetry = .milliseconds(50)
            settings.longestRetry = .milliseconds(100)
            change(&settings)
            let client = AgentXClient(
                master: .unix(master.path),
                settings: settings,
                modules: [module(rows: rows, value: value)],
                eventLoop: eventLoop
            )
            client.start()
            return NIOLoopBound(client, eventLoop: eventLoop)
        }.get()
        try await body(master, eventLoop, client)
        let promise = eventLoop.makePromise(of: Void.self)
        eventLoop.execute { client.value.stop(promise: promise) }
        try await promise.futureResult.get()
        try await master.end()
        try await group.shutdownGracefully()
    }

    private static func isRegistered(_ received: [PDU], times: Int = 1) -> Bool {
        received.filter { if case .register = $0.body { true } else { false } }.count >= times
    }

    private static func responses(_ received: [PDU]) -> [PDU.Response] {
        received.compactMap { if case .response(let response) = $0.body { response } else { nil } }
    }

    @Test func `finds a master that starts later, and one that comes back, and registers with each`() async throws {
        try await Self.withClient { master, eventLoop, client in
            try await Task.sleep(for: .milliseconds(200))
            #expect(try await eventLoop.submit { client.value.statistics.lastError }.get()?.isEmpty == false)
            for round in 1...3 {
                try await master.listen()
                try await master.wait("it has registered") { Self.isRegistered($0, times: round) }
                try await master.end()
            }
            #expect(try await eventLoop.submit { client.value.statistics.sessionsOpened }.get() == 3)
        }
    }

    @Test func `loses no notification over three ends of the master`() async throws {
        try await Self.withClient { master, eventLoop, client in
            for round in 0..<3 {
                try await eventLoop.submit {
                    for number in 0..<50 as Range<UInt32> {
                        client.value.notify([1, 3], [VarBind([1, 3], .gauge32(UInt32(round) * 50 + number))])
                    }
                }.get()
                try await master.listen()
                try await master.wait("all have come") { received in
                    let numbers = received.compactMap { pdu -> UInt32? in
                        guard case .notify(let variables) = pdu.body, case .gauge32(let number) = variables[1].value
                        else {
                            return nil
                        }
                        return number
                    }
                    return Set(numbers) == Set(0..<UInt32(round + 1) * 50)
                }
                try await master.end()
            }
            let statistics = try await eventLoop.submit { client.value.statistics }.get()
            #expect(statistics.notificationsLost == 0)
        }
    }

    @Test func `says good-bye when stopped`() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let master = SocketMaster(group)
        try await master.listen()
        try await Self.withClientAt(master, group) { eventLoop, client in
            try await master.wait("it has registered") { Self.isRegistered($0) }
        }
        try await master.wait("it has said good-bye") { $0.last?.body == .close(.shutdown) }
        try await master.end()
        try await group.shutdownGracefully()
    }

    private static func withClientAt(
        _ master: SocketMaster,
        _ group: MultiThreadedEventLoopGroup,
        _ body: (any EventLoop, NIOLoopBound<AgentXClient>) async throws -> Void
    ) async throws {
        let eventLoop = group.next()
        let client = try await eventLoop.submit {
            let client = AgentXClient(
                master: .unix(master.path),
                settings: AgentXSettings(description: "test"),
                modules: [module(rows: 3)],
                eventLoop: eventLoop
            )
            client.start()
            return NIOLoopBound(client, eventLoop: eventLoop)
        }.get()
        try await body(eventLoop, client)
        let promise = eventLoop.makePromise(of: Void.self)
        eventLoop.execute { client.value.stop(promise: promise) }
        try await promise.futureResult.get()
    }

    @Test func `a large GetBulk leaves the loop to others every millisecond`() async throws {
        // Each row takes 20 us, so the whole takes a hundred times what a slice may.
        let slow: @Sendable (UInt32) -> VariableValue = { row in
            let end = ContinuousClock.now + .microseconds(20)
            while ContinuousClock.now < end {}
            return .gauge32(row)
        }
        try await Self.withClient(rows: 100_000, value: slow, settings: { $0.bulkLimit = 200_000 }) {
            master,
            eventLoop,
            client in
            try await master.listen()
            try await master.wait("it has registered") { Self.isRegistered($0) }
            let ticks = NIOLoopBoundBox.makeBoxSendingValue(0, eventLoop: eventLoop)
            let ticking = eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(1)) { _ in
                ticks.value += 1
            }
            let bulk = PDU.Body.getBulk(nonRepeaters: 0, maxRepetitions: 3000, [SearchRange(Self.entry)])
            try await master.send(PDU(bulk, sessionID: 3, packetID: 9).octets)
            try await master.wait("the answer is there") { !Self.responses($0).isEmpty }
            ticking.cancel()
            let answer = Self.responses(try await master.received())[0]
            #expect(answer.variables.count == 3000)
            // 3000 rows take 60 ms. The loop ticked meanwhile; had it been held up, it would not have.
            let seen = try await eventLoop.submit { ticks.value }.get()
            #expect(seen >= 20, "\(seen) ticks")
        }
    }

    @Test func `an actor on the loop serves its own state, and is asked in the middle of a request`() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let master = SocketMaster(group)
        try await master.listen()
        let owner = Owner(group.next())
        await owner.start(master.path)
        try await master.wait("it has registered") { Self.isRegistered($0) }
        await owner.add(7, "seven")
        let get = PDU.Body.get([[1, 7], [2, 7], [1, 8]].map { SearchRange(Self.entry + $0) })
        try await master.send(PDU(get, sessionID: 3, packetID: 1).octets)
        try await master.wait("the answer is there") { !Self.responses($0).isEmpty }
        let values = Self.responses(try await master.received())[0].variables.map(\.value)
        #expect(values[0] == .octetString("seven") && values[2] == .noSuchInstance)
        guard case .timeTicks(let ticks) = values[1] else {
            Issue.record("no time")
            return
        }
        // The master said 1 at the start.
        #expect(ticks >= 1 && ticks < 6000)
        try await master.wait("the notification is there") { received in
            received.contains { if case .notify = $0.body { true } else { false } }
        }
        await owner.stop()
        try await master.end()
        try await group.shutdownGracefully()
    }

    /// What a daemon's control loop looks like.
    private actor Owner {
        nonisolated let eventLoop: any EventLoop
        nonisolated var unownedExecutor: UnownedSerialExecutor { eventLoop.executor.asUnownedSerialExecutor() }
        private var names: [UInt32: String] = [:]
        private var client: AgentXClient?

        init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

        func start(_ path: String) {
            let rows = IndexedRows<UInt32, String>(at: { self.names[$0] }, next: { _ in nil })
            let module = MIBModule("TEST-MIB", at: AgentXClientTests.entry) {
                Table("entry", at: AgentXClientTests.entry, rows: rows) {
                    Column(1, "name") { .octetString($0) }
                    Column(2, "time") { _ in
                        self.client?.notify([1, 3, 6])
                        return .timeTicks(self.client?.sysUpTime() ?? 0)
                    }
                }
            }
            let settings = AgentXSettings(description: "owner")
            client = AgentXClient(master: .unix(path), settings: settings, modules: [module], eventLoop: eventLoop)
            client?.start()
        }

        func add(_ index: UInt32, _ name: String) { names[index] = name }

        func stop() { client?.stop() }
    }

    @Test func `many requests at once are answered in order, and leave the loop to others`() async throws {
        try await Self.withClient(rows: 1000) { master, eventLoop, client in
            try await master.listen()
            try await master.wait("it has registered") { Self.isRegistered($0) }
            let bulk = PDU.Body.getBulk(nonRepeaters: 0, maxRepetitions: 500, [SearchRange(Self.entry)])
            let requests = (0..<60 as Range<UInt32>).flatMap { PDU(bulk, sessionID: 3, packetID: $0).octets }
            try await master.send(requests)
            try await master.wait("all answers are there") { Self.responses($0).count == 60 }
            let packets = try await master.received().compactMap { pdu -> UInt32? in
                if case .response = pdu.body { pdu.packetID } else { nil }
            }
            #expect(packets == Array(0..<60))
        }
    }

    @Test func `a master that does not read is given up, and what waits for it stays bounded`() async throws {
        try await Self.withClient(rows: 1000, settings: { $0.responseTimeout = .milliseconds(600) }) {
            master,
            eventLoop,
            client in
            try await master.listen()
            try await master.wait("it has registered") { Self.isRegistered($0) }
            try await master.change { $0.reads = false }
            let bulk = PDU.Body.getBulk(nonRepeaters: 0, maxRepetitions: 1000, [SearchRange(Self.entry)])
            let requests = (0..<2000 as Range<UInt32>).flatMap { PDU(bulk, sessionID: 3, packetID: $0).octets }
            try await master.send(requests)
            var statistics = AgentXStatistics()
            for _ in 0..<500 where statistics.sessionsLost == 0 {
                try await Task.sleep(for: .milliseconds(10))
                statistics = try await eventLoop.submit { client.value.statistics }.get()
            }
            #expect(statistics.sessionsLost == 1)
            // Had it gone on answering, it would have answered all.
            #expect(statistics.getBulks < 200)
            try await master.change { $0.reads = true }
            try await master.wait("it has registered again") { Self.isRegistered($0, times: 2) }
        }
    }

    @Test func `a master that never answers is left for a new connection`() async throws {
        try await Self.withClient(settings: { $0.responseTimeout = .milliseconds(200) }) { master, eventLoop, client in
            try await master.change { $0.answers = false }
            try await master.listen()
            try await master.wait("it has tried twice") { $0.count >= 2 }
            try await master.change { $0.answers = true }
            try await master.wait("it has registered") { Self.isRegistered($0) }
        }
    }

    @Test func `random octets from the master end connections, and the next one works`() async throws {
        try await Self.withClient { master, eventLoop, client in
            try await master.listen()
            var random = SeededGenerator("hostile master")
            for round in 1...5 {
                try await master.wait("it has registered") { Self.isRegistered($0, times: round) }
                try await master.send([9] + random.octets(100...3000))
            }
            try await master.wait("it has registered") { Self.isRegistered($0, times: 6) }
            #expect(try await eventLoop.submit { client.value.statistics.malformed }.get() == 5)
        }
    }

    @Test(arguments: [
        ("/var/agentx/master", MasterAddress.unix("/var/agentx/master")), ("unix:/x", .unix("/x")),
        ("tcp:192.0.2.1", .tcp(host: "192.0.2.1", port: 705)),
        ("tcp:localhost:1705", .tcp(host: "localhost", port: 1705)),
        ("tcp:[2001:db8::1]:706", .tcp(host: "2001:db8::1", port: 706)), ("tcp:[::1]", .tcp(host: "::1", port: 705)),
    ])
    func `addresses of masters`(text: String, address: MasterAddress) {
        #expect(MasterAddress(text) == address)
        #expect(MasterAddress(address.description) == address)
    }

    @Test(arguments: ["", "x", "tcp:", "tcp::705", "tcp:h:0", "tcp:h:65536", "tcp:[::1", "tcp:[::1]705", "udp:h:1"])
    func `what is no address`(text: String) {
        #expect(MasterAddress(text) == nil)
    }
}
