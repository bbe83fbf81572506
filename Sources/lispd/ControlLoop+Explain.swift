// `explain`: the whole decision about one packet, as this router would take it now.
//
//     host's rules and routes --> TUN --> own EID? --> map-cache entry --> locator --> what fits
//
// Tables and probing say why; what happens, and which locator a flow takes, is what the data plane itself answers.

import DataPlane
import ForwardingInterface
import HostRouting
import LISPConfiguration
import LISPControl
import LISPTables
import LISPWire
import Management
import ManagementAPI

/// A packet that is asked about.
struct ExplainedPacket {
    let query: ExplainQuery
    let source: IPAddress
    let destination: IPAddress
    let instance: InstanceID
    /// Where it comes by.
    let space: HostSpace

    /// Whether everything is known that a flow hash goes by.
    var isWholeFlow: Bool {
        guard let number = query.protocolNumber else { return false }
        return !FlowPacket.hasPorts(number) || query.sourcePort != nil && query.destinationPort != nil
    }

    /// It, as the kernel would hand it over.
    var octets: [UInt8] {
        FlowPacket.octets(
            from: source,
            to: destination,
            protocolNumber: query.protocolNumber,
            ports: (query.sourcePort ?? 0, query.destinationPort ?? 0)
        )
    }
}

extension ControlLoop {
    /// Whether the question makes sense, and in which instance.
    func explainedPacket(_ query: ExplainQuery) throws(ManagementError) -> ExplainedPacket {
        guard plane != nil else {
            throw ManagementError(.notOurRole, "this router carries no packets: it is neither ITR, ETR nor proxy")
        }
        guard let source = IPAddress(query.source) else {
            throw ManagementError(.badRequest, "\(query.source) is no address")
        }
        guard let destination = IPAddress(query.destination) else {
            throw ManagementError(.badRequest, "\(query.destination) is no address")
        }
        guard source.family == destination.family else {
            throw ManagementError(.badRequest, "\(source) and \(destination) are not of one family")
        }
        let hasPorts = query.protocolNumber.map(FlowPacket.hasPorts) ?? false
        guard hasPorts || query.sourcePort == nil && query.destinationPort == nil else {
            throw ManagementError(.badRequest, "ports are those of TCP, UDP or SCTP: give the protocol, too")
        }
        let instances = configuration.instances
        let chosen: InstanceConfiguration?
        if let wanted = query.instanceID {
            chosen = instances.first { $0.id.rawValue == wanted }
            guard chosen != nil else { throw ManagementError(.notFound, "instance \(wanted) is not configured") }
        } else {
            chosen = instances.first { ownPrefix(of: EID(instanceID: $0.id, source)) != nil } ?? instances.first
        }
        guard let chosen else { throw ManagementError(.notOurRole, "no instance is configured") }
        return ExplainedPacket(
            query: query,
            source: source,
            destination: destination,
            instance: chosen.id,
            space: HostIntegration.space(chosen)
        )
    }

    private func ownPrefix(of eid: EID) -> EIDPrefix? {
        let host = EIDPrefix(instanceID: eid.instanceID, IPPrefix(host: eid.address))
        return configuration.database.map(\.eidPrefix).filter { $0.covers(host) }.max {
            $0.prefix.length < $1.prefix.length
        }
    }

    /// - Parameter hasRoute: whether the host has a route for the destination other than a default route.
    func explain(_ packet: ExplainedPacket, hasRoute: Bool) -> ExplainReport {
        let journey = (host.state[packet.space] ?? SpaceState()).journey(
            of: HostPacket(
                source: packet.source,
                destination: packet.destination,
                isOurs: isOurAddress(packet.source, packet.instance),
                hasRoute: hasRoute
            )
        )
        // Instances of one space share its rules: the packet may well go into the TUN of another than was thought of.
        var instance = packet.instance
        if case .interface(let name) = journey.end,
            let other = configuration.instances.first(where: { HostIntegration.tun($0.id) == name })
        {
            instance = other.id
        }
        let time = ReportTime()
        let entry = router.itr?.cache.longestMatch(EID(instanceID: instance, packet.destination))
        let decision = plane?.decision(on: packet.octets, in: instance)
        let choice = explainLocators(entry, decision, packet, time)
        let fate = fate(of: packet, journey, decision, entry, choice)
        var report = ExplainReport(
            source: packet.source.description,
            destination: packet.destination.description,
            instanceID: instance.rawValue,
            protocolNumber: packet.query.protocolNumber,
            sourcePort: packet.query.sourcePort,
            destinationPort: packet.query.destinationPort,
            outcome: fate.outcome,
            summary: fate.summary,
            host: hostReport(packet, journey, instance),
            mapping: entry.map { mapCacheEntry($0, time) },
            question: decision == .askControlPlane
                ? question(about: EID(instanceID: instance, packet.destination)) : nil,
            usesProxyETRs: choice?.usesProxyETRs ?? false,
            locators: choice?.locators ?? [],
            largestPacket: fate.outcome == .encapsulated ? choice?.largestPacket : nil,
            wayBack: wayBack(EID(instanceID: instance, packet.source))
        )
        if instance != packet.instance {
            report.notes.append("the host's rules take it into instance \(instance), not \(packet.instance)")
        }
        if let disagreement = disagreement(entry, decision) { report.notes.append(disagreement) }
        return report
    }

    private func explainLocators(
        _ entry: LISPTables.MapCacheEntry?,
        _ decision: ForwardingDecision?,
        _ packet: ExplainedPacket,
        _ time: ReportTime
    ) -> LocatorExplanation? {
        guard let itr = router.itr else { return nil }
        return LocatorExplanation(
            entry,
            decision,
            isWholeFlow: packet.isWholeFlow,
            LocatorExplanation.Sources(
                itr: itr,
                time: time,
                tunMTU: Int(resolvedHost.tunMTU),
                use: { [plane] in plane?.use(of: $0) }
            )
        )
    }

    private func isOurAddress(_ address: IPAddress, _ instance: InstanceID) -> Bool {
        resolvedHost.rlocs.contains(address) || resolvedHost.ownAddresses[instance, default: []].contains(address)
    }

    // MARK: The host

    private func hostReport(_ packet: ExplainedPacket, _ journey: HostJourney, _ instance: InstanceID) -> ExplainedHost
    {
        let own = ownPrefix(of: EID(instanceID: instance, packet.source))
        switch journey.end {
        case .interface(let name):
            let why =
                own.map { "its source is in \($0.prefix), an EID-prefix of this site" }
                ?? "its destination is in the EID space that this Proxy-ITR attracts"
            return ExplainedHost(interface: name, steps: journey.steps, text: "goes into \(name): \(why)")
        case .specificRoute:
            let isOwn = ownPrefix(of: EID(instanceID: instance, packet.destination)) != nil
            return ExplainedHost(
                steps: journey.steps,
                text: isOwn
                    ? "stays in the site: the host has a route to the destination"
                    : "goes by a route of the tenant's own"
            )
        case .unreachable:
            let isOwn = ownPrefix(of: EID(instanceID: instance, packet.destination)) != nil
            return ExplainedHost(
                steps: journey.steps,
                text: isOwn
                    ? "is refused: the destination is in an EID-prefix of this site, and the host has no route to it"
                    : "is refused: nothing is to be encapsulated there, and natively it would come back to this Proxy-ITR"
            )
        case .hostRouting:
            return ExplainedHost(
                steps: journey.steps,
                text: "is left to the host's own routing: \(whyNative(own, journey))"
            )
        }
    }

    private func whyNative(_ own: EIDPrefix?, _ journey: HostJourney) -> String {
        if journey.steps.contains(where: { $0.hasPrefix("throw ") }) {
            return "a negative mapping covers the destination, which a `throw` route tells the kernel"
        }
        if let own {
            return configuration.roles.contains(.itr)
                ? "no rule of ours takes it, although its source is in \(own.prefix)"
                : "its source is in \(own.prefix), but this router is no ITR"
        }
        return configuration.proxyITR == nil
            ? "its source is in no EID-prefix of this site"
            : "its source is in no EID-prefix of this site, and its destination not in the EID space that we attract"
    }

    // MARK: The fate

    private typealias Fate = (outcome: ExplainReport.Outcome, summary: String)

    private func fate(
        of packet: ExplainedPacket,
        _ journey: HostJourney,
        _ decision: ForwardingDecision?,
        _ entry: LISPTables.MapCacheEntry?,
        _ choice: LocatorExplanation?
    ) -> Fate {
        switch journey.end {
        case .specificRoute: return (.local, "delivered by the host's own route, without LISP")
        case .unreachable: return (.dropped, "dropped by the kernel, with ICMP Destination Unreachable")
        case .hostRouting: return (.natively, "forwarded natively, by the host's own routing")
        case .interface: break
        }
        switch decision {
        case nil: return (.dropped, "dropped: the instance is not served")
        case .drop(let reason): return (.dropped, "dropped: \(reason.text)\(reason.whatTheSenderHears)")
        case .forwardNatively:
            return (.natively, "forwarded natively: written back to the TUN, since the mapping is negative")
        case .askControlPlane:
            return entry == nil
                ? (.asked, "there is no mapping: the mapping system is asked")
                : (.asked, "the mapping says to ask the mapping system for every packet")
        case .encapsulate:
            let to = choice?.usesProxyETRs == true ? "Proxy-ETR " : ""
            let candidates = choice?.candidates ?? []
            let places = candidates.joined(separator: " or ")
            return candidates.count == 1
                ? (.encapsulated, "encapsulated to \(to)\(places)")
                : (.encapsulated, "encapsulated to \(to)\(places), as the flow's ports decide")
        }
    }

    private func question(about eid: EID) -> String {
        guard let itr = router.itr else { return "this router asks no Map-Resolver: it is no ITR" }
        guard let resolver = itr.nextMapResolver else { return "no Map-Resolver is configured: packets are dropped" }
        guard !itr.settings.rlocs.isEmpty else { return "none of our locators has an address: packets are dropped" }
        guard let question = itr.question(about: eid) else {
            return "the first packet makes the router ask Map-Resolver \(resolver), and waits for the answer"
        }
        let left = ReportTime().seconds(until: question.deadline)
        return switch question.phase {
        case .asking: "asked \(question.triesSoFar) of \(Question.tries) times; packets wait"
        case .resting: "nobody answered \(Question.tries) Map-Requests: packets are dropped for another \(left) s"
        case .pausing: "asked within the last second, with nothing to keep: packets are dropped until the next"
        }
    }

    /// Where the control plane and the data plane do not say the same.
    private func disagreement(_ entry: LISPTables.MapCacheEntry?, _ decision: ForwardingDecision?) -> String? {
        guard let itr = router.itr, let decision else { return nil }
        if case .drop(let reason) = decision, reason.isBeforeLookup { return nil }
        let agrees =
            switch (entry.map(itr.forwardingAction), decision) {
            case (nil, .askControlPlane), (.sendMapRequest, .askControlPlane), (.forwardNatively, .forwardNatively):
                true
            case (.encapsulate, .encapsulate(let mapping, _)): mapping == entry?.mapping
            case (.encapsulate, .drop(.noUsableLocator)): true
            case (.drop, .drop): true
            default: false
            }
        return agrees ? nil : "the data plane does not follow the map-cache yet: \(decision)"
    }

    // MARK: The way back

    private func wayBack(_ source: EID) -> String {
        guard let own = ownPrefix(of: source) else {
            return "\(source.address) is in no EID-prefix of this site: answers come as the network outside routes them"
        }
        guard let etr = siteETR else { return "\(own.prefix) is not registered by this router: it is no ETR" }
        guard !etr.registrars.isEmpty else { return "\(own.prefix) is registered nowhere: no Map-Server is configured" }
        let states = etr.registrars.map { registrar -> (server: String, problem: String?) in
            let server = registrar.peer.address.description
            guard let registration = registrar.registrations.first(where: { $0.mappings.contains(own) }) else {
                return (server, "\(server): it has no locator")
            }
            guard registrar.peer.wantsMapNotify else { return (server, nil) }
            if registration.refused.contains(own) { return (server, "\(server) refuses it") }
            guard registration.lastAcknowledged != nil, registration.unacknowledged < 2 else {
                return (server, "\(server) has not acknowledged it")
            }
            return (server, nil)
        }
        let good = states.filter { $0.problem == nil }.map(\.server)
        let bad = states.compactMap(\.problem)
        if good.isEmpty { return "\(own.prefix) is not registered: \(bad.joined(separator: "; "))" }
        return "\(own.prefix) is registered with \(good.joined(separator: ", "))"
            + (bad.isEmpty ? "" : ", not everywhere: \(bad.joined(separator: "; "))")
    }
}

extension DataPlaneDropReason {
    /// What ICMP tells the sender of the packet, as far as limits allow.
    fileprivate var whatTheSenderHears: String {
        switch self {
        case .policyDenied, .policyAuthenticationFailure: "; ICMP tells its sender that it is prohibited"
        case .policyNoReason, .attracted, .noUsableLocator: "; ICMP tells its sender that there is no way"
        default: ""
        }
    }

    /// Whether the packet itself is at fault, or its destination ours: then the map-cache was not asked.
    fileprivate var isBeforeLookup: Bool {
        switch self {
        case .malformedPacket, .invalidSource, .multicastDestination, .linkLocalDestination, .invalidDestination,
            .timeToLiveExceeded, .destinationIsOwn:
            true
        default: false
        }
    }
}
