// RLOC-probing: which of the RLOCs that we encapsulate to answer (RFC 9301 section 7.1).
//
//     resting --interval--> asking --answer--> resting           the RLOC is up
//                             |  --no answer, `retries` times--> the RLOC is down, asked on: soon, then ever
//                             |                                  less often, at last at the interval
//     down    --answer-----> confirming --answer--> resting      and up again; one stray answer is not enough
//     resting, asking --doubt--> asking                          one more probe, now: its outcome stands for all retries
//
// One probe serves an RLOC, however many map-cache entries and Proxy-ETRs use it. What the answers say of mappings is none of
// its business.

import LISPTables
import LISPWire

package struct RLOCProbingSettings: Hashable, Sendable {
    package var isEnabled: Bool
    /// Between the probes of an RLOC. Up to a quarter of it is left out by chance, so that the probes of many RLOCs spread over
    /// time.
    package var interval: Duration
    /// Probes after the first that may go unanswered before the RLOC is down.
    package var retries: Int
    /// How long an answer is waited for, and so the time between retries.
    package var retryInterval: Duration

    package init(
        isEnabled: Bool = false,
        interval: Duration = .seconds(60),
        retries: Int = 3,
        retryInterval: Duration = .seconds(1)
    ) {
        self.isEnabled = isEnabled
        self.interval = interval
        self.retries = retries
        self.retryInterval = retryInterval
    }
}

/// What probing has found out of one RLOC.
package struct RLOCReachability: Hashable, Sendable {
    /// Packets may be sent there. An RLOC is up until it is known to be down.
    package fileprivate(set) var isUp = true
    /// How often it went down or came back.
    package fileprivate(set) var changes: UInt64 = 0
    /// When it last did, else when it was first used.
    package fileprivate(set) var since: Instant
    package fileprivate(set) var probesSent: UInt64 = 0
    package fileprivate(set) var probesAnswered: UInt64 = 0
    package fileprivate(set) var lastAnswered: Instant?
    /// From probe to answer.
    package fileprivate(set) var roundTrip: RoundTrip?

    fileprivate mutating func answered(after time: Duration, now: Instant) {
        probesAnswered += 1
        lastAnswered = now
        if roundTrip?.note(time) == nil { roundTrip = RoundTrip(time) }
    }

    fileprivate mutating func turned(isUp: Bool, now: Instant) {
        self.isUp = isUp
        changes += 1
        since = now
    }

    package struct RoundTrip: Hashable, Sendable {
        package fileprivate(set) var last: Duration
        package fileprivate(set) var smallest: Duration
        package fileprivate(set) var largest: Duration
        /// Seven parts of what it was and one of the last (RFC 6298 section 2).
        package fileprivate(set) var smoothed: Duration

        fileprivate init(_ first: Duration) {
            last = first
            smallest = first
            largest = first
            smoothed = first
        }

        fileprivate mutating func note(_ time: Duration) {
            last = time
            smallest = min(smallest, time)
            largest = max(largest, time)
            smoothed = .nanoseconds((smoothed.nanoseconds * 7 + time.nanoseconds) / 8)
        }
    }
}

/// Does no I/O and reads no clock. The owner sends the probes it is told to and calls `timeout` at `deadline()`.
package struct RLOCProber: Sendable {
    package enum Step: Hashable, Sendable {
        /// Send a probe with this nonce to the RLOC.
        case probe(IPAddress, Nonce)
        case wentDown(IPAddress)
        case cameBack(IPAddress)
    }

    private enum Phase {
        /// Leads to `asking` when its time comes.
        case resting
        /// So many probes are out. Leads to itself, and after the last retry to `resting`, down.
        case asking(tries: Int)
    }

    private struct Item {
        var reachability: RLOCReachability
        var phase = Phase.resting
        /// When a doubt that came is to be settled by a probe that stands for all retries.
        var doubtDue: Instant?
        /// When the last one was.
        var lastDoubt: Instant?
        /// While down: how many probes in a row went unanswered since.
        var silence = 0
        /// While down: answered once, and asked again to be sure.
        var isConfirming = false
        /// Probes that a late answer may still belong to, the newest last.
        var outstanding: [(nonce: Nonce, sent: Instant)] = []
    }

    /// The most RLOCs that are seen to in one `timeout`.
    static let sliceLimit = 500
    /// When the first probe of an RLOC is due.
    private static let firstProbe = Duration.seconds(1)
    /// How often the time between the probes of a dead RLOC is doubled at most.
    private static let longestBackoff = 20
    /// For so many intervals other signs of life spare an RLOC its probe.
    private static let longestSparing = 4
    /// A probe that confirms a doubt has at least so long.
    private static let shortestWait = Duration.milliseconds(200)
    /// Between two doubts of one RLOC that are followed up: whoever forges ICMP errors gets no more probes out of us.
    static let doubtInterval = Duration.seconds(1)
    /// Between the probes of RLOCs that are doubted together.
    static let sweepPace = Duration.microseconds(500)

    package private(set) var settings: RLOCProbingSettings
    private var items: [IPAddress: Item] = [:]
    private var targets: [Nonce: IPAddress] = [:]
    private var timers = DeadlineQueue<IPAddress>()

    package init(settings: RLOCProbingSettings = .init()) {
        self.settings = settings
    }

    package subscript(address: IPAddress) -> RLOCReachability? { items[address]?.reachability }

    /// Whether packets may be sent to `address`; so for one that is not known.
    package func isUp(_ address: IPAddress) -> Bool { items[address]?.reachability.isUp ?? true }

    // MARK: RLOCs

    /// From now on `address` is in use.
    package mutating func add(_ address: IPAddress, now: Instant) {
        guard items[address] == nil else { return }
        items[address] = Item(reachability: RLOCReachability(since: now))
        guard settings.isEnabled else { return }
        timers.set(address, at: now + min(Self.firstProbe, settings.interval))
    }

    /// `address` is in use no longer.
    package mutating func remove(_ address: IPAddress) {
        guard let item = items.removeValue(forKey: address) else { return }
        for (nonce, _) in item.outstanding { targets[nonce] = nil }
        timers.remove(address)
    }

    /// Something says that `address` may be dead or back: an ICMP Destination Unreachable, a link that went down or up. One
    /// probe is due at once to find out, and only its outcome counts. While a doubt waits for that, another adds nothing; and
    /// one that comes within a second of the last waits until it is over, so none is lost.
    ///
    /// With probing off the hint is worth nothing: anybody can send one.
    package mutating func doubt(_ address: IPAddress, now: Instant) {
        doubt(address, due: now)
    }

    /// Doubts several, those that are up first. Their probes are spread, so that however many there are the answers do not come in
    /// one burst.
    package mutating func doubt(_ addresses: some Sequence<IPAddress>, now: Instant) {
        let known = addresses.filter { items[$0] != nil }
        let ordered = known.filter { isUp($0) }.sorted() + known.filter { !isUp($0) }.sorted()
        var due = now
        for address in ordered {
            doubt(address, due: due)
            due = due + Self.sweepPace
        }
    }

    private mutating func doubt(_ address: IPAddress, due: Instant) {
        guard settings.isEnabled, var item = items[address], item.doubtDue == nil else { return }
        let earliest = item.lastDoubt.map { $0 + Self.doubtInterval } ?? due
        item.doubtDue = max(due, earliest)
        items[address] = item
        settleDoubt(address)
    }

    /// Brings the next look at `address` forward to when its doubt is due, unless a probe is out whose outcome decides anyway:
    /// then the doubt waits for that.
    private mutating func settleDoubt(_ address: IPAddress) {
        guard let item = items[address], let due = item.doubtDue else { return }
        switch item.phase {
        case .asking(let tries) where !item.reachability.isUp || tries > settings.retries: return
        case .resting, .asking: timers.set(address, at: min(due, timers[address] ?? due))
        }
    }

    /// Packets go to `address` and come back: that spares it the probe of this interval. Not for ever: an echo is easier to forge
    /// than an answer, so one probe goes in `longestSparing` intervals at least (RFC 9300 section 16). A probe that is out, or a
    /// doubt, takes its course.
    package mutating func heard(_ address: IPAddress, now: Instant) {
        guard settings.isEnabled, let item = items[address], case .resting = item.phase, item.reachability.isUp,
            item.doubtDue == nil, let answered = item.reachability.lastAnswered
        else { return }
        let due = min(now + settings.interval, answered + settings.interval * Self.longestSparing)
        if due > now { timers.set(address, at: due) }
    }

    // MARK: Time

    package mutating func deadline() -> Instant? { timers.next }

    /// Does what is due, at most `sliceLimit` of it: the rest is due at once, so that the owner can see to other things in between.
    package mutating func timeout(now: Instant, using random: inout some RandomNumberGenerator) -> [Step] {
        var steps: [Step] = []
        for _ in 0..<Self.sliceLimit {
            guard let address = timers.popDue(now) else { break }
            guard let item = items[address] else { continue }
            let isDoubted = item.doubtDue.map { $0 <= now } ?? false
            switch item.phase {
            case .asking(let tries) where !item.reachability.isUp || tries > settings.retries:
                steps += gaveUp(on: address, now: now)
            case .resting where isDoubted, .asking where isDoubted:
                steps.append(probeDoubted(address, now: now, using: &random))
            case .resting:
                steps.append(probe(address, tries: 1, now: now, using: &random))
            case .asking(let tries):
                steps.append(probe(address, tries: tries + 1, now: now, using: &random))
            }
            settleDoubt(address)
        }
        return steps
    }

    private mutating func probeDoubted(
        _ address: IPAddress,
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> Step {
        items[address]?.doubtDue = nil
        items[address]?.lastDoubt = now
        guard let state = items[address]?.reachability, state.isUp else {
            // It may be back: asked soon again if it does not answer at once.
            items[address]?.silence = 0
            return probe(address, tries: 1, now: now, using: &random)
        }
        let step = probe(address, tries: settings.retries + 1, now: now, using: &random)
        // This one need not be waited for as long as a lost one.
        let usual = state.roundTrip.map { max($0.smoothed * 4, Self.shortestWait) }
        timers.set(address, at: now + min(usual ?? settings.retryInterval / 2, settings.retryInterval))
        return step
    }

    private mutating func probe(
        _ address: IPAddress,
        tries: Int,
        now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> Step {
        let nonce = Nonce.random(using: &random)
        targets[nonce] = address
        items[address]?.outstanding.append((nonce, now))
        if let old = items[address]?.outstanding, old.count > settings.retries + 1 {
            targets[old[0].nonce] = nil
            items[address]?.outstanding.removeFirst()
        }
        items[address]?.phase = .asking(tries: tries)
        items[address]?.reachability.probesSent += 1
        timers.set(address, at: now + settings.retryInterval)
        return .probe(address, nonce)
    }

    /// Nobody answered the last try.
    private mutating func gaveUp(on address: IPAddress, now: Instant) -> [Step] {
        guard let item = items[address] else { return [] }
        items[address]?.phase = .resting
        items[address]?.isConfirming = false
        // A short break, perhaps on our side, must not cost a whole interval.
        let silence = item.reachability.isUp ? 0 : min(item.silence + 1, Self.longestBackoff)
        items[address]?.silence = silence
        timers.set(address, at: now + min(settings.retryInterval * (1 << silence), settings.interval))
        guard item.reachability.isUp else { return [] }
        items[address]?.reachability.turned(isUp: false, now: now)
        return [.wentDown(address)]
    }

    /// Sets the next probe. The nonce of the last one serves as the chance that spreads them.
    private mutating func rest(_ address: IPAddress, after nonce: Nonce?, now: Instant) {
        let chance = Int((nonce?.rawValue ?? 0) & 0xff)
        let leftOut: Duration = settings.interval / 1024 * chance
        timers.set(address, at: now + (settings.interval - leftOut))
        settleDoubt(address)
    }

    /// The probe that `timeout` wanted could not be made: it counts neither way.
    package mutating func cannotAsk(_ address: IPAddress, now: Instant) {
        guard let nonce = items[address]?.outstanding.popLast()?.nonce else { return }
        targets[nonce] = nil
        items[address]?.reachability.probesSent -= 1
        items[address]?.phase = .resting
        rest(address, after: nonce, now: now)
    }

    // MARK: Answers

    /// The RLOC that the probe with `nonce` went to, `nil` if none with it is outstanding.
    package func target(of nonce: Nonce) -> IPAddress? { targets[nonce] }

    /// A valid answer to the probe with `nonce` arrived.
    package mutating func answered(_ nonce: Nonce, now: Instant) -> [Step] {
        guard let address = targets[nonce], var item = items[address],
            let sent = item.outstanding.first(where: { $0.nonce == nonce })?.sent
        else { return [] }
        for (nonce, _) in item.outstanding { targets[nonce] = nil }
        item.outstanding = []
        item.phase = .resting
        item.reachability.answered(after: sent.duration(to: now), now: now)
        if !item.reachability.isUp, !item.isConfirming {
            item.isConfirming = true
            items[address] = item
            timers.set(address, at: now)
            return []
        }
        let cameBack = !item.reachability.isUp
        if cameBack {
            item.isConfirming = false
            item.reachability.turned(isUp: true, now: now)
        }
        items[address] = item
        rest(address, after: nonce, now: now)
        return cameBack ? [.cameBack(address)] : []
    }

    // MARK: Settings

    /// Takes over changed settings. With probing off every RLOC counts as up.
    package mutating func reconfigure(_ new: RLOCProbingSettings, now: Instant) -> [Step] {
        guard new != settings else { return [] }
        settings = new
        timers.removeAll()
        targets.removeAll()
        var steps: [Step] = []
        for (index, address) in items.keys.sorted().enumerated() {
            items[address]?.phase = .resting
            items[address]?.isConfirming = false
            items[address]?.doubtDue = nil
            items[address]?.outstanding = []
            if new.isEnabled {
                // Spread over the interval.
                timers.set(address, at: now + new.interval / items.count * index)
            } else if items[address]?.reachability.isUp == false {
                items[address]?.reachability.turned(isUp: true, now: now)
                steps.append(.cameBack(address))
            }
        }
        return steps
    }
}
