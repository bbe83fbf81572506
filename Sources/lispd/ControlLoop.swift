// The control loop: one NIO event loop that owns every protocol table. Only it changes them, so there is no lock.
//
//     control socket thread ───────────┐
//     miss thread ─────────────────────┤
//     netlink thread ──────────────────┼──> ControlLoop ──> Router (decides) ──> actions
//     timer ───────────────────────────┤        │
//     management requests ─────────────┘        ├── control socket: messages
//                                               ├── data plane: forwarding updates, held packets
//                                               └── host integration: rules and routes

import DataPlane
import ForwardingInterface
import HostRouting
import LISPConfiguration
import LISPControl
import LISPTables
import LISPWire
import LinuxNetwork
import Logging
import Management
import ManagementAPI
import NIOCore
import NIOPosix

/// Carries out what the router decides. Isolated to its event loop.
actor ControlLoop {
    nonisolated let eventLoop: any EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { eventLoop.executor.asUnownedSerialExecutor() }

    /// Address changes come in bursts; look at the host once after each.
    private static let hostSettleTime = TimeAmount.milliseconds(100)
    /// When to try again what the host refused.
    private static let hostRetryInterval = TimeAmount.seconds(5)
    /// Routes of newly known EID-prefixes are brought in together after this time, or, where there are many, after so many times
    /// what it last took, so that they leave the loop to the protocol.
    private static let routingSettleTime = Duration.milliseconds(10)
    private static let routingRest = 10
    /// Batches of messages that are worked off before the loop sees to other things.
    private static let batchesAtOnce = 4
    /// How often the data plane frees what its workers have let go of.
    private static let maintenance = TimeAmount.milliseconds(500)
    /// How often the nonce of our own Map-Registers is written down, and how soon what failed is tried again.
    private static let saveInterval = TimeAmount.seconds(10)
    /// How soon the disk has the nonces of accepted Map-Registers.
    private static let synchronizeInterval = TimeAmount.seconds(1)
    /// How far ahead the saved nonce is of the one in use, so that a crash cannot make it go back.
    private static let nonceReserve: UInt64 = 1 << 20

    private(set) var configuration: RouterConfiguration
    let configurationFile: String
    private(set) var configurationLoaded: Instant
    /// Why the last reload was refused, if it was.
    private(set) var reloadFailure: String?
    private(set) var router: Router
    private(set) var resolvedHost: ResolvedHost
    let plane: DataPlane?
    let socket: ControlSocket
    /// Messages leave together at the end of what happens on the loop at a time.
    private var sender: ControlSocket.Sender
    let host: HostIntegration
    let started: Instant
    /// Of a tunnel router.
    let xtrID: XTRID?
    /// What is worth an operator's attention, for the journal and for those who watch.
    let events: EventHub
    private let state: StateDirectory
    private let logger: Logger
    private var random = SystemRandomNumberGenerator()
    private var timer: (at: Instant, scheduled: Scheduled<Void>)?
    private var isHostLookDue = false
    private var isHostRetryDue = false
    private var isRoutingStale = false
    private var routingTime = Duration.zero
    private var isStarted = false
    private var isStopped = false
    private(set) var sendErrors: UInt64 = 0
    private(set) var lastSendError: String?
    private(set) var lastHostError: String?
    /// What `show statistics` counts from, once the operator has cleared it.
    private(set) var statisticsBaseline: StatisticsBaseline?
    /// Control messages of the last minutes.
    private(set) var messageHistory = TallyHistory<MessageCount>()
    /// What shows this router to network management.
    private(set) var agent: SNMPAgent?
    private(set) var managed = ManagedConfiguration()
    let routeCheck = RouteCheck()
    var routedPrefixes = RoutedPrefixes()
    private(set) var accounts = SiteAccounts()
    var siteTotals: [LocatorID: (counters: MappingCounters, at: Instant)] = [:]
    private var savedNonce: UInt64 = 0
    let nonceStore: NonceStore
    private var isWritingNonces = false
    private var lastStateError: String?
    /// How often something that has to outlive the process could not be written.
    private(set) var stateErrors: UInt64 = 0

    init(
        eventLoop: any EventLoop,
        configuration: RouterConfiguration,
        configurationFile: String,
        resolvedHost: ResolvedHost,
        plane: sending DataPlane?,
        socket: ControlSocket,
        host: sending HostIntegration,
        state: StateDirectory,
        xtrID: XTRID?,
        events: EventHub,
        logger: Logger
    ) {
        self.eventLoop = eventLoop
        self.configuration = configuration
        self.configurationFile = configurationFile
        self.resolvedHost = resolvedHost
        self.plane = plane
        self.socket = socket
        sender = ControlSocket.Sender(
            socket,
            sendsTrains: !configuration.dataPlane.withoutOffloads.contains(.udpSegment)
        )
        self.host = host
        self.state = state
        self.xtrID = xtrID
        self.events = events
        self.logger = logger
        self.nonceStore = NonceStore(state)
        self.started = SystemClock.now
        self.configurationLoaded = started
        let settings = RouterSettings(configuration, host: resolvedHost, xtrID: xtrID)
        self.router = Router(
            settings,
            nextNonce: Self.firstNonce(state),
            nonces: settings.mapServer == nil ? NonceGuard() : nonceStore.load(logger),
            now: started
        )
    }

    /// Larger than any nonce used before: what was saved, or the wall clock.
    private static func firstNonce(_ state: StateDirectory) -> UInt64 {
        max(state.read("nonce").flatMap { UInt64($0) } ?? 0, UInt64(max(0, SystemClock.wallClock)))
    }

    // MARK: Life

    /// Begins to register and to answer.
    func start() {
        isStarted = true
        plane?.apply(
            [.setHeaderHints(configuration.headerHints)] + configuration.servedPrefixes.map(\.put) + errorSources()
        )
        carryOut(router.start(now: SystemClock.now))
        managed.update(configuration, resolvedHost, now: started)
        updateAccounts()
        startAgent()
        saveNonce()
        if router.mapServer != nil { beginNonces() }
        eventLoop.scheduleRepeatedTask(initialDelay: Self.saveInterval, delay: Self.saveInterval) { [weak self] _ in
            self?.assumeIsolated {
                $0.saveNonce()
                $0.writeAllNonces()
            }
        }
        eventLoop.scheduleRepeatedTask(initialDelay: Self.synchronizeInterval, delay: Self.synchronizeInterval) {
            [weak self] _ in
            self?.assumeIsolated { $0.synchronizeNonces() }
        }
        let period = TimeAmount.nanoseconds(TallyHistory<MessageCount>.period.nanoseconds)
        eventLoop.scheduleRepeatedTask(initialDelay: period, delay: period) { [weak self] _ in
            self?.assumeIsolated { $0.messageHistory.note($0.router.messages) }
        }
        if plane != nil {
            eventLoop.scheduleRepeatedTask(initialDelay: Self.maintenance, delay: Self.maintenance) { [weak self] _ in
                self?.assumeIsolated { $0.plane?.maintain() }
            }
        }
        schedule()
    }

    /// Withdraws registrations and takes everything of ours out of the host. Also right before `start`.
    func stop() {
        guard !isStopped else { return }
        if isStarted {
            carryOut(router.deregister())
            saveNonce()
            endNonces()
        }
        agent?.stop()
        plane?.stop()
        isStopped = true
        timer?.scheduled.cancel()
        do {
            _ = try host.removeAll()
        } catch {
            logger.error("cannot remove our rules and routes: \(error)")
        }
    }

    /// Where ICMP errors to hosts come from: an own address in the site. Without one, in IPv4 the dummy address of routers that have
    /// none (RFC 7600), in IPv6 an RLOC.
    private func errorSources() -> [ForwardingUpdate] {
        configuration.instances.flatMap { instance in
            AddressFamily.allCases.map { family in
                let own = resolvedHost.ownAddresses[instance.id]?.first { $0.family == family }
                let other: IPAddress? =
                    switch family {
                    case .ipv4: HostNumbers.dummyAddress
                    case .ipv6: resolvedHost.rlocs.first { $0.family == .ipv6 }
                    }
                return .setErrorSource(instance.id, family, own ?? other)
            }
        }
    }

    // MARK: Events

    /// The control socket has messages. What has come is read here, a batch at a time: what a message needs is then at hand, and the
    /// thread that waits for messages is woken once for several batches.
    func receive(_ receiver: ControlReceiver) {
        for _ in 0..<Self.batchesAtOnce {
            guard let input = receiver.receive() else { return }
            received(input)
            guard input.datagrams.count >= ControlSocket.Receiver.batchSize else { return }
        }
    }

    private func received(_ input: ControlInput) {
        guard !isStopped else { return }
        let now = SystemClock.now
        for rloc in input.unreachable { router.doubt(rloc, now: now) }
        var actions: [RouterAction] = []
        for datagram in input.datagrams {
            let message = ReceivedControlMessage(
                payload: datagram.payload,
                source: datagram.source,
                destination: datagram.destination
            )
            actions += router.received(message, now: now, using: &random) { [plane] mapping in
                plane?.counters(of: mapping).encapsulated.packets ?? 0
            }
        }
        // Nobody hears that a Map-Register was accepted before it is certain that older ones stay refused.
        keepNonces()
        carryOut(actions)
        schedule()
    }

    /// The data plane has packets without a mapping, or has heard something of RLOCs.
    func drainPlane() {
        guard !isStopped, let plane else { return }
        let now = SystemClock.now
        plane.drainMisses { miss in
            add(router.missed(miss, now: now, using: &random))
        }
        plane.drainEvents { event in
            add(router.noticed(event, now: now))
        }
        plane.drainStatusReports { report in
            add(router.heard(report, now: now))
        }
        flush()
        schedule()
    }

    private func timeout() {
        guard !isStopped else { return }
        timer = nil
        router.wallClock(reads: UInt64(max(0, SystemClock.wallClock)), now: SystemClock.now)
        let actions = router.timeout(now: SystemClock.now, using: &random) { [plane] mapping in
            plane?.counters(of: mapping).encapsulated.packets ?? 0
        } echoes: { [plane] locator in
            plane?.echoes(of: locator)
        }
        // Before anybody sees one: nonces may have gone far ahead.
        saveNonce()
        carryOut(actions)
        schedule()
    }

    /// Keeps one timer, for the earliest deadline.
    private func schedule() {
        guard !isStopped, let deadline = router.deadline() else { return }
        if let timer {
            guard deadline < timer.at else { return }
            timer.scheduled.cancel()
        }
        let delay = max(0, SystemClock.now.duration(to: deadline).nanoseconds)
        // NIO counts in nanoseconds and keeps far deadlines; a day is as good as never.
        let scheduled = eventLoop.scheduleTask(in: .nanoseconds(min(delay, 86_400_000_000_000))) {
            [weak self] () -> Void in
            self?.assumeIsolated { $0.timeout() }
        }
        timer = (deadline, scheduled)
    }

    // MARK: Actions

    private func carryOut(_ actions: [RouterAction]) {
        add(actions)
        flush()
    }

    /// Carries out actions all but the sending of messages, which wait for `flush`.
    private func add(_ actions: [RouterAction]) {
        for action in actions {
            switch action {
            case .send(let datagram):
                failed(sender.add(datagram.payload, to: datagram.destination, from: datagram.source))
            case .forwarding(let updates): plane?.apply(updates)
            case .release(let packets, let verdict): plane?.release(packets, verdict: verdict)
            case .remoteEIDKnown(let eid):
                host.remoteEIDKnown(eid)
                routingIsStale()
            case .remoteEIDForgotten(let eid):
                host.remoteEIDForgotten(eid)
                routingIsStale()
            case .negativePrefixKnown(let eid):
                host.negativePrefixKnown(eid)
                routingIsStale()
            case .negativePrefixForgotten(let eid):
                host.negativePrefixForgotten(eid)
                routingIsStale()
            case .solicit(let eids):
                let peers = plane?.peers(within: SMRSender.memory) ?? []
                add(router.solicit(eids, peers: peers, now: SystemClock.now, using: &random))
            case .note(let note):
                events.post(Event(note, proxyETRs: router.itr?.proxyETRs.map(\.proxy.address) ?? []))
            }
        }
    }

    private func flush() {
        failed(sender.flush())
    }

    private func failed(_ failures: [ControlSocket.Sender.Failure]) {
        for failure in failures {
            sendErrors += 1
            lastSendError = "\(failure.error)"
            router.sendFailed(to: failure.destination.address, failure.error.cause, now: SystemClock.now)
            events.post(Event(.sendFailed, .warning, "\(failure.error)", peer: "\(failure.destination.address)"))
        }
    }

    // MARK: The host

    /// Interfaces, addresses or routes have changed.
    func hostChanged(_ news: HostNews) {
        guard !isStopped else { return }
        if !news.changedPaths.isEmpty {
            router.pathsChanged(to: Array(news.changedPaths), now: SystemClock.now)
            schedule()
        }
        guard news.concernsHost, !isHostLookDue else { return }
        isHostLookDue = true
        eventLoop.scheduleTask(in: Self.hostSettleTime) { [weak self] in
            self?.assumeIsolated { $0.lookAtHost() }
        }
    }

    private func lookAtHost() {
        isHostLookDue = false
        guard !isStopped else { return }
        do {
            let new = try host.resolve(configuration)
            if new != resolvedHost {
                if new.rlocs != resolvedHost.rlocs { events.post(.locatorsChanged(to: new.rlocs)) }
                resolvedHost = new
                managed.update(new, now: SystemClock.now)
                plane?.apply(errorSources())
                reconfigureRouter()
            }
            try host.apply(configuration, resolvedHost, rereading: true)
            hostSucceeded()
        } catch {
            hostFailed(error)
        }
    }

    private func routingIsStale() {
        guard !isRoutingStale else { return }
        isRoutingStale = true
        let delay = max(Self.routingSettleTime, routingTime * Self.routingRest)
        eventLoop.scheduleTask(in: .nanoseconds(delay.nanoseconds)) { [weak self] in
            self?.assumeIsolated { $0.applyRouting() }
        }
    }

    private func applyRouting() {
        isRoutingStale = false
        guard !isStopped else { return }
        let begun = SystemClock.now
        do {
            try host.apply(configuration, resolvedHost, rereading: false)
            hostSucceeded()
        } catch {
            hostFailed(error)
        }
        routingTime = begun.duration(to: SystemClock.now)
    }

    private func hostSucceeded() {
        guard lastHostError != nil else { return }
        lastHostError = nil
        events.post(Event(.hostRecovered, .notice, "rules and routes are up to date again"))
    }

    /// Tells of the failure once and tries again later: no event of the host need come that would remind us.
    private func hostFailed(_ error: any Error) {
        let text = "\(error)"
        if text != lastHostError { events.post(Event(.hostFailed, .error, "cannot keep up rules and routes: \(text)")) }
        lastHostError = text
        guard !isHostRetryDue else { return }
        isHostRetryDue = true
        eventLoop.scheduleTask(in: Self.hostRetryInterval) { [weak self] in
            self?.assumeIsolated { loop in
                loop.isHostRetryDue = false
                loop.lookAtHost()
            }
        }
    }

    private func reconfigureRouter() {
        // A role that goes takes its nonces along; one that comes finds them in the files.
        saveNonce()
        let hadMapServer = router.mapServer != nil
        if hadMapServer, !configuration.roles.contains(.mapServer) { endNonces() }
        let settings = RouterSettings(configuration, host: resolvedHost, xtrID: xtrID)
        let actions = router.reconfigure(
            settings,
            nextNonce: Self.firstNonce(state),
            nonces: { nonceStore.load(logger) },
            now: SystemClock.now,
            using: &random
        )
        if !hadMapServer, router.mapServer != nil { beginNonces() }
        keepNonces()
        carryOut(actions)
        saveNonce()
        schedule()
    }

    // MARK: The operator

    /// Takes these entries out of the map-cache; returns how many there were.
    func clearMapCache(_ eids: [EIDPrefix]) -> Int {
        guard !isStopped else { return 0 }
        let cleared = router.clearMapCache(eids)
        carryOut(cleared.actions)
        return cleared.count
    }

    /// Takes out what a site's ETRs have registered for these EID-prefixes.
    func clearRegistrations(_ prefixes: [EIDPrefix], of site: String) -> (prefixes: Int, registrations: Int) {
        isStopped ? (0, 0) : router.clearRegistrations(prefixes, of: site, now: SystemClock.now)
    }

    /// Forgets the nonces of a site's ETRs; returns of how many.
    func forgetNonces(of site: String) -> Int {
        isStopped ? 0 : router.forgetNonces(of: site)
    }

    /// Lets `show statistics` count from now on.
    func clearStatistics() -> ClearStatisticsReport {
        let before = statisticsBaseline.map { ReportTime().moment($0.taken) }
        statisticsBaseline = StatisticsBaseline(rawStatistics(TableQuery()), taken: SystemClock.now)
        events.post(Event(.statisticsCleared, .notice, "statistics cleared by the operator"))
        return ClearStatisticsReport(before: before)
    }

    /// Reads the configuration file again and takes over what differs. A refusal changes nothing.
    func reload() throws -> ReloadReport {
        // Nothing may come back into the host that has just been taken out of it.
        guard !isStopped else { throw ReloadFailure.ending }
        do {
            let new = try RouterConfiguration.load(path: configurationFile)
            let changed = configuration.changedKeys(new)
            let known = Set(configuration.warnings)
            try takeOver(new)
            for warning in new.warnings where !known.contains(warning) { logger.warning("\(warning)") }
            configurationLoaded = SystemClock.now
            reloadFailure = nil
            events.post(.configurationReloaded(changed: changed))
            return ReloadReport(
                file: configurationFile,
                changed: changed,
                warnings: new.warnings + host.warnings(new, resolvedHost)
                    + (lastHostError.map { ["rules and routes are not up to date: \($0)"] } ?? [])
            )
        } catch {
            reloadFailure = "\(error)"
            events.post(.configurationRefused(error))
            throw error
        }
    }

    /// Refuses before anything has changed. What the host refuses afterwards is tried again and shown as a warning: the new
    /// configuration is in force.
    private func takeOver(_ new: RouterConfiguration) throws {
        let needsRestart = configuration.changesThatNeedRestart(new)
        guard needsRestart.isEmpty else { throw ReloadFailure.needsRestart(needsRestart) }
        let resolved = try host.resolve(new)
        let before = configuration.servedPrefixes
        let after = new.servedPrefixes
        let hadSameAgent = configuration.snmp == new.snmp
        configuration = new
        resolvedHost = resolved
        managed.update(new, resolved, now: SystemClock.now)
        plane?.apply(
            [.setHeaderHints(new.headerHints)] + before.subtracting(after).map(\.delete)
                + after.subtracting(before).map(\.put) + errorSources()
        )
        reconfigureRouter()
        updateAccounts()
        if !hadSameAgent { startAgent() }
        do {
            try host.apply(configuration, resolvedHost, rereading: true)
            hostSucceeded()
        } catch {
            hostFailed(error)
        }
    }

    private func updateAccounts() {
        plane?.apply(accounts.update(configuration))
    }

    /// In place of the one that there may be.
    private func startAgent() {
        agent?.stop()
        agent = makeAgent()
        agent?.start()
    }

    // MARK: State

    /// Writes down the nonce of our own Map-Registers, far enough ahead, if it has come near to what was written.
    private func saveNonce() {
        guard !isStopped, let next = router.etr?.nextNonce, next > savedNonce else { return }
        attempt { () throws(StateDirectory.Failure) in
            let reserved = next &+ Self.nonceReserve
            try state.write("nonce", String(reserved))
            savedNonce = reserved
        }
    }

    /// The Map-Server begins to write down the nonces that it accepts.
    private func beginNonces() {
        router.startNonceJournal()
        attempt { () throws(StateDirectory.Failure) in try nonceStore.beginPart() }
        writeAllNonces()
    }

    /// Hands what is new of the Map-Server's nonces to the kernel.
    private func keepNonces() {
        let journal = router.takeNonceJournal()
        guard !journal.isEmpty else { return }
        attempt { () throws(StateDirectory.Failure) in try nonceStore.append(journal) }
    }

    private func synchronizeNonces() {
        keepNonces()
        guard !isStopped, !isWritingNonces, nonceStore.isDirty else { return }
        writeNonces { store throws(StateDirectory.Failure) in try store.synchronize() }
    }

    /// Writes all of the Map-Server's nonces to a file of their own if that is due. Of the work only a copy is made here.
    private func writeAllNonces() {
        guard !isStopped, !isWritingNonces, nonceStore.needsAll, let nonces = router.mapServer?.nonces else { return }
        keepNonces()
        router.startNonceJournal()
        let begun = attempt { () throws(StateDirectory.Failure) in try nonceStore.beginPart() }
        guard begun else { return }
        let number = nonceStore.placeForAll()
        writeNonces { store throws(StateDirectory.Failure) in try store.writeAll(nonces, number: number) }
    }

    /// One thing at a time, on another thread.
    private func writeNonces(
        _ work: @escaping @Sendable (NonceStore) throws(StateDirectory.Failure) -> Void
    ) {
        isWritingNonces = true
        let done = NIOThreadPool.singleton.runIfActive(eventLoop: eventLoop) { [nonceStore] in try work(nonceStore) }
        done.whenComplete { [weak self] result in
            self?.assumeIsolated { loop in
                loop.isWritingNonces = false
                switch result {
                case .success: loop.lastStateError = nil
                case .failure(let error): loop.savingFailed(error)
                }
            }
        }
    }

    private func endNonces() {
        guard router.mapServer != nil else { return }
        keepNonces()
        attempt { () throws(StateDirectory.Failure) in try nonceStore.end() }
    }

    /// Whether it succeeded.
    @discardableResult
    private func attempt(_ work: () throws(StateDirectory.Failure) -> Void) -> Bool {
        do throws(StateDirectory.Failure) {
            try work()
            lastStateError = nil
            return true
        } catch {
            savingFailed(error)
            return false
        }
    }

    /// Tells of it once.
    private func savingFailed(_ error: any Error) {
        stateErrors += 1
        let text = "\(error)"
        if text != lastStateError { events.post(Event(.stateNotSaved, .error, text)) }
        lastStateError = text
    }
}

/// Why a reload was refused.
enum ReloadFailure: Error, CustomStringConvertible {
    case needsRestart([String])
    case ending

    var description: String {
        switch self {
        case .needsRestart(let keys):
            "a change of \(keys.joined(separator: ", ")) needs a restart; the running configuration stays"
        case .ending: "lispd is ending"
        }
    }
}

/// What the data plane delivers, beside what the map-cache says.
private enum ServedPrefix: Hashable {
    /// To an EID-prefix of the site.
    case own(EIDPrefix)
    /// From a source that a Proxy-ETR accepts.
    case source(EIDPrefix)

    var put: ForwardingUpdate {
        switch self {
        case .own(let eid): .putOwnPrefix(eid)
        case .source(let eid): .putAcceptedSource(eid)
        }
    }

    var delete: ForwardingUpdate {
        switch self {
        case .own(let eid): .deleteOwnPrefix(eid)
        case .source(let eid): .deleteAcceptedSource(eid)
        }
    }
}

extension RouterConfiguration {
    fileprivate var servedPrefixes: Set<ServedPrefix> {
        Set(
            database.map { .own($0.eidPrefix) }
                + (proxyETR?.acceptSources ?? []).map { .source($0) }
        )
    }

    /// The top-level keys whose values differ.
    func changedKeys(_ new: RouterConfiguration) -> [String] {
        guard case .mapping(let before) = document, case .mapping(let after) = new.document else { return [] }
        let old = Dictionary(before.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
        let now = Dictionary(after.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
        var keys = Set(old.keys).union(now.keys).filter { old[$0] != now[$0] }
        // Secrets are hidden in the document.
        if mapServers != new.mapServers { keys.insert("map-servers") }
        if mapServer != new.mapServer { keys.insert("map-server") }
        return keys.sorted()
    }

    /// The keys that differ and that only a restart can change: they decide about sockets, threads and interfaces.
    func changesThatNeedRestart(_ new: RouterConfiguration) -> [String] {
        var keys: [String] = []
        if isTunnelRouter != new.isTunnelRouter { keys.append("roles (to or from a tunnel router)") }
        if instances != new.instances { keys.append("instances") }
        if dataPlane != new.dataPlane { keys.append("data-plane") }
        if management != new.management { keys.append("management") }
        if xtrID != new.xtrID { keys.append("xtr-id") }
        return keys
    }
}
