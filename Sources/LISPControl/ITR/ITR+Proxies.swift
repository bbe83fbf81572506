// Proxy-ETRs and static mappings: what the operator gives the ITR beside what it learns. Negative entries follow the
// Proxy-ETRs and the space that a Proxy-ITR attracts (RFC 9301 section 5.4, RFC 6832 sections 5 and 6).

import ForwardingInterface
import LISPTables
import LISPWire

/// A Proxy-ETR and its place in the forwarding state.
package struct ProxyETRState: Hashable, Sendable {
    package let proxy: ProxyETR
    /// `nil` while it takes no part: of a family that we have no RLOC of, or of priority 255.
    package let id: LocatorID?
}

/// What the host may know of an entry: for its routes.
enum HostHint: Hashable {
    /// Hosts can be reached over LISP.
    case remoteEID
    /// Nothing is to be encapsulated there.
    case negative
    case nothing
}

extension ITR {
    /// Of all Proxy-ETRs. Map-cache entries begin with 1.
    package static let proxyETRSet = LocatorSetID(rawValue: 0)

    // MARK: What entries do

    /// What the forwarding state does with packets of an entry. An empty locator set obeys its action; no-action means
    /// natively-forward, the unassigned codes mean drop (RFC 9301 sections 5.4 and 12.3).
    package func forwardingAction(_ entry: MapCacheEntry) -> ForwardingAction {
        forwardingAction(entry.content, entry.locatorSet, of: entry.eid)
    }

    func forwardingAction(_ content: MappingContent, _ locatorSet: LocatorSetID, of eid: EIDPrefix) -> ForwardingAction
    {
        guard content.locators.isEmpty else { return .encapsulate(locatorSet) }
        return switch content.action {
        case .noAction, .nativelyForward: nativeAction(eid)
        case .sendMapRequest: .sendMapRequest
        case .dropPolicyDenied: .drop(.policyDenied)
        case .dropAuthFailure: .drop(.authenticationFailure)
        default: .drop(.noReason)
        }
    }

    /// How packets to a non-LISP site go: by a Proxy-ETR where there is one. A Proxy-ITR never sends natively what it attracts
    /// itself: that would come back until its TTL ends.
    private func nativeAction(_ eid: EIDPrefix) -> ForwardingAction {
        guard proxyETRs.isEmpty else { return .encapsulate(Self.proxyETRSet) }
        return proxySpace.attracts(eid) ? .drop(.attracted) : .forwardNatively
    }

    /// What of a record's prefix becomes an entry. A negative one that is attracted in part is kept for the part around the EID that was
    /// asked for: the rest has to be treated otherwise.
    func part(of prefix: EIDPrefix, saying record: EIDRecord, around target: EIDPrefix) -> EIDPrefix {
        guard record.locators.isEmpty, record.action == .noAction || record.action == .nativelyForward,
            proxyETRs.isEmpty
        else { return prefix }
        return proxySpace.part(of: prefix, around: EID(instanceID: target.instanceID, target.prefix.address))
    }

    func hostHint(_ content: MappingContent, of eid: EIDPrefix) -> HostHint {
        guard content.locators.isEmpty else { return .remoteEID }
        switch content.action {
        case .noAction, .nativelyForward: return proxyETRs.isEmpty ? .negative : .nothing
        default: return .nothing
        }
    }

    /// What the host has to hear when an entry's hint changes.
    func tellHost(of eid: EIDPrefix, was old: HostHint, is new: HostHint) -> [ITRAction] {
        guard old != new else { return [] }
        var actions: [ITRAction] = []
        switch old {
        case .remoteEID: actions.append(.remoteEIDForgotten(eid))
        case .negative: actions.append(.negativePrefixForgotten(eid))
        case .nothing: break
        }
        switch new {
        case .remoteEID: actions.append(.remoteEIDKnown(eid))
        case .negative: actions.append(.negativePrefixKnown(eid))
        case .nothing: break
        }
        return actions
    }

    /// As whom the Map-Request of a question is sent: the source EID, unless we ask as a Proxy-ITR (RFC 9301 section 5.2).
    func asker(of question: Question) -> (sourceEID: LISPAddress, isPITR: Bool) {
        guard settings.proxyITR != nil else { return (question.sourceEID.map(LISPAddress.init(eid:)) ?? .none, false) }
        guard let source = question.sourceEID, proxySpace.isOwn(source) else { return (.none, true) }
        return (LISPAddress(eid: source), false)
    }

    // MARK: What the operator gives

    /// Puts what the settings give into place, and takes out what they gave before and do not any more. To be called once at the
    /// start, before anything else.
    package mutating func start(now: Instant) -> [ITRAction] {
        followProxies(now: now) + followStaticMappings(now: now)
    }

    /// Takes over the Proxy-ETRs and the attracted space of the settings. Costs as much as there are entries if it has to be
    /// decided anew what negative ones do.
    mutating func followProxies(now: Instant) -> [ITRAction] {
        let newSpace = settings.proxyITR?.eidSpace ?? []
        let changesNegatives = proxyETRs.isEmpty != settings.proxyETRs.isEmpty || newSpace != attractedSpace
        let before = changesNegatives ? negativeHints() : [:]
        attractedSpace = newSpace
        proxySpace = ProxySpace(settings.proxyITR)

        let old = proxyETRs
        var updates: [ForwardingUpdate] = []
        proxyETRs = settings.proxyETRs.map { proxy in
            guard proxy.priority != 255, canReach(proxy.address) else { return ProxyETRState(proxy: proxy, id: nil) }
            let (id, update) = locators.acquire(proxy.address, now: now)
            if let update {
                updates.append(update)
                beginWatching(proxy.address, now: now)
            }
            return ProxyETRState(proxy: proxy, id: id)
        }
        if proxyETRs != old, !proxyETRs.isEmpty {
            let slots = proxyETRs.compactMap { state in
                state.id.map { LocatorSlot(locator: $0, priority: state.proxy.priority, weight: state.proxy.weight) }
            }
            updates.append(.putLocatorSet(Self.proxyETRSet, slots))
        }
        var actions: [ITRAction] = []
        if changesNegatives {
            for (eid, hint) in before.sorted(by: { $0.key < $1.key }) {
                guard let entry = cache[eid] else { continue }
                updates.append(.putEntry(eid, mapping: entry.mapping, action: forwardingAction(entry)))
                actions += tellHost(of: eid, was: hint, is: hostHint(entry.content, of: eid))
            }
        }
        if proxyETRs.isEmpty, !old.isEmpty { updates.append(.deleteLocatorSet(Self.proxyETRSet)) }
        for state in old where state.id != nil {
            guard let update = locators.release(state.proxy.address) else { continue }
            updates.append(update)
            endWatching(state.proxy.address)
        }
        return (updates.isEmpty ? [] : [.forwarding(updates)]) + actions
    }

    /// What the host knows of the entries that say natively-forward.
    private func negativeHints() -> [EIDPrefix: HostHint] {
        var hints: [EIDPrefix: HostHint] = [:]
        var key: EIDPrefix?
        while let entry = cache.first(after: key) {
            key = entry.eid
            guard entry.isNegative, entry.action == .noAction || entry.action == .nativelyForward else { continue }
            hints[entry.eid] = hostHint(entry.content, of: entry.eid)
        }
        return hints
    }

    /// Takes over the static mappings of the settings.
    mutating func followStaticMappings(now: Instant) -> [ITRAction] {
        let wanted = Dictionary(settings.staticMappings.map { ($0.eid, $0) }, uniquingKeysWith: { $1 })
        var actions: [ITRAction] = []
        for (eid, _) in staticMappings.sorted(by: { $0.key < $1.key }) where wanted[eid] == nil {
            if let gone = cache.remove(eid) { actions += removed(gone) }
        }
        for (eid, mapping) in wanted.sorted(by: { $0.key < $1.key }) where staticMappings[eid] != mapping {
            actions += install(mapping.content, for: eid, life: nil, now: now)
        }
        staticMappings = wanted
        return actions
    }

    /// Whether an RLOC is used as a Proxy-ETR, so that a probe of it need not name a mapping.
    func isProxyETR(_ rloc: IPAddress) -> Bool {
        proxyETRs.contains { $0.proxy.address == rloc && $0.id != nil }
    }
}
