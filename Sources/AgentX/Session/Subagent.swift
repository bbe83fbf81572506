// A subagent without its connection: octets go in, octets come out. It does no I/O and reads no clock; whoever drives it
// (AgentXClient, or a test) keeps the connection that `wantsConnection` asks for, hands over what is received, lets it `work` a
// slice at a time, sends `takeOutput()`, and calls `timeout` at `deadline`.
//
//     stopped ──start──> connecting ──connected──> opening ──Open answered──> open
//                            ^  │                     │                         │
//                            │  └────failed────┐      │ refused, lost, silent   │ lost, closed, silent
//                            └──back-off over── waiting <───────────────────────┘
//
// Once the session is open, everything is registered (again), and the notifications that waited are sent. Requests of the master
// are worked on one at a time, in order, straight from the octets received; what is not yet worked on stays octets, so that a
// master that asks faster than it is answered is felt by itself alone.

/// A session with a master, and with the next one when it ends.
///
/// A class, so that the rows' closures, which run in the middle of `work`, may ask it for the time or hand it a notification.
public final class Subagent {
    public typealias Instant = ContinuousClock.Instant

    private enum State {
        /// Not wanted. Leads to `connecting`.
        case stopped
        /// Leads to `opening` or `waiting`.
        case connecting
        /// Connected; Open is sent. Leads to `open` or `waiting`.
        case opening
        /// Leads to `waiting`.
        case open(Session)
        /// Leads to `connecting` at `until`.
        case waiting(until: Instant)
    }

    private struct Session {
        let id: UInt32
        let since: Instant
    }

    /// What was sent to the master, and has to be answered.
    enum Request {
        case open
        case close
        case register(Region)
        case unregister
        case capabilities(OID)
        case notify
        case ping
        case allocate(IndexChoice, context: [UInt8]?, completion: ((Result<[VarBind], AgentXFailure>) -> Void)?)
        case deallocate
    }

    private struct PendingRequest {
        let request: Request
        let sent: Instant
    }

    /// A registration in its context.
    struct Region: Hashable {
        let registration: Registration
        let context: [UInt8]?
    }

    private enum RegionState {
        /// To be registered; at once or, after a refusal, at that time.
        case wanted(at: Instant?)
        case asked
        case registered
    }

    /// A request of the master that is being worked on.
    private enum Job {
        case retrieval(Retrieval, MIBTree)
        case test(SetTest, PDUHeader)
    }

    let settings: AgentXSettings
    private let trees: [[UInt8]?: MIBTree]
    private let capabilities: [(context: [UInt8]?, capabilities: AgentCapabilities)]
    private var regions: [(region: Region, state: RegionState)]
    /// Indices that were allocated, for the next session.
    private var indices: [(context: [UInt8]?, variable: VarBind)] = []
    private var random: any RandomNumberGenerator

    private var state = State.stopped
    private var backoff: Backoff
    private var packetID: UInt32 = 0
    private var requests: [UInt32: PendingRequest] = [:]
    private var notifications: NotificationQueue
    private var isLosing = false
    private var lastHeard: Instant?
    private var masterClock = MasterClock()
    private var unreachable: String?

    private var input: FrameBuffer
    private var job: Job?
    private var transaction: SetTransaction?

    private var output: [UInt8] = []
    private var events: [AgentXEvent] = []
    private var counters = AgentXStatistics()

    /// - Parameters:
    ///   - modules: those of one context make up one tree.
    ///   - random: of the times between attempts to connect.
    public init(
        settings: AgentXSettings,
        modules: [MIBModule],
        random: any RandomNumberGenerator = SystemRandomNumberGenerator()
    ) {
        self.settings = settings
        self.random = random
        trees = Dictionary(grouping: modules, by: \.context).mapValues { MIBTree($0) }
        capabilities = modules.flatMap { module in module.capabilities.map { (module.context, $0) } }
        regions = modules.flatMap { module in
            module.registrations.map { (Region(registration: $0, context: module.context), .wanted(at: nil)) }
        }
        input = FrameBuffer(limit: settings.requestLimit)
        backoff = Backoff(first: settings.firstRetry, longest: settings.longestRetry)
        notifications = NotificationQueue(limit: settings.notificationLimit, octetLimit: settings.notificationOctets)
    }

    // MARK: What the driver asks

    /// Whether there should be a connection to the master, or an attempt at one.
    public var wantsConnection: Bool {
        switch state {
        case .connecting, .opening, .open: true
        case .stopped, .waiting: false
        }
    }

    /// Octets received and not yet worked off. The driver stops reading when there are many.
    public var inputCount: Int { input.count }

    /// How many octets of input the driver may collect before it stops reading: enough for the longest request that is taken.
    public var inputLimit: Int { settings.requestLimit + 64 * 1024 }

    /// Whether `work` would do anything.
    public var hasWork: Bool {
        job != nil || input.hasNext
    }

    public var outputCount: Int { output.count }

    /// What is to be sent to the master.
    public func takeOutput() -> [UInt8] {
        defer { output = [] }
        return output
    }

    public func takeEvents() -> [AgentXEvent] {
        defer { events = [] }
        return events
    }

    /// When `timeout` is to be called next, whatever else happens before.
    public var deadline: Instant? {
        switch state {
        case .stopped: nil
        case .waiting(let until): until
        case .connecting, .opening: oldestRequest.map { $0 + settings.responseTimeout }
        case .open:
            Self.earliest(
                Self.earliest(oldestRequest.map { $0 + settings.responseTimeout }, nextRegistration),
                isPinging ? nil : lastHeard.map { $0 + settings.pingInterval }
            )
        }
    }

    private static func earliest(_ a: Instant?, _ b: Instant?) -> Instant? {
        guard let a, let b else { return a ?? b }
        return min(a, b)
    }

    // Asked after each request of the master: plain loops.

    private var oldestRequest: Instant? {
        var oldest: Instant?
        for request in requests.values { oldest = Self.earliest(oldest, request.sent) }
        return oldest
    }

    private var isPinging: Bool {
        for request in requests.values {
            if case .ping = request.request { return true }
        }
        return false
    }

    private var nextRegistration: Instant? {
        var next: Instant?
        for region in regions {
            if case .wanted(let at?) = region.state { next = Self.earliest(next, at) }
        }
        return next
    }

    public var statistics: AgentXStatistics {
        var all = counters
        switch state {
        case .stopped: all.state = .stopped
        case .waiting: all.state = .waiting
        case .connecting: all.state = .connecting
        case .opening: all.state = .opening
        case .open(let session):
            all.state = .open
            all.sessionID = session.id
        }
        all.regionsWanted = regions.count
        all.regionsRegistered = regions.count { if case .registered = $0.state { true } else { false } }
        all.notificationsWaiting = notifications.count
        all.disorder = UInt64(trees.values.reduce(0) { $0 + $1.disorder })
        return all
    }

    /// The master's sysUpTime as it was so long ago: what a TimeStamp of an event at that time has to show. 0 if the master had not
    /// started then, or is not known yet.
    public func sysUpTime(ago: Duration, now: Instant) -> UInt32 {
        masterClock.sysUpTime(at: now - ago)
    }

    // MARK: Life

    public func start(now: Instant) {
        if case .stopped = state { state = .connecting }
    }

    /// Says good-bye to the master. What is in the output should still be sent.
    public func stop(now: Instant) {
        if case .open = state { send(.close(.shutdown), as: .close, now) }
        state = .stopped
        endSession()
    }

    /// The connection that was wanted is there.
    public func connected(now: Instant) {
        guard case .connecting = state else { return }
        state = .opening
        output = []
        lastHeard = now
        send(
            .open(timeout: settings.timeout, id: settings.id, description: Array(settings.description.utf8)),
            as: .open,
            now
        )
    }

    /// The connection failed or ended, or the driver has given it up.
    public func disconnected(_ reason: String, now: Instant) {
        lose(reason, now)
    }

    private func lose(_ reason: String, _ now: Instant) {
        switch state {
        case .stopped, .waiting: return
        case .connecting, .opening:
            counters.connectionsFailed += 1
            if unreachable != reason { events.append(.unreachable(reason)) }
            unreachable = reason
        case .open(let session):
            counters.sessionsLost += 1
            events.append(.lost(reason))
            if now - session.since >= settings.stableAfter { backoff.reset() }
        }
        counters.lastError = reason
        state = .waiting(until: now + backoff.wait(&random))
        endSession()
    }

    /// Forgets what belongs to one session.
    private func endSession() {
        input = FrameBuffer(limit: settings.requestLimit)
        if case .test(var test, _) = job { test.abandon() }
        job = nil
        transaction?.rollBack()
        transaction = nil
        notifications.recall()
        for place in regions.indices { regions[place].state = .wanted(at: nil) }
        let unanswered = requests.values
        requests = [:]
        for pending in unanswered {
            if case .allocate(_, _, let completion?) = pending.request { completion(.failure(.sessionLost)) }
        }
    }

    /// Something is due. Calling it early is harmless.
    public func timeout(now: Instant) {
        switch state {
        case .stopped: return
        case .waiting(let until):
            if now >= until { state = .connecting }
        case .connecting, .opening, .open:
            // Answers may stand in what has not been worked off.
            if let oldestRequest, now >= oldestRequest + settings.responseTimeout, !hasWork {
                output = []
                lose("no answer within \(settings.responseTimeout)", now)
                return
            }
            guard case .open = state else { return }
            if !isPinging, let lastHeard, now >= lastHeard + settings.pingInterval {
                counters.pings += 1
                send(.ping, as: .ping, now)
            }
            registerAll(now)
        }
    }

    // MARK: What the owner wants

    /// Has the master send a notification, once there is one.
    ///
    /// - Parameters:
    ///   - notification: its OID, the value of snmpTrapOID.0.
    ///   - variables: its objects.
    /// - Returns: `false` if too many wait already: it is lost, and counted.
    public func notify(
        _ notification: OID,
        _ variables: [VarBind],
        context: [UInt8]? = nil,
        now: Instant
    ) -> Bool {
        let all = [VarBind(Self.snmpTrapOID, .objectIdentifier(notification))] + variables
        guard notifications.add(all, context: context) else {
            counters.notificationsLost += 1
            if !isLosing { events.append(.notificationsLost) }
            isLosing = true
            return false
        }
        sendNotifications(now)
        return true
    }

    private static let snmpTrapOID: OID = "1.3.6.1.6.3.1.1.4.1.0"

    /// Registers a region in this session and those that follow. Its objects belong to the modules given at the start.
    public func register(_ registration: Registration, context: [UInt8]? = nil, now: Instant) {
        let region = Region(registration: registration, context: context)
        guard !regions.contains(where: { $0.region == region }) else { return }
        regions.append((region, .wanted(at: nil)))
        registerAll(now)
    }

    public func unregister(_ registration: Registration, context: [UInt8]? = nil, now: Instant) {
        let region = Region(registration: registration, context: context)
        guard let place = regions.firstIndex(where: { $0.region == region }) else { return }
        let (_, state) = regions.remove(at: place)
        if case .wanted = state { return }
        send(.unregister(registration), as: .unregister, context: context, now)
    }

    /// Asks the master for values of index objects that are shared with other agents. (RFC 2741 §7.1.4.2.2)
    ///
    /// What was allocated is asked for again, by its value, in every session that follows.
    ///
    /// - Parameter completion: called with the variables and the values that they got.
    public func allocate(
        _ choice: IndexChoice,
        _ variables: [VarBind],
        context: [UInt8]? = nil,
        now: Instant,
        completion: @escaping (Result<[VarBind], AgentXFailure>) -> Void
    ) {
        guard case .open = state else { return completion(.failure(.sessionLost)) }
        let request = Request.allocate(choice, context: context, completion: completion)
        send(.indexAllocate(choice, variables), as: request, context: context, now)
    }

    public func deallocate(_ variables: [VarBind], context: [UInt8]? = nil, now: Instant) {
        indices.removeAll { index in index.context == context && variables.contains(index.variable) }
        guard case .open = state else { return }
        send(.indexDeallocate(variables), as: .deallocate, context: context, now)
    }

    // MARK: Requests of ours

    private func send(_ body: PDU.Body, as request: Request, context: [UInt8]? = nil, _ now: Instant) {
        packetID &+= 1
        let sessionID: UInt32 = if case .open(let session) = state { session.id } else { 0 }
        requests[packetID] = PendingRequest(request: request, sent: now)
        output +=
            PDU(body, sessionID: sessionID, packetID: packetID, order: settings.byteOrder, context: context).octets
    }

    private func opened(_ sessionID: UInt32, _ now: Instant) {
        state = .open(Session(id: sessionID, since: now))
        counters.sessionsOpened += 1
        unreachable = nil
        events.append(.opened)
        for (context, index) in indices {
            let request = Request.allocate(.named, context: context, completion: nil)
            send(.indexAllocate(.named, [index]), as: request, context: context, now)
        }
        for (context, capabilities) in capabilities {
            let body = PDU.Body.addAgentCaps(id: capabilities.id, description: Array(capabilities.description.utf8))
            send(body, as: .capabilities(capabilities.id), context: context, now)
        }
        registerAll(now)
        sendNotifications(now)
    }

    /// Registers what is due.
    private func registerAll(_ now: Instant) {
        guard case .open = state else { return }
        for place in regions.indices {
            guard case .wanted(let at) = regions[place].state, at ?? now <= now else { continue }
            let region = regions[place].region
            regions[place].state = .asked
            send(.register(region.registration), as: .register(region), context: region.context, now)
        }
    }

    private func sendNotifications(_ now: Instant) {
        guard case .open = state else { return }
        while notifications.sent < settings.notificationsAtOnce, let item = notifications.send() {
            send(.notify(item.variables), as: .notify, context: item.context, now)
        }
    }

    private func answered(_ header: PDUHeader, _ response: PDU.Response, _ now: Instant) {
        guard let request = requests.removeValue(forKey: header.packetID)?.request else { return }
        if isOpening(request) { masterClock = MasterClock() }
        masterClock.showed(response.sysUpTime, now)
        let error = response.error
        if error == .notOpen, !isOpening(request) {
            // The master has closed the session without a word.
            lose("\(error)", now)
            return
        }
        if error != .noError { counters.lastError = "\(error)" }
        switch request {
        case .open:
            guard error == .noError else { return lose("\(error)", now) }
            opened(header.sessionID, now)
        case .register(let region):
            guard let place = regions.firstIndex(where: { $0.region == region }) else { return }
            regions[place].state = error == .noError ? .registered : .wanted(at: now + settings.registrationRetry)
            if error != .noError { events.append(.registrationRefused(region.registration, error)) }
        case .capabilities(let id):
            if error != .noError { events.append(.capabilitiesRefused(id, error)) }
        case .notify:
            if error == .noError {
                counters.notificationsSent += 1
            } else {
                counters.notificationsRefused += 1
                events.append(.notificationRefused(error))
            }
            notifications.settled()
            isLosing = false
            sendNotifications(now)
        case .allocate(_, let context, let completion):
            allocated(response, context, completion)
        case .close, .unregister, .ping, .deallocate: break
        }
    }

    private func isOpening(_ request: Request) -> Bool {
        if case .open = request { true } else { false }
    }

    private func allocated(
        _ response: PDU.Response,
        _ context: [UInt8]?,
        _ completion: ((Result<[VarBind], AgentXFailure>) -> Void)?
    ) {
        guard response.error == .noError else {
            guard let completion else {
                // One of an earlier session that somebody else has now.
                let index = response.variables.first
                indices.removeAll { $0.context == context && $0.variable == index }
                events.append(.indexRefused(index?.name ?? OID(), response.error))
                return
            }
            return completion(.failure(.refused(response.error)))
        }
        if let completion {
            indices += response.variables.map { (context, $0) }
            completion(.success(response.variables))
        }
    }

    // MARK: What the master sends

    /// Takes what was received. It is worked on by `work`.
    public func receive(_ octets: some Collection<UInt8>, now: Instant) {
        switch state {
        case .opening, .open: break
        case .stopped, .connecting, .waiting: return
        }
        lastHeard = now
        input.append(octets)
    }

    /// Works on what was received until there is no more of it or `isOver` says so, which is asked after each row. Rows are kept
    /// no longer than a call lasts.
    ///
    /// - Returns: whether there is more to do now.
    public func work(now: Instant, until isOver: () -> Bool) -> Bool {
        while true {
            if let job = self.job {
                self.job = nil
                if !proceed(with: job, until: isOver) { return true }
            } else if !begin(now) {
                return false
            }
            if isOver() { return hasWork }
        }
    }

    /// - Returns: whether the job is done.
    private func proceed(with job: Job, until isOver: () -> Bool) -> Bool {
        switch job {
        case .retrieval(var retrieval, let tree):
            defer { tree.forgetRows() }
            repeat {
                if let answer = retrieval.step(tree) {
                    counters.variables += UInt64(retrieval.variables)
                    if retrieval.isRefused { counters.refusals += 1 }
                    output += answer
                    return true
                }
            } while !isOver()
            self.job = .retrieval(retrieval, tree)
            return false
        case .test(var test, let header):
            repeat {
                switch test.step() {
                case .more: continue
                case .passed(let changes):
                    var transaction = self.transaction ?? SetTransaction(id: header.transactionID)
                    transaction.add(changes)
                    self.transaction = transaction
                    respond(to: header, .noError)
                case .refused(let error, let index):
                    respond(to: header, error, index)
                }
                return true
            } while !isOver()
            self.job = .test(test, header)
            return false
        }
    }

    /// Begins with the next PDU.
    ///
    /// - Returns: `false` if it is not there yet.
    private func begin(_ now: Instant) -> Bool {
        do throws(WireError) {
            switch try input.next() {
            case nil: return false
            case .tooLong(let header):
                counters.malformed += 1
                refuse(header, .genErr)
            case .pdu(let header, let payload): decode(header, payload, now)
            }
        } catch {
            counters.malformed += 1
            send(.close(.parseError), as: .close, now)
            lose("a malformed PDU came: \(error)", now)
        }
        return true
    }

    private func decode(_ header: PDUHeader, _ payload: PDUReader, _ now: Instant) {
        do throws(WireError) {
            handle(header, try PDU(header, payload), now)
        } catch {
            counters.malformed += 1
            counters.lastError = "\(error)"
            refuse(header, .parseError)
        }
    }

    private func handle(_ header: PDUHeader, _ pdu: PDU, _ now: Instant) {
        if case .response(let response) = pdu.body { return answered(header, response, now) }
        guard case .open(let session) = state, header.sessionID == session.id else { return refuse(header, .notOpen) }
        let tree = trees[pdu.context]
        let limits = Retrieval.Limits(bulk: settings.bulkLimit, whole: settings.answerLimit)
        let answer = ResponseWriter(to: header)
        switch pdu.body {
        case .get(let ranges):
            counters.gets += 1
            retrieve(Retrieval(get: ranges, answer: answer, limits: limits), tree)
        case .getNext(let ranges):
            counters.getNexts += 1
            retrieve(Retrieval(next: ranges, answer: answer, limits: limits), tree)
        case .getBulk(let nonRepeaters, let maxRepetitions, let ranges):
            counters.getBulks += 1
            let retrieval = Retrieval(
                bulk: ranges,
                nonRepeaters: nonRepeaters,
                maxRepetitions: maxRepetitions,
                answer: answer,
                limits: limits
            )
            retrieve(retrieval, tree)
        case .testSet(let variables):
            counters.testSets += 1
            if let transaction, transaction.id != header.transactionID {
                self.transaction?.cleanUpAll()
                self.transaction = nil
            }
            job = .test(SetTest(variables, tree), header)
        case .commitSet:
            counters.commitSets += 1
            settle(header) { $0.commit() }
        case .undoSet:
            counters.undoSets += 1
            settle(header) { $0.undo() }
        case .cleanupSet:
            counters.cleanupSets += 1
            guard transaction?.id == header.transactionID else { return }
            transaction?.cleanUp()
            if transaction?.isOver == true { transaction = nil }
        case .close(let reason):
            respond(to: header, .noError)
            lose("the master closed it: \(reason)", now)
        case .ping: respond(to: header, .noError)
        case .open, .register, .unregister, .notify, .indexAllocate, .indexDeallocate, .addAgentCaps, .removeAgentCaps,
            .response:
            // What only a subagent sends.
            refuse(header, .processingError)
        }
    }

    private func retrieve(_ retrieval: Retrieval, _ tree: MIBTree?) {
        job = .retrieval(retrieval, tree ?? MIBTree([]))
    }

    private func settle(
        _ header: PDUHeader,
        _ action: (inout SetTransaction) -> (ErrorStatus, UInt16)?
    ) {
        guard var transaction, transaction.id == header.transactionID, let (error, index) = action(&transaction) else {
            return refuse(header, .processingError)
        }
        self.transaction = transaction.isOver ? nil : transaction
        respond(to: header, error, index)
    }

    private func respond(to header: PDUHeader, _ error: ErrorStatus, _ index: UInt16 = 0) {
        if error != .noError { counters.refusals += 1 }
        var writer = ResponseWriter(to: header)
        output += writer.refusal(error, index: index)
    }

    /// Answers with an error whatever may be answered.
    private func refuse(_ header: PDUHeader, _ error: ErrorStatus) {
        guard header.type != .response, header.type != .cleanupSet else { return }
        respond(to: header, error)
    }
}

/// Why the master did not do what it was asked.
public enum AgentXFailure: Error, Hashable, Sendable {
    case refused(ErrorStatus)
    /// There was no session, or it ended before the answer.
    case sessionLost
}
