// Keeps a Subagent connected to its master, on an event loop of the owner's.
//
//     master <── socket ──> ConnectionHandler ──> AgentXClient ──> Subagent ──> MIBTree ──> the owner's rows
//
// Everything runs on that loop, the closures of the MIB modules included, so that an owner whose state belongs to the loop serves
// it without a lock. In return the loop is never held up: requests are worked on for half a millisecond at a time, with a rest in
// between in which the loop serves others. What the master sends is left in the socket while there is enough to do, or while the
// master does not take the answers; one that takes none for long is given up.

import Glibc
import NIOCore
import NIOPosix

/// An SNMP subagent.
///
/// Made, used and called back on its event loop only. Once started it lives until ``stop(promise:)``.
public final class AgentXClient {
    public typealias Instant = ContinuousClock.Instant

    /// How long the loop works on requests before it sees to others.
    private static let slice = Duration.microseconds(500)
    /// How long it leaves them alone after a slice that did not suffice. (NIO looks at no socket while tasks are due at once.)
    private static let rest = TimeAmount.microseconds(100)
    private static let connectTimeout = TimeAmount.seconds(10)
    /// Octets of answers that wait for the master before no further ones are made.
    private static let outputLimit = 256 * 1024

    public let master: MasterAddress
    private let eventLoop: any EventLoop
    private let onEvent: (AgentXEvent) -> Void
    private let subagent: Subagent
    private var connection: Connection?
    private var timer: (at: Instant, scheduled: Scheduled<Void>)?
    private var isResting = false
    private var isWorking = false
    /// The longest that the loop was held up at a time, by the clock: what other processes took of the processor is in it.
    public private(set) var longestSlice = Duration.zero

    private final class Connection {
        /// `nil` while it is being made.
        var context: ChannelHandlerContext?
        /// Since when too much waits for the master to take it.
        var blockedSince: Instant?
        /// Whether the socket is to be read once there is less to do.
        var isReadHeld = false
    }

    /// - Parameters:
    ///   - modules: what is served.
    ///   - random: of the times between attempts to connect.
    ///   - onEvent: told of what is worth an operator's attention.
    public init(
        master: MasterAddress,
        settings: AgentXSettings,
        modules: [MIBModule],
        eventLoop: any EventLoop,
        random: any RandomNumberGenerator = SystemRandomNumberGenerator(),
        onEvent: @escaping (AgentXEvent) -> Void = { _ in }
    ) {
        eventLoop.preconditionInEventLoop()
        self.master = master
        self.eventLoop = eventLoop
        self.onEvent = onEvent
        subagent = Subagent(settings: settings, modules: modules, random: random)
    }

    // MARK: The owner's side

    /// Connects, and connects again whenever the connection is lost.
    public func start() {
        eventLoop.preconditionInEventLoop()
        subagent.start(now: .now)
        settle()
    }

    /// Says good-bye to the master and ends the connection.
    ///
    /// - Parameter promise: kept once the connection is closed.
    public func stop(promise: EventLoopPromise<Void>? = nil) {
        eventLoop.preconditionInEventLoop()
        subagent.stop(now: .now)
        timer?.scheduled.cancel()
        timer = nil
        if let channel = connection?.context?.channel {
            channel.closeFuture.cascade(to: promise)
        } else {
            promise?.succeed()
        }
        settle()
    }

    /// Has the master send a notification, now or once there is one.
    ///
    /// - Parameters:
    ///   - notification: its OID, the value of snmpTrapOID.0.
    ///   - variables: its objects.
    /// - Returns: `false` if too many wait already: it is lost, and counted.
    @discardableResult
    public func notify(_ notification: OID, _ variables: [VarBind] = [], context: [UInt8]? = nil) -> Bool {
        eventLoop.preconditionInEventLoop()
        defer { settle() }
        return subagent.notify(notification, variables, context: context, now: .now)
    }

    /// What the master's sysUpTime was so long ago, as a TimeStamp of what happened then has to show it. 0 if the master had not
    /// started, or is not known yet.
    public func sysUpTime(ago: Duration = .zero) -> UInt32 {
        subagent.sysUpTime(ago: ago, now: .now)
    }

    /// Registers one more region, now and in every session to come. Its objects are those of the modules given at the start.
    public func register(_ registration: Registration, context: [UInt8]? = nil) {
        eventLoop.preconditionInEventLoop()
        subagent.register(registration, context: context, now: .now)
        settle()
    }

    public func unregister(_ registration: Registration, context: [UInt8]? = nil) {
        eventLoop.preconditionInEventLoop()
        subagent.unregister(registration, context: context, now: .now)
        settle()
    }

    /// Asks the master for values of index objects that are shared with other agents. (RFC 2741 §7.1.4.2.2)
    ///
    /// What was allocated is asked for again, by its value, in every session to come.
    public func allocate(
        _ choice: IndexChoice,
        _ variables: [VarBind],
        context: [UInt8]? = nil,
        completion: @escaping (Result<[VarBind], AgentXFailure>) -> Void
    ) {
        eventLoop.preconditionInEventLoop()
        subagent.allocate(choice, variables, context: context, now: .now, completion: completion)
        settle()
    }

    /// Gives allocated values back.
    public func deallocate(_ variables: [VarBind], context: [UInt8]? = nil) {
        eventLoop.preconditionInEventLoop()
        subagent.deallocate(variables, context: context, now: .now)
        settle()
    }

    public var statistics: AgentXStatistics { subagent.statistics }

    // MARK: What the subagent wants

    /// Does what follows from whatever has just happened.
    private func settle() {
        // What the owner's closures ask for in the middle of a slice follows at its end.
        if isWorking { return }
        if subagent.wantsConnection, connection == nil { connect() }
        flush()
        if !subagent.wantsConnection, let context = connection?.context {
            connection = nil
            // After what was just written.
            context.close(promise: nil)
        }
        holdOrRead()
        setTimer()
        for event in subagent.takeEvents() { onEvent(event) }
    }

    private func connect() {
        let connection = Connection()
        self.connection = connection
        let bound = NIOLoopBound((self, connection), eventLoop: eventLoop)
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(Self.connectTimeout)
            .channelOption(.writeBufferWaterMark, value: .init(low: Self.outputLimit / 4, high: Self.outputLimit))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let (client, connection) = bound.value
                    try channel.pipeline.syncOperations.addHandler(Handler(client, connection))
                }
            }
        let attempt =
            switch master {
            case .unix(let path): bootstrap.connect(unixDomainSocketPath: path)
            case .tcp(let host, let port):
                bootstrap.channelOption(.tcpOption(.tcp_nodelay), value: 1).connect(host: host, port: Int(port))
            }
        attempt.whenFailure { error in
            let (client, connection) = bound.value
            client.ended(connection, "\(client.master): \(Self.reason(error))")
        }
    }

    /// In words that fit behind "master not reached:".
    private static func reason(_ error: any Error) -> String {
        switch error {
        // Without the names of functions, which tell an operator nothing.
        case let error as IOError: String(cString: strerror(error.errnoCode))
        case ChannelError.connectTimeout: "no connection within \(connectTimeout.nanoseconds / 1_000_000_000) s"
        default: "\(error)"
        }
    }

    private func flush() {
        guard subagent.outputCount > 0, let context = connection?.context else { return }
        context.writeAndFlush(NIOAny(context.channel.allocator.buffer(bytes: subagent.takeOutput())), promise: nil)
    }

    /// Works on requests for a slice.
    private func work() {
        guard !isResting, let connection, let context = connection.context, context.channel.isWritable else { return }
        let start = Instant.now
        let end = start + Self.slice
        isWorking = true
        let isUnfinished = subagent.work(now: start) { .now >= end }
        isWorking = false
        longestSlice = max(longestSlice, .now - start)
        if isUnfinished { workAfterRest() }
    }

    private func workAfterRest() {
        guard !isResting else { return }
        isResting = true
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: Self.rest) {
            bound.value.isResting = false
            bound.value.work()
            bound.value.settle()
        }
    }

    private func holdOrRead() {
        guard let connection, connection.isReadHeld, !isFull, let context = connection.context else { return }
        connection.isReadHeld = false
        context.read()
    }

    private var isFull: Bool {
        subagent.inputCount >= subagent.inputLimit || connection?.context?.channel.isWritable == false
    }

    private func setTimer() {
        let blocked = connection?.blockedSince.map { $0 + subagent.settings.responseTimeout }
        guard var deadline = subagent.deadline ?? blocked else { return }
        if let blocked, blocked < deadline { deadline = blocked }
        // One that comes too early finds nothing to do and is set again.
        if let timer, timer.at <= deadline { return }
        timer?.scheduled.cancel()
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        let wait = max(deadline - .now, .milliseconds(1)) / .nanoseconds(1)
        let scheduled = eventLoop.scheduleTask(in: .nanoseconds(Int64(wait))) { bound.value.timeout() }
        timer = (deadline, scheduled)
    }

    private func timeout() {
        timer = nil
        let now = Instant.now
        if let connection, let since = connection.blockedSince, now - since >= subagent.settings.responseTimeout {
            subagent.disconnected("the master takes no answers", now: now)
        } else {
            subagent.timeout(now: now)
        }
        settle()
    }

    // MARK: What the connection tells

    private func ended(_ connection: Connection, _ reason: String) {
        guard self.connection === connection else { return }
        self.connection = nil
        subagent.disconnected(reason, now: .now)
        settle()
    }

    private final class Handler: ChannelDuplexHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let client: AgentXClient
        private let connection: Connection
        private var reason = "the master closed the connection"

        init(_ client: AgentXClient, _ connection: Connection) {
            self.client = client
            self.connection = connection
        }

        func channelActive(context: ChannelHandlerContext) {
            guard client.connection === connection else { return context.close(promise: nil) }
            connection.context = context
            client.subagent.connected(now: .now)
            client.settle()
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            guard client.connection === connection else { return }
            client.subagent.receive(unwrapInboundIn(data).readableBytesView, now: .now)
        }

        func channelReadComplete(context: ChannelHandlerContext) {
            client.work()
            client.settle()
        }

        func read(context: ChannelHandlerContext) {
            if client.connection === connection, client.isFull {
                connection.isReadHeld = true
            } else {
                context.read()
            }
        }

        func channelWritabilityChanged(context: ChannelHandlerContext) {
            connection.blockedSince = context.channel.isWritable ? nil : .now
            // Not at once: this may be called in the middle of writing.
            if context.channel.isWritable { client.workAfterRest() } else { client.setTimer() }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            reason = AgentXClient.reason(error)
            context.close(promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) {
            connection.context = nil
            client.ended(connection, reason)
        }
    }
}
