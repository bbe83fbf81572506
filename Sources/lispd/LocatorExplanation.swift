// Which locators of a mapping are used, which one by a flow, and why not the others (RFC 9300 section 9, RFC 9301 section 5.4).

import DataPlane
import ForwardingInterface
import LISPControl
import LISPTables
import LISPWire
import ManagementAPI

struct LocatorExplanation {
    /// A locator before it is clear which priority counts.
    fileprivate struct Candidate {
        var address: IPAddress?
        var text: String
        var priority: UInt8
        var weight: UInt8
        var id: LocatorID?
        var state: LocatorState
        /// Why it cannot be used; `nil` if it can.
        var obstacle: String?
    }

    /// Outer IP, UDP and LISP headers (RFC 9300 section 5).
    private static let overhead: [AddressFamily: Int] = [.ipv4: 36, .ipv6: 56]

    /// Whether the destination is no LISP site, and Proxy-ETRs carry what is for it.
    private(set) var usesProxyETRs = false
    private(set) var locators: [ExplainedLocator] = []
    /// Where this flow goes, or, if it is not known well enough, where it may.
    private(set) var candidates: [String] = []
    /// Octets of a packet that fit all of those.
    private(set) var largestPacket: Int?

    /// What is looked at.
    struct Sources {
        let itr: ITR
        let time: ReportTime
        /// Of the TUN.
        let tunMTU: Int
        /// How the data plane sees a locator.
        let use: (LocatorID) -> LocatorUse?
    }

    /// - Parameter isWholeFlow: whether the decision is that about the flow which is asked about, and not just about some flow.
    init(
        _ entry: LISPTables.MapCacheEntry?,
        _ decision: ForwardingDecision?,
        isWholeFlow: Bool,
        _ sources: Sources
    ) {
        guard let entry else { return }
        let all: [Candidate]
        if !entry.isNegative {
            all = entry.locators.enumerated().map { Candidate($0.element, number: $0.offset, of: entry, sources) }
        } else if case .encapsulate = sources.itr.forwardingAction(entry) {
            usesProxyETRs = true
            all = sources.itr.proxyETRs.map { Candidate($0, sources) }
        } else {
            return
        }
        var chosen: LocatorID?
        if case .encapsulate(_, let locator) = decision { chosen = locator }
        rank(all, chosen: chosen, isWholeFlow: isWholeFlow, sources)
    }

    private mutating func rank(
        _ all: [Candidate],
        chosen: LocatorID?,
        isWholeFlow: Bool,
        _ sources: Sources
    ) {
        let usable = all.filter { $0.obstacle == nil }
        let best = usable.map(\.priority).min()
        let sharing = usable.filter { $0.priority == best }
        let total = sharing.reduce(0) { $0 + Int($1.weight) }
        let used = total == 0 ? sharing : sharing.filter { $0.weight > 0 }
        let isKnown = isWholeFlow || used.count == 1
        for candidate in all {
            let why: String
            if let obstacle = candidate.obstacle {
                why = obstacle
            } else if let best, candidate.priority != best {
                why = "stands by: those of priority \(best) come first"
            } else if total > 0, candidate.weight == 0 {
                why = "weight 0: the others take all flows"
            } else if used.count == 1 {
                why = "the only one of the best priority that can be used"
            } else if total == 0 {
                why = "takes 1 of \(used.count) flows"
            } else {
                why = "takes \(candidate.weight) of \(total) flows"
            }
            let isUsed = candidate.id != nil && used.contains { $0.id == candidate.id }
            let isChosen = isKnown && isUsed && candidate.id == chosen
            let mtu = candidate.id.flatMap { sources.use($0)?.mtu }.flatMap { $0 == 0 ? nil : $0 }
            locators.append(
                ExplainedLocator(
                    address: candidate.text,
                    priority: candidate.priority,
                    weight: candidate.weight,
                    state: candidate.state,
                    isUsed: isUsed,
                    isChosen: isChosen,
                    why: why,
                    mtu: mtu
                )
            )
            guard isChosen || isUsed && !isKnown, let address = candidate.address else { continue }
            candidates.append(candidate.text)
            let fits = Self.largest(address.family, mtu: mtu, tunMTU: sources.tunMTU)
            largestPacket = min(largestPacket ?? fits, fits)
        }
    }

    /// What fits the TUN, and behind its outer headers the path.
    private static func largest(_ family: AddressFamily, mtu: Int?, tunMTU: Int) -> Int {
        mtu.map { min(tunMTU, $0 - (overhead[family] ?? 0)) } ?? tunMTU
    }
}

extension LocatorExplanation.Candidate {
    fileprivate init(
        _ locator: LISPTables.MapCacheLocator,
        number ordinal: Int,
        of entry: LISPTables.MapCacheEntry,
        _ sources: LocatorExplanation.Sources
    ) {
        self.init(
            address: locator.address,
            text: locator.address?.description ?? locator.record.address.description,
            priority: locator.record.priority,
            weight: locator.record.weight,
            id: locator.id,
            state: .up
        )
        if !locator.record.isReachable {
            state = .unreachable
            obstacle = "its site says that it cannot be reached (R-bit)"
        } else if id != nil, !sources.itr.status.isUsed(ordinal, of: entry.locatorSet) {
            state = .down
            obstacle = "packets of its site say that it is down (locator-status-bits)"
        } else {
            look(sources)
        }
    }

    fileprivate init(_ proxy: ProxyETRState, _ sources: LocatorExplanation.Sources) {
        self.init(
            address: proxy.proxy.address,
            text: proxy.proxy.address.description,
            priority: proxy.proxy.priority,
            weight: proxy.proxy.weight,
            id: proxy.id,
            state: .up
        )
        look(sources)
    }

    /// Finds what stands in the way.
    private mutating func look(_ sources: LocatorExplanation.Sources) {
        guard let id, let address else {
            state = .unusable
            obstacle = unusable(sources.itr)
            return
        }
        if let reachability = sources.itr.prober[address], !reachability.isUp {
            state = .down
            let last = reachability.lastAnswered.map { "last answered \(sources.time.moment($0).secondsAgo) s ago" }
            obstacle = "does not answer RLOC-probes, \(last ?? "never answered")"
        } else if !sources.itr.isUp(address) {
            state = .down
            obstacle = "packets come back from there without the nonces that they should echo"
        } else if sources.use(id)?.isUsable == false {
            obstacle = "the data plane has no socket of its family"
        }
    }

    /// Why it takes no part in the forwarding state.
    private func unusable(_ itr: ITR) -> String {
        if priority == 255 { return "priority 255: not for unicast traffic" }
        guard let address else { return "no address that packets can be sent to" }
        if !address.canBeRLOC { return "no address that an RLOC can have" }
        if !itr.settings.rlocs.contains(where: { $0.family == address.family }) {
            return "this router has no \(address.family) RLOC to send from"
        }
        return "takes no part"
    }
}
