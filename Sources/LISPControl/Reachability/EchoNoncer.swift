// Echo-nonce: which of the RLOCs that we encapsulate to send our nonces back, by the packets that flow anyway (RFC 9300 section
// 10.1). docs/decisions/header-hints.md has the reasons.
//
//     resting --interval, packets flow--> asking --echo--> resting             both ways are alive
//                                           |  --nothing came back--> resting  that proves nothing
//                                           |  --packets came back without an echo--> a failure:
//
//     with RLOC-probing: the RLOC is doubted, and a probe decides
//     without:           `failureLimit` failures in a row --> down --`trialAfter`, twice, four times ...--> on trial
//                        on trial --failure--> down
//                                 --echo-----> as any other
//
// A dead RLOC gets no packets and so cannot echo: only a trial finds out whether it is back.

import ForwardingInterface
import LISPTables
import LISPWire

/// What echo-noncing has found out of one RLOC.
package struct EchoReachability: Hashable, Sendable {
    package enum State: Hashable, Sendable {
        /// Its site does not say that it can echo: nothing is asked.
        case notCapable
        case resting
        /// Packets ask for an echo.
        case asking
        /// Taken out of use for want of echoes.
        case down
    }

    package fileprivate(set) var state = State.notCapable
    /// Requests in a row that were not echoed although packets came back.
    package fileprivate(set) var failures = 0
    package fileprivate(set) var lastEchoed: Instant?
    /// How often it was taken out of use and back, and when last.
    package fileprivate(set) var changes: UInt64 = 0
    package fileprivate(set) var since: Instant?
}

/// Does no I/O and reads no clock. The owner tells the forwarding state what to ask for and calls `timeout` at `deadline()`.
package struct EchoNoncer: Sendable {
    package enum Step: Hashable, Sendable {
        /// Packets to the RLOC ask for this nonce; `nil`: for none.
        case ask(IPAddress, nonce: UInt32?)
        /// The RLOC has echoed: the way there and back is alive.
        case echoed(IPAddress)
        /// It has not, although packets came back; with RLOC-probing a doubt, and no more.
        case doubted(IPAddress)
        case wentDown(IPAddress)
        /// Used again, and asked at once.
        case onTrial(IPAddress)
        /// Used again: an echo has come after all, or nobody judges it any more.
        case cameBack(IPAddress)
    }

    private enum Phase {
        /// The site does not say that it can echo. Leads to `resting` when it does.
        case notCapable
        /// Leads to `asking` when its time comes and packets flow.
        case resting
        /// Leads to `resting`, or to `down`.
        case asking(Round)
        /// Leads to `asking`, on trial.
        case down
    }

    /// One request.
    private struct Round {
        let began: Instant
        let before: EchoCounters
        /// When the first packet was seen to have left with it.
        var asked: Instant?
        /// Packets received by the time when an echo could be here.
        var mark: UInt64?
    }

    private struct Item {
        var reachability = EchoReachability()
        var phase = Phase.notCapable
        /// Packets sent when it last rested.
        var sent: UInt64 = 0
        var isOnTrial = false
        /// How often it has been down in a row.
        var downs = 0
    }

    /// Between the requests to an RLOC.
    package static let interval = Duration.seconds(10)
    /// How often a request is looked at.
    static let look = Duration.milliseconds(250)
    /// What comes back within so long after the first packet with the request may have been on its way before.
    static let grace = Duration.seconds(1)
    /// How long packets are listened to then.
    static let hearing = Duration.seconds(1)
    /// When a request that nothing can be said of ends.
    static let patience = Duration.seconds(5)
    /// So many packets must have gone, and as many come back, before a missing echo counts: one may be lost.
    static let evidence: UInt64 = 3
    /// Failures in a row that make an RLOC down where no probes decide.
    package static let failureLimit = 3
    /// When an RLOC that is down is tried again; each time later, at most by `longestBackoff` doublings.
    package static let trialAfter = Duration.seconds(30)
    private static let longestBackoff = 5
    /// The most RLOCs that are seen to in one `timeout`.
    static let sliceLimit = 500

    package private(set) var isEnabled: Bool
    /// Whether RLOC-probing has the verdict.
    private var isProbed: Bool
    private var items: [IPAddress: Item] = [:]
    private var timers = DeadlineQueue<IPAddress>()

    package init(isEnabled: Bool = false, isProbed: Bool = true) {
        self.isEnabled = isEnabled
        self.isProbed = isProbed
    }

    package subscript(address: IPAddress) -> EchoReachability? { isEnabled ? items[address]?.reachability : nil }

    /// Whether packets may be sent to `address` as far as echoes tell; so for one that is not known.
    package func isUp(_ address: IPAddress) -> Bool {
        guard case .down? = items[address]?.phase else { return true }
        return false
    }

    // MARK: RLOCs

    /// From now on `address` is in use.
    package mutating func add(_ address: IPAddress) {
        guard items[address] == nil else { return }
        items[address] = Item()
    }

    /// `address` is in use no longer.
    package mutating func remove(_ address: IPAddress) {
        items[address] = nil
        timers.remove(address)
    }

    /// A Map-Reply says whether the site of `address` can echo. The last word counts.
    package mutating func learnt(_ address: IPAddress, isCapable: Bool, now: Instant) -> [Step] {
        guard let item = items[address] else { return [] }
        switch (item.phase, isCapable) {
        case (.notCapable, true):
            items[address]?.phase = .resting
            items[address]?.reachability.state = .resting
            // Soon: it will be sent to.
            if isEnabled { timers.set(address, at: now + .seconds(1)) }
            return []
        case (.notCapable, false), (.resting, true), (.asking, true), (.down, true):
            return []
        case (.resting, false), (.asking, false), (.down, false):
            let steps = end(address, now: now)
            items[address]?.phase = .notCapable
            items[address]?.reachability.state = .notCapable
            timers.remove(address)
            return steps
        }
    }

    /// Ends whatever goes on with `address`, which rests then.
    private mutating func end(_ address: IPAddress, now: Instant) -> [Step] {
        guard let item = items[address] else { return [] }
        items[address]?.isOnTrial = false
        items[address]?.downs = 0
        items[address]?.reachability.failures = 0
        switch item.phase {
        case .notCapable, .resting:
            return []
        case .asking:
            rest(address)
            return [.ask(address, nonce: nil)]
        case .down:
            rest(address)
            turned(address, now: now)
            return [.cameBack(address)]
        }
    }

    private mutating func rest(_ address: IPAddress) {
        items[address]?.phase = .resting
        items[address]?.reachability.state = .resting
    }

    private mutating func turned(_ address: IPAddress, now: Instant) {
        items[address]?.reachability.changes += 1
        items[address]?.reachability.since = now
    }

    // MARK: Time

    package mutating func deadline() -> Instant? { timers.next }

    /// Does what is due, at most `sliceLimit` of it: the rest is due at once.
    ///
    /// - Parameter seen: what the forwarding state has seen of an RLOC so far; `nil` if it does not know it.
    package mutating func timeout(
        now: Instant,
        using random: inout some RandomNumberGenerator,
        seen: (IPAddress) -> EchoCounters?
    ) -> [Step] {
        var steps: [Step] = []
        for _ in 0..<Self.sliceLimit {
            guard let address = timers.popDue(now) else { break }
            guard let item = items[address] else { continue }
            guard let counters = seen(address) else {
                timers.set(address, at: now + Self.interval)
                continue
            }
            switch item.phase {
            case .notCapable:
                break
            case .resting where counters.sent == item.sent:
                timers.set(address, at: now + Self.interval)
            case .resting:
                steps.append(ask(address, counters, now: now, using: &random))
            case .asking(let round):
                steps += look(at: address, round, counters, now: now, using: &random)
            case .down:
                items[address]?.isOnTrial = true
                turned(address, now: now)
                steps += [.onTrial(address), ask(address, counters, now: now, using: &random)]
            }
        }
        return steps
    }

    private mutating func ask(
        _ address: IPAddress,
        _ counters: EchoCounters,
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> Step {
        items[address]?.phase = .asking(Round(began: now, before: counters))
        items[address]?.reachability.state = .asking
        timers.set(address, at: now + Self.look)
        return .ask(address, nonce: UInt32.random(in: 0...0xff_ffff, using: &random))
    }

    /// Sees what has become of a request.
    private mutating func look(
        at address: IPAddress,
        _ round: Round,
        _ counters: EchoCounters,
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [Step] {
        guard counters.matched == round.before.matched else { return echoed(address, counters, now: now) }
        var round = round
        let requests = counters.requested &- round.before.requested
        if round.asked == nil, requests > 0 { round.asked = now }
        if let asked = round.asked {
            if let mark = round.mark {
                if asked + Self.grace + Self.hearing <= now, requests >= Self.evidence,
                    counters.received &- mark >= Self.evidence
                {
                    return failed(address, counters, now: now, using: &random)
                }
            } else if asked + Self.grace <= now {
                round.mark = counters.received
            }
        }
        guard round.began + Self.patience > now else {
            restUntilNext(address, counters, now: now)
            return [.ask(address, nonce: nil)]
        }
        items[address]?.phase = .asking(round)
        timers.set(address, at: now + Self.look)
        return []
    }

    private mutating func restUntilNext(_ address: IPAddress, _ counters: EchoCounters, now: Instant) {
        rest(address)
        items[address]?.sent = counters.sent
        timers.set(address, at: now + Self.interval)
    }

    private mutating func echoed(_ address: IPAddress, _ counters: EchoCounters, now: Instant) -> [Step] {
        items[address]?.reachability.lastEchoed = now
        let steps = end(address, now: now) + [.echoed(address)]
        restUntilNext(address, counters, now: now)
        return steps
    }

    private mutating func failed(
        _ address: IPAddress,
        _ counters: EchoCounters,
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [Step] {
        guard let item = items[address] else { return [] }
        let failures = item.reachability.failures + 1
        items[address]?.reachability.failures = failures
        if isProbed {
            restUntilNext(address, counters, now: now)
            return [.ask(address, nonce: nil), .doubted(address)]
        }
        guard item.isOnTrial || failures >= Self.failureLimit else {
            return [ask(address, counters, now: now, using: &random)]
        }
        items[address]?.phase = .down
        items[address]?.reachability.state = .down
        items[address]?.isOnTrial = false
        items[address]?.downs = min(item.downs + 1, Self.longestBackoff)
        turned(address, now: now)
        timers.set(address, at: now + Self.trialAfter * (1 << item.downs))
        return [.ask(address, nonce: nil), .wentDown(address)]
    }

    // MARK: Settings

    /// Takes over changed settings. What was found out so far counts no more: every RLOC is up.
    package mutating func reconfigure(isEnabled: Bool, isProbed: Bool, now: Instant) -> [Step] {
        guard isEnabled != self.isEnabled || isProbed != self.isProbed else { return [] }
        self.isEnabled = isEnabled
        self.isProbed = isProbed
        timers.removeAll()
        var steps: [Step] = []
        for (index, address) in items.keys.sorted().enumerated() {
            steps += end(address, now: now)
            guard isEnabled, let item = items[address] else { continue }
            if case .resting = item.phase {
                // Spread over the interval.
                timers.set(address, at: now + Self.interval / items.count * index)
            }
        }
        return steps
    }
}
