// Routers in one process on a virtual clock: the control code that lispd runs, unmodified, with a reference forwarding plane
// each, and paths between them that lose, delay, double and reorder.
//
// Everything random comes from one seed; everything happens in the order of one event queue. The same seed gives the same run,
// also in another process, and `hash` tells so.
//
//     deadline, datagram, packet, script --> router --> actions: datagrams, forwarding updates, released packets
//                                              |
//                                              +--> checks look at what was sent, learned, forwarded, delivered
//
// What an event costs does not depend on how many routers there are: addresses and names are indexed, each router has one
// deadline in the queue, and whole looks at a router (`audit`) are events of their own, spread over time.

import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire

package final class SimulatedNetwork {
    package let seed: UInt64
    package internal(set) var now = Instant.zero
    package internal(set) var routers: [SimulatedRouter] = []
    /// The conditions between any two routers; their access links add to it.
    package var conditions = LinkConditions()
    package internal(set) var checks: [any Check] = []
    package internal(set) var violations: [Violation] = []
    /// Its routers are still being added and get their first settings: that is no change that anybody has to hear of.
    package var isBeingBuilt = false
    /// The first violation ends the run.
    package var stopsAtViolation = true
    /// Routers keep what arrived, what they heard and noted. For tests of few packets.
    package var keepsRecords = false
    /// What arrived for other programs than the routers, which listen at other ports, if the network keeps records.
    package private(set) var elsewhere: [(destination: Endpoint, payload: [UInt8])] = []
    /// No datagram is under way for longer, whatever the conditions: what the checks allow for.
    package var longestTransit = Duration.seconds(3)
    /// Events that each router remembers for whoever reads why a check failed.
    private let traceLength: Int
    /// Each router that is added from now on has clocks of its own.
    package var hasOwnClocks = false
    /// How often an ICMP error about a packet's size is lost, in thousandths.
    package var sizeErrorLoss = 0
    /// Octets of a host's packet.
    package var packetSize = 100
    package internal(set) var hash = TraceHash()
    package internal(set) var claims = Claims()
    package internal(set) var counts = Counts()
    /// Where packets that are watched ended.
    package var watched: [UInt64: Fate] = [:]
    /// Called for every datagram that leaves a router: an eavesdropper.
    package var tap: ((_ payload: [UInt8], _ source: Endpoint, _ destination: Endpoint) -> Void)?

    /// What has become of a packet so far.
    package enum Fate: Hashable, Sendable {
        /// It waits, is on its way, or was lost.
        case nowhere
        /// The router of this index delivered it to its site.
        case delivered(by: Int)
        /// The router of this index sent it on natively.
        case outside(by: Int)
    }

    package struct Counts: Sendable {
        package var events: UInt64 = 0
        package var datagrams: UInt64 = 0
        package var datagramsLost: UInt64 = 0
        package var datagramsDoubled: UInt64 = 0
        package var packets: UInt64 = 0
        package var packetsDelivered: UInt64 = 0
        package var packetsNative: UInt64 = 0
        package var clocksSet: UInt64 = 0
        package var linkMTUChanges: UInt64 = 0
        /// ICMP errors about size that reached an ITR, forged ones included, and genuine ones that did not.
        package var sizeErrors: UInt64 = 0
        package var sizeErrorsLost: UInt64 = 0
        /// Bursts of packets that an ITR had to cut, or let be cut, to get them through.
        package var burstsCut: UInt64 = 0
    }

    enum Flight {
        case datagram(payload: [UInt8], source: Endpoint, destination: Endpoint, causes: Int)
        case packet(SimulatedPacket, source: IPAddress?, rloc: IPAddress)
        /// Packets that asked for a nonce, and what comes back.
        case echo(node: Int, LocatorID, UInt32)
        /// Word for a router that the path to an RLOC carries no larger packets.
        case tooBig(node: Int, IPAddress, UInt16)
    }

    /// The right time when a run starts, in nanoseconds: what an ETR's nonces start from.
    static let wallClock: UInt64 = 1_750_000_000_000_000_000
    /// No honest chain of messages that cause each other is longer: Map-Register, Map-Notify, SMR, SMR-invoked Map-Request,
    /// forwarded twice, Map-Reply.
    package static let longestChain = 7

    var queue = EventQueue()
    var flights = Slab<Flight>()
    var linkRandom: SeededRandom
    var clockRandom: SeededRandom
    private var byName: [String: Int] = [:]
    private var byAddress: [IPAddress: Int] = [:]
    private var scripts = Slab<() -> Void>()
    /// When each router's hosts send again.
    var hostSchedules: [Int: () -> Duration?] = [:]
    private var auditInterval: Duration?
    var nextPacket: UInt64 = 1
    /// Messages that led to what is happening now, and the last of them.
    package internal(set) var causes = 0
    package internal(set) var cause: ReceivedControlMessage? {
        didSet { isCauseDecoded = false }
    }
    private var isCauseDecoded = false
    private var causeMessages: (outer: ControlMessage?, request: MapRequest?)

    package init(seed: UInt64 = 1, traceLength: Int = 40) {
        self.seed = seed
        self.traceLength = traceLength
        linkRandom = SeededRandom(seed: seed, stream: 1)
        clockRandom = SeededRandom(seed: seed, stream: 7)
    }

    private func decodeCause() {
        guard !isCauseDecoded else { return }
        isCauseDecoded = true
        causeMessages = (nil, nil)
        guard let cause, let message = try? ControlMessage(decoding: cause.payload, zeroInnerChecksum: .accept) else {
            return
        }
        causeMessages.outer = message
        switch message {
        case .mapRequest(let request): causeMessages.request = request
        case .encapsulated(let ecm): causeMessages.request = try? MapRequest(decoding: ecm.payload)
        default: break
        }
    }

    /// `cause`, decoded once for all checks; `nil` if it does not decode.
    package var causeMessage: ControlMessage? {
        decodeCause()
        return causeMessages.outer
    }

    /// The Map-Request that `cause` is, or that is inside of it.
    package var causeRequest: MapRequest? {
        decodeCause()
        return causeMessages.request
    }

    package subscript(name: String) -> SimulatedRouter? { byName[name].map { routers[$0] } }

    package func router(at address: IPAddress) -> SimulatedRouter? { byAddress[address].map { routers[$0] } }

    // MARK: Routers

    @discardableResult
    package func add(
        _ name: String,
        _ addresses: [IPAddress],
        _ settings: RouterSettings,
        limits: RouterLimits = .init(),
        acceptedSources: [EIDPrefix] = [],
        fault: (any FaultyBehaviour)? = nil
    ) -> SimulatedRouter {
        precondition(byName[name] == nil, "a name of its own for each router")
        let index = routers.count
        let clock = hasOwnClocks ? SimulatedClock(using: &clockRandom) : .exact
        let wall = Self.wallClock &+ UInt64(bitPattern: now.nanoseconds &+ clock.wallError.nanoseconds)
        let node = SimulatedRouter(
            index: index,
            name: name,
            addresses: addresses,
            settings: settings,
            limits: limits,
            router: Router(
                fault?.configures(settings) ?? settings,
                limits: fault?.limits(limits) ?? limits,
                nextNonce: wall,
                now: clock.local(now)
            ),
            clock: clock,
            random: SeededRandom(seed: seed, stream: 1000 + UInt64(index)),
            now: now
        )
        node.fault = fault
        for eid in acceptedSources { node.acceptedSources[eid] = true }
        node.trace = TraceRing(limit: traceLength)
        routers.append(node)
        byName[name] = index
        for address in addresses { byAddress[address] = index }
        record(node, .life("started"))
        claim(node)
        plan(node)
        if let auditInterval { planAudit(of: node, within: auditInterval) }
        for check in checks { check.reset(node, restarted: true, keepingState: false, in: self) }
        act(node) { router, now, _ in router.start(now: now) }
        return node
    }

    /// Takes a router off the network: its process ends, what is on its way to it is lost.
    package func stop(_ node: SimulatedRouter, gracefully: Bool = false) {
        guard node.isUp else { return }
        if gracefully { act(node) { router, _, _ in router.deregister() } }
        for check in checks { check.stopping(node, in: self) }
        node.savedNonces = node.router.mapServer?.nonces ?? NonceGuard()
        node.savedNonce = max(node.savedNonce, node.router.etr?.nextNonce ?? 0)
        node.isUp = false
        node.planned = nil
        record(node, .life(gracefully ? "stopped" : "crashed"))
        claims.set([], of: node.index, now: now)
        for check in checks { check.stopped(node, in: self) }
    }

    /// Starts a router that was stopped. Its clock has gone on; what it had written down of nonces is there again if kept. Of the
    /// machines with clocks of their own half come up with another time on the wall.
    package func start(_ node: SimulatedRouter, keepingState: Bool = true) {
        guard !node.isUp else { return }
        node.isUp = true
        node.incarnation += 1
        node.configured = now
        node.plane = ReferencePlane()
        if hasOwnClocks, clockRandom.chance(perMille: 500) { setWallClock(of: node, using: &clockRandom) }
        if !keepingState { node.savedNonce = 0 }
        node.router = Router(
            node.fault?.configures(node.settings) ?? node.settings,
            limits: node.fault?.limits(node.limits) ?? node.limits,
            nextNonce: firstNonce(of: node),
            nonces: keepingState ? node.fault?.restores(node.savedNonces) ?? node.savedNonces : NonceGuard(),
            now: time(at: node)
        )
        record(node, .life(keepingState ? "started again" : "started again, its state lost"))
        claim(node)
        plan(node)
        for check in checks { check.reset(node, restarted: true, keepingState: keepingState, in: self) }
        act(node) { router, now, _ in router.start(now: now) }
    }

    /// Larger than any nonce used before, as lispd takes it: what was saved, or the wall clock.
    private func firstNonce(of node: SimulatedRouter) -> UInt64 {
        let wall = wallClock(of: node)
        return node.fault?.firstNonce(saved: node.savedNonce, wall: wall) ?? max(node.savedNonce, wall)
    }

    /// Gives a router other settings, as a reload does, and perhaps other addresses.
    package func reconfigure(_ node: SimulatedRouter, _ settings: RouterSettings, addresses: [IPAddress]? = nil) {
        node.settings = settings
        if let addresses {
            for address in node.addresses { byAddress[address] = nil }
            for address in addresses { byAddress[address] = node.index }
            node.addresses = addresses
        }
        guard node.isUp else { return }
        node.configured = now
        record(node, .life("reloaded"))
        claim(node)
        for check in checks { check.reset(node, restarted: false, keepingState: true, in: self) }
        let given = node.fault?.configures(settings) ?? settings
        let nonce = firstNonce(of: node)
        act(node) { router, now, random in router.reconfigure(given, nextNonce: nonce, now: now, using: &random) }
    }

    /// An interface of the router goes down or up: nothing comes or goes at its address meanwhile. The router knows, as lispd does
    /// from netlink, and says so by Locator-Status-Bits if it sends any.
    package func setInterface(_ node: SimulatedRouter, _ address: IPAddress, isUp: Bool) {
        if isUp { node.deadAddresses.remove(address) } else { node.deadAddresses.insert(address) }
        var settings = node.settings
        settings.locatorStatus.down = node.deadAddresses
        reconfigure(node, settings)
        tell(isUp ? .rlocBack(address) : .rlocDead(address))
    }

    package func clearMapCache(_ node: SimulatedRouter) {
        var eids: [EIDPrefix] = []
        while let entry = node.router.itr?.cache.first(after: eids.last) { eids.append(entry.eid) }
        record(node, .life("map-cache cleared"))
        for check in checks { check.cleared(node, in: self) }
        act(node) { router, _, _ in router.clearMapCache(eids).actions }
    }

    /// Its settings count from now on.
    private func claim(_ node: SimulatedRouter) {
        node.plane.echoesNonces = node.settings.itr?.echoNonce ?? node.settings.etr?.echoNonce ?? false
        claims.set(node.settings.etr?.mappings ?? [], of: node.index, now: now)
    }

    /// Divides the network: the named routers reach each other and nobody else, until `heal`.
    package func separate(_ nodes: some Sequence<SimulatedRouter>, as partition: Int) {
        for node in nodes { node.partition = partition }
    }

    package func heal() {
        let wasDivided = routers.contains { $0.partition != 0 }
        for node in routers { node.partition = 0 }
        if wasDivided { tell(.partitionHealed) }
    }

    // MARK: Checks

    package func watch(_ check: any Check) {
        precondition(!checks.contains { $0.name == check.name }, "a name of its own for each check")
        checks.append(check)
    }

    /// Looks at every router as a whole once in each `interval`, not at all at the same time.
    package func audit(every interval: Duration) {
        precondition(auditInterval == nil, "one interval")
        auditInterval = interval
        for node in routers { planAudit(of: node, within: interval) }
    }

    private func planAudit(of node: SimulatedRouter, within interval: Duration) {
        // Multiples of the golden ratio, of which only the fraction counts: they lie far from each other in the interval.
        let share = UInt64(node.index) &* 0x9e37_79b9_7f4a_7c15
        let offset = share.multipliedFullWidth(by: UInt64(interval.nanoseconds)).high
        queue.plan(.audit, node.index, at: now + .nanoseconds(Int64(offset)))
    }

    package func violate(_ check: any Check, _ node: SimulatedRouter?, _ text: String) {
        guard violations.count < 100 else { return }
        let trace = node?.trace.all.map(\.description) ?? []
        violations.append(
            Violation(check: check.name, at: now, router: node?.name ?? "network", text: text, trace: trace)
        )
    }

    // MARK: Time

    /// Calls `body` after `delay`.
    package func after(_ delay: Duration, _ body: @escaping () -> Void) {
        queue.plan(.script, scripts.put(body), at: now + delay)
    }

    /// Lets time pass, from event to event, or until a check fails if that ends the run.
    package func run(_ duration: Duration) {
        let end = now + duration
        while let event = queue.next, event.due <= end, !isOver {
            queue.take()
            now = event.due
            counts.events += 1
            causes = 0
            if cause != nil { cause = nil }
            let subject = Int(event.subject)
            switch event.kind {
            case .deadline: deadline(routers[subject], at: event.due)
            case .arrival: arrive(flights.take(subject))
            case .host: host(subject)
            case .audit: audit(routers[subject])
            case .script: scripts.take(subject)()
            }
        }
        if !isOver { now = end }
    }

    package var isOver: Bool { stopsAtViolation && !violations.isEmpty }

    private func audit(_ node: SimulatedRouter) {
        if node.isUp { for check in checks { check.audit(node, in: self) } }
        if let auditInterval { queue.plan(.audit, node.index, at: now + auditInterval) }
    }

    /// Faults are over: every check compares everything.
    package func checkHealed() {
        for node in routers where node.isUp { for check in checks { check.audit(node, in: self) } }
        for check in checks { check.healed(self) }
    }

    private func deadline(_ node: SimulatedRouter, at due: Instant) {
        guard node.isUp, node.planned == due else { return }
        node.planned = nil
        guard let deadline = node.router.deadline(), deadline <= time(at: node) else { return plan(node) }
        guard node.fault?.hasTime(node) ?? true else {
            // It never hears of this one; what comes later it may.
            node.planned = now + .seconds(1)
            queue.plan(.deadline, node.index, at: now + .seconds(1))
            return
        }
        hash.add(UInt64(node.index) << 8 | 1)
        act(node) { router, now, random in
            router.wallClock(reads: wallClock(of: node), now: now)
            return router.timeout(now: node.fault?.time(now) ?? now, using: &random) {
                node.plane.packetsSent[$0, default: 0]
            } echoes: {
                node.plane.echoCounters($0)
            }
        }
    }

    /// Sees to it that the router is called at its deadline. An event planned earlier stays and finds nothing to do.
    private func plan(_ node: SimulatedRouter) {
        guard node.isUp, let deadline = node.router.deadline() else { return }
        let due = max(node.clock.network(deadline), now)
        if let planned = node.planned, planned <= due { return }
        node.planned = due
        queue.plan(.deadline, node.index, at: due)
    }

    // MARK: What routers do

    func record(_ node: SimulatedRouter, _ event: @autoclosure () -> TraceEntry.Event) {
        guard traceLength > 0 else { return }
        node.trace.add(TraceEntry(at: now, event: event()))
    }

    func act(
        _ node: SimulatedRouter,
        _ event: (inout Router, Instant, inout SeededRandom) -> [RouterAction]
    ) {
        let decided = event(&node.router, time(at: node), &node.random)
        let actions = node.fault?.acts(decided, at: node) ?? decided
        hash.add(UInt64(bitPattern: now.nanoseconds))
        for action in actions {
            switch action {
            case .send(let datagram):
                send(datagram, by: node)
            case .forwarding(let updates):
                for update in updates { record(node, .forwarding(update)) }
                node.plane.apply(updates)
                for case .requestEcho(let id, let nonce?) in updates { askForEcho(at: node, id, nonce) }
                hash.add(UInt64(updates.count) << 8 | 2)
                for check in checks { check.updated(updates, at: node, in: self) }
            case .release(let packets, let verdict):
                release(packets, verdict, at: node)
            case .remoteEIDKnown, .remoteEIDForgotten, .negativePrefixKnown, .negativePrefixForgotten:
                break
            case .solicit(let eids):
                let peers = node.plane.peers(within: SMRSender.memory, now: now)
                act(node) { router, now, random in router.solicit(eids, peers: peers, now: now, using: &random) }
            case .note(let note):
                record(node, .note(note))
                if keepsRecords { node.notes.append(note) }
                for check in checks { check.noted(note, at: node, in: self) }
            }
        }
        plan(node)
        for check in checks { check.acted(node, in: self) }
    }

    private func send(_ datagram: ControlDatagram, by node: SimulatedRouter) {
        let source = datagram.source ?? node.address(of: datagram.destination.address.family)
        record(node, .sent(datagram.payload, from: source, to: datagram.destination))
        counts.datagrams += 1
        hash.add(datagram.payload)
        hash.add(UInt64(node.index) << 24 | UInt64(datagram.destination.port) << 8 | 3)
        if !checks.isEmpty {
            let message = SentMessage(datagram)
            for check in checks { check.sent(message, by: node, in: self) }
        }
        guard let source, source.family == datagram.destination.address.family, node.addresses.contains(source),
            !node.deadAddresses.contains(source)
        else {
            // No route, or an address that is not ours or whose interface is down: the kernel refuses.
            let from = Endpoint.control(source ?? datagram.destination.address)
            lost(
                .datagram(payload: datagram.payload, source: from, destination: datagram.destination, causes: causes),
                .noRoute
            )
            return
        }
        let from = Endpoint.control(source)
        tap?(datagram.payload, from, datagram.destination)
        carry(
            .datagram(payload: datagram.payload, source: from, destination: datagram.destination, causes: causes + 1),
            from: node,
            to: datagram.destination.address
        )
    }

    // MARK: Paths

    /// Puts something on its way. Nobody at `address` is as good as a loss.
    func carry(_ flight: Flight, from node: SimulatedRouter?, to address: IPAddress) {
        guard let target = router(at: address) else { return lost(flight, .nobody) }
        guard let path = path(from: node, to: target, address) else { return lost(flight, .partition) }
        let arrivals = path.arrivals(using: &linkRandom)
        if arrivals.isEmpty { lost(flight, .path) }
        if arrivals.count > 1 { counts.datagramsDoubled += 1 }
        for arrival in arrivals {
            precondition(arrival <= longestTransit, "a delay within longestTransit")
            queue.plan(.arrival, flights.put(flight), at: now + arrival)
        }
    }

    /// The conditions of the way to an address of `target`, whose access links are part of it; `nil`: there is none.
    func path(from node: SimulatedRouter?, to target: SimulatedRouter, _ address: IPAddress) -> LinkConditions? {
        guard node.map({ $0.partition == target.partition }) ?? true, !target.deadAddresses.contains(address) else {
            return nil
        }
        var path = conditions
        for link in [node?.link, target.link] {
            guard let link else { continue }
            path.delay += link.delay
            path.jitter += link.jitter
            path.loss = path.loss + link.loss - path.loss * link.loss / 1000
            path.duplication = max(path.duplication, link.duplication)
            path.reordering = max(path.reordering, link.reordering)
            path.reorderDelay = max(path.reorderDelay, link.reorderDelay)
        }
        return path
    }

    private func arrive(_ flight: Flight) {
        switch flight {
        case .datagram(let payload, let source, let destination, let causes):
            guard let node = router(at: destination.address) else { return lost(flight, .nobody) }
            guard node.isUp else { return lost(flight, .routerDown) }
            guard destination.port == LISPPort.control else {
                if keepsRecords { elsewhere.append((destination, payload)) }
                return
            }
            self.causes = causes
            receive(
                ReceivedControlMessage(payload: payload, source: source, destination: destination.address),
                at: node
            )
        case .packet(let packet, let source, let rloc):
            guard let node = router(at: rloc) else { return lost(flight, .nobody) }
            guard node.isUp else { return lost(flight, .routerDown) }
            if let source { node.plane.exchanged(with: source, now: now) }
            decapsulate(packet, at: node, rloc: rloc)
        case .echo(let index, let locator, let nonce):
            echo(at: routers[index], locator, nonce)
        case .tooBig(let index, let rloc, let mtu):
            hearTooBig(at: routers[index], rloc, mtu: mtu)
        }
    }

    private func receive(_ message: ReceivedControlMessage, at node: SimulatedRouter) {
        guard let given = node.fault.map({ $0.receives(message, at: node) }) ?? message else { return }
        record(node, .received(message.payload, from: message.source, to: message.destination))
        if keepsRecords { node.heard.append(message.payload) }
        // What it says has been added when it was sent; but for what an attacker injects.
        if causes <= 1 { hash.add(message.payload) }
        hash.add(UInt64(node.index) << 8 | 4)
        cause = message
        for check in checks { check.receiving(message, at: node, in: self) }
        act(node) { router, now, random in
            let plane = node.plane
            return router.received(given, now: now, using: &random) { plane.packetsSent[$0, default: 0] }
        }
        for check in checks { check.received(message, at: node, in: self) }
        cause = nil
    }

    /// A datagram from somebody who is no router here; it may say that it comes from anywhere.
    package func inject(_ payload: [UInt8], from source: Endpoint, to destination: Endpoint) {
        for check in checks { check.injected(payload, in: self) }
        carry(
            .datagram(payload: payload, source: source, destination: destination, causes: 1),
            from: nil,
            to: destination.address
        )
    }

    /// The same, there at once.
    package func deliver(_ payload: [UInt8], to node: SimulatedRouter, from source: Endpoint) {
        guard node.isUp, let address = node.address(of: source.address.family) else { return }
        causes = 1
        receive(ReceivedControlMessage(payload: payload, source: source, destination: address), at: node)
    }
}
