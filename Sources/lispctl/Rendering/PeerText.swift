// show map-servers, map-resolvers, locators, interfaces.

import ManagementAPI

func text(of report: MapServersReport) -> String {
    var lines = columns(
        ["Map-Server", "State", "Last sent", "Last ack", "Sent", "Acks", "Auth failures", "Key"],
        report.mapServers.map { server in
            [
                server.address, server.state.rawValue, ago(server.lastSent), ago(server.lastAcknowledged),
                String(server.registersSent), String(server.acknowledgements), String(server.authenticationFailures),
                "\(server.keyID) \(server.algorithm)",
            ]
        }
    )
    for server in report.mapServers {
        let flags = [
            server.proxyReply ? "proxy-reply" : nil, server.merge ? "merge" : nil,
            server.wantMapNotify ? "map-notify" : "no map-notify",
        ].compactMap(\.self)
        lines += ["", "\(server.address): \(flags.joined(separator: ", "))"]
        if !server.eidPrefixes.isEmpty { lines += listed("EID-prefixes", server.eidPrefixes) }
        if let problem = server.problem { lines.append("  Problem: \(problem)") }
    }
    return joined(lines)
}

func text(of report: MapResolversReport) -> String {
    var lines = columns(
        ["Map-Resolver", "State", "Sent", "Answered", "Last sent", "Last answer", "RTT", "Smoothed", "Loss"],
        report.mapResolvers.map { resolver in
            [
                resolver.address + (resolver.isPreferred ? " *" : ""), resolver.state.rawValue, String(resolver.sent),
                String(resolver.answered), ago(resolver.lastSent), ago(resolver.lastAnswered),
                resolver.roundTripMicroseconds.map(milliseconds) ?? "-",
                resolver.smoothedRoundTripMicroseconds.map(milliseconds) ?? "-",
                "\(resolver.lossPerMille / 10).\(resolver.lossPerMille % 10)%",
            ]
        }
    )
    if report.mapResolvers.contains(where: \.isPreferred) { lines += ["", "* is asked first"] }
    if let routes = report.routes {
        lines += ["", "This Map-Resolver asks:"]
        lines += columns(
            ["Map-Server", "Instance", "Forwarded", "Last", "EID-prefixes"],
            routes.map { route in
                [
                    route.mapServer, String(route.instanceID), String(route.forwarded), ago(route.lastForwarded),
                    route.eidPrefixes.joined(separator: ", "),
                ]
            }
        )
        if routes.isEmpty { lines.append("the Map-Server beside it, for every EID") }
    }
    return joined(lines)
}

/// Microseconds as `0.123 ms`.
func milliseconds(_ microseconds: UInt64) -> String {
    let fraction = String(microseconds % 1000)
    return "\(microseconds / 1000).\(String(repeating: "0", count: 3 - fraction.count))\(fraction) ms"
}

func text(of report: ProxyETRsReport) -> String {
    guard !report.proxyETRs.isEmpty else {
        return "No Proxy-ETR is configured: what is no LISP site is reached natively.\n"
    }
    return joined(
        columns(
            ["Proxy-ETR", "State", "Since", "Pri/Wgt", "Used", "Sent", "Probes", "RTT"],
            report.proxyETRs.map { proxy in
                [
                    proxy.address, proxy.state.name, proxy.since.map { ago($0) } ?? "-",
                    "\(proxy.priority)/\(proxy.weight)", proxy.isUsed ? "yes" : "no", packets(proxy.encapsulated),
                ] + probeColumns(proxy.probing)
            }
        )
    )
}

/// Probes sent and answered, and the smoothed round-trip time.
private func probeColumns(_ probing: LocatorProbing?) -> [String] {
    guard let probing else { return ["-", "-"] }
    return [
        "\(probing.probesSent)/\(probing.probesAnswered)", probing.roundTrip.map { "\($0.smoothed) ms" } ?? "-",
    ]
}

func text(of report: SMRReport) -> String {
    guard !report.smrPeers.isEmpty else { return "No Solicit-Map-Request has been sent or received.\n" }
    func last(_ moment: Moment?, _ eid: String?) -> String {
        guard moment != nil else { return "never" }
        return ago(moment) + (eid.map { " \($0)" } ?? "")
    }
    var lines = columns(
        ["RLOC", "Sent", "Repeated", "Last sent", "Asked", "Last asked", "Received", "Last received"],
        report.smrPeers.map { peer in
            [
                peer.address, String(peer.sent), String(peer.repeated), last(peer.lastSent, peer.lastSentEID),
                String(peer.invoked), ago(peer.lastInvoked), String(peer.received),
                last(peer.lastReceived, peer.lastReceivedEID),
            ]
        }
    )
    if report.forgotten > 0 { lines.append("\(report.forgotten) others were forgotten") }
    return joined(lines)
}

func text(of report: LocatorsReport) -> String {
    let local = columns(
        ["Local RLOC", "Interface", "State", "Pri/Wgt", "Locator sets"],
        report.local.map { locator in
            [
                locator.address ?? "-", locator.interface ?? "-",
                locator.state?.name ?? (locator.isSelf ? "-" : "not ours"), "\(locator.priority)/\(locator.weight)",
                locator.locatorSets.joined(separator: ", "),
            ]
        }
    )
    let remote = columns(
        ["Remote RLOC", "State", "Since", "Mappings", "Sent", "Source", "MTU", "Probes", "RTT"],
        report.remote.map { locator in
            [
                locator.address, locator.state.name, locator.since.map { ago($0) } ?? "-", String(locator.mappings),
                packets(locator.encapsulated), locator.source ?? "-", locator.mtu.map(String.init) ?? "-",
            ] + probeColumns(locator.probing)
        }
    )
    return joined(local + [""] + remote)
}

func text(of report: InterfacesReport) -> String {
    let tunnels = columns(
        ["TUN", "Instance", "Namespace", "State", "MTU", "Queues", "Encapsulated", "Decapsulated"],
        report.tunnels.map { tunnel in
            [
                tunnel.name, String(tunnel.instanceID), tunnel.namespace ?? "-", tunnel.isUp ? "up" : "down",
                tunnel.mtu.map { String($0) } ?? "-", String(tunnel.queues), packets(tunnel.encapsulated),
                packets(tunnel.decapsulated),
            ]
        }
    )
    let rlocs = columns(
        ["RLOC interface", "State", "MTU", "Addresses"],
        report.rlocInterfaces.map { interface in
            [
                interface.name, interface.isUp ? "up" : "down", String(interface.mtu),
                interface.addresses.joined(separator: ", "),
            ]
        }
    )
    return joined(tunnels + [""] + rlocs)
}
