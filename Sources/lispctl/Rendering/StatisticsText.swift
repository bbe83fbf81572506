// show statistics, in the words of `show lisp service ipv4 statistics`. Counters of messages that lispd does not have,
// and of faults that the kernel finds before lispd sees the datagram, stand at 0, because those who read this output by
// program expect them. What IOS has no line for follows below.

import ManagementAPI

func text(of report: StatisticsReport) -> String {
    var lines: [String] = []
    for control in report.control {
        if !lines.isEmpty { lines.append("") }
        lines += textLines(of: control, cleared: ago(report.lastCleared))
    }
    lines += sharedLines(report.formatErrors, cleared: ago(report.lastCleared))
    lines += reasonLines("Control messages dropped", report.controlDrops)
    if let plane = report.dataPlane { lines += textLines(of: plane) }
    return joined(lines)
}

private func line(_ label: String, _ value: some CustomStringConvertible, _ level: Int = 1) -> String {
    (String(repeating: "  ", count: level) + label).padded(to: 52) + value.description
}

private func pair(_ label: String, _ value: InOut, _ level: Int = 1) -> String {
    line("\(label) in/out:", "\(value.incoming)/\(value.outgoing)", level)
}

private func recent(_ count: RecentCount) -> String {
    "\(count.fiveSeconds)/\(count.oneMinute)/\(count.fiveMinutes)"
}

private func textLines(of control: ControlStatistics, cleared: String) -> [String] {
    let none = InOut()
    return [
        "LISP EID Statistics for all EID instances - last cleared: \(cleared)",
        "Control Packets: (\(control.family.name))",
        pair("Map-Requests", control.mapRequests),
        line("Map-Requests in (5 sec/1 min/5 min):", recent(control.recentMapRequests), 2),
        pair("Encapsulated Map-Requests", control.encapsulatedMapRequests, 2),
        pair("RLOC-probe Map-Requests", control.probeMapRequests, 2),
        pair("SMR-based Map-Requests", control.solicitMapRequests, 2),
        line("Extranet SMR cross-IID Map-Requests in:", 0, 2),
        line("Map-Requests expired on-queue/no-reply", "0/\(control.mapRequestsExpired)", 2),
        line("Map-Resolver Map-Requests forwarded:", control.mapResolverForwarded, 2),
        line("Map-Server Map-Requests forwarded:", control.mapServerForwarded, 2),
        pair("Map-Reply records", control.mapReplyRecords),
        pair("Authoritative records", control.authoritativeRecords, 2),
        pair("Non-authoritative records", control.nonAuthoritativeRecords, 2),
        pair("Negative records", control.negativeRecords, 2),
        pair("RLOC-probe records", control.probeRecords, 2),
        line("Map-Server Proxy-Reply records out:", control.proxyReplyRecords, 2),
        pair("WLC Map-Subscribe records", none),
        pair("Map-Subscribe failures", none, 2),
        pair("WLC Map-Unsubscribe records", none),
        pair("Map-Unsubscribe failures", none, 2),
        pair("Map-Register records", control.mapRegisterRecords),
        line("Map-Registers in (5 sec/1 min/5 min):", recent(control.recentMapRegisterRecords), 2),
        line("Map-Server AF disabled:", 0, 2),
        line("Not valid site eid prefix:", control.registerUnknownEID, 2),
        line("Authentication failures:", control.registerAuthenticationFailures, 2),
        line("Disallowed locators:", control.registerDisallowedLocators, 2),
        line("Miscellaneous:", control.registerOtherFailures, 2),
        pair("WLC Map-Register records", none),
        pair("WLC AP Map-Register", none, 2),
        pair("WLC Client Map-Register", none, 2),
        pair("WLC Map-Register failures", none, 2),
        pair("Map-Notify records", control.mapNotifyRecords),
        line("Authentication failures:", control.mapNotifyAuthenticationFailures, 2),
        pair("WLC Map-Notify records", none),
        pair("WLC AP Map-Notify", none, 2),
        pair("WLC Client Map-Notify", none, 2),
        pair("WLC Map-Notify failures", none, 2),
    ] + publishSubscribe() + errorsAndCache(control)
}

private func publishSubscribe() -> [String] {
    let none = InOut()
    return [
        "  Publish-Subscribe:",
        pair("Subscription Request records", none),
        pair("IID subscription requests", none, 2),
        pair("Pub-refresh subscription requests", none, 2),
        pair("Policy subscription requests", none, 2),
        pair("Subscription Request failures", none),
        pair("Subscription Status records", none),
        pair("End of Publication records", none, 2),
        pair("Subscription rejected records", none, 2),
        pair("Subscription removed records", none, 2),
        pair("Subscription Status failures", none),
        pair("Solicit Subscription records", none),
        pair("Solicit Subscription failures", none),
        pair("Publication records", none),
        pair("Publication failures", none),
    ]
}

private func errorsAndCache(_ control: ControlStatistics) -> [String] {
    [
        "Errors:",
        line("Mapping record TTL alerts:", 0),
        line("Map-Request invalid source rloc drops:", 0),
        line("Map-Register invalid source rloc drops:", 0),
        line("DDT Requests failed:", 0),
        line("DDT ITR Map-Requests dropped:", "0 (nonce-collision: 0, bad-xTR-nonce: 0)"),
        "Cache Related:",
        line("Cache entries created/deleted:", "\(control.mapCacheCreated)/\(control.mapCacheDeleted)"),
        line("NSF CEF replay entry count", 0),
        line("Number of rejected EID-prefixes due to limit:", 0),
        "Forwarding:",
        line(
            "Number of data signals processed:",
            "\(control.dataSignals) (+ dropped \(control.dataSignalsDropped))"
        ),
        line("Number of reachability reports:", "0 (+ dropped 0)"),
        line("Number of SMR signals dropped:", 0),
        line(
            "Map-Notify-Acks in/out",
            "\(control.mapNotifyAcknowledgements.incoming)/\(control.mapNotifyAcknowledgements.outgoing)"
        ),
        line("Map-cache entries evicted at the limit", control.mapCacheEvicted),
        line("Map-Replies held back by the rate limit", control.repliesLimited),
    ]
}

/// What IOS counts for each locator table, of which there is one.
private func sharedLines(_ errors: FormatErrors, cleared: String) -> [String] {
    let none = InOut()
    return [
        "LISP RLOC Statistics - last cleared: \(cleared)",
        "Control Packets:",
        line("RTR Map-Requests forwarded:", 0),
        line("RTR Map-Notifies forwarded:", 0),
        pair("DDT-Map-Requests", none),
        pair("DDT-Map-Referrals", none),
        "Errors:",
        line("Map-Request format errors:", errors.mapRequests),
        line("Map-Reply format errors:", errors.mapReplies),
        line("Map-Referral format errors:", 0),
        "LISP Miscellaneous Statistics - last cleared: \(cleared)",
        "Errors:",
        line("Invalid IP version drops:", 0),
        line("Invalid IP header drops:", 0),
        line("Invalid IP proto field drops:", 0),
        line("Invalid packet size drops:", 0),
        line("Invalid LISP control port drops:", 0),
        line("Invalid LISP checksum drops:", errors.checksums),
        line("Unsupported LISP packet type drops:", errors.unsupportedTypes),
        line("Unknown packet drops:", errors.otherMessages),
    ]
}

private func reasonLines(_ heading: String, _ reasons: [ReasonCount]) -> [String] {
    let counted = reasons.filter { $0.count > 0 }
    guard let longest = counted.map(\.reason.count).max() else { return [] }
    // Some reasons are longer than any label of IOS: the numbers of a list stand below each other all the same.
    let width = max(50, longest + 2)
    return [heading] + counted.map { "  \($0.reason.padded(to: width))\($0.count)" }
}

/// What went through the system calls of all workers.
private func calls(_ label: String, _ counts: [SystemCallCounts.Count]) -> String {
    let (calls, packets) = counts.reduce((0, 0)) { ($0.0 + $1.calls, $0.1 + $1.packets) }
    let tenths = calls > 0 ? (10 * packets + calls / 2) / calls : 0
    let each = calls > 0 ? " (\(tenths / 10).\(tenths % 10) each)" : ""
    return line(label, "\(packets) in \(calls) system calls\(each)")
}

private func textLines(of plane: DataPlaneStatistics) -> [String] {
    var lines = ["Data plane"]
    for instance in plane.instances {
        for (name, traffic) in [
            ("encapsulated", instance.encapsulated), ("decapsulated", instance.decapsulated),
        ] {
            lines.append(
                line("instance \(instance.instanceID) \(name)", "\(traffic.packets) packets, \(traffic.octets) octets")
            )
        }
    }
    lines += [
        line("packets forwarded natively", plane.nativelyForwarded),
        line("packets without a mapping", plane.misses),
        line("  held and sent when it came", plane.heldReleased),
        line("  held in vain", plane.heldDropped),
        line("trains of datagrams received/sent", "\(plane.trainsReceived)/\(plane.trainsSent)"),
        line("trains of packets from/to the site", "\(plane.siteTrainsTaken)/\(plane.siteTrainsGiven)"),
        line("source ports without trains", plane.portsWithoutTrains),
        calls("datagrams received", plane.systemCalls.map(\.receive)),
        calls("datagrams sent", plane.systemCalls.map(\.send)),
        calls("packets from the site", plane.systemCalls.map(\.tunnelRead)),
        calls("packets to the site", plane.systemCalls.map(\.tunnelWrite)),
        line("IPv4 packets fragmented to fit", plane.fragmented),
        line("IPv6 packets sent fragmentable", plane.sentFragmentable),
        line("errors about paths believed/refused", "\(plane.paths.errorsBelieved)/\(plane.paths.errorsRefused)"),
        line("  told to the control plane", plane.paths.reports),
        line("  told a moment before/lost", "\(plane.paths.reportsRepeated)/\(plane.paths.reportsLost)"),
        line("ICMP errors sent to hosts", plane.siteErrors.sent),
        line(
            "  not sent: limit/forbidden/no source",
            "\(plane.siteErrors.limited)/\(plane.siteErrors.forbidden)/\(plane.siteErrors.withoutSource)"
        ),
    ]
    lines += plane.headerHints.map(textLines) ?? []
    return lines + reasonLines("Packets dropped", plane.drops)
}

private func textLines(of hints: HeaderHintCounts) -> [String] {
    [
        line("echo-nonce requests sent/echoed", "\(hints.echoesRequested)/\(hints.echoesMatched)"),
        line("echo-nonce requests received/echoes sent", "\(hints.echoRequestsReceived)/\(hints.echoesSent)"),
        line("packets with locator-status-bits received/sent", "\(hints.statusBitsReceived)/\(hints.statusBitsSent)"),
        line("  changes of those received", hints.statusBitsChanged),
    ] + reasonLines("Hints of LISP headers ignored", hints.ignored)
}
